//! Folders: the user's cache, and where runs are written.

use crate::files::cache_folder;
use std::path::{Path, PathBuf};

use serde::Serialize;
use walkdir::WalkDir;

/// The folder that libtorch is kept in, for all checkouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Absent where neither the environment nor the user's home names one.
    pub path: Option<PathBuf>,
    /// Bytes of its files; 0 where it is not there.
    pub bytes: u64,
    pub free_bytes: Option<u64>,
}

/// A folder that is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    pub path: PathBuf,
    pub writable: bool,
    /// Room on its disk for this user; absent where the system does not say.
    pub free_bytes: Option<u64>,
}

pub(super) fn cache() -> Cache {
    let path = cache_folder();
    let bytes = path.as_deref().map_or(0, size);
    let free_bytes = path.as_deref().and_then(free);
    Cache { path, bytes, free_bytes }
}

/// Bytes of all files under a folder; what cannot be looked at counts nothing.
fn size(folder: &Path) -> u64 {
    let files = WalkDir::new(folder).into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

pub(super) fn place(folder: &Path) -> Place {
    // Permissions alone do not tell: a disk may be mounted read-only.
    let writable = tempfile_in(folder).is_ok();
    let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    Place { path, writable, free_bytes: free(folder) }
}

/// Makes an empty file and removes it.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!(".byol-doctor-{}", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)
}

/// Bytes that this user may still write on the disk of a folder, which need not be there yet.
pub(super) fn free(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|ancestor| ancestor.exists())?;
    // A relative path without folders ends in the empty one.
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let disk = rustix::fs::statvfs(there).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_measured_and_tried() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        std::fs::write(folder.path().join("a"), [0; 1000]).unwrap();
        std::fs::write(folder.path().join("inner/b"), [0; 234]).unwrap();
        assert_eq!(size(folder.path()), 1234);
        let found = place(folder.path());
        assert!(found.writable && found.free_bytes.is_some_and(|free| free > 0), "{found:?}");
        assert_eq!(size(folder.path()), 1234);
        let missing = place(&folder.path().join("missing/deeper"));
        assert!(!missing.writable && missing.free_bytes.is_some(), "{missing:?}");
    }
}
