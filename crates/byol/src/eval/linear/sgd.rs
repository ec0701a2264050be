//! The paper's linear evaluation (appendix C.1): a linear classifier trained by SGD on the frozen representations of
//! random crops, its learning rate chosen among several on held-out labelled images.
//!
//! All learning rates are trained at once, as one batched matrix product, and the gradient of softmax regression is
//! written out: autograd has no part in it.

use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};

use super::{Chosen, LinearModel};
use crate::config::ScheduleKind;
use crate::data::splits::hold_out;
use crate::eval::{EvalError, ValidatedBy, Validation, finite_matrix, known_classes, metrics, same_count};
use crate::optim::schedule::LearningRate;
use crate::random::{self, Coordinates, Stream};
use crate::statistics::StatisticsError;

/// Nesterov momentum.
const MOMENTUM: f64 = 0.9;
/// Share of the labelled images that the learning rate is chosen on.
const HELD_OUT: f64 = 0.2;

/// How the classifier is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct SgdOptions {
    /// Passes over the labelled images.
    pub epochs: usize,
    /// Images per step, or all of them where there are fewer.
    pub batch_size: usize,
    /// Peak learning rates to choose from, each above zero, as they are used: not scaled by the batch size.
    pub learning_rates: Vec<f64>,
    /// Seed of the order of images and of the hold-out.
    pub seed: u64,
}

/// Trains a linear classifier on frozen representations.
///
/// The learning rate falls as a cosine from its peak to 0; there is no weight decay; weights begin at zero. The rate
/// with most held-out images right, of a fifth of the given ones, is chosen, of equal ones the smallest; then the
/// classifier is trained anew on all of them. Where no class has an image to spare, the middle rate is taken.
///
/// # Shapes
/// `views` are float32 `[images, features]`, one for each cached pass of random crops over the same images (or a single
/// one of whole images); epoch e trains on pass e modulo their number.
///
/// # Errors
/// There are no views, sizes do not match, a value is not finite, a label is not below `classes`, or an option is out
/// of its range.
pub fn fit_sgd(
    views: &[Tensor],
    labels: &[u16],
    classes: usize,
    options: &SgdOptions,
) -> Result<LinearModel, EvalError> {
    let rates = options.check()?;
    let first = views.first().ok_or(StatisticsError::Empty { what: "representations to train on" })?;
    for view in views {
        let (rows, _) = finite_matrix("training vectors", view)?;
        same_count("training labels", labels.len(), "training vectors", rows)?;
    }
    known_classes("training label", labels, classes)?;
    let _guard = tch::no_grad_guard();
    let device = first.device();
    let target = Tensor::from_slice(&labels.iter().map(|&label| i64::from(label)).collect::<Vec<_>>())
        .to_device(device)
        .one_hot(classes as i64)
        .to_kind(Kind::Float);
    let training = Training { views, target: &target, options };

    let all: Vec<usize> = (0..labels.len()).collect();
    let (kept, held_out) = hold_out(labels, &all, HELD_OUT, options.seed)?;
    let (rate, validation) = if rates.len() == 1 || held_out.is_empty() {
        (rates[(rates.len() - 1) / 2], None)
    } else {
        let [weights, bias] = training.run(&kept, &rates);
        // Held-out images are judged by their first pass.
        let rows = first.index_select(0, &indices(&held_out, device));
        let scores = rows.matmul(&weights) + &bias;
        let mut best = (0, 0);
        for (place, scores) in scores.unbind(0).iter().enumerate() {
            let predicted = metrics::argmax(scores)?;
            let right = predicted.iter().zip(&held_out).filter(|&(predicted, &row)| *predicted == labels[row]).count();
            if right > best.1 {
                best = (place, right);
            }
        }
        let (right, images) = (best.1 as u64, held_out.len() as u64);
        (rates[best.0], Some(Validation { right, images, by: ValidatedBy::HeldOut }))
    };
    let [weights, bias] = training.run(&all, &[rate]);
    let features = first.size()[1];
    let constant = |value: f64| Tensor::full([1, features], value, (Kind::Double, device));
    Ok(LinearModel {
        weights: weights.squeeze_dim(0).to_kind(Kind::Double),
        bias: bias.squeeze_dim(0).to_kind(Kind::Double),
        mean: constant(0.0),
        deviation: constant(1.0),
        chosen: Chosen::LearningRate(rate),
        validation,
    })
}

impl SgdOptions {
    /// The learning rates, smallest first.
    fn check(&self) -> Result<Vec<f64>, EvalError> {
        if self.learning_rates.is_empty() {
            return Err(StatisticsError::Empty { what: "learning rates to choose from" }.into());
        }
        if let Some(rate) = self.learning_rates.iter().find(|rate| !(rate.is_finite() && **rate > 0.0)) {
            let value = rate.to_string();
            return Err(StatisticsError::Setting {
                name: "learning rate",
                value,
                expected: "a finite number above zero",
            }
            .into());
        }
        for (name, value) in [("epochs", self.epochs), ("batch size", self.batch_size)] {
            if value == 0 {
                return Err(StatisticsError::Setting { name, value: "0".into(), expected: "at least 1" }.into());
            }
        }
        let mut rates = self.learning_rates.clone();
        rates.sort_by(f64::total_cmp);
        Ok(rates)
    }
}

struct Training<'a> {
    views: &'a [Tensor],
    /// One-hot labels, `[images, classes]`.
    target: &'a Tensor,
    options: &'a SgdOptions,
}

impl Training<'_> {
    /// Weights `[rates, features, classes]` and biases `[rates, 1, classes]` after training on the images `rows`.
    fn run(&self, rows: &[usize], rates: &[f64]) -> [Tensor; 2] {
        let device = self.target.device();
        let (count, features, classes) = (rates.len() as i64, self.views[0].size()[1], self.target.size()[1]);
        let zeros = |inner: i64| Tensor::zeros([count, inner, classes], (Kind::Float, device));
        let (mut weights, mut bias) = (zeros(features), zeros(1));
        let (mut weight_momentum, mut bias_momentum) = (zeros(features), zeros(1));
        let peaks = Tensor::from_slice(rates).to_kind(Kind::Float).to_device(device).view([count, 1, 1]);
        let batch_size = self.options.batch_size.min(rows.len());
        let per_epoch = rows.len().div_ceil(batch_size);
        let schedule = LearningRate {
            peak: 1.0,
            warmup_steps: 0,
            steps: self.options.epochs * per_epoch,
            kind: ScheduleKind::Cosine,
        };
        let mut step = 0;
        for epoch in 0..self.options.epochs {
            let view = &self.views[epoch % self.views.len()];
            let mut order = rows.to_vec();
            let at = Coordinates { epoch: epoch as u64, index: 0, view: 0 };
            order.shuffle(&mut random::rng(self.options.seed, Stream::LinearOrder, at));
            for batch in order.chunks(batch_size) {
                let batch = indices(batch, device);
                let inputs = view.index_select(0, &batch);
                // The gradient of mean cross-entropy with respect to the logits.
                let probabilities = (inputs.matmul(&weights) + &bias).softmax(-1, Kind::Float);
                let error = (probabilities - self.target.index_select(0, &batch)) / batch.size()[0] as f64;
                let weight_gradient = inputs.transpose(0, 1).matmul(&error);
                let bias_gradient = error.sum_dim_intlist([1i64].as_slice(), true, Kind::Float);
                let rate = &peaks * -schedule.at(step);
                for (values, momentum, gradient) in [
                    (&mut weights, &mut weight_momentum, weight_gradient),
                    (&mut bias, &mut bias_momentum, bias_gradient),
                ] {
                    let _ = momentum.g_mul_scalar_(MOMENTUM).g_add_(&gradient);
                    let _ = values.addcmul_(&(gradient + &*momentum * MOMENTUM), &rate);
                }
                step += 1;
            }
        }
        [weights, bias]
    }
}

fn indices(rows: &[usize], device: Device) -> Tensor {
    Tensor::from_slice(&rows.iter().map(|&row| row as i64).collect::<Vec<_>>()).to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(learning_rates: &[f64]) -> SgdOptions {
        SgdOptions { epochs: 30, batch_size: 8, learning_rates: learning_rates.to_vec(), seed: 0 }
    }

    fn corners() -> (Tensor, Vec<u16>) {
        let rows: Vec<[f32; 2]> =
            (0..40).map(|row| [if row % 2 == 0 { 1.0 } else { -1.0 }, row as f32 / 40.0]).collect();
        (Tensor::from_slice2(&rows), (0..40).map(|row| row % 2).collect())
    }

    #[test]
    fn of_rates_that_tell_the_classes_apart_the_smallest_is_chosen() {
        let (view, labels) = corners();
        let model = fit_sgd(&[view.shallow_clone()], &labels, 2, &options(&[1e-9, 0.1])).unwrap();
        assert_eq!(model.predict(&view).unwrap(), labels);
        // Weights begin at zero, so any rate tells these apart: of equal rates the smallest is chosen.
        assert_eq!(model.chosen(), Chosen::LearningRate(1e-9));
    }

    #[test]
    fn epochs_take_turns_with_the_views() {
        let (view, labels) = corners();
        let other = view.neg();
        let together = fit_sgd(&[view.shallow_clone(), other], &labels, 2, &options(&[0.1])).unwrap();
        let alone = fit_sgd(&[view], &labels, 2, &options(&[0.1])).unwrap();
        let weight = |model: &LinearModel| model.weights().double_value(&[0, 0]).abs();
        assert!(weight(&together) < 0.5 * weight(&alone), "{} and {}", weight(&together), weight(&alone));
    }

    #[test]
    fn bad_options_are_named() {
        let (view, labels) = corners();
        let message =
            |options: SgdOptions| fit_sgd(&[view.shallow_clone()], &labels, 2, &options).unwrap_err().to_string();
        assert!(message(options(&[])).contains("learning rates"));
        assert!(message(options(&[-1.0])).contains("learning rate cannot be -1"));
        assert!(message(SgdOptions { epochs: 0, ..options(&[0.1]) }).contains("epochs cannot be 0"));
        assert!(fit_sgd(&[], &labels, 2, &options(&[0.1])).is_err());
    }
}
