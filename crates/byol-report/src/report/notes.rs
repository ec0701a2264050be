//! What was odd about a run directory.

use crate::run::record::{LabelBudget, ResultName};

/// One thing that was odd about a run directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The run goes on or was stopped: there is what it had recorded so far.
    Unfinished,
    /// The last line of a file is incomplete and was skipped.
    TornLine {
        /// The file's name in the run directory.
        file: String,
        /// From 1.
        line: usize,
    },
    /// There is no `config.toml`.
    NoConfiguration,
    /// `config.toml` is not TOML.
    UnreadableConfiguration {
        /// What the parser says of it.
        reason: String,
    },
    /// Predictions that are not of the run's test images are left out.
    OtherPredictions {
        /// Which line it is.
        of: Answers,
        /// Predictions in it.
        predictions: usize,
        /// Test images of the run.
        images: usize,
    },
    /// Predictions that have another number of probabilities are left out.
    OtherProbabilities {
        /// Which line it is.
        of: Answers,
        /// Probabilities in it.
        probabilities: usize,
        /// Predictions in it.
        predictions: usize,
    },
    /// The recorded accuracy is not that of the predictions; both 0-1.
    OtherAccuracy {
        /// Which line it is.
        of: Answers,
        /// The accuracy that it states.
        recorded: f64,
        /// The accuracy of its predictions.
        computed: f64,
    },
    /// Names that are not those of the test images are not shown.
    OtherTestImages {
        /// Names that are recorded.
        names: usize,
        /// Test images of the run.
        images: usize,
    },
    /// An image of the gallery is not shown.
    GalleryImage {
        /// The file's name in the gallery.
        name: String,
        /// Why it is not shown.
        problem: ImageProblem,
    },
    /// Thumbnails that are not of the test images are not shown.
    OtherThumbnails,
    /// Thumbnails are not shown.
    Thumbnails {
        /// Why they are not shown.
        problem: ImageProblem,
    },
    /// A map that is not of the test images is not shown.
    OtherMap,
}

impl Note {
    /// Whether it says no more than that the run goes on.
    pub(crate) fn is_of_a_run_that_goes_on(&self) -> bool {
        matches!(self, Note::Unfinished | Note::TornLine { .. })
    }
}

/// Which line of `predictions.jsonl` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Which classifier's answers.
    pub name: ResultName,
    /// The labels that it was trained with.
    pub budget: LabelBudget,
    /// From 0.
    pub draw: usize,
}

/// Why a file of the gallery is not shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageProblem {
    /// Its name leads elsewhere.
    OutsideGallery,
    /// In the system's words.
    Unreadable(String),
    /// Not of this format.
    NotA(&'static str),
    /// It is larger than what a page takes into itself.
    TooLarge {
        /// The file's size.
        bytes: usize,
        /// The largest that is shown.
        most: usize,
    },
}
