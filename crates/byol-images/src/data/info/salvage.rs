//! An inventory goes on where a table, or one of several archives, cannot be used: of what else is there.

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
    /// Files that could not be used.
    pub damaged: Vec<Damage>,
}

impl Salvaged {
    fn of(listing: Listing) -> Self {
        Salvaged { listing, refused: None, damaged: Vec::new() }
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
            Ok(listing) => Ok(Salvaged { refused: Some(error.to_string()), ..Salvaged::of(listing) }),
            Err(_) => Err(error),
        },
        EncodedSet::Csv { table } => match class_folders::list_without_labels(folder_of(table)) {
            Ok(listing) => {
                let damage = Damage { path: table.clone(), problem: error.to_string(), missing: false };
                Ok(Salvaged { damaged: vec![damage], ..Salvaged::of(listing) })
            }
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
fn without_damaged(
    shards: &[std::path::PathBuf],
    of: impl Fn(Vec<std::path::PathBuf>) -> EncodedSet,
) -> Option<Salvaged> {
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
