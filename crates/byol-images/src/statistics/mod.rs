//! Statistics of answers on labelled images: accuracy with its interval, confusion, and whether two classifiers differ by more than
//! chance ([`significance`]), or one from guesses ([`guess`]).

pub mod guess;
pub mod significance;

/// The 97.5% quantile of the standard normal distribution.
const NORMAL_97_5: f64 = 1.959_963_984_540_054;

/// Figures that cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// There is nothing to count.
    #[error("there are no {what}; at least one is needed")]
    Empty {
        /// What is missing, in the plural: `labels`.
        what: &'static str,
    },
    /// Two lists that belong to the same images have different lengths.
    #[error("there are {found} {what} but {expected} {against}; both must belong to the same images")]
    Count {
        /// What the first list holds, in the plural.
        what: &'static str,
        /// Its length.
        found: usize,
        /// What the second list holds, in the plural.
        against: &'static str,
        /// Its length.
        expected: usize,
    },
    /// A class index is too large.
    #[error("{what} {row} is class {class}, but there are {classes} classes (0 to {})", classes.saturating_sub(1))]
    UnknownClass {
        /// What has the index: `label`, `prediction`.
        what: &'static str,
        /// Its place in the list, from 0.
        row: usize,
        /// The index.
        class: u16,
        /// The number of classes.
        classes: usize,
    },
    /// A value is out of its range.
    #[error("{name} cannot be {value}: it must be {expected}")]
    Setting {
        /// What has the value.
        name: &'static str,
        /// The value.
        value: String,
        /// The range, as a phrase.
        expected: &'static str,
    },
}

/// The share of images whose prediction equals their label, 0-1.
///
/// # Errors
/// There are no labels, or another number of predictions.
pub fn accuracy(labels: &[u16], predicted: &[u16]) -> Result<f64, StatisticsError> {
    if labels.is_empty() {
        return Err(StatisticsError::Empty { what: "labels" });
    }
    same_count("predictions", predicted.len(), "labels", labels.len())?;
    let right = labels.iter().zip(predicted).filter(|(label, predicted)| label == predicted).count();
    Ok(right as f64 / labels.len() as f64)
}

/// Wilson's 95% score interval of an accuracy from `right` rightly classified images of `total` (Wilson 1927).
///
/// # Errors
/// `total` is zero or less than `right`.
pub fn wilson(right: u64, total: u64) -> Result<(f64, f64), StatisticsError> {
    if total == 0 {
        return Err(StatisticsError::Empty { what: "labels" });
    }
    if right > total {
        let expected = "at most the number of images";
        return Err(StatisticsError::Setting {
            name: "number of right predictions",
            value: right.to_string(),
            expected,
        });
    }
    let (images, share) = (total as f64, right as f64 / total as f64);
    let z2 = NORMAL_97_5 * NORMAL_97_5;
    let center = (share + z2 / (2.0 * images)) / (1.0 + z2 / images);
    let half =
        NORMAL_97_5 / (1.0 + z2 / images) * (share * (1.0 - share) / images + z2 / (4.0 * images * images)).sqrt();
    Ok(((center - half).max(0.0), (center + half).min(1.0)))
}

/// How far an accuracy from this many images may be off to either side, 0-1: half of Wilson's interval where half of the answers are
/// right. Nowhere is it more. Nothing without images.
pub fn uncertainty(images: u64) -> Option<f64> {
    wilson(images / 2, images).ok().map(|(low, high)| (high - low) / 2.0)
}

/// How often images of each true class (row) were taken for each class (column).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    /// Images by true class, then by predicted class: `[classes][classes]`.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts predictions of `classes` classes.
    ///
    /// # Errors
    /// There are no labels, another number of predictions, or a class index is not below `classes`.
    pub fn new(labels: &[u16], predicted: &[u16], classes: usize) -> Result<Confusion, StatisticsError> {
        if labels.is_empty() {
            return Err(StatisticsError::Empty { what: "labels" });
        }
        same_count("predictions", predicted.len(), "labels", labels.len())?;
        known_classes("label", labels, classes)?;
        known_classes("prediction", predicted, classes)?;
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &predicted) in labels.iter().zip(predicted) {
            counts[usize::from(label)][usize::from(predicted)] += 1;
        }
        Ok(Confusion { counts })
    }

    /// The share of all images on the diagonal, 0-1.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = self.counts.iter().enumerate().map(|(class, row)| row[class]).sum();
        right as f64 / self.counts.iter().flatten().sum::<u64>() as f64
    }

    /// The share of each class's images that is classified rightly, 0-1; absent for a class without images.
    pub fn class_accuracies(&self) -> Vec<Option<f64>> {
        let share = |(class, row): (usize, &Vec<u64>)| {
            let images: u64 = row.iter().sum();
            (images > 0).then(|| row[class] as f64 / images as f64)
        };
        self.counts.iter().enumerate().map(share).collect()
    }
}

/// # Errors
/// The numbers differ.
#[doc(hidden)]
pub fn same_count(
    what: &'static str,
    found: usize,
    against: &'static str,
    expected: usize,
) -> Result<(), StatisticsError> {
    if found != expected {
        return Err(StatisticsError::Count { what, found, against, expected });
    }
    Ok(())
}

/// # Errors
/// A label is not below `classes`.
#[doc(hidden)]
pub fn known_classes(what: &'static str, labels: &[u16], classes: usize) -> Result<(), StatisticsError> {
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(row) => Err(StatisticsError::UnknownClass { what, row, class: labels[row], classes }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_without_images_has_no_accuracy() {
        assert_eq!(Confusion::new(&[0], &[1], 2).unwrap().class_accuracies(), [Some(0.0), None]);
    }

    #[test]
    fn an_accuracy_is_known_to_within_points() {
        // Wilson's interval of 14 of 28 is 0.3264 to 0.6736.
        assert!((uncertainty(28).unwrap() - 0.1736).abs() < 1e-4);
        assert_eq!(uncertainty(0), None);
    }

    #[test]
    fn bad_input_is_named() {
        let text = |result: Result<f64, StatisticsError>| result.unwrap_err().to_string();
        assert_eq!(text(accuracy(&[], &[])), "there are no labels; at least one is needed");
        assert!(text(accuracy(&[0, 1], &[0])).starts_with("there are 1 predictions but 2 labels"));
        let message = Confusion::new(&[0, 2], &[0, 1], 2).unwrap_err().to_string();
        assert_eq!(message, "label 1 is class 2, but there are 2 classes (0 to 1)");
        assert!(wilson(3, 2).is_err() && wilson(0, 0).is_err());
    }
}
