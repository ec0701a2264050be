//! The report of an ablation: from `ablation.json` to a table, findings in words, and a page.

mod findings;
mod page;
mod table;

use std::path::{Path, PathBuf};

use super::{ReportError, write_page};
use crate::experiment::ablation::Ablation;

pub use findings::findings;
pub use table::markdown;

/// The record's name in the folder of an ablation.
const RECORD: &str = "ablation.json";

/// Whether `folder` holds an ablation rather than a run.
pub fn is_ablation(folder: &Path) -> bool {
    folder.join(RECORD).is_file()
}

/// Reads the ablation in `folder`.
///
/// # Errors
/// [`ReportError::Read`] or [`ReportError::File`] if its record cannot be read or is damaged.
pub fn load(folder: &Path) -> Result<Ablation, ReportError> {
    let path = folder.join(RECORD);
    let text = std::fs::read(&path).map_err(|source| ReportError::Read { path: path.clone(), source })?;
    serde_json::from_slice(&text).map_err(|error| ReportError::File { path, reason: error.to_string() })
}

/// Writes `report.html` into the folder of an ablation, whole or not at all. Returns the page's path.
///
/// # Errors
/// [`ReportError::Write`].
pub fn write(ablation: &Ablation, folder: &Path) -> Result<PathBuf, ReportError> {
    write_page(&folder.join("report.html"), &page::render(ablation))
}
