//! Logistic regression on many rows, in single precision and where they lie: neither copied, nor rotated, nor read more often than steps
//! are made. It ends sooner than a fit in double precision does; where one fit follows another from nearly the same rows, a few steps
//! are enough.
//!
//! What makes few steps do is as in `objective.rs`, but is applied to the weights instead of the rows.

use tch::{Kind, Tensor};

use super::descent::{Limit, Point, Surface, flat, lowest};
use super::{Chosen, LinearModel, LinearOptions, deviation, present_classes};
use crate::eval::{EvalError, Features};

/// Rows that tell means, deviations and principal axes: an even choice, where there are more.
const LOOKED_AT: usize = 10_000;
/// The norm of the gradient at which a fit ends, in a scale in which the curvature is about one.
const ENOUGH: f64 = 3e-4;
/// Steps of L-BFGS at most.
const STEPS: u64 = 100;

/// What rows are standardised with, and their principal axes: found once, for many fits to rows of the same encoder.
///
/// # Shapes
/// All float64: `mean` and `deviation` `[1, features]`, `axes` `[features, features]` (orthonormal), `variances` `[features, 1]`.
#[derive(Debug)]
pub struct Basis {
    mean: Tensor,
    deviation: Tensor,
    axes: Tensor,
    variances: Tensor,
}

impl Basis {
    /// Of these rows; of more than 10,000 an even choice is looked at.
    ///
    /// # Shapes
    /// `vectors` is `[images, features]`, with one row or more.
    ///
    /// # Errors
    /// A row that is looked at holds NaN or infinity.
    pub fn of(vectors: &Tensor) -> Result<Basis, EvalError> {
        let _guard = tch::no_grad_guard();
        let rows = vectors.size()[0];
        let count = rows.min(LOOKED_AT as i64);
        let chosen: Vec<i64> = (0..count).map(|place| place * rows / count).collect();
        let some = vectors.index_select(0, &Tensor::from_slice(&chosen).to_device(vectors.device()));
        crate::eval::finite_matrix("training vectors", &some)?;
        let some = some.to_kind(Kind::Double);
        let mean = some.mean_dim([0i64].as_slice(), true, Kind::Double);
        let deviation = deviation(&some, &mean);
        let standardised = (some - &mean) / &deviation;
        let covariance = standardised.transpose(0, 1).f_mm(&standardised)? / count as f64;
        let (variances, axes) = covariance.f_linalg_eigh("L")?;
        Ok(Basis { mean, deviation, axes, variances: variances.clamp_min(0.0).unsqueeze(1) })
    }

    fn width(&self) -> usize {
        self.mean.size()[1] as usize
    }
}

/// Fits to labelled rows with the penalty `l2`, from the weights of an earlier model of the same encoder where there is one. The objective
/// is that of [`fit_linear`](super::fit_linear), standardised by `basis`; the fit ends where the gradient is below 0.0003 in a scale in which
/// the curvature is about one: probabilities are then right to about a hundredth.
///
/// # Errors
/// As [`fit_linear`](super::fit_linear); or rows or the earlier model are of other features than the basis.
pub fn fit_many(
    train: &Features,
    classes: usize,
    l2: f64,
    (basis, earlier): (&Basis, Option<&LinearModel>),
) -> Result<LinearModel, EvalError> {
    LinearOptions { l2: vec![l2], folds: 2, seed: 0 }.check()?;
    train.check(classes)?;
    let present = present_classes(&train.labels, classes)?;
    let against = "the rows of its basis";
    let of_rows = [("training vectors", Some(train.vectors.size()[1] as usize))];
    let of_earlier = ("the earlier model's weights", earlier.map(|model| model.weights.size()[0] as usize));
    for (what, found) in of_rows.into_iter().chain([of_earlier]) {
        let expected = basis.width();
        if let Some(found) = found.filter(|&found| found != expected) {
            return Err(EvalError::Width { what, found, against, expected });
        }
    }
    let _guard = tch::no_grad_guard();
    let places: Vec<i64> =
        train.labels.iter().map(|label| present.partition_point(|class| class < label) as i64).collect();
    let start = earlier.map(|earlier| start(basis, earlier, &present));
    let (weights, bias) = minimum(basis, &train.vectors, (&places, present.len()), (l2, start))?;
    let device = basis.mean.device();
    let columns: Vec<i64> = present.iter().map(|&class| i64::from(class)).collect();
    let columns = Tensor::from_slice(&columns).to_device(device);
    let all = |value: f64, rows: i64| Tensor::full([rows, classes as i64], value, (Kind::Double, device));
    Ok(LinearModel {
        weights: all(0.0, basis.width() as i64).index_copy(1, &columns, &basis.axes.mm(&weights)),
        bias: all(f64::NEG_INFINITY, 1).index_copy(1, &columns, &bias),
        mean: basis.mean.shallow_clone(),
        deviation: basis.deviation.shallow_clone(),
        chosen: Chosen::L2(l2),
        validation: None,
    })
}

/// Weights along the axes and biases of an earlier model, for the classes that occur. Of a new class it knows nothing.
fn start(basis: &Basis, earlier: &LinearModel, present: &[u16]) -> (Tensor, Tensor) {
    let per_unit = &earlier.weights / earlier.deviation.transpose(0, 1);
    let bias = &earlier.bias + (&basis.mean - &earlier.mean).mm(&per_unit);
    let weights = basis.axes.transpose(0, 1).mm(&(per_unit * basis.deviation.transpose(0, 1)));
    let known = earlier.bias.size()[1];
    let lowest = bias.masked_fill(&bias.isinf(), f64::INFINITY).min();
    let column = |class: i64| {
        let new = class >= known || bias.double_value(&[0, class]).is_infinite();
        match new {
            true => (weights.select(1, 0).zeros_like(), lowest.view([1])),
            false => (weights.select(1, class), bias.select(1, class)),
        }
    };
    let (weights, bias): (Vec<Tensor>, Vec<Tensor>) = present.iter().map(|&class| column(i64::from(class))).unzip();
    (Tensor::stack(&weights, 1), Tensor::stack(&bias, 1))
}

/// Weights along the axes, `[features, classes]`, and biases, `[1, classes]`, at the minimum.
fn minimum(
    basis: &Basis,
    rows: &Tensor,
    (places, classes): (&[i64], usize),
    (l2, start): (f64, Option<(Tensor, Tensor)>),
) -> Result<(Tensor, Tensor), EvalError> {
    let places = Tensor::from_slice(places).to_device(rows.device()).unsqueeze(1);
    let objective = Objective::new(basis, rows, (places, classes), (l2, start.as_ref()));
    let from = match start {
        Some((weights, bias)) => flat(&(Tensor::cat(&[weights, bias], 0) / &objective.scale))?,
        None => vec![0.0; (basis.width() + 1) * classes],
    };
    // L-BFGS looks at the gradient after its first step only.
    let first = objective.evaluate(&from)?;
    let best = match first.slope() <= ENOUGH {
        true => first,
        false => lowest(&objective, from, Limit { gradient: ENOUGH, steps: STEPS }, l2)?,
    };
    Ok(objective.parts(&objective.shaped(&best.at)))
}

/// The objective as a function of scaled weights along the axes: `[features + 1, classes]`, the last row being the bias.
struct Objective<'a> {
    basis: &'a Basis,
    rows: &'a Tensor,
    /// int64 `[images, 1]`.
    places: Tensor,
    classes: i64,
    l2: f64,
    /// What scaled weights are multiplied by, `[features + 1, 1]`.
    scale: Tensor,
}

impl<'a> Objective<'a> {
    fn new(
        basis: &'a Basis,
        rows: &'a Tensor,
        (places, classes): (Tensor, usize),
        (l2, start): (f64, Option<&(Tensor, Tensor)>),
    ) -> Objective<'a> {
        let device = basis.mean.device();
        let scale = Tensor::ones([basis.width() as i64 + 1, 1], (Kind::Double, device));
        let mut objective = Objective { basis, rows, places, classes: classes as i64, l2, scale };
        let count = classes as f64;
        // As in `objective`: the cross-entropy's curvature along an axis, spread evenly over the classes.
        let spread = start.map_or(1.0 / count, |(weights, bias)| {
            let certainty = objective.logits(weights, bias).softmax(1, Kind::Float).square().sum(Kind::Double);
            let certainty = certainty.double_value(&[]) / rows.size()[0] as f64;
            ((1.0 - certainty) / (count - 1.0)).max(l2)
        });
        let axes = (&basis.variances * spread + l2).rsqrt();
        let bias = axes.new_full([1, 1], spread.powf(-0.5), (Kind::Double, device));
        objective.scale = Tensor::cat(&[axes, bias], 0);
        objective
    }

    /// `[features + 1, classes]`.
    fn shaped(&self, scaled: &[f64]) -> Tensor {
        Tensor::from_slice(scaled).to_device(self.scale.device()).view([-1, self.classes])
    }

    /// Weights along the axes and biases themselves.
    fn parts(&self, scaled: &Tensor) -> (Tensor, Tensor) {
        let all = scaled * &self.scale;
        let features = all.size()[0] - 1;
        (all.narrow(0, 0, features), all.narrow(0, features, 1))
    }

    /// float32 `[images, classes]`, from the rows as they are.
    fn logits(&self, weights: &Tensor, bias: &Tensor) -> Tensor {
        let per_unit = self.basis.axes.mm(weights) / self.basis.deviation.transpose(0, 1);
        let bias = (bias - self.basis.mean.mm(&per_unit)).squeeze_dim(0).to_kind(Kind::Float);
        self.rows.linear(&per_unit.transpose(0, 1).to_kind(Kind::Float).contiguous(), Some(&bias))
    }
}

impl Surface for Objective<'_> {
    fn evaluate(&self, at: &[f64]) -> Result<Point, EvalError> {
        let (weights, bias) = self.parts(&self.shaped(at));
        let images = self.rows.size()[0] as f64;
        let logs = self.logits(&weights, &bias).log_softmax(1, Kind::Float);
        let cross_entropy = -logs.gather(1, &self.places, false).sum(Kind::Double).double_value(&[]) / images;
        let penalty = weights.square().sum(Kind::Double).double_value(&[]) * self.l2 / 2.0;
        // Derivatives by logits: probabilities, less one for the label.
        let ones = Tensor::full_like(&self.places, -1).to_kind(Kind::Float);
        let of_logits = logs.exp().scatter_add(1, &self.places, &ones);
        let of_bias = of_logits.sum_dim_intlist([0i64].as_slice(), true, Kind::Double) / images;
        let of_units = of_logits.transpose(0, 1).mm(self.rows).transpose(0, 1).to_kind(Kind::Double) / images;
        // The bias holds what the mean takes away.
        let of_units = of_units - self.basis.mean.transpose(0, 1).mm(&of_bias);
        let of_weights = self.basis.axes.transpose(0, 1).mm(&(of_units / self.basis.deviation.transpose(0, 1)));
        let gradient = Tensor::cat(&[of_weights + weights * self.l2, of_bias], 0) * &self.scale;
        Ok(Point { at: at.to_vec(), cost: cross_entropy + penalty, gradient: flat(&gradient)? })
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;
    use crate::eval::linear::{fit_linear, refit_linear};
    use crate::random::{Coordinates, Stream, rng};

    /// Classes that overlap, with features of different scale and a mean far from zero.
    fn blobs(images: usize, classes: u16) -> Features {
        let mut random = rng(2, Stream::Split, Coordinates::default());
        let labels: Vec<u16> = (0..images).map(|row| row as u16 % classes).collect();
        let mut values: Vec<f32> = Vec::new();
        for &label in &labels {
            for feature in 0..12u16 {
                let own = f32::from(u8::from(feature % classes == label));
                let noise: f32 = (0..4).map(|_| random.random::<f32>()).sum::<f32>() - 2.0;
                values.push(5.0 + (own + noise) * 1.5f32.powi(i32::from(feature)));
            }
        }
        Features { vectors: Tensor::from_slice(&values).view([images as i64, 12]), labels }
    }

    fn difference(one: &LinearModel, other: &LinearModel, rows: &Tensor) -> f64 {
        let [one, other] = [one, other].map(|model| model.probabilities(rows).unwrap());
        (one - other).abs().max().double_value(&[])
    }

    #[test]
    fn it_ends_where_the_exact_fit_does() {
        let train = blobs(3000, 4);
        let l2 = 1e-3;
        let exact = fit_linear(&train, 5, &LinearOptions { l2: vec![l2], folds: 2, seed: 0 }).unwrap();
        let basis = Basis::of(&train.vectors).unwrap();
        let found = fit_many(&train, 5, l2, (&basis, None)).unwrap();
        let apart = difference(&exact, &found, &train.vectors);
        assert!(apart < 1e-2, "{apart}");
        assert_eq!(found.bias().double_value(&[0, 4]), f64::NEG_INFINITY, "a class without images");
        // From either model it is there at once, and either goes on from it.
        for earlier in [&exact, &found] {
            let again = fit_many(&train, 5, l2, (&basis, Some(earlier))).unwrap();
            assert!(difference(&exact, &again, &train.vectors) < 1e-2);
        }
        let exactly = refit_linear(&train, 5, l2, &found).unwrap();
        assert!(difference(&exact, &exactly, &train.vectors) < 1e-6);
    }

    #[test]
    fn a_new_class_is_learned_and_other_features_are_refused() {
        let train = blobs(3000, 4);
        let basis = Basis::of(&train.vectors).unwrap();
        let known: Vec<i64> = (0..3000).filter(|row| row % 4 != 3).collect();
        let some = Features {
            vectors: train.vectors.index_select(0, &Tensor::from_slice(&known)),
            labels: known.iter().map(|row| (row % 4) as u16).collect(),
        };
        let earlier = fit_many(&some, 4, 1e-3, (&basis, None)).unwrap();
        let grown = fit_many(&train, 4, 1e-3, (&basis, Some(&earlier))).unwrap();
        let anew = fit_many(&train, 4, 1e-3, (&basis, None)).unwrap();
        assert!(difference(&grown, &anew, &train.vectors) < 1e-2);
        let narrow = Features { vectors: train.vectors.narrow(1, 0, 7), labels: train.labels.clone() };
        assert!(matches!(fit_many(&narrow, 4, 1e-3, (&basis, None)), Err(EvalError::Width { .. })));
        assert!(fit_many(&train, 4, 0.0, (&basis, None)).is_err());
    }
}
