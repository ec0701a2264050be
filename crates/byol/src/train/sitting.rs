//! What surrounds the steps of a training, once for every stage: the learning rate, resumption, metrics, clocks, losses, the
//! records of epochs, patience, checkpoints, events, and how it ended. What a step computes, and what is looked at between
//! epochs, is in the loops of [`pretrain`](super::pretrain) and [`supervised`](super::supervised).

use serde::Serialize;
use serde::de::DeserializeOwned;
use tch::Tensor;

use super::losses::Losses;
use super::method::Moment;
use super::monitor::Look;
use super::pace::{CheckpointClock, Pace};
use super::{Setting, TrainError};
use crate::config::{ScheduleKind, Sides};
use crate::loader::{self, Batches, ImageSet, Schedule, ViewGroup};
use crate::optim::schedule::LearningRate;
use crate::ranks::Ranks;
use crate::run::RunDirectory;
use crate::run::event::{Event, Reporter, StepReport};
use crate::run::notice::Notice;
use crate::run::record::{Ended, EpochRecord, LabelBudget, Stage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder, Header, Progress};

/// What a training is to be, before its first step.
pub(super) struct Course {
    pub stage: Stage,
    /// Absent for pre-training.
    pub labels_per_class: Option<LabelBudget>,
    pub draw: usize,
    /// Number of outputs of the classifier; 0 for pre-training.
    pub classes: usize,
    pub epochs: usize,
    pub steps_per_epoch: usize,
    pub images_per_epoch: usize,
    /// Of the images that it trains on; what they cost follows.
    pub sides: Sides,
    /// The learning rate at the end of warm-up.
    pub peak: f64,
    pub warmup_epochs: f64,
    pub schedule: ScheduleKind,
    /// The lengths in epochs that the training had before each time that it was extended.
    pub extended: Vec<usize>,
    /// Epochs without improvement after which it stops; 0 for never.
    pub patience: usize,
    pub checkpoints: CheckpointFolder,
    /// Who trains along. What ends the training, and when a checkpoint is written, all decide together; rank 0 alone writes.
    pub ranks: Ranks,
    /// Epochs between checkpoints; without it there is one at the end, and those that the clock asks for.
    pub checkpoint_every: Option<usize>,
}

impl Course {
    fn steps(&self) -> usize {
        self.epochs * self.steps_per_epoch
    }

    /// The steps after the first so many, each as a share of one on images of full side.
    fn work(&self, made: usize) -> f64 {
        let epoch = made / self.steps_per_epoch;
        let begun = (made % self.steps_per_epoch) as f64 * self.sides.share_at(epoch);
        let [before, all] = [epoch, self.epochs].map(|epochs| self.sides.share_of_pixels(epochs) * epochs as f64);
        (all - before) * self.steps_per_epoch as f64 - begun
    }

    /// Whether a record is one of this training.
    fn has(&self, record: &EpochRecord) -> bool {
        (record.stage, record.labels_per_class, record.draw) == (self.stage, self.labels_per_class, self.draw)
    }

    /// Steps of warm-up: of the whole training where it is shorter, which is said.
    fn warmup_steps(&self, reporter: &mut dyn Reporter) -> usize {
        let wanted = (self.warmup_epochs * self.steps_per_epoch as f64).round() as usize;
        if wanted > self.steps() {
            reporter.event(&Event::Note(Notice::WarmupCut { stage: self.stage, epochs: self.warmup_epochs }));
        }
        wanted.min(self.steps())
    }
}

/// What an epoch has shown.
#[derive(Default)]
pub(super) struct Figures {
    pub loss: f64,
    /// Of training with labels.
    pub train_accuracy: Option<f64>,
    /// Mean loss and accuracy.
    pub validation: Option<(f64, f64)>,
    /// Of pre-training.
    pub look: Option<Look>,
    pub projection_deviation: Option<f64>,
    /// What patience goes by, lower is better; absent where nothing was looked at.
    pub watched: Option<f64>,
}

/// How a sitting ended.
pub(super) struct End {
    pub ended: Ended,
    pub progress: Progress,
    /// Of the last epoch, or of the sitting where none has ended.
    pub images_per_second: f64,
    /// Over all sittings.
    pub seconds: f64,
}

/// One sitting of a training: from its newest checkpoint, or from the beginning, to its end or to where it is interrupted.
pub(super) struct Sitting<'s, 'a> {
    pub setting: &'s mut Setting<'a>,
    /// Rank 0's.
    directory: Option<&'s RunDirectory>,
    course: Course,
    learning_rate: LearningRate,
    /// The lengths in steps that the training had before it was extended.
    ends: Vec<usize>,
    progress: Progress,
    /// The step that the sitting began at.
    first_step: usize,
    /// Seconds of earlier sittings.
    earlier_seconds: f64,
    losses: Losses,
    /// Images of the step that is being made.
    images: usize,
    /// Learning rate and tau of the last step.
    rates: (f64, Option<f64>),
    pace: Pace,
    clock: CheckpointClock,
    /// The epoch that has just ended had the best k-NN accuracy so far.
    best: bool,
    interrupted: bool,
}

impl<'s, 'a> Sitting<'s, 'a> {
    /// Sits down to a training, with the checkpoint that it goes on from. Records of later epochs are removed: they are
    /// made again. A rank that is not the first has no directory, and stands where the first does.
    ///
    /// # Errors
    /// The run directory cannot be read or written.
    pub fn begin(
        setting: &'s mut Setting<'a>,
        course: Course,
        directory: Option<&'s RunDirectory>,
    ) -> Result<(Sitting<'s, 'a>, Option<Checkpoint>), TrainError> {
        let learning_rate = LearningRate {
            peak: course.peak,
            warmup_steps: course.warmup_steps(setting.reporter),
            steps: course.steps(),
            kind: course.schedule,
        };
        let (found, passed_over) = directory.map_or(Ok((None, Vec::new())), |_| course.checkpoints.latest())?;
        for error in passed_over {
            setting.reporter.event(&Event::Warning(Notice::PassedOver { problem: error.to_string() }));
        }
        let progress = found.as_ref().map_or_else(Progress::default, |found| found.header.progress.clone());
        let progress = course.ranks.value_of_first(progress)?;
        if let Some(directory) = directory {
            directory.retain_metrics(|record| !course.has(record) || record.step <= progress.step)?;
        }
        let last = last_record(directory, &course)?;
        setting.reporter.event(&Event::StageStarted {
            stage: course.stage,
            labels_per_class: course.labels_per_class,
            draw: course.draw,
            epochs: course.epochs,
            steps: course.steps(),
            done: progress.step,
        });
        let mut sitting = Sitting {
            learning_rate,
            ends: course.extended.iter().map(|epochs| epochs * course.steps_per_epoch).collect(),
            first_step: progress.step,
            earlier_seconds: last.map_or(0.0, |record| record.seconds),
            losses: Losses::of(course.stage, &progress, setting.device()),
            images: 0,
            rates: (0.0, None),
            pace: Pace::start(),
            clock: CheckpointClock::start(setting.experiment.checkpoint_minutes),
            best: false,
            interrupted: false,
            setting,
            directory,
            course,
            progress,
        };
        if sitting.is_finished() {
            sitting.first_step = sitting.steps();
        }
        Ok((sitting, found))
    }

    /// The batches of the steps that are left. The clocks begin here.
    pub fn batches(&mut self, image_set: ImageSet, views: Vec<ViewGroup>, schedule: Schedule) -> Batches {
        let steps = self.first_step..self.steps();
        let batches = loader::scheduled(image_set, views, schedule, steps, self.setting.hardware.threads);
        self.pace = Pace::start();
        self.clock = CheckpointClock::start(self.setting.experiment.checkpoint_minutes);
        batches
    }

    /// Optimiser steps of the whole training.
    pub fn steps(&self) -> usize {
        self.course.steps()
    }

    /// Optimiser steps that have been made, in all sittings.
    pub fn step(&self) -> usize {
        self.progress.step
    }

    /// Epochs that have ended.
    pub fn epochs(&self) -> usize {
        self.progress.step / self.course.steps_per_epoch
    }

    /// Whether all steps are made, or patience has ended the stage.
    pub fn is_finished(&self) -> bool {
        self.progress.stopped || self.progress.step >= self.steps()
    }

    /// Whether there is a further step to make.
    pub fn goes_on(&self) -> bool {
        !self.interrupted && !self.is_finished()
    }

    /// The learning rate of the next step.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate.extended_at(self.progress.step, &self.ends)
    }

    /// Where training stands at the next step.
    pub fn moment(&self) -> Moment<'_> {
        let learning_rate = self.learning_rate();
        Moment { learning_rate, step: self.progress.step, steps: self.steps(), ends: &self.ends }
    }

    /// Adds the mean loss of so many images to the step that is being made.
    pub fn add(&mut self, loss: Tensor, images: usize) {
        self.losses.add(loss, images, self.progress.step + 1);
        self.images += images;
    }

    /// Adds images that were answered right: a whole number, on the device.
    pub fn add_right(&mut self, right: &Tensor) {
        self.losses.add_right(right);
    }

    /// An optimiser step has been made.
    ///
    /// # Errors
    /// A loss is no number.
    pub fn stepped(&mut self, learning_rate: f64, tau: Option<f64>) -> Result<(), TrainError> {
        let images = std::mem::take(&mut self.images);
        self.progress.step += 1;
        self.progress.seen += images as u64;
        let epoch = (self.progress.step - 1) / self.course.steps_per_epoch;
        self.pace.step(images, self.course.sides.share_at(epoch));
        self.rates = (learning_rate, tau);
        self.best = false;
        // Epochs of pre-training are long, while one of a few labelled images is a single step.
        let always = self.course.stage == Stage::Pretrain && self.ended_epoch().is_some();
        if self.pace.due() || always {
            let report = StepReport {
                stage: self.course.stage,
                epoch: (self.progress.step - 1) / self.course.steps_per_epoch + 1,
                epochs: self.course.epochs,
                step: self.progress.step,
                steps: self.steps(),
                loss: self.read_losses()?,
                learning_rate,
                tau,
                images_per_second: self.pace.images_per_second(),
                seconds_left: self.pace.seconds_for(self.course.work(self.progress.step)),
            };
            self.setting.reporter.event(&Event::Step(report));
        }
        if self.pace.estimate_due() {
            let seconds = self.pace.seconds_for(self.course.work(self.first_step));
            self.setting.reporter.event(&Event::Estimate { stage: self.course.stage, seconds });
        }
        Ok(())
    }

    /// The epoch that ended with the last step, from 1, if one did.
    pub fn ended_epoch(&self) -> Option<usize> {
        self.progress.step.is_multiple_of(self.course.steps_per_epoch).then(|| self.epochs())
    }

    /// Mean loss of the epoch so far.
    ///
    /// # Errors
    /// A loss is no number.
    pub fn epoch_loss(&mut self) -> Result<f64, TrainError> {
        self.read_losses()?;
        Ok(self.losses.sum() / self.progress.seen as f64)
    }

    /// Share of the epoch's images so far that were answered right.
    pub fn train_accuracy(&self) -> f64 {
        self.losses.right() as f64 / self.progress.seen as f64
    }

    /// Records the epoch that has ended, and whether patience ends the training with it.
    ///
    /// # Errors
    /// The record cannot be written.
    pub fn epoch_ended(&mut self, figures: Figures) -> Result<(), TrainError> {
        let record = self.record(&figures);
        if let Some(directory) = self.directory {
            directory.append_metrics(&record)?;
        }
        self.setting.reporter.event(&Event::EpochEnded(&record));
        let progress = &mut self.progress;
        progress.last_loss = Some(figures.loss);
        (progress.loss_sum, progress.correct, progress.seen) = (0.0, 0, 0);
        self.losses.clear();
        if let Some(accuracy) = record.knn_accuracy
            && progress.best_knn.is_none_or(|best| accuracy > best)
        {
            (progress.best_knn, progress.best_step) = (Some(accuracy), Some(progress.step));
            self.best = true;
        }
        if let (true, Some(watched)) = (self.course.patience > 0, figures.watched) {
            if progress.best.is_none_or(|best| watched < best) {
                (progress.best, progress.waited) = (Some(watched), 0);
            } else {
                progress.waited += 1;
                progress.stopped = progress.waited >= self.course.patience;
            }
        }
        Ok(())
    }

    /// Takes over what rank 0 made of the epoch that has ended: how far training is, and what it has found.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn agree<T: Serialize + DeserializeOwned>(&mut self, found: T) -> Result<T, TrainError> {
        let own = (self.progress.clone(), self.best, found);
        let (progress, best, found) = self.course.ranks.value_of_first(own)?;
        (self.progress, self.best) = (progress, best);
        if !self.course.ranks.is_first() {
            self.losses.clear();
        }
        Ok(found)
    }

    fn record(&self, figures: &Figures) -> EpochRecord {
        let Figures { look, validation, .. } = figures;
        let (learning_rate, tau) = self.rates;
        EpochRecord {
            stage: self.course.stage,
            labels_per_class: self.course.labels_per_class,
            draw: self.course.draw,
            epoch: self.epochs(),
            epochs: self.course.epochs,
            step: self.progress.step,
            images: (self.epochs() * self.course.images_per_epoch) as u64,
            loss: figures.loss,
            train_accuracy: figures.train_accuracy,
            validation_loss: validation.map(|(loss, _)| loss),
            validation_accuracy: validation.map(|(_, accuracy)| accuracy),
            knn_accuracy: look.and_then(|look| look.knn_accuracy),
            linear_accuracy: look.and_then(|look| look.linear_accuracy),
            projection_deviation: figures.projection_deviation,
            health: look.and_then(|look| look.health),
            learning_rate,
            tau,
            images_per_second: self.pace.images_per_second(),
            seconds: self.seconds(),
            processes: Some(self.course.ranks.count()).filter(|count| *count > 1),
        }
    }

    /// Over all sittings.
    fn seconds(&self) -> f64 {
        self.earlier_seconds + self.pace.seconds()
    }

    /// Looks whether somebody has asked to stop, and says whether a checkpoint is due: for that, at the end, as often as
    /// is wanted, and of the best epoch so far. The same on all ranks: whichever was asked, all stop after this step.
    ///
    /// # Errors
    /// A rank is gone.
    pub fn checkpoint_due(&mut self) -> Result<bool, TrainError> {
        let ranks = &self.course.ranks;
        let own = [self.setting.interrupt.requested(), ranks.is_first() && self.clock.due()];
        let [asked, due] = ranks.largest(own.map(i64::from))?.map(|any| any > 0);
        self.interrupted = asked && !self.is_finished();
        let wanted = self.course.checkpoint_every.zip(self.ended_epoch());
        let wanted = wanted.is_some_and(|(every, epoch)| epoch.is_multiple_of(every));
        Ok(self.interrupted || self.is_finished() || wanted || self.best || due)
    }

    /// A checkpoint of where the training stands, for the caller's tensors.
    ///
    /// # Errors
    /// A loss is no number.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, TrainError> {
        self.read_losses()?;
        (self.progress.loss_sum, self.progress.correct) = (self.losses.sum(), self.losses.right());
        let Course { stage, classes, .. } = self.course;
        Ok(Checkpoint::new(Header::of(self.setting.experiment, stage, classes, &self.progress)?))
    }

    /// Writes a checkpoint.
    ///
    /// # Errors
    /// It cannot be written; older ones stay.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let path = self.course.checkpoints.save(checkpoint)?;
        self.clock.saved();
        self.setting.reporter.event(&Event::CheckpointSaved { path: &path });
        Ok(())
    }

    /// The newest loss.
    fn read_losses(&mut self) -> Result<f64, TrainError> {
        self.losses.read().map_err(|error| error.beside(&self.course.checkpoints))
    }

    /// That the weights are no numbers any more.
    pub fn diverged(&self) -> TrainError {
        TrainError::diverged(self.course.stage, f64::NAN, self.progress.step).beside(&self.course.checkpoints)
    }

    /// Ends the sitting: says how it ended, and how long the training took in all sittings.
    ///
    /// # Errors
    /// The run directory cannot be read.
    pub fn end(self) -> Result<End, TrainError> {
        let last = last_record(self.directory, &self.course)?;
        Ok(End {
            ended: match (self.interrupted, self.progress.stopped) {
                (true, _) => Ended::Interrupted,
                (false, true) => Ended::Patience,
                (false, false) => Ended::Epochs,
            },
            images_per_second: last.map_or(self.pace.images_per_second(), |record| record.images_per_second),
            seconds: self.seconds(),
            progress: self.progress,
        })
    }
}

/// The last record of a training.
fn last_record(directory: Option<&RunDirectory>, course: &Course) -> Result<Option<EpochRecord>, TrainError> {
    let records = directory.map_or(Ok(Vec::new()), RunDirectory::metrics)?;
    Ok(records.into_iter().rev().find(|record| course.has(record)))
}
