//! An experiment by several ranks: rank 0 goes through it, as if it were alone, and gives the others what they compute with it as
//! errands. The run directory and all that is told are rank 0's.

use serde::{Deserialize, Serialize};

use super::frozen::FrozenFeatures;
use super::{ExperimentError, monitor, pool, split};
use crate::config::{Experiment, Supervised};
use crate::data::{Dataset, LabeledImages};
use crate::device::Hardware;
use crate::eval::features::{FeatureRequest, encoder_of_first};
use crate::ranks::Ranks;
use crate::run::event::{Interrupt, Silent};
use crate::run::record::{Ended, LabelBudget, SupervisedStage};
use crate::train::answering::Answering;
use crate::train::supervised::{self as training, Lengths, Task, Trained};
use crate::train::{Setting, TrainError, pretrain as pretraining};

/// What a rank that is not the first computes with: the run directory and all that is told are rank 0's.
pub struct Along<'a> {
    /// The resolved configuration, the same as rank 0's.
    pub experiment: &'a Experiment,
    /// The data, the same as rank 0's.
    pub data: &'a Dataset,
    /// What the work runs on, and with whom.
    pub hardware: &'a Hardware,
    /// What stops the work of all ranks.
    pub interrupt: &'a Interrupt,
}

/// What all ranks compute next.
#[derive(Serialize, Deserialize)]
pub(super) enum Errand {
    /// A run begins with these settings, as TOML.
    Begin(String),
    /// Pre-training.
    Pretrain,
    /// A training with labels, and its answers for the test images where they are wanted.
    Train(Box<Training>),
    /// Representations of all labelled and test images by the encoder that rank 0 gives then.
    Represent,
    /// Nothing: all is done, or was asked to stop.
    End,
}

/// What a training with labels is of; its encoder comes with rank 0's first weights.
#[derive(Serialize, Deserialize)]
pub(super) struct Training {
    stage: SupervisedStage,
    settings: Supervised,
    budget: LabelBudget,
    draw: usize,
    classes: usize,
    train: Vec<usize>,
    validation: Vec<usize>,
    /// Whether it answers for the test images at its end.
    tested: bool,
}

impl Training {
    pub fn of(task: &Task, tested: bool) -> Training {
        Training {
            stage: task.stage,
            settings: task.settings.clone(),
            budget: task.budget,
            draw: task.draw,
            classes: task.classes,
            train: task.train.clone(),
            validation: task.validation.clone(),
            tested,
        }
    }

    fn task<'t>(&'t self, labeled: &'t LabeledImages) -> Task<'t> {
        Task {
            stage: self.stage,
            settings: &self.settings,
            budget: self.budget,
            draw: self.draw,
            labeled,
            classes: self.classes,
            train: self.train.clone(),
            validation: self.validation.clone(),
            encoder: None,
            lengths: Lengths::Planned,
        }
    }
}

/// Ends the work of all ranks: nothing is left to do, or it was asked to stop. Rank 0 calls it after its last experiment.
///
/// # Errors
/// A rank is gone.
pub fn release(ranks: &Ranks) -> Result<(), ExperimentError> {
    Ok(ranks.give(Errand::End)?)
}

/// Computes along with rank 0, which goes through experiments, until it calls [`release`].
///
/// # Errors
/// As what rank 0 computes; or rank 0 has failed.
pub fn follow(along: &Along) -> Result<(), ExperimentError> {
    let mut experiment = along.experiment.clone();
    loop {
        match along.hardware.ranks.take()? {
            None | Some(Errand::End) => return Ok(()),
            Some(Errand::Begin(configuration)) => experiment = Experiment::from_toml(&configuration)?,
            Some(errand) => match (Along { experiment: &experiment, ..*along }).compute(errand) {
                // Rank 0 has seen the same, and says what becomes of it.
                Err(ExperimentError::Train(TrainError::Collapsed { .. })) => {}
                other => other?,
            },
        }
    }
}

impl Along<'_> {
    fn compute(&self, errand: Errand) -> Result<(), ExperimentError> {
        let Along { experiment, data, hardware, interrupt } = *self;
        let setting = &mut Setting { experiment, hardware, interrupt, reporter: &mut Silent };
        match errand {
            Errand::Begin(_) | Errand::End => {}
            Errand::Pretrain => {
                let monitor = monitor(data, experiment)?;
                pretraining::along(setting, pool(data, experiment)?, monitor.as_ref())?;
            }
            Errand::Train(wanted) => {
                let labeled = split(data, data.train.as_ref(), "train")?;
                let Trained { classifier, weights, ended, .. } = training::along(setting, &wanted.task(&labeled))?;
                if wanted.tested && ended != Ended::Interrupted {
                    let test = split(data, data.test.as_ref(), "test")?;
                    let all: Vec<usize> = (0..test.labels.len()).collect();
                    let judged = Answering { experiment, hardware, classifier: &classifier, weights: &weights };
                    // Rank 0 has the answers.
                    let _ = judged.logits(&test, &all)?;
                }
            }
            Errand::Represent => {
                let encoder = encoder_of_first(experiment, hardware).map_err(TrainError::from)?;
                let labeled = split(data, data.train.as_ref(), "train")?;
                let test = split(data, data.test.as_ref(), "test")?;
                let request = FeatureRequest { experiment, hardware, encoder: &encoder };
                FrozenFeatures::computed(&request, &labeled, &test)?;
            }
        }
        Ok(())
    }
}
