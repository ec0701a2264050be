//! Parquet whose columns are a table's, `file_name` and `label`, for images that lie beside it: Hugging Face's folders of
//! images may have a `metadata.parquet`. Parquet that holds images itself is the subject of [`super::hf_parquet`].

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::DataError;
use super::hf_parquet::{self, Label, ParquetProblem};
use super::table::Table;

/// The name of such a table.
pub(crate) const TABLE: &str = "metadata.parquet";

/// Whether a file is called so, and holds no images itself.
pub(crate) fn is_one(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(TABLE)) && !hf_parquet::may_hold_images(path)
}

/// Reads a file. Cells that are neither texts nor whole numbers are empty: they are neither paths nor labels. Rows count from
/// 1 in place of lines.
///
/// # Errors
/// It cannot be read.
pub(crate) fn read(path: &Path) -> Result<Table, DataError> {
    // The reader of rows panics on some damaged files.
    let failed = |_| Err(ParquetProblem::Unreadable(ParquetError::General("the reader failed".into())));
    let guarded = |file| catch_unwind(AssertUnwindSafe(|| rows(file))).unwrap_or_else(failed);
    let file = File::open(path).map_err(DataError::io("open", path))?;
    let (columns, rows) = guarded(file).map_err(|problem| DataError::Parquet { path: path.to_path_buf(), problem })?;
    match rows.is_empty() {
        true => Err(DataError::EmptyTable { path: path.to_path_buf() }),
        false => Ok(Table {
            path: path.to_path_buf(),
            first: columns.join(", "),
            columns,
            rows: (1..).zip(rows).collect(),
            form: None,
        }),
    }
}

/// Columns, and rows with a cell for each.
type Cells = (Vec<String>, Vec<Vec<String>>);

fn rows(file: File) -> Result<Cells, ParquetProblem> {
    let reader = SerializedFileReader::new(file)?;
    let schema = reader.metadata().file_metadata().schema();
    let columns: Vec<String> = schema.get_fields().iter().map(|column| column.name().to_owned()).collect();
    let names: Vec<Option<Vec<String>>> =
        columns.iter().map(|column| hf_parquet::class_names(&reader, column)).collect();
    let mut rows = Vec::new();
    for row in reader.get_row_iter(None)? {
        let mut cells = vec![String::new(); columns.len()];
        for (place, (_, field)) in row?.into_columns().into_iter().enumerate().take(columns.len()) {
            cells[place] = match (hf_parquet::label_of(field), &names[place]) {
                (Ok(Some(Label::Number(number))), Some(names)) => {
                    usize::try_from(number).ok().and_then(|number| names.get(number)).cloned().unwrap_or_default()
                }
                (Ok(Some(cell)), _) => cell.text().trim().to_owned(),
                _ => String::new(),
            };
        }
        rows.push(cells);
    }
    Ok((columns, rows))
}
