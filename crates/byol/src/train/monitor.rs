//! Looking at the representation while it trains: its health, k-NN and a linear probe, and the judgement whether it has
//! collapsed. Which images are looked at, and from how many of them what is judged, is decided here.

use std::sync::Arc;

use tch::Tensor;

use super::method::Method;
use super::{Setting, TrainError};
use crate::config::Experiment;
use crate::data::splits::hold_out;
use crate::data::{ConcatSource, DataError, Dataset, ImageSource, LabeledImages};
use crate::eval::health::spread;
use crate::eval::knn::{KnnOptions, knn};
use crate::eval::linear::{LinearOptions, fit_linear};
use crate::eval::{EvalError, Features};
use crate::loader::{self, ImageSet, InOrder, ViewGroup, ViewKind};
use crate::random::ViewNumber;
use crate::run::health::{Health, Sign};
use crate::statistics::accuracy;

/// Labelled images that vote, and held-out ones that are classified, at most.
const BANK: usize = 2000;
const HELD_OUT: usize = 500;
/// Share of the labelled images that is held out where that is enough.
const HELD_OUT_SHARE: f64 = 0.2;
/// Held-out labelled images below which there is no k-NN and no probe, and thus no best checkpoint: of 50 images the
/// standard error of an accuracy is at most 7 points, below what pre-training gains; of 10 it is 16, and the best of
/// several looks would be the luckiest.
const CLASSIFIED: usize = 50;
/// Labelled images that `CLASSIFIED` can be held out of: half of them, so that as many vote.
pub const LABELS_FOR_KNN: usize = 2 * CLASSIFIED;
/// Held-out labelled images whose health is watched instead of that of the pool.
const WATCHED_LABELED: usize = 100;
/// Optimiser steps before which nothing is judged: a look uses batch norm's running averages, of which each step renews a
/// tenth, so that after 20 an eighth is still what they began with.
const SETTLED_STEPS: usize = 20;
/// The probe's only penalty: there is nothing to choose while training.
const PROBE_L2: f64 = 1e-2;

/// The images that watch the representation.
pub struct Monitor {
    /// Those whose representations and projections are looked at: labelled ones that k-NN classifies too where they are
    /// many, otherwise images of the pool.
    pub watched: Images,
    /// What k-NN and the probe need, where there are labels enough.
    pub labels: Option<Labels>,
}

/// Some images of a source.
pub struct Images {
    /// The source.
    pub source: Arc<dyn ImageSource>,
    /// Which of its images.
    pub indices: Vec<usize>,
}

/// What k-NN and the probe need.
#[derive(Clone)]
pub struct Labels {
    /// The labelled images.
    pub source: Arc<dyn ImageSource>,
    /// Class index of every image of the source.
    pub of_images: Vec<u16>,
    /// Number of classes.
    pub classes: usize,
    /// Indices of the images that vote, and that the probe is fitted to; none of them is held out.
    pub bank: Vec<usize>,
    /// Indices of the images that are classified.
    pub held_out: Vec<usize>,
}

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Look {
    /// Absent where there is but one image to watch.
    pub health: Option<Health>,
    /// Accuracy of k-NN on the held-out images, 0-1; absent without labels.
    pub knn_accuracy: Option<f64>,
    /// Accuracy of a linear probe on the held-out images, 0-1; absent without labels.
    pub linear_accuracy: Option<f64>,
}

impl Monitor {
    /// Chooses the images to watch. Absent where the experiment asks for no looks, or there are no images.
    ///
    /// # Errors
    /// A label is out of range.
    pub fn choose(experiment: &Experiment, data: &Dataset) -> Result<Option<Monitor>, DataError> {
        if experiment.pretrain.monitor_every == 0 {
            return Ok(None);
        }
        let labels = match &data.train {
            Some(labeled) => Labels::choose(labeled, data.class_names.len(), experiment.seed)?,
            None => None,
        };
        if let Some(labels) = labels.as_ref().filter(|labels| labels.held_out.len() >= WATCHED_LABELED) {
            let watched = Images { source: labels.source.clone(), indices: labels.held_out.clone() };
            return Ok(Some(Monitor { watched, labels: Some(labels.clone()) }));
        }
        let pool = ConcatSource::from(data.pretraining_pool());
        let count = pool.len().min(HELD_OUT);
        let indices: Vec<usize> = (0..count).map(|number| number * pool.len() / count).collect();
        let watched = Images { source: Arc::new(pool), indices };
        Ok((count > 0).then_some(Monitor { watched, labels }))
    }

    /// Looks at the online network; ranks look together, and rank 0 has seen it.
    ///
    /// # Errors
    /// An image cannot be read, or a representation is not finite.
    pub fn look(&self, setting: &Setting, method: &dyn Method) -> Result<Option<Look>, TrainError> {
        let experiment = setting.experiment;
        // The first two views as training has them, at other draws.
        let views = experiment.training_views();
        let (pair, side) = (views.iter().take(2).enumerate(), experiment.view_size());
        let kinds = pair
            .map(|(place, view)| ViewKind::Random {
                recipe: view.recipe.clone().into_owned(),
                view: ViewNumber::Watched(place),
            })
            .collect();
        let views = ViewGroup { sides: side.into(), kinds };
        let count = self.watched.indices.len();
        let watched = embed(setting, method, &self.watched, views)?;
        let voting = self.labels.as_ref().map(|labels| labels.embed(setting, method)).transpose()?;
        if !setting.hardware.ranks.is_first() {
            return Ok(None);
        }
        let health = match &watched[..] {
            [first, second] if count > 1 => Some(Health {
                representation: spread(&first[0], &second[0])?,
                projection: spread(&first[1], &second[1])?,
                images: Some(count),
            }),
            _ => None,
        };
        let (knn_accuracy, linear_accuracy) = match self.labels.as_ref().zip(voting) {
            Some((labels, vectors)) => labels.classify(experiment, vectors)?,
            None => (None, None),
        };
        Ok(Some(Look { health, knn_accuracy, linear_accuracy }))
    }
}

impl Labels {
    /// Divides labelled images into those that vote and those that are classified; nothing where they are too few.
    fn choose(labeled: &LabeledImages, classes: usize, seed: u64) -> Result<Option<Labels>, DataError> {
        let count = labeled.labels.len();
        if count < LABELS_FOR_KNN {
            return Ok(None);
        }
        let all: Vec<usize> = (0..count).collect();
        let part = |wanted: usize| wanted as f64 / count as f64;
        let share = part(HELD_OUT).min(HELD_OUT_SHARE).max(part(CLASSIFIED));
        let (rest, held_out) = hold_out(&labeled.labels, &all, share, seed)?;
        let bank = if rest.len() > BANK {
            hold_out(&labeled.labels, &rest, BANK as f64 / rest.len() as f64, seed)?.1
        } else {
            rest
        };
        let (source, of_images) = (labeled.images.clone(), labeled.labels.clone());
        // Classes of one image lose none of them, so that fewer may be held out than were asked for.
        let enough = held_out.len() >= CLASSIFIED;
        Ok(enough.then_some(Labels { source, of_images, classes, bank, held_out }))
    }

    /// Representations of the images that vote, and of those that are classified: rank 0's.
    fn embed(&self, setting: &Setting, method: &dyn Method) -> Result<[Option<Tensor>; 2], TrainError> {
        let vectors = |indices: &[usize]| -> Result<Option<Tensor>, TrainError> {
            let images = Images { source: self.source.clone(), indices: indices.to_vec() };
            // As evaluation of the frozen encoder will see them.
            let whole = ViewGroup { sides: setting.experiment.image_size.into(), kinds: vec![ViewKind::Plain] };
            Ok(embed(setting, method, &images, whole)?.pop().map(|[vectors, _]| vectors))
        };
        Ok([vectors(&self.bank)?, vectors(&self.held_out)?])
    }

    fn classify(
        &self,
        experiment: &Experiment,
        [bank, held_out]: [Option<Tensor>; 2],
    ) -> Result<(Option<f64>, Option<f64>), TrainError> {
        let (Some(bank), Some(held_out)) = (bank, held_out) else { return Ok((None, None)) };
        let evaluate = &experiment.evaluate;
        let features = |vectors: Tensor, indices: &[usize]| Features {
            vectors,
            labels: indices.iter().map(|&index| self.of_images[index]).collect(),
        };
        let (bank, held_out) = (features(bank, &self.bank), features(held_out, &self.held_out));
        let options = KnnOptions { neighbors: evaluate.knn_neighbors, temperature: evaluate.knn_temperature };
        let knn = knn(&bank, &held_out.vectors, self.classes, &options)?;
        let options = LinearOptions { l2: vec![PROBE_L2], folds: evaluate.linear_folds, seed: experiment.seed };
        let linear = match fit_linear(&bank, self.classes, &options) {
            Ok(model) => Some(accuracy(&held_out.labels, &model.predict(&held_out.vectors)?).map_err(EvalError::from)?),
            // A representation that the probe cannot be fitted to is no reason to stop training.
            Err(EvalError::NotConverged { .. } | EvalError::OneClass { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok((Some(accuracy(&held_out.labels, &knn).map_err(EvalError::from)?), linear))
    }
}

/// Representations and projections of each view of the images: rank 0's, and nothing elsewhere.
fn embed(
    setting: &Setting,
    method: &dyn Method,
    images: &Images,
    views: ViewGroup,
) -> Result<Vec<[Tensor; 2]>, TrainError> {
    let experiment = setting.experiment;
    let image_set = ImageSet::of(experiment, images.source.clone(), setting.hardware);
    let count = views.kinds.len() as i64;
    let (views, batch_size) = (vec![views], experiment.evaluation_batch_size);
    let of = InOrder { image_set, views, indices: &images.indices, batch_size };
    let rows = loader::computed::<TrainError>(of, |batch| {
        let views = batch.images[0].chunk(count, 0);
        views.iter().flat_map(|view| method.embed(&view.to_device(setting.device()))).collect()
    })?;
    let mut rows = rows.into_iter();
    Ok(std::iter::from_fn(|| Some([rows.next()?, rows.next()?])).collect())
}

impl Look {
    /// What shows after so many optimiser steps that the representation has collapsed; nothing where nothing does.
    pub fn collapse(&self, steps: usize) -> Option<Vec<Sign>> {
        let signs = self.health.filter(|_| steps >= SETTLED_STEPS)?.collapse();
        (!signs.is_empty()).then_some(signs)
    }
}

#[cfg(test)]
mod tests;
