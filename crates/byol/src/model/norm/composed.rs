//! Batch norm and what follows it out of libtorch's operations: for float64, and for devices without kernels of ours.

use tch::Tensor;

use super::{Activation, BatchNormCall, EPSILON, MOMENTUM};
use crate::model::Mode;

/// See [`super::batch_norm`].
pub(super) fn batch_norm(
    input: &Tensor,
    residual: Option<&Tensor>,
    activation: Activation,
    call: &BatchNormCall,
) -> Tensor {
    let mut output = normalize(input, call);
    if let Some(residual) = residual {
        // In place: batch norm's gradient does not need its output.
        output = output.g_add_(residual);
    }
    match activation {
        Activation::Relu => output.relu_(),
        Activation::None => output,
    }
}

/// See [`super::batch_norm_relu_pool`].
pub(super) fn batch_norm_relu_pool(input: &Tensor, call: &BatchNormCall) -> Tensor {
    normalize(input, call).relu_().max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false)
}

fn normalize(input: &Tensor, call: &BatchNormCall) -> Tensor {
    let group = |input: &Tensor| {
        input.batch_norm(
            Some(call.weight),
            Some(call.bias),
            Some(call.mean),
            Some(call.variance),
            call.mode == Mode::Train,
            MOMENTUM,
            EPSILON,
            true,
        )
    };
    if call.groups == 1 || call.mode == Mode::Evaluate {
        return group(input);
    }
    let groups: Vec<Tensor> = input.chunk(call.groups as i64, 0).iter().map(group).collect();
    Tensor::cat(&groups, 0)
}
