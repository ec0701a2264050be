//! Convolutions that add a bias, a shortcut and ReLU before their results go to memory: oneDNN's, through operators of
//! libtorch that `tch` does not know.

use std::ffi::c_char;

use tch::{Kind, Tensor};

use crate::{CTensor, require_success};

unsafe extern "C" {
    fn byol_fused_filters(
        weight: *const CTensor,
        input_shape: *const i64,
        stride: i64,
        padding: i64,
        result: *mut *mut CTensor,
    ) -> *mut c_char;
    fn byol_fused_convolution(
        input: *const CTensor,
        filters: *const CTensor,
        bias: *const CTensor,
        stride: i64,
        padding: i64,
        relu: bool,
        result: *mut *mut CTensor,
    ) -> *mut c_char;
    fn byol_fused_convolution_onto(
        onto: *mut CTensor,
        input: *const CTensor,
        filters: *const CTensor,
        bias: *const CTensor,
        stride: i64,
        padding: i64,
    ) -> *mut c_char;
}

/// A square convolution with a bias, its filters in oneDNN's order. No gradient goes through it.
#[derive(Debug)]
pub struct FusedConvolution {
    filters: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
}

impl FusedConvolution {
    /// None where libtorch was built without oneDNN.
    ///
    /// # Shapes
    /// `weight` `[outputs, inputs, side, side]` and `bias` `[outputs]`, of one type, float32 or bfloat16, on the CPU.
    /// `input` is the shape that inputs will mostly have, `[batch, inputs, height, width]`: it chooses the order.
    ///
    /// # Panics
    /// The shapes do not fit together.
    pub fn new(weight: &Tensor, bias: &Tensor, stride: i64, padding: i64, input: [i64; 4]) -> Option<FusedConvolution> {
        let mut result: *mut CTensor = std::ptr::null_mut();
        // SAFETY: the pointers are those of a living tensor, of four sizes, and of a place for the result.
        require_success(unsafe {
            byol_fused_filters(weight.as_ptr().cast(), input.as_ptr(), stride, padding, &mut result)
        });
        if result.is_null() {
            return None;
        }
        // SAFETY: the result is a new tensor that is ours.
        let filters = unsafe { Tensor::from_ptr(result.cast()) };
        Some(FusedConvolution { filters, bias: bias.shallow_clone(), stride, padding })
    }

    /// Type of inputs and outputs.
    pub fn kind(&self) -> Kind {
        self.bias.kind()
    }

    /// The convolution of `input`, channels-last in memory, and ReLU if `relu`.
    ///
    /// # Panics
    /// The input has another number of channels, or another type.
    pub fn forward(&self, input: &Tensor, relu: bool) -> Tensor {
        let mut result: *mut CTensor = std::ptr::null_mut();
        // SAFETY: the pointers are those of living tensors, and of a place for the result.
        require_success(unsafe {
            byol_fused_convolution(
                input.as_ptr().cast(),
                self.filters.as_ptr().cast(),
                self.bias.as_ptr().cast(),
                self.stride,
                self.padding,
                relu,
                &mut result,
            )
        });
        // SAFETY: the result is a new tensor that is ours.
        unsafe { Tensor::from_ptr(result.cast()) }
    }

    /// `relu(convolution(input) + onto)`, in the memory of `onto`, which is channels-last there.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), or `onto` has another shape than the output.
    pub fn add_relu(&self, input: &Tensor, mut onto: Tensor) -> Tensor {
        // SAFETY: the pointers are those of living tensors, and `onto` is ours.
        require_success(unsafe {
            byol_fused_convolution_onto(
                onto.as_mut_ptr().cast(),
                input.as_ptr().cast(),
                self.filters.as_ptr().cast(),
                self.bias.as_ptr().cast(),
                self.stride,
                self.padding,
            )
        });
        onto
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn fused_equals_one_after_the_other() {
        let values = |shape: &[i64], seed: f64| {
            let count: i64 = shape.iter().product();
            let values = (Tensor::arange(count, (Kind::Double, Device::Cpu)) * seed).sin();
            values.view(shape).to_kind(Kind::Float)
        };
        let channels_last = |tensor: Tensor| tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        for (inputs, side, stride, size) in [(16, 3, 1, 6), (16, 3, 2, 5), (5, 1, 2, 6), (3, 7, 2, 9)] {
            let (weight, bias) = (values(&[24, inputs, side, side], 0.3), values(&[24], 0.9));
            let expected_shape = [4, inputs, size, size];
            let convolution = FusedConvolution::new(&weight, &bias, stride, side / 2, expected_shape);
            let Some(convolution) = convolution else {
                eprintln!("SKIPPED: this libtorch has no oneDNN");
                return;
            };
            // A batch of another size than the one named must do as well.
            for batch in [4, 3] {
                let input = channels_last(values(&[batch, inputs, size, size], 0.7));
                let plain = input.conv2d(&weight, Some(&bias), [stride; 2], [side / 2; 2], [1; 2], 1);
                let shortcut = channels_last(values(&plain.size(), 0.5));
                let results = [
                    (convolution.forward(&input, false), plain.shallow_clone()),
                    (convolution.forward(&input, true), plain.relu()),
                    (convolution.add_relu(&input, shortcut.copy()), (&plain + &shortcut).relu()),
                ];
                for (found, expected) in results {
                    let error = (found - &expected).abs().max().double_value(&[]);
                    assert!(error < 1e-5 * expected.abs().max().double_value(&[]), "{side} {stride}: {error}");
                }
            }
        }
    }
}
