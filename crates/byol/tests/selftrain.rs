//! Self-training on a small embedded set: what it learns from, what is refused, and that a resumed one equals one that was never
//! stopped.

mod tiny;

use std::path::Path;

use byol::config::Experiment;
use byol::device::{DeviceChoice, Hardware, PrecisionChoice};
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::report::choice::ClassifierKind;
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter, Silent};
use byol::run::record::{LabelBudget, PredictionRecord, ResultName, Stage, Verdict};
use byol::trained::classifiers::Chosen;
use byol::trained::model::Choice;
use tch::Device;

fn tiny(extra: &[&str]) -> Experiment {
    let selftrain =
        ["selftrain.part_of_run=true", "selftrain.steps=10", "selftrain.batch_size=8", "selftrain.warmup_steps=2"];
    tiny::experiment(&[&selftrain, extra].concat())
}

fn attempt(
    (experiment, out, mode): (&Experiment, &Path, OpenMode),
    work: impl FnOnce(&mut Context) -> Result<Outcome, ExperimentError>,
    (reporter, interrupt): (&mut dyn Reporter, &Interrupt),
) -> Result<Outcome, ExperimentError> {
    let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap();
    // 80 training images, and 100 without labels.
    let data = tiny::data(8, 100);
    let command = None;
    work(&mut Context { experiment, data: &data, hardware: &hardware, out, mode, command, interrupt, reporter })
}

fn quietly(
    experiment: &Experiment,
    out: &Path,
    work: impl FnOnce(&mut Context) -> Result<Outcome, ExperimentError>,
) -> Result<Outcome, ExperimentError> {
    attempt((experiment, out, OpenMode::Fresh), work, (&mut Silent, &Interrupt::default()))
}

/// Asks to stop after the fourth part of a self-training.
struct StopInSelftraining(Interrupt);

impl Reporter for StopInSelftraining {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::EpochEnded(record) = event
            && (record.stage, record.epoch) == (Stage::Selftrain, 4)
        {
            self.0.request();
        }
    }
}

/// The answers of a classifier, without how long they took.
fn answers(run: &Path, name: ResultName) -> Vec<PredictionRecord> {
    let mut records = RunDirectory::existing(run).unwrap().predictions().unwrap();
    records.retain(|record| record.name == name);
    records.iter_mut().for_each(|record| record.seconds = 0.0);
    records
}

fn checkpoint(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/selftrain-2-draw0/step-00000010.safetensors")).unwrap()
}

#[test]
fn a_run_self_trains_after_fine_tuning_and_a_resumed_one_equals_it() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, parted) = (folder.path().join("whole"), folder.path().join("parted"));
    let experiment = tiny(&["selftrain.judge=never"]);
    quietly(&experiment, &whole, experiment::run).unwrap();
    let own = answers(&whole, ResultName::PRETRAINED_SELFTRAINED);
    assert_eq!(own.len(), 4, "two budgets, two draws");
    for record in &own {
        let trained = record.self_training.as_ref().unwrap();
        // Of 180 images those whose labels are used are left out.
        assert_eq!(trained.pool, 180 - record.labels_used);
        assert_eq!((trained.used, trained.per_class.iter().sum()), (trained.pool, trained.pool));
        assert_eq!((trained.verdict, trained.judgement), (Verdict::Taken, None));
        assert!((0.1..=1.0).contains(&trained.confidence), "{trained:?}");
    }
    // Of other draws than the first nothing is kept, of either stage.
    let mut kept: Vec<String> = std::fs::read_dir(whole.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("-draw"))
        .collect();
    kept.sort();
    let stages = ["finetune", "selftrain", "supervised"];
    let expected: Vec<String> =
        stages.iter().flat_map(|stage| ["2", "all"].map(|budget| format!("{stage}-{budget}-draw0"))).collect();
    assert_eq!(kept, expected);

    let interrupt = Interrupt::default();
    let mut stop = StopInSelftraining(interrupt.clone());
    let ended = attempt((&experiment, &parted, OpenMode::Fresh), experiment::run, (&mut stop, &interrupt)).unwrap();
    assert!(matches!(ended, Outcome::Interrupted(_)));
    assert!(answers(&parted, ResultName::PRETRAINED_SELFTRAINED).is_empty());
    let quiet = Interrupt::default();
    attempt((&experiment, &parted, OpenMode::Resume), experiment::run, (&mut Silent, &quiet)).unwrap();
    assert_eq!(answers(&parted, ResultName::PRETRAINED_SELFTRAINED), own);
    assert!(checkpoint(&whole) == checkpoint(&parted), "the weights differ");

    // It is the classifier that is taken where none is named.
    let chosen = Chosen::open(&whole, Choice::default(), None, Device::Cpu).unwrap();
    assert_eq!(chosen.kind, ClassifierKind::Selftrained);
    assert_eq!(chosen.classifier.origin().labels_per_class, Some(LabelBudget::All));
    let page = std::fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(page.contains("MoCo v3, self-trained") && page.contains("images without labels"));
    let table = byol::report::table::markdown(&[byol::report::load(&whole).unwrap()]);
    assert!(table.contains("| MoCo v3, self-trained"), "{table}");
}

#[test]
fn a_student_is_judged_inside_the_label_budget_and_its_teacher_stands_where_it_is_worse() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    // A student that cannot do better: its first step throws it away.
    let experiment = tiny(&["selftrain.learning_rate=30", "selftrain.warmup_steps=0", "finetune.minimum_steps=60"]);
    quietly(&experiment, &run, experiment::run).unwrap();
    let own = answers(&run, ResultName::PRETRAINED_SELFTRAINED);
    let tuned = answers(&run, ResultName::PRETRAINED_FINETUNED);
    let mut refused = 0;
    for record in &own {
        let trained = record.self_training.as_ref().unwrap();
        let judgement = trained.judgement.unwrap();
        // A fifth of the budget.
        assert_eq!(judgement.images, record.labels_used / 5);
        assert_eq!(trained.verdict == Verdict::Worse, judgement.is_worse());
        if trained.verdict == Verdict::Worse {
            refused += 1;
            let same = |other: &&PredictionRecord| {
                (other.labels_per_class, other.draw) == (record.labels_per_class, record.draw)
            };
            let teacher = tuned.iter().find(same).unwrap();
            assert_eq!((&record.predicted, &record.probabilities), (&teacher.predicted, &teacher.probabilities));
            let folder = format!("checkpoints/selftrain-{}-draw{}", record.labels_per_class, record.draw);
            assert!(!run.join(folder).exists(), "a refused student is not kept");
        }
    }
    assert!(refused > 0, "{own:?}");
}

#[test]
fn where_nothing_can_be_judged_or_learned_the_teacher_stands() {
    let folder = tempfile::tempdir().unwrap();
    let verdict = |name: &str, extra: &[&str]| {
        let run = folder.path().join(name);
        let set = [&["labels_per_class=[1]", "draws=1"], extra].concat();
        quietly(&tiny(&set), &run, experiment::run).unwrap();
        answers(&run, ResultName::PRETRAINED_SELFTRAINED)[0].self_training.clone().unwrap().verdict
    };
    assert_eq!(verdict("one", &[]), Verdict::TooFewLabels);
    let sure = ["selftrain.judge=never", "selftrain.threshold=1.0", "selftrain.temperature=1000"];
    assert_eq!(verdict("unsure", &sure), Verdict::TooFewImages);
}

#[test]
fn another_run_is_the_teacher_and_other_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (run, out) = (folder.path().join("run"), folder.path().join("self"));
    let base = tiny(&["selftrain.part_of_run=false"]);
    quietly(&base, &run, experiment::run).unwrap();
    let experiment = tiny(&["selftrain.judge=first-draw", "selftrain.images=50", "selftrain.begin=encoder"]);
    let Outcome::Finished(summary) =
        quietly(&experiment, &out, |context| experiment::selftrain(context, &run)).unwrap()
    else {
        panic!("it did not finish")
    };
    assert!(summary.results.iter().all(|result| result.name == ResultName::PRETRAINED_SELFTRAINED));
    let own = answers(&out, ResultName::PRETRAINED_SELFTRAINED);
    assert_eq!(own.iter().map(|record| record.draw).collect::<Vec<_>>(), [0, 0], "the draws that the run keeps");
    assert!(own.iter().all(|record| record.self_training.as_ref().unwrap().pool == 50));

    let refused = |experiment: &Experiment| {
        let out = folder.path().join("refused");
        let error = quietly(experiment, &out, |context| experiment::selftrain(context, &run)).unwrap_err();
        assert!(error.is_of_configuration() && !out.exists(), "{error}");
        error.to_string()
    };
    let seed = refused(&Experiment { seed: 7, ..experiment.clone() });
    assert!(seed.contains("seed is 7 here and 0 in"), "{seed}");
    let budget = refused(&tiny(&["labels_per_class=[3]"]));
    assert!(budget.contains("keeps no classifier that was fine-tuned with the label budget 3"), "{budget}");
}
