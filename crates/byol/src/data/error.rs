//! What can be wrong with image data. What can go wrong while downloading it is in [`super::fetch`].

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::picture::{MAX_FILE_BYTES, MAX_PIXELS};
use super::stl10::IMAGE_BYTES;

/// Image data that cannot be used. Each message names the file, the value and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("could not {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("{path} does not exist; give the folder that holds the data")]
    NotFound { path: PathBuf },

    #[error("{path} is not a folder; give the folder that holds the data")]
    NotAFolder { path: PathBuf },

    #[error(
        "no data set found in {path}; give a folder with STL-10's binary files (train_X.bin, train_y.bin and so on, in \
         it or in its stl10_binary/; `byol data fetch stl10` makes one) or the name of the embedded set, `patterns`"
    )]
    UnknownDataset { path: PathBuf },

    #[error("{path} is a folder of pictures without labels; give it with --unlabeled, beside --data")]
    FolderOfPictures { path: PathBuf },

    #[error("missing split: {folder} holds neither train_X.bin nor unlabeled_X.bin, so there is nothing to train on")]
    MissingSplit { folder: PathBuf },

    #[error(
        "{missing} is missing, but {present} is there; images and labels come in pairs: restore the one or remove the other"
    )]
    MissingPartner { present: PathBuf, missing: PathBuf },

    #[error(
        "{path} has {bytes} bytes, but images take {IMAGE_BYTES} bytes each: {whole} of them would be {} bytes and {} \
         would be {}; the file is cut off or is not an STL-10 image file, get it again (`byol data fetch stl10`)",
        .whole * IMAGE_BYTES as u64, .whole + 1, (.whole + 1) * IMAGE_BYTES as u64
    )]
    FileSize { path: PathBuf, bytes: u64, whole: u64 },

    #[error("{path} is empty; get it again (`byol data fetch stl10`) or remove it")]
    EmptyFile { path: PathBuf },

    #[error(
        "{path}: label {value} of image {index} is outside 1-10; the file is damaged or is not an STL-10 label file"
    )]
    LabelRange { path: PathBuf, index: usize, value: u8 },

    #[error(
        "{images_path} holds {images} images, but {labels_path} holds {labels} labels; one of the two is cut off or \
         belongs to another set"
    )]
    LengthMismatch { images_path: PathBuf, images: usize, labels_path: PathBuf, labels: usize },

    #[error(
        "{path}: {found} class names, expected {expected}, one per line; repair the file or remove it to use STL-10's names"
    )]
    ClassNames { path: PathBuf, found: usize, expected: usize },

    #[error(
        "{path}: {found} folds, expected {expected}, one per line; repair the file or remove it to go without folds"
    )]
    FoldCount { path: PathBuf, found: usize, expected: usize },

    #[error("{path}, line {line}: {problem}; repair the file or remove it to go without predefined folds")]
    FoldLine { path: PathBuf, line: usize, problem: FoldProblem },

    #[error("no pictures in {path}; the folder and the folders in it hold no .jpg, .jpeg, .png or .webp file")]
    NoPictures { path: PathBuf },

    #[error("none of the {count} pictures in {path} can be read; the first is {first}: {problem}")]
    NoReadablePicture { path: PathBuf, count: usize, first: PathBuf, problem: PictureProblem },

    #[error("{path}: {problem}; replace or remove the file, or leave out --strict to skip such files")]
    StrictPicture { path: PathBuf, problem: PictureProblem },

    #[error("could not read the picture {path}: {problem}")]
    Picture { path: PathBuf, problem: PictureProblem },

    #[error("picture {index} was asked for, but {source_name} holds {len}")]
    IndexOutOfRange { source_name: String, index: usize, len: usize },

    #[error(
        "class {class} has {available} labelled images, but {wanted} per class were asked for; lower the label budget"
    )]
    TooFewLabels { class: usize, available: usize, wanted: usize },

    #[error("label {label} of image {index} is not among the {classes} classes")]
    UnknownClass { index: usize, label: u16, classes: usize },

    #[error("index {index} is outside the {len} labelled images")]
    UnknownIndex { index: usize, len: usize },

    #[error("{what} is {value}, expected {expected}")]
    SplitSetting { what: &'static str, value: String, expected: String },
}

impl DataError {
    /// Wraps an input/output error; `action` completes "could not … PATH".
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| DataError::Io { action, path, source }
    }
}

/// Why one picture file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PictureProblem {
    #[error("the file is empty (0 bytes)")]
    Empty,

    #[error("the file is enormous: {bytes} bytes, more than the {MAX_FILE_BYTES} that are read")]
    TooManyBytes { bytes: u64 },

    #[error("the picture is enormous: {width} x {height} pixels, more than the {} megapixels that are decoded", MAX_PIXELS / 1_000_000)]
    TooManyPixels { width: u32, height: u32 },

    #[error("the picture has no pixels ({width} x {height})")]
    NoPixels { width: u32, height: u32 },

    #[error("the content is neither JPEG, PNG nor WebP")]
    UnknownFormat,

    #[error("the file is cut off: the picture data does not end")]
    CutOff,

    #[error("not a regular file")]
    NotAFile,

    #[error("the picture cannot be decoded: {0}")]
    Decode(String),

    #[error("the file cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// What is wrong with a line of a fold file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum FoldProblem {
    #[error("no indices")]
    Empty,

    #[error("`{0}` is not a zero-based index")]
    NotANumber(String),

    #[error("index {index} is out of range, the training set holds {images} images (0-{})", .images.saturating_sub(1))]
    OutOfRange { index: usize, images: usize },

    #[error("index {0} occurs twice")]
    Repeated(usize),
}
