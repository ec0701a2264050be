//! Which classifier a result is of: where its encoder began, and what was made of it.

use serde::{Deserialize, Serialize};

use super::record::{HeadKind, Init};
use crate::stage::{Control, Method};

/// Which classifier made a set of predictions. Names are equal where their keys are: by which method an encoder was pre-trained
/// is a fact about a run, for people.
#[derive(Clone, Copy, Debug)]
pub struct ResultName {
    /// Where its encoder began.
    pub init: Init,
    /// What was made of the encoder.
    pub protocol: Protocol,
    /// By which method the run pre-trains.
    method: Method,
}

/// What is made of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Encoder and classifier trained with labels.
    Finetuned,
    /// The fine-tuned classifier, trained further on its own answers for images without labels.
    Selftrained,
    /// Logistic regression on the frozen encoder.
    Linear,
    /// k-NN on the frozen encoder.
    Knn,
}

impl From<HeadKind> for Protocol {
    fn from(head: HeadKind) -> Protocol {
        match head {
            HeadKind::Linear => Protocol::Linear,
            HeadKind::Knn => Protocol::Knn,
        }
    }
}

impl Protocol {
    /// All, in the order of tables.
    pub const ALL: [Protocol; 4] = [Protocol::Finetuned, Protocol::Selftrained, Protocol::Linear, Protocol::Knn];

    /// Whether the encoder stays as it is.
    pub fn is_frozen(self) -> bool {
        matches!(self, Protocol::Linear | Protocol::Knn)
    }
}

impl ResultName {
    /// The baseline: encoder and classifier trained on the labelled images alone.
    pub const SUPERVISED: ResultName = ResultName::of(Init::Random, Protocol::Finetuned);
    /// The pre-trained encoder, fine-tuned with the same labels.
    pub const PRETRAINED_FINETUNED: ResultName = ResultName::of(Init::Pretrained, Protocol::Finetuned);
    /// The fine-tuned classifier, self-trained on images whose labels are not used.
    pub const PRETRAINED_SELFTRAINED: ResultName = ResultName::of(Init::Pretrained, Protocol::Selftrained);
    /// A linear classifier on the frozen pre-trained encoder.
    pub const PRETRAINED_LINEAR: ResultName = ResultName::of(Init::Pretrained, Protocol::Linear);
    /// k-NN on the frozen pre-trained encoder.
    pub const PRETRAINED_KNN: ResultName = ResultName::of(Init::Pretrained, Protocol::Knn);
    /// A randomly initialised encoder: the control.
    pub const RANDOM_LINEAR: ResultName = ResultName::of(Init::Random, Protocol::Linear);
    /// k-NN on a randomly initialised encoder.
    pub const RANDOM_KNN: ResultName = ResultName::of(Init::Random, Protocol::Knn);
    /// The baseline of a run that begins with given weights: these, fine-tuned with the same labels.
    pub const GIVEN_FINETUNED: ResultName = ResultName::of(Init::Given, Protocol::Finetuned);
    /// A linear classifier on the frozen encoder of given weights: the control of a run that begins with them.
    pub const GIVEN_LINEAR: ResultName = ResultName::of(Init::Given, Protocol::Linear);
    /// k-NN on the frozen encoder of given weights.
    pub const GIVEN_KNN: ResultName = ResultName::of(Init::Given, Protocol::Knn);

    /// In the order of tables.
    pub const ALL: [ResultName; 10] = [
        ResultName::SUPERVISED,
        ResultName::PRETRAINED_FINETUNED,
        ResultName::PRETRAINED_SELFTRAINED,
        ResultName::PRETRAINED_LINEAR,
        ResultName::PRETRAINED_KNN,
        ResultName::RANDOM_LINEAR,
        ResultName::RANDOM_KNN,
        ResultName::GIVEN_FINETUNED,
        ResultName::GIVEN_LINEAR,
        ResultName::GIVEN_KNN,
    ];

    /// The name of what a protocol makes of an encoder that began there.
    pub const fn of(init: Init, protocol: Protocol) -> ResultName {
        ResultName { init, protocol, method: Method::Byol }
    }

    /// In a run's records and on pages. Results of pre-training are `byol_*` whatever the method, as in runs of before there
    /// were methods.
    pub fn key(self) -> &'static str {
        match (self.init, self.protocol) {
            (Init::Random, Protocol::Finetuned) => "supervised",
            (Init::Random, Protocol::Linear) => "random_linear",
            (Init::Random, Protocol::Knn) => "random_knn",
            (Init::Pretrained, Protocol::Finetuned) => "byol_finetuned",
            (Init::Pretrained, Protocol::Selftrained) => "byol_selftrained",
            (Init::Pretrained, Protocol::Linear) => "byol_linear",
            (Init::Pretrained, Protocol::Knn) => "byol_knn",
            (Init::Given, Protocol::Finetuned) => "given_finetuned",
            (Init::Given, Protocol::Linear) => "given_linear",
            (Init::Given, Protocol::Knn) => "given_knn",
            // No run has these: what is self-trained was pre-trained before.
            (Init::Random, Protocol::Selftrained) => "selftrained",
            (Init::Given, Protocol::Selftrained) => "given_selftrained",
        }
    }

    /// How the encoder was pre-trained, where it was: BYOL unless [`by`](ResultName::by) said otherwise.
    pub fn method(self) -> Method {
        self.method
    }

    /// The name in a run that pre-trains by that method; records do not tell, its configuration does.
    pub fn by(self, method: Method) -> ResultName {
        ResultName { method, ..self }
    }

    /// The name in a run with that control. Version 0.1 recorded what began with given weights under the names of random
    /// ones.
    pub fn under(self, control: Control) -> ResultName {
        match (control, self.init) {
            (Control::Given, Init::Random) => ResultName { init: Init::Given, ..self },
            _ => self,
        }
    }

    fn parts(self) -> (Init, Protocol) {
        (self.init, self.protocol)
    }

    fn place(self) -> usize {
        ResultName::ALL.into_iter().position(|name| name == self).unwrap_or_default()
    }
}

impl PartialEq for ResultName {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for ResultName {}

impl std::hash::Hash for ResultName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

/// In the order of [`ResultName::ALL`].
impl Ord for ResultName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.place().cmp(&other.place())
    }
}

impl PartialOrd for ResultName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for ResultName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.key())
    }
}

impl<'de> Deserialize<'de> for ResultName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let known = ResultName::ALL.into_iter().find(|name| name.key() == text);
        known.ok_or_else(|| serde::de::Error::custom(format!("unknown result '{text}'")))
    }
}

impl Control {
    /// Where the encoder before pre-training began.
    fn init(self) -> Init {
        match self {
            Control::Random => Init::Random,
            Control::Given => Init::Given,
        }
    }

    /// The baseline: trained with labels, without pre-training.
    pub fn baseline(self) -> ResultName {
        ResultName::of(self.init(), Protocol::Finetuned)
    }

    /// The frozen encoder before pre-training, with a linear classifier and with k-NN.
    pub fn frozen(self) -> [ResultName; 2] {
        [Protocol::Linear, Protocol::Knn].map(|protocol| ResultName::of(self.init(), protocol))
    }

    /// Every classifier that such a run may have, in the order of tables.
    pub fn results(self) -> [ResultName; 7] {
        let [linear, knn] = self.frozen();
        let [finetuned, selftrained, trained_linear, trained_knn] =
            Protocol::ALL.map(|protocol| ResultName::of(Init::Pretrained, protocol));
        [self.baseline(), finetuned, selftrained, trained_linear, trained_knn, linear, knn]
    }

    /// Each classifier after pre-training, and the one before it that it is held against.
    pub fn pairs(self) -> [(ResultName, ResultName); 3] {
        [Protocol::Finetuned, Protocol::Linear, Protocol::Knn]
            .map(|protocol| (ResultName::of(Init::Pretrained, protocol), ResultName::of(self.init(), protocol)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_they_always_were() {
        let written = serde_json::to_string(&ResultName::ALL).unwrap();
        let expected = "[\"supervised\",\"byol_finetuned\",\"byol_selftrained\",\"byol_linear\",\"byol_knn\",\"random_linear\",\
                        \"random_knn\",\"given_finetuned\",\"given_linear\",\"given_knn\"]";
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<[ResultName; 10]>(expected).unwrap(), ResultName::ALL);
        assert_eq!(
            serde_json::to_string(&[Init::Random, Init::Pretrained, Init::Given]).unwrap(),
            "[\"random\",\"byol\",\"given\"]"
        );
        assert!(serde_json::from_str::<ResultName>("\"simsiam_knn\"").unwrap_err().to_string().contains("simsiam_knn"));
        assert!(ResultName::ALL.is_sorted());
    }

    #[test]
    fn every_result_of_pre_training_is_held_against_its_own_kind() {
        assert_eq!(
            Control::Given.pairs().map(|(after, before)| (after.key(), before.key())),
            [("byol_finetuned", "given_finetuned"), ("byol_linear", "given_linear"), ("byol_knn", "given_knn")]
        );
        assert_eq!(ResultName::SUPERVISED.under(Control::Given), Control::Given.baseline());
        assert_eq!(ResultName::PRETRAINED_KNN.under(Control::Given), ResultName::PRETRAINED_KNN);
    }
}
