//! Strings that identify data in a run directory: the same files give the same string, wherever they lie.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::DataError;

/// How much of each end of a large file counts.
const END: u64 = 1 << 20;

/// What identifies each part of a data set by itself, so that runs with the same test images can be compared whatever else
/// they had. A part that is empty has an empty string.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprints {
    /// The labelled training images: names, encoded sizes and classes.
    pub train: String,
    /// The test images, likewise.
    pub test: String,
    /// Everything else that is for pre-training: the unlabelled split and every folder that was added.
    pub unlabeled: String,
}

impl Fingerprints {
    /// Takes in images that were added to those without labels.
    pub(crate) fn add_unlabeled(&mut self, of_pool: &str) {
        let mut fingerprint = Fingerprint::new("unlabelled");
        fingerprint.bytes(self.unlabeled.as_bytes());
        fingerprint.bytes(of_pool.as_bytes());
        self.unlabeled = fingerprint.finish();
    }

    /// The parts in which two data sets differ, in words.
    #[must_use]
    pub fn differences(&self, other: &Fingerprints) -> Vec<&'static str> {
        let parts = [
            ("training images", self.train == other.train),
            ("test images", self.test == other.test),
            ("unlabelled images", self.unlabeled == other.unlabeled),
        ];
        parts.into_iter().filter(|(_, same)| !same).map(|(part, _)| part).collect()
    }
}

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
