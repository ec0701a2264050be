//! Training: BYOL without labels ([`pretrain`]) and with labels ([`supervised`]: the baseline and fine-tuning). Each is
//! one visible loop.

pub mod learner;
mod losses;
pub mod method;
pub mod monitor;
mod pace;
pub mod phases;
pub mod pretrain;
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
use crate::report::language::english::names::signs;
use crate::run::RunError;
use crate::run::event::{Interrupt, Reporter};
use crate::run::health::Sign;
use crate::run::record::Stage;
use crate::trained::checkpoint::{CheckpointError, CheckpointFolder};

/// What every training needs around it.
pub struct Setting<'a> {
    pub experiment: &'a Experiment,
    pub hardware: &'a Hardware,
    pub interrupt: &'a Interrupt,
    pub reporter: &'a mut dyn Reporter,
}

impl Setting<'_> {
    pub(crate) fn device(&self) -> Device {
        self.hardware.device
    }
}

/// A training that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Features(#[from] FeatureError),
    #[error(
        "{key} is {batch_size} but there are only {images} images, so that not one batch is full; give more images, or \
         --set {key}={}", smaller(*images)
    )]
    BatchTooLarge { key: &'static str, batch_size: usize, images: usize },
    #[error(
        "the representation has collapsed at step {step} (epoch {epoch}): {}. What usually helps: a larger tau, a lower \
         learning rate, the predictor and the stop-gradient where they were switched off (a checkpoint of this step is \
         kept; --resume with --set pretrain.stop_on_collapse=false goes on from it)",
        signs(seen)
    )]
    Collapsed { seen: Vec<Sign>, step: usize, epoch: usize },
    #[error("{stage:?} needs at least 2 images because of batch norm, and has {images}")]
    TooFewImages { stage: Stage, images: usize },
    #[error("the loss of {stage:?} became {loss} at step {step}; lower {key}, or lengthen its warm-up ({kept})")]
    Diverged { stage: Stage, loss: f64, step: usize, key: &'static str, kept: Kept },
}

/// What is left of a training that ended with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    LastCheckpoint,
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

impl TrainError {
    /// Whether the configuration does not fit the data: other settings are the remedy.
    pub fn is_of_configuration(&self) -> bool {
        matches!(self, TrainError::BatchTooLarge { .. })
    }

    fn diverged(stage: Stage, loss: f64, step: usize) -> TrainError {
        let key = match stage {
            Stage::Pretrain => "pretrain.learning_rate",
            Stage::Supervised => "supervised.learning_rate",
            Stage::Finetune => "finetune.learning_rate",
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
