//! Cropping, resizing and flipping. No colours.
//!
//! The filter runs along rows first, the result is brought back to 0-255 levels, and then runs along columns: the order
//! and the rounding of PyTorch's uint8 path, and of Pillow up to 12.3 (Pillow 13 takes portrait images in the other order).
//! They show at hard edges because the cubic overshoots. Each direction is one loop that adds weighted rows; transposing
//! before and after makes rows of columns.

use multiversion::multiversion;

use super::filter::{Direction, Filter, Weights};
use super::layout::{LEVEL_BITS, Matrix, transpose, widen};
use super::planes::Planes;

/// A rectangle of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// Scratch memory of the resize; grows to the widest and the tallest crop seen.
#[derive(Clone, Debug, Default)]
pub struct Resizer {
    along_rows: Filter,
    along_columns: Filter,
    /// A strip of the crop, column by column: `[width, 3 * strip]`.
    columns: Vec<u8>,
    /// The strip after the filter along rows, column by column: `[side, 3 * strip]`.
    narrowed: Vec<u8>,
    /// The whole crop after that filter, row by row: `[3 * height, side]`.
    rows: Vec<u8>,
    /// What a filter works on: `columns`, then `rows`.
    widened: Vec<i16>,
    /// The weights of an output row, repeated for every lane.
    repeated: Vec<[i16; LANES]>,
}

/// Levels that the filter makes at a time; the rows of scratch matrices are multiples of it.
const LANES: usize = 32;
/// Rows of an image that go through the filter along rows at a time, so that large photographs need little memory.
const STRIP: usize = 256;

impl Resizer {
    /// Fills `planes` with a crop of a planar image (`pixels`, `[3, height, width]`), resized and flipped.
    ///
    /// The crop must be inside the image and not empty.
    pub fn resized_crop(
        &mut self,
        pixels: &[u8],
        [height, width]: [usize; 2],
        crop: Window,
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

        let wide = side.next_multiple_of(LANES);
        grow(&mut self.rows, 3 * crop.height * wide);
        for top in (0..crop.height).step_by(STRIP) {
            let strip = STRIP.min(crop.height - top);
            let stride = (3 * strip).next_multiple_of(LANES);
            grow(&mut self.columns, crop.width * stride);
            for channel in 0..3 {
                let shape = Matrix { rows: strip, columns: crop.width, stride: width };
                transpose(&plane(channel)[top * width..], shape, &mut self.columns[channel * strip..], stride);
            }
            grow(&mut self.widened, crop.width * stride);
            widen(&self.columns[..crop.width * stride], &mut self.widened);
            grow(&mut self.narrowed, side * stride);
            let filter = &self.along_rows;
            add_weighted_rows(&self.widened, stride, filter, &mut self.repeated, &mut self.narrowed, stride);
            for channel in 0..3 {
                let shape = Matrix { rows: side, columns: strip, stride };
                let target = &mut self.rows[(channel * crop.height + top) * wide..];
                transpose(&self.narrowed[channel * strip..], shape, target, wide);
            }
        }

        grow(&mut self.widened, 3 * crop.height * wide);
        widen(&self.rows[..3 * crop.height * wide], &mut self.widened);
        for channel in 0..3 {
            let source = &self.widened[channel * crop.height * wide..];
            let target = planes.plane_and_beyond_mut(channel);
            add_weighted_rows(source, wide, &self.along_columns, &mut self.repeated, target, side);
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

fn grow<T: Clone + Default>(memory: &mut Vec<T>, length: usize) {
    if memory.len() < length {
        memory.resize(length, T::default());
    }
}

/// Makes each output row of the filter from the input rows under its taps: `stride` levels of it, a multiple of
/// [`LANES`]. Where that is more than `target_stride`, the excess is overwritten by the next row.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn add_weighted_rows(
    source: &[i16],
    stride: usize,
    filter: &Filter,
    repeated: &mut Vec<[i16; LANES]>,
    target: &mut [u8],
    target_stride: usize,
) {
    for (row, &start) in filter.starts().iter().enumerate() {
        let source = &source[start * stride..];
        let target = &mut target[row * target_stride..][..stride];
        let taps = row * filter.taps()..(row + 1) * filter.taps();
        match filter.weights() {
            Weights::Fixed(weights) => {
                // A weight per lane: the compiler then sees that a 16-bit multiplication will do.
                repeated.clear();
                repeated.extend(weights[taps].iter().map(|&weight| [weight; LANES]));
                add_fixed(source, stride, repeated, target);
            }
            Weights::Float(weights) => add_float(source, stride, &weights[taps], target),
        }
    }
}

/// Bits after the point of a fixed-point sum of products, of each of which the upper 16 bits are kept.
const FRACTION_BITS: u32 = LEVEL_BITS + Filter::WEIGHT_BITS - 16;

#[inline(always)]
fn add_fixed(source: &[i16], stride: usize, weights: &[[i16; LANES]], target: &mut [u8]) {
    // Each product is cut, which loses half a unit on average; half a level more rounds the sum.
    let lost = (weights.len() as i16 + (1 << FRACTION_BITS)) / 2;
    for (block, target) in target.chunks_exact_mut(LANES).enumerate() {
        let mut sum = [lost; LANES];
        for (tap, weight) in weights.iter().enumerate() {
            let levels = &source[tap * stride + block * LANES..][..LANES];
            for lane in 0..LANES {
                sum[lane] += ((i32::from(levels[lane]) * i32::from(weight[lane])) >> 16) as i16;
            }
        }
        for (level, sum) in target.iter_mut().zip(sum) {
            *level = (sum >> FRACTION_BITS).clamp(0, 255) as u8;
        }
    }
}

#[inline(always)]
fn add_float(source: &[i16], stride: usize, weights: &[f32], target: &mut [u8]) {
    const UNIT: f32 = 1.0 / (1 << LEVEL_BITS) as f32;
    for (block, target) in target.chunks_exact_mut(LANES).enumerate() {
        let mut sum = [0.5; LANES];
        for (tap, &weight) in weights.iter().enumerate() {
            let levels = &source[tap * stride + block * LANES..][..LANES];
            for (sum, &level) in sum.iter_mut().zip(levels) {
                *sum += f32::from(level) * (weight * UNIT);
            }
        }
        for (level, sum) in target.iter_mut().zip(sum) {
            *level = sum.clamp(0.0, 255.0) as i32 as u8;
        }
    }
}
