//! BYOL pre-training (paper, section 3.1 and Algorithm 1): one visible loop.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::pace::Pace;
use super::{Ended, Setting, TrainError, normalization, resnet_config};
use crate::config::{Experiment, LossTarget, PatienceMetric, Pretrain};
use crate::data::{ImageSource, LabeledImages};
use crate::eval::features::{FeatureRequest, extract};
use crate::eval::knn::{KnnOptions, knn};
use crate::loader::{self, LastBatch, Pictures, Schedule, ViewKind};
use crate::loss;
use crate::model::byol::{ByolConfig, encoder_part, update_target};
use crate::model::layers::Pass;
use crate::model::{Byol, Leaves, Mode, Precision, Weights};
use crate::optim::Optimizer;
use crate::optim::schedule::{LearningRate, Tau};
use crate::run::RunDirectory;
use crate::run::checkpoint::{Checkpoint, FORMAT, Header, Progress};
use crate::run::event::{Event, StepReport};
use crate::run::record::{EpochRecord, Stage};

/// Labelled training images that watch the representation while it trains.
pub struct Monitor {
    pub labeled: LabeledImages,
    pub classes: usize,
    /// Indices of the pictures that vote.
    pub bank: Vec<usize>,
    /// Indices of the held-out pictures that are classified.
    pub held_out: Vec<usize>,
}

/// What pre-training ended with.
pub struct Pretrained {
    /// Weights of the online network.
    pub online: Weights,
    pub progress: Progress,
    pub ended: Ended,
    pub epochs: usize,
    pub images: u64,
    pub images_per_second: f64,
    /// Seconds over all sittings.
    pub seconds: f64,
}

/// Both networks, their optimiser, and one step of training.
pub struct Learner {
    pub model: Byol,
    pub online: Weights,
    pub target: Weights,
    pub optimizer: Optimizer,
    online_leaves: Leaves,
    target_leaves: Leaves,
    precision: Precision,
    loss_target: LossTarget,
}

/// What one step gives.
pub struct StepOutput {
    /// The symmetrised loss, a scalar, 0 to 8.
    pub loss: Tensor,
    /// The target's projections of the first view, `[batch, projection]`.
    pub projections: Tensor,
}

impl Learner {
    /// A learner that begins at `online`; its target equals it.
    pub fn new(model: Byol, online: Weights, settings: &Pretrain, precision: Precision) -> Learner {
        let target = model.target_of(&online);
        let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, online.flat());
        Learner::assemble(model, online, target, optimizer, settings.loss_target, precision)
    }

    /// A learner of given parts.
    pub fn assemble(
        model: Byol,
        online: Weights,
        target: Weights,
        optimizer: Optimizer,
        loss_target: LossTarget,
        precision: Precision,
    ) -> Learner {
        let (online_leaves, target_leaves) = (online.leaves(precision), target.leaves(precision));
        Learner { model, online, target, optimizer, online_leaves, target_leaves, precision, loss_target }
    }

    /// The loss of one pair of batches, with the graph for its gradient.
    ///
    /// The views go through every network separately, so that batch norm sees one view at a time.
    ///
    /// # Shapes
    /// Views are `[batch, 3, side, side]`, of the same pictures in the same order.
    pub fn loss(&self, first: &Tensor, second: &Tensor) -> StepOutput {
        let online = self.pass(&self.online, &self.online_leaves);
        let target = self.pass(&self.target, &self.target_leaves);
        let aim = |view: &Tensor| {
            let projections = self.model.project(&target, view);
            match self.loss_target {
                LossTarget::Projection => projections,
                LossTarget::Prediction => self.model.predict(&online, &projections),
            }
        };
        let (first_aim, second_aim) = tch::no_grad(|| (aim(first), aim(second)));
        let predict = |view: &Tensor| self.model.predict(&online, &self.model.project(&online, view));
        let loss = loss::regression(&predict(first), &second_aim) + loss::regression(&predict(second), &first_aim);
        StepOutput { loss, projections: first_aim }
    }

    /// Algorithm 1, lines 7 to 11: loss, gradient of the online network, optimiser, moving average of the target.
    pub fn step(&mut self, first: &Tensor, second: &Tensor, learning_rate: f64, tau: f64) -> StepOutput {
        let output = self.loss(first, second);
        let gradient = self.gradient(&output.loss);
        self.optimizer.step(self.online.flat_mut(), gradient, learning_rate);
        update_target(&mut self.target, &self.online, tau);
        self.online.refresh(&mut self.online_leaves);
        self.target.refresh(&mut self.target_leaves);
        StepOutput { loss: output.loss.detach(), ..output }
    }

    /// The gradient of a loss with respect to the online network, `[parameters]`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        self.online_leaves.gradient(loss, self.online.flat().kind())
    }

    fn pass<'a>(&self, weights: &'a Weights, leaves: &'a Leaves) -> Pass<'a> {
        Pass { weights, leaves, mode: Mode::Train, precision: self.precision }
    }

    fn checkpoint(&self, experiment: &Experiment, progress: &Progress) -> Result<Checkpoint, TrainError> {
        let header = Header {
            format: FORMAT,
            stage: Stage::Pretrain,
            classes: 0,
            config: experiment.to_toml().map_err(|source| crate::run::RunError::Config {
                path: "config.toml".into(),
                source: Box::new(source),
            })?,
            progress: progress.clone(),
        };
        let mut checkpoint = Checkpoint { header, tensors: Default::default() };
        checkpoint.insert_part("online", self.online.named());
        checkpoint.insert_part("target", self.target.named());
        checkpoint.insert_part("optimizer", self.optimizer.state());
        Ok(checkpoint)
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        self.online.load(&checkpoint.part("online"))?;
        self.target.load(&checkpoint.part("target"))?;
        self.optimizer.load(&checkpoint.part("optimizer"))?;
        self.online.refresh(&mut self.online_leaves);
        self.target.refresh(&mut self.target_leaves);
        Ok(())
    }
}

/// The networks that an experiment describes.
pub fn networks(experiment: &Experiment) -> Byol {
    Byol::new(ByolConfig {
        encoder: resnet_config(experiment),
        hidden: experiment.pretrain.projector_hidden as i64,
        projection: experiment.pretrain.projection_size as i64,
    })
}

/// # Errors
/// There are fewer images than a batch takes.
pub fn require_images(settings: &Pretrain, images: usize) -> Result<(), TrainError> {
    let batch_size = settings.batch_size;
    match batch_size > images {
        true => Err(TrainError::BatchTooLarge { key: "pretrain.batch_size", batch_size, images }),
        false => Ok(()),
    }
}

/// Trains on `pool` from the newest checkpoint of `directory`, or from the beginning where there is none.
///
/// # Errors
/// The pool is smaller than a batch, a picture cannot be read any more, the loss is no number, or the run directory
/// cannot be written.
pub fn pretrain(
    setting: &mut Setting,
    pool: Arc<dyn ImageSource>,
    monitor: Option<&Monitor>,
    directory: &RunDirectory,
) -> Result<Pretrained, TrainError> {
    let experiment = setting.experiment;
    let settings = &experiment.pretrain;
    let device = setting.device();
    require_images(settings, pool.len())?;
    let schedule = Schedule {
        indices: Arc::new((0..pool.len()).collect()),
        batch_size: settings.batch_size,
        last: LastBatch::Drop,
        seed: experiment.seed,
        order: 0,
    };
    let per_epoch = schedule.steps_per_epoch();
    let steps = settings.epochs * per_epoch;
    let learning_rate = LearningRate {
        peak: settings.learning_rate,
        warmup_steps: (settings.warmup_epochs * per_epoch as f64).round() as usize,
        steps,
        kind: settings.schedule,
    };
    let tau = Tau { base: settings.tau, steps, kind: settings.tau_schedule };

    let model = networks(experiment);
    let online = model.initialize(experiment.seed, device);
    let mut learner = Learner::new(model, online, settings, setting.hardware.precision);
    let checkpoints = directory.pretrain_checkpoints();
    let (found, passed_over) = checkpoints.latest();
    for error in passed_over {
        setting.reporter.event(&Event::Warning { text: format!("passing over a checkpoint: {error}") });
    }
    let mut progress = match &found {
        Some(checkpoint) => {
            learner.restore(checkpoint)?;
            checkpoint.header.progress.clone()
        }
        None => Progress::default(),
    };
    directory.retain_metrics(|record| record.stage != Stage::Pretrain || record.step <= progress.step)?;
    let earlier_seconds =
        directory.metrics()?.iter().rev().find(|record| record.stage == Stage::Pretrain).map_or(0.0, |r| r.seconds);

    setting.reporter.event(&Event::StageStarted {
        stage: Stage::Pretrain,
        labels_per_class: None,
        draw: 0,
        epochs: settings.epochs,
        steps,
        done: progress.step,
    });
    let finished = |progress: &Progress| progress.stopped || progress.step >= steps;
    let views = vec![
        ViewKind::Random { recipe: settings.t.clone(), view: 0 },
        ViewKind::Random { recipe: settings.t_prime.clone(), view: 1 },
    ];
    let pictures = Pictures {
        source: pool,
        side: experiment.image_size,
        normalization: normalization(experiment),
        seed: experiment.seed,
    };
    let first_step = if finished(&progress) { steps } else { progress.step };
    let batches = loader::scheduled(pictures, views, schedule, first_step..steps, setting.hardware.threads);
    let mut loss_sum = Tensor::from(progress.loss_sum).to_device(device);
    let mut pace = Pace::start();
    let mut interrupted = false;

    for batch in batches {
        let batch = batch?;
        let images = batch.indices.len();
        let rate = learning_rate.at(progress.step);
        let tau_now = tau.at(progress.step);
        let [first, second] = [&batch.views[0], &batch.views[1]].map(|view| view.to_device(device));
        let output = learner.step(&first, &second, rate, tau_now);
        progress.step += 1;
        progress.seen += images as u64;
        let _ = tch::no_grad(|| loss_sum.g_add_(&(output.loss.to_kind(Kind::Double) * images as f64)));
        pace.step(images);

        let epoch_over = progress.step % per_epoch == 0;
        if pace.due() || epoch_over {
            let loss = output.loss.double_value(&[]);
            if !loss.is_finite() {
                return Err(TrainError::Diverged {
                    stage: Stage::Pretrain,
                    loss,
                    step: progress.step,
                    key: "pretrain.learning_rate",
                });
            }
            setting.reporter.event(&Event::Step(StepReport {
                stage: Stage::Pretrain,
                epoch: (progress.step - 1) / per_epoch + 1,
                epochs: settings.epochs,
                step: progress.step,
                steps,
                loss,
                learning_rate: rate,
                tau: Some(tau_now),
                images_per_second: pace.images_per_second(),
                seconds_left: pace.seconds_for(steps - progress.step),
            }));
        }
        if pace.estimate_due() {
            let seconds = pace.seconds_for(steps - first_step);
            setting.reporter.event(&Event::Estimate { stage: Stage::Pretrain, seconds });
        }
        if epoch_over {
            let epoch = progress.step / per_epoch;
            let loss = loss_sum.double_value(&[]) / progress.seen as f64;
            let knn_accuracy = match monitor {
                Some(monitor) if settings.monitor_every > 0 && epoch.is_multiple_of(settings.monitor_every) => {
                    Some(knn_accuracy(setting, &learner, monitor)?)
                }
                _ => None,
            };
            let record = EpochRecord {
                stage: Stage::Pretrain,
                labels_per_class: None,
                draw: 0,
                epoch,
                epochs: settings.epochs,
                step: progress.step,
                images: (progress.step * settings.batch_size) as u64,
                loss,
                train_accuracy: None,
                validation_loss: None,
                validation_accuracy: None,
                knn_accuracy,
                projection_deviation: Some(projection_deviation(&output.projections)),
                learning_rate: rate,
                tau: Some(tau_now),
                images_per_second: pace.images_per_second(),
                seconds: earlier_seconds + pace.seconds(),
            };
            directory.append_metrics(&record)?;
            setting.reporter.event(&Event::EpochEnded(&record));
            progress.last_loss = Some(loss);
            (progress.loss_sum, progress.seen) = (0.0, 0);
            let _ = loss_sum.zero_();
            // Lower is better for both.
            let watched = match settings.patience_metric {
                PatienceMetric::Loss => Some(loss),
                PatienceMetric::Knn => knn_accuracy.map(|accuracy| -accuracy),
            };
            if let (true, Some(value)) = (settings.patience > 0, watched) {
                if progress.best.is_none_or(|best| value < best) {
                    (progress.best, progress.waited) = (Some(value), 0);
                } else {
                    progress.waited += 1;
                    progress.stopped = progress.waited >= settings.patience;
                }
            }
        }
        interrupted = setting.interrupt.requested() && !finished(&progress);
        let scheduled = epoch_over && (progress.step / per_epoch).is_multiple_of(settings.checkpoint_every);
        if interrupted || scheduled || finished(&progress) {
            progress.loss_sum = loss_sum.double_value(&[]);
            let path = checkpoints.save(&learner.checkpoint(experiment, &progress)?)?;
            setting.reporter.event(&Event::CheckpointSaved { path: &path });
        }
        if interrupted || finished(&progress) {
            break;
        }
    }
    let ended = match (interrupted, progress.stopped) {
        (true, _) => Ended::Interrupted,
        (false, true) => Ended::Patience,
        (false, false) => Ended::Epochs,
    };
    let last = directory.metrics()?.into_iter().rev().find(|record| record.stage == Stage::Pretrain);
    Ok(Pretrained {
        online: learner.online,
        ended,
        epochs: progress.step / per_epoch,
        images: (progress.step * settings.batch_size) as u64,
        images_per_second: last.as_ref().map_or(pace.images_per_second(), |record| record.images_per_second),
        seconds: last.map_or(pace.seconds(), |record| record.seconds),
        progress,
    })
}

/// Mean over dimensions of the standard deviation of l2-normalised projections over the batch, times the square root of
/// their size: about 1 when they spread evenly over the sphere, 0 when they have collapsed (as in SimSiam, arXiv
/// 2011.10566, section 4.1).
///
/// # Shapes
/// `[batch, projection]`.
pub fn projection_deviation(projections: &Tensor) -> f64 {
    let size = projections.size()[1] as f64;
    let deviation = loss::normalize(projections).std_dim([0i64].as_slice(), true, false).mean(None);
    deviation.double_value(&[]) * size.sqrt()
}

fn knn_accuracy(setting: &Setting, learner: &Learner, monitor: &Monitor) -> Result<f64, TrainError> {
    let experiment = setting.experiment;
    let encoder = encoder_part(&learner.online.named());
    let features = |indices: &[usize]| {
        let request = FeatureRequest { experiment, hardware: setting.hardware, encoder: &encoder };
        extract(&request, &monitor.labeled, indices)
    };
    let (bank, held_out) = (features(&monitor.bank)?, features(&monitor.held_out)?);
    let options =
        KnnOptions { neighbors: experiment.evaluate.knn_neighbors, temperature: experiment.evaluate.knn_temperature };
    let predicted = knn(&bank, &held_out.vectors, monitor.classes, &options)?;
    let right = predicted.iter().zip(&held_out.labels).filter(|(predicted, label)| predicted == label).count();
    Ok(right as f64 / predicted.len().max(1) as f64)
}

/// Reads the online encoder's weights out of a pre-training checkpoint, by torchvision's names.
pub fn encoder_of(checkpoint: &Checkpoint) -> std::collections::BTreeMap<String, Tensor> {
    encoder_part(&checkpoint.part("online"))
}
