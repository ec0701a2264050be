//! What a person should know about data that was opened, with its values: how it was read, and what is odd but stops nothing. How it is
//! said, the `language` of byol's report knows; no sentence is made here. Paths are as they are shown.

use std::path::Path;

use serde::Serialize;

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
        kinds: Vec<(String, usize)>,
        remedies: Vec<FileRemedy>,
    },
    /// Folders in which systems keep thumbnails and deleted files, with how many there are of each name.
    FoldersNotSearched {
        folders: Vec<(String, usize)>,
    },
    /// An image that cannot be used, and why, as the error says it.
    Skipped {
        path: String,
        problem: String,
    },
    /// Further ones, after those that are named.
    MoreSkipped {
        files: usize,
        root: String,
    },
    /// A line of a table names a file that is not there, as the error says it.
    LineSkipped {
        problem: String,
    },
    /// Further ones, after those that are named.
    MoreLinesSkipped {
        lines: usize,
    },
    /// A file of the data set is not there, and what is missing with it.
    Missing {
        file: String,
        lacks: Option<Lack>,
    },
    /// Images do not fit into memory, so that each is decoded again and again.
    NotInMemory {
        root: String,
    },

    // Which image is for what.
    /// A division was drawn; it is kept in a file, or will be once the data is used.
    SplitDrawn {
        train: usize,
        test: usize,
        file: String,
        saved: bool,
    },
    /// Copies that a drawn division leaves to training.
    CopiesTrained {
        images: usize,
    },
    /// All images of a class are copies, so that its test images are training images also.
    OnlyCopies {
        class: String,
    },
    /// Images of a saved division are not there any more: how many, how many of the test, and the first names.
    SplitImagesGone {
        images: usize,
        tests: usize,
        file: String,
        first: Vec<String>,
    },
    /// Names of a saved split lack the ending or the folder that others there have, and are passed over: how many, and the first with
    /// the image that it may mean.
    SplitNamesShort {
        names: usize,
        file: String,
        written: String,
        image: String,
    },
    /// Images that a saved division does not know are for training: how many, and the first names.
    NotInSplit {
        images: usize,
        file: String,
        first: Vec<String>,
    },
    /// A file for a division was named and is not needed.
    SplitNotUsed {
        file: String,
    },
    /// Test images without a label.
    TestWithoutLabels {
        images: usize,
    },
    /// A validation split beside a test split.
    ValidationTrained {
        images: usize,
    },
    /// Test images of what was given for pre-training.
    TestImagesLeftOut {
        images: usize,
        root: String,
    },
    /// Images that were given for pre-training and are the data's test images.
    TestImagesOfData {
        images: usize,
        root: String,
    },
    /// With so few test images an accuracy is known to so many points; to what it would be with enough of them.
    FewTestImages {
        images: usize,
        points: f64,
        enough: usize,
        points_with_enough: f64,
    },

    // Classes and labels.
    /// One image in a class that is called nearly as another.
    Misspelt {
        class: String,
        meant: String,
    },
    /// Two classes differ in capital letters alone.
    CapitalsDiffer {
        class: String,
        other: String,
    },
    ClassWithoutImage {
        class: String,
    },
    ClassWithoutTest {
        class: String,
    },
    /// `-1` beside classes that are numbered from 0.
    MinusOne {
        images: usize,
    },
    /// A label that many programs write where there is none.
    PerhapsNoLabel {
        images: usize,
        class: String,
    },
    /// No image has a label, though some were looked for.
    Unlabelled(Unlabelled),

    // Folders.
    /// A folder beside splits that is none.
    NoSplit {
        folder: String,
    },
    /// Several folders that are one split each: their names, and its.
    SplitsJoined {
        splits: Vec<(Vec<String>, &'static str)>,
    },
    /// Two classes that hold the same folders, which may be the classes.
    ClassesPerhapsSplits {
        one: String,
        other: String,
        both_hold: String,
    },
    /// A class that is a data set itself.
    DataSetWithin {
        root: String,
        inner: String,
    },

    // Tables.
    /// A column is read as paths for what it holds.
    ReadAsPaths {
        table: String,
        column: String,
    },
    /// The only other column is read as labels.
    ReadAsLabels {
        table: String,
        column: String,
    },
    /// Columns of 0 and 1 are read as classes.
    ReadAsClasses {
        table: String,
    },
    /// Of columns that may mean the same, the first of each pair is read.
    ColumnsNotRead {
        table: String,
        read: Vec<(String, String)>,
    },
    /// What a row names is found under another name.
    FoundAs {
        table: String,
        written: String,
        name: String,
    },
    /// The folders of a table's paths are splits.
    DividedByFolders {
        table: String,
    },
    /// Images beside a table that it does not name.
    NotListed {
        images: usize,
        folder: String,
        tables: Vec<String>,
    },
    /// A table lies beside folders that tell the labels.
    TableNotUsed {
        table: String,
        has_labels: bool,
    },
    SpreadsheetNotRead {
        file: String,
    },

    // Archives.
    SamplesWithoutImage {
        samples: usize,
        root: String,
    },
    SamplesWithSeveral {
        samples: usize,
        root: String,
    },
    /// Images whose names have dots, and are samples of their own.
    DottedNames {
        images: usize,
        root: String,
        first: String,
    },
    /// Levels that a pack's images of more than eight bits were packed with.
    PackedLevels {
        images: usize,
        levels: Levels,
    },
    /// Files that could not be read when a pack was made.
    PackedWithout {
        files: usize,
        pack: String,
    },
    NotUnpacked {
        entry: String,
    },
    OtherChecksum {
        file: String,
        found: String,
        expected: String,
    },
    NotInArchive {
        file: String,
    },

    // Copies.
    /// Test images that are training images also.
    TestInTrain(Straddling),
    /// Images under several labels, with the labels of one of them.
    Contradictions {
        exact: bool,
        images: usize,
        first: Vec<NamedLabel>,
    },
    /// Images that pre-training does not see, as copies of test images.
    CopiesLeftOut(LeftOut),
    /// Images that pre-training sees among others.
    RepeatsLeftOut(LeftOut),
    /// A pool for pre-training that brings nothing new.
    AddsNothing {
        pool: String,
    },

    // Stored values and levels.
    /// Images of more than eight bits, what they use, and how many use little of it.
    Deep {
        images: usize,
        of: usize,
        span: Span,
        narrow: usize,
    },
    /// They use a small part of the range.
    FewLevels {
        images: usize,
        span: Span,
        left: usize,
        remedy: LevelsRemedy,
    },
    /// Some have values outside the range.
    BeyondRange {
        images: usize,
        of: usize,
        span: Span,
        remedy: LevelsRemedy,
    },
    /// Many use a small part of the range, and others more.
    UnlikeOthers {
        images: usize,
        of: usize,
        span: Span,
    },
    /// Images of (nearly) one level.
    OneLevel {
        images: usize,
        of: usize,
    },
}

/// What can be done with files that are not read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRemedy {
    /// Camera raw files.
    Develop,
    Convert {
        kinds: Vec<String>,
    },
    /// Videos.
    TakeFrames,
    /// Files without an extension.
    NameThem,
}

/// What there is none of, where a file of a data set is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    LabelledTraining,
    Test,
    Folds,
}

/// The stored values that images use, and those that become black and white.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Span {
    pub kind: SampleKind,
    pub low: f64,
    pub high: f64,
    pub black: f64,
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
        levels: Levels,
        used: Levels,
    },
    Used {
        levels: Levels,
    },
    /// A network was trained with these levels.
    TrainedWith {
        levels: Levels,
    },
}

/// A path as it is shown.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
