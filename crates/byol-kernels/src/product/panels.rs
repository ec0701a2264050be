//! Matrix products whose right matrix stands in panels of few columns, one after the other, as a product would copy it. With AVX-512
//! both matrices are read where they lie; elsewhere `matrixmultiply` computes the product, and copies.
//!
//! The instructions are called by their names: of plain loops the compiler kept no sums in registers, and they took three times as long.

use super::{Matrix, multiply};

/// Columns of a panel that is read where it lies: two vectors.
const COLUMNS: usize = 32;

/// How many columns stand in a panel of a matrix with so many.
pub(crate) fn panel_columns(columns: usize) -> usize {
    width(is_direct(), columns)
}

fn width(direct: bool, columns: usize) -> usize {
    if direct { COLUMNS } else { columns.max(1) }
}

fn is_direct() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// A matrix in panels of [`panel_columns`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panels<'a> {
    pub values: &'a [f32],
    /// Values from one row of a panel to the next.
    pub row: usize,
    /// Values from one panel to the next.
    pub panel: usize,
}

/// `c = a b`, or `c += a b` if `add`: `a` is `[rows, depth]`, `b` `[depth, columns]`, `c` `[rows, columns]` with so many values from
/// one row to the next.
///
/// # Panics
/// A slice is too short, or the rows of `c` overlap.
pub(crate) fn multiply_panels(sizes: [usize; 3], a: Matrix, b: Panels, add: bool, c: (&mut [f32], usize)) {
    multiply_by(is_direct(), sizes, a, b, add, c);
}

fn multiply_by(
    direct: bool,
    [rows, depth, columns]: [usize; 3],
    a: Matrix,
    b: Panels,
    add: bool,
    (c, c_row): (&mut [f32], usize),
) {
    let width = width(direct, columns);
    for (number, first) in (0..columns).step_by(width).enumerate() {
        let sizes = [rows, depth, width.min(columns - first)];
        let panel = Matrix::new(&b.values[number * b.panel..], [b.row, 1]);
        let c = (&mut c[first..], c_row);
        match direct {
            #[cfg(target_arch = "x86_64")]
            true => direct::multiply(sizes, a, panel, add, c),
            _ => multiply(sizes, a, panel, if add { 1.0 } else { 0.0 }, c),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod direct {
    use std::arch::x86_64::{
        __mmask16, _mm512_fmadd_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    use super::super::{Matrix, assert_fitting};
    use super::COLUMNS;

    /// Values of a vector.
    const LANES: usize = 16;
    /// Rows whose sums are in registers at a time, 24 of the 32; fewer at the end.
    const ROWS: usize = 12;
    /// So many rows of a panel stay in the first cache.
    const DEPTH: usize = 256;

    /// A product with a panel of at most [`COLUMNS`] columns, where there is AVX-512.
    pub(super) fn multiply(
        [rows, depth, columns]: [usize; 3],
        a: Matrix,
        b: Matrix,
        add: bool,
        (c, c_row): (&mut [f32], usize),
    ) {
        assert_fitting([rows, depth, columns], a, b, (c, c_row));
        assert!(columns <= COLUMNS && b.strides[1] == 1 && std::arch::is_x86_feature_detected!("avx512f"));
        let masks = [0, LANES].map(|first| ((1u32 << columns.saturating_sub(first).min(LANES)) - 1) as __mmask16);
        let [down, across] = a.strides;
        // Once where the depth is 0, too: the sums are 0 then.
        for begun in (0..depth.max(1)).step_by(DEPTH) {
            let mut row = 0;
            while row < rows {
                let part = Part {
                    depth: DEPTH.min(depth - begun),
                    a: a.values.as_ptr().wrapping_add(row * down + begun * across),
                    a_strides: a.strides,
                    b: b.values.as_ptr().wrapping_add(begun * b.strides[0]),
                    b_row: b.strides[0],
                    masks,
                    add: add || begun > 0,
                    c: c.as_mut_ptr().wrapping_add(row * c_row),
                    c_row,
                };
                // SAFETY: AVX-512 is there; what is read and written lies in the slices as far as the masks reach, as has been asserted,
                // and nothing else uses `c`.
                row += unsafe {
                    match rows - row {
                        ROWS.. => block::<ROWS>(part),
                        8.. => block::<8>(part),
                        4.. => block::<4>(part),
                        2.. => block::<2>(part),
                        _ => block::<1>(part),
                    }
                };
            }
        }
    }

    /// What [`block`] computes with.
    #[derive(Clone, Copy)]
    struct Part {
        depth: usize,
        a: *const f32,
        a_strides: [usize; 2],
        b: *const f32,
        b_row: usize,
        /// Which columns of either vector there are.
        masks: [__mmask16; 2],
        add: bool,
        c: *mut f32,
        c_row: usize,
    }

    /// Some rows of a product; how many.
    ///
    /// # Safety
    /// The processor has AVX-512, and `a`, `b` and `c` have as many values as sizes and masks say.
    #[target_feature(enable = "avx512f")]
    unsafe fn block<const COUNT: usize>(part: Part) -> usize {
        let Part { depth, mut a, a_strides: [down, across], mut b, b_row, masks, add, c, c_row } = part;
        let mut sums = [[_mm512_setzero_ps(); 2]; COUNT];
        if add {
            for (row, sums) in sums.iter_mut().enumerate() {
                let from = c.wrapping_add(row * c_row);
                for (half, sum) in sums.iter_mut().enumerate() {
                    // SAFETY: as the caller promises.
                    *sum = unsafe { _mm512_maskz_loadu_ps(masks[half], from.wrapping_add(half * LANES)) };
                }
            }
        }
        for _ in 0..depth {
            // SAFETY: as the caller promises.
            let of_b =
                unsafe { [_mm512_maskz_loadu_ps(masks[0], b), _mm512_maskz_loadu_ps(masks[1], b.wrapping_add(LANES))] };
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: as the caller promises.
                let factor = _mm512_set1_ps(unsafe { *a.wrapping_add(row * down) });
                for (half, sum) in sums.iter_mut().enumerate() {
                    *sum = _mm512_fmadd_ps(factor, of_b[half], *sum);
                }
            }
            (a, b) = (a.wrapping_add(across), b.wrapping_add(b_row));
        }
        for (row, sums) in sums.iter().enumerate() {
            let to = c.wrapping_add(row * c_row);
            for (half, sum) in sums.iter().enumerate() {
                // SAFETY: as the caller promises.
                unsafe { _mm512_mask_storeu_ps(to.wrapping_add(half * LANES), masks[half], *sum) };
            }
        }
        COUNT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, whose sums are exact.
    fn numbers(count: usize, step: usize) -> Vec<f32> {
        (0..count).map(|index| (index * step % 17) as f32 - 8.0).collect()
    }

    /// Every way, of sizes around those of blocks, panels and the cache; memory that is not the product's stays as it is.
    #[test]
    fn products_of_panels_are_exact() {
        let ways = if is_direct() { vec![false, true] } else { vec![false] };
        let sizes = [[1, 1, 1], [12, 3, 32], [13, 5, 16], [27, 256, 33], [11, 257, 70], [8, 520, 64], [3, 0, 5]];
        for (direct, [rows, depth, columns]) in ways.iter().flat_map(|&way| sizes.map(|sizes| (way, sizes))) {
            let (a, b) = (numbers(rows * depth, 5), numbers(depth * columns, 7));
            let width = width(direct, columns);
            let panel = depth * width + 3;
            let mut values = vec![f32::NAN; columns.div_ceil(width) * panel];
            for (place, value) in b.iter().enumerate() {
                let (row, column) = (place / columns, place % columns);
                values[column / width * panel + row * width + column % width] = *value;
            }
            let transposed: Vec<f32> = (0..rows * depth).map(|at| a[at % rows * depth + at / rows]).collect();
            let lefts = [Matrix::new(&a, [depth, 1]), Matrix::new(&transposed, [1, rows])];
            for (left, add) in lefts.into_iter().flat_map(|left| [(left, false), (left, true)]) {
                let c_row = columns + 2;
                let before = if add { 1.0 } else { f32::NAN };
                let mut c = vec![before; rows * c_row];
                (0..rows).for_each(|row| c[row * c_row + columns..][..2].fill(9.0));
                let b_panels = Panels { values: &values, row: width, panel };
                multiply_by(direct, [rows, depth, columns], left, b_panels, add, (&mut c, c_row));
                for (place, found) in c.iter().enumerate() {
                    let (row, column) = (place / c_row, place % c_row);
                    let product = || (0..depth).map(|at| a[row * depth + at] * b[at * columns + column]).sum::<f32>();
                    let expected = if column < columns { product() + f32::from(u8::from(add)) } else { 9.0 };
                    assert_eq!(*found, expected, "{direct}, {rows}x{depth}x{columns}, {row}, {column}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "holds")]
    fn a_panel_that_is_too_short_is_refused() {
        let b = Panels { values: &[0.0; 63], row: 32, panel: 64 };
        multiply_panels([1, 2, 32], Matrix::new(&[0.0; 2], [2, 1]), b, false, (&mut [0.0; 32], 32));
    }
}
