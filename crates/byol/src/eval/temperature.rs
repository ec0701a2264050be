//! Temperature scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2): logits are divided by one number, chosen so that
//! the probabilities of labelled images that trained nothing are as likely as can be. It changes no answer, only how
//! sure the network says it is.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::metrics::Predictions;

/// Bins of the calibration error: those of Guo et al. 2017, section 5.
const BINS: usize = 15;

/// Labelled images from which on a temperature is used. Of 100, how often an answer is right is known within 10 points; one that was chosen
/// on fewer may make probabilities worse than the network's own, so it is not used at all.
pub const ENOUGH_IMAGES: usize = 100;

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
    /// `[images, classes]`, row by row.
    pub logits: &'a [f32],
    /// Below `classes`, one for each image.
    pub labels: &'a [u16],
    /// Number of classes.
    pub classes: usize,
}

/// A temperature that cannot be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrationError {
    /// There are no labels.
    #[error("there are no labelled images to calibrate on")]
    Empty,
    /// Logits and labels do not belong together.
    #[error("{labels} labels belong to {values} logits of {classes} classes; there must be {classes} for each label")]
    Count {
        /// Number of labels.
        labels: usize,
        /// Number of logits.
        values: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A label is no class index.
    #[error("label {label} of image {image} is not one of {classes} classes")]
    UnknownClass {
        /// The image, from 0.
        image: usize,
        /// Its label.
        label: u16,
        /// Number of classes.
        classes: usize,
    },
    /// Logits are NaN or infinite.
    #[error("the logits of image {image} are not numbers; the network has diverged")]
    NotFinite {
        /// The image, from 0.
        image: usize,
    },
    /// Every answer is right, so that the best temperature would be 0.
    #[error(
        "the classifier is right on every one of the {images} images, so no temperature is too low; calibrate on more \
         images, which the classifier was not trained on"
    )]
    AllRight {
        /// Labelled images.
        images: usize,
    },
    /// The best temperature would be infinite.
    #[error(
        "the classifier knows no more about these {images} images than chance; are their folders named as the classes of \
         the run?"
    )]
    NoBetterThanChance {
        /// Labelled images.
        images: usize,
    },
    /// What kept the calibration error from being measured.
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

    /// The mean of the probabilities over the views of one image, whose logits stand one after the other, `classes` values each.
    pub fn mean_probabilities(self, logits: &[f32], classes: usize) -> Vec<f64> {
        let views: Vec<Vec<f64>> = logits.chunks(classes.max(1)).map(|view| self.probabilities(view)).collect();
        let of_class = |class: usize| views.iter().filter_map(|view| view.get(class)).sum::<f64>() / views.len() as f64;
        (0..views.first().map_or(0, Vec::len)).map(of_class).collect()
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
        let images = labels.len();
        if images == 0 || classes == 0 {
            return Err(CalibrationError::Empty);
        }
        if logits.len() != images * classes {
            return Err(CalibrationError::Count { labels: images, values: logits.len(), classes });
        }
        if let Some(image) = labels.iter().position(|&label| usize::from(label) >= classes) {
            return Err(CalibrationError::UnknownClass { image, label: labels[image], classes });
        }
        if let Some(place) = logits.iter().position(|logit| !logit.is_finite()) {
            return Err(CalibrationError::NotFinite { image: place / classes });
        }
        let (mut low, mut high) = (LEAST_INVERSE, MOST_INVERSE);
        let right = |(row, &label): (&[f32], &u16)| row.iter().all(|&logit| logit <= row[usize::from(label)]);
        if logits.chunks_exact(classes).zip(labels).all(right) {
            return Err(CalibrationError::AllRight { images });
        }
        if data.slope(low) >= 0.0 {
            return Err(CalibrationError::NoBetterThanChance { images });
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

    /// Expected calibration error in 15 bins.
    pub(crate) fn calibration_error(&self, temperature: Temperature) -> Result<f64, CalibrationError> {
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

    /// Of two classes, (ln 3, 0) is 3/4 to 1/4 and (0, 0) a half each: the mean is 5/8 to 3/8. The mean of the logits would be the root of 3
    /// to 1, 0.634. At temperature 2, the first view alone is that.
    #[test]
    fn probabilities_are_averaged_and_logits_are_not() {
        let logits = [3f32.ln(), 0.0, 0.0, 0.0];
        let close = |found: Vec<f64>, expected: [f64; 2]| {
            assert_eq!(found.len(), 2);
            assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-7), "{found:?}");
        };
        close(Temperature::default().mean_probabilities(&logits, 2), [0.625, 0.375]);
        let first = 3f64.sqrt() / (3f64.sqrt() + 1.0);
        close(Temperature(2.0).mean_probabilities(&logits, 2), [(first + 0.5) / 2.0, (1.5 - first) / 2.0]);
        let single = [0.3, -1.7, 2.9];
        let of_one = Temperature(1.3).mean_probabilities(&single, 3);
        assert_eq!(of_one, Temperature(1.3).probabilities(&single), "of one view, to the last bit");
    }

    #[test]
    fn what_has_no_temperature_is_explained() {
        let logits = [2.0, 0.0].repeat(2);
        let fit = |logits: &[f32], labels: &[u16]| Temperature::fit(Labelled { logits, labels, classes: 2 });
        assert_eq!(fit(&logits, &[0, 0]), Err(CalibrationError::AllRight { images: 2 }));
        assert_eq!(fit(&logits, &[1, 1]), Err(CalibrationError::NoBetterThanChance { images: 2 }));
        assert_eq!(fit(&logits, &[0, 2]), Err(CalibrationError::UnknownClass { image: 1, label: 2, classes: 2 }));
        assert_eq!(fit(&logits, &[0]), Err(CalibrationError::Count { labels: 1, values: 4, classes: 2 }));
        assert_eq!(fit(&[f32::NAN, 0.0], &[0]), Err(CalibrationError::NotFinite { image: 0 }));
        assert_eq!(fit(&[], &[]), Err(CalibrationError::Empty));
    }
}
