//! What one image looks like, in few bytes: a digest of its pixels, and a miniature by which images that were stored
//! anew or scaled are known again. Finding equal ones among many is in [`super::duplicates`].

use sha2::{Digest, Sha256};

use super::Image;

/// Columns and rows of the miniature that near duplicates are looked for by.
const COLUMNS: usize = 9;
const ROWS: usize = 8;
/// Columns and rows of the finer one, by which different images before one background are told apart.
const FINE: usize = 16;

/// Two images look alike if at most so many of the 64 brightness steps between neighbours differ (those in flat places are
/// turned by every rounding), ...
pub(super) const MOST_STEPS: u32 = 8;
/// ... and if their miniatures differ by at most so many levels on average, ...
const MOST_LEVELS: u32 = 6;
/// ... and if no part of the finer ones differs by more levels, beyond what all of it does, ...
const MOST_FINE: i32 = 16;
/// ... and only if there is something to see: levels between the darkest and the brightest part of the miniature.
const LEAST_CONTRAST: u8 = 16;

/// The levels of the miniatures of images that look alike differ by at most so much in sum.
pub(super) const MOST_SUM: u32 = MOST_LEVELS * (COLUMNS * ROWS) as u32;

/// What one image looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Of size and pixels.
    digest: [u8; 16],
    miniature: [u8; COLUMNS * ROWS],
    fine: [u8; FINE * FINE],
    /// A bit per pair of neighbours in a row of the miniature: whether the left one is brighter (dHash).
    steps: u64,
}

impl Look {
    /// Looks at an image.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let mut hash = Sha256::new();
        hash.update((image.width as u64).to_le_bytes());
        hash.update(&image.pixels);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        let (mut small, mut fine) = ([0; COLUMNS * ROWS], [0; FINE * FINE]);
        miniature(image, COLUMNS, &mut small);
        miniature(image, FINE, &mut fine);
        let mut steps = 0;
        for row in small.chunks_exact(COLUMNS) {
            for pair in row.windows(2) {
                steps = steps << 1 | u64::from(pair[0] > pair[1]);
            }
        }
        Look { digest, miniature: small, fine, steps }
    }

    /// Equal for images of equal size and pixels.
    #[doc(hidden)]
    pub fn digest(&self) -> [u8; 16] {
        self.digest
    }

    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// The sum of the miniature's levels.
    pub(super) fn sum(&self) -> u32 {
        self.miniature.iter().map(|&level| u32::from(level)).sum()
    }

    /// Whether there is something to compare.
    pub(super) fn has_contrast(&self) -> bool {
        let (least, most) = (self.miniature.iter().min(), self.miniature.iter().max());
        most.zip(least).is_some_and(|(most, least)| most - least >= LEAST_CONTRAST)
    }

    /// How many steps differ; none if they do not look alike.
    pub(super) fn distance(&self, other: &Look) -> Option<u32> {
        let steps = (self.steps ^ other.steps).count_ones();
        if steps > MOST_STEPS {
            return None;
        }
        let pairs = self.miniature.iter().zip(&other.miniature);
        let levels: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        (levels <= MOST_SUM && self.is_like_in_parts(other)).then_some(steps)
    }

    /// Whether every part of the finer miniatures differs by about the same: one image that is a little brighter is the
    /// same, one in which a thing has moved is not.
    fn is_like_in_parts(&self, other: &Look) -> bool {
        let differences = || self.fine.iter().zip(&other.fine).map(|(&a, &b)| i32::from(a) - i32::from(b));
        let parts = (FINE * FINE) as i32;
        let sum: i32 = differences().sum();
        differences().all(|difference| (parts * difference - sum).abs() <= parts * MOST_FINE)
    }
}

/// Mean brightness of the parts of an image, `columns` in a row. A pixel that two parts share counts in both, by how much of
/// it each has, so that a scaled image has the same miniature.
fn miniature(image: &Image, columns: usize, miniature: &mut [u8]) {
    let rows = miniature.len() / columns;
    let (width, height) = (image.width, image.height);
    let area = width * height;
    if area == 0 || image.pixels.len() < 3 * area {
        return;
    }
    let (red, rest) = image.pixels.split_at(area);
    let (green, blue) = rest.split_at(area);
    // Per row of the miniature, the brightness of every column of pixels: sums that vectorise.
    let mut sums = vec![0u64; rows * width];
    for y in 0..height {
        let line = y * width..(y + 1) * width;
        let (red, green, blue) = (&red[line.clone()], &green[line.clone()], &blue[line]);
        for (row, share) in shares(y, height, rows) {
            let sums = &mut sums[row * width..][..width];
            for (((sum, &red), &green), &blue) in sums.iter_mut().zip(red).zip(green).zip(blue) {
                let brightness = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
                *sum += u64::from(brightness) * share;
            }
        }
    }
    for (levels, sums) in miniature.chunks_exact_mut(columns).zip(sums.chunks_exact(width)) {
        let mut parts = vec![0u64; columns];
        for (x, sum) in sums.iter().enumerate() {
            for (column, share) in shares(x, width, columns) {
                parts[column] += sum * share;
            }
        }
        for (level, part) in levels.iter_mut().zip(parts) {
            *level = (part / (256 * area as u64)) as u8;
        }
    }
}

/// The parts of a side that a pixel lies in, and how much of it, in units of which a part has `length`.
fn shares(pixel: usize, length: usize, parts: usize) -> impl Iterator<Item = (usize, u64)> {
    let (start, end) = (pixel * parts, (pixel + 1) * parts);
    (start / length..end.div_ceil(length)).map(move |part| {
        let share = end.min((part + 1) * length) - start.max(part * length);
        (part, share as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small(image: &Image) -> [u8; COLUMNS * ROWS] {
        Look::of(image).miniature
    }

    #[test]
    fn parts_have_the_mean_of_what_they_cover() {
        // 18 x 8: two pixels to a part. Gray 0, 2, 4, ..., 34 in every row.
        let row: Vec<u8> = (0..18).map(|x| 2 * x).collect();
        let plane = row.repeat(8);
        let image = Image { width: 18, height: 8, pixels: plane.repeat(3) };
        let expected: Vec<u8> = (0..9).map(|part| 4 * part + 1).collect();
        assert_eq!(small(&image)[..9], expected);
        assert_eq!(small(&image)[63..], expected);
        // One pixel is every part.
        let image = Image { width: 1, height: 1, pixels: vec![9, 9, 9] };
        assert_eq!(small(&image), [9; 72]);
        assert_eq!(Look::of(&image).fine, [9; 256]);
        // 2 x 1: the fifth of nine columns is half of each.
        let image = Image { width: 2, height: 1, pixels: [0, 100].repeat(3) };
        assert_eq!(small(&image)[..9], [0, 0, 0, 0, 50, 100, 100, 100, 100]);
    }

    /// 128 x 128: a background with a dark square at a place.
    fn scene(square: Option<(usize, usize)>, brighter: u8) -> Look {
        let level = |x: usize, y: usize| {
            let (x_, y_) = (x as f64 / 128.0, y as f64 / 128.0);
            let background = 150.0 + 60.0 * (7.0 * x_ + 3.0 * y_).sin() + 30.0 * (5.0 * y_).cos();
            let dark = square.is_some_and(|(left, top)| (left..left + 12).contains(&x) && (top..top + 12).contains(&y));
            (background - if dark { 50.0 } else { 0.0 }) as u8 + brighter
        };
        let plane: Vec<u8> = (0..128).flat_map(|y| (0..128).map(move |x| level(x, y))).collect();
        Look::of(&Image { width: 128, height: 128, pixels: plane.repeat(3) })
    }

    #[test]
    fn a_thing_that_moves_before_one_background_makes_another_image() {
        let empty = scene(None, 0);
        assert_eq!(empty.distance(&scene(None, 4)), Some(0), "a little brighter");
        let looks: Vec<Look> =
            [(10, 10), (60, 30), (90, 100), (20, 70)].map(|place| scene(Some(place), 0)).into_iter().collect();
        for (place, one) in looks.iter().enumerate() {
            assert_eq!(one.distance(&empty), None);
            for (other_place, other) in looks.iter().enumerate().filter(|(other, _)| *other != place) {
                assert_eq!(one.distance(other), None, "{place} and {other_place}");
            }
            assert_eq!(one.distance(one), Some(0));
        }
    }
}
