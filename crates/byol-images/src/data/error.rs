//! What can be wrong with image data. What can go wrong while downloading it is in [`super::fetch`].

mod image;
mod not_read;
mod saved_split;
mod stl10;
mod unlabelled;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::PATTERNS;
use super::cifar10::Cifar10Problem;
use super::corrections::CorrectionProblem;
use super::decode::EXTENSIONS;
use super::hf_parquet::ParquetProblem;
use super::labels_csv::CsvProblem;
use super::pack::PackProblem;
use super::passed_over;
use super::webdataset::TarProblem;
use super::words::counted;
use crate::nearest::{hint, path_hint};

pub use image::ImageProblem;
pub use not_read::{FileRemedy, counted_kinds};
pub use saved_split::SavedSplitProblem;
pub use stl10::{FoldProblem, Stl10Problem};
pub use unlabelled::Unlabelled;

/// Image data that cannot be used. Each message names the file, the value and the remedy.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// The system refuses a file or folder.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was to be done, as it completes "could not".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// There is nothing at the path.
    #[error("{path} does not exist; give the folder that holds the data{}", data_hint(path))]
    NotFound {
        /// The path as it was given.
        path: PathBuf,
    },
    /// Data was named that must be a folder.
    #[error("{path} is not a folder; give the folder that holds the data")]
    NotAFolder {
        /// What is there instead.
        path: PathBuf,
    },
    /// The file is of no kind that is read as a data set.
    #[error(
        "{path} is not a file of a known kind; give a folder, a table of labels (.csv), Parquet (.parquet), an \
         uncompressed tar file (.tar) or a packed data set (.byolpack)"
    )]
    NotADataFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is a spreadsheet, as `.xlsx`.
    #[error(
        "{path} is a spreadsheet, which is not read; save its sheet as CSV with columns `path` and `label`, and give that"
    )]
    Spreadsheet {
        /// The file.
        path: PathBuf,
    },
    /// A file of CIFAR-10 cannot be used.
    #[error("{path}: {problem}")]
    Cifar10 {
        /// The file, or the folder that should hold it.
        path: PathBuf,
        /// Why.
        problem: Cifar10Problem,
    },
    /// A packed data set cannot be used.
    #[error("{path}: {problem}")]
    Pack {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: Box<PackProblem>,
    },
    /// Packing would replace a file that is no packed data set.
    #[error("{path} is there and is no packed data set, so it is not replaced; name another file with --out")]
    NotReplaced {
        /// The file.
        path: PathBuf,
    },
    /// The data to be packed are pixels already.
    #[error("{path} is read without decoding already, so packing would gain nothing; use it as it is")]
    NothingToPack {
        /// The data.
        path: PathBuf,
    },
    /// A Parquet file cannot be used.
    #[error("{path}: {problem}")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: ParquetProblem,
    },
    /// A tar file cannot be used.
    #[error("{path}: {problem}")]
    Tar {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: TarProblem,
    },
    /// Images of Parquet files could not be written to a temporary file.
    #[error(
        "could not write a temporary file in {folder}: {source}; make room there, or name another folder in the environment \
         variable TMPDIR"
    )]
    Temporary {
        /// The folder for temporary files.
        folder: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// Processes that open the same data have lost one another.
    #[error("{0}")]
    Companions(io::Error),
    /// A line of a table cannot be used.
    #[error("{path}, line {line}: {problem}")]
    CsvLine {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// Why.
        problem: CsvProblem,
    },
    /// A table has a first line with names and nothing below it.
    #[error("{path} lists no image; give each a line, `path,label`, below a first line that says so")]
    EmptyTable {
        /// The table.
        path: PathBuf,
    },
    /// The folder holds nothing that is read as a data set.
    #[error(
        "no data set found in {path}; give a folder of class folders with images, images with a labels.csv, Parquet \
         or tar files of images, the binary files of STL-10 (`byol data fetch stl10` gets them) or CIFAR-10, or the name of the embedded set, `patterns`{}",
        passed_over::hint(path)
    )]
    UnknownDataset {
        /// The folder.
        path: PathBuf,
    },
    /// A command needs labels, and no image has one: why, and how they would be given.
    #[error("{0}")]
    NoLabels(String),
    /// All labels are the same.
    #[error("{path} holds labelled images of one class only, `{class}`, but a classifier needs two or more; {hint}")]
    OneClass {
        /// The data.
        path: PathBuf,
        /// The one class.
        class: String,
        /// How others would be found, as the end of the message.
        hint: String,
    },
    /// A class has too few images to be divided into training and test images.
    #[error(
        "class `{class}` of {path} has {}, but needs two: one to train on and one to test with; add images or remove \
         the class{}", counted(*images, "usable image"), meant(near)
    )]
    TooFewImages {
        /// The data.
        path: PathBuf,
        /// The class.
        class: String,
        /// Usable images of it.
        images: usize,
        /// The class that may have been meant.
        near: Option<String>,
    },
    /// A class folder is there without images.
    #[error(
        "the folder of class `{class}`, {path}, holds no image; add some, remove it, or begin its name with a dot if it \
         is no class{}",
        passed_over::hint(path)
    )]
    EmptyClass {
        /// The folder.
        path: PathBuf,
        /// Its name.
        class: String,
    },
    /// Images lie beside class folders.
    #[error(
        "{} beside the class folders in {folder}, so {} class is unknown (the first is {first}); move {} into the folder of a \
         class, or into `unlabeled`; if no image there has a label, give the folder with --unlabeled",
        if *count == 1 { "1 image lies".to_owned() } else { format!("{count} images lie") },
        if *count == 1 { "its" } else { "their" },
        if *count == 1 { "it" } else { "them" }
    )]
    LooseImages {
        /// The folder with the class folders.
        folder: PathBuf,
        /// Images that lie in it directly.
        count: usize,
        /// The first of them by name.
        first: PathBuf,
    },
    /// Folders are splits by their names, and hold images directly.
    #[error(
        "the folders of {path} ({folders}) are splits by their names, but their images lie in no class folders, so their \
         labels are unknown{hint}; move them into folders such as `{example}/cat`, or list `path,label,split` in \
         {table}; images without labels are given with --unlabeled", table = path.join("labels.csv").display()
    )]
    SplitsWithoutClasses {
        /// The folder with the folders.
        path: PathBuf,
        /// Their names, as a list.
        folders: String,
        /// One of them.
        example: String,
        /// What else may have been meant; empty, or begins with a semicolon.
        hint: String,
    },
    /// A folder is divided like a split, and its name does not say which.
    #[error(
        "{folder} holds the same folders as `{other}` beside it ({classes}), so it looks like a split, but its name does not \
         say which; begin its name with train, test, val or unlabeled, or move it away; if it is a class, take its images \
         out of the folders within"
    )]
    UnknownSplit {
        /// The folder.
        folder: PathBuf,
        /// The folder beside it that is divided likewise.
        other: String,
        /// Folders that both hold, as a list.
        classes: String,
    },
    /// Some class folders are divided into training and test images, others not.
    #[error(
        "{example} is divided into folders for training and test, but {folder} is not; divide every class, with folders \
         `train` and `test` in each, or none"
    )]
    MixedDivision {
        /// A class that is not divided.
        folder: PathBuf,
        /// A class that is.
        example: PathBuf,
    },
    /// A class has test images alone.
    #[error(
        "class `{class}` of {path} has {} but no training image; repair the label or add training images",
        counted(*images, "test image")
    )]
    ClassOnlyInTest {
        /// The data.
        path: PathBuf,
        /// The class.
        class: String,
        /// Its test images.
        images: usize,
    },
    /// There are more classes than a class index can number.
    #[error("{path} has {classes} classes, more than the 65535 that are possible; these are no class labels")]
    TooManyClasses {
        /// The data.
        path: PathBuf,
        /// How many were found.
        classes: usize,
    },
    /// Images cannot be told apart by their names.
    #[error("two images of {path} have the name `{name}`; rename one or remove it")]
    DuplicateName {
        /// The data.
        path: PathBuf,
        /// The name that two of them have.
        name: String,
    },
    /// The saved train/test split cannot be used, or not be saved.
    #[error(transparent)]
    SavedSplit(#[from] SavedSplitProblem),
    /// Answers to suspicious labels cannot be used.
    #[error(transparent)]
    Corrections(#[from] CorrectionProblem),
    /// A file of STL-10 cannot be used.
    #[error(transparent)]
    Stl10(#[from] Stl10Problem),
    /// A folder of images without labels holds none.
    #[error("no images in {path}; the folder and the folders in it hold no file that ends in {}{}", EXTENSIONS.map(|e| format!(".{e}")).join(", "), passed_over::hint(path))]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// A table, tar file or folder of them holds no image.
    #[error("{path} holds no image: {what}")]
    NoRows {
        /// What was opened.
        path: PathBuf,
        /// What it holds or lacks, as a phrase.
        what: String,
    },
    /// More than one table could hold the labels.
    #[error(
        "{path} has several tables that could hold its labels ({tables}); give one of them, such as --data {example}"
    )]
    SeveralTables {
        /// The folder.
        path: PathBuf,
        /// Their names, as a list.
        tables: String,
        /// One of them, as a path.
        example: PathBuf,
    },
    /// Nothing is left for pre-training when test images are left out.
    #[error("all images of {path} are test images, so none is left to pre-train on; name other ones with --unlabeled")]
    OnlyTestImages {
        /// What was named for pre-training.
        path: PathBuf,
    },
    /// Every image is damaged.
    #[error("none of the {count} images in {path} can be read; the first is {first}: {problem}")]
    NoReadableImage {
        /// The data.
        path: PathBuf,
        /// Images that were tried.
        count: usize,
        /// The first of them by name.
        first: PathBuf,
        /// Why that one cannot be used.
        problem: ImageProblem,
    },
    /// Of a pool whose images are judged when they are first used, none can be.
    #[error(
        "none of the {images} images of {path} can be used: they cannot be read, or are test images or in another folder also"
    )]
    NothingUsed {
        /// The pool.
        path: PathBuf,
        /// Its images.
        images: usize,
    },
    /// An image cannot be used, and none may be skipped ([`OpenOptions::strict`](super::OpenOptions::strict)).
    #[error("{path}: {problem}; {}, or leave out --strict to skip such files", problem.remedy())]
    StrictImage {
        /// The image.
        path: PathBuf,
        /// Why.
        problem: ImageProblem,
    },
    /// An image cannot be read any more, or is read by itself.
    #[error("could not read the image {path}: {problem}")]
    Image {
        /// The image.
        path: PathBuf,
        /// Why.
        problem: ImageProblem,
    },
    /// A source was asked for an image that it does not have.
    #[error("image {index} was asked for, but {source_name} holds {len}")]
    IndexOutOfRange {
        /// The source, for people.
        source_name: String,
        /// The index that was asked for, from 0.
        index: usize,
        /// Images of the source.
        len: usize,
    },
    /// A class has fewer labelled training images than a label budget asks for.
    #[error(
        "`{class}` has {available} labelled training image{}, so --labels-per-class can be {}; {wanted} per class were \
         asked for",
        if *available == 1 { "" } else { "s" },
        if *available == 0 { "all and nothing else".to_owned() } else { format!("at most {available}, or all") }
    )]
    BudgetTooLarge {
        /// The class by its name.
        class: String,
        /// Its labelled training images.
        available: usize,
        /// Images per class that were asked for.
        wanted: usize,
    },
    /// A class has fewer labels than were to be drawn, by its number.
    #[error(
        "class {class} has {available} labelled images, but {wanted} per class were asked for; lower the label budget"
    )]
    TooFewLabels {
        /// Class index.
        class: usize,
        /// Its labelled images.
        available: usize,
        /// Images per class that were asked for.
        wanted: usize,
    },
    /// A label is no class index.
    #[error("label {label} of image {index} is not among the {classes} classes")]
    UnknownClass {
        /// The image's place, from 0.
        index: usize,
        /// Its label.
        label: u16,
        /// The number of classes.
        classes: usize,
    },
    /// An index leads past the labels.
    #[error("index {index} is outside the {len} labelled images")]
    UnknownIndex {
        /// The index.
        index: usize,
        /// The number of labels.
        len: usize,
    },
    /// A setting of folds, of a division or of a builder is out of its range.
    #[error("{what} is {value}, expected {expected}")]
    SplitSetting {
        /// The setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// The range, as a phrase.
        expected: String,
    },
}

impl DataError {
    /// Whether another command line is the remedy: what was typed is not there, is nothing of the kind that is needed, or asks for more
    /// than the data has. What is wrong within the data is not among it.
    pub fn is_of_command_line(&self) -> bool {
        matches!(
            self,
            DataError::NotFound { .. }
                | DataError::NotAFolder { .. }
                | DataError::NotADataFile { .. }
                | DataError::Spreadsheet { .. }
                | DataError::NotReplaced { .. }
                | DataError::NothingToPack { .. }
                | DataError::UnknownDataset { .. }
                | DataError::NoLabels(_)
                | DataError::NoImages { .. }
                | DataError::SeveralTables { .. }
                | DataError::OnlyTestImages { .. }
                | DataError::BudgetTooLarge { .. }
                | DataError::TooFewLabels { .. }
        )
    }

    /// Wraps an input/output error; `action` completes "could not … PATH".
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| DataError::Io { action, path, source }
    }
}

/// What may have been meant by a folder that is not there: one that is, or the embedded set.
fn data_hint(path: &Path) -> String {
    match path_hint(path) {
        found if found.is_empty() => hint(&path.to_string_lossy(), [PATTERNS]),
        found => found,
    }
}

pub(super) fn meant(near: &Option<String>) -> String {
    near.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
