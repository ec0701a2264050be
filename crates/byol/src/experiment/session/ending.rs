//! How a sitting ends, and what is known of its time where it ends without a word.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Session;
use crate::data::Dataset;
use crate::data::first_use::NotUsed;
use crate::experiment::{ExperimentError, Outcome};
use crate::report;
use crate::run::RunDirectory;
use crate::run::event::{Event, Reporter};
use crate::run::record::Summary;

impl Session<'_, '_> {
    /// It was asked to stop: the page shows what was found until then, and nothing of before an extension.
    pub(in crate::experiment) fn interrupted(self) -> Result<Outcome, ExperimentError> {
        let path = self.directory.path().to_owned();
        let outcome = self.interrupted_without_report()?;
        report::write(&path)?;
        Ok(outcome)
    }

    pub(in crate::experiment) fn interrupted_without_report(self) -> Result<Outcome, ExperimentError> {
        let summary = Summary { interrupted: true, ..self.summary(false) };
        self.directory.write_summary(&summary)?;
        Ok(Outcome::Interrupted(summary))
    }

    pub(in crate::experiment) fn finish(mut self) -> Result<Outcome, ExperimentError> {
        let path = self.directory.path().to_owned();
        let countdown = self.countdown.take();
        let outcome = self.finish_without_report()?;
        report::write(&path)?;
        countdown.map_or(Ok(()), |mut countdown| countdown.stop(true))?;
        Ok(outcome)
    }

    pub(in crate::experiment) fn finish_without_report(self) -> Result<Outcome, ExperimentError> {
        let summary = self.summary(true);
        self.directory.write_summary(&summary)?;
        Ok(Outcome::Finished(summary))
    }
}

/// How much of a sitting's time is lost at most where its process is killed.
const EVERY: Duration = Duration::from_secs(10);

/// What is written while a training goes on.
pub(super) struct Written<'r> {
    /// Of when it began.
    pub summary: Summary,
    pub directory: &'r RunDirectory,
    pub data: &'r Dataset,
    /// Images of a pool that are not used, of which it has been told.
    pub told: &'r mut BTreeSet<usize>,
}

/// Passes the events of a training on, and writes the time into the summary now and then: a process that is killed, or stopped by
/// a second Ctrl-C, does not come to write it. Likewise what is found of images as they are first used, which is told at the end of an
/// epoch.
pub(super) struct SummaryClock<'r> {
    of: Written<'r>,
    inner: &'r mut dyn Reporter,
    begun: Instant,
    written: Instant,
    every: Duration,
    /// So many images are recorded as not used.
    recorded: usize,
}

impl<'r> SummaryClock<'r> {
    pub fn of(of: Written<'r>, inner: &'r mut dyn Reporter) -> SummaryClock<'r> {
        let now = Instant::now();
        let recorded = of.told.len();
        SummaryClock { of, inner, begun: now, written: now, every: EVERY, recorded }
    }

    /// Writes down which images are not used, where more are known now.
    fn record_not_used(&mut self) -> Vec<NotUsed> {
        let found = self.of.data.not_used();
        // What keeps a record from being written keeps the next checkpoint from it, which says so.
        if found.len() > self.recorded && self.of.directory.write_not_used(&found).is_ok() {
            self.recorded = found.len();
        }
        found
    }

    /// Says which images are not used, those of which it has not been told.
    pub fn tell_not_used(&mut self) {
        let mut found = self.record_not_used();
        found.retain(|image| self.of.told.insert(image.index));
        for note in self.of.data.notes_of(&found) {
            self.inner.event(&Event::Warning(note.into()));
        }
    }
}

impl Reporter for SummaryClock<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if matches!(event, Event::CheckpointSaved { .. }) {
            self.record_not_used();
        }
        if matches!(event, Event::Step(_) | Event::CheckpointSaved { .. }) && self.written.elapsed() >= self.every {
            self.written = Instant::now();
            let mut summary = self.of.summary.clone();
            summary.seconds += self.begun.elapsed().as_secs_f64();
            let data = self.of.data;
            (summary.data.findings, summary.data.skipped) = data.with_not_used(&data.not_used());
            let _ = self.of.directory.write_summary(&summary);
        }
        self.inner.event(event);
        if matches!(event, Event::EpochEnded(_)) {
            self.tell_not_used();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::data::patterns::{PatternOptions, dataset_with};
    use crate::device::Hardware;
    use crate::experiment::Context;
    use crate::experiment::session::Opened;
    use crate::run::directory::OpenMode;
    use crate::run::event::{Interrupt, Silent};

    /// Begins a sitting, works, and says how many seconds the summary has then.
    fn sitting(out: &Path, work: impl FnOnce(Session<'_, '_>)) -> f64 {
        let experiment = crate::config::resolve::resolve(Default::default()).unwrap();
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 2, test_per_class: 1, unlabeled: 3 });
        let hardware = Hardware::auto().with_threads(1);
        let mut context = Context {
            experiment: &experiment,
            data: &data,
            hardware: &hardware,
            out,
            mode: OpenMode::Resume,
            command: None,
            interrupt: &Interrupt::default(),
            reporter: &mut Silent,
        };
        let Opened::Session(session) = Session::open(&mut context).unwrap() else { panic!("it is not finished") };
        work(session);
        RunDirectory::existing(out).unwrap().summary().unwrap().unwrap().seconds
    }

    #[test]
    fn a_sitting_that_ends_without_a_word_counts() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("run");
        let path = out.join("checkpoint");
        let seconds = sitting(&out, |session| {
            let mut silent = Silent;
            let summary = Summary { seconds: 100.0, ..session.summary(false) };
            let (data, mut told) = (session.context.data, BTreeSet::new());
            let written = Written { summary, directory: &session.directory, data, told: &mut told };
            let mut clock = SummaryClock::of(written, &mut silent);
            let saved = Event::CheckpointSaved { path: &path };
            clock.event(&saved);
            let early = session.directory.summary().unwrap().unwrap().seconds;
            assert!(early < 100.0, "ten seconds have not passed");
            clock.every = Duration::ZERO;
            std::thread::sleep(Duration::from_millis(20));
            clock.event(&saved);
        });
        assert!((100.02..200.0).contains(&seconds), "{seconds}");
        // The next sitting goes on counting, and one that is interrupted leaves a page.
        let seconds = sitting(&out, |session| assert!(matches!(session.interrupted(), Ok(Outcome::Interrupted(_)))));
        assert!(seconds > 100.02, "{seconds}");
        assert!(out.join("report.html").is_file());
    }
}
