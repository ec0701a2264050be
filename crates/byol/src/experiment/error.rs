//! What keeps an experiment from going on.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::data::DataError;
use crate::eval::EvalError;
use crate::gallery::GalleryError;
use crate::ranks::RanksError;
use crate::report::ReportError;
use crate::run::RunError;
use crate::run::record::LabelBudget;
use crate::train::TrainError;
use crate::train::monitor::LABELS_FOR_KNN;
use crate::trained::checkpoint::CheckpointError;
use crate::trained::heads::HeadError;

/// An experiment that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// The data does not allow it.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The run directory cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A training cannot go on.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// Other processes that train with this one are gone, or do not fit.
    #[error(transparent)]
    Ranks(#[from] RanksError),
    /// Rank 0's configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A classifier cannot be judged.
    #[error(transparent)]
    Eval(#[from] EvalError),
    /// The images of the report cannot be written.
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    /// The report cannot be made.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A classifier cannot be kept.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Classifiers were to be kept in a run of other data.
    #[error(
        "classifiers are kept in the run directory whose encoder and data they belong to, and {} was made with data of another \
         fingerprint; name the data of the run", path.display()
    )]
    OtherData {
        /// The run directory.
        path: PathBuf,
    },
    /// Classifiers are self-trained with the labels that they were fine-tuned with, and these are others.
    #[error(
        "classifiers are self-trained with the labels that they were fine-tuned with, and {key} is {now} here and {then} in {}, \
         so these are others; leave {key} as it was", path.display()
    )]
    OtherLabels {
        /// The run that has fine-tuned.
        path: PathBuf,
        /// The key of the configuration that chooses labels.
        key: &'static str,
        /// Its value in that run.
        then: String,
        /// Its value now.
        now: String,
    },
    /// The training images are not those that the teacher was trained with.
    #[error(
        "classifiers are self-trained with the labels that they were fine-tuned with, and {} was made with other training \
         images; name the data of the run", path.display()
    )]
    OtherTrainingImages {
        /// The run that has fine-tuned.
        path: PathBuf,
    },
    /// The run keeps no fine-tuned classifier of a label budget.
    #[error(
        "{} keeps no classifier that was fine-tuned with the label budget {budget}; fine-tune one (byol finetune), or name \
         another budget with --labels-per-class", path.display()
    )]
    NoTeacher {
        /// The run directory.
        path: PathBuf,
        /// The label budget.
        budget: LabelBudget,
    },
    /// The run has not ended a fine-tuning.
    #[error("the fine-tuning of {} with the label budget {budget} has not ended; resume it first", path.display())]
    UnfinishedTeacher {
        /// The run directory.
        path: PathBuf,
        /// The label budget.
        budget: LabelBudget,
    },
    /// The data lacks a split that the command needs.
    #[error("data set '{data}' has no {split} split, which this command needs; {remedy}")]
    MissingSplit {
        /// The data set's name.
        data: String,
        /// `train` or `test`.
        split: &'static str,
        /// What to do about it.
        remedy: String,
    },
    /// Self-training was to be part of a run by several processes.
    #[error(
        "self-training is computed by one process: leave it out of a run by several with --set selftrain.part_of_run=false, \
         and start `byol selftrain` with that run afterwards"
    )]
    SelfTrainsAlone,
    /// Early stopping was to go by k-NN over all labels, while the label budget allows some of them.
    #[error(
        "pretrain.patience_metric = \"knn\" would choose by labels outside the label budget; use \"loss\", or \
         labels_per_class = [\"all\"]"
    )]
    PatienceBeyondBudget,
    /// Early stopping was to go by k-NN over too few labels.
    #[error(
        "pretrain.patience_metric = \"knn\" needs {} labelled training images at least, spread over the classes, and there \
         are {labels}: an accuracy of so few would stop training by chance; use \"loss\"",
        LABELS_FOR_KNN
    )]
    PatienceByFewLabels {
        /// Labelled training images.
        labels: usize,
    },
}

impl ExperimentError {
    /// Whether the configuration does not fit the data: other settings, or another command line, are the remedy.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            ExperimentError::PatienceBeyondBudget
            | ExperimentError::SelfTrainsAlone
            | ExperimentError::PatienceByFewLabels { .. }
            | ExperimentError::MissingSplit { .. }
            | ExperimentError::OtherData { .. }
            | ExperimentError::OtherLabels { .. }
            | ExperimentError::OtherTrainingImages { .. }
            | ExperimentError::NoTeacher { .. }
            | ExperimentError::UnfinishedTeacher { .. } => true,
            ExperimentError::Data(error) => error.is_of_command_line(),
            ExperimentError::Run(error) => error.is_of_command_line(),
            ExperimentError::Train(error) => error.is_of_configuration(),
            ExperimentError::Ranks(error) => error.is_of_command_line(),
            ExperimentError::Checkpoint(error) => error.is_of_command_line(),
            _ => false,
        }
    }
}
