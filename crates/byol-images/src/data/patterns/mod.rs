//! The embedded set: ten classes of synthetic images with train, test and unlabelled splits, drawn when they are read.
//! It needs no download, so that the demo and the tests run anywhere. How an image looks is in `draw` and `figure`.

mod draw;
mod figure;
mod wave;

use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::{DataError, Dataset, Findings, Fingerprints, Image, ImageSource, LabeledImages, PATTERNS, UnlabeledImages};
use crate::data::split::DataSplit;
use crate::random::{Coordinates, Stream, rng};
use figure::Figure;

/// The images' seed: it has nothing to do with the seed of a training. The demo's baseline was chosen on images of
/// seed 7, its pre-training on held-out training images of this one (docs/experiments.md).
const SEED: u64 = 1;

/// Counts changes of the images; part of the fingerprint.
const VERSION: u64 = 2;

/// How many images there are, and how large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternOptions {
    /// Width and height in pixels; 32 to 64 show the figures well.
    pub side: usize,
    /// Labelled training images of each of the ten classes.
    pub train_per_class: usize,
    /// Test images of each of the ten classes.
    pub test_per_class: usize,
    /// Unlabelled images of all classes together; the classes take turns.
    pub unlabeled: usize,
}

impl Default for PatternOptions {
    /// 32 pixels, 2,000 training and 2,000 test images, 20,000 unlabelled ones.
    fn default() -> Self {
        PatternOptions { side: 32, train_per_class: 200, test_per_class: 200, unlabeled: 20_000 }
    }
}

/// The embedded set as the demo uses it: [`PatternOptions::default`].
///
/// ```
/// let patterns = byol_images::data::patterns::dataset();
/// assert_eq!(patterns.class_names.len(), 10);
/// assert_eq!(patterns.unlabeled[0].images.len(), 20_000);
/// ```
pub fn dataset() -> Dataset {
    dataset_with(PatternOptions::default())
}

/// The embedded set in another size. An image depends on its split, its index and `side` alone: more images per
/// split leave the first ones as they are.
pub fn dataset_with(options: PatternOptions) -> Dataset {
    let PatternOptions { side, train_per_class, test_per_class, unlabeled } = options;
    let pool = Arc::new(Drawn { split: Split::Unlabeled, side, len: unlabeled });
    Dataset {
        name: PATTERNS.into(),
        class_names: Figure::ALL.map(|figure| figure.name().to_owned()).to_vec(),
        train: Some(labeled(Split::Train, side, train_per_class)),
        test: Some(labeled(Split::Test, side, test_per_class)),
        unlabeled: vec![UnlabeledImages::new(Split::Unlabeled.name().into(), pool)],
        folds: None,
        fingerprint: fingerprint(options, ""),
        parts: Fingerprints {
            train: fingerprint(PatternOptions { test_per_class: 0, unlabeled: 0, ..options }, "train"),
            test: fingerprint(PatternOptions { train_per_class: 0, unlabeled: 0, ..options }, "test"),
            unlabeled: fingerprint(PatternOptions { train_per_class: 0, test_per_class: 0, ..options }, "unlabeled"),
        },
        notes: Vec::new(),
        warnings: Vec::new(),
        skipped: 0,
        no_labels: None,
        findings: Findings::default(),
        split: DataSplit::Given,
        kept_from_pretraining: Vec::new(),
        unsaved_split: None,
        unreadable: Vec::new(),
    }
}

fn labeled(split: Split, side: usize, per_class: usize) -> LabeledImages {
    let len = per_class * Figure::ALL.len();
    let labels = (0..len).map(|index| figure_of(index) as u16).collect();
    LabeledImages { images: Arc::new(Drawn { split, side, len }), labels }
}

/// Of the whole set, or of the part with this name.
fn fingerprint(options: PatternOptions, part: &str) -> String {
    let PatternOptions { side, train_per_class, test_per_class, unlabeled } = options;
    let mut fingerprint = Fingerprint::new(PATTERNS);
    for number in [side, train_per_class, test_per_class, unlabeled] {
        fingerprint.number(number as u64);
    }
    fingerprint.number(VERSION);
    if !part.is_empty() {
        fingerprint.bytes(part.as_bytes());
    }
    fingerprint.finish()
}

/// The classes take turns, in every split.
fn figure_of(index: usize) -> Figure {
    Figure::ALL[index % Figure::ALL.len()]
}

/// Which images; the discriminant keeps their random numbers apart and is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Train = 0,
    Test = 1,
    Unlabeled = 2,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Test => "test",
            Split::Unlabeled => "unlabeled",
        }
    }
}

/// The images of one split, drawn at every reading.
struct Drawn {
    split: Split,
    side: usize,
    len: usize,
}

impl ImageSource for Drawn {
    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        if index >= self.len {
            let source_name = self.name_of_split();
            return Err(DataError::IndexOutOfRange { source_name, index, len: self.len });
        }
        (image.width, image.height) = (self.side, self.side);
        image.pixels.resize(3 * self.side * self.side, 0);
        let at = Coordinates { epoch: self.split as u64, index: index as u64, view: 0 };
        draw::draw(figure_of(index), self.side, &mut rng(SEED, Stream::Pattern, at), &mut image.pixels);
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{}/{index}", self.split.name())
    }
}

impl Drawn {
    fn name_of_split(&self) -> String {
        format!("{PATTERNS}, {}", self.split.name())
    }
}

#[cfg(test)]
mod tests;
