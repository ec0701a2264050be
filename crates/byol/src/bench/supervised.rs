//! Steps of the baseline, and its forward passes in evaluation mode.

use std::sync::Arc;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::training::{Input, Part, Trainee, run};
use super::{BenchOptions, BenchResult, pool};
use crate::config::Experiment;
use crate::data::Dataset;
use crate::device::{self, Hardware};
use crate::loader::{self, ImageSet, LastBatch, Pairing, Schedule, ViewGroup, ViewKind, WHOLE};
use crate::model::EncoderConfig;
use crate::model::classifier::ClassifierHead;
use crate::model::layers::Pass;
use crate::model::{Classifier, Mode};
use crate::optim::Optimizer;
use crate::ranks::Ranks;
use crate::train::TrainError;
use crate::train::phases::PhaseTimes;
use crate::train::supervised::{SupervisedLearner, view_kind};

/// Most batches that evaluation is measured on.
const EVALUATION_BATCHES: usize = 10;

struct Baseline {
    learner: SupervisedLearner,
    /// Of the data's own images, which repeat in a larger set.
    labels: Vec<i64>,
    device: Device,
    learning_rate: f64,
}

impl Trainee for Baseline {
    fn part(&mut self, images: &[Tensor], indices: &[usize], _part: Part) {
        let labels: Vec<i64> = indices.iter().map(|&index| self.labels[index % self.labels.len()]).collect();
        let labels = Tensor::from_slice(&labels).to_device(self.device);
        let _ = self.learner.step(&images[0], &labels, self.learning_rate);
    }

    fn measure_phases(&self) {
        self.learner.measure_phases();
    }

    fn take_phases(&self) -> Option<PhaseTimes> {
        self.learner.take_phases()
    }
}

pub fn measure(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let settings = &experiment.supervised;
    let labels = data.train.as_ref().map_or(&[][..], |labeled| &labeled.labels);
    let classifier =
        Classifier::new(EncoderConfig::of(experiment), ClassifierHead::Representation, data.class_names.len().max(2));
    let flops_per_image = classifier.step_flops(experiment.image_size);
    let weights = classifier.initialize(experiment.seed, 1, hardware.device);
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &weights);
    let mut trainee = Baseline {
        learner: SupervisedLearner::new(classifier, weights, optimizer, hardware.precision),
        labels: labels.iter().map(|&label| i64::from(label)).collect(),
        device: hardware.device,
        learning_rate: settings.learning_rate,
    };
    let image_set = ImageSet::of(experiment, pool::labeled(data, options), hardware);
    let schedule = Schedule {
        indices: Arc::new((0..image_set.source.len()).collect()),
        batch_size: settings.batch_size,
        parts: 1,
        last: LastBatch::Drop,
        pairing: Pairing::SameImage,
        seed: experiment.seed,
        order: 0,
        share: WHOLE,
        led: false,
    };
    let views = ViewGroup::one(view_kind(settings.augmentation, experiment), experiment.image_size);
    let input = Input { image_set: image_set.clone(), views, schedule, flops_per_image };
    let measured = run(hardware, options, input, &mut trainee)?;
    let rate = evaluate(&trainee.learner, image_set, experiment, options.steps.min(EVALUATION_BATCHES))?;
    Ok(BenchResult { evaluation_images_per_second: Some(rate), ..measured })
}

/// Images per second of a pass in evaluation mode over some batches, rendering included.
fn evaluate(
    learner: &SupervisedLearner,
    image_set: ImageSet,
    experiment: &Experiment,
    batches: usize,
) -> Result<f64, TrainError> {
    let hardware = image_set.hardware.clone();
    let (batch_size, side) = (experiment.evaluation_batch_size, experiment.image_size);
    let leaves = learner.weights.leaves(hardware.precision);
    let pass = Pass {
        weights: &learner.weights,
        leaves: &leaves,
        mode: Mode::Evaluate,
        precision: hardware.precision,
        views: 1,
        ranks: Ranks::alone(),
    };
    let forward = |images: &Tensor| tch::no_grad(|| learner.classifier.forward(&pass, images));
    let images = image_set.source.len();
    // The first pass of a size is slower.
    let _ = forward(&Tensor::zeros([batch_size as i64, 3, side as i64, side as i64], (Kind::Float, hardware.device)));
    device::finish(hardware.device);
    let begun = Instant::now();
    let indices = (0..batches * batch_size).map(|index| index % images).collect();
    let views = ViewGroup::one(ViewKind::Plain, side);
    for batch in loader::in_order(image_set, views, indices, batch_size, hardware.threads) {
        let _ = forward(&batch?.images[0]);
    }
    device::finish(hardware.device);
    Ok((batches * batch_size) as f64 / begun.elapsed().as_secs_f64())
}
