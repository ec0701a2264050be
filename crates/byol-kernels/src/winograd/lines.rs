//! Rows of tiles to points and back, by the matrices of [`Tile`](super::Tile). What is transformed vertically are whole rows of pixels,
//! horizontally the channels of a pixel, so that every loop is over what lies next to each other in memory.

use std::ops::Range;

use multiversion::multiversion;

use super::tile::{MOST_EDGE, MOST_OUTPUTS, gradient_point, input_point, output_pixel};
use super::{Finish, Grid, Strides};

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
    let (edge, outputs) = (grid.tile.edge(), grid.tile.outputs());
    let row = grid.width * channels;
    let line = &mut lines[..grid.line(channels)];
    // A tile begins a pixel above and left of its outputs.
    let mut rows = [&zeros[..row]; MOST_EDGE];
    for index in 0..edge {
        if top + index >= 1 && top + index <= grid.height {
            rows[index] = &image[(top + index - 1) * row..][..row];
        }
    }
    line[..channels].fill(0.0);
    line[channels + row..].fill(0.0);
    for (number, down) in vertical.enumerate() {
        input_point(grid.tile, down, rows, &mut line[channels..][..row]);
        for tile in 0..grid.across() {
            let mut pixels = [&line[..0]; MOST_EDGE];
            for index in 0..edge {
                pixels[index] = &line[(tile * outputs + index) * channels..][..channels];
            }
            for across in 0..edge {
                let to = (number * edge + across) * strides.point + tile * strides.tile;
                input_point(grid.tile, across, pixels, &mut points[to..][..channels]);
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
    let (edge, outputs) = (grid.tile.edge(), grid.tile.outputs());
    let row = grid.width * channels;
    let line = &mut lines[..grid.line(channels)];
    let mut rows = [&zeros[..row]; MOST_OUTPUTS];
    for index in 0..outputs {
        if top + index < grid.height {
            rows[index] = &image[(top + index) * row..][..row];
        }
    }
    line[row..].fill(0.0);
    for (number, down) in vertical.enumerate() {
        gradient_point(grid.tile, down, rows, &mut line[..row]);
        for tile in 0..grid.across() {
            let mut pixels = [&line[..0]; MOST_OUTPUTS];
            for index in 0..outputs {
                pixels[index] = &line[(tile * outputs + index) * channels..][..channels];
            }
            for across in 0..edge {
                let to = (number * edge + across) * strides.point + tile * strides.tile;
                gradient_point(grid.tile, across, pixels, &mut points[to..][..channels]);
            }
        }
    }
}

/// The outputs of a row of tiles from their points, as far as `y` reaches: at most as many rows of pixels as a tile has.
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
    let (edge, outputs) = (grid.tile.edge(), grid.tile.outputs());
    let (row, length) = (grid.width * channels, grid.line(channels));
    for down in 0..edge {
        let line = &mut lines[down * length..][..length];
        for tile in 0..grid.across() {
            let mut found = [&points[..0]; MOST_EDGE];
            for (across, found) in found.iter_mut().take(edge).enumerate() {
                let from = (down * edge + across) * strides.point + tile * strides.tile;
                *found = &points[from..][..channels];
            }
            for pixel in 0..outputs {
                output_pixel(grid.tile, pixel, found, &mut line[(tile * outputs + pixel) * channels..][..channels]);
            }
        }
    }
    let (lines, spare) = lines.split_at_mut(edge * length);
    let mut rows = [&lines[..0]; MOST_EDGE];
    for index in 0..edge {
        rows[index] = &lines[index * length..][..row];
    }
    for (pixel, y) in y.chunks_exact_mut(row).enumerate() {
        match finish {
            None => output_pixel(grid.tile, pixel, rows, y),
            Some(finish) => {
                let spare = &mut spare[..row];
                output_pixel(grid.tile, pixel, rows, spare);
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
