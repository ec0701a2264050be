//! Losses of an epoch: summed on the device, and looked at now and then, because reading a value waits for the device.

use tch::{Device, Kind, Tensor};

use super::TrainError;
use crate::eval::EvalError;
use crate::run::record::Stage;

/// The losses of one stage.
pub(super) struct Losses {
    stage: Stage,
    sum: Tensor,
    /// Losses that have not been looked at, with their steps.
    unread: Vec<(usize, Tensor)>,
}

impl Losses {
    /// Losses that go on from the sum of an unfinished epoch.
    pub(super) fn of(stage: Stage, sum: f64, device: Device) -> Losses {
        Losses { stage, sum: Tensor::from(sum).to_device(device), unread: Vec::new() }
    }

    /// Adds the mean loss of so many images, which belong to optimiser step `step`.
    pub(super) fn add(&mut self, loss: Tensor, images: usize, step: usize) {
        let _ = tch::no_grad(|| self.sum.g_add_(&(loss.to_kind(Kind::Double) * images as f64)));
        self.unread.push((step, loss));
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

    pub(super) fn clear(&mut self) {
        let _ = self.sum.zero_();
    }
}
