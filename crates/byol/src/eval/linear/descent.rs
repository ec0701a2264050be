//! The minimum of a smooth function by L-BFGS, as `argmin` has it.

use std::cell::RefCell;

use argmin::core::{CostFunction, Executor, Gradient, State};
use argmin::solver::linesearch::MoreThuenteLineSearch;
use argmin::solver::quasinewton::LBFGS;
use tch::Tensor;

use crate::eval::EvalError;

/// Step and gradient pairs from which the curvature is estimated.
const MEMORY: usize = 10;

/// A place, and what is known there.
#[derive(Clone)]
pub(super) struct Point {
    pub at: Vec<f64>,
    pub cost: f64,
    pub gradient: Vec<f64>,
}

impl Point {
    /// The Euclidean norm of the gradient.
    pub fn slope(&self) -> f64 {
        self.gradient.iter().map(|value| value * value).sum::<f64>().sqrt()
    }
}

/// A function to minimise.
pub(super) trait Surface {
    /// The cost and the gradient at a place.
    fn evaluate(&self, at: &[f64]) -> Result<Point, EvalError>;
}

/// When a descent ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// The norm of the gradient.
    pub gradient: f64,
    /// Steps at most.
    pub steps: u64,
}

/// The best place from `from` on; `l2` is for the error. The gradient is looked at after the first step only.
///
/// # Errors
/// The cost is not a number, or cannot be had.
pub(super) fn lowest(surface: &impl Surface, from: Vec<f64>, limit: Limit, l2: f64) -> Result<Point, EvalError> {
    let failed = |problem: argmin::core::Error| EvalError::NotConverged { l2, reason: problem.to_string() };
    let solver =
        LBFGS::new(MoreThuenteLineSearch::new(), MEMORY).with_tolerance_grad(limit.gradient).map_err(failed)?;
    let remembered = Remembered { surface, last: RefCell::new(None) };
    let ended = Executor::new(&remembered, solver)
        .configure(|state| state.param(from).max_iters(limit.steps))
        .timer(false)
        .run()
        .map_err(failed)?;
    let best = ended.state().get_best_param();
    let best = best.ok_or_else(|| EvalError::NotConverged { l2, reason: "its cost is not a number".into() })?;
    remembered.at(best, Point::clone)
}

/// L-BFGS asks for the cost and the gradient of a place one after the other; both come from one pass.
struct Remembered<'a, S> {
    surface: &'a S,
    last: RefCell<Option<Point>>,
}

impl<S: Surface> Remembered<'_, S> {
    /// Reads something off the place `at`, which is evaluated unless it was the last one.
    fn at<T>(&self, at: &[f64], read: impl FnOnce(&Point) -> T) -> Result<T, EvalError> {
        let mut last = self.last.borrow_mut();
        match &*last {
            Some(point) if point.at == at => Ok(read(point)),
            _ => Ok(read(last.insert(self.surface.evaluate(at)?))),
        }
    }
}

impl<S: Surface> CostFunction for &Remembered<'_, S> {
    type Param = Vec<f64>;
    type Output = f64;

    fn cost(&self, param: &Vec<f64>) -> Result<f64, argmin::core::Error> {
        Ok(self.at(param, |point| point.cost)?)
    }
}

impl<S: Surface> Gradient for &Remembered<'_, S> {
    type Param = Vec<f64>;
    type Gradient = Vec<f64>;

    fn gradient(&self, param: &Vec<f64>) -> Result<Vec<f64>, argmin::core::Error> {
        Ok(self.at(param, |point| point.gradient.clone())?)
    }
}

/// A matrix row by row.
pub(super) fn flat(values: &Tensor) -> Result<Vec<f64>, EvalError> {
    Ok(Vec::try_from(values.flatten(0, -1))?)
}
