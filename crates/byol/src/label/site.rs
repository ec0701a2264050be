//! The page of a session of labelling: which address answers what. What is answered is the session's business; how the page looks is
//! [`crate::report`]'s.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Tensor;

use super::LabelError;
use super::session::view::View;
use super::session::{ClassChange, Say, Session, SessionError};
use crate::data::decode::{self, Detail};
use crate::data::labelling::LabelFileError;
use crate::data::{Image, Levels};
use crate::gallery::small_jpeg;
use crate::local::{Answer, Asked, Local, LocalError};
use crate::report::labelling::{About, render};
use crate::run::event::Interrupt;

/// Longest sides of images that are given, in pixels.
const SIDES: [usize; 2] = [320, 1600];

/// Training with the labels, as the program does it.
pub trait FineTuning: Sync {
    /// The command line that trains.
    fn command(&self) -> String;

    /// Begins to train.
    ///
    /// # Errors
    /// It cannot be begun; why, as a sentence.
    fn start(&self) -> Result<(), String>;

    /// Asks the training to stop with a checkpoint.
    fn stop(&self);

    /// Where it stands.
    fn standing(&self) -> Training;

    /// The report of what was trained, as a page.
    fn report(&self) -> Option<String>;
}

/// Where a training stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Training {
    /// `none`, `running`, `finished`, `stopped` or `failed`.
    pub state: &'static str,
    /// A sentence without its full stop, or the error.
    pub text: String,
    /// Whether there is a report.
    pub report: bool,
}

/// What the page says of itself, and how images are read.
#[derive(Clone, Debug)]
pub struct SiteOptions {
    /// Title of the page: what the images are called.
    pub name: String,
    /// The stored values that are black and white in images of more than eight bits.
    pub levels: Levels,
}

/// The server of a session.
pub struct Site<'a> {
    local: &'a Local,
    session: &'a Session,
    tuning: &'a dyn FineTuning,
    options: SiteOptions,
    token: String,
}

/// Whatever a page may send.
#[derive(Deserialize)]
struct Sent {
    /// Which page.
    by: String,
    #[serde(default)]
    images: Vec<usize>,
    #[serde(default)]
    say: String,
    #[serde(default)]
    class: String,
    #[serde(default)]
    to: String,
    #[serde(default)]
    aside: bool,
}

/// What a page is answered.
#[derive(Serialize)]
struct Told {
    /// What it must send with every request that does something.
    token: String,
    #[serde(flatten)]
    view: View,
    command: String,
    training: Training,
    /// Images of those sent that had another answer by then.
    left_out: usize,
}

impl<'a> Site<'a> {
    /// A site that is served at the address of `local`.
    pub fn new(local: &'a Local, session: &'a Session, tuning: &'a dyn FineTuning, options: SiteOptions) -> Site<'a> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        // What no other page can guess: the system's addresses are random.
        let secret = format!("{now} {} {:p} {:?}", std::process::id(), session, std::thread::current().id());
        let mut digest = Sha256::new();
        digest.update(secret);
        digest.update(random_bytes());
        Site { local, session, tuning, options, token: format!("{:x}", digest.finalize()) }
    }

    /// Answers until it is asked to stop, while the classifier is fitted beside. `vectors` are the representations of the images.
    ///
    /// # Errors
    /// There is no image, or requests cannot be received any more.
    pub fn serve(&self, vectors: &Tensor, interrupt: &Interrupt) -> Result<(), SiteError> {
        let vectors = vectors.shallow_clone();
        let session = self.session;
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || session.work(&vectors));
            scope.spawn(move || session.look_for_added());
            let served = self.local.serve(interrupt, true, &|asked: &Asked| self.answer(asked));
            session.end();
            match worker.join() {
                Ok(worked) => worked.map_err(SiteError::from),
                Err(panic) => std::panic::resume_unwind(panic),
            }
            .and(served.map_err(SiteError::from))
        })
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if asked.is_post {
            return self.told(asked);
        }
        match asked.path.as_str() {
            "/" => Answer::page(&render(&About { name: &self.options.name })),
            "/state" => match value(asked, "by") {
                Some(by) => Answer::json(200, &self.state(by, 0)),
                None => Answer::not_found(),
            },
            "/image" => self.image(asked),
            "/near" => self.alike(asked, |_, image| self.session.neighbours(image)),
            "/grid" => self.alike(asked, |by, image| self.session.cluster(by, image)),
            "/report" => self.tuning.report().map_or_else(Answer::not_found, |page| Answer::page(&page)),
            _ => Answer::not_found(),
        }
    }

    fn state(&self, by: &str, left_out: usize) -> Told {
        Told {
            token: self.token.clone(),
            view: self.session.view(by),
            command: self.tuning.command(),
            training: self.tuning.standing(),
            left_out,
        }
    }

    fn image(&self, asked: &Asked) -> Answer {
        let side =
            value(asked, "side").and_then(|side| side.parse::<NonZeroUsize>().ok()).map_or(SIDES[1], usize::from);
        let Some(Ok(path)) = number(asked, "image").map(|image| self.session.path(image)) else {
            return Answer::not_found();
        };
        let side = if side <= SIDES[0] { SIDES[0] } else { SIDES[1] };
        let mut image = Image::default();
        let decoded = decode::decode(path, self.options.levels, Detail::to_shrink(side), &mut image);
        match decoded.map(|_| small_jpeg(&image, side as u32)) {
            Ok(Ok(bytes)) => Answer::jpeg(bytes),
            Ok(Err(error)) => Answer::plain(500, &error.to_string()),
            Err(problem) if path.exists() => Answer::plain(422, &problem.to_string()),
            Err(_) => Answer::plain(410, "gone"),
        }
    }

    fn alike<T: Serialize>(&self, asked: &Asked, found: impl Fn(&str, usize) -> Result<T, SessionError>) -> Answer {
        let (Some(by), Some(image)) = (value(asked, "by"), number(asked, "image")) else { return Answer::not_found() };
        match found(by, image) {
            Ok(found) => Answer::json(200, &found),
            Err(error) => refused(&error),
        }
    }

    /// What is sent to be done.
    fn told(&self, asked: &Asked) -> Answer {
        // A page of another site may send something here, but cannot know this.
        if asked.token.as_deref() != Some(self.token.as_str()) {
            return Answer::plain(403, "token");
        }
        let Ok(sent) = serde_json::from_slice::<Sent>(&asked.content) else { return Answer::plain(400, "content") };
        let page = sent.by.as_str();
        let done: Result<usize, SessionError> = match asked.path.as_str() {
            "/answer" => {
                let say = match sent.say.as_str() {
                    "class" => Say::Class(sent.class.trim().to_owned()),
                    "none" => Say::None,
                    "skip" => Say::Skip,
                    _ => return Answer::plain(400, "say"),
                };
                self.session.answer(page, &sent.images, &say, sent.aside)
            }
            "/undo" => self.session.undo(page).map(|_| 0),
            "/again" => self.session.take_up_skipped(page).map(|()| 0),
            "/class" => {
                let change = match sent.say.as_str() {
                    "add" => ClassChange::Add(sent.class.clone()),
                    "rename" => ClassChange::Rename { from: sent.class.clone(), to: sent.to.clone() },
                    "drop" => ClassChange::Drop(sent.class.clone()),
                    _ => return Answer::plain(400, "say"),
                };
                self.session.change_classes(page, &change).map(|()| 0)
            }
            "/finetune" => {
                match sent.say.as_str() {
                    "stop" => self.tuning.stop(),
                    _ => {
                        if let Err(error) = self.tuning.start() {
                            return Answer::json(409, &Problem { problem: error, kind: "tuning" });
                        }
                    }
                }
                Ok(0)
            }
            _ => return Answer::not_found(),
        };
        match done {
            Ok(left_out) => Answer::json(200, &self.state(page, left_out)),
            Err(error) => refused(&error),
        }
    }
}

/// Why something was not done.
#[derive(Serialize)]
struct Problem {
    problem: String,
    /// `unwritten`: it may be tried again as it is. `table`: the table must be mended. `taken`, `gone`: the image has an answer, or is not
    /// there. `class`, `other`, `tuning`.
    kind: &'static str,
}

fn refused(error: &SessionError) -> Answer {
    let (code, kind) = match error {
        SessionError::File(LabelFileError::Unwritten { .. }) => (507, "unwritten"),
        SessionError::File(LabelFileError::ClassName { .. }) => (400, "class"),
        SessionError::File(LabelFileError::ImageName { .. }) => (400, "gone"),
        SessionError::File(_) => (409, "table"),
        SessionError::Taken { .. } => (409, "taken"),
        SessionError::Gone { .. } => (410, "gone"),
        SessionError::Unknown { .. } => (404, "other"),
    };
    Answer::json(code, &Problem { problem: error.to_string(), kind })
}

/// The value of a name in what follows the question mark: letters, digits and signs that need no escape alone.
fn value<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(one, _)| *one == name).map(|(_, value)| value)
}

fn number(asked: &Asked, name: &str) -> Option<usize> {
    value(asked, name)?.parse().ok()
}

/// Bytes that differ from start to start.
fn random_bytes() -> [u8; 16] {
    use std::hash::{BuildHasher, RandomState};
    let (one, other) = (RandomState::new().hash_one(0), RandomState::new().hash_one(1));
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&one.to_le_bytes());
    bytes[8..].copy_from_slice(&other.to_le_bytes());
    bytes
}

/// The page cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// The server cannot go on.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// Images cannot be chosen.
    #[error(transparent)]
    Label(#[from] LabelError),
}
