//! Which tables of a folder hold its labels: `labels.csv`, `metadata.csv` as Hugging Face's folders of images have it,
//! `_classes.csv` as Roboflow writes it, or the only table beside images that lie in no class folders.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::corrections::CORRECTIONS_FILE;
use super::folder::is_image;
use super::labels_csv::{self, SplitTable, folder_of};
use super::layout::{FolderLayout, split_of, subfolders};
use super::listing::SPLIT_FILE;
use super::note::{DataNote, shown};
use super::parquet_table;
use super::split::Split;
use super::table::is_table;
use super::table_files::Files;

/// Tables with a name of their own, each in the folder of its images; the first of a folder counts.
const NAMED: [&str; 5] = [labels_csv::TABLE, "metadata.csv", "metadata.jsonl", parquet_table::TABLE, "_classes.csv"];

/// The tables that hold the labels of a folder's images, each with the split that its place or name means; none where there is
/// no such table, or class folders tell the labels.
///
/// # Errors
/// A folder cannot be searched; several tables could be meant.
pub(crate) fn find(root: &Path) -> Result<Option<Vec<SplitTable>>, DataError> {
    if let Some(table) = named(root) {
        return Ok(Some(vec![(table, None)]));
    }
    let folders = subfolders(root)?;
    let of_splits: Vec<SplitTable> = folders
        .iter()
        .filter_map(|folder| {
            let split = split_of(folder).or_else(|| Split::from_part(&folder.file_name()?.to_string_lossy()))?;
            Some((named(folder)?, Some(split)))
        })
        .collect();
    if !of_splits.is_empty() {
        return Ok(Some(of_splits));
    }
    let classes = match FolderLayout::of(&folders) {
        Ok(FolderLayout::Splits { .. } | FolderLayout::ClassesOfSplits { .. }) => return Ok(None),
        // The errors about folders are better than any about a table.
        Err(_) => return Ok(None),
        Ok(FolderLayout::Classes { classes, .. }) => classes.len(),
        Ok(FolderLayout::SplitsWithoutClasses(_) | FolderLayout::None) => 0,
    };
    if classes > 1 && !visible_files(root).any(|path| is_image(&path)) {
        return Ok(None);
    }
    let usable: Vec<PathBuf> = tables_in(root)
        .into_iter()
        .filter(|table| labels_csv::read(table).is_ok_and(|read| labels_csv::fits(&read, &Files::of(root))))
        .collect();
    let split = |table: &PathBuf| Split::from_part(&table.file_stem()?.to_string_lossy());
    match usable.as_slice() {
        [] => Ok(None),
        [table] => Ok(Some(vec![(table.clone(), None)])),
        several => {
            let splits: Vec<Option<Split>> = several.iter().map(split).collect();
            let distinct =
                splits.iter().enumerate().all(|(place, split)| split.is_some() && !splits[..place].contains(split));
            match distinct {
                true => Ok(Some(several.iter().cloned().zip(splits).collect())),
                false => Err(DataError::SeveralTables {
                    path: root.to_path_buf(),
                    tables: several.iter().map(|table| table.display().to_string()).collect::<Vec<_>>().join(", "),
                    example: several[0].clone(),
                }),
            }
        }
    }
}

/// Warnings about tables that name images beside class folders, or none of whose columns are labels.
pub(crate) fn unused(root: &Path) -> Vec<DataNote> {
    let folders = subfolders(root).unwrap_or_default();
    let splits = folders.into_iter().filter(|folder| split_of(folder).is_some());
    let tables = splits.chain([root.to_path_buf()]).flat_map(|folder| tables_in(&folder));
    let warning = |table: PathBuf| {
        let read = labels_csv::read(&table).ok().filter(labels_csv::has_paths)?;
        let has_labels = labels_csv::has_labels(&read, &Files::of(folder_of(&table)));
        Some(DataNote::TableNotUsed { table: shown(&table), has_labels })
    };
    tables.filter_map(warning).collect()
}

/// The warning about a spreadsheet in a folder, which is not read and may hold labels.
pub(crate) fn spreadsheet(folder: &Path) -> Option<DataNote> {
    let mut found: Vec<PathBuf> = visible_files(folder).filter(|path| is_spreadsheet(path)).collect();
    found.sort();
    Some(DataNote::SpreadsheetNotRead { file: shown(found.first()?) })
}

/// Whether a file's name ends as a spreadsheet's does.
pub(crate) fn is_spreadsheet(path: &Path) -> bool {
    path.extension().is_some_and(|found| ["xlsx", "xls", "ods"].iter().any(|known| found.eq_ignore_ascii_case(known)))
}

/// The table with a name of its own in a folder, if it has labels.
fn named(folder: &Path) -> Option<PathBuf> {
    let tables = NAMED.iter().map(|name| folder.join(name)).filter(|table| table.is_file());
    let has_labels =
        |table: &PathBuf| labels_csv::read(table).is_ok_and(|read| labels_csv::has_labels(&read, &Files::of(folder)));
    tables.into_iter().find(has_labels)
}

/// The tables in a folder that may name images: neither a saved split, nor corrections, nor answers to be handed in.
fn tables_in(folder: &Path) -> Vec<PathBuf> {
    let is_other = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.ends_with(SPLIT_FILE) || name.ends_with(CORRECTIONS_FILE) || name.contains("submission")
    };
    let mut tables: Vec<PathBuf> = visible_files(folder).filter(|path| is_table(path) && !is_other(path)).collect();
    tables.sort();
    tables
}

fn visible_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let visible = entries.filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."));
    visible.map(|entry| entry.path()).filter(|path| path.is_file())
}
