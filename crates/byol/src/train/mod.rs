//! Training: BYOL without labels ([`pretrain`]), with labels ([`supervised`]: the baseline and fine-tuning), and with labels
//! and a teacher's answers ([`selftrain`]). Each is one visible loop.

pub mod answering;
mod averaging;
mod head;
pub mod learner;
mod losses;
pub mod method;
mod mixing;
pub mod monitor;
mod pace;
mod patches;
#[doc(hidden)]
pub mod phases;
pub mod pretrain;
pub mod selftrain;
mod sitting;
pub mod supervised;

use tch::Device;

use crate::config::Experiment;
use crate::device::Hardware;
use crate::eval::EvalError;
use crate::eval::features::FeatureError;
use crate::loader::LoadError;
use crate::model::ModelError;
use crate::optim::StateError;
use crate::ranks::RanksError;
use crate::report::language::english::names::signs;
use crate::run::RunError;
use crate::run::event::{Interrupt, Reporter};
use crate::run::health::Sign;
use crate::run::record::Stage;
use crate::trained::checkpoint::{CheckpointError, CheckpointFolder};

/// What every training needs around it.
pub struct Setting<'a> {
    /// The resolved configuration.
    pub experiment: &'a Experiment,
    /// What the work runs on.
    pub hardware: &'a Hardware,
    /// What stops the training, leaving a checkpoint.
    pub interrupt: &'a Interrupt,
    /// What is told while it goes on.
    pub reporter: &'a mut dyn Reporter,
}

impl Setting<'_> {
    pub(crate) fn device(&self) -> Device {
        self.hardware.device
    }
}

/// A training that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A batch cannot be made.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The run directory cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint's tensors are not those of the network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A checkpoint's optimiser is another one.
    #[error(transparent)]
    State(#[from] StateError),
    /// The representation cannot be judged.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// Representations cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// Not one batch would be full.
    #[error(
        "{key} is {batch_size} but there are only {images} images, so that not one batch is full; give more images, or \
         --set {key}={}", smaller(*images)
    )]
    BatchTooLarge {
        /// The key of the batch size.
        key: &'static str,
        /// Its value.
        batch_size: usize,
        /// Images that there are.
        images: usize,
    },
    /// Other processes that train with this one are gone, or do not fit.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// Ranks cannot have equal shares of a batch.
    #[error(
        "pretrain.batch_size is {batch_size} in {parts} part{}, which {ranks} processes cannot share equally; start {} \
         processes, or --set pretrain.batch_size={}",
        if *parts == 1 { "" } else { "s" }, fitting_ranks(batch_size / parts, *ranks), fitting_batch(*batch_size, parts * ranks)
    )]
    Uneven {
        /// Images per step.
        batch_size: usize,
        /// Parts that they come in.
        parts: usize,
        /// How many processes there are.
        ranks: usize,
    },
    /// The representation has collapsed, and `stop_on_collapse` is set.
    #[error(
        "the representation has collapsed at step {step} (epoch {epoch}): {}. What usually helps: a larger tau, a lower \
         learning rate, the predictor and the stop-gradient where they were switched off (a checkpoint of this step is \
         kept; --resume with --set pretrain.stop_on_collapse=false goes on from it)",
        signs(seen)
    )]
    Collapsed {
        /// What shows it.
        seen: Vec<Sign>,
        /// The step after which it was seen, from 1.
        step: usize,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// Batch norm has no statistics of one image.
    #[error("{stage:?} needs at least 2 images because of batch norm, and has {images}")]
    TooFewImages {
        /// Which training it is.
        stage: Stage,
        /// Images that there are.
        images: usize,
    },
    /// The loss is NaN or infinite.
    #[error("the loss of {stage:?} became {loss} at step {step}; lower {key}, or lengthen its warm-up ({kept})")]
    Diverged {
        /// Which training it is.
        stage: Stage,
        /// The loss.
        loss: f64,
        /// The step at which it was seen, from 1.
        step: usize,
        /// The key of the learning rate.
        key: &'static str,
        /// What is left of the training.
        kept: Kept,
    },
}

/// What is left of a training that ended with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The newest checkpoint from before.
    LastCheckpoint,
    /// Nothing: there was no checkpoint yet.
    Nothing,
}

impl std::fmt::Display for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Kept::LastCheckpoint => "the last checkpoint is kept",
            Kept::Nothing => "there is no checkpoint yet",
        })
    }
}

/// A batch size for so few images: the power of two that leaves a few batches, two at least because of batch norm.
pub(crate) fn smaller(images: usize) -> usize {
    let wanted = (images / 4).max(2).min(images);
    if wanted < 2 { 2 } else { 1 << wanted.ilog2() }
}

/// The nearest numbers of ranks, below and above, that share a part of so many images equally.
fn fitting_ranks(part: usize, ranks: usize) -> String {
    let fits = |count: &usize| part.is_multiple_of(*count);
    let below = (1..ranks).rev().find(fits);
    let above = (ranks + 1..=part).find(fits);
    let both: Vec<String> = [below, above].into_iter().flatten().map(|count| count.to_string()).collect();
    both.join(" or ")
}

/// The multiple of `step` nearest below a batch size, or the first above it.
fn fitting_batch(batch_size: usize, step: usize) -> usize {
    (batch_size / step).max(1) * step
}

impl TrainError {
    /// Whether the configuration does not fit the data, or the processes: other settings are the remedy.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            TrainError::BatchTooLarge { .. } | TrainError::Uneven { .. } => true,
            TrainError::Ranks(error) => error.is_of_command_line(),
            _ => false,
        }
    }

    /// Whether the same training may do well with another seed.
    pub fn may_be_the_seed(&self) -> bool {
        matches!(self, TrainError::Collapsed { .. } | TrainError::Diverged { .. })
    }

    fn diverged(stage: Stage, loss: f64, step: usize) -> TrainError {
        let key = match stage {
            Stage::Pretrain => "pretrain.learning_rate",
            Stage::Supervised => "supervised.learning_rate",
            Stage::Finetune => "finetune.learning_rate",
            Stage::Selftrain => "selftrain.learning_rate",
        };
        TrainError::Diverged { stage, loss, step, key, kept: Kept::Nothing }
    }

    /// The error, saying whether the training has left a checkpoint.
    fn beside(self, checkpoints: &CheckpointFolder) -> TrainError {
        match self {
            TrainError::Diverged { stage, loss, step, key, .. } if checkpoints.is_there() => {
                TrainError::Diverged { stage, loss, step, key, kept: Kept::LastCheckpoint }
            }
            other => other,
        }
    }
}
