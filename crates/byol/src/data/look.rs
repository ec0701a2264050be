//! What one picture looks like, in few bytes: a digest of its pixels, and a miniature by which pictures that were stored
//! anew or scaled are known again. Finding equal ones among many is in [`super::duplicates`].

use sha2::{Digest, Sha256};

use super::Image;

/// Columns and rows of the miniature that near duplicates are told by.
const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// Two pictures look alike if at most so many of the 64 brightness steps between neighbours differ, ...
pub(super) const MOST_STEPS: u32 = 3;
/// ... and if their miniatures differ by at most so many levels on average, ...
const MOST_LEVELS: u32 = 6;
/// ... and only if there is something to see: levels between the darkest and the brightest part of the miniature.
const LEAST_CONTRAST: u8 = 16;

/// The levels of the miniatures of pictures that look alike differ by at most so much in sum.
pub(super) const MOST_SUM: u32 = MOST_LEVELS * (COLUMNS * ROWS) as u32;

/// What one picture looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Of size and pixels.
    digest: [u8; 16],
    miniature: [u8; COLUMNS * ROWS],
    /// A bit per pair of neighbours in a row of the miniature: whether the left one is brighter (dHash).
    steps: u64,
}

impl Look {
    /// Looks at a picture.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        let mut hash = Sha256::new();
        hash.update((image.width as u64).to_le_bytes());
        hash.update(&image.pixels);
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        let miniature = miniature(image);
        let mut steps = 0;
        for row in miniature.chunks_exact(COLUMNS) {
            for pair in row.windows(2) {
                steps = steps << 1 | u64::from(pair[0] > pair[1]);
            }
        }
        Look { digest, miniature, steps }
    }

    /// Equal for pictures of equal size and pixels.
    pub(super) fn digest(&self) -> [u8; 16] {
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
        (levels <= MOST_SUM).then_some(steps)
    }
}

/// Mean brightness of the parts of a picture. A pixel that two parts share counts in both, by how much of it each has, so
/// that a scaled picture has the same miniature.
fn miniature(image: &Image) -> [u8; COLUMNS * ROWS] {
    let (width, height) = (image.width, image.height);
    let area = width * height;
    let mut miniature = [0; COLUMNS * ROWS];
    if area == 0 || image.pixels.len() < 3 * area {
        return miniature;
    }
    let (red, rest) = image.pixels.split_at(area);
    let (green, blue) = rest.split_at(area);
    // Per row of the miniature, the brightness of every column of pixels: sums that vectorise.
    let mut sums = vec![0u64; ROWS * width];
    for y in 0..height {
        let line = y * width..(y + 1) * width;
        let (red, green, blue) = (&red[line.clone()], &green[line.clone()], &blue[line]);
        for (row, share) in shares(y, height, ROWS) {
            let sums = &mut sums[row * width..][..width];
            for (((sum, &red), &green), &blue) in sums.iter_mut().zip(red).zip(green).zip(blue) {
                let brightness = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
                *sum += u64::from(brightness) * share;
            }
        }
    }
    for (levels, sums) in miniature.chunks_exact_mut(COLUMNS).zip(sums.chunks_exact(width)) {
        let mut parts = [0u64; COLUMNS];
        for (x, sum) in sums.iter().enumerate() {
            for (column, share) in shares(x, width, COLUMNS) {
                parts[column] += sum * share;
            }
        }
        for (level, part) in levels.iter_mut().zip(parts) {
            *level = (part / (256 * area as u64)) as u8;
        }
    }
    miniature
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

    #[test]
    fn parts_have_the_mean_of_what_they_cover() {
        // 18 x 8: two pixels to a part. Gray 0, 2, 4, ..., 34 in every row.
        let row: Vec<u8> = (0..18).map(|x| 2 * x).collect();
        let plane = row.repeat(8);
        let image = Image { width: 18, height: 8, pixels: plane.repeat(3) };
        let expected: Vec<u8> = (0..9).map(|part| 4 * part + 1).collect();
        assert_eq!(miniature(&image)[..9], expected);
        assert_eq!(miniature(&image)[63..], expected);
        // One pixel is every part.
        let image = Image { width: 1, height: 1, pixels: vec![9, 9, 9] };
        assert_eq!(miniature(&image), [9; 72]);
        // 2 x 1: the fifth of nine columns is half of each.
        let image = Image { width: 2, height: 1, pixels: [0, 100].repeat(3) };
        assert_eq!(miniature(&image)[..9], [0, 0, 0, 0, 50, 100, 100, 100, 100]);
    }
}
