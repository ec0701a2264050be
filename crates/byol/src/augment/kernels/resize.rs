//! Cropping, resizing and flipping. No colours.
//!
//! The filter runs along rows first, the result is brought back to 0-255 levels, and then runs along columns: the order
//! and the rounding of PyTorch's uint8 path (and Pillow's), which show at hard edges because the cubic overshoots.
//! Each direction is one loop that adds weighted rows; transposing before and after makes rows of columns.

use multiversion::multiversion;

use super::filter::{Direction, Filter, Weights};
use super::layout::{Matrix, transpose};
use super::planes::Planes;
use crate::augment::view::Crop;

/// Scratch memory of the resize; grows to the largest crop seen.
#[derive(Clone, Debug, Default)]
pub struct Resizer {
    along_rows: Filter,
    along_columns: Filter,
    /// The crop, column by column: `[width, 3 * height]`.
    columns: Vec<u8>,
    /// The crop after the filter along rows, column by column: `[side, 3 * height]`.
    narrowed: Vec<u8>,
    /// The same row by row: `[3 * height, side]`.
    rows: Vec<u8>,
}

/// Levels that the filter makes at a time; the rows of scratch matrices are multiples of it.
const LANES: usize = 32;

impl Resizer {
    /// Fills `planes` with a crop of a planar picture (`pixels`, `[3, height, width]`), resized and flipped.
    ///
    /// The crop must be inside the picture and not empty.
    pub fn resized_crop(
        &mut self,
        pixels: &[u8],
        [height, width]: [usize; 2],
        crop: Crop,
        flip: bool,
        planes: &mut Planes,
    ) {
        let side = planes.side();
        let plane = |channel: usize| &pixels[channel * height * width + crop.top * width + crop.left..];
        if crop.height == side && crop.width == side {
            for channel in 0..3 {
                copy_rows(plane(channel), width, side, flip, planes.plane_and_beyond_mut(channel));
            }
            return;
        }

        let direction = if flip { Direction::Reversed } else { Direction::Forward };
        self.along_rows.set(crop.width, side, direction);
        self.along_columns.set(crop.height, side, Direction::Forward);

        let tall = 3 * crop.height;
        let stride = tall.next_multiple_of(LANES);
        grow(&mut self.columns, crop.width * stride);
        let shape = Matrix { rows: crop.height, columns: crop.width, stride: width };
        for channel in 0..3 {
            transpose(plane(channel), shape, &mut self.columns[channel * crop.height..], stride);
        }
        grow(&mut self.narrowed, side * stride);
        add_weighted_rows(&self.columns, stride, &self.along_rows, &mut self.narrowed, stride, stride);

        let wide = side.next_multiple_of(LANES);
        grow(&mut self.rows, tall * wide);
        transpose(&self.narrowed, Matrix { rows: side, columns: tall, stride }, &mut self.rows, wide);
        for channel in 0..3 {
            let source = &self.rows[channel * crop.height * wide..];
            add_weighted_rows(source, wide, &self.along_columns, planes.plane_and_beyond_mut(channel), side, wide);
        }
    }
}

fn copy_rows(source: &[u8], stride: usize, side: usize, flip: bool, target: &mut [u8]) {
    for (row, target) in target.chunks_exact_mut(side).take(side).enumerate() {
        target.copy_from_slice(&source[row * stride..][..side]);
        if flip {
            target.reverse();
        }
    }
}

fn grow(memory: &mut Vec<u8>, length: usize) {
    if memory.len() < length {
        memory.resize(length, 0);
    }
}

/// Makes each output row of the filter from the input rows under its taps: `length` levels of it, a multiple of
/// [`LANES`]. Where that is more than `target_stride`, the excess is overwritten by the next row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn add_weighted_rows(
    source: &[u8],
    source_stride: usize,
    filter: &Filter,
    target: &mut [u8],
    target_stride: usize,
    length: usize,
) {
    for (row, &start) in filter.starts().iter().enumerate() {
        let source = &source[start * source_stride..];
        let target = &mut target[row * target_stride..][..length];
        let taps = row * filter.taps()..(row + 1) * filter.taps();
        match filter.weights() {
            Weights::Fixed(weights) => add_fixed(source, source_stride, &weights[taps], target),
            Weights::Float(weights) => add_float(source, source_stride, &weights[taps], target),
        }
    }
}

#[inline(always)]
fn add_fixed(source: &[u8], source_stride: usize, weights: &[i16], target: &mut [u8]) {
    for (block, target) in target.chunks_exact_mut(LANES).enumerate() {
        let mut sum = [0; LANES];
        match weights {
            // Enlarging has four taps; a fixed number lets the compiler unroll.
            &[a, b, c, d] => {
                for (tap, weight) in [a, b, c, d].into_iter().enumerate() {
                    add_weighted(&mut sum, &source[tap * source_stride + block * LANES..], weight);
                }
            }
            _ => {
                for (tap, &weight) in weights.iter().enumerate() {
                    add_weighted(&mut sum, &source[tap * source_stride + block * LANES..], weight);
                }
            }
        }
        for (level, sum) in target.iter_mut().zip(sum) {
            *level = ((sum + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).clamp(0, 255) as u8;
        }
    }
}

/// Bits after the point of a fixed-point sum: what 16 bits leave beside 255 levels, a sign and the cubic's overshoot.
const FRACTION_BITS: u32 = 6;

/// Adds `weight` times the first [`LANES`] levels, rounded to [`FRACTION_BITS`].
#[inline(always)]
fn add_weighted(sum: &mut [i16; LANES], levels: &[u8], weight: i16) {
    const LEVEL_BITS: u32 = 15 + FRACTION_BITS - Filter::WEIGHT_BITS;
    let levels = &levels[..LANES];
    for lane in 0..LANES {
        let product = (i32::from(levels[lane]) << LEVEL_BITS) * i32::from(weight);
        // Written as the rounding 16-bit multiplication that vector units have.
        sum[lane] = sum[lane].wrapping_add((((product >> 14) + 1) >> 1) as i16);
    }
}

#[inline(always)]
fn add_float(source: &[u8], source_stride: usize, weights: &[f32], target: &mut [u8]) {
    for (block, target) in target.chunks_exact_mut(LANES).enumerate() {
        let mut sum = [0.5; LANES];
        for (tap, &weight) in weights.iter().enumerate() {
            let levels = &source[tap * source_stride + block * LANES..][..LANES];
            for (sum, &level) in sum.iter_mut().zip(levels) {
                *sum += f32::from(level) * weight;
            }
        }
        for (level, sum) in target.iter_mut().zip(sum) {
            *level = sum as u8;
        }
    }
}
