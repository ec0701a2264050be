//! Matrix products of matrices that lie in slices: `matrixmultiply`'s, and of matrices in [`panels`].

pub(crate) mod panels;

/// A matrix in a slice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// `strides` are values from one row to the next, and from one column to the next.
    pub(crate) fn new(values: &'a [f32], strides: [usize; 2]) -> Matrix<'a> {
        Matrix { values, strides }
    }

    pub(crate) fn transposed(self) -> Matrix<'a> {
        let [down, across] = self.strides;
        Matrix { strides: [across, down], ..self }
    }
}

/// `c = a b + keep c`: `a` is `[rows, depth]`, `b` `[depth, columns]`, `c` `[rows, columns]` with so many values from one row to
/// the next.
///
/// # Panics
/// A slice is too short, or the rows of `c` overlap.
pub(crate) fn multiply(
    [rows, depth, columns]: [usize; 3],
    a: Matrix,
    b: Matrix,
    keep: f32,
    (c, c_row): (&mut [f32], usize),
) {
    assert_fitting([rows, depth, columns], a, b, (c, c_row));
    let [[a_row, a_column], [b_row, b_column]] =
        [a.strides, b.strides].map(|strides| strides.map(|step| step as isize));
    // SAFETY: every element of the three matrices lies in its slice, none of `c` twice, and nothing else reads or writes `c`.
    unsafe {
        matrixmultiply::sgemm(
            rows,
            depth,
            columns,
            1.0,
            a.values.as_ptr(),
            a_row,
            a_column,
            b.values.as_ptr(),
            b_row,
            b_column,
            keep,
            c.as_mut_ptr(),
            c_row as isize,
            1,
        );
    }
}

/// That all elements of a product lie in their slices, and those of `c` in different places.
fn assert_fitting([rows, depth, columns]: [usize; 3], a: Matrix, b: Matrix, (c, c_row): (&[f32], usize)) {
    let holds = |length: usize, [down, across]: [usize; 2], [rows, columns]: [usize; 2]| {
        rows * columns == 0 || (rows - 1) * down + (columns - 1) * across < length
    };
    assert!(holds(a.values.len(), a.strides, [rows, depth]) && holds(b.values.len(), b.strides, [depth, columns]));
    assert!(holds(c.len(), [c_row, 1], [rows, columns]) && c_row >= columns);
}
