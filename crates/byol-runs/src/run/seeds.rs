//! `seeds.json`: which runs of a folder are one comparison with several seeds. What lies in each of them is in `directory`; how they are begun
//! is the experiment's business.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{RunDirectory, RunError};
use crate::files::write_atomically;

/// The record's name in the folder.
const FILE: &str = "seeds.json";

/// The same comparison with several seeds: each is a run directory `seed-N` of its own, beside the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedsRecord {
    /// The seeds, in the order in which they are run; at least one.
    pub seeds: Vec<u64>,
    /// Hours that all of them together were to take (`--hours`), where they were named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// The program that began them.
    pub version: String,
}

/// Whether `folder` holds one comparison with several seeds rather than a run.
pub fn is_of_seeds(folder: &Path) -> bool {
    folder.join(FILE).is_file()
}

/// Where the run with a seed lies in the folder of several.
pub fn run_of(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}"))
}

/// Every run that is meant by these folders: a run directory, or one that need not be there yet, means itself, and a folder of several seeds
/// the run of each.
///
/// # Errors
/// A record is damaged.
pub fn each_run(folders: &[PathBuf]) -> Result<Vec<PathBuf>, RunError> {
    let mut runs = Vec::new();
    for folder in folders {
        match SeedsRecord::read(folder)? {
            Some(record) => runs.extend(record.runs(folder)),
            None => runs.push(folder.clone()),
        }
    }
    Ok(runs)
}

impl SeedsRecord {
    /// The record of a folder; nothing where it has none.
    ///
    /// # Errors
    /// The record cannot be read, is damaged, or names no seed.
    pub fn read(folder: &Path) -> Result<Option<SeedsRecord>, RunError> {
        let path = folder.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            // What was named may be a file.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(source) => return Err(RunError::Read { path, source }),
        };
        match serde_json::from_slice::<SeedsRecord>(&text) {
            Ok(record) if record.seeds.is_empty() => {
                Err(RunError::Malformed { path, reason: "it names no seed".to_owned() })
            }
            Ok(record) => Ok(Some(record)),
            Err(error) => Err(RunError::Malformed { path, reason: error.to_string() }),
        }
    }

    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunError> {
        let path = folder.join(FILE);
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|error| RunError::Malformed { path: path.clone(), reason: error.to_string() })?;
        text.push(b'\n');
        write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })
    }

    /// The runs of all seeds, in order.
    ///
    /// # Errors
    /// One of them is not there any more.
    pub fn existing(&self, folder: &Path) -> Result<Vec<RunDirectory>, RunError> {
        let of_seed = |&seed: &u64| {
            RunDirectory::existing(&run_of(folder, seed)).map_err(|_| RunError::Malformed {
                path: folder.join(FILE),
                reason: format!(
                    "it names seed {seed}, and seed-{seed} beside it holds no run; bring that back, or begin anew with another --out"
                ),
            })
        };
        self.seeds.iter().map(of_seed).collect()
    }

    /// The run directories of all seeds, in order, whether they are there or not.
    pub fn runs(&self, folder: &Path) -> Vec<PathBuf> {
        self.seeds.iter().map(|&seed| run_of(folder, seed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_file_and_what_is_damaged_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_of_seeds(folder.path()) && SeedsRecord::read(folder.path()).unwrap().is_none());
        let record = SeedsRecord { seeds: vec![7, 8], hours: Some(2.0), version: "1".to_owned() };
        record.write(folder.path()).unwrap();
        assert_eq!(SeedsRecord::read(folder.path()).unwrap(), Some(record.clone()));
        assert_eq!(record.runs(Path::new("r")), [Path::new("r/seed-7"), Path::new("r/seed-8")]);
        assert_eq!(SeedsRecord::read(&folder.path().join(FILE)).unwrap(), None, "a file holds no runs");
        for (text, reason) in [("{", "EOF"), (r#"{"seeds":[],"version":"1"}"#, "it names no seed")] {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let message = SeedsRecord::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains("seeds.json") && message.contains(reason), "{message}");
        }
    }

    #[test]
    fn whoever_needs_one_run_is_told_to_name_one() {
        let folder = tempfile::tempdir().unwrap();
        SeedsRecord { seeds: vec![7, 8], hours: None, version: "1".to_owned() }.write(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("seed-7")).unwrap();
        std::fs::write(folder.path().join("seed-7/config.toml"), "").unwrap();
        let record = SeedsRecord::read(folder.path()).unwrap().unwrap();
        let missing = record.existing(folder.path()).unwrap_err().to_string();
        assert!(missing.contains("seeds.json: it names seed 8, and seed-8 beside it holds no run"), "{missing}");
        let (one, runs) = (PathBuf::from("one"), [7, 8].map(|seed| run_of(folder.path(), seed)));
        let each = each_run(&[one.clone(), folder.path().to_owned()]).unwrap();
        assert_eq!(each, [&[one][..], &runs].concat());
        let run = folder.path().display();
        let message = RunDirectory::existing(folder.path()).unwrap_err().to_string();
        assert_eq!(message, format!("{run} holds a run for each of 2 seeds; name one of them, as in {run}/seed-7"));
    }
}
