//! Strings that identify data in a run directory: the same files give the same string, wherever they lie.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::DataError;

/// How much of each end of a large file counts.
const END: u64 = 1 << 20;

/// A running SHA-256, of which the first 128 bits are kept.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(crate) fn new(kind: &str) -> Self {
        let mut fingerprint = Fingerprint(Sha256::new());
        fingerprint.bytes(kind.as_bytes());
        fingerprint
    }

    /// Adds a byte string with its length, so that neighbours cannot run into each other.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// Adds a file's size, first MiB and last MiB. A change in between that keeps the size goes unseen: STL-10's
    /// unlabelled file has gigabytes, and opening a data set must not read them.
    pub(crate) fn file_ends(&mut self, path: &Path) -> Result<(), DataError> {
        let error = |source| DataError::Io { action: "read", path: path.to_path_buf(), source };
        let mut file = File::open(path).map_err(error)?;
        let size = file.metadata().map_err(error)?.len();
        self.number(size);
        let mut end = Vec::new();
        (&mut file).take(END).read_to_end(&mut end).map_err(error)?;
        self.0.update(&end);
        if size > END {
            end.clear();
            file.seek(SeekFrom::Start(size.saturating_sub(END).max(END))).map_err(error)?;
            file.take(END).read_to_end(&mut end).map_err(error)?;
            self.0.update(&end);
        }
        Ok(())
    }

    /// `sha256:` and 32 hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let digest = self.0.finalize();
        digest[..16].iter().fold(String::from("sha256:"), |text, byte| text + &format!("{byte:02x}"))
    }
}
