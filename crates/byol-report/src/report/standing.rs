//! Where a run stands, for whoever watches it: from its last complete record.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::plan::{Kind, Plan, Progress, Task};
use crate::run::directory::PLAN_FILE;
use crate::run::lock::{self, Holder, Writing};
use crate::run::record::{EpochRecord, Stage, Summary};

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
    /// Absent before the first epoch of what is being done has ended.
    pub last: Option<EpochRecord>,
    /// What is being done, where the run has a plan.
    pub task: Option<Task>,
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
    let last = last_record(run).map(|record| as_of_now(run, record));
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
    let at = doing(run, last);
    if quiet { Standing::Silent { at, seconds: ago.as_secs_f64(), holder } } else { Standing::Running(at) }
}

/// What a run does, of which `last` is the last record: of what is being done, or of what was done before it.
fn doing(run: &Path, last: Option<EpochRecord>) -> Doing {
    let left = |record: &EpochRecord| (record.epoch < record.epochs).then(|| seconds_left(record));
    let plan = std::fs::read(run.join(PLAN_FILE)).ok();
    let plan: Option<Plan> = plan.and_then(|text| serde_json::from_slice(&text).ok());
    let Some((current, plan)) = plan.and_then(|plan| Some((plan.current()?, plan))) else {
        return Doing { seconds_left: last.as_ref().and_then(left), task: None, place: None, last };
    };
    let task = plan.steps[current].task;
    let last = last.filter(|record| {
        Kind::of(record.stage) == task.kind
            && record.labels_per_class == task.labels_per_class
            && record.draw == task.draw
    });
    let of_step = last.as_ref().map_or_else(|| plan.expected_left(current), seconds_left);
    let place = Some(plan.progress(current, of_step));
    Doing { seconds_left: last.as_ref().and_then(left), task: Some(task), place, last }
}

/// A record of a pre-training that has been made longer since counts its epochs as they are now.
fn as_of_now(run: &Path, record: EpochRecord) -> EpochRecord {
    let asked = || -> Option<usize> {
        let config: toml::Table = std::fs::read_to_string(run.join("config.toml")).ok()?.parse().ok()?;
        usize::try_from(config.get("pretrain")?.get("epochs")?.as_integer()?).ok()
    };
    let ended = record.stage == Stage::Pretrain && record.epoch == record.epochs;
    let epochs = if ended { asked().unwrap_or(0).max(record.epochs) } else { record.epochs };
    EpochRecord { epochs, ..record }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::language::watch::standing as said;
    use crate::report::testing::{Run, Scratch, plan};
    use crate::run::record::LabelBudget;

    /// The folder of a run that goes on, and what keeps it.
    fn goes_on(change: impl FnOnce(&mut Run)) -> (Scratch, std::path::PathBuf) {
        let scratch = Scratch::new();
        let mut run = Run::ahead();
        run.summary = None;
        run.predictions.clear();
        change(&mut run);
        let folder = run.write(scratch.path());
        (scratch, folder)
    }

    fn write_plan(folder: &Path, plan: &Plan) {
        std::fs::write(folder.join(PLAN_FILE), serde_json::to_vec(plan).unwrap()).unwrap();
    }

    #[test]
    fn a_line_is_of_one_training() {
        let (_scratch, folder) = goes_on(|run| run.metrics.retain(|record| record.stage == Stage::Pretrain));
        let mut plan = plan(&[(Kind::Baseline, true), (Kind::Pretrain, true), (Kind::Finetune, false)]);
        write_plan(&folder, &plan);
        let found = standing(&folder);
        let text = said(&found);
        // The last record is of the step before.
        assert!(
            text.starts_with("step 3 of 3, about ") && text.ends_with(": the first epoch has not ended yet"),
            "{text}"
        );
        assert!(text.contains(" left of the whole: fine-tuning") && !text.contains("loss"), "{text}");
        plan.steps[1].ended = false;
        write_plan(&folder, &plan);
        let text = said(&standing(&folder));
        assert!(text.contains("left of the whole: pre-training: epoch 20 of 20, loss"), "{text}");
        // It was made longer after that record, by half.
        let config = std::fs::read_to_string(folder.join("config.toml")).unwrap();
        std::fs::write(folder.join("config.toml"), config.replacen("epochs = 20", "epochs = 30", 1)).unwrap();
        let found = standing(&folder);
        assert!(said(&found).contains("pre-training: epoch 20 of 30, loss"), "{}", said(&found));
        let Standing::Running(Doing { seconds_left: Some(own), place: Some(whole), .. }) = found else {
            panic!("{found:?}")
        };
        // 551 s for 20 epochs; the step after it is planned as one second.
        assert!((own - 275.5).abs() < 1.0 && whole.seconds_left > own, "{own} {whole:?}");
        plan.steps[2].task.labels_per_class = Some(LabelBudget::PerClass(10));
        plan.steps[2].task.draw = 1;
        plan.steps[1].ended = true;
        write_plan(&folder, &plan);
        let text = said(&standing(&folder));
        assert!(text.contains("fine-tuning with 10 labels per class, draw 2: the first epoch"), "{text}");
    }
}
