//! What each row of a table says, for whoever writes labels into it. How a table is understood is said in [`super`].

use std::collections::HashMap;
use std::path::Path;

use super::{Columns, CsvProblem, LabelColumn, folder_of, known_columns, locate, splits_by_folder};
use crate::data::DataError;
use crate::data::known_names::shortened;
use crate::data::listing::Labels;
use crate::data::split::Split;
use crate::data::table::Table;
use crate::data::table_files::Files;

/// What a row of a table says.
pub(crate) struct Said {
    /// The image's name within the table's folder.
    pub name: String,
    pub label: Option<String>,
    pub split: Option<Split>,
}

/// A table that is one column of labels, with what each row says: as [`list`](super::list) takes them.
pub(crate) struct Stated {
    pub table: Table,
    pub path_column: usize,
    /// Absent where the labels are in a column for each class.
    pub label_column: Option<usize>,
    pub split_column: Option<usize>,
    pub rows: Vec<Option<Said>>,
}

/// What a table with this content says of each image.
///
/// # Errors
/// As [`list`](super::list), but that a file that is not there is none.
pub(crate) fn stated(path: &Path, bytes: &[u8]) -> Result<Stated, DataError> {
    let table = Table::of_bytes(path, bytes, &known_columns())?;
    let files = Files::of(folder_of(path));
    let columns = Columns::of(&table, &files, Labels::Read)?;
    let mut places = locate(&table, &columns, &files)?;
    let by_folder = columns.split.is_none().then(|| splits_by_folder(&places.found)).flatten();
    let wrong = |line, problem| DataError::CsvLine { path: path.to_path_buf(), line, problem };
    let mut lines: HashMap<String, u64> = HashMap::new();
    let mut rows = Vec::with_capacity(table.rows.len());
    for (row, (line, cells)) in table.rows.iter().enumerate() {
        let Some((name, _)) = places.found[row].take() else {
            rows.push(None);
            continue;
        };
        let split = match columns.split.map_or("", |split| cells[split].as_str()) {
            "" => by_folder.as_ref().and_then(|splits| splits[row]),
            word => {
                Some(Split::from_word(word).ok_or_else(|| wrong(*line, CsvProblem::UnknownSplit(shortened(word))))?)
            }
        };
        if let Some(first) = lines.insert(name.clone(), *line) {
            return Err(wrong(*line, CsvProblem::Repeated { path: name, first }));
        }
        let label = columns.label.read(&table, cells).map_err(|problem| wrong(*line, problem))?;
        rows.push(Some(Said { name, label, split }));
    }
    let label_column = match columns.label {
        LabelColumn::In(column) => Some(column),
        LabelColumn::None | LabelColumn::OneHot(_) => None,
    };
    Ok(Stated { path_column: columns.path, label_column, split_column: columns.split, table, rows })
}
