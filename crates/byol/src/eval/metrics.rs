//! What scores of labelled images are worth: accuracy, top-k, calibration. What counts of answers say is in
//! [`statistics`](crate::statistics).

use tch::{Kind, Tensor};

use super::{EvalError, matrix};
use crate::statistics::{Confusion, StatisticsError, known_classes, same_count};

/// The class with the highest score in each row; of equal ones the lowest index.
///
/// # Shapes
/// `scores` is a floating-point `[images, classes]` on any device. Minus infinity excludes a class.
///
/// # Errors
/// `scores` is not a matrix, is empty, or a row holds NaN or plus infinity, or nothing but minus infinity.
pub fn argmax(scores: &Tensor) -> Result<Vec<u16>, EvalError> {
    let scores = Scores::read(scores)?;
    Ok(scores.rows().map(best).collect())
}

/// A classifier's scores for labelled images.
#[derive(Clone, Debug)]
pub struct Predictions {
    scores: Scores,
    labels: Vec<u16>,
}

impl Predictions {
    /// # Shapes
    /// `scores` is a floating-point `[images, classes]` on any device; `labels` has one class index per row. For
    /// [`calibration_error`](Self::calibration_error) the scores must be logits.
    ///
    /// # Errors
    /// As [`argmax`]; or the number of labels differs from that of rows, or a label is not below the number of classes.
    pub fn new(scores: &Tensor, labels: &[u16]) -> Result<Predictions, EvalError> {
        let scores = Scores::read(scores)?;
        same_count("labels", labels.len(), "scores", scores.rows().len())?;
        known_classes("label", labels, scores.classes)?;
        Ok(Predictions { scores, labels: labels.to_vec() })
    }

    /// The class with the highest score of each image; of equal ones the lowest index.
    pub fn predicted(&self) -> Vec<u16> {
        self.scores.rows().map(best).collect()
    }

    /// The share of images whose highest score is that of their label, 0-1.
    pub fn accuracy(&self) -> f64 {
        self.top(1)
    }

    /// The share of images whose label is among the `count` highest scores, 0-1. Equal scores rank by class index.
    pub fn top(&self, count: usize) -> f64 {
        let within = |(row, &label): (&[f64], &u16)| {
            let label = usize::from(label);
            let ahead = |(class, &score): (usize, &f64)| score > row[label] || (score == row[label] && class < label);
            row.iter().enumerate().filter(|&scored| ahead(scored)).count() < count
        };
        let right = self.scores.rows().zip(&self.labels).filter(|&pair| within(pair)).count();
        right as f64 / self.labels.len() as f64
    }

    /// The softmax of each image's highest score, all scores divided by `temperature` first: the probability of its
    /// answer, 0-1.
    pub fn confidences(&self, temperature: f64) -> Vec<f64> {
        self.scores.rows().map(|row| confidence(row, temperature)).collect()
    }

    /// How often images of each class were taken for each class.
    pub fn confusion(&self) -> Confusion {
        let mut counts = vec![vec![0; self.scores.classes]; self.scores.classes];
        for (row, &label) in self.scores.rows().zip(&self.labels) {
            counts[usize::from(label)][usize::from(best(row))] += 1;
        }
        Confusion { counts }
    }

    /// Expected calibration error, 0-1: images are sorted by the softmax of their highest score into `bins` bins of
    /// equal width, closed above; the distances between mean confidence and accuracy of the bins are averaged, weighted
    /// by images (Guo et al. 2017, arXiv 1706.04599, equation 3).
    ///
    /// # Errors
    /// `bins` is zero.
    pub fn calibration_error(&self, bins: usize) -> Result<f64, EvalError> {
        if bins == 0 {
            return Err(StatisticsError::Setting { name: "bins", value: "0".into(), expected: "at least 1" }.into());
        }
        let mut surplus = vec![0.0; bins];
        for (row, &label) in self.scores.rows().zip(&self.labels) {
            let predicted = best(row);
            let confidence = confidence(row, 1.0);
            let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            surplus[bin] += confidence - f64::from(u8::from(predicted == label));
        }
        Ok(surplus.iter().map(|surplus| surplus.abs()).sum::<f64>() / self.labels.len() as f64)
    }
}

/// The softmax of the highest score.
fn confidence(row: &[f64], temperature: f64) -> f64 {
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    1.0 / row.iter().map(|score| ((score - highest) / temperature).exp()).sum::<f64>()
}

/// Scores row by row, each row with a finite highest one.
#[derive(Clone, Debug)]
struct Scores {
    values: Vec<f64>,
    classes: usize,
}

impl Scores {
    fn read(scores: &Tensor) -> Result<Scores, EvalError> {
        const MOST_CLASSES: usize = u16::MAX as usize + 1;
        let (_, classes) = matrix("scores", scores)?;
        if classes > MOST_CLASSES {
            let expected = "at most 65536";
            return Err(
                StatisticsError::Setting { name: "number of classes", value: classes.to_string(), expected }.into()
            );
        }
        let values = Vec::try_from(scores.to_kind(Kind::Double).flatten(0, -1))?;
        let scores = Scores { values, classes };
        let unusable = |row: &[f64]| {
            let highest = row.iter().fold(f64::NEG_INFINITY, |highest, &score| highest.max(score));
            !highest.is_finite() || row.iter().any(|score| score.is_nan())
        };
        if let Some(row) = scores.rows().position(unusable) {
            return Err(EvalError::NotFinite { what: "scores", row });
        }
        Ok(scores)
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.classes)
    }
}

fn best(row: &[f64]) -> u16 {
    let mut best = 0;
    for (class, score) in row.iter().enumerate() {
        if *score > row[best] {
            best = class;
        }
    }
    best as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Predictions {
        let scores = Tensor::from_slice2(&[[2.0f32, 1.0, 0.0], [0.0, 3.0, 3.0], [1.0, 0.0, 2.0], [0.5, 0.5, 0.5]]);
        Predictions::new(&scores, &[0, 2, 0, 1]).unwrap()
    }

    #[test]
    fn hand_values() {
        let predictions = predictions();
        assert_eq!(predictions.predicted(), [0, 1, 2, 0]);
        assert_eq!([1, 2, 3, 9].map(|count| predictions.top(count)), [0.25, 1.0, 1.0, 1.0]);
        let confusion = predictions.confusion();
        assert_eq!(confusion.counts, [[1, 0, 1], [1, 0, 0], [0, 1, 0]]);
        assert_eq!(confusion, Confusion::new(&[0, 2, 0, 1], &[0, 1, 2, 0], 3).unwrap());
        assert_eq!(confusion.accuracy(), predictions.accuracy());
        assert_eq!(confusion.class_accuracies(), [Some(0.5), Some(0.0), Some(0.0)]);
    }

    #[test]
    fn a_constant_classifier_is_not_right_by_ties() {
        let predictions = Predictions::new(
            &Tensor::zeros([10, 10], (Kind::Float, tch::Device::Cpu)),
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        );
        let predictions = predictions.unwrap();
        assert_eq!(predictions.accuracy(), 0.1);
        assert_eq!(predictions.top(5), 0.5);
    }

    #[test]
    fn calibration_error_by_hand() {
        // Confidences 0.79 (right), 0.81 (wrong) and 0.61 (right), in three bins of five, two of four, one of one.
        let logit = |confidence: f64| (confidence / (1.0 - confidence)).ln();
        let scores = Tensor::from_slice2(&[[logit(0.79), 0.0], [logit(0.81), 0.0], [0.0, logit(0.61)]]);
        let predictions = Predictions::new(&scores, &[0, 1, 1]).unwrap();
        let by_hand = ((0.79f64 - 1.0).abs() + 0.81 + (0.61f64 - 1.0).abs()) / 3.0;
        assert!((predictions.calibration_error(5).unwrap() - by_hand).abs() < 1e-12);
        let by_hand = ((0.79f64 + 0.81 - 1.0).abs() + (0.61f64 - 1.0).abs()) / 3.0;
        assert!((predictions.calibration_error(4).unwrap() - by_hand).abs() < 1e-12);
        let one_bin = (0.79f64 + 0.81 + 0.61 - 2.0).abs() / 3.0;
        assert!((predictions.calibration_error(1).unwrap() - one_bin).abs() < 1e-12);
        assert!(predictions.calibration_error(0).is_err());
    }

    #[test]
    fn an_excluded_class_is_never_best() {
        let scores = Tensor::from_slice2(&[[f64::NEG_INFINITY, -5.0]]);
        assert_eq!(argmax(&scores).unwrap(), [1]);
        assert!(Predictions::new(&scores, &[1]).unwrap().calibration_error(10).unwrap() < 1e-12);
    }

    #[test]
    fn bad_input_is_named() {
        for bad in [f64::NAN, f64::INFINITY] {
            let message = argmax(&Tensor::from_slice2(&[[0.0, 1.0], [1.0, bad]])).unwrap_err().to_string();
            assert!(message.starts_with("row 1 of the scores holds NaN or infinity"), "{message}");
        }
        assert!(matches!(argmax(&Tensor::from_slice(&[1.0])), Err(EvalError::NotAMatrix { .. })));
        let none = Tensor::zeros([0, 3], (Kind::Float, tch::Device::Cpu));
        assert!(matches!(argmax(&none), Err(EvalError::Statistics(StatisticsError::Empty { .. }))));
    }
}
