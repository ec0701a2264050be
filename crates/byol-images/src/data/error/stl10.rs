//! What can be wrong with the files of STL-10.

use std::path::PathBuf;

use thiserror::Error;

use crate::data::stl10::IMAGE_BYTES;

/// Why files of STL-10 cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Stl10Problem {
    /// STL-10's folder holds no images to train on.
    #[error("missing split: {folder} holds neither train_X.bin nor unlabeled_X.bin, so there is nothing to train on")]
    MissingSplit {
        /// The folder.
        folder: PathBuf,
    },

    /// STL-10's images are there without their labels, or the other way round.
    #[error(
        "{missing} is missing, but {present} is there; images and labels come in pairs: restore the one or remove the other"
    )]
    MissingPartner {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        missing: PathBuf,
    },

    /// A file of STL-10 is not a whole number of images.
    #[error(
        "{path} has {bytes} bytes, but images take {IMAGE_BYTES} bytes each: {whole} of them would be {} bytes and {} \
         would be {}; the file is cut off or is not an STL-10 image file, get it again (`byol data fetch stl10`)",
        .whole * IMAGE_BYTES as u64, .whole + 1, (.whole + 1) * IMAGE_BYTES as u64
    )]
    FileSize {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// Whole images that it could hold.
        whole: u64,
    },

    /// A file of STL-10 holds nothing.
    #[error("{path} is empty; get it again (`byol data fetch stl10`) or remove it")]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },

    /// A label of STL-10 is none of the ten.
    #[error(
        "{path}: label {value} of image {index} is outside 1-10; the file is damaged or is not an STL-10 label file"
    )]
    LabelRange {
        /// The file of labels.
        path: PathBuf,
        /// The image's place in the file, from 0.
        index: usize,
        /// The byte that should be its label, 1-10.
        value: u8,
    },

    /// A split of STL-10 has more images than labels, or fewer.
    #[error(
        "{images_path} holds {images} images, but {labels_path} holds {labels} labels; one of the two is cut off or \
         belongs to another set"
    )]
    LengthMismatch {
        /// The file of images.
        images_path: PathBuf,
        /// Images in it.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// Labels in it.
        labels: usize,
    },

    /// STL-10's file of class names has too few or too many.
    #[error(
        "{path}: {found} class names, expected {expected}, one per line; repair the file or remove it to use STL-10's names"
    )]
    ClassNames {
        /// The file.
        path: PathBuf,
        /// Names in it.
        found: usize,
        /// Names that it should hold.
        expected: usize,
    },

    /// STL-10's file of folds has too few or too many.
    #[error(
        "{path}: {found} folds, expected {expected}, one per line; repair the file or remove it to go without folds"
    )]
    FoldCount {
        /// The file.
        path: PathBuf,
        /// Folds in it.
        found: usize,
        /// Folds that it should hold.
        expected: usize,
    },

    /// A fold of STL-10's file cannot be used.
    #[error("{path}, line {line}: {problem}; repair the file or remove it to go without predefined folds")]
    FoldLine {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        problem: FoldProblem,
    },
}

/// What is wrong with a line of a fold file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoldProblem {
    /// The line is empty.
    #[error("no indices")]
    Empty,

    /// A word of the line is no whole number, 0 or more.
    #[error("`{0}` is not a zero-based index")]
    NotANumber(String),

    /// An index leads past the training images.
    #[error("index {index} is out of range, the training set holds {images} images (0-{})", .images.saturating_sub(1))]
    OutOfRange {
        /// The index, from 0.
        index: usize,
        /// Training images.
        images: usize,
    },

    /// An index stands in the fold a second time.
    #[error("index {0} occurs twice")]
    Repeated(usize),
}
