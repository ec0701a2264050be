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
    /// What follows warm-up: a constant rate, or a cosine to 0.
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

impl LearningRate {
    /// The rate of step `step` of a training that was extended: `ends` are the lengths in steps that it had before, growing.
    ///
    /// Up to each of them the rates are those of a training of that length, and from there on those that a training of
    /// the next length has at the same step, reached again by a linear warm-up: a longer training's second part, from a
    /// network that had come to rest. Warming up again and decaying again is how pre-training is continued elsewhere
    /// (Ibrahim et al. 2024, arXiv 2403.08763, sections 6.1 and 7; Loshchilov and Hutter 2017, arXiv 1608.03983, restart
    /// without warm-up); not at the full peak, because the data are the same and a short extension is to disturb little.
    pub fn extended_at(&self, step: usize, ends: &[usize]) -> f64 {
        let (steps, begun) = part_of(step, ends, self.steps);
        let rate = LearningRate { steps, ..*self }.at(step);
        match begun.map(|begun| step - begun) {
            Some(since) if since < self.warmup_steps && self.kind == ScheduleKind::Cosine => {
                rate * (since + 1) as f64 / self.warmup_steps as f64
            }
            _ => rate,
        }
    }
}

/// The length that a training of `steps` steps, whose earlier lengths were `ends`, had at a step, and where that part of it
/// began, if it is not the first.
fn part_of(step: usize, ends: &[usize], steps: usize) -> (usize, Option<usize>) {
    let part = ends.partition_point(|&end| end <= step);
    (ends.get(part).copied().unwrap_or(steps), part.checked_sub(1).map(|before| ends[before]))
}

/// The decay rate of the target network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tau {
    /// Tau of the first step, 0-1.
    pub base: f64,
    /// Optimiser steps of the whole stage.
    pub steps: usize,
    /// Cosine rises from the base to 1; constant stays at it.
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

impl Tau {
    /// The rate at step `step` of a training that was extended, as [`LearningRate::extended_at`].
    pub fn extended_at(&self, step: usize, ends: &[usize]) -> f64 {
        let (steps, _) = part_of(step, ends, self.steps);
        Tau { steps, ..*self }.at(step)
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
    fn an_extension_is_the_second_part_of_a_longer_training() {
        let rate = LearningRate { peak: 0.4, warmup_steps: 10, steps: 210, kind: ScheduleKind::Cosine };
        let first = LearningRate { steps: 110, ..rate };
        for step in [0, 9, 60, 109] {
            close(rate.extended_at(step, &[110]), first.at(step));
        }
        // A tenth of what the longer training has there, then two, at last all of it.
        close(rate.extended_at(110, &[110]), 0.1 * 0.2);
        close(rate.extended_at(111, &[110]), 0.2 * rate.at(111));
        close(rate.extended_at(119, &[110]), rate.at(119));
        close(rate.extended_at(210, &[110]), 0.0);
        close(rate.extended_at(150, &[]), rate.at(150));
        let constant = LearningRate { kind: ScheduleKind::Constant, ..rate };
        close(constant.extended_at(110, &[110]), 0.4);

        let tau = Tau { base: 0.996, steps: 200, kind: ScheduleKind::Cosine };
        close(tau.extended_at(99, &[100]), Tau { steps: 100, ..tau }.at(99));
        close(tau.extended_at(100, &[100]), 0.998);
        close(tau.extended_at(40, &[50, 100]), Tau { steps: 50, ..tau }.at(40));
        close(tau.extended_at(60, &[50, 100]), Tau { steps: 100, ..tau }.at(60));
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
