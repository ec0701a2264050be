//! What a person should know about data that was opened, with its values: how it was read, and what is odd but stops nothing. How it is
//! said, the `language` of byol's report knows; no sentence is made here. Paths are as they are shown.

use std::path::Path;

use serde::Serialize;

pub use super::error::FileRemedy;
use super::error::Unlabelled;
use super::findings::{LeftOut, NamedLabel, Straddling};
use super::levels::{Levels, SampleKind};

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum DataNote {
    // Files, and which of them are read.
    /// Files that look like images and are not read: how many of each kind (an extension with its dot, or nothing), and what can be
    /// done with them.
    FilesNotRead {
        /// Each kind with its files, the most frequent kind first.
        kinds: Vec<(String, usize)>,
        /// One for each sort of file that is among them.
        remedies: Vec<FileRemedy>,
    },
    /// Folders in which systems keep thumbnails and deleted files, with how many there are of each name.
    FoldersNotSearched {
        /// A folder's name, and how many are called so.
        folders: Vec<(String, usize)>,
    },
    /// An image that cannot be used, and why, as the error says it.
    Skipped {
        /// The file, or the place of an image in one.
        path: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// Further ones, after those that are named.
    MoreSkipped {
        /// How many are not named.
        files: usize,
        /// Where they lie: the data or the pool.
        root: String,
    },
    /// A line of a table names a file that is not there, as the error says it.
    LineSkipped {
        /// The table, the line, and what is not there.
        problem: String,
    },
    /// Further ones, after those that are named.
    MoreLinesSkipped {
        /// How many are not named.
        lines: usize,
    },
    /// A file of the data set is not there, and what is missing with it.
    Missing {
        /// Where it should be.
        file: String,
        /// What cannot be done without it; nothing where others of its kind are there.
        lacks: Option<Lack>,
    },
    /// Images do not fit into memory, so that each is decoded again and again.
    NotInMemory {
        /// The data or the pool.
        root: String,
    },

    /// Images for pre-training do not fit into memory, and are decoded when they are first used.
    DecodedLater {
        /// How many.
        images: usize,
        /// The data or the pool.
        root: String,
    },

    // Which image is for what.
    /// A division was drawn; it is kept in a file, or will be once the data is used.
    SplitDrawn {
        /// Training images.
        train: usize,
        /// Test images.
        test: usize,
        /// Where the division is kept.
        file: String,
        /// Whether it is there already.
        saved: bool,
    },
    /// Copies that a drawn division leaves to training.
    CopiesTrained {
        /// Images that are there more than once, each counted once.
        images: usize,
    },
    /// Labels that people changed, and images that they left out, as they answered to suspicious labels.
    Corrected {
        /// Labels that are not those of the data.
        changed: usize,
        /// Images that are left out.
        dropped: usize,
        /// The answers.
        file: String,
    },
    /// Answers that are not applied: the label is not what it was, or the image is gone.
    CorrectionsNotUsed {
        /// How many.
        answers: usize,
        /// The answers.
        file: String,
    },
    /// All images of a class are copies, so that its test images are training images also.
    OnlyCopies {
        /// Its name.
        class: String,
    },
    /// Images of a saved division are not there any more: how many, how many of the test, and the first names.
    SplitImagesGone {
        /// Missing or unreadable ones, 1 or more.
        images: usize,
        /// Those of them that are for the test.
        tests: usize,
        /// The saved division.
        file: String,
        /// Names as they are saved.
        first: Vec<String>,
    },
    /// Names of a saved split lack the ending or the folder that others there have, and are passed over: how many, and the first with
    /// the image that it may mean.
    SplitNamesShort {
        /// How many are passed over.
        names: usize,
        /// The saved split.
        file: String,
        /// The first of them, as it stands there.
        written: String,
        /// How it would be written if it means the image that is nearly called so.
        image: String,
    },
    /// Images that a saved division does not know are for training: how many, and the first names.
    NotInSplit {
        /// How many, 1 or more.
        images: usize,
        /// The saved division.
        file: String,
        /// Their names within the data.
        first: Vec<String>,
    },
    /// A file for a division was named and is not needed.
    SplitNotUsed {
        /// As it was given with `--split`.
        file: String,
    },
    /// Test images without a label.
    TestWithoutLabels {
        /// How many; they count as unlabelled.
        images: usize,
    },
    /// A validation split beside a test split.
    ValidationTrained {
        /// Its images, which join the training images.
        images: usize,
    },
    /// Test images of what was given for pre-training.
    TestImagesLeftOut {
        /// How many; they are not trained on.
        images: usize,
        /// The pool.
        root: String,
    },
    /// Images that were given for pre-training and are the data's test images.
    TestImagesOfData {
        /// How many; they are left out of pre-training.
        images: usize,
        /// The pool.
        root: String,
    },
    /// With so few test images an accuracy is known to so many points; to what it would be with enough of them.
    FewTestImages {
        /// Test images, 1 or more.
        images: usize,
        /// Half the 95 % interval of an accuracy of one half, in percentage points, rounded up.
        points: f64,
        /// Of so many test images nothing is said any more.
        enough: usize,
        /// The same half interval with these.
        points_with_enough: f64,
    },

    // Classes and labels.
    /// Few images in a class that is called nearly as a larger one.
    Misspelt {
        /// The class with few images.
        class: String,
        /// How many it has, 1 or more.
        images: usize,
        /// The larger class that is nearly called so.
        meant: String,
    },
    /// Two classes differ in capital letters alone.
    CapitalsDiffer {
        /// The one that comes first.
        class: String,
        /// The one that comes later.
        other: String,
    },
    /// A class has neither a training nor a test image.
    ClassWithoutImage {
        /// Its name.
        class: String,
    },
    /// A class has training images alone, so that no accuracy speaks of it.
    ClassWithoutTest {
        /// Its name.
        class: String,
    },
    /// `-1` beside classes that are numbered from 0.
    MinusOne {
        /// Images with that label, which is read as none.
        images: usize,
    },
    /// A label that many programs write where there is none.
    PerhapsNoLabel {
        /// Images with that label.
        images: usize,
        /// The label, which is read as a class.
        class: String,
    },
    /// No image has a label, though some were looked for.
    Unlabelled(Unlabelled),

    // Folders.
    /// A folder beside splits that is none.
    NoSplit {
        /// The folder, which is left out.
        folder: String,
    },
    /// Several folders that are one split each: their names, and its.
    SplitsJoined {
        /// The folders of one split, and what the split is called here.
        splits: Vec<(Vec<String>, &'static str)>,
    },
    /// Two classes that hold the same folders, which may be the classes.
    ClassesPerhapsSplits {
        /// A class, which may be a split.
        one: String,
        /// Another one.
        other: String,
        /// Some of the folders that are in both.
        both_hold: String,
    },
    /// A class that is a data set itself.
    DataSetWithin {
        /// What was given as data.
        root: String,
        /// What was probably meant: a folder in it that holds class folders.
        inner: String,
    },

    // Tables.
    /// A column is read as paths for what it holds.
    ReadAsPaths {
        /// The file.
        table: String,
        /// As its header calls it.
        column: String,
    },
    /// The only other column is read as labels.
    ReadAsLabels {
        /// The file.
        table: String,
        /// As its header calls it.
        column: String,
    },
    /// Columns of 0 and 1 are read as classes.
    ReadAsClasses {
        /// The file.
        table: String,
    },
    /// Of columns that may mean the same, the first of each pair is read.
    ColumnsNotRead {
        /// The file.
        table: String,
        /// Pairs: the column that is read, and the one that is passed over for it.
        read: Vec<(String, String)>,
    },
    /// What a row names is found under another name.
    FoundAs {
        /// The file.
        table: String,
        /// What the first such row says, shortened where it is long.
        written: String,
        /// The image's name within the data.
        name: String,
    },
    /// The folders of a table's paths are splits.
    DividedByFolders {
        /// The file.
        table: String,
    },
    /// Images beside a table that it does not name.
    NotListed {
        /// How many; they are left out.
        images: usize,
        /// Where they lie.
        folder: String,
        /// The tables that could name them.
        tables: Vec<String>,
    },
    /// A table lies beside folders that tell the labels.
    TableNotUsed {
        /// The file.
        table: String,
        /// Whether it could be read as the data, with labels.
        has_labels: bool,
    },
    /// A spreadsheet lies in the folder; tables are read from CSV alone.
    SpreadsheetNotRead {
        /// The first one by name.
        file: String,
    },

    // Archives.
    /// Samples of tar files that hold no image and are left out.
    SamplesWithoutImage {
        /// How many.
        samples: usize,
        /// The archives.
        root: String,
    },
    /// Samples of tar files that hold several images, of which the first is read.
    SamplesWithSeveral {
        /// How many.
        samples: usize,
        /// The archives.
        root: String,
    },
    /// Images whose names have dots, and are samples of their own.
    DottedNames {
        /// How many.
        images: usize,
        /// The archives.
        root: String,
        /// The name of one.
        first: String,
    },
    /// Levels that a pack's images of more than eight bits were packed with.
    PackedLevels {
        /// How many.
        images: usize,
        /// They cannot be chosen any more.
        levels: Levels,
    },
    /// Files that could not be read when a pack was made.
    PackedWithout {
        /// How many.
        files: usize,
        /// The pack.
        pack: String,
    },
    /// An entry of a fetched archive that does not belong to the data set and was passed over.
    NotUnpacked {
        /// Its path within the archive.
        entry: String,
    },
    /// A fetched file that is not needed to train differs from the published one.
    OtherChecksum {
        /// Its name.
        file: String,
        /// Its MD5, in hexadecimal digits.
        found: String,
        /// The published MD5.
        expected: String,
    },
    /// A fetched archive lacks a file that is not needed to train.
    NotInArchive {
        /// Its name.
        file: String,
    },

    // Copies.
    /// Test images that are training images also.
    TestInTrain(Straddling),
    /// Images under several labels, with the labels of one of them.
    Contradictions {
        /// Whether their pixels are equal, so that a label is wrong for certain; otherwise they look alike.
        exact: bool,
        /// How many images, the versions of one counted once.
        images: usize,
        /// Versions of the first of them, each with its label.
        first: Vec<NamedLabel>,
    },
    /// Images that pre-training does not see, as copies of test images.
    CopiesLeftOut(LeftOut),
    /// Images that pre-training sees among others.
    RepeatsLeftOut(LeftOut),
    /// A pool for pre-training that brings nothing new.
    AddsNothing {
        /// As it was given.
        pool: String,
    },

    // Stored values and levels.
    /// Images of more than eight bits, what they use, and how many use little of it.
    Deep {
        /// How many are stored as such samples.
        images: usize,
        /// Among so many.
        of: usize,
        /// Over all of them.
        span: Span,
        /// Those that use less than a quarter of the range from black to white.
        narrow: usize,
    },
    /// They use a small part of the range.
    FewLevels {
        /// How many.
        images: usize,
        /// Over all of them.
        span: Span,
        /// Levels of 256 that differ after the conversion, 1 or more.
        left: usize,
        /// Other levels that would fit.
        remedy: LevelsRemedy,
    },
    /// Some have values outside the range.
    BeyondRange {
        /// How many.
        images: usize,
        /// Among so many that are stored alike.
        of: usize,
        /// Over all that are stored alike.
        span: Span,
        /// Other levels that would fit.
        remedy: LevelsRemedy,
    },
    /// Many use a small part of the range, and others more.
    UnlikeOthers {
        /// Those that use less than a quarter of the range.
        images: usize,
        /// Among so many that are stored alike.
        of: usize,
        /// Over all that are stored alike.
        span: Span,
    },
    /// Images of (nearly) one level.
    OneLevel {
        /// How many.
        images: usize,
        /// Among so many.
        of: usize,
    },
}

/// What there is none of, where a file of a data set is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// Training images with labels: only pre-training is possible.
    LabelledTraining,
    /// Test images: no accuracy can be measured.
    Test,
    /// The predefined draws of labels.
    Folds,
}

/// The stored values that images use, and those that become black and white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    /// What one sample is stored as.
    pub kind: SampleKind,
    /// The smallest stored value that occurs.
    pub low: f64,
    /// The largest stored value that occurs.
    pub high: f64,
    /// The stored value that becomes level 0.
    pub black: f64,
    /// The stored value that becomes level 255.
    pub white: f64,
}

/// What to do about levels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelsRemedy {
    /// All values are one.
    LookAtFiles,
    /// What was probably recorded, and exactly what is used.
    Bits {
        /// Everything that a sensor of so many bits records.
        levels: Levels,
        /// From the smallest to the largest value that occurs.
        used: Levels,
    },
    /// No number of bits fits: the values that occur, laid over all levels.
    Used {
        /// From the smallest to the largest value that occurs.
        levels: Levels,
    },
    /// A network was trained with these levels.
    TrainedWith {
        /// They belong to the network, and cannot be chosen.
        levels: Levels,
    },
}

/// A path as it is shown.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
