//! Squares of numbers, turned over their diagonal. Of plain loops the compiler makes a load and a store for every number.

/// Side of a square: a vector of AVX-512.
pub(super) const SIDE: usize = 16;

/// `to[column][row] = from[row][column]`; rows of either begin so many values after one another.
///
/// # Panics
/// A slice is too short.
pub(super) fn transpose(from: &[f32], from_row: usize, to: &mut [f32], to_row: usize) {
    assert!(from.len() >= (SIDE - 1) * from_row + SIDE && to.len() >= (SIDE - 1) * to_row + SIDE);
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        // SAFETY: AVX-512 is there, and the slices are long enough.
        unsafe { by_vectors::transpose(from.as_ptr(), from_row, to.as_mut_ptr(), to_row) };
        return;
    }
    number_by_number(from, from_row, to, to_row);
}

fn number_by_number(from: &[f32], from_row: usize, to: &mut [f32], to_row: usize) {
    for row in 0..SIDE {
        let from = &from[row * from_row..][..SIDE];
        for column in 0..SIDE {
            to[column * to_row + row] = from[column];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod by_vectors {
    use std::arch::x86_64::{
        __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4,
        _mm512_storeu_ps, _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::SIDE;

    /// Every second 128 bits of both, from the first and from the second.
    const EVEN: i32 = 0b10_00_10_00;
    const ODD: i32 = 0b11_01_11_01;

    /// # Safety
    /// The processor has AVX-512, and both squares are in memory that may be read or written.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        let mut rows = [_mm512_setzero_ps(); SIDE];
        for (number, row) in rows.iter_mut().enumerate() {
            // SAFETY: as the caller promises.
            *row = unsafe { _mm512_loadu_ps(from.wrapping_add(number * from_row)) };
        }
        // Of four rows each: vector `place` has column `4 * part + place` in its part of 128 bits.
        let mut quads = [_mm512_setzero_ps(); SIDE];
        for first in (0..SIDE).step_by(4) {
            let [a, b, c, d] = [rows[first], rows[first + 1], rows[first + 2], rows[first + 3]];
            let [low, high] = [pairs(_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)), {
                pairs(_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d))
            }];
            quads[first..first + 4].copy_from_slice(&[low[0], low[1], high[0], high[1]]);
        }
        for place in 0..4 {
            let [a, b, c, d] = [quads[place], quads[4 + place], quads[8 + place], quads[12 + place]];
            let [even, odd] = [
                [_mm512_shuffle_f32x4::<EVEN>(a, b), _mm512_shuffle_f32x4::<EVEN>(c, d)],
                [_mm512_shuffle_f32x4::<ODD>(a, b), _mm512_shuffle_f32x4::<ODD>(c, d)],
            ];
            let columns = [
                _mm512_shuffle_f32x4::<EVEN>(even[0], even[1]),
                _mm512_shuffle_f32x4::<EVEN>(odd[0], odd[1]),
                _mm512_shuffle_f32x4::<ODD>(even[0], even[1]),
                _mm512_shuffle_f32x4::<ODD>(odd[0], odd[1]),
            ];
            for (part, column) in columns.into_iter().enumerate() {
                // SAFETY: as the caller promises.
                unsafe { _mm512_storeu_ps(to.wrapping_add((4 * part + place) * to_row), column) };
            }
        }
    }

    /// Pairs of numbers of both, the first and the second of every 128 bits.
    #[target_feature(enable = "avx512f")]
    fn pairs(a: __m512, b: __m512) -> [__m512; 2] {
        let [a, b] = [_mm512_castps_pd(a), _mm512_castps_pd(b)];
        [_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squares_are_turned_and_nothing_else_is_written() {
        let (from_row, to_row) = (21, 35);
        let from: Vec<f32> = (0..16 * from_row).map(|place| place as f32).collect();
        for way in [transpose, number_by_number] {
            let mut to = vec![-1.0; 16 * to_row];
            way(&from, from_row, &mut to, to_row);
            for (place, &found) in to.iter().enumerate() {
                let (row, column) = (place / to_row, place % to_row);
                let expected = if column < SIDE { (column * from_row + row) as f32 } else { -1.0 };
                assert_eq!(found, expected, "{row}, {column}");
            }
        }
    }
}
