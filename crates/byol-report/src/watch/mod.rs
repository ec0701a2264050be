//! A live page of runs: a web server for this machine alone, which gives the report of what run directories hold by now.
//!
//! It reads run directories and writes nothing. Two addresses exist, `/` and `/revision`; no path of a request ever names
//! a file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use serde::Serialize;

use crate::local::{Answer, Asked, Local, LocalError, Port};
use crate::report::standing::{Standing, State, standing};
use crate::report::{self, ReportError, RunData, language};
use crate::run::directory::PLAN_FILE;
use crate::run::event::Interrupt;
use crate::run::seeds::each_run;

/// Making a page anew takes at most one part in so many of the time.
const IDLE_SHARE: u32 = 9;
/// What a page is made from.
const FILES: [&str; 9] = [
    "config.toml",
    "metrics.jsonl",
    "predictions.jsonl",
    PLAN_FILE,
    "summary.json",
    "test-images.json",
    "gallery/gallery.json",
    "gallery/thumbnails.json",
    "gallery/map.json",
];

/// The live page cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// There is nothing to watch.
    #[error("no run was named: name at least one run directory")]
    NoRuns,
    /// A file was named where a run directory was meant.
    #[error("{} is a file: name the folder that a run writes to", .0.display())]
    NotAFolder(PathBuf),
    /// The port cannot be had, or the server fails.
    #[error(transparent)]
    Local(#[from] LocalError),
}

/// A server that listens.
pub struct Watch {
    local: Local,
    named: Vec<PathBuf>,
    made: Mutex<Made>,
}

/// The newest page, and what it was made from.
struct Made {
    page: Arc<str>,
    revision: u64,
    /// The run directories that were meant then.
    runs: Vec<PathBuf>,
    seen: Vec<Seen>,
    /// Why a run could not be read, where one could not.
    problems: Vec<Option<String>>,
    at: Instant,
    took: Duration,
}

/// Length and time of every file of [`FILES`] that is there.
type Seen = Vec<Option<(u64, Option<SystemTime>)>>;

/// What `/revision` answers.
#[derive(Serialize)]
struct Revision {
    revision: String,
    runs: Vec<RunStatus>,
}

/// Where a run stands.
#[derive(Serialize)]
struct RunStatus {
    name: String,
    state: State,
    /// A sentence without its full stop.
    text: String,
}

/// Looks at the run directory `run`. `problem` says why it could not be read as a whole.
fn status(run: &Path, problem: Option<String>) -> RunStatus {
    let standing = problem.map_or_else(|| standing(run), |problem| Standing::Damaged { problem });
    RunStatus { name: report::name_of(run), state: standing.state(), text: language::watch::standing(&standing) }
}

/// Whether a run is finished, and where it stands as a sentence without its full stop.
#[doc(hidden)]
pub fn stands(run: &Path) -> (bool, String) {
    let standing = standing(run);
    (matches!(standing, Standing::Finished { .. }), language::watch::standing(&standing))
}

impl Watch {
    /// Listens on 127.0.0.1. A run directory need not be there yet; a folder of runs with several seeds stands for all of them.
    ///
    /// # Errors
    /// There are no runs, one is a file, or the port is taken.
    pub fn bind(runs: &[PathBuf], port: impl Into<Port>) -> Result<Watch, WatchError> {
        if runs.is_empty() {
            return Err(WatchError::NoRuns);
        }
        if let Some(file) = runs.iter().find(|run| run.is_file()) {
            return Err(WatchError::NotAFolder(file.clone()));
        }
        let local = Local::bind(port)?;
        // Pages of an earlier server must not take this one's first for their own.
        let first = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |now| now.as_millis() as u64);
        let made = Mutex::new(make(meant(runs), first));
        Ok(Watch { local, named: runs.to_vec(), made })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.local.address()
    }

    /// Answers until it is asked to stop.
    ///
    /// # Errors
    /// Requests cannot be received any more.
    pub fn serve(&self, interrupt: &Interrupt) -> Result<(), WatchError> {
        Ok(self.local.serve(interrupt, false, &|asked: &Asked| self.answer(asked))?)
    }

    fn answer(&self, asked: &Asked) -> Answer {
        match asked.path.as_str() {
            "/" => Answer::page(&Arc::clone(&self.newest().page)),
            "/revision" => self.revision(),
            _ => Answer::not_found(),
        }
    }

    fn revision(&self) -> Answer {
        let (revision, runs, problems) = {
            let made = self.newest();
            (made.revision, made.runs.clone(), made.problems.clone())
        };
        let runs = runs.iter().zip(problems).map(|(run, problem)| status(run, problem)).collect();
        Answer::json(200, &Revision { revision: revision.to_string(), runs })
    }

    /// The newest page: made anew where a file has changed, unless that would take too much of the machine's time.
    fn newest(&self) -> std::sync::MutexGuard<'_, Made> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let due = made.at.elapsed() >= made.took * IDLE_SHARE;
        if due {
            let runs = meant(&self.named);
            if runs != made.runs || runs.iter().map(|run| seen(run)).collect::<Vec<_>>() != made.seen {
                *made = make(runs, made.revision + 1);
            }
        }
        made
    }
}

fn seen(run: &Path) -> Seen {
    let file = |name: &&str| std::fs::metadata(run.join(name)).ok().map(|file| (file.len(), file.modified().ok()));
    FILES.iter().map(file).collect()
}

/// The run directories that are meant by now. A record that is damaged means nothing here.
fn meant(named: &[PathBuf]) -> Vec<PathBuf> {
    each_run(named).unwrap_or_else(|_| named.to_vec())
}

fn make(runs: Vec<PathBuf>, revision: u64) -> Made {
    let begun = Instant::now();
    // Looked at before reading: what changes meanwhile is seen the next time.
    let seen = runs.iter().map(|run| seen(run)).collect();
    let read: Vec<Result<RunData, ReportError>> = runs.iter().map(|run| report::load(run)).collect();
    let problem = |read: &Result<RunData, ReportError>| match read {
        Ok(_) => None,
        Err(error) if not_begun(error) => None,
        Err(error) => Some(error.to_string()),
    };
    let problems = read.iter().map(problem).collect();
    let names: Vec<String> = runs.iter().map(|run| report::name_of(run)).collect();
    let mut begun_runs: Vec<RunData> = read.into_iter().filter_map(Result::ok).collect();
    begun_runs.iter_mut().for_each(RunData::forgive_unfinished);
    let page = report::html::render_live(&begun_runs, &names, revision).into();
    Made { page, revision, runs, seen, problems, at: Instant::now(), took: begun.elapsed() }
}

/// Whether there is nothing of a run yet.
fn not_begun(error: &ReportError) -> bool {
    match error {
        ReportError::NotARun(_) | ReportError::Missing(_) => true,
        ReportError::Read { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
