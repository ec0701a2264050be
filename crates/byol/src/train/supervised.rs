//! Training with labels: the baseline from random weights, and fine-tuning from a pre-trained encoder. One visible loop
//! serves both; they differ in where the encoder's weights come from.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::answering::Answering;
use super::averaging::TailAverage;
use super::mixing::Mixing;
use super::phases::{Phase, PhaseClock, PhaseTimes};
use super::sitting::{Course, End, Figures, Sitting};
use super::{Setting, TrainError, head};
use crate::augment::Recipe;
use crate::config::{Augmentation, Experiment, Fault, FilterNorm, Sides, Supervised};
use crate::data::LabeledImages;
use crate::device::Hardware;
use crate::device::Precision;
use crate::loader::{ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewGroup, ViewKind, WHOLE};
use crate::loss;
use crate::model::EncoderConfig;
use crate::model::classifier::ClassifierHead;
use crate::model::layers::Pass;
use crate::model::parameters::Parameter;
use crate::model::{Classifier, Leaves, Mode, ModelError, Weights, rescaling};
use crate::optim::Optimizer;
use crate::optim::factors::RateFactors;
use crate::random::ViewNumber;
use crate::ranks::Ranks;
use crate::run::RunDirectory;
use crate::run::event::{Event, Reporter};
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::record::{LabelBudget, Stage, SupervisedStage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder};

/// One supervised training.
pub struct Task<'a> {
    /// Baseline or fine-tuning.
    pub stage: SupervisedStage,
    /// How it is trained.
    pub settings: &'a Supervised,
    /// The labels that it uses, for records and paths.
    pub budget: LabelBudget,
    /// Which label draw, from 0.
    pub draw: usize,
    /// The labelled images that `train` and `validation` are of.
    pub labeled: &'a LabeledImages,
    /// Number of classes.
    pub classes: usize,
    /// Images to train on.
    pub train: Vec<usize>,
    /// Images to validate on after each epoch; may be empty.
    pub validation: Vec<usize>,
    /// A pre-trained encoder to begin with, by the encoder's names.
    pub encoder: Option<&'a BTreeMap<String, Tensor>>,
    /// Whether the lengths were asked for.
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
#[non_exhaustive]
pub struct Trained {
    /// The structure.
    pub classifier: Classifier,
    /// The numbers after the last step, or the mean over the last steps.
    pub weights: Weights,
    /// Why it ended.
    pub ended: Ended,
    /// Wall-clock seconds over all sittings.
    pub seconds: f64,
}

/// A classifier, its optimiser, and one step of training.
pub struct SupervisedLearner {
    /// The structure.
    pub classifier: Classifier,
    /// The numbers.
    pub weights: Weights,
    /// What moves them.
    pub optimizer: Optimizer,
    /// Factors on the learning rate.
    pub factors: RateFactors,
    /// How batch norm behaves in a training step.
    pub mode: Mode,
    /// Share of every target that is spread evenly over all classes, from 0 up to, not including, 1.
    pub label_smoothing: f64,
    leaves: Leaves,
    precision: Precision,
    phases: PhaseClock,
}

impl SupervisedLearner {
    /// A learner before its first step, in training mode, without label smoothing, with one learning rate for all.
    pub fn new(
        classifier: Classifier,
        weights: Weights,
        optimizer: Optimizer,
        precision: Precision,
    ) -> SupervisedLearner {
        let leaves = weights.leaves(precision);
        let phases = PhaseClock::default();
        SupervisedLearner {
            classifier,
            weights,
            optimizer,
            factors: RateFactors::default(),
            mode: Mode::Train,
            label_smoothing: 0.0,
            leaves,
            precision,
            phases,
        }
    }

    /// Loss and logits of a batch.
    ///
    /// # Shapes
    /// Images `[batch, 3, side, side]`, targets int64 `[batch]` or probabilities `[batch, classes]`; a scalar and `[batch,
    /// classes]`.
    pub fn loss(&self, images: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
        let logits = self.logits(images);
        (loss::smoothed_cross_entropy(&logits, targets, self.label_smoothing), logits)
    }

    /// Logits of a batch, with the graph of its loss: images `[batch, 3, side, side]` to `[batch, classes]`.
    pub(super) fn logits(&self, images: &Tensor) -> Tensor {
        let pass = Pass {
            weights: &self.weights,
            leaves: &self.leaves,
            mode: self.mode,
            precision: self.precision,
            views: 1,
            ranks: Ranks::alone(),
        };
        self.classifier.forward(&pass, images)
    }

    /// One step along the gradient of a loss.
    pub(super) fn follow(&mut self, loss: &Tensor, learning_rate: f64) {
        let gradient = self.gradient(loss);
        self.factors.step(&mut self.optimizer, self.weights.flat_mut(), gradient, learning_rate);
        self.weights.refresh(&mut self.leaves);
    }

    /// The gradient of a loss, `[parameters]`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        self.leaves.gradient(loss, self.weights.flat().kind())
    }

    /// One step; returns what [`SupervisedLearner::loss`] returns, without the graph.
    pub fn step(&mut self, images: &Tensor, targets: &Tensor, learning_rate: f64) -> (Tensor, Tensor) {
        self.phases.begin();
        let (loss, logits) = self.loss(images, targets);
        self.phases.lap(Phase::OnlineForward);
        let gradient = self.gradient(&loss);
        self.phases.lap(Phase::Backward);
        self.factors.step(&mut self.optimizer, self.weights.flat_mut(), gradient, learning_rate);
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

    /// Takes over parameters and statistics.
    pub(super) fn load(&mut self, named: &BTreeMap<String, Tensor>) -> Result<(), ModelError> {
        self.weights.load(named)?;
        self.weights.refresh(&mut self.leaves);
        Ok(())
    }

    /// Adds the classifier to a checkpoint, and the optimiser where it is needed further.
    pub(super) fn store(&self, checkpoint: &mut Checkpoint, rest: Rest) {
        checkpoint.insert_part("classifier", self.weights.named());
        if rest == Rest::Some {
            checkpoint.insert_part("optimizer", self.optimizer.state());
        }
    }

    /// Takes over the classifier of a checkpoint, and the optimiser where it is needed further.
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint, rest: Rest) -> Result<(), TrainError> {
        self.load(&checkpoint.part("classifier"))?;
        if rest == Rest::Some {
            self.optimizer.load(&checkpoint.part("optimizer"))?;
        }
        Ok(())
    }
}

/// Trains a classifier, from the newest checkpoint of this task in `directory` where it was interrupted.
///
/// # Errors
/// There are fewer than two images, one of them cannot be read, the loss is no number, the encoder does not fit, or
/// the run directory cannot be written.
pub fn train(setting: &mut Setting, task: &Task, directory: &RunDirectory) -> Result<Trained, TrainError> {
    let (experiment, hardware) = (setting.experiment, setting.hardware);
    if task.train.len() < 2 {
        return Err(TrainError::TooFewImages { stage: task.stage.into(), images: task.train.len() });
    }
    let schedule = task.schedule(experiment.seed);
    let course = task.course(setting.reporter, schedule.steps_per_epoch(), (experiment.image_size, directory));
    let sides = course.sides;
    let mut learner = task.begin(experiment, hardware)?;
    let (mut sitting, found) = Sitting::begin(setting, course, Some(directory))?;
    let mut average = TailAverage::over(task.settings.average, sitting.steps());
    match &found {
        Some(checkpoint) => {
            learner.restore(checkpoint, Rest::of(&sitting))?;
            average.restore(checkpoint, &learner.weights)?;
        }
        None => head::begin(experiment, hardware, task, &mut learner)?,
    }
    let image_set = ImageSet::of(experiment, task.labeled.images.clone(), hardware);
    let view = view_kind(task.settings.augmentation, experiment);
    let mixing = Mixing::of(task.settings, task.classes, experiment.seed, 1 + task.draw as u64);
    let mut batches = sitting.batches(image_set, ViewGroup::one(view, sides), schedule);

    while sitting.goes_on() {
        if experiment.faults.contains(&Fault::EvaluationMode) && sitting.epochs() > 0 {
            learner.mode = Mode::Evaluate;
        }
        let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost))?;
        let labels = labels(task.labeled, &batch.indices, hardware);
        let examples = mixing.mix(&batch.images[0], &labels, sitting.step());
        let rate = sitting.learning_rate();
        let (loss, logits) = learner.step(&examples.images, &examples.targets, rate);
        sitting.add(loss, batch.indices.len());
        sitting.add_right(&logits.argmax(1, false).eq_tensor(&examples.labels).sum(Kind::Int64));
        sitting.stepped(rate, None)?;
        average.add(&learner.weights, sitting.step());

        if sitting.ended_epoch().is_some() {
            let loss = sitting.epoch_loss()?;
            let weights = average.or(&learner.weights);
            let judged = Answering { experiment, hardware, classifier: &learner.classifier, weights };
            let validation = judged.validate(task.labeled, &task.validation)?;
            sitting.epoch_ended(Figures {
                loss,
                train_accuracy: Some(sitting.train_accuracy()),
                validation,
                watched: Some(validation.map_or(loss, |(loss, _)| loss)),
                ..Figures::default()
            })?;
        }
        if sitting.checkpoint_due()? {
            let mut checkpoint = sitting.checkpoint()?;
            learner.store(&mut checkpoint, Rest::of(&sitting));
            average.store(&mut checkpoint, Rest::of(&sitting));
            sitting.save(&checkpoint)?;
        }
    }
    let End { ended, seconds, .. } = sitting.end()?;
    let SupervisedLearner { classifier, weights, .. } = learner;
    Ok(Trained { classifier, weights: average.end(weights), ended, seconds })
}

/// Whether there is something left to train, for which the optimiser's state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    Some,
    None,
}

impl Rest {
    pub(super) fn of(sitting: &Sitting) -> Rest {
        if sitting.is_finished() { Rest::None } else { Rest::Some }
    }
}

impl Task<'_> {
    fn schedule(&self, seed: u64) -> Schedule {
        Schedule {
            indices: Arc::new(self.train.clone()),
            batch_size: self.settings.batch_size.min(self.train.len()),
            parts: 1,
            last: LastBatch::Keep,
            pairing: Pairing::SameImage,
            seed,
            order: 1 + self.draw as u64,
            share: WHOLE,
        }
    }

    /// The training's course: longer than its epochs where it takes that for its steps, which is said once.
    fn course(
        &self,
        reporter: &mut dyn Reporter,
        steps_per_epoch: usize,
        (side, directory): (usize, &RunDirectory),
    ) -> Course {
        let settings = self.settings;
        let epochs = settings.epochs.max(settings.minimum_steps.div_ceil(steps_per_epoch));
        if epochs > settings.epochs && self.draw == 0 && self.lengths == Lengths::Asked {
            reporter.event(&Event::Note(Notice::Lengthened {
                stage: self.stage.into(),
                epochs,
                asked: settings.epochs,
                images: self.train.len(),
                least_steps: settings.minimum_steps,
            }));
        }
        let folder = directory.supervised_checkpoints(self.stage, self.budget, self.draw);
        Course {
            stage: self.stage.into(),
            labels_per_class: Some(self.budget),
            draw: self.draw,
            classes: self.classes,
            epochs,
            steps_per_epoch,
            images_per_epoch: self.train.len(),
            sides: Sides::growing(settings.first_size, side, epochs),
            peak: settings.learning_rate,
            warmup_epochs: settings.warmup_epochs,
            schedule: settings.schedule,
            extended: Vec::new(),
            patience: settings.patience,
            checkpoints: CheckpointFolder::new(folder, 1),
            ranks: Ranks::default(),
            checkpoint_every: None,
        }
    }

    /// The classifier and its optimiser before the first step.
    pub(super) fn begin(&self, experiment: &Experiment, hardware: &Hardware) -> Result<SupervisedLearner, TrainError> {
        let (classifier, mut weights) =
            beginning(experiment, self.stage.into(), self.encoder, (self.classes, self.draw), hardware.device)?;
        if self.encoder.is_some() && self.settings.filter_norm == FilterNorm::Initial {
            rescaling::to_initial_norms(classifier.encoder(), &mut weights)?;
        }
        let optimizer = Optimizer::new(self.settings.optimizer, self.settings.weight_decay, &weights);
        let decay = self.settings.layer_decay;
        let factor = |parameter: &Parameter| decay.powi(classifier.depth(&parameter.name) as i32);
        let factors = RateFactors::new(&weights, factor);
        let mut learner = SupervisedLearner::new(classifier, weights, optimizer, hardware.precision);
        learner.factors = factors;
        learner.label_smoothing = self.settings.label_smoothing;
        Ok(learner)
    }
}

/// The classifier of a stage and a label draw before its first step: random, with the encoder that is given.
pub(super) fn beginning(
    experiment: &Experiment,
    stage: Stage,
    encoder: Option<&BTreeMap<String, Tensor>>,
    (classes, draw): (usize, usize),
    device: Device,
) -> Result<(Classifier, Weights), TrainError> {
    let head = ClassifierHead::of(experiment, stage);
    let classifier = Classifier::new(EncoderConfig::of(experiment), head, classes);
    // Network 0 is the one that pre-training begins with.
    let mut weights = classifier.initialize(experiment.seed, 1 + draw as u64, device);
    if let Some(encoder) = encoder {
        let mut named = weights.named();
        named.extend(encoder.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())));
        weights.load(&named)?;
    }
    Ok((classifier, weights))
}

/// The labels of images, int64 `[images]`.
pub(super) fn labels(labeled: &LabeledImages, indices: &[usize], hardware: &Hardware) -> Tensor {
    let labels: Vec<i64> = indices.iter().map(|&index| i64::from(labeled.labels[index])).collect();
    Tensor::from_slice(&labels).to_device(hardware.device)
}

/// How labelled training images are drawn.
pub(crate) fn view_kind(augmentation: Augmentation, experiment: &Experiment) -> ViewKind {
    let recipe = match augmentation {
        Augmentation::None => return ViewKind::Plain,
        Augmentation::Crop => Recipe::crop(),
        Augmentation::Color => Recipe::color(),
        Augmentation::Views => experiment.pretrain.t.clone(),
    };
    ViewKind::Random { recipe, view: ViewNumber::Labelled }
}
