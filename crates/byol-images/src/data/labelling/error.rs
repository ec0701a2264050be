//! What can go wrong with labels that are given by hand.

use std::io;
use std::path::PathBuf;

use crate::data::DataError;

/// Labels cannot be kept, or an answer cannot be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelFileError {
    /// The table cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It is no table of comma-separated values.
    #[error("{} must end with .csv or .tsv: labels are appended to it line by line", path.display())]
    NotCsv {
        /// The file that was named.
        path: PathBuf,
    },
    /// Its labels stand in a column for each class.
    #[error("{} has no single column of labels, so none can be added to it; name another file with --labels", path.display())]
    NotOneColumn {
        /// The table.
        path: PathBuf,
    },
    /// Paths in the table cannot lead to the images.
    #[error(
        "{} does not lie beside the images nor in a folder above {}: paths in a table begin in its folder; name a file there",
        path.display(), images.display()
    )]
    Elsewhere {
        /// The table.
        path: PathBuf,
        /// The folder of images.
        images: PathBuf,
    },
    /// Another server writes into it.
    #[error("{} is being labelled already, at {by}; go there, or end that one first", path.display())]
    Held {
        /// The table.
        path: PathBuf,
        /// Address and process of the other one.
        by: String,
    },
    /// It cannot be written: the disk is full, for example.
    #[error("{} cannot be written ({source}); nothing was recorded", path.display())]
    Unwritten {
        /// The table or its journal.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It was there and is not any more.
    #[error("{} is not there any more; put it back, or begin anew", path.display())]
    Vanished {
        /// The table.
        path: PathBuf,
    },
    /// A line of the journal is not understood.
    #[error("line {line} of {} is not understood ({reason}); remove it, or the file: labels stay, undoing ends there", path.display())]
    Journal {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
    /// A class cannot have this name.
    #[error("`{name}` cannot be the name of a class: {reason}")]
    ClassName {
        /// The name.
        name: String,
        /// Why, as a phrase.
        reason: &'static str,
    },
    /// A table cannot name this image.
    #[error(
        "a table cannot name {image}: give the file a name without blanks at its ends and without control characters"
    )]
    ImageName {
        /// The image.
        image: String,
    },
}

impl LabelFileError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        match self {
            LabelFileError::NotCsv { .. }
            | LabelFileError::NotOneColumn { .. }
            | LabelFileError::Elsewhere { .. }
            | LabelFileError::Held { .. }
            | LabelFileError::ClassName { .. } => true,
            LabelFileError::Data(error) => error.is_of_command_line(),
            _ => false,
        }
    }
}
