//! Where a run stands, for whoever watches it: a sentence without its full stop.

use super::names::{budget, stage};
use super::numbers::{count, duration, figure, list};
use crate::plan::{Kind, Task};
use crate::report::standing::{Doing, Standing};
use crate::run::lock::Holder;
use crate::run::record::{EpochRecord, LabelBudget, Stage};

pub fn standing(standing: &Standing) -> String {
    let after =
        |last: &Option<EpochRecord>| last.as_ref().map_or_else(String::new, |last| format!(" after {}", done(last)));
    match standing {
        Standing::Damaged { problem } => problem.clone(),
        Standing::Finished { seconds } => format!("finished after {}", duration(*seconds)),
        Standing::Waiting => "has not started yet".to_owned(),
        Standing::GoingOn { last, holder } => format!("going on{}, by {}", after(last), who(holder)),
        Standing::BrokenOff { last, process } => {
            format!("process {process} ended without finishing it{}; --resume goes on", after(last))
        }
        Standing::Stopped { last } => format!("stopped on request{}; --resume goes on", after(last)),
        Standing::Running(at) => doing(at),
        Standing::Silent { at, seconds, holder: Some(holder) } => {
            format!("{}; nothing new for {}, but {} is still at work", doing(at), duration(*seconds), who(holder))
        }
        Standing::Silent { at, seconds, holder: None } => {
            let (doing, ago) = (doing(at), duration(*seconds));
            format!("{doing}; nothing new for {ago}: it may have been stopped (--resume goes on)")
        }
    }
}

fn doing(at: &Doing) -> String {
    let doing = match (&at.last, &at.task) {
        (None, None) => FIRST_EPOCH.to_owned(),
        (None, Some(task)) => begun(task),
        (Some(last), _) => {
            let left =
                at.seconds_left.map_or_else(String::new, |left| format!(", about {} left of it", duration(left)));
            let rate = count(last.overall_rate() as u64);
            format!("{}, loss {}, {rate} images/s{left}", done(last), figure(last.loss))
        }
    };
    match &at.place {
        Some(place) => format!(
            "step {} of {}, about {} left of the whole: {doing}",
            place.step,
            place.steps,
            duration(place.seconds_left)
        ),
        None => doing,
    }
}

/// `baseline with all labels, draw 2: epoch 3 of 60`
fn done(record: &EpochRecord) -> String {
    let training = training(record.stage, record.labels_per_class, record.draw);
    format!("{training}: epoch {} of {}", count(record.epoch as u64), count(record.epochs as u64))
}

/// `baseline with all labels, draw 2`
fn training(of: Stage, with: Option<LabelBudget>, draw: usize) -> String {
    let labels = with.map_or_else(String::new, |of| format!(" with {}", budget(of)));
    let draw = if draw > 0 { format!(", draw {}", draw + 1) } else { String::new() };
    format!("{}{labels}{draw}", stage(of))
}

const FIRST_EPOCH: &str = "the first epoch has not ended yet";

/// What a step does that has recorded nothing yet.
fn begun(task: &Task) -> String {
    match (task.kind.stage(), task.kind) {
        (Some(of), _) => format!("{}: {FIRST_EPOCH}", training(of, task.labels_per_class, task.draw)),
        (None, Kind::Report) => "making the report".to_owned(),
        (None, _) => "evaluating the frozen encoder".to_owned(),
    }
}

/// `process 4711 (since 09:41 UTC)`, with the machine where it is another one.
fn who(holder: &Holder) -> String {
    let machine = holder.elsewhere().map_or_else(String::new, |machine| format!(" on {machine}"));
    let since = holder.since().map_or_else(String::new, |since| {
        let ago = match since.days_ago {
            0 => String::new(),
            1 => " yesterday".to_owned(),
            days => format!(", {days} days ago"),
        };
        format!(" (since {:02}:{:02} UTC{ago})", since.hour, since.minute)
    });
    format!("process {}{machine}{since}", holder.process)
}

/// On the page that waits for runs, its heading.
pub fn none_has_started(names: &[String]) -> String {
    format!("{} {} not started yet", list(names), if names.len() > 1 { "have" } else { "has" })
}

/// Below that heading.
pub fn fills_in(runs: usize) -> String {
    let records = if runs > 1 { "they record" } else { "it records" };
    format!("This page fills itself in as soon as {records} anything.")
}

/// The title of the live page.
pub fn title(names: &[String]) -> String {
    format!("byol watch: {}", list(names))
}

/// Beside the runs that are followed.
pub const LIVE: &str = "Live";

/// Answers to requests that the server does not serve.
pub mod refused {
    pub const ELSEWHERE: &str = "this page is for this machine alone";
    pub const METHOD: &str = "only GET is answered";
    pub const METHOD_OR_POST: &str = "only GET and POST are answered";
    pub const TOO_LONG: &str = "what was sent is too long";
    pub const PATH: &str = "there is no such page";
}
