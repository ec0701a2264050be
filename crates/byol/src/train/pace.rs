//! The clocks of a training: how fast it goes, how long it will take, and when a checkpoint is due.

use std::time::{Duration, Instant};

/// Events are sent this often at most.
const REPORT_EVERY: Duration = Duration::from_millis(300);
/// Steps left out of the pace: the first ones warm up caches and kernels.
const WARM_UP_STEPS: usize = 2;

/// A stopwatch over one sitting of a training.
pub(super) struct Pace {
    begun: Instant,
    /// When the warm-up steps were over.
    warm: Option<Instant>,
    steps: usize,
    /// Of the steps after the warm-up: each as a share of one on images of full side.
    work: f64,
    /// Images after the warm-up steps, and in them.
    images: u64,
    warm_up_images: u64,
    reported: Instant,
    estimated: bool,
}

impl Pace {
    pub(super) fn start() -> Pace {
        let now = Instant::now();
        Pace {
            begun: now,
            warm: None,
            steps: 0,
            work: 0.0,
            images: 0,
            warm_up_images: 0,
            reported: now,
            estimated: false,
        }
    }

    /// Counts one step of so many images, which has that share of the pixels that it would have with the full side.
    pub(super) fn step(&mut self, images: usize, share: f64) {
        self.steps += 1;
        if self.steps > WARM_UP_STEPS {
            self.images += images as u64;
            self.work += share;
        } else {
            self.warm_up_images += images as u64;
        }
        if self.steps == WARM_UP_STEPS {
            self.warm = Some(Instant::now());
        }
    }

    pub(super) fn images_per_second(&self) -> f64 {
        match self.warm {
            Some(warm) if self.images > 0 => self.images as f64 / warm.elapsed().as_secs_f64().max(1e-9),
            _ => self.warm_up_images as f64 / self.seconds().max(1e-9),
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Seconds that further steps will take, so many of them if all images had the full side.
    pub(super) fn seconds_for(&self, work: f64) -> f64 {
        match self.warm {
            Some(warm) if self.work > 0.0 => warm.elapsed().as_secs_f64() / self.work * work,
            _ => 0.0,
        }
    }

    /// Whether it is time to report a step.
    pub(super) fn due(&mut self) -> bool {
        let due = self.reported.elapsed() >= REPORT_EVERY;
        if due {
            self.reported = Instant::now();
        }
        due
    }

    /// True once, as soon as an estimate of the whole stage is worth telling.
    pub(super) fn estimate_due(&mut self) -> bool {
        let due = !self.estimated && self.steps >= WARM_UP_STEPS + 8;
        self.estimated |= due;
        due
    }
}

/// When a checkpoint is due that no epoch asks for.
pub(super) struct CheckpointClock {
    saved: Instant,
    every: Option<Duration>,
}

impl CheckpointClock {
    pub(super) fn start(minutes: f64) -> CheckpointClock {
        let every = (minutes > 0.0).then(|| Duration::from_secs_f64(60.0 * minutes));
        CheckpointClock { saved: Instant::now(), every }
    }

    pub(super) fn due(&self) -> bool {
        self.every.is_some_and(|every| self.saved.elapsed() >= every)
    }

    pub(super) fn saved(&mut self) {
        self.saved = Instant::now();
    }
}
