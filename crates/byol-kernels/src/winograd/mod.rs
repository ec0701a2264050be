//! Convolutions 3x3 with stride 1 and padding 1 in fewer multiplications: Winograd's F(3x3, 3x3) and F(4x4, 3x3), as A. Lavin and S. Gray
//! have them (arXiv 1509.09308), in float32 over images whose channels lie last in memory.
//!
//! A tile of inputs gives one of outputs. Both and the filters are turned into some numbers per channel ("points"), between which a
//! convolution is as many matrix products over channels: 36 multiplications for 4x4 outputs instead of 144, or 25 for 3x3 instead of 81.
//! Where an image's sides are no multiples of a tile's, tiles reach beyond it, and less is gained: [`Grid::of`] takes the better tile.

mod filters;
mod lines;
mod tile;
mod transpose;

use std::ops::Range;

pub use self::filters::{Direction, Filters, Transform, filters_gradient};
use self::tile::MOST_EDGE;
pub use self::tile::Tile;
use crate::product::Matrix;
use crate::product::panels::{Panels, multiply_panels, panel_columns};

/// Values between tiles that are not theirs: with a power of two from one to the next, all would share few places in the cache.
const GAP: usize = 16;

/// How many values there are from one tile, and from one point, to the next.
#[derive(Clone, Copy)]
struct Strides {
    tile: usize,
    point: usize,
}

impl Strides {
    fn of(channels: usize, tiles: usize) -> Strides {
        let tile = channels + GAP;
        Strides { tile, point: tiles * tile }
    }
}

/// Height and width of images, in pixels, and the tiles that they are divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    height: usize,
    width: usize,
    tile: Tile,
}

impl Grid {
    /// Tiles that take the fewest multiplications; of equally many, the smaller ones, whose filters are smaller, too.
    pub fn of(height: usize, width: usize) -> Grid {
        let [three, four] = [Tile::Three, Tile::Four].map(|tile| Grid { height, width, tile });
        if three.multiplications() <= four.multiplications() { three } else { four }
    }

    pub fn height(self) -> usize {
        self.height
    }

    pub fn width(self) -> usize {
        self.width
    }

    pub fn tile(self) -> Tile {
        self.tile
    }

    /// For an image, of every pair of channels; without Winograd nine for every pixel.
    pub fn multiplications(self) -> usize {
        self.tile.points() * self.down() * self.across()
    }

    /// Rows of tiles in an image.
    pub fn down(self) -> usize {
        self.height.div_ceil(self.tile.outputs())
    }

    /// Tiles in a row of them.
    pub fn across(self) -> usize {
        self.width.div_ceil(self.tile.outputs())
    }

    /// Pixels of all images before a row of tiles, counted through all of them.
    pub fn pixels_before(self, row: usize) -> usize {
        let (image, row) = (row / self.down(), row % self.down());
        (image * self.height + row * self.tile.outputs()) * self.width
    }

    /// The first pixel of an image, and the row of pixels in it at which a row of tiles begins.
    fn place(self, row: usize) -> (usize, usize) {
        (row / self.down() * self.height * self.width, row % self.down() * self.tile.outputs())
    }

    /// Values of a transformed row of pixels, with what tiles reach beyond it.
    fn line(self, channels: usize) -> usize {
        (self.across() * self.tile.outputs() + self.tile.edge() - self.tile.outputs()) * channels
    }
}

/// Memory that a thread keeps from one call to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    points: [Vec<f32>; 2],
    lines: Vec<f32>,
    zeros: Vec<f32>,
}

impl Scratch {
    /// At least as much of everything as these images need; `zeros` are zeros.
    fn fit(&mut self, grid: Grid, channels: [usize; 2], points: usize, tiles: usize) {
        let most = channels[0].max(channels[1]);
        let grow = |values: &mut Vec<f32>, count| values.resize(values.len().max(count), 0.0);
        for (values, channels) in self.points.iter_mut().zip(channels) {
            grow(values, points * Strides::of(channels, tiles).point);
        }
        grow(&mut self.lines, (MOST_EDGE + 1) * grid.line(most));
        grow(&mut self.zeros, grid.width * most);
    }
}

/// What is done to outputs before they go to memory.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a> {
    /// Added, for every channel.
    pub bias: &'a [f32],
    /// Whether what is in the outputs' memory is added.
    pub onto: bool,
    /// Whether what is negative becomes 0.
    pub relu: bool,
}

/// The outputs of some rows of tiles, counted through all images: `y` holds their pixels, from
/// [`Grid::pixels_before`] the first row to the same before the end, `x` all images, without regard to padding.
///
/// # Shapes
/// `x` is `[batch, height, width, from]`, `y` `[pixels, to]`, with the channels of `filters`.
///
/// # Panics
/// A slice is shorter than that, or the filters are of other tiles.
pub fn convolve(
    grid: Grid,
    filters: &Filters,
    x: &[f32],
    rows: Range<usize>,
    scratch: &mut Scratch,
    finish: Option<Finish>,
    y: &mut [f32],
) {
    assert_eq!(grid.tile, filters.tile());
    let (edge, points_of_tile) = (grid.tile.edge(), grid.tile.points());
    let [from, to] = filters.channels();
    let (across, tiles) = (grid.across(), rows.len() * grid.across());
    let strides = [from, to].map(|channels| Strides::of(channels, tiles));
    scratch.fit(grid, [from, to], points_of_tile, tiles);
    let Scratch { points: [inputs, products], lines, zeros } = scratch;
    for (number, row) in rows.clone().enumerate() {
        let (first, top) = grid.place(row);
        let image = &x[first * from..][..grid.height * grid.width * from];
        let points = &mut inputs[number * across * strides[0].tile..];
        lines::input(image, grid, from, top, 0..edge, lines, zeros, points, strides[0]);
    }
    for point in 0..points_of_tile {
        let inputs = Matrix::new(&inputs[point * strides[0].point..], [strides[0].tile, 1]);
        let products = (&mut products[point * strides[1].point..], strides[1].tile);
        multiply_panels([tiles, from, to], inputs, filters.point(point), false, products);
    }
    let start = grid.pixels_before(rows.start);
    for (number, row) in rows.enumerate() {
        let (_, top) = grid.place(row);
        let pixels = grid.tile.outputs().min(grid.height - top) * grid.width;
        let y = &mut y[(grid.pixels_before(row) - start) * to..][..pixels * to];
        lines::output(&products[number * across * strides[1].tile..], strides[1], lines, grid, to, finish, y);
    }
}

/// What part of the gradient of the filters' points a task computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointsPart {
    /// Rows of points.
    pub vertical: Range<usize>,
    /// Channels of the outputs.
    pub outputs: Range<usize>,
}

/// A part of the gradient of the filters' points, from rows of tiles: in place of what is in `sums`, or added to it if `add`.
///
/// # Shapes
/// `x` is `[batch, height, width, inputs]`, `gradient` `[batch, height, width, outputs]` with `channels` as inputs and outputs;
/// `sums` gives for each point of the part, counted from its first, the memory of `[outputs of the part, inputs]`.
///
/// # Panics
/// A slice is shorter than that.
#[expect(clippy::too_many_arguments, reason = "what it is of, which part of it, and where it goes")]
pub fn points_gradient<'a>(
    grid: Grid,
    channels: [usize; 2],
    [x, gradient]: [&[f32]; 2],
    rows: Range<usize>,
    part: &PointsPart,
    scratch: &mut Scratch,
    add: bool,
    sums: impl Fn(usize) -> &'a mut [f32],
) {
    let [inputs, outputs] = channels;
    let (vertical, points) = (part.vertical.clone(), part.vertical.len() * grid.tile.edge());
    let (across, tiles) = (grid.across(), rows.len() * grid.across());
    let strides = channels.map(|channels| Strides::of(channels, tiles));
    scratch.fit(grid, channels, points, tiles);
    let Scratch { points: [of_inputs, of_gradients], lines, zeros } = scratch;
    for (number, row) in rows.enumerate() {
        let (first, top) = grid.place(row);
        let pixels = grid.height * grid.width;
        let image = &x[first * inputs..][..pixels * inputs];
        let points = &mut of_inputs[number * across * strides[0].tile..];
        lines::input(image, grid, inputs, top, vertical.clone(), lines, zeros, points, strides[0]);
        let image = &gradient[first * outputs..][..pixels * outputs];
        let points = &mut of_gradients[number * across * strides[1].tile..];
        lines::gradient(image, grid, outputs, top, vertical.clone(), lines, zeros, points, strides[1]);
    }
    for point in 0..points {
        let gradients = &of_gradients[point * strides[1].point + part.outputs.start..];
        let gradients = Matrix::new(gradients, [strides[1].tile, 1]).transposed();
        let of_inputs = &of_inputs[point * strides[0].point..];
        let of_inputs = Panels { values: of_inputs, row: strides[0].tile, panel: panel_columns(inputs) };
        multiply_panels([part.outputs.len(), tiles, inputs], gradients, of_inputs, add, (sums(point), inputs));
    }
}
