//! Which classifier of a run is meant: the one that is named, or the best by what is known inside the label budget. Test
//! labels choose nothing here.

use std::path::Path;

use tch::{Device, Tensor};

use super::digest::digest;
use super::found::{Found, Run};
use super::heads::{self, Head, KeptHead};
use super::model::{Choice, NetworkError, Origin, TestResult, TrainedClassifier, class_names, experiment_of};
use crate::augment::Normalization;
use crate::config::Experiment;
use crate::eval::knn::Bank;
use crate::model::byol::encoder_part;
use crate::model::classifier::ClassifierHead;
use crate::model::{Classifier, Encoder, EncoderConfig, Weights};
use crate::report::choice::{self, Candidate};
pub use crate::report::choice::{ClassifierKind, Reason};
use crate::run::record::HeadKind;
use crate::run::record::{Control, LabelBudget, ResultName, Stage, SupervisedStage};

/// The kind of a classifier that lies in a checkpoint.
fn kind_of(origin: &Origin) -> ClassifierKind {
    match (origin.head, origin.stage) {
        (Some(head), _) => ClassifierKind::Frozen(head),
        (None, Stage::Finetune) => ClassifierKind::Finetuned,
        (None, Stage::Selftrain) => ClassifierKind::Selftrained,
        (None, _) => ClassifierKind::Baseline,
    }
}

fn kind_of_stage(stage: SupervisedStage) -> ClassifierKind {
    match stage {
        SupervisedStage::Finetune => ClassifierKind::Finetuned,
        SupervisedStage::Selftrain => ClassifierKind::Selftrained,
        SupervisedStage::Baseline => ClassifierKind::Baseline,
    }
}

fn is_recorded_as(kind: ClassifierKind, name: ResultName) -> bool {
    [Control::Random, Control::Given].into_iter().any(|control| kind.recorded_as(control) == name)
}

/// k-NN on an encoder, as a run left it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainedKnn {
    /// The resolved configuration that the encoder was trained with.
    pub experiment: Experiment,
    /// One name for each class.
    pub class_names: Vec<String>,
    /// The encoder's structure.
    pub encoder: Encoder,
    /// The encoder's numbers.
    pub weights: Weights,
    /// The labelled representations that vote.
    pub bank: Bank,
    /// Where the encoder and the labels come from.
    pub origin: Origin,
}

impl TrainedKnn {
    /// How images are normalised for it.
    pub fn normalization(&self) -> Normalization {
        self.experiment.normalization()
    }
}

/// A classifier of any kind.
#[derive(Debug)]
pub enum AnyClassifier {
    /// Layers: the baseline, the fine-tuned one, and the linear one on the frozen encoder.
    Layers(TrainedClassifier),
    /// k-NN on the frozen encoder.
    Knn(TrainedKnn),
}

impl AnyClassifier {
    /// One name for each class, in the order of the outputs.
    pub fn class_names(&self) -> &[String] {
        match self {
            AnyClassifier::Layers(trained) => &trained.class_names,
            AnyClassifier::Knn(trained) => &trained.class_names,
        }
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        match self {
            AnyClassifier::Layers(trained) => &trained.origin,
            AnyClassifier::Knn(trained) => &trained.origin,
        }
    }
}

/// A classifier with what there is to say about it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Chosen {
    /// The classifier.
    pub classifier: AnyClassifier,
    /// How it was trained.
    pub kind: ClassifierKind,
    /// Why it was taken and not another.
    pub reason: Reason,
    /// The others of the same label budget whose answers for the test images are recorded.
    pub others: Vec<(ClassifierKind, TestResult)>,
}

impl Chosen {
    /// The classifier that `choice` means: without a kind and a stage, the best by validation inside the label budget, and
    /// where that cannot be told the fine-tuned one.
    ///
    /// # Errors
    /// As [`TrainedClassifier::open`]; or the run does not keep the wanted classifier.
    pub fn open(
        from: &Path,
        choice: Choice,
        kind: Option<ClassifierKind>,
        device: Device,
    ) -> Result<Chosen, NetworkError> {
        if from.is_file() {
            if let Some(ClassifierKind::Frozen(kind)) = kind {
                return Err(NetworkError::HeadOfCheckpoint { path: from.to_owned(), kind });
            }
            let classifier = TrainedClassifier::open(from, choice, device)?;
            let kind = kind_of(&classifier.origin);
            return Ok(Chosen {
                classifier: AnyClassifier::Layers(classifier),
                kind,
                reason: Reason::Asked,
                others: Vec::new(),
            });
        }
        let run = Run::open(from)?;
        let (kind, reason) = match (kind, choice.stage) {
            (Some(kind), _) => (kind, Reason::Asked),
            (None, Some(stage)) => {
                let stage = stage.supervised().ok_or_else(|| run.no_classifier())?;
                (kind_of_stage(stage), Reason::Asked)
            }
            (None, None) => {
                run.require_finished(Run::ready_classifiers)?;
                run.best(choice.labels_per_class)?
            }
        };
        let classifier = match kind {
            ClassifierKind::Selftrained | ClassifierKind::Finetuned | ClassifierKind::Baseline => {
                let stage = kind.stage().ok_or_else(|| run.no_classifier())?;
                let found = run.supervised(stage, choice.labels_per_class)?;
                AnyClassifier::Layers(TrainedClassifier::of(found, device)?)
            }
            ClassifierKind::Frozen(head) => run.frozen(head, choice.labels_per_class, device)?,
        };
        let others = run.others(classifier.origin(), kind)?;
        Ok(Chosen { classifier, kind, reason, others })
    }
}

/// How k-NN on the frozen pre-trained encoder of a run answered for the test images, with the most labels that it was judged
/// with: what the encoder is worth for searching.
///
/// # Errors
/// There is no run, or its records cannot be read.
pub fn knn_of_encoder(run: &Path) -> Result<Option<(LabelBudget, TestResult)>, NetworkError> {
    let run = Run::open(run)?;
    let records = run.directory.predictions()?;
    let own = records.iter().filter(|record| record.name == ResultName::PRETRAINED_KNN && record.draw == 0);
    let largest = own.max_by_key(|record| record.labels_per_class.size());
    Ok(largest.map(|record| (record.labels_per_class, TestResult::of(record))))
}

impl Run {
    /// The kind to take where none was asked for, and why.
    fn best(&self, budget: Option<LabelBudget>) -> Result<(ClassifierKind, Reason), NetworkError> {
        let metrics = self.directory.metrics()?;
        let stages = self.places.iter().map(|place| (kind_of_stage(place.stage), place.budget));
        let heads = heads::list(&self.path).into_iter().map(|(head, budget)| (ClassifierKind::Frozen(head), budget));
        let candidates: Vec<Candidate> = stages
            .chain(heads)
            .map(|(kind, budget)| {
                let validation = choice::validation(&self.path, kind, budget, &metrics);
                Candidate { kind, budget, validation }
            })
            .collect();
        let taken = choice::choose(&candidates, budget).ok_or_else(|| self.no_classifier())?;
        Ok((taken.kind, taken.reason))
    }

    /// A classifier on the frozen encoder.
    fn frozen(
        &self,
        kind: HeadKind,
        budget: Option<LabelBudget>,
        device: Device,
    ) -> Result<AnyClassifier, NetworkError> {
        let mut there: Vec<LabelBudget> =
            heads::list(&self.path).into_iter().filter(|(own, _)| *own == kind).map(|(_, budget)| budget).collect();
        there.sort_by_key(|budget| budget.size());
        let wanted = budget.or(there.last().copied()).unwrap_or(LabelBudget::All);
        let none = || NetworkError::NoHead { path: self.path.clone(), kind, budget: wanted, there: there.clone() };
        let Found { path, checkpoint, mut origin } = match self.has(Stage::Pretrain) {
            true => self.pretrained()?,
            // What was fine-tuned from another run's encoder has none of its own.
            false => return Err(none()),
        };
        let KeptHead { about, head } = KeptHead::read(&self.path, kind, wanted)?.ok_or_else(none)?;
        let experiment = experiment_of(&path, &checkpoint)?;
        let mut named = encoder_part(&checkpoint.part("online"));
        if digest(&named) != about.encoder {
            return Err(NetworkError::OtherEncoder { path, kind });
        }
        (origin.head, origin.labels_per_class) = (Some(kind), Some(wanted));
        let own = ClassifierKind::Frozen(kind);
        origin.test = self.tested(wanted)?.into_iter().find(|(kind, _)| *kind == own).map(|(_, test)| test);
        let class_names = class_names(&origin, about.classes);
        let misfit = |source| NetworkError::Model { path: self.path.clone(), source };
        match head {
            Head::Linear { weight, bias } => {
                named.extend([("fc.weight".to_owned(), weight), ("fc.bias".to_owned(), bias)]);
                let classifier =
                    Classifier::new(EncoderConfig::of(&experiment), ClassifierHead::Representation, about.classes);
                let weights = Weights::of(classifier.layout(), &named, device).map_err(misfit)?;
                Ok(AnyClassifier::Layers(TrainedClassifier { experiment, class_names, classifier, weights, origin }))
            }
            Head::Knn(bank) => {
                let (encoder, layout) = Encoder::alone(EncoderConfig::of(&experiment));
                let weights = Weights::of(&layout, &named, device).map_err(misfit)?;
                let on_device = |tensor: Tensor| tensor.to_device(device);
                let bank = Bank { vectors: on_device(bank.vectors), labels: on_device(bank.labels), ..bank };
                Ok(AnyClassifier::Knn(TrainedKnn { experiment, class_names, encoder, weights, bank, origin }))
            }
        }
    }

    /// The classifiers of a budget whose answers of the first draw are recorded.
    fn tested(&self, budget: LabelBudget) -> Result<Vec<(ClassifierKind, TestResult)>, NetworkError> {
        let records = self.directory.predictions()?;
        let of_kind = |kind: ClassifierKind| {
            let own = records.iter().find(|record| {
                is_recorded_as(kind, record.name) && record.labels_per_class == budget && record.draw == 0
            });
            own.map(|record| (kind, TestResult::of(record)))
        };
        Ok(ClassifierKind::ALL.into_iter().filter_map(of_kind).collect())
    }

    fn others(&self, origin: &Origin, own: ClassifierKind) -> Result<Vec<(ClassifierKind, TestResult)>, NetworkError> {
        let Some(budget) = origin.labels_per_class else { return Ok(Vec::new()) };
        let mut tested = self.tested(budget)?;
        tested.retain(|(kind, _)| *kind != own);
        Ok(tested)
    }
}
