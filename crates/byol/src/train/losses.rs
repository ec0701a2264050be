//! Losses and right answers of an epoch: summed on the device, and looked at now and then, because reading a value waits for
//! the device.

use tch::{Device, Kind, Tensor};

use super::TrainError;
use crate::eval::EvalError;
use crate::run::record::Stage;
use crate::trained::checkpoint::Progress;

/// The losses of one stage.
pub(super) struct Losses {
    stage: Stage,
    sum: Tensor,
    right: Tensor,
    /// Losses that have not been looked at, with their steps.
    unread: Vec<(usize, Tensor)>,
}

impl Losses {
    /// Losses that go on from the sums of an unfinished epoch.
    pub(super) fn of(stage: Stage, progress: &Progress, device: Device) -> Losses {
        let sum = Tensor::from(progress.loss_sum).to_device(device);
        let right = Tensor::from(progress.correct as i64).to_device(device);
        Losses { stage, sum, right, unread: Vec::new() }
    }

    /// Adds the mean loss of so many images, which belong to optimiser step `step`.
    pub(super) fn add(&mut self, loss: Tensor, images: usize, step: usize) {
        let _ = tch::no_grad(|| self.sum.g_add_(&(loss.to_kind(Kind::Double) * images as f64)));
        self.unread.push((step, loss));
    }

    /// Adds a whole number of images that were answered right.
    pub(super) fn add_right(&mut self, right: &Tensor) {
        let _ = tch::no_grad(|| self.right.g_add_(right));
    }

    /// The newest loss.
    ///
    /// # Errors
    /// One of the losses since the last look is no number; the error names its step.
    pub(super) fn read(&mut self) -> Result<f64, TrainError> {
        let unread = std::mem::take(&mut self.unread);
        if unread.is_empty() {
            return Ok(0.0);
        }
        let values = Tensor::stack(&unread.iter().map(|(_, loss)| loss).collect::<Vec<_>>(), 0);
        let values = Vec::<f64>::try_from(values.to_kind(Kind::Double)).map_err(EvalError::from)?;
        for (&(step, _), &loss) in unread.iter().zip(&values) {
            if !loss.is_finite() {
                return Err(TrainError::diverged(self.stage, loss, step));
            }
        }
        Ok(values.last().copied().unwrap_or_default())
    }

    /// The sum over the images of the epoch so far.
    pub(super) fn sum(&self) -> f64 {
        self.sum.double_value(&[])
    }

    /// Images of the epoch so far that were answered right.
    pub(super) fn right(&self) -> u64 {
        self.right.int64_value(&[]) as u64
    }

    pub(super) fn clear(&mut self) {
        let _ = self.sum.zero_();
        let _ = self.right.zero_();
    }
}
