//! The layers that every network here is made of. Each holds the places of its parameters, not the numbers.

use tch::Tensor;

use super::parameters::{BufferId, LayoutBuilder, Leaves, ParameterId, Role, Statistic, Weights};
use super::{Mode, Precision};

/// One forward pass: the numbers it reads, and how.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub weights: &'a Weights,
    pub leaves: &'a Leaves,
    pub mode: Mode,
    pub precision: Precision,
}

impl Pass<'_> {
    /// The input in the type that this pass computes in.
    pub(super) fn prepare(&self, input: &Tensor) -> Tensor {
        match self.precision {
            Precision::Full => input.to_kind(self.weights.flat().kind()),
            Precision::Bf16 => input.to_kind(tch::Kind::BFloat16),
        }
    }
}

/// Square convolution without bias.
#[derive(Clone, Debug)]
pub(super) struct Convolution {
    weight: ParameterId,
    stride: i64,
    padding: i64,
}

impl Convolution {
    pub(super) fn new(
        builder: &mut LayoutBuilder,
        name: &str,
        [inputs, outputs]: [i64; 2],
        side: i64,
        stride: i64,
    ) -> Convolution {
        let weight = builder
            .scope(name, |builder| builder.parameter("weight", &[outputs, inputs, side, side], Role::Convolution));
        Convolution { weight, stride, padding: side / 2 }
    }

    /// `[batch, inputs, height, width]` to `[batch, outputs, ceil(height / stride), ceil(width / stride)]`.
    pub(super) fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        let square = |value| [value, value];
        input.conv2d::<Tensor>(
            pass.leaves.get(self.weight),
            None,
            square(self.stride),
            square(self.padding),
            square(1),
            1,
        )
    }
}

/// Batch norm over all dimensions but the second (Ioffe and Szegedy 2015).
///
/// Epsilon 1e-5 and a decay of 0.9 of the running statistics: PyTorch's defaults, and the paper's (appendix C).
#[derive(Clone, Debug)]
pub(super) struct BatchNorm {
    weight: ParameterId,
    bias: ParameterId,
    mean: BufferId,
    variance: BufferId,
}

const NORM_EPSILON: f64 = 1e-5;
/// Share of the batch's statistics in the running ones.
const NORM_MOMENTUM: f64 = 0.1;

impl BatchNorm {
    pub(super) fn new(builder: &mut LayoutBuilder, name: &str, channels: i64) -> BatchNorm {
        builder.scope(name, |builder| BatchNorm {
            weight: builder.parameter("weight", &[channels], Role::NormScale),
            bias: builder.parameter("bias", &[channels], Role::NormShift),
            mean: builder.buffer("running_mean", channels, Statistic::Mean),
            variance: builder.buffer("running_var", channels, Statistic::Variance),
        })
    }

    pub(super) fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        input.batch_norm(
            Some(pass.leaves.get(self.weight)),
            Some(pass.leaves.get(self.bias)),
            Some(pass.weights.buffer(self.mean)),
            Some(pass.weights.buffer(self.variance)),
            pass.mode == Mode::Train,
            NORM_MOMENTUM,
            NORM_EPSILON,
            true,
        )
    }
}

/// `y = x W^T + b`.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    weight: ParameterId,
    bias: ParameterId,
}

impl Linear {
    pub(super) fn new(builder: &mut LayoutBuilder, name: &str, [inputs, outputs]: [i64; 2]) -> Linear {
        builder.scope(name, |builder| Linear {
            weight: builder.parameter("weight", &[outputs, inputs], Role::Linear),
            bias: builder.parameter("bias", &[outputs], Role::Bias { inputs }),
        })
    }

    /// `[batch, inputs]` to `[batch, outputs]`.
    pub(super) fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        input.linear(pass.leaves.get(self.weight), Some(pass.leaves.get(self.bias)))
    }
}
