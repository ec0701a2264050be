//! Pre-training beside a handful of labels, the program's own case: a healthy one is never called collapsed, a collapsed
//! one is, and goes on when it is told to. The choice of what is watched is tested for every number of labels in
//! `train::monitor`.

use std::path::Path;
use std::sync::Arc;

use byol::config::Experiment;
use byol::config::resolve::{Request, resolve};
use byol::data::patterns::{PatternOptions, dataset_with};
use byol::data::{Dataset, LabeledImages, SubsetSource};
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Silent};
use byol::train::TrainError;

/// Drawn images of which so many of so many classes have labels.
fn data(classes: usize, labels: usize, unlabeled: usize) -> Dataset {
    let mut data = dataset_with(PatternOptions { side: 32, train_per_class: labels, test_per_class: 2, unlabeled });
    let few = |split: LabeledImages| {
        let kept: Vec<usize> =
            (0..split.labels.len()).filter(|&index| usize::from(split.labels[index]) < classes).collect();
        let labels = kept.iter().map(|&index| split.labels[index]).collect();
        LabeledImages { images: Arc::new(SubsetSource::new(split.images, kept)), labels }
    };
    data.class_names.truncate(classes);
    data.train = data.train.map(few);
    data.test = data.test.map(few);
    data
}

fn small(preset: &str, extra: &[&str]) -> Experiment {
    let set = ["image_size=16", "width=0.0625", "pretrain.monitor_every=1", "pretrain.checkpoint_every=100"];
    let set: Vec<String> = set.iter().chain(extra).map(|&pair| pair.to_owned()).collect();
    resolve(Request { preset: Some(preset), set: &set, ..Request::default() }).unwrap()
}

fn pretrain(experiment: &Experiment, data: &Dataset, out: &Path) -> Result<Outcome, ExperimentError> {
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap();
    experiment::pretrain(&mut Context {
        experiment,
        data,
        hardware: &hardware,
        out,
        mode: OpenMode::Resume,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Silent,
    })
}

/// Numbers of classes, labels of each, and seeds: a few of them, or with `BYOL_FEW_LABELS=all` 2 to 10 classes of 1 to 20
/// labels with five seeds each (`make few-labels-test`).
fn grid() -> Vec<(usize, usize, usize)> {
    if std::env::var_os("BYOL_FEW_LABELS").is_none_or(|value| value != "all") {
        return vec![(2, 1, 3), (2, 3, 5), (5, 3, 8), (10, 1, 11), (4, 20, 24)];
    }
    let sizes = (2..=10).flat_map(|classes| (1..=20).map(move |labels| (classes, labels)));
    sizes.flat_map(|(classes, labels)| (0..5).map(move |seed| (classes, labels, seed))).collect()
}

#[test]
fn healthy_pretraining_beside_few_labels_is_no_collapse() {
    let folder = tempfile::tempdir().unwrap();
    let mut runs = 0;
    for (classes, labels, seed) in grid() {
        let data = data(classes, labels, 100);
        for (preset, batch, method) in [("demo", 16, "byol"), ("hour", 32, "moco-v3")] {
            let [seed, batch] = [format!("seed={seed}"), format!("pretrain.batch_size={batch}")];
            let method = format!("pretrain.method={method}");
            let experiment = small(preset, &["pretrain.epochs=6", &batch, &method, &seed]);
            let out = folder.path().join(format!("{preset}-{classes}-{labels}-{seed}"));
            let outcome = pretrain(&experiment, &data, &out);
            let Ok(Outcome::Finished(_)) = outcome else { panic!("{}: {outcome:?}", out.display()) };
            let epochs = RunDirectory::existing(&out).unwrap().metrics().unwrap();
            let watched = epochs[5].health.unwrap().images.unwrap();
            assert!(watched >= 100, "{watched}");
            assert_eq!(epochs[5].knn_accuracy.is_some(), classes * labels >= 100, "{}", out.display());
            std::fs::remove_dir_all(&out).unwrap();
            runs += 1;
        }
        if runs % 100 == 0 {
            println!(
                "{runs} pre-trainings, the last beside {labels} labels of {classes} classes each, none called collapsed"
            );
        }
    }
    println!("{runs} healthy pre-trainings, none called collapsed");
    // Without a pool there is nothing to judge by, and nothing is.
    let alone = pretrain(
        &small("demo", &["pretrain.epochs=2", "pretrain.batch_size=2"]),
        &data(2, 2, 0),
        &folder.path().join("alone"),
    );
    assert!(matches!(alone, Ok(Outcome::Finished(_))), "{alone:?}");
}

#[test]
fn a_true_collapse_beside_few_labels_is_found_and_can_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(2, 3, 2400);
    // MoCo v3 does not collapse without its predictor.
    let set = [
        "pretrain.method=byol",
        "pretrain.predictor=false",
        "pretrain.epochs=4",
        "pretrain.batch_size=64",
        "width=0.125",
    ];
    let out = folder.path().join("run");
    let error = pretrain(&small("demo", &set), &data, &out).unwrap_err();
    let ExperimentError::Train(TrainError::Collapsed { step, .. }) = &error else { panic!("{error}") };
    assert!(error.to_string().contains("--set pretrain.stop_on_collapse=false goes on"), "{error}");
    // What the message says is kept is there, and the remedy that it names works.
    assert!(out.join(format!("checkpoints/step-{step:08}.safetensors")).is_file());
    let on: Vec<&str> = set.into_iter().chain(["pretrain.stop_on_collapse=false"]).collect();
    let outcome = pretrain(&small("demo", &on), &data, &out);
    assert!(matches!(outcome, Ok(Outcome::Finished(_))), "{outcome:?}");
    let run = RunDirectory::existing(&out).unwrap();
    assert!(!run.experiment().unwrap().pretrain.stop_on_collapse);
    let epochs: Vec<usize> = run.metrics().unwrap().iter().map(|record| record.epoch).collect();
    assert_eq!(epochs, [1, 2, 3, 4]);
    // Anything that changes a trained number is refused as before.
    let other: Vec<&str> = on.into_iter().chain(["pretrain.tau=0.5"]).collect();
    let refused = pretrain(&small("demo", &other), &data, &out).unwrap_err().to_string();
    assert!(refused.contains("pretrain.tau was 0.97, is 0.5"), "{refused}");
}

#[test]
fn patience_by_knn_of_few_labels_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let patient = small("demo", &["pretrain.patience=2", "pretrain.patience_metric=knn"]);
    let error = pretrain(&patient, &data(2, 5, 100), &out).unwrap_err();
    assert!(error.is_of_configuration());
    assert!(error.to_string().contains("needs 100 labelled training images at least"), "{error}");
    assert!(!out.exists());
}
