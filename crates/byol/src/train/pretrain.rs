//! BYOL pre-training (paper, section 3.1 and Algorithm 1): one visible loop. What a step computes is in
//! [`learner`](super::learner).

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::Tensor;

use super::learner::{Learner, networks};
use super::losses::Losses;
use super::monitor::Monitor;
use super::pace::{CheckpointClock, Pace};
use super::{Setting, TrainError, warmup_steps};
use crate::config::{Experiment, Fault, PatienceMetric, Pretrain};
use crate::data::ImageSource;
use crate::eval::health;
use crate::loader::{self, ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewKind};
use crate::model::Weights;
use crate::model::byol::{encoder_part, transferred_part, with_encoder};
use crate::optim::schedule::{LearningRate, Tau};
use crate::run::RunDirectory;
use crate::run::event::{Event, StepReport};
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::record::{EpochRecord, Stage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder, Header, Progress};
use crate::weights;

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

/// # Errors
/// There are fewer images than a batch takes.
pub fn require_images(settings: &Pretrain, images: usize) -> Result<(), TrainError> {
    let batch_size = settings.batch_size;
    match batch_size > images {
        true => Err(TrainError::BatchTooLarge { key: "pretrain.batch_size", batch_size, images }),
        false => Ok(()),
    }
}

/// The batches of pre-training on `images` images.
pub fn schedule(experiment: &Experiment, images: usize) -> Schedule {
    let unpaired = experiment.faults.contains(&Fault::UnpairedViews);
    Schedule {
        indices: Arc::new((0..images).collect()),
        batch_size: experiment.pretrain.batch_size,
        parts: experiment.pretrain.accumulation_steps,
        last: LastBatch::Drop,
        pairing: if unpaired { Pairing::Independent } else { Pairing::SameImage },
        seed: experiment.seed,
        order: 0,
    }
}

/// The two views of pre-training.
pub fn views(settings: &Pretrain) -> Vec<ViewKind> {
    let recipes = [&settings.t, &settings.t_prime];
    (0..).zip(recipes).map(|(view, recipe)| ViewKind::Random { recipe: recipe.clone(), view }).collect()
}

/// Trains on `pool` from the newest checkpoint of `directory`, or from the beginning where there is none.
///
/// # Errors
/// The pool is smaller than a batch, an image cannot be read any more, the loss is no number, the representation has
/// collapsed, or the run directory cannot be written. Checkpoints that were written before stay.
pub fn pretrain(
    setting: &mut Setting,
    pool: Arc<dyn ImageSource>,
    monitor: Option<&Monitor>,
    directory: &RunDirectory,
) -> Result<Pretrained, TrainError> {
    let checkpoints =
        CheckpointFolder::new(directory.pretrain_checkpoints(), setting.experiment.pretrain.keep_checkpoints);
    train(setting, pool, monitor, directory).map_err(|error| error.beside(&checkpoints))
}

fn train(
    setting: &mut Setting,
    pool: Arc<dyn ImageSource>,
    monitor: Option<&Monitor>,
    directory: &RunDirectory,
) -> Result<Pretrained, TrainError> {
    let experiment = setting.experiment;
    let settings = &experiment.pretrain;
    let device = setting.device();
    require_images(settings, pool.len())?;
    let schedule = schedule(experiment, pool.len());
    let parts = schedule.parts;
    let per_epoch = schedule.steps_per_epoch();
    let steps = settings.epochs * per_epoch;
    let learning_rate = LearningRate {
        peak: settings.learning_rate,
        warmup_steps: warmup_steps(setting.reporter, Stage::Pretrain, settings.warmup_epochs, [per_epoch, steps]),
        steps,
        kind: settings.schedule,
    };
    // The lengths in steps that the training had before it was extended.
    let ends: Vec<usize> = settings.extended.iter().map(|epochs| epochs * per_epoch).collect();
    let tau = Tau { base: settings.tau, steps, kind: settings.tau_schedule };

    let model = networks(experiment);
    let mut online = model.initialize(experiment.seed, device);
    if let Some(given) = weights::initial(directory, experiment)? {
        let mut named = online.named();
        named.extend(with_encoder(weights::encoder_of(given)));
        online.load(&named)?;
    }
    let mut learner = Learner::new(model, online, experiment, setting.hardware.precision);
    let checkpoints = CheckpointFolder::new(directory.pretrain_checkpoints(), settings.keep_checkpoints);
    let (found, passed_over) = checkpoints.latest()?;
    for error in passed_over {
        setting.reporter.event(&Event::Warning(Notice::PassedOver { problem: error.to_string() }));
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
    let mut image_set = ImageSet::of(experiment, pool, setting.hardware);
    if !finished(&progress) {
        image_set.make_resident()?;
    }
    let first_step = if finished(&progress) { steps } else { progress.step };
    let mut batches =
        loader::scheduled(image_set, views(settings), schedule, first_step..steps, setting.hardware.threads);
    let mut losses = Losses::of(Stage::Pretrain, progress.loss_sum, device);
    let mut pace = Pace::start();
    let mut clock = CheckpointClock::start(experiment.checkpoint_minutes);
    let mut interrupted = false;

    while !interrupted && !finished(&progress) {
        let rate = learning_rate.extended_at(progress.step, &ends);
        let tau_now = tau.extended_at(progress.step, &ends);
        let mut projections = None;
        for _ in 0..parts {
            let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost))?;
            let output = learner.accumulate(&batch.images, parts);
            losses.add(output.loss, batch.indices.len(), progress.step + 1);
            projections = Some(output.projections);
        }
        learner.update(rate, tau_now);
        progress.step += 1;
        progress.seen += settings.batch_size as u64;
        pace.step(settings.batch_size);

        let epoch_over = progress.step % per_epoch == 0;
        if pace.due() || epoch_over {
            let loss = losses.read()?;
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
        let (mut best_so_far, mut collapsed) = (false, None);
        if epoch_over {
            let epoch = progress.step / per_epoch;
            let loss = losses.sum() / progress.seen as f64;
            let look = match monitor {
                Some(monitor) if epoch.is_multiple_of(settings.monitor_every) => Some(monitor.look(setting, &learner)?),
                _ => None,
            };
            let knn_accuracy = look.and_then(|look| look.knn_accuracy);
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
                linear_accuracy: look.and_then(|look| look.linear_accuracy),
                projection_deviation: projections.as_ref().and_then(|vectors| health::deviation(vectors).ok()),
                health: look.and_then(|look| look.health),
                learning_rate: rate,
                tau: Some(tau_now),
                images_per_second: pace.images_per_second(),
                seconds: earlier_seconds + pace.seconds(),
            };
            directory.append_metrics(&record)?;
            setting.reporter.event(&Event::EpochEnded(&record));
            collapsed = look.and_then(|look| look.collapse(progress.step)).filter(|_| settings.stop_on_collapse);
            progress.last_loss = Some(loss);
            (progress.loss_sum, progress.seen) = (0.0, 0);
            losses.clear();
            if let Some(accuracy) =
                knn_accuracy.filter(|&accuracy| progress.best_knn.is_none_or(|best| accuracy > best))
            {
                (progress.best_knn, progress.best_step) = (Some(accuracy), Some(progress.step));
                best_so_far = true;
            }
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
        if interrupted || scheduled || clock.due() || best_so_far || collapsed.is_some() || finished(&progress) {
            losses.read()?;
            if !learner.is_finite() {
                return Err(TrainError::diverged(Stage::Pretrain, f64::NAN, progress.step));
            }
            progress.loss_sum = losses.sum();
            let mut checkpoint = Checkpoint::new(Header::of(experiment, Stage::Pretrain, 0, &progress)?);
            learner.store(&mut checkpoint);
            let path = checkpoints.save(&checkpoint)?;
            clock.saved();
            setting.reporter.event(&Event::CheckpointSaved { path: &path });
        }
        if let Some(seen) = collapsed {
            return Err(TrainError::Collapsed { seen, step: progress.step, epoch: progress.step / per_epoch });
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

/// Reads the online encoder's weights out of a pre-training checkpoint, by torchvision's names.
pub fn encoder_of(checkpoint: &Checkpoint) -> BTreeMap<String, Tensor> {
    encoder_part(&checkpoint.part("online"))
}

/// Reads what fine-tuning begins with out of a pre-training checkpoint.
pub fn transferred_of(checkpoint: &Checkpoint) -> BTreeMap<String, Tensor> {
    transferred_part(&checkpoint.part("online"))
}
