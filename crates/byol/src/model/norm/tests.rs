use std::sync::Arc;

use byol_cuda::Kernels;
use tch::{Kind, Tensor};

use super::{Activation, BatchNormCall, composed, cuda};
use crate::device::tests::device;
use crate::model::Mode;
use crate::ranks::Ranks;

/// The fused operations: those that the device calls for, or a GPU's kernels run by the processor.
struct Fused(Option<Arc<Kernels>>);

/// Those there are on this device.
fn all_fused() -> Vec<Fused> {
    let mut all = vec![Fused(None)];
    if !device().is_cuda() {
        all.push(Fused(Some(Kernels::on_host())));
    }
    all
}

impl Fused {
    fn name(&self) -> &'static str {
        if self.0.is_some() { "kernels" } else { "own" }
    }

    fn batch_norm(
        &self,
        input: &Tensor,
        residual: Option<&Tensor>,
        activation: Activation,
        call: &BatchNormCall,
    ) -> Tensor {
        match &self.0 {
            None => super::batch_norm(input, residual, activation, call),
            Some(kernels) => cuda::batch_norm(kernels.clone(), input, residual, activation, call),
        }
    }

    fn batch_norm_add_relu_forked(&self, input: &Tensor, residual: &Tensor, call: &BatchNormCall) -> [Tensor; 2] {
        match &self.0 {
            None => super::batch_norm_add_relu_forked(input, residual, call),
            Some(kernels) => cuda::batch_norm_add_relu_forked(kernels.clone(), input, residual, call),
        }
    }

    fn batch_norm_relu_pool(&self, input: &Tensor, call: &BatchNormCall) -> Tensor {
        match &self.0 {
            None => super::batch_norm_relu_pool(input, call),
            Some(kernels) => cuda::batch_norm_relu_pool(kernels.clone(), input, call),
        }
    }
}

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
            ranks: Ranks::alone(),
        }
    }
}

/// Values around `offset`, channels last where there are images.
fn activation(shape: &[i64], offset: f64, seed: i64) -> Tensor {
    let count: i64 = shape.iter().product();
    let values = (Tensor::arange(count, (Kind::Double, device())) * (seed as f64 + 0.618)).sin() * 3.0 + offset;
    match shape {
        &[batch, channels, height, width] => values.view([batch, height, width, channels]).permute([0, 3, 1, 2]),
        _ => values.view(shape),
    }
}

/// What is computed of an input, a residual and a batch norm's numbers.
type Compute<'a> = &'a dyn Fn(&Tensor, Option<&Tensor>, &BatchNormCall) -> Tensor;

/// What an operation is given.
#[derive(Clone, Copy, Debug)]
struct Given {
    shape: &'static [i64],
    residual: bool,
    groups: usize,
}

/// Output, gradients of input, weight, bias and residual, and the running statistics.
fn everything(given: Given, kind: Kind, compute: Compute) -> Vec<Tensor> {
    let Given { shape, residual, groups } = given;
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

/// Results in one type against results in another, relative to the largest value. Gradients of the parameters are sums
/// of thousands of terms that mostly cancel, so their largest value is small.
fn compare(name: &str, given: Given, found: (Kind, Compute), expected: (Kind, Compute), tolerance: f64) {
    let kind = found.0;
    let [found, expected] = [found, expected].map(|(kind, compute)| everything(given, kind, compute));
    assert_eq!(found.len(), expected.len());
    for (number, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found.size(), expected.size());
        let expected = expected.to_kind(Kind::Double);
        let error = (found.to_kind(Kind::Double) - &expected).abs().max().double_value(&[]);
        let largest = expected.abs().max().double_value(&[]);
        assert!(
            error <= tolerance * largest,
            "{name} {kind:?} {given:?}: result {number} is off by {error} of {largest}"
        );
    }
}

const SHAPES: [&[i64]; 5] = [&[4, 64, 6, 6], &[6, 3, 5, 7], &[8, 40, 1, 1], &[16, 33], &[128, 64, 12, 12]];

/// Every shape with one group, and with two where each has more than one row.
fn shapes_and_groups() -> impl Iterator<Item = (&'static [i64], usize)> {
    let with_groups = |shape: &'static [i64]| {
        [1, 2].into_iter().filter(move |&groups| shape[0] / groups as i64 > 1).map(move |groups| (shape, groups))
    };
    SHAPES.into_iter().flat_map(with_groups)
}

#[test]
fn fused_equals_composed() {
    for fused in all_fused() {
        for (shape, groups) in shapes_and_groups() {
            for residual in [false, true] {
                for activation in [Activation::None, Activation::Relu] {
                    compare(
                        fused.name(),
                        Given { shape, residual, groups },
                        (Kind::Float, &|input, residual, call| fused.batch_norm(input, residual, activation, call)),
                        (Kind::Double, &|input, residual, call| {
                            composed::batch_norm(input, residual, activation, call)
                        }),
                        1e-4,
                    );
                }
            }
        }
    }
}

/// The sum of the two, each by its factor; what has the factor 0 is not read.
fn readers(outputs: [Tensor; 2], factors: [f64; 2]) -> Tensor {
    let read = outputs.into_iter().zip(factors).filter(|&(_, factor)| factor != 0.0);
    read.map(|(output, factor)| output * factor).reduce(|a, b| a + b).expect("one of them reads")
}

#[test]
fn two_readers_give_the_sum_of_their_gradients() {
    for fused in all_fused() {
        for (shape, groups) in shapes_and_groups() {
            for factors in [[1.0, 2.0], [1.0, 0.0], [0.0, 1.0]] {
                compare(
                    fused.name(),
                    Given { shape, residual: true, groups },
                    (Kind::Float, &|input, residual, call| {
                        readers(fused.batch_norm_add_relu_forked(input, residual.unwrap(), call), factors)
                    }),
                    (Kind::Double, &|input, residual, call| {
                        let output = composed::batch_norm(input, residual, Activation::Relu, call);
                        readers([output.shallow_clone(), output], factors)
                    }),
                    1e-4,
                );
            }
        }
    }
}

#[test]
fn fused_pool_equals_composed() {
    for fused in all_fused() {
        for (shape, groups) in shapes_and_groups().filter(|(shape, _)| shape.len() == 4) {
            compare(
                fused.name(),
                Given { shape, residual: false, groups },
                (Kind::Float, &|input, _, call| fused.batch_norm_relu_pool(input, call)),
                (Kind::Double, &|input, _, call| composed::batch_norm_relu_pool(input, call)),
                1e-4,
            );
        }
    }
}

/// One in 256 is bfloat16's rounding; a gradient is a sum of rounded terms.
const BF16_TOLERANCE: f64 = 0.01;

#[test]
fn bf16_is_within_its_rounding() {
    for fused in all_fused() {
        for (shape, groups) in shapes_and_groups() {
            for residual in [false, true] {
                compare(
                    fused.name(),
                    Given { shape, residual, groups },
                    (Kind::BFloat16, &|input, residual, call| {
                        fused.batch_norm(input, residual, Activation::None, call)
                    }),
                    (Kind::Double, &|input, residual, call| {
                        composed::batch_norm(input, residual, Activation::None, call)
                    }),
                    BF16_TOLERANCE,
                );
            }
        }
    }
}

/// What is cut, and where a maximum came from, is decided in float32 in both types, so that rounding decides neither.
#[test]
fn kernels_in_bf16_cut_what_they_cut_in_float32() {
    let fused = Fused(Some(Kernels::on_host()));
    if device().is_cuda() {
        eprintln!("SKIPPED: the tensors are on a GPU");
        return;
    }
    let relu: Compute = &|input, residual, call| fused.batch_norm(input, residual, Activation::Relu, call);
    let forked: Compute =
        &|input, residual, call| readers(fused.batch_norm_add_relu_forked(input, residual.unwrap(), call), [1.0, 2.0]);
    let pool: Compute = &|input, _, call| fused.batch_norm_relu_pool(input, call);
    for (shape, groups) in shapes_and_groups() {
        let mut computed = vec![(false, relu), (true, relu), (true, forked)];
        if shape.len() == 4 {
            computed.push((false, pool));
        }
        for (residual, compute) in computed {
            let given = Given { shape, residual, groups };
            compare(fused.name(), given, (Kind::BFloat16, compute), (Kind::Float, compute), BF16_TOLERANCE);
        }
    }
}

#[test]
fn evaluation_uses_the_running_statistics() {
    let numbers = Numbers::new(24, Kind::Float);
    let input = activation(&[2, 24, 5, 5], 0.2, 3).to_kind(Kind::Float);
    let call = numbers.call(Mode::Evaluate, 2);
    for fused in all_fused() {
        let compared = tch::no_grad(|| {
            [
                [
                    fused.batch_norm(&input, Some(&input), Activation::Relu, &call),
                    composed::batch_norm(&input, Some(&input), Activation::Relu, &call),
                ],
                [fused.batch_norm_relu_pool(&input, &call), composed::batch_norm_relu_pool(&input, &call)],
            ]
        });
        for [found, expected] in compared {
            assert!((found - expected).abs().max().double_value(&[]) < 1e-5, "{}", fused.name());
        }
    }
}

#[test]
fn a_nan_is_not_cut_to_zero() {
    for (fused, kind) in all_fused().iter().flat_map(|fused| [(fused, Kind::Float), (fused, Kind::BFloat16)]) {
        // The NaN that a GPU's arithmetic makes has all bits set, which rounding must not carry into the exponent.
        let of_a_gpu = fused.0.is_some() || device().is_cuda();
        let nan = if of_a_gpu { f32::from_bits(0x7fff_ffff) } else { f32::NAN };
        let numbers =
            Numbers { bias: Tensor::from_slice(&[nan; 16]).to_device(device()), ..Numbers::new(16, Kind::Float) };
        let call = numbers.call(Mode::Train, 1);
        let input = activation(&[2, 16, 4, 4], 0.7, 3).to_kind(kind);
        let outputs = tch::no_grad(|| {
            [fused.batch_norm(&input, None, Activation::Relu, &call), fused.batch_norm_relu_pool(&input, &call)]
        });
        let all_are = outputs.iter().all(|output| output.isnan().all().int64_value(&[]) == 1);
        assert!(all_are, "{} {kind:?}", fused.name());
    }
}

#[test]
fn a_far_mean_does_not_spoil_the_variance() {
    let numbers = Numbers::new(16, Kind::Float);
    let input = (activation(&[64, 16], 0.0, 3) + 1e4).to_kind(Kind::Float);
    for fused in all_fused() {
        let call = numbers.call(Mode::Train, 1);
        let output = tch::no_grad(|| fused.batch_norm(&input, None, Activation::None, &call));
        let normalized = (output - &numbers.bias.detach()) / &numbers.weight.detach();
        let variance = normalized.var_dim([0].as_slice(), false, false);
        // The input itself is rounded to a thousandth.
        assert!((variance - 1.0).abs().max().double_value(&[]) < 0.01, "{}", fused.name());
    }
}
