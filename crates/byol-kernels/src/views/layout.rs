//! Moving levels between memory layouts: transposing, widening, and planes to a network's channels-last input. Values
//! change by normalisation only.

use half::bf16;
use multiversion::multiversion;

use super::planes::Planes;
use crate::element::Element;

/// A matrix inside a larger slice: `rows` by `columns`, each row `stride` after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub stride: usize,
}

/// Bits after the point of widened levels.
pub const LEVEL_BITS: u32 = 7;

/// Widens levels to 16 bits with [`LEVEL_BITS`] after the point.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub fn widen(levels: &[u8], widened: &mut [i16]) {
    for (widened, &level) in widened.iter_mut().zip(levels) {
        *widened = i16::from(level) << LEVEL_BITS;
    }
}

/// Transposes levels (`source`, shaped `shape`) into `target`, whose rows are `target_stride` apart.
#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
pub fn transpose(source: &[u8], shape: Matrix, target: &mut [u8], target_stride: usize) {
    let Matrix { rows, columns, stride } = shape;
    if rows < TILE || columns < TILE {
        for column in 0..columns {
            for row in 0..rows {
                target[column * target_stride + row] = source[row * stride + column];
            }
        }
        return;
    }
    // The last tiles of a row or column overlap the ones before instead of leaving a rest.
    for row in (0..rows).step_by(TILE) {
        let row = row.min(rows - TILE);
        if columns >= ABREAST * TILE {
            for column in (0..columns).step_by(ABREAST * TILE) {
                let column = column.min(columns - ABREAST * TILE);
                let target = &mut target[column * target_stride + row..];
                transpose_tiles::<ABREAST>(&source[row * stride + column..], stride, target, target_stride);
            }
        } else {
            for column in (0..columns).step_by(TILE) {
                let column = column.min(columns - TILE);
                let target = &mut target[column * target_stride + row..];
                transpose_tiles::<1>(&source[row * stride + column..], stride, target, target_stride);
            }
        }
    }
}

/// Rows and columns of a tile: one row is a 64-bit word.
const TILE: usize = 8;
/// Tiles that are transposed together, one per lane of a vector.
const ABREAST: usize = 4;

/// Transposes `N` tiles that lie side by side, by exchanging halves of each, then of its quarters, then of theirs.
#[inline(always)]
fn transpose_tiles<const N: usize>(source: &[u8], stride: usize, target: &mut [u8], target_stride: usize) {
    let mut lines = [[0; N]; TILE];
    for (line, words) in lines.iter_mut().enumerate() {
        let bytes = &source[line * stride..][..N * TILE];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(TILE)) {
            let mut array = [0; TILE];
            array.copy_from_slice(bytes);
            *word = u64::from_le_bytes(array);
        }
    }
    exchange::<N, 4>(&mut lines, 0x0000_0000_ffff_ffff);
    exchange::<N, 2>(&mut lines, 0x0000_ffff_0000_ffff);
    exchange::<N, 1>(&mut lines, 0x00ff_00ff_00ff_00ff);
    for tile in 0..N {
        for (line, words) in lines.iter().enumerate() {
            target[(tile * TILE + line) * target_stride..][..TILE].copy_from_slice(&words[tile].to_le_bytes());
        }
    }
}

/// Exchanges the upper part of each word with the lower part of the word `DISTANCE` lines below.
#[inline(always)]
fn exchange<const N: usize, const DISTANCE: usize>(lines: &mut [[u64; N]; TILE], lower: u64) {
    for pair in 0..TILE / 2 {
        let line = pair / DISTANCE * 2 * DISTANCE + pair % DISTANCE;
        let (upper, rest) = lines[line..].split_at_mut(DISTANCE);
        for (above, below) in upper[0].iter_mut().zip(&mut rest[0]) {
            let changed = ((*above >> (8 * DISTANCE)) ^ *below) & lower;
            *below ^= changed;
            *above ^= changed << (8 * DISTANCE);
        }
    }
}

/// A type of value that a network's input is written in.
pub trait Input: Element {
    /// Writes levels times `factor` plus `offset` (both per channel), `[side, side, 3]`.
    fn channels_last(planes: &Planes, factor: [f32; 3], offset: [f32; 3], out: &mut [Self]);
}

macro_rules! input {
    ($element:ty) => {
        impl Input for $element {
            fn channels_last(planes: &Planes, factor: [f32; 3], offset: [f32; 3], out: &mut [Self]) {
                #[multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2"))]
                fn wide(planes: &Planes, factor: [f32; 3], offset: [f32; 3], out: &mut [$element]) {
                    interleave(planes, factor, offset, out);
                }
                wide(planes, factor, offset, out);
            }
        }
    };
}

input!(f32);
input!(bf16);

#[inline(always)]
fn interleave<E: Element>(planes: &Planes, factor: [f32; 3], offset: [f32; 3], out: &mut [E]) {
    let [red, green, blue] = [0, 1, 2].map(|channel| planes.plane(channel));
    for (((pixel, &r), &g), &b) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        pixel[0] = E::store(f32::from(r) * factor[0] + offset[0]);
        pixel[1] = E::store(f32::from(g) * factor[1] + offset[1]);
        pixel[2] = E::store(f32::from(b) * factor[2] + offset[2]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_moves_every_level() {
        for (rows, columns) in [(1, 1), (3, 20), (8, 8), (9, 17), (40, 11), (12, 45), (96, 96)] {
            let (stride, target_stride) = (columns + 3, rows + 5);
            let source: Vec<u8> = (0..rows * stride).map(|index| (index * 37 % 251) as u8).collect();
            let mut target = vec![0; columns * target_stride];
            transpose(&source, Matrix { rows, columns, stride }, &mut target, target_stride);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(target[column * target_stride + row], source[row * stride + column]);
                }
            }
        }
    }
}
