//! What can be wrong with image data. What can go wrong while downloading it is in [`super::fetch`].

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::PATTERNS;
use super::cifar10::Cifar10Problem;
use super::decode::{EXTENSIONS, MAX_FILE_BYTES, MAX_PIXELS};
use super::hf_parquet::ParquetProblem;
use super::labels_csv::CsvProblem;
use super::pack::PackProblem;
use super::passed_over;
use super::stl10::IMAGE_BYTES;
use super::webdataset::TarProblem;
use super::words::counted;
use crate::nearest::{hint, path_hint};

/// Image data that cannot be used. Each message names the file, the value and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("could not {action} {path}: {source}")]
    Io { action: &'static str, path: PathBuf, source: io::Error },

    #[error("{path} does not exist; give the folder that holds the data{}", data_hint(path))]
    NotFound { path: PathBuf },

    #[error("{path} is not a folder; give the folder that holds the data")]
    NotAFolder { path: PathBuf },

    #[error(
        "{path} is not a file of a known kind; give a folder, a table of labels (.csv), Parquet (.parquet), an \
         uncompressed tar file (.tar) or a packed data set (.byolpack)"
    )]
    NotADataFile { path: PathBuf },

    #[error(
        "{path} is a spreadsheet, which is not read; save its sheet as CSV with columns `path` and `label`, and give that"
    )]
    Spreadsheet { path: PathBuf },

    #[error("{path}: {problem}")]
    Cifar10 { path: PathBuf, problem: Cifar10Problem },

    #[error("{path}: {problem}")]
    Pack { path: PathBuf, problem: Box<PackProblem> },

    #[error("{path} is there and is no packed data set, so it is not replaced; name another file with --out")]
    NotReplaced { path: PathBuf },

    #[error("{path} is read without decoding already, so packing would gain nothing; use it as it is")]
    NothingToPack { path: PathBuf },

    #[error("{path}: {problem}")]
    Parquet { path: PathBuf, problem: ParquetProblem },

    #[error("{path}: {problem}")]
    Tar { path: PathBuf, problem: TarProblem },

    #[error(
        "could not write a temporary file in {folder}: {source}; make room there, or name another folder in the environment \
         variable TMPDIR"
    )]
    Temporary { folder: PathBuf, source: io::Error },

    #[error("{path}, line {line}: {problem}")]
    CsvLine { path: PathBuf, line: u64, problem: CsvProblem },

    #[error("{path} lists no image; give each a line, `path,label`, below a first line that says so")]
    EmptyTable { path: PathBuf },

    #[error(
        "no data set found in {path}; give a folder of class folders with images, images with a labels.csv, Parquet \
         or tar files of images, the binary files of STL-10 (`byol data fetch stl10` gets them) or CIFAR-10, or the name of the embedded set, `patterns`{}",
        passed_over::hint(path)
    )]
    UnknownDataset { path: PathBuf },

    #[error("{0}")]
    NoLabels(String),

    #[error("{path} holds labelled images of one class only, `{class}`, but a classifier needs two or more; {hint}")]
    OneClass { path: PathBuf, class: String, hint: String },

    #[error(
        "class `{class}` of {path} has {}, but needs two: one to train on and one to test with; add images or remove \
         the class{}", counted(*images, "usable image"), meant(near)
    )]
    TooFewImages {
        path: PathBuf,
        class: String,
        images: usize,
        /// The class that may have been meant.
        near: Option<String>,
    },

    #[error(
        "the folder of class `{class}`, {path}, holds no image; add some, remove it, or begin its name with a dot if it \
         is no class{}",
        passed_over::hint(path)
    )]
    EmptyClass { path: PathBuf, class: String },

    #[error(
        "{} beside the class folders in {folder}, so {} class is unknown (the first is {first}); move {} into the folder of a \
         class, or into `unlabeled`; if no image there has a label, give the folder with --unlabeled",
        if *count == 1 { "1 image lies".to_owned() } else { format!("{count} images lie") },
        if *count == 1 { "its" } else { "their" },
        if *count == 1 { "it" } else { "them" }
    )]
    LooseImages { folder: PathBuf, count: usize, first: PathBuf },

    #[error(
        "the folders of {path} ({folders}) are splits by their names, but their images lie in no class folders, so their \
         labels are unknown{hint}; move them into folders such as `{example}/cat`, or list `path,label,split` in \
         {table}; images without labels are given with --unlabeled", table = path.join("labels.csv").display()
    )]
    SplitsWithoutClasses { path: PathBuf, folders: String, example: String, hint: String },

    #[error(
        "{folder} holds the same folders as `{other}` beside it ({classes}), so it looks like a split, but its name does not \
         say which; begin its name with train, test, val or unlabeled, or move it away; if it is a class, take its images \
         out of the folders within"
    )]
    UnknownSplit { folder: PathBuf, other: String, classes: String },

    #[error(
        "{example} is divided into folders for training and test, but {folder} is not; divide every class, with folders \
         `train` and `test` in each, or none"
    )]
    MixedDivision { folder: PathBuf, example: PathBuf },

    #[error(
        "class `{class}` of {path} has {} but no training image; repair the label or add training images",
        counted(*images, "test image")
    )]
    ClassOnlyInTest { path: PathBuf, class: String, images: usize },

    #[error("{path} has {classes} classes, more than the 65535 that are possible; these are no class labels")]
    TooManyClasses { path: PathBuf, classes: usize },

    #[error("two images of {path} have the name `{name}`; rename one or remove it")]
    DuplicateName { path: PathBuf, name: String },

    #[error(
        "could not save the train/test split in {path}: {source}; name a place for it with --split FILE, and give the same \
         one every time"
    )]
    SplitNotSaved { path: PathBuf, source: io::Error },

    #[error("{path}, line {line}: {problem}; repair the saved train/test split, or remove it to draw a new one")]
    SplitFile { path: PathBuf, line: u64, problem: String },

    #[error(
        "the saved train/test split {path} names none of the images in {data}; it belongs to other data: remove it, or \
         name another place with --split FILE"
    )]
    ForeignSplit { path: PathBuf, data: PathBuf },

    #[error(
        "class `{class}` is not in the saved train/test split {path}, so it has no test images; add lines for it, or \
         remove the file to draw a new split (results are then not comparable with earlier ones)"
    )]
    ClassNotInSplit { path: PathBuf, class: String },

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

    #[error("no images in {path}; the folder and the folders in it hold no file that ends in {}{}", EXTENSIONS.map(|e| format!(".{e}")).join(", "), passed_over::hint(path))]
    NoImages { path: PathBuf },

    #[error("{path} holds no image: {what}")]
    NoRows { path: PathBuf, what: String },

    #[error(
        "{path} has several tables that could hold its labels ({tables}); give one of them, such as --data {example}"
    )]
    SeveralTables { path: PathBuf, tables: String, example: PathBuf },

    #[error("all images of {path} are test images, so none is left to pre-train on; name other ones with --unlabeled")]
    OnlyTestImages { path: PathBuf },

    #[error("none of the {count} images in {path} can be read; the first is {first}: {problem}")]
    NoReadableImage { path: PathBuf, count: usize, first: PathBuf, problem: ImageProblem },

    #[error("{path}: {problem}; {}, or leave out --strict to skip such files", problem.remedy())]
    StrictImage { path: PathBuf, problem: ImageProblem },

    #[error("could not read the image {path}: {problem}")]
    Image { path: PathBuf, problem: ImageProblem },

    #[error("image {index} was asked for, but {source_name} holds {len}")]
    IndexOutOfRange { source_name: String, index: usize, len: usize },

    #[error(
        "`{class}` has {available} labelled training image{}, so --labels-per-class can be {}; {wanted} per class were \
         asked for",
        if *available == 1 { "" } else { "s" },
        if *available == 0 { "all and nothing else".to_owned() } else { format!("at most {available}, or all") }
    )]
    BudgetTooLarge { class: String, available: usize, wanted: usize },

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
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        matches!(self, DataError::NoLabels(_))
    }

    /// Wraps an input/output error; `action` completes "could not … PATH".
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| DataError::Io { action, path, source }
    }
}

/// Why no image has a label, and how labels would be given.
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
#[non_exhaustive]
pub enum Unlabelled {
    #[error(
        "{root} is read as images without labels because of its name, and --data needs a folder for each class \
         (docs/data.md); rename it if the folders in it are classes"
    )]
    ByName { root: String },

    #[error(
        "{root} has no class folders: --data needs a folder for each class (docs/data.md), or `path,label` in \
         {root}/labels.csv; images without labels are given with --unlabeled"
    )]
    NoClassFolders { root: String },

    #[error(
        "{file} has no column of labels ({}); its columns are {columns}; rename the one that holds the labels",
        .known.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
    )]
    NoColumn { file: String, known: Vec<&'static str>, columns: String },

    /// With the most frequent endings of the members of samples.
    #[error(
        "no sample of {root} has a label: members end in {endings}{}; labels are looked for in .cls, .json (`label`, \
         `cls` or `class`) and .txt",
        if json_keys.is_empty() { String::new() } else { format!(", and the keys of .json are {}", json_keys.join(", ")) }
    )]
    NoSample { root: String, endings: String, json_keys: Vec<String> },
}

/// What may have been meant by a folder that is not there: one that is, or the embedded set.
fn data_hint(path: &Path) -> String {
    match path_hint(path) {
        found if found.is_empty() => hint(&path.to_string_lossy(), [PATTERNS]),
        found => found,
    }
}

/// Why one image file cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageProblem {
    #[error("the file is empty (0 bytes)")]
    Empty,

    #[error("the file is enormous: {bytes} bytes, more than the {MAX_FILE_BYTES} that are read")]
    TooManyBytes { bytes: u64 },

    #[error("the image is enormous: {width} x {height} pixels, more than the {} megapixels that are decoded", MAX_PIXELS / 1_000_000)]
    TooManyPixels { width: u32, height: u32 },

    #[error("the image has no pixels ({width} x {height})")]
    NoPixels { width: u32, height: u32 },

    #[error("the content is neither JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC nor AVIF")]
    UnknownFormat,

    #[error("the content is {what}, which is not read; {remedy}")]
    Unread { what: &'static str, remedy: &'static str },

    #[error("this kind of TIFF is not read: {0}; convert it to PNG")]
    Tiff(String),

    #[error("the file is cut off: the image data does not end")]
    CutOff,

    #[error("not a regular file")]
    NotAFile,

    #[error("the image cannot be decoded: {0}")]
    Decode(String),

    /// Which line of which table names a file that is not there, and which may have been meant.
    #[error("{0}")]
    NamedInTable(String),

    #[error("the file is not there")]
    NotThere,

    #[error("the file cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for ImageProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => ImageProblem::NotThere,
            _ => ImageProblem::Io(error),
        }
    }
}

impl ImageProblem {
    /// Whether there is no file.
    pub fn is_missing(&self) -> bool {
        matches!(self, ImageProblem::NotThere | ImageProblem::NamedInTable(_))
    }

    /// What to do about a file that is to be used.
    fn remedy(&self) -> &'static str {
        match self {
            ImageProblem::NamedInTable(_) => "correct the line",
            _ => "replace or remove the file",
        }
    }
}

pub(super) fn meant(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
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
