//! The report: from a run directory to a table, a page and an explanation. It reads the run directory and nothing else;
//! nothing here trains, evaluates, or looks at images other than the gallery's.

pub mod ablation;
#[doc(hidden)]
pub mod advice;
mod chart;
pub mod choice;
pub(crate) mod compare;
pub mod data_check;
pub(crate) mod explain;
pub(crate) mod html;
#[doc(hidden)]
pub mod labelling;
#[doc(hidden)]
pub mod language;
mod load;
#[doc(hidden)]
pub mod mistakes;
pub mod notes;
pub mod pretraining;
pub mod seeds;
pub mod simulation;
pub(crate) mod standing;
pub mod table;

#[cfg(test)]
pub(crate) mod testing;

use std::path::{Path, PathBuf};

use crate::nearest::path_hint;
use crate::run::place::runs_hint;

pub(crate) use load::name_of;
pub use load::{RunData, Sheets, load};

/// The page of runs, without writing it anywhere.
///
/// # Errors
/// There is no run.
#[doc(hidden)]
pub fn page(runs: &[RunData]) -> Result<String, ReportError> {
    html::render(runs)
}

/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder holds nothing of a run.
    #[error(
        "{} is not a run directory: it holds none of config.toml, metrics.jsonl, predictions.jsonl and summary.json; \
         name the folder that a run was told to write to{}",
        .0.display(), runs_hint(.0)
    )]
    NotARun(PathBuf),
    /// There is no such folder.
    #[error("{} does not exist; name the directory of a run{}", .0.display(), path_hint(.0))]
    Missing(PathBuf),
    /// A file of the run cannot be read.
    #[error("failed to read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
    /// A line of a record is damaged, and is not a torn last one.
    #[error("{} line {line} is damaged ({reason}); remove that line to report on the rest", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the run is damaged.
    #[error("{} is damaged ({reason}); remove it to report on the rest", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The record of an ablation is damaged.
    #[error(
        "{} is damaged ({reason}); `byol ablate` with --resume writes it anew from the runs beside it",
        path.display()
    )]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing to report on.
    #[error("no run was named: name at least one run directory")]
    NoRuns,
    /// The page cannot be written.
    #[error("failed to write {}: {source}; check that the folder is writable and the disk not full", path.display())]
    Write {
        /// The page, or the temporary file beside it.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
}

impl ReportError {
    /// Whether another command line is the remedy: what was typed is no run.
    pub fn is_of_command_line(&self) -> bool {
        matches!(self, ReportError::NotARun(_) | ReportError::Missing(_) | ReportError::NoRuns)
    }
}

/// Reads the run directory `run` and writes its `report.html`, whole or not at all. Returns the page's path.
///
/// # Errors
/// See [`load()`]; and [`ReportError::Write`].
pub fn write(run: &Path) -> Result<PathBuf, ReportError> {
    write_comparison(&[run], &run.join("report.html"))
}

/// Reads several run directories and writes one page that compares them, whole or not at all. Returns `page`.
///
/// # Errors
/// See [`load()`]; [`ReportError::NoRuns`] and [`ReportError::Write`].
pub fn write_comparison(runs: &[&Path], page: &Path) -> Result<PathBuf, ReportError> {
    let runs = runs.iter().map(|run| load(run)).collect::<Result<Vec<_>, _>>()?;
    let text = html::render(&runs)?;
    write_page(page, &text)
}

/// Writes a page whole or not at all. Returns its path.
fn write_page(page: &Path, text: &str) -> Result<PathBuf, ReportError> {
    let failed = |path: &Path, source| ReportError::Write { path: path.to_owned(), source };
    let mut name = std::ffi::OsString::from(".");
    name.push(page.file_name().unwrap_or_default());
    name.push(format!(".{}.part", std::process::id()));
    let part = page.with_file_name(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, page));
    if let Err(source) = written {
        // The page was not replaced; what is left of the partial file is of no use, and failing to remove it changes
        // nothing about the error.
        let _ = std::fs::remove_file(&part);
        return Err(failed(page, source));
    }
    Ok(page.to_owned())
}
