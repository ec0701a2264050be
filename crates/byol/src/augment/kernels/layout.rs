//! Moving levels between memory layouts: transposing, and planes to a network's channels-last input. Values change by
//! normalisation only.

use multiversion::multiversion;

use super::planes::Planes;

/// A matrix of levels inside a larger slice: `rows` by `columns`, each row `stride` after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub stride: usize,
}

/// Transposes `source` (shaped `shape`) into `target`, whose rows are `target_stride` apart.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
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
    // The last tile of a row or column overlaps the one before instead of leaving a rest.
    for row in (0..rows).step_by(TILE) {
        let row = row.min(rows - TILE);
        for column in (0..columns).step_by(TILE) {
            let column = column.min(columns - TILE);
            let mut tile = [0; TILE];
            for (line, word) in tile.iter_mut().enumerate() {
                *word = load(&source[(row + line) * stride + column..]);
            }
            transpose_tile(&mut tile);
            for (line, word) in tile.iter().enumerate() {
                target[(column + line) * target_stride + row..][..TILE].copy_from_slice(&word.to_le_bytes());
            }
        }
    }
}

/// Rows and columns of a tile: one row is a 64-bit word.
const TILE: usize = 8;

#[inline(always)]
fn load(bytes: &[u8]) -> u64 {
    let mut word = [0; TILE];
    word.copy_from_slice(&bytes[..TILE]);
    u64::from_le_bytes(word)
}

/// Transposes 8x8 bytes by exchanging halves: of the tile, of its quarters, of theirs.
#[inline(always)]
fn transpose_tile(tile: &mut [u64; TILE]) {
    for (distance, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        let shift = 8 * distance;
        for line in 0..TILE {
            if line & distance == 0 {
                let changed = ((tile[line] >> shift) ^ tile[line + distance]) & mask;
                tile[line + distance] ^= changed;
                tile[line] ^= changed << shift;
            }
        }
    }
}

/// Writes levels times `factor` plus `offset` (both per channel) as float32, `[side, side, 3]`.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub fn channels_last(planes: &Planes, factor: [f32; 3], offset: [f32; 3], out: &mut [f32]) {
    let [red, green, blue] = [0, 1, 2].map(|channel| planes.plane(channel));
    for (((pixel, &r), &g), &b) in out.chunks_exact_mut(3).zip(red).zip(green).zip(blue) {
        pixel[0] = f32::from(r) * factor[0] + offset[0];
        pixel[1] = f32::from(g) * factor[1] + offset[1];
        pixel[2] = f32::from(b) * factor[2] + offset[2];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_moves_every_level() {
        for (rows, columns) in [(1, 1), (3, 20), (8, 8), (9, 17), (40, 11), (96, 96)] {
            let stride = columns + 3;
            let source: Vec<u8> = (0..rows * stride).map(|index| (index * 37 % 251) as u8).collect();
            let mut target = vec![0; columns * (rows + 5)];
            transpose(&source, Matrix { rows, columns, stride }, &mut target, rows + 5);
            for row in 0..rows {
                for column in 0..columns {
                    assert_eq!(target[column * (rows + 5) + row], source[row * stride + column]);
                }
            }
        }
    }
}
