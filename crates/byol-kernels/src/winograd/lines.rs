//! Rows of tiles to points and back, by the matrices of F(4x4, 3x3) (arXiv 1509.09308, section 4.3). What is transformed vertically are
//! whole rows of pixels, horizontally the channels of a pixel, so that every loop is over what lies next to each other in memory.

#![expect(clippy::neg_multiply, reason = "the matrices as they are printed, a factor for every term")]

use std::ops::Range;

use multiversion::multiversion;

use super::{EDGE, Finish, Grid, OUTPUTS, Strides};

/// `$to = $factor * $from + ...`, value by value.
macro_rules! sum {
    ($to:ident; $($name:ident: $factor:literal * $from:expr),+) => {{
        let count = $to.len();
        $(let $name = &$from[..count];)+
        for index in 0..count {
            $to[index] = sum!(@terms index; $($factor * $name),+);
        }
    }};
    (@terms $index:ident; $factor:literal * $name:ident $(, $factors:literal * $names:ident)*) => {
        $factor * $name[$index] $(+ $factors * $names[$index])*
    };
}

/// A row of `B^T`, times inputs.
#[inline(always)]
fn input_point(point: usize, d: [&[f32]; EDGE], to: &mut [f32]) {
    match point {
        0 => sum!(to; a: 4.0 * d[0], b: -5.0 * d[2], c: 1.0 * d[4]),
        1 => sum!(to; a: -4.0 * d[1], b: -4.0 * d[2], c: 1.0 * d[3], d: 1.0 * d[4]),
        2 => sum!(to; a: 4.0 * d[1], b: -4.0 * d[2], c: -1.0 * d[3], d: 1.0 * d[4]),
        3 => sum!(to; a: -2.0 * d[1], b: -1.0 * d[2], c: 2.0 * d[3], d: 1.0 * d[4]),
        4 => sum!(to; a: 2.0 * d[1], b: -1.0 * d[2], c: -2.0 * d[3], d: 1.0 * d[4]),
        _ => sum!(to; a: 4.0 * d[1], b: -5.0 * d[3], c: 1.0 * d[5]),
    }
}

/// A row of `A`, times gradients of outputs.
#[inline(always)]
fn gradient_point(point: usize, g: [&[f32]; OUTPUTS], to: &mut [f32]) {
    match point {
        0 => sum!(to; a: 1.0 * g[0]),
        1 => sum!(to; a: 1.0 * g[0], b: 1.0 * g[1], c: 1.0 * g[2], d: 1.0 * g[3]),
        2 => sum!(to; a: 1.0 * g[0], b: -1.0 * g[1], c: 1.0 * g[2], d: -1.0 * g[3]),
        3 => sum!(to; a: 1.0 * g[0], b: 2.0 * g[1], c: 4.0 * g[2], d: 8.0 * g[3]),
        4 => sum!(to; a: 1.0 * g[0], b: -2.0 * g[1], c: 4.0 * g[2], d: -8.0 * g[3]),
        _ => sum!(to; a: 1.0 * g[3]),
    }
}

/// A row of `A^T`, times products of points.
#[inline(always)]
fn output_pixel(pixel: usize, m: [&[f32]; EDGE], to: &mut [f32]) {
    match pixel {
        0 => sum!(to; a: 1.0 * m[0], b: 1.0 * m[1], c: 1.0 * m[2], d: 1.0 * m[3], e: 1.0 * m[4]),
        1 => sum!(to; a: 1.0 * m[1], b: -1.0 * m[2], c: 2.0 * m[3], d: -2.0 * m[4]),
        2 => sum!(to; a: 1.0 * m[1], b: 1.0 * m[2], c: 4.0 * m[3], d: 4.0 * m[4]),
        _ => sum!(to; a: 1.0 * m[1], b: -1.0 * m[2], c: 8.0 * m[3], d: -8.0 * m[4], e: 1.0 * m[5]),
    }
}

/// The points of a row of tiles whose outputs begin in row `top` of an image; only those of the rows of points that `vertical` has.
/// Point `p` of tile `t` begins at `points[p * strides.point + t * strides.tile]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
#[expect(clippy::too_many_arguments, reason = "slices, which a struct would not make clearer")]
pub(super) fn input(
    image: &[f32],
    grid: Grid,
    channels: usize,
    top: usize,
    vertical: Range<usize>,
    lines: &mut [f32],
    zeros: &[f32],
    points: &mut [f32],
    strides: Strides,
) {
    let row = grid.width * channels;
    let line = &mut lines[..grid.line(channels)];
    // A tile begins a pixel above and left of its outputs.
    let mut rows = [&zeros[..row]; EDGE];
    for index in 0..EDGE {
        if top + index >= 1 && top + index <= grid.height {
            rows[index] = &image[(top + index - 1) * row..][..row];
        }
    }
    line[..channels].fill(0.0);
    line[channels + row..].fill(0.0);
    for (number, down) in vertical.enumerate() {
        input_point(down, rows, &mut line[channels..][..row]);
        for tile in 0..grid.across() {
            let mut pixels = [&line[..0]; EDGE];
            for index in 0..EDGE {
                pixels[index] = &line[(tile * OUTPUTS + index) * channels..][..channels];
            }
            for across in 0..EDGE {
                let to = (number * EDGE + across) * strides.point + tile * strides.tile;
                input_point(across, pixels, &mut points[to..][..channels]);
            }
        }
    }
}

/// As [`input`], of the gradients of the tiles' outputs.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
#[expect(clippy::too_many_arguments, reason = "slices, which a struct would not make clearer")]
pub(super) fn gradient(
    image: &[f32],
    grid: Grid,
    channels: usize,
    top: usize,
    vertical: Range<usize>,
    lines: &mut [f32],
    zeros: &[f32],
    points: &mut [f32],
    strides: Strides,
) {
    let row = grid.width * channels;
    let line = &mut lines[..grid.line(channels)];
    let mut rows = [&zeros[..row]; OUTPUTS];
    for index in 0..OUTPUTS {
        if top + index < grid.height {
            rows[index] = &image[(top + index) * row..][..row];
        }
    }
    line[row..].fill(0.0);
    for (number, down) in vertical.enumerate() {
        gradient_point(down, rows, &mut line[..row]);
        for tile in 0..grid.across() {
            let mut pixels = [&line[..0]; OUTPUTS];
            for index in 0..OUTPUTS {
                pixels[index] = &line[(tile * OUTPUTS + index) * channels..][..channels];
            }
            for across in 0..EDGE {
                let to = (number * EDGE + across) * strides.point + tile * strides.tile;
                gradient_point(across, pixels, &mut points[to..][..channels]);
            }
        }
    }
}

/// The outputs of a row of tiles from their points, as far as `y` reaches: one to four rows of pixels.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
pub(super) fn output(
    points: &[f32],
    strides: Strides,
    lines: &mut [f32],
    grid: Grid,
    channels: usize,
    finish: Option<Finish>,
    y: &mut [f32],
) {
    let (row, length) = (grid.width * channels, grid.line(channels));
    for down in 0..EDGE {
        let line = &mut lines[down * length..][..length];
        for tile in 0..grid.across() {
            let mut found = [&points[..0]; EDGE];
            for (across, found) in found.iter_mut().enumerate() {
                let from = (down * EDGE + across) * strides.point + tile * strides.tile;
                *found = &points[from..][..channels];
            }
            for pixel in 0..OUTPUTS {
                output_pixel(pixel, found, &mut line[(tile * OUTPUTS + pixel) * channels..][..channels]);
            }
        }
    }
    let (lines, spare) = lines.split_at_mut(EDGE * length);
    let mut rows = [&lines[..0]; EDGE];
    for index in 0..EDGE {
        rows[index] = &lines[index * length..][..row];
    }
    for (pixel, y) in y.chunks_exact_mut(row).enumerate() {
        match finish {
            None => output_pixel(pixel, rows, y),
            Some(finish) => {
                let spare = &mut spare[..row];
                output_pixel(pixel, rows, spare);
                finish_row(spare, finish, y);
            }
        }
    }
}

/// See [`Finish`]; `found` is what was computed of a row of pixels.
#[inline(always)]
fn finish_row(found: &[f32], Finish { bias, onto, relu }: Finish, y: &mut [f32]) {
    let channels = bias.len();
    for (found, y) in found.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        match onto {
            true => {
                for channel in 0..channels {
                    y[channel] += found[channel] + bias[channel];
                }
            }
            false => {
                for channel in 0..channels {
                    y[channel] = found[channel] + bias[channel];
                }
            }
        }
        if relu {
            for value in y {
                // A NaN stays one.
                *value = if *value < 0.0 { 0.0 } else { *value };
            }
        }
    }
}
