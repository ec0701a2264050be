//! Learning rate and tau as pure functions of the step.

use std::f64::consts::PI;

use crate::config::ScheduleKind;

/// The learning rate over a stage: linear warm-up from 0, then constant or a cosine to 0 (paper, appendix C).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// The rate at the end of warm-up.
    pub peak: f64,
    /// Optimiser steps of warm-up.
    pub warmup_steps: usize,
    /// Optimiser steps of the whole stage.
    pub steps: usize,
    pub kind: ScheduleKind,
}

impl LearningRate {
    /// The rate of step `step`, from 0.
    ///
    /// Warm-up uses `peak * (step + 1) / warmup`, so that no step has the rate 0; the cosine runs over the steps that
    /// follow.
    pub fn at(&self, step: usize) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.kind {
            ScheduleKind::Constant => self.peak,
            ScheduleKind::Cosine => {
                let progress = (step - self.warmup_steps) as f64 / (self.steps - self.warmup_steps).max(1) as f64;
                self.peak * 0.5 * (1.0 + (PI * progress.min(1.0)).cos())
            }
        }
    }
}

/// The decay rate of the target network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tau {
    pub base: f64,
    /// Optimiser steps of the whole stage.
    pub steps: usize,
    pub kind: ScheduleKind,
}

impl Tau {
    /// The rate at step `step`, from 0. Cosine: `1 - (1 - base) (cos(pi step / steps) + 1) / 2` (paper, section 3.3).
    pub fn at(&self, step: usize) -> f64 {
        match self.kind {
            ScheduleKind::Constant => self.base,
            ScheduleKind::Cosine => {
                1.0 - (1.0 - self.base) * ((PI * step as f64 / self.steps as f64).cos() + 1.0) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-12, "{left} and {right}");
    }

    #[test]
    fn tau_goes_from_base_to_one() {
        let tau = Tau { base: 0.996, steps: 1000, kind: ScheduleKind::Cosine };
        close(tau.at(0), 0.996);
        close(tau.at(500), 0.998);
        close(tau.at(1000), 1.0);
        close(Tau { kind: ScheduleKind::Constant, ..tau }.at(1000), 0.996);
    }

    #[test]
    fn learning_rate_warms_up_and_falls() {
        let rate = LearningRate { peak: 0.4, warmup_steps: 10, steps: 110, kind: ScheduleKind::Cosine };
        close(rate.at(0), 0.04);
        close(rate.at(9), 0.4);
        close(rate.at(10), 0.4);
        close(rate.at(60), 0.2);
        close(rate.at(110), 0.0);
        let constant = LearningRate { kind: ScheduleKind::Constant, ..rate };
        close(constant.at(109), 0.4);
    }
}
