//! What a run consists of: its steps, and how many images pass the networks in each.

use super::super::plan::{Part, frozen_parts, plan};
use super::super::session::{JUDGED, SWEEP_HELD_OUT, candidates};
use crate::config::selftrain::Judge;
use crate::config::{Experiment, LinearSolver, Sides, Supervised};
use crate::data::{DataError, Dataset};
use crate::plan::{Kind, Plan, Rates, Step, Task};
use crate::run::record::SupervisedStage;
use crate::train::monitor::Monitor;
use crate::train::{pretrain, selftrain};

/// Seconds that a training takes to begin and to end, that recording an epoch takes, and the report.
const TRAINING_OVERHEAD: f64 = 0.3;
const EPOCH_OVERHEAD: f64 = 0.0005;
const REPORT_OVERHEAD: f64 = 4.0;

/// The steps of a whole run in their order, with the seconds that they take at these rates. None where the data lacks
/// labelled training images or test images.
///
/// # Errors
/// A label budget is larger than a class.
pub(super) fn steps(experiment: &Experiment, data: &Dataset, rates: &Rates) -> Result<Vec<Step>, DataError> {
    let (Some(labeled), Some(test)) = (&data.train, &data.test) else { return Ok(Vec::new()) };
    let parts = plan(experiment, data, labeled)?;
    let test_seconds = test.labels.len() as f64 / rates.evaluate;
    let trainings = |stage: SupervisedStage| {
        let settings = experiment.training(stage);
        parts.iter().map(move |part| {
            let Work { images, seconds } = with_labels(experiment, settings, part, rates);
            let task = Task { kind: Kind::of(stage.into()), labels_per_class: Some(part.budget), draw: part.draw };
            step(task, images, seconds + test_seconds)
        })
    };
    let frozen = |kind: Kind| {
        let labels: usize = frozen_parts(&parts).map(|part| part.indices.len()).sum();
        let passes = match experiment.evaluate.linear_solver {
            LinearSolver::Lbfgs => 1,
            LinearSolver::Sgd => 1 + experiment.evaluate.sgd_views,
        };
        let extracted = (passes * labeled.labels.len()) as f64 / rates.evaluate + test_seconds;
        step(Task::only(kind), 0, extracted + labels as f64 * rates.linear_seconds)
    };
    let mut steps: Vec<Step> = trainings(SupervisedStage::Baseline).collect();
    steps.push(pretraining(experiment, data, rates)?);
    steps.extend([frozen(Kind::FrozenControl), frozen(Kind::Frozen)]);
    steps.extend(trainings(SupervisedStage::Finetune));
    if experiment.selftrain.part_of_run {
        steps.extend(parts.iter().map(|part| {
            let Work { images, seconds } = self_training(experiment, data, part, rates);
            let task = Task { kind: Kind::Selftrain, labels_per_class: Some(part.budget), draw: part.draw };
            step(task, images, seconds + test_seconds)
        }));
    }
    steps.push(step(Task::only(Kind::Report), 0, REPORT_OVERHEAD));
    Ok(steps)
}

fn step(task: Task, images: u64, planned_seconds: f64) -> Step {
    Step { task, images, planned_seconds, seconds: 0.0, ended: false }
}

/// Images that a pre-training sees in an epoch: full batches.
pub(super) fn per_epoch(experiment: &Experiment, data: &Dataset) -> usize {
    let images = data.pretraining_pool().iter().map(|pool| pool.images.len()).sum();
    pretrain::schedule(experiment, images).steps_per_epoch() * experiment.pretrain.batch_size
}

fn pretraining(experiment: &Experiment, data: &Dataset, rates: &Rates) -> Result<Step, DataError> {
    let settings = &experiment.pretrain;
    let images = (per_epoch(experiment, data) * settings.epochs) as u64;
    let looks = settings.epochs.checked_div(settings.monitor_every).unwrap_or(0);
    let full = experiment.view_sides().share_of_pixels(settings.epochs) * images as f64;
    let seconds = full / rates.pretrain + looks as f64 * look_seconds(experiment, data, rates)?;
    Ok(step(Task::only(Kind::Pretrain), images, seconds + TRAINING_OVERHEAD))
}

/// Seconds of a look at the representation during pre-training.
pub(super) fn look_seconds(experiment: &Experiment, data: &Dataset, rates: &Rates) -> Result<f64, DataError> {
    let Some(monitor) = Monitor::choose(experiment, data)? else { return Ok(0.0) };
    let (bank, held_out) = monitor.labels.map_or((0, 0), |labels| (labels.bank.len(), labels.held_out.len()));
    // Two views of what is watched, and the whole of what has labels.
    let seen = 2 * monitor.watched.indices.len() + bank + held_out;
    Ok(seen as f64 / rates.evaluate + bank as f64 * rates.linear_seconds)
}

/// What trainings with labels take.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    images: u64,
    seconds: f64,
}

/// The training with the labels of one part, and the trials of its sweep.
fn with_labels(experiment: &Experiment, settings: &Supervised, part: &Part, rates: &Rates) -> Work {
    let labels = part.indices.len();
    let held_out = |share: f64| (share * labels as f64) as usize;
    let side = experiment.image_size;
    let mut work = training(settings, side, [labels, held_out(experiment.validation_share)], rates);
    let candidates = candidates(settings);
    if candidates.len() > 1 {
        for candidate in candidates {
            let trial = training(&candidate, side, [labels, held_out(SWEEP_HELD_OUT)], rates);
            work = Work { images: work.images + trial.images, seconds: work.seconds + trial.seconds };
        }
    }
    work
}

/// One training on images of that side with so many labels, of which some are held out and looked at after each epoch.
fn training(settings: &Supervised, side: usize, [labels, held_out]: [usize; 2], rates: &Rates) -> Work {
    let images = labels - held_out;
    let batch_size = settings.batch_size.min(images).max(1);
    // One image alone is no batch.
    let rest = if images % batch_size > 1 { images % batch_size } else { 0 };
    let per_epoch = images / batch_size + usize::from(rest > 0);
    let epochs = settings.epochs.max(settings.minimum_steps.div_ceil(per_epoch.max(1)));
    let (steps, images) = (epochs * per_epoch, epochs * (images / batch_size * batch_size + rest));
    let evaluated = (epochs * held_out) as f64 / rates.evaluate;
    // The rates are of the full side.
    let share = Sides::growing(settings.first_size, side, epochs).share_of_pixels(epochs);
    let seconds = share * rates.training_seconds(steps, images) + evaluated;
    Work { images: images as u64, seconds: seconds + epochs as f64 * EPOCH_OVERHEAD + TRAINING_OVERHEAD }
}

/// A self-training, with the trial that judges it; as if the student were taken, which is not known before.
fn self_training(experiment: &Experiment, data: &Dataset, part: &Part, rates: &Rates) -> Work {
    let settings = &experiment.selftrain;
    let pool: usize = data.selftraining_pool(&part.indices).iter().map(|pool| pool.images.len()).sum();
    let looked = if settings.images > 0 { pool.min(settings.images) } else { pool };
    if looked < 2 {
        return Work::default();
    }
    let [epochs, steps] = selftrain::lengths(settings).map(|length| length as u64);
    let student = |labels: usize, held_out: usize| {
        let images =
            epochs * steps * selftrain::batch(settings, labels - held_out, looked).iter().sum::<usize>() as u64;
        let evaluated = (looked + epochs as usize * held_out) as f64 / rates.evaluate;
        let seconds = rates.training_seconds((epochs * steps) as usize, images as usize) + evaluated;
        Work { images, seconds: seconds + TRAINING_OVERHEAD }
    };
    let labels = part.indices.len();
    let held_out = |share: f64| (share * labels as f64) as usize;
    let mut work = student(labels, held_out(experiment.validation_share));
    let tried = match settings.judge {
        Judge::EveryDraw => true,
        Judge::FirstDraw => part.draw == 0,
        Judge::Never => false,
    };
    if tried && experiment.validation_share == 0.0 && held_out(JUDGED) > 0 {
        let teacher = training(&experiment.finetune, experiment.image_size, [labels - held_out(JUDGED), 0], rates);
        for trial in [teacher, student(labels, held_out(JUDGED))] {
            work = Work { images: work.images + trial.images, seconds: work.seconds + trial.seconds };
        }
    }
    work
}

/// The plan of an experiment whose settings are settled.
///
/// # Errors
/// A label budget is larger than a class.
pub(super) fn planned(experiment: &Experiment, data: &Dataset, rates: Rates) -> Result<Plan, DataError> {
    Ok(Plan { hours: None, chosen: Vec::new(), rates, steps: steps(experiment, data, &rates)?, others: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::{Request, resolve};
    use crate::data::patterns::{PatternOptions, dataset_with};
    use crate::run::record::LabelBudget;

    const RATES: Rates =
        Rates { pretrain: 10.0, step_seconds: 0.25, image_seconds: 0.01, evaluate: 50.0, linear_seconds: 0.01 };

    /// Lengths that what is counted by hand rests on.
    const LENGTHS: [&str; 6] = [
        "supervised.batch_size=128",
        "supervised.epochs=40",
        "supervised.minimum_steps=300",
        "finetune.batch_size=128",
        "finetune.epochs=40",
        "finetune.minimum_steps=300",
    ];

    fn of(set: &[&str]) -> Vec<Step> {
        let set: Vec<String> = LENGTHS.iter().chain(set).map(|&pair| pair.to_owned()).collect();
        let experiment = resolve(Request { set: &set, ..Request::default() }).unwrap();
        let options = PatternOptions { side: 32, train_per_class: 20, test_per_class: 5, unlabeled: 100 };
        steps(&experiment, &dataset_with(options), &RATES).unwrap()
    }

    #[test]
    fn steps_stand_in_order_with_their_images() {
        let steps = of(&["labels_per_class=[2, \"all\"]", "draws=2", "pretrain.epochs=3", "pretrain.monitor_every=0"]);
        let kinds: Vec<Kind> = steps.iter().map(|step| step.task.kind).collect();
        let between = vec![Kind::Pretrain, Kind::FrozenControl, Kind::Frozen];
        let expected = [vec![Kind::Baseline; 4], between, vec![Kind::Finetune; 4], vec![Kind::Report]];
        assert_eq!(kinds, expected.concat());
        // 20 labels are one batch, so 300 steps are 300 epochs; 200 are two batches of 128 and 72, so 150 epochs.
        assert_eq!((steps[0].images, steps[2].images), (300 * 20, 150 * 200));
        let expected = 300.0 * 0.25 + 6000.0 * 0.01 + 300.0 * EPOCH_OVERHEAD + TRAINING_OVERHEAD + 1.0;
        assert!((steps[0].planned_seconds - expected).abs() < 1e-9, "{}", steps[0].planned_seconds);
        // 300 images are four full batches of 64.
        assert_eq!((steps[4].images, steps[4].planned_seconds), (3 * 256, 76.8 + TRAINING_OVERHEAD));
        // 200 training and 50 test images; two draws of 20 labels, and all of them once.
        assert_eq!(steps[5].planned_seconds, 4.0 + 1.0 + 2.4);
        // A quarter of the pixels at first: 60 of 80 epochs grow from 16 to 32, in steps of 8.
        let growing = of(&[
            "labels_per_class=[20]",
            "draws=1",
            "supervised.epochs=80",
            "supervised.minimum_steps=0",
            "image_size=32",
            "supervised.first_size=16",
        ]);
        let share = (30.0 * 0.25 + 30.0 * 0.5625 + 20.0) / 80.0;
        let expected = share * (160.0 * 0.25 + 16000.0 * 0.01) + 80.0 * EPOCH_OVERHEAD + TRAINING_OVERHEAD + 1.0;
        assert!((growing[0].planned_seconds - expected).abs() < 1e-9, "{}", growing[0].planned_seconds);
        assert_eq!(steps[3].task, Task { kind: Kind::Baseline, labels_per_class: Some(LabelBudget::All), draw: 1 });
    }

    #[test]
    fn self_training_comes_after_fine_tuning_with_its_trial() {
        let own = ["selftrain.steps=20", "selftrain.batch_size=10", "selftrain.ratio=2", "selftrain.part_of_run=true"];
        let budget = ["labels_per_class=[2]", "draws=2", "pretrain.epochs=1", "finetune.minimum_steps=0"];
        let steps = of(&[&budget[..], &own, &["finetune.epochs=3", "selftrain.judge=first-draw"]].concat());
        let own: Vec<&Step> = steps.iter().filter(|step| step.task.kind == Kind::Selftrain).collect();
        assert_eq!(own.iter().map(|step| step.task.draw).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(steps.iter().rev().map(|step| step.task.kind).nth(3), Some(Kind::Finetune));
        // 20 steps of 10 and 20 images; before them, on 16 of 20 labels, three epochs of one batch and 20 such steps.
        assert_eq!((own[0].images, own[1].images), (600 + 3 * 16 + 600, 600));
        // 280 images of the pool are looked at, and 50 of the test.
        let expected = 20.0 * 0.25 + 600.0 * 0.01 + 280.0 / 50.0 + TRAINING_OVERHEAD + 1.0;
        assert!((own[1].planned_seconds - expected).abs() < 1e-9, "{}", own[1].planned_seconds);
    }

    #[test]
    fn looks_validation_and_sweeps_cost_time() {
        let looking = of(&["labels_per_class=all", "pretrain.epochs=3", "pretrain.monitor_every=1"]);
        // Of 200 labels 50 are held out: too few to be watched, so that 300 of the pool are.
        let look = (2 * 300 + 150 + 50) as f64 / 50.0 + 1.5;
        let pretrain = looking.iter().find(|step| step.task.kind == Kind::Pretrain).unwrap();
        assert!((pretrain.planned_seconds - 76.8 - TRAINING_OVERHEAD - 3.0 * look).abs() < 1e-9, "{pretrain:?}");
        let swept = of(&["labels_per_class=all", "supervised.sweep_learning_rates=[0.1, 0.2]"]);
        // 160 images twice, beside 200.
        assert_eq!((looking[0].images, swept[0].images), (150 * 200, 150 * 200 + 2 * 150 * 160));
    }
}
