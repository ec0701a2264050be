//! Progress of a download: a bar on a terminal, a line now and then elsewhere, or JSON lines.

use std::io::IsTerminal;
use std::mem::{Discriminant, discriminant};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use byol::data::fetch::FetchProgress;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::Output;
use crate::output;

/// Lines are at least this far apart, except where something new begins.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
const BETWEEN_JSON: Duration = Duration::from_secs(1);

/// Tells how far a download is; from any thread.
pub struct Transfer {
    style: Style,
    state: Mutex<State>,
}

#[derive(Clone, Copy)]
enum Style {
    Silent,
    Json,
    Lines,
    Bar,
}

#[derive(Default)]
struct State {
    phase: Option<Discriminant<FetchProgress>>,
    last: Option<Instant>,
    bar: Option<ProgressBar>,
}

impl Transfer {
    pub fn new(options: Output) -> Self {
        let style = match options {
            Output { json: true, .. } => Style::Json,
            Output { quiet: true, .. } => Style::Silent,
            _ if std::io::stderr().is_terminal() => Style::Bar,
            _ => Style::Lines,
        };
        Self { style, state: Mutex::default() }
    }

    pub fn tell(&self, progress: &FetchProgress) {
        // The state is whole even if another thread panicked while it told something.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let phase = discriminant(progress);
        let begins = state.phase.replace(phase) != Some(phase);
        let pause = if matches!(self.style, Style::Json) { BETWEEN_JSON } else { BETWEEN_LINES };
        let due = begins || state.last.is_none_or(|last| last.elapsed() >= pause);
        let (name, done, total) = match progress {
            FetchProgress::Downloading { done, total } => ("downloading", *done, *total),
            FetchProgress::Verifying { done, total } => ("verifying", *done, Some(*total)),
            FetchProgress::Unpacking { done, total } => ("unpacking", *done, Some(*total)),
            FetchProgress::Retrying { attempt, of, reason } => {
                state.bar = None;
                match self.style {
                    Style::Silent => {}
                    Style::Json => {
                        output::json(&json!({ "event": "retrying", "attempt": attempt, "of": of, "reason": reason }));
                    }
                    Style::Lines | Style::Bar => {
                        output::line(&format!("the connection was cut ({reason}); trying again, {attempt} of {of}"));
                    }
                }
                return;
            }
        };
        match self.style {
            Style::Silent => {}
            Style::Json if due => output::json(&json!({ "event": name, "bytes": done, "of": total })),
            Style::Lines if due => output::line(&format!("{name}: {}", amount(done, total))),
            Style::Json | Style::Lines => {}
            Style::Bar => {
                if begins {
                    state.bar = Some(bar(name, total));
                }
                if let Some(bar) = &state.bar {
                    bar.set_position(done);
                }
            }
        }
        if due {
            state.last = Some(Instant::now());
        }
    }
}

fn amount(done: u64, total: Option<u64>) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match total {
        Some(total) => format!("{:.0} of {:.0} MB", megabytes(done), megabytes(total)),
        None => format!("{:.0} MB", megabytes(done)),
    }
}

fn bar(name: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "{prefix} [{bar:24}] {percent:>3}%  {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::no_length(), "{prefix} {decimal_bytes}, {decimal_bytes_per_sec}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> ")).with_prefix(name)
}
