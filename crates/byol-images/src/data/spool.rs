//! Encoded images that are copied out of files that do not let one of them be picked out: into a temporary file, which is mapped into
//! memory, and which the system removes when it is closed. Processes of one host that open the same data have one such file
//! together.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::DataError;
use super::encoded::{Archive, Place};

/// What a process does with a temporary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Sharing {
    /// It has it for itself.
    Own,
    /// It writes it for others, who know it by this number.
    Writes(usize),
    /// Another one writes it.
    Reads(usize),
}

/// Processes of one host that open the same data at the same time.
#[doc(hidden)]
pub trait Companions: Send + Sync {
    /// The next temporary file: all ask for the same files in the same order, or open other data and are not waited for.
    ///
    /// # Errors
    /// It cannot be made, or another process is gone.
    fn next(&self) -> io::Result<(File, Sharing)>;

    /// Tells the others that all of a file has been written, or waits for that.
    ///
    /// # Errors
    /// Another process is gone.
    fn settle(&self, sharing: Sharing) -> io::Result<()>;
}

/// The temporary file of a file of images.
pub(crate) struct Spool<'a> {
    file: BufWriter<File>,
    /// Where each image ends.
    ends: Vec<usize>,
    sharing: Sharing,
    companions: Option<&'a dyn Companions>,
}

impl<'a> Spool<'a> {
    // An empty file cannot be mapped.
    const START: usize = 1;

    pub fn new(companions: Option<&'a dyn Companions>) -> Result<Self, DataError> {
        let (file, sharing) = match companions {
            Some(companions) => companions.next().map_err(DataError::Companions)?,
            None => (tempfile::tempfile().map_err(Self::failed)?, Sharing::Own),
        };
        let mut spool = Spool { file: BufWriter::new(file), ends: Vec::new(), sharing, companions };
        spool.write(&[0; Self::START])?;
        Ok(spool)
    }

    fn failed(source: io::Error) -> DataError {
        DataError::Temporary { folder: std::env::temp_dir(), source }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        match self.sharing {
            Sharing::Own | Sharing::Writes(_) => self.file.write_all(bytes).map_err(Self::failed),
            Sharing::Reads(_) => Ok(()),
        }
    }

    pub fn add(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.write(bytes)?;
        self.ends.push(self.ends.last().unwrap_or(&Self::START) + bytes.len());
        Ok(())
    }

    /// `within` is where in an image's name that of its row begins.
    pub fn finish(self, shard: &Path, within: usize) -> Result<Vec<Place>, DataError> {
        let file = self.file.into_inner().map_err(|error| Self::failed(error.into_error()))?;
        if let Some(companions) = self.companions {
            companions.settle(self.sharing).map_err(DataError::Companions)?;
        }
        let archive = Archive::map(shard, &file)?;
        let mut start = Self::START;
        let place = |end| {
            let place = Place::Part { archive: Arc::clone(&archive), start, len: end - start, within };
            start = end;
            place
        };
        Ok(self.ends.into_iter().map(place).collect())
    }
}
