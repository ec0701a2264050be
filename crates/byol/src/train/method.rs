//! What a way of pre-training must bring. The loop of [`pretrain`](super::pretrain), the monitor, the measurements and the
//! plan know a method by this alone; [`begin`] says which there are.

mod byol;

use std::collections::BTreeMap;

use tch::Tensor;

use super::TrainError;
use super::learner::StepOutput;
use super::phases::PhaseTimes;
use crate::config::Experiment;
use crate::device::Hardware;
use crate::trained::checkpoint::Checkpoint;

/// A way of pre-training: networks, what is learned from, and how a step changes them.
pub trait Method {
    /// Loss of one of `parts` equal parts of a batch; its gradient is kept, averaged with those of the other parts.
    ///
    /// # Shapes
    /// A tensor `[views * batch, 3, side, side]` for each group of views of [`Experiment::training_views`].
    fn accumulate(&mut self, views: &[Tensor], parts: usize) -> StepOutput;

    /// The optimiser's step along that gradient, and what follows it. Returns the decay rate of a moving average, where the
    /// method has one, for the records.
    fn update(&mut self, moment: &Moment) -> Option<f64>;

    /// A whole step on one batch.
    fn step(&mut self, views: &[Tensor], moment: &Moment) -> StepOutput {
        let output = self.accumulate(views, 1);
        self.update(moment);
        output
    }

    /// Representations and projections in evaluation mode, without gradient.
    ///
    /// # Shapes
    /// `[batch, 3, side, side]` to float32 `[batch, features]` and `[batch, projection]`.
    fn embed(&self, images: &Tensor) -> [Tensor; 2];

    /// Whether all weights that are learned are finite.
    fn is_finite(&self) -> bool;

    /// A number that tells weights apart which differ in a bit: the sum of their bits as whole numbers.
    fn weight_sum(&self) -> i64;

    /// The tensors of the network that is learned, by name; those of the encoder begin with `encoder.`.
    fn network(&self) -> BTreeMap<String, Tensor>;

    /// Adds all that a further step depends on to a checkpoint: that network as `online.*`, which others read, and what else
    /// there is.
    fn store(&self, checkpoint: &mut Checkpoint);

    /// Takes over what [`store`](Method::store) has added.
    ///
    /// # Errors
    /// A tensor is missing, or has another shape.
    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError>;

    /// Floating-point operations of a step per image.
    fn step_flops(&self) -> u64;

    /// Measures from here on how long the phases of a step take.
    fn measure_phases(&self);

    /// What has been measured since then, which ends with it.
    fn take_phases(&self) -> Option<PhaseTimes>;
}

/// Where training stands when a step is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The learning rate of the step.
    pub learning_rate: f64,
    /// Steps that were made before.
    pub step: usize,
    /// Steps of the whole training.
    pub steps: usize,
    /// The lengths in steps that the training had before it was extended.
    pub ends: &'a [usize],
}

impl Moment<'_> {
    /// The first step of a training, at that learning rate.
    pub fn first(learning_rate: f64) -> Moment<'static> {
        Moment { learning_rate, step: 0, steps: 1, ends: &[] }
    }
}

/// The method of an experiment before its first step. The encoder begins with the weights `given`, by torchvision's names, or
/// with random ones.
///
/// # Errors
/// The given weights do not fit.
pub fn begin(
    experiment: &Experiment,
    hardware: &Hardware,
    given: Option<BTreeMap<String, Tensor>>,
) -> Result<Box<dyn Method>, TrainError> {
    match experiment.method() {
        // They differ in the loss alone.
        crate::stage::Method::Byol | crate::stage::Method::MocoV3 => {
            Ok(Box::new(byol::ByolMethod::begin(experiment, hardware, given)?))
        }
    }
}
