//! Batch norm, ReLU and the stem's max pool in one: 3x3 windows, stride 2, padding 1. The normalised image, the largest
//! activation of a residual network, is never written. A call works on one image.

use half::bf16;
use multiversion::multiversion;

use super::rows::Linear;
use crate::element::Element;

/// The size of one image before pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub height: usize,
    pub width: usize,
    pub channels: usize,
}

/// In place of a position in the window: the output was cut to 0.
pub const CUT: u8 = 9;
/// Channels that are kept in registers at a time.
const LANES: usize = 32;

impl Size {
    pub fn values(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Height and width after pooling.
    pub fn pooled(&self) -> [usize; 2] {
        [self.height, self.width].map(|length| length.div_ceil(2))
    }

    pub fn pooled_values(&self) -> usize {
        let [height, width] = self.pooled();
        height * width * self.channels
    }
}

/// Where the values of a position (0 to 8) in the window of output pixel `[y, x]` begin, if it lies in the image.
#[inline(always)]
fn input_of(size: Size, [y, x]: [usize; 2], position: usize) -> Option<usize> {
    let (row, column) = (2 * y + position / 3, 2 * x + position % 3);
    // Shifted by one for the padding.
    if row == 0 || row > size.height || column == 0 || column > size.width {
        return None;
    }
    Some(((row - 1) * size.width + column - 1) * size.channels)
}

/// The loops, compiled for each type and several widths of vector. Figures are per channel.
pub trait Pools: Element {
    /// `y = max over the window of relu(x * scale + shift)`, and the position of the first maximum, or [`CUT`].
    fn forward(x: &[Self], size: Size, affine: [&[f32]; 2], y: &mut [Self], positions: &mut [u8]);
    /// Adds to `sums` the gradient `g` of what was not cut by channel, and to `products` `g * (x - mean)`.
    fn gradient_sum(
        x: &[Self],
        gradient: &[Self],
        positions: &[u8],
        size: Size,
        mean: &[f32],
        sums: &mut [f32],
        products: &mut [f32],
    );
    /// The gradient of the input.
    fn input_gradient(x: &[Self], gradient: &[Self], positions: &[u8], size: Size, linear: Linear, dx: &mut [Self]);
}

macro_rules! pools {
    ($element:ty) => {
        impl Pools for $element {
            fn forward(x: &[Self], size: Size, affine: [&[f32]; 2], y: &mut [Self], positions: &mut [u8]) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide(x: &[$element], size: Size, affine: [&[f32]; 2], y: &mut [$element], positions: &mut [u8]) {
                    forward_image(x, size, affine, y, positions);
                }
                wide(x, size, affine, y, positions);
            }

            fn gradient_sum(
                x: &[Self],
                gradient: &[Self],
                positions: &[u8],
                size: Size,
                mean: &[f32],
                sums: &mut [f32],
                products: &mut [f32],
            ) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide(
                    x: &[$element],
                    gradient: &[$element],
                    positions: &[u8],
                    size: Size,
                    mean: &[f32],
                    sums: &mut [f32],
                    products: &mut [f32],
                ) {
                    gradient_sum_image(x, gradient, positions, size, mean, sums, products);
                }
                wide(x, gradient, positions, size, mean, sums, products);
            }

            fn input_gradient(
                x: &[Self],
                gradient: &[Self],
                positions: &[u8],
                size: Size,
                linear: Linear,
                dx: &mut [Self],
            ) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide(
                    x: &[$element],
                    gradient: &[$element],
                    positions: &[u8],
                    size: Size,
                    linear: Linear,
                    dx: &mut [$element],
                ) {
                    input_gradient_image(x, gradient, positions, size, linear, dx);
                }
                wide(x, gradient, positions, size, linear, dx);
            }
        }
    };
}

pools!(f32);
pools!(bf16);

/// Calls `$body` for blocks of channels, with the number in the block a constant where it is a whole one.
macro_rules! blocks {
    ($channels:expr, |$begin:ident, $count:ident| $body:block) => {
        let mut $begin = 0;
        while $begin + LANES <= $channels {
            let $count = LANES;
            $body
            $begin += LANES;
        }
        if $begin < $channels {
            let $count = $channels - $begin;
            $body
        }
    };
}

#[inline(always)]
fn forward_image<E: Element>(x: &[E], size: Size, [scale, shift]: [&[f32]; 2], y: &mut [E], positions: &mut [u8]) {
    let [height, width] = size.pooled();
    for row in 0..height {
        for column in 0..width {
            let at = (row * width + column) * size.channels;
            blocks!(size.channels, |begin, count| {
                let (scale, shift) = (&scale[begin..][..count], &shift[begin..][..count]);
                let mut best = [f32::NEG_INFINITY; LANES];
                let mut which = [i32::from(CUT); LANES];
                for position in 0..usize::from(CUT) {
                    let Some(from) = input_of(size, [row, column], position) else { continue };
                    let x = &x[from + begin..][..count];
                    for lane in 0..count {
                        let value = x[lane].load() * scale[lane] + shift[lane];
                        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "a NaN must compare as better")]
                        let better = !(value <= best[lane]);
                        best[lane] = if better { value } else { best[lane] };
                        which[lane] = if better { position as i32 } else { which[lane] };
                    }
                }
                let (y, positions) = (&mut y[at + begin..][..count], &mut positions[at + begin..][..count]);
                for lane in 0..count {
                    let cut = best[lane] <= 0.0;
                    y[lane] = E::store(if cut { 0.0 } else { best[lane] });
                    positions[lane] = if cut { CUT } else { which[lane] as u8 };
                }
            });
        }
    }
}

#[inline(always)]
fn gradient_sum_image<E: Element>(
    x: &[E],
    gradient: &[E],
    positions: &[u8],
    size: Size,
    mean: &[f32],
    sums: &mut [f32],
    products: &mut [f32],
) {
    let [height, width] = size.pooled();
    for row in 0..height {
        for column in 0..width {
            let at = (row * width + column) * size.channels;
            blocks!(size.channels, |begin, count| {
                let positions = &positions[at + begin..][..count];
                let gradient = &gradient[at + begin..][..count];
                let mean = &mean[begin..][..count];
                let mut chosen = [0f32; LANES];
                for position in 0..usize::from(CUT) {
                    let Some(from) = input_of(size, [row, column], position) else { continue };
                    let x = &x[from + begin..][..count];
                    for lane in 0..count {
                        let value = x[lane].load();
                        chosen[lane] = if positions[lane] == position as u8 { value } else { chosen[lane] };
                    }
                }
                let (sums, products) = (&mut sums[begin..][..count], &mut products[begin..][..count]);
                for lane in 0..count {
                    let g = if positions[lane] == CUT { 0.0 } else { gradient[lane].load() };
                    sums[lane] += g;
                    products[lane] += g * (chosen[lane] - mean[lane]);
                }
            });
        }
    }
}

#[inline(always)]
fn input_gradient_image<E: Element>(
    x: &[E],
    gradient: &[E],
    positions: &[u8],
    size: Size,
    Linear { mean, gain, slope, offset }: Linear,
    dx: &mut [E],
) {
    let [height, width] = size.pooled();
    for row in 0..size.height {
        for column in 0..size.width {
            let at = (row * size.width + column) * size.channels;
            blocks!(size.channels, |begin, count| {
                let mut g = [0f32; LANES];
                // Windows that hold the pixel: output `o` covers 2 o - 1 to 2 o + 1.
                for y in row / 2..=row.div_ceil(2).min(height - 1) {
                    for x in column / 2..=column.div_ceil(2).min(width - 1) {
                        let position = (3 * (row + 1 - 2 * y) + column + 1 - 2 * x) as u8;
                        let from = (y * width + x) * size.channels + begin;
                        let (positions, gradient) = (&positions[from..][..count], &gradient[from..][..count]);
                        for lane in 0..count {
                            let value = gradient[lane].load();
                            g[lane] += if positions[lane] == position { value } else { 0.0 };
                        }
                    }
                }
                let (mean, gain) = (&mean[begin..][..count], &gain[begin..][..count]);
                let (slope, offset) = (&slope[begin..][..count], &offset[begin..][..count]);
                let (x, dx) = (&x[at + begin..][..count], &mut dx[at + begin..][..count]);
                for lane in 0..count {
                    let value = gain[lane] * g[lane] + slope[lane] * (x[lane].load() - mean[lane]) + offset[lane];
                    dx[lane] = E::store(value);
                }
            });
        }
    }
}
