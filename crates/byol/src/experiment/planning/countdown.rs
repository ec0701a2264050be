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
    /// Optimiser steps that the training of this sitting began with.
    done: usize,
}

impl Countdown {
    /// Writes the plan.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn begin(plan: Plan, directory: RunDirectory) -> Result<Countdown, RunError> {
        directory.write_plan(&plan)?;
        Ok(Countdown { plan, directory, current: None, done: 0 })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A step begins; what stands before it has been done, which others read in the plan.
    ///
    /// # Errors
    /// The plan cannot be written.
    pub(crate) fn start(&mut self, task: Task) -> Result<Option<Progress>, RunError> {
        let Some(step) = self.plan.steps.iter().position(|step| step.task == task && !step.ended) else {
            return Ok(None);
        };
        let before = &mut self.plan.steps[..step];
        if before.iter().any(|step| !step.ended) {
            before.iter_mut().for_each(|step| step.ended = true);
            self.directory.write_plan(&self.plan)?;
        }
        (self.current, self.done) = (Some((step, Instant::now(), None)), 0);
        Ok(self.progress())
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
        let (step, _, left) = self.current?;
        Some(self.plan.progress(step, left.unwrap_or_else(|| self.planned_left())))
    }

    /// Seconds that are left of the current step by the plan.
    fn planned_left(&self) -> f64 {
        let Some((step, since, _)) = self.current else { return 0.0 };
        (self.plan.expected_left(step) - since.elapsed().as_secs_f64()).max(0.0)
    }

    /// Takes over what a training says about itself: at the beginning of a sitting little, from a tenth of what was left on all.
    /// What is then said to be left of the training is what the whole counts on.
    fn measured(&mut self, report: &StepReport) -> StepReport {
        let [done, steps] = [report.step, report.steps].map(|steps| steps.saturating_sub(self.done) as f64);
        let trust = (done / steps.max(1.0) / TRUSTED_FROM).min(1.0);
        let seconds_left = trust * report.seconds_left + (1.0 - trust) * self.planned_left();
        if let Some((_, _, left)) = &mut self.current {
            *left = Some(seconds_left);
        }
        StepReport { seconds_left, ..*report }
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
        if let Event::StageStarted { done, .. } = event {
            self.countdown.done = *done;
        }
        let Event::Step(report) = event else { return self.inner.event(event) };
        let task = self.countdown.current.map(|(step, ..)| self.countdown.plan.steps[step].task);
        // A sweep's trials come before the training that the step is about.
        let own = task.is_some_and(|task| task.kind == Kind::of(report.stage));
        let report = if own && report.seconds_left > 0.0 { self.countdown.measured(report) } else { *report };
        if let Some(progress) = self.countdown.progress() {
            // A trial that takes longer than was planned for the whole step is a part of the whole all the same.
            let seconds_left = progress.seconds_left.max(report.seconds_left);
            self.inner.event(&Event::Progress(Progress { seconds_left, ..progress }));
        }
        self.inner.event(&Event::Step(report));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Rates, Step};
    use crate::run::event::Silent;
    use crate::run::notice::Notice;
    use crate::run::record::Stage;

    /// What was told last: of the whole, and of the training.
    #[derive(Debug, Default)]
    struct Last(Option<Progress>, Option<StepReport>);

    impl Reporter for Last {
        fn event(&mut self, event: &Event<'_>) {
            match event {
                Event::Progress(progress) => self.0 = Some(*progress),
                Event::Step(report) => self.1 = Some(*report),
                _ => {}
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
        assert_eq!(countdown.start(task(Kind::Baseline)).unwrap().unwrap().step, 1);
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
        let mut last = Last::default();
        countdown.through(&mut last).event(&Event::Step(report));
        assert_eq!(last.0, Some(Progress { step: 1, steps: 3, seconds_left: 130.0 }));
        // At its beginning a training knows little of its speed; what is said to be left of it is a part of what is left of the whole.
        for (step, seconds_left) in [(0, 5000.0), (1, 5.0)] {
            countdown.through(&mut last).event(&Event::Step(StepReport { step, seconds_left, ..report }));
            let (whole, own) = (last.0.unwrap().seconds_left, last.1.unwrap().seconds_left);
            assert!((whole - own - 100.0).abs() < 1e-9 && own < 60.0, "{whole} {own}");
        }
        let trial = StepReport { stage: Stage::Finetune, seconds_left: 1000.0, ..report };
        countdown.through(&mut last).event(&Event::Step(trial));
        assert_eq!(last.0.unwrap().seconds_left, 1000.0);
        countdown.stop(false).unwrap();
        countdown.through(&mut Silent).event(&Event::Note(Notice::NoTest));

        let read = directory.plan().unwrap().unwrap();
        assert!(read.steps.iter().all(|step| !step.ended) && read.steps[0].seconds > 0.0);
        let mut resumed = Countdown::begin(read, directory.clone()).unwrap();
        let progress = resumed.start(task(Kind::Pretrain)).unwrap().unwrap();
        assert_eq!((progress.step, progress.steps), (2, 3), "what stands before it is done");
        assert_eq!(directory.plan().unwrap().unwrap().current(), Some(1), "others see that too");
        // Of a training that goes on after 98 of its 100 steps, the next one is half of what is left.
        let begun = Event::StageStarted {
            stage: Stage::Pretrain,
            labels_per_class: None,
            draw: 0,
            epochs: 2,
            steps: 100,
            done: 98,
        };
        let going_on = StepReport { stage: Stage::Pretrain, step: 98, steps: 100, seconds_left: 7.0, ..report };
        resumed.through(&mut last).event(&begun);
        resumed.through(&mut last).event(&Event::Step(going_on));
        assert!(last.1.unwrap().seconds_left > 20.0, "the plan's word: {last:?}");
        resumed.through(&mut last).event(&Event::Step(StepReport { step: 99, ..going_on }));
        assert_eq!(last.1.unwrap().seconds_left, 7.0);
        resumed.stop(true).unwrap();
        assert_eq!(directory.plan().unwrap().unwrap().current(), Some(2));
        assert_eq!(resumed.start(task(Kind::Frozen)).unwrap(), None);
    }
}
