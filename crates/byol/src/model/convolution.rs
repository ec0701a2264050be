//! Convolutions: libtorch's, but where fewer multiplications ([`winograd`], [`small`]) or a matrix product over unfolded windows are
//! faster.
//!
//! On the CPU that is so for small images. Measured on two Zen 5 cores in bfloat16 for the 3x3 convolutions of
//! ResNet-18's last stage at 96 px (3x3 images, 512 channels, a batch of 128): oneDNN's convolution 8.8 ms, its
//! gradients 8.8 (input) and 20 ms (weight); the matrix products 5.7 ms each, and 0.2 ms for unfolding.
//!
//! On a GPU it is so for the stem, whose three channels the tensor cores cannot use well. Measured on an H200 for ResNet's
//! 7x7 stem on 1,024 images of 96 px: cuDNN's convolution 1.13 ms, its gradient by the weight 0.66 ms, both after filling
//! up the channels.

mod small;
pub(crate) mod winograd;

use std::cell::OnceCell;
use std::sync::Arc;

use byol_cuda::Kernels;
use byol_cuda::unfold::Unfold;
use byol_torch::Wanted;
use tch::{Device, Kind, Tensor};

use self::winograd::Winograd;

/// How a convolution's windows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub stride: i64,
    pub padding: i64,
}

/// Largest side of an output that is computed by a matrix product.
const LARGEST_UNFOLDED: i64 = 4;
/// Below so many input channels, unfolding small images costs more than it brings.
const LEAST_CHANNELS: i64 = 64;
/// Up to so many input channels, a GPU's convolution is unfolded.
const FEW_CHANNELS: i64 = 4;

/// Channels that one vector of AVX-512 holds.
const VECTOR_CHANNELS: i64 = 16;

/// Rows of unfolded windows, once they have been made: for convolutions that read the same input with the same windows.
pub(super) type SharedRows = OnceCell<Tensor>;

/// `[batch, inputs, height, width]` by `[outputs, inputs, side, side]` to `[batch, outputs, ...]`, without bias.
///
/// On a GPU, unfolded windows are left in `rows` and taken from there; they must be of this input and window.
pub(super) fn convolve(input: &Tensor, weight: &Tensor, window: Window, rows: &SharedRows) -> Tensor {
    if reaches_once(input, weight, window) {
        return whole_image(input, weight, window.padding);
    }
    if let Some(winograd) = Winograd::of(input, weight, window) {
        return winograd.convolve(input, weight);
    }
    if let Some(images) = small::images(input, weight, window) {
        return small::convolve(images, input, weight);
    }
    if let Some(unfolded) = Unfolded::of(input, weight, window) {
        return unfolded.convolve(input, weight, rows);
    }
    let Window { stride, padding } = window;
    let convolve =
        |input: &Tensor, stride: i64| input.conv2d::<Tensor>(weight, None, [stride; 2], [padding; 2], [1; 2], 1);
    match must_be_thinned(input, weight, window) {
        true => convolve(&thinned(input, stride), 1),
        false => convolve(input, stride),
    }
}

/// Whether the window has one place only and all pixels in it, and more than them or a stride that says nothing.
fn reaches_once(input: &Tensor, weight: &Tensor, Window { stride, padding }: Window) -> bool {
    let sides = [input.size(), weight.size()].map(|size| [size[size.len() - 2], size[size.len() - 1]]);
    let once = |(length, side): (i64, i64)| padding + length <= side && length + 2 * padding < side + stride;
    (stride, padding) != (1, 0) && sides[0].into_iter().zip(sides[1]).all(once)
}

/// Such a convolution: an image times the part of the filters that meets it, `[batch, outputs, 1, 1]`. The rest would be multiplied with
/// zeros: eight of nine numbers where the last images are single pixels. Besides, oneDNN, as libtorch 2.11 has it, leaves the gradient of the
/// filters unset in bfloat16 where a window of several pixels strides over a single one: what was in memory is taken for it, and weights that no
/// pixel ever meets become NaN.
fn whole_image(input: &Tensor, weight: &Tensor, padding: i64) -> Tensor {
    let (_, _, height, width) = input.size4().expect("images have four dimensions");
    let met = weight.narrow(2, padding, height).narrow(3, padding, width);
    // Channels last: what is next to each other in an image is so in memory.
    let [images, filters] = [input, &met].map(|tensor| tensor.permute([0, 2, 3, 1]).reshape([tensor.size()[0], -1]));
    images.linear::<Tensor>(&filters, None).view([-1, weight.size()[0], 1, 1])
}

/// Whether the pixels that a convolution reads are picked before it: a shortcut's, of side 1, that strides, on the CPU. As
/// libtorch 2.11 has it, oneDNN computes wrong gradients of its weights in float32 with AVX2 and without AVX-512, other ones
/// each time; and in bfloat16 with fewer channels than a vector holds it writes beyond the memory that it was given.
fn must_be_thinned(input: &Tensor, weight: &Tensor, window: Window) -> bool {
    let few = weight.size()[1] < VECTOR_CHANNELS;
    let wrong = match (input.device(), input.kind()) {
        (Device::Cpu, Kind::Float) => true,
        (Device::Cpu, Kind::BFloat16) => few,
        _ => false,
    };
    wrong && weight.size().pop() == Some(1) && window.stride > 1 && window.padding == 0
}

/// Every `stride`-th pixel of every `stride`-th row, channels last in memory.
fn thinned(input: &Tensor, stride: i64) -> Tensor {
    let picked = input.slice(2, None, None, stride).slice(3, None, None, stride);
    picked.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
}

/// A convolution that is computed as `[batch * height * width, side * side * inputs]`, every window unfolded into a row,
/// times `[side * side * inputs, outputs]`.
#[derive(Clone)]
struct Unfolded {
    side: i64,
    window: Window,
    /// Height and width of the output.
    output: [i64; 2],
    /// What unfolds on a GPU; its rows end with zeros, up to a multiple of 8.
    kernels: Option<Arc<Kernels>>,
}

impl Unfolded {
    fn of(input: &Tensor, weight: &Tensor, window: Window) -> Option<Unfolded> {
        let (_, inputs, height, width) = input.size4().ok()?;
        let (.., side) = weight.size4().ok()?;
        let output = [height, width].map(|length| (length + 2 * window.padding - side) / window.stride + 1);
        let kernels = match (input.device(), input.kind()) {
            (Device::Cpu, Kind::Float | Kind::BFloat16) => {
                let small = output.iter().all(|&length| length <= LARGEST_UNFOLDED);
                if !small || side != 3 || inputs < LEAST_CHANNELS {
                    return None;
                }
                None
            }
            (Device::Cuda(index), Kind::BFloat16) if inputs <= FEW_CHANNELS => Some(Kernels::load(index).ok()?),
            _ => return None,
        };
        Some(Unfolded { side, window, output, kernels })
    }

    fn convolve(self, input: &Tensor, weight: &Tensor, rows: &SharedRows) -> Tensor {
        let (x, filters) = (input.detach(), weight.detach());
        // The CPU unfolds anew in the backward pass, which takes it little (above) and needs no memory in between.
        let kept = self
            .kernels
            .is_some()
            .then(|| rows.get_or_init(|| tch::no_grad(|| self.unfold(&x, self.window))).shallow_clone());
        let unfold = move |this: &Unfolded, x: &Tensor| match &kept {
            Some(rows) => rows.shallow_clone(),
            None => this.unfold(x, this.window),
        };
        let output = tch::no_grad(|| self.forward(&unfold(&self, &x), &filters));
        if !byol_torch::needs_gradient(&[input, weight]) {
            return output;
        }
        let wanted = Wanted { input: input.requires_grad(), weight: weight.requires_grad() };
        byol_torch::with_gradient(output, &[input, weight], move |gradient| {
            self.backward(&gradient, [&x, &filters], wanted, || unfold(&self, &x))
        })
    }

    fn forward(&self, unfolded: &Tensor, filters: &Tensor) -> Tensor {
        let [height, width] = self.output;
        let product = unfolded.linear::<Tensor>(&matrix(filters, unfolded.size()[1]), None);
        product.view([-1, height, width, filters.size()[0]]).permute([0, 3, 1, 2])
    }

    fn backward(
        &self,
        gradient: &Tensor,
        [x, filters]: [&Tensor; 2],
        wanted: Wanted,
        rows_of_windows: impl FnOnce() -> Tensor,
    ) -> Vec<Option<Tensor>> {
        let rows = gradient.permute([0, 2, 3, 1]).contiguous();
        let rows = rows.view([-1, filters.size()[0]]);
        let for_weight = wanted.weight.then(|| {
            let (outputs, inputs, ..) = filters.size4().expect("filters have four dimensions");
            let unfolded = rows_of_windows();
            let product = match self.kernels {
                None => rows.tr().matmul(&unfolded),
                // Image by image, so that the few values of the result occupy the whole device.
                Some(_) => {
                    let batch = x.size()[0];
                    let by_image = |matrix: &Tensor| matrix.view([batch, -1, matrix.size()[1]]);
                    let products = by_image(&rows).transpose(1, 2).bmm(&by_image(&unfolded));
                    let sum = products.sum_dim_intlist([0i64].as_slice(), false, Kind::Float);
                    sum.narrow(1, 0, self.side * self.side * inputs).to_kind(filters.kind())
                }
            };
            product.reshape([outputs, self.side, self.side, inputs]).permute([0, 3, 1, 2])
        });
        let Window { stride, padding } = self.window;
        let for_input = match wanted.input {
            false => None,
            true if stride == 1 && self.kernels.is_none() => {
                // The gradient's own windows by the filters turned around, inputs and outputs changed.
                let turned = filters.permute([2, 3, 0, 1]).flip([0, 1]).contiguous();
                let (_, inputs, height, width) = x.size4().expect("images have four dimensions");
                let window = Window { stride, padding: self.side - 1 - padding };
                let product = self.unfold(gradient, window).matmul(&turned.view([-1, inputs]));
                Some(product.view([-1, height, width, inputs]).permute([0, 3, 1, 2]))
            }
            true => {
                let wanted = Wanted { input: true, weight: false };
                let [for_input, _] = byol_torch::convolution_backward(gradient, [x, filters], stride, padding, wanted);
                for_input
            }
        };
        vec![for_input, for_weight]
    }

    /// `[batch, channels, height, width]` to rows of windows, `[batch * rows * columns, side * side * channels]`.
    fn unfold(&self, x: &Tensor, Window { stride, padding }: Window) -> Tensor {
        let side = self.side;
        if let Some(kernels) = &self.kernels {
            return unfold_by_kernel(kernels, x, side, Window { stride, padding });
        }
        // Channels last: what is next to each other in a window is so in memory.
        let padded = x.permute([0, 2, 3, 1]).constant_pad_nd([0, 0, padding, padding, padding, padding]).contiguous();
        let (batch, height, width, channels) = padded.size4().expect("images have four dimensions");
        let [rows, columns] = [height, width].map(|length| (length - side) / stride + 1);
        let [image, row] = [height * width * channels, width * channels];
        padded
            .as_strided(
                [batch, rows, columns, side, side, channels],
                [image, stride * row, stride * channels, row, channels, 1],
                None,
            )
            .reshape([batch * rows * columns, side * side * channels])
    }
}

/// As [`Unfolded::unfold`], in one sweep, with zeros at the ends of rows.
fn unfold_by_kernel(kernels: &Kernels, x: &Tensor, side: i64, Window { stride, padding }: Window) -> Tensor {
    let x = x.permute([0, 2, 3, 1]).contiguous();
    let (batch, height, width, channels) = x.size4().expect("images have four dimensions");
    let [batch, height, width, channels, side, stride, padding] =
        [batch, height, width, channels, side, stride, padding].map(|length| length as usize);
    let unfold = Unfold { batch, height, width, channels, side, stride, padding };
    let rows = batch * unfold.output().iter().product::<usize>();
    let unfolded = Tensor::empty([rows as i64, unfold.columns() as i64], (x.kind(), x.device()));
    // SAFETY: the tensors are contiguous, on the kernels' device, bfloat16, and of the sizes that `unfold` names.
    if let Err(error) = unsafe { unfold.launch(kernels, x.data_ptr() as u64, unfolded.data_ptr() as u64) } {
        panic!("a kernel of byol was not launched: {error}");
    }
    unfolded
}

/// Channels last, in memory order.
fn rows_of(tensor: &Tensor) -> Tensor {
    tensor.permute([0, 2, 3, 1]).contiguous()
}

/// Filters as rows, `[outputs, columns]`, with zeros at their ends; their memory is in that order already.
fn matrix(filters: &Tensor, columns: i64) -> Tensor {
    let rows = filters.permute([0, 2, 3, 1]).contiguous().view([filters.size()[0], -1]);
    match columns - rows.size()[1] {
        0 => rows,
        missing => rows.constant_pad_nd([0, missing]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::tests::device;

    fn leaf(shape: [i64; 4], seed: f64, kind: Kind) -> Tensor {
        let count: i64 = shape.iter().product();
        let values = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * seed).sin();
        values.view(shape).to_kind(kind).set_requires_grad(true)
    }

    /// Output and both gradients in float32 against libtorch's convolution in float64, of the kinds of small images, each by its way.
    #[test]
    fn small_images_equal_libtorchs() {
        let once = |input: &Tensor, weight: &Tensor, window| reaches_once(input, weight, window);
        let unfolded = |input: &Tensor, weight: &Tensor, window| Unfolded::of(input, weight, window).is_some();
        let taps = |input: &Tensor, weight: &Tensor, window| small::images(input, weight, window).is_some();
        type Way = fn(&Tensor, &Tensor, Window) -> bool;
        let cases: [([i64; 2], i64, Way); 11] = [
            ([3, 1], 1, unfolded),
            ([5, 4], 2, unfolded),
            ([6, 6], 2, unfolded),
            ([5, 5], 2, unfolded),
            ([1, 1], 1, once),
            ([1, 1], 2, once),
            ([2, 2], 2, once),
            ([1, 2], 2, once),
            ([2, 2], 1, taps),
            ([1, 2], 1, taps),
            ([2, 1], 1, taps),
        ];
        for ([height, width], stride, way) in cases {
            let window = Window { stride, padding: 1 };
            let results = |kind: Kind| {
                let (input, weight) = (leaf([37, 64, height, width], 0.7, kind), leaf([72, 64, 3, 3], 0.3, kind));
                assert!(kind == Kind::Double || way(&input, &weight, window), "{height}x{width} stride {stride}");
                let output = match kind {
                    Kind::Double => input.conv2d::<Tensor>(&weight, None, [stride; 2], [1; 2], [1; 2], 1),
                    _ => convolve(&input, &weight, window, &SharedRows::new()),
                };
                (&output * output.detach().sin()).sum(Kind::Double).backward();
                [output.detach(), input.grad(), weight.grad()]
            };
            for (found, expected) in results(Kind::Float).into_iter().zip(results(Kind::Double)) {
                assert_eq!(found.size(), expected.size());
                let error = (found - &expected).abs().max().double_value(&[]);
                let largest = expected.abs().max().double_value(&[]);
                assert!(error < 1e-5 * largest, "{height}x{width} stride {stride}: {error} of {largest}");
            }
        }
    }

    /// Memory that was NaN before must not show in the filters' gradient.
    #[test]
    fn a_single_pixel_that_is_strided_over_has_its_gradients() {
        for (side, channels) in [(3, 8), (7, 3), (3, 32)] {
            let window = Window { stride: 2, padding: side / 2 };
            let results = |kind: Kind| {
                let leaf = |shape: [i64; 4], seed: f64| {
                    let count: i64 = shape.iter().product();
                    let values = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * seed).sin();
                    values.view(shape).to_kind(Kind::BFloat16).to_kind(kind).set_requires_grad(true)
                };
                let (input, weight) = (leaf([64, channels, 1, 1], 0.7), leaf([16, channels, side, side], 0.3));
                // Freed at once, to be what the next tensors of these sizes are made of.
                for count in [64, 512, 4096, 16 * channels * side * side, 100_000] {
                    drop([(); 4].map(|()| Tensor::full([count], f64::NAN, (Kind::Float, Device::Cpu))));
                }
                let output = convolve(&input, &weight, window, &SharedRows::new());
                output.sum(Kind::Double).backward();
                [output.detach(), input.grad(), weight.grad()].map(|tensor| tensor.to_kind(Kind::Double))
            };
            for (place, (found, expected)) in results(Kind::BFloat16).into_iter().zip(results(Kind::Double)).enumerate()
            {
                assert_eq!(found.size(), expected.size());
                let largest = expected.abs().max().double_value(&[]);
                let error = (found - &expected).abs().max().double_value(&[]);
                // The filters' gradients are sums of 64 terms of at most 1, which nearly cancel, and which processors without bfloat16
                // instructions add up in bfloat16: errors of 0.053 were seen there.
                let bound = if place == 2 { 0.1 } else { 0.02 * largest };
                assert!(error <= bound, "side {side}, {place}: {error}");
            }
        }
    }

    #[test]
    fn a_strided_shortcut_has_its_gradients() {
        for size in [4, 5, 8] {
            let window = Window { stride: 2, padding: 0 };
            let results = |kind: Kind| {
                let leaf = |shape: [i64; 4], seed: f64| {
                    let count: i64 = shape.iter().product();
                    let values = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * seed).sin();
                    values.view(shape).to_kind(kind)
                };
                let input = leaf([6, size, size, 8], 0.7).permute([0, 3, 1, 2]).set_requires_grad(true);
                let weight = leaf([16, 8, 1, 1], 0.3).set_requires_grad(true);
                let output = convolve(&input, &weight, window, &SharedRows::new());
                (&output * output.detach().sin()).sum(Kind::Double).backward();
                [output.detach(), input.grad(), weight.grad()]
            };
            for (found, expected) in results(Kind::Float).into_iter().zip(results(Kind::Double)) {
                assert_eq!(found.size(), expected.size());
                let error = (found - &expected).abs().max().double_value(&[]);
                assert!(error < 1e-4 * expected.abs().max().double_value(&[]), "size {size}: {error}");
            }
        }
    }

    /// Not thinned, such a shortcut ends the process or ruins what lies beside its gradient; how soon is luck.
    #[test]
    fn a_strided_shortcut_of_few_channels_keeps_to_its_memory_in_bfloat16() {
        let window = Window { stride: 2, padding: 0 };
        for batch in [1, 3, 5, 7].repeat(8) {
            let results = |kind: Kind| {
                let leaf = |shape: [i64; 4]| {
                    let count: i64 = shape.iter().product();
                    let values = (Tensor::arange(count, (Kind::Float, Device::Cpu)) * 0.7).sin();
                    values.to_kind(Kind::BFloat16).view(shape).to_kind(kind)
                };
                let input = leaf([batch, 16, 16, 8]).permute([0, 3, 1, 2]).set_requires_grad(true);
                let weight = leaf([16, 8, 1, 1]).set_requires_grad(true);
                let output = convolve(&input, &weight, window, &SharedRows::new());
                output.sum(Kind::Float).backward();
                [output.detach(), input.grad(), weight.grad()].map(|tensor| tensor.to_kind(Kind::Float))
            };
            for (found, expected) in results(Kind::BFloat16).into_iter().zip(results(Kind::Float)) {
                let error = (found - &expected).abs().max().double_value(&[]);
                assert!(error < 0.02 * expected.abs().max().double_value(&[]), "batch {batch}: {error}");
            }
        }
    }

    /// A GPU's kernel, run by the processor, against libtorch's unfolding.
    #[test]
    fn the_kernel_unfolds_as_libtorch_does() {
        for (side, stride, [height, width], channels) in
            [(7, 2, [33, 20], 3), (3, 1, [16, 9], 3), (3, 2, [15, 15], 1), (3, 1, [4, 4], 8)]
        {
            let window = Window { stride, padding: side / 2 };
            let count = 3 * height * width * channels;
            let values = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 0.7).sin().to_kind(Kind::BFloat16);
            let x = values.view([3, height, width, channels]).permute([0, 3, 1, 2]);
            let found = unfold_by_kernel(&Kernels::on_host(), &x, side, window);
            let by_libtorch = Unfolded { side, window, output: [0; 2], kernels: None };
            let expected = by_libtorch.unfold(&x, window);
            let columns = expected.size()[1];
            assert_eq!(found.narrow(1, 0, columns), expected, "side {side} stride {stride}");
            let rest = found.narrow(1, columns, found.size()[1] - columns);
            assert_eq!(rest.count_nonzero(None::<i64>).int64_value(&[]), 0);
        }
    }

    /// The stem in bfloat16 on the GPU that BYOL_TEST_DEVICE names, against libtorch's in float32.
    #[test]
    fn the_stem_on_a_gpu_equals_libtorchs() {
        let device = device();
        if !device.is_cuda() {
            eprintln!("SKIPPED: BYOL_TEST_DEVICE names no GPU");
            return;
        }
        for (side, stride, size) in [(7, 2, 33), (3, 1, 16), (3, 2, 15)] {
            let window = Window { stride, padding: side / 2 };
            let results = |kind: Kind| {
                let leaf = |shape: [i64; 4], seed: f64| {
                    let count: i64 = shape.iter().product();
                    let values = (Tensor::arange(count, (Kind::Double, device)) * seed).sin();
                    values.view(shape).to_kind(Kind::BFloat16).to_kind(kind)
                };
                let (input, weight) = (leaf([6, 3, size, size], 0.7), leaf([16, 3, side, side], 0.3));
                let weight = weight.set_requires_grad(true);
                assert_eq!(Unfolded::of(&input, &weight, window).is_some(), kind == Kind::BFloat16);
                let output = convolve(&input, &weight, window, &SharedRows::new());
                (&output * output.detach().sin()).sum(Kind::Float).backward();
                [output.detach().to_kind(Kind::Float), weight.grad().to_kind(Kind::Float)]
            };
            for (found, expected) in results(Kind::BFloat16).into_iter().zip(results(Kind::Float)) {
                assert_eq!(found.size(), expected.size());
                let error = (found - &expected).abs().max().double_value(&[]);
                let largest = expected.abs().max().double_value(&[]);
                assert!(error < 0.03 * largest, "side {side} stride {stride}: {error} of {largest}");
            }
        }
    }

    #[test]
    fn large_images_and_few_channels_are_libtorchs() {
        let of = |shape: [i64; 4]| {
            let input = Tensor::zeros(shape, (Kind::Float, Device::Cpu));
            let weight = Tensor::zeros([8, shape[1], 3, 3], (Kind::Float, Device::Cpu));
            Unfolded::of(&input, &weight, Window { stride: 1, padding: 1 }).is_some()
        };
        assert!(of([2, 64, 4, 4]) && !of([2, 64, 5, 4]) && !of([2, 3, 4, 4]));
    }
}
