//! Throughput on this machine: opening encoded images, rendering views, a pre-training step, a supervised step, data and augmentation included; and
//! what choosing images to label takes.
//!
//! How a training is measured is in `training`, what is trained in `pretrain` and `supervised`, what the machine can do
//! and how much memory the process has in `machine`.

mod augment;
mod beside;
pub mod decode;
pub mod label;
mod machine;
mod pool;
mod pretrain;
mod supervised;
mod training;

use serde::Serialize;

use crate::config::Experiment;
use crate::data::Dataset;
use crate::device::Hardware;
use crate::run::record::Stage;
use crate::train::TrainError;

use self::beside::Busy;

pub use machine::Memory;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Views of both recipes, on one thread.
    Augment,
    Pretrain,
    Supervised,
}

/// How long is measured, and on how many images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BenchOptions {
    /// Steps that are not counted, at least one.
    pub warmup_steps: usize,
    /// Steps that are.
    pub steps: usize,
    /// Images of the set; the data's own are repeated, or the first of them taken, to make as many. `None` is the data
    /// as it is.
    pub set_size: Option<usize>,
    /// Busy threads, beside which all is measured a second time; with 0 it is not.
    pub beside: usize,
}

impl Default for BenchOptions {
    fn default() -> BenchOptions {
        BenchOptions { warmup_steps: 5, steps: 30, set_size: None, beside: 0 }
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchResult {
    /// Images by wall-clock seconds; an image of pre-training, and of augmentation, is two views.
    pub images_per_second: f64,
    pub batch_size: usize,
    /// Side of the views in pixels.
    pub image_size: usize,
    /// Images of the set.
    pub set_size: usize,
    pub threads: usize,
    pub steps: usize,
    pub hardware: String,
    /// Mean milliseconds of a step.
    pub step_ms: f64,
    /// Of them, those spent waiting for rendered batches.
    pub waiting_ms: f64,
    /// Of them, those spent in the networks and the optimiser (rendering, where that is the subject).
    pub computing_ms: f64,
    /// Where the time of a step goes; absent where nothing is trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakdown: Option<Breakdown>,
    /// How much of the machine the networks use; absent where nothing is trained.
    #[serde(flatten)]
    pub arithmetic: Option<Arithmetic>,
    /// Images by seconds in evaluation mode, forward alone, of whole views; of the supervised network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluation_images_per_second: Option<f64>,
    /// The process's memory when the last step was done; absent where the system does not say.
    #[serde(flatten)]
    pub memory: Option<Memory>,
    /// Seconds from the start of the process to the end of the first step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_step_seconds: Option<f64>,
    /// The same beside busy threads; absent where none were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// What comes of several processes; absent of one. `images_per_second` and `batch_size` are those of all, and everything else of
    /// rank 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub together: Option<Together>,
}

/// What comes of several processes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Together {
    pub processes: usize,
    /// Milliseconds of a step in collective functions at rank 0: waiting for others, and for what travels. On GPUs, where they are begun
    /// and not waited for, that of beginning them.
    pub collective_ms: f64,
    /// Of them, in the mean of the gradient.
    pub gradient_ms: f64,
    /// Of rank 0 by itself, on its share of a batch and with its threads, while the others rest.
    pub images_per_second_of_one: f64,
    /// The rate of all by that of one times their number: 1 where nothing is lost.
    pub efficiency: f64,
}

/// What is left of a rate while other threads want the same cores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// Threads that do nothing but count.
    pub busy_threads: usize,
    pub images_per_second: f64,
    /// Of the rate that was measured without them just before.
    pub share_of_quiet: f64,
}

/// Mean milliseconds that a step spends in its parts. On a GPU they come from steps of their own, which are slower than
/// those that `images_per_second` counts, because every part is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Breakdown {
    /// Waiting for rendered batches.
    pub idle_ms: f64,
    /// Until a batch is on the device: on a GPU, rendering its views there too.
    pub transfer_ms: f64,
    /// BYOL's target branch; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_forward_ms: Option<f64>,
    /// The network that learns, and the loss.
    pub online_forward_ms: f64,
    pub backward_ms: f64,
    /// The optimiser, and the weights' copy in the type that the networks compute in.
    pub optimizer_ms: f64,
    /// The target's moving average; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_ms: Option<f64>,
    /// What is left: the sum of the above and this is `step_ms`.
    pub other_ms: f64,
    /// Of a step of those that were broken down.
    pub step_ms: f64,
    /// Processor time of rendering a step's views, added up over threads. It is no part of the sum: other threads render
    /// while the networks compute, on a CPU on the same cores.
    pub render_ms: f64,
}

/// Operations per second, beside those of a product of large square matrices in the same precision on the same device
/// and threads. Convolutions count as plain ones: where they take fewer multiplications, in float32 on a CPU, the share may be above 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Arithmetic {
    /// 10^9 floating-point operations of a step per image, by the networks' structure; norms and activations are not
    /// counted.
    pub gflop_per_image: f64,
    /// 10^9 of these operations per second of the whole step, waiting included.
    pub gflops: f64,
    /// 10^9 operations per second of the matrix product.
    pub matmul_gflops: f64,
    /// `gflops` by `matmul_gflops`.
    pub share_of_matmul: f64,
}

/// Whether the data suffices for what [`measure`] would do.
///
/// # Errors
/// There are fewer images than a batch.
pub fn check(
    subject: Subject,
    experiment: &Experiment,
    data: &Dataset,
    options: BenchOptions,
) -> Result<(), TrainError> {
    let (stage, key, batch_size, images) = match subject {
        Subject::Augment | Subject::Pretrain => {
            (Stage::Pretrain, "pretrain.batch_size", experiment.pretrain.batch_size, pool::unlabeled(data, options))
        }
        Subject::Supervised => {
            (Stage::Supervised, "supervised.batch_size", experiment.supervised.batch_size, pool::labeled(data, options))
        }
    };
    match images.len() {
        images if images < 2 => Err(TrainError::TooFewImages { stage, images }),
        images if images < batch_size => Err(TrainError::BatchTooLarge { key, batch_size, images }),
        _ => Ok(()),
    }
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
    check(subject, experiment, data, options)?;
    machine::forget_memory();
    let measure = || match subject {
        Subject::Augment => augment::measure(experiment, data, hardware, options),
        Subject::Pretrain => pretrain::measure(experiment, data, hardware, options),
        Subject::Supervised => supervised::measure(experiment, data, hardware, options),
    };
    let mut measured = measure()?;
    if options.beside > 0 {
        let _busy = Busy::start(options.beside);
        let images_per_second = measure()?.images_per_second;
        measured.beside = Some(Beside {
            busy_threads: options.beside,
            images_per_second,
            share_of_quiet: images_per_second / measured.images_per_second,
        });
    }
    Ok(measured)
}
