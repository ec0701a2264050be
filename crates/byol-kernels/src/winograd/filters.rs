//! Filters to points, `G g G^T` (arXiv 1509.09308, section 4.2), and the gradient of points to that of filters, `G^T u G`.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use multiversion::multiversion;

use super::{EDGE, GAP, POINTS};
use crate::product::panels::{Panels, panel_columns};

const SIDE: usize = 3;

/// Which way images go through filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Inputs to outputs.
    Forward,
    /// Gradients of the outputs to those of the inputs: by the filters turned around.
    Backward,
}

/// Transformed filters: panels of columns, and in each for every point a matrix `[from, columns]`.
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
    pub fn new(weight: &[f32], channels: [usize; 2], direction: Direction) -> Filters {
        let one_after_another = |panels: usize, panel: &(dyn Fn(usize) + Sync)| (0..panels).for_each(panel);
        Filters::with(weight, channels, direction, Vec::new(), one_after_another)
    }

    /// As [`Filters::new`], in the memory of earlier ones; `each` calls a function for every panel from 0 to a number, on any threads.
    ///
    /// # Panics
    /// As [`Filters::new`].
    pub fn with(
        weight: &[f32],
        [inputs, outputs]: [usize; 2],
        direction: Direction,
        mut memory: Vec<f32>,
        each: impl FnOnce(usize, &(dyn Fn(usize) + Sync)),
    ) -> Filters {
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
        let (width, panel) = (panel_columns(to), panel_values(channels));
        let panels = to.div_ceil(width);
        if memory.len() < panels * panel {
            memory.resize(panels * panel, 0.0);
        }
        let parts: Vec<_> = memory.chunks_exact_mut(panel).take(panels).map(Mutex::new).collect();
        each(panels, &|number| {
            let mut points = parts[number].lock().unwrap_or_else(PoisonError::into_inner);
            transform(weight, taps, from, number * width..to.min((number + 1) * width), width, &mut points);
        });
        drop(parts);
        Filters { points: memory, channels }
    }

    /// The memory, for others.
    pub fn into_memory(self) -> Vec<f32> {
        self.points
    }

    /// Channels of what is convolved, and of the result.
    pub fn channels(&self) -> [usize; 2] {
        self.channels
    }

    /// `[from, to]`.
    pub(super) fn point(&self, point: usize) -> Panels<'_> {
        let (width, panel) = (panel_columns(self.channels[1]), panel_values(self.channels));
        Panels { values: &self.points[point * point_values(self.channels)..], row: width, panel }
    }
}

/// Values of a point in a panel, and between points.
fn point_values([from, to]: [usize; 2]) -> usize {
    from * panel_columns(to) + GAP
}

/// Values of a panel, all points.
fn panel_values(channels: [usize; 2]) -> usize {
    POINTS * point_values(channels)
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
/// Channels of what is convolved whose filters are put in order at a time: a cache line of them.
const SOURCES: usize = 16;

/// Sixteen numbers of as many channels.
type Lane = [f32; LANES];

#[inline(always)]
fn times(factor: f32, a: &Lane) -> Lane {
    let mut product = [0f32; LANES];
    for lane in 0..LANES {
        product[lane] = factor * a[lane];
    }
    product
}

#[inline(always)]
fn plus(a: &Lane, b: &Lane) -> Lane {
    let mut sum = [0f32; LANES];
    for lane in 0..LANES {
        sum[lane] = a[lane] + b[lane];
    }
    sum
}

#[inline(always)]
fn minus(a: &Lane, b: &Lane) -> Lane {
    let mut difference = [0f32; LANES];
    for lane in 0..LANES {
        difference[lane] = a[lane] - b[lane];
    }
    difference
}

/// As many values as both have; a whole lane without a call.
#[inline(always)]
fn copy(from: &[f32], to: &mut [f32]) {
    match (from.first_chunk::<LANES>(), to.first_chunk_mut::<LANES>()) {
        (Some(from), Some(to)) => *to = *from,
        _ => {
            let count = from.len().min(to.len());
            to[..count].copy_from_slice(&from[..count]);
        }
    }
}

/// `G` times three numbers: its middle rows are -1/6, ±1/6, -1/6 and 1/24, ±1/12, 1/6.
#[inline(always)]
fn points_of(g: [&Lane; SIDE]) -> [Lane; EDGE] {
    let [first, middle, last] = g;
    let near = times(-1.0 / 6.0, &plus(first, last));
    let far = plus(&times(1.0 / 24.0, first), &times(1.0 / 6.0, last));
    let [of_near, of_far] = [times(1.0 / 6.0, middle), times(1.0 / 12.0, middle)];
    [
        times(1.0 / 4.0, first),
        minus(&near, &of_near),
        plus(&near, &of_near),
        plus(&far, &of_far),
        minus(&far, &of_far),
        *last,
    ]
}

/// `G^T` times six numbers.
#[inline(always)]
fn filter_of(u: [&Lane; EDGE]) -> [Lane; SIDE] {
    let near = times(-1.0 / 6.0, &plus(u[1], u[2]));
    let (far, difference) = (plus(u[3], u[4]), minus(u[3], u[4]));
    [
        plus(&plus(&times(1.0 / 4.0, u[0]), &near), &times(1.0 / 24.0, &far)),
        plus(&times(1.0 / 6.0, &minus(u[2], u[1])), &times(1.0 / 12.0, &difference)),
        plus(&plus(&near, &times(1.0 / 6.0, &far)), u[5]),
    ]
}

/// A panel of some columns of the result's channels, `[36, from, width]` with a gap after each point.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn transform(weight: &[f32], taps: Taps, from: usize, columns: Range<usize>, width: usize, points: &mut [f32]) {
    let count = points.len() / POINTS;
    // Numbers of some sources, in the order of the panel: columns lie many cache lines apart in the filters.
    let mut block = vec![0f32; SIDE * SIDE * SOURCES * width];
    for first in (0..from).step_by(SOURCES) {
        let sources = SOURCES.min(from - first);
        for tap in 0..SIDE * SIDE {
            let place = if taps.turned { SIDE * SIDE - 1 - tap } else { tap };
            let values = &weight[first * taps.from + columns.start * taps.to + place * taps.inputs..];
            let block = &mut block[tap * SOURCES * width..][..SOURCES * width];
            if taps.to == 1 {
                for source in 0..sources {
                    let (values, block) = (&values[source * taps.from..], &mut block[source * width..]);
                    for begin in (0..columns.len()).step_by(LANES) {
                        let lanes = LANES.min(columns.len() - begin);
                        copy(&values[begin..][..lanes], &mut block[begin..][..lanes]);
                    }
                }
            } else {
                for column in 0..columns.len() {
                    let values = &values[column * taps.to..][..sources];
                    for source in 0..sources {
                        block[source * width + column] = values[source];
                    }
                }
            }
        }
        for source in 0..sources {
            for begin in (0..columns.len()).step_by(LANES) {
                let lanes = LANES.min(columns.len() - begin);
                // Down, then across.
                let mut rows = [[[0f32; LANES]; SIDE]; EDGE];
                for column in 0..SIDE {
                    let mut g = [[0f32; LANES]; SIDE];
                    for row in 0..SIDE {
                        let tap = row * SIDE + column;
                        copy(&block[(tap * SOURCES + source) * width + begin..][..lanes], &mut g[row]);
                    }
                    let down = points_of([&g[0], &g[1], &g[2]]);
                    for row in 0..EDGE {
                        rows[row][column] = down[row];
                    }
                }
                let at = (first + source) * width + begin;
                for row in 0..EDGE {
                    let across = points_of([&rows[row][0], &rows[row][1], &rows[row][2]]);
                    for column in 0..EDGE {
                        copy(&across[column], &mut points[(row * EDGE + column) * count + at..][..lanes]);
                    }
                }
            }
        }
    }
}

/// The gradient of the filters of some outputs from that of their points.
///
/// # Shapes
/// `points` is `[36, outputs, inputs]`, `gradient` `[outputs.len(), 3, 3, inputs]`.
///
/// # Panics
/// The slices do not fit together.
pub fn filters_gradient(points: &[f32], inputs: usize, outputs: Range<usize>, gradient: &mut [f32]) {
    assert!(gradient.len() == outputs.len() * SIDE * SIDE * inputs && outputs.end * inputs * POINTS <= points.len());
    untransform(points, inputs, outputs.start, gradient);
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn untransform(points: &[f32], inputs: usize, first: usize, gradient: &mut [f32]) {
    let count = points.len() / POINTS;
    for (output, filter) in gradient.chunks_exact_mut(SIDE * SIDE * inputs).enumerate() {
        for begin in (0..inputs).step_by(LANES) {
            let lanes = LANES.min(inputs - begin);
            let at = (first + output) * inputs + begin;
            // Across, then down.
            let mut rows = [[[0f32; LANES]; SIDE]; EDGE];
            for row in 0..EDGE {
                let mut u = [[0f32; LANES]; EDGE];
                for column in 0..EDGE {
                    copy(&points[(row * EDGE + column) * count + at..][..lanes], &mut u[column]);
                }
                rows[row] = filter_of([&u[0], &u[1], &u[2], &u[3], &u[4], &u[5]]);
            }
            for column in 0..SIDE {
                let down = filter_of([
                    &rows[0][column],
                    &rows[1][column],
                    &rows[2][column],
                    &rows[3][column],
                    &rows[4][column],
                    &rows[5][column],
                ]);
                for row in 0..SIDE {
                    copy(&down[row], &mut filter[(row * SIDE + column) * inputs + begin..][..lanes]);
                }
            }
        }
    }
}
