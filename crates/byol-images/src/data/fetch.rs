//! Downloading STL-10: the official archive, its checksums, and the steps from address to verified files; and single files
//! likewise ([`fetch_file`]). The connection is kept in `download`, the archive's content in `unpack`, what can go wrong in `error`.
//!
//! Nothing is written outside the folder that is named, and nothing stays there that was not verified, except the
//! `.part` file that a later call resumes.

mod download;
mod error;
mod single;
mod unpack;

pub use error::FetchError;
pub use single::{NamedFile, fetch_file};

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::note::DataNote;

/// An archive (`.tar.gz`) with a data set in it.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    /// Its address.
    pub url: String,
    /// What the archive is called on disk.
    pub file_name: String,
    /// MD5 of the archive, in lower-case hexadecimal digits.
    pub md5: String,
    /// The folder that the files lie in, in the archive and on disk.
    pub folder: String,
    /// The files that are unpacked. Others are passed over.
    pub files: Vec<ArchiveFile>,
}

/// One file of an [`Archive`].
#[derive(Clone, Debug)]
pub(crate) struct ArchiveFile {
    /// Its name within the folder.
    pub name: String,
    /// MD5 of the file, in lower-case hexadecimal digits.
    pub md5: String,
    /// What it means if the file is missing or another one.
    pub mismatch: Mismatch,
    /// An entry that claims to be larger is refused before it is written.
    pub max_bytes: u64,
}

/// What a missing file, or one with another checksum, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The archive is refused, and nothing of it is kept.
    Error,
    /// The data can be used without it.
    Warning,
}

impl Archive {
    /// The official archive. Address and MD5s are those of torchvision's `datasets/stl10.py`, which has none for the
    /// class names and the folds: those only warn.
    pub fn stl10() -> Self {
        const IMAGE: u64 = super::stl10::IMAGE_BYTES as u64;
        let file = |(name, md5, max_bytes, mismatch): (&str, &str, u64, Mismatch)| ArchiveFile {
            name: name.into(),
            md5: md5.into(),
            mismatch,
            max_bytes,
        };
        let files = [
            ("train_X.bin", "918c2871b30a85fa023e0c44e0bee87f", 5_000 * IMAGE, Mismatch::Error),
            ("train_y.bin", "5a34089d4802c674881badbb80307741", 5_000, Mismatch::Error),
            ("unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4", 100_000 * IMAGE, Mismatch::Error),
            ("test_X.bin", "7f263ba9f9e0b06b93213547f721ac82", 8_000 * IMAGE, Mismatch::Error),
            ("test_y.bin", "36f9794fa4beb8a2c72628de14fa638e", 8_000, Mismatch::Error),
            ("class_names.txt", "6de44d022411c4d5cda4673b7f147c3f", 1 << 20, Mismatch::Warning),
            ("fold_indices.txt", "4bbf8cd098ab9f87fe03fbcb37c06b28", 1 << 20, Mismatch::Warning),
        ];
        Archive {
            url: "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz".into(),
            file_name: "stl10_binary.tar.gz".into(),
            md5: "91f7769df0f17e558f3565bffb0c7dfb".into(),
            folder: super::stl10::FOLDER.into(),
            files: files.map(file).to_vec(),
        }
    }
}

/// Where to download to, and from where.
#[derive(Clone)]
pub struct FetchOptions {
    /// The files are put into `stl10_binary/` in this folder, which is made if need be.
    pub dir: PathBuf,
    /// Another address of the same file.
    pub url: Option<String>,
    /// The option that names such an address, for messages.
    pub url_option: &'static str,
    /// The pause before the first new try after a cut connection; each further one is twice as long.
    pub pause: Duration,
    /// Called now and then while a fetch goes on.
    pub on_progress: Option<Arc<dyn Fn(FetchProgress) + Send + Sync>>,
}

impl FetchOptions {
    /// The official archive into a folder, without reports of progress.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        FetchOptions {
            dir: dir.into(),
            url: None,
            url_option: "--url",
            pause: Duration::from_secs(1),
            on_progress: None,
        }
    }

    fn report(&self, progress: FetchProgress) {
        if let Some(on_progress) = &self.on_progress {
            on_progress(progress);
        }
    }
}

/// How far a fetch is. Numbers are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchProgress {
    /// The archive is being downloaded.
    Downloading {
        /// Bytes on the disk, those of earlier calls included.
        done: u64,
        /// Unknown if the server does not say.
        total: Option<u64>,
    },
    /// The connection was cut; the next try goes on where it ended.
    Retrying {
        /// Which new try it is, from 1.
        attempt: u32,
        /// New tries at most.
        of: u32,
        /// Why the connection was cut.
        reason: String,
    },
    /// The archive's checksum is computed.
    Verifying {
        /// Bytes that have been read.
        done: u64,
        /// Bytes of the archive.
        total: u64,
    },
    /// Of the packed archive.
    Unpacking {
        /// Bytes of the archive that have been read.
        done: u64,
        /// Bytes of the archive.
        total: u64,
    },
}

/// What [`fetch_stl10`] did.
#[derive(Clone, Debug, PartialEq)]
pub enum FetchOutcome {
    /// Everything was there and verified already; nothing was downloaded.
    AlreadyComplete {
        /// The folder that holds the files.
        folder: PathBuf,
    },
    /// Files were downloaded or unpacked, and verified.
    Fetched {
        /// The folder that holds the files.
        folder: PathBuf,
        /// What was odd but not fatal.
        warnings: Vec<DataNote>,
    },
}

/// Downloads STL-10 (2.6 GB) into `stl10_binary/` in the folder of the options, unless it is there. The disk needs
/// room for the archive and the files, 6 GB; the archive is deleted at the end.
///
/// # Errors
/// See [`FetchError`]. Files that were there before are as they were, and a download that was cut off is resumed by the
/// next call.
pub fn fetch_stl10(options: &FetchOptions) -> Result<FetchOutcome, FetchError> {
    fetch(&Archive::stl10(), options)
}

/// Downloads any archive in the way of [`fetch_stl10`].
///
/// # Errors
/// As [`fetch_stl10`].
pub(crate) fn fetch(archive: &Archive, options: &FetchOptions) -> Result<FetchOutcome, FetchError> {
    let folder = options.dir.join(&archive.folder);
    if is_complete(archive, &folder, options)? {
        return Ok(FetchOutcome::AlreadyComplete { folder });
    }
    fs::create_dir_all(&options.dir).map_err(FetchError::io("create the folder", &options.dir))?;
    let packed = verified_archive(archive, options)?;
    let warnings = match unpack::unpack(archive, &packed, &folder, options) {
        // The disk may be full; the archive is sound.
        Err(error @ FetchError::Io { .. }) => return Err(error),
        Err(error) => {
            remove(&packed)?;
            return Err(error);
        }
        Ok(warnings) => warnings,
    };
    Receipt::of(archive, &folder)?.write(&folder)?;
    remove(&packed)?;
    Ok(FetchOutcome::Fetched { folder, warnings })
}

/// The path of the archive on disk, downloaded if need be, its MD5 found right.
fn verified_archive(archive: &Archive, options: &FetchOptions) -> Result<PathBuf, FetchError> {
    verified(&archive.file_name, &archive.url, Checksum::Md5(&archive.md5), options)
}

/// What a file is known by.
#[derive(Clone, Copy)]
enum Checksum<'a> {
    /// In lower-case hexadecimal digits, as are all.
    Md5(&'a str),
    /// The first digits of the SHA-256.
    Sha256Begins(&'a str),
}

impl Checksum<'_> {
    /// The digest of a file in the words of a message, where it is not this one.
    fn other_than(self, path: &Path, options: &FetchOptions) -> Result<Option<String>, FetchError> {
        let (name, digest, right) = match self {
            Checksum::Md5(expected) => {
                let digest = file_md5(path, options)?;
                let right = digest == expected;
                ("MD5", digest, right)
            }
            Checksum::Sha256Begins(expected) => {
                let digest = file_digest::<Sha256>(path, options)?;
                let right = digest.starts_with(expected);
                ("SHA-256", digest, right)
            }
        };
        Ok((!right).then(|| format!("{name} {digest}")))
    }

    fn words(self) -> String {
        match self {
            Checksum::Md5(digest) => digest.to_owned(),
            Checksum::Sha256Begins(digits) => format!("one that begins with {digits}"),
        }
    }
}

/// The path of a file of that name in the folder of the options, downloaded if need be, its checksum found right. Where it does
/// not come, the error says where it belongs if it comes in another way.
fn verified(file_name: &str, url: &str, checksum: Checksum, options: &FetchOptions) -> Result<PathBuf, FetchError> {
    let by_hand = |source: FetchError| match source.is_of_network() {
        true => {
            FetchError::ByHand { source: Box::new(source), file: file_name.to_owned(), folder: options.dir.clone() }
        }
        false => source,
    };
    downloaded(file_name, url, checksum, options).map_err(by_hand)
}

fn downloaded(file_name: &str, url: &str, checksum: Checksum, options: &FetchOptions) -> Result<PathBuf, FetchError> {
    let path = options.dir.join(file_name);
    if path.is_file() && checksum.other_than(&path, options)?.is_none() {
        return Ok(path);
    }
    let part = options.dir.join(format!("{file_name}.part"));
    let url = options.url.as_deref().unwrap_or(url);
    loop {
        let resumes = part.exists();
        download::download(url, &part, options)?;
        let Some(found) = checksum.other_than(&part, options)? else {
            fs::rename(&part, &path).map_err(FetchError::io("put in place", &path))?;
            return Ok(path);
        };
        remove(&part)?;
        // The beginning may have come from another server, or from a version since replaced.
        if !resumes {
            let (expected, option) = (checksum.words(), options.url_option);
            return Err(FetchError::Checksum { url: url.into(), expected, found, option });
        }
    }
}

/// Whether all files are there: as the receipt of an earlier fetch has them or, without a receipt (another program
/// may have fetched them), by their checksums.
fn is_complete(archive: &Archive, folder: &Path, options: &FetchOptions) -> Result<bool, FetchError> {
    if let Some(receipt) = Receipt::read(folder) {
        return Ok(receipt.archive_md5 == archive.md5 && receipt.files.iter().all(|file| file.is_in(folder)));
    }
    let required: Vec<_> = archive.files.iter().filter(|file| file.mismatch == Mismatch::Error).collect();
    if !required.iter().all(|file| folder.join(&file.name).is_file()) {
        return Ok(false);
    }
    for file in required {
        if file_md5(&folder.join(&file.name), options)? != file.md5 {
            return Ok(false);
        }
    }
    Receipt::of(archive, folder)?.write(folder)?;
    Ok(true)
}

/// Notes which verified files lie in a folder, so that gigabytes need not be verified again.
#[derive(Debug, Serialize, Deserialize)]
struct Receipt {
    archive_md5: String,
    files: Vec<ReceiptFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct ReceiptFile {
    name: String,
    bytes: u64,
}

impl ReceiptFile {
    fn is_in(&self, folder: &Path) -> bool {
        fs::metadata(folder.join(&self.name)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == self.bytes)
    }
}

impl Receipt {
    const FILE: &str = ".fetched.json";

    fn of(archive: &Archive, folder: &Path) -> Result<Self, FetchError> {
        let mut files = Vec::new();
        for file in &archive.files {
            let path = folder.join(&file.name);
            if path.is_file() {
                let bytes = fs::metadata(&path).map_err(FetchError::io("read", &path))?.len();
                files.push(ReceiptFile { name: file.name.clone(), bytes });
            }
        }
        Ok(Receipt { archive_md5: archive.md5.clone(), files })
    }

    fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(Self::FILE)).ok()?).ok()
    }

    fn write(&self, folder: &Path) -> Result<(), FetchError> {
        let path = folder.join(Self::FILE);
        let text = serde_json::to_string_pretty(self).map_err(io::Error::from);
        text.and_then(|text| fs::write(&path, text)).map_err(FetchError::io("write", &path))
    }
}

/// MD5 of a file, in lower-case hexadecimal digits.
fn file_md5(path: &Path, options: &FetchOptions) -> Result<String, FetchError> {
    file_digest::<Md5>(path, options)
}

fn file_digest<D: Digest>(path: &Path, options: &FetchOptions) -> Result<String, FetchError> {
    let error = |source| FetchError::Io { action: "read", path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(error)?;
    let total = file.metadata().map_err(error)?.len();
    let (mut digest, mut buffer, mut done) = (D::new(), vec![0; 1 << 20], 0);
    loop {
        let count = file.read(&mut buffer).map_err(error)?;
        if count == 0 {
            return Ok(hexadecimal(digest));
        }
        digest.update(&buffer[..count]);
        done += count as u64;
        options.report(FetchProgress::Verifying { done, total });
    }
}

fn hexadecimal(digest: impl Digest) -> String {
    digest.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn remove(path: &Path) -> Result<(), FetchError> {
    fs::remove_file(path).map_err(FetchError::io("remove", path))
}

#[cfg(test)]
mod tests;
