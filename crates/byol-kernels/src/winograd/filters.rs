//! Filters to points, `G g G^T` (arXiv 1509.09308, section 4.2), and the gradient of points to that of filters, `G^T u G`.

use multiversion::multiversion;

use super::{EDGE, GAP, POINTS};
use crate::product::panels::{Panels, panel_columns};

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

/// Transformed filters: for every point a matrix `[from, to]` in panels.
#[derive(Debug)]
pub struct Filters {
    points: Vec<f32>,
    /// Channels of what is convolved, and of the result.
    channels: [usize; 2],
}

impl Filters {
    /// # Shapes
    /// `weight` is `[outputs, 3, 3, inputs]`.
    ///
    /// # Panics
    /// It is not.
    pub fn new(weight: &[f32], [inputs, outputs]: [usize; 2], direction: Direction) -> Filters {
        assert_eq!(weight.len(), outputs * SIDE * SIDE * inputs);
        let (channels, taps) = match direction {
            Direction::Forward => {
                ([inputs, outputs], Taps { from: 1, to: SIDE * SIDE * inputs, inputs, turned: false })
            }
            Direction::Backward => {
                ([outputs, inputs], Taps { from: SIDE * SIDE * inputs, to: 1, inputs, turned: true })
            }
        };
        let [from, to] = channels;
        let width = panel_columns(to);
        let mut points = vec![0.0; POINTS * (from * to.div_ceil(width) * width + GAP)];
        transform(weight, taps, channels, width, &mut points);
        Filters { points, channels }
    }

    /// Channels of what is convolved, and of the result.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// `[from, to]`.
    pub(super) fn point(&self, point: usize) -> Panels<'_> {
        let ([from, to], count) = (self.channels, self.points.len() / POINTS);
        let width = panel_columns(to);
        Panels { values: &self.points[point * count..][..count], row: width, panel: from * width }
    }
}

/// Where the nine numbers between two channels lie.
#[derive(Clone, Copy)]
struct Taps {
    /// Values from one channel of what is convolved to the next, and from one of the result to the next.
    from: usize,
    to: usize,
    /// Values from one of the nine to the next.
    inputs: usize,
    /// Whether the last comes first.
    turned: bool,
}

/// Channels that are transformed at a time.
const LANES: usize = 16;

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn transform(weight: &[f32], taps: Taps, [from, to]: [usize; 2], width: usize, points: &mut [f32]) {
    let count = points.len() / POINTS;
    for panel in 0..to.div_ceil(width) {
        let columns = width.min(to - panel * width);
        for source in 0..from {
            for begin in (0..columns).step_by(LANES) {
                let lanes = LANES.min(columns - begin);
                let mut g = [[[0f32; LANES]; SIDE]; SIDE];
                for tap in 0..SIDE * SIDE {
                    let place = if taps.turned { SIDE * SIDE - 1 - tap } else { tap };
                    let first = source * taps.from + (panel * width + begin) * taps.to + place * taps.inputs;
                    let values = &weight[first..];
                    for lane in 0..lanes {
                        g[tap / SIDE][tap % SIDE][lane] = values[lane * taps.to];
                    }
                }
                let at = (panel * from + source) * width + begin;
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
                    points[point * count + at..][..lanes].copy_from_slice(&sum[..lanes]);
                }
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
