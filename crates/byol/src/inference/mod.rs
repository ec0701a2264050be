//! Using a trained network on one's own images: representations of them, predictions, and the nearest ones. Nothing is
//! trained here.
//!
//! [`files`] finds the images, [`pipeline`] reads, decodes and resizes them on every core while others compute, and hands
//! rows of numbers over in the order of the files.

pub mod calibration;
pub mod divided;
pub mod embeddings;
pub mod files;
mod folded;
pub mod labelled;
pub mod neighbors;
pub mod network;
pub mod npy;
#[doc(hidden)]
pub mod page;
pub mod parquet;
pub mod paths;
pub mod pipeline;
pub mod predictions;
pub mod representations;
pub mod seen;
#[cfg(test)]
mod tiny;

use std::io;
use std::path::{Path, PathBuf};

use crate::loader::LoadError;
use crate::model::ModelError;
use crate::nearest::path_hint;

/// Work with a trained network that cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    /// No image was found.
    #[error("no images in {}; give files, or folders that hold images ({extensions}){passed_over}", .searched.join(", "))]
    NoImages {
        /// What was searched, as it was named.
        searched: Vec<String>,
        /// The extensions of images, as a list.
        extensions: String,
        /// What was there instead, as a part of the sentence.
        passed_over: String,
    },
    /// A file or folder that was named is not there.
    #[error("{} does not exist{}{}", path.display(), nor_others(*others), path_hint(path))]
    NotThere {
        /// The first of them.
        path: PathBuf,
        /// How many others are not there either.
        others: usize,
    },
    /// A folder was named where one image is meant.
    #[error("{} is a folder; name one image", path.display())]
    FolderAsImage {
        /// The folder.
        path: PathBuf,
    },
    /// Labelled images are of a class that the classifier does not know.
    #[error(
        "{} has a class '{name}', but the classifier's are {}; name its classes as these", path.display(),
        .classes.join(", ")
    )]
    UnknownClass {
        /// The data.
        path: PathBuf,
        /// Its name.
        name: String,
        /// The classifier's classes.
        classes: Vec<String>,
    },
    /// Every image is damaged.
    #[error("{}", none_readable(*files, path, problem))]
    NoneReadable {
        /// Files that were tried.
        files: usize,
        /// The first of them.
        path: PathBuf,
        /// Why that one cannot be used.
        problem: String,
    },
    /// The system refuses to write a file.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// The system refuses to read a file.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// A file has another form than it should.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An image of labelled data cannot be read any more.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The weights do not fit the network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Representations of one network were to be compared with those of another.
    #[error(
        "{} was made by another network than the encoder that was asked for ({found}, not {expected}); embed again, or name the \
         run and --stage that made it", path.display()
    )]
    OtherNetwork {
        /// The file of representations.
        path: PathBuf,
        /// The beginning of the digest of the network that made them.
        found: String,
        /// The beginning of the digest of the network that was asked for.
        expected: String,
    },
    /// A thread that computes has panicked.
    #[error("a thread that computes ended unexpectedly; the message above says why")]
    WorkerLost,
}

fn nor_others(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => ", nor does another path".to_owned(),
        _ => format!(", nor do {others} other paths"),
    }
}

fn none_readable(files: usize, path: &Path, problem: &str) -> String {
    match files {
        1 => format!("{}: {problem}", path.display()),
        _ => format!("none of the {files} images can be read; the first is {}: {problem}", path.display()),
    }
}

impl InferenceError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        use InferenceError::{FolderAsImage, NoImages, NotThere, OtherNetwork};
        matches!(self, OtherNetwork { .. } | NotThere { .. } | FolderAsImage { .. } | NoImages { .. })
    }
}
