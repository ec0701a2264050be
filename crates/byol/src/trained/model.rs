//! The trained networks of a run, to be used or taken elsewhere: structure, weights, configuration, class names, and
//! where they come from. What is done with them is not here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::checkpoint::{Checkpoint, CheckpointError, CheckpointFolder};
use super::heads;
pub use super::network_error::{NetworkError, Ready};
use crate::augment::Normalization;
use crate::config::Experiment;
use crate::device::Precision;
use crate::eval::temperature::Temperature;
use crate::model::byol::encoder_part;
use crate::model::classifier::ClassifierHead;
use crate::model::layers::Pass;
use crate::model::{Classifier, Encoder, EncoderConfig, Leaves, Mode, Weights};
use crate::report::language::english::names::training;
use crate::run::directory::RunDirectory;
use crate::run::record::{
    DataRecord, Ended, HeadKind, LabelBudget, PredictionRecord, PretrainRecord, ResultName, Stage, Summary,
    SupervisedStage,
};
use crate::statistics::guess::Guess;

/// Which of a run's networks is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// The stage that trained it. Without one, the run must be finished, and a classifier is the self-trained one, else
    /// the fine-tuned one, else the supervised one; an encoder the pre-trained one, else that of the classifier.
    pub stage: Option<Stage>,
    /// The label budget that it was trained with; without one, the largest that there is.
    pub labels_per_class: Option<LabelBudget>,
}

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Origin {
    /// The stage that trained it.
    pub stage: Stage,
    /// Absent for pre-training, and where a lone checkpoint does not tell.
    pub labels_per_class: Option<LabelBudget>,
    /// Which label draw, from 0; 0 for pre-training.
    pub draw: usize,
    /// Optimiser steps that the stage has done.
    pub step: usize,
    /// Whether the stage was done to its end.
    pub finished: bool,
    /// What the run's summary says of its data; absent for a lone checkpoint.
    pub data: Option<DataRecord>,
    /// How pre-training went; absent where the run has none, or for a lone checkpoint.
    pub pretrain: Option<PretrainRecord>,
    /// Of a classifier whose answers for the test images the run has recorded.
    pub test: Option<TestResult>,
    /// Whether the run's settings were chosen for the time, not taken from a preset.
    pub planned: bool,
    /// Of a classifier on the frozen encoder.
    pub head: Option<HeadKind>,
}

impl Origin {
    /// The best answer without looking at a test image, of so many classes.
    pub fn guess(&self, classes: usize) -> Guess {
        Guess::best(self.data.as_ref().map(|data| data.test_labels.as_slice()).unwrap_or_default(), classes)
    }
}

/// How a classifier answered for the test images.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TestResult {
    /// Test images that it classifies rightly.
    pub right: u64,
    /// All test images.
    pub total: u64,
    /// Labelled images that the classifier was trained with, over all classes.
    pub labels_used: usize,
    /// What calibrates its probabilities on the test images.
    pub temperature: Option<Temperature>,
}

impl TestResult {
    pub(super) fn of(record: &PredictionRecord) -> TestResult {
        let total = record.predicted.len() as u64;
        let right = (record.test_accuracy * total as f64).round() as u64;
        TestResult { right, total, labels_used: record.labels_used, temperature: record.temperature.map(Temperature) }
    }
}

/// A classifier as a run left it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainedClassifier {
    /// The resolved configuration that it was trained with.
    pub experiment: Experiment,
    /// One name for each output.
    pub class_names: Vec<String>,
    /// Its structure.
    pub classifier: Classifier,
    /// Its numbers.
    pub weights: Weights,
    /// Where it comes from.
    pub origin: Origin,
}

/// An encoder as a run left it.
#[derive(Debug)]
#[non_exhaustive]
pub struct TrainedEncoder {
    /// The resolved configuration that it was trained with.
    pub experiment: Experiment,
    /// Its structure.
    pub encoder: Encoder,
    /// Its numbers.
    pub weights: Weights,
    /// Where it comes from.
    pub origin: Origin,
}

impl TrainedClassifier {
    /// The classifier of a run directory, or of one of its checkpoints.
    ///
    /// # Errors
    /// `from` holds none, the wanted one is not there or not finished, or its checkpoint is damaged.
    pub fn open(from: &Path, choice: Choice, device: Device) -> Result<TrainedClassifier, NetworkError> {
        TrainedClassifier::of(Found::classifier(from, choice)?, device)
    }

    pub(super) fn of(found: Found, device: Device) -> Result<TrainedClassifier, NetworkError> {
        let Found { path, checkpoint, origin } = found;
        let experiment = experiment_of(&path, &checkpoint)?;
        let classes = checkpoint.header.classes;
        let head = ClassifierHead::of(&experiment, origin.stage);
        let classifier = Classifier::new(EncoderConfig::of(&experiment), head, classes);
        let weights = Weights::of(classifier.layout(), &checkpoint.part("classifier"), device)
            .map_err(|source| NetworkError::Model { path, source })?;
        let class_names = class_names(&origin, classes);
        Ok(TrainedClassifier { experiment, class_names, classifier, weights, origin })
    }

    /// The parameters as [`TrainedClassifier::pass`] reads them.
    pub fn leaves(&self, precision: Precision) -> Leaves {
        self.weights.leaves(precision)
    }

    /// A pass for evaluation, for [`Classifier::forward`] and [`Classifier::represent`].
    pub fn pass<'a>(&'a self, leaves: &'a Leaves, precision: Precision) -> Pass<'a> {
        Pass { weights: &self.weights, leaves, mode: Mode::Evaluate, precision, views: 1 }
    }

    /// How images are normalised for it.
    pub fn normalization(&self) -> Normalization {
        self.experiment.normalization()
    }
}

impl TrainedEncoder {
    /// The encoder of a run directory, or of one of its checkpoints.
    ///
    /// # Errors
    /// As [`TrainedClassifier::open`].
    pub fn open(from: &Path, choice: Choice, device: Device) -> Result<TrainedEncoder, NetworkError> {
        let Found { path, checkpoint, origin } = Found::encoder(from, choice)?;
        let experiment = experiment_of(&path, &checkpoint)?;
        let named = match origin.stage {
            Stage::Pretrain => encoder_part(&checkpoint.part("online")),
            Stage::Supervised | Stage::Finetune | Stage::Selftrain => without_head(checkpoint.part("classifier")),
        };
        let (encoder, layout) = Encoder::alone(EncoderConfig::of(&experiment));
        let weights = Weights::of(&layout, &named, device).map_err(|source| NetworkError::Model { path, source })?;
        Ok(TrainedEncoder { experiment, encoder, weights, origin })
    }

    /// A digest of everything that a representation depends on: the weights, the network's form, and how images are
    /// prepared for it.
    pub fn digest(&self) -> String {
        let Experiment { image_size, evaluation_crop, mean, deviation, .. } = &self.experiment;
        let mut form: Vec<Value> = self.encoder.config().keys().into_iter().map(|(_, value)| value).collect();
        form.extend([json!(image_size), json!(mean), json!(deviation)]);
        // The digest of networks from before there was the key stays.
        form.extend((*evaluation_crop != 1.0).then(|| json!(evaluation_crop)));
        let text = format!("{} {}", Value::from(form), super::digest::digest(&self.weights.named()));
        format!("sha256:{:x}", Sha256::digest(text))
    }

    /// The parameters as [`TrainedEncoder::pass`] reads them.
    pub fn leaves(&self, precision: Precision) -> Leaves {
        self.weights.leaves(precision)
    }

    /// A pass for evaluation, for [`Encoder::represent`].
    pub fn pass<'a>(&'a self, leaves: &'a Leaves, precision: Precision) -> Pass<'a> {
        Pass { weights: &self.weights, leaves, mode: Mode::Evaluate, precision, views: 1 }
    }

    /// How images are normalised for it.
    pub fn normalization(&self) -> Normalization {
        self.experiment.normalization()
    }
}

/// The names of the classes, as far as they are known.
pub(super) fn class_names(origin: &Origin, classes: usize) -> Vec<String> {
    match &origin.data {
        Some(data) if data.class_names.len() == classes => data.class_names.clone(),
        _ => (0..classes).map(|class| format!("class {class}")).collect(),
    }
}

/// A classifier's tensors without its linear layers: those of its encoder.
fn without_head(mut named: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    named.retain(|name, _| !name.starts_with("fc.") && !name.starts_with("logits."));
    named
}

pub(super) fn experiment_of(path: &Path, checkpoint: &Checkpoint) -> Result<Experiment, NetworkError> {
    Experiment::from_toml(&checkpoint.header.config)
        .map_err(|source| NetworkError::Config { path: path.to_owned(), source: Box::new(source) })
}

/// A checkpoint with what its run says of it.
pub(super) struct Found {
    /// The run directory or checkpoint that was named.
    pub(super) path: PathBuf,
    pub(super) checkpoint: Checkpoint,
    pub(super) origin: Origin,
}

impl Found {
    fn classifier(from: &Path, choice: Choice) -> Result<Found, NetworkError> {
        if from.is_file() {
            let found = Found::file(from)?;
            return match found.origin.stage.supervised() {
                None => Err(NetworkError::NoClassifier { path: from.to_owned() }),
                Some(_) => Ok(found),
            };
        }
        let run = Run::open(from)?;
        let stage = match choice.stage {
            Some(stage) => stage.supervised().ok_or_else(|| run.no_classifier())?,
            None => {
                run.require_finished(Run::ready_classifiers)?;
                run.preferred(choice.labels_per_class).ok_or_else(|| run.no_classifier())?
            }
        };
        run.supervised(stage, choice.labels_per_class)
    }

    fn encoder(from: &Path, choice: Choice) -> Result<Found, NetworkError> {
        if from.is_file() {
            return Found::file(from);
        }
        let run = Run::open(from)?;
        let stage = match choice.stage {
            Some(stage) => stage,
            None => {
                run.require_finished(Run::ready_encoders)?;
                [Stage::Pretrain, Stage::Selftrain, Stage::Finetune, Stage::Supervised]
                    .into_iter()
                    .find(|&stage| run.has(stage))
                    .ok_or_else(|| CheckpointError::None { path: from.to_owned() })?
            }
        };
        match stage.supervised() {
            None => run.pretrained(),
            Some(stage) => run.supervised(stage, choice.labels_per_class),
        }
    }

    /// A checkpoint that was named by itself, finished or not, with what its run says of it if it still lies in one.
    fn file(path: &Path) -> Result<Found, NetworkError> {
        let checkpoint = Checkpoint::named(path)?;
        let stage = checkpoint.header.stage;
        let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let place = folder.and_then(place_of).filter(|place| Stage::from(place.stage) == stage);
        match RunDirectory::of_checkpoint(path) {
            Some(run) => Run::open(run.path())?.describe(path, checkpoint, place),
            None => Ok(Found { path: path.to_owned(), origin: origin(&checkpoint, place), checkpoint }),
        }
    }
}

/// A folder of `checkpoints/` that belongs to a supervised stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) stage: SupervisedStage,
    pub(super) budget: LabelBudget,
    draw: usize,
}

/// What a folder's name stands for: `finetune-25-draw0`.
fn place_of(name: &str) -> Option<Place> {
    SupervisedStage::ALL.into_iter().find_map(|stage| {
        let rest = name.strip_prefix(stage.name())?.strip_prefix('-')?;
        let (budget, draw) = rest.rsplit_once("-draw")?;
        Some(Place { stage, budget: budget.parse().ok()?, draw: draw.parse().ok()? })
    })
}

/// What a checkpoint says of itself. A stage that is done leaves its checkpoint without the optimiser's state, except
/// for pre-training.
fn origin(checkpoint: &Checkpoint, place: Option<Place>) -> Origin {
    let header = &checkpoint.header;
    let finished = match header.stage {
        Stage::Pretrain => header.progress.stopped,
        Stage::Supervised | Stage::Finetune | Stage::Selftrain => checkpoint.part("optimizer").is_empty(),
    };
    Origin {
        stage: header.stage,
        labels_per_class: place.map(|place| place.budget),
        draw: place.map_or(0, |place| place.draw),
        step: header.progress.step,
        finished,
        data: None,
        pretrain: None,
        test: None,
        planned: false,
        head: None,
    }
}

/// A run directory that is read.
pub(super) struct Run {
    pub(super) path: PathBuf,
    pub(super) directory: RunDirectory,
    pub(super) summary: Option<Summary>,
    pub(super) places: Vec<Place>,
}

impl Run {
    pub(super) fn open(path: &Path) -> Result<Run, NetworkError> {
        if !path.exists() {
            return Err(NetworkError::NotFound { path: path.to_owned() });
        }
        let directory = RunDirectory::existing(path)?;
        let summary = directory.summary()?;
        let entries = std::fs::read_dir(path.join("checkpoints")).into_iter().flatten().flatten();
        let mut places: Vec<Place> =
            entries.filter_map(|entry| place_of(entry.file_name().to_str()?)).filter(|place| place.draw == 0).collect();
        // The largest budget last.
        places.sort_by_key(|place| place.budget.size());
        Ok(Run { path: path.to_owned(), directory, summary, places })
    }

    /// `ready` lists what of an unfinished run can be used already.
    pub(super) fn require_finished(&self, ready: impl Fn(&Run) -> Vec<Ready>) -> Result<(), NetworkError> {
        match self.summary.as_ref().is_some_and(|summary| summary.finished) {
            true => Ok(()),
            false => {
                // A run of an earlier version does not say which command made it.
                let command = self.directory.command().ok().flatten().unwrap_or_default().command.name();
                Err(NetworkError::UnfinishedRun { path: self.path.clone(), ready: ready(self), command })
            }
        }
    }

    pub(super) fn has(&self, stage: Stage) -> bool {
        match stage {
            Stage::Pretrain => CheckpointFolder::new(self.directory.pretrain_checkpoints(), 1).is_there(),
            Stage::Supervised | Stage::Finetune | Stage::Selftrain => {
                self.places.iter().any(|place| Stage::from(place.stage) == stage)
            }
        }
    }

    /// The stage whose classifier is taken where none is named: of the budget, or of the largest that there is of a stage, the
    /// self-trained one before the fine-tuned one; else the baseline.
    fn preferred(&self, budget: Option<LabelBudget>) -> Option<SupervisedStage> {
        let trained = [SupervisedStage::Selftrain, SupervisedStage::Finetune];
        let there = self.places.iter().filter(|place| trained.contains(&place.stage)).map(|place| place.budget);
        let wanted = budget.or(there.max_by_key(|budget| budget.size()));
        let has = |stage| self.places.iter().any(|place| place.stage == stage && Some(place.budget) == wanted);
        let own = trained.into_iter().find(|&stage| has(stage));
        own.or_else(|| SupervisedStage::ALL.into_iter().rev().skip(1).find(|&stage| self.has(stage.into())))
    }

    pub(super) fn pretrained(&self) -> Result<Found, NetworkError> {
        if !self.has(Stage::Pretrain) {
            return Err(self.no_such(Stage::Pretrain));
        }
        self.done(CheckpointFolder::new(self.directory.pretrain_checkpoints(), 1).require()?, None)
    }

    pub(super) fn supervised(
        &self,
        stage: SupervisedStage,
        budget: Option<LabelBudget>,
    ) -> Result<Found, NetworkError> {
        let mut of_stage = self.places.iter().filter(|place| place.stage == stage);
        let place = match budget {
            None => of_stage.next_back().ok_or_else(|| self.no_such(stage.into()))?,
            Some(budget) => {
                let there: Vec<String> = of_stage.clone().map(|place| place.budget.to_string()).collect();
                if there.is_empty() {
                    return Err(self.no_such(stage.into()));
                }
                of_stage.find(|place| place.budget == budget).ok_or_else(|| NetworkError::NoSuchBudget {
                    path: self.path.clone(),
                    budget,
                    there,
                })?
            }
        };
        let folder = CheckpointFolder::new(self.directory.supervised_checkpoints(stage, place.budget, place.draw), 1);
        self.done(folder.require()?, Some(*place))
    }

    /// Why pre-training gives no classifier, and which there are.
    pub(super) fn no_classifier(&self) -> NetworkError {
        let path = self.path.clone();
        let of_stages =
            [(Stage::Selftrain, "selftrained"), (Stage::Finetune, "finetuned"), (Stage::Supervised, "baseline")];
        let trained = of_stages.into_iter().filter(|(stage, _)| self.has(*stage)).map(|(_, name)| name.to_owned());
        let mut there: Vec<String> = trained.collect();
        let kept = heads::list(&self.path);
        let heads = HeadKind::ALL.into_iter().filter(|kind| kept.iter().any(|(own, _)| own == kind));
        there.extend(heads.map(|kind| kind.name().to_owned()));
        match there.is_empty() {
            true => NetworkError::NoClassifier { path },
            false => NetworkError::StageWithoutClassifier { path, there },
        }
    }

    fn no_such(&self, stage: Stage) -> NetworkError {
        let stages = [Stage::Pretrain, Stage::Supervised, Stage::Finetune, Stage::Selftrain];
        let there = stages.into_iter().filter(|&stage| self.has(stage)).map(|stage| training(stage).to_owned());
        NetworkError::NoSuchStage { path: self.path.clone(), stage, there: there.collect() }
    }

    fn done(&self, checkpoint: Checkpoint, place: Option<Place>) -> Result<Found, NetworkError> {
        let found = self.describe(&self.path, checkpoint, place)?;
        match found.origin.finished {
            true => Ok(found),
            false => Err(NetworkError::UnfinishedStage { path: self.path.clone(), stage: found.origin.stage }),
        }
    }

    /// Adds what the run's summary and predictions say of a checkpoint.
    fn describe(&self, path: &Path, checkpoint: Checkpoint, place: Option<Place>) -> Result<Found, NetworkError> {
        let mut origin = origin(&checkpoint, place);
        if let Some(summary) = &self.summary {
            let mut data = summary.data.clone();
            // A table is named after its file; people gave the folder that it lies in.
            let given =
                self.directory.command().ok().flatten().and_then(|record| Some(record.data.file_name()?.to_owned()));
            if let (Some(given), true) = (given, Path::new(&data.name).extension().is_some()) {
                data.name = given.to_string_lossy().into_owned();
            }
            origin.data = Some(data);
            origin.pretrain = summary.pretrain.clone().filter(|_| origin.stage != Stage::Supervised);
            if origin.stage == Stage::Pretrain {
                // The newest checkpoint of a pre-training that ended; an older one was named by itself.
                let newest =
                    self.directory.metrics()?.iter().rev().find(|r| r.stage == Stage::Pretrain).map(|r| r.step);
                let ended = summary.pretrain.as_ref().is_some_and(|pretrain| pretrain.ended_by != Ended::Interrupted);
                origin.finished |= ended && newest == Some(origin.step);
            }
        }
        origin.planned = self.directory.plan().ok().flatten().is_some_and(|plan| !plan.chosen.is_empty());
        let name = match origin.stage {
            Stage::Pretrain => None,
            Stage::Supervised => Some(experiment_of(path, &checkpoint)?.control().baseline()),
            Stage::Finetune => Some(ResultName::PRETRAINED_FINETUNED),
            Stage::Selftrain => Some(ResultName::PRETRAINED_SELFTRAINED),
        };
        if let (Some(name), Some(place)) = (name, place) {
            let records = self.directory.predictions()?;
            let own = records
                .iter()
                .find(|record| (record.name, record.labels_per_class, record.draw) == (name, place.budget, place.draw));
            origin.test = own.map(TestResult::of);
        }
        Ok(Found { path: path.to_owned(), checkpoint, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stand_for_stage_budget_and_draw() {
        let place = |stage, budget, draw| Some(Place { stage, budget, draw });
        assert_eq!(place_of("finetune-25-draw0"), place(SupervisedStage::Finetune, LabelBudget::PerClass(25), 0));
        assert_eq!(place_of("supervised-all-draw2"), place(SupervisedStage::Baseline, LabelBudget::All, 2));
        assert_eq!(
            place_of("finetune-drawn-folds-draw9"),
            place(SupervisedStage::Finetune, LabelBudget::DrawnFolds, 9)
        );
        for name in ["", "finetune", "finetune-25", "finetune-25-draw", "pretrain-25-draw0", "finetune--draw0"] {
            assert_eq!(place_of(name), None, "{name}");
        }
    }
}
