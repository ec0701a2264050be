//! What a classifier answers for whole images, and how good that is on labelled ones: after an epoch, on test images, and for self-training.

use std::sync::Arc;

use tch::{Kind, Tensor};

use super::TrainError;
use super::supervised::labels;
use crate::config::Experiment;
use crate::data::{ImageSource, LabeledImages};
use crate::device::Hardware;
use crate::loader::{self, ImageSet, InOrder, ViewGroup, ViewKind};
use crate::loss;
use crate::model::layers::Pass;
use crate::model::{Classifier, Mode, Weights};
use crate::ranks::Ranks;

/// A classifier, and what it answers with: images are resized whole, and batch norm has its running statistics.
#[derive(Clone, Copy)]
pub struct Answering<'a> {
    /// How images are prepared.
    pub experiment: &'a Experiment,
    /// What computes.
    pub hardware: &'a Hardware,
    /// The structure.
    pub classifier: &'a Classifier,
    /// The numbers.
    pub weights: &'a Weights,
}

impl Answering<'_> {
    /// The answers for some of the labelled images. Of several ranks all must ask for the same ones; rank 0 has them, the others
    /// none.
    ///
    /// # Shapes
    /// float32 `[images, classes]` on the hardware's device.
    ///
    /// # Errors
    /// An image cannot be read.
    pub fn logits(self, labeled: &LabeledImages, indices: &[usize]) -> Result<Tensor, TrainError> {
        self.answers(labeled.images.clone(), indices)
    }

    /// As [`Answering::logits`], of images of any source.
    pub(super) fn answers(self, images: Arc<dyn ImageSource>, indices: &[usize]) -> Result<Tensor, TrainError> {
        let Answering { experiment, hardware, classifier, weights } = self;
        let leaves = weights.leaves(hardware.precision);
        let pass = Pass {
            weights,
            leaves: &leaves,
            mode: Mode::Evaluate,
            precision: hardware.precision,
            views: 1,
            ranks: Ranks::alone(),
        };
        let image_set = ImageSet::of(experiment, images, hardware);
        let views = ViewGroup::one(ViewKind::Plain, experiment.image_size);
        let of = InOrder { image_set, views, indices, batch_size: experiment.evaluation_batch_size };
        let mut rows = loader::computed::<TrainError>(of, |batch| {
            vec![tch::no_grad(|| classifier.forward(&pass, &batch.images[0]).to_kind(Kind::Float))]
        })?;
        Ok(rows.pop().unwrap_or_else(|| Tensor::zeros([0, 0], (Kind::Float, hardware.device))))
    }

    /// Mean loss and accuracy over the validation images, where there are any; rank 0's.
    pub(super) fn validate(self, labeled: &LabeledImages, images: &[usize]) -> Result<Option<(f64, f64)>, TrainError> {
        if images.is_empty() {
            return Ok(None);
        }
        let logits = self.logits(labeled, images)?;
        if !self.hardware.ranks.is_first() {
            return Ok(None);
        }
        let labels = labels(labeled, images, self.hardware);
        let right = logits.argmax(1, false).eq_tensor(&labels).to_kind(Kind::Float).mean(None);
        Ok(Some((loss::cross_entropy(&logits, &labels).double_value(&[]), right.double_value(&[]))))
    }
}
