//! Pictures that occur twice, where they must not: in training and test. Exact ones have equal pixels; near ones (stored
//! anew, scaled, slightly changed) look alike when they are small.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{DataError, Image, ImageSource};

/// Columns and rows of the miniature that near duplicates are told by.
const COLUMNS: usize = 9;
const ROWS: usize = 8;

/// Two pictures look alike if at most so many of the 64 brightness steps between neighbours differ, ...
const MOST_STEPS: u32 = 3;
/// ... and if their miniatures differ by at most so many levels on average, ...
const MOST_LEVELS: u32 = 6;
/// ... and only if there is something to see: levels between the darkest and the brightest part of the miniature.
const LEAST_CONTRAST: u8 = 16;

/// Hashes that differ in at most [`MOST_STEPS`] places agree in one of so many parts.
const PARTS: u32 = MOST_STEPS + 1;

/// What one picture looks like, in few bytes.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Of size and pixels.
    digest: [u8; 16],
    miniature: [u8; COLUMNS * ROWS],
    /// A bit per pair of neighbours in a row of the miniature: whether the left one is brighter (dHash).
    steps: u64,
}

impl Look {
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

    fn has_contrast(&self) -> bool {
        let (least, most) = (self.miniature.iter().min(), self.miniature.iter().max());
        most.zip(least).is_some_and(|(most, least)| most - least >= LEAST_CONTRAST)
    }

    fn parts(&self) -> impl Iterator<Item = (u32, u16)> {
        let steps = self.steps;
        (0..PARTS).map(move |part| (part, (steps >> (part * u64::BITS / PARTS)) as u16))
    }

    /// How many steps differ; none if they do not look alike.
    fn distance(&self, other: &Look) -> Option<u32> {
        let steps = (self.steps ^ other.steps).count_ones();
        if steps > MOST_STEPS {
            return None;
        }
        let pairs = self.miniature.iter().zip(&other.miniature);
        let levels: u32 = pairs.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        (levels <= MOST_LEVELS * self.miniature.len() as u32).then_some(steps)
    }
}

/// Mean brightness of the parts of a picture. A pixel that two parts share counts in both, by how much of it each has, so
/// that a scaled picture has the same miniature.
fn miniature(image: &Image) -> [u8; COLUMNS * ROWS] {
    let (width, height) = (image.width, image.height);
    let area = width * height;
    let mut miniature = [0; COLUMNS * ROWS];
    if area == 0 {
        return miniature;
    }
    let mut sums = [0u64; COLUMNS * ROWS];
    let mut line = [0u64; COLUMNS];
    for y in 0..height {
        line.fill(0);
        for x in 0..width {
            let at = y * width + x;
            let [red, green, blue] = [0, 1, 2].map(|channel| u64::from(image.pixels[channel * area + at]));
            let brightness = 77 * red + 150 * green + 29 * blue;
            for (column, share) in shares(x, width, COLUMNS) {
                line[column] += brightness * share;
            }
        }
        for (row, share) in shares(y, height, ROWS) {
            for (sum, part) in sums[row * COLUMNS..][..COLUMNS].iter_mut().zip(line) {
                *sum += part * share;
            }
        }
    }
    for (level, sum) in miniature.iter_mut().zip(sums) {
        *level = (sum / (256 * area as u64)) as u8;
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

/// (width, height).
type Size = (usize, usize);

/// Sizes and looks of all pictures of a source, on all threads.
///
/// # Errors
/// A picture cannot be read any more.
pub(crate) fn look_at_all(images: &dyn ImageSource) -> Result<Vec<(Size, Look)>, DataError> {
    let look = |image: &mut Image, index| {
        images.read(index, image)?;
        Ok(((image.width, image.height), Look::of(image)))
    };
    (0..images.len()).into_par_iter().map_init(Image::default, look).collect()
}

/// Test pictures that are in another split also.
#[derive(Clone, Debug, Serialize)]
pub struct Straddling {
    /// The other split: `train`, `unlabeled`.
    pub other: String,
    /// Test pictures that occur there with equal pixels.
    pub exact: usize,
    /// Test pictures that look like one there, without equal pixels.
    pub near: usize,
    /// Some of them, the exact ones first.
    pub examples: Vec<Twins>,
}

/// Two pictures that are the same or look alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Twins {
    pub test: String,
    pub other: String,
    pub exact: bool,
}

/// How many pairs are named.
const EXAMPLES: usize = 10;

/// A split's pictures: the name of each by its place, and their looks.
pub(crate) struct Seen<'a> {
    pub name: &'a (dyn Fn(usize) -> String + Sync),
    pub looks: Vec<Look>,
}

/// Looks for every test picture among those of another split; none if there is nothing to report.
pub(crate) fn straddling(split: &str, other: &Seen<'_>, test: &Seen<'_>) -> Option<Straddling> {
    let exact: HashMap<[u8; 16], usize> =
        other.looks.iter().enumerate().rev().map(|(index, look)| (look.digest, index)).collect();
    let mut by_part: HashMap<(u32, u16), Vec<usize>> = HashMap::new();
    for (index, look) in other.looks.iter().enumerate().filter(|(_, look)| look.has_contrast()) {
        for part in look.parts() {
            by_part.entry(part).or_default().push(index);
        }
    }
    let twin = |look: &Look| {
        if let Some(&index) = exact.get(&look.digest) {
            return Some((index, true));
        }
        let candidates = look.parts().filter_map(|part| by_part.get(&part)).flatten();
        let alike = candidates.filter_map(|&index| Some((look.distance(&other.looks[index])?, index)));
        alike.min().map(|(_, index)| (index, false))
    };
    let mut found: Vec<(usize, usize, bool)> = test
        .looks
        .par_iter()
        .enumerate()
        .filter_map(|(test, look)| twin(look).map(|(other, exact)| (test, other, exact)))
        .collect();
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|&(test, _, exact)| (!exact, test));
    let count = found.iter().filter(|&&(_, _, exact)| exact).count();
    let examples = found.iter().take(EXAMPLES).map(|&(place, twin, exact)| Twins {
        test: (test.name)(place),
        other: (other.name)(twin),
        exact,
    });
    Some(Straddling { other: split.into(), exact: count, near: found.len() - count, examples: examples.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A smooth picture that depends on `kind`.
    fn picture(kind: usize, width: usize, height: usize) -> Image {
        let mut pixels = Vec::new();
        for channel in 0..3 {
            for y in 0..height {
                for x in 0..width {
                    let (x, y) = (x as f64 / width as f64, y as f64 / height as f64);
                    let wave = (kind as f64 * 1.7 + 9.0 * x + kind as f64 * 3.1 * y * x + channel as f64).sin();
                    pixels.push((128.0 + 100.0 * wave) as u8);
                }
            }
        }
        Image { width, height, pixels }
    }

    fn found(train: &[Image], test: &[Image]) -> Option<Straddling> {
        let looks = |images: &[Image]| images.iter().map(Look::of).collect();
        let name = |index: usize| index.to_string();
        straddling("train", &Seen { name: &name, looks: looks(train) }, &Seen { name: &name, looks: looks(test) })
    }

    #[test]
    fn equal_and_similar_pictures_are_told_from_others() {
        let train: Vec<Image> = (0..50).map(|kind| picture(kind, 90, 80)).collect();
        let others: Vec<Image> = (50..100).map(|kind| picture(kind, 90, 80)).collect();
        assert!(found(&train, &others).is_none());

        let mut brighter = picture(7, 90, 80);
        brighter.pixels.iter_mut().for_each(|value| *value += 3);
        let test = [picture(60, 90, 80), picture(3, 180, 160), picture(5, 90, 80), brighter];
        let straddling = found(&train, &test).unwrap();
        assert_eq!((straddling.exact, straddling.near), (1, 2));
        let twin = |test: &str, other: &str, exact| Twins { test: test.into(), other: other.into(), exact };
        assert_eq!(straddling.examples, [twin("2", "5", true), twin("1", "3", false), twin("3", "7", false)]);
    }

    #[test]
    fn plain_pictures_are_only_compared_exactly() {
        let plain = |value| Image { width: 4, height: 4, pixels: vec![value; 48] };
        assert!(found(&[plain(7)], &[plain(8)]).is_none());
        assert_eq!(found(&[plain(7)], &[plain(7)]).unwrap().exact, 1);
    }
}
