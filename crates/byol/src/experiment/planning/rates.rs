//! How fast this machine is at a run's work: a few steps of each kind, measured. Nothing of them is kept; training does not
//! depend on them.

use std::sync::Arc;
use std::time::Instant;

use tch::{Kind, Tensor};

use super::PlanError;
use crate::config::Experiment;
use crate::data::{ConcatSource, Dataset, ImageSource, LabeledImages};
use crate::device::{self, Hardware};
use crate::eval::Features;
use crate::eval::linear::{LinearOptions, fit_linear};
use crate::loader::{self, ImageSet, LastBatch, LoadError, Pairing, Schedule, ViewGroup, ViewKind, WHOLE};
use crate::model::classifier::ClassifierHead;
use crate::model::layers::Pass;
use crate::model::{Classifier, Encoder, EncoderConfig, Mode};
use crate::optim::Optimizer;
use crate::plan::Rates;
use crate::ranks::Ranks;
use crate::run::record::SupervisedStage;
use crate::train::method::{self, Moment};
use crate::train::supervised::{SupervisedLearner, view_kind};
use crate::train::{TrainError, pretrain};

/// Steps that are not counted: the first ones warm up, and fill the queues of rendered batches.
const WARM_UP: usize = 2;
/// Steps that are counted at most, and seconds after which no further one is begun. A step of warm-up that takes longer is
/// the measure.
const MOST: usize = 200;
const SECONDS: f64 = 1.5;
/// Parts of the counted steps that are compared with one another.
const REPETITIONS: usize = 6;
/// Images of a measured batch at most: of a larger one, a step takes longer and an image does not.
const BATCH: usize = 64;
/// Labelled images of the linear classifier that is timed.
const LINEAR_IMAGES: usize = 200;

/// Images per second of steps of pre-training: by several ranks, so many times what one does by itself.
///
/// # Errors
/// There are fewer than two images, or one cannot be read.
pub(super) fn pretraining(experiment: &Experiment, data: &Dataset, hardware: &Hardware) -> Result<f64, PlanError> {
    let (ranks, hardware) = (hardware.ranks.count() as f64, &hardware.alone());
    let pool: Arc<dyn ImageSource> = Arc::new(ConcatSource::from(data.pretraining_pool()));
    let batch_size =
        (experiment.pretrain.batch_size / experiment.pretrain.accumulation_steps).min(BATCH).min(pool.len());
    let schedule = Schedule { batch_size, parts: 1, ..pretrain::schedule(experiment, pool.len()) };
    let mut image_set = ImageSet::of(experiment, pool, hardware);
    image_set.make_resident().map_err(TrainError::from)?;
    let mut method = method::begin(experiment, hardware, None)?;
    let moment = Moment::first(experiment.pretrain.learning_rate);
    let input = Input { image_set, views: pretrain::views(experiment), schedule, hardware };
    let seconds = input.step_seconds(|images, _| {
        method.step(images, &moment);
    })?;
    Ok(ranks * batch_size as f64 / seconds)
}

/// Seconds of a step with labels: of each step, and of each of its images besides.
///
/// # Errors
/// As [`pretraining`].
fn supervised(
    experiment: &Experiment,
    labeled: &LabeledImages,
    classes: usize,
    hardware: &Hardware,
) -> Result<[f64; 2], PlanError> {
    let settings = experiment.training(SupervisedStage::Baseline);
    let measure = |batch_size: usize| {
        let mut learner = classifier(experiment, classes, hardware);
        let views = ViewGroup::one(view_kind(settings.augmentation, experiment), experiment.image_size);
        let schedule = steps_of(experiment, labeled, batch_size);
        let input = Input { image_set: image_set(experiment, labeled, hardware), views, schedule, hardware };
        input.step_seconds(|images, indices| {
            let labels: Vec<i64> = indices.iter().map(|&index| i64::from(labeled.labels[index])).collect();
            let labels = Tensor::from_slice(&labels).to_device(hardware.device);
            let _ = learner.step(&images[0], &labels, settings.learning_rate);
        })
    };
    let large = settings.batch_size.min(BATCH).min(labeled.labels.len());
    let small = large / 4;
    let of_large = measure(large)?;
    // A budget of few labels is a small batch, in which an image costs more.
    if small < 2 {
        return Ok([0.0, of_large / large as f64]);
    }
    let of_small = measure(small)?;
    let of_image = ((of_large - of_small) / (large - small) as f64).max(0.0);
    let of_step = (of_small - of_image * small as f64).max(0.0);
    // Where the small batch seems to take longer, its measure was disturbed.
    Ok(if of_small < of_large { [of_step, of_image] } else { [0.0, of_large / large as f64] })
}

/// Images per second of a network that only evaluates.
///
/// # Errors
/// As [`pretraining`].
fn evaluation(
    experiment: &Experiment,
    labeled: &LabeledImages,
    classes: usize,
    hardware: &Hardware,
) -> Result<f64, PlanError> {
    let learner = classifier(experiment, classes, hardware);
    let leaves = learner.weights.leaves(hardware.precision);
    let pass = Pass {
        weights: &learner.weights,
        leaves: &leaves,
        mode: Mode::Evaluate,
        precision: hardware.precision,
        views: 1,
        ranks: Ranks::alone(),
    };
    let batch_size = experiment.evaluation_batch_size.min(BATCH).min(labeled.labels.len());
    let schedule = steps_of(experiment, labeled, batch_size);
    let input = Input {
        image_set: image_set(experiment, labeled, hardware),
        views: ViewGroup::one(ViewKind::Plain, experiment.image_size),
        schedule,
        hardware,
    };
    let seconds = input.step_seconds(|images, _| {
        let _ = tch::no_grad(|| learner.classifier.forward(&pass, &images[0]));
    })?;
    Ok(batch_size as f64 / seconds)
}

/// Seconds per labelled image of fitting a linear classifier to representations of the encoder's width.
///
/// # Errors
/// The fit fails.
fn linear(experiment: &Experiment, classes: usize, hardware: &Hardware) -> Result<f64, PlanError> {
    let images = LINEAR_IMAGES.max(2 * classes);
    let features = Encoder::alone(EncoderConfig::of(experiment)).0.features();
    tch::manual_seed(experiment.seed as i64);
    let vectors = Tensor::randn([images as i64, features], (Kind::Float, hardware.device));
    let labels = (0..images).map(|image| (image % classes) as u16).collect();
    let evaluate = &experiment.evaluate;
    let options = LinearOptions { l2: evaluate.linear_l2.clone(), folds: evaluate.linear_folds, seed: experiment.seed };
    let begun = Instant::now();
    fit_linear(&Features { vectors, labels }, classes, &options).map_err(TrainError::from)?;
    device::finish(hardware.device);
    Ok(begun.elapsed().as_secs_f64() / images as f64)
}

/// All rates of an experiment. Ranks share images, and each makes every step.
///
/// # Errors
/// As [`pretraining`].
pub(super) fn all(
    experiment: &Experiment,
    data: &Dataset,
    labeled: &LabeledImages,
    hardware: &Hardware,
) -> Result<Rates, PlanError> {
    let (classes, ranks) = (data.class_names.len().max(2), hardware.ranks.count() as f64);
    let pretrain = pretraining(experiment, data, hardware)?;
    let hardware = &hardware.alone();
    let [step_seconds, image_seconds] = supervised(experiment, labeled, classes, hardware)?;
    Ok(Rates {
        pretrain,
        step_seconds,
        image_seconds: image_seconds / ranks,
        evaluate: ranks * evaluation(experiment, labeled, classes, hardware)?,
        linear_seconds: linear(experiment, classes, hardware)?,
    })
}

fn classifier(experiment: &Experiment, classes: usize, hardware: &Hardware) -> SupervisedLearner {
    let settings = experiment.training(SupervisedStage::Baseline);
    let classifier = Classifier::new(EncoderConfig::of(experiment), ClassifierHead::Representation, classes);
    let weights = classifier.initialize(experiment.seed, 1, hardware.device);
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &weights);
    SupervisedLearner::new(classifier, weights, optimizer, hardware.precision)
}

fn image_set(experiment: &Experiment, labeled: &LabeledImages, hardware: &Hardware) -> ImageSet {
    ImageSet::of(experiment, Arc::clone(&labeled.images), hardware)
}

fn steps_of(experiment: &Experiment, labeled: &LabeledImages, batch_size: usize) -> Schedule {
    Schedule {
        indices: Arc::new((0..labeled.labels.len()).collect()),
        batch_size,
        parts: 1,
        last: LastBatch::Drop,
        pairing: Pairing::SameImage,
        seed: experiment.seed,
        order: 0,
        share: WHOLE,
        led: false,
    }
}

struct Input<'a> {
    image_set: ImageSet,
    views: Vec<ViewGroup>,
    schedule: Schedule,
    hardware: &'a Hardware,
}

impl Input<'_> {
    /// Seconds of a step, rendering included.
    fn step_seconds(self, mut step: impl FnMut(&[Tensor], &[usize])) -> Result<f64, PlanError> {
        let Input { image_set, views, schedule, hardware } = self;
        if schedule.batch_size < 2 || schedule.steps_per_epoch() == 0 {
            return Err(PlanError::TooFewImages { images: schedule.indices.len() });
        }
        let mut batches = loader::scheduled(image_set, views, schedule, 0..WARM_UP + MOST, hardware.threads);
        let mut next = || -> Result<f64, PlanError> {
            let begun = Instant::now();
            let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost)).map_err(TrainError::from)?;
            step(&batch.images, &batch.indices);
            device::finish(hardware.device);
            Ok(begun.elapsed().as_secs_f64())
        };
        for _ in 0..WARM_UP {
            let seconds = next()?;
            if seconds > SECONDS {
                return Ok(seconds);
            }
        }
        let (mut steps, mut seconds) = (Vec::new(), 0.0);
        while steps.len() < MOST && seconds < SECONDS {
            let step = next()?;
            seconds += step;
            steps.push(step);
        }
        Ok(undisturbed(&steps))
    }
}

/// Seconds of a step of several repetitions, whatever else the machine did during some of them: the second fastest repetition. The
/// fastest may have lived on batches that were rendered before it.
fn undisturbed(steps: &[f64]) -> f64 {
    let of_each = steps.len().div_ceil(REPETITIONS).max(1);
    let mut means: Vec<f64> =
        steps.chunks(of_each).map(|steps| steps.iter().sum::<f64>() / steps.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    means.get(1).or(means.first()).copied().unwrap_or_default().max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::{Request, resolve};
    use crate::data::patterns::{PatternOptions, dataset_with};

    #[test]
    fn what_disturbs_some_repetitions_changes_nothing() {
        let mut steps = vec![0.1; 60];
        steps[0] = 0.05;
        assert!((undisturbed(&steps) - 0.1).abs() < 1e-9, "one fast step");
        steps[20..].fill(0.4);
        assert!((undisturbed(&steps) - 0.1).abs() < 0.01, "most of it was disturbed");
        assert_eq!((undisturbed(&[0.3]), undisturbed(&[])), (0.3, 1e-9));
    }

    #[test]
    fn every_kind_of_work_has_a_speed() {
        let set = ["image_size=32", "width=0.125", "pretrain.batch_size=8"].map(ToOwned::to_owned);
        let experiment = resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap();
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 2, test_per_class: 1, unlabeled: 4 });
        let hardware = Hardware::auto().with_threads(1);
        let labeled = data.train.clone().unwrap();
        let rates = all(&experiment, &data, &labeled, &hardware).unwrap();
        for rate in [rates.pretrain, rates.evaluate, 1.0 / rates.linear_seconds] {
            assert!(rate.is_finite() && rate > 0.1, "{rates:?}");
        }
        let step = rates.training_seconds(1, 16);
        assert!(step > 0.0 && step < 10.0, "{rates:?}");
        assert!(rates.evaluate > rates.pretrain, "{rates:?}");
    }

    #[test]
    fn two_images_are_enough_and_one_is_not() {
        let experiment = Experiment::preset("demo").unwrap();
        let hardware = Hardware::auto().with_threads(1);
        let mut data = dataset_with(PatternOptions { side: 32, train_per_class: 1, test_per_class: 1, unlabeled: 0 });
        let labeled = data.train.clone().unwrap();
        assert!(all(&experiment, &data, &labeled, &hardware).is_ok());
        data.train = None;
        data.unlabeled.clear();
        let error = pretraining(&experiment, &data, &hardware).unwrap_err();
        assert!(matches!(error, PlanError::TooFewImages { images: 0 }), "{error}");
    }
}
