//! What people answered when they were shown suspicious labels: keep the label, change it, or drop the image. The answers stand in a file
//! beside the data, `path,was,answer,label`, line by line in the order in which they were given; of several on one image the last one
//! counts, and `open` takes an answer back. Images and labels themselves stay as they are: whoever opens the data applies the file.
//!
//! How the file is written is in [`mod@file`].

pub mod file;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::fingerprint::Fingerprint;
use super::labels_csv::TABLE;
use super::lines::Lines;
use super::names::composed;
use super::note::{DataNote, shown};
use super::{DataError, Dataset, LabeledImages, PATTERNS, SubsetSource};
use crate::nearest::hint;

/// The file's name in a folder; beside another single file, its name begins with that file's.
pub(crate) const CORRECTIONS_FILE: &str = "byol-corrections.csv";
/// The first line.
const HEADER: [&str; 4] = ["path", "was", "answer", "label"];

/// What was answered of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its label is right.
    Keep,
    /// It is of this class.
    Change(String),
    /// It is not used.
    Drop,
    /// Nothing any more.
    Open,
}

impl Answer {
    /// As the file has it: the cells `answer` and `label`.
    fn cells(&self) -> [&str; 2] {
        match self {
            Answer::Keep => ["keep", ""],
            Answer::Change(class) => ["change", class],
            Answer::Drop => ["drop", ""],
            Answer::Open => ["open", ""],
        }
    }

    fn read(answer: &str, label: &str) -> Option<Answer> {
        match (answer, label) {
            ("keep", "") => Some(Answer::Keep),
            ("change", class) if !class.is_empty() => Some(Answer::Change(class.to_owned())),
            ("drop", "") => Some(Answer::Drop),
            ("open", "") => Some(Answer::Open),
            _ => None,
        }
    }
}

/// An answer, and what the label was when it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The image's class then.
    pub was: String,
    /// The answer.
    pub answer: Answer,
}

/// A file of answers that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CorrectionProblem {
    /// A line is not one.
    #[error("{path}, line {line}: {problem}; repair the line or remove it")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A class that the data does not have.
    #[error("{path}: {image} is changed to `{class}`, which is no class of the data{}", hint(class, known.iter().map(String::as_str)))]
    UnknownClass {
        /// The file.
        path: PathBuf,
        /// The image.
        image: String,
        /// The class.
        class: String,
        /// Those of the data.
        known: Vec<String>,
    },
    /// Nothing is left of a class.
    #[error("{path} leaves no training image of class `{class}`; keep one, or take the class out of the data")]
    EmptyClass {
        /// The file.
        path: PathBuf,
        /// The class.
        class: String,
    },
    /// Another program writes the file.
    #[error("{path} is written by another program{}; end that first", at.as_ref().map(|at| format!(", which answers at {at}")).unwrap_or_default())]
    Busy {
        /// The file.
        path: PathBuf,
        /// Where the other one answers, if it says so.
        at: Option<String>,
    },
}

/// The answers of a file, the last of each image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Corrections {
    path: PathBuf,
    given: BTreeMap<String, Given>,
}

/// Where the answers on the data at a path are kept; nowhere for the embedded set.
pub fn place(data: &Path) -> Option<PathBuf> {
    if data == Path::new(PATTERNS) {
        return None;
    }
    let is_folder = data.is_dir();
    Some(match data.file_name() {
        Some(name) if !is_folder && name != TABLE => data.with_extension(CORRECTIONS_FILE),
        _ if !is_folder => data.with_file_name(CORRECTIONS_FILE),
        _ => data.join(CORRECTIONS_FILE),
    })
}

impl Corrections {
    /// Reads a file; one that is not there holds nothing. A last line that was cut off while it was written does not count.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not an image, a class, and an answer.
    pub fn read(path: &Path) -> Result<Corrections, DataError> {
        let mut corrections = Corrections { path: path.to_path_buf(), given: BTreeMap::new() };
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(corrections),
            read => read.map_err(DataError::io("read", path))?,
        };
        let whole = &text[..whole_lines(&text)];
        let mut table = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(whole);
        let mut lines = Lines::new(whole);
        for (number, record) in table.records().enumerate() {
            let at = |position: Option<&csv::Position>| position.map_or(0, csv::Position::byte);
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let line = lines.line_at(at(error.position()));
                    return Err(corrections.damaged(line, error.to_string()));
                }
            };
            let line = lines.line_at(at(record.position()));
            let cells: Vec<&str> = record.iter().collect();
            if number == 0 {
                if cells != HEADER {
                    return Err(corrections.damaged(line, format!("the header is not `{}`", HEADER.join(","))));
                }
                continue;
            }
            let answer = match cells[..] {
                [path, was, answer, label] => Answer::read(answer, label).map(|answer| (path, was, answer)),
                _ => None,
            };
            let Some((path, was, answer)) = answer else {
                let problem =
                    format!("`{}` is not a path, a class, an answer and perhaps another class", cells.join(","));
                return Err(corrections.damaged(line, problem));
            };
            corrections.set(path, was, answer);
        }
        Ok(corrections)
    }

    fn damaged(&self, line: u64, problem: String) -> DataError {
        CorrectionProblem::Line { path: self.path.clone(), line, problem }.into()
    }

    fn set(&mut self, image: &str, was: &str, answer: Answer) {
        match answer {
            Answer::Open => self.given.remove(&composed(image)),
            answer => self.given.insert(composed(image), Given { was: was.to_owned(), answer }),
        };
    }

    /// What was answered of an image, by its name within the data.
    pub fn of(&self, image: &str) -> Option<&Given> {
        self.given.get(&composed(image))
    }

    /// All answers, by the names of their images.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Given)> {
        self.given.iter().map(|(image, given)| (image.as_str(), given))
    }

    /// Changes labels and leaves images out as was answered; says how many. Answers on labels that are not what they were are not
    /// applied, and counted. A division that was drawn stays as it is.
    ///
    /// # Errors
    /// A label is changed to a class that there is not; a class has no training image any more.
    pub fn apply(&self, data: Dataset) -> Result<Corrected, DataError> {
        let mut work =
            Work { corrections: self, classes: &data.class_names, seen: 0, changed: 0, dropped: 0, stale: 0 };
        let (train, kept_train) = work.part(data.train.as_ref())?;
        let (test, kept_test) = work.part(data.test.as_ref())?;
        let Work { seen, changed, dropped, stale, .. } = work;
        let before = data.train.as_ref().map_or(0, |train| train.labels.len());
        let kept = kept_train.iter().copied().chain(kept_test.iter().map(|row| before + row)).collect();
        let gone = self.given.values().filter(|given| matches!(given.answer, Answer::Change(_))).count();
        let gone = gone.saturating_sub(seen);
        let mut data = data;
        if stale + gone > 0 {
            data.warnings.push(DataNote::CorrectionsNotUsed { answers: stale + gone, file: shown(&self.path) });
        }
        if changed + dropped == 0 {
            return Ok(Corrected { data, kept });
        }
        if let Some(train) = &train {
            self.require_classes(&data, &train.labels)?;
        }
        data.folds = data.folds.map(|folds| moved(&folds, &kept_train));
        data.parts.train = self.fingerprint(&data.parts.train, data.train.as_ref());
        data.parts.test = self.fingerprint(&data.parts.test, data.test.as_ref());
        let mut fingerprint = Fingerprint::new("with corrections");
        for part in [&data.fingerprint, &data.parts.train, &data.parts.test] {
            fingerprint.bytes(part.as_bytes());
        }
        data.fingerprint = fingerprint.finish();
        (data.train, data.test) = (train, test);
        data.notes.push(DataNote::Corrected { changed, dropped, file: shown(&self.path) });
        Ok(Corrected { data, kept })
    }

    /// Every class that had training images still has some.
    fn require_classes(&self, data: &Dataset, labels: &[u16]) -> Result<(), DataError> {
        let mut left = vec![false; data.class_names.len()];
        labels.iter().for_each(|&label| left[usize::from(label)] = true);
        let before = data.train.iter().flat_map(|train| &train.labels);
        match before.map(|&label| usize::from(label)).find(|&label| !left[label]) {
            None => Ok(()),
            Some(label) => {
                let class = data.class_names[label].clone();
                Err(CorrectionProblem::EmptyClass { path: self.path.clone(), class }.into())
            }
        }
    }

    /// That of a part with the answers on its images; as it was, where there are none.
    fn fingerprint(&self, before: &str, part: Option<&LabeledImages>) -> String {
        let names = part.into_iter().flat_map(|part| (0..part.images.len()).map(|index| part.images.name(index)));
        let answers = names.filter_map(|name| self.of(&name).map(|given| (name.clone(), given)));
        let changing: Vec<_> = answers.filter(|(_, given)| given.answer != Answer::Keep).collect();
        if changing.is_empty() {
            return before.to_owned();
        }
        let mut fingerprint = Fingerprint::new("corrected");
        fingerprint.bytes(before.as_bytes());
        for (name, given) in changing {
            let [answer, label] = given.answer.cells();
            for text in [&name, &given.was, answer, label] {
                fingerprint.bytes(text.as_bytes());
            }
        }
        fingerprint.finish()
    }
}

/// Data with answers applied.
pub struct Corrected {
    /// The data.
    pub data: Dataset,
    /// Its labelled images among those before: their places, the training images first.
    pub kept: Vec<usize>,
}

struct Work<'a> {
    corrections: &'a Corrections,
    classes: &'a [String],
    /// Images whose labels were to be changed.
    seen: usize,
    changed: usize,
    dropped: usize,
    stale: usize,
}

impl Work<'_> {
    /// A part with its answers applied, and which of its images are left.
    fn part(&mut self, part: Option<&LabeledImages>) -> Result<(Option<LabeledImages>, Vec<usize>), DataError> {
        let Some(part) = part else { return Ok((None, Vec::new())) };
        if self.corrections.given.is_empty() {
            return Ok((Some(part.clone()), (0..part.labels.len()).collect()));
        }
        let numbers: HashMap<&str, u16> = self.classes.iter().map(String::as_str).zip(0..=u16::MAX).collect();
        let (mut labels, mut kept) = (Vec::new(), Vec::new());
        for (index, &label) in part.labels.iter().enumerate() {
            let name = part.images.name(index);
            let given = self.corrections.of(&name);
            let class = self.classes.get(usize::from(label)).map(String::as_str).unwrap_or_default();
            let label = match given.map(|given| (&given.answer, given.was == class)) {
                Some((Answer::Drop, true)) => {
                    self.dropped += 1;
                    continue;
                }
                Some((Answer::Change(to), is_same)) => {
                    self.seen += 1;
                    let changed = *numbers.get(to.as_str()).ok_or_else(|| CorrectionProblem::UnknownClass {
                        path: self.corrections.path.clone(),
                        image: name,
                        class: to.clone(),
                        known: self.classes.to_vec(),
                    })?;
                    self.changed += usize::from(is_same && changed != label);
                    self.stale += usize::from(!is_same && changed != label);
                    if is_same { changed } else { label }
                }
                Some((Answer::Drop, false)) => {
                    self.stale += 1;
                    label
                }
                Some((Answer::Keep | Answer::Open, _)) | None => label,
            };
            labels.push(label);
            kept.push(index);
        }
        let images = match kept.len() == part.labels.len() {
            true => Arc::clone(&part.images),
            false => Arc::new(SubsetSource::new(Arc::clone(&part.images), kept.clone())),
        };
        Ok((Some(LabeledImages { images, labels }), kept))
    }
}

/// Folds of the images that are left.
fn moved(folds: &[Vec<usize>], kept: &[usize]) -> Vec<Vec<usize>> {
    let of_fold = |fold: &Vec<usize>| fold.iter().filter_map(|row| kept.binary_search(row).ok()).collect();
    folds.iter().map(of_fold).collect()
}

/// How many bytes belong to lines that end.
fn whole_lines(text: &[u8]) -> usize {
    text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1)
}

#[cfg(test)]
mod tests;
