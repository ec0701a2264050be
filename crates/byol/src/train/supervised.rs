//! Training with labels: the baseline from random weights, and fine-tuning from a pre-trained encoder. One visible loop
//! serves both; they differ in where the encoder's weights come from. What a step computes is in `learner`.
//!
//! Several ranks go through the same loop, each with its share of every batch, and answer for validation images together. Rank 0
//! writes and reports; the others hear from it how far training is ([`along`]).

mod learner;
mod threads;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::answering::Answering;
use super::averaging::TailAverage;
use super::mixing::Mixing;
use super::sitting::{Course, End, Figures, Sitting};
use super::{Setting, TrainError, head};
use crate::augment::Recipe;
use crate::config::{Augmentation, Experiment, Fault, FilterNorm, Sides, Supervised};
use crate::data::LabeledImages;
use crate::device::Hardware;
use crate::loader::{ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewGroup, ViewKind, WHOLE};
use crate::model::EncoderConfig;
use crate::model::classifier::ClassifierHead;
use crate::model::parameters::Parameter;
use crate::model::{Classifier, Mode, Weights, rescaling};
use crate::optim::Optimizer;
use crate::optim::factors::RateFactors;
use crate::random::ViewNumber;
use crate::ranks::share_of;
use crate::run::RunDirectory;
use crate::run::event::Event;
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::record::{LabelBudget, Stage, SupervisedStage};
use crate::trained::checkpoint::CheckpointFolder;

pub use learner::SupervisedLearner;

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

/// Trains a classifier, from the newest checkpoint of this task in `directory` where it was interrupted.
///
/// # Errors
/// There are fewer than two images, one of them cannot be read, the loss is no number, the encoder does not fit, or
/// the run directory cannot be written.
pub fn train(setting: &mut Setting, task: &Task, directory: &RunDirectory) -> Result<Trained, TrainError> {
    trained(setting, task, Some(directory))
}

/// Trains along with rank 0, which has the run directory and the encoder that is begun with, to where that ends.
///
/// # Errors
/// As [`train`]; or rank 0 has failed.
pub fn along(setting: &mut Setting, task: &Task) -> Result<Trained, TrainError> {
    trained(setting, task, None)
}

fn trained(setting: &mut Setting, task: &Task, directory: Option<&RunDirectory>) -> Result<Trained, TrainError> {
    let (experiment, hardware) = (setting.experiment, setting.hardware);
    let ranks = hardware.ranks.clone();
    if task.train.len() < 2 {
        return Err(TrainError::TooFewImages { stage: task.stage.into(), images: task.train.len() });
    }
    let mixing = Mixing::of(task.settings, task.classes, experiment.seed, 1 + task.draw as u64);
    let schedule = Schedule { share: ranks.place(), led: mixing.mixes(), ..task.schedule(experiment.seed) };
    let course = task.course(setting, schedule.steps_per_epoch(), directory);
    let sides = course.sides;
    let mut learner = task.begin(experiment, hardware)?.among(&ranks);
    let (mut sitting, found) = Sitting::begin(setting, course, directory)?;
    let mut average = TailAverage::over(task.settings.average, sitting.steps());
    if let Some(checkpoint) = &found {
        learner.restore(checkpoint, Rest::of(&sitting))?;
        average.restore(checkpoint, &learner.weights)?;
    }
    together::begin_alike(&mut sitting, &mut learner, &mut average)?;
    if ranks.value_of_first(found.is_none())? {
        head::begin(experiment, hardware, task, &mut learner)?;
        together::begin_alike(&mut sitting, &mut learner, &mut average)?;
    }
    let image_set = ImageSet::of(experiment, task.labeled.images.clone(), hardware);
    let view = view_kind(task.settings.augmentation, experiment);
    let mut batches = sitting.batches(image_set, ViewGroup::one(view, sides), schedule.clone());

    while sitting.goes_on() {
        if experiment.faults.contains(&Fault::EvaluationMode) && sitting.epochs() > 0 {
            learner.mode = Mode::Evaluate;
        }
        let rows = schedule.rows(sitting.step());
        learner.share(rows);
        let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost))?;
        let labels = labels(task.labeled, &batch.indices, hardware);
        let examples = mixing.mix(&batch.images[0], &labels, sitting.step()).last(share_of(ranks.place(), rows).len());
        let rate = sitting.learning_rate();
        let (loss, logits) = learner.step(&examples.images, &examples.targets, rate);
        let right = logits.argmax(1, false).eq_tensor(&examples.labels).sum(Kind::Int64);
        let (loss, right) = together::over_all(&ranks, learner.sharing(), (loss, right));
        sitting.add(loss, rows);
        sitting.add_right(&right);
        ranks.check()?;
        sitting.stepped(rate, None)?;
        average.add(&learner.weights, sitting.step());

        if sitting.ended_epoch().is_some() {
            let judged = Answering {
                experiment,
                hardware,
                classifier: &learner.classifier,
                weights: average.or(&learner.weights),
            };
            let validation = judged.validate(task.labeled, &task.validation)?;
            if ranks.is_first() {
                let loss = sitting.epoch_loss()?;
                sitting.epoch_ended(Figures {
                    loss,
                    train_accuracy: Some(sitting.train_accuracy()),
                    validation,
                    watched: Some(validation.map_or(loss, |(loss, _)| loss)),
                    ..Figures::default()
                })?;
            }
            sitting.agree(())?;
        }
        if sitting.checkpoint_due()? && ranks.is_first() {
            let mut checkpoint = sitting.checkpoint()?;
            learner.store(&mut checkpoint, Rest::of(&sitting));
            average.store(&mut checkpoint, Rest::of(&sitting));
            sitting.save(&checkpoint)?;
        }
    }
    // Nobody goes before the last checkpoint is written.
    ranks.wait_for_all()?;
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
    /// How many of so many threads a step on images of full side is worth.
    pub(crate) fn threads(&self, experiment: &Experiment, threads: usize) -> usize {
        let head = ClassifierHead::of(experiment, self.stage.into());
        let classifier = Classifier::new(EncoderConfig::of(experiment), head, self.classes);
        let images = self.settings.batch_size.min(self.train.len()) as u64;
        threads::worth(classifier.step_flops(experiment.image_size) * images, threads)
    }

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
            led: false,
        }
    }

    /// The training's course: longer than its epochs where it takes that for its steps, which is said once.
    fn course(&self, setting: &mut Setting, steps_per_epoch: usize, directory: Option<&RunDirectory>) -> Course {
        let (settings, side) = (self.settings, setting.experiment.image_size);
        let epochs = settings.epochs.max(settings.minimum_steps.div_ceil(steps_per_epoch));
        if epochs > settings.epochs && self.draw == 0 && self.lengths == Lengths::Asked {
            setting.reporter.event(&Event::Note(Notice::Lengthened {
                stage: self.stage.into(),
                epochs,
                asked: settings.epochs,
                images: self.train.len(),
                least_steps: settings.minimum_steps,
            }));
        }
        let folder = directory.map(|directory| directory.supervised_checkpoints(self.stage, self.budget, self.draw));
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
            checkpoints: CheckpointFolder::new(folder.unwrap_or_default(), 1),
            ranks: setting.hardware.ranks.clone(),
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

#[cfg(test)]
mod tests;
