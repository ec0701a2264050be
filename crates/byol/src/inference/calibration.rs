//! The temperature of one classifier of a run: kept in the run directory, in `calibration.json`. How it is chosen is in
//! [`eval::temperature`](crate::eval::temperature).
//!
//! A temperature is always one of single views, as the run's own is. Where answers are averaged over several, it is applied to each view;
//! how often the means are right was not measured, so nobody calls them calibrated.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::InferenceError;
use crate::augment::FixedViews;
pub use crate::eval::temperature::ENOUGH_IMAGES;
use crate::eval::temperature::{CalibrationError, Labelled, Temperature};
use crate::files::write_atomically;
use crate::run::RunDirectory;
use crate::run::notice::{ProgramNote, SingleViews};
use crate::run::record::HeadKind;
use crate::run::record::{LabelBudget, Stage};
use crate::trained::model::Origin;

/// Which classifier of a run a temperature belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The stage that trained it.
    pub stage: Stage,
    /// The labels that it was trained with; absent where a lone checkpoint does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_per_class: Option<LabelBudget>,
    /// Which label draw, from 0.
    pub draw: usize,
    /// Optimiser steps after which the classifier was as it was.
    pub step: usize,
    /// Of a classifier on the frozen encoder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<HeadKind>,
}

impl Owner {
    /// The classifier of that origin.
    pub fn of(origin: &Origin) -> Owner {
        let &Origin { stage, labels_per_class, draw, step, head, .. } = origin;
        Owner { stage, labels_per_class, draw, step, head }
    }
}

/// A calibration as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The classifier that it is of.
    #[serde(flatten)]
    pub owner: Owner,
    /// What the classifier's logits are divided by.
    pub temperature: Temperature,
    /// Labelled images that it was chosen on.
    pub images: usize,
    /// Mean negative log-likelihood of their labels, before and after.
    pub loss_before: f64,
    /// The loss with the temperature.
    pub loss_after: f64,
    /// Expected calibration error in 15 bins on the same images, before and after.
    pub calibration_error_before: f64,
    /// The error with the temperature, 0-1.
    pub calibration_error_after: f64,
    /// Where they come from, as it was typed.
    pub source: String,
}

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

/// What a classifier's probabilities are made with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Calibration {
    /// A temperature of images that are enough.
    Scaled(InUse),
    /// As the network gives them: there are too few labelled images to choose a temperature on.
    TooFew {
        /// Labelled images that there are.
        images: usize,
        /// Where they come from.
        source: Source,
    },
    /// As the network gives them: nothing is known.
    #[default]
    Unknown,
}

/// The temperature that a classifier's probabilities are made with.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InUse {
    /// What the classifier's logits are divided by.
    pub temperature: Temperature,
    /// Labelled images that it was chosen on.
    pub images: usize,
    /// Where the images come from.
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

impl Source {
    fn folder(&self) -> Option<String> {
        match self {
            Source::Test => None,
            Source::Folder(folder) => Some(folder.clone()),
        }
    }
}

impl Calibration {
    fn of(known: InUse) -> Calibration {
        match known.images >= ENOUGH_IMAGES {
            true => Calibration::Scaled(known),
            false => Calibration::TooFew { images: known.images, source: known.source },
        }
    }

    /// The temperature in use, where there is one.
    pub fn in_use(&self) -> Option<&InUse> {
        match self {
            Calibration::Scaled(in_use) => Some(in_use),
            Calibration::TooFew { .. } | Calibration::Unknown => None,
        }
    }

    /// What logits are divided by.
    pub fn temperature(&self) -> Temperature {
        self.in_use().map_or_else(Temperature::default, |in_use| in_use.temperature)
    }

    /// Whether probabilities that are averaged over these views may be called calibrated: those of one view, with a temperature.
    pub fn holds_for(&self, views: FixedViews) -> bool {
        match views {
            FixedViews::Plain => self.in_use().is_some(),
            FixedViews::Mirrored | FixedViews::TenCrop => false,
        }
    }

    /// What the probabilities of answers over these views are.
    pub fn notes(&self, views: FixedViews) -> Vec<ProgramNote> {
        let averaged = |scaled| ProgramNote::ProbabilitiesAveraged { views: views.count(), scaled };
        match (views, self.in_use()) {
            (FixedViews::Plain, _) => vec![self.note()],
            (FixedViews::Mirrored | FixedViews::TenCrop, None) => vec![self.note(), averaged(None)],
            (FixedViews::Mirrored | FixedViews::TenCrop, Some(&InUse { temperature, images, ref source })) => {
                vec![averaged(Some(SingleViews { temperature: temperature.0, images, folder: source.folder() }))]
            }
        }
    }

    /// Of single views: what the images were, and what follows from their number.
    pub fn note(&self) -> ProgramNote {
        match self {
            &Calibration::Scaled(InUse { temperature: Temperature(temperature), images, ref source }) => {
                ProgramNote::ProbabilitiesCalibrated { temperature, images, folder: source.folder() }
            }
            Calibration::TooFew { images, source } => {
                ProgramNote::ProbabilitiesOfTooFew { images: *images, folder: source.folder(), enough: ENOUGH_IMAGES }
            }
            Calibration::Unknown => ProgramNote::ProbabilitiesUncalibrated { enough: ENOUGH_IMAGES },
        }
    }
}

/// The calibration of the classifier that came from `origin`: the one that `run` keeps for it, else that of the run's test
/// images.
///
/// # Errors
/// As [`read`].
pub fn of(run: &Path, origin: &Origin) -> Result<Calibration, InferenceError> {
    let owner = Owner::of(origin);
    let kept = read(run)?.into_iter().find(|record| record.owner == owner).map(|record| {
        let source = Source::Folder(record.source);
        Calibration::of(InUse { temperature: record.temperature, images: record.images, source })
    });
    let own = origin.test.and_then(|test| {
        let images = test.total as usize;
        match test.temperature {
            Some(temperature) => Some(Calibration::of(InUse { temperature, images, source: Source::Test })),
            None => (images < ENOUGH_IMAGES).then_some(Calibration::TooFew { images, source: Source::Test }),
        }
    });
    // One of enough images first.
    let mut known = kept.into_iter().chain(own);
    let first = known.next().unwrap_or_default();
    Ok(if first.in_use().is_some() { first } else { known.find(|other| other.in_use().is_some()).unwrap_or(first) })
}

/// Where the calibrations of a classifier are kept: in the run that `from` means, and beside a checkpoint that lies in none.
pub fn run_of(from: &Path) -> PathBuf {
    match RunDirectory::of(from) {
        Ok(run) => run.path().to_owned(),
        Err(_) if from.is_file() => from.parent().unwrap_or(from).to_owned(),
        Err(_) => from.to_owned(),
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
    use crate::report::language::program::program_note;

    #[test]
    fn a_temperature_of_few_images_is_not_used() {
        let of = |images, source| Calibration::of(InUse { temperature: Temperature(1.5), images, source });
        let enough = of(2000, Source::Test);
        assert_eq!(enough.temperature(), Temperature(1.5));
        let text = "the probabilities are calibrated on the run's 2,000 test images: temperature 1.500";
        assert_eq!(program_note(&enough.note()), text);
        assert_eq!(enough.notes(FixedViews::Plain), [enough.note()]);
        for (few, said) in [
            (of(99, Source::Test), "not calibrated: the run's 99 test images are too few (100 are needed; "),
            (of(1, Source::Folder("held".to_owned())), "not calibrated: 1 image of held is too few (100 are needed; "),
        ] {
            assert_eq!((few.temperature(), few.in_use()), (Temperature::default(), None));
            let sentence = program_note(&few.note());
            assert!(sentence.contains(said), "{sentence}");
        }
    }

    /// The temperature stays that of single views, and is said to be.
    #[test]
    fn averaged_probabilities_are_not_called_calibrated() {
        let of = |images, source| Calibration::of(InUse { temperature: Temperature(1.5), images, source });
        let said = |calibration: &Calibration, views| -> Vec<String> {
            calibration.notes(views).iter().map(program_note).collect()
        };
        let enough = of(2000, Source::Test);
        let holds = FixedViews::ALL.map(|views| enough.holds_for(views));
        assert_eq!(holds, [true, false, false]);
        let [ten] = &said(&enough, FixedViews::TenCrop)[..] else { panic!("one note") };
        assert_eq!(
            ten,
            "the probabilities are means over 10 views of each image, each at temperature 1.500, which was chosen on single views of the run's \
             2,000 test images; means are less sure than single views, so they are not called calibrated"
        );
        let few = of(99, Source::Test);
        assert!(!few.holds_for(FixedViews::Plain));
        let [own, means] = &said(&few, FixedViews::Mirrored)[..] else { panic!("two notes") };
        assert!(own.contains("99 test images are too few"), "{own}");
        assert_eq!(means, "the probabilities are means over 2 views of each image");
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
