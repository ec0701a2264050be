//! The paths that belong to the rows of a matrix file: a table of one column, `path`, beside it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::InferenceError;

/// Where the paths of a matrix file are: `FILE.npy.paths.csv`.
pub fn beside(matrix: &Path) -> PathBuf {
    let mut name = matrix.as_os_str().to_owned();
    name.push(".paths.csv");
    name.into()
}

/// Writes paths in the order of the rows.
pub struct PathWriter<W: Write>(csv::Writer<W>);

impl<W: Write> PathWriter<W> {
    /// # Errors
    /// `to` cannot be written.
    pub fn new(to: W) -> io::Result<PathWriter<W>> {
        let mut table = csv::Writer::from_writer(to);
        table.write_record(["path"])?;
        Ok(PathWriter(table))
    }

    /// Writes a path as the bytes that it is.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn path(&mut self, path: &Path) -> io::Result<()> {
        Ok(self.0.write_record([path.as_os_str().as_encoded_bytes()])?)
    }

    /// # Errors
    /// What is left cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Reads what [`PathWriter`] wrote. What is not Unicode becomes U+FFFD.
///
/// # Errors
/// The file cannot be read or is no such table.
pub fn read(path: &Path) -> Result<Vec<String>, InferenceError> {
    let malformed = |error: csv::Error| InferenceError::Malformed { path: path.to_owned(), reason: error.to_string() };
    let file = std::fs::File::open(path).map_err(|source| InferenceError::Read { path: path.to_owned(), source })?;
    let records = csv::Reader::from_reader(file).into_byte_records();
    records
        .map(|record| Ok(String::from_utf8_lossy(record.map_err(malformed)?.get(0).unwrap_or_default()).into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = beside(&folder.path().join("a.npy"));
        assert!(file.ends_with("a.npy.paths.csv"));
        let paths = ["a b.png", "", "x,\"y\".png", "two\nlines.jpg", " é.png"];
        let mut writer = PathWriter::new(std::fs::File::create(&file).unwrap()).unwrap();
        for path in paths {
            writer.path(Path::new(path)).unwrap();
        }
        writer.finish().unwrap();
        assert_eq!(read(&file).unwrap(), paths);
    }
}
