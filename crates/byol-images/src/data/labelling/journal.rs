//! The journal beside a table of labels: what was answered, in order, so that it can be undone, and what a table cannot say (skipped
//! images, images of no class, classes without an image yet). Lines of JSON are appended and nothing in it ever changes. Its lock keeps
//! a second server away. What the table says is not here.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{LabelFileError, Step};
use crate::files;

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// Answers that were given together.
    Step(Step),
    /// An earlier step was undone.
    Undone {
        /// [`Step::number`].
        step: u64,
        /// Who undid it.
        by: String,
    },
    /// A class got its name before an image did.
    Class(String),
    /// A class got another name, or became one with another, apart from the step that changed its images: as it was written before steps
    /// had it.
    Renamed {
        /// The name until then.
        from: String,
        /// The name from then on.
        to: String,
    },
    /// A class without images went.
    Dropped(String),
    /// A server began to write.
    Serving(Serving),
    /// How good the classifier was, for whoever made it.
    Point(serde_json::Value),
}

/// Who writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Serving {
    pub address: String,
    pub process: u32,
}

/// A journal that is open and locked.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Journal {
    /// Where the journal of a table lies: `byol-labels.journal` beside `labels.csv`, `NAME.byol-labels.journal` beside `NAME.csv`.
    pub fn path_of(table: &Path) -> PathBuf {
        const NAME: &str = "byol-labels.journal";
        match table.file_name() {
            Some(name) if name != crate::data::labels_csv::TABLE => table.with_extension(NAME),
            _ => table.with_file_name(NAME),
        }
    }

    /// Opens the journal of a table, made where there is none, and gives what stands in it. A line whose writing was ended in the middle
    /// is cut off.
    ///
    /// # Errors
    /// Another process has it; it cannot be read, or a line is not understood.
    pub fn open(table: &Path) -> Result<(Journal, Vec<Line>), LabelFileError> {
        let path = Self::path_of(table);
        let failed = |source| LabelFileError::Unwritten { path: path.clone(), source };
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(failed)?;
        let held = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.read_to_end(&mut bytes).map_err(failed)?;
        // A line may have been cut off within a letter.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |place| place + 1);
        let text = std::str::from_utf8(&bytes[..whole])
            .map_err(|error| failed(std::io::Error::new(std::io::ErrorKind::InvalidData, error)))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let read = lines.map(|(place, line)| {
            let wrong = |error: serde_json::Error| LabelFileError::Journal {
                path: path.clone(),
                line: place + 1,
                reason: error.to_string(),
            };
            serde_json::from_str(line).map_err(wrong)
        });
        if held {
            let lines: Vec<Line> = read.filter_map(Result::ok).collect();
            let serving = lines.into_iter().rev().find_map(|line| match line {
                Line::Serving(serving) => Some(serving),
                _ => None,
            });
            return Err(LabelFileError::Held { path: table.to_path_buf(), by: by(serving) });
        }
        let lines: Vec<Line> = read.collect::<Result<_, _>>()?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(failed)?;
        }
        Ok((Journal { path, file, length: whole as u64 }, lines))
    }

    /// Appends lines, on disk before it returns; all of them or none.
    pub fn append(&mut self, lines: &[Line]) -> Result<(), LabelFileError> {
        let failed = |source| LabelFileError::Unwritten { path: self.path.clone(), source };
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, line).map_err(io::Error::other).map_err(failed)?;
            bytes.push(b'\n');
        }
        files::append(&mut self.file, self.length, &bytes).map_err(failed)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn by(serving: Option<Serving>) -> String {
    match serving {
        Some(Serving { address, process }) if !address.is_empty() => format!("{address} (process {process})"),
        Some(Serving { process, .. }) => format!("process {process}"),
        None => "another process".to_owned(),
    }
}
