//! Filters to points, `G g G^T` (arXiv 1509.09308, section 4.2), and the gradient of points to that of filters, `G^T u G`.

use multiversion::multiversion;

use super::{EDGE, POINTS};
use crate::product::Matrix;

const SIDE: usize = 3;

/// `G`.
const POINT_OF_FILTER: [[f32; SIDE]; EDGE] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// Which way images go through filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Inputs to outputs.
    Forward,
    /// Gradients of the outputs to those of the inputs: by the filters turned around.
    Backward,
}

/// Transformed filters, `[36, outputs, inputs]`.
#[derive(Debug)]
pub struct Filters {
    points: Vec<f32>,
    inputs: usize,
    outputs: usize,
    direction: Direction,
}

impl Filters {
    /// # Shapes
    /// `weight` is `[outputs, 3, 3, inputs]`.
    ///
    /// # Panics
    /// It is not.
    pub fn new(weight: &[f32], [inputs, outputs]: [usize; 2], direction: Direction) -> Filters {
        assert_eq!(weight.len(), outputs * SIDE * SIDE * inputs);
        let mut points = vec![0.0; POINTS * outputs * inputs];
        transform(weight, inputs, direction == Direction::Backward, &mut points);
        Filters { points, inputs, outputs, direction }
    }

    /// Channels of what is convolved, and of the result.
    pub fn channels(&self) -> [usize; 2] {
        match self.direction {
            Direction::Forward => [self.inputs, self.outputs],
            Direction::Backward => [self.outputs, self.inputs],
        }
    }

    /// `[from, to]`.
    pub(super) fn point(&self, point: usize) -> Matrix<'_> {
        let count = self.outputs * self.inputs;
        let matrix = Matrix::new(&self.points[point * count..][..count], [self.inputs, 1]);
        match self.direction {
            Direction::Forward => matrix.transposed(),
            Direction::Backward => matrix,
        }
    }
}

/// Channels that are transformed at a time.
const LANES: usize = 16;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn transform(weight: &[f32], inputs: usize, turned: bool, points: &mut [f32]) {
    let count = points.len() / POINTS;
    for (output, filter) in weight.chunks_exact(SIDE * SIDE * inputs).enumerate() {
        for begin in (0..inputs).step_by(LANES) {
            let lanes = LANES.min(inputs - begin);
            let mut g = [[[0f32; LANES]; SIDE]; SIDE];
            for tap in 0..SIDE * SIDE {
                let from = if turned { SIDE * SIDE - 1 - tap } else { tap };
                let values = &filter[from * inputs + begin..][..lanes];
                g[tap / SIDE][tap % SIDE][..lanes].copy_from_slice(values);
            }
            for point in 0..POINTS {
                let (down, across) = (POINT_OF_FILTER[point / EDGE], POINT_OF_FILTER[point % EDGE]);
                let mut sum = [0f32; LANES];
                for row in 0..SIDE {
                    for column in 0..SIDE {
                        let factor = down[row] * across[column];
                        for lane in 0..LANES {
                            sum[lane] += factor * g[row][column][lane];
                        }
                    }
                }
                points[point * count + output * inputs + begin..][..lanes].copy_from_slice(&sum[..lanes]);
            }
        }
    }
}

/// The gradient of filters from that of their points.
///
/// # Shapes
/// `points` is `[36, outputs, inputs]`, `gradient` `[outputs, 3, 3, inputs]`.
///
/// # Panics
/// The slices do not fit together.
pub fn filters_gradient(points: &[f32], inputs: usize, gradient: &mut [f32]) {
    assert_eq!(points.len() * SIDE * SIDE, gradient.len() * POINTS);
    untransform(points, inputs, gradient);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn untransform(points: &[f32], inputs: usize, gradient: &mut [f32]) {
    let count = points.len() / POINTS;
    for (output, filter) in gradient.chunks_exact_mut(SIDE * SIDE * inputs).enumerate() {
        for begin in (0..inputs).step_by(LANES) {
            let lanes = LANES.min(inputs - begin);
            let mut g = [[[0f32; LANES]; SIDE]; SIDE];
            for point in 0..POINTS {
                let (down, across) = (POINT_OF_FILTER[point / EDGE], POINT_OF_FILTER[point % EDGE]);
                let mut u = [0f32; LANES];
                u[..lanes].copy_from_slice(&points[point * count + output * inputs + begin..][..lanes]);
                for row in 0..SIDE {
                    for column in 0..SIDE {
                        let factor = down[row] * across[column];
                        for lane in 0..LANES {
                            g[row][column][lane] += factor * u[lane];
                        }
                    }
                }
            }
            for place in 0..SIDE * SIDE {
                let values = &g[place / SIDE][place % SIDE][..lanes];
                filter[place * inputs + begin..][..lanes].copy_from_slice(values);
            }
        }
    }
}
