//! From a path that somebody names to the run that is meant. What lies in a run is in `directory`.

use std::path::{Path, PathBuf};

use super::RunError;
use super::directory::{CHECKPOINTS, CONFIG_FILE, RunDirectory, TRIALS};

/// Folders from a run to the deepest of its files, `trials/NAME/checkpoints/STAGE/FILE`.
const DEPTH: usize = 5;

/// The run that something lies in, and its place there.
fn run_around(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let around = |path: &Path| {
        let run = path.ancestors().skip(1).take(DEPTH).find(|above| above.join(CONFIG_FILE).is_file())?;
        let inside = path.strip_prefix(run).ok()?.to_owned();
        let here = run.as_os_str().is_empty();
        Some((if here { PathBuf::from(".") } else { run.to_owned() }, inside))
    };
    // The name of what lies in the current folder leads nowhere by itself.
    around(path).or_else(|| around(&std::path::absolute(path).ok()?))
}

impl RunDirectory {
    /// The run that a checkpoint lies in, as the run directory has it; none where it was taken elsewhere.
    pub fn of_checkpoint(file: &Path) -> Option<RunDirectory> {
        let (path, inside) = run_around(file)?;
        let is_kept = inside.starts_with(CHECKPOINTS) || inside.starts_with(TRIALS);
        is_kept.then_some(RunDirectory { path })
    }

    /// The run that somebody means who names it, or one of its checkpoints.
    ///
    /// # Errors
    /// The path is not there, is another folder, or a file that lies in no run.
    pub fn of(path: &Path) -> Result<RunDirectory, RunError> {
        match path.is_file() {
            true => RunDirectory::of_checkpoint(path).ok_or_else(|| RunError::Alone { path: path.to_owned() }),
            false => RunDirectory::existing(path),
        }
    }
}

/// Runs that a hint names at most.
const NAMED_RUNS: usize = 3;

/// Where runs are, beside a folder that is none itself: the one that it lies in, those that lie in it, or nothing.
pub fn runs_hint(folder: &Path) -> String {
    fn search(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        folders.sort();
        for inner in folders {
            match inner.join(CONFIG_FILE).is_file() {
                true => found.push(inner),
                // Runs of an ablation lie one folder deeper.
                false if depth > 0 => search(&inner, depth - 1, found),
                false => {}
            }
            if found.len() > NAMED_RUNS {
                return;
            }
        }
    }
    if let Some((run, _)) = run_around(folder) {
        return format!("; did you mean {}?", run.display());
    }
    let mut found = Vec::new();
    search(folder, 1, &mut found);
    let names: Vec<String> = found.iter().take(NAMED_RUNS).map(|path| path.display().to_string()).collect();
    match found.len() {
        0 => String::new(),
        count if count > NAMED_RUNS => format!("; there are runs in it: {} and others", names.join(", ")),
        _ => format!("; there are runs in it: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_leads_to_its_run_from_every_depth() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let run = root.join("mine");
        let inside = [
            "checkpoints/step-1.safetensors",
            "checkpoints/finetune-2-draw0/step-1.safetensors",
            "trials/finetune-2-draw0-lr1-epochs2/checkpoints/finetune-2-draw0/step-1.safetensors",
        ];
        let elsewhere = ["mine/step-1.safetensors", "mine/gallery/step-1.safetensors", "step-1.safetensors"];
        for file in inside.map(|file| run.join(file)).into_iter().chain(elsewhere.map(|file| root.join(file))) {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        assert!(RunDirectory::of_checkpoint(&run.join(inside[0])).is_none(), "there is no run");
        std::fs::write(run.join(CONFIG_FILE), "").unwrap();
        for file in inside {
            assert_eq!(RunDirectory::of(&run.join(file)).unwrap().path(), run);
        }
        for file in elsewhere.map(|file| root.join(file)) {
            assert!(matches!(RunDirectory::of(&file), Err(RunError::Alone { .. })), "{}", file.display());
        }
        assert_eq!(RunDirectory::of(&run).unwrap().path(), run);
        assert!(matches!(RunDirectory::of(root), Err(RunError::NoRun { .. })));
    }

    #[test]
    fn what_is_no_run_says_where_runs_are() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for run in ["runs/mine", "runs/ablation/full/seed-0"] {
            std::fs::create_dir_all(root.join(run)).unwrap();
            std::fs::write(root.join(run).join("config.toml"), "").unwrap();
        }
        let message = |path: &str| RunDirectory::existing(&root.join(path)).unwrap_err().to_string();
        assert!(message("runs").ends_with(&format!("; there are runs in it: {}", root.join("runs/mine").display())));
        let inner = root.join("runs/ablation/full/seed-0");
        assert!(message("runs/ablation").ends_with(&format!("; there are runs in it: {}", inner.display())));
        assert!(message("runs/mnie").ends_with(&format!("; did you mean {}?", root.join("runs/mine").display())));
        let run = root.join("runs/mine");
        std::fs::create_dir(run.join("checkpoints")).unwrap();
        assert!(message("runs/mine/checkpoints").ends_with(&format!("; did you mean {}?", run.display())));
        assert!(message("other").ends_with("other does not exist; name the directory of a run"));
        assert!(RunDirectory::existing(&root.join("runs/mine")).is_ok());
    }
}
