//! Which kind of data a path holds. Each kind is read in a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::holds_images;
use super::labels_csv::Tables;
use super::listing::{Labels, Listing};
use super::split::Split;
use super::spool::Companions;
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
    /// STL-10's binary files.
    Stl10,
    /// CIFAR-10's binary files.
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

    /// Whether its classes, if any, are names of folders, which may as well be years or places.
    pub(crate) fn is_told_by_folders(self) -> bool {
        match self {
            Format::ClassFolders | Format::Folder => true,
            Format::Patterns
            | Format::Stl10
            | Format::Cifar10
            | Format::Csv
            | Format::Parquet
            | Format::WebDataset
            | Format::Pack => false,
        }
    }
}

/// A path, and how to read it. The two ways have types of their own, so that a new kind is read in every place or does not
/// compile.
#[derive(Debug)]
pub(crate) enum Found {
    Pixels(PixelSet),
    Encoded(EncodedSet),
}

/// A set that is pixels already, or is drawn: it is opened as a whole.
#[derive(Debug)]
pub(crate) enum PixelSet {
    Patterns,
    Stl10 { folder: PathBuf },
    Cifar10 { folder: PathBuf },
    Pack { file: PathBuf },
}

/// Single encoded images: a list is made of them.
#[derive(Debug)]
pub(crate) enum EncodedSet {
    Csv {
        table: PathBuf,
        /// Whether its folder was named, so that images which it does not list are meant too where labels are not.
        of_folder: bool,
    },
    Parquet {
        root: PathBuf,
        shards: Vec<PathBuf>,
    },
    WebDataset {
        root: PathBuf,
        shards: Vec<PathBuf>,
    },
    Folder {
        folder: PathBuf,
    },
}

impl From<PixelSet> for Found {
    fn from(set: PixelSet) -> Found {
        Found::Pixels(set)
    }
}

impl From<EncodedSet> for Found {
    fn from(set: EncodedSet) -> Found {
        Found::Encoded(set)
    }
}

/// Looks at names, and at a few bytes of files; decodes nothing.
///
/// # Errors
/// The path does not exist, or holds nothing that is known.
pub(crate) fn find(path: &Path) -> Result<Found, DataError> {
    if path == Path::new(PATTERNS) {
        return Ok(PixelSet::Patterns.into());
    }
    if !path.exists() {
        return Err(DataError::NotFound { path: path.to_path_buf() });
    }
    if !path.is_dir() {
        return find_file(path);
    }
    if let Some(folder) = stl10::locate(path) {
        return Ok(PixelSet::Stl10 { folder }.into());
    }
    if let Some(folder) = cifar10::locate(path) {
        return Ok(PixelSet::Cifar10 { folder }.into());
    }
    if cifar10::is_for_python(path) {
        return Err(DataError::Cifar10 { path: path.to_path_buf(), problem: cifar10::Cifar10Problem::Python });
    }
    let table = path.join(labels_csv::TABLE);
    if table.is_file() {
        return Ok(EncodedSet::Csv { table, of_folder: true }.into());
    }
    let root = path.to_path_buf();
    // Tables of other things (representations, for instance) may lie beside images.
    let tables = shards(path, hf_parquet::EXTENSION)?;
    let parquet: Vec<PathBuf> = tables.iter().filter(|shard| hf_parquet::may_hold_images(shard)).cloned().collect();
    if !parquet.is_empty() {
        return Ok(EncodedSet::Parquet { root, shards: parquet }.into());
    }
    // A folder of images may hold the archive that they came from.
    if holds_images(path) {
        return Ok(EncodedSet::Folder { folder: root }.into());
    }
    let tar = shards(path, webdataset::EXTENSION)?;
    match (tar.is_empty(), tables.is_empty()) {
        (false, _) => Ok(EncodedSet::WebDataset { root, shards: tar }.into()),
        // Reading them says which columns they have.
        (true, false) => Ok(EncodedSet::Parquet { root, shards: tables }.into()),
        (true, true) => Err(DataError::UnknownDataset { path: root }),
    }
}

/// As [`find`], of a file.
fn find_file(path: &Path) -> Result<Found, DataError> {
    let path = path.to_path_buf();
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        _ if table::is_table(&path) => Ok(EncodedSet::Csv { table: path, of_folder: false }.into()),
        _ if parquet_table::is_one(&path) => Ok(EncodedSet::Csv { table: path, of_folder: false }.into()),
        _ if tables::is_spreadsheet(&path) => Err(DataError::Spreadsheet { path }),
        Some(hf_parquet::EXTENSION) => Ok(EncodedSet::Parquet { shards: vec![path.clone()], root: path }.into()),
        Some(pack::EXTENSION) => Ok(PixelSet::Pack { file: path }.into()),
        _ if pack::is_pack(&path) => Ok(PixelSet::Pack { file: path }.into()),
        Some(webdataset::EXTENSION) => Ok(EncodedSet::WebDataset { shards: vec![path.clone()], root: path }.into()),
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

impl EncodedSet {
    /// The list of images with splits, and labels unless those are ignored.
    ///
    /// # Errors
    /// As the format's own.
    pub(crate) fn list(&self, labels: Labels) -> Result<Listing, DataError> {
        self.list_with(labels, None)
    }

    /// As [`list`](Self::list), beside other processes.
    ///
    /// # Errors
    /// As the format's own; another process is gone.
    pub(crate) fn list_with(&self, labels: Labels, companions: Option<&dyn Companions>) -> Result<Listing, DataError> {
        match self {
            EncodedSet::Csv { table, of_folder } => {
                let mut listing = labels_csv::list(table, labels)?;
                // A pool is all that lies there.
                if *of_folder && labels == Labels::Ignored {
                    labels_csv::add_unlisted(&mut listing, table);
                }
                Ok(listing)
            }
            EncodedSet::Parquet { root, shards } => hf_parquet::list(root, shards.clone(), labels, companions),
            EncodedSet::WebDataset { root, shards } => webdataset::list(root, shards.clone(), labels),
            EncodedSet::Folder { folder } => match labels {
                Labels::Read => match tables::find(folder)? {
                    Some(tables) => labels_csv::list_all(Tables::in_folder(folder, &tables), labels),
                    None => class_folders::list(folder),
                },
                // A pool is all that lies there.
                Labels::Ignored => class_folders::list_without_labels(folder),
            },
        }
    }
}
