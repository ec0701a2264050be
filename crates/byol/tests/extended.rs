//! A finished run is extended: baseline and control stay, BYOL's results are found anew, and nothing depends on where the
//! extension was interrupted.

mod tiny;

use std::path::Path;

use byol::config::Experiment;
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter, Silent};
use byol::run::record::{Init, ResultName, Stage};
use byol::trained::model::{Choice, TrainedClassifier};
use tch::Device;

fn begun() -> Experiment {
    tiny::experiment(&[
        "labels_per_class=[2]",
        "pretrain.epochs=3",
        "pretrain.batch_size=20",
        "pretrain.checkpoint_every=1",
    ])
}

/// Asks to stop after an epoch of pre-training.
struct StopAfter(usize, Interrupt);

impl Reporter for StopAfter {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::EpochEnded(record) = event
            && record.stage == Stage::Pretrain
            && record.epoch == self.0
        {
            self.1.request();
        }
    }
}

fn work(
    out: &Path,
    job: fn(&mut Context) -> Result<Outcome, ExperimentError>,
    reporter: &mut dyn Reporter,
    interrupt: &Interrupt,
) -> Outcome {
    let experiment = match RunDirectory::existing(out) {
        Ok(run) => run.experiment().unwrap(),
        Err(_) => begun(),
    };
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(2)).unwrap();
    job(&mut Context {
        experiment: &experiment,
        data: &tiny::data(4, 60),
        hardware: &hardware,
        out,
        mode: OpenMode::Resume,
        command: None,
        interrupt,
        reporter,
    })
    .unwrap()
}

fn run(out: &Path) -> Outcome {
    work(out, experiment::run, &mut Silent, &Interrupt::default())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let place = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(std::fs::copy(entry.path(), place).unwrap()),
        }
    }
}

/// The lines of answers of baseline and control, and those of BYOL.
fn answers(run: &Path) -> [Vec<String>; 2] {
    let text = std::fs::read_to_string(run.join("predictions.jsonl")).unwrap();
    let (byol, others) = text.lines().map(str::to_owned).partition(|line| line.contains("\"name\":\"byol_"));
    [others, byol]
}

#[test]
fn an_extension_keeps_the_baseline_and_equals_an_interrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(run(&at("whole")), Outcome::Finished(_)));
    copy(&at("whole"), &at("parted"));
    let before = answers(&at("whole"));
    assert_eq!(before[1].len(), 6);
    let classifier = |run: &str| {
        let choice = Choice { stage: Some(Stage::Finetune), ..Choice::default() };
        TrainedClassifier::open(&at(run), choice, Device::Cpu).map(|found| found.weights.flat().copy())
    };
    let fine_tuned = classifier("whole").unwrap();
    let baseline =
        std::fs::read_dir(at("whole/checkpoints/supervised-2-draw0")).unwrap().next().unwrap().unwrap().path();
    let weights_before = std::fs::read(&baseline).unwrap();

    for name in ["whole", "parted"] {
        let extension = RunDirectory::existing(&at(name)).unwrap().extend(4).unwrap();
        assert_eq!(extension.epochs, [3, 7]);
        assert!(extension.earlier.join("report.html").is_file());
    }
    // BYOL's earlier results are gone from the run, and kept beside it.
    assert_eq!(answers(&at("whole")), [before[0].clone(), vec![]]);
    assert_eq!(answers(&at("whole/earlier/epochs-3")), before);
    assert!(classifier("whole").is_err());
    assert_eq!(classifier("whole/earlier/epochs-3").unwrap(), fine_tuned);
    let Outcome::Finished(summary) = run(&at("whole")) else { panic!("not finished") };
    let pretrain = summary.pretrain.clone().unwrap();
    assert_eq!((pretrain.epochs, pretrain.images), (7, 7 * 100));
    let is_there = |name: &ResultName| name.init != Init::Given && *name != ResultName::PRETRAINED_SELFTRAINED;
    for name in ResultName::ALL.into_iter().filter(is_there) {
        let found = summary.results.iter().find(|result| result.name == name).unwrap();
        assert_eq!(found.test_accuracy.runs.len(), 2, "{name:?}");
    }
    let after = answers(&at("whole"));
    assert_eq!(after[0], before[0], "the baseline's answers are those of before");
    assert_eq!(std::fs::read(&baseline).unwrap(), weights_before);
    let epochs: Vec<usize> = RunDirectory::existing(&at("whole"))
        .unwrap()
        .metrics()
        .unwrap()
        .iter()
        .filter(|record| record.stage == Stage::Pretrain)
        .map(|record| record.epoch)
        .collect();
    assert_eq!(epochs, [1, 2, 3, 4, 5, 6, 7]);
    let page = std::fs::read_to_string(at("whole/report.html")).unwrap();
    assert!(page.contains("700 image passes"), "the page tells all passes");

    let interrupt = Interrupt::default();
    assert!(!at("parted/report.html").exists(), "the page of before is of classifiers that are no more");
    let ended = work(&at("parted"), experiment::run, &mut StopAfter(5, interrupt.clone()), &interrupt);
    assert!(matches!(ended, Outcome::Interrupted(_)));
    let page = std::fs::read_to_string(at("parted/report.html")).unwrap();
    assert!(page.contains("500 image passes") && page.contains("Unfinished run"), "the page is of now");
    // Classifiers on the shorter pre-training are kept, and none of the longer one yet.
    let ready = TrainedClassifier::open(&at("parted"), Choice::default(), Device::Cpu).err().unwrap().to_string();
    assert!(ready.contains("--classifier baseline") && !ready.contains("--classifier knn"), "{ready}");
    let refused = RunDirectory::existing(&at("parted")).unwrap().extend(1).unwrap_err().to_string();
    assert!(refused.contains("has not ended its pre-training"), "{refused}");
    let Outcome::Finished(parted) = run(&at("parted")) else { panic!("not finished") };
    assert_eq!(parted.results, summary.results);
    let last = |name: &str| std::fs::read(at(name).join("checkpoints/step-00000035.safetensors")).unwrap();
    assert!(last("whole") == last("parted"), "the interrupted extension differs");

    // A new run from the saved configuration computes the same.
    std::fs::create_dir(at("again")).unwrap();
    std::fs::copy(at("whole/config.toml"), at("again/config.toml")).unwrap();
    work(&at("again"), experiment::pretrain, &mut Silent, &Interrupt::default());
    assert!(last("whole") == last("again"), "the repeated run differs");
}
