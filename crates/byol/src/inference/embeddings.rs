//! Files of representations: `.npy` with the paths beside it, or Parquet with the paths in it. The name says which.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::InferenceError;
use super::npy::{self, Matrix, NpyWriter};
use super::parquet::{self, ParquetWriter};
use super::paths::{self, PathWriter};

/// What a file of representations is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy's format, float32 `[images, features]`, with a list of paths beside it.
    Npy,
    /// Parquet, with the paths in a column.
    Parquet,
}

impl Format {
    /// The format that a file's extension names.
    pub fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "npy" => Some(Format::Npy),
            "parquet" => Some(Format::Parquet),
            _ => None,
        }
    }
}

/// A file of representations that grows by rows.
pub enum EmbeddingWriter {
    /// A matrix and a list.
    Npy {
        /// The matrix.
        rows: NpyWriter<File>,
        /// The paths of its rows.
        list: Box<PathWriter<File>>,
    },
    /// A table of both.
    Parquet(Box<ParquetWriter<File>>),
}

impl EmbeddingWriter {
    /// # Errors
    /// The row cannot be written or has another length than the others.
    pub fn row(&mut self, path: &Path, row: &[f32]) -> io::Result<()> {
        match self {
            EmbeddingWriter::Npy { rows, list } => rows.row(row).and_then(|()| list.path(path)),
            EmbeddingWriter::Parquet(table) => table.row(path, row),
        }
    }

    /// # Errors
    /// What is left cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self {
            EmbeddingWriter::Npy { rows, list } => rows.finish().and_then(|_| list.finish()),
            EmbeddingWriter::Parquet(table) => table.finish(),
        }
    }
}

/// What stands beside a matrix file, in `FILE.npy.network.json`: which network made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeBy {
    /// [`TrainedEncoder::digest`](crate::trained::model::TrainedEncoder::digest).
    pub network: String,
    /// The program's version.
    pub version: String,
}

/// Where a matrix file's [`MadeBy`] is.
pub fn made_by_beside(matrix: &Path) -> PathBuf {
    let mut name = matrix.as_os_str().to_owned();
    name.push(".network.json");
    name.into()
}

/// A file of representations, read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Embeddings {
    /// A row for each image.
    pub matrix: Matrix,
    /// The path of each row.
    pub names: Vec<String>,
    /// The digest of the network that made them; absent in files of earlier versions and of other programs.
    pub network: Option<String>,
}

impl Embeddings {
    /// Whether the network of that digest made them; nothing where that is not known. `path` is for the message.
    ///
    /// # Errors
    /// Another network made them.
    pub fn check(&self, digest: &str, path: &Path) -> Result<Option<()>, InferenceError> {
        // Enough to see that they differ.
        let short = |digest: &str| digest.trim_start_matches("sha256:").chars().take(12).collect::<String>();
        match &self.network {
            None => Ok(None),
            Some(own) if own == digest => Ok(Some(())),
            Some(own) => {
                Err(InferenceError::OtherNetwork { path: path.to_owned(), found: short(own), expected: short(digest) })
            }
        }
    }
}

/// Reads a file of representations: the matrix, the path of each row, and which network made it.
///
/// # Errors
/// It cannot be read, is of another kind, or the paths beside a matrix are not as many as its rows.
pub fn read(path: &Path) -> Result<Embeddings, InferenceError> {
    if Format::of(path) == Some(Format::Parquet) {
        return parquet::read(path);
    }
    let matrix = npy::read(path)?;
    let list = paths::beside(path);
    let names = paths::read(&list)?;
    if names.len() != matrix.rows() {
        let reason = format!("it names {} images, but there are {} rows; embed again", names.len(), matrix.rows());
        return Err(InferenceError::Malformed { path: list, reason });
    }
    let beside = made_by_beside(path);
    let network = match std::fs::read(&beside) {
        Ok(text) => {
            let made: Result<MadeBy, _> = serde_json::from_slice(&text);
            Some(made.map_err(|error| InferenceError::Malformed { path: beside, reason: error.to_string() })?.network)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(InferenceError::Read { path: beside, source }),
    };
    Ok(Embeddings { matrix, names, network })
}
