//! The keys of self-training: how the fine-tuned classifier is trained further on what it says of images whose labels are
//! not used, and how that is judged.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use super::error::ConfigError;
use super::validate::{not_negative, positive, within};
use super::{OptimizerKind, ScheduleKind};

/// Self-training: the fine-tuned classifier (the teacher) answers for images whose labels are not used, and a student learns
/// from its answers in strong views, beside the labelled images (arXiv 2006.10029, section 2; arXiv 2001.07685).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Selftrain {
    /// Whether `byol run` self-trains after fine-tuning; `byol selftrain` does in any case.
    pub part_of_run: bool,
    /// When a student is held against its teacher on labels of the budget that trained neither.
    pub judge: Judge,
    /// What the student begins with.
    pub begin: Begin,
    /// Images that the teacher answers for at most, drawn at random; 0 for all that there are.
    pub images: usize,
    /// What the teacher's logits are divided by before they become probabilities: below 1 they become surer, above 1 less sure.
    pub temperature: f64,
    /// Whether the teacher's probabilities are weighted so that, over all images, the classes are as frequent as among the
    /// labelled images (distribution alignment, arXiv 1911.09785, section 3.1).
    pub align: bool,
    /// The least probability of an image's likeliest class with which the student learns from it; 0 takes every image.
    pub threshold: f64,
    /// What the student learns of an image: the probabilities, or the likeliest class alone.
    pub targets: Targets,
    /// Weight of the loss over images without labels beside that over labelled ones.
    pub weight: f64,
    /// Optimiser steps.
    pub steps: usize,
    /// Labelled images per step; a label budget smaller than this gives what it has.
    pub batch_size: usize,
    /// Images without labels for each labelled one of `batch_size`.
    pub ratio: usize,
    /// What turns gradients into steps.
    pub optimizer: OptimizerKind,
    /// Peak learning rate of the optimiser, as it is used: not scaled by the batch size.
    pub learning_rate: f64,
    /// Share of the weights that is added to their gradient; LARS spares biases and batch norm.
    pub weight_decay: f64,
    /// Steps of linear warm-up from 0 to the peak.
    pub warmup_steps: usize,
    /// What the learning rate does after warm-up.
    pub schedule: ScheduleKind,
}

/// When self-training is judged inside the label budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// With every label draw: a trial on four fifths of its labels, judged on the rest.
    EveryDraw,
    /// With the first draw of each budget; the others do what was found there.
    FirstDraw,
    /// Never: the student is taken, whatever became of it.
    Never,
}

/// What a student begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Begin {
    /// The teacher's weights.
    Teacher,
    /// The pre-trained encoder and a new classifier, as fine-tuning did.
    Encoder,
}

/// What is learned of an image without a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Targets {
    /// The teacher's probabilities (arXiv 2006.10029, equation 2).
    Soft,
    /// The likeliest class alone (arXiv 2001.07685, equation 4).
    Hard,
}

impl Selftrain {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        within("selftrain.images", self.images, 0, 1_000_000_000)?;
        positive("selftrain.temperature", self.temperature)?;
        within("selftrain.threshold", self.threshold, 0.0, 1.0)?;
        not_negative("selftrain.weight", self.weight)?;
        within("selftrain.steps", self.steps, 1, 1_000_000_000)?;
        within("selftrain.batch_size", self.batch_size, 1, 65_536)?;
        within("selftrain.ratio", self.ratio, 1, 64)?;
        positive("selftrain.learning_rate", self.learning_rate)?;
        not_negative("selftrain.weight_decay", self.weight_decay)?;
        within("selftrain.warmup_steps", self.warmup_steps, 0, 1_000_000_000)
    }
}
