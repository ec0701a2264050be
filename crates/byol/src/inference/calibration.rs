//! Temperature scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2): logits are divided by one number, chosen so that
//! the probabilities of labelled images that trained nothing are as likely as can be. It changes no answer, only how
//! sure the network says it is.
//!
//! The number belongs to one classifier. It is kept in the run directory, in `calibration.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::InferenceError;
use crate::eval::metrics::Predictions;
use crate::run::directory::write_atomically;
use crate::run::heads::HeadKind;
use crate::run::model::Origin;
use crate::run::record::{LabelBudget, Stage};

/// What logits are divided by, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Temperature(pub f64);

impl Default for Temperature {
    /// Logits as they are.
    fn default() -> Self {
        Temperature(1.0)
    }
}

/// Logits of labelled images, to calibrate on.
#[derive(Clone, Copy, Debug)]
pub struct Labelled<'a> {
    /// `[pictures, classes]`, row by row.
    pub logits: &'a [f32],
    /// Below `classes`, one for each image.
    pub labels: &'a [u16],
    pub classes: usize,
}

/// A temperature that cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    #[error("there are no labelled images to calibrate on")]
    Empty,
    #[error("{labels} labels belong to {values} logits of {classes} classes; there must be {classes} for each label")]
    Count { labels: usize, values: usize, classes: usize },
    #[error("label {label} of image {picture} is not one of {classes} classes")]
    UnknownClass { picture: usize, label: u16, classes: usize },
    #[error("the logits of image {picture} are not numbers; the network has diverged")]
    NotFinite { picture: usize },
    #[error(
        "the classifier is right about every one of the {pictures} images, so no temperature is too low; calibrate on more \
         images, which the classifier was not trained on"
    )]
    AllRight { pictures: usize },
    #[error(
        "the classifier knows no more about these {pictures} images than chance; are their folders named as the classes of \
         the run?"
    )]
    NoBetterThanChance { pictures: usize },
    #[error("the calibration error cannot be measured: {0}")]
    Measure(String),
}

/// Bounds of the inverse temperature. Outside, the data says that there is none.
const LEAST_INVERSE: f64 = 1e-4;
const MOST_INVERSE: f64 = 1e4;

impl Temperature {
    /// Softmax of the logits over the temperature.
    pub fn probabilities(self, logits: &[f32]) -> Vec<f64> {
        let largest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        let powers: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit - largest) / self.0).exp()).collect();
        let sum: f64 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }

    /// The temperature with the least mean negative log-likelihood of the labels.
    ///
    /// That is convex in the inverse temperature, so where its slope changes sign is the only minimum; it is found by
    /// halving an interval.
    ///
    /// # Errors
    /// There are no images, sizes do not fit, or there is no minimum.
    pub fn fit(data: Labelled) -> Result<Temperature, CalibrationError> {
        let Labelled { logits, labels, classes } = data;
        let pictures = labels.len();
        if pictures == 0 || classes == 0 {
            return Err(CalibrationError::Empty);
        }
        if logits.len() != pictures * classes {
            return Err(CalibrationError::Count { labels: pictures, values: logits.len(), classes });
        }
        if let Some(picture) = labels.iter().position(|&label| usize::from(label) >= classes) {
            return Err(CalibrationError::UnknownClass { picture, label: labels[picture], classes });
        }
        if let Some(place) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(CalibrationError::NotFinite { picture: place / classes });
        }
        let (mut low, mut high) = (LEAST_INVERSE, MOST_INVERSE);
        let right = |(row, &label): (&[f32], &u16)| row.iter().all(|&logit| logit <= row[usize::from(label)]);
        if logits.chunks_exact(classes).zip(labels).all(right) {
            return Err(CalibrationError::AllRight { pictures });
        }
        if data.slope(low) >= 0.0 {
            return Err(CalibrationError::NoBetterThanChance { pictures });
        }
        // Halving in the logarithm, down to the precision of the numbers.
        for _ in 0..100 {
            let middle = (low * high).sqrt();
            match data.slope(middle) < 0.0 {
                true => low = middle,
                false => high = middle,
            }
        }
        Ok(Temperature((low * high).sqrt().recip()))
    }
}

impl Labelled<'_> {
    /// Mean negative log-likelihood of the labels.
    pub fn loss(&self, temperature: Temperature) -> f64 {
        let rows = self.logits.chunks_exact(self.classes.max(1)).zip(self.labels);
        let losses = rows.map(|(row, &label)| -temperature.probabilities(row)[usize::from(label)].ln());
        losses.sum::<f64>() / self.labels.len() as f64
    }

    fn calibration_error(&self, temperature: Temperature) -> Result<f64, CalibrationError> {
        let logits =
            Tensor::from_slice(self.logits).view([self.labels.len() as i64, self.classes as i64]) / temperature.0;
        let measured = Predictions::new(&logits, self.labels).and_then(|answers| answers.calibration_error(BINS));
        measured.map_err(|error| CalibrationError::Measure(error.to_string()))
    }

    /// Derivative of the summed loss by the inverse temperature: the expected logit less that of the label.
    fn slope(&self, inverse: f64) -> f64 {
        let rows = self.logits.chunks_exact(self.classes).zip(self.labels);
        rows.map(|(row, &label)| {
            let probabilities = Temperature(inverse.recip()).probabilities(row);
            let own = row[usize::from(label)];
            probabilities.iter().zip(row).map(|(p, &logit)| p * f64::from(logit - own)).sum::<f64>()
        })
        .sum()
    }
}

/// Which classifier of a run a temperature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_per_class: Option<LabelBudget>,
    pub draw: usize,
    /// Optimiser steps after which the classifier was as it was.
    pub step: usize,
    /// Of a classifier on the frozen encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadKind>,
}

impl Owner {
    pub fn of(origin: &Origin) -> Owner {
        let &Origin { stage, labels_per_class, draw, step, head, .. } = origin;
        Owner { stage, labels_per_class, draw, step, head }
    }
}

/// A calibration as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    #[serde(flatten)]
    pub owner: Owner,
    pub temperature: Temperature,
    /// Labelled images that it was chosen on.
    pub images: usize,
    /// Mean negative log-likelihood of their labels, before and after.
    pub loss_before: f64,
    pub loss_after: f64,
    /// Expected calibration error in 15 bins on the same images, before and after.
    pub calibration_error_before: f64,
    pub calibration_error_after: f64,
    /// Where they come from, as it was typed.
    pub source: String,
}

/// Bins of the calibration error: those of Guo et al. 2017, section 5.
const BINS: usize = 15;

impl Record {
    /// Chooses a temperature, and measures what it changes on the images that it was chosen on.
    ///
    /// # Errors
    /// As [`Temperature::fit`].
    pub fn fit(data: Labelled, owner: Owner, source: String) -> Result<Record, CalibrationError> {
        let temperature = Temperature::fit(data)?;
        Ok(Record {
            owner,
            temperature,
            images: data.labels.len(),
            loss_before: data.loss(Temperature::default()),
            loss_after: data.loss(temperature),
            calibration_error_before: data.calibration_error(Temperature::default())?,
            calibration_error_after: data.calibration_error(temperature)?,
            source,
        })
    }
}

/// Labelled images from which on probabilities are called calibrated. Of 100, how often an answer is right is known within
/// 10 points; a temperature of fewer is used, because it is better than none, but promises nothing.
pub const ENOUGH_IMAGES: usize = 100;

/// The temperature that a classifier's probabilities are made with.
#[derive(Clone, Debug, PartialEq)]
pub struct InUse {
    pub temperature: Temperature,
    /// Labelled images that it was chosen on.
    pub images: usize,
    pub source: Source,
}

/// Where the images of a temperature come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The run's test images.
    Test,
    /// A folder, as it was typed.
    Folder(String),
}

impl InUse {
    /// Whether it was chosen on enough images for its probabilities to be taken at their word.
    pub fn is_calibrated(&self) -> bool {
        self.images >= ENOUGH_IMAGES
    }

    /// What the images were, and what follows from their number.
    pub fn sentence(&self) -> String {
        let InUse { temperature: Temperature(temperature), images, source } = self;
        let pictures = if *images == 1 { "image" } else { "images" };
        let on = match source {
            Source::Test => format!("the run's {images} test {pictures}"),
            Source::Folder(folder) => format!("{images} {pictures} of {folder}"),
        };
        match self.is_calibrated() {
            true => format!("the probabilities are calibrated on {on}: temperature {temperature:.3}"),
            false => format!(
                "the probabilities are scaled by a temperature of {on} ({temperature:.3}), too few to call them calibrated: \
                 {ENOUGH_IMAGES} are needed; --calibrate-on DIR takes more"
            ),
        }
    }
}

impl From<&Record> for InUse {
    fn from(record: &Record) -> InUse {
        let source = Source::Folder(record.source.clone());
        InUse { temperature: record.temperature, images: record.images, source }
    }
}

/// The temperature of the classifier that came from `origin`: the one that `run` keeps for it, else that of the run's test
/// images, else none.
///
/// # Errors
/// As [`read`].
pub fn in_use(run: &Path, origin: &Origin) -> Result<Option<InUse>, InferenceError> {
    let owner = Owner::of(origin);
    if let Some(record) = read(run)?.iter().find(|record| record.owner == owner) {
        return Ok(Some(record.into()));
    }
    let own = origin.test.and_then(|test| Some((test.temperature?, test.total as usize)));
    Ok(own.map(|(temperature, images)| InUse { temperature, images, source: Source::Test }))
}

/// The run directory that `from` names, or that a checkpoint lies in.
pub fn run_of(from: &Path) -> PathBuf {
    let holds_run = |folder: &&Path| folder.join("config.toml").is_file();
    match from.is_file() {
        true => from.ancestors().skip(2).take(2).find(holds_run).or(from.parent()).unwrap_or(from).to_owned(),
        false => from.to_owned(),
    }
}

/// Where a run keeps its calibrations.
pub fn path_in(run: &Path) -> PathBuf {
    run.join("calibration.json")
}

/// The calibrations that a run keeps; none where there is no file.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn read(run: &Path) -> Result<Vec<Record>, InferenceError> {
    let path = path_in(run);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map_err(|error| InferenceError::Malformed { path, reason: format!("{error}; calibrate again") }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(InferenceError::Read { path, source }),
    }
}

/// Keeps a calibration in the place of an earlier one of the same classifier.
///
/// # Errors
/// The file cannot be written, or what is there already cannot be read.
pub fn keep(run: &Path, record: Record) -> Result<(), InferenceError> {
    let mut records = read(run).or_else(|error| match error {
        // Damaged: replaced by what is measured now.
        InferenceError::Malformed { .. } => Ok(Vec::new()),
        error => Err(error),
    })?;
    records.retain(|other| other.owner != record.owner);
    records.push(record);
    let path = path_in(run);
    let malformed =
        |error: serde_json::Error| InferenceError::Malformed { path: path.clone(), reason: error.to_string() };
    let mut text = serde_json::to_vec_pretty(&records).map_err(malformed)?;
    text.push(b'\n');
    write_atomically(&path, &text).map_err(|source| InferenceError::Write { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes, logits (2, 0): the first is right in three of four images, so its probability should be 3/4, which
    /// is so where 2 / T = ln 3.
    #[test]
    fn a_share_of_three_quarters_gives_its_temperature() {
        let data = Labelled { logits: &[2.0, 0.0].repeat(4), labels: &[0, 0, 1, 0], classes: 2 };
        let temperature = Temperature::fit(data).unwrap();
        assert!((temperature.0 - 2.0 / 3f64.ln()).abs() < 1e-9, "{temperature:?}");
        let loss = data.loss(temperature);
        assert!((loss + 0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln()).abs() < 1e-9, "{loss}");
        assert!(loss < data.loss(Temperature::default()));
    }

    #[test]
    fn what_has_no_temperature_is_explained() {
        let logits = [2.0, 0.0].repeat(2);
        let fit = |logits: &[f32], labels: &[u16]| Temperature::fit(Labelled { logits, labels, classes: 2 });
        assert_eq!(fit(&logits, &[0, 0]), Err(CalibrationError::AllRight { pictures: 2 }));
        assert_eq!(fit(&logits, &[1, 1]), Err(CalibrationError::NoBetterThanChance { pictures: 2 }));
        assert_eq!(fit(&logits, &[0, 2]), Err(CalibrationError::UnknownClass { picture: 1, label: 2, classes: 2 }));
        assert_eq!(fit(&logits, &[0]), Err(CalibrationError::Count { labels: 1, values: 4, classes: 2 }));
        assert_eq!(fit(&[f32::NAN, 0.0], &[0]), Err(CalibrationError::NotFinite { picture: 0 }));
        assert_eq!(fit(&[], &[]), Err(CalibrationError::Empty));
    }

    #[test]
    fn few_images_are_not_called_a_calibration() {
        let use_of = |images| InUse { temperature: Temperature(1.5), images, source: Source::Test };
        assert!(use_of(100).is_calibrated() && !use_of(28).is_calibrated());
        assert_eq!(
            use_of(2000).sentence(),
            "the probabilities are calibrated on the run's 2000 test images: temperature 1.500"
        );
        let few = InUse { source: Source::Folder("held".to_owned()), ..use_of(1) }.sentence();
        assert!(few.contains("of 1 image of held (1.500), too few") && few.contains("100 are needed"), "{few}");
    }

    #[test]
    fn a_record_replaces_that_of_the_same_classifier() {
        let folder = tempfile::tempdir().unwrap();
        let record = |draw, temperature| Record {
            owner: Owner {
                stage: Stage::Finetune,
                labels_per_class: Some(LabelBudget::All),
                draw,
                step: 3,
                head: None,
            },
            temperature: Temperature(temperature),
            images: 4,
            loss_before: 1.0,
            loss_after: 0.5,
            calibration_error_before: 0.1,
            calibration_error_after: 0.05,
            source: "held-out".to_owned(),
        };
        assert_eq!(read(folder.path()).unwrap(), []);
        for (draw, temperature) in [(0, 1.5), (1, 2.0), (0, 0.7)] {
            keep(folder.path(), record(draw, temperature)).unwrap();
        }
        assert_eq!(read(folder.path()).unwrap(), [record(1, 2.0), record(0, 0.7)]);
        std::fs::write(path_in(folder.path()), "[{}]").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("calibrate again"));
    }
}
