//! What can be wrong with a train/test split that is kept in a file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::data::words::counted;

/// A train/test split that cannot be used, or not be saved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SavedSplitProblem {
    /// The drawn division cannot be kept.
    #[error(
        "could not save the train/test split in {path}: {source}; name a place for it with --split FILE, and give the same \
         one every time"
    )]
    NotSaved {
        /// The file that was to hold it.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// A line of a saved split cannot be used.
    #[error("{path}, line {line}: {problem}; repair the saved train/test split, or remove it to draw a new one")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A saved split knows none of the images.
    #[error(
        "the saved train/test split {path} names none of the images in {data}: {}, and images there have names such as \
         `{image}`; write its names like these, remove it to draw a new one, or name another place with --split FILE",
        lines_of_split(*names, name)
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The data.
        data: PathBuf,
        /// How many names it has.
        names: usize,
        /// The first of them.
        name: String,
        /// An image's name.
        image: String,
    },
    /// A saved split was drawn before the class was there.
    #[error(
        "class `{class}` is not in the saved train/test split {path}, so it has no test images; add lines for it, or \
         remove the file to draw a new split (results are then not comparable with earlier ones)"
    )]
    ClassMissing {
        /// The file.
        path: PathBuf,
        /// The class.
        class: String,
    },
}

fn lines_of_split(names: usize, first: &str) -> String {
    match names {
        0 => "it has no lines".to_owned(),
        _ => format!("it has {}, such as `{first}`", counted(names, "line")),
    }
}
