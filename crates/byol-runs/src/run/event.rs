//! What the library tells whoever runs it while it works. It never prints: the program turns events into progress bars,
//! plain lines or JSON.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::plan::{Plan, Progress};

use super::notice::Notice;
use super::record::{EpochRecord, LabelBudget, ResultName, Stage};

/// Something that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// A training stage begins.
    StageStarted {
        /// Which training it is.
        stage: Stage,
        /// Labels per class that it may use; absent for pre-training.
        labels_per_class: Option<LabelBudget>,
        /// Which label draw, from 0; 0 for pre-training.
        draw: usize,
        /// Epochs of the whole stage.
        epochs: usize,
        /// Optimiser steps of the whole stage.
        steps: usize,
        /// Steps already done, when it was resumed.
        done: usize,
    },
    /// What the run will do, step by step, before the first of them.
    Planned(&'a Plan),
    /// Where the whole run stands: when a step of its plan begins, and before every [`Event::Step`] of it.
    Progress(Progress),
    /// How long the stage will take, measured over its first steps.
    Estimate {
        /// Which training it is.
        stage: Stage,
        /// Seconds that the steps of this sitting should take together.
        seconds: f64,
    },
    /// An optimiser step ended. Sent a few times a second at most. Of trainings that go on side by side only the first tells of
    /// its steps.
    Step(StepReport),
    /// An epoch ended, and this record of it was written.
    EpochEnded(&'a EpochRecord),
    /// A classifier was evaluated on the test images.
    Evaluated {
        /// Which classifier.
        name: ResultName,
        /// The labels that it was trained with.
        labels_per_class: LabelBudget,
        /// Which label draw, from 0.
        draw: usize,
        /// Share of the test images that it classifies rightly, 0-1.
        test_accuracy: f64,
        /// Seconds that training (or fitting) and predicting took.
        seconds: f64,
    },
    /// A checkpoint was written whole.
    CheckpointSaved {
        /// The file.
        path: &'a Path,
    },
    /// What is going on.
    Note(Notice),
    /// Something odd that does not stop the work.
    Warning(Notice),
}

/// Where a training stage stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct StepReport {
    /// Which training it is.
    pub stage: Stage,
    /// From 1.
    pub epoch: usize,
    /// Epochs of the whole stage.
    pub epochs: usize,
    /// Steps finished of the whole stage.
    pub step: usize,
    /// Optimiser steps of the whole stage.
    pub steps: usize,
    /// Loss of a recent step.
    pub loss: f64,
    /// Learning rate of the step, after warm-up and schedule.
    pub learning_rate: f64,
    /// Decay rate of the target network's moving average, 0-1; absent in training with labels.
    pub tau: Option<f64>,
    /// Images per second of the sitting until then, from its third step on; an image of pre-training is two views.
    pub images_per_second: f64,
    /// Seconds until the stage ends, at this speed; at its beginning by the run's plan too, where there is one.
    pub seconds_left: f64,
}

/// Takes events.
pub trait Reporter {
    /// Called on the thread that trains, which waits for it to return.
    fn event(&mut self, event: &Event<'_>);
}

/// Ignores every event.
pub struct Silent;

impl Reporter for Silent {
    fn event(&mut self, _: &Event<'_>) {}
}

/// A request to stop, set from a signal handler or another thread. Training looks at it after every step, writes a
/// checkpoint and returns.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    own: Arc<AtomicBool>,
    whole: Option<Arc<Interrupt>>,
}

impl Interrupt {
    /// Asks whoever looks at it to stop; cannot be taken back.
    pub fn request(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn requested(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.whole.as_ref().is_some_and(|whole| whole.requested())
    }

    /// One for a part of the work: it stops with the whole, and the whole does not stop with it.
    pub fn of_part(&self) -> Interrupt {
        Interrupt { own: Arc::default(), whole: Some(Arc::new(self.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_stops_with_the_whole_and_not_the_other_way_round() {
        let whole = Interrupt::default();
        let parts = [whole.of_part(), whole.of_part()];
        parts[0].request();
        assert_eq!([&parts[0], &parts[1], &whole].map(Interrupt::requested), [true, false, false]);
        whole.clone().request();
        assert!(parts[1].requested());
    }
}
