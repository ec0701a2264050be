//! Linear evaluation: L2-regularised multinomial logistic regression on the representations of a frozen encoder, its
//! penalty chosen by cross-validation inside the given labels. No test vector is seen here before the model is fitted.
//! The paper's classifier trained by SGD is in [`sgd`].

mod descent;
mod held_out;
pub mod many;
mod objective;
pub mod sgd;

use tch::{Device, Kind, Tensor};

use super::{EvalError, Features, ValidatedBy, Validation, finite_matrix, metrics};
use crate::statistics::StatisticsError;
use held_out::folds;
pub use held_out::{OutOfFold, out_of_fold};
use objective::{Effort, Rotated, Solution};

/// Rows that are scored at a time.
const ROWS_AT_ONCE: i64 = 8192;

/// Gradient at which a fit counts as converged, in coordinates in which the curvature is at most about one.
const FIT: Effort = Effort { gradient: 1e-9, rounds: 50, newton: true };
/// For choosing a penalty, which needs no more than the held-out accuracy.
const CHOICE: Effort = Effort { gradient: 1e-3, rounds: 5, newton: false };
/// A final fit whose gradient stays above this is an error.
const CONVERGED: f64 = 1e-5;

/// How the penalty is chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearOptions {
    /// Penalties to choose from, each above zero, in any order. The objective is the mean cross-entropy over images
    /// plus `l2 / 2` times the sum of squared weights: scikit-learn's `LogisticRegression(C = 1 / (l2 * images))`. Of
    /// two classes scikit-learn fits one logit, which corresponds to two with `C = 2 / (l2 * images)`.
    pub l2: Vec<f64>,
    /// Folds of the cross-validation, at least 2. The most frequent class's number of images where that is less.
    pub folds: usize,
    /// Seed of the folds.
    pub seed: u64,
}

/// What was chosen inside the given labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Chosen {
    /// The L2 penalty of logistic regression.
    L2(f64),
    /// The peak learning rate of SGD.
    LearningRate(f64),
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Chosen::L2(penalty) => write!(f, "l2={penalty}"),
            Chosen::LearningRate(rate) => write!(f, "learning_rate={rate}"),
        }
    }
}

/// A fitted linear classifier.
#[derive(Debug)]
pub struct LinearModel {
    /// What vectors are standardised with, `[1, features]`.
    mean: Tensor,
    deviation: Tensor,
    weights: Tensor,
    bias: Tensor,
    chosen: Chosen,
    validation: Option<Validation>,
}

/// Fits a logistic regression to labelled representations.
///
/// Features are standardised with the mean and deviation of the training vectors (a constant one stays constant). The
/// bias is not penalised. The penalty with the most held-out images right over all folds is chosen, of equal ones the
/// strongest; folds are stratified, and the only image of a class is never held out. Where every class has one image
/// only, there is nothing to hold out, and the middle penalty is taken (of two, the stronger). A class without images
/// gets the score minus infinity.
///
/// The fit is L-BFGS to convergence in float64, on the device of the vectors, with Newton steps where that stalls.
///
/// # Errors
/// There are no vectors, they hold NaN or infinity, their number is not that of the labels, a label is not below
/// `classes`, all images are of one class, an option is out of its range, or the fit does not converge.
pub fn fit_linear(train: &Features, classes: usize, options: &LinearOptions) -> Result<LinearModel, EvalError> {
    let penalties = options.check()?;
    let prepared = Prepared::new(train, classes)?;
    let _guard = tch::no_grad_guard();
    let Prepared { rotated, places, .. } = &prepared;
    let (l2, validation) = choose(rotated, places, &penalties, options)?;
    // Weak penalties are approached from strong ones.
    let mut start = None;
    for &penalty in penalties.iter().take_while(|&&penalty| penalty > l2) {
        start = Some(rotated.minimize(penalty, start.as_ref(), CHOICE)?);
    }
    prepared.fitted(l2, start.as_ref(), validation)
}

/// Fits once more, to other labelled representations of the same encoder, with the penalty `l2` and from the weights of an earlier
/// model, whose classes may be fewer: where little has changed, this takes a few steps. The result is that of [`fit_linear`] with this
/// penalty alone, up to where both stop.
///
/// # Errors
/// As [`fit_linear`]; or the earlier model is of other features.
pub fn refit_linear(
    train: &Features,
    classes: usize,
    l2: f64,
    earlier: &LinearModel,
) -> Result<LinearModel, EvalError> {
    LinearOptions { l2: vec![l2], folds: 2, seed: 0 }.check()?;
    let prepared = Prepared::new(train, classes)?;
    let _guard = tch::no_grad_guard();
    let (expected, found) = (prepared.mean.size()[1] as usize, earlier.mean.size()[1] as usize);
    if found != expected {
        return Err(EvalError::Width {
            what: "the earlier model's weights",
            found,
            against: "the training vectors",
            expected,
        });
    }
    prepared.fitted(l2, Some(&prepared.start(earlier)), None)
}

/// Labelled representations, ready to be fitted to.
struct Prepared {
    /// As [`LinearModel`] has them.
    mean: Tensor,
    deviation: Tensor,
    classes: usize,
    /// The classes that occur, sorted; there is no optimum for a bias of one that does not.
    present: Vec<u16>,
    /// The place of each row's class among these.
    places: Vec<u16>,
    rotated: Rotated,
}

impl Prepared {
    fn new(train: &Features, classes: usize) -> Result<Prepared, EvalError> {
        train.check(classes)?;
        let present = present_classes(&train.labels, classes)?;
        let _guard = tch::no_grad_guard();
        let vectors = train.vectors.to_kind(Kind::Double);
        let mean = vectors.mean_dim([0i64].as_slice(), true, Kind::Double);
        let deviation = deviation(&vectors, &mean);
        let places: Vec<u16> =
            train.labels.iter().map(|label| present.partition_point(|class| class < label) as u16).collect();
        let rotated = Rotated::new(&((vectors - &mean) / &deviation), &places, present.len())?;
        Ok(Prepared { mean, deviation, classes, present, places, rotated })
    }

    /// The columns of the classes that occur.
    fn columns(&self) -> Tensor {
        let columns: Vec<i64> = self.present.iter().map(|&class| i64::from(class)).collect();
        Tensor::from_slice(&columns).to_device(self.mean.device())
    }

    /// What an earlier model says, in these standardised features. Of a class that is new it knows nothing: weights of zero, and the
    /// lowest bias.
    fn start(&self, earlier: &LinearModel) -> Solution {
        let per_unit = &earlier.weights / earlier.deviation.transpose(0, 1);
        let bias = &earlier.bias + (&self.mean - &earlier.mean).mm(&per_unit);
        let weights = per_unit * self.deviation.transpose(0, 1);
        let lowest = bias.masked_fill(&bias.isinf(), f64::INFINITY).min().double_value(&[]);
        let bias = bias.masked_fill(&bias.isinf(), lowest);
        let missing = (self.classes as i64 - bias.size()[1]).max(0);
        let weights = Tensor::cat(
            &[&weights, &weights.new_zeros([weights.size()[0], missing], (Kind::Double, self.mean.device()))],
            1,
        );
        let bias = Tensor::cat(&[&bias, &bias.new_full([1, missing], lowest, (Kind::Double, self.mean.device()))], 1);
        let columns = self.columns();
        self.rotated.solution(&weights.index_select(1, &columns), &bias.index_select(1, &columns))
    }

    fn fitted(
        &self,
        l2: f64,
        start: Option<&Solution>,
        validation: Option<Validation>,
    ) -> Result<LinearModel, EvalError> {
        let fitted = self.rotated.minimize(l2, start, FIT)?;
        if fitted.gradient > CONVERGED {
            let reason = format!("its gradient is still {:.1e}", fitted.gradient);
            return Err(EvalError::NotConverged { l2, reason });
        }
        let (device, columns) = (self.mean.device(), self.columns());
        let weights = self.rotated.weights(&fitted);
        let all = |value: f64, rows: i64| Tensor::full([rows, self.classes as i64], value, (Kind::Double, device));
        Ok(LinearModel {
            weights: all(0.0, weights.size()[0]).index_copy(1, &columns, &weights),
            bias: all(f64::NEG_INFINITY, 1).index_copy(1, &columns, &fitted.bias),
            mean: self.mean.shallow_clone(),
            deviation: self.deviation.shallow_clone(),
            chosen: Chosen::L2(l2),
            validation,
        })
    }
}

impl LinearOptions {
    /// The penalties, strongest first.
    fn check(&self) -> Result<Vec<f64>, EvalError> {
        if self.l2.is_empty() {
            return Err(StatisticsError::Empty { what: "penalties to choose from" }.into());
        }
        if let Some(penalty) = self.l2.iter().find(|penalty| !(penalty.is_finite() && **penalty > 0.0)) {
            let value = penalty.to_string();
            return Err(StatisticsError::Setting { name: "l2", value, expected: "a finite number above zero" }.into());
        }
        if self.folds < 2 {
            let value = self.folds.to_string();
            return Err(StatisticsError::Setting { name: "folds", value, expected: "at least 2" }.into());
        }
        let mut penalties = self.l2.clone();
        penalties.sort_by(|a, b| b.total_cmp(a));
        Ok(penalties)
    }
}

impl LinearModel {
    /// The class with the highest score of each vector; of equal ones the lowest index.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn predict(&self, vectors: &Tensor) -> Result<Vec<u16>, EvalError> {
        metrics::argmax(&self.scores(vectors)?)
    }

    /// Logits.
    ///
    /// # Shapes
    /// `vectors` is `[images, features]` on any device; the result is float64 `[images, classes]` on the model's.
    ///
    /// # Errors
    /// There are no vectors, they hold NaN or infinity, or have another number of features than the training vectors.
    pub fn scores(&self, vectors: &Tensor) -> Result<Tensor, EvalError> {
        let (_, found) = finite_matrix("vectors", vectors)?;
        let expected = self.weights.size()[0] as usize;
        if found != expected {
            return Err(EvalError::Width { what: "vectors", found, against: "the training vectors", expected });
        }
        let _guard = tch::no_grad_guard();
        let scores = vectors.split(ROWS_AT_ONCE, 0).into_iter().map(|rows| {
            let rows = rows.to_device(self.device()).to_kind(Kind::Double);
            ((rows - &self.mean) / &self.deviation).mm(&self.weights) + &self.bias
        });
        Ok(Tensor::cat(&scores.collect::<Vec<_>>(), 0))
    }

    /// Probabilities, in single precision: of many images, and at once.
    ///
    /// # Shapes
    /// `vectors` is float32 `[images, features]` on the model's device; float32 `[images, classes]`, each row's sum 1.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    pub fn probabilities(&self, vectors: &Tensor) -> Result<Tensor, EvalError> {
        let (_, found) = finite_matrix("vectors", vectors)?;
        let expected = self.weights.size()[0] as usize;
        if found != expected {
            return Err(EvalError::Width { what: "vectors", found, against: "the training vectors", expected });
        }
        let _guard = tch::no_grad_guard();
        let (weights, bias) = self.affine();
        Ok(vectors.linear(&weights, Some(&bias)).softmax(1, Kind::Float))
    }

    /// The penalty or learning rate that was chosen.
    pub fn chosen(&self) -> Chosen {
        self.chosen
    }

    /// How the choice did on the images that were held out for it; nothing where there were none.
    pub fn validation(&self) -> Option<Validation> {
        self.validation
    }

    /// Weights and bias for vectors as they are: the standardisation is in them.
    ///
    /// # Shapes
    /// float32 `[classes, features]` and `[classes]`.
    pub fn affine(&self) -> (Tensor, Tensor) {
        let scaled = &self.weights / self.deviation.transpose(0, 1);
        let bias = (&self.bias - self.mean.mm(&scaled)).squeeze_dim(0);
        (scaled.transpose(0, 1).to_kind(Kind::Float).contiguous(), bias.to_kind(Kind::Float))
    }

    /// Weights of the standardised features, float64 `[features, classes]`.
    pub fn weights(&self) -> &Tensor {
        &self.weights
    }

    /// Biases, float64 `[1, classes]`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    fn device(&self) -> Device {
        self.weights.device()
    }
}

/// The classes that occur, sorted.
fn present_classes(labels: &[u16], classes: usize) -> Result<Vec<u16>, EvalError> {
    let mut seen = vec![false; classes];
    labels.iter().for_each(|&label| seen[usize::from(label)] = true);
    let present: Vec<u16> = (0..=u16::MAX).zip(seen).filter(|&(_, seen)| seen).map(|(class, _)| class).collect();
    match present[..] {
        [class] => Err(EvalError::OneClass { images: labels.len(), class }),
        _ => Ok(present),
    }
}

/// The population deviation of each column, `[1, features]`; one for a column that is constant but for rounding.
fn deviation(vectors: &Tensor, mean: &Tensor) -> Tensor {
    const ROUNDING: f64 = 1e-10;
    let deviation = (vectors - mean).square().mean_dim([0i64].as_slice(), true, Kind::Double).sqrt();
    let constant = deviation.le_tensor(&(mean.abs() * ROUNDING));
    deviation.masked_fill(&constant, 1.0)
}

/// The penalty with the most held-out images right, and how many; `penalties` come strongest first.
fn choose(
    rotated: &Rotated,
    labels: &[u16],
    penalties: &[f64],
    options: &LinearOptions,
) -> Result<(f64, Option<Validation>), EvalError> {
    let Some(folds) = folds(labels, options)? else {
        return Ok((penalties[(penalties.len() - 1) / 2], None));
    };
    let mut right = vec![0; penalties.len()];
    let mut images = 0;
    for held_out in folds {
        let kept = held_out::without(labels.len(), &held_out);
        let (kept, held_out_rows) = (rotated.select(&kept), rotated.select(&held_out));
        images += held_out.len() as u64;
        let mut solution: Option<Solution> = None;
        for (&l2, right) in penalties.iter().zip(&mut right) {
            let next = kept.minimize(l2, solution.as_ref(), CHOICE)?;
            let predicted = metrics::argmax(&held_out_rows.logits(&next))?;
            *right += predicted.iter().zip(&held_out).filter(|&(predicted, &row)| *predicted == labels[row]).count();
            solution = Some(next);
        }
    }
    let mut best = 0;
    for candidate in 1..right.len() {
        if right[candidate] > right[best] {
            best = candidate;
        }
    }
    let validation = Validation { right: right[best] as u64, images, by: ValidatedBy::CrossValidation };
    Ok((penalties[best], Some(validation)))
}

#[cfg(test)]
mod tests;
