//! A plan while it is being done: which step, how long it takes, what is left. It passes events on and adds where the run
//! stands.

use std::time::Instant;

use crate::plan::{Kind, Plan, Progress, Task};
use crate::run::event::{Event, Reporter, StepReport};
use crate::run::{RunDirectory, RunError};

/// The part of a training after which it knows its own speed better than the plan does.
const TRUSTED_FROM: f64 = 0.1;

/// A plan in a run directory.
pub(crate) struct Countdown {
    plan: Plan,
    directory: RunDirectory,
    /// The step that is being done, since when, and the seconds that are left of it by its own measure.
    current: Option<(usize, Instant, Option<f64>)>,
}

impl Countdown {
    /// Writes the plan.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn begin(plan: Plan, directory: RunDirectory) -> Result<Countdown, RunError> {
        directory.write_plan(&plan)?;
        Ok(Countdown { plan, directory, current: None })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A step begins; what stands before it has been done.
    pub(crate) fn start(&mut self, task: Task) -> Option<Progress> {
        let step = self.plan.steps.iter().position(|step| step.task == task && !step.ended)?;
        self.plan.steps[..step].iter_mut().for_each(|step| step.ended = true);
        self.current = Some((step, Instant::now(), None));
        self.progress()
    }

    /// The current step has ended, or is left where it is.
    ///
    /// # Errors
    /// The plan cannot be written.
    pub(crate) fn stop(&mut self, ended: bool) -> Result<(), RunError> {
        let Some((step, since, _)) = self.current.take() else { return Ok(()) };
        self.plan.steps[step].seconds += since.elapsed().as_secs_f64();
        self.plan.steps[step].ended = ended;
        self.directory.write_plan(&self.plan)
    }

    /// Where the run stands.
    pub(crate) fn progress(&self) -> Option<Progress> {
        let (step, since, left) = self.current?;
        let spent = self.plan.steps[step].seconds + since.elapsed().as_secs_f64();
        let left = left.unwrap_or_else(|| (self.plan.expected(step) - spent).max(0.0));
        Some(self.plan.progress(step, left))
    }

    /// Takes over what a training says about itself: at its beginning little, from a tenth of it on all.
    fn measured(&mut self, report: &StepReport) {
        let Some((step, ..)) = self.current else { return };
        let done = report.step as f64 / report.steps.max(1) as f64;
        let trust = (done / TRUSTED_FROM).min(1.0);
        let planned = self.plan.expected(step) * (1.0 - done);
        if let Some((_, _, left)) = &mut self.current {
            *left = Some(trust * report.seconds_left + (1.0 - trust) * planned);
        }
    }

    /// Takes the events of a training, and passes them on to `inner`.
    pub(crate) fn through<'r>(&'r mut self, inner: &'r mut dyn Reporter) -> Counting<'r> {
        Counting { countdown: self, inner }
    }
}

/// Passes events on, with where the run stands before those of steps.
pub(crate) struct Counting<'r> {
    countdown: &'r mut Countdown,
    inner: &'r mut dyn Reporter,
}

impl Reporter for Counting<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::Step(report) = event {
            let task = self.countdown.current.map(|(step, ..)| self.countdown.plan.steps[step].task);
            // A sweep's trials come before the training that the step is about.
            let own = task.is_some_and(|task| task.kind == Kind::of(report.stage));
            if own && report.seconds_left > 0.0 {
                self.countdown.measured(report);
            }
            if let Some(progress) = self.countdown.progress() {
                self.inner.event(&Event::Progress(progress));
            }
        }
        self.inner.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Rates, Step};
    use crate::run::event::Silent;
    use crate::run::notice::Notice;
    use crate::run::record::Stage;

    struct Last(Option<Progress>);

    impl Reporter for Last {
        fn event(&mut self, event: &Event<'_>) {
            if let Event::Progress(progress) = event {
                self.0 = Some(*progress);
            }
        }
    }

    #[test]
    fn steps_end_one_by_one_and_a_resumed_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), "").unwrap();
        let directory = RunDirectory::existing(folder.path()).unwrap();
        let task = Task::only;
        let step = |kind| Step { task: task(kind), images: 1, planned_seconds: 50.0, seconds: 0.0, ended: false };
        let rates = Rates { pretrain: 1.0, step_seconds: 1.0, image_seconds: 1.0, evaluate: 1.0, linear_seconds: 0.0 };
        let steps = vec![step(Kind::Baseline), step(Kind::Pretrain), step(Kind::Report)];
        let plan = Plan { hours: None, chosen: Vec::new(), rates, steps, others: None };
        let mut countdown = Countdown::begin(plan, directory.clone()).unwrap();
        assert_eq!(countdown.start(task(Kind::Baseline)).unwrap().step, 1);
        let report = StepReport {
            stage: Stage::Supervised,
            epoch: 1,
            epochs: 2,
            step: 3,
            steps: 10,
            loss: 1.5,
            learning_rate: 3e-4,
            tau: None,
            images_per_second: 87.4,
            seconds_left: 30.0,
        };
        let mut last = Last(None);
        countdown.through(&mut last).event(&Event::Step(report));
        assert_eq!(last.0, Some(Progress { step: 1, steps: 3, seconds_left: 130.0 }));
        countdown.stop(false).unwrap();
        countdown.through(&mut Silent).event(&Event::Note(Notice::NoTest));

        let read = directory.plan().unwrap().unwrap();
        assert!(read.steps.iter().all(|step| !step.ended) && read.steps[0].seconds > 0.0);
        let mut resumed = Countdown::begin(read, directory.clone()).unwrap();
        let progress = resumed.start(task(Kind::Pretrain)).unwrap();
        assert_eq!((progress.step, progress.steps), (2, 3), "what stands before it is done");
        resumed.stop(true).unwrap();
        assert_eq!(directory.plan().unwrap().unwrap().current(), Some(2));
        assert_eq!(resumed.start(task(Kind::Frozen)), None);
    }
}
