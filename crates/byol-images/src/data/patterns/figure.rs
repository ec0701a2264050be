//! The ten classes: each an endless figure over the plane. No nuisance and no pixels.

use super::wave::{angle, nearest, sine, triangle};

/// What an image shows. The discriminant is the class index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    Stripes,
    Checks,
    Dots,
    Rings,
    Spokes,
    Waves,
    Bricks,
    Spirals,
    Grids,
    Zigzag,
}

impl Figure {
    /// In the order of the class indices.
    pub(super) const ALL: [Figure; 10] = [
        Figure::Stripes,
        Figure::Checks,
        Figure::Dots,
        Figure::Rings,
        Figure::Spokes,
        Figure::Waves,
        Figure::Bricks,
        Figure::Spirals,
        Figure::Grids,
        Figure::Zigzag,
    ];

    /// The class name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Figure::Stripes => "stripes",
            Figure::Checks => "checks",
            Figure::Dots => "dots",
            Figure::Rings => "rings",
            Figure::Spokes => "spokes",
            Figure::Waves => "waves",
            Figure::Bricks => "bricks",
            Figure::Spirals => "spirals",
            Figure::Grids => "grids",
            Figure::Zigzag => "zigzag",
        }
    }

    /// The length of one period, as a multiple of the image's common one: figures whose period holds much detail
    /// need more room.
    pub(super) fn period(self) -> f32 {
        match self {
            Figure::Stripes | Figure::Waves | Figure::Zigzag => 1.0,
            Figure::Grids => 1.35,
            Figure::Bricks => 1.2,
            Figure::Dots => 1.35,
            Figure::Checks => 1.8,
            Figure::Rings | Figure::Spokes | Figure::Spirals => 2.9,
        }
    }

    /// The signed height of the figure at points that are given in periods: above 0 is figure, below 0 is ground; about
    /// -1 to 1, linear across an edge.
    ///
    /// # Shapes
    /// `x`, `y` and `heights` are of one length.
    pub(super) fn heights(self, x: &[f32], y: &[f32], heights: &mut [f32]) {
        // One loop per figure: the compiler vectorises each.
        match self {
            Figure::Stripes => fill(x, y, heights, |x, _| triangle(x)),
            Figure::Checks => fill(x, y, heights, |x, y| {
                let (a, b) = (triangle(x), triangle(y));
                1.6 * a.abs().min(b.abs()).copysign(a * b)
            }),
            Figure::Dots => fill(x, y, heights, |x, y| {
                let (x, y, _) = cell(x, y);
                1.0 - 3.2 * (x * x + y * y).sqrt()
            }),
            Figure::Rings => fill(x, y, heights, |x, y| {
                let (x, y, _) = cell(x, y);
                triangle(2.9 * (x * x + y * y).sqrt())
            }),
            Figure::Spokes => fill(x, y, heights, |x, y| {
                let (x, y, turn) = cell(x, y);
                triangle(5.0 * angle(y, x) + turn)
            }),
            Figure::Waves => fill(x, y, heights, |x, y| triangle(x + 0.42 * sine(0.3 * y))),
            Figure::Bricks => fill(x, y, heights, |x, y| {
                let bed = 1.0 - triangle(y + 0.5);
                let joint = 2.0 * (1.0 - triangle(0.5 * (x + nearest(y))));
                0.75 * bed.min(joint) - 0.45
            }),
            Figure::Spirals => fill(x, y, heights, |x, y| {
                let (x, y, turn) = cell(x, y);
                triangle(1.6 * (x * x + y * y).sqrt() + 3.0 * angle(y, x) + turn)
            }),
            Figure::Grids => fill(x, y, heights, |x, y| {
                let (across, along) = (1.0 - triangle(x), 1.0 - triangle(y));
                0.9 * across.min(along) - 0.5
            }),
            Figure::Zigzag => fill(x, y, heights, |x, y| triangle(x + 0.5 * triangle(0.42 * y))),
        }
    }
}

#[inline]
fn fill(x: &[f32], y: &[f32], heights: &mut [f32], height: impl Fn(f32, f32) -> f32) {
    for (out, (&x, &y)) in heights.iter_mut().zip(x.iter().zip(y)) {
        *out = height(x, y);
    }
}

/// The position within the unit cell of a brick-wise lattice, from its centre, and a number of turns that differs from
/// cell to cell.
#[inline]
fn cell(x: f32, y: f32) -> (f32, f32, f32) {
    let row = nearest(y);
    let x = x + 0.5 * row;
    let column = nearest(x);
    (x - column, y - row, row * 0.37 + column * 0.23)
}
