//! The objective of regularised multinomial logistic regression and its minimum. Which penalty and which rows are used
//! is decided in [`linear`](super).
//!
//! L-BFGS needs hundreds of steps where features differ in scale or depend on each other, as representations do. Both
//! are removed without changing the optimum: rows are rotated onto their principal axes, which leaves the penalty as it
//! is, and each axis is scaled such that the curvature at the start is about one.

mod newton;

use tch::{Kind, Tensor};

use super::descent::{Limit, Point, Surface, flat, lowest};
use crate::eval::EvalError;

/// Steps of L-BFGS after which the scale is adapted.
const STEPS: u64 = 40;

/// When a fit ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// The norm of the gradient at which it has converged, in a scale in which the curvature is about one.
    pub gradient: f64,
    /// Rounds of [`STEPS`] at most.
    pub rounds: usize,
    /// Whether Newton's method goes on where L-BFGS does not reach that gradient.
    pub newton: bool,
}

/// Labelled rows on the principal axes of standardised features.
///
/// # Shapes
/// All float64: `rows` `[images, axes]`, `targets` `[images, classes]` (one-hot), `axes` `[features, axes]`
/// (orthonormal), `variances` `[axes, 1]`.
pub(super) struct Rotated {
    rows: Tensor,
    targets: Tensor,
    axes: Tensor,
    variances: Tensor,
}

/// Where a fit ended.
///
/// # Shapes
/// All float64: `weights` `[axes, classes]`, `bias` `[1, classes]`.
pub(super) struct Solution {
    weights: Tensor,
    pub bias: Tensor,
    pub cost: f64,
    /// Norm of the gradient in the scale of the last round.
    pub gradient: f64,
}

impl Rotated {
    /// `vectors` is a float64 `[images, features]` with columns of mean zero; `labels` are below `classes`.
    pub fn new(vectors: &Tensor, labels: &[u16], classes: usize) -> Result<Rotated, EvalError> {
        let labels: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
        let targets = Tensor::from_slice(&labels).one_hot(classes as i64).to_kind(Kind::Double);
        let targets = targets.to_device(vectors.device());
        let images = vectors.size()[0];
        // Fewer rows than features span a space of that many dimensions, outside which weights are zero.
        let (vectors, span) = if images < vectors.size()[1] {
            let (span, coordinates) = Tensor::f_linalg_qr(&vectors.transpose(0, 1), "reduced")?;
            (coordinates.transpose(0, 1).contiguous(), Some(span))
        } else {
            (vectors.shallow_clone(), None)
        };
        let covariance = vectors.transpose(0, 1).f_mm(&vectors)? / images as f64;
        let (variances, axes) = covariance.f_linalg_eigh("L")?;
        let rows = vectors.mm(&axes);
        let axes = span.map_or_else(|| axes.shallow_clone(), |span| span.mm(&axes));
        Ok(Rotated { rows, targets, axes, variances: variances.clamp_min(0.0).unsqueeze(1) })
    }

    /// Some of the rows, with the axes of all.
    pub fn select(&self, rows: &[usize]) -> Rotated {
        let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.rows.device());
        Rotated {
            rows: self.rows.index_select(0, &rows),
            targets: self.targets.index_select(0, &rows),
            axes: self.axes.shallow_clone(),
            variances: self.variances.shallow_clone(),
        }
    }

    /// `[images, classes]`.
    pub fn logits(&self, at: &Solution) -> Tensor {
        self.rows.mm(&at.weights) + &at.bias
    }

    /// The weights of the features themselves, `[features, classes]`.
    pub fn weights(&self, solution: &Solution) -> Tensor {
        self.axes.mm(&solution.weights)
    }

    /// A place to start from, by weights of the features themselves, `[features, classes]`, and biases, `[1, classes]`. What lies outside
    /// the axes' span is left out, where weights are zero at the minimum.
    pub fn solution(&self, weights: &Tensor, bias: &Tensor) -> Solution {
        let weights = self.axes.transpose(0, 1).mm(weights);
        Solution { weights, bias: bias.shallow_clone(), cost: f64::INFINITY, gradient: f64::INFINITY }
    }

    /// Minimises the mean cross-entropy plus `l2 / 2` times the sum of squared weights, from `start` or from zero.
    pub fn minimize(&self, l2: f64, start: Option<&Solution>, effort: Effort) -> Result<Solution, EvalError> {
        let mut best = self.round(l2, start, effort.gradient)?;
        for _ in 1..effort.rounds {
            if best.gradient <= effort.gradient {
                break;
            }
            let next = self.round(l2, Some(&best), effort.gradient)?;
            // The gradient is measured in the scale of the start, so that the cost alone can be compared.
            if next.cost >= best.cost {
                break;
            }
            best = next;
        }
        if best.gradient > effort.gradient && effort.newton {
            best = self.newton(l2, best, effort.gradient)?;
        }
        Ok(best)
    }

    /// A few dozen steps in the scale that suits the start.
    fn round(&self, l2: f64, start: Option<&Solution>, gradient: f64) -> Result<Solution, EvalError> {
        let objective = Objective::new(self, l2, start);
        let limit = Limit { gradient, steps: STEPS };
        let best = lowest(&objective, objective.scaled(start)?, limit, l2)?;
        let (weights, bias) = objective.unscaled(&best.at);
        Ok(Solution { weights, bias, cost: best.cost, gradient: best.slope() })
    }
}

/// The objective as a function of scaled weights: row by row as `[axes + 1, classes]`, the last row being the bias.
struct Objective<'a> {
    data: &'a Rotated,
    l2: f64,
    /// What scaled weights are multiplied by, `[axes + 1, 1]`.
    scale: Tensor,
}

/// A point in scaled coordinates, and what is known there.
struct Place {
    /// `[axes + 1, classes]`, as the gradient.
    at: Tensor,
    cost: f64,
    gradient: Tensor,
    /// `[images, classes]`.
    probabilities: Tensor,
}

impl Objective<'_> {
    fn new<'a>(data: &'a Rotated, l2: f64, start: Option<&Solution>) -> Objective<'a> {
        let classes = data.targets.size()[1] as f64;
        // Along an axis the cross-entropy's curvature is the axis's variance times the mean of p (1 - p), spread evenly
        // over the classes; where it starts from zero, p is 1 / classes everywhere.
        let spread = start.map_or(1.0 / classes, |start| {
            let certainty = data.logits(start).softmax(1, Kind::Double).square().sum(Kind::Double);
            let certainty = certainty.double_value(&[]) / data.rows.size()[0] as f64;
            ((1.0 - certainty) / (classes - 1.0)).max(l2)
        });
        let axes = (&data.variances * spread + l2).rsqrt();
        let bias = axes.new_full([1, 1], spread.powf(-0.5), (axes.kind(), axes.device()));
        Objective { data, l2, scale: Tensor::cat(&[axes, bias], 0) }
    }

    fn scaled(&self, solution: Option<&Solution>) -> Result<Vec<f64>, EvalError> {
        match solution {
            Some(Solution { weights, bias, .. }) => flat(&(Tensor::cat(&[weights, bias], 0) / &self.scale)),
            None => Ok(vec![0.0; (self.scale.size()[0] * self.data.targets.size()[1]) as usize]),
        }
    }

    fn unscaled(&self, scaled: &[f64]) -> (Tensor, Tensor) {
        self.parts(&self.shaped(scaled))
    }

    /// `[axes + 1, classes]`.
    fn shaped(&self, scaled: &[f64]) -> Tensor {
        Tensor::from_slice(scaled).to_device(self.scale.device()).view([-1, self.data.targets.size()[1]])
    }

    /// Weights and biases themselves.
    fn parts(&self, scaled: &Tensor) -> (Tensor, Tensor) {
        let weights = scaled * &self.scale;
        let axes = weights.size()[0] - 1;
        (weights.narrow(0, 0, axes), weights.narrow(0, axes, 1))
    }

    fn place(&self, at: Tensor) -> Place {
        let Rotated { rows, targets, .. } = self.data;
        let (weights, bias) = self.parts(&at);
        let logs = (rows.mm(&weights) + bias).log_softmax(1, Kind::Double);
        let cross_entropy = -(&logs * targets).sum(Kind::Double) / rows.size()[0] as f64;
        let cost = cross_entropy + weights.square().sum(Kind::Double) * (self.l2 / 2.0);
        let probabilities = logs.exp();
        let gradient = self.pulled_back(&(&probabilities - targets), &weights);
        Place { at, cost: cost.double_value(&[]), gradient, probabilities }
    }

    /// From derivatives by logits, `[images, classes]`, to those by scaled weights and biases.
    fn pulled_back(&self, of_logits: &Tensor, weights: &Tensor) -> Tensor {
        let of_logits = of_logits / self.data.rows.size()[0] as f64;
        // This order of factors is twice as fast as rows^T of_logits.
        let of_weights = of_logits.transpose(0, 1).mm(&self.data.rows).transpose(0, 1) + weights * self.l2;
        let of_bias = of_logits.sum_dim_intlist([0i64].as_slice(), true, Kind::Double);
        Tensor::cat(&[of_weights, of_bias], 0) * &self.scale
    }
}

impl Surface for Objective<'_> {
    fn evaluate(&self, at: &[f64]) -> Result<Point, EvalError> {
        let place = self.place(self.shaped(at));
        Ok(Point { at: at.to_vec(), cost: place.cost, gradient: flat(&place.gradient)? })
    }
}
