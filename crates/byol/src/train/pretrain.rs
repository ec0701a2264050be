//! BYOL pre-training (paper, section 3.1 and Algorithm 1): one visible loop. What a step computes is in
//! [`learner`](super::learner), what surrounds the steps in `sitting`.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::Tensor;

use super::learner::{Learner, networks};
use super::monitor::{Look, Monitor};
use super::sitting::{Course, End, Figures, Sitting};
use super::{Setting, TrainError};
use crate::config::{Experiment, Fault, PatienceMetric, Pretrain};
use crate::data::ImageSource;
use crate::device::Hardware;
use crate::eval::health;
use crate::loader::{ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewKind};
use crate::model::Weights;
use crate::model::byol::{encoder_part, transferred_part, with_encoder};
use crate::optim::schedule::Tau;
use crate::run::RunDirectory;
use crate::run::record::{Ended, Stage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder, Progress};
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
    let (experiment, hardware) = (setting.experiment, setting.hardware);
    let settings = &experiment.pretrain;
    require_images(settings, pool.len())?;
    let schedule = schedule(experiment, pool.len());
    let parts = schedule.parts;
    let mut learner = begin(experiment, hardware, directory)?;
    let (mut sitting, found) = Sitting::begin(setting, course(settings, &schedule, directory), directory)?;
    if let Some(checkpoint) = &found {
        learner.restore(checkpoint)?;
    }
    let taus = Tau { base: settings.tau, steps: sitting.steps(), kind: settings.tau_schedule };
    let mut image_set = ImageSet::of(experiment, pool, hardware);
    if !sitting.is_finished() {
        image_set.make_resident()?;
    }
    let mut batches = sitting.batches(image_set, views(settings), schedule);

    while sitting.goes_on() {
        let (rate, tau) = (sitting.learning_rate(), taus.extended_at(sitting.step(), sitting.ends()));
        let mut projections = None;
        for _ in 0..parts {
            let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost))?;
            let output = learner.accumulate(&batch.images, parts);
            sitting.add(output.loss, batch.indices.len());
            projections = Some(output.projections);
        }
        learner.update(rate, tau);
        sitting.stepped(rate, Some(tau))?;

        let mut collapsed = None;
        if let Some(epoch) = sitting.ended_epoch() {
            let loss = sitting.epoch_loss()?;
            let look = match monitor {
                Some(monitor) if epoch.is_multiple_of(settings.monitor_every) => {
                    Some(monitor.look(sitting.setting, &learner)?)
                }
                _ => None,
            };
            collapsed = look.and_then(|look| look.collapse(sitting.step())).filter(|_| settings.stop_on_collapse);
            sitting.epoch_ended(Figures {
                loss,
                look,
                projection_deviation: projections.as_ref().and_then(|vectors| health::deviation(vectors).ok()),
                watched: watched(settings, loss, look),
                ..Figures::default()
            })?;
        }
        if sitting.checkpoint_due() || collapsed.is_some() {
            let mut checkpoint = sitting.checkpoint()?;
            if !learner.is_finite() {
                return Err(sitting.diverged());
            }
            learner.store(&mut checkpoint);
            sitting.save(&checkpoint)?;
        }
        if let Some(seen) = collapsed {
            return Err(TrainError::Collapsed { seen, step: sitting.step(), epoch: sitting.epochs() });
        }
    }
    let epochs = sitting.epochs();
    let End { ended, progress, images_per_second, seconds } = sitting.end()?;
    let images = (progress.step * settings.batch_size) as u64;
    Ok(Pretrained { online: learner.online, progress, ended, epochs, images, images_per_second, seconds })
}

/// The networks and their optimiser before the first step: from random weights, or from those that the run was given.
fn begin(experiment: &Experiment, hardware: &Hardware, directory: &RunDirectory) -> Result<Learner, TrainError> {
    let model = networks(experiment);
    let mut online = model.initialize(experiment.seed, hardware.device);
    if let Some(given) = weights::initial(directory, experiment)? {
        let mut named = online.named();
        named.extend(with_encoder(weights::encoder_of(given)));
        online.load(&named)?;
    }
    Ok(Learner::new(model, online, experiment, hardware.precision))
}

fn course(settings: &Pretrain, schedule: &Schedule, directory: &RunDirectory) -> Course {
    let steps_per_epoch = schedule.steps_per_epoch();
    Course {
        stage: Stage::Pretrain,
        labels_per_class: None,
        draw: 0,
        classes: 0,
        epochs: settings.epochs,
        steps_per_epoch,
        images_per_epoch: steps_per_epoch * settings.batch_size,
        peak: settings.learning_rate,
        warmup_epochs: settings.warmup_epochs,
        schedule: settings.schedule,
        extended: settings.extended.clone(),
        patience: settings.patience,
        checkpoints: CheckpointFolder::new(directory.pretrain_checkpoints(), settings.keep_checkpoints),
        checkpoint_every: Some(settings.checkpoint_every),
    }
}

/// What patience goes by, lower is better.
fn watched(settings: &Pretrain, loss: f64, look: Option<Look>) -> Option<f64> {
    match settings.patience_metric {
        PatienceMetric::Loss => Some(loss),
        PatienceMetric::Knn => Some(-look?.knn_accuracy?),
    }
}

/// Reads the online encoder's weights out of a pre-training checkpoint, by torchvision's names.
pub fn encoder_of(checkpoint: &Checkpoint) -> BTreeMap<String, Tensor> {
    encoder_part(&checkpoint.part("online"))
}

/// Reads what fine-tuning begins with out of a pre-training checkpoint.
pub fn transferred_of(checkpoint: &Checkpoint) -> BTreeMap<String, Tensor> {
    transferred_part(&checkpoint.part("online"))
}
