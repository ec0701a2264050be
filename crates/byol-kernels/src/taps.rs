//! Convolutions 3x3 with stride 1 and padding 1 of images of at most 2x2 pixels, in float32: every pixel of such an image meets every other
//! in one number of a filter (a tap), so that a convolution is a matrix product for each pair of pixels, 16 at most. Windows unfolded
//! into rows would be 36, most of it zeros.

use std::ops::Range;

use crate::product::{Matrix, multiply};

/// Taps of a filter.
pub const TAPS: usize = 9;

/// Images of at most 2x2 pixels and what they become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmallImages {
    pub height: usize,
    pub width: usize,
    pub inputs: usize,
    pub outputs: usize,
}

impl SmallImages {
    pub fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Every pixel of the outputs with every one of the inputs and the tap between them.
    fn pairs(self) -> impl Iterator<Item = [usize; 3]> {
        let place = move |pixel: usize| [pixel / self.width, pixel % self.width];
        (0..self.pixels()).flat_map(move |output| {
            (0..self.pixels()).map(move |input| {
                let ([top, left], [y, x]) = (place(output), place(input));
                [output, input, (y + 1 - top) * 3 + x + 1 - left]
            })
        })
    }

    /// A pixel of all images, and a tap of all filters.
    fn pixel(self, values: &[f32], pixel: usize, channels: usize) -> Matrix<'_> {
        Matrix::new(&values[pixel * channels..], [self.pixels() * channels, 1])
    }

    fn tap(self, weight: &[f32], tap: usize) -> Matrix<'_> {
        Matrix::new(&weight[tap * self.inputs..], [TAPS * self.inputs, 1])
    }

    /// The outputs of some images.
    ///
    /// # Shapes
    /// `x` is `[batch, height, width, inputs]`, `weight` `[outputs, 3, 3, inputs]`, `y` `[batch, height, width, outputs]`.
    ///
    /// # Panics
    /// They are not.
    pub fn convolve(self, x: &[f32], weight: &[f32], y: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let batch = x.len() / (self.pixels() * inputs);
        let stride = self.pixels() * outputs;
        for [output, input, tap] in self.pairs() {
            let keep = if input == 0 { 0.0 } else { 1.0 };
            let (x, tap) = (self.pixel(x, input, inputs), self.tap(weight, tap).transposed());
            multiply([batch, inputs, outputs], x, tap, keep, (&mut y[output * outputs..], stride));
        }
    }

    /// The gradient of the inputs of some images from that of their outputs.
    ///
    /// # Shapes
    /// As of [`convolve`](Self::convolve).
    ///
    /// # Panics
    /// They are not.
    pub fn input_gradient(self, gradient: &[f32], weight: &[f32], dx: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let batch = gradient.len() / (self.pixels() * outputs);
        let stride = self.pixels() * inputs;
        for [output, input, tap] in self.pairs() {
            let keep = if output == 0 { 0.0 } else { 1.0 };
            let (gradient, tap) = (self.pixel(gradient, output, outputs), self.tap(weight, tap));
            multiply([batch, outputs, inputs], gradient, tap, keep, (&mut dx[input * inputs..], stride));
        }
    }

    /// The gradient of the filters of some outputs, `[range, 3, 3, inputs]`.
    ///
    /// # Shapes
    /// As of [`convolve`](Self::convolve).
    ///
    /// # Panics
    /// They are not.
    pub fn filters_gradient(self, x: &[f32], gradient: &[f32], range: Range<usize>, dw: &mut [f32]) {
        let (inputs, outputs) = (self.inputs, self.outputs);
        let batch = x.len() / (self.pixels() * inputs);
        dw.fill(0.0);
        for [output, input, tap] in self.pairs() {
            let gradient = self.pixel(&gradient[range.start..], output, outputs).transposed();
            let x = self.pixel(x, input, inputs);
            let dw = (&mut dw[tap * inputs..], TAPS * inputs);
            multiply([range.len(), batch, inputs], gradient, x, 1.0, dw);
        }
    }
}
