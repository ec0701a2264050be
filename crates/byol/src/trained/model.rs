//! The trained networks of a run, to be used or taken elsewhere: structure, weights, configuration, class names, and
//! where they come from. Which checkpoint of a run it is, `found` knows; what is done with them is not here.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use super::checkpoint::Checkpoint;
use super::found::Found;
pub use super::network_error::{NetworkError, Ready};
use crate::augment::Normalization;
use crate::config::Experiment;
use crate::device::Precision;
use crate::eval::temperature::Temperature;
use crate::model::byol::encoder_part;
use crate::model::classifier::ClassifierHead;
use crate::model::layers::Pass;
use crate::model::{Classifier, Encoder, EncoderConfig, Leaves, Mode, Weights};
use crate::ranks::Ranks;
use crate::run::record::{DataRecord, HeadKind, LabelBudget, PredictionRecord, PretrainRecord, Stage};
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
        Pass { weights: &self.weights, leaves, mode: Mode::Evaluate, precision, views: 1, ranks: Ranks::alone() }
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
        Pass { weights: &self.weights, leaves, mode: Mode::Evaluate, precision, views: 1, ranks: Ranks::alone() }
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
