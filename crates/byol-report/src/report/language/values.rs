//! Values that sentences are made of, where they are no finding of their own: the same for every language.

use crate::report::choice::{ClassifierKind, Reason};
use crate::run::record::{LabelBudget, ResultName};

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
    pub truth: String,
    pub taken: String,
    pub before: f64,
    pub after: f64,
}

/// How a classifier did on the test images: so many of so many are right.
pub type Tested = (u64, u64);

/// Which classifier is taken, how good it is beside the others, and why it was taken.
pub struct Taken<'a> {
    pub kind: ClassifierKind,
    pub budget: Option<LabelBudget>,
    pub test: Option<Tested>,
    pub others: Vec<(ClassifierKind, Tested)>,
    pub reason: &'a Reason,
}

/// Which encoder is taken, and what it is worth for searching as far as that is known.
pub enum Encoder {
    Selftrained(Option<LabelBudget>),
    Finetuned(Option<LabelBudget>),
    Trained(Option<LabelBudget>),
    /// With the accuracy of k-NN on it.
    Pretrained(Option<(LabelBudget, Tested)>),
}

/// Classes with how often they were predicted, the most frequent first, and how many answers are less sure than `sure` (0-1).
pub struct Overview<'a> {
    pub images: usize,
    pub counts: Vec<(&'a str, usize)>,
    /// Classes that are named at most.
    pub named: usize,
    pub unsure: usize,
    pub sure: f64,
}

/// What calibration found: before and after.
pub struct Calibrated {
    pub images: usize,
    pub temperature: f64,
    pub loss: [f64; 2],
    pub calibration_error: [f64; 2],
}
