//! What encoders are made of: an encoder walks through its operations in order, and whoever walks with it computes them
//! ([`Forward`]), counts them ([`MultiplyAdds`]), writes them into a graph (`export::onnx`) or folds them
//! (`inference::folded`). So what an encoder computes stands once, in its `walk`.

use std::fmt::Arguments;

use tch::Tensor;

use super::convolution::SharedRows;
use super::layers::{BatchNorm, Convolution, Pass, SquareWindow};

/// The window of [`Operations::norm_relu_pool`]'s pool.
pub(crate) const POOL: SquareWindow = SquareWindow { side: 3, stride: 2 };

/// Whoever walks along an encoder. Results that have no layer's name are given one, for graphs.
pub(crate) trait Operations {
    type Value;

    /// The convolution that reads the images: they need no gradient, and several networks may read the same.
    fn convolution_of_images(&mut self, layer: &Convolution, images: &Self::Value) -> Self::Value {
        self.convolution(layer, images)
    }
    fn convolution(&mut self, layer: &Convolution, input: &Self::Value) -> Self::Value;
    fn norm(&mut self, layer: &BatchNorm, input: &Self::Value) -> Self::Value;
    /// `relu(norm(input))`.
    fn norm_relu(&mut self, layer: &BatchNorm, input: &Self::Value, relu: Arguments) -> Self::Value;
    /// `max_pool(relu(norm(input)))` with [`POOL`]; the names are those of ReLU and pool.
    fn norm_relu_pool(&mut self, layer: &BatchNorm, input: &Self::Value, names: [Arguments; 2]) -> Self::Value;
    /// `relu(norm(input) + added)` of input and what is added, twice, as [`fork`](Self::fork) gives it; the names are those
    /// of sum and ReLU.
    fn norm_add_relu(
        &mut self,
        layer: &BatchNorm,
        operands: [&Self::Value; 2],
        names: [Arguments; 2],
    ) -> [Self::Value; 2];
    /// One result for two readers, whose gradients come apart.
    fn fork(&mut self, value: Self::Value) -> [Self::Value; 2];
    /// The mean over height and width, `[batch, channels]`.
    fn average(&mut self, input: &Self::Value, name: Arguments) -> Self::Value;
}

/// Computes on tensors, `[batch, channels, height, width]`, as training does.
pub(super) struct Forward<'a> {
    pub pass: &'a Pass<'a>,
    pub rows: &'a SharedRows,
}

impl Operations for Forward<'_> {
    type Value = Tensor;

    fn convolution_of_images(&mut self, layer: &Convolution, images: &Tensor) -> Tensor {
        layer.forward_shared(self.pass, images, self.rows)
    }

    fn convolution(&mut self, layer: &Convolution, input: &Tensor) -> Tensor {
        layer.forward(self.pass, input)
    }

    fn norm(&mut self, layer: &BatchNorm, input: &Tensor) -> Tensor {
        layer.forward(self.pass, input)
    }

    fn norm_relu(&mut self, layer: &BatchNorm, input: &Tensor, _: Arguments) -> Tensor {
        layer.forward_relu(self.pass, input)
    }

    fn norm_relu_pool(&mut self, layer: &BatchNorm, input: &Tensor, _: [Arguments; 2]) -> Tensor {
        layer.forward_relu_pool(self.pass, input)
    }

    fn norm_add_relu(&mut self, layer: &BatchNorm, [input, added]: [&Tensor; 2], _: [Arguments; 2]) -> [Tensor; 2] {
        layer.forward_add_relu_forked(self.pass, input, added)
    }

    fn fork(&mut self, value: Tensor) -> [Tensor; 2] {
        [value.shallow_clone(), value]
    }

    fn average(&mut self, input: &Tensor, _: Arguments) -> Tensor {
        input.mean_dim([2i64, 3].as_slice(), false, None)
    }
}

/// Multiply-adds of one image; a result is the side of a square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MultiplyAdds {
    /// Of all layers, for one image.
    pub all: u64,
    /// Of these, those of the layer that reads the images, which need no gradient.
    pub of_images: u64,
}

impl Operations for MultiplyAdds {
    type Value = i64;

    fn convolution_of_images(&mut self, layer: &Convolution, images: &i64) -> i64 {
        self.of_images += layer.multiply_adds(*images);
        self.convolution(layer, images)
    }

    fn convolution(&mut self, layer: &Convolution, input: &i64) -> i64 {
        self.all += layer.multiply_adds(*input);
        layer.window().output_side(*input)
    }

    fn norm(&mut self, _: &BatchNorm, input: &i64) -> i64 {
        *input
    }

    fn norm_relu(&mut self, _: &BatchNorm, input: &i64, _: Arguments) -> i64 {
        *input
    }

    fn norm_relu_pool(&mut self, _: &BatchNorm, input: &i64, _: [Arguments; 2]) -> i64 {
        POOL.output_side(*input)
    }

    fn norm_add_relu(&mut self, _: &BatchNorm, [input, _]: [&i64; 2], _: [Arguments; 2]) -> [i64; 2] {
        [*input; 2]
    }

    fn fork(&mut self, value: i64) -> [i64; 2] {
        [value; 2]
    }

    fn average(&mut self, _: &i64, _: Arguments) -> i64 {
        1
    }
}
