//! Self-training: a student learns from labelled images, and in strong views of images without labels from what its teacher,
//! the fine-tuned classifier, says of them (SimCLR v2's third step, arXiv 2006.10029, section 2; the strong views and the
//! threshold are FixMatch's, arXiv 2001.07685). Unlike there, the teacher does not change, so that what is learned of which
//! image is settled before the first step. How it is judged is in `experiment`.

mod teaching;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};

pub use teaching::Teaching;

use super::answering::Answering;
use super::sitting::{Course, End, Figures, Sitting};
use super::supervised::{Rest, SupervisedLearner, Trained, beginning, labels, view_kind};
use super::{Setting, TrainError};
use crate::config::{Augmentation, Experiment, Selftrain};
use crate::data::{ImageSource, LabeledImages};
use crate::device::Hardware;
use crate::eval::EvalError;
use crate::loader::{self, ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewGroup, ViewKind, WHOLE};
use crate::loss;
use crate::model::classifier::ClassifierHead;
use crate::model::{Classifier, EncoderConfig, Weights};
use crate::optim::Optimizer;
use crate::random::{self, Coordinates, Stream, ViewNumber};
use crate::ranks::Ranks;
use crate::run::RunDirectory;
use crate::run::record::{LabelBudget, Stage, SupervisedStage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder};

/// A classifier that answers: structure and numbers.
pub struct Network {
    /// The structure.
    pub classifier: Classifier,
    /// The numbers.
    pub weights: Weights,
    /// Number of outputs.
    pub classes: usize,
}

impl Network {
    /// The classifier that a checkpoint of fine-tuning holds.
    ///
    /// # Errors
    /// It is one of another form than the configuration's.
    pub fn of(experiment: &Experiment, checkpoint: &Checkpoint, device: Device) -> Result<Network, TrainError> {
        let head = ClassifierHead::of(experiment, Stage::Finetune);
        let classes = checkpoint.header.classes;
        let classifier = Classifier::new(EncoderConfig::of(experiment), head, classes);
        let weights = Weights::of(classifier.layout(), &checkpoint.part("classifier"), device)?;
        Ok(Network { classifier, weights, classes })
    }

    /// It, as it answers.
    pub fn answering<'a>(&'a self, experiment: &'a Experiment, hardware: &'a Hardware) -> Answering<'a> {
        Answering { experiment, hardware, classifier: &self.classifier, weights: &self.weights }
    }

    /// What it teaches of the images of a pool: its answers for whole images, with the running statistics of batch norm. With
    /// fewer images in the settings than in the pool they are drawn at random. `labels` are those that it was trained with.
    ///
    /// # Errors
    /// An image cannot be read, or an answer is no number.
    pub fn teach(
        &self,
        experiment: &Experiment,
        hardware: &Hardware,
        pool: &Arc<dyn ImageSource>,
        labels: &[u16],
    ) -> Result<Teaching, TrainError> {
        let settings = &experiment.selftrain;
        let classes = self.classes;
        let looked = drawn(pool.len(), settings.images, experiment.seed);
        if looked.is_empty() {
            return Ok(Teaching::of(&[], &[], None, settings, classes));
        }
        let logits = self.answering(experiment, hardware).answers(pool.clone(), &looked)?;
        let logits = Vec::<f32>::try_from(logits.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1))
            .map_err(EvalError::from)?;
        let frequencies = settings.align.then(|| frequencies(labels, classes));
        Ok(Teaching::of(&looked, &logits, frequencies.as_deref(), settings, classes))
    }
}

/// At most `most` of so many images, drawn at random, in ascending order; all where `most` is 0.
fn drawn(images: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut all: Vec<usize> = (0..images).collect();
    if most > 0 && most < images {
        all.shuffle(&mut random::rng(seed, Stream::Taught, Coordinates::default()));
        all.truncate(most);
        all.sort_unstable();
    }
    all
}

/// How often each class is a label, adding up to 1.
fn frequencies(labels: &[u16], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    for &label in labels {
        counts[usize::from(label)] += 1.0 / labels.len() as f64;
    }
    counts
}

/// One self-training.
pub struct Task<'a> {
    /// The labels that it uses, for records and paths.
    pub budget: LabelBudget,
    /// Which label draw, from 0.
    pub draw: usize,
    /// The labelled images that `train` and `validation` are of.
    pub labeled: &'a LabeledImages,
    /// Labelled images to train on.
    pub train: Vec<usize>,
    /// Labelled images to validate on; may be empty.
    pub validation: Vec<usize>,
    /// What happens to labelled images, as in fine-tuning.
    pub augmentation: Augmentation,
    /// The images without labels.
    pub pool: Arc<dyn ImageSource>,
    /// What is learned of them.
    pub teaching: &'a Teaching,
    /// The student before its first step.
    pub student: Network,
}

/// Epochs, and optimiser steps of each: an epoch here is a tenth of the training, after which it is recorded how it goes.
pub fn lengths(settings: &Selftrain) -> [usize; 2] {
    const RECORDS: usize = 10;
    let epochs = RECORDS.min(settings.steps);
    [epochs, settings.steps.div_ceil(epochs)]
}

/// Labelled images, and images without labels, of a step.
pub fn batch(settings: &Selftrain, labelled: usize, taught: usize) -> [usize; 2] {
    [settings.batch_size.min(labelled), (settings.batch_size * settings.ratio).min(taught)]
}

/// Trains a student, from the newest checkpoint of this task in `directory` where it was interrupted.
///
/// # Errors
/// There is no labelled image or none to learn from, one of them cannot be read, the loss is no number, or the run
/// directory cannot be written.
pub fn train(setting: &mut Setting, task: Task, directory: &RunDirectory) -> Result<Trained, TrainError> {
    let (experiment, hardware) = (setting.experiment, setting.hardware);
    let settings = &experiment.selftrain;
    if task.train.is_empty() || task.teaching.images.is_empty() {
        return Err(TrainError::TooFewImages { stage: Stage::Selftrain, images: task.train.len() });
    }
    let [labelled, unlabelled] = task.schedules(settings, experiment.seed);
    let course = task.course(experiment, labelled.batch_size + unlabelled.batch_size, directory);
    let Task { student: Network { classifier, weights, .. }, .. } = task;
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &weights);
    let mut learner = SupervisedLearner::new(classifier, weights, optimizer, hardware.precision);
    let (mut sitting, found) = Sitting::begin(setting, course, Some(directory))?;
    if let Some(checkpoint) = &found {
        learner.restore(checkpoint, Rest::of(&sitting))?;
    }
    let strong = ViewKind::Random { recipe: experiment.pretrain.t.clone(), view: ViewNumber::Taught };
    let of = |kind| ViewGroup::one(kind, experiment.image_size);
    let images = ImageSet::of(experiment, task.labeled.images.clone(), hardware);
    let weak = of(view_kind(task.augmentation, experiment));
    let steps = sitting.step().min(sitting.steps())..sitting.steps();
    let mut labelled = loader::scheduled(images, weak, labelled, steps, hardware.threads);
    let images = ImageSet::of(experiment, task.pool.clone(), hardware);
    let mut unlabelled = sitting.batches(images, of(strong), unlabelled);

    while sitting.goes_on() {
        let known = labelled.next().unwrap_or(Err(LoadError::WorkerLost))?;
        let unknown = unlabelled.next().unwrap_or(Err(LoadError::WorkerLost))?;
        let labels = labels(task.labeled, &known.indices, hardware);
        let targets = task.teaching.targets(&unknown.indices, hardware.device);
        let counts = [known.indices.len() as i64, unknown.indices.len() as i64];
        let rate = sitting.learning_rate();
        // In one batch, so that batch norm has the statistics of both.
        let logits = learner.logits(&Tensor::cat(&[&known.images[0], &unknown.images[0]], 0));
        let of_known = loss::cross_entropy(&logits.narrow(0, 0, counts[0]), &labels);
        let of_unknown = loss::cross_entropy(&logits.narrow(0, counts[0], counts[1]), &targets);
        let loss = of_known + of_unknown * settings.weight;
        learner.follow(&loss, rate);
        sitting.add(loss.detach(), (counts[0] + counts[1]) as usize);
        let expected = Tensor::cat(&[labels, targets.argmax(1, false)], 0);
        sitting.add_right(&logits.detach().argmax(1, false).eq_tensor(&expected).sum(Kind::Int64));
        sitting.stepped(rate, None)?;

        if sitting.ended_epoch().is_some() {
            let loss = sitting.epoch_loss()?;
            let judged = Answering { experiment, hardware, classifier: &learner.classifier, weights: &learner.weights };
            let validation = judged.validate(task.labeled, &task.validation)?;
            sitting.epoch_ended(Figures {
                loss,
                train_accuracy: Some(sitting.train_accuracy()),
                validation,
                ..Figures::default()
            })?;
        }
        if sitting.checkpoint_due()? {
            let mut checkpoint = sitting.checkpoint()?;
            learner.store(&mut checkpoint, Rest::of(&sitting));
            sitting.save(&checkpoint)?;
        }
    }
    let End { ended, seconds, .. } = sitting.end()?;
    let SupervisedLearner { classifier, weights, .. } = learner;
    Ok(Trained { classifier, weights, ended, seconds })
}

/// Keeps the orders of self-training apart from those of other stages.
const ORDERS: u64 = 1 << 32;

impl Task<'_> {
    /// The order of labelled images, and of those without labels; both go round by themselves, and every batch is full.
    fn schedules(&self, settings: &Selftrain, seed: u64) -> [Schedule; 2] {
        let sizes = batch(settings, self.train.len(), self.teaching.images.len());
        let schedule = |indices: &[usize], batch_size, order| Schedule {
            indices: Arc::new(indices.to_vec()),
            batch_size,
            parts: 1,
            last: LastBatch::Drop,
            pairing: Pairing::SameImage,
            seed,
            order,
            share: WHOLE,
            led: false,
        };
        let order = ORDERS + 2 * self.draw as u64;
        [schedule(&self.train, sizes[0], order), schedule(&self.teaching.images, sizes[1], order + 1)]
    }

    fn course(&self, experiment: &Experiment, images_per_step: usize, directory: &RunDirectory) -> Course {
        let (settings, side) = (&experiment.selftrain, experiment.image_size);
        let [epochs, steps_per_epoch] = lengths(settings);
        let folder = directory.supervised_checkpoints(SupervisedStage::Selftrain, self.budget, self.draw);
        Course {
            stage: Stage::Selftrain,
            labels_per_class: Some(self.budget),
            draw: self.draw,
            classes: self.student.classes,
            epochs,
            steps_per_epoch,
            images_per_epoch: steps_per_epoch * images_per_step,
            sides: side.into(),
            peak: settings.learning_rate,
            warmup_epochs: settings.warmup_steps as f64 / steps_per_epoch as f64,
            schedule: settings.schedule,
            extended: Vec::new(),
            patience: 0,
            checkpoints: CheckpointFolder::new(folder, 1),
            ranks: Ranks::default(),
            checkpoint_every: None,
        }
    }
}

/// The student of a new classifier on an encoder, by the encoder's names.
///
/// # Errors
/// The encoder is one of another form than the configuration's.
pub fn begun(
    experiment: &Experiment,
    encoder: &BTreeMap<String, Tensor>,
    (classes, draw): (usize, usize),
    device: Device,
) -> Result<Network, TrainError> {
    let (classifier, weights) = beginning(experiment, Stage::Finetune, Some(encoder), (classes, draw), device)?;
    Ok(Network { classifier, weights, classes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_drawn_once_each_and_the_same_ones_again() {
        assert_eq!(drawn(5, 0, 1), [0, 1, 2, 3, 4]);
        assert_eq!(drawn(3, 7, 1), [0, 1, 2]);
        let some = drawn(100, 10, 1);
        assert!(some.len() == 10 && some.windows(2).all(|pair| pair[0] < pair[1]), "{some:?}");
        assert_eq!(some, drawn(100, 10, 1));
        assert_ne!(some, drawn(100, 10, 2));
    }

    #[test]
    fn a_training_is_recorded_ten_times_and_has_its_steps() {
        let of = |steps| lengths(&Selftrain { steps, ..Experiment::preset("hour").unwrap().selftrain });
        assert_eq!([of(1000), of(3), of(1), of(25)], [[10, 100], [3, 1], [1, 1], [10, 3]]);
        let settings = Selftrain { batch_size: 8, ratio: 3, ..Experiment::preset("hour").unwrap().selftrain };
        assert_eq!([batch(&settings, 100, 100), batch(&settings, 5, 9)], [[8, 24], [5, 9]]);
        assert_eq!(frequencies(&[0, 2, 2, 0], 3), [0.5, 0.0, 0.5]);
    }
}
