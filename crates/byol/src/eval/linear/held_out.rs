//! Answers for labelled images by models that did not see their labels: folds, and the probabilities of logistic regression out of
//! them. Which penalty is taken is decided in [`linear`](super).

use tch::{Kind, Tensor};

use super::{LinearOptions, Prepared};
use crate::data::splits::stratified_folds;
use crate::eval::linear::objective::{Effort, Solution};
use crate::eval::{EvalError, Features, ValidatedBy, Validation, metrics};

/// Finer than for choosing a penalty, since the probabilities themselves are looked at.
const PROBABILITIES: Effort = Effort { gradient: 1e-4, rounds: 10, newton: false };

/// Probabilities of classes for labelled images, each by a model that did not see the image's label.
#[derive(Debug)]
pub struct OutOfFold {
    /// The rows that were held out, in rising order: all but the only image of a class, without which nothing would know the class.
    pub rows: Vec<usize>,
    /// float64 `[rows, classes]`; each row's sum is 1, and a class without labels has 0.
    pub probabilities: Tensor,
}

impl OutOfFold {
    /// How often the class with the highest probability is that of the label; nothing where no row was held out.
    ///
    /// # Errors
    /// A probability is no number.
    pub fn validation(&self, labels: &[u16]) -> Result<Option<Validation>, EvalError> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let predicted = metrics::argmax(&self.probabilities)?;
        let right = self.rows.iter().zip(predicted).filter(|&(&row, predicted)| labels[row] == predicted).count();
        Ok(Some(Validation { right: right as u64, images: self.rows.len() as u64, by: ValidatedBy::CrossValidation }))
    }
}

/// The probabilities that logistic regression with the penalty `l2` gives to each labelled image out of `folds` stratified folds (the
/// most frequent class's number of images where that is less): the model of a fold is fitted to the others. Where `folds` is the number
/// of rows or more, each row is left out by itself.
///
/// Features are standardised, and turned onto their principal axes, with all rows together; labels that are held out change neither.
///
/// # Errors
/// As [`fit_linear`](super::fit_linear).
pub fn out_of_fold(train: &Features, classes: usize, l2: f64, folds: usize, seed: u64) -> Result<OutOfFold, EvalError> {
    let options = LinearOptions { l2: vec![l2], folds, seed };
    options.check()?;
    let prepared = Prepared::new(train, classes)?;
    let _guard = tch::no_grad_guard();
    let device = train.vectors.device();
    let held_out = match folds < train.labels.len() {
        true => self::folds(&train.labels, &options)?.unwrap_or_default(),
        false => one_by_one(&train.labels),
    };
    let mut found: Vec<(usize, Tensor)> = Vec::new();
    // Each fold's model is near that of all rows.
    let whole = prepared.rotated.minimize(l2, None, PROBABILITIES)?;
    for fold in held_out {
        let kept = without(train.labels.len(), &fold);
        let fitted = of_fold(&prepared, &kept, l2, &whole)?;
        let probabilities = prepared.rotated.select(&fold).logits(&fitted).softmax(1, Kind::Double);
        let all = Tensor::zeros([fold.len() as i64, classes as i64], (Kind::Double, device));
        let all = all.index_copy(1, &prepared.columns(), &probabilities);
        found.extend(fold.iter().enumerate().map(|(place, &row)| (row, all.get(place as i64))));
    }
    found.sort_by_key(|(row, _)| *row);
    let (rows, probabilities): (Vec<usize>, Vec<Tensor>) = found.into_iter().unzip();
    let probabilities = match probabilities.is_empty() {
        true => Tensor::zeros([0, classes as i64], (Kind::Double, device)),
        false => Tensor::stack(&probabilities, 0),
    };
    Ok(OutOfFold { rows, probabilities })
}

fn of_fold(prepared: &Prepared, kept: &[usize], l2: f64, start: &Solution) -> Result<Solution, EvalError> {
    prepared.rotated.select(kept).minimize(l2, Some(start), PROBABILITIES)
}

/// The rows that are not in a sorted list.
pub(super) fn without(rows: usize, left_out: &[usize]) -> Vec<usize> {
    let mut kept = vec![true; rows];
    left_out.iter().for_each(|&row| kept[row] = false);
    (0..rows).filter(|&row| kept[row]).collect()
}

/// Every row by itself whose class has another one.
fn one_by_one(labels: &[u16]) -> Vec<Vec<usize>> {
    let counts = counts(labels);
    (0..labels.len()).filter(|&row| counts[usize::from(labels[row])] > 1).map(|row| vec![row]).collect()
}

fn counts(labels: &[u16]) -> Vec<usize> {
    let mut counts = vec![0; usize::from(u16::MAX) + 1];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

/// Rows to hold out, fold by fold; none where every class has a single row.
pub(super) fn folds(labels: &[u16], options: &LinearOptions) -> Result<Option<Vec<Vec<usize>>>, EvalError> {
    let counts = counts(labels);
    let most = counts.iter().copied().max().unwrap_or(0);
    if most < 2 {
        return Ok(None);
    }
    let rows: Vec<usize> = (0..labels.len()).filter(|&row| counts[usize::from(labels[row])] > 1).collect();
    let of_rows: Vec<u16> = rows.iter().map(|&row| labels[row]).collect();
    let folds = stratified_folds(&of_rows, options.folds.min(most), options.seed)?;
    Ok(Some(folds.into_iter().map(|fold| fold.into_iter().map(|place| rows[place]).collect()).collect()))
}
