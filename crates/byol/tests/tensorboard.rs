//! TensorBoard itself reads the event files of a run, and each step once, however the run came about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use byol::config::resolve::{Request, resolve};
use byol::eval::health::Spread;
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::health::Health;
use byol::run::record::{EpochRecord, LabelBudget, Stage};
use byol::run::tensorboard::scalars;

/// By run and tag: step, wall time and value of each event.
type Read = BTreeMap<String, BTreeMap<String, Vec<(i64, f64, f64)>>>;

/// A Python that has TensorBoard: the one that `BYOL_TEST_PYTHON` or `BYOL_PYTHON` names, or that of this checkout.
fn python() -> PathBuf {
    let named = ["BYOL_TEST_PYTHON", "BYOL_PYTHON"].into_iter().find_map(std::env::var_os);
    let python =
        named.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.python/bin/python"), PathBuf::from);
    let found = Command::new(&python).args(["-c", "import tensorboard"]).output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "{} is no Python with the package tensorboard: `make test` makes one, or BYOL_TEST_PYTHON names one",
        python.display()
    );
    python
}

fn read(run: &Path) -> Read {
    let python = python();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tensorboard/read.py");
    let output = Command::new(&python).arg(script).arg(run.join("tensorboard")).output();
    let output = output.expect("it was started above");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn record(stage: Stage, draw: usize, epoch: usize) -> EpochRecord {
    let part = epoch as f64 / 7.0;
    let spread = |times: f64| Spread {
        deviation: times * part,
        effective_rank: 3.0 + part,
        alignment: 0.25,
        uniformity: -times,
    };
    let pretraining = stage == Stage::Pretrain;
    EpochRecord {
        stage,
        labels_per_class: (!pretraining).then_some(LabelBudget::All),
        draw,
        epoch,
        epochs: 5,
        step: 300 * epoch,
        images: 0,
        loss: 1.0 / (epoch as f64),
        train_accuracy: (!pretraining).then_some(part),
        validation_loss: None,
        validation_accuracy: (!pretraining).then_some(0.0),
        knn_accuracy: pretraining.then_some(part),
        linear_accuracy: None,
        health: pretraining.then(|| Health { representation: spread(1.0), projection: spread(2.0), images: None }),
        projection_deviation: None,
        learning_rate: 1e-3 * part,
        tau: pretraining.then_some(0.99),
        images_per_second: 1234.5,
        seconds: 10.5 * epoch as f64,
        processes: None,
    }
}

#[test]
fn tensorboard_reads_every_epoch_once_though_the_run_was_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = resolve(Request { preset: Some("demo"), ..Request::default() }).unwrap();
    let run = RunDirectory::open(&folder.path().join("run"), OpenMode::Fresh, &experiment).unwrap();
    let pretraining: Vec<EpochRecord> = (1..=5).map(|epoch| record(Stage::Pretrain, 0, epoch)).collect();
    let supervised: Vec<EpochRecord> = (1..=2).map(|epoch| record(Stage::Supervised, 1, epoch)).collect();
    for record in supervised.iter().chain(&pretraining[..4]) {
        run.append_metrics(record).unwrap();
    }
    // The run was killed after its fourth epoch; its last checkpoint is that of the second. A part of an event is left.
    let events = run.path().join("tensorboard/pretrain/events.out.tfevents.0000000000.byol");
    let whole = std::fs::read(&events).unwrap();
    std::fs::write(&events, &whole[..whole.len() - 5]).unwrap();
    run.retain_metrics(|record| record.stage != Stage::Pretrain || record.epoch <= 2).unwrap();
    for record in &pretraining[2..] {
        run.append_metrics(record).unwrap();
    }

    let found = read(run.path());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["pretrain", "supervised-all-draw1"]);
    for (name, records) in [("pretrain", &pretraining), ("supervised-all-draw1", &supervised)] {
        let mut expected: BTreeMap<String, Vec<(i64, f64, f64)>> = BTreeMap::new();
        for record in records {
            for (tag, value) in scalars(record) {
                let event = (record.step as i64, record.seconds, f64::from(value as f32));
                expected.entry(tag.to_owned()).or_default().push(event);
            }
        }
        assert_eq!(found[name], expected);
    }
    assert!(found["pretrain"].contains_key("health/representation/effective_rank"));
    assert_eq!(found["supervised-all-draw1"]["accuracy/validation"], [(300, 10.5, 0.0), (600, 21.0, 0.0)]);
}
