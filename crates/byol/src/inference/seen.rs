//! Which images a run could learn from: those of its data that are no test images, by their paths.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::run::RunDirectory;
use crate::run::record::TestImages;

/// How many of `files` lie in the data of the run and are none of its test images, so that its classifier may have been
/// trained on them; 0 where the run does not tell where its data lies, or that is gone.
pub fn in_training(run: &Path, files: &[PathBuf]) -> usize {
    let Some((root, tests)) = places(run) else { return 0 };
    let own = |file: &&PathBuf| file.canonicalize().is_ok_and(|file| file.starts_with(&root) && !tests.contains(&file));
    files.iter().filter(own).count()
}

/// The folder of the run's data, and the files of its test images.
fn places(run: &Path) -> Option<(PathBuf, HashSet<PathBuf>)> {
    let directory = RunDirectory::existing(run).ok()?;
    let record = directory.command().ok()??;
    let data = record.find(&record.data, run, "--data").ok()?;
    let data = data.canonicalize().ok()?;
    let root = if data.is_dir() { data } else { data.parent()?.to_path_buf() };
    let images: TestImages = serde_json::from_slice(&std::fs::read(run.join("test-images.json")).ok()?).ok()?;
    let tests = images.names.iter().filter_map(|name| root.join(name).canonicalize().ok()).collect();
    Some((root, tests))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_images_are_those_of_the_data_that_are_not_tested() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["photos/cat/1.png", "photos/cat/2.png", "photos/dog/3.png", "other/cat/1.png", "run/config.toml"] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "").unwrap();
        }
        let files = ["photos/cat/1.png", "photos/cat/2.png", "photos/dog/3.png", "other/cat/1.png"].map(at);
        assert_eq!(in_training(&at("run"), &files), 0, "nothing is known");
        let names = serde_json::json!({ "files": true, "names": ["cat/2.png"] });
        std::fs::write(at("run/test-images.json"), names.to_string()).unwrap();
        let record = format!("data = {:?}\nfolder = {:?}\n", at("photos"), folder.path());
        std::fs::write(at("run/command.toml"), record).unwrap();
        assert_eq!(in_training(&at("run"), &files), 2);
    }
}
