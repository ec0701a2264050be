//! What a run directory records, line by line and at the end: the types behind `metrics.jsonl`, `predictions.jsonl`,
//! the JSON files of `gallery/` and `summary.json`. The report reads these and nothing else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use super::health::{Health, Spread};
pub use super::result_name::{Protocol, ResultName};
pub use super::self_training::{Judgement, SelfTraining, Verdict};
pub use crate::data::DataSplit;
use crate::data::{Decoding, Findings, Fingerprints};
pub use crate::stage::{Control, LabelBudget, Method, Stage, SupervisedStage};

/// One line of `metrics.jsonl`: the end of an epoch of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Which training it is.
    pub stage: Stage,
    /// Absent for pre-training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_per_class: Option<LabelBudget>,
    /// Which label draw, from 0. Zero for pre-training.
    pub draw: usize,
    /// Epochs finished, from 1.
    pub epoch: usize,
    /// Epochs of the whole stage.
    pub epochs: usize,
    /// Optimiser steps finished.
    pub step: usize,
    /// Images seen since the stage began (an image of pre-training is two views).
    pub images: u64,
    /// Mean training loss of the epoch.
    pub loss: f64,
    /// Share of the epoch's training images that were classified rightly as they passed, 0-1; absent for pre-training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_accuracy: Option<f64>,
    /// Mean loss over the validation images; absent where none are held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_loss: Option<f64>,
    /// Share of the validation images that are classified rightly, 0-1; absent where none are held out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_accuracy: Option<f64>,
    /// k-NN accuracy over held-out training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knn_accuracy: Option<f64>,
    /// Accuracy of a linear probe over held-out training images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_accuracy: Option<f64>,
    /// How the vectors of held-out training images lie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Mean over dimensions of the standard deviation of l2-normalised projections over a batch, times the square root
    /// of their size: 1 for evenly spread ones, 0 for collapsed ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection_deviation: Option<f64>,
    /// At the end of the epoch.
    pub learning_rate: f64,
    /// Decay rate of the target network's moving average at the end of the epoch, 0-1; absent in training with labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tau: Option<f64>,
    /// Images per second of the steps of the sitting until then, from its third step on, without monitoring and validation; an
    /// image of pre-training is two views.
    pub images_per_second: f64,
    /// Wall-clock seconds since the stage began (over all its sittings).
    pub seconds: f64,
    /// Processes that trained together; absent where there was but one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<usize>,
}

impl EpochRecord {
    /// Images per second of the whole stage so far, with everything that it did besides: how long further epochs take is told
    /// from this. That of the steps where no time was recorded.
    #[must_use]
    pub fn overall_rate(&self) -> f64 {
        if self.seconds > 0.0 { self.images as f64 / self.seconds } else { self.images_per_second }
    }
}

/// How a classifier did on labels inside its budget that it was not trained with: what classifiers are chosen by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validation {
    /// Validated images that were classified rightly.
    pub right: u64,
    /// Images that were validated.
    pub images: u64,
    /// Where the validated images come from.
    pub by: ValidatedBy,
}

impl Validation {
    /// 0-1.
    pub fn accuracy(self) -> f64 {
        self.right as f64 / self.images.max(1) as f64
    }
}

/// Where the validated images come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidatedBy {
    /// Every label once, by a classifier that was fitted to the other folds.
    CrossValidation,
    /// Every label once, by all the others.
    LeaveOneOut,
    /// A share that was kept out of training.
    HeldOut,
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// It ran all its epochs.
    Epochs,
    /// Nothing improved for as long as `patience` allows.
    Patience,
    /// It was asked to stop, and has left a checkpoint.
    Interrupted,
}

/// What stands on the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// A linear classifier, fitted with labels.
    Linear,
    /// The vote of the nearest labelled images.
    Knn,
}

impl HeadKind {
    /// Both, in the order of tables.
    pub const ALL: [HeadKind; 2] = [HeadKind::Linear, HeadKind::Knn];

    /// In names of files and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            HeadKind::Linear => "linear",
            HeadKind::Knn => "knn",
        }
    }
}

/// Where an encoder's weights began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Init {
    /// Random weights, as they are drawn before training.
    Random,
    /// Pre-training, by whatever method.
    #[serde(rename = "byol")]
    Pretrained,
    /// Weights that were given, instead of random ones.
    Given,
}

/// One line of `predictions.jsonl`: one classifier's answers for every test image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictionRecord {
    /// Which classifier.
    pub name: ResultName,
    /// The labels that it had.
    pub labels_per_class: LabelBudget,
    /// Which label draw, from 0.
    pub draw: usize,
    /// Labelled images used, over all classes.
    pub labels_used: usize,
    /// Share of the test images that it classifies rightly, 0-1.
    pub test_accuracy: f64,
    /// Share of test images whose class is among the five likeliest; absent with five classes or fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5_accuracy: Option<f64>,
    /// Expected calibration error in 15 bins, 0-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_error: Option<f64>,
    /// What the logits are divided by for probabilities that are as likely as can be on the test images
    /// (`byol::eval::temperature`). It changes no answer. Absent for frozen encoders, and
    /// where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Predicted class index of each test image, in the test split's order.
    pub predicted: Vec<u16>,
    /// The probability that the classifier gives each of these answers, 0-1 with four decimals: at `temperature` where there
    /// is one. Empty in runs of earlier versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probabilities: Vec<f64>,
    /// Seconds that training (or fitting) and predicting took.
    pub seconds: f64,
    /// What was chosen on the way inside the label budget, for people: `l2=0.01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<String>,
    /// Of a self-trained classifier: what it learned from, and whether these answers are its own or its teacher's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_training: Option<SelfTraining>,
}

/// `summary.json`: what a finished run found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The data that the run used.
    pub data: DataRecord,
    /// The seed of the configuration.
    pub seed: u64,
    /// Every classifier's accuracy at every label budget.
    pub results: Vec<ResultRecord>,
    /// How pre-training went; absent where there was none, or it has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrain: Option<PretrainRecord>,
    /// The program that made the run: its version, and the commit where one was known.
    pub version: String,
    /// CPU or GPU, threads and precision, for people.
    pub hardware: String,
    /// Processes that the last sitting was computed by; absent for one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<usize>,
    /// Wall-clock seconds over all sittings.
    pub seconds: f64,
    /// Whether everything that the run was to do is done.
    pub finished: bool,
    /// Whether the last sitting ended because it was asked to; absent where not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// What data a run used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// The name that the data set has, or its folder.
    pub name: String,
    /// Digest of names, sizes, labels and splits of all images, in hexadecimal digits.
    pub fingerprint: String,
    /// Of training, test and unlabelled images apart; absent in runs of before there were such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprints: Option<Fingerprints>,
    /// Names of the classes; their places are the class indices.
    pub class_names: Vec<String>,
    /// Labelled training images.
    pub train_images: usize,
    /// Labelled test images; 0 where there is no test.
    pub test_images: usize,
    /// Every pool that pre-training drew from, with its number of images.
    pub unlabeled: Vec<PoolRecord>,
    /// Files left out because they could not be read.
    pub skipped: usize,
    /// Class index of each test image; what the predictions are held against.
    pub test_labels: Vec<u16>,
    /// What was found in the data: copies, contradicting labels, unreadable files.
    #[serde(default, skip_serializing_if = "Findings::is_empty")]
    pub findings: Findings,
    /// Where the division into training and test images comes from; absent in runs of before it was recorded, and without a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<DataSplit>,
}

impl DataRecord {
    /// Whether two runs were judged on the same test images. Without fingerprints of the parts, all data must be the same.
    #[must_use]
    pub fn shares_test_with(&self, other: &DataRecord) -> bool {
        match (&self.fingerprints, &other.fingerprints) {
            (Some(own), Some(other)) => own.test == other.test,
            _ => self.fingerprint == other.fingerprint,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One pool of images that pre-training drew from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// The name of the split, or the folder.
    pub name: String,
    /// Images in it that can be used, as far as that was known when it was opened.
    pub images: usize,
    /// When they were decoded; `at_once` in runs of before there was a choice.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decoding: Decoding,
}

/// The accuracy of one classifier at one label budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResultRecord {
    /// Which classifier.
    pub name: ResultName,
    /// Where its encoder's weights began.
    pub init: Init,
    /// The labels that it had.
    pub labels_per_class: LabelBudget,
    /// Its accuracy over label draws.
    pub test_accuracy: Accuracy,
}

/// Test accuracy in 0-1 over label draws.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Mean over label draws, 0-1.
    pub mean: f64,
    /// Sample standard deviation (n - 1); absent with a single draw.
    pub std: Option<f64>,
    /// The accuracy of each draw, 0-1, in order.
    pub runs: Vec<f64>,
}

impl Accuracy {
    /// Mean and sample standard deviation; absent where there are no runs.
    pub fn over(runs: Vec<f64>) -> Option<Accuracy> {
        let count = runs.len() as f64;
        let mean = runs.iter().sum::<f64>() / count;
        let std =
            (runs.len() > 1).then(|| (runs.iter().map(|run| (run - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt());
        (!runs.is_empty()).then_some(Accuracy { mean, std, runs })
    }
}

/// How long and how far pre-training went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PretrainRecord {
    /// Epochs that it made, which may be fewer than were asked for.
    pub epochs: usize,
    /// Image passes (one image is two views).
    pub images: u64,
    /// Images per second of the steps of the last sitting, from its third step on, without monitoring; an image is two views.
    pub images_per_second: f64,
    /// Mean training loss of the last epoch.
    pub final_loss: f64,
    /// Why it ended.
    pub ended_by: Ended,
}

/// `test-images.json`: which file each test image is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TestImages {
    /// The folder within which `names` are paths, as it was when the run began; absent where images do not lie in files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Whether each image is a file by itself, and not a part of an archive.
    pub files: bool,
    /// One for each test image, in the order of the test labels: a path with `/`, or a name such as `test/17`.
    pub names: Vec<String>,
}

/// `gallery/gallery.json`: images that the report shows. Files are PNG, beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gallery {
    /// Training images, with views of each.
    pub views: Vec<ViewExample>,
    /// Test images, with the training images nearest to each; empty where there is no test.
    pub neighbors: Vec<NeighborExample>,
    /// Labels of training images that are probably wrong; absent in runs of earlier versions, and before the encoder was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspects: Option<Suspects>,
}

/// What `byol data check` would say of the labels of the training images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspects {
    /// Training images whose labels were looked at.
    pub looked_at: usize,
    /// Labels among them that are probably wrong.
    pub suspicious: usize,
    /// Some of them, the most suspicious first.
    pub shown: Vec<Suspect>,
}

/// A training image whose label is probably wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspect {
    /// Its file.
    pub file: String,
    /// Which training image it is: a path or a name within the data.
    pub name: String,
    /// The class index of its label.
    pub label: u16,
    /// The class that it probably shows.
    pub likely: u16,
    /// Probability of its label, 0-1, by the labels of the other images.
    pub own_probability: f64,
    /// Probability of the likely class, 0-1.
    pub likely_probability: f64,
}

/// One image with views of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewExample {
    /// Which image it is: a path or a name within the data.
    pub name: String,
    /// The file of the image as the encoder sees it without augmentation.
    pub original: String,
    /// By the name of the view, `t` and `t_prime`.
    #[serde(flatten)]
    pub views: BTreeMap<String, Vec<String>>,
}

/// One test image and the training images nearest to it in the pre-trained encoder's representation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NeighborExample {
    /// The file of the test image.
    pub query: String,
    /// Which image it is, as in [`TestImages::names`]. Empty in runs of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Class index of the query.
    pub label: u16,
    /// The training images nearest to it, nearest first.
    pub neighbors: Vec<Neighbor>,
}

/// One of the training images nearest to a test image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbor {
    /// Its file.
    #[serde(rename = "picture")]
    pub image: String,
    /// Which training image it is: a path within the data. Empty in runs of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Class index of the training image.
    pub label: u16,
    /// Cosine similarity, -1 to 1.
    pub similarity: f64,
}

/// `gallery/thumbnails.json`: thumbnails of test images, side by side in JPEG files beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Thumbnails {
    /// Width and height of an image's place in a sheet, in pixels.
    pub side: u32,
    /// Images in a row of a sheet.
    pub columns: usize,
    /// Images in a full sheet.
    pub per_sheet: usize,
    /// Files, in order.
    pub sheets: Vec<String>,
    /// Which test image each thumbnail is of, sheet by sheet and row by row.
    pub images: Vec<usize>,
}

/// `gallery/map.json`: test images on a plane, by the pre-trained encoder's representation of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingMap {
    /// How the plane was found.
    pub method: Plane,
    /// Share of the variance along each axis, 0-1.
    pub variance: [f64; 2],
    /// Which test image each place is of.
    pub images: Vec<usize>,
    /// For each of `images`, its place along both axes.
    pub places: Vec<[f64; 2]>,
    /// For each place those of the test images on the map that are nearest to it in all dimensions, nearest first: its
    /// number on the map and the cosine similarity.
    pub neighbors: Vec<Vec<(usize, f64)>>,
}

/// How a plane was found on which images are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plane {
    /// The two directions of most variance.
    #[default]
    #[serde(rename = "principal axes")]
    PrincipalAxes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviation_is_the_samples() {
        let accuracy = Accuracy::over(vec![0.5, 0.6, 0.7]).expect("three draws");
        assert!((accuracy.mean - 0.6).abs() < 1e-12);
        assert!((accuracy.std.expect("three draws") - 0.1).abs() < 1e-12);
        assert_eq!(Accuracy::over(vec![0.5]).and_then(|accuracy| accuracy.std), None);
        assert_eq!(Accuracy::over(Vec::new()), None);
    }

    #[test]
    fn what_was_recorded_in_words_is_read() {
        let record = r#"{"epochs":1,"images":2,"images_per_second":3.0,"final_loss":4.0,"ended_by":"patience"}"#;
        let read: PretrainRecord = serde_json::from_str(record).unwrap();
        assert_eq!(read.ended_by, Ended::Patience);
        assert_eq!(serde_json::to_string(&read).unwrap(), record);
        assert_eq!(serde_json::to_string(&Plane::PrincipalAxes).unwrap(), r#""principal axes""#);
    }
}
