//! A file of answers that is being written: each answer is on the disk before the next is asked for, nobody else writes, and what others
//! did to the file meanwhile is read first.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Answer, CorrectionProblem, Corrections, HEADER, whole_lines};
use crate::data::DataError;
use crate::files;

/// What the name of the file ends with that keeps others from writing.
const LOCK: &str = "lock";

/// The answers of a file that this program writes.
pub struct CorrectionFile {
    path: PathBuf,
    corrections: Corrections,
    /// Bytes of the file's whole lines when it was read or written last.
    length: u64,
    /// By which the file is known to be as it was left then.
    stamp: Option<Stamp>,
    lock: Lock,
}

/// Held as long as answers are written.
struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock itself goes with the file handle; a file that is left behind says nothing.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl CorrectionFile {
    /// Reads what is there, and keeps others from writing as long as it lives. Nothing is made but a file beside it.
    ///
    /// # Errors
    /// The file cannot be read or is damaged, no file can be made beside it, or another program writes it.
    pub fn open(path: &Path) -> Result<CorrectionFile, DataError> {
        let lock = lock(path)?;
        let mut opened = CorrectionFile {
            path: path.to_path_buf(),
            corrections: Corrections::default(),
            length: 0,
            stamp: None,
            lock,
        };
        opened.read()?;
        Ok(opened)
    }

    /// Says where answers are taken, for another program that would write.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn tell(&mut self, address: &str) -> io::Result<()> {
        self.lock.file.set_len(0)?;
        self.lock.file.rewind()?;
        self.lock.file.write_all(address.as_bytes())
    }

    /// The answers so far.
    pub fn corrections(&self) -> &Corrections {
        &self.corrections
    }

    /// Adds an answer; it is on the disk when this returns. What others wrote meanwhile is read first.
    ///
    /// # Errors
    /// The file cannot be written, or is damaged by now. The answer is then not given.
    pub fn give(&mut self, image: &str, was: &str, answer: Answer) -> Result<(), DataError> {
        if stamp(&self.path).map_err(DataError::io("read", &self.path))? != self.stamp {
            self.read()?;
        }
        let [word, label] = answer.cells();
        let mut bytes = Vec::new();
        {
            let mut table = csv::Writer::from_writer(&mut bytes);
            let header = (self.length == 0).then_some(HEADER);
            let mut rows = header.into_iter().chain([[image, was, word, label]]);
            let written = rows.try_for_each(|row| table.write_record(row)).map_err(io::Error::from);
            written.and_then(|()| table.flush()).map_err(DataError::io("write", &self.path))?;
        }
        self.append(&bytes).map_err(DataError::io("write", &self.path))?;
        self.length += bytes.len() as u64;
        self.stamp = stamp(&self.path).unwrap_or_default();
        self.corrections.set(image, was, answer);
        Ok(())
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.path)?;
        file.set_len(self.length)?;
        files::append(&mut file, self.length, bytes)?;
        if self.length == 0 {
            files::name_endures(&self.path);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), DataError> {
        // Before the content: what changes in between is read once more.
        let found = stamp(&self.path).map_err(DataError::io("read", &self.path))?;
        self.corrections = Corrections::read(&self.path)?;
        let text = match std::fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(DataError::io("read", &self.path))?,
        };
        // A line that was cut off is written over.
        self.length = whole_lines(&text) as u64;
        self.stamp = found;
        Ok(())
    }
}

/// Bytes of a file, and when it was changed last.
type Stamp = (u64, SystemTime);

/// That of a file; nothing where it is not there.
fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.and_then(|found| Ok(Some((found.len(), found.modified()?)))),
    }
}

fn lock(of: &Path) -> Result<Lock, DataError> {
    let mut name = of.as_os_str().to_owned();
    name.push(".");
    name.push(LOCK);
    let path = PathBuf::from(name);
    let mut options = OpenOptions::new();
    let opened = options.create(true).truncate(false).read(true).write(true).open(&path);
    let mut file = opened.map_err(DataError::io("make", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { path, file }),
        Err(TryLockError::WouldBlock) => {
            let mut at = String::new();
            let _ = file.read_to_string(&mut at);
            Err(CorrectionProblem::Busy { path: of.to_path_buf(), at: (!at.is_empty()).then_some(at) }.into())
        }
        Err(TryLockError::Error(source)) => Err(DataError::Io { action: "lock", path, source }),
    }
}
