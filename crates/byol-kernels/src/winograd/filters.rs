//! Filters to points, `G g G^T` (arXiv 1509.09308, section 4.2), and the gradient of points to that of filters, `G^T u G`.

use std::ops::Range;

use multiversion::multiversion;

use super::GAP;
use super::tile::Tile;
use super::transpose::{self, transpose};
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

/// How filters are transformed, panel by panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform {
    tile: Tile,
    /// Of inputs and outputs.
    channels: [usize; 2],
    direction: Direction,
}

impl Transform {
    /// Of filters with so many inputs and outputs.
    pub fn new(tile: Tile, channels: [usize; 2], direction: Direction) -> Transform {
        Transform { tile, channels, direction }
    }

    /// Channels of what is convolved, and of the result.
    fn ends(self) -> [usize; 2] {
        let [inputs, outputs] = self.channels;
        match self.direction {
            Direction::Forward => [inputs, outputs],
            Direction::Backward => [outputs, inputs],
        }
    }

    /// How many panels there are; in any order, on any threads.
    pub fn panels(self) -> usize {
        let [_, to] = self.ends();
        to.div_ceil(panel_columns(to))
    }

    /// Values of a panel.
    pub fn panel_values(self) -> usize {
        self.tile.points() * self.point_values()
    }

    /// Values of a point in a panel, and between points.
    fn point_values(self) -> usize {
        let [from, to] = self.ends();
        from * panel_columns(to) + GAP
    }

    /// Transforms what belongs to a panel.
    ///
    /// # Shapes
    /// `weight` is `[outputs, 3, 3, inputs]`, `points` has [`panel_values`](Self::panel_values).
    ///
    /// # Panics
    /// The slices are not so long, or there is no such panel.
    pub fn panel(self, weight: &[f32], number: usize, points: &mut [f32]) {
        let [inputs, outputs] = self.channels;
        assert!(weight.len() == outputs * SIDE * SIDE * inputs && points.len() == self.panel_values());
        let [from, to] = self.ends();
        let taps = match self.direction {
            Direction::Forward => Taps { from: 1, to: SIDE * SIDE * inputs, inputs, turned: false },
            Direction::Backward => Taps { from: SIDE * SIDE * inputs, to: 1, inputs, turned: true },
        };
        let width = panel_columns(to);
        let columns = number * width..to.min((number + 1) * width);
        match self.tile {
            Tile::Three => transform::<Three, 5>(weight, taps, from, columns, width, points),
            Tile::Four => transform::<Four, 6>(weight, taps, from, columns, width, points),
        }
    }

    /// All panels, one after the other.
    ///
    /// # Panics
    /// As [`panel`](Self::panel).
    pub fn all(self, weight: &[f32]) -> Vec<f32> {
        let mut points = vec![0.0; self.panels() * self.panel_values()];
        points.chunks_exact_mut(self.panel_values()).enumerate().for_each(|(number, panel)| {
            self.panel(weight, number, panel);
        });
        points
    }
}

/// Transformed filters: panels of columns, and in each for every point a matrix `[from, columns]`.
#[derive(Clone, Copy, Debug)]
pub struct Filters<'a> {
    points: &'a [f32],
    transform: Transform,
}

impl<'a> Filters<'a> {
    /// Those of which `points` begins with all panels, in order.
    ///
    /// # Panics
    /// It is shorter than that.
    pub fn new(transform: Transform, points: &'a [f32]) -> Filters<'a> {
        Filters { points: &points[..transform.panels() * transform.panel_values()], transform }
    }

    /// Channels of what is convolved, and of the result.
    pub fn channels(&self) -> [usize; 2] {
        self.transform.ends()
    }

    pub(super) fn tile(&self) -> Tile {
        self.transform.tile
    }

    /// `[from, to]`.
    pub(super) fn point(&self, point: usize) -> Panels<'_> {
        let transform = self.transform;
        let values = &self.points[point * transform.point_values()..];
        Panels { values, row: panel_columns(transform.ends()[1]), panel: transform.panel_values() }
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
const LANES: usize = transpose::SIDE;
/// Channels of what is convolved whose filters are put in order at a time: a cache line of them.
const SOURCES: usize = transpose::SIDE;

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

/// The first values of a slice: a whole lane of them, or so many and zeros.
#[inline(always)]
fn load<const WHOLE: bool>(from: &[f32], count: usize) -> Lane {
    if WHOLE {
        return *from.first_chunk().expect("a whole lane");
    }
    let mut lane = [0f32; LANES];
    lane[..count].copy_from_slice(&from[..count]);
    lane
}

/// Puts a whole lane at the beginning of a slice, or so many values of it.
#[inline(always)]
fn store<const WHOLE: bool>(lane: &Lane, to: &mut [f32], count: usize) {
    if WHOLE {
        *to.first_chunk_mut().expect("a whole lane") = *lane;
    } else {
        to[..count].copy_from_slice(&lane[..count]);
    }
}

/// `G` of a tile with so many points along a side.
trait Matrix<const EDGE: usize> {
    /// `G` times three numbers.
    fn points_of(g: [&Lane; SIDE]) -> [Lane; EDGE];
    /// `G^T` times the numbers at points.
    fn filter_of(u: [&Lane; EDGE]) -> [Lane; SIDE];
}

/// That of [`Tile::Three`].
struct Three;

/// That of [`Tile::Four`].
struct Four;

/// Rows 1/2, -1/2 ±1/2 -1/2, -1/6 1/6 -1/6, 1/6 1/3 2/3 and 1.
impl Matrix<5> for Three {
    #[inline(always)]
    fn points_of(g: [&Lane; SIDE]) -> [Lane; 5] {
        let [first, middle, last] = g;
        let ends = plus(first, last);
        [
            times(1.0 / 2.0, first),
            times(-1.0 / 2.0, &plus(&ends, middle)),
            times(-1.0 / 6.0, &minus(&ends, middle)),
            plus(&times(1.0 / 6.0, first), &plus(&times(1.0 / 3.0, middle), &times(2.0 / 3.0, last))),
            *last,
        ]
    }

    #[inline(always)]
    fn filter_of(u: [&Lane; 5]) -> [Lane; SIDE] {
        let [near, far, beyond] = [times(1.0 / 2.0, u[1]), times(1.0 / 6.0, u[2]), times(1.0 / 6.0, u[3])];
        let both = plus(&near, &far);
        [
            plus(&minus(&times(1.0 / 2.0, u[0]), &both), &beyond),
            plus(&minus(&far, &near), &times(2.0, &beyond)),
            plus(&minus(&times(4.0, &beyond), &both), u[4]),
        ]
    }
}

/// Rows 1/4, -1/6 ±1/6 -1/6, 1/24 ±1/12 1/6 and 1.
impl Matrix<6> for Four {
    #[inline(always)]
    fn points_of(g: [&Lane; SIDE]) -> [Lane; 6] {
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

    #[inline(always)]
    fn filter_of(u: [&Lane; 6]) -> [Lane; SIDE] {
        let near = times(-1.0 / 6.0, &plus(u[1], u[2]));
        let (far, difference) = (plus(u[3], u[4]), minus(u[3], u[4]));
        [
            plus(&plus(&times(1.0 / 4.0, u[0]), &near), &times(1.0 / 24.0, &far)),
            plus(&times(1.0 / 6.0, &minus(u[2], u[1])), &times(1.0 / 12.0, &difference)),
            plus(&plus(&near, &times(1.0 / 6.0, &far)), u[5]),
        ]
    }
}

/// A panel of some columns of the result's channels, `[points, from, width]` with a gap after each point.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn transform<M: Matrix<EDGE>, const EDGE: usize>(
    weight: &[f32],
    taps: Taps,
    from: usize,
    columns: Range<usize>,
    width: usize,
    points: &mut [f32],
) {
    let count = points.len() / (EDGE * EDGE);
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
                    block[source * width..][..columns.len()]
                        .copy_from_slice(&values[source * taps.from..][..columns.len()]);
                }
            } else {
                let whole = if sources == SOURCES { columns.len() / LANES * LANES } else { 0 };
                for begin in (0..whole).step_by(LANES) {
                    transpose(&values[begin * taps.to..], taps.to, &mut block[begin..], width);
                }
                for column in whole..columns.len() {
                    let values = &values[column * taps.to..][..sources];
                    for source in 0..sources {
                        block[source * width + column] = values[source];
                    }
                }
            }
        }
        for source in 0..sources {
            let whole = columns.len() / LANES * LANES;
            for begin in (0..whole).step_by(LANES) {
                let numbers = &block[source * width + begin..];
                let points = &mut points[(first + source) * width + begin..];
                lane_to_points::<M, EDGE, true>(numbers, SOURCES * width, points, count, LANES);
            }
            if whole < columns.len() {
                let numbers = &block[source * width + whole..];
                let points = &mut points[(first + source) * width + whole..];
                lane_to_points::<M, EDGE, false>(numbers, SOURCES * width, points, count, columns.len() - whole);
            }
        }
    }
}

/// The points of a lane of filters; one of the nine numbers comes so many values after the other, and so the points.
#[inline(always)]
fn lane_to_points<M: Matrix<EDGE>, const EDGE: usize, const WHOLE: bool>(
    numbers: &[f32],
    from_number: usize,
    points: &mut [f32],
    from_point: usize,
    lanes: usize,
) {
    // Down, then across.
    let mut rows = [[[0f32; LANES]; SIDE]; EDGE];
    for column in 0..SIDE {
        let mut g = [[0f32; LANES]; SIDE];
        for row in 0..SIDE {
            g[row] = load::<WHOLE>(&numbers[(row * SIDE + column) * from_number..], lanes);
        }
        let down = M::points_of(g.each_ref());
        for row in 0..EDGE {
            rows[row][column] = down[row];
        }
    }
    for row in 0..EDGE {
        let across = M::points_of(rows[row].each_ref());
        for column in 0..EDGE {
            store::<WHOLE>(&across[column], &mut points[(row * EDGE + column) * from_point..], lanes);
        }
    }
}

/// The gradient of the filters of some outputs from that of their points.
///
/// # Shapes
/// `points` is `[points, outputs, inputs]`, `gradient` `[outputs.len(), 3, 3, inputs]`.
///
/// # Panics
/// The slices do not fit together.
pub fn filters_gradient(tile: Tile, points: &[f32], inputs: usize, outputs: Range<usize>, gradient: &mut [f32]) {
    assert!(gradient.len() == outputs.len() * SIDE * SIDE * inputs);
    assert!(outputs.end * inputs * tile.points() <= points.len());
    match tile {
        Tile::Three => untransform::<Three, 5>(points, inputs, outputs.start, gradient),
        Tile::Four => untransform::<Four, 6>(points, inputs, outputs.start, gradient),
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
fn untransform<M: Matrix<EDGE>, const EDGE: usize>(points: &[f32], inputs: usize, first: usize, gradient: &mut [f32]) {
    let count = points.len() / (EDGE * EDGE);
    let whole = inputs / LANES * LANES;
    for (output, filter) in gradient.chunks_exact_mut(SIDE * SIDE * inputs).enumerate() {
        let points = &points[(first + output) * inputs..];
        for begin in (0..whole).step_by(LANES) {
            lane_to_filter::<M, EDGE, true>(&points[begin..], count, &mut filter[begin..], inputs, LANES);
        }
        if whole < inputs {
            let rest = inputs - whole;
            lane_to_filter::<M, EDGE, false>(&points[whole..], count, &mut filter[whole..], inputs, rest);
        }
    }
}

/// A lane of filters' gradients from those of their points; both as in [`lane_to_points`].
#[inline(always)]
fn lane_to_filter<M: Matrix<EDGE>, const EDGE: usize, const WHOLE: bool>(
    points: &[f32],
    from_point: usize,
    filter: &mut [f32],
    from_number: usize,
    lanes: usize,
) {
    // Across, then down.
    let mut rows = [[[0f32; LANES]; SIDE]; EDGE];
    for row in 0..EDGE {
        let mut u = [[0f32; LANES]; EDGE];
        for column in 0..EDGE {
            u[column] = load::<WHOLE>(&points[(row * EDGE + column) * from_point..], lanes);
        }
        rows[row] = M::filter_of(u.each_ref());
    }
    for column in 0..SIDE {
        let mut u = [&rows[0][column]; EDGE];
        for row in 0..EDGE {
            u[row] = &rows[row][column];
        }
        let down = M::filter_of(u);
        for row in 0..SIDE {
            store::<WHOLE>(&down[row], &mut filter[(row * SIDE + column) * from_number..], lanes);
        }
    }
}
