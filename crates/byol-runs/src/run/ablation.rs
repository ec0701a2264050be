//! What an ablation records in `ablation.json`.

use serde::{Deserialize, Serialize};

use super::record::{Accuracy, LabelBudget, ResultName};

/// The name of BYOL as published among the variants.
pub const FULL_NAME: &str = "full";

/// The name of the variant with all of the lab's faults.
pub const TOGETHER_NAME: &str = "lab-together";

/// `ablation.json`: what the variants in one folder came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    pub variants: Vec<VariantRecord>,
    /// The program that made the runs.
    pub version: String,
    pub hardware: String,
}

/// One variant over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantRecord {
    pub name: String,
    pub change: String,
    /// Top-1 accuracy on ImageNet in the paper in percent, and where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<(f64, String)>,
    pub seeds: Vec<SeedRecord>,
}

/// One variant with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedRecord {
    pub seed: u64,
    /// Test accuracies, 0-1; each a mean over label draws.
    pub results: Vec<ResultOfSeed>,
    /// The first epoch at which the representation had collapsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapsed_at: Option<usize>,
    /// Effective rank of representations and deviation of projections after the last epoch.
    pub effective_rank: Option<f64>,
    pub projection_deviation: Option<f64>,
    pub seconds: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultOfSeed {
    pub name: ResultName,
    pub labels_per_class: LabelBudget,
    pub test_accuracy: f64,
}

impl SeedRecord {
    /// Test accuracy of one classifier, 0-1; absent where it was not evaluated.
    pub fn accuracy(&self, name: ResultName, budget: LabelBudget) -> Option<f64> {
        let found = self.results.iter().find(|result| result.name == name && result.labels_per_class == budget);
        found.map(|result| result.test_accuracy)
    }
}

impl VariantRecord {
    /// Test accuracy of one classifier over seeds; absent where it was not evaluated.
    pub fn accuracy(&self, name: ResultName, budget: LabelBudget) -> Option<Accuracy> {
        Accuracy::over(self.seeds.iter().filter_map(|seed| seed.accuracy(name, budget)).collect())
    }

    /// Seeds with which the representation collapsed.
    pub fn collapsed(&self) -> usize {
        self.seeds.iter().filter(|seed| seed.collapsed_at.is_some()).count()
    }
}
