//! What can go wrong while data is fetched.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a data set could not be fetched.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The system refuses a file or folder.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was to be done, as it completes "could not".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },

    /// No server answers.
    #[error("could not reach {url}: {reason}; check the address and the network, or name a mirror with {option}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why not.
        reason: String,
        /// The option that names another address.
        option: &'static str,
    },

    /// The server answers with an error.
    #[error("{url} was refused: the server answers {status}; check the address or name a mirror with {option}")]
    Refused {
        /// The address.
        url: String,
        /// Its status line, such as `404 Not Found`.
        status: String,
        /// The option that names another address.
        option: &'static str,
    },

    /// The connection was cut again and again.
    #[error(
        "the connection to {url} was lost {tries} times in a row ({reason}); {part} keeps the {bytes} bytes that came, \
         run the same command again to go on from there"
    )]
    Interrupted {
        /// The address.
        url: String,
        /// How often in a row nothing came.
        tries: u32,
        /// Why the last one was cut.
        reason: String,
        /// The file that keeps what came.
        part: PathBuf,
        /// Its size.
        bytes: u64,
    },

    /// The download has another checksum.
    #[error(
        "the file from {url} has {found}, expected {expected}; it was deleted, fetch again or name another mirror with {option}"
    )]
    Checksum {
        /// The address.
        url: String,
        /// The checksum that it should have.
        expected: String,
        /// The checksum that it has, with its kind.
        found: String,
        /// The option that names another address.
        option: &'static str,
    },

    /// The file did not come, and may come in another way.
    #[error("{source}; or get {file} in another way and put it under this name into {folder}")]
    ByHand {
        /// Why it did not come.
        source: Box<FetchError>,
        /// The name that it must have.
        file: String,
        /// The folder that it is looked for in.
        folder: PathBuf,
    },

    /// A file in the archive has another checksum.
    #[error("{name} in the archive has MD5 {found}, expected {expected}; nothing of the archive was kept, fetch again")]
    FileChecksum {
        /// The file.
        name: String,
        /// The MD5 that it should have.
        expected: String,
        /// The MD5 that it has.
        found: String,
    },

    /// A file is not in the archive that must be.
    #[error("the archive holds no {name}; nothing of it was kept, name another mirror with --url")]
    MissingFile {
        /// The file.
        name: String,
    },

    /// An entry of the archive would be written outside its folder, or is too large, or is no file.
    #[error(
        "the archive is hostile: its entry `{entry}` {problem}; nothing of it was kept, name another mirror with --url"
    )]
    Hostile {
        /// The entry's name.
        entry: String,
        /// What is wrong with it, as it follows the name.
        problem: &'static str,
    },

    /// The archive is damaged, or the disk is full.
    #[error("the archive cannot be unpacked: {source}; nothing of it was kept, name another mirror with --url")]
    Unpack {
        /// What the decompressor or the system says.
        source: io::Error,
    },
}

impl FetchError {
    /// Whether the file did not come, or came as another one: whoever gets it in another way can go on.
    pub(super) fn is_of_network(&self) -> bool {
        use FetchError::{Checksum, Interrupted, Refused, Unreachable};
        matches!(self, Unreachable { .. } | Refused { .. } | Interrupted { .. } | Checksum { .. })
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| FetchError::Io { action, path, source }
    }
}
