//! Which tiles an image is divided into, and the matrices that take them to points and back (arXiv 1509.09308, section 4). All come from
//! the construction of Cook and Toom: polynomials are multiplied by their values at a few numbers and at infinity. Tiles of 4x4 outputs
//! have 0, ±1 and ±2 (the paper's section 4.3), tiles of 3x3 outputs 0, ±1 and 2.

#![expect(clippy::neg_multiply, reason = "the matrices as they are printed, a factor for every term")]

/// A tile by the outputs that it gives, 3x3 or 4x4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 5x5 inputs, 25 multiplications for 9 outputs instead of 81.
    Three,
    /// 6x6 inputs, 36 multiplications for 16 outputs instead of 144.
    Four,
}

/// Side of the largest tile of inputs.
pub(super) const MOST_EDGE: usize = 6;
/// Side of the largest tile of outputs.
pub(super) const MOST_OUTPUTS: usize = 4;

impl Tile {
    /// Side of a tile of inputs.
    pub const fn edge(self) -> usize {
        self.outputs() + 2
    }

    /// Side of the tile of outputs that it gives.
    pub const fn outputs(self) -> usize {
        match self {
            Tile::Three => 3,
            Tile::Four => 4,
        }
    }

    /// Numbers that a tile becomes, for every channel.
    pub const fn points(self) -> usize {
        self.edge() * self.edge()
    }
}

/// `$to = $factor * $from + ...`, value by value.
macro_rules! sum {
    ($to:ident; $($name:ident: $factor:literal * $from:expr),+) => {{
        let count = $to.len();
        $(let $name = &$from[..count];)+
        for index in 0..count {
            $to[index] = sum!(@terms index; $($factor * $name),+);
        }
    }};
    (@terms $index:ident; $factor:literal * $name:ident $(, $factors:literal * $names:ident)*) => {
        $factor * $name[$index] $(+ $factors * $names[$index])*
    };
}

/// A row of `B^T`, times inputs.
#[inline(always)]
pub(super) fn input_point(tile: Tile, point: usize, d: [&[f32]; MOST_EDGE], to: &mut [f32]) {
    match (tile, point) {
        (Tile::Three, 0) => sum!(to; a: 2.0 * d[0], b: -1.0 * d[1], c: -2.0 * d[2], d: 1.0 * d[3]),
        (Tile::Three, 1) => sum!(to; a: -2.0 * d[1], b: -1.0 * d[2], c: 1.0 * d[3]),
        (Tile::Three, 2) => sum!(to; a: 2.0 * d[1], b: -3.0 * d[2], c: 1.0 * d[3]),
        (Tile::Three, 3) => sum!(to; a: -1.0 * d[1], b: 1.0 * d[3]),
        (Tile::Three, _) => sum!(to; a: 2.0 * d[1], b: -1.0 * d[2], c: -2.0 * d[3], d: 1.0 * d[4]),
        (Tile::Four, 0) => sum!(to; a: 4.0 * d[0], b: -5.0 * d[2], c: 1.0 * d[4]),
        (Tile::Four, 1) => sum!(to; a: -4.0 * d[1], b: -4.0 * d[2], c: 1.0 * d[3], d: 1.0 * d[4]),
        (Tile::Four, 2) => sum!(to; a: 4.0 * d[1], b: -4.0 * d[2], c: -1.0 * d[3], d: 1.0 * d[4]),
        (Tile::Four, 3) => sum!(to; a: -2.0 * d[1], b: -1.0 * d[2], c: 2.0 * d[3], d: 1.0 * d[4]),
        (Tile::Four, 4) => sum!(to; a: 2.0 * d[1], b: -1.0 * d[2], c: -2.0 * d[3], d: 1.0 * d[4]),
        (Tile::Four, _) => sum!(to; a: 4.0 * d[1], b: -5.0 * d[3], c: 1.0 * d[5]),
    }
}

/// A row of `A`, times gradients of outputs.
#[inline(always)]
pub(super) fn gradient_point(tile: Tile, point: usize, g: [&[f32]; MOST_OUTPUTS], to: &mut [f32]) {
    match (tile, point) {
        (_, 0) => sum!(to; a: 1.0 * g[0]),
        (Tile::Three, 1) => sum!(to; a: 1.0 * g[0], b: 1.0 * g[1], c: 1.0 * g[2]),
        (Tile::Three, 2) => sum!(to; a: 1.0 * g[0], b: -1.0 * g[1], c: 1.0 * g[2]),
        (Tile::Three, 3) => sum!(to; a: 1.0 * g[0], b: 2.0 * g[1], c: 4.0 * g[2]),
        (Tile::Three, _) => sum!(to; a: 1.0 * g[2]),
        (Tile::Four, 1) => sum!(to; a: 1.0 * g[0], b: 1.0 * g[1], c: 1.0 * g[2], d: 1.0 * g[3]),
        (Tile::Four, 2) => sum!(to; a: 1.0 * g[0], b: -1.0 * g[1], c: 1.0 * g[2], d: -1.0 * g[3]),
        (Tile::Four, 3) => sum!(to; a: 1.0 * g[0], b: 2.0 * g[1], c: 4.0 * g[2], d: 8.0 * g[3]),
        (Tile::Four, 4) => sum!(to; a: 1.0 * g[0], b: -2.0 * g[1], c: 4.0 * g[2], d: -8.0 * g[3]),
        (Tile::Four, _) => sum!(to; a: 1.0 * g[3]),
    }
}

/// A row of `A^T`, times products of points.
#[inline(always)]
pub(super) fn output_pixel(tile: Tile, pixel: usize, m: [&[f32]; MOST_EDGE], to: &mut [f32]) {
    match (tile, pixel) {
        (Tile::Three, 0) => sum!(to; a: 1.0 * m[0], b: 1.0 * m[1], c: 1.0 * m[2], d: 1.0 * m[3]),
        (Tile::Three, 1) => sum!(to; a: 1.0 * m[1], b: -1.0 * m[2], c: 2.0 * m[3]),
        (Tile::Three, _) => sum!(to; a: 1.0 * m[1], b: 1.0 * m[2], c: 4.0 * m[3], d: 1.0 * m[4]),
        (Tile::Four, 0) => sum!(to; a: 1.0 * m[0], b: 1.0 * m[1], c: 1.0 * m[2], d: 1.0 * m[3], e: 1.0 * m[4]),
        (Tile::Four, 1) => sum!(to; a: 1.0 * m[1], b: -1.0 * m[2], c: 2.0 * m[3], d: -2.0 * m[4]),
        (Tile::Four, 2) => sum!(to; a: 1.0 * m[1], b: 1.0 * m[2], c: 4.0 * m[3], d: 4.0 * m[4]),
        (Tile::Four, _) => sum!(to; a: 1.0 * m[1], b: -1.0 * m[2], c: 8.0 * m[3], d: -8.0 * m[4], e: 1.0 * m[5]),
    }
}
