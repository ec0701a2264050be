//! Using a trained network on one's own images: representations of them, predictions, and the nearest ones. Nothing is
//! trained here.
//!
//! [`files`] finds the images, [`pipeline`] reads, decodes and resizes them on every core while others compute, and hands
//! rows of numbers over in the order of the files.

pub mod calibration;
pub mod embeddings;
pub mod files;
mod folded;
pub mod labelled;
pub mod neighbors;
pub mod network;
pub mod npy;
pub mod page;
pub mod parquet;
pub mod paths;
pub mod pipeline;
pub mod predictions;
pub mod seen;

use std::io;
use std::path::{Path, PathBuf};

use crate::model::ModelError;
use crate::nearest::path_hint;

/// Work with a trained network that cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    #[error("no images in {}; give files, or folders that hold images ({extensions}){passed_over}", .searched.join(", "))]
    NoImages {
        searched: Vec<String>,
        extensions: String,
        /// What was there instead, as a part of the sentence.
        passed_over: String,
    },
    #[error("{} does not exist{}{}", path.display(), nor_others(*others), path_hint(path))]
    NotThere {
        path: PathBuf,
        /// How many others are not there either.
        others: usize,
    },
    #[error("{} is a folder; name one image", path.display())]
    FolderAsImage { path: PathBuf },
    #[error(
        "{} holds a folder '{name}', but the classes are {}; name the folders as the classes", path.display(),
        .classes.join(", ")
    )]
    UnknownClass { path: PathBuf, name: String, classes: Vec<String> },
    #[error("{} holds no labelled images; give a folder with a folder for each class in it", path.display())]
    NoLabelled { path: PathBuf },
    #[error("{}", none_readable(*files, path, problem))]
    NoneReadable { files: usize, path: PathBuf, problem: String },
    #[error("failed to write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(
        "{} was made by another network than the encoder that was asked for ({found}, not {expected}); embed again, or name the \
         run and --stage that made it", path.display()
    )]
    OtherNetwork { path: PathBuf, found: String, expected: String },
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
        use InferenceError::{FolderAsImage, NoImages, NoLabelled, NotThere, OtherNetwork};
        matches!(
            self,
            OtherNetwork { .. } | NotThere { .. } | FolderAsImage { .. } | NoImages { .. } | NoLabelled { .. }
        )
    }
}
