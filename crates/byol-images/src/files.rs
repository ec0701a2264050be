//! Files that are there whole or not at all, and the folder of those that are fetched once.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Extension of a file that is still being written.
pub const PARTIAL: &str = "partial";

/// Writes `bytes` to a temporary sibling of `path`, then renames it: the file is there whole or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension(PARTIAL);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&temporary, path)) {
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    name_endures(path);
    Ok(())
}

/// Writes `bytes` at the end of a file, which is at `end`, and on the disk before it returns; what cannot be written whole is taken back, where
/// the system lets it.
pub fn append(file: &mut File, end: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(end))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_data());
    if written.is_err() {
        let _ = file.set_len(end);
    }
    written
}

/// A new name is as durable as the bytes only once the folder is on the disk. Not every file system can do that.
pub fn name_endures(path: &Path) {
    #[cfg(unix)]
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
}

/// Makes a sibling of `path` and removes it: whether a file can be made there.
pub fn try_place(path: &Path) -> io::Result<()> {
    let trial = path.with_extension(format!("{}.{PARTIAL}", std::process::id()));
    File::create(&trial)?;
    std::fs::remove_file(&trial)
}

/// The cache's folder: BYOL_CACHE, else `byol` in XDG_CACHE_HOME, else in `.cache` of the user's home; as
/// `scripts/libtorch.py` finds it.
pub fn cache_folder() -> Option<PathBuf> {
    let named = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("BYOL_CACHE").or_else(|| {
        let base = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
        Some(base?.join("byol"))
    })
}
