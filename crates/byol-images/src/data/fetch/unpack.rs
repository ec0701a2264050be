//! From a verified archive to verified files: only expected names, through a folder of temporary files beside their
//! place.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use md5::{Digest, Md5};
use tar::EntryType;

use super::{Archive, ArchiveFile, FetchError, FetchOptions, FetchProgress, Mismatch, hexadecimal};
use crate::data::note::{DataNote, shown};

/// Unpacks the archive at `packed` and moves its files into `folder` once all of them are verified. Returns warnings.
pub(super) fn unpack(
    archive: &Archive,
    packed: &Path,
    folder: &Path,
    options: &FetchOptions,
) -> Result<Vec<DataNote>, FetchError> {
    let staging = Staging::new(options.dir.join(format!(".{}.unpacking", archive.folder)))?;
    let mut warnings = Vec::new();
    let mut unpacked: HashSet<&str> = HashSet::new();

    let file = File::open(packed).map_err(FetchError::io("open", packed))?;
    let total = file.metadata().map_err(FetchError::io("read", packed))?.len();
    let watched = Watched { file, done: 0, total, options };
    let mut entries = tar::Archive::new(GzDecoder::new(BufReader::with_capacity(1 << 18, watched)));
    for entry in entries.entries().map_err(|source| FetchError::Unpack { source })? {
        let mut entry = entry.map_err(|source| FetchError::Unpack { source })?;
        let path = entry.path().map_err(|source| FetchError::Unpack { source })?.into_owned();
        let hostile = |problem| FetchError::Hostile { entry: path.to_string_lossy().into_owned(), problem };
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::Directory | EntryType::XGlobalHeader => {}
            EntryType::Symlink | EntryType::Link => return Err(hostile("is a link")),
            _ => return Err(hostile("is neither a file nor a folder")),
        }
        let parts = plain_parts(&path).ok_or_else(|| hostile("leads out of the folder"))?;
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        let Some(file) = expected(archive, &parts) else {
            warnings.push(DataNote::NotUnpacked { entry: shown(&path) });
            continue;
        };
        if !unpacked.insert(&file.name) {
            return Err(hostile("occurs twice"));
        }
        if entry.size() > file.max_bytes {
            return Err(hostile("is larger than that file can be"));
        }
        let found = write_hashed(&mut entry, &staging.0.join(&file.name))?;
        if found != file.md5 {
            let (name, expected) = (file.name.clone(), file.md5.clone());
            match file.mismatch {
                Mismatch::Error => return Err(FetchError::FileChecksum { name, expected, found }),
                Mismatch::Warning => warnings.push(DataNote::OtherChecksum { file: name, found, expected }),
            }
        }
    }
    for ArchiveFile { name, mismatch, .. } in &archive.files {
        match mismatch {
            _ if unpacked.contains(name.as_str()) => {}
            Mismatch::Error => return Err(FetchError::MissingFile { name: name.clone() }),
            Mismatch::Warning => warnings.push(DataNote::NotInArchive { file: name.clone() }),
        }
    }

    fs::create_dir_all(folder).map_err(FetchError::io("create the folder", folder))?;
    for file in archive.files.iter().filter(|file| unpacked.contains(file.name.as_str())) {
        let place = folder.join(&file.name);
        fs::rename(staging.0.join(&file.name), &place).map_err(FetchError::io("put in place", &place))?;
    }
    Ok(warnings)
}

/// A path's parts, or nothing if it is absolute or climbs.
fn plain_parts(path: &Path) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str().unwrap_or_default()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts)
}

/// The file that `NAME` or `FOLDER/NAME` stands for.
fn expected<'a>(archive: &'a Archive, parts: &[&str]) -> Option<&'a ArchiveFile> {
    let name = match parts {
        [name] => name,
        [folder, name] if *folder == archive.folder => name,
        _ => return None,
    };
    archive.files.iter().find(|file| file.name == *name)
}

/// Writes an entry to a new file and returns its MD5.
fn write_hashed(entry: &mut impl Read, path: &Path) -> Result<String, FetchError> {
    let file = File::create_new(path).map_err(FetchError::io("create", path))?;
    let mut file = BufWriter::with_capacity(1 << 18, file);
    let (mut md5, mut buffer) = (Md5::new(), vec![0; 1 << 16]);
    loop {
        let count = entry.read(&mut buffer).map_err(|source| FetchError::Unpack { source })?;
        if count == 0 {
            break;
        }
        md5.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(FetchError::io("write", path))?;
    }
    file.flush().map_err(FetchError::io("write", path))?;
    Ok(hexadecimal(md5))
}

/// A new folder of temporary files, removed with what is left in it.
struct Staging(PathBuf);

impl Staging {
    fn new(path: PathBuf) -> Result<Self, FetchError> {
        if path.symlink_metadata().is_ok() {
            // Left by a program that was killed.
            fs::remove_dir_all(&path).map_err(FetchError::io("remove", &path))?;
        }
        fs::create_dir(&path).map_err(FetchError::io("create the folder", &path))?;
        Ok(Staging(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // A folder that cannot be removed now is removed by the next call.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Reports how much of the archive was read.
struct Watched<'a> {
    file: File,
    done: u64,
    total: u64,
    options: &'a FetchOptions,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        self.options.report(FetchProgress::Unpacking { done: self.done, total: self.total });
        Ok(count)
    }
}
