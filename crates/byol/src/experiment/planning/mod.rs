//! What a run is to do, before it does it: settings that the data and the time allow, how long each step will take, and
//! where the run stands. Nothing is trained here but the few steps that are measured, of which nothing is kept: what a run
//! computes depends on its configuration alone.

mod choice;
pub(crate) mod countdown;
mod rates;

mod work;

pub use crate::plan::{Chosen, Kind, Plan, Progress, Rates, Step, Task, Total, Why};
pub use choice::{DEFAULT_HOURS, Resolve, Scope, Wish, choose, share};

use crate::config::{ConfigError, Experiment};
use crate::data::{DataError, Dataset};
use crate::device::Hardware;
use crate::processor_time::Usage;
use crate::report::language::english::progress::while_others;
use crate::train::TrainError;

/// A run that cannot be planned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The data does not allow it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A step that was to be measured failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The chosen settings are not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There are too few images for a step.
    #[error("a step needs at least 2 images because of batch norm, and there are {images}")]
    TooFewImages {
        /// How many there are.
        images: usize,
    },
    /// The time is too short for any run.
    #[error(
        "--hours {hours} is too little here for the shortest trainings with labels and an epoch of pre-training; --hours \
         {needed:.2} is enough at the speed that was measured{}",
        others.map_or_else(String::new, |others| format!(" ({})", while_others(others)))
    )]
    TooLittleTime {
        /// Hours that were asked for.
        hours: f64,
        /// Hours that the shortest run takes.
        needed: f64,
        /// The share of the processor that other programs took meanwhile, where it was worth a word.
        others: Option<f64>,
    },
}

impl PlanError {
    /// Whether other settings are the remedy.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            PlanError::TooLittleTime { .. } | PlanError::Config(_) => true,
            PlanError::Data(error) => error.is_of_command_line(),
            PlanError::Train(error) => error.is_of_configuration(),
            PlanError::TooFewImages { .. } => false,
        }
    }
}

/// The plan of a run whose settings are settled, by a few measured steps. Nothing where the data has no labelled training
/// or test images: such a run cannot begin.
///
/// # Errors
/// A label budget is larger than a class, or an image cannot be read.
pub fn plan(experiment: &Experiment, data: &Dataset, hardware: &Hardware) -> Result<Option<Plan>, PlanError> {
    let Some(labeled) = data.train.as_ref().filter(|_| data.test.is_some()) else { return Ok(None) };
    // A budget that is too large is told before anything is measured.
    super::plan::plan(experiment, data, labeled)?;
    let load = Load::begin();
    let rates = rates::all(experiment, data, labeled, hardware)?;
    Ok(Some(Plan { others: load.others(), ..work::planned(experiment, data, rates)? }))
}

/// What other programs do while something is measured.
#[derive(Clone, Copy)]
struct Load(Option<Usage>);

/// A share of the processor from which others are worth a word.
const WORTH_A_WORD: f64 = 0.2;

impl Load {
    fn begin() -> Load {
        Load(Usage::now())
    }

    /// The share of the processor that they took since, where it is worth a word.
    fn others(self) -> Option<f64> {
        let share = self.0?.taken_by_others(Usage::now()?);
        (share >= WORTH_A_WORD).then_some(share)
    }
}
