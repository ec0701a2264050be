//! What a simulation of labelling records: how good a classifier is with labels that each strategy chose. The labels come from the
//! data; what was found over seeds is the report's business.

use serde::{Deserialize, Serialize};

/// A rule by which the images are chosen that are labelled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Typical images while there are few labels, then uncertain ones.
    Auto,
    /// The most typical image of each of the largest clusters without a label (TypiClust, arXiv 2202.02794).
    Typical,
    /// Images that the most images without a label near them are near to (ProbCover, arXiv 2205.11320).
    Coverage,
    /// Images between two classes, from different clusters (arXiv 1901.05954).
    Margin,
    /// Images whose labels would change the classifier most, in different directions (BADGE, arXiv 1906.03671).
    Badge,
    /// Any.
    Random,
}

impl Strategy {
    /// All, in the order of tables.
    pub const ALL: [Strategy; 6] =
        [Strategy::Auto, Strategy::Typical, Strategy::Coverage, Strategy::Margin, Strategy::Badge, Strategy::Random];

    /// As it is named on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Strategy::Auto => "auto",
            Strategy::Typical => "typical",
            Strategy::Coverage => "coverage",
            Strategy::Margin => "margin",
            Strategy::Badge => "badge",
            Strategy::Random => "random",
        }
    }
}

/// A simulation: what was asked for, and what came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// What the data is called.
    pub data: String,
    /// Images that could be labelled.
    pub pool: usize,
    /// Images that the classifiers were tested on.
    pub test: usize,
    /// Classes of the data.
    pub classes: usize,
    /// Images that are chosen at a time.
    pub batch: usize,
    /// Share of the labels that random images are given, which are set aside to measure; 0-1.
    pub test_share: f64,
    /// Numbers of labels, rising.
    pub budgets: Vec<usize>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// One for each strategy, seed and budget, in this order.
    pub outcomes: Vec<Outcome>,
    /// The program that made it.
    pub version: String,
}

/// A classifier with the labels that a strategy chose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What chose them.
    pub strategy: Strategy,
    /// Seed of every random choice.
    pub seed: u64,
    /// Labels, those that were set aside included.
    pub labels: usize,
    /// Share of the test images that are classified rightly, 0-1.
    pub test_accuracy: f64,
    /// How the classifier does on the labels that were set aside; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
}

/// Answers for random images whose labels were not trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// Right answers.
    pub right: u64,
    /// All of them.
    pub images: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_names_a_strategy_as_the_command_line_does() {
        for strategy in Strategy::ALL {
            assert_eq!(serde_json::to_string(&strategy).unwrap(), format!("\"{}\"", strategy.name()));
        }
    }
}
