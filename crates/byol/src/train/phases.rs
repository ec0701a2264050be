//! How long the parts of a training step take: a clock that a learner carries and that runs only where somebody asks.

use std::cell::Cell;
use std::ops::Index;
use std::time::Instant;

use tch::Device;

use crate::device;

/// A part of a training step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The target branch: what BYOL's predictions are compared with.
    TargetForward,
    /// The network that learns, and the loss.
    OnlineForward,
    /// The gradient, gathered in one tensor.
    Backward,
    /// The optimiser's step, and the weights' copy in the type that the networks compute in.
    Optimizer,
    /// The target's moving average.
    Average,
}

/// Seconds that every phase has taken.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PhaseTimes([f64; 5]);

impl PhaseTimes {
    /// Seconds of all phases together.
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

impl Index<Phase> for PhaseTimes {
    type Output = f64;

    fn index(&self, phase: Phase) -> &f64 {
        &self.0[phase as usize]
    }
}

/// Adds up the time of phases. At first it stands, and a lap costs nothing.
///
/// A GPU works behind the program's back, so a lap waits until it has finished: on a GPU a step with the clock running
/// is slower than one without.
#[derive(Debug, Default)]
pub struct PhaseClock(Cell<Option<Running>>);

#[derive(Clone, Copy, Debug)]
struct Running {
    device: Device,
    lap_began: Instant,
    times: PhaseTimes,
}

impl PhaseClock {
    /// Starts from zero; `device` is the one that computes.
    pub fn start(&self, device: Device) {
        self.0.set(Some(Running { device, lap_began: Instant::now(), times: PhaseTimes::default() }));
    }

    /// Stops, and returns what has been measured; nothing where the clock was not running.
    pub fn stop(&self) -> Option<PhaseTimes> {
        self.0.take().map(|running| running.times)
    }

    /// A lap begins here: the time since the last one belongs to no phase.
    pub(super) fn begin(&self) {
        if let Some(mut running) = self.0.get() {
            running.lap_began = now(running.device);
            self.0.set(Some(running));
        }
    }

    /// A lap that belongs to `phase` ends here, and the next begins.
    pub(super) fn lap(&self, phase: Phase) {
        if let Some(mut running) = self.0.get() {
            let now = now(running.device);
            running.times.0[phase as usize] += (now - running.lap_began).as_secs_f64();
            running.lap_began = now;
            self.0.set(Some(running));
        }
    }

    /// A lap in which threads of their own went through several phases ends here: `parts` are seconds of it, at most as many as
    /// it took, and the rest belongs to `rest`.
    pub(super) fn lap_divided(&self, parts: &[(Phase, f64)], rest: Phase) {
        self.lap(rest);
        if let Some(mut running) = self.0.get() {
            for &(phase, seconds) in parts {
                running.times.0[rest as usize] -= seconds;
                running.times.0[phase as usize] += seconds;
            }
            self.0.set(Some(running));
        }
    }
}

/// The time when `device` has finished what it was given so far.
fn now(device: Device) -> Instant {
    device::finish(device);
    Instant::now()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_lap_counts_from_the_last_one_or_from_a_beginning() {
        let clock = PhaseClock::default();
        clock.lap(Phase::Backward);
        assert_eq!(clock.stop(), None);
        clock.start(Device::Cpu);
        std::thread::sleep(Duration::from_millis(20));
        clock.begin();
        clock.lap(Phase::OnlineForward);
        std::thread::sleep(Duration::from_millis(5));
        clock.lap(Phase::Backward);
        let times = clock.stop().unwrap();
        assert!(times[Phase::OnlineForward] < 0.02 && times[Phase::Backward] >= 0.005);
        assert_eq!(times[Phase::TargetForward], 0.0);
        assert_eq!(times.total(), times[Phase::OnlineForward] + times[Phase::Backward]);
        assert_eq!(clock.stop(), None);
    }

    #[test]
    fn a_divided_lap_is_as_long_as_its_parts() {
        let clock = PhaseClock::default();
        clock.lap_divided(&[(Phase::TargetForward, 1.0)], Phase::Backward);
        assert_eq!(clock.stop(), None);
        clock.start(Device::Cpu);
        std::thread::sleep(Duration::from_millis(20));
        clock.lap_divided(&[(Phase::TargetForward, 0.005), (Phase::OnlineForward, 0.01)], Phase::Backward);
        let times = clock.stop().unwrap();
        assert_eq!((times[Phase::TargetForward], times[Phase::OnlineForward]), (0.005, 0.01));
        assert!(times[Phase::Backward] >= 0.0049 && times.total() >= 0.0199, "{times:?}");
    }
}
