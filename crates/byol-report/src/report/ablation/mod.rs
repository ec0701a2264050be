//! The report of an ablation: from `ablation.json` to a table, findings in words, and a page.

pub(crate) mod findings;
mod page;
mod table;

use std::path::{Path, PathBuf};

use super::{ReportError, write_page};
use crate::run::ablation::Ablation;

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
/// [`ReportError::Read`] or [`ReportError::Record`] if its record cannot be read, is damaged, or holds nothing.
pub fn load(folder: &Path) -> Result<Ablation, ReportError> {
    let path = folder.join(RECORD);
    let text = std::fs::read(&path).map_err(|source| ReportError::Read { path: path.clone(), source })?;
    let damaged = |reason: String| ReportError::Record { path: path.clone(), reason };
    let ablation: Ablation = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    match ablation.variants.iter().any(|variant| !variant.seeds.is_empty()) {
        true => Ok(ablation),
        false => Err(damaged("it holds no variant that has run".to_owned())),
    }
}

/// Writes `report.html` into the folder of an ablation, whole or not at all. Returns the page's path.
///
/// # Errors
/// [`ReportError::Write`].
pub fn write(ablation: &Ablation, folder: &Path) -> Result<PathBuf, ReportError> {
    write_page(&folder.join("report.html"), &page::render(ablation))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_says_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for (text, reason) in [
            ("", "EOF while parsing"),
            (r#"{ "variants": [], "version": "1", "hardware": "cpu" }"#, "it holds no variant that has run"),
        ] {
            std::fs::write(folder.path().join(RECORD), text).unwrap();
            let message = load(folder.path()).unwrap_err().to_string();
            assert!(message.contains(reason) && message.contains("byol ablate"), "{message}");
        }
    }
}
