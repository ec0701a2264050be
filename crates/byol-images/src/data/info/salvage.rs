//! An inventory goes on where a table, or one of several archives, cannot be used: of what else is there.

use std::path::PathBuf;

use super::Damage;
use crate::data::format::EncodedSet;
use crate::data::labels_csv::folder_of;
use crate::data::listing::{Labels, Listing};
use crate::data::{DataError, class_folders};

/// What a path holds, as far as it can be listed.
pub(super) struct Salvaged {
    pub listing: Listing,
    /// Why commands that train with labels refuse it.
    pub refused: Option<String>,
    /// The table of labels that this is about, if one is the reason.
    pub unread_table: Option<PathBuf>,
    /// Files that could not be used.
    pub damaged: Vec<Damage>,
}

impl Salvaged {
    fn of(listing: Listing) -> Self {
        Salvaged { listing, refused: None, unread_table: None, damaged: Vec::new() }
    }

    /// The images that are there although the labels cannot be read. That none has a label then needs no other reason.
    fn refused(listing: Listing, error: &DataError) -> Self {
        let unread_table = match error {
            DataError::CsvLine { path, .. } | DataError::EmptyTable { path } => Some(path.clone()),
            _ => None,
        };
        Salvaged { refused: Some(error.to_string()), unread_table, ..Salvaged::of(listing) }
    }
}

/// Lists what is there.
///
/// # Errors
/// Nothing can be listed.
pub(super) fn list(found: &EncodedSet) -> Result<Salvaged, DataError> {
    let error = match found.list(Labels::Read) {
        Ok(listing) => return Ok(Salvaged::of(listing)),
        Err(error) => error,
    };
    match found {
        // Folders that are no classes hold images all the same.
        EncodedSet::Folder { .. } => match found.list(Labels::Ignored) {
            Ok(listing) => Ok(Salvaged::refused(listing, &error)),
            Err(_) => Err(error),
        },
        EncodedSet::Csv { table, .. } => match class_folders::list_without_labels(folder_of(table)) {
            Ok(listing) => Ok(Salvaged { unread_table: Some(table.clone()), ..Salvaged::refused(listing, &error) }),
            Err(_) => Err(error),
        },
        EncodedSet::Parquet { root, shards } if shards.len() > 1 => {
            let of = |shards| EncodedSet::Parquet { root: root.clone(), shards };
            without_damaged(shards, of).ok_or(error)
        }
        EncodedSet::WebDataset { root, shards } if shards.len() > 1 => {
            let of = |shards| EncodedSet::WebDataset { root: root.clone(), shards };
            without_damaged(shards, of).ok_or(error)
        }
        EncodedSet::Parquet { .. } | EncodedSet::WebDataset { .. } => Err(error),
    }
}

/// The files that can be listed by themselves, together; none where each of them can, or together they cannot.
fn without_damaged(shards: &[PathBuf], of: impl Fn(Vec<PathBuf>) -> EncodedSet) -> Option<Salvaged> {
    let (mut sound, mut damaged) = (Vec::new(), Vec::new());
    for shard in shards {
        match of(vec![shard.clone()]).list(Labels::Read) {
            Ok(_) => sound.push(shard.clone()),
            Err(error) => damaged.push(Damage { path: shard.clone(), problem: error.to_string(), missing: false }),
        }
    }
    if sound.is_empty() || damaged.is_empty() {
        return None;
    }
    let listing = of(sound).list(Labels::Read).ok()?;
    Some(Salvaged { damaged, ..Salvaged::of(listing) })
}
