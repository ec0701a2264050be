//! Batch norm and what follows it out of libtorch's operations: for float64, for devices without kernels of ours, and for
//! statistics of several ranks on a GPU.

use tch::{Kind, Tensor};

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
    if call.is_shared() {
        return normalize_over_ranks(input, call);
    }
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

/// With the statistics of each group's rows on all ranks, each of which counts by its rows.
fn normalize_over_ranks(input: &Tensor, call: &BatchNormCall) -> Tensor {
    let (groups, channels) = (call.groups as i64, input.size()[1]);
    let wide = if input.kind() == Kind::Double { Kind::Double } else { Kind::Float };
    let rows = |tensor: &Tensor| tensor.detach().to_kind(wide).reshape([groups, -1, channels, pixels(tensor)]);
    let figure = |tensor: &Tensor| tensor.detach().to_kind(wide).view([-1, 1, channels, 1]);
    let over_rows = [1i64, 3];

    let (output, centred, inverse, scale) = tch::no_grad(|| {
        let x = rows(input);
        let count = call.ranks.over_all(x.numel() / (groups * channels) as usize) as f64;
        let own = Tensor::stack(
            &[x.mean_dim(over_rows.as_slice(), false, wide), x.var_dim(over_rows.as_slice(), false, false)],
            0,
        );
        let parts = call.ranks.gather(&own.to_kind(Kind::Double));
        let (means, variances) = (parts.select(1, 0), parts.select(1, 1));
        let weights =
            (!call.ranks.is_even()).then(|| Tensor::from_slice(&call.ranks.weights()).to_device(input.device()));
        let average = |tensor: &Tensor| match &weights {
            Some(weights) => (tensor * weights.view([-1, 1, 1])).mean_dim([0i64].as_slice(), false, Kind::Double),
            None => tensor.mean_dim([0i64].as_slice(), false, Kind::Double),
        };
        let mean = average(&means);
        let variance = average(&variances) + average(&(means - &mean).square());
        move_running(call.mean, &mean, 1.0);
        move_running(call.variance, &variance, count / (count - 1.0));
        let inverse = figure(&(variance + EPSILON).rsqrt());
        let centred = x - figure(&mean);
        let scale = figure(call.weight) * &inverse;
        // No view: what follows changes it in place, with a gradient.
        let output = (&centred * &scale + figure(call.bias)).reshape(input.size()).to_dtype(input.kind(), false, true);
        (output, centred, inverse, scale)
    });
    let inputs = [input, call.weight, call.bias];
    if !byol_torch::needs_gradient(&inputs) {
        return output;
    }
    let (ranks, kind) = (call.ranks.clone(), call.weight.kind());
    let count = ranks.over_all(centred.numel() / (groups * channels) as usize) as f64;
    byol_torch::with_gradient(output, &inputs, move |gradient| {
        let (shape, type_of_input) = (gradient.size(), gradient.kind());
        let gradient = gradient.to_kind(wide).reshape(centred.size());
        let sum = |tensor: &Tensor| tensor.sum_dim_intlist(over_rows.as_slice(), false, wide);
        let own = Tensor::stack(&[sum(&gradient), sum(&(&gradient * &centred))], 0);
        let of_all = ranks.gather(&own).sum_dim_intlist([0i64].as_slice(), false, wide);
        let [sums, products] = [0, 1].map(|place| of_all.select(0, place).view([-1, 1, channels, 1]) / count);
        let of_input = (gradient - sums - &centred * inverse.square() * products) * &scale;
        let of_parameter = |values: Tensor| values.sum_dim_intlist([0i64].as_slice(), false, wide).to_kind(kind);
        vec![
            Some(of_input.reshape(shape).to_kind(type_of_input)),
            Some(of_parameter(own.select(0, 1) * inverse.view([-1, channels]))),
            Some(of_parameter(own.select(0, 0))),
        ]
    })
}

/// Pixels of each image; 1 of rows without.
fn pixels(tensor: &Tensor) -> i64 {
    tensor.size()[2..].iter().product()
}

/// The running statistics take their share of each group, one after the other.
fn move_running(running: &Tensor, statistics: &Tensor, factor: f64) {
    let mut running = running.shallow_clone();
    for group in 0..statistics.size()[0] {
        let moved = running.to_kind(Kind::Double) * (1.0 - MOMENTUM) + statistics.get(group) * (MOMENTUM * factor);
        running.copy_(&moved);
    }
}
