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
        stage: Stage,
        labels_per_class: Option<LabelBudget>,
        draw: usize,
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
        stage: Stage,
        seconds: f64,
    },
    /// An optimiser step ended. Sent a few times a second at most.
    Step(StepReport),
    EpochEnded(&'a EpochRecord),
    /// A classifier was evaluated on the test images.
    Evaluated {
        name: ResultName,
        labels_per_class: LabelBudget,
        draw: usize,
        test_accuracy: f64,
        seconds: f64,
    },
    CheckpointSaved {
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
    pub stage: Stage,
    /// From 1.
    pub epoch: usize,
    pub epochs: usize,
    /// Steps finished of the whole stage.
    pub step: usize,
    pub steps: usize,
    /// Loss of a recent step.
    pub loss: f64,
    pub learning_rate: f64,
    pub tau: Option<f64>,
    pub images_per_second: f64,
    pub seconds_left: f64,
}

/// Takes events.
pub trait Reporter {
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
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
