//! Predictions as a Parquet table: `path`, `calibrated`, then `class_1`, `probability_1` and so on.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::Answer;

/// Rows that are written together; so many are held in memory.
const GROUP: usize = 8192;

/// A table that grows by rows.
pub(super) struct TableWriter<W: Write + Send> {
    file: SerializedFileWriter<W>,
    top: usize,
    paths: Vec<ByteArray>,
    calibrated: Vec<bool>,
    /// `top` for each row.
    classes: Vec<ByteArray>,
    probabilities: Vec<f64>,
}

impl<W: Write + Send> TableWriter<W> {
    pub fn new(file: W, top: usize) -> io::Result<TableWriter<W>> {
        let schema = schema(top).map_err(io::Error::other)?;
        let properties = WriterProperties::builder().build();
        let file = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).map_err(io::Error::other)?;
        let (paths, calibrated, classes, probabilities) = Default::default();
        Ok(TableWriter { file, top, paths, calibrated, classes, probabilities })
    }

    /// Adds a row of as many answers as there are columns for.
    pub fn row(&mut self, path: &Path, calibrated: bool, answers: &[Answer]) -> io::Result<()> {
        if answers.len() != self.top {
            let reason = format!("a row has {} answers where the table has {}", answers.len(), self.top);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        self.paths.push(ByteArray::from(path.to_string_lossy().as_ref()));
        self.calibrated.push(calibrated);
        self.classes.extend(answers.iter().map(|answer| ByteArray::from(answer.class)));
        self.probabilities.extend(answers.iter().map(|answer| answer.probability));
        if self.paths.len() == GROUP { self.write_group().map_err(io::Error::other) } else { Ok(()) }
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        // `path`, `calibrated`, then a class and a probability for each rank.
        let mut number = 0;
        while let Some(mut column) = group.next_column()? {
            let rank = |number: usize| (number - 2) / 2;
            match number {
                0 => column.typed::<ByteArrayType>().write_batch(&self.paths, None, None)?,
                1 => column.typed::<BoolType>().write_batch(&self.calibrated, None, None)?,
                _ if number % 2 == 0 => {
                    let own: Vec<_> = self.classes.iter().skip(rank(number)).step_by(self.top).cloned().collect();
                    column.typed::<ByteArrayType>().write_batch(&own, None, None)?
                }
                _ => {
                    let own: Vec<_> = self.probabilities.iter().skip(rank(number)).step_by(self.top).copied().collect();
                    column.typed::<DoubleType>().write_batch(&own, None, None)?
                }
            };
            column.close()?;
            number += 1;
        }
        group.close()?;
        self.paths.clear();
        self.calibrated.clear();
        self.classes.clear();
        self.probabilities.clear();
        Ok(())
    }

    /// Writes what is left, and the table's footer.
    pub fn finish(mut self) -> io::Result<()> {
        if !self.paths.is_empty() {
            self.write_group().map_err(io::Error::other)?;
        }
        self.file.close().map(|_| ()).map_err(io::Error::other)
    }
}

fn schema(top: usize) -> Result<Type, ParquetError> {
    let text = |name: &str| {
        Type::primitive_type_builder(name, Physical::BYTE_ARRAY)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::String))
            .build()
    };
    let number =
        |name: &str, kind| Type::primitive_type_builder(name, kind).with_repetition(Repetition::REQUIRED).build();
    let mut columns = vec![text("path")?, number("calibrated", Physical::BOOLEAN)?];
    for rank in 1..=top {
        columns.push(text(&format!("class_{rank}"))?);
        columns.push(number(&format!("probability_{rank}"), Physical::DOUBLE)?);
    }
    Type::group_type_builder("schema").with_fields(columns.into_iter().map(Arc::new).collect()).build()
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;

    #[test]
    fn rows_come_back_over_groups() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.parquet");
        let mut writer = TableWriter::new(std::fs::File::create(&file).unwrap(), 2).unwrap();
        let rows = GROUP + 2;
        for row in 0..rows {
            let answers = [("é", 0.75), ("b", row as f64)].map(|(class, probability)| Answer { class, probability });
            writer.row(Path::new(&format!("{row}.png")), row % 2 == 0, &answers).unwrap();
        }
        assert!(writer.row(Path::new("x"), true, &[]).is_err());
        writer.finish().unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(&file).unwrap()).unwrap();
        let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), rows);
        let last = &read[rows - 1];
        assert_eq!(last.get_string(0).unwrap(), &format!("{}.png", rows - 1));
        assert_eq!(
            (last.get_bool(1).unwrap(), last.get_string(2).unwrap().as_str()),
            ((rows - 1).is_multiple_of(2), "é")
        );
        assert_eq!((last.get_double(3).unwrap(), last.get_double(5).unwrap()), (0.75, (rows - 1) as f64));
    }
}
