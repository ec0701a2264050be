//! `byol run --seeds N`: the same comparison with several seeds, each in a run directory of its own.

use std::path::{Path, PathBuf};

use byol::config::Experiment;
use byol::experiment::planning::Plan;
use byol::experiment::{self, planning};
use byol::report;
use byol::report::language::program;
use byol::run::command::shell_word;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::run::record::Ended;
use byol::run::seeds::{SeedsRecord, run_of};
use byol::run::{RunDirectory, RunError};
use serde::Serialize;

use super::resume::Place;
use super::train::Job;
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::output;
use crate::request::{self, Basis};

/// Runs with several seeds that a run directory is one of.
pub struct Seeds {
    /// The folder that holds them: what `--out` or `--resume` named.
    folder: PathBuf,
    record: SeedsRecord,
    /// Whether all of them have finished.
    finished: bool,
}

impl Seeds {
    /// The place of a run with several seeds: that of the run that leads, whose settings all have. `place` as it is where there is but one.
    pub fn place(run: &args::Run, place: Place) -> anyhow::Result<Place> {
        let earlier = match place.mode {
            OpenMode::Fresh => None,
            OpenMode::Resume => SeedsRecord::read(&place.out)?,
        };
        match (earlier, run.seeds) {
            (Some(record), typed) => goes_on(record, typed, place),
            (None, None | Some(1)) => Ok(place),
            (None, Some(_)) if place.mode == OpenMode::Resume && place.out.join("config.toml").is_file() => {
                Err(RunError::OtherSeeds { path: place.out, then: 1 }.into())
            }
            // What is not there says so by itself.
            (None, Some(_)) if place.named => Ok(place),
            (None, Some(seeds)) => begins(run, seeds, place),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.record.seeds.len()
    }

    /// Hours that were asked for all of them, where they were.
    pub fn hours(&self) -> Option<f64> {
        self.record.hours
    }

    /// What is to be known of the plan: it is that of each.
    pub fn planned(&self, plan: Option<&Plan>) -> ProgramNote {
        let runs = self.count();
        let first = self.record.seeds.first().copied().unwrap_or_default();
        ProgramNote::Seeds {
            runs,
            seeds: [first, self.record.seeds.last().copied().unwrap_or(first)],
            hours: self.record.hours.map(|hours| [hours, planning::share(hours, runs)]),
            seconds: plan.map(|plan| runs as f64 * plan.seconds()),
        }
    }
}

fn begins(run: &args::Run, seeds: usize, place: Place) -> anyhow::Result<Place> {
    let experiment: Experiment = request::experiment(&run.config, Some(&run.labels), Basis::default())?;
    RunDirectory::check(&place.out, place.mode, &experiment)?;
    let first = experiment.seed;
    // TOML, in which each is saved, has whole numbers up to this.
    let last = first.checked_add(seeds as u64 - 1).filter(|last| *last <= i64::MAX as u64).ok_or_else(|| {
        Usage(format!("--seeds {seeds}: seeds from {first} on would be larger than 2^63 - 1; begin lower with --seed"))
    })?;
    let record = SeedsRecord { seeds: (first..=last).collect(), hours: run.hours, version: byol::version() };
    let lead = run_of(&place.out, first);
    Ok(Place { out: lead, seeds: Some(Seeds { folder: place.out, record, finished: false }), ..place })
}

fn goes_on(record: SeedsRecord, typed: Option<usize>, place: Place) -> anyhow::Result<Place> {
    let then = record.seeds.len();
    if typed.is_some_and(|typed| typed != then) {
        return Err(RunError::OtherSeeds { path: place.out, then }.into());
    }
    let runs = record.runs(&place.out);
    if let (Some(more), Some(first)) = (place.more_epochs, runs.first()) {
        let text = format!(
            "--more-epochs extends one run, and {} holds {then}; extend each, as in byol run --resume {} --more-epochs {more}",
            place.out.display(),
            shell_word(first)
        );
        return Err(Usage(text).into());
    }
    let mut unfinished = None;
    for run in record.existing(&place.out)? {
        if unfinished.is_none() && run.summary()?.is_none_or(|summary| !summary.finished) {
            unfinished = Some(run.path().to_owned());
        }
    }
    let finished = unfinished.is_none();
    let lead = unfinished.or_else(|| runs.last().cloned()).unwrap_or_else(|| place.out.clone());
    Ok(Place { out: lead, named: true, seeds: Some(Seeds { folder: place.out, record, finished }), ..place })
}

/// Runs what is left of all seeds, and tells what they found together.
pub(super) fn work(
    job: &Job<'_>,
    place: &Place,
    seeds: &Seeds,
    output: Output,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Ending> {
    let ended =
        job.train(place, output, reporter, |context, _, plan| experiment::run_seeds(context, &seeds.record, plan))?;
    let run = seeds.folder.display().to_string();
    let note = match ended {
        Ended::Interrupted => ProgramNote::Interrupted { command: job.resume(place) },
        Ended::Epochs | Ended::Patience if seeds.finished => ProgramNote::FinishedBefore { run },
        Ended::Epochs | Ended::Patience => ProgramNote::Finished { run },
    };
    reporter.event(&Event::Note(note.into()));
    let page = seeds.folder.join("report.html");
    tell(&report::seeds::load(&seeds.folder)?, &seeds.folder, &page, output);
    Ok(match ended {
        Ended::Interrupted => Ending::Interrupted,
        Ended::Epochs | Ended::Patience => Ending::Done,
    })
}

/// Prints what several seeds found, and where their page is.
pub(super) fn tell(found: &report::seeds::Seeds, folder: &Path, page: &Path, output: Output) {
    if output.json {
        let runs = found.record.runs(folder);
        output::json(&End { event: "ended", runs: &runs, pages: [page], summary: &found.found });
        return;
    }
    output::text(&report::seeds::markdown(found));
    output::text(&format!("\n{}", program::report(page)));
}

/// The last line of `--json`.
#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    runs: &'a [PathBuf],
    pages: [&'a Path; 1],
    summary: &'a report::seeds::OverSeeds,
}
