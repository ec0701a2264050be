//! Where a run stands, in a sentence: from its last complete record.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::plan::{Kind, Plan};
use crate::report::{name_of, words};
use crate::run::directory::PLAN_FILE;
use crate::run::lock::{self, Writing};
use crate::run::record::{EpochRecord, Stage, Summary};

/// The end of `metrics.jsonl` that is looked at; a record has less than 2 KiB.
const TAIL_BYTES: u64 = 1 << 14;
/// A run is quiet when nothing was written for this long, and for so many of its epochs.
const QUIET: Duration = Duration::from_secs(60);
const QUIET_EPOCHS: f64 = 4.0;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Nothing of it is there yet.
    Waiting,
    Running,
    /// It has written nothing for long; whether it still runs cannot be seen.
    Quiet,
    Finished,
    /// It was asked to stop, and has.
    Stopped,
    /// It cannot be read.
    Damaged,
}

#[derive(Debug, Serialize)]
pub(super) struct RunStatus {
    pub name: String,
    pub state: State,
    /// A sentence without its full stop.
    pub text: String,
}

/// Looks at the run directory `run`. `problem` says why it could not be read as a whole.
pub(super) fn status(run: &Path, problem: Option<String>) -> RunStatus {
    let (state, text) = match problem {
        Some(problem) => (State::Damaged, problem),
        None => look(run),
    };
    RunStatus { name: name_of(run), state, text }
}

fn look(run: &Path) -> (State, String) {
    let summary = std::fs::read(run.join("summary.json")).ok();
    let summary: Option<Summary> = summary.and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(summary) = summary.as_ref().filter(|summary| summary.finished) {
        return (State::Finished, format!("finished after {}", words::duration(summary.seconds)));
    }
    let written = ["metrics.jsonl", "predictions.jsonl", "summary.json", "config.toml"]
        .iter()
        .filter_map(|name| std::fs::metadata(run.join(name)).ok()?.modified().ok())
        .max();
    let Some(written) = written else {
        return (State::Waiting, "has not started yet".to_owned());
    };
    let ago = SystemTime::now().duration_since(written).unwrap_or_default();
    let last = last_record(run);
    let epoch = last.as_ref().map_or(0.0, |record| record.seconds / record.epoch.max(1) as f64);
    let quiet = ago > QUIET && ago.as_secs_f64() > QUIET_EPOCHS * epoch;
    let stopped = summary.is_some_and(|summary| summary.interrupted);
    let after = last.as_ref().map(done).map_or_else(String::new, |done| format!(" after {done}"));
    let writing = lock::writing(run);
    match &writing {
        // What it has written is of an earlier sitting.
        Writing::Now(holder) if stopped => return (State::Running, format!("going on{after}, by {holder}")),
        Writing::BrokenOff(holder) => {
            let process = holder.process;
            return (State::Stopped, format!("process {process} ended without finishing it{after}; --resume goes on"));
        }
        Writing::No if stopped => return (State::Stopped, format!("stopped on request{after}; --resume goes on")),
        Writing::Now(_) | Writing::No => {}
    }
    let place = place(run, last.as_ref());
    let doing = last.map_or_else(|| "the first epoch has not ended yet".to_owned(), |record| doing(&record));
    let doing = place.map_or(doing.clone(), |place| format!("{place}: {doing}"));
    if quiet {
        let ago = words::duration(ago.as_secs_f64());
        if let Writing::Now(holder) = writing {
            return (State::Running, format!("{doing}; nothing new for {ago}, but {holder} is at it"));
        }
        return (State::Quiet, format!("{doing}; nothing new for {ago}: it may have been stopped (--resume goes on)"));
    }
    (State::Running, doing)
}

/// `baseline with all labels, draw 2: epoch 3 of 60`
fn done(record: &EpochRecord) -> String {
    let stage = match record.stage {
        Stage::Pretrain => "pre-training",
        Stage::Supervised => "baseline",
        Stage::Finetune => "fine-tuning",
    };
    let labels = record.labels_per_class.map_or(String::new(), |budget| format!(" with {}", words::budget(budget)));
    let draw = if record.draw > 0 { format!(", draw {}", record.draw + 1) } else { String::new() };
    let (epoch, epochs) = (record.epoch as u64, record.epochs as u64);
    format!("{stage}{labels}{draw}: epoch {} of {}", words::count(epoch), words::count(epochs))
}

fn doing(record: &EpochRecord) -> String {
    let done = done(record);
    let left = if record.epoch < record.epochs {
        format!(", about {} left of it", words::duration(seconds_left(record)))
    } else {
        String::new()
    };
    format!(
        "{done}, loss {}, {} images/s{left}",
        words::figure(record.loss),
        words::count(record.images_per_second as u64)
    )
}

/// `step 3 of 14, about 2 h left of the whole`, where the run has a plan.
fn place(run: &Path, last: Option<&EpochRecord>) -> Option<String> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(run.join(PLAN_FILE)).ok()?).ok()?;
    let current = plan.current()?;
    let task = plan.steps[current].task;
    let own = |record: &&EpochRecord| {
        Kind::of(record.stage) == task.kind
            && record.labels_per_class == task.labels_per_class
            && record.draw == task.draw
    };
    let left = last.filter(own).map_or_else(|| plan.expected(current), seconds_left);
    let progress = plan.progress(current, left);
    Some(format!(
        "step {} of {}, about {} left of the whole",
        progress.step,
        progress.steps,
        words::duration(progress.seconds_left)
    ))
}

/// Seconds that the rest of a training takes at the speed so far.
fn seconds_left(record: &EpochRecord) -> f64 {
    record.seconds / record.epoch.max(1) as f64 * record.epochs.saturating_sub(record.epoch) as f64
}

/// The last complete line of `metrics.jsonl` that is a record.
fn last_record(run: &Path) -> Option<EpochRecord> {
    let mut file = File::open(run.join("metrics.jsonl")).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
    let end = tail.iter().rposition(|&byte| byte == b'\n')?;
    let lines = tail[..end].rsplit(|&byte| byte == b'\n');
    lines.take(2).find_map(|line| serde_json::from_slice(line).ok())
}
