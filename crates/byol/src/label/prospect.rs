//! What further labels are likely to bring: classifiers with parts of the labels are tested on labels that are held out, and their
//! errors, which fall about as a power of the number of labels (Hestness et al. 2017, arXiv 1712.00409, section 3), are followed on.
//! Nothing outside the labels that were given is looked at.

use super::choice::shuffled;
use super::rows_of;
use crate::eval::linear::{LinearOptions, fit_linear};
use crate::eval::{EvalError, Features, metrics};
use crate::statistics::significance::mean_difference;

/// With fewer labels nothing is said.
pub const LEAST_LABELS: usize = 20;
/// How often the labels are divided.
const REPEATS: u64 = 5;
/// One label in so many is held out.
const HELD_OUT: usize = 5;
/// Parts of the others that classifiers learn from.
const PARTS: [f64; 4] = [0.25, 0.5, 0.75, 1.0];
/// The first of the random orders; beside those of choosing.
const FIRST_ORDER: u64 = 8;

/// What further labels are likely to bring.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prospect {
    /// How many further labels.
    pub more: usize,
    /// Accuracy that they add, 0-1.
    pub gain: f64,
    /// Student's 95% interval over the divisions, cut off at 0.
    pub interval: Option<[f64; 2]>,
}

/// What `more` labels are likely to add to the accuracy of logistic regression with the penalty `l2`; nothing where there are fewer than
/// [`LEAST_LABELS`], or where no classifier is right on any label that it did not see, so that there is no error that falls.
///
/// # Errors
/// A classifier cannot be fitted.
pub fn prospect(
    train: &Features,
    classes: usize,
    l2: f64,
    more: usize,
    seed: u64,
) -> Result<Option<Prospect>, EvalError> {
    let labels = train.labels.len();
    if labels < LEAST_LABELS {
        return Ok(None);
    }
    let options = LinearOptions { l2: vec![l2], folds: 2, seed };
    let (mut gains, mut right) = (Vec::new(), 0.0);
    for repeat in 0..REPEATS {
        let order = shuffled(labels, seed, FIRST_ORDER + repeat);
        let (held_out, rest) = order.split_at(labels.div_ceil(HELD_OUT));
        let test = part(train, held_out);
        let mut errors = Vec::new();
        for share in PARTS {
            let count = ((share * rest.len() as f64).round() as usize).max(2);
            let learned = part(train, &rest[..count]);
            let wrong = wrong_answers(&learned, &test, classes, &options)?;
            errors.push((count as f64, wrong));
            right += held_out.len() as f64 - wrong;
        }
        gains.push(gain(&errors, held_out.len() as f64, labels as f64, more as f64));
    }
    if right == 0.0 {
        return Ok(None);
    }
    let Some(mean) = mean_difference(&gains) else { return Ok(None) };
    let interval = [mean.low, mean.high].map(|bound| bound.max(0.0));
    let interval = interval.iter().all(|bound| bound.is_finite()).then_some(interval);
    Ok(Some(Prospect { more, gain: mean.mean.max(0.0), interval }))
}

fn part(of: &Features, rows: &[usize]) -> Features {
    let labels = rows.iter().map(|&row| of.labels[row]).collect();
    Features { vectors: rows_of(&of.vectors, rows), labels }
}

fn wrong_answers(
    learned: &Features,
    test: &Features,
    classes: usize,
    options: &LinearOptions,
) -> Result<f64, EvalError> {
    let first = learned.labels.first().copied().unwrap_or_default();
    let answers = match learned.labels.iter().all(|&label| label == first) {
        true => vec![first; test.labels.len()],
        false => metrics::argmax(&fit_linear(learned, classes, options)?.probabilities(&test.vectors)?)?,
    };
    Ok(answers.iter().zip(&test.labels).filter(|(answer, label)| answer != label).count() as f64)
}

/// How much the error falls from `labels` to `labels + more`, where it goes on falling as a power of the number of labels: the line
/// through the logarithms of `errors` (labels, wrong answers of `tested`), which never rises.
fn gain(errors: &[(f64, f64)], tested: f64, labels: f64, more: f64) -> f64 {
    // Of no wrong answers it is half of one, so that there is a logarithm.
    let points: Vec<(f64, f64)> =
        errors.iter().map(|&(count, wrong)| (count.ln(), (wrong.max(0.5) / tested).ln())).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let (products, squares) = points.iter().fold((0.0, 0.0), |(products, squares), point| {
        (products + (point.0 - x) * (point.1 - y), squares + (point.0 - x).powi(2))
    });
    let slope = if squares > 0.0 { (products / squares).min(0.0) } else { 0.0 };
    let error = |labels: f64| (y + slope * (labels.ln() - x)).exp().min(1.0);
    error(labels) - error(labels + more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn an_error_that_falls_as_a_power_goes_on_so() {
        // 0.8 n^-0.5: 0.08 at 100, 0.8 / sqrt(150) at 150.
        let errors: Vec<(f64, f64)> = [16.0, 36.0, 64.0].map(|n: f64| (n, 1000.0 * 0.8 / n.sqrt())).into();
        let found = gain(&errors, 1000.0, 100.0, 50.0);
        assert!((found - (0.08 - 0.8 / 150.0f64.sqrt())).abs() < 1e-9, "{found}");
        // One that rises is taken for one that stays.
        assert_eq!(gain(&[(10.0, 100.0), (20.0, 200.0)], 1000.0, 30.0, 50.0), 0.0);
        assert!(gain(&[(10.0, 0.0), (20.0, 0.0)], 10.0, 30.0, 50.0).abs() < 1e-12);
    }

    #[test]
    fn easy_classes_leave_little_to_gain_and_few_labels_say_nothing() {
        let labels: Vec<u16> = (0..60).map(|row| row % 3).collect();
        let rows: Vec<[f32; 3]> = labels
            .iter()
            .enumerate()
            .map(|(row, &label)| {
                let mut at = [0.1 * ((row * 37 % 11) as f32 / 11.0); 3];
                at[usize::from(label)] += 3.0;
                at
            })
            .collect();
        let train = Features { vectors: Tensor::from_slice2(&rows), labels };
        let found = prospect(&train, 3, 1e-2, 50, 0).unwrap().unwrap();
        assert!((0.0..0.05).contains(&found.gain) && found.interval.is_some(), "{found:?}");
        assert_eq!(prospect(&train, 3, 1e-2, 50, 0).unwrap(), Some(found), "a function of its seed");
        let few = part(&train, &(0..LEAST_LABELS - 1).collect::<Vec<_>>());
        assert_eq!(prospect(&few, 3, 1e-2, 50, 0).unwrap(), None);
        let each_of_its_own = Features { labels: (0..60).collect(), vectors: train.vectors };
        assert_eq!(prospect(&each_of_its_own, 60, 1e-2, 50, 0).unwrap(), None);
    }
}
