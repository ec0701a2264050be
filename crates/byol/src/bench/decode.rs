//! Opening encoded images, on one thread: as they are stored, for views, and shrunk as a pack has them. Where no files are given, a photograph
//! of 12 megapixels is made.

use std::io::Cursor;
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageError};
use rand::{Rng, RngExt};
use serde::Serialize;

use super::machine;
use crate::data::decode::{Detail, decode_bytes};
use crate::data::error::ImageProblem;
use crate::data::pack::{DEFAULT_SIZE, shrunk};
use crate::data::{Image, Levels};
use crate::processor_time;
use crate::random::{self, Coordinates, Stream};

/// Columns and rows of the photograph that is made.
pub const MADE: (u32, u32) = (4000, 3000);
/// The quality that it is stored with, of 100, as cameras do.
const QUALITY: u8 = 90;
/// Pixels from one chosen colour to the next, of its large and of its small structures.
const STRUCTURES: [usize; 2] = [250, 10];
/// Levels of noise to either side.
const NOISE: i32 = 7;

/// How one way of opening images did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpenedAs {
    /// What is done.
    pub way: Way,
    /// Columns and rows of the first image that comes out.
    pub result: (usize, usize),
    /// Mean milliseconds of processor time for a file, all threads together.
    pub processor_ms: f64,
    /// Files by wall-clock seconds.
    pub images_per_second: f64,
}

/// Ways of opening an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As it is stored.
    Whole,
    /// As training on a folder opens it: with the pixels that views can show.
    ForViews,
    /// Decoded as it is stored, then shrunk to [`DecodeResult::image_size`].
    WholeThenShrunk,
    /// Decoded at a part of its size, then shrunk to the same, as for a pack.
    Shrunk,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecodeResult {
    /// Files by wall-clock seconds where they are shrunk: the last of `ways`.
    pub images_per_second: f64,
    /// Pixels along the shorter side of shrunk images.
    pub image_size: usize,
    /// How many different files there are.
    pub files: usize,
    /// Columns and rows of the first of them.
    pub first: (usize, usize),
    /// Bytes of all of them, encoded, by their number.
    pub mean_bytes: f64,
    /// Files that were opened in each way.
    pub steps: usize,
    /// Threads that opened them.
    pub threads: usize,
    /// Each way of opening them.
    pub ways: Vec<OpenedAs>,
    /// The process's memory at the end; absent where the system does not say.
    #[serde(flatten)]
    pub memory: Option<super::Memory>,
}

/// Opens `files`, encoded, one after the other and again from the first, `steps` of them in every way.
///
/// # Errors
/// The place of a file that cannot be decoded, and why.
///
/// # Panics
/// There are no files.
pub fn measure(files: &[Vec<u8>], steps: usize) -> Result<DecodeResult, (usize, ImageProblem)> {
    machine::forget_memory();
    let mut image = Image::default();
    let mut open = |way: Way, index: usize| -> Result<(usize, usize), (usize, ImageProblem)> {
        let detail = match way {
            Way::Whole | Way::WholeThenShrunk => Detail::Full,
            Way::ForViews => Detail::Views,
            Way::Shrunk => Detail::to_shrink(DEFAULT_SIZE),
        };
        let place = index % files.len();
        decode_bytes(&files[place], Levels::Full, detail, &mut image).map_err(|problem| (place, problem))?;
        if matches!(way, Way::WholeThenShrunk | Way::Shrunk) {
            let small = shrunk(&mut image, DEFAULT_SIZE).map_err(|problem| (place, problem))?;
            return Ok((small.width, small.height));
        }
        Ok((image.width, image.height))
    };
    let mut ways = Vec::new();
    let mut first = (0, 0);
    for way in [Way::Whole, Way::ForViews, Way::WholeThenShrunk, Way::Shrunk] {
        let result = open(way, 0)?;
        if way == Way::Whole {
            first = result;
        }
        let (begun, busy) = (Instant::now(), processor_time::of_this_process());
        for index in 0..steps {
            open(way, index)?;
        }
        let spent = processor_time::of_this_process().saturating_sub(busy);
        ways.push(OpenedAs {
            way,
            result,
            processor_ms: 1000.0 * spent.as_secs_f64() / steps as f64,
            images_per_second: steps as f64 / begun.elapsed().as_secs_f64(),
        });
    }
    Ok(DecodeResult {
        images_per_second: ways.last().map_or(0.0, |way| way.images_per_second),
        image_size: DEFAULT_SIZE,
        files: files.len(),
        first,
        mean_bytes: files.iter().map(|file| file.len() as f64).sum::<f64>() / files.len() as f64,
        steps,
        threads: 1,
        ways,
        memory: machine::memory(),
    })
}

/// A JPEG file of [`MADE`] pixels (chroma in full), about as large as cameras write them: soft colours, detail and noise, always the same.
///
/// # Errors
/// It cannot be encoded.
pub fn photograph() -> Result<Vec<u8>, ImageError> {
    let (width, height) = MADE;
    let mut rng = random::rng(0, Stream::Pattern, Coordinates::default());
    let grids = STRUCTURES.map(|apart| Grid::new(apart, &mut rng));
    let mut pixels = Vec::with_capacity(3 * (width * height) as usize);
    for y in 0..height as usize {
        for x in 0..width as usize {
            let [large, small] = [grids[0].at(x, y), grids[1].at(x, y)];
            let noise = rng.random_range(-NOISE..=NOISE);
            for (large, small) in large.into_iter().zip(small) {
                pixels.push(((3 * large + small) / 4 + noise).clamp(0, 255) as u8);
            }
        }
    }
    let mut file = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut file, QUALITY).encode(&pixels, width, height, ExtendedColorType::Rgb8)?;
    Ok(file.into_inner())
}

/// Colours that are so many pixels apart, with straight passages between them.
struct Grid {
    apart: usize,
    columns: usize,
    colors: Vec<[i32; 3]>,
}

impl Grid {
    fn new(apart: usize, rng: &mut impl Rng) -> Self {
        let [columns, rows] = [MADE.0, MADE.1].map(|side| side as usize / apart + 2);
        let colors = (0..columns * rows).map(|_| std::array::from_fn(|_| rng.random_range(0..256)));
        Grid { apart, columns, colors: colors.collect() }
    }

    fn at(&self, x: usize, y: usize) -> [i32; 3] {
        let apart = self.apart as i32;
        let [right, down] = [x, y].map(|at| (at % self.apart) as i32);
        let upper = y / self.apart * self.columns + x / self.apart;
        let color = |place: usize| self.colors[place];
        let corners = [color(upper), color(upper + 1), color(upper + self.columns), color(upper + self.columns + 1)];
        std::array::from_fn(|channel| {
            let [a, b, c, d] = corners.map(|corner| corner[channel]);
            let [above, below] = [a * (apart - right) + b * right, c * (apart - right) + d * right];
            (above * (apart - down) + below * down) / (apart * apart)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_made_photograph_has_its_size_in_every_way_of_opening_it() {
        let file = photograph().unwrap();
        assert!((2_000_000..6_000_000).contains(&file.len()), "{} bytes", file.len());
        let measured = measure(&[file], 1).unwrap();
        let results: Vec<_> = measured.ways.iter().map(|opened| opened.result).collect();
        assert_eq!(results, [(4000, 3000), (2000, 1500), (213, 160), (213, 160)]);
        assert_eq!(measured.first, (4000, 3000));
        assert!(measured.ways.iter().all(|opened| opened.processor_ms > 0.0 && opened.images_per_second > 0.0));
    }

    #[test]
    fn what_cannot_be_decoded_is_told_by_its_place() {
        let (place, problem) = measure(&[b"no image".to_vec()], 1).unwrap_err();
        assert_eq!((place, problem.to_string().is_empty()), (0, false));
    }
}
