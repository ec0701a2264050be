//! Choosing images to label and fitting to the labels, on representations that are made: rectified normal numbers around a centre for each
//! class.

use std::time::Instant;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use super::{Memory, machine};
use crate::eval::Features;
use crate::eval::linear::LinearOptions;
use crate::label::LabelError;
use crate::label::choice::{Asked, Chooser};
use crate::label::head::Head;
use crate::label::near::Near;
use crate::processor_time;
use crate::run::simulation::Strategy;

/// Features of an image: those of a ResNet-18.
const FEATURES: i64 = 512;
const CLASSES: usize = 10;
/// Deviation of a class's rows, where those of the centres deviate by 1.
const NOISE: f64 = 4.0;
/// Labels that a person may have given.
const FEW: usize = 1000;
/// Labels that come between two fits, and images that are chosen at a time.
const MORE: usize = 10;
/// Labels by which the next images are chosen.
const LABELLED: [usize; 2] = [100, 490];
/// Neighbours that are looked for.
const NEIGHBOURS: usize = 20;
/// Penalties to choose from, as presets have them.
const L2: [f64; 6] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0];

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelResult {
    /// Images of the pool.
    pub images: usize,
    /// Numbers for each of them.
    pub features: usize,
    /// Classes.
    pub classes: usize,
    /// Threads.
    pub threads: usize,
    /// One thing after the other.
    pub steps: Vec<LabelStep>,
    /// The process's memory at the end; absent where the system does not say.
    #[serde(flatten)]
    pub memory: Option<Memory>,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelStep {
    /// What.
    #[serde(flatten)]
    pub what: LabelWork,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Seconds of processor time, all threads together.
    pub processor_seconds: f64,
}

/// What labelling needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum LabelWork {
    /// Choosing the penalty and fitting to so many labels.
    Fit {
        /// How many.
        labels: usize,
    },
    /// Fitting again, with ten labels more.
    Refit {
        /// How many there are then.
        labels: usize,
    },
    /// The answers for all images.
    Answers,
    /// What a strategy does beforehand, once.
    Prepare {
        /// The strategy.
        #[serde(serialize_with = "by_name")]
        strategy: Strategy,
    },
    /// Choosing the next ten images.
    Choose {
        /// The strategy.
        #[serde(serialize_with = "by_name")]
        strategy: Strategy,
        /// Labels that there are.
        labels: usize,
    },
    /// What finding near images needs once.
    Lengths,
    /// The twenty nearest images of one.
    Neighbours,
}

fn by_name<S: serde::Serializer>(strategy: &Strategy, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(strategy.name())
}

/// Measures on a pool of so many images, with `threads` threads.
///
/// # Errors
/// There are too few images to fit to: fewer than 1,500.
pub fn measure(images: usize, threads: usize) -> Result<LabelResult, LabelError> {
    if images < FEW + LABELLED[1] + MORE {
        return Err(LabelError::TooFewImages { labels: FEW + LABELLED[1] + MORE, images });
    }
    machine::forget_memory();
    let pool = made(images);
    let mut steps = Vec::new();
    let few = first(&pool, FEW);
    let mut head = head();
    timed(&mut steps, LabelWork::Fit { labels: FEW }, || head.fit(&few))?;
    let more = first(&pool, FEW + MORE);
    timed(&mut steps, LabelWork::Refit { labels: FEW + MORE }, || head.fit(&more))?;
    timed(&mut steps, LabelWork::Answers, || head.probabilities(&pool.vectors))?;
    let ones = [Strategy::Typical, Strategy::Coverage, Strategy::Margin, Strategy::Badge];
    for strategy in ones {
        choices(&mut steps, &pool, strategy, &head)?;
    }
    let near = timed(&mut steps, LabelWork::Lengths, || Ok::<_, LabelError>(Near::of(&pool.vectors)))?;
    timed(&mut steps, LabelWork::Neighbours, || Ok::<_, LabelError>(near.nearest(0, NEIGHBOURS)))?;
    let mut whole = self::head();
    let nearly = first(&pool, images - MORE);
    timed(&mut steps, LabelWork::Fit { labels: images - MORE }, || whole.fit(&nearly))?;
    drop(nearly);
    timed(&mut steps, LabelWork::Refit { labels: images }, || whole.fit(&pool))?;
    let memory = machine::memory();
    Ok(LabelResult { images, features: FEATURES as usize, classes: CLASSES, threads, steps, memory })
}

fn choices(steps: &mut Vec<LabelStep>, pool: &Features, strategy: Strategy, head: &Head) -> Result<(), LabelError> {
    let work = LabelWork::Prepare { strategy };
    let mut chooser = timed(steps, work, || {
        Chooser::new(&pool.vectors, strategy, CLASSES, 0).map(|mut chooser| {
            chooser.prepare();
            chooser
        })
    })?;
    for labels in LABELLED {
        // Far from the first rows, which the head has learned from.
        let labelled: Vec<usize> = (FEW..FEW + labels).collect();
        let asked = Asked { labelled: &labelled, set_aside: &[], head: Some(head), count: MORE };
        timed(steps, LabelWork::Choose { strategy, labels }, || chooser.next(asked))?;
    }
    Ok(())
}

fn timed<T, E>(steps: &mut Vec<LabelStep>, what: LabelWork, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let (begun, before) = (Instant::now(), processor_time::of_this_process());
    let done = work()?;
    let processor_seconds = (processor_time::of_this_process() - before).as_secs_f64();
    steps.push(LabelStep { what, seconds: begun.elapsed().as_secs_f64(), processor_seconds });
    Ok(done)
}

fn head() -> Head {
    Head::new(CLASSES, LinearOptions { l2: L2.to_vec(), folds: 5, seed: 0 })
}

fn made(images: usize) -> Features {
    let _guard = tch::no_grad_guard();
    tch::manual_seed(0);
    let float = (Kind::Float, Device::Cpu);
    let labels: Vec<u16> = (0..images).map(|image| (image % CLASSES) as u16).collect();
    let centers = Tensor::randn([CLASSES as i64, FEATURES], float);
    let classes: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
    let mut vectors = Tensor::randn([images as i64, FEATURES], float) * NOISE;
    vectors += centers.index_select(0, &Tensor::from_slice(&classes));
    Features { vectors: vectors.relu_(), labels }
}

fn first(of: &Features, count: usize) -> Features {
    Features { vectors: of.vectors.narrow(0, 0, count as i64), labels: of.labels[..count].to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_labelling_is_measured() {
        let measured = measure(1500, 1).unwrap();
        assert!(measured.steps.iter().all(|step| step.seconds > 0.0));
        assert_eq!(measured.steps.len(), 3 + 4 * 3 + 2 + 2);
        let text = serde_json::to_string(&measured).unwrap();
        assert!(text.contains(r#"{"step":"choose","strategy":"badge","labels":490,"seconds":"#), "{text}");
        assert!(matches!(measure(1499, 1), Err(LabelError::TooFewImages { .. })));
    }
}
