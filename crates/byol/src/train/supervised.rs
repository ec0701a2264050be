//! Training with labels: the baseline from random weights, and fine-tuning from a pre-trained encoder. One visible loop
//! serves both; they differ in where the encoder's weights come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::losses::Losses;
use super::pace::{CheckpointClock, Pace};
use super::phases::{Phase, PhaseClock, PhaseTimes};
use super::{Setting, TrainError, key_of, warmup_steps};
use crate::augment::Recipe;
use crate::config::{Augmentation, Experiment, Fault, Supervised};
use crate::data::LabeledImages;
use crate::device::Hardware;
use crate::device::Precision;
use crate::loader::{self, ImageSet, LastBatch, Pairing, Schedule, ViewKind};
use crate::loss;
use crate::model::EncoderConfig;
use crate::model::classifier::ClassifierHead;
use crate::model::layers::Pass;
use crate::model::{Classifier, Leaves, Mode, Weights};
use crate::optim::Optimizer;
use crate::optim::schedule::LearningRate;
use crate::run::RunDirectory;
use crate::run::event::{Event, StepReport};
use crate::run::record::Ended;
use crate::run::record::{EpochRecord, LabelBudget, Stage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder, Header, Progress};

/// The view number of labelled images; pre-training has 0 and 1.
const VIEW: u64 = 2;

/// One supervised training.
pub struct Task<'a> {
    /// Supervised or fine-tuning.
    pub stage: Stage,
    pub settings: &'a Supervised,
    pub budget: LabelBudget,
    pub draw: usize,
    pub labeled: &'a LabeledImages,
    pub classes: usize,
    /// Images to train on.
    pub train: Vec<usize>,
    /// Images to validate on after each epoch; may be empty.
    pub validation: Vec<usize>,
    /// A pre-trained encoder to begin with, by the encoder's names.
    pub encoder: Option<&'a BTreeMap<String, Tensor>>,
    pub lengths: Lengths,
}

/// Where epochs and steps come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lengths {
    /// From a preset, a file or an option: where they are not kept to the letter, that is said.
    Asked,
    /// Chosen together by a plan, which has said what comes of it.
    Planned,
}

/// What a supervised training ended with.
pub struct Trained {
    pub classifier: Classifier,
    pub weights: Weights,
    pub ended: Ended,
    pub seconds: f64,
}

/// A classifier, its optimiser, and one step of training.
pub struct SupervisedLearner {
    pub classifier: Classifier,
    pub weights: Weights,
    pub optimizer: Optimizer,
    /// How batch norm behaves in a training step.
    pub mode: Mode,
    leaves: Leaves,
    precision: Precision,
    phases: PhaseClock,
}

impl SupervisedLearner {
    pub fn new(
        classifier: Classifier,
        weights: Weights,
        optimizer: Optimizer,
        precision: Precision,
    ) -> SupervisedLearner {
        let leaves = weights.leaves(precision);
        let phases = PhaseClock::default();
        SupervisedLearner { classifier, weights, optimizer, mode: Mode::Train, leaves, precision, phases }
    }

    /// Loss and logits of a batch.
    ///
    /// # Shapes
    /// Images `[batch, 3, side, side]`, labels int64 `[batch]`; a scalar and `[batch, classes]`.
    pub fn loss(&self, images: &Tensor, labels: &Tensor) -> (Tensor, Tensor) {
        let pass =
            Pass { weights: &self.weights, leaves: &self.leaves, mode: self.mode, precision: self.precision, views: 1 };
        let logits = self.classifier.forward(&pass, images);
        (loss::cross_entropy(&logits, labels), logits)
    }

    /// The gradient of a loss, `[parameters]`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        self.leaves.gradient(loss, self.weights.flat().kind())
    }

    /// One step; returns what [`SupervisedLearner::loss`] returns, without the graph.
    pub fn step(&mut self, images: &Tensor, labels: &Tensor, learning_rate: f64) -> (Tensor, Tensor) {
        self.phases.begin();
        let (loss, logits) = self.loss(images, labels);
        self.phases.lap(Phase::OnlineForward);
        let gradient = self.gradient(&loss);
        self.phases.lap(Phase::Backward);
        self.optimizer.step(self.weights.flat_mut(), gradient, learning_rate);
        self.weights.refresh(&mut self.leaves);
        self.phases.lap(Phase::Optimizer);
        (loss.detach(), logits.detach())
    }

    /// Measures from here on how long the phases of a step take.
    pub fn measure_phases(&self) {
        self.phases.start(self.weights.device());
    }

    /// What has been measured since [`SupervisedLearner::measure_phases`], which ends with it.
    pub fn take_phases(&self) -> Option<PhaseTimes> {
        self.phases.stop()
    }

    fn checkpoint(
        &self,
        experiment: &Experiment,
        task: &Task,
        progress: &Progress,
        optimizer: bool,
    ) -> Result<Checkpoint, TrainError> {
        let mut checkpoint = Checkpoint::new(Header::of(experiment, task.stage, task.classes, progress)?);
        checkpoint.insert_part("classifier", self.weights.named());
        if optimizer {
            checkpoint.insert_part("optimizer", self.optimizer.state());
        }
        Ok(checkpoint)
    }
}

/// Trains a classifier, from the newest checkpoint of this task in `directory` where it was interrupted.
///
/// # Errors
/// There are fewer than two images, one of them cannot be read, the loss is no number, the encoder does not fit, or
/// the run directory cannot be written.
pub fn train(setting: &mut Setting, task: &Task, directory: &RunDirectory) -> Result<Trained, TrainError> {
    let checkpoints = CheckpointFolder::new(directory.supervised_checkpoints(task.stage, task.budget, task.draw), 1);
    fit(setting, task, directory).map_err(|error| error.beside(&checkpoints))
}

fn fit(setting: &mut Setting, task: &Task, directory: &RunDirectory) -> Result<Trained, TrainError> {
    let experiment = setting.experiment;
    let settings = task.settings;
    let device = setting.device();
    if task.train.len() < 2 {
        return Err(TrainError::TooFewImages { stage: task.stage, images: task.train.len() });
    }
    let schedule = Schedule {
        indices: Arc::new(task.train.clone()),
        batch_size: settings.batch_size.min(task.train.len()),
        parts: 1,
        last: LastBatch::Keep,
        pairing: Pairing::SameImage,
        seed: experiment.seed,
        order: 1 + task.draw as u64,
    };
    let per_epoch = schedule.steps_per_epoch();
    let epochs = settings.epochs.max(settings.minimum_steps.div_ceil(per_epoch));
    let steps = epochs * per_epoch;
    if epochs > settings.epochs && task.draw == 0 && task.lengths == Lengths::Asked {
        let (key, least) = (key_of(task.stage), settings.minimum_steps);
        let text = format!(
            "{epochs} epochs instead of the {} of {key}.epochs: with {} labelled images it takes that many for the {least} \
             steps of {key}.minimum_steps",
            settings.epochs,
            task.train.len()
        );
        setting.reporter.event(&Event::Note { text });
    }
    let learning_rate = LearningRate {
        peak: settings.learning_rate,
        warmup_steps: warmup_steps(setting.reporter, task.stage, settings.warmup_epochs, [per_epoch, steps]),
        steps,
        kind: settings.schedule,
    };

    let classifier =
        Classifier::new(EncoderConfig::of(experiment), ClassifierHead::of(experiment, task.stage), task.classes);
    // Network 0 is the one that pre-training begins with.
    let mut weights = classifier.initialize(experiment.seed, 1 + task.draw as u64, device);
    if let Some(encoder) = task.encoder {
        let mut named = weights.named();
        named.extend(encoder.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())));
        weights.load(&named)?;
    }
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &weights);
    let mut learner = SupervisedLearner::new(classifier, weights, optimizer, setting.hardware.precision);
    let checkpoints = CheckpointFolder::new(directory.supervised_checkpoints(task.stage, task.budget, task.draw), 1);
    let (found, passed_over) = checkpoints.latest();
    for error in passed_over {
        setting.reporter.event(&Event::Warning { text: format!("passing over a checkpoint: {error}") });
    }
    let mut progress = Progress::default();
    if let Some(checkpoint) = found {
        learner.weights.load(&checkpoint.part("classifier"))?;
        learner.weights.refresh(&mut learner.leaves);
        progress = checkpoint.header.progress.clone();
        let finished = progress.stopped || progress.step >= steps;
        if !finished {
            learner.optimizer.load(&checkpoint.part("optimizer"))?;
        }
    }
    let own = |record: &EpochRecord| {
        record.stage == task.stage && record.labels_per_class == Some(task.budget) && record.draw == task.draw
    };
    directory.retain_metrics(|record| !own(record) || record.step <= progress.step)?;
    let earlier_seconds = directory.metrics()?.iter().rev().find(|record| own(record)).map_or(0.0, |r| r.seconds);

    setting.reporter.event(&Event::StageStarted {
        stage: task.stage,
        labels_per_class: Some(task.budget),
        draw: task.draw,
        epochs,
        steps,
        done: progress.step,
    });
    let finished = |progress: &Progress| progress.stopped || progress.step >= steps;
    let view = view_kind(settings.augmentation, experiment);
    let image_set = ImageSet {
        source: task.labeled.images.clone(),
        side: experiment.image_size,
        normalization: experiment.normalization(),
        seed: experiment.seed,
        hardware: setting.hardware.clone(),
        resident: None,
    };
    let first_step = if finished(&progress) { steps } else { progress.step };
    let batches = loader::scheduled(image_set, vec![view], schedule, first_step..steps, setting.hardware.threads);
    // Losses and right answers of the epoch so far, read back now and then.
    let mut losses = Losses::of(task.stage, progress.loss_sum, device);
    let mut right = Tensor::from(progress.correct as i64).to_device(device);
    let mut pace = Pace::start();
    let mut clock = CheckpointClock::start(experiment.checkpoint_minutes);
    let mut interrupted = false;

    for batch in batches {
        let batch = batch?;
        let images = batch.indices.len();
        let rate = learning_rate.at(progress.step);
        let labels: Vec<i64> = batch.indices.iter().map(|&index| i64::from(task.labeled.labels[index])).collect();
        let labels = Tensor::from_slice(&labels).to_device(device);
        if experiment.faults.contains(&Fault::EvaluationMode) && progress.step >= per_epoch {
            learner.mode = Mode::Evaluate;
        }
        let (loss, logits) = learner.step(&batch.images, &labels, rate);
        progress.step += 1;
        progress.seen += images as u64;
        losses.add(loss, images, progress.step);
        let _ = tch::no_grad(|| right.g_add_(&logits.argmax(1, false).eq_tensor(&labels).sum(Kind::Int64)));
        pace.step(images);

        let epoch_over = progress.step % per_epoch == 0;
        if pace.due() {
            setting.reporter.event(&Event::Step(StepReport {
                stage: task.stage,
                epoch: (progress.step - 1) / per_epoch + 1,
                epochs,
                step: progress.step,
                steps,
                loss: losses.read()?,
                learning_rate: rate,
                tau: None,
                images_per_second: pace.images_per_second(),
                seconds_left: pace.seconds_for(steps - progress.step),
            }));
        }
        if pace.estimate_due() {
            let seconds = pace.seconds_for(steps - first_step);
            setting.reporter.event(&Event::Estimate { stage: task.stage, seconds });
        }
        if epoch_over {
            losses.read()?;
            let loss = losses.sum() / progress.seen as f64;
            let validation = match task.validation.is_empty() {
                true => None,
                false => Some(validate(experiment, setting.hardware, &learner, task)?),
            };
            let record = EpochRecord {
                stage: task.stage,
                labels_per_class: Some(task.budget),
                draw: task.draw,
                epoch: progress.step / per_epoch,
                epochs,
                step: progress.step,
                images: ((progress.step / per_epoch) * task.train.len()) as u64,
                loss,
                train_accuracy: Some(right.int64_value(&[]) as f64 / progress.seen as f64),
                validation_loss: validation.map(|(loss, _)| loss),
                validation_accuracy: validation.map(|(_, accuracy)| accuracy),
                knn_accuracy: None,
                linear_accuracy: None,
                projection_deviation: None,
                health: None,
                learning_rate: rate,
                tau: None,
                images_per_second: pace.images_per_second(),
                seconds: earlier_seconds + pace.seconds(),
            };
            directory.append_metrics(&record)?;
            setting.reporter.event(&Event::EpochEnded(&record));
            progress.last_loss = Some(loss);
            (progress.loss_sum, progress.correct, progress.seen) = (0.0, 0, 0);
            losses.clear();
            let _ = right.zero_();
            let watched = validation.map_or(loss, |(loss, _)| loss);
            if settings.patience > 0 {
                if progress.best.is_none_or(|best| watched < best) {
                    (progress.best, progress.waited) = (Some(watched), 0);
                } else {
                    progress.waited += 1;
                    progress.stopped = progress.waited >= settings.patience;
                }
            }
        }
        interrupted = setting.interrupt.requested() && !finished(&progress);
        if interrupted || (clock.due() && !finished(&progress)) {
            losses.read()?;
            (progress.loss_sum, progress.correct) = (losses.sum(), right.int64_value(&[]) as u64);
            let path = checkpoints.save(&learner.checkpoint(experiment, task, &progress, true)?)?;
            clock.saved();
            setting.reporter.event(&Event::CheckpointSaved { path: &path });
        }
        if interrupted || finished(&progress) {
            break;
        }
    }
    if !interrupted && first_step < steps {
        // The optimiser is not needed any more.
        let path = checkpoints.save(&learner.checkpoint(experiment, task, &progress, false)?)?;
        setting.reporter.event(&Event::CheckpointSaved { path: &path });
    }
    let ended = match (interrupted, progress.stopped) {
        (true, _) => Ended::Interrupted,
        (false, true) => Ended::Patience,
        (false, false) => Ended::Epochs,
    };
    let SupervisedLearner { classifier, weights, .. } = learner;
    Ok(Trained { classifier, weights, ended, seconds: earlier_seconds + pace.seconds() })
}

/// How labelled training images are drawn.
pub(crate) fn view_kind(augmentation: Augmentation, experiment: &Experiment) -> ViewKind {
    let recipe = match augmentation {
        Augmentation::None => return ViewKind::Whole,
        Augmentation::Crop => Recipe::crop(),
        Augmentation::Color => Recipe::color(),
        Augmentation::Views => experiment.pretrain.t.clone(),
    };
    ViewKind::Random { recipe, view: VIEW }
}

/// Mean loss and accuracy over the validation images.
fn validate(
    experiment: &Experiment,
    hardware: &Hardware,
    learner: &SupervisedLearner,
    task: &Task,
) -> Result<(f64, f64), TrainError> {
    let logits = logits(experiment, hardware, &learner.classifier, &learner.weights, task.labeled, &task.validation)?;
    let labels: Vec<i64> = task.validation.iter().map(|&index| i64::from(task.labeled.labels[index])).collect();
    let labels = Tensor::from_slice(&labels).to_device(hardware.device);
    let right = logits.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Float).mean(None);
    Ok((loss::cross_entropy(&logits, &labels).double_value(&[]), right.double_value(&[])))
}

/// The classifier's answers for the images `indices`, resized whole, with the running statistics of batch norm.
///
/// # Shapes
/// float32 `[images, classes]` on the hardware's device.
///
/// # Errors
/// An image cannot be read.
pub fn logits(
    experiment: &Experiment,
    hardware: &Hardware,
    classifier: &Classifier,
    weights: &Weights,
    labeled: &LabeledImages,
    indices: &[usize],
) -> Result<Tensor, TrainError> {
    let leaves = weights.leaves(hardware.precision);
    let pass = Pass { weights, leaves: &leaves, mode: Mode::Evaluate, precision: hardware.precision, views: 1 };
    let image_set = ImageSet {
        source: labeled.images.clone(),
        side: experiment.image_size,
        normalization: experiment.normalization(),
        seed: experiment.seed,
        hardware: hardware.clone(),
        resident: None,
    };
    let batches = loader::whole(image_set, indices.to_vec(), experiment.evaluation_batch_size, hardware.threads);
    let mut rows = Vec::new();
    for batch in batches {
        let batch = batch?;
        rows.push(tch::no_grad(|| classifier.forward(&pass, &batch.images).to_kind(Kind::Float)));
    }
    Ok(Tensor::cat(&rows, 0))
}
