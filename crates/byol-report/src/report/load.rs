//! Reading a run directory, finished or interrupted. Nothing here computes what the report says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::de::DeserializeOwned;

use super::ReportError;
use super::choice::{self, ClassifierKind};
use super::language;
use super::notes::{Answers, ImageProblem, Note};
use crate::plan::Plan;
use crate::run::RunDirectory;
use crate::run::command::CommandRecord;
use crate::run::record::{
    Accuracy, Control, EmbeddingMap, EpochRecord, Gallery, LabelBudget, Method, PredictionRecord, ResultName,
    SelfTraining, Stage, Summary, TestImages, Thumbnails,
};
use crate::statistics::guess::Guess;

/// Larger images are left out of the page: it holds every image inside itself.
const LARGEST_IMAGE_BYTES: usize = 2 << 20;
const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const JPEG_SIGNATURE: &[u8] = b"\xff\xd8\xff";

/// Everything the report knows about a run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RunData {
    /// The run directory's own name, for people.
    pub name: String,
    /// The run directory as it was named to [`load()`].
    pub place: PathBuf,
    /// `config.toml` as a table, so that the report does not depend on which keys a version has.
    pub config: Option<toml::Table>,
    /// One record per stage, label budget, draw and epoch; in that order.
    pub metrics: Vec<EpochRecord>,
    /// One record per classifier, label budget and draw; in that order.
    pub predictions: Vec<PredictionRecord>,
    /// What the run has found so far; absent before its first result.
    pub summary: Option<Summary>,
    /// The images that it shows; empty before they were written.
    pub gallery: Gallery,
    /// PNG files of the gallery by the names that it uses.
    pub images: BTreeMap<String, Vec<u8>>,
    /// Thumbnails of test images.
    pub thumbnails: Option<Sheets>,
    /// Test images on a plane.
    pub map: Option<EmbeddingMap>,
    /// Which file each test image is.
    pub test_images: Option<TestImages>,
    /// What the run was asked for; absent in runs of earlier versions.
    pub command: Option<CommandRecord>,
    /// How classifiers did on labels that were held out of their training, where some were; first label draws.
    pub validations: Vec<(ClassifierKind, LabelBudget, f64)>,
    /// The steps of the run, and the hours that were asked for; absent in runs of earlier versions, and of single stages.
    pub plan: Option<Plan>,
    /// What was odd about the directory.
    pub notes: Vec<Note>,
}

/// Thumbnails of test images.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sheets {
    /// How the sheets are divided, and which test images they hold.
    pub about: Thumbnails,
    /// The JPEG files, in order.
    pub sheets: Vec<Vec<u8>>,
}

/// Reads the run directory `run`. A run that was interrupted is read as far as it went; what is missing or was skipped
/// stands in [`RunData::notes`].
///
/// # Errors
/// [`ReportError::Missing`] if there is no such folder, [`ReportError::NotARun`] if nothing of a run is there,
/// [`ReportError::Read`] if a file cannot be read, and [`ReportError::Line`] or [`ReportError::File`] if one is damaged
/// other than by a torn last line.
pub fn load(run: &Path) -> Result<RunData, ReportError> {
    if !run.exists() {
        return Err(ReportError::Missing(run.to_owned()));
    }
    std::fs::read_dir(run).map_err(|source| ReportError::Read { path: run.to_owned(), source })?;
    let mut data = RunData { name: name_of(run), place: run.to_owned(), ..RunData::default() };
    let config = read(&run.join("config.toml"))?;
    let metrics = read_lines(&run.join("metrics.jsonl"), &mut data.notes)?;
    let predictions = read_lines(&run.join("predictions.jsonl"), &mut data.notes)?;
    let summary = read(&run.join("summary.json"))?;
    if config.is_none() && metrics.is_none() && predictions.is_none() && summary.is_none() {
        return Err(ReportError::NotARun(run.to_owned()));
    }
    data.config = parse_config(config, &mut data.notes);
    data.summary = summary.map(|bytes| parse_json(&run.join("summary.json"), &bytes)).transpose()?;
    data.metrics = last_of_each(metrics.unwrap_or_default(), |record: &EpochRecord| {
        (record.stage, record.labels_per_class, record.draw, record.epoch)
    });
    let (control, method) = (data.control(), data.method());
    let mut predictions: Vec<PredictionRecord> = predictions.unwrap_or_default();
    predictions.iter_mut().for_each(|record| record.name = record.name.under(control).by(method));
    let results = data.summary.iter_mut().flat_map(|summary| &mut summary.results);
    results.for_each(|result| result.name = result.name.under(control).by(method));
    data.predictions = last_of_each(predictions, |record: &PredictionRecord| {
        (order(record.name), record.labels_per_class, record.draw)
    });
    // A record of another version tells nothing here.
    data.command = RunDirectory::existing(run).ok().and_then(|run| run.command().ok()).flatten();
    data.plan = RunDirectory::existing(run).ok().and_then(|run| run.plan().ok()).flatten();
    data.validations = validations(run, &data);
    data.check_predictions();
    data.read_test_images(&run.join("test-images.json"))?;
    data.read_gallery(&run.join("gallery"))?;
    data.read_thumbnails(&run.join("gallery"))?;
    data.read_map(&run.join("gallery/map.json"))?;
    if !data.finished() {
        data.notes.push(Note::Unfinished);
    }
    Ok(data)
}

/// What is known of held-out labels.
fn validations(run: &Path, data: &RunData) -> Vec<(ClassifierKind, LabelBudget, f64)> {
    let all = data.budgets().into_iter().flat_map(|budget| ClassifierKind::ALL.map(|kind| (kind, budget)));
    all.filter_map(|(kind, budget)| Some((kind, budget, choice::validation(run, kind, budget, &data.metrics)?)))
        .collect()
}

impl RunData {
    /// Whether the run says of itself that it finished.
    pub fn finished(&self) -> bool {
        self.summary.as_ref().is_some_and(|summary| summary.finished)
    }

    /// Takes back the notes that say no more than that the run goes on.
    pub(crate) fn forgive_unfinished(&mut self) {
        self.notes.retain(|note| !note.is_of_a_run_that_goes_on());
    }

    /// Every label budget that has a result or a training curve, smallest first.
    pub fn budgets(&self) -> Vec<LabelBudget> {
        let mut budgets: BTreeSet<_> = self.predictions.iter().map(|record| record.labels_per_class).collect();
        budgets.extend(self.metrics.iter().filter_map(|record| record.labels_per_class));
        if let Some(summary) = &self.summary {
            budgets.extend(summary.results.iter().map(|result| result.labels_per_class));
        }
        budgets.into_iter().collect()
    }

    /// The budgets of the table: of a run that goes on, those too that its configuration names and nothing is known of.
    pub(crate) fn columns(&self) -> Vec<LabelBudget> {
        let mut budgets = self.budgets();
        if !self.finished() && !budgets.is_empty() {
            let planned = self.config.as_ref().and_then(|config| config.get("labels_per_class")?.as_array());
            let planned = planned.into_iter().flatten().filter_map(|budget| match budget {
                toml::Value::Integer(labels) => usize::try_from(*labels).ok().map(LabelBudget::PerClass),
                toml::Value::String(name) if name == "all" => Some(LabelBudget::All),
                // Which folds there are, the data decides.
                _ => None,
            });
            budgets.extend(planned);
            budgets.sort();
            budgets.dedup();
        }
        budgets
    }

    /// Seconds of work, over all sittings, as far as they are recorded.
    pub(crate) fn seconds(&self) -> Option<f64> {
        let summary = self.summary.as_ref()?;
        if summary.finished {
            return Some(summary.seconds);
        }
        let mut trainings = BTreeMap::new();
        for record in &self.metrics {
            trainings.insert((record.stage, record.labels_per_class, record.draw), record.seconds);
        }
        Some(summary.seconds.max(trainings.values().sum()))
    }

    /// The predictions of one classifier at one label budget, by draw.
    pub fn predictions_of(&self, name: ResultName, budget: LabelBudget) -> Vec<&PredictionRecord> {
        self.predictions.iter().filter(|record| record.name == name && record.labels_per_class == budget).collect()
    }

    /// Test accuracy over label draws: from the predictions where there are any, else from the summary.
    pub fn accuracy(&self, name: ResultName, budget: LabelBudget) -> Option<Accuracy> {
        let runs: Vec<f64> = self.predictions_of(name, budget).iter().map(|record| record.test_accuracy).collect();
        if let Some(found) = Accuracy::over(runs) {
            return Some(found);
        }
        let results = &self.summary.as_ref()?.results;
        let found = results.iter().find(|result| result.name == name && result.labels_per_class == budget)?;
        Accuracy::over(found.test_accuracy.runs.clone())
    }

    /// Whether the run keeps a self-trained classifier of a label budget: that of the first draw, if it was taken.
    pub fn is_self_trained(&self, budget: LabelBudget) -> bool {
        let records = self.predictions_of(ResultName::PRETRAINED_SELFTRAINED, budget);
        let first = records.iter().find(|record| record.draw == 0);
        first.is_some_and(|record| record.self_training.as_ref().is_some_and(SelfTraining::is_taken))
    }

    /// How the run pre-trains: BYOL where its configuration says nothing of it.
    pub fn method(&self) -> Method {
        let method = self.config.as_ref().and_then(|config| config.get("pretrain")?.get("method"));
        method.and_then(|method| method.clone().try_into().ok()).unwrap_or_default()
    }

    /// What the run holds BYOL against.
    pub fn control(&self) -> Control {
        let digest = self.config.as_ref().and_then(|config| config.get("initial_weights")?.as_str());
        if digest.is_none_or(str::is_empty) { Control::Random } else { Control::Given }
    }

    /// Every classifier that such a run can have, in the order of tables, named after its method.
    pub(crate) fn results(&self) -> Vec<ResultName> {
        let has = self.has_self_trained();
        let names =
            self.control().results().into_iter().filter(|&name| name != ResultName::PRETRAINED_SELFTRAINED || has);
        names.map(|name| name.by(self.method())).collect()
    }

    fn has_self_trained(&self) -> bool {
        let of_summary = self.summary.iter().flat_map(|summary| &summary.results).map(|result| result.name);
        let mut names = self.predictions.iter().map(|record| record.name).chain(of_summary);
        names.any(|name| name == ResultName::PRETRAINED_SELFTRAINED)
    }

    /// Each classifier and the one that it is held against: after pre-training the one before it, and after self-training the one
    /// before that.
    pub(crate) fn pairs(&self) -> Vec<(ResultName, ResultName)> {
        let mut pairs = self.control().pairs().to_vec();
        if self.has_self_trained() {
            pairs.insert(1, (ResultName::PRETRAINED_SELFTRAINED, ResultName::PRETRAINED_FINETUNED));
        }
        pairs.into_iter().map(|(name, against)| (name.by(self.method()), against.by(self.method()))).collect()
    }

    /// The pre-trained encoder, fine-tuned.
    pub(crate) fn fine_tuned(&self) -> ResultName {
        ResultName::PRETRAINED_FINETUNED.by(self.method())
    }

    /// What a kind of classifier is in this run.
    pub(crate) fn name_of(&self, kind: ClassifierKind) -> ResultName {
        kind.recorded_as(self.control()).by(self.method())
    }

    /// The true classes of the test images; absent in a run without a summary.
    pub fn test_labels(&self) -> Option<&[u16]> {
        self.summary.as_ref().map(|summary| summary.data.test_labels.as_slice()).filter(|labels| !labels.is_empty())
    }

    /// Which file a test image is, as a path within the data; nothing where that is not recorded.
    pub fn test_image(&self, image: usize) -> Option<&str> {
        self.test_images.as_ref()?.names.get(image).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// How many classes there are, as far as the run tells.
    pub fn classes(&self) -> Option<usize> {
        let summary = self.summary.as_ref()?;
        let from_labels = summary.data.test_labels.iter().max().map_or(0, |&label| usize::from(label) + 1);
        Some(summary.data.class_names.len().max(from_labels)).filter(|&classes| classes > 0)
    }

    /// The best answer without looking at a test image; nothing in a run without a summary.
    pub fn guess(&self) -> Option<Guess> {
        Some(Guess::best(self.test_labels().unwrap_or_default(), self.classes()?))
    }

    /// Whether a classifier that is right on so many of the test images is clearly better than the best guess.
    pub fn beats_guess(&self, right: u64) -> Option<bool> {
        self.guess()?.is_beaten_by(right, self.test_labels()?.len() as u64)
    }

    /// The name of a class, or its number where it has no name.
    pub fn class_name(&self, label: u16) -> String {
        let names = self.summary.as_ref().map(|summary| summary.data.class_names.as_slice()).unwrap_or_default();
        names.get(usize::from(label)).cloned().unwrap_or_else(|| language::names::class(label))
    }

    /// The epochs of one training, in order. `budget` is absent for pre-training.
    pub fn epochs(&self, stage: Stage, budget: Option<LabelBudget>, draw: usize) -> Vec<&EpochRecord> {
        let of_training =
            |record: &&EpochRecord| record.stage == stage && record.labels_per_class == budget && record.draw == draw;
        self.metrics.iter().filter(of_training).collect()
    }

    /// The last epoch of every draw of a stage.
    pub fn last_epochs(&self, stage: Stage, budget: Option<LabelBudget>) -> Vec<&EpochRecord> {
        let mut last = BTreeMap::new();
        for record in self.metrics.iter().filter(|record| record.stage == stage && record.labels_per_class == budget) {
            last.insert(record.draw, record);
        }
        last.into_values().collect()
    }

    /// Drops predictions that cannot belong to the test images, and says so.
    fn check_predictions(&mut self) {
        let Some(labels) = self.summary.as_ref().map(|summary| summary.data.test_labels.clone()) else {
            return;
        };
        if labels.is_empty() {
            return;
        }
        let notes = &mut self.notes;
        self.predictions.retain(|record| {
            let of = Answers { name: record.name, budget: record.labels_per_class, draw: record.draw };
            let (predictions, images) = (record.predicted.len(), labels.len());
            if predictions != images {
                notes.push(Note::OtherPredictions { of, predictions, images });
                return false;
            }
            let probabilities = record.probabilities.len();
            if probabilities != 0 && probabilities != predictions {
                notes.push(Note::OtherProbabilities { of, probabilities, predictions });
                return false;
            }
            let right = record.predicted.iter().zip(&labels).filter(|(predicted, label)| predicted == label).count();
            let (recorded, computed) = (record.test_accuracy, right as f64 / images as f64);
            if (computed - recorded).abs() > 1e-6 {
                notes.push(Note::OtherAccuracy { of, recorded, computed });
            }
            true
        });
    }

    fn read_test_images(&mut self, path: &Path) -> Result<(), ReportError> {
        let Some(bytes) = read(path)? else { return Ok(()) };
        let found: TestImages = parse_json(path, &bytes)?;
        let Some(images) = self.test_labels().map(<[u16]>::len) else { return Ok(()) };
        if found.names.len() == images {
            self.test_images = Some(found);
        } else {
            self.notes.push(Note::OtherTestImages { names: found.names.len(), images });
        }
        Ok(())
    }

    fn read_gallery(&mut self, folder: &Path) -> Result<(), ReportError> {
        let path = folder.join("gallery.json");
        let Some(bytes) = read(&path)? else { return Ok(()) };
        self.gallery = parse_json(&path, &bytes)?;
        let views = self.gallery.views.iter();
        let mut names: BTreeSet<&String> =
            views.flat_map(|view| std::iter::once(&view.original).chain(view.views.values().flatten())).collect();
        for example in &self.gallery.neighbors {
            names.insert(&example.query);
            names.extend(example.neighbors.iter().map(|neighbor| &neighbor.image));
        }
        names.extend(self.gallery.suspects.iter().flat_map(|suspects| &suspects.shown).map(|suspect| &suspect.file));
        for name in names {
            match read_image(folder, name, PNG_SIGNATURE) {
                Ok(bytes) => {
                    self.images.insert(name.clone(), bytes);
                }
                Err(problem) => self.notes.push(Note::GalleryImage { name: name.clone(), problem }),
            }
        }
        Ok(())
    }

    fn read_thumbnails(&mut self, folder: &Path) -> Result<(), ReportError> {
        let path = folder.join("thumbnails.json");
        let Some(bytes) = read(&path)? else { return Ok(()) };
        let about: Thumbnails = parse_json(&path, &bytes)?;
        let Some(images) = self.test_labels().map(<[u16]>::len) else { return Ok(()) };
        let room = about.sheets.len().saturating_mul(about.per_sheet);
        let fits = about.side > 0 && about.columns > 0 && about.images.len() <= room;
        if !fits || about.images.iter().any(|&image| image >= images) {
            self.notes.push(Note::OtherThumbnails);
            return Ok(());
        }
        let read = about.sheets.iter().map(|name| read_image(folder, name, JPEG_SIGNATURE)).collect();
        match read {
            Ok(sheets) => self.thumbnails = Some(Sheets { about, sheets }),
            Err(problem) => self.notes.push(Note::Thumbnails { problem }),
        }
        Ok(())
    }

    fn read_map(&mut self, path: &Path) -> Result<(), ReportError> {
        let Some(bytes) = read(path)? else { return Ok(()) };
        let map: EmbeddingMap = parse_json(path, &bytes)?;
        let Some(images) = self.test_labels().map(<[u16]>::len) else { return Ok(()) };
        let places = map.places.len();
        let fits = map.images.len() == places
            && map.neighbors.len() == places
            && map.images.iter().all(|&image| image < images)
            && map.neighbors.iter().flatten().all(|&(other, _)| other < places);
        if fits {
            self.map = Some(map);
        } else {
            self.notes.push(Note::OtherMap);
        }
        Ok(())
    }
}

/// Where a classifier stands in tables.
fn order(name: ResultName) -> usize {
    ResultName::ALL.iter().position(|&other| other == name).unwrap_or(ResultName::ALL.len())
}

/// The run directory's own name, for people.
pub(crate) fn name_of(run: &Path) -> String {
    // `.` and `..` have no name of their own.
    let named = match run.file_name() {
        Some(_) => run.to_owned(),
        None => run.canonicalize().unwrap_or_else(|_| run.to_owned()),
    };
    named.file_name().map_or_else(|| run.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, ReportError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReportError::Read { path: path.to_owned(), source }),
    }
}

fn read_lines<T: DeserializeOwned>(path: &Path, notes: &mut Vec<Note>) -> Result<Option<Vec<T>>, ReportError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let lines: Vec<(usize, &[u8])> =
        bytes.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty()).collect();
    let mut records = Vec::with_capacity(lines.len());
    for (nth, &(number, line)) in lines.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(record) => records.push(record),
            Err(_) if nth + 1 == lines.len() => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                notes.push(Note::TornLine { file: file.into_owned(), line: number + 1 });
            }
            Err(error) => {
                return Err(ReportError::Line { path: path.to_owned(), line: number + 1, reason: error.to_string() });
            }
        }
    }
    Ok(Some(records))
}

fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, ReportError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ReportError::File { path: path.to_owned(), reason: error.to_string() })
}

fn parse_config(bytes: Option<Vec<u8>>, notes: &mut Vec<Note>) -> Option<toml::Table> {
    let Some(bytes) = bytes else {
        notes.push(Note::NoConfiguration);
        return None;
    };
    match String::from_utf8_lossy(&bytes).parse() {
        Ok(table) => Some(table),
        Err(error) => {
            notes.push(Note::UnreadableConfiguration { reason: error.message().to_owned() });
            None
        }
    }
}

/// Sorts by `key` and keeps the last record of each: a resumed run may repeat an epoch.
fn last_of_each<T, K: Ord>(records: Vec<T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let by_key: BTreeMap<K, T> = records.into_iter().map(|record| (key(&record), record)).collect();
    by_key.into_values().collect()
}

fn read_image(folder: &Path, name: &str, signature: &[u8]) -> Result<Vec<u8>, ImageProblem> {
    let inside = Path::new(name).components().all(|component| matches!(component, Component::Normal(_)));
    if name.is_empty() || !inside {
        return Err(ImageProblem::OutsideGallery);
    }
    let bytes = std::fs::read(folder.join(name)).map_err(|error| ImageProblem::Unreadable(error.to_string()))?;
    if !bytes.starts_with(signature) {
        return Err(ImageProblem::NotA(if signature == PNG_SIGNATURE { "PNG" } else { "JPEG" }));
    }
    if bytes.len() > LARGEST_IMAGE_BYTES {
        return Err(ImageProblem::TooLarge { bytes: bytes.len(), most: LARGEST_IMAGE_BYTES });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
