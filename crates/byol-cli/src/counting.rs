//! Progress of looking through many images: a bar on a terminal, a line now and then elsewhere, or JSON lines.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::args::Output;
use crate::output;

/// Lines and JSON objects are at least this far apart.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
const BETWEEN_JSON: Duration = Duration::from_secs(1);

/// Called with (images done, images in all), from any thread.
pub type Counter = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// Tells how many images are done; `what` completes "N of M images ...".
pub fn counter(options: Output, what: &'static str) -> Option<Counter> {
    match options {
        Output { json: true, .. } => {
            let pace = Pace::new(BETWEEN_JSON);
            Some(Arc::new(move |done, of| {
                if pace.is_due() {
                    output::json(&json!({ "event": "counted", "what": what, "pictures": done, "of": of }));
                }
            }))
        }
        Output { quiet: true, .. } => None,
        _ if std::io::stderr().is_terminal() => {
            let bar = ProgressBar::new(0).with_style(style()).with_message(what);
            Some(Arc::new(move |done, of| {
                bar.set_length(of as u64);
                if done == of {
                    bar.finish_and_clear();
                } else {
                    bar.set_position(bar.position().max(done as u64));
                }
            }))
        }
        _ => {
            let pace = Pace::new(BETWEEN_LINES);
            Some(Arc::new(move |done, of| {
                if pace.is_due() {
                    crate::output::line(&format!("{done} of {of} images {what}"));
                }
            }))
        }
    }
}

/// Lets something through now and then.
struct Pace {
    pause: Duration,
    last: Mutex<Instant>,
}

impl Pace {
    fn new(pause: Duration) -> Self {
        Pace { pause, last: Mutex::new(Instant::now()) }
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.elapsed() >= self.pause;
        if due {
            *last = Instant::now();
        }
        due
    }
}

fn style() -> ProgressStyle {
    let template = "{pos} of {len} images {msg} [{bar:24}] {percent:>3}%, {per_sec}, {eta} left";
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}
