//! Newton's method with conjugate gradients (Nocedal and Wright 2006, Numerical Optimization, algorithm 7.1): the last
//! steps of a fit where L-BFGS no longer finds a lower cost, as happens with weak penalties on classes that can be told
//! apart entirely.

use tch::{Kind, Tensor};

use super::{Objective, Place, Rotated, Solution};
use crate::eval::EvalError;

/// Steps at most; a handful is the rule, since each squares the error.
const STEPS: usize = 50;
/// Products with the second derivative in one step at most.
const PRODUCTS: usize = 500;
/// A full step that halves the cost's promised decrease this often is given up.
const HALVINGS: usize = 30;
/// Two costs whose relative difference is smaller cannot be told apart.
const ROUNDING: f64 = 1e-13;

impl Rotated {
    /// Goes on from `start` until the norm of the gradient is below `gradient`, or until no step leads further.
    pub(super) fn newton(&self, l2: f64, start: Solution, gradient: f64) -> Result<Solution, EvalError> {
        let objective = Objective::new(self, l2, Some(&start));
        let at = Tensor::cat(&[&start.weights, &start.bias], 0) / &objective.scale;
        let mut place = objective.place(at);
        for _ in 0..STEPS {
            if length(&place.gradient) <= gradient {
                break;
            }
            let direction = objective.direction(&place);
            let Some(next) = objective.step(&place, &direction) else { break };
            place = next;
        }
        let (weights, bias) = objective.parts(&place.at);
        Ok(Solution { weights, bias, cost: place.cost, gradient: length(&place.gradient) })
    }
}

impl Objective<'_> {
    /// The second derivative at `place` times `direction`.
    fn curvature(&self, place: &Place, direction: &Tensor) -> Tensor {
        let (weights, bias) = self.parts(direction);
        let logits = self.data.rows.mm(&weights) + bias;
        let mean = (&place.probabilities * &logits).sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        self.pulled_back(&(&place.probabilities * (logits - mean)), &weights)
    }

    /// Solves second derivative times direction = -gradient by conjugate gradients, the more exactly the smaller the
    /// gradient.
    fn direction(&self, place: &Place) -> Tensor {
        let size = length(&place.gradient);
        let enough = size * size.sqrt().min(0.5);
        let mut direction = place.gradient.zeros_like();
        let mut residual = -&place.gradient;
        let mut search = residual.copy();
        let mut squared = product(&residual, &residual);
        for _ in 0..PRODUCTS {
            let curved = self.curvature(place, &search);
            let curvature = product(&search, &curved);
            // Shifting all classes alike changes nothing: there, and by rounding, it may be zero.
            if curvature <= f64::EPSILON * product(&search, &search) {
                break;
            }
            let stride = squared / curvature;
            direction += &search * stride;
            residual -= curved * stride;
            let next = product(&residual, &residual);
            if next.sqrt() <= enough {
                break;
            }
            search = &residual + search * (next / squared);
            squared = next;
        }
        direction
    }

    /// The first of the full step, its half, its quarter and so on that lowers the cost, or, where costs can no longer
    /// be told apart, the gradient.
    fn step(&self, place: &Place, direction: &Tensor) -> Option<Place> {
        let slope = product(&place.gradient, direction);
        (0..HALVINGS).map(|halvings| 0.5f64.powi(halvings as i32)).find_map(|share| {
            let next = self.place(&place.at + direction * share);
            let lower = next.cost <= place.cost + 1e-4 * share * slope;
            let equal = (next.cost - place.cost).abs() <= ROUNDING * place.cost.abs().max(f64::MIN_POSITIVE);
            let flatter = length(&next.gradient) < length(&place.gradient);
            ((lower && next.cost < place.cost) || (equal && flatter)).then_some(next)
        })
    }
}

fn product(a: &Tensor, b: &Tensor) -> f64 {
    (a * b).sum(Kind::Double).double_value(&[])
}

fn length(a: &Tensor) -> f64 {
    product(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::super::Effort;
    use super::*;
    use crate::random::{Coordinates, Stream, rng};

    /// Three classes, sixty features that hardly differ from each other, and weak penalties.
    fn rotated() -> Rotated {
        let labels: Vec<u16> = (0..300).map(|row| row % 3).collect();
        let mut random = rng(1, Stream::Split, Coordinates::default());
        let mut rows = Vec::new();
        for &label in &labels {
            let shared: f64 = random.random();
            for feature in 0..60 {
                let own = random.random::<f64>() + f64::from(u8::from(feature % 3 == i32::from(label)));
                rows.push(shared + own * 0.3f64.powi(feature / 6));
            }
        }
        let vectors = Tensor::from_slice(&rows).view([300, 60]);
        let vectors = &vectors - vectors.mean_dim([0i64].as_slice(), true, Kind::Double);
        Rotated::new(&vectors, &labels, 3).unwrap()
    }

    #[test]
    fn it_ends_where_lbfgs_ends() {
        let rotated = rotated();
        for l2 in [1e-2, 1e-5, 1e-7] {
            let exact = Effort { gradient: 1e-9, rounds: 200, newton: false };
            let expected = rotated.minimize(l2, None, exact).unwrap();
            let rough = Effort { gradient: 0.1, rounds: 1, newton: false };
            let start = rotated.minimize(l2, None, rough).unwrap();
            assert!(start.gradient > 1e-3, "l2={l2}: the start is the end: {}", start.gradient);
            let found = rotated.newton(l2, start, 1e-9).unwrap();
            assert!(found.gradient < 1e-8, "l2={l2}: {}", found.gradient);
            assert!((found.cost - expected.cost).abs() < 1e-12, "l2={l2}: {} {}", found.cost, expected.cost);
        }
    }

    #[test]
    fn the_second_derivative_is_that_of_the_gradient() {
        let rotated = rotated();
        let start = rotated.minimize(1e-3, None, Effort { gradient: 0.1, rounds: 1, newton: false }).unwrap();
        let objective = Objective::new(&rotated, 1e-3, Some(&start));
        let at = Tensor::cat(&[&start.weights, &start.bias], 0) / &objective.scale;
        let place = objective.place(at.copy());
        let direction = (Tensor::arange(at.numel() as i64, (Kind::Double, at.device())) * 0.7).sin().view_as(&at);
        let step = 1e-5;
        let ends = [1.0, -1.0].map(|side| objective.place(&at + &direction * (side * step)).gradient);
        let expected = (&ends[0] - &ends[1]) / (2.0 * step);
        let difference = (objective.curvature(&place, &direction) - &expected).abs().max().double_value(&[]);
        assert!(difference < 1e-7 * expected.abs().max().double_value(&[]).max(1.0), "{difference}");
    }
}
