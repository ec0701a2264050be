//! The learner of supervised training: a classifier, its optimiser, and one step. Of several ranks each computes it for its share of
//! a batch; batch norm and the gradient are those of all.

use std::collections::BTreeMap;

use tch::Tensor;

use super::Rest;
use super::threads::Fewer;
use crate::device::Precision;
use crate::loss;
use crate::model::layers::Pass;
use crate::model::{Classifier, Leaves, Mode, ModelError, Weights};
use crate::optim::Optimizer;
use crate::optim::factors::RateFactors;
use crate::ranks::Ranks;
use crate::train::TrainError;
use crate::train::phases::{Phase, PhaseClock, PhaseTimes};
use crate::trained::checkpoint::Checkpoint;

/// A classifier, its optimiser, and one step of training.
pub struct SupervisedLearner {
    /// The structure.
    pub classifier: Classifier,
    /// The numbers.
    pub weights: Weights,
    /// What moves them.
    pub optimizer: Optimizer,
    /// Factors on the learning rate.
    pub factors: RateFactors,
    /// How batch norm behaves in a training step.
    pub mode: Mode,
    /// Share of every target that is spread evenly over all classes, from 0 up to, not including, 1.
    pub label_smoothing: f64,
    /// Who else has a share of each batch.
    ranks: Ranks,
    /// They with their shares of the batch of this step.
    sharing: Ranks,
    leaves: Leaves,
    precision: Precision,
    phases: PhaseClock,
}

impl SupervisedLearner {
    /// A learner before its first step, in training mode, without label smoothing, with one learning rate for all.
    pub fn new(
        classifier: Classifier,
        weights: Weights,
        optimizer: Optimizer,
        precision: Precision,
    ) -> SupervisedLearner {
        let leaves = weights.leaves(precision);
        let phases = PhaseClock::default();
        SupervisedLearner {
            classifier,
            weights,
            optimizer,
            factors: RateFactors::default(),
            mode: Mode::Train,
            label_smoothing: 0.0,
            ranks: Ranks::default(),
            sharing: Ranks::default(),
            leaves,
            precision,
            phases,
        }
    }

    /// The same learner as one of several ranks, all of which have the same weights.
    pub fn among(self, ranks: &Ranks) -> SupervisedLearner {
        SupervisedLearner { ranks: ranks.clone(), sharing: ranks.clone(), ..self }
    }

    /// The batch of the next step has so many rows over all ranks, of which this one gets its share.
    pub(in crate::train) fn share(&mut self, rows: usize) {
        self.sharing = self.ranks.sharing(rows);
    }

    /// What ranks have of the batch of this step.
    pub(in crate::train) fn sharing(&self) -> &Ranks {
        &self.sharing
    }

    /// Loss and logits of a batch.
    ///
    /// # Shapes
    /// Images `[batch, 3, side, side]`, targets int64 `[batch]` or probabilities `[batch, classes]`; a scalar and `[batch,
    /// classes]`.
    pub fn loss(&self, images: &Tensor, targets: &Tensor) -> (Tensor, Tensor) {
        let logits = self.logits(images);
        (loss::smoothed_cross_entropy(&logits, targets, self.label_smoothing), logits)
    }

    /// Logits of a batch, with the graph of its loss: images `[batch, 3, side, side]` to `[batch, classes]`.
    pub(in crate::train) fn logits(&self, images: &Tensor) -> Tensor {
        let pass = Pass {
            weights: &self.weights,
            leaves: &self.leaves,
            mode: self.mode,
            precision: self.precision,
            views: 1,
            ranks: &self.sharing,
        };
        self.classifier.forward(&pass, images)
    }

    /// One step along the gradient of a loss.
    pub(in crate::train) fn follow(&mut self, loss: &Tensor, learning_rate: f64) {
        let gradient = self.gradient(loss);
        self.factors.step(&mut self.optimizer, self.weights.flat_mut(), gradient, learning_rate);
        self.weights.refresh(&mut self.leaves);
    }

    /// The gradient of a loss, `[parameters]`.
    pub fn gradient(&self, loss: &Tensor) -> Tensor {
        self.leaves.gradient(loss, self.weights.flat().kind())
    }

    /// One step, on as many of libtorch's threads as it is worth; returns what [`SupervisedLearner::loss`] returns, without the
    /// graph. Of several ranks the loss counts by the rows of each, so that the mean over ranks is that over all rows.
    pub fn step(&mut self, images: &Tensor, targets: &Tensor, learning_rate: f64) -> (Tensor, Tensor) {
        self.phases.begin();
        let flops = || self.classifier.step_flops(images.size()[2] as usize) * images.size()[0] as u64;
        let _fewer = Fewer::for_step(images, flops);
        let (loss, logits) = self.loss(images, targets);
        let loss = if self.sharing.is_even() { loss } else { loss * self.sharing.weight() };
        self.phases.lap(Phase::OnlineForward);
        let mut gradient = self.gradient(&loss);
        self.phases.lap(Phase::Backward);
        self.ranks.mean(&mut gradient);
        self.factors.step(&mut self.optimizer, self.weights.flat_mut(), gradient, learning_rate);
        self.weights.refresh(&mut self.leaves);
        self.phases.lap(Phase::Optimizer);
        (loss.detach(), logits.detach())
    }

    /// Measures from here on how long the phases of a step take.
    pub fn measure_phases(&self) {
        self.phases.start(self.weights.device());
    }

    /// What has been measured since [`SupervisedLearner::measure_phases`], which ends with it.
    pub fn take_phases(&self) -> Option<PhaseTimes> {
        self.phases.stop()
    }

    /// Takes over parameters and statistics.
    pub(in crate::train) fn load(&mut self, named: &BTreeMap<String, Tensor>) -> Result<(), ModelError> {
        self.weights.load(named)?;
        self.weights.refresh(&mut self.leaves);
        Ok(())
    }

    /// Adds the classifier to a checkpoint, and the optimiser where it is needed further.
    pub(in crate::train) fn store(&self, checkpoint: &mut Checkpoint, rest: Rest) {
        checkpoint.insert_part("classifier", self.weights.named());
        if rest == Rest::Some {
            checkpoint.insert_part("optimizer", self.optimizer.state());
        }
    }

    /// Takes over the classifier of a checkpoint, and the optimiser where it is needed further.
    pub(in crate::train) fn restore(&mut self, checkpoint: &Checkpoint, rest: Rest) -> Result<(), TrainError> {
        self.load(&checkpoint.part("classifier"))?;
        if rest == Rest::Some {
            self.optimizer.load(&checkpoint.part("optimizer"))?;
        }
        Ok(())
    }
}
