//! Labelling by hand: which image each person is shown, what they answer, and what the classifier makes of it meanwhile. Answers are on
//! disk before they count ([`LabelFile`]); fitting and choosing go on beside them ([`Session::work`]). How answers arrive is not here.

mod added;
mod alike;
mod asking;
pub mod view;
mod worker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tch::Tensor;

use crate::data::Split;
use crate::data::labelling::{Edited, Label, LabelFile, LabelFileError, Mark};
use crate::eval::linear::LinearOptions;
use crate::label::near::Near;
use crate::run::simulation::Strategy;
use worker::Fitted;

pub use alike::Alike;

/// A page that has not asked for so long is gone: its image is shown to others, and its answers can be undone by them.
const AWAY: Duration = Duration::from_secs(20);
/// Notices that are kept for the pages.
const NOTICES: usize = 5;

/// What is labelled.
#[derive(Debug)]
pub struct LabelPool {
    /// Names of the images as the table has them.
    pub names: Vec<String>,
    /// Their files.
    pub paths: Vec<PathBuf>,
    /// Their representations: float32 `[images, features]` on the CPU.
    pub vectors: Tensor,
    /// The folder that was searched for them.
    pub folder: PathBuf,
    /// What their names begin with before their paths within it.
    pub prefix: String,
    /// Names of files in it that look like images and are not among them.
    pub left_out: Vec<String>,
}

/// How it is labelled.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// What chooses the images.
    pub strategy: Strategy,
    /// Images that are chosen at a time, 1 or more.
    pub batch: usize,
    /// Share of the labels that go to random images and are set aside to measure, 0 or more and below 1.
    pub test_share: f64,
    /// Penalties, folds and seed of the classifier; the seed of every choice.
    pub linear: LinearOptions,
}

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] LabelFileError),
    /// Somebody else was first.
    #[error("{image} has been answered meanwhile, by another page or program ({now}); your answer was not taken")]
    Taken {
        /// The image.
        image: String,
        /// What it is now.
        now: String,
    },
    /// The image's file is not there any more.
    #[error("{image} is not there any more, so nothing was recorded")]
    Gone {
        /// The image.
        image: String,
    },
    /// Something is asked for that does not exist.
    #[error("there is no such {what}")]
    Unknown {
        /// What is missing.
        what: &'static str,
    },
}

/// Why an image is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was chosen by this strategy.
    Chosen(Strategy),
    /// It was drawn at random, and its label is set aside to measure.
    Aside,
    /// An answer to it was taken back.
    TakenBack,
}

/// An image that is to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    image: usize,
    why: Why,
}

/// What a page shows.
#[derive(Debug)]
struct Page {
    shown: Option<Next>,
    seen: Instant,
}

/// What is answered of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Say {
    /// They are of this class.
    Class(String),
    /// They are of none of the classes.
    None,
    /// Later, or never.
    Skip,
}

impl Say {
    /// Whether that has been said already.
    fn is(&self, mark: &Mark) -> bool {
        match self {
            Say::Class(class) => mark.label().is_some_and(|label| label.class == *class),
            Say::None => *mark == Mark::None,
            Say::Skip => *mark == Mark::Skipped,
        }
    }
}

/// What the pages are told once.
#[derive(Clone, Debug)]
enum Notice {
    Edited(Edited),
    NotFitted(String),
}

/// What everybody shares.
struct State {
    file: LabelFile,
    queue: VecDeque<Next>,
    pages: HashMap<String, Page>,
    /// Images whose files are not there any more.
    gone: HashSet<usize>,
    /// Images that came into the folder since the session began.
    added: usize,
    fitted: Option<Fitted>,
    /// Answers since the classifier was fitted.
    unfitted: usize,
    /// The last answer.
    answered: Instant,
    /// Whether the worker is at work.
    fitting: bool,
    notices: VecDeque<(u64, Notice)>,
    /// Why the table cannot be read, where it cannot.
    problem: Option<String>,
    revision: u64,
    ended: bool,
}

/// A session of labelling.
pub struct Session {
    names: Vec<String>,
    paths: Vec<PathBuf>,
    by_name: HashMap<String, usize>,
    folder: PathBuf,
    prefix: String,
    left_out: Vec<String>,
    near: Mutex<Near>,
    options: SessionOptions,
    state: Mutex<State>,
    wake: Condvar,
}

impl Session {
    /// Begins to label; [`Session::work`] must be called on a thread of its own, and [`Session::look_for_added`] may be.
    pub fn new(pool: &LabelPool, file: LabelFile, options: SessionOptions) -> Session {
        let by_name = pool.names.iter().cloned().enumerate().map(|(image, name)| (name, image)).collect();
        let state = State {
            file,
            queue: VecDeque::new(),
            pages: HashMap::new(),
            gone: HashSet::new(),
            added: 0,
            fitted: None,
            unfitted: 1,
            answered: Instant::now(),
            fitting: false,
            notices: VecDeque::new(),
            problem: None,
            // Pages of an earlier server must not take this one's first for their own.
            revision: std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(1, |now| now.as_millis() as u64),
            ended: false,
        };
        Session {
            names: pool.names.clone(),
            paths: pool.paths.clone(),
            by_name,
            folder: pool.folder.clone(),
            prefix: pool.prefix.clone(),
            left_out: pool.left_out.clone(),
            near: Mutex::new(Near::of(&pool.vectors)),
            options,
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends [`Session::work`] and [`Session::look_for_added`].
    pub fn end(&self) {
        self.state().ended = true;
        self.wake.notify_all();
    }

    /// Where an image lies.
    ///
    /// # Errors
    /// There is none of this number.
    pub fn path(&self, image: usize) -> Result<&std::path::Path, SessionError> {
        self.paths.get(image).map(PathBuf::as_path).ok_or(SessionError::Unknown { what: "image" })
    }

    /// Records at which address answers are taken, for whoever comes second.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn serving(&self, address: &str) -> Result<(), SessionError> {
        Ok(self.state().file.serving(address)?)
    }

    /// How many labels there are.
    pub fn labels(&self) -> usize {
        self.state().file.labels().len()
    }

    /// The table.
    pub fn table(&self) -> PathBuf {
        self.state().file.path().to_path_buf()
    }

    /// Records what `page` says of images, on disk before it returns, and gives how many of them had an answer by then and keep it.
    /// `aside` says that it was shown as one to be set aside.
    ///
    /// # Errors
    /// See [`SessionError`]; nothing is recorded then.
    pub fn answer(&self, page: &str, images: &[usize], say: &Say, aside: bool) -> Result<usize, SessionError> {
        let mut state = self.state();
        state.take_in()?;
        let (mut answers, mut taken) = (Vec::new(), Vec::new());
        for &image in images {
            let name = self.names.get(image).ok_or(SessionError::Unknown { what: "image" })?;
            if matches!(say, Say::Class(_)) && !self.paths[image].exists() {
                state.gone.insert(image);
                state.changed();
                return Err(SessionError::Gone { image: name.clone() });
            }
            match state.file.mark(name) {
                Mark::Open | Mark::Skipped => answers.push((name.clone(), state.mark(say, aside))),
                // An answer whose receipt was lost comes twice.
                mark if say.is(&mark) => {}
                mark => taken.push((name, mark)),
            }
        }
        if let (true, Some((image, mark))) = (answers.is_empty(), taken.first()) {
            let now = mark.label().map_or_else(|| "none of the classes".to_owned(), |label| label.class.clone());
            return Err(SessionError::Taken { image: (*image).clone(), now });
        }
        state.file.answer(page, answers)?;
        state.queue.retain(|next| !images.contains(&next.image));
        self.count_answers(&mut state, images.len() - taken.len());
        Ok(taken.len())
    }

    fn count_answers(&self, state: &mut State, answers: usize) {
        state.unfitted += answers;
        state.answered = Instant::now();
        state.changed();
        self.wake.notify_all();
    }

    /// Undoes the last step that `page` gave, or that a page gave which is gone, and shows its image again; whether there was one.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn undo(&self, page: &str) -> Result<bool, SessionError> {
        let mut state = self.state();
        state.take_in()?;
        let others = state.others(page);
        let Some(changes) = state.file.undo(page, |by| !others.contains(by))? else { return Ok(false) };
        let first = changes.iter().find_map(|change| Some((*self.by_name.get(&change.image)?, change)));
        if let Some((image, change)) = first {
            let split = change.after.label().and_then(|label| label.split);
            let why = if split == Some(Split::Test) { Why::Aside } else { Why::TakenBack };
            let shown = matches!(change.before, Mark::Open | Mark::Skipped).then_some(Next { image, why });
            if let Some(shown) = shown {
                let before = state.pages.get_mut(page).and_then(|page| page.shown.replace(shown));
                // What was shown until now comes next.
                state.queue.extend(before.filter(|next| next.image != image));
                state.queue.rotate_right(usize::from(before.is_some_and(|next| next.image != image)));
            }
        }
        self.count_answers(&mut state, changes.len());
        Ok(true)
    }

    /// Takes all skipped images up again, as a step of its own.
    ///
    /// # Errors
    /// The journal cannot be written.
    pub fn take_up_skipped(&self, page: &str) -> Result<(), SessionError> {
        let mut state = self.state();
        let skipped = self.names.iter().filter(|name| state.file.mark(name) == Mark::Skipped);
        let answers = skipped.map(|name| (name.clone(), Mark::Open)).collect();
        state.file.answer(page, answers)?;
        self.count_answers(&mut state, 1);
        Ok(())
    }

    /// Changes the classes.
    ///
    /// # Errors
    /// A class cannot have its name; a file cannot be written.
    pub fn change_classes(&self, page: &str, change: &ClassChange) -> Result<(), SessionError> {
        let mut state = self.state();
        state.take_in()?;
        match change {
            ClassChange::Add(name) => state.file.add_class(name)?,
            ClassChange::Rename { from, to } => drop(state.file.rename_class(page, from, to)?),
            ClassChange::Drop(name) => state.file.drop_class(name)?,
        }
        self.count_answers(&mut state, 1);
        Ok(())
    }
}

/// What is done with a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClassChange {
    /// It is new.
    Add(String),
    /// It gets another name; where another class has that, the two become one.
    Rename {
        /// Its name until then.
        from: String,
        /// Its name from then on.
        to: String,
    },
    /// It goes; no image has it.
    Drop(String),
}

impl State {
    fn changed(&mut self) {
        self.revision += 1;
    }

    /// Takes in what others did to the table.
    fn take_in(&mut self) -> Result<(), LabelFileError> {
        match self.file.refresh() {
            Ok(None) => {
                if self.problem.take().is_some() {
                    self.changed();
                }
            }
            Ok(Some(edited)) => {
                self.problem = None;
                self.unfitted += 1;
                self.changed();
                self.tell(Notice::Edited(edited));
            }
            Err(error) => {
                if self.problem.as_deref() != Some(error.to_string().as_str()) {
                    self.problem = Some(error.to_string());
                    self.changed();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn tell(&mut self, notice: Notice) {
        let revision = self.revision;
        self.notices.push_back((revision, notice));
        while self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }

    /// The other pages that are open.
    fn others(&self, page: &str) -> HashSet<String> {
        let here = self.pages.iter().filter(|(name, one)| *name != page && one.seen.elapsed() < AWAY);
        here.map(|(name, _)| name.clone()).collect()
    }

    fn mark(&self, say: &Say, aside: bool) -> Mark {
        match say {
            Say::Class(class) => {
                let split = if aside && self.file.has_splits() { Split::Test } else { Split::Train };
                Mark::Label(Label { class: class.clone(), split: Some(split) })
            }
            Say::None => Mark::None,
            Say::Skip => Mark::Skipped,
        }
    }
}

#[cfg(test)]
mod tests;
