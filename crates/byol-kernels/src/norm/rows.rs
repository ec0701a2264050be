//! Batch norm over rows of channels: statistics, and the sweeps of both directions. A call works on the rows of one task;
//! who makes tasks, and on which threads they run, is the caller's.

use half::bf16;
use multiversion::multiversion;

use crate::element::Element;

/// Which values of the output were cut to 0, so that no gradient passes.
#[derive(Clone, Copy)]
pub enum Mask<'a, E> {
    None,
    /// Where `x * scale + shift` is not positive; a figure per channel.
    Recomputed {
        scale: &'a [f32],
        shift: &'a [f32],
    },
    /// Where this output is not positive.
    Output(&'a [E]),
}

/// What the gradient of the input is made of, a figure per channel: `dx = gain * g + slope * (x - mean) + offset`, where
/// `g` is the masked gradient.
#[derive(Clone, Copy)]
pub struct Linear<'a> {
    pub mean: &'a [f32],
    pub gain: &'a [f32],
    pub slope: &'a [f32],
    pub offset: &'a [f32],
}

/// The sweeps, compiled for each type and several widths of vector. Slices hold whole rows, a figure per channel each.
pub trait RowSweeps: Element {
    /// Adds to `sums` and `squares`, by channel, the values less `shift`, and their squares.
    fn sum(x: &[Self], shift: &[f32], sums: &mut [f32], squares: &mut [f32]);
    /// `y = x * scale + shift (+ residual)`, cut at 0 if `relu`.
    fn apply(x: &[Self], residual: Option<&[Self]>, affine: [&[f32]; 2], relu: bool, y: &mut [Self]);
    /// Adds to `sums` the masked gradient `g` by channel, and to `products` `g * (x - mean)`.
    fn gradient_sum(
        x: &[Self],
        gradient: &[Self],
        mask: Mask<Self>,
        mean: &[f32],
        sums: &mut [f32],
        products: &mut [f32],
    );
    /// The gradient of the input, and the masked gradient if `masked` is not empty.
    fn input_gradient(
        x: &[Self],
        gradient: &[Self],
        mask: Mask<Self>,
        linear: Linear,
        dx: &mut [Self],
        masked: &mut [Self],
    );
}

macro_rules! sweeps {
    ($element:ty) => {
        impl RowSweeps for $element {
            fn sum(x: &[Self], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide(x: &[$element], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
                    sum_rows(x, shift, sums, squares);
                }
                wide(x, shift, sums, squares);
            }

            fn apply(x: &[Self], residual: Option<&[Self]>, affine: [&[f32]; 2], relu: bool, y: &mut [Self]) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide<const ADD: bool, const RELU: bool>(
                    x: &[$element],
                    r: &[$element],
                    affine: [&[f32]; 2],
                    y: &mut [$element],
                ) {
                    apply_rows::<$element, ADD, RELU>(x, r, affine, y);
                }
                match (residual, relu) {
                    (Some(residual), true) => wide::<true, true>(x, residual, affine, y),
                    (Some(residual), false) => wide::<true, false>(x, residual, affine, y),
                    (None, true) => wide::<false, true>(x, x, affine, y),
                    (None, false) => wide::<false, false>(x, x, affine, y),
                }
            }

            fn gradient_sum(
                x: &[Self],
                gradient: &[Self],
                mask: Mask<Self>,
                mean: &[f32],
                sums: &mut [f32],
                products: &mut [f32],
            ) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide<const MASK: u8>(
                    x: &[$element],
                    gradient: &[$element],
                    y: &[$element],
                    figures: [&[f32]; 3],
                    sums: &mut [f32],
                    products: &mut [f32],
                ) {
                    gradient_sum_rows::<$element, MASK>(x, gradient, y, figures, sums, products);
                }
                match mask {
                    Mask::None => wide::<NO_MASK>(x, gradient, x, [mean; 3], sums, products),
                    Mask::Recomputed { scale, shift } => {
                        wide::<RECOMPUTED>(x, gradient, x, [mean, scale, shift], sums, products);
                    }
                    Mask::Output(y) => wide::<OUTPUT>(x, gradient, y, [mean; 3], sums, products),
                }
            }

            fn input_gradient(
                x: &[Self],
                gradient: &[Self],
                mask: Mask<Self>,
                linear: Linear,
                dx: &mut [Self],
                masked: &mut [Self],
            ) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide<const MASK: u8>(
                    x: &[$element],
                    gradient: &[$element],
                    y: &[$element],
                    linear: Linear,
                    affine: [&[f32]; 2],
                    dx: &mut [$element],
                    masked: &mut [$element],
                ) {
                    input_gradient_rows::<$element, MASK>(x, gradient, y, linear, affine, dx, masked);
                }
                let unused = [linear.mean; 2];
                match mask {
                    Mask::None => wide::<NO_MASK>(x, gradient, x, linear, unused, dx, masked),
                    Mask::Recomputed { scale, shift } => {
                        wide::<RECOMPUTED>(x, gradient, x, linear, [scale, shift], dx, masked);
                    }
                    Mask::Output(y) => wide::<OUTPUT>(x, gradient, y, linear, unused, dx, masked),
                }
            }
        }
    };
}

sweeps!(f32);
sweeps!(bf16);

/// [`Mask`] as a constant.
const NO_MASK: u8 = 0;
const RECOMPUTED: u8 = 1;
const OUTPUT: u8 = 2;

// No closures in the loops below: the compiler does not always take them into the versions for wide vectors.

/// Rows that are added up before their sum goes to memory.
const UNROLL: usize = 4;

/// Splits whole blocks of rows into their rows.
#[inline(always)]
fn four_rows<E>(block: &[E], channels: usize) -> [&[E]; UNROLL] {
    let (first, rest) = block.split_at(channels);
    let (second, rest) = rest.split_at(channels);
    let (third, fourth) = rest.split_at(channels);
    [first, second, third, &fourth[..channels]]
}

#[inline(always)]
fn sum_rows<E: Element>(x: &[E], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    let channels = shift.len();
    let (sums, squares) = (&mut sums[..channels], &mut squares[..channels]);
    let blocks = x.chunks_exact(UNROLL * channels);
    let rest = blocks.remainder();
    for block in blocks {
        let [first, second, third, fourth] = four_rows(block, channels);
        for channel in 0..channels {
            let a = first[channel].load() - shift[channel];
            let b = second[channel].load() - shift[channel];
            let c = third[channel].load() - shift[channel];
            let d = fourth[channel].load() - shift[channel];
            sums[channel] += (a + b) + (c + d);
            squares[channel] += (a * a + b * b) + (c * c + d * d);
        }
    }
    for row in rest.chunks_exact(channels) {
        for channel in 0..channels {
            let value = row[channel].load() - shift[channel];
            sums[channel] += value;
            squares[channel] += value * value;
        }
    }
}

/// A NaN stays one.
#[inline(always)]
fn cut(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

#[inline(always)]
fn apply_rows<E: Element, const ADD: bool, const RELU: bool>(
    x: &[E],
    residual: &[E],
    [scale, shift]: [&[f32]; 2],
    y: &mut [E],
) {
    let channels = scale.len();
    let shift = &shift[..channels];
    let rows = x.chunks_exact(channels).zip(residual.chunks_exact(channels)).zip(y.chunks_exact_mut(channels));
    for ((x, residual), y) in rows {
        for channel in 0..channels {
            let mut value = x[channel].load() * scale[channel] + shift[channel];
            if ADD {
                value += residual[channel].load();
            }
            y[channel] = E::store(if RELU { cut(value) } else { value });
        }
    }
}

/// The gradient of one value, 0 where the output was cut.
#[inline(always)]
fn masked_gradient<const MASK: u8>(gradient: f32, x: f32, y: f32, scale: f32, shift: f32) -> f32 {
    let output = match MASK {
        NO_MASK => return gradient,
        RECOMPUTED => x * scale + shift,
        _ => y,
    };
    if output <= 0.0 { 0.0 } else { gradient }
}

#[inline(always)]
fn gradient_sum_rows<E: Element, const MASK: u8>(
    x: &[E],
    gradient: &[E],
    y: &[E],
    [mean, scale, shift]: [&[f32]; 3],
    sums: &mut [f32],
    products: &mut [f32],
) {
    let channels = mean.len();
    let (scale, shift) = (&scale[..channels], &shift[..channels]);
    let (sums, products) = (&mut sums[..channels], &mut products[..channels]);
    let blocks = UNROLL * channels;
    let whole = x.len() / blocks * blocks;
    for begin in (0..whole).step_by(blocks) {
        let x = four_rows(&x[begin..begin + blocks], channels);
        let gradient = four_rows(&gradient[begin..begin + blocks], channels);
        let y = four_rows(&y[begin..begin + blocks], channels);
        let ([x0, x1, x2, x3], [g0, g1, g2, g3], [y0, y1, y2, y3]) = (x, gradient, y);
        for channel in 0..channels {
            let (scale, shift, mean) = (scale[channel], shift[channel], mean[channel]);
            let x0 = x0[channel].load();
            let x1 = x1[channel].load();
            let x2 = x2[channel].load();
            let x3 = x3[channel].load();
            let g0 = masked_gradient::<MASK>(g0[channel].load(), x0, y0[channel].load(), scale, shift);
            let g1 = masked_gradient::<MASK>(g1[channel].load(), x1, y1[channel].load(), scale, shift);
            let g2 = masked_gradient::<MASK>(g2[channel].load(), x2, y2[channel].load(), scale, shift);
            let g3 = masked_gradient::<MASK>(g3[channel].load(), x3, y3[channel].load(), scale, shift);
            sums[channel] += (g0 + g1) + (g2 + g3);
            products[channel] += (g0 * (x0 - mean) + g1 * (x1 - mean)) + (g2 * (x2 - mean) + g3 * (x3 - mean));
        }
    }
    let (x, gradient, y) = (&x[whole..], &gradient[whole..], &y[whole..]);
    let rows = x.chunks_exact(channels).zip(gradient.chunks_exact(channels)).zip(y.chunks_exact(channels));
    for ((x, gradient), y) in rows {
        for channel in 0..channels {
            let x = x[channel].load();
            let g =
                masked_gradient::<MASK>(gradient[channel].load(), x, y[channel].load(), scale[channel], shift[channel]);
            sums[channel] += g;
            products[channel] += g * (x - mean[channel]);
        }
    }
}

#[inline(always)]
fn input_gradient_rows<E: Element, const MASK: u8>(
    x: &[E],
    gradient: &[E],
    y: &[E],
    Linear { mean, gain, slope, offset }: Linear,
    [scale, shift]: [&[f32]; 2],
    dx: &mut [E],
    masked: &mut [E],
) {
    let channels = mean.len();
    let (gain, slope, offset) = (&gain[..channels], &slope[..channels], &offset[..channels]);
    let (scale, shift) = (&scale[..channels], &shift[..channels]);
    let wanted = !masked.is_empty();
    for begin in (0..x.len()).step_by(channels) {
        let (x, gradient) = (&x[begin..begin + channels], &gradient[begin..begin + channels]);
        let (y, dx) = (&y[begin..begin + channels], &mut dx[begin..begin + channels]);
        if wanted {
            let masked = &mut masked[begin..begin + channels];
            for channel in 0..channels {
                let x = x[channel].load();
                let (gradient, y) = (gradient[channel].load(), y[channel].load());
                let g = masked_gradient::<MASK>(gradient, x, y, scale[channel], shift[channel]);
                masked[channel] = E::store(g);
                dx[channel] = E::store(gain[channel] * g + slope[channel] * (x - mean[channel]) + offset[channel]);
            }
        } else {
            for channel in 0..channels {
                let x = x[channel].load();
                let (gradient, y) = (gradient[channel].load(), y[channel].load());
                let g = masked_gradient::<MASK>(gradient, x, y, scale[channel], shift[channel]);
                dx[channel] = E::store(gain[channel] * g + slope[channel] * (x - mean[channel]) + offset[channel]);
            }
        }
    }
}
