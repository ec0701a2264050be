//! The layers that every network here is made of. Each holds the places of its parameters, not the numbers.

use tch::Tensor;

use super::Mode;
use super::convolution::{self, SharedRows, Window};
use super::norm::{self, Activation, BatchNormCall};
use super::parameters::{
    BufferId, Initial, LayoutBuilder, Leaves, MemoryOrder, ParameterId, ParameterUse, Statistic, Weights,
};
use crate::device::Precision;
use crate::ranks::Ranks;

/// One forward pass: the numbers it reads, and how.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Parameters and batch-norm statistics.
    pub weights: &'a Weights,
    /// The parameters as autograd sees them.
    pub leaves: &'a Leaves,
    /// Which statistics batch norm uses.
    pub mode: Mode,
    /// The type that is computed in.
    pub precision: Precision,
    /// Views that the batch holds one after the other, in equal parts. In training, batch norm sees one at a time.
    pub views: usize,
    /// Who else passes parts of the batch. In training, batch norm takes the statistics of all parts.
    pub ranks: &'a Ranks,
}

impl Pass<'_> {
    /// A parameter as autograd sees it, never older than the weights.
    fn leaf(&self, id: ParameterId) -> &Tensor {
        self.weights.renew(self.leaves);
        self.leaves.get(id)
    }

    /// The input in the type that this pass computes in.
    pub(super) fn prepare(&self, input: &Tensor) -> Tensor {
        match self.precision {
            Precision::Full => input.to_kind(self.weights.flat().kind()),
            Precision::Bf16 => input.to_kind(tch::Kind::BFloat16),
        }
    }
}

/// A square window that moves; padding is half of its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SquareWindow {
    pub side: i64,
    pub stride: i64,
}

impl SquareWindow {
    pub(crate) fn padding(self) -> i64 {
        self.side / 2
    }

    /// Side of the output for a square input.
    pub(crate) fn output_side(self, input: i64) -> i64 {
        (input + 2 * self.padding() - self.side) / self.stride + 1
    }
}

/// Square convolution without bias.
#[derive(Clone, Debug)]
pub(crate) struct Convolution {
    name: String,
    weight: ParameterId,
    channels: [i64; 2],
    window: SquareWindow,
}

impl Convolution {
    pub(super) fn new(
        builder: &mut LayoutBuilder,
        name: &str,
        [inputs, outputs]: [i64; 2],
        window: SquareWindow,
    ) -> Convolution {
        let shape = [outputs, inputs, window.side, window.side];
        // Normal with variance 2 / fan-out (He et al. 2015), as torchvision has it.
        let fan_out = outputs * window.side * window.side;
        let initial = Initial::Normal { deviation: (2.0 / fan_out as f32).sqrt() };
        let usage = ParameterUse { initial, order: MemoryOrder::ChannelsLast, adapted: true, narrow: true };
        builder.scope(name, |builder| Convolution {
            name: builder.prefix(),
            weight: builder.parameter("weight", &shape, usage),
            channels: [inputs, outputs],
            window,
        })
    }

    /// Its name in the layout; its filters have `.weight` behind it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Of input and output.
    pub(crate) fn channels(&self) -> [i64; 2] {
        self.channels
    }

    pub(crate) fn window(&self) -> SquareWindow {
        self.window
    }

    /// `[batch, inputs, height, width]` to `[batch, outputs, ceil(height / stride), ceil(width / stride)]`.
    pub(super) fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        self.forward_shared(pass, input, &SharedRows::new())
    }

    /// As [`forward`](Self::forward), for networks of one structure that read the same input.
    pub(super) fn forward_shared(&self, pass: &Pass, input: &Tensor, rows: &SharedRows) -> Tensor {
        let window = Window { stride: self.window.stride, padding: self.window.padding() };
        convolution::convolve(input, pass.leaf(self.weight), window, rows)
    }

    /// Multiply-adds of one image with a square input.
    pub(super) fn multiply_adds(&self, side: i64) -> u64 {
        let [inputs, outputs] = self.channels;
        (self.window.output_side(side).pow(2) * outputs * inputs * self.window.side.pow(2)) as u64
    }
}

/// Batch norm over all dimensions but the second (Ioffe and Szegedy 2015), and what follows it.
///
/// Epsilon 1e-5 and a decay of 0.9 of the running statistics: PyTorch's defaults, and the paper's (appendix C).
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm {
    name: String,
    weight: ParameterId,
    bias: ParameterId,
    mean: BufferId,
    variance: BufferId,
}

impl BatchNorm {
    pub(super) fn new(builder: &mut LayoutBuilder, name: &str, channels: i64) -> BatchNorm {
        BatchNorm::beginning(builder, name, channels, 1.0)
    }

    /// One whose weights begin as `weight` instead of 1.
    pub(super) fn beginning(builder: &mut LayoutBuilder, name: &str, channels: i64, weight: f32) -> BatchNorm {
        let usage = |initial| ParameterUse {
            initial: Initial::Constant(initial),
            order: MemoryOrder::OfShape,
            adapted: false,
            narrow: false,
        };
        builder.scope(name, |builder| BatchNorm {
            name: builder.prefix(),
            weight: builder.parameter("weight", &[channels], usage(weight)),
            bias: builder.parameter("bias", &[channels], usage(0.0)),
            mean: builder.buffer("running_mean", channels, Statistic::Mean),
            variance: builder.buffer("running_var", channels, Statistic::Variance),
        })
    }

    /// Its name in the layout, before those of its parameters and statistics.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn call<'a>(&self, pass: &'a Pass) -> BatchNormCall<'a> {
        BatchNormCall {
            weight: pass.leaf(self.weight),
            bias: pass.leaf(self.bias),
            mean: pass.weights.buffer(self.mean),
            variance: pass.weights.buffer(self.variance),
            mode: pass.mode,
            groups: pass.views,
            ranks: pass.ranks,
        }
    }

    pub(super) fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        norm::batch_norm(input, None, Activation::None, &self.call(pass))
    }

    /// `relu(norm(input))`.
    pub(super) fn forward_relu(&self, pass: &Pass, input: &Tensor) -> Tensor {
        norm::batch_norm(input, None, Activation::Relu, &self.call(pass))
    }

    /// `relu(norm(input) + residual)` twice, for two readers.
    pub(super) fn forward_add_relu_forked(&self, pass: &Pass, input: &Tensor, residual: &Tensor) -> [Tensor; 2] {
        norm::batch_norm_add_relu_forked(input, residual, &self.call(pass))
    }

    /// `max_pool(relu(norm(input)))`, 3x3 with stride 2.
    pub(super) fn forward_relu_pool(&self, pass: &Pass, input: &Tensor) -> Tensor {
        norm::batch_norm_relu_pool(input, &self.call(pass))
    }
}

/// `y = x W^T + b`.
#[derive(Clone, Debug)]
pub(super) struct Linear {
    weight: ParameterId,
    sizes: [i64; 2],
    bias: ParameterId,
}

impl Linear {
    pub(super) fn new(builder: &mut LayoutBuilder, name: &str, [inputs, outputs]: [i64; 2]) -> Linear {
        // Uniform within 1 / sqrt(inputs), as PyTorch has it.
        let initial = Initial::Uniform { bound: (inputs as f32).sqrt().recip() };
        let usage = |adapted| ParameterUse { initial, order: MemoryOrder::OfShape, adapted, narrow: true };
        builder.scope(name, |builder| Linear {
            sizes: [inputs, outputs],
            weight: builder.parameter("weight", &[outputs, inputs], usage(true)),
            bias: builder.parameter("bias", &[outputs], usage(false)),
        })
    }

    /// `[batch, inputs]` to `[batch, outputs]`.
    pub(super) fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        input.linear(pass.leaf(self.weight), Some(pass.leaf(self.bias)))
    }
    /// Multiply-adds of one row; the bias is not counted.
    pub(super) fn multiply_adds(&self) -> u64 {
        self.sizes.iter().product::<i64>() as u64
    }
}
