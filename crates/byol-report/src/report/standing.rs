//! Where a run stands, for whoever watches it: from its last complete record.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::plan::{Kind, Plan, Progress};
use crate::run::directory::PLAN_FILE;
use crate::run::lock::{self, Holder, Writing};
use crate::run::record::{EpochRecord, Summary};

/// The end of `metrics.jsonl` that is looked at; a record has less than 2 KiB.
const TAIL_BYTES: u64 = 1 << 14;
/// A run is quiet when nothing was written for this long, and for so many of its epochs.
const QUIET: Duration = Duration::from_secs(60);
const QUIET_EPOCHS: f64 = 4.0;

/// Where a run stands, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
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

/// Where a run stands, and what is known of it.
#[derive(Clone, Debug)]
pub enum Standing {
    /// It cannot be read as a whole; why, as the error says it.
    Damaged {
        problem: String,
    },
    Finished {
        seconds: f64,
    },
    Waiting,
    /// It had stopped after its last record, and this process goes on.
    GoingOn {
        last: Option<EpochRecord>,
        holder: Holder,
    },
    /// Its process ended without finishing it.
    BrokenOff {
        last: Option<EpochRecord>,
        process: u32,
    },
    /// It was asked to stop.
    Stopped {
        last: Option<EpochRecord>,
    },
    Running(Doing),
    /// Nothing was written for so many seconds; `holder` is at it nevertheless.
    Silent {
        at: Doing,
        seconds: f64,
        holder: Option<Holder>,
    },
}

/// What a run does.
#[derive(Clone, Debug)]
pub struct Doing {
    /// Absent before the first epoch has ended.
    pub last: Option<EpochRecord>,
    /// Of the training whose record this is; absent where it has ended.
    pub seconds_left: Option<f64>,
    /// Where the whole run stands, where it has a plan.
    pub place: Option<Progress>,
}

impl Standing {
    pub fn state(&self) -> State {
        match self {
            Standing::Damaged { .. } => State::Damaged,
            Standing::Finished { .. } => State::Finished,
            Standing::Waiting => State::Waiting,
            Standing::BrokenOff { .. } | Standing::Stopped { .. } => State::Stopped,
            Standing::Silent { holder: None, .. } => State::Quiet,
            Standing::GoingOn { .. } | Standing::Running(_) | Standing::Silent { holder: Some(_), .. } => {
                State::Running
            }
        }
    }
}

/// Looks at the run directory `run`.
pub fn standing(run: &Path) -> Standing {
    let summary = std::fs::read(run.join("summary.json")).ok();
    let summary: Option<Summary> = summary.and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(summary) = summary.as_ref().filter(|summary| summary.finished) {
        return Standing::Finished { seconds: summary.seconds };
    }
    let written = ["metrics.jsonl", "predictions.jsonl", "summary.json", "config.toml"]
        .iter()
        .filter_map(|name| std::fs::metadata(run.join(name)).ok()?.modified().ok())
        .max();
    let Some(written) = written else { return Standing::Waiting };
    let ago = SystemTime::now().duration_since(written).unwrap_or_default();
    let last = last_record(run);
    let epoch = last.as_ref().map_or(0.0, |record| record.seconds / record.epoch.max(1) as f64);
    let quiet = ago > QUIET && ago.as_secs_f64() > QUIET_EPOCHS * epoch;
    let stopped = summary.is_some_and(|summary| summary.interrupted);
    let holder = match lock::writing(run) {
        // What it has written is of an earlier sitting.
        Writing::Now(holder) if stopped => return Standing::GoingOn { last, holder },
        Writing::BrokenOff(holder) => return Standing::BrokenOff { last, process: holder.process },
        Writing::No if stopped => return Standing::Stopped { last },
        Writing::Now(holder) => Some(holder),
        Writing::No => None,
    };
    let place = place(run, last.as_ref());
    let seconds_left = last.as_ref().filter(|record| record.epoch < record.epochs).map(seconds_left);
    let at = Doing { last, seconds_left, place };
    if quiet { Standing::Silent { at, seconds: ago.as_secs_f64(), holder } } else { Standing::Running(at) }
}

/// Where the whole run stands, where it has a plan.
fn place(run: &Path, last: Option<&EpochRecord>) -> Option<Progress> {
    let plan: Plan = serde_json::from_slice(&std::fs::read(run.join(PLAN_FILE)).ok()?).ok()?;
    let current = plan.current()?;
    let task = plan.steps[current].task;
    let own = |record: &&EpochRecord| {
        Kind::of(record.stage) == task.kind
            && record.labels_per_class == task.labels_per_class
            && record.draw == task.draw
    };
    let left = last.filter(own).map_or_else(|| plan.expected(current), seconds_left);
    Some(plan.progress(current, left))
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
