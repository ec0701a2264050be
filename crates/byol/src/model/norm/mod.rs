//! Batch norm (Ioffe and Szegedy 2015) together with what follows it in a network: an addition, ReLU, the stem's max
//! pool. One sweep over memory then does what three operations of libtorch would.
//!
//! A batch may hold several *groups* one after the other, such as the two views of BYOL's images: every group is
//! normalised by its own statistics, as if it went through the network alone. Where several ranks have parts of the batch,
//! the statistics of a group are those of its parts on all ranks.

mod composed;
mod cpu;
mod cuda;

use std::sync::Arc;

use byol_cuda::Kernels;
use tch::Tensor;

use super::Mode;
use crate::ranks::Ranks;

/// PyTorch's default, and the paper's (appendix C).
pub(crate) const EPSILON: f64 = 1e-5;
/// Share of the batch's statistics in the running ones: PyTorch's default, and the paper's decay of 0.9 (appendix C).
pub(super) const MOMENTUM: f64 = 0.1;

/// What follows the normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Relu,
}

/// The numbers of one batch norm, `[channels]` each, and how they are used.
#[derive(Clone, Copy)]
pub(super) struct BatchNormCall<'a> {
    pub weight: &'a Tensor,
    pub bias: &'a Tensor,
    /// Running statistics: moved in training, used in evaluation. In the type of weight and bias, or float64.
    pub mean: &'a Tensor,
    pub variance: &'a Tensor,
    pub mode: Mode,
    /// Equal parts of the batch that are normalised separately in training.
    pub groups: usize,
    /// Who else has a part of each.
    pub ranks: &'a Ranks,
}

impl BatchNormCall<'_> {
    /// Whether statistics of other ranks are wanted.
    fn is_shared(&self) -> bool {
        self.mode == Mode::Train && !self.ranks.is_alone()
    }
}

/// The kernels of a GPU, which take statistics of their own rows alone.
fn kernels(input: &Tensor, call: &BatchNormCall) -> Option<Arc<Kernels>> {
    if call.is_shared() { None } else { cuda::serves(input) }
}

/// `activation(norm(input) + residual)`.
///
/// # Shapes
/// `[batch, channels]` or `[batch, channels, height, width]`, of any type, to the same; `residual` likewise. The batch is
/// a multiple of the groups.
pub(super) fn batch_norm(
    input: &Tensor,
    residual: Option<&Tensor>,
    activation: Activation,
    call: &BatchNormCall,
) -> Tensor {
    if cpu::serves(input) {
        cpu::batch_norm(input, residual, activation, call)
    } else if let Some(kernels) = kernels(input, call) {
        cuda::batch_norm(kernels, input, residual, activation, call)
    } else {
        composed::batch_norm(input, residual, activation, call)
    }
}

/// `relu(norm(input) + residual)` twice, for two readers. Their gradients come apart, and a GPU adds them in the sweep
/// that reads them.
///
/// # Shapes
/// As [`batch_norm`].
pub(super) fn batch_norm_add_relu_forked(input: &Tensor, residual: &Tensor, call: &BatchNormCall) -> [Tensor; 2] {
    match kernels(input, call) {
        Some(kernels) => cuda::batch_norm_add_relu_forked(kernels, input, residual, call),
        None => {
            let output = batch_norm(input, Some(residual), Activation::Relu, call);
            [output.shallow_clone(), output]
        }
    }
}

/// `max_pool(relu(norm(input)))` with 3x3 windows, stride 2 and padding 1.
///
/// # Shapes
/// `[batch, channels, height, width]` to `[batch, channels, ceil(height / 2), ceil(width / 2)]`.
pub(super) fn batch_norm_relu_pool(input: &Tensor, call: &BatchNormCall) -> Tensor {
    if cpu::serves(input) {
        cpu::batch_norm_relu_pool(input, call)
    } else if let Some(kernels) = kernels(input, call) {
        cuda::batch_norm_relu_pool(kernels, input, call)
    } else {
        composed::batch_norm_relu_pool(input, call)
    }
}

/// `[batch, channels, height, width]` as rows of channels in memory, `[batch, height, width, channels]`; rows stay.
fn rows_of(tensor: &Tensor) -> Tensor {
    match tensor.dim() {
        4 => tensor.permute([0, 2, 3, 1]).contiguous(),
        _ => tensor.contiguous(),
    }
}

/// The inverse of [`rows_of`].
fn from_rows(tensor: Tensor) -> Tensor {
    match tensor.dim() {
        4 => tensor.permute([0, 3, 1, 2]),
        _ => tensor,
    }
}

fn empty_like(tensor: &Tensor) -> Tensor {
    Tensor::empty(tensor.size(), (tensor.kind(), tensor.device()))
}

#[cfg(test)]
mod tests;
