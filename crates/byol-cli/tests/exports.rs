//! `byol export`: what it writes is loaded in PyTorch, torchvision and ONNX Runtime (`exports/check.py`) and compared with
//! what the library computes; and what it refuses. `given_weights.rs` has the other way round, `classifiers.rs` every classifier of a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use byol::config::Experiment;
use byol::config::resolve::{Request, resolve};
use byol::data::patterns::{PatternOptions, dataset_with};
use byol::data::{DataError, Dataset, Image, ImageSource, LabeledImages};
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::eval::Features;
use byol::eval::features::{FeatureRequest, extract};
use byol::eval::knn::{KnnOptions, knn_votes};
use byol::experiment::{self, Context};
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Silent};
use byol::run::record::HeadKind;
use byol::train::answering::Answering;
use byol::trained::classifiers::{AnyClassifier, Chosen, ClassifierKind};
use byol::trained::model::{Choice, TrainedClassifier, TrainedEncoder};
use serde_json::json;
use tch::{Device, Tensor};

#[path = "exports/classifiers.rs"]
mod classifiers;
#[path = "exports/given_weights.rs"]
mod given_weights;

const BATCHES: [usize; 3] = [1, 3, 17];
/// Width and height of images that are resized on the way.
const ODD: [[usize; 2]; 3] = [[50, 37], [20, 9], [200, 150]];

fn data() -> Dataset {
    dataset_with(PatternOptions { side: 32, train_per_class: 6, test_per_class: 4, unlabeled: 40 })
}

fn cpu() -> Hardware {
    Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap()
}

fn tiny(extra: &[&str]) -> Experiment {
    let set = [
        "image_size=32",
        "pretrain.epochs=2",
        "pretrain.batch_size=16",
        "pretrain.projector_hidden=32",
        "pretrain.monitor_every=0",
        "supervised.epochs=2",
        "supervised.minimum_steps=4",
        "supervised.warmup_epochs=0",
        "finetune.epochs=2",
        "finetune.minimum_steps=4",
        "finetune.warmup_epochs=0",
        "pretrain.warmup_epochs=0",
        "draws=1",
    ];
    let set: Vec<String> = set.iter().chain(extra).map(|&pair| pair.to_owned()).collect();
    resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap()
}

#[derive(Clone, Copy)]
enum Stages {
    All,
    Supervised,
    Pretrain,
}

fn train(experiment: &Experiment, out: &Path, stages: Stages) {
    let mut context = Context {
        experiment,
        data: &data(),
        hardware: &cpu(),
        out,
        mode: OpenMode::Fresh,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Silent,
    };
    match stages {
        Stages::All => experiment::run(&mut context),
        Stages::Supervised => experiment::supervised(&mut context),
        Stages::Pretrain => experiment::pretrain(&mut context),
    }
    .unwrap();
}

fn byol(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byol")).args(arguments).output().expect("the program can be started")
}

fn exported(arguments: &[&str]) -> Output {
    let output = byol(&[&["export"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    output
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = byol(&[&["export"], arguments].concat());
    assert!(!output.status.success(), "{output:?}");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The Python that `make python` has set up.
fn python() -> PathBuf {
    if let Some(chosen) = std::env::var_os("BYOL_PYTHON") {
        return chosen.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".python/bin/python");
    assert!(
        python.is_file(),
        "exported networks are tested in PyTorch and ONNX Runtime, and {} is not there: run `make python` once (or set \
         BYOL_PYTHON to a Python that has the packages of scripts/python-requirements.txt)",
        python.display()
    );
    python
}

fn run_python(script: &str, arguments: &[&Path]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(python())
        .arg(script)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .expect("Python can be started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Images in memory.
struct Images(Vec<Image>);

impl ImageSource for Images {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        image.clone_from(&self.0[index]);
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        index.to_string()
    }
}

/// Smooth images with some noise.
fn images(count: usize, [width, height]: [usize; 2], seed: u64) -> Vec<Image> {
    let mut random = fastrand::Rng::with_seed(seed);
    let image = |_| {
        let slopes = [(); 6].map(|()| random.f32() * 8.0);
        let mut pixels = Vec::with_capacity(3 * width * height);
        for channel in 0..3 {
            for y in 0..height {
                for x in 0..width {
                    let (x, y) = (x as f32 / width as f32, y as f32 / height as f32);
                    let wave = (slopes[2 * channel] * x + slopes[2 * channel + 1] * y).sin();
                    pixels.push((128.0 + 90.0 * wave + 30.0 * (random.f32() - 0.5)) as u8);
                }
            }
        }
        Image { width, height, pixels }
    };
    (0..count).map(image).collect()
}

fn levels(images: &[Image]) -> Tensor {
    let Image { width, height, .. } = images[0];
    let pixels: Vec<u8> = images.iter().flat_map(|image| image.pixels.iter().copied()).collect();
    Tensor::from_slice(&pixels).view([images.len() as i64, 3, height as i64, width as i64])
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Classifier,
    Selftrained,
    Linear,
    Knn,
    Encoder,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Part::Classifier => "classifier",
            Part::Selftrained => "selftrained",
            Part::Linear => "linear",
            Part::Knn => "knn",
            Part::Encoder => "encoder",
        }
    }

    fn options(self) -> &'static [&'static str] {
        match self {
            Part::Classifier => &[],
            Part::Selftrained => &["--classifier", "selftrained"],
            Part::Linear => &["--classifier", "linear"],
            Part::Knn => &["--classifier", "knn"],
            Part::Encoder => &["--encoder-only"],
        }
    }
}

fn chosen(run: &Path, kind: ClassifierKind) -> AnyClassifier {
    Chosen::open(run, Choice::default(), Some(kind), Device::Cpu).unwrap().classifier
}

/// What the library computes: logits or representations of images, by its own loader.
fn answers(run: &Path, part: Part, images: Vec<Image>) -> Tensor {
    let labeled = LabeledImages { labels: vec![0; images.len()], images: Arc::new(Images(images)) };
    let all: Vec<usize> = (0..labeled.labels.len()).collect();
    let hardware = cpu();
    let logits = |network: &TrainedClassifier| {
        let TrainedClassifier { experiment, classifier, weights, .. } = network;
        Answering { experiment, hardware: &hardware, classifier, weights }.logits(&labeled, &all).unwrap()
    };
    match part {
        Part::Classifier => logits(&TrainedClassifier::open(run, Choice::default(), Device::Cpu).unwrap()),
        Part::Selftrained | Part::Linear => {
            let kind = match part {
                Part::Selftrained => ClassifierKind::Selftrained,
                _ => ClassifierKind::Frozen(HeadKind::Linear),
            };
            let AnyClassifier::Layers(network) = chosen(run, kind) else { panic!("{kind:?} has layers") };
            logits(&network)
        }
        Part::Knn => {
            let AnyClassifier::Knn(knn) = chosen(run, ClassifierKind::Frozen(HeadKind::Knn)) else {
                panic!("k-NN is k-NN")
            };
            let encoder = knn.weights.named();
            let request = FeatureRequest { experiment: &knn.experiment, hardware: &hardware, encoder: &encoder };
            let vectors = extract(&request, &labeled, &all).unwrap().vectors;
            let labels: Vec<i64> = Vec::try_from(&knn.bank.labels).unwrap();
            let bank = Features {
                vectors: knn.bank.vectors.shallow_clone(),
                labels: labels.into_iter().map(|label| label as u16).collect(),
            };
            let options = KnnOptions { neighbors: knn.bank.neighbors, temperature: knn.bank.temperature };
            let votes = knn_votes(&bank, &vectors, knn.class_names.len(), &options).unwrap();
            votes.clamp_min(f64::from(f32::MIN_POSITIVE)).log()
        }
        Part::Encoder => {
            let network = TrainedEncoder::open(run, Choice::default(), Device::Cpu).unwrap();
            let encoder: BTreeMap<String, Tensor> = network.weights.named();
            let request = FeatureRequest { experiment: &network.experiment, hardware: &hardware, encoder: &encoder };
            extract(&request, &labeled, &all).unwrap().vectors
        }
    }
}

/// Exports a network in every form and describes the case for `check.py`.
fn case(
    run: &Path,
    part: Part,
    experiment: &Experiment,
    torchvision: Option<&str>,
    batches: usize,
) -> serde_json::Value {
    let name = format!("{}-{}", run.file_name().unwrap().to_str().unwrap(), part.name());
    let folder = run.parent().unwrap();
    let place = |ending: &str| folder.join(format!("{}{ending}", name.replace('-', "_"))).to_str().unwrap().to_owned();
    let only = part.options();
    let from = run.to_str().unwrap();
    for out in [".safetensors", ".onnx"] {
        exported(&[&["--from", from, "--out", &place(out)], only].concat());
    }
    exported(&[&["--from", from, "--out", &place("_normalized.onnx"), "--input", "normalized"], only].concat());

    let side = experiment.image_size;
    let mut expected = Vec::new();
    for batch in BATCHES {
        let images = images(batch, [side, side], batch as u64);
        expected.push((format!("levels{batch}"), levels(&images)));
        expected.push((format!("answer{batch}"), answers(run, part, images)));
    }
    for (number, size) in ODD.into_iter().enumerate() {
        let images = images(1, size, number as u64);
        expected.push((format!("odd_levels{number}"), levels(&images)));
        expected.push((format!("odd_answer{number}"), answers(run, part, images)));
    }
    let outputs = expected[1].1.size()[1];
    let answers = place(".expected.safetensors");
    Tensor::write_safetensors(&expected, &answers).unwrap();
    let class_names = data().class_names;
    json!({
        "name": name,
        "kind": if part == Part::Encoder { "encoder" } else { "classifier" },
        "torchvision": torchvision,
        "outputs": outputs,
        "batches": batches,
        "safetensors": place(".safetensors"),
        "python": place(".py"),
        "onnx": place(".onnx"),
        "onnx_normalized": place("_normalized.onnx"),
        "expected": answers,
        "batches_of": BATCHES,
        "class_names": class_names,
        "image_size": side,
        "evaluation_crop": experiment.evaluation_crop,
        "mean": experiment.mean,
        "std": experiment.deviation,
    })
}

#[test]
fn other_programs_compute_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let narrow = tiny(&["width=0.25", "labels_per_class=[2, \"all\"]"]);
    let plain = tiny(&["encoder=resnet18", "stem=imagenet", "width=1.0", "labels_per_class=[2]"]);
    let bottleneck = tiny(&[
        "encoder=resnet50",
        "stem=small",
        "width=0.125",
        "labels_per_class=[2]",
        "image_size=24",
        "evaluation_crop=0.875",
    ]);
    let thin = tiny(&["encoder=resnet34", "stem=imagenet", "width=0.25", "labels_per_class=[2]"]);
    let taught = tiny(&[
        "width=0.25",
        "labels_per_class=[2]",
        "selftrain.part_of_run=true",
        "selftrain.judge=never",
        "selftrain.steps=3",
        "selftrain.batch_size=8",
        "selftrain.warmup_steps=1",
    ]);
    let of = |name: &str| folder.path().join(name);
    train(&taught, &of("taught"), Stages::All);
    train(&narrow, &of("narrow"), Stages::All);
    train(&plain, &of("plain"), Stages::All);
    train(&bottleneck, &of("bottleneck"), Stages::Supervised);
    train(&thin, &of("thin"), Stages::Pretrain);
    // 60 labelled images in batches of 64 and 20 of 20: 4 steps. 100 images in batches of 16 twice: 12 steps.
    let cases = [
        case(&of("narrow"), Part::Classifier, &narrow, None, 4),
        case(&of("taught"), Part::Selftrained, &taught, None, 3),
        case(&of("narrow"), Part::Linear, &narrow, None, 24),
        case(&of("narrow"), Part::Knn, &narrow, None, 24),
        case(&of("narrow"), Part::Encoder, &narrow, None, 24),
        case(&of("plain"), Part::Linear, &plain, Some("resnet18"), 24),
        case(&of("plain"), Part::Knn, &plain, None, 24),
        case(&of("plain"), Part::Classifier, &plain, Some("resnet18"), 4),
        case(&of("plain"), Part::Encoder, &plain, Some("resnet18"), 24),
        case(&of("bottleneck"), Part::Classifier, &bottleneck, None, 4),
        case(&of("thin"), Part::Encoder, &thin, None, 24),
    ];
    let list = folder.path().join("cases.json");
    std::fs::write(&list, serde_json::to_vec(&cases).unwrap()).unwrap();
    let said = run_python("tests/exports/check.py", &[&list]);
    assert_eq!(said.matches(": fine").count(), cases.len(), "{said}");
}

#[test]
fn cards_say_what_is_known_and_equal_exports_are_equal_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(&tiny(&["width=0.125", "labels_per_class=[2, 5]"]), &run, Stages::All);
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let from = run.to_str().unwrap();
    for (first, second) in [("a.safetensors", "b.safetensors"), ("a.onnx", "b.onnx")] {
        exported(&["--from", from, "--out", &place(first)]);
        exported(&["--from", from, "--out", &place(second)]);
        assert_eq!(std::fs::read(place(first)).unwrap(), std::fs::read(place(second)).unwrap());
    }
    let card = std::fs::read_to_string(place("a.safetensors.md")).unwrap();
    let fingerprint = data().fingerprint;
    for text in [fingerprint.as_str(), "5 (50 labelled images)", "95% interval", "stripes", "Licence", "`a.py`"] {
        assert!(card.contains(text), "no '{text}' in:\n{card}");
    }
    assert!(!card.contains(folder.path().to_str().unwrap()), "{card}");

    exported(&["--from", from, "--out", &place("two.onnx"), "--labels-per-class", "2", "--stage", "supervised"]);
    let card = std::fs::read_to_string(place("two.onnx.md")).unwrap();
    assert!(card.contains("2 (20 labelled images)") && card.contains("trained with labels alone"), "{card}");

    // A checkpoint by itself is enough, and one that was moved out of its run knows less.
    let checkpoint = run.join("checkpoints/finetune-5-draw0/step-00000004.safetensors");
    exported(&["--from", checkpoint.to_str().unwrap(), "--out", &place("c.safetensors")]);
    assert_eq!(std::fs::read(place("a.safetensors")).unwrap(), std::fs::read(place("c.safetensors")).unwrap());
    std::fs::copy(&checkpoint, place("moved.checkpoint")).unwrap();
    exported(&["--from", &place("moved.checkpoint"), "--out", &place("d.safetensors"), "--json"]);
    let card = std::fs::read_to_string(place("d.safetensors.md")).unwrap();
    assert!(card.contains("Unknown") && card.contains("class 0"), "{card}");
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    train(&tiny(&["width=0.125", "labels_per_class=[2]"]), &run, Stages::Pretrain);
    let run = run.to_str().unwrap();
    let out = folder.path().join("model.onnx");
    let out = out.to_str().unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    let cases: [(&[&str], i32, &str); 7] = [
        (&["--from", run, "--out", out], 1, "holds an encoder without a classifier"),
        (&["--from", run, "--out", out, "--stage", "supervised", "--encoder-only"], 2, "it has pre-training"),
        (&["--from", run, "--out", out, "--format", "onn"], 2, "'onnx'"),
        (&["--from", run, "--out", "model.pickle", "--encoder-only"], 2, "add --format safetensors or onnx"),
        (&["--from", "nowhere", "--out", out], 2, "nowhere is neither a run directory nor a checkpoint"),
        (&["--from", run, "--out", run, "--format", "onnx", "--encoder-only"], 2, "is a folder"),
        (&["--from", run, "--out", "m.safetensors", "--encoder-only", "--input", "normalized"], 2, "--input is for"),
    ];
    for (arguments, code, words) in cases {
        let (found, said) = refused(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
        assert_eq!(entries(), 1, "{arguments:?}");
    }

    exported(&["--from", run, "--out", out, "--encoder-only"]);
    let before = std::fs::read(out).unwrap();
    let (code, said) = refused(&["--from", run, "--out", out, "--encoder-only"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("is there already") && said.contains("--force"), "{said}");
    std::fs::write(out, "something else").unwrap();
    exported(&["--from", run, "--out", out, "--encoder-only", "--force"]);
    assert_eq!(std::fs::read(out).unwrap(), before);
    assert_eq!(entries(), 3, "the run, the network, its card");

    // A run that was interrupted: its summary says so.
    let summary = Path::new(run).join("summary.json");
    let text = std::fs::read_to_string(&summary).unwrap();
    std::fs::write(&summary, text.replace("\"finished\": true", "\"finished\": false")).unwrap();
    let other = folder.path().join("other.onnx");
    let other = other.to_str().unwrap();
    let (_, said) = refused(&["--from", run, "--out", other, "--encoder-only"]);
    assert!(said.contains("is not finished"), "{said}");
    exported(&["--from", run, "--out", other, "--encoder-only", "--stage", "pretrain"]);
}

#[test]
fn the_python_example_runs_on_networks_with_and_without_a_module() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let views = byol(&["views", "--data", "patterns", "--preset", "demo", "--count", "4", "--out", &place("views")]);
    assert!(views.status.success(), "{views:?}");
    for (number, entry) in std::fs::read_dir(place("views")).unwrap().enumerate() {
        let image = entry.unwrap().path();
        let class = folder.path().join(["photos/a", "photos/b"][number % 2]);
        std::fs::create_dir_all(&class).unwrap();
        if image.extension().is_some_and(|extension| extension == "png") {
            std::fs::copy(&image, class.join(format!("{number}.png"))).unwrap();
        }
    }
    let narrow = tiny(&["width=0.25", "labels_per_class=[2]"]);
    let plain = tiny(&["encoder=resnet18", "stem=imagenet", "width=1.0", "labels_per_class=[2]"]);
    for (name, experiment) in [("narrow", narrow), ("plain", plain)] {
        train(&experiment, &folder.path().join(name), Stages::Pretrain);
        // A name that Python must be told with care.
        let odd = format!("{name} \"\u{e9}\u{200b}\"");
        for out in ["onnx", "safetensors"] {
            exported(&["--from", &place(name), "--encoder-only", "--out", &place(&format!("{odd}.{out}"))]);
        }
        let example = "../../examples/python/exported_encoder.py";
        let said = run_python(example, &[&folder.path().join(odd), &folder.path().join("photos")]);
        // Resizing rounds to levels, and the two programs may round one of them otherwise.
        let line = said.lines().find_map(|line| line.strip_prefix("ONNX Runtime: the same within ")).unwrap();
        let far: f64 = line.split(' ').next().unwrap().parse().unwrap();
        assert!(far < 5e-3, "{said}");
        assert!(
            said.contains("PyTorch: ") && said.contains("like a/") && said.contains("logistic regression on "),
            "{said}"
        );
    }
}
