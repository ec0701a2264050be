//! What an experiment is made of: the resolved configuration, saved as `config.toml` before the first step. How one that an
//! earlier version saved is read is in `saved`.
//!
//! [`resolve`] builds it from an embedded preset, a file and `key=value` pairs; nothing else reads configuration text.

pub mod error;
mod keys;
pub mod preset;
pub mod resolve;
mod saved;
pub mod selftrain;
mod sides;
#[doc(hidden)]
pub mod template;
mod validate;
mod views;

pub use error::{ConfigError, Origin};
pub use saved::VERSION;
pub use selftrain::Selftrain;
pub use sides::Sides;
pub use views::{SeenBy, TrainingView};

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

use crate::augment::{Normalization, Recipe};
use crate::data::Levels;
use crate::stage::{Control, LabelBudget, Method, SupervisedStage};

/// One experiment: every stage of it, resolved and validated.
///
/// Every key is always present here; the embedded presets are complete, files and `--set` change single keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The preset that this began as, for people; changing it has no effect.
    pub preset: String,
    /// Seed of every random choice.
    pub seed: u64,
    /// Label budgets to compare at: labels per class, or `"all"`.
    pub labels_per_class: Vec<LabelBudget>,
    /// Label draws of each budget; with all labels, trainings that differ in their random numbers alone.
    pub draws: usize,
    /// Side of the square images that the encoder sees, in pixels.
    pub image_size: usize,
    /// Side of the square at an image's centre that the encoder sees in evaluations and predictions, as a share of the image's
    /// shorter side. Weights of torchvision are evaluated with 0.875 or more (resized to 256 pixels, cropped to 224).
    pub evaluation_crop: f64,
    /// The network that is trained: a residual network of so many layers.
    pub encoder: EncoderKind,
    /// How it begins: `imagenet` for large images, the others for small ones.
    pub stem: StemKind,
    /// Factor on the number of channels of every stage; 1 is torchvision's.
    pub width: f64,
    /// Whether the last batch norm of every residual branch begins with weights of 0 instead of 1, so that blocks begin as their
    /// shortcuts (Goyal et al. 2017, arXiv 1706.02677, section 5.1; torchvision's `zero_init_residual`).
    pub zero_init_residual: bool,
    /// Per-channel mean of the images in 0-1 (red, green, blue), subtracted last.
    pub mean: [f64; 3],
    /// Per-channel standard deviation in 0-1, divided by last.
    pub deviation: [f64; 3],
    /// The stored values that become black to white in images of more than eight bits: `full` is what the file's type can hold,
    /// `10bit`, `12bit`, ... what a camera counts to, `MIN..MAX` anything else.
    pub levels: Levels,
    /// Share of the training images (of the label budget, when one is set) held out for validation: 0 up to, not
    /// including, 1. Zero validates nothing.
    pub validation_share: f64,
    /// Images per batch when a network only evaluates.
    pub evaluation_batch_size: usize,
    /// Minutes after which a training writes a checkpoint in the middle of an epoch too; 0 for never. It changes no
    /// result.
    pub checkpoint_minutes: f64,
    /// Faults to train with, for ablations; none in any preset.
    pub faults: Vec<Fault>,
    /// Digest of the weights that training begins with instead of random ones; empty for none. Set by
    /// `byol::weights::begin`, not by a configuration.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub initial_weights: String,
    /// Pre-training: BYOL on images without labels (arXiv 2006.07733, section 3.1 and appendix J).
    pub pretrain: Pretrain,
    /// The baseline: encoder and classifier trained on the labelled images alone.
    pub supervised: Supervised,
    /// Fine-tuning: the pre-trained encoder and a new classifier trained on the labelled images.
    pub finetune: Supervised,
    /// Self-training: the fine-tuned classifier trained further on what it says of images whose labels are not used.
    pub selftrain: Selftrain,
    /// The evaluations of a frozen encoder.
    pub evaluate: Evaluate,
}

impl Experiment {
    /// How the encoder is pre-trained.
    pub fn method(&self) -> Method {
        self.pretrain.method
    }

    /// What BYOL is held against in a run of this configuration.
    pub fn control(&self) -> Control {
        if self.initial_weights.is_empty() { Control::Random } else { Control::Given }
    }

    /// How a stage trains with labels. Given weights are trained as those of BYOL are, so that a run's baseline and
    /// fine-tuning differ in BYOL alone; `[supervised]` is for random weights. What is self-trained was fine-tuned before.
    pub fn training(&self, stage: SupervisedStage) -> &Supervised {
        match (stage, self.control()) {
            (SupervisedStage::Finetune | SupervisedStage::Selftrain, _) | (_, Control::Given) => &self.finetune,
            (SupervisedStage::Baseline, Control::Random) => &self.supervised,
        }
    }

    /// An embedded preset. Change its fields as you like, then call [`validate`](Self::validate).
    ///
    /// # Errors
    /// There is no such preset; the error names those that there are.
    pub fn preset(name: &str) -> Result<Experiment, ConfigError> {
        resolve::resolve(resolve::Request { preset: Some(name), ..resolve::Request::default() })
    }

    /// Mean and deviation that images are normalised with.
    pub fn normalization(&self) -> Normalization {
        Normalization { mean: self.mean.map(|value| value as f32), deviation: self.deviation.map(|value| value as f32) }
    }

    /// Side of the views of pre-training in pixels.
    pub fn view_size(&self) -> usize {
        match self.pretrain.view_size {
            0 => self.image_size,
            side => side,
        }
    }
}

/// The pre-training stage: BYOL (arXiv 2006.07733, section 3.1 and appendix J).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    /// How the encoder is pre-trained: "byol", or "moco-v3", which has the same networks and views, and learns which of the
    /// batch's targets belongs to a prediction (MoCo v3, arXiv 2104.02057).
    pub method: Method,
    /// What the cosines of predictions and targets are divided by in MoCo v3's loss; BYOL's has none.
    pub temperature: f64,
    /// Passes over the pool of unlabelled images.
    pub epochs: usize,
    /// The lengths in epochs that the training had before each time that it was extended, shortest first; empty where it
    /// was not. Set by [`RunDirectory::extend`](crate::run::RunDirectory::extend), not by a configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<usize>,
    /// Images per optimiser step.
    pub batch_size: usize,
    /// Parts that a batch is computed in, one after the other, where it does not fit in memory: their gradients are
    /// averaged, and there is one optimiser step and one step of the moving average per batch. Batch norm sees one part
    /// at a time, and so does MoCo v3's loss.
    pub accumulation_steps: usize,
    /// Side of the views in pixels; 0 is the experiment's `image_size`.
    pub view_size: usize,
    /// Side of the two views in the first epoch, in pixels, from where it grows evenly; the last quarter of the epochs has the
    /// full one (progressive learning, arXiv 2104.00298, section 4). 0 has the full one throughout.
    pub first_size: usize,
    /// Small views of every image besides the two, which the online network alone sees: multi-crop (arXiv 2006.09882,
    /// section 3.3). Each is compared with both views by the target network; 0 is BYOL as in the paper.
    pub local_views: usize,
    /// Side of the local views in pixels; 0 is half of the side of the others.
    pub local_size: usize,
    /// Area of a local view's crop as a share of the image, smallest and largest, in 0-1.
    pub local_area: [f64; 2],
    /// Parts along each side that a view is cut into for the online network: 1 leaves it whole, as in the paper; with 2, its
    /// four patches are encoded apart, and the mean representation of each pair of patches predicts the other view's
    /// projection by the target network (Fast-MoCo, arXiv 2207.08220, section 3).
    pub patches: usize,
    /// What turns gradients into steps.
    pub optimizer: OptimizerKind,
    /// Peak learning rate of the optimiser, as it is used: not scaled by the batch size.
    pub learning_rate: f64,
    /// Factor on the learning rate of the predictor.
    pub predictor_learning_rate: f64,
    /// Share of the weights that is added to their gradient; LARS spares biases and batch norm, and AdamW takes it off the
    /// weights, times the learning rate.
    pub weight_decay: f64,
    /// Epochs of linear warm-up from 0 to the peak; of the whole training where that is shorter.
    pub warmup_epochs: f64,
    /// What the learning rate does after warm-up.
    pub schedule: ScheduleKind,
    /// Base decay rate of the target network's moving average, 0-1.
    pub tau: f64,
    /// Cosine: from `tau` to 1 over training (paper, section 3.3). Constant: `tau` throughout.
    pub tau_schedule: ScheduleKind,
    /// Width of the hidden layer of projector and predictor.
    pub projector_hidden: usize,
    /// Size of projections and predictions.
    pub projection_size: usize,
    /// What the online prediction is compared with.
    pub loss_target: LossTarget,
    /// Whether the online network has a predictor. Without one, BYOL collapses (paper, Table 5b).
    pub predictor: bool,
    /// Whether the gradient stops at the target's projections. Where it does not, the target branch is the online
    /// network itself, because an average has no parameters of its own to receive a gradient.
    pub stop_gradient: bool,
    /// Which named recipes the two views are drawn with.
    pub views: ViewSet,
    /// The recipe of the first view, t. Follows `views` where no key of it is set.
    pub t: Recipe,
    /// The recipe of the second view, t'. Follows `views` where no key of it is set.
    pub t_prime: Recipe,
    /// Epochs without improvement after which training stops; 0 never stops early.
    pub patience: usize,
    /// What counts as improvement.
    pub patience_metric: PatienceMetric,
    /// Epochs between looks at the representation: signs of collapse, and, where labelled images are many enough to hold
    /// some of them out, k-NN and a linear probe; 0 makes none.
    pub monitor_every: usize,
    /// Whether a collapsed representation ends training with an error.
    pub stop_on_collapse: bool,
    /// Epochs between checkpoints. One is always written at the end.
    pub checkpoint_every: usize,
    /// Newest checkpoints that are kept. The one with the best k-NN accuracy, where there is k-NN, is kept beside them.
    pub keep_checkpoints: usize,
}

impl Pretrain {
    /// Whether training stops once k-NN accuracy no longer grows.
    pub fn is_patient_by_knn(&self) -> bool {
        self.patience > 0 && self.patience_metric == PatienceMetric::Knn
    }
}

/// A supervised stage: the baseline, or fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Supervised {
    /// Passes over the labelled images.
    pub epochs: usize,
    /// Optimiser steps at least: with few labels, `epochs` grows until there are as many.
    pub minimum_steps: usize,
    /// Images per step; a label budget smaller than this is one batch.
    pub batch_size: usize,
    /// Side of training images in the first epoch, in pixels, from where it grows evenly to `image_size`, which the last quarter
    /// of the epochs has (progressive learning, arXiv 2104.00298, section 4). 0 has `image_size` throughout.
    pub first_size: usize,
    /// What turns gradients into steps.
    pub optimizer: OptimizerKind,
    /// Peak learning rate of the optimiser, as it is used: not scaled by the batch size.
    pub learning_rate: f64,
    /// Factor on the learning rate from each stage of the encoder to the one below it, the last stage's being this one and the
    /// classifier's 1 (Bao et al. 2022, arXiv 2106.08254, appendix). 1 trains all alike.
    pub layer_decay: f64,
    /// Share of the weights that is added to their gradient; LARS spares biases and batch norm, and AdamW takes it off the
    /// weights, times the learning rate.
    pub weight_decay: f64,
    /// Epochs of linear warm-up from 0 to the peak; of the whole training where that is shorter.
    pub warmup_epochs: f64,
    /// What the learning rate does after warm-up.
    pub schedule: ScheduleKind,
    /// Share of the training's steps, counted from its end, over which the weights are averaged. The mean of them is then
    /// the classifier; 0 takes the weights after the last step.
    pub average: f64,
    /// What happens to a training image before the encoder sees it.
    pub augmentation: Augmentation,
    /// Both parameters of the Beta distribution that mixup draws shares from: images are blended with another of their batch,
    /// and labels with them (Zhang et al. 2018, arXiv 1710.09412). 0 mixes nothing.
    pub mixup: f64,
    /// The same for CutMix, which replaces a rectangle (Yun et al. 2019, arXiv 1905.04899). With both, each batch is mixed
    /// in one of the two ways, as probable as the other.
    pub cutmix: f64,
    /// Share of every target that is spread evenly over all classes (Szegedy et al. 2016, arXiv 1512.00567, section 7). Losses
    /// of validation are without it.
    pub label_smoothing: f64,
    /// The classifier on top of the encoder when fine-tuning begins.
    pub head: FirstHead,
    /// The size of the encoder's filters when fine-tuning begins.
    pub filter_norm: FilterNorm,
    /// Epochs without improvement of the validation loss after which training stops; 0 never stops early.
    pub patience: usize,
    /// Learning rates to choose from instead of `learning_rate`, by training on four fifths of the label budget and
    /// validating on the rest; the classifier is then trained on the whole budget. An empty list chooses nothing.
    pub sweep_learning_rates: Vec<f64>,
    /// Numbers of epochs to choose from likewise, with every learning rate.
    pub sweep_epochs: Vec<usize>,
}

/// The evaluations of a frozen encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// Neighbours that vote in k-NN evaluation.
    pub knn_neighbors: usize,
    /// Temperature of the votes' weights, exp(similarity / temperature).
    pub knn_temperature: f64,
    /// How the linear classifier is fitted.
    pub linear_solver: LinearSolver,
    /// L2 penalties that logistic regression chooses from, by cross-validation inside the label budget.
    pub linear_l2: Vec<f64>,
    /// Folds of that cross-validation.
    pub linear_folds: usize,
    /// Epochs of the solver `sgd`.
    pub sgd_epochs: usize,
    /// Labelled images per step of `sgd`.
    pub sgd_batch_size: usize,
    /// Peak learning rates that `sgd` chooses from, on a fifth of the label budget; not scaled by the batch size.
    pub sgd_learning_rates: Vec<f64>,
    /// Passes of random crops and flips over the labelled images that `sgd` trains on, in turn; 0 trains on whole
    /// images. The paper crops anew in every epoch; each pass costs as much as a pass over the data.
    pub sgd_views: usize,
}

/// How the linear classifier on a frozen encoder is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinearSolver {
    /// L2-regularised logistic regression to convergence by L-BFGS, on whole images.
    Lbfgs,
    /// SGD with Nesterov momentum on random crops: the paper's protocol (appendix C.1).
    Sgd,
}

/// Residual networks (He et al. 2015). ResNet-10 has one basic block per stage.
///
/// `stem` and `width` are keys of these, and stay at the top, where saved configurations have them; keys that another kind
/// of encoder reads go into a table named after it (`[convnext] patch = 4`), with a default for configurations that lack it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncoderKind {
    /// One basic block per stage; 512 features at width 1, as ResNet-18 and ResNet-34 have.
    Resnet10,
    /// Two basic blocks per stage.
    Resnet18,
    /// Three, four, six and three basic blocks.
    Resnet34,
    /// Three, four, six and three bottleneck blocks; 2,048 features at width 1.
    Resnet50,
}

/// How a residual network begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StemKind {
    /// 7x7 convolution of stride 2, then 3x3 max-pooling of stride 2 (torchvision's).
    Imagenet,
    /// 3x3 convolution of stride 1, no pooling (for images of about 32 px).
    Small,
    /// 3x3 convolution of stride 2, no pooling: four times cheaper than `small`.
    SmallStride2,
}

/// What turns gradients into steps, with its fixed constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba 2014), betas 0.9 and 0.999, epsilon 1e-8, PyTorch's coupled weight decay.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101), PyTorch's form: every parameter
    /// shrinks by the learning rate times the decay, biases and batch norm too.
    Adamw,
    /// Stochastic gradient descent with momentum 0.9 (PyTorch's form).
    Sgd,
    /// The same with Nesterov momentum.
    Nesterov,
    /// Layer-wise adaptive rate scaling (You et al. 2017, arXiv 1708.03888) with momentum 0.9 and trust coefficient
    /// 0.001.
    Lars,
}

impl OptimizerKind {
    /// Whether the size of its steps hardly depends on the size of the gradient, so that a learning rate does well with batches of
    /// another size too.
    pub fn is_adaptive(self) -> bool {
        match self {
            OptimizerKind::Adam | OptimizerKind::Adamw => true,
            OptimizerKind::Sgd | OptimizerKind::Nesterov | OptimizerKind::Lars => false,
        }
    }
}

/// How a value goes from its beginning to the end of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// It stays as it is.
    Constant,
    /// It follows half a cosine: the learning rate from its peak to 0, tau to 1.
    Cosine,
}

/// What the online prediction is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossTarget {
    /// The target network's projection (paper, equation 2).
    Projection,
    /// The target's projection passed through the online predictor without gradient (the lab's step 6).
    Prediction,
}

/// Named recipes for the two views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ViewSet {
    /// Table 6 of the paper: t blurs always, t' solarises sometimes.
    Paper,
    /// One recipe for both views: Table 6, blurred with probability 0.5 and solarised with 0.2 (Table 17).
    Symmetric,
    /// Crop and flip of Table 6, nothing more.
    Crop,
    /// Table 6 without colour jitter and grayscale.
    NoColor,
    /// The lab's: the same recipe twice, weaker crop and jitter.
    Lab,
}

/// What early stopping of pre-training looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PatienceMetric {
    /// The mean training loss of an epoch, lower is better.
    Loss,
    /// k-NN accuracy over held-out training images, higher is better; looked at every `monitor_every` epochs.
    Knn,
}

/// What happens to a labelled training image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Augmentation {
    /// Resized to `image_size` and normalised, nothing more.
    None,
    /// Random resized crop (area 0.3-1) and flip.
    Crop,
    /// Random resized crop (area 0.3-1), flip, colour jitter and grayscale.
    Color,
    /// The pre-training recipe t.
    Views,
}

/// The classifier that fine-tuning begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirstHead {
    /// Random weights.
    Random,
    /// Logistic regression on what the frozen encoder makes of the training images, with the penalties and folds of
    /// `[evaluate]` (Kumar et al. 2022, arXiv 2202.10054).
    Linear,
}

/// The size of the filters that fine-tuning begins with, where batch norm follows them and it changes nothing but how far a
/// step turns them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterNorm {
    /// As pre-training left them.
    Kept,
    /// Each filter scaled to the norm that is expected of a random one, and batch norm's running statistics with it.
    Initial,
}

/// What the program of the university lab got wrong, each to be switched on by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The two views of a pair come from different images: each view has an order of the images of its own.
    UnpairedViews,
    /// The online network is its own target, and in the second term the gradient stops at the prediction instead of at
    /// the target. The target network is updated and never used.
    OnlineTarget,
    /// Predictions and targets are not normalised: the loss is their mean squared difference.
    Unnormalized,
    /// Heads of Linear-ReLU-BN-Linear on 1000 logits that an untrained linear layer makes of the representation; the
    /// projector ends in BN and ReLU. Fine-tuning keeps the 1000 logits as a bottleneck.
    LabHeads,
    /// After the first epoch of a supervised stage the classifier stays in evaluation mode.
    EvaluationMode,
}
