//! Which part of an experiment something belongs to, how many labels it may use, and what BYOL is held against.

use serde::{Deserialize, Serialize};

/// Which part of an experiment a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Learning an encoder from images without labels.
    Pretrain,
    /// The baseline: encoder and classifier trained on the labelled images, without pre-training.
    Supervised,
    /// The pre-trained encoder and a new classifier trained on the labelled images.
    Finetune,
    /// The fine-tuned classifier trained further, on what it says of images whose labels are not used.
    Selftrain,
}

/// A stage that trains with labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupervisedStage {
    /// From random or given weights, without pre-training: [`Stage::Supervised`].
    Baseline,
    /// Of the pre-trained encoder.
    Finetune,
    /// From the fine-tuned classifier, with its answers for images without labels: [`Stage::Selftrain`].
    Selftrain,
}

impl SupervisedStage {
    /// All, in the order in which a run has them.
    pub const ALL: [SupervisedStage; 3] =
        [SupervisedStage::Baseline, SupervisedStage::Finetune, SupervisedStage::Selftrain];

    /// In paths.
    pub fn name(self) -> &'static str {
        match self {
            SupervisedStage::Baseline => "supervised",
            SupervisedStage::Finetune => "finetune",
            SupervisedStage::Selftrain => "selftrain",
        }
    }
}

impl From<SupervisedStage> for Stage {
    fn from(stage: SupervisedStage) -> Stage {
        match stage {
            SupervisedStage::Baseline => Stage::Supervised,
            SupervisedStage::Finetune => Stage::Finetune,
            SupervisedStage::Selftrain => Stage::Selftrain,
        }
    }
}

/// Labels per class that a stage may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LabelBudget {
    /// So many labelled images of every class, 1 or more, drawn from the training images.
    PerClass(usize),
    /// The folds that come with the data, each a draw: STL-10's plan of ten times 1,000 labels.
    Folds,
    /// Folds of that form drawn here, for data that has none.
    DrawnFolds,
    /// Every labelled training image.
    All,
}

impl Stage {
    /// Which stage with labels it is, if it is one.
    pub fn supervised(self) -> Option<SupervisedStage> {
        match self {
            Stage::Pretrain => None,
            Stage::Supervised => Some(SupervisedStage::Baseline),
            Stage::Finetune => Some(SupervisedStage::Finetune),
            Stage::Selftrain => Some(SupervisedStage::Selftrain),
        }
    }
}

/// A method of pre-training. What people read calls it by its name, which the report's language knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Bootstrap your own latent (arXiv 2006.07733), with a target network that follows the online network.
    #[default]
    Byol,
    /// MoCo v3 (arXiv 2104.02057): networks and views as BYOL's, and a contrastive loss over the images of the batch.
    #[serde(rename = "moco-v3")]
    MocoV3,
}

impl Method {
    /// Whether there is a target network, which follows the one that is trained as a moving average with the decay rate tau.
    pub fn has_target(self) -> bool {
        match self {
            Method::Byol | Method::MocoV3 => true,
        }
    }
}

/// What a run holds BYOL against: the encoder as it was before BYOL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Control {
    /// It had random weights.
    #[default]
    Random,
    /// It had given ones (`--weights`).
    Given,
}

impl LabelBudget {
    /// Orders label budgets by how many labels they hold, the largest last.
    pub fn size(self) -> (usize, usize) {
        match self {
            LabelBudget::DrawnFolds => (0, 0),
            LabelBudget::Folds => (1, 0),
            LabelBudget::PerClass(labels) => (2, labels),
            LabelBudget::All => (3, 0),
        }
    }
}

impl Serialize for LabelBudget {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LabelBudget::PerClass(labels) => serializer.serialize_u64(*labels as u64),
            LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for LabelBudget {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(usize),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(labels) => Ok(LabelBudget::PerClass(labels)),
            Raw::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

impl std::fmt::Display for LabelBudget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LabelBudget::PerClass(labels) => write!(f, "{labels}"),
            LabelBudget::Folds => write!(f, "folds"),
            LabelBudget::DrawnFolds => write!(f, "drawn-folds"),
            LabelBudget::All => write!(f, "all"),
        }
    }
}

/// A label budget that is neither a positive number nor a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("labels per class must be a positive number, 'all' or 'folds', not '{0}'")]
pub struct ParseLabelBudgetError(String);

impl std::str::FromStr for LabelBudget {
    type Err = ParseLabelBudgetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => Ok(LabelBudget::All),
            "folds" => Ok(LabelBudget::Folds),
            "drawn-folds" => Ok(LabelBudget::DrawnFolds),
            _ => match text.parse() {
                Ok(labels) if labels > 0 => Ok(LabelBudget::PerClass(labels)),
                _ => Err(ParseLabelBudgetError(text.to_owned())),
            },
        }
    }
}
