//! What was odd about a run directory.

use crate::run::record::{LabelBudget, ResultName};

/// One thing that was odd about a run directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// The run goes on or was stopped: there is what it had recorded so far.
    Unfinished,
    /// The last line of a file is incomplete and was skipped.
    TornLine {
        file: String,
        /// From 1.
        line: usize,
    },
    NoConfiguration,
    UnreadableConfiguration {
        reason: String,
    },
    /// Predictions that are not of the run's test images are left out.
    OtherPredictions {
        of: Answers,
        predictions: usize,
        images: usize,
    },
    /// Predictions that have another number of probabilities are left out.
    OtherProbabilities {
        of: Answers,
        probabilities: usize,
        predictions: usize,
    },
    /// The recorded accuracy is not that of the predictions; both 0-1.
    OtherAccuracy {
        of: Answers,
        recorded: f64,
        computed: f64,
    },
    /// Names that are not those of the test images are not shown.
    OtherTestImages {
        names: usize,
        images: usize,
    },
    /// An image of the gallery is not shown.
    GalleryImage {
        name: String,
        problem: ImageProblem,
    },
    /// Thumbnails that are not of the test images are not shown.
    OtherThumbnails,
    /// Thumbnails are not shown.
    Thumbnails {
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
    pub name: ResultName,
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
    TooLarge {
        bytes: usize,
        most: usize,
    },
}
