//! What is wrong with labelled data, by the representations of a run's encoder: probable wrong labels ([`confident`]), copies,
//! images that are unlike all others ([`outliers`]), classes that are taken for each other, and classes that are too small. Nothing is
//! changed, and nothing is trained but a linear classifier.

mod classes;
pub mod confident;
mod copies;
pub mod outliers;
pub mod table;
mod votes;

use tch::{Device, Kind, Tensor};

use crate::data::look::Look;
use crate::data::{DataSplit, Dataset, LabeledImages, PATTERNS};
use crate::eval::linear::{Chosen, LinearOptions, OutOfFold, fit_linear, out_of_fold};
use crate::eval::{EvalError, Features, metrics};
use crate::random::{Coordinates, Stream, rng};
use crate::run::data_check::{DataCheck, Finding, HeldOut, LabelledImage};
use crate::statistics::guess::Guess;
use crate::statistics::{known_classes, same_count};

/// The penalty is chosen with so many images at most, which are drawn at random.
const CHOSEN_WITH: usize = 2000;
/// Images whose labels a run looks at, at most: some seconds.
const LOOKED_AT: usize = 10_000;

/// Representations of all labelled images of a data set: of the training images, then of the test images.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    /// The data.
    pub dataset: &'a Dataset,
    /// float32 `[images, features]`.
    pub vectors: &'a Tensor,
    /// What each image looks like.
    pub looks: &'a [Look],
}

/// Looks at all labelled images together, whatever part they are of. Labels are judged by logistic regression out of
/// [`LinearOptions::folds`] folds, whose penalty is chosen among those of `options`, together with the labels of the nearest images,
/// as far as these help (docs/experiments.md).
///
/// # Errors
/// There is no labelled image, representations hold NaN or infinity or are of another number of images, or the classifier cannot be
/// fitted.
pub fn check(labelled: Labelled<'_>, options: &LinearOptions) -> Result<DataCheck, EvalError> {
    let Labelled { dataset, vectors, looks } = labelled;
    let labels = labels_of(dataset);
    let names = &dataset.class_names;
    let features = Features { vectors: vectors.to_kind(Kind::Float), labels };
    same_count("representations", vectors.size()[0] as usize, "labelled images", features.labels.len())?;
    known_classes("label", &features.labels, names.len())?;
    let counts = classes::counts(&features.labels, names.len());
    let image = |index: usize| labelled_image(dataset, index, &features.labels);
    let mut findings = Vec::new();
    // Drawn images have no copies.
    if dataset.name != PATTERNS {
        findings.extend(copies::found(looks, &image));
    }
    let mut held_out = None;
    if counts.iter().filter(|&&images| images > 0).count() > 1 {
        let l2 = penalty(&features, names.len(), options)?;
        let answers = answers(&features, names.len(), LinearOptions { l2: vec![l2], ..options.clone() })?;
        let validation = answers.validation(&features.labels)?;
        let guess = Guess::best(&features.labels, counts.iter().filter(|&&images| images > 0).count());
        held_out = validation.map(|found| HeldOut {
            right: found.right,
            images: found.images,
            no_better_than_guessing: guess.is_beaten_by(found.right, found.images) == Some(false),
        });
        findings.extend(wrong_labels(&answers, &features.labels, names, &image)?);
        findings.extend(classes::alike(&answered(&answers)?, &of_rows(&answers, &features.labels), names));
    }
    let far = outliers::outliers(&features.vectors, options.seed)?;
    findings.extend(far.into_iter().map(|(index, distance)| Finding::Outlier { image: image(index), distance }));
    findings.extend(classes::small(&counts, names));
    findings.sort_by_key(rank);
    Ok(DataCheck {
        data: dataset.name.clone(),
        images: features.labels.len(),
        classes: names.clone(),
        held_out,
        findings,
        version: crate::version(),
    })
}

/// The labels of these images that are probably wrong, most suspicious first, and how many labels were looked at: of more than 10,000
/// images an even choice. As [`check`] finds them, which looks at everything else too. None where all labels are of one class.
///
/// # Errors
/// As [`check`].
pub fn suspects(
    features: &Features,
    classes: usize,
    options: &LinearOptions,
) -> Result<(Vec<confident::Issue>, usize), EvalError> {
    known_classes("label", &features.labels, classes)?;
    let images = features.labels.len();
    let looked: Vec<usize> = (0..images.min(LOOKED_AT)).map(|place| place * images / images.min(LOOKED_AT)).collect();
    let rows: Vec<i64> = looked.iter().map(|&row| row as i64).collect();
    let rows = Tensor::from_slice(&rows).to_device(features.vectors.device());
    let vectors = features.vectors.index_select(0, &rows).to_kind(Kind::Float).to_device(Device::Cpu);
    let some = Features { vectors, labels: looked.iter().map(|&row| features.labels[row]).collect() };
    if classes::counts(&some.labels, classes).iter().filter(|&&images| images > 0).count() < 2 {
        return Ok((Vec::new(), looked.len()));
    }
    let l2 = penalty(&some, classes, options)?;
    let answers = answers(&some, classes, LinearOptions { l2: vec![l2], ..options.clone() })?;
    let mut issues = confident::issues(&values(&answers)?, &of_rows(&answers, &some.labels), classes);
    issues.iter_mut().for_each(|issue| issue.row = looked[answers.rows[issue.row]]);
    Ok((issues, looked.len()))
}

/// The order of the kinds: what is wrong for certain first. Within a kind the order stays.
fn rank(finding: &Finding) -> usize {
    match finding {
        Finding::Contradiction { exact: true, .. } => 0,
        Finding::InTrainAndTest { exact: true, .. } => 1,
        Finding::WrongLabel { .. } => 2,
        Finding::Contradiction { exact: false, .. } => 3,
        Finding::InTrainAndTest { exact: false, .. } => 4,
        Finding::Outlier { .. } => 5,
        Finding::Repeated { exact: true, .. } => 6,
        Finding::Repeated { exact: false, .. } => 7,
        Finding::AlikeClasses { .. } => 8,
        Finding::SmallClass { .. } => 9,
    }
}

fn parts(dataset: &Dataset) -> impl Iterator<Item = &LabeledImages> {
    dataset.train.iter().chain(&dataset.test)
}

/// The labels of all labelled images, the training images first.
pub fn labels_of(dataset: &Dataset) -> Vec<u16> {
    parts(dataset).flat_map(|part| part.labels.iter().copied()).collect()
}

fn labelled_image(dataset: &Dataset, index: usize, labels: &[u16]) -> LabelledImage {
    let train = dataset.train.as_ref().map_or(0, |train| train.labels.len());
    let part = if index < train { &dataset.train } else { &dataset.test };
    let place = if index < train { index } else { index - train };
    let name = part.as_ref().map(|part| part.images.name(place)).unwrap_or_default();
    let class = dataset.class_names.get(usize::from(labels[index])).cloned().unwrap_or_default();
    // A division that was drawn here divides nothing that the data's owner divided.
    LabelledImage { index, image: name, class, test: index >= train && dataset.split == DataSplit::Given }
}

/// The penalty with which classifiers do best on labels that they did not see.
fn penalty(features: &Features, classes: usize, options: &LinearOptions) -> Result<f64, EvalError> {
    let images = features.labels.len();
    let chosen_with = if images > CHOSEN_WITH {
        let mut random = rng(options.seed, Stream::Split, Coordinates { view: 2, ..Coordinates::default() });
        let mut drawn = rand::seq::index::sample(&mut random, images, CHOSEN_WITH).into_vec();
        drawn.sort_unstable();
        drawn
    } else {
        (0..images).collect()
    };
    let rows: Vec<i64> = chosen_with.iter().map(|&row| row as i64).collect();
    let rows = Tensor::from_slice(&rows).to_device(features.vectors.device());
    let some = Features {
        vectors: features.vectors.index_select(0, &rows),
        labels: chosen_with.iter().map(|&row| features.labels[row]).collect(),
    };
    Ok(match fit_linear(&some, classes, options)?.chosen() {
        Chosen::L2(l2) | Chosen::LearningRate(l2) => l2,
    })
}

/// What a linear classifier and the nearest images say of each image, neither with its own label.
fn answers(features: &Features, classes: usize, options: LinearOptions) -> Result<OutOfFold, EvalError> {
    let LinearOptions { l2, folds, seed } = options;
    let linear = out_of_fold(features, classes, l2[0], folds, seed)?;
    let votes = votes::votes(features, classes, seed)?;
    let near: Vec<f64> =
        linear.rows.iter().flat_map(|&row| votes[classes * row..classes * (row + 1)].iter().copied()).collect();
    let pooled = votes::pooled(&values(&linear)?, &near, &of_rows(&linear, &features.labels), classes);
    let shape = [linear.rows.len() as i64, classes as i64];
    Ok(OutOfFold { rows: linear.rows, probabilities: Tensor::from_slice(&pooled).view(shape) })
}

/// The probabilities, row by row.
fn values(answers: &OutOfFold) -> Result<Vec<f64>, EvalError> {
    Ok(Vec::try_from(answers.probabilities.to_kind(Kind::Double).flatten(0, -1))?)
}

/// The labels of the rows that were held out.
fn of_rows(answers: &OutOfFold, labels: &[u16]) -> Vec<u16> {
    answers.rows.iter().map(|&row| labels[row]).collect()
}

/// The most probable class of each row that was held out.
fn answered(answers: &OutOfFold) -> Result<Vec<u16>, EvalError> {
    match answers.rows.is_empty() {
        true => Ok(Vec::new()),
        false => metrics::argmax(&answers.probabilities),
    }
}

fn wrong_labels(
    answers: &OutOfFold,
    labels: &[u16],
    names: &[String],
    image: &dyn Fn(usize) -> LabelledImage,
) -> Result<Vec<Finding>, EvalError> {
    let issues = confident::issues(&values(answers)?, &of_rows(answers, labels), names.len());
    let found = issues.into_iter().map(|issue| Finding::WrongLabel {
        image: image(answers.rows[issue.row]),
        likely: names[usize::from(issue.likely)].clone(),
        own_probability: issue.own_probability,
        likely_probability: issue.likely_probability,
    });
    Ok(found.collect())
}

#[cfg(test)]
mod tests;
