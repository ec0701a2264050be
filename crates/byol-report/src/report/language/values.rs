//! Values that sentences are made of, where they are no finding of their own: the same for every language.

use crate::run::record::{LabelBudget, Method, ResultName};

/// What of an epoch a curve shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Loss,
    Accuracy,
    Knn,
    LinearProbe,
    KnnAndProbe,
    EffectiveRank,
    Alignment,
    Uniformity,
    ProjectionDeviation,
    LearningRate,
    Tau,
}

/// Which images the figures of health are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    HeldOut,
    Unlabeled,
    Training,
}

/// Wrong answers of a classifier.
pub struct Wrong {
    pub name: ResultName,
    pub budget: LabelBudget,
    /// Whether there are other label draws than the first.
    pub several_draws: bool,
    pub wrong: u64,
    pub images: u64,
    /// How many of the wrong ones are listed.
    pub listed: u64,
    /// Whether probabilities are recorded.
    pub sorted: bool,
    /// The probability from which a wrong answer speaks against the label, where one of these does.
    pub doubts: Option<f64>,
}

/// A confusion, in percent of the images of its class.
pub struct Disagreement {
    pub method: Method,
    pub truth: String,
    pub taken: String,
    pub before: f64,
    pub after: f64,
}
