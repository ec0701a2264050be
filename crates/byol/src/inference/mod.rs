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

/// Work with a trained network that cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InferenceError {
    #[error("no images in {}; give files, or folders that hold images ({extensions}){passed_over}", .searched.join(", "))]
    NoPictures {
        searched: Vec<String>,
        extensions: String,
        /// What was there instead, as a part of the sentence.
        passed_over: String,
    },
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

fn none_readable(files: usize, path: &Path, problem: &str) -> String {
    match files {
        1 => format!("{}: {problem}", path.display()),
        _ => format!("none of the {files} images can be read; the first is {}: {problem}", path.display()),
    }
}

impl InferenceError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        matches!(self, InferenceError::OtherNetwork { .. })
    }
}
