//! The run directory's files, and how each is written so that a crash leaves a readable run.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RunError;
use super::lock::{self, LOCK_FILE, Writing};
use super::record::{
    EmbeddingMap, EpochRecord, Gallery, Init, LabelBudget, PredictionRecord, Summary, SupervisedStage, TestImages,
    Thumbnails,
};
use super::seeds::SeedsRecord;
use super::tensorboard;
use crate::config::Experiment;
use crate::config::resolve::{differences, only_watches};
use crate::data::first_use::NotUsed;
use crate::files::write_atomically;
use crate::plan::Plan;

/// Whether a folder holds nothing but, perhaps, the lock of whoever is going to write there.
#[doc(hidden)]
pub fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().all(|entry| entry.file_name() == LOCK_FILE)
}

/// The settings of a run, and what a folder is known by as one.
pub(super) const CONFIG_FILE: &str = "config.toml";
pub(super) const CHECKPOINTS: &str = "checkpoints";
pub(super) const TRIALS: &str = "trials";

/// What a run is to do, step by step.
#[doc(hidden)]
pub const PLAN_FILE: &str = "plan.json";

/// An open run directory.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    pub(super) path: PathBuf,
}

/// Whether a run directory may already hold the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must be empty or absent.
    Fresh,
    /// It may hold a run of the same configuration and data, which goes on. Keys that only watch may differ.
    Resume,
}

/// What is to happen to the saved configuration when a run is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Config {
    /// There is none yet.
    Missing,
    /// There is one, with the same values.
    Same,
    /// Only keys differ that watch; it is written anew.
    Watching,
}

impl RunDirectory {
    /// Makes or reopens the directory of a run and writes `config.toml` before anything else.
    ///
    /// # Errors
    /// The folder cannot be written, holds another run, or holds this run with another configuration.
    pub fn open(path: &Path, mode: OpenMode, experiment: &Experiment) -> Result<RunDirectory, RunError> {
        let directory = RunDirectory { path: path.to_owned() };
        if RunDirectory::check(path, mode, experiment)? == Config::Missing {
            std::fs::create_dir_all(path).map_err(|source| RunError::Write { path: path.to_owned(), source })?;
        }
        if RunDirectory::check(path, mode, experiment)? != Config::Same {
            directory.write_config(experiment)?;
        }
        Ok(directory)
    }

    /// Whether [`RunDirectory::open`] would succeed, as far as that can be told without writing. What it costs to find out
    /// is nothing beside looking through the data, which comes after it.
    ///
    /// # Errors
    /// The path is no folder, holds something else or another run, or this run with another configuration.
    pub fn check(path: &Path, mode: OpenMode, experiment: &Experiment) -> Result<Config, RunError> {
        if path.exists() && !path.is_dir() {
            return Err(RunError::NotAFolder { path: path.to_owned() });
        }
        let directory = RunDirectory { path: path.to_owned() };
        let config = directory.config_path();
        if !config.exists() {
            return match (is_empty(path), of_seeds(path)?) {
                (true, _) => Ok(Config::Missing),
                (false, Some(_)) if mode == OpenMode::Fresh => Err(taken(path)),
                (false, Some(error)) => Err(error),
                (false, None) => Err(RunError::NotARun { path: path.to_owned() }),
            };
        }
        if mode == OpenMode::Fresh {
            return Err(taken(path));
        }
        let then = directory.experiment()?;
        let differences = differences(&then, experiment)
            .map_err(|source| RunError::Config { path: config.clone(), source: Box::new(source) })?;
        let (watching, others): (Vec<_>, Vec<_>) =
            differences.into_iter().partition(|difference| only_watches(&difference.key, experiment));
        match (others.is_empty(), watching.is_empty()) {
            (false, _) => Err(RunError::Changed { path: path.to_owned(), differences: others }),
            (true, false) => Ok(Config::Watching),
            (true, true) => Ok(Config::Same),
        }
    }

    pub(super) fn write_config(&self, experiment: &Experiment) -> Result<(), RunError> {
        let path = self.config_path();
        let text =
            experiment.to_toml().map_err(|source| RunError::Config { path: path.clone(), source: Box::new(source) })?;
        write_atomically(&path, text.as_bytes()).map_err(|source| RunError::Write { path, source })
    }

    /// The directory of a run that another command made.
    ///
    /// # Errors
    /// It is not there or holds no run.
    pub fn existing(path: &Path) -> Result<RunDirectory, RunError> {
        let directory = RunDirectory { path: path.to_owned() };
        match directory.config_path().is_file() {
            true => Ok(directory),
            false if path.exists() => Err(of_seeds(path)?.unwrap_or_else(|| RunError::NoRun { path: path.to_owned() })),
            false => Err(RunError::Missing { path: path.to_owned() }),
        }
    }

    /// The folder, as it was named.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the configuration stands that the run was started with.
    pub fn config_path(&self) -> PathBuf {
        self.path.join(CONFIG_FILE)
    }

    fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    fn predictions_path(&self) -> PathBuf {
        self.path.join("predictions.jsonl")
    }

    fn summary_path(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// Where the report's images go.
    pub fn gallery_path(&self) -> PathBuf {
        self.path.join("gallery")
    }

    /// Whether there are images for the report already.
    pub fn has_gallery(&self) -> bool {
        self.gallery_path().join("gallery.json").is_file()
    }

    /// The configuration that the run was started with.
    ///
    /// # Errors
    /// `config.toml` is missing or not a configuration of this program.
    pub fn experiment(&self) -> Result<Experiment, RunError> {
        let path = self.config_path();
        let text = std::fs::read_to_string(&path).map_err(|source| RunError::Read { path: path.clone(), source })?;
        Experiment::from_toml(&text).map_err(|source| RunError::Config { path, source: Box::new(source) })
    }

    /// The folder of pre-training's checkpoints.
    pub fn pretrain_checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// The folder of the checkpoints of one supervised training.
    pub fn supervised_checkpoints(&self, stage: SupervisedStage, budget: LabelBudget, draw: usize) -> PathBuf {
        self.path.join(CHECKPOINTS).join(format!("{}-{budget}-draw{draw}", stage.name()))
    }

    /// The weights that the run began with, where they were given.
    pub fn initial_weights(&self) -> PathBuf {
        self.path.join("initial.safetensors")
    }

    /// The folder of one candidate of a sweep: metrics and checkpoints of its own, and no configuration.
    pub fn trial(&self, name: &str) -> RunDirectory {
        RunDirectory { path: self.path.join(TRIALS).join(name) }
    }

    /// Adds the end of an epoch to `metrics.jsonl` and to TensorBoard's file.
    ///
    /// # Errors
    /// The line cannot be written.
    pub fn append_metrics(&self, record: &EpochRecord) -> Result<(), RunError> {
        let _alone = metrics_alone();
        append(&self.metrics_path(), record)?;
        tensorboard::append(&self.path, record).map_err(|source| self.tensorboard_error(source))
    }

    fn tensorboard_error(&self, source: io::Error) -> RunError {
        RunError::Write { path: self.path.join(tensorboard::FOLDER), source }
    }

    /// # Errors
    /// A line other than a torn last one is not a record.
    pub fn metrics(&self) -> Result<Vec<EpochRecord>, RunError> {
        let _alone = metrics_alone();
        read_lines(&self.metrics_path())
    }

    /// Drops the metrics that a resumed stage will write again.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn retain_metrics(&self, keep: impl FnMut(&EpochRecord) -> bool) -> Result<(), RunError> {
        let _alone = metrics_alone();
        let path = self.metrics_path();
        if !path.exists() {
            return Ok(());
        }
        let mut records: Vec<EpochRecord> = read_lines(&path)?;
        records.retain(keep);
        let mut text = Vec::new();
        for record in &records {
            text.extend(line(&path, record)?);
        }
        write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })?;
        // Whatever a crash left there, TensorBoard's files say what the metrics say.
        tensorboard::rewrite(&self.path, &records).map_err(|source| self.tensorboard_error(source))
    }

    /// Drops the answers of classifiers that will be trained again.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(super) fn retain_predictions(&self, keep: impl FnMut(&PredictionRecord) -> bool) -> Result<(), RunError> {
        let path = self.predictions_path();
        if !path.exists() {
            return Ok(());
        }
        let mut records: Vec<PredictionRecord> = read_lines(&path)?;
        records.retain(keep);
        let mut text = Vec::new();
        for record in &records {
            text.extend(line(&path, record)?);
        }
        write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })
    }

    /// # Errors
    /// The line cannot be written.
    pub fn append_predictions(&self, record: &PredictionRecord) -> Result<(), RunError> {
        // A torn last line of an earlier crash must not swallow this one.
        let path = self.predictions_path();
        let records: Vec<PredictionRecord> = read_lines(&path)?;
        let mut text = Vec::new();
        for record in records.iter().chain([record]) {
            text.extend(line(&path, record)?);
        }
        write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })
    }

    /// # Errors
    /// A line other than a torn last one is not a record.
    pub fn predictions(&self) -> Result<Vec<PredictionRecord>, RunError> {
        let mut records: Vec<PredictionRecord> = read_lines(&self.predictions_path())?;
        if records.iter().any(|record| record.name.init == Init::Random) {
            let control = self.experiment()?.control();
            records.iter_mut().for_each(|record| record.name = record.name.under(control));
        }
        Ok(records)
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_gallery(&self, gallery: &Gallery) -> Result<(), RunError> {
        let path = self.gallery_path().join("gallery.json");
        let text = serde_json::to_vec_pretty(gallery)
            .map_err(|error| RunError::Malformed { path: path.clone(), reason: error.to_string() })?;
        write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_map(&self, map: &EmbeddingMap) -> Result<(), RunError> {
        self.write_json(&self.gallery_path().join("map.json"), map)
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_thumbnails(&self, thumbnails: &Thumbnails) -> Result<(), RunError> {
        self.write_json(&self.gallery_path().join("thumbnails.json"), thumbnails)
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_test_images(&self, images: &TestImages) -> Result<(), RunError> {
        self.write_json(&self.path.join("test-images.json"), images)
    }

    fn not_used_path(&self) -> PathBuf {
        self.path.join("not-used.jsonl")
    }

    /// Writes which images of a pool others took the place of, as far as is known.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_not_used(&self, images: &[NotUsed]) -> Result<(), RunError> {
        let path = self.not_used_path();
        let lines: Vec<Vec<u8>> = images.iter().map(|image| line(&path, image)).collect::<Result<_, _>>()?;
        write_atomically(&path, &lines.concat()).map_err(|source| RunError::Write { path, source })
    }

    /// What earlier sittings wrote of images that are not used; nothing where all are.
    ///
    /// # Errors
    /// A line is no record.
    pub fn not_used(&self) -> Result<Vec<NotUsed>, RunError> {
        read_lines(&self.not_used_path())
    }

    fn write_json(&self, path: &Path, value: &impl Serialize) -> Result<(), RunError> {
        let text = line(path, value)?;
        write_atomically(path, &text).map_err(|source| RunError::Write { path: path.to_owned(), source })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), RunError> {
        let path = self.summary_path();
        let mut text = serde_json::to_vec_pretty(summary)
            .map_err(|error| RunError::Malformed { path: path.clone(), reason: error.to_string() })?;
        text.push(b'\n');
        write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write_plan(&self, plan: &Plan) -> Result<(), RunError> {
        self.write_json(&self.path.join(PLAN_FILE), plan)
    }

    /// The plan, where the run has one.
    ///
    /// # Errors
    /// It is there but cannot be read.
    pub fn plan(&self) -> Result<Option<Plan>, RunError> {
        optional_json(self.path.join(PLAN_FILE))
    }

    /// The summary, where one was written.
    ///
    /// # Errors
    /// It is there but cannot be read.
    pub fn summary(&self) -> Result<Option<Summary>, RunError> {
        optional_json(self.summary_path())
    }
}

/// The error of a new run where there is one. A run that another process is at cannot be resumed either.
fn taken(path: &Path) -> RunError {
    match lock::writing(path) {
        Writing::Now(holder) if holder.process != std::process::id() => {
            RunError::Locked { path: path.to_owned(), holder: holder.to_string() }
        }
        Writing::Now(_) | Writing::BrokenOff(_) | Writing::No => RunError::Occupied { path: path.to_owned() },
    }
}

/// The error of whoever needs one run and names a folder of several seeds; nothing where it is no such folder.
fn of_seeds(path: &Path) -> Result<Option<RunError>, RunError> {
    let record = SeedsRecord::read(path)?;
    Ok(record.and_then(|record| {
        let first = record.runs(path).into_iter().next()?;
        Some(RunError::OfSeeds { path: path.to_owned(), seeds: record.seeds.len(), first })
    }))
}

/// What a JSON file holds, where it is there.
fn optional_json<T: DeserializeOwned>(path: PathBuf) -> Result<Option<T>, RunError> {
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| RunError::Malformed { path, reason: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RunError::Read { path, source }),
    }
}

/// Trainings of this process that go on side by side write their metrics into one file.
fn metrics_alone() -> MutexGuard<'static, ()> {
    static METRICS: Mutex<()> = Mutex::new(());
    METRICS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(path: &Path, record: &impl Serialize) -> Result<Vec<u8>, RunError> {
    let mut text = serde_json::to_vec(record)
        .map_err(|error| RunError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
    text.push(b'\n');
    Ok(text)
}

fn append(path: &Path, record: &impl Serialize) -> Result<(), RunError> {
    let text = line(path, record)?;
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder.map_err(|source| RunError::Write { path: path.to_owned(), source })?;
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(&text))
        .map_err(|source| RunError::Write { path: path.to_owned(), source })
}

/// The records of a file of JSON lines; a last line without its newline was torn by a crash and is left out.
fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(RunError::Read { path: path.to_owned(), source });
        }
    };
    let mut reader = BufReader::new(file);
    let mut records = Vec::new();
    let mut text = String::new();
    loop {
        text.clear();
        reader.read_line(&mut text).map_err(|source| RunError::Read { path: path.to_owned(), source })?;
        if !text.ends_with('\n') {
            return Ok(records);
        }
        let record = serde_json::from_str(&text).map_err(|error| RunError::Malformed {
            path: path.to_owned(),
            reason: format!("line {}: {error}", records.len() + 1),
        })?;
        records.push(record);
    }
}
