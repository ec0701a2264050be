//! The same comparison with several seeds, each in a run directory of its own below one folder: how much one pre-training differs from the
//! next, no single run can tell. What is found over them, `report::seeds` computes.

use std::path::Path;

use super::planning::Plan;
use super::{Context, ExperimentError, Outcome, run_planned};
use crate::config::Experiment;
use crate::files::write_atomically;
use crate::report;
use crate::run::command::CommandRecord;
use crate::run::directory::{OpenMode, is_empty};
use crate::run::event::Event;
use crate::run::lock::RunLock;
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::seeds::{SeedsRecord, run_of};
use crate::run::{RunDirectory, RunError};
use crate::train::TrainError;

/// The option that a seed is typed with, and what beside `--set` it wins over.
const SEED: &str = "--seed";

/// Runs the whole comparison once with each seed, one after the other, in run directories below `context.out`, all of them with the
/// settings of `context.experiment`; and makes a page over all that have finished. Every run directory is made before the first begins,
/// with `planned` in it, so that each can be gone on with by itself. Runs that are finished are not repeated.
/// One that collapses or diverges, as one pre-training may and the next may not, stays unfinished, and the others go on.
///
/// # Errors
/// As [`run`](super::run), where training failed after all seeds have been tried; the folder holds something else, or seeds other than
/// these.
pub fn run_seeds(
    context: &mut Context,
    record: &SeedsRecord,
    planned: Option<&Plan>,
) -> Result<Ended, ExperimentError> {
    let out = context.out.to_owned();
    let _lock = prepare(context, record, planned)?;
    let mut left = Vec::new();
    for (place, run) in record.existing(&out)?.iter().enumerate() {
        if run.summary()?.is_none_or(|summary| !summary.finished) {
            left.push(place);
        }
    }
    if let (true, Some(&last)) = (left.is_empty(), record.seeds.last()) {
        // It says whether it is the same run on the same data. Single runs may have been extended since the page was made.
        run_seed(context, last)?;
        report::seeds::write(&out)?;
    }
    let mut failed = None;
    for (tried, &place) in left.iter().enumerate() {
        let seed = record.seeds[place];
        let interrupted = context.interrupt.requested() || {
            let notice = Notice::Seed { number: place + 1, of: record.seeds.len(), seed };
            context.reporter.event(&Event::Note(notice));
            match run_seed(context, seed) {
                Ok(outcome) => matches!(outcome, Outcome::Interrupted(_)),
                Err(ExperimentError::Train(error)) if error.may_be_the_seed() && left_by_all(&error, context) => {
                    let notice = Notice::SeedFailed { seed, left: left.len() - tried - 1, why: error.to_string() };
                    context.reporter.event(&Event::Note(notice));
                    failed.get_or_insert(error);
                    false
                }
                Err(error) => return Err(error),
            }
        };
        report::seeds::write(&out)?;
        if interrupted {
            return Ok(Ended::Interrupted);
        }
    }
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(Ended::Epochs),
    }
}

/// Whether every rank has left the training: that it collapsed all know, that it diverged whoever has looked.
fn left_by_all(error: &TrainError, context: &Context) -> bool {
    context.hardware.ranks.is_alone() || matches!(error, TrainError::Collapsed { .. })
}

/// The run with one of the seeds, which goes on by the plan in its directory.
fn run_seed(context: &mut Context, seed: u64) -> Result<Outcome, ExperimentError> {
    let directory = run_of(context.out, seed);
    let (experiment, command) = of_seed(context, seed);
    run_planned(
        &mut Context {
            experiment: &experiment,
            data: context.data,
            hardware: context.hardware,
            out: &directory,
            mode: OpenMode::Resume,
            command: command.as_ref(),
            interrupt: context.interrupt,
            reporter: &mut *context.reporter,
        },
        None,
    )
}

/// What the run with one seed computes, and was asked for: with a seed of its own in place of the first.
fn of_seed(context: &Context, seed: u64) -> (Experiment, Option<CommandRecord>) {
    let directory = run_of(context.out, seed);
    let run = std::path::absolute(&directory).unwrap_or(directory);
    let command = context.command.map(|command| {
        let mut settings = command.settings.clone();
        if let Some(place) = settings.iter().position(|word| word == SEED) {
            settings.drain(place..settings.len().min(place + 2));
        }
        settings.extend([SEED.to_owned(), seed.to_string()]);
        CommandRecord { run, settings, ..command.clone() }
    });
    (Experiment { seed, ..context.experiment.clone() }, command)
}

/// Makes what is not there yet of the run directories, and the record last: what has one is whole.
fn prepare(context: &Context, record: &SeedsRecord, planned: Option<&Plan>) -> Result<RunLock, ExperimentError> {
    let out = context.out;
    let earlier = SeedsRecord::read(out)?;
    match &earlier {
        Some(_) if context.mode == OpenMode::Fresh => return Err(RunError::Occupied { path: out.to_owned() }.into()),
        Some(earlier) if earlier.seeds != record.seeds => {
            return Err(RunError::OtherSeeds { path: out.to_owned(), then: earlier.seeds.len() }.into());
        }
        None if context.mode == OpenMode::Fresh && !is_empty(out) => {
            return Err(RunError::NotARun { path: out.to_owned() }.into());
        }
        _ => {}
    }
    let lock = RunLock::take(out)?;
    if earlier.is_some() {
        return Ok(lock);
    }
    let first = record.seeds.first().map(|&seed| run_of(out, seed)).unwrap_or_default();
    for &seed in &record.seeds {
        let path = run_of(out, seed);
        let (experiment, command) = of_seed(context, seed);
        let run = RunDirectory::open(&path, OpenMode::Resume, &experiment)?;
        if !experiment.initial_weights.is_empty() && !run.initial_weights().is_file() {
            copy(&RunDirectory::existing(&first)?.initial_weights(), &run.initial_weights())?;
        }
        if let Some(command) = &command {
            run.write_command(command)?;
        }
        if let Some(plan) = planned {
            run.write_plan(plan)?;
        }
    }
    record.write(out)?;
    Ok(lock)
}

/// Copies a file, which is then there whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), RunError> {
    let bytes = std::fs::read(from).map_err(|source| RunError::Read { path: from.to_owned(), source })?;
    write_atomically(to, &bytes).map_err(|source| RunError::Write { path: to.to_owned(), source })
}
