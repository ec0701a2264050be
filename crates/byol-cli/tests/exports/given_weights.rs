//! `--weights` takes what PyTorch has saved.

use std::collections::BTreeMap;
use std::path::Path;

use byol::report::language::notices::notice;
use byol::run::notice::Notice;
use byol::trained::digest::digest;
use byol::trained::model::{Choice, TrainedClassifier};
use byol::weights::InitialWeights;
use tch::{Device, Tensor};

use super::{byol, exported, run_python, tiny};

#[test]
fn training_begins_with_weights_of_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    run_python("tests/exports/make_weights.py", &[folder.path()]);
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let experiment = tiny(&["encoder=resnet18", "stem=imagenet", "width=1.0", "labels_per_class=[2]"]);
    let open = |name: &str| InitialWeights::open(&folder.path().join(name), &experiment, Some(10));
    let plain = open("plain.safetensors").unwrap();
    assert_eq!(plain.notes[0], Notice::LastLayerLeftOut { outputs: 1000, classes: 10 });
    for name in ["archive.pth", "old.pth", "wrapped.pt"] {
        assert_eq!(digest(&open(name).unwrap().tensors), digest(&plain.tensors), "{name}");
    }
    // A `Sequential` of its children, without the last layer.
    let lightly = open("lightly.ckpt").unwrap();
    let encoder: BTreeMap<String, Tensor> =
        plain.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
    assert_eq!(digest(&lightly.tensors), digest(&encoder));
    let passed_over = notice(&lightly.notes[0]);
    assert!(passed_over.contains("argparse.Namespace, which was passed over and not run"), "{passed_over}");
    for (name, words) in [("module.pth", "which is not done; save the state dict alone"), ("script.pt", "TorchScript")]
    {
        let error = open(name).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    // A training that moves nothing ends with what it began with.
    let still: Vec<String> = [
        "encoder=resnet18",
        "stem=imagenet",
        "width=1.0",
        "image_size=32",
        "learning_rate=1e-30",
        "warmup_epochs=0",
        "minimum_steps=1",
        "epochs=1",
        "batch_size=10",
    ]
    .iter()
    .flat_map(|pair| ["--set".to_owned(), (*pair).to_owned()])
    .collect();
    let still: Vec<&str> = still.iter().map(String::as_str).collect();
    let run = place("run");
    let command = ["supervised", "--data", "patterns", "--out", &run, "--preset", "demo", "--labels-per-class", "1"];
    let only = ["--draws", "1", "--device", "cpu", "--precision", "fp32", "--weights"];
    let weights = place("archive.pth");
    let began = byol(&[&command[..], &still, &only, &[&weights]].concat());
    assert!(began.status.success(), "{began:?}");
    let said = String::from_utf8_lossy(&began.stderr).into_owned();
    assert!(said.contains("beginning with the weights of") && said.contains("1000 classes"), "{said}");
    assert!(String::from_utf8_lossy(&began.stdout).contains("given weights"), "{began:?}");
    let config = std::fs::read_to_string(Path::new(&run).join("config.toml")).unwrap();
    assert!(config.contains(&digest(&plain.tensors)), "{config}");
    let trained = TrainedClassifier::open(Path::new(&run), Choice::default(), Device::Cpu).unwrap().weights.named();
    for (name, tensor) in &plain.tensors {
        if !name.contains("running") {
            // Steps of such a size are lost in every number but zero.
            assert!(trained[name].allclose(tensor, 0.0, 1e-20, false), "{name}");
        }
    }

    // Resuming needs the file no more, but does not take another one.
    std::fs::remove_file(&weights).unwrap();
    let resumed = byol(&[&command[..], &still, &only, &[&weights], &["--resume"]].concat());
    assert!(resumed.status.success(), "{resumed:?}");
    exported(&["--from", &run, "--out", &place("other.safetensors")]);
    let other = place("other.safetensors");
    let refused = byol(&[&command[..], &still, &only, &[&other], &["--resume"]].concat());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("was begun with other weights"), "{refused:?}");

    // What does not fit leaves no run behind.
    let misfit = place("misfit");
    let arguments = ["pretrain", "--data", "patterns", "--out", &misfit, "--preset", "demo", "--weights", &run];
    let typed = ["--set", "encoder=resnet10", "--set", "stem=small", "--set", "width=0.25"];
    let refused = byol(&[&arguments[..], &typed].concat());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("--set encoder=resnet18 --set stem=imagenet --set width=1 has their form"), "{said}");
    assert!(!Path::new(&misfit).exists());
}
