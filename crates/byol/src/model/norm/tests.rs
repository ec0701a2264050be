use tch::{Kind, Tensor};

use super::{Activation, BatchNormCall, batch_norm, batch_norm_relu_pool, composed};
use crate::device::tests::device;
use crate::model::Mode;

/// A batch norm's numbers; no two channels are alike, and one scale is negative.
struct Numbers {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl Numbers {
    fn new(channels: i64, kind: Kind) -> Numbers {
        let range = |from: f64, to: f64| Tensor::linspace(from, to, channels, (kind, device()));
        Numbers {
            weight: range(-0.5, 1.5).set_requires_grad(true),
            bias: range(0.4, -0.3).set_requires_grad(true),
            mean: range(-1.0, 1.0),
            variance: range(0.5, 2.0),
        }
    }

    fn call(&self, mode: Mode, groups: usize) -> BatchNormCall<'_> {
        BatchNormCall {
            weight: &self.weight,
            bias: &self.bias,
            mean: &self.mean,
            variance: &self.variance,
            mode,
            groups,
        }
    }
}

/// Values around `offset`, channels last where there are pictures.
fn activation(shape: &[i64], offset: f64, seed: i64) -> Tensor {
    let count: i64 = shape.iter().product();
    let values = (Tensor::arange(count, (Kind::Double, device())) * (seed as f64 + 0.618)).sin() * 3.0 + offset;
    match shape {
        &[batch, channels, height, width] => values.view([batch, height, width, channels]).permute([0, 3, 1, 2]),
        _ => values.view(shape),
    }
}

/// Output, gradients of input, weight, bias and residual, and the running statistics.
fn everything(
    kind: Kind,
    shape: &[i64],
    residual: bool,
    groups: usize,
    compute: impl Fn(&Tensor, Option<&Tensor>, &BatchNormCall) -> Tensor,
) -> Vec<Tensor> {
    let numbers = Numbers::new(shape[1], if kind == Kind::Double { kind } else { Kind::Float });
    // Rounded first, so that both sides begin with the same numbers.
    let leaf = |seed| activation(shape, 0.7, seed).to_kind(Kind::BFloat16).to_kind(kind).set_requires_grad(true);
    let (input, added) = (leaf(1), residual.then(|| leaf(2)));
    let output = compute(&input, added.as_ref(), &numbers.call(Mode::Train, groups));
    let weights = activation(&output.size(), 0.1, 5).to_kind(Kind::BFloat16).to_kind(kind);
    (&output * &weights).sum(Kind::Double).backward();
    let mut results = vec![output.detach(), input.grad(), numbers.weight.grad(), numbers.bias.grad()];
    results.extend(added.map(|added| added.grad()));
    results.extend([numbers.mean, numbers.variance]);
    results
}

/// The fused operation in `kind` against libtorch's in float64, relative to the largest value. Gradients of the
/// parameters are sums of thousands of terms that mostly cancel, so their largest value is small.
fn compare(
    kind: Kind,
    shape: &[i64],
    residual: bool,
    groups: usize,
    fused: impl Fn(&Tensor, Option<&Tensor>, &BatchNormCall) -> Tensor,
    reference: impl Fn(&Tensor, Option<&Tensor>, &BatchNormCall) -> Tensor,
    tolerance: f64,
) {
    let found = everything(kind, shape, residual, groups, fused);
    let expected = everything(Kind::Double, shape, residual, groups, reference);
    assert_eq!(found.len(), expected.len());
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.size(), expected.size());
        let error = (found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]);
        let largest = expected.abs().max().double_value(&[]);
        assert!(
            error <= tolerance * largest,
            "{kind:?} {shape:?} groups {groups} residual {residual}: result {number} is off by {error} of {largest}"
        );
    }
}

const SHAPES: [&[i64]; 5] = [&[4, 64, 6, 6], &[6, 3, 5, 7], &[8, 40, 1, 1], &[16, 33], &[128, 64, 12, 12]];

#[test]
fn fused_equals_composed() {
    for shape in SHAPES {
        for groups in [1, 2].into_iter().filter(|&groups| shape[0] / groups as i64 > 1) {
            for residual in [false, true] {
                for activation in [Activation::None, Activation::Relu] {
                    compare(
                        Kind::Float,
                        shape,
                        residual,
                        groups,
                        |input, residual, call| batch_norm(input, residual, activation, call),
                        |input, residual, call| composed::batch_norm(input, residual, activation, call),
                        1e-4,
                    );
                }
            }
        }
    }
}

#[test]
fn fused_pool_equals_composed() {
    for shape in SHAPES.into_iter().filter(|shape| shape.len() == 4) {
        for groups in [1, 2].into_iter().filter(|&groups| shape[0] / groups as i64 > 1) {
            compare(
                Kind::Float,
                shape,
                false,
                groups,
                |input, _, call| batch_norm_relu_pool(input, call),
                |input, _, call| composed::batch_norm_relu_pool(input, call),
                1e-4,
            );
        }
    }
}

#[test]
fn bf16_is_within_its_rounding() {
    // One in 256 is bfloat16's rounding; a gradient is a sum of rounded terms.
    compare(
        Kind::BFloat16,
        &[8, 64, 6, 6],
        false,
        2,
        |input, residual, call| batch_norm(input, residual, Activation::None, call),
        |input, residual, call| composed::batch_norm(input, residual, Activation::None, call),
        0.01,
    );
}

#[test]
fn evaluation_uses_the_running_statistics() {
    let numbers = Numbers::new(24, Kind::Float);
    let input = activation(&[2, 24, 5, 5], 0.2, 3).to_kind(Kind::Float);
    let call = numbers.call(Mode::Evaluate, 2);
    let compared = tch::no_grad(|| {
        [
            [
                batch_norm(&input, Some(&input), Activation::Relu, &call),
                composed::batch_norm(&input, Some(&input), Activation::Relu, &call),
            ],
            [batch_norm_relu_pool(&input, &call), composed::batch_norm_relu_pool(&input, &call)],
        ]
    });
    for [found, expected] in compared {
        assert!((found - expected).abs().max().double_value(&[]) < 1e-5);
    }
}

#[test]
fn a_nan_is_not_cut_to_zero() {
    let numbers = Numbers::new(16, Kind::Float);
    let input = Tensor::full([2, 16, 4, 4], f64::NAN, (Kind::Float, device()));
    let call = numbers.call(Mode::Train, 1);
    let outputs =
        tch::no_grad(|| [batch_norm(&input, None, Activation::Relu, &call), batch_norm_relu_pool(&input, &call)]);
    assert!(outputs.iter().all(|output| output.isnan().all().int64_value(&[]) == 1));
}

#[test]
fn a_far_mean_does_not_spoil_the_variance() {
    let numbers = Numbers::new(16, Kind::Float);
    let input = (activation(&[64, 16], 0.0, 3) + 1e4).to_kind(Kind::Float);
    let output = tch::no_grad(|| batch_norm(&input, None, Activation::None, &numbers.call(Mode::Train, 1)));
    let normalized = (output - &numbers.bias.detach()) / &numbers.weight.detach();
    let variance = normalized.var_dim([0].as_slice(), false, false);
    // The input itself is rounded to a thousandth.
    assert!((variance - 1.0).abs().max().double_value(&[]) < 0.01);
}
