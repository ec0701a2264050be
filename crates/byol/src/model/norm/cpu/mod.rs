//! Fused batch norm on the CPU, for float32 and bfloat16: the loops are in `byol-kernels`, the threads libtorch's.

mod pool;
mod rows;

use byol_kernels::norm::pool::{Pools, Size};
use byol_kernels::norm::rows::{Mask, RowSweeps};
use half::bf16;
use tch::{Device, Kind, Tensor};

use self::rows::{GradientFigures, Rows};
use super::{Activation, BatchNormCall, EPSILON, MOMENTUM, empty_like, from_rows, rows_of};
use crate::element::TensorElement;
use crate::model::Mode;
use crate::model::slices::{values, values_mut};
use crate::ranks::Ranks;

/// Whether these kernels compute what `input` asks for.
pub(super) fn serves(input: &Tensor) -> bool {
    input.device() == Device::Cpu && matches!(input.kind(), Kind::Float | Kind::BFloat16)
}

/// What normalises a batch, per group and channel.
struct Figures {
    mean: Vec<f32>,
    /// 1 / sqrt(variance + epsilon)
    inverse_deviation: Vec<f32>,
    /// `y = x * scale + shift`
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// Who else has rows of each group.
    ranks: Ranks,
}

/// Means and variances over the rows of all ranks, each of which counts by its rows; merged in the order of the ranks.
fn over_ranks(ranks: &Ranks, (mean, variance): (Vec<f64>, Vec<f64>)) -> (Vec<f64>, Vec<f64>) {
    if ranks.is_alone() {
        return (mean, variance);
    }
    let figures = mean.len();
    let parts = ranks.gather_numbers(&[mean, variance].concat());
    let weights = ranks.weights();
    let average = |value: &dyn Fn(&[f64]) -> f64| {
        let weighted = parts.iter().zip(&weights).map(|(part, weight)| value(part) * weight);
        weighted.sum::<f64>() / parts.len() as f64
    };
    let mean: Vec<f64> = (0..figures).map(|place| average(&|part| part[place])).collect();
    let variance = mean
        .iter()
        .enumerate()
        .map(|(place, mean)| average(&|part| part[figures + place]) + average(&|part| (part[place] - mean).powi(2)));
    let variance = variance.collect();
    (mean, variance)
}

/// Two sums of each group and channel over the rows of all ranks, added in the order of the ranks.
fn sums_over_ranks(ranks: &Ranks, sums: &[f64], products: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let parts = ranks.gather_numbers(&[sums, products].concat());
    let mut all: Vec<f64> =
        (0..2 * sums.len()).map(|place| parts.iter().map(|part| part[place]).sum::<f64>()).collect();
    let products = all.split_off(sums.len());
    (all, products)
}

impl Figures {
    /// The batch's own in training, of which the running ones take their share; else the running ones.
    fn of<E: TensorElement + RowSweeps>(x: &[E], rows: Rows, call: &BatchNormCall) -> Figures {
        let parameters = [call.weight, call.bias].map(|parameter| values::<f32>(parameter).to_vec());
        let (mean, variance) = match call.mode {
            Mode::Train => {
                let (mean, variance) = over_ranks(call.ranks, rows::statistics(x, rows));
                let count = call.ranks.over_all(rows.per_group) as f64;
                // Running variances are unbiased, as PyTorch's.
                move_running(call.mean, &mean, 1.0);
                move_running(call.variance, &variance, count / (count - 1.0));
                (mean, variance)
            }
            Mode::Evaluate => {
                let wide = |tensor| values::<f32>(tensor).iter().map(|&value| f64::from(value)).collect::<Vec<f64>>();
                (wide(call.mean), wide(call.variance))
            }
        };
        let channels = rows.channels;
        let inverse: Vec<f64> = variance.iter().map(|variance| (variance + EPSILON).sqrt().recip()).collect();
        let [weight, bias] = parameters.map(|values| move |index: usize| f64::from(values[index % channels]));
        let scale: Vec<f64> = inverse.iter().enumerate().map(|(index, inverse)| weight(index) * inverse).collect();
        let shift = scale.iter().zip(&mean).enumerate().map(|(index, (scale, mean))| bias(index) - mean * scale);
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        Figures {
            shift: shift.map(|value| value as f32).collect(),
            scale: narrow(&scale),
            inverse_deviation: narrow(&inverse),
            mean: narrow(&mean),
            ranks: call.ranks.clone(),
        }
    }

    /// The gradients of weight and bias by these rows, and the figures of the input's, which depend on all.
    fn gradient(&self, (sums, products): (Vec<f64>, Vec<f64>), rows: Rows) -> ([Tensor; 2], GradientFigures) {
        let mut parameters = [vec![0f64; rows.channels], vec![0f64; rows.channels]];
        let mut figures = GradientFigures {
            mean: self.mean.clone(),
            gain: self.scale.clone(),
            slope: Vec::with_capacity(rows.figures()),
            offset: Vec::with_capacity(rows.figures()),
        };
        let inverse = |index: usize| f64::from(self.inverse_deviation[index]);
        for (index, (sum, product)) in sums.iter().zip(&products).enumerate() {
            parameters[0][index % rows.channels] += product * inverse(index);
            parameters[1][index % rows.channels] += sum;
        }
        let count = self.ranks.over_all(rows.per_group) as f64;
        let (sums, products) = match self.ranks.is_alone() {
            true => (sums, products),
            false => sums_over_ranks(&self.ranks, &sums, &products),
        };
        for (index, (sum, product)) in sums.into_iter().zip(products).enumerate() {
            let (scale, inverse) = (f64::from(self.scale[index]), inverse(index));
            figures.slope.push((-scale * inverse * inverse * product / count) as f32);
            figures.offset.push((-scale * sum / count) as f32);
        }
        (parameters.map(|values| Tensor::from_slice(&values).to_kind(Kind::Float)), figures)
    }
}

/// `running <- (1 - momentum) running + momentum statistic`, for one group after the other. Float64 are the statistics of a
/// view apart from the others ([`Apart`](crate::model::parameters::Apart)).
fn move_running(running: &Tensor, statistic: &[f64], factor: f64) {
    let moved = |running: f64, statistic: f64| (1.0 - MOMENTUM) * running + MOMENTUM * factor * statistic;
    let mut tensor = running.shallow_clone();
    for group in statistic.chunks(running.numel()) {
        match running.kind() {
            Kind::Double => {
                let running = values_mut::<f64>(&mut tensor).iter_mut();
                running.zip(group).for_each(|(running, statistic)| *running = moved(*running, *statistic));
            }
            _ => {
                let running = values_mut::<f32>(&mut tensor).iter_mut();
                running
                    .zip(group)
                    .for_each(|(running, statistic)| *running = moved(f64::from(*running), *statistic) as f32);
            }
        }
    }
}

fn rows_in(input: &Tensor, channels: i64, call: &BatchNormCall) -> Rows {
    let groups = if call.mode == Mode::Train { call.groups } else { 1 };
    let rows = input.numel() / channels.max(1) as usize;
    Rows { channels: channels as usize, groups, per_group: rows / groups }
}

/// See [`super::batch_norm`].
pub(super) fn batch_norm(
    input: &Tensor,
    residual: Option<&Tensor>,
    activation: Activation,
    call: &BatchNormCall,
) -> Tensor {
    match input.kind() {
        Kind::Float => batch_norm_of::<f32>(input, residual, activation, call),
        _ => batch_norm_of::<bf16>(input, residual, activation, call),
    }
}

fn batch_norm_of<E: TensorElement + RowSweeps>(
    input: &Tensor,
    residual: Option<&Tensor>,
    activation: Activation,
    call: &BatchNormCall,
) -> Tensor {
    let relu = activation == Activation::Relu;
    let (x, added) = tch::no_grad(|| (rows_of(&input.detach()), residual.map(|tensor| rows_of(&tensor.detach()))));
    let rows = rows_in(&x, input.size()[1], call);
    let figures = Figures::of::<E>(values(&x), rows, call);
    let mut y = empty_like(&x);
    rows::apply(
        values::<E>(&x),
        added.as_ref().map(values),
        [&figures.scale, &figures.shift],
        relu,
        rows,
        values_mut(&mut y),
    );
    let output = from_rows(y.shallow_clone());
    let mut inputs = vec![input, call.weight, call.bias];
    inputs.extend(residual);
    if !byol_torch::needs_gradient(&inputs) {
        return output;
    }
    debug_assert!(call.mode == Mode::Train, "no gradient is wanted in evaluation mode");
    let (has_residual, saved) = (added.is_some(), (relu && added.is_some()).then_some(y));
    byol_torch::with_gradient(output, &inputs, move |gradient| {
        let gradient = rows_of(&gradient);
        let (x_values, gradient_values) = (values::<E>(&x), values::<E>(&gradient));
        let mask = match &saved {
            Some(y) => Mask::Output(values(y)),
            None if relu => Mask::Recomputed { scale: &figures.scale, shift: &figures.shift },
            None => Mask::None,
        };
        let sums = rows::gradient_sums(x_values, gradient_values, mask, &figures.mean, rows);
        let ([weight, bias], gradient_figures) = figures.gradient(sums, rows);
        let mut dx = empty_like(&x);
        let mut masked = (has_residual && relu).then(|| empty_like(&x));
        let masked_values = masked.as_mut().map(values_mut);
        rows::input_gradient(
            x_values,
            gradient_values,
            mask,
            &gradient_figures,
            rows,
            values_mut(&mut dx),
            masked_values,
        );
        let mut gradients = vec![Some(from_rows(dx)), Some(weight), Some(bias)];
        if has_residual {
            gradients.push(Some(from_rows(masked.unwrap_or(gradient))));
        }
        gradients
    })
}

/// See [`super::batch_norm_relu_pool`].
pub(super) fn batch_norm_relu_pool(input: &Tensor, call: &BatchNormCall) -> Tensor {
    match input.kind() {
        Kind::Float => batch_norm_relu_pool_of::<f32>(input, call),
        _ => batch_norm_relu_pool_of::<bf16>(input, call),
    }
}

fn batch_norm_relu_pool_of<E: TensorElement + RowSweeps + Pools>(input: &Tensor, call: &BatchNormCall) -> Tensor {
    let x = tch::no_grad(|| rows_of(&input.detach()));
    let (batch, channels, height, width) = input.size4().expect("images have four dimensions");
    let size = Size { height: height as usize, width: width as usize, channels: channels as usize };
    let rows = rows_in(&x, channels, call);
    let figures = Figures::of::<E>(values(&x), rows, call);
    let [pooled_height, pooled_width] = size.pooled().map(|length| length as i64);
    let mut y = Tensor::empty([batch, pooled_height, pooled_width, channels], (E::KIND, Device::Cpu));
    let mut positions = vec![0u8; y.numel()];
    pool::forward(values::<E>(&x), size, [&figures.scale, &figures.shift], rows, values_mut(&mut y), &mut positions);
    let inputs = [input, call.weight, call.bias];
    if !byol_torch::needs_gradient(&inputs) {
        return from_rows(y);
    }
    debug_assert!(call.mode == Mode::Train, "no gradient is wanted in evaluation mode");
    byol_torch::with_gradient(from_rows(y), &inputs, move |gradient| {
        let gradient = rows_of(&gradient);
        let (x_values, gradient_values) = (values::<E>(&x), values::<E>(&gradient));
        let sums = pool::gradient_sums(x_values, gradient_values, &positions, size, &figures.mean, rows);
        let ([weight, bias], gradient_figures) = figures.gradient(sums, rows);
        let mut dx = empty_like(&x);
        pool::input_gradient(x_values, gradient_values, &positions, size, &gradient_figures, rows, values_mut(&mut dx));
        vec![Some(from_rows(dx)), Some(weight), Some(bias)]
    })
}
