//! A table as it stands in a file: CSV with commas, semicolons or tabs, or a JSON object a line. Which column means what is the
//! subject of [`super::labels_csv`].

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::DataError;
use super::labels_csv::CsvProblem;
use super::lines::Lines;
use super::parquet_table;

/// Endings of the files that are read as tables.
pub(crate) const EXTENSIONS: [&str; 3] = ["csv", "tsv", "jsonl"];

/// Columns, and rows with a cell for each.
pub(crate) struct Table {
    pub path: PathBuf,
    pub columns: Vec<String>,
    /// The first line, to be shown.
    pub first: String,
    /// Each with its line in the file.
    pub rows: Vec<(u64, Vec<String>)>,
    /// How the file is laid out, where it is one of comma-separated values or alike.
    pub form: Option<Form>,
}

/// Where the rows of a text file lie.
pub(crate) struct Form {
    /// What stands between cells.
    pub delimiter: u8,
    /// The byte at which each row begins, or an empty line before it.
    pub starts: Vec<usize>,
}

impl Table {
    /// Reads a file. Of several signs that may stand between cells, the one that gives the most `known` columns does.
    ///
    /// # Errors
    /// It cannot be read, is not UTF-8, has no line, or a line has other cells than the first.
    pub fn read(path: &Path, known: &[&str]) -> Result<Table, DataError> {
        if parquet_table::is_one(path) {
            return parquet_table::read(path);
        }
        Self::of_bytes(path, &fs::read(path).map_err(DataError::io("read", path))?, known)
    }

    /// As [`read`](Self::read), of the content of a text file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of_bytes(path: &Path, bytes: &[u8], known: &[&str]) -> Result<Table, DataError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let line = Lines::new(bytes).line_at(error.valid_up_to() as u64);
            DataError::CsvLine { path: path.to_path_buf(), line, problem: CsvProblem::NotUtf8 }
        })?;
        let whole = text.len();
        let text = text.trim_start_matches('\u{feff}');
        if is_json(path) {
            return Self::of_json(path, text);
        }
        let mut table = Self::of_csv(path, text, known)?;
        if let Some(form) = &mut table.form {
            form.starts.iter_mut().for_each(|start| *start += whole - text.len());
        }
        Ok(table)
    }

    fn of_csv(path: &Path, text: &str, known: &[&str]) -> Result<Table, DataError> {
        let first = text.lines().next().unwrap_or_default();
        let mut lines = Lines::new(text.as_bytes());
        let delimiter = delimiter(first, known);
        let mut reader = reader(text, delimiter);
        let (mut columns, mut rows, mut starts) = (None, Vec::new(), Vec::new());
        for record in reader.records() {
            let record = record.map_err(|error| {
                let line = lines.line_at(error.position().map_or(0, csv::Position::byte));
                let problem = match error.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        let cells = if *len == 1 { "1 cell".to_owned() } else { format!("{len} cells") };
                        format!("{cells} where the first line has {expected_len}")
                    }
                    _ => error.to_string(),
                };
                DataError::CsvLine { path: path.to_path_buf(), line, problem: CsvProblem::Malformed(problem) }
            })?;
            let cells: Vec<String> = record.iter().map(str::to_owned).collect();
            let start = record.position().map_or(0, csv::Position::byte);
            match columns {
                None => columns = Some(cells),
                Some(_) => {
                    starts.push(start as usize);
                    rows.push((lines.line_at(start), cells));
                }
            }
        }
        let columns = columns.ok_or_else(|| DataError::EmptyTable { path: path.to_path_buf() })?;
        let form = Some(Form { delimiter, starts });
        Ok(Table { path: path.to_path_buf(), columns, first: first.to_owned(), rows, form })
    }

    fn of_json(path: &Path, text: &str) -> Result<Table, DataError> {
        let mut columns: Vec<String> = Vec::new();
        let mut rows = Vec::new();
        for (line, text) in (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty()) {
            let wrong = |problem: String| DataError::CsvLine {
                path: path.to_path_buf(),
                line,
                problem: CsvProblem::Malformed(problem),
            };
            let object: serde_json::Map<String, Value> =
                serde_json::from_str(text).map_err(|error| wrong(format!("this is no JSON object: {error}")))?;
            let mut cells = vec![String::new(); columns.len()];
            for (key, value) in object {
                let cell = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.trim().to_owned(),
                    other => other.to_string(),
                };
                match columns.iter().position(|column| *column == key) {
                    Some(place) => cells[place] = cell,
                    None => {
                        columns.push(key);
                        cells.push(cell);
                    }
                }
            }
            rows.push((line, cells));
        }
        for (_, cells) in &mut rows {
            cells.resize(columns.len(), String::new());
        }
        match rows.is_empty() {
            true => Err(DataError::EmptyTable { path: path.to_path_buf() }),
            false => Ok(Table { path: path.to_path_buf(), first: columns.join(", "), columns, rows, form: None }),
        }
    }
}

/// Whether a file's name ends as a table's does.
pub(crate) fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|found| EXTENSIONS.iter().any(|known| found.eq_ignore_ascii_case(known)))
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case("jsonl"))
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter).trim(csv::Trim::All).has_headers(false);
    builder.from_reader(text.as_bytes())
}

/// What stands between cells; spreadsheets of some languages write semicolons.
fn delimiter(first: &str, known: &[&str]) -> u8 {
    const DELIMITERS: [u8; 3] = *b",;\t";
    let columns = |delimiter: u8| -> usize {
        let header = reader(first, delimiter).records().next().and_then(Result::ok).unwrap_or_default();
        header.iter().filter(|cell| known.iter().any(|name| cell.eq_ignore_ascii_case(name))).count()
    };
    let occurring = || DELIMITERS.into_iter().filter(|&delimiter| first.contains(char::from(delimiter)));
    // Of equal ones the first counts, which `max_by_key` takes last.
    occurring().rev().max_by_key(|&delimiter| columns(delimiter)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_between_cells_is_the_one_that_gives_known_columns() {
        let known = ["path", "label"];
        for (first, expected) in [
            ("path,label", b','),
            ("path;label;a, b", b';'),
            ("path\tlabel\tx;y", b'\t'),
            ("path;label,x;z", b';'),
            ("a,b;c", b','),
            ("path", b','),
        ] {
            assert_eq!(delimiter(first, &known), expected, "{first}");
        }
    }
}
