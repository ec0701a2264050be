//! Throughput on this machine: rendering views, a pre-training step, a supervised step; data and augmentation included.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;
use tch::Tensor;

use crate::augment::Renderer;
use crate::config::Experiment;
use crate::data::{ConcatSource, Dataset, Image, ImageSource};
use crate::device::Hardware;
use crate::loader::{self, LastBatch, LoadError, Pairing, Pictures, Schedule, ViewKind};
use crate::model::Classifier;
use crate::model::classifier::ClassifierHead;
use crate::optim::Optimizer;
use crate::random::{self, Coordinates, Stream};
use crate::train::learner::{Learner, networks};
use crate::train::pretrain;
use crate::train::supervised::{SupervisedLearner, view_kind};
use crate::train::{TrainError, normalization, resnet_config};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Views of both recipes, on one thread.
    Augment,
    Pretrain,
    Supervised,
}

/// How long is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchOptions {
    /// Steps that are not counted.
    pub warmup_steps: usize,
    /// Steps that are.
    pub steps: usize,
}

impl Default for BenchOptions {
    fn default() -> BenchOptions {
        BenchOptions { warmup_steps: 5, steps: 30 }
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchResult {
    /// Images by wall-clock seconds; an image of pre-training, and of augmentation, is two views.
    pub images_per_second: f64,
    pub batch_size: usize,
    pub image_size: usize,
    pub steps: usize,
    pub hardware: String,
    /// Mean milliseconds of a step spent waiting for rendered batches.
    pub waiting_ms: f64,
    /// Mean milliseconds of a step spent in the networks and the optimiser (rendering, where that is the subject).
    pub computing_ms: f64,
}

/// Measures one subject on the images of `data`.
///
/// # Errors
/// There are fewer images than a batch, or one cannot be read.
pub fn measure(
    subject: Subject,
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    match subject {
        Subject::Augment => augment(experiment, data, hardware, options),
        Subject::Pretrain => pretrain(experiment, data, hardware, options),
        Subject::Supervised => supervised(experiment, data, hardware, options),
    }
}

fn pool(data: &Dataset) -> Arc<dyn ImageSource> {
    Arc::new(ConcatSource::from(data.pretraining_pool()))
}

fn augment(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let pool = pool(data);
    let batch_size = experiment.pretrain.batch_size.min(pool.len());
    let mut renderer = Renderer::new(experiment.image_size);
    let mut image = Image::default();
    let mut pixels = vec![0f32; 3 * experiment.image_size * experiment.image_size];
    let mut begun = Instant::now();
    for step in 0..options.warmup_steps + options.steps {
        if step == options.warmup_steps {
            begun = Instant::now();
        }
        for row in 0..batch_size {
            let index = (step * batch_size + row) % pool.len();
            pool.read(index, &mut image).map_err(LoadError::from)?;
            for (view, recipe) in [&experiment.pretrain.t, &experiment.pretrain.t_prime].into_iter().enumerate() {
                let at = Coordinates { epoch: step as u64, index: index as u64, view: view as u64 };
                let params =
                    recipe.sample(image.width, image.height, &mut random::rng(experiment.seed, Stream::View, at));
                renderer
                    .render(&image, &params, normalization(experiment), &mut pixels)
                    .map_err(|source| LoadError::View { name: pool.name(index), source })?;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(result(experiment, hardware, batch_size, options.steps, seconds, 0.0))
}

fn pretrain(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let settings = &experiment.pretrain;
    let model = networks(experiment);
    let online = model.initialize(experiment.seed, hardware.device);
    let mut learner = Learner::new(model, online, experiment, hardware.precision);
    let views = pretrain::views(settings);
    let input = Input { images: pool(data), views, batch_size: settings.batch_size, key: "pretrain.batch_size" };
    run(experiment, hardware, options, input, |views, _| {
        learner.step(&views[0], &views[1], settings.learning_rate, settings.tau).loss
    })
}

fn supervised(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let settings = &experiment.supervised;
    let labeled = data.train.as_ref();
    let labels: Vec<u16> = labeled.map_or_else(Vec::new, |labeled| labeled.labels.clone());
    let classifier =
        Classifier::new(resnet_config(experiment), ClassifierHead::Representation, data.class_names.len().max(2));
    let weights = classifier.initialize(experiment.seed, 1, hardware.device);
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &weights);
    let mut learner = SupervisedLearner::new(classifier, weights, optimizer, hardware.precision);
    let images: Arc<dyn ImageSource> = match labeled {
        Some(labeled) => labeled.images.clone(),
        None => Arc::new(ConcatSource::new(Vec::new())),
    };
    let views = vec![view_kind(settings.augmentation, experiment)];
    let input = Input { images, views, batch_size: settings.batch_size, key: "supervised.batch_size" };
    run(experiment, hardware, options, input, |views, indices| {
        let labels: Vec<i64> = indices.iter().map(|&index| i64::from(labels[index])).collect();
        let labels = Tensor::from_slice(&labels).to_device(hardware.device);
        learner.step(&views[0], &labels, settings.learning_rate).0
    })
}

struct Input {
    images: Arc<dyn ImageSource>,
    views: Vec<ViewKind>,
    batch_size: usize,
    /// The configuration key of the batch size.
    key: &'static str,
}

fn run(
    experiment: &Experiment,
    hardware: &Hardware,
    options: BenchOptions,
    input: Input,
    mut step: impl FnMut(&[Tensor], &[usize]) -> Tensor,
) -> Result<BenchResult, TrainError> {
    let Input { images, views, batch_size, key } = input;
    if images.len() < batch_size {
        return Err(TrainError::BatchTooLarge { key, batch_size, images: images.len() });
    }
    let schedule = Schedule {
        indices: Arc::new((0..images.len()).collect()),
        batch_size,
        parts: 1,
        last: LastBatch::Drop,
        pairing: Pairing::SamePicture,
        seed: experiment.seed,
        order: 0,
    };
    let pictures = Pictures {
        source: images,
        side: experiment.image_size,
        normalization: normalization(experiment),
        seed: experiment.seed,
    };
    let steps = options.warmup_steps + options.steps;
    let mut batches = loader::scheduled(pictures, views, schedule, 0..steps, hardware.threads);
    let mut begun = Instant::now();
    let mut waiting = 0.0;
    for number in 0..steps {
        if number == options.warmup_steps {
            (begun, waiting) = (Instant::now(), 0.0);
        }
        let asked = Instant::now();
        let Some(batch) = batches.next() else { break };
        let batch = batch?;
        let views: Vec<Tensor> = batch.views.iter().map(|view| view.to_device(hardware.device)).collect();
        waiting += asked.elapsed().as_secs_f64();
        let loss = step(&views, &batch.indices);
        if number + 1 == options.warmup_steps || number + 1 == steps {
            // Reading the value waits for everything before it.
            loss.double_value(&[]);
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(result(experiment, hardware, batch_size, options.steps, seconds, waiting))
}

fn result(
    experiment: &Experiment,
    hardware: &Hardware,
    batch_size: usize,
    steps: usize,
    seconds: f64,
    waiting: f64,
) -> BenchResult {
    let per_step = |seconds: f64| 1000.0 * seconds / steps.max(1) as f64;
    BenchResult {
        images_per_second: (steps * batch_size) as f64 / seconds.max(1e-9),
        batch_size,
        image_size: experiment.image_size,
        steps,
        hardware: hardware.to_string(),
        waiting_ms: per_step(waiting),
        computing_ms: per_step(seconds - waiting),
    }
}
