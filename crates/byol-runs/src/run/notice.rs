//! What the library has to say while it works, with its values: what goes on, and what is odd but stops nothing. How it is said, the
//! report's `language` knows.

use serde::Serialize;

use super::ablation::Change;
use super::record::{LabelBudget, Stage};
use crate::data::DataNote;

/// One thing to be said.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Of the data, as it was opened.
    Data(DataNote),
    /// What a program that runs the library says of its own work, in sentences of the language.
    Said {
        #[serde(skip)]
        text: String,
    },
    /// Label budgets that the smallest class can fill took the place of the preset's.
    BudgetsFitted { budgets: Vec<LabelBudget>, class: String, smallest: usize },
    /// A batch that the pool can fill took the place of the preset's.
    BatchFitted { batch_size: usize, images: usize },
    /// Pre-training has no other images than the labelled ones.
    NoUnlabeled { images: usize },
    /// Pre-training is shorter than what gains usually take.
    FewPasses { epochs: usize, steps: usize, batch_size: usize, images: usize, passes: u64, remedy: Remedy },
    /// There is no test, so nothing is judged.
    NoTest,
    /// The encoder was pre-trained on images that were prepared otherwise: keys with their values now and then.
    OtherImages { changes: Vec<(&'static str, String, String)> },
    /// What a candidate of a sweep came to, 0-1.
    Candidate { name: String, accuracy: f64 },
    /// How many images pre-training has of each pool.
    PretrainsOn { pools: Vec<(usize, String)> },
    /// A run of an ablation begins.
    Variant { number: usize, of: usize, name: String, change: Change, seed: u64 },
    /// A training has more epochs than asked for, for its least number of steps.
    Lengthened { stage: Stage, epochs: usize, asked: usize, images: usize, least_steps: usize },
    /// The warm-up is longer than the training.
    WarmupCut { stage: Stage, epochs: f64 },
    /// A checkpoint cannot be read, and the one before it is taken; why, as the error says it.
    PassedOver { problem: String },
    /// The run begins with these weights.
    BeginsWith { path: String, digest: String },
    /// The last layer of given weights has another number of classes than the data.
    LastLayerLeftOut { outputs: i64, classes: usize },
    /// A file of weights asks for something that was not run.
    NotRun { path: String, names: Vec<String> },
    /// Names in a file of weights begin alike, with what is left out.
    PrefixLeftOut { path: String, prefix: String },
    /// So many tensors do not begin with it.
    OutsideLeftOut { tensors: usize, prefix: String },
    /// The layers of a file of weights are numbered.
    NumberedLayers,
    /// The names in a file of weights are those of Hugging Face's transformers.
    HuggingFaceNames,
    /// Of a network in a file of weights and its moving averages the network is taken.
    AveragesLeftOut { taken: String, averages: Vec<String> },
}

/// What brings a pre-training to where gains usually begin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// So many epochs.
    Epochs { epochs: u64 },
    /// With a measured speed: further epochs with what they take, and the option that asks for them from the start.
    Measured { epochs: u64, passes: u64, images_per_second: f64, option: RemedyOption },
}

/// What to type for a longer pre-training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyOption {
    Hours(f64),
    Epochs(u64),
}

impl From<DataNote> for Notice {
    fn from(note: DataNote) -> Notice {
        Notice::Data(note)
    }
}

impl Notice {
    pub fn said(text: impl Into<String>) -> Notice {
        Notice::Said { text: text.into() }
    }
}
