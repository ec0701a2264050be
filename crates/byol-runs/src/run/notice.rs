//! What the library has to say while it works, with its values: what goes on, and what is odd but stops nothing. How it is said, the
//! report's `language` knows.

mod program;

use serde::Serialize;

use super::ablation::Change;
use super::record::{Judgement, LabelBudget, Method, Stage, Verdict};
use crate::data::DataNote;
use crate::plan::Expected;

pub use program::{ProgramNote, SingleViews, Tested};

/// One thing to be said.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Of the data, as it was opened.
    Data(DataNote),
    /// Of a program's own work.
    Program(ProgramNote),
    /// Label budgets that the smallest class can fill took the place of the preset's.
    BudgetsFitted {
        /// The budgets that are compared instead.
        budgets: Vec<LabelBudget>,
        /// The class with fewest labels.
        class: String,
        /// Labelled training images of that class.
        smallest: usize,
    },
    /// A batch that the pool can fill took the place of the preset's.
    BatchFitted {
        /// Images per step instead.
        batch_size: usize,
        /// Images of the pool.
        images: usize,
    },
    /// Pre-training has no other images than the labelled ones.
    NoUnlabeled {
        /// Labelled training images, whose labels are left aside.
        images: usize,
    },
    /// Pre-training is shorter than what gains usually take.
    FewPasses {
        /// Epochs of pre-training.
        epochs: usize,
        /// Optimiser steps of each epoch.
        steps: usize,
        /// Images per step.
        batch_size: usize,
        /// Images of the pool.
        images: usize,
        /// Image passes of pre-training: epochs times the images of an epoch's steps.
        passes: u64,
        /// What to ask for instead.
        remedy: Remedy,
    },
    /// How many images pre-training is to see, and what that promises.
    PassesExpected(Expected),
    /// The shortest run, with what was typed, takes longer than the hours that were asked for.
    LongerThanAsked {
        /// The hours that were asked for; absent where none were, and a run has one.
        hours: Option<f64>,
        /// What the shortest run takes, in seconds.
        seconds: f64,
        /// The typed keys that make it longer, and stay; empty where it is the shortest that there is.
        typed: Vec<String>,
        /// The share of the processor that other programs took while speed was measured, 0-1, where it was worth a word.
        others: Option<f64>,
    },
    /// There is no test, so nothing is judged.
    NoTest,
    /// The encoder was pre-trained on images that were prepared otherwise: keys with their values now and then.
    OtherImages {
        /// Key, value when the encoder was pre-trained, value now.
        changes: Vec<(&'static str, String, String)>,
    },
    /// What a candidate of a sweep came to, 0-1.
    Candidate {
        /// Its settings, as the folder of the candidate is named.
        name: String,
        /// Accuracy on the held-out fifth of the label budget, 0-1.
        accuracy: f64,
    },
    /// How many images pre-training has of each pool.
    PretrainsOn {
        /// Number of images and name of each pool.
        pools: Vec<(usize, String)>,
    },
    /// What a student learns from beside the labelled images.
    SelftrainsOn {
        /// Images that the teacher answered for.
        pool: usize,
        /// Those of them that the student learns from.
        used: usize,
        /// Mean probability of the teacher's answers for those, 0-1.
        confidence: f64,
    },
    /// Whether a student is taken instead of its teacher.
    SelftrainingJudged {
        /// What was decided.
        verdict: Verdict,
        /// How both did on held-out labels, where some were held out.
        judgement: Option<Judgement>,
    },
    /// A run of an ablation begins.
    Variant {
        /// Which run of the ablation it is, from 1.
        number: usize,
        /// Runs of the whole ablation.
        of: usize,
        /// The variant's name.
        name: String,
        /// What it changes.
        change: Change,
        /// The method whose parts are changed.
        method: Method,
        /// The run's seed.
        seed: u64,
    },
    /// The training of one of several seeds failed, and the other seeds go on.
    SeedFailed {
        /// The run's seed.
        seed: u64,
        /// How many seeds are still to come.
        left: usize,
        /// Why, as a sentence.
        why: String,
    },
    /// The run with one of several seeds begins, or goes on.
    Seed {
        /// Which of them it is, from 1.
        number: usize,
        /// How many there are.
        of: usize,
        /// The run's seed.
        seed: u64,
    },
    /// A training has more epochs than asked for, for its least number of steps.
    Lengthened {
        /// Which training it is.
        stage: Stage,
        /// Epochs that it has.
        epochs: usize,
        /// Epochs that were asked for.
        asked: usize,
        /// Labelled images that it has.
        images: usize,
        /// Optimiser steps that it must have (`minimum_steps`).
        least_steps: usize,
    },
    /// The warm-up is longer than the training.
    WarmupCut {
        /// Which training it is.
        stage: Stage,
        /// Epochs of warm-up that were asked for.
        epochs: f64,
    },
    /// A checkpoint cannot be read, and the one before it is taken; why, as the error says it.
    PassedOver {
        /// The error's message.
        problem: String,
    },
    /// The run begins with these weights.
    BeginsWith {
        /// Where they were read.
        path: String,
        /// SHA-256 of their content, in hexadecimal digits.
        digest: String,
    },
    /// The last layer of given weights has another number of classes than the data.
    LastLayerLeftOut {
        /// Classes of the layer that is left out.
        outputs: i64,
        /// Classes of the data.
        classes: usize,
    },
    /// A file of weights asks for something that was not run.
    NotRun {
        /// The file of weights.
        path: String,
        /// Names of functions in its pickle, which were passed over.
        names: Vec<String>,
    },
    /// Names in a file of weights begin alike, with what is left out.
    PrefixLeftOut {
        /// The file of weights.
        path: String,
        /// How the names begin.
        prefix: String,
    },
    /// So many tensors do not begin with it.
    OutsideLeftOut {
        /// Tensors that are not part of the network.
        tensors: usize,
        /// How the names of the network's tensors begin.
        prefix: String,
    },
    /// The layers of a file of weights are numbered.
    NumberedLayers,
    /// The names in a file of weights are those of Hugging Face's transformers.
    HuggingFaceNames,
    /// Of a network in a file of weights and its moving averages the network is taken.
    AveragesLeftOut {
        /// How the names of the network's tensors begin.
        taken: String,
        /// How the names of the averages' tensors begin.
        averages: Vec<String>,
    },
}

/// What brings a pre-training to where gains usually begin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// So many epochs.
    Epochs {
        /// Epochs to ask for instead.
        epochs: u64,
    },
    /// With a measured speed: further epochs with what they take, and the option that asks for them from the start.
    Measured {
        /// Epochs to make besides.
        epochs: u64,
        /// Image passes of these epochs.
        passes: u64,
        /// Speed of pre-training on this machine; an image is two views.
        images_per_second: f64,
        /// What asks for them.
        option: RemedyOption,
    },
}

/// What to type for a longer pre-training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RemedyOption {
    /// `--hours`, with so many hours for the whole run.
    Hours(f64),
    /// `pretrain.epochs`, with so many epochs.
    Epochs(u64),
}

impl From<DataNote> for Notice {
    fn from(note: DataNote) -> Notice {
        Notice::Data(note)
    }
}

impl From<ProgramNote> for Notice {
    fn from(note: ProgramNote) -> Notice {
        Notice::Program(note)
    }
}
