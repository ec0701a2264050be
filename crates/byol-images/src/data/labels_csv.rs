//! Tables of labels, `path,label`, for images that lie beside them or in folders beside them. A third column, `split`, may
//! divide them; a row without a label is an image without one. Files are read in `table`, cells become files in
//! `table_files`, and tables are looked for in `tables`.

pub(crate) mod stated;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::DataError;
use super::encoded::{Encoded, Place};
use super::folder::name_within;
use super::format::Format;
use super::known_names::{Written, shortened};
use super::labels;
use super::listing::{Labels, Listed, Listing, SPLIT_FILE};
use super::missing_files::{self, Missing};
use super::note::{DataNote, shown};
use super::split::Split;
use super::table::Table;
use super::table_files::Files;

/// The table that is looked for first in a folder.
pub(crate) const TABLE: &str = "labels.csv";

/// Names of columns, in the order in which they count.
const PATH_COLUMNS: [&str; 16] = [
    "path",
    "file",
    "filename",
    "file_name",
    "image",
    "img",
    "filepath",
    "file_path",
    "image_path",
    "image_name",
    "img_name",
    "image_file",
    "image_id",
    "id_code",
    "name",
    "id",
];
const LABEL_COLUMNS: [&str; 7] = ["label", "class", "labels", "category", "class_name", "target", "choice"];
const SPLIT_COLUMN: &str = "split";

/// Columns that hold texts about images, and are no labels where they are the only other ones.
const TEXT_COLUMNS: [&str; 5] = ["text", "caption", "captions", "prompt", "description"];

/// What is wrong with a line of a table.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CsvProblem {
    /// The first line, given here, does not name the columns.
    #[error(
        "the first line must name a column of paths ({paths}) and one of labels ({labels}), and may name `split`, but it is \
         `{0}`", paths = known(&PATH_COLUMNS), labels = known(&LABEL_COLUMNS)
    )]
    Header(String),

    /// The table is in another encoding.
    #[error("the text is not UTF-8; save the table as UTF-8")]
    NotUtf8,

    /// The line does not have the form of the others, for the reason that this gives.
    #[error("{0}")]
    Malformed(String),

    /// The line names no image.
    #[error("the path is empty")]
    EmptyPath,

    /// The path, given here, leads out of the table's folder.
    #[error("`{0}` leads out of the table's folder; paths are relative to it and go without `..`")]
    Escapes(String),

    /// The image is named by an earlier line too.
    #[error("`{path}` was listed before, in line {first}; list each image once")]
    Repeated {
        /// The image's path.
        path: String,
        /// The earlier line, from 1.
        first: u64,
    },

    /// The text in the column `split`, given here, is no split.
    #[error("`{0}` is no split; it is {words}, or nothing", words = Split::WORDS)]
    UnknownSplit(String),

    /// A name without its folder fits several images.
    #[error("`{written}` may mean {several}; write paths relative to the table's folder")]
    SeveralFiles {
        /// What the line says.
        written: String,
        /// Some of the images, as a list.
        several: String,
    },

    /// No line of the table names an image that is there.
    #[error("`{written}` is no image, nor is any other row: {there}; write paths relative to the table's folder")]
    NoFile {
        /// What the line says.
        written: String,
        /// What lies there instead, as a phrase.
        there: String,
    },

    /// The line has more than one label; these.
    #[error("the image has several labels ({0}); a classifier needs one: keep one, or leave the line out")]
    SeveralLabels(String),
}

fn known(columns: &[&str]) -> String {
    columns.iter().map(|column| format!("`{column}`")).collect::<Vec<_>>().join(", ")
}

/// A table, with the split of its images where its place or name says it.
pub(crate) type SplitTable = (PathBuf, Option<Split>);

/// Tables of one data set.
pub(crate) struct Tables<'a> {
    /// What images are named from, and messages speak of.
    pub root: &'a Path,
    pub folder: &'a Path,
    pub split_file: PathBuf,
    pub tables: &'a [SplitTable],
}

impl<'a> Tables<'a> {
    /// Those that were found in a folder.
    pub fn in_folder(folder: &'a Path, tables: &'a [SplitTable]) -> Self {
        Tables { root: folder, folder, split_file: folder.join(SPLIT_FILE), tables }
    }
}

/// Lists the images of a table.
///
/// # Errors
/// The table cannot be read, or a line of it is wrong. A file that is not there is found when it is decoded.
pub(crate) fn list(table: &Path, wanted: Labels) -> Result<Listing, DataError> {
    let folder = folder_of(table);
    let split_file = match table.file_name() {
        Some(name) if name != TABLE => table.with_extension(SPLIT_FILE),
        _ => folder.join(SPLIT_FILE),
    };
    list_all(Tables { root: table, folder, split_file, tables: &[(table.to_path_buf(), None)] }, wanted)
}

/// Lists the images of several tables.
///
/// # Errors
/// As [`list`].
pub(crate) fn list_all(of: Tables, wanted: Labels) -> Result<Listing, DataError> {
    let mut listing = Listing::new(Format::Csv, of.root);
    listing.split_file = of.split_file;
    let mut labels: Vec<Option<String>> = Vec::new();
    let mut lines: HashMap<String, (usize, u64)> = HashMap::new();
    for (number, (path, split_of_table)) in of.tables.iter().enumerate() {
        let table = read(path)?;
        let files = Files::of(folder_of(path));
        let columns = Columns::of(&table, &files, wanted)?;
        listing.notes.extend(columns.notes.iter().cloned());
        let wrong = |line, problem| DataError::CsvLine { path: path.clone(), line, problem };
        let mut places = locate(&table, &columns, &files)?;
        listing.notes.extend(places.note.take());
        let by_folder = (split_of_table.is_none() && columns.split.is_none()).then(|| splits_by_folder(&places.found));
        let by_folder = by_folder.flatten();
        if by_folder.is_some() {
            listing.notes.push(DataNote::DividedByFolders { table: shown(path) });
        }
        let prefix = name_within(of.folder, folder_of(path));
        for (row, (line, cells)) in table.rows.iter().enumerate() {
            let Some((name, place)) = places.found[row].take() else { continue };
            let name = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let split = match columns.split.map_or("", |split| cells[split].as_str()) {
                "" => by_folder.as_ref().and_then(|splits| splits[row]).or(*split_of_table),
                word => Some(
                    Split::from_word(word).ok_or_else(|| wrong(*line, CsvProblem::UnknownSplit(shortened(word))))?,
                ),
            };
            if let Some((first_table, first)) = lines.insert(name.clone(), (number, *line)) {
                let path = match first_table == number {
                    true => name,
                    false => format!("{name} of {}", of.tables[first_table].0.display()),
                };
                return Err(wrong(*line, CsvProblem::Repeated { path, first }));
            }
            let label = columns.label.read(&table, cells).map_err(|problem| wrong(*line, problem))?;
            labels.push(label.filter(|_| split != Some(Split::Unlabeled)));
            let place = match places.missing.contains(&row) {
                true => {
                    let written = shortened(&cells[columns.path]);
                    Place::Missing(Missing { path: place, table: path.clone(), line: *line, written, near: None })
                }
                false => Place::File(place),
            };
            listing.images.push(Listed { encoded: Encoded { name, place }, label: None, split });
        }
    }
    listing.read_files = of.tables.iter().map(|(path, _)| path.clone()).collect();
    if listing.images.is_empty() {
        return Err(DataError::EmptyTable { path: of.root.to_path_buf() });
    }
    labels::assign(&mut listing, labels)?;
    let files = Files::of(of.folder);
    let unlisted: Vec<&str> = files.names().filter(|name| !lines.contains_key(*name)).collect();
    missing_files::guess(&mut listing.images, &unlisted);
    let unlisted = unlisted.len();
    if unlisted > 0 {
        let tables = of.tables.iter().map(|(path, _)| shown(path)).collect();
        listing.warnings.push(DataNote::NotListed { images: unlisted, folder: shown(of.folder), tables });
    }
    Ok(listing)
}

/// Adds the images of a table's folder that it does not list, in the place of the warning about them.
pub(crate) fn add_unlisted(listing: &mut Listing, table: &Path) {
    let listed: BTreeSet<String> = listing.images.iter().map(|listed| listed.encoded.name.clone()).collect();
    let found = Files::of(folder_of(table)).into_found().into_iter().filter(|(name, _)| !listed.contains(name));
    let image = |(name, path)| Listed { encoded: Encoded { name, place: Place::File(path) }, label: None, split: None };
    listing.images.extend(found.map(image));
    listing.warnings.retain(|note| !matches!(note, DataNote::NotListed { .. }));
}

/// Reads a table whose columns are these.
///
/// # Errors
/// As [`Table::read`].
pub(crate) fn read(path: &Path) -> Result<Table, DataError> {
    Table::read(path, &known_columns())
}

fn known_columns() -> Vec<&'static str> {
    PATH_COLUMNS.iter().chain(&LABEL_COLUMNS).chain([&SPLIT_COLUMN]).copied().collect()
}

/// Whether a table names images and their labels in columns that are understood; `files` are those of its folder.
pub(crate) fn has_labels(table: &Table, files: &Files) -> bool {
    Columns::of(table, files, Labels::Read).is_ok()
}

/// Whether, beyond that, most of its rows are images that are there.
pub(crate) fn fits(table: &Table, files: &Files) -> bool {
    Columns::of(table, files, Labels::Read).is_ok_and(|columns| are_files(table, columns.path, files, usize::MAX))
}

/// Whether most cells of a column are images, among the first rows.
fn are_files(table: &Table, column: usize, files: &Files, rows: usize) -> bool {
    let rows = &table.rows[..table.rows.len().min(rows)];
    let is_file = |cell: &String| {
        let written = files.read(cell).ok();
        written.is_some_and(|written| files.exact(&written).is_some() || !files.like(&written).is_empty())
    };
    !rows.is_empty() && 2 * rows.iter().filter(|(_, cells)| is_file(&cells[column])).count() > rows.len()
}

/// Whether a table has a column that is called as paths are.
pub(crate) fn has_paths(table: &Table) -> bool {
    find(&table.columns, &PATH_COLUMNS).is_some()
}

/// The folder that a table's paths begin in.
pub(crate) fn folder_of(table: &Path) -> &Path {
    match table.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Where the labels of a table stand.
enum LabelColumn {
    None,
    In(usize),
    /// A column for each class, with 1 in that of the image's.
    OneHot(Vec<usize>),
}

/// Which column is which.
struct Columns {
    path: usize,
    label: LabelColumn,
    split: Option<usize>,
    notes: Vec<DataNote>,
}

/// The column with the first of these names that one has.
fn find(columns: &[String], known: &[&str]) -> Option<usize> {
    known.iter().find_map(|name| columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

impl Columns {
    fn of(table: &Table, files: &Files, wanted: Labels) -> Result<Self, DataError> {
        let unknown = || DataError::CsvLine {
            path: table.path.clone(),
            line: 1,
            problem: CsvProblem::Header(shortened(&table.first)),
        };
        let columns = &table.columns;
        let mut notes = Vec::new();
        let by_name = find(columns, &PATH_COLUMNS);
        let path = by_name.or_else(|| Self::paths_by_files(table, files)).ok_or_else(unknown)?;
        if by_name.is_none() {
            notes.push(DataNote::ReadAsPaths { table: shown(&table.path), column: columns[path].clone() });
        }
        let split = find(columns, &[SPLIT_COLUMN]);
        let label = match (wanted, find(columns, &LABEL_COLUMNS)) {
            (Labels::Ignored, _) => LabelColumn::None,
            (Labels::Read, Some(label)) => LabelColumn::In(label),
            (Labels::Read, None) => {
                let others: Vec<usize> =
                    (0..columns.len()).filter(|&column| column != path && Some(column) != split).collect();
                let label = Self::labels_by_content(table, others).ok_or_else(unknown)?;
                notes.push(match &label {
                    LabelColumn::In(column) => {
                        DataNote::ReadAsLabels { table: shown(&table.path), column: columns[*column].clone() }
                    }
                    _ => DataNote::ReadAsClasses { table: shown(&table.path) },
                });
                label
            }
        };
        // Of the main names; `id` beside `image` surprises nobody.
        let also = |taken: usize, known: &[&str]| {
            let other = columns.iter().enumerate().find(|(place, column)| {
                *place != taken && known.iter().any(|name| column.eq_ignore_ascii_case(name))
            })?;
            let read = vec![(columns[taken].clone(), other.1.clone())];
            Some(DataNote::ColumnsNotRead { table: shown(&table.path), read })
        };
        notes.extend(also(path, &PATH_COLUMNS[..5]));
        if let LabelColumn::In(label) = label {
            notes.extend(also(label, &LABEL_COLUMNS));
        }
        Ok(Columns { path, label, split, notes })
    }

    /// The only column whose cells are images, below a first line that names none.
    fn paths_by_files(table: &Table, files: &Files) -> Option<usize> {
        const ROWS: usize = 50;
        let is_name = |column: &usize| {
            let written = files.read(&table.columns[*column]);
            written.is_err()
                || written.is_ok_and(|written| files.exact(&written).is_none() && files.like(&written).is_empty())
        };
        let mut found =
            (0..table.columns.len()).filter(is_name).filter(|&column| are_files(table, column, files, ROWS));
        found.next().filter(|_| found.next().is_none())
    }

    /// The labels among columns of other names: the only one, if its values repeat, or one of 0 and 1 for each class.
    fn labels_by_content(table: &Table, others: Vec<usize>) -> Option<LabelColumn> {
        let cells = |column: usize| table.rows.iter().map(move |(_, cells)| cells[column].as_str());
        if let [only] = others[..] {
            let is_text = TEXT_COLUMNS.iter().any(|text| table.columns[only].eq_ignore_ascii_case(text));
            let distinct = cells(only).collect::<BTreeSet<&str>>().len();
            return (!is_text && 2 * distinct <= table.rows.len()).then_some(LabelColumn::In(only));
        }
        let marks = |column: &usize| cells(*column).all(|cell| is_one(cell).is_some());
        (others.len() > 1 && !table.rows.is_empty() && others.iter().all(marks)).then_some(LabelColumn::OneHot(others))
    }
}

/// Whether a cell of 0 and 1 is 1.
fn is_one(cell: &str) -> Option<bool> {
    match cell {
        "1" | "1.0" => Some(true),
        "0" | "0.0" => Some(false),
        _ => None,
    }
}

impl LabelColumn {
    /// The label of a row; none where the cell is empty.
    fn read(&self, table: &Table, cells: &[String]) -> Result<Option<String>, CsvProblem> {
        let label = match self {
            LabelColumn::None => return Ok(None),
            LabelColumn::In(column) => cells[*column].clone(),
            LabelColumn::OneHot(columns) => {
                let mut marked = columns.iter().filter(|&&column| is_one(&cells[column]) == Some(true));
                let Some(&class) = marked.next() else { return Ok(None) };
                if let Some(&second) = marked.next() {
                    let several = format!("{}, {}", table.columns[class], table.columns[second]);
                    return Err(CsvProblem::SeveralLabels(several));
                }
                table.columns[class].clone()
            }
        };
        // Label Studio's cell where several choices were made.
        match label.starts_with("{\"choices\"") {
            true => Err(CsvProblem::SeveralLabels(shortened(&label))),
            false => Ok((!label.is_empty()).then_some(label)),
        }
    }
}

/// The files of a table's rows.
struct Places {
    /// Name and path; none for a row whose file cannot be anywhere.
    found: Vec<Option<(String, PathBuf)>>,
    /// Rows whose file is not where it would be.
    missing: BTreeSet<usize>,
    note: Option<DataNote>,
}

/// The file of each row. Where one is there as it is written, all are paths; otherwise names are looked for in the folders.
fn locate(table: &Table, columns: &Columns, files: &Files) -> Result<Places, DataError> {
    let wrong = |line: u64, problem| DataError::CsvLine { path: table.path.clone(), line, problem };
    let written: Vec<Written> = table
        .rows
        .iter()
        .map(|(line, cells)| files.read(&cells[columns.path]).map_err(|problem| wrong(*line, problem)))
        .collect::<Result<_, _>>()?;
    let mut found: Vec<Option<(String, PathBuf)>> = written.iter().map(|written| files.exact(written)).collect();
    let as_written = found.iter().any(Option::is_some);
    let mut note = None;
    let found_as =
        |written, name: &String| DataNote::FoundAs { table: shown(&table.path), written, name: name.clone() };
    let differs = written.iter().zip(&found).enumerate().find_map(|(row, pair)| match pair {
        (Written::Within(cell), Some((name, _))) if cell != name => Some((row, name)),
        _ => None,
    });
    if let Some((row, name)) = differs {
        note = Some(found_as(shortened(&table.rows[row].1[columns.path]), name));
    }
    for (row, (line, cells)) in table.rows.iter().enumerate() {
        if found[row].is_some() || (as_written && matches!(written[row], Written::Within(_))) {
            continue;
        }
        let candidates = files.like(&written[row]);
        found[row] = files.choose(&candidates, &table.path);
        let cell = shortened(&cells[columns.path]);
        match &found[row] {
            None if !candidates.is_empty() => {
                let several = files.several(&candidates);
                return Err(wrong(*line, CsvProblem::SeveralFiles { written: cell, several }));
            }
            None if matches!(written[row], Written::Elsewhere(_)) => {
                return Err(wrong(*line, CsvProblem::Escapes(cell)));
            }
            None => {}
            Some((name, _)) => {
                note.get_or_insert_with(|| found_as(cell, name));
            }
        }
    }
    if let (true, Some((line, cells))) = (found.iter().all(Option::is_none), table.rows.first()) {
        let written = shortened(&cells[columns.path]);
        return Err(wrong(*line, CsvProblem::NoFile { written, there: files.describe() }));
    }
    let mut missing = BTreeSet::new();
    for (row, (found, written)) in found.iter_mut().zip(&written).enumerate().filter(|(_, (found, _))| found.is_none())
    {
        *found = files.missing(written);
        missing.insert(row);
    }
    Ok(Places { found, missing, note })
}

/// The splits of all images by the first folder of their paths, where that of each means one, and there is something to train
/// on and to test with.
fn splits_by_folder(found: &[Option<(String, PathBuf)>]) -> Option<Vec<Option<Split>>> {
    let split = |place: &Option<(String, PathBuf)>| match place {
        Some((name, _)) => name.split_once('/').and_then(|(folder, _)| Split::from_word(folder)).map(Some),
        None => Some(None),
    };
    let splits: Vec<Option<Split>> = found.iter().map(split).collect::<Option<_>>()?;
    let has = |wanted: &[Split]| splits.iter().flatten().any(|split| wanted.contains(split));
    (has(&[Split::Train]) && has(&[Split::Test, Split::Validation])).then_some(splits)
}
