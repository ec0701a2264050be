//! Gaussian blur. No colours.
//!
//! The kernel is separable; each output row is made along columns, then along the row, with 16-bit fixed-point numbers
//! (7 bits after the point) between the two. Edges are mirrored without repeating the outermost pixel.

use multiversion::multiversion;

use super::planes::Planes;

/// Scratch memory of the blur.
#[derive(Clone, Debug, Default)]
pub struct Blurrer {
    /// Weight of the central pixel, 15 bits after the point.
    centre: u16,
    /// Weights of the two pixels at distance 1, 2, …, 16 bits after the point, repeated for every lane.
    pairs: Vec<[u16; LANES]>,
    exact: Vec<f64>,
    /// One row, blurred along columns, with mirrored margins.
    row: Vec<u16>,
}

/// Levels that are made at a time.
const LANES: usize = 32;
/// Bits after the point between the two directions.
const FRACTION_BITS: u32 = 7;
/// Weight that may be cut off from the two tails together: an eighth of a level.
const TAILS: f64 = 1.0 / 2048.0;

impl Blurrer {
    /// Blurs `source` into `target`, of the same side, with a kernel of `size` (odd) pixels.
    ///
    /// Returns false, and leaves `target` alone, where the kernel is so narrow that nothing changes. The kernel's half
    /// must be smaller than the side.
    pub fn blur(&mut self, source: &Planes, sigma: f32, size: usize, channels: usize, target: &mut Planes) -> bool {
        self.set_weights(f64::from(sigma), size / 2);
        if self.pairs.is_empty() {
            return false;
        }
        let side = source.side();
        let margin = self.pairs.len();
        self.row.resize(side.next_multiple_of(LANES) + 2 * margin, 0);
        for channel in 0..channels {
            blur_plane(
                source.plane_and_beyond(channel),
                side,
                self.centre,
                &self.pairs,
                &mut self.row,
                target.plane_and_beyond_mut(channel),
            );
        }
        true
    }

    fn set_weights(&mut self, sigma: f64, radius: usize) {
        self.exact.clear();
        self.exact.extend((0..=radius).map(|distance| (-0.5 * (distance as f64 / sigma).powi(2)).exp()));
        let total: f64 = 2.0 * self.exact.iter().sum::<f64>() - self.exact[0];
        let mut tails = 0.0;
        while let [_, .., last] = self.exact[..] {
            tails += 2.0 * last / total;
            if tails >= TAILS {
                break;
            }
            self.exact.pop();
        }
        let total: f64 = 2.0 * self.exact.iter().sum::<f64>() - self.exact[0];
        self.pairs.clear();
        self.pairs.extend(self.exact[1..].iter().map(|weight| [(weight / total * 65536.0).round() as u16; LANES]));
        // All weights add up to exactly 1, so that a plain area keeps its level.
        self.centre = (32768 - self.pairs.iter().map(|weight| u32::from(weight[0])).sum::<u32>()) as u16;
    }
}

#[multiversion(targets("x86_64+avx512f", "x86_64+avx2"))]
fn blur_plane(source: &[u8], side: usize, centre: u16, pairs: &[[u16; LANES]], row: &mut [u16], target: &mut [u8]) {
    let margin = pairs.len();
    // Each product is cut to an integer: half a unit is lost on average.
    let lost = (pairs.len() as u16).div_ceil(2);
    for y in 0..side {
        for x in (0..side).step_by(LANES) {
            let mut sum = [lost; LANES];
            let levels = |row: usize| lanes(source, row * side + x);
            add_centre(&mut sum, levels(y), centre);
            for (index, weight) in pairs.iter().enumerate() {
                let distance = index + 1;
                let above = y.abs_diff(distance);
                let below = mirror(y + distance, side);
                add_pair(&mut sum, levels(above), levels(below), weight);
            }
            row[margin + x..][..LANES].copy_from_slice(&sum);
        }
        for distance in 1..=margin {
            row[margin - distance] = row[margin + distance];
            row[margin + side - 1 + distance] = row[margin + side - 1 - distance];
        }
        for x in (0..side).step_by(LANES) {
            let mut sum = [lost; LANES];
            let blurred = |at: usize| {
                let mut lanes = [0; LANES];
                lanes.copy_from_slice(&row[at + x..][..LANES]);
                lanes
            };
            add_centre(&mut sum, blurred(margin), centre);
            for (index, weight) in pairs.iter().enumerate() {
                add_pair(&mut sum, blurred(margin - index - 1), blurred(margin + index + 1), weight);
            }
            for (level, sum) in target[y * side + x..][..LANES].iter_mut().zip(sum) {
                *level = ((sum + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS).min(255) as u8;
            }
        }
    }
}

/// The index that a mirrored edge shows at `index`, up to one side beyond the last.
#[inline(always)]
fn mirror(index: usize, side: usize) -> usize {
    if index < side { index } else { 2 * (side - 1) - index }
}

/// [`LANES`] levels from `at`, with [`FRACTION_BITS`].
#[inline(always)]
fn lanes(source: &[u8], at: usize) -> [u16; LANES] {
    let mut lanes = [0; LANES];
    for (lane, &level) in lanes.iter_mut().zip(&source[at..][..LANES]) {
        *lane = u16::from(level) << FRACTION_BITS;
    }
    lanes
}

#[inline(always)]
fn add_centre(sum: &mut [u16; LANES], levels: [u16; LANES], weight: u16) {
    for lane in 0..LANES {
        sum[lane] += high_half(levels[lane] << 1, weight);
    }
}

#[inline(always)]
fn add_pair(sum: &mut [u16; LANES], one: [u16; LANES], other: [u16; LANES], weight: &[u16; LANES]) {
    for lane in 0..LANES {
        sum[lane] += high_half(one[lane] + other[lane], weight[lane]);
    }
}

#[inline(always)]
fn high_half(a: u16, b: u16) -> u16 {
    ((u32::from(a) * u32::from(b)) >> 16) as u16
}
