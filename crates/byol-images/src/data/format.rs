//! Which kind of data a path holds. Each kind is read in a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::holds_images;
use super::labels_csv::Tables;
use super::listing::{Labels, Listing};
use super::split::Split;
use super::{
    DataError, PATTERNS, cifar10, class_folders, hf_parquet, labels_csv, pack, parquet_table, stl10, table, tables,
    webdataset,
};

/// A kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// The embedded set.
    Patterns,
    Stl10,
    Cifar10,
    /// Folders by class, perhaps divided.
    ClassFolders,
    /// A table of paths and labels.
    Csv,
    /// Parquet in the layout of Hugging Face image data sets.
    Parquet,
    /// Tar shards.
    WebDataset,
    /// Images without labels.
    Folder,
    /// Decoded once by `byol data pack`.
    Pack,
}

impl Format {
    /// What fingerprints begin with; never changed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Format::Patterns => "patterns",
            Format::Stl10 => "stl10",
            Format::Cifar10 => "cifar10",
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::WebDataset => "webdataset",
            Format::ClassFolders => "class folders",
            Format::Folder => "folder",
            Format::Pack => "pack",
        }
    }
}

/// A path, and how to read it.
#[derive(Debug)]
pub(crate) enum Found {
    Patterns,
    Stl10 { folder: PathBuf },
    Cifar10 { folder: PathBuf },
    Csv { table: PathBuf },
    Parquet { root: PathBuf, shards: Vec<PathBuf> },
    WebDataset { root: PathBuf, shards: Vec<PathBuf> },
    Folder { folder: PathBuf },
    Pack { file: PathBuf },
}

/// Looks at names, and at a few bytes of files; decodes nothing.
///
/// # Errors
/// The path does not exist, or holds nothing that is known.
pub(crate) fn find(path: &Path) -> Result<Found, DataError> {
    if path == Path::new(PATTERNS) {
        return Ok(Found::Patterns);
    }
    if !path.exists() {
        return Err(DataError::NotFound { path: path.to_path_buf() });
    }
    if !path.is_dir() {
        return find_file(path);
    }
    if let Some(folder) = stl10::locate(path) {
        return Ok(Found::Stl10 { folder });
    }
    if let Some(folder) = cifar10::locate(path) {
        return Ok(Found::Cifar10 { folder });
    }
    if cifar10::is_for_python(path) {
        return Err(DataError::Cifar10 { path: path.to_path_buf(), problem: cifar10::Cifar10Problem::Python });
    }
    let table = path.join(labels_csv::TABLE);
    if table.is_file() {
        return Ok(Found::Csv { table });
    }
    let root = path.to_path_buf();
    // Tables of other things (representations, for instance) may lie beside images.
    let tables = shards(path, hf_parquet::EXTENSION)?;
    let parquet: Vec<PathBuf> = tables.iter().filter(|shard| hf_parquet::may_hold_images(shard)).cloned().collect();
    if !parquet.is_empty() {
        return Ok(Found::Parquet { root, shards: parquet });
    }
    // A folder of images may hold the archive that they came from.
    if holds_images(path) {
        return Ok(Found::Folder { folder: root });
    }
    let tar = shards(path, webdataset::EXTENSION)?;
    match (tar.is_empty(), tables.is_empty()) {
        (false, _) => Ok(Found::WebDataset { root, shards: tar }),
        // Reading them says which columns they have.
        (true, false) => Ok(Found::Parquet { root, shards: tables }),
        (true, true) => Err(DataError::UnknownDataset { path: root }),
    }
}

/// As [`find`], of a file.
fn find_file(path: &Path) -> Result<Found, DataError> {
    let path = path.to_path_buf();
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        _ if table::is_table(&path) => Ok(Found::Csv { table: path }),
        _ if parquet_table::is_one(&path) => Ok(Found::Csv { table: path }),
        _ if tables::is_spreadsheet(&path) => Err(DataError::Spreadsheet { path }),
        Some(hf_parquet::EXTENSION) => Ok(Found::Parquet { shards: vec![path.clone()], root: path }),
        Some(pack::EXTENSION) => Ok(Found::Pack { file: path }),
        _ if pack::is_pack(&path) => Ok(Found::Pack { file: path }),
        Some(webdataset::EXTENSION) => Ok(Found::WebDataset { shards: vec![path.clone()], root: path }),
        _ => Err(DataError::NotADataFile { path }),
    }
}

/// The files with an extension in a folder, in the `data` within it, and in folders that are named as splits.
fn shards(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(DataError::io("search", &folder))? {
            let entry = entry.map_err(DataError::io("search", &folder))?;
            let (name, path) = (entry.file_name(), entry.path());
            let name = name.to_string_lossy();
            if name.starts_with('.') {
                continue;
            }
            if path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension)) {
                found.push(path);
            } else if depth < 2 && (name == "data" || Split::from_word(&name).is_some()) && path.is_dir() {
                folders.push((path, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}

impl Found {
    /// The list of images with splits, and labels unless those are ignored; none for the sets that are not lists of encoded
    /// images.
    ///
    /// # Errors
    /// As the format's own.
    pub(crate) fn list(&self, labels: Labels) -> Result<Option<Listing>, DataError> {
        match self {
            Found::Patterns | Found::Stl10 { .. } | Found::Cifar10 { .. } | Found::Pack { .. } => Ok(None),
            Found::Csv { table } => labels_csv::list(table, labels).map(Some),
            Found::Parquet { root, shards } => hf_parquet::list(root, shards.clone(), labels).map(Some),
            Found::WebDataset { root, shards } => webdataset::list(root, shards.clone(), labels).map(Some),
            Found::Folder { folder } => match labels {
                Labels::Read => match tables::find(folder)? {
                    Some(tables) => labels_csv::list_all(Tables::in_folder(folder, &tables), labels).map(Some),
                    None => class_folders::list(folder).map(Some),
                },
                // A pool is all that lies there.
                Labels::Ignored => class_folders::list_without_labels(folder).map(Some),
            },
        }
    }
}
