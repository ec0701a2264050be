//! BYOL pre-training (paper, section 3.1 and Algorithm 1): one visible loop. What a step computes is in
//! [`method`] and [`learner`](super::learner), what surrounds the steps in `sitting`.
//!
//! Several ranks go through the same loop, each with its share of every batch, and look at the representation together. Rank 0
//! judges, writes and reports; the others hear from it how far training is ([`along`]).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tch::Tensor;

use super::method::{self, Method};
use super::monitor::{Look, Monitor};
use super::sitting::{Course, End, Figures, Sitting};
use super::{Setting, TrainError};
use crate::config::{Experiment, Fault, PatienceMetric, Pretrain, SeenBy, Sides, TrainingView};
use crate::data::ImageSource;
use crate::eval::health;
use crate::loader::{ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewGroup, ViewKind, WHOLE};
use crate::model::byol::{encoder_part, transferred_part};
use crate::ranks::{Mismatch, Ranks, RanksError};
use crate::run::RunDirectory;
use crate::run::record::{Ended, Stage};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder, Progress};
use crate::weights;

/// What pre-training ended with.
#[non_exhaustive]
pub struct Pretrained {
    /// The network that was trained, by name: its encoder's tensors begin with `encoder.`.
    pub network: BTreeMap<String, Tensor>,
    /// How far it came.
    pub progress: Progress,
    /// Why it ended.
    pub ended: Ended,
    /// Epochs that it made.
    pub epochs: usize,
    /// Image passes; an image is two views.
    pub images: u64,
    /// Images per second in the last sitting, from its third step on; an image is two views.
    pub images_per_second: f64,
    /// Seconds over all sittings.
    pub seconds: f64,
}

/// # Errors
/// There are fewer images than a batch takes.
pub(crate) fn require_images(settings: &Pretrain, images: usize) -> Result<(), TrainError> {
    let batch_size = settings.batch_size;
    match batch_size > images {
        true => Err(TrainError::BatchTooLarge { key: "pretrain.batch_size", batch_size, images }),
        false => Ok(()),
    }
}

/// That ranks have equal shares of every part of a batch: statistics and gradients of each count alike.
///
/// # Errors
/// They have not.
pub fn require_shares(settings: &Pretrain, ranks: &Ranks) -> Result<(), TrainError> {
    let Pretrain { batch_size, accumulation_steps: parts, .. } = *settings;
    match (batch_size / parts).is_multiple_of(ranks.count()) {
        true => Ok(()),
        false => Err(TrainError::Uneven { batch_size, parts, ranks: ranks.count() }),
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
        share: WHOLE,
        led: false,
    }
}

/// The views of pre-training, as batches hold them, of full side in every epoch.
pub fn views(experiment: &Experiment) -> Vec<ViewGroup> {
    grouped(experiment, |view| view.side.into())
}

/// The same with the sides that they have in each epoch: the two views grow, where that is set, local ones do not.
fn growing_views(experiment: &Experiment) -> Vec<ViewGroup> {
    let sides = experiment.view_sides();
    grouped(experiment, |view| match view.seen_by {
        SeenBy::Both => sides,
        SeenBy::Online => view.side.into(),
    })
}

fn grouped(experiment: &Experiment, sides: impl Fn(&TrainingView) -> Sides) -> Vec<ViewGroup> {
    let kind = |view: &TrainingView| ViewKind::Random { recipe: view.recipe.clone().into_owned(), view: view.number };
    let views = experiment.training_views();
    let groups = views.chunk_by(TrainingView::goes_with);
    groups.map(|views| ViewGroup { sides: sides(&views[0]), kinds: views.iter().map(kind).collect() }).collect()
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
    trained(setting, pool, monitor, Some(directory))
}

/// Trains along with rank 0, which has the run directory, to where that ends.
///
/// # Errors
/// As [`pretrain`]; or rank 0 has failed.
pub fn along(
    setting: &mut Setting,
    pool: Arc<dyn ImageSource>,
    monitor: Option<&Monitor>,
) -> Result<Ended, TrainError> {
    Ok(trained(setting, pool, monitor, None)?.ended)
}

fn trained(
    setting: &mut Setting,
    pool: Arc<dyn ImageSource>,
    monitor: Option<&Monitor>,
    directory: Option<&RunDirectory>,
) -> Result<Pretrained, TrainError> {
    let (experiment, hardware) = (setting.experiment, setting.hardware);
    let (settings, ranks) = (&experiment.pretrain, hardware.ranks.clone());
    require_images(settings, pool.len())?;
    require_shares(settings, &ranks)?;
    let schedule = Schedule { share: ranks.place(), ..schedule(experiment, pool.len()) };
    let parts = schedule.parts;
    let given = match directory {
        Some(directory) => weights::initial(directory, experiment)?.map(weights::encoder_of),
        None => None,
    };
    let mut method = method::begin(experiment, hardware, given)?;
    let course = course(experiment, &schedule, directory, &ranks);
    let (mut sitting, found) = Sitting::begin(setting, course, directory)?;
    if let Some(checkpoint) = &found {
        method.restore(checkpoint)?;
    }
    share(method.as_mut(), &mut sitting, &ranks)?;
    let mut image_set = ImageSet::of(experiment, pool, hardware);
    if !sitting.is_finished() {
        image_set.make_resident()?;
    }
    let mut batches = sitting.batches(image_set, growing_views(experiment), schedule);

    while sitting.goes_on() {
        let mut projections = None;
        for _ in 0..parts {
            let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost))?;
            let output = method.accumulate(&batch.images, parts);
            let mut loss = output.loss;
            ranks.mean(&mut loss);
            sitting.add(loss, batch.indices.len() * ranks.count());
            projections = Some(output.projections);
        }
        let moment = sitting.moment();
        let (rate, tau) = (moment.learning_rate, method.update(&moment));
        ranks.check()?;
        sitting.stepped(rate, tau)?;

        let mut collapsed = None;
        if let Some(epoch) = sitting.ended_epoch() {
            let projections = projections.map(|vectors| ranks.gather_rows(&vectors));
            let look = match monitor {
                Some(monitor) if epoch.is_multiple_of(settings.monitor_every) => {
                    monitor.look(sitting.setting, method.as_ref())?
                }
                _ => None,
            };
            if ranks.is_first() {
                let loss = sitting.epoch_loss()?;
                collapsed = look.and_then(|look| look.collapse(sitting.step())).filter(|_| settings.stop_on_collapse);
                sitting.epoch_ended(Figures {
                    loss,
                    look,
                    projection_deviation: projections.as_ref().and_then(|vectors| health::deviation(vectors).ok()),
                    watched: watched(settings, loss, look),
                    ..Figures::default()
                })?;
            }
            collapsed = sitting.agree(collapsed)?;
        }
        if sitting.checkpoint_due()? || collapsed.is_some() {
            require_same(method.as_ref(), sitting.step(), &ranks)?;
            if ranks.is_first() {
                let mut checkpoint = sitting.checkpoint()?;
                if !method.is_finite() {
                    return Err(sitting.diverged());
                }
                method.store(&mut checkpoint);
                sitting.save(&checkpoint)?;
            }
        }
        if let Some(seen) = collapsed {
            return Err(TrainError::Collapsed { seen, step: sitting.step(), epoch: sitting.epochs() });
        }
    }
    // Nobody goes before the last checkpoint is written.
    ranks.wait_for_all()?;
    let epochs = sitting.epochs();
    let End { ended, progress, images_per_second, seconds } = sitting.end()?;
    let images = (progress.step * settings.batch_size) as u64;
    Ok(Pretrained { network: method.network(), progress, ended, epochs, images, images_per_second, seconds })
}

/// All ranks begin with the networks and the optimiser of rank 0, which may come from a checkpoint or from given weights.
fn share(method: &mut dyn Method, sitting: &mut Sitting, ranks: &Ranks) -> Result<(), TrainError> {
    if ranks.is_alone() {
        return Ok(());
    }
    let named = Path::new("what rank 0 begins with");
    let mut own = Vec::new();
    if ranks.is_first() {
        let mut checkpoint = sitting.checkpoint()?;
        method.store(&mut checkpoint);
        own = checkpoint.bytes(named)?;
    }
    let bytes = ranks.of_first(&own)?;
    if !ranks.is_first() {
        method.restore(&Checkpoint::of_bytes(&bytes, named)?)?;
    }
    Ok(())
}

/// That the weights of all ranks are the same to the last bit.
fn require_same(method: &dyn Method, step: usize, ranks: &Ranks) -> Result<(), TrainError> {
    if ranks.is_alone() {
        return Ok(());
    }
    let sums = ranks.texts(&method.weight_sum().to_string())?;
    match sums.iter().position(|sum| *sum != sums[0]) {
        Some(rank) => Err(RanksError::from(Mismatch::Weights { rank, step }).into()),
        None => Ok(()),
    }
}

fn course(experiment: &Experiment, schedule: &Schedule, directory: Option<&RunDirectory>, ranks: &Ranks) -> Course {
    let settings = &experiment.pretrain;
    let steps_per_epoch = schedule.steps_per_epoch();
    let folder = directory.map(RunDirectory::pretrain_checkpoints).unwrap_or_default();
    Course {
        stage: Stage::Pretrain,
        labels_per_class: None,
        draw: 0,
        classes: 0,
        epochs: settings.epochs,
        steps_per_epoch,
        images_per_epoch: steps_per_epoch * settings.batch_size,
        sides: experiment.view_sides(),
        peak: settings.learning_rate,
        warmup_epochs: settings.warmup_epochs,
        schedule: settings.schedule,
        extended: settings.extended.clone(),
        patience: settings.patience,
        checkpoints: CheckpointFolder::new(folder, settings.keep_checkpoints),
        ranks: ranks.clone(),
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
pub(crate) fn transferred_of(checkpoint: &Checkpoint) -> BTreeMap<String, Tensor> {
    transferred_part(&checkpoint.part("online"))
}
