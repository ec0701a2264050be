//! The page of suspicious labels, with a server for this machine alone that keeps what is answered: keep the label, change it, drop the
//! image. A page by itself could not write a file, and answers that a browser holds are lost with it.
//!
//! `/` is the page, `/image/INDEX` an image of the data, `/state` the answers; `/answer` and `/undo` are sent to. No path of a request
//! names a file.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::data::corrections::Answer;
use crate::data::corrections::file::CorrectionFile;
use crate::data::{DataError, Image, ImageSource};
use crate::gallery::small_jpeg;
use crate::local::{self, Asked, Local, LocalError, Port};
use crate::report::data_check::{Answered, Asked as Beside, render_asking};
use crate::report::language::data_check as said;
use crate::run::data_check::{DataCheck, LabelledImage};
use crate::run::event::Interrupt;

/// Longest side of an image, in pixels.
const SIDE: u32 = 256;

/// What is shown and answered.
pub struct Subject {
    /// What was found; images are named by their place in `images`.
    pub check: DataCheck,
    /// All labelled images of the data, as they are without answers.
    pub images: Arc<dyn ImageSource>,
    /// The class of each in the data.
    pub classes: Vec<String>,
    /// Where answers are kept.
    pub place: PathBuf,
    /// The table of the labels as it was when it was read, where they stand in one.
    pub table: Option<Watched>,
}

/// A file that others may change.
#[derive(Clone, Debug)]
pub struct Watched {
    path: PathBuf,
    found: Option<(u64, SystemTime)>,
}

impl Watched {
    /// The file as it is now.
    pub fn now(path: &Path) -> Watched {
        let found = std::fs::metadata(path).and_then(|found| Ok((found.len(), found.modified()?))).ok();
        Watched { path: path.to_owned(), found }
    }

    fn is_other(&self) -> bool {
        Watched::now(&self.path).found != self.found
    }
}

/// A server that listens.
pub struct Review {
    local: Local,
    subject: Subject,
    /// The place of each image by its name.
    places: HashMap<String, usize>,
    state: Mutex<State>,
}

struct State {
    file: CorrectionFile,
    /// What was answered before each answer of this sitting.
    before: Vec<(usize, Answer)>,
}

/// What `/answer` is sent.
#[derive(Deserialize)]
struct Sent {
    image: usize,
    answer: String,
    #[serde(default)]
    label: String,
    /// What the page shows of the image.
    seen: Option<Shown>,
}

/// An answer as the page knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Shown {
    answer: String,
    #[serde(default)]
    label: String,
}

/// What a page is told.
#[derive(Serialize)]
struct Standing {
    answers: BTreeMap<usize, Shown>,
    given: usize,
    file: String,
    /// Why the last answer is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Whether the table of the labels was changed since they were read.
    data_changed: bool,
    /// Whether the image was answered otherwise meanwhile, so that the answer was not taken.
    elsewhere: bool,
    /// The image whose answer was taken back.
    undone: Option<usize>,
}

/// A page of suspicious labels cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReviewError {
    /// The file of answers cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The port cannot be had, or the server fails.
    #[error(transparent)]
    Local(#[from] LocalError),
}

impl Review {
    /// Listens on 127.0.0.1.
    ///
    /// # Errors
    /// The port is taken, or the file of answers cannot be used.
    pub fn bind(subject: Subject, port: impl Into<Port>) -> Result<Review, ReviewError> {
        let mut file = CorrectionFile::open(&subject.place)?;
        let local = Local::bind(port)?;
        // Without it another program is not told where this one answers.
        let _ = file.tell(&format!("http://{}/", local.address()));
        let places = (0..subject.images.len()).rev().map(|index| (subject.images.name(index), index)).collect();
        Ok(Review { local, subject, places, state: Mutex::new(State { file, before: Vec::new() }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.local.address()
    }

    /// How many answers there are.
    pub fn answers(&self) -> usize {
        self.state().file.corrections().iter().count()
    }

    /// Answers until it is asked to stop.
    ///
    /// # Errors
    /// Requests cannot be received any more.
    pub fn serve(&self, interrupt: &Interrupt) -> Result<(), ReviewError> {
        Ok(self.local.serve(interrupt, true, &|asked| self.answer(asked))?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Asked) -> local::Answer {
        // A page of another site cannot send the header.
        let is_own = asked.is_post && asked.token.is_some();
        match (asked.path.as_str(), asked.is_post) {
            ("/", false) => local::Answer::page(&self.page()),
            ("/state", false) => local::Answer::json(200, &self.standing(&self.state())),
            ("/answer", true) if is_own => self.given(&asked.content),
            ("/undo", true) if is_own => self.undo(),
            (path, false) => self.image(path).unwrap_or_else(local::Answer::not_found),
            _ => local::Answer::not_found(),
        }
    }

    fn image(&self, path: &str) -> Option<local::Answer> {
        let index: usize = path.strip_prefix("/image/")?.parse().ok()?;
        if index >= self.subject.images.len() {
            return None;
        }
        let mut image = Image::default();
        self.subject.images.read(index, &mut image).ok()?;
        small_jpeg(&image, SIDE).ok().map(local::Answer::jpeg)
    }

    fn page(&self) -> String {
        let Subject { check, classes, .. } = &self.subject;
        let shown: Vec<usize> =
            check.findings.iter().flat_map(|finding| finding.images()).map(|one| one.index).collect();
        let state = self.state();
        let answered: Vec<Answered> = state
            .file
            .corrections()
            .iter()
            .filter_map(|(name, given)| Some((*self.places.get(name)?, name, given)))
            .filter(|(index, ..)| !shown.contains(index))
            .map(|(index, name, given)| Answered {
                image: LabelledImage { index, image: name.to_owned(), class: classes[index].clone(), test: false },
                answer: given.answer.clone(),
            })
            .collect();
        render_asking(check, &Beside { classes: &check.classes, answered: &answered })
    }

    fn standing(&self, state: &State) -> Standing {
        let corrections = state.file.corrections();
        let of = |(name, given): (&str, &crate::data::corrections::Given)| {
            Some((*self.places.get(name)?, shown_of(&given.answer)?))
        };
        Standing {
            answers: corrections.iter().filter_map(of).collect(),
            given: corrections.iter().count(),
            file: self.subject.place.display().to_string(),
            problem: None,
            data_changed: self.subject.table.as_ref().is_some_and(Watched::is_other),
            elsewhere: false,
            undone: None,
        }
    }

    fn now(&self, state: &State, image: usize) -> Answer {
        let name = self.subject.images.name(image);
        state.file.corrections().of(&name).map_or(Answer::Open, |given| given.answer.clone())
    }

    fn given(&self, content: &[u8]) -> local::Answer {
        let sent: Result<Sent, _> = serde_json::from_slice(content);
        let Ok(Sent { image, answer, label, seen }) = sent else { return local::Answer::not_found() };
        let classes = &self.subject.check.classes;
        let answer = match answer.as_str() {
            "keep" => Answer::Keep,
            "drop" => Answer::Drop,
            "open" => Answer::Open,
            "change" if classes.contains(&label) => Answer::Change(label),
            _ => return local::Answer::not_found(),
        };
        if image >= self.subject.images.len() {
            return local::Answer::not_found();
        }
        let mut state = self.state();
        let before = self.now(&state, image);
        if shown_of(&before) != seen {
            return local::Answer::json(409, &Standing { elsewhere: true, ..self.standing(&state) });
        }
        let is_gone = self.subject.images.origin(image).is_some_and(|path| !path.exists());
        let problem = match is_gone {
            true => Some(said::gone(&self.subject.images.name(image))),
            false => self.keep(&mut state, image, answer).err().map(|error| error.to_string()),
        };
        if problem.is_none() {
            state.before.push((image, before));
        }
        let code = if problem.is_some() { 500 } else { 200 };
        local::Answer::json(code, &Standing { problem, ..self.standing(&state) })
    }

    fn keep(&self, state: &mut State, image: usize, answer: Answer) -> Result<(), DataError> {
        state.file.give(&self.subject.images.name(image), &self.subject.classes[image], answer)
    }

    fn undo(&self) -> local::Answer {
        let mut state = self.state();
        let Some((image, before)) = state.before.last().cloned() else {
            return local::Answer::json(200, &self.standing(&state));
        };
        let problem = self.keep(&mut state, image, before).err().map(|error| error.to_string());
        if problem.is_none() {
            state.before.pop();
        }
        let undone = problem.is_none().then_some(image);
        let code = if problem.is_some() { 500 } else { 200 };
        local::Answer::json(code, &Standing { problem, undone, ..self.standing(&state) })
    }
}

fn shown_of(answer: &Answer) -> Option<Shown> {
    let of = |answer: &str, label: &str| Some(Shown { answer: answer.to_owned(), label: label.to_owned() });
    match answer {
        Answer::Keep => of("keep", ""),
        Answer::Change(label) => of("change", label),
        Answer::Drop => of("drop", ""),
        Answer::Open => None,
    }
}

#[cfg(test)]
mod tests;
