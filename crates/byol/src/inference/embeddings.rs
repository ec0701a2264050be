//! Files of representations: `.npy` with the paths beside it, or Parquet with the paths in it. The name says which.

use std::fs::File;
use std::io;
use std::path::Path;

use super::InferenceError;
use super::npy::{self, Matrix, NpyWriter};
use super::parquet::{self, ParquetWriter};
use super::paths::{self, PathWriter};

/// What a file of representations is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Npy,
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
    Npy { rows: NpyWriter<File>, list: Box<PathWriter<File>> },
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

/// Reads a file of representations: the matrix, and the path of each row.
///
/// # Errors
/// It cannot be read, is of another kind, or the paths beside a matrix are not as many as its rows.
pub fn read(path: &Path) -> Result<(Matrix, Vec<String>), InferenceError> {
    if Format::of(path) == Some(Format::Parquet) {
        return parquet::read(path);
    }
    let matrix = npy::read(path)?;
    let list = paths::beside(path);
    let names = paths::read(&list)?;
    if names.len() != matrix.rows() {
        let reason = format!("it names {} pictures, but there are {} rows; embed again", names.len(), matrix.rows());
        return Err(InferenceError::Malformed { path: list, reason });
    }
    Ok((matrix, names))
}
