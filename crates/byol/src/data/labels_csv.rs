//! A table of labels, `path,label`, for pictures that lie beside it or in folders beside it. A third column, `split`, may
//! divide them; a row without a label is a picture without one.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::DataError;
use super::encoded::{Encoded, Place};
use super::folder::{is_picture, name_within, walk};
use super::format::Format;
use super::labels;
use super::listing::{Labels, Listed, Listing, SPLIT_FILE};
use super::split::Split;

/// The table that is looked for in a folder.
pub(crate) const TABLE: &str = "labels.csv";

const PATH_COLUMNS: [&str; 5] = ["path", "file", "filename", "file_name", "image"];
const LABEL_COLUMNS: [&str; 2] = ["label", "class"];
const SPLIT_COLUMN: &str = "split";

/// What is wrong with a line of a table.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CsvProblem {
    #[error("the first line must name the columns `path` and `label`, and may name `split`, but it is `{0}`")]
    Header(String),

    #[error("the text is not UTF-8; save the table as UTF-8")]
    NotUtf8,

    #[error("{0}")]
    Malformed(String),

    #[error("the path is empty")]
    EmptyPath,

    #[error("`{0}` leads out of the table's folder; paths are relative to it and go without `..`")]
    Escapes(String),

    #[error("`{path}` was listed before, in line {first}; list each picture once")]
    Repeated { path: String, first: u64 },

    #[error("`{0}` is no split; it is {words}, or nothing", words = Split::WORDS)]
    UnknownSplit(String),
}

/// Lists the pictures of a table.
///
/// # Errors
/// The table cannot be read, or a line of it is wrong. A file that is not there is found when it is decoded.
pub(crate) fn list(table: &Path, wanted: Labels) -> Result<Listing, DataError> {
    let folder = match table.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let split_file = match table.file_name() {
        Some(name) if name != TABLE => table.with_extension(SPLIT_FILE),
        _ => folder.join(SPLIT_FILE),
    };
    let mut listing = Listing::new(Format::Csv, table);
    listing.split_file = split_file;
    listing.read_files = vec![table.to_path_buf()];
    let mut labels: Vec<Option<String>> = Vec::new();
    let mut lines: HashMap<String, u64> = HashMap::new();
    for (line, row) in read(table, wanted)? {
        let wrong = |problem| DataError::CsvLine { path: table.to_path_buf(), line, problem };
        let (name, path) = locate(folder, &row.path).map_err(wrong)?;
        let split = match row.split.as_str() {
            "" => None,
            word => Some(Split::from_word(word).ok_or_else(|| wrong(CsvProblem::UnknownSplit(shortened(word))))?),
        };
        if let Some(first) = lines.insert(name.clone(), line) {
            return Err(wrong(CsvProblem::Repeated { path: name, first }));
        }
        let labeled = wanted == Labels::Read && !row.label.is_empty();
        labels.push((labeled && split != Some(Split::Unlabeled)).then_some(row.label));
        listing.pictures.push(Listed { encoded: Encoded { name, place: Place::File(path) }, label: None, split });
    }
    if listing.pictures.is_empty() {
        return Err(DataError::EmptyTable { path: table.to_path_buf() });
    }
    labels::assign(&mut listing, labels)?;
    let unlisted = walk(folder).flatten().filter(|entry| entry.file_type().is_file() && is_picture(entry.path()));
    let unlisted = unlisted.filter(|entry| !lines.contains_key(&name_within(folder, entry.path()))).count();
    if unlisted > 0 {
        listing.warnings.push(format!(
            "{unlisted} pictures in {} are not in {} and are left out; rows without a label would make them unlabelled",
            folder.display(),
            table.display()
        ));
    }
    Ok(listing)
}

struct Row {
    path: String,
    label: String,
    split: String,
}

/// The rows with their line numbers.
fn read(table: &Path, wanted: Labels) -> Result<Vec<(u64, Row)>, DataError> {
    let wrong = |line, problem| DataError::CsvLine { path: table.to_path_buf(), line, problem };
    let bytes = fs::read(table).map_err(DataError::io("read", table))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        wrong(1 + before.iter().filter(|&&byte| byte == b'\n').count() as u64, CsvProblem::NotUtf8)
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    // Spreadsheets of some languages write semicolons.
    let delimiter = *b",;\t".iter().find(|&&delimiter| first.contains(char::from(delimiter))).unwrap_or(&b',');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let malformed = |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        let problem = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("{len} cells where the first line has {expected_len}")
            }
            _ => error.to_string(),
        };
        wrong(line, CsvProblem::Malformed(problem))
    };
    let mut records = reader.records();
    let header = match records.next() {
        None => return Err(DataError::EmptyTable { path: table.to_path_buf() }),
        Some(header) => header.map_err(malformed)?,
    };
    let column =
        |names: &[&str]| header.iter().position(|cell| names.iter().any(|name| cell.eq_ignore_ascii_case(name)));
    let (path, label) = match (column(&PATH_COLUMNS), column(&LABEL_COLUMNS)) {
        (Some(path), label @ Some(_)) => (path, label),
        (Some(path), None) if wanted == Labels::Ignored => (path, None),
        _ => return Err(wrong(1, CsvProblem::Header(shortened(first)))),
    };
    let split = column(&[SPLIT_COLUMN]);
    let mut rows = Vec::new();
    for record in records {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: usize| record.get(column).unwrap_or_default().to_owned();
        let (label, split) = (label.map_or_else(String::new, cell), split.map_or_else(String::new, cell));
        rows.push((line, Row { path: cell(path), label, split }));
    }
    Ok(rows)
}

/// The name of a picture and where it lies.
fn locate(folder: &Path, written: &str) -> Result<(String, PathBuf), CsvProblem> {
    if written.is_empty() {
        return Err(CsvProblem::EmptyPath);
    }
    let mut written = written.to_owned();
    if written.contains('\\') && !folder.join(&written).exists() {
        // Written on Windows.
        written = written.replace('\\', "/");
    }
    let path = Path::new(&written);
    let within = match path.is_absolute() {
        true => {
            let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
            path.strip_prefix(folder).or_else(|_| path.strip_prefix(whole)).map(Path::to_path_buf)
        }
        false => Ok(path.to_path_buf()),
    };
    let within = within.map_err(|_| CsvProblem::Escapes(shortened(&written)))?;
    let mut parts = Vec::new();
    for part in within.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            _ => return Err(CsvProblem::Escapes(shortened(&written))),
        }
    }
    let name = parts.join("/");
    let path = folder.join(&name);
    Ok((name, path))
}

/// What a message shows of a text.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
