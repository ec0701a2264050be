//! A finished pre-training is made longer: what the run directory keeps, what is done again, and what is remembered.

use std::path::{Path, PathBuf};

use super::RunError;
use super::directory::RunDirectory;
use super::record::Ended;
use super::record::{Init, Stage};

/// Files that say what a run had found before it was extended.
const KEPT: [&str; 6] =
    ["config.toml", "predictions.jsonl", "summary.json", "test-images.json", "report.html", "calibration.json"];

/// What an extension has done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extension {
    /// Epochs before and after.
    pub epochs: [usize; 2],
    /// Where the earlier results are kept.
    pub earlier: PathBuf,
}

impl RunDirectory {
    /// Makes a pre-training that has ended `more` epochs longer, so that the run goes on when it is opened next. Baseline
    /// and control stay as they are; what rests on the pre-trained encoder (frozen, fine-tuned and self-trained, and the page) is
    /// removed, to be found anew. The results of a finished run are kept in `earlier/epochs-N`, with its fine-tuned and self-trained classifiers: it
    /// can be named as a run where one is used.
    ///
    /// The new length is written last: a crash before it leaves a run that finds the earlier results again.
    ///
    /// # Errors
    /// Pre-training has not ended, or ended by patience; the new length is out of range; a file cannot be written.
    pub fn extend(&self, more: usize) -> Result<Extension, RunError> {
        let refuse = |reason: &'static str| RunError::NotExtended { path: self.path().to_owned(), reason };
        let mut experiment = self.experiment()?;
        let epochs = experiment.pretrain.epochs;
        let Some(mut summary) = self.summary()? else { return Err(refuse("has not begun")) };
        match &summary.pretrain {
            Some(done) if done.ended_by == Ended::Patience => {
                return Err(refuse("was ended by pretrain.patience, which more epochs do not change"));
            }
            Some(done) if done.epochs == epochs => {}
            _ => return Err(refuse("has not ended its pre-training; resume it without --more-epochs first")),
        }
        experiment.pretrain.extended.push(epochs);
        experiment.pretrain.epochs = epochs.saturating_add(more);
        experiment
            .validate()
            .map_err(|source| RunError::Config { path: self.config_path(), source: Box::new(source) })?;

        let failed = |path: &Path, source| RunError::Write { path: path.to_owned(), source };
        let earlier = self.path().join("earlier").join(format!("epochs-{epochs}"));
        let was_finished = summary.finished;
        if was_finished {
            std::fs::create_dir_all(&earlier).map_err(|source| failed(&earlier, source))?;
            for name in KEPT.into_iter().filter(|name| self.path().join(name).is_file()) {
                let to = earlier.join(name);
                std::fs::copy(self.path().join(name), &to).map_err(|source| failed(&to, source))?;
            }
        }
        summary.finished = false;
        summary.results.retain(|result| result.name.init != Init::Pretrained);
        self.write_summary(&summary)?;
        self.retain_predictions(|record| record.name.init != Init::Pretrained)?;
        self.retain_metrics(|record| !matches!(record.stage, Stage::Finetune | Stage::Selftrain))?;
        for folder in ["checkpoints", "trials"] {
            for entry in std::fs::read_dir(self.path().join(folder)).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if !["finetune-", "selftrain-"].iter().any(|stage| name.to_string_lossy().starts_with(stage)) {
                    continue;
                }
                let place = entry.path();
                match was_finished && folder == "checkpoints" {
                    true => move_folder(&place, &earlier.join(folder).join(&name)),
                    false => std::fs::remove_dir_all(&place),
                }
                .map_err(|source| failed(&place, source))?;
            }
        }
        // Temperatures and a page of classifiers that are no more.
        for file in ["calibration.json", "report.html"].map(|name| self.path().join(name)) {
            if file.is_file() {
                std::fs::remove_file(&file).map_err(|source| failed(&file, source))?;
            }
        }
        self.write_config(&experiment)?;
        Ok(Extension { epochs: [epochs, experiment.pretrain.epochs], earlier })
    }
}

/// Moves a folder within a file system, in place of what a crash may have left there.
fn move_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if to.exists() {
        std::fs::remove_dir_all(to)?;
    }
    std::fs::rename(from, to)
}
