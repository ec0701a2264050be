//! Looking at the representation while it trains: k-NN, a linear probe and the health of held-out training images, and the
//! judgement whether it has collapsed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::learner::Learner;
use super::{Setting, TrainError, normalization};
use crate::config::Experiment;
use crate::data::ImageSource;
use crate::data::splits::hold_out;
use crate::data::{DataError, Dataset, LabeledImages};
use crate::eval::health::Spread;
use crate::eval::knn::{KnnOptions, knn};
use crate::eval::linear::{LinearOptions, fit_linear};
use crate::eval::{EvalError, Features, metrics};
use crate::loader::{self, Pictures, ViewKind};

/// Labelled images that vote, and held-out ones that are classified, at most.
const BANK: usize = 2000;
const HELD_OUT: usize = 500;
/// View numbers of the held-out pictures' random views; training draws others.
const VIEWS: [u64; 2] = [3, 4];
/// The probe's only penalty: there is nothing to choose while training.
const PROBE_L2: f64 = 1e-2;

/// A spread of projections below this has collapsed; 1 is evenly spread.
const COLLAPSED_DEVIATION: f64 = 0.05;
/// An effective rank of representations or projections below this has collapsed to a line.
const COLLAPSED_RANK: f64 = 1.5;

/// Held-out images that watch the representation.
pub struct Monitor {
    pub images: Arc<dyn ImageSource>,
    /// Indices of the held-out images.
    pub held_out: Vec<usize>,
    /// Labels, where there are any.
    pub labels: Option<Labels>,
}

/// What k-NN and the probe need.
pub struct Labels {
    /// Class index of every image of the source.
    pub of_images: Vec<u16>,
    pub classes: usize,
    /// Indices of the images that vote, and that the probe is fitted to; none of them is held out.
    pub bank: Vec<usize>,
}

/// How representations and projections of held-out images lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub representation: Spread,
    pub projection: Spread,
}

/// One look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    pub health: Health,
    pub knn_accuracy: Option<f64>,
    pub linear_accuracy: Option<f64>,
}

impl Monitor {
    /// Chooses held-out images among the training images, or, where there are no labels, among those of the first pool.
    /// Absent where the experiment asks for no looks, or there are too few images.
    ///
    /// # Errors
    /// A label is out of range.
    pub fn choose(experiment: &Experiment, data: &Dataset) -> Result<Option<Monitor>, DataError> {
        if experiment.pretrain.monitor_every == 0 {
            return Ok(None);
        }
        let classes = data.class_names.len();
        if let Some(labeled) = data.train.as_ref().filter(|labeled| labeled.labels.len() >= 2 * classes) {
            return Monitor::of_labeled(experiment, labeled, classes).map(Some);
        }
        let pool = data.pretraining_pool().into_iter().find(|pool| pool.images.len() > 1);
        Ok(pool.map(|pool| {
            let count = pool.images.len().min(HELD_OUT);
            let held_out = (0..count).map(|number| number * pool.images.len() / count).collect();
            Monitor { images: pool.images, held_out, labels: None }
        }))
    }

    fn of_labeled(experiment: &Experiment, labeled: &LabeledImages, classes: usize) -> Result<Monitor, DataError> {
        let all: Vec<usize> = (0..labeled.labels.len()).collect();
        let share = |wanted: usize, of: usize| (wanted as f64 / of as f64).min(0.2);
        let (rest, held_out) = hold_out(&labeled.labels, &all, share(HELD_OUT, all.len()), experiment.seed)?;
        let bank = if rest.len() > BANK {
            hold_out(&labeled.labels, &rest, BANK as f64 / rest.len() as f64, experiment.seed)?.1
        } else {
            rest
        };
        let labels = Labels { of_images: labeled.labels.clone(), classes, bank };
        Ok(Monitor { images: labeled.images.clone(), held_out, labels: Some(labels) })
    }

    /// Looks at the online network.
    ///
    /// # Errors
    /// A picture cannot be read, or a representation is not finite.
    pub fn look(&self, setting: &Setting, learner: &Learner) -> Result<Look, TrainError> {
        let experiment = setting.experiment;
        let settings = &experiment.pretrain;
        let views = vec![
            ViewKind::Random { recipe: settings.t.clone(), view: VIEWS[0] },
            ViewKind::Random { recipe: settings.t_prime.clone(), view: VIEWS[1] },
        ];
        let [first, second] = &self.embed(setting, learner, views, &self.held_out)?[..] else {
            return Err(EvalError::Empty { what: "held-out images" }.into());
        };
        let health = Health {
            representation: Spread::measure(&first[0], &second[0])?,
            projection: Spread::measure(&first[1], &second[1])?,
        };
        let (knn_accuracy, linear_accuracy) = match &self.labels {
            Some(labels) => self.classify(setting, learner, labels)?,
            None => (None, None),
        };
        Ok(Look { health, knn_accuracy, linear_accuracy })
    }

    fn classify(
        &self,
        setting: &Setting,
        learner: &Learner,
        labels: &Labels,
    ) -> Result<(Option<f64>, Option<f64>), TrainError> {
        let evaluate = &setting.experiment.evaluate;
        let features = |indices: &[usize]| -> Result<Features, TrainError> {
            let mut embedded = self.embed(setting, learner, vec![ViewKind::Whole], indices)?;
            let [vectors, _] = embedded.remove(0);
            Ok(Features { vectors, labels: indices.iter().map(|&index| labels.of_images[index]).collect() })
        };
        let (bank, held_out) = (features(&labels.bank)?, features(&self.held_out)?);
        let options = KnnOptions { neighbors: evaluate.knn_neighbors, temperature: evaluate.knn_temperature };
        let knn = knn(&bank, &held_out.vectors, labels.classes, &options)?;
        let options = LinearOptions { l2: vec![PROBE_L2], folds: evaluate.linear_folds, seed: setting.experiment.seed };
        let linear = match fit_linear(&bank, labels.classes, &options) {
            Ok(model) => Some(metrics::accuracy(&held_out.labels, &model.predict(&held_out.vectors)?)?),
            // A representation that the probe cannot be fitted to is no reason to stop training.
            Err(EvalError::NotConverged { .. } | EvalError::OneClass { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        Ok((Some(metrics::accuracy(&held_out.labels, &knn)?), linear))
    }

    /// Representations and projections of each view of the pictures `indices`.
    fn embed(
        &self,
        setting: &Setting,
        learner: &Learner,
        views: Vec<ViewKind>,
        indices: &[usize],
    ) -> Result<Vec<[Tensor; 2]>, TrainError> {
        let experiment = setting.experiment;
        let pictures = Pictures {
            source: self.images.clone(),
            side: experiment.view_size(),
            normalization: normalization(experiment),
            seed: experiment.seed,
            hardware: setting.hardware.clone(),
            resident: None,
        };
        let mut rows: Vec<[Vec<Tensor>; 2]> = views.iter().map(|_| Default::default()).collect();
        let count = views.len() as i64;
        let size = experiment.evaluation_batch_size;
        for batch in loader::in_order(pictures, views, indices.to_vec(), size, setting.hardware.threads) {
            for (view, [representations, projections]) in batch?.images.chunk(count, 0).iter().zip(&mut rows) {
                let [representation, projection] = learner.embed(&view.to_device(setting.device()));
                representations.push(representation);
                projections.push(projection);
            }
        }
        Ok(rows.into_iter().map(|layers| layers.map(|parts| Tensor::cat(&parts, 0))).collect())
    }
}

impl Health {
    /// What shows that the representation has collapsed, for people; nothing where it has not.
    pub fn collapse(&self) -> Option<String> {
        let mut signs = Vec::new();
        if self.projection.deviation < COLLAPSED_DEVIATION {
            let deviation = self.projection.deviation;
            signs.push(format!("projections of different images are alike (deviation {deviation:.4}; 1 is even)"));
        }
        for (name, spread) in [("projections", &self.projection), ("representations", &self.representation)] {
            if spread.effective_rank < COLLAPSED_RANK {
                signs.push(format!("{name} lie on a line (effective rank {:.2})", spread.effective_rank));
            }
        }
        (!signs.is_empty()).then(|| signs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collapse_is_told_by_its_signs() {
        let even = Spread { deviation: 0.9, effective_rank: 40.0, alignment: 0.3, uniformity: -3.0 };
        let health = Health { representation: even, projection: even };
        assert_eq!(health.collapse(), None);
        let point = Spread { deviation: 0.01, ..even };
        assert!(Health { projection: point, ..health }.collapse().unwrap().contains("deviation 0.0100"));
        let line = Spread { effective_rank: 1.1, ..even };
        assert!(
            Health { representation: line, ..health }.collapse().unwrap().contains("representations lie on a line")
        );
    }
}
