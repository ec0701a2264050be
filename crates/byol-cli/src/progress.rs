//! Progress: events as bars on a terminal, as plain lines elsewhere, or as JSON lines.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use byol::experiment::planning::Progress;
use byol::report::language::notices::notice;
use byol::report::language::progress as wording;
use byol::run::event::{Event, Reporter, StepReport};
use byol::run::record::EpochRecord;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::args::Output;
use crate::output;
use crate::paint::{Tone, paint};

/// Epoch lines are at least this far apart on a terminal, and in a file, the last one of a stage excepted.
const BETWEEN_EPOCHS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(30)];
/// Within a long epoch, plain lines tell of a step this often.
const BETWEEN_STEPS: Duration = Duration::from_secs(30);

/// The reporter that the options ask for.
pub fn reporter(options: Output) -> Box<dyn Reporter> {
    match options {
        Output { json: true, .. } => Box::new(Json),
        Output { quiet: true, .. } => Box::new(Quiet),
        _ => Box::new(People::new(std::io::stderr().is_terminal())),
    }
}

/// One JSON object per event on standard output.
struct Json;

impl Reporter for Json {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Note(what) | Event::Warning(what) => output::json(&Spoken { event, text: notice(what) }),
            _ => output::json(event),
        }
    }
}

/// An event with what it says.
#[derive(Serialize)]
struct Spoken<'a> {
    #[serde(flatten)]
    event: &'a Event<'a>,
    text: String,
}

/// Warnings on standard error, and nothing else.
struct Quiet;

impl Reporter for Quiet {
    fn event(&mut self, event: &Event<'_>) {
        if let (Event::Warning(_), Some(line)) = (event, wording::line(event)) {
            output::line(&format!("byol: {}", painted(&line)));
        }
    }
}

/// Lines on standard error; on a terminal, with a bar below them.
struct People {
    terminal: bool,
    bar: Option<ProgressBar>,
    last_epoch: Option<Instant>,
    last_line: Instant,
    /// Where the whole run stands, where it has a plan.
    place: Option<Progress>,
}

impl People {
    fn new(terminal: bool) -> Self {
        Self { terminal, bar: None, last_epoch: None, last_line: Instant::now(), place: None }
    }

    fn say(&mut self, line: &str) {
        self.last_line = Instant::now();
        match &self.bar {
            Some(bar) => bar.suspend(|| output::line(line)),
            None => output::line(line),
        }
    }

    fn step(&mut self, report: &StepReport) {
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| ProgressBar::new(report.steps as u64).with_style(style()));
            bar.set_prefix(wording::epoch_of(report, self.place.as_ref()));
            bar.set_message(wording::step(report));
            bar.set_position(report.step as u64);
        } else if self.last_line.elapsed() >= BETWEEN_STEPS {
            self.say(&wording::step_line(report, self.place.as_ref()));
        }
    }

    fn epoch(&mut self, record: &EpochRecord) {
        let last = record.epoch == record.epochs;
        // What was seen of held-out images is worth a line whenever it was looked at; trainings with labels look at each epoch.
        let looked = record.health.is_some() || self.terminal && record.validation_accuracy.is_some();
        let between = BETWEEN_EPOCHS[usize::from(!self.terminal)];
        if last || looked || self.last_epoch.is_none_or(|last| last.elapsed() >= between) {
            self.last_epoch = Some(Instant::now());
            self.say(&wording::epoch(record));
        }
    }
}

impl Reporter for People {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Step(report) => self.step(report),
            Event::EpochEnded(record) => self.epoch(record),
            Event::Progress(place) => self.place = Some(*place),
            // The plan has said it of the whole.
            Event::Estimate { .. } if self.place.is_some() => return,
            Event::Estimate { .. } | Event::Warning(_) | Event::CheckpointSaved { .. } => {}
            // Something else begins; the next step draws a new bar.
            Event::StageStarted { .. } | Event::Planned(_) | Event::Evaluated { .. } | Event::Note(_) => {
                self.bar = None;
                self.last_epoch = (!self.terminal).then(Instant::now);
            }
        }
        if let Some(line) = wording::line(event) {
            let place = self.place.as_ref().filter(|_| matches!(event, Event::StageStarted { .. }));
            let line = place.map_or_else(|| line.clone(), |place| wording::in_the_whole(place, &line));
            self.say(&painted(&line));
        }
    }
}

/// A line with its `warning:` in colour.
fn painted(line: &str) -> String {
    match line.strip_prefix("warning:") {
        Some(rest) => format!("{}{rest}", paint(Tone::Warning, "warning:")),
        None => line.to_owned(),
    }
}

/// A bar vanishes when it is dropped, so that the lines above it are what stays.
fn style() -> ProgressStyle {
    let template = "{prefix} [{bar:24}] {percent:>3}%\n  {wide_msg}";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}
