//! What an ablation records in `ablation.json`.

use serde::{Deserialize, Serialize};

use super::record::{Accuracy, LabelBudget, Method, ResultName};

/// The name of the method as published among the variants.
pub const FULL_NAME: &str = "full";

/// The name of the variant with all of the lab's faults.
pub const TOGETHER_NAME: &str = "lab-together";

/// `ablation.json`: what the variants in one folder came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// The method of pre-training whose parts are changed; absent for BYOL, as before there was another.
    #[serde(default, skip_serializing_if = "is_byol")]
    pub method: Method,
    /// Every variant, the method as published ([`FULL_NAME`]) among them.
    pub variants: Vec<VariantRecord>,
    /// The program that made the runs.
    pub version: String,
    /// CPU or GPU, threads and precision, for people.
    pub hardware: String,
}

/// One variant over its seeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariantRecord {
    /// As it is named on the command line, and its folder.
    pub name: String,
    /// What it changes in the method as published.
    pub change: RecordedChange,
    /// Top-1 accuracy on ImageNet in the paper in percent, and where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<(f64, String)>,
    /// Its runs, one for each seed.
    pub seeds: Vec<SeedRecord>,
}

/// What a variant changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It is the method as published.
    #[serde(rename = "nothing: BYOL as published")]
    Nothing,
    /// The online projection is compared with the target's directly, without a predictor.
    #[serde(rename = "no predictor")]
    NoPredictor,
    /// The gradient flows through the target branch, which is the online network.
    #[serde(rename = "the gradient flows through the target branch, which is the online network")]
    NoStopGradient,
    /// Tau is 0: the target is the online network of the step before.
    #[serde(rename = "tau 0: the target is the online network of the step before")]
    TauZero,
    /// Tau is 1: the target stays the random network that it began as.
    #[serde(rename = "tau 1: the target stays the random network it began as")]
    TauOne,
    /// Views are random crops and flips alone.
    #[serde(rename = "views of crop and flip alone")]
    CropOnly,
    /// Views have neither colour jitter nor grayscale.
    #[serde(rename = "no colour jitter, no grayscale")]
    NoColor,
    /// Both views are drawn with one recipe.
    #[serde(rename = "one recipe for both views")]
    Symmetric,
    /// The two views of a pair come from different images.
    #[serde(rename = "the two views come from different images")]
    UnpairedViews,
    /// The online network is its own target, and the gradient stops in the wrong place.
    #[serde(rename = "the online network is its own target, with a misplaced stop-gradient")]
    OnlineTarget,
    /// Predictions and targets are not normalised.
    #[serde(rename = "vectors are not normalised")]
    Unnormalized,
    /// The heads are Linear-ReLU-BN on 1000 logits, which fine-tuning keeps.
    #[serde(rename = "heads of Linear-ReLU-BN on 1000 logits, which fine-tuning keeps")]
    LabHeads,
    /// Pre-training sees images at 224/96 of the side that fine-tuning sees.
    #[serde(rename = "pre-training at 224/96 of the size of fine-tuning")]
    ViewSize,
    /// The classifier stays in evaluation mode after its first epoch.
    #[serde(rename = "the classifier stays in evaluation mode after the first epoch")]
    EvaluationMode,
    /// All faults of the lab's program at once.
    #[serde(rename = "all of the lab's faults")]
    Together,
}

/// What a variant changes, as it stands in a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordedChange {
    /// A change that this version knows.
    Known(Change),
    /// In the words of another version.
    Other(String),
}

/// One variant with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedRecord {
    /// The run's seed.
    pub seed: u64,
    /// Test accuracies, 0-1; each a mean over label draws.
    pub results: Vec<ResultOfSeed>,
    /// The first epoch at which the representation had collapsed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collapsed_at: Option<usize>,
    /// Effective rank of representations and deviation of projections after the last epoch.
    pub effective_rank: Option<f64>,
    /// Deviation of projections: 1 where they are spread evenly, 0 where they have collapsed; absent where nothing was
    /// watched.
    pub projection_deviation: Option<f64>,
    /// Wall-clock seconds of the run, over all its sittings.
    pub seconds: f64,
}

/// The accuracy of one classifier with one seed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultOfSeed {
    /// Which classifier.
    pub name: ResultName,
    /// The labels that it had.
    pub labels_per_class: LabelBudget,
    /// Mean test accuracy over label draws, 0-1.
    pub test_accuracy: f64,
}

fn is_byol(method: &Method) -> bool {
    *method == Method::Byol
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_as_they_were_always_recorded() {
        let text = "\"tau 0: the target is the online network of the step before\"";
        assert_eq!(serde_json::from_str::<RecordedChange>(text).unwrap(), RecordedChange::Known(Change::TauZero));
        assert_eq!(serde_json::to_string(&Change::TauZero).unwrap(), text);
        // In the words of before images had their name.
        let earlier = "\"the two views come from different pictures\"";
        let read: RecordedChange = serde_json::from_str(earlier).unwrap();
        assert_eq!(read, RecordedChange::Other("the two views come from different pictures".to_owned()));
        assert_eq!(serde_json::to_string(&read).unwrap(), earlier);
    }

    #[test]
    fn an_ablation_of_byol_is_recorded_as_it_always_was() {
        let text = r#"{"variants":[],"version":"1","hardware":"cpu"}"#;
        let read: Ablation = serde_json::from_str(text).unwrap();
        assert_eq!(read.method, Method::Byol);
        assert_eq!(serde_json::to_string(&read).unwrap(), text);
    }
}
