//! Representations with their paths as a Parquet table: `path` (text) and `embedding` (a list of float32). Which network made
//! them stands in the file's metadata, under `byol.network`.

use std::fs::File;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, FloatType};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::InferenceError;
use super::embeddings::Embeddings;
use super::npy::Matrix;

/// The key of the digest of the network.
const NETWORK: &str = "byol.network";
/// Rows that are written together; so many are held in memory.
const GROUP: usize = 8192;

/// A table that grows by rows.
pub struct ParquetWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    columns: usize,
    paths: Vec<ByteArray>,
    values: Vec<f32>,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// `network` is the digest of the network that makes the rows, where it is known.
    ///
    /// # Errors
    /// `file` cannot be written.
    pub fn new(file: W, columns: usize, network: Option<String>) -> io::Result<ParquetWriter<W>> {
        let metadata = network.map(|digest| vec![KeyValue::new(NETWORK.to_owned(), digest)]);
        // Numbers that hardly repeat gain nothing by a dictionary.
        let properties =
            WriterProperties::builder().set_dictionary_enabled(false).set_key_value_metadata(metadata).build();
        let schema = schema().map_err(io::Error::other)?;
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(io::Error::other)?;
        Ok(ParquetWriter { file, columns, paths: Vec::new(), values: Vec::new() })
    }

    /// Adds a row of as many values as there are columns. What is not Unicode in a path becomes U+FFFD.
    ///
    /// # Errors
    /// The file cannot be written, or `row` has another length.
    pub fn row(&mut self, path: &Path, row: &[f32]) -> io::Result<()> {
        if row.len() != self.columns {
            let reason = format!("a row has {} values where the others have {}", row.len(), self.columns);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        self.paths.push(ByteArray::from(path.to_string_lossy().as_ref()));
        self.values.extend_from_slice(row);
        if self.paths.len() == GROUP { self.write_group().map_err(io::Error::other) } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        if let Some(mut column) = group.next_column()? {
            column.typed::<ByteArrayType>().write_batch(&self.paths, None, None)?;
            column.close()?;
        }
        if let Some(mut column) = group.next_column()? {
            // A list begins where the level of repetition is 0; every value is there.
            let repetition: Vec<i16> =
                (0..self.values.len()).map(|place| i16::from(place % self.columns != 0)).collect();
            let definition = vec![1; self.values.len()];
            column.typed::<FloatType>().write_batch(&self.values, Some(&definition), Some(&repetition))?;
            column.close()?;
        }
        group.close()?;
        self.paths.clear();
        self.values.clear();
        Ok(())
    }

    /// Writes what is left, and the table's footer.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.paths.is_empty() {
            self.write_group().map_err(io::Error::other)?;
        }
        self.file.close().map(|_| ()).map_err(io::Error::other)
    }
}

fn schema() -> Result<Type, ParquetError> {
    let path = Type::primitive_type_builder("path", Physical::BYTE_ARRAY)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::String))
        .build()?;
    let element =
        Type::primitive_type_builder("element", Physical::FLOAT).with_repetition(Repetition::REQUIRED).build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    let embedding = Type::group_type_builder("embedding")
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()?;
    Type::group_type_builder("schema").with_fields(vec![Arc::new(path), Arc::new(embedding)]).build()
}

/// Reads what [`ParquetWriter`] wrote: the matrix, and the path of each row.
///
/// # Errors
/// The file cannot be read or is no such table.
pub fn read(path: &Path) -> Result<Embeddings, InferenceError> {
    let file = File::open(path).map_err(|source| InferenceError::Read { path: path.to_owned(), source })?;
    let malformed = |reason: String| InferenceError::Malformed { path: path.to_owned(), reason };
    // The reader panics on some damaged files.
    let columns = catch_unwind(AssertUnwindSafe(|| read_columns(file)));
    let columns = columns.unwrap_or_else(|_| Err(ParquetError::General("the reader failed".into())));
    let Columns { names, values, network } = columns.map_err(|error| malformed(error.to_string()))?;
    let columns = values.len().checked_div(names.len()).unwrap_or(0);
    if names.is_empty() || columns * names.len() != values.len() {
        let reason = format!("{} paths and {} values do not make a matrix", names.len(), values.len());
        return Err(malformed(reason));
    }
    Ok(Embeddings { matrix: Matrix { columns, values }, names, network })
}

/// What a table holds.
struct Columns {
    names: Vec<String>,
    values: Vec<f32>,
    network: Option<String>,
}

fn read_columns(file: File) -> Result<Columns, ParquetError> {
    let reader = SerializedFileReader::new(file)?;
    let metadata = reader.metadata().file_metadata().key_value_metadata();
    let own = metadata.and_then(|pairs| pairs.iter().find(|pair| pair.key == NETWORK));
    let network = own.and_then(|pair| pair.value.clone());
    let other = || ParquetError::General("it is not a table of `byol embed`, with path and embedding".to_owned());
    let leaves: Vec<String> =
        reader.metadata().file_metadata().schema_descr().columns().iter().map(|c| c.path().string()).collect();
    if leaves != ["path", "embedding.list.element"] {
        return Err(other());
    }
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for number in 0..reader.num_row_groups() {
        let group = reader.get_row_group(number)?;
        let rows = group.metadata().num_rows() as usize;
        let (ColumnReader::ByteArrayColumnReader(mut paths), ColumnReader::FloatColumnReader(mut numbers)) =
            (group.get_column_reader(0)?, group.get_column_reader(1)?)
        else {
            return Err(other());
        };
        let mut own = Vec::new();
        paths.read_records(rows, None, None, &mut own)?;
        names.extend(own.iter().map(|path| String::from_utf8_lossy(path.data()).into_owned()));
        numbers.read_records(rows, Some(&mut Vec::new()), Some(&mut Vec::new()), &mut values)?;
    }
    Ok(Columns { names, values, network })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.parquet");
        // More than a group.
        let rows = GROUP + 3;
        let mut writer = ParquetWriter::new(File::create(&file).unwrap(), 2, Some("sha256:ab".to_owned())).unwrap();
        for row in 0..rows {
            writer.row(Path::new(&format!("{row}, \"é\".png")), &[row as f32, -0.5]).unwrap();
        }
        assert!(writer.row(Path::new("x"), &[1.0]).is_err());
        writer.finish().unwrap();
        let found = read(&file).unwrap();
        let Embeddings { matrix, names, network } = &found;
        assert_eq!(network.as_deref(), Some("sha256:ab"));
        assert_eq!(found.check("sha256:ab", &file).unwrap(), Some(()));
        assert!(found.check("sha256:cd", &file).unwrap_err().to_string().contains("another network"));
        assert_eq!((matrix.columns, matrix.rows(), names.len()), (2, rows, rows));
        assert_eq!(matrix.values[2 * (rows - 1)..], [(rows - 1) as f32, -0.5]);
        assert_eq!(names[GROUP], format!("{GROUP}, \"é\".png"));

        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
        assert!(read(&file).is_err());
    }
}
