//! Classifiers of a run that can be asked for, and why one is taken. The rule that takes one is the report's (`choice`).

use serde::{Serialize, Serializer};

use super::record::{Control, HeadKind, Init, ResultName};
use crate::stage::SupervisedStage;

/// A classifier that a run may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClassifierKind {
    /// The fine-tuned classifier, self-trained on images whose labels are not used. There is one where it was judged better.
    Selftrained,
    /// The pre-trained encoder, fine-tuned with labels.
    Finetuned,
    /// The encoder trained with the labels alone, or from given weights.
    Baseline,
    /// On the frozen pre-trained encoder.
    Frozen(HeadKind),
}

impl ClassifierKind {
    /// In the order in which they are preferred where nothing else decides.
    pub const ALL: [ClassifierKind; 5] = [
        ClassifierKind::Selftrained,
        ClassifierKind::Finetuned,
        ClassifierKind::Baseline,
        ClassifierKind::Frozen(HeadKind::Linear),
        ClassifierKind::Frozen(HeadKind::Knn),
    ];

    /// On command lines.
    pub fn name(self) -> &'static str {
        match self {
            ClassifierKind::Selftrained => "selftrained",
            ClassifierKind::Finetuned => "finetuned",
            ClassifierKind::Baseline => "baseline",
            ClassifierKind::Frozen(head) => head.name(),
        }
    }

    /// In a run's records.
    pub fn recorded_as(self, control: Control) -> ResultName {
        match self {
            ClassifierKind::Selftrained => ResultName::PRETRAINED_SELFTRAINED,
            ClassifierKind::Finetuned => ResultName::PRETRAINED_FINETUNED,
            ClassifierKind::Baseline => control.baseline(),
            ClassifierKind::Frozen(head) => ResultName::of(Init::Pretrained, head.into()),
        }
    }

    /// The stage that trains it; nothing where the encoder is frozen.
    pub fn stage(self) -> Option<SupervisedStage> {
        match self {
            ClassifierKind::Selftrained => Some(SupervisedStage::Selftrain),
            ClassifierKind::Finetuned => Some(SupervisedStage::Finetune),
            ClassifierKind::Baseline => Some(SupervisedStage::Baseline),
            ClassifierKind::Frozen(_) => None,
        }
    }
}

impl Serialize for ClassifierKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Why a classifier was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It was asked for, or there is no other.
    Asked,
    /// It did best on labels inside the budget that it was not trained with. The kinds that were compared with their
    /// accuracies (0-1), the best first.
    Validated(Vec<(ClassifierKind, f64)>),
    /// There are others, but nothing inside the budget says how good the fine-tuned one is.
    Undecided,
}
