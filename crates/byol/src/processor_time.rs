//! How much a thread has kept a core busy, and how much of the machine other programs took meanwhile.

use std::time::Duration;

/// Processor time of the calling thread since it began. Waiting, and other threads on the same core, do not count.
#[cfg(unix)]
pub fn of_this_thread() -> Duration {
    clock(libc::CLOCK_THREAD_CPUTIME_ID)
}

/// Processor time of all threads of this process since it began, those that have ended too.
#[cfg(unix)]
pub fn of_this_process() -> Duration {
    clock(libc::CLOCK_PROCESS_CPUTIME_ID)
}

#[cfg(unix)]
fn clock(which: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone.
    match unsafe { libc::clock_gettime(which, &raw mut time) } {
        0 => Duration::new(time.tv_sec as u64, time.tv_nsec as u32),
        _ => Duration::ZERO,
    }
}

/// Wall-clock time instead, where threads have no clock of their own.
#[cfg(not(unix))]
pub fn of_this_thread() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGUN.elapsed()
}

/// Likewise.
#[cfg(not(unix))]
pub fn of_this_process() -> Duration {
    of_this_thread()
}

/// Processor time of the whole machine and of this process, at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Seconds of this process, all threads together, those that have ended too.
    own: f64,
    /// Seconds in which the cores worked, for any program.
    busy: f64,
    /// Seconds in which they had nothing to do.
    idle: f64,
}

/// A machine with more idle time than this share has room for all of its programs.
const ROOM: f64 = 0.15;

impl Usage {
    /// What has been used by now; nothing where the system does not tell.
    #[cfg(target_os = "linux")]
    pub fn now() -> Option<Usage> {
        let text = std::fs::read_to_string("/proc/stat").ok()?;
        // user nice system idle iowait irq softirq steal; guests count in user.
        let ticks: Vec<f64> =
            text.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, idle, waiting, interrupts, soft, ..] = ticks[..] else { return None };
        let stolen = ticks.get(7).copied().unwrap_or(0.0);
        // SAFETY: the call reads a constant of the system.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
        if per_second <= 0.0 {
            return None;
        }
        Some(Usage {
            own: of_this_process().as_secs_f64(),
            busy: (user + nice + system + interrupts + soft + stolen) / per_second,
            idle: (idle + waiting) / per_second,
        })
    }

    /// Other systems tell it otherwise.
    #[cfg(not(target_os = "linux"))]
    pub fn now() -> Option<Usage> {
        None
    }

    /// The share of the processor that other programs took from this one between two moments, 0 to 1: none of it while cores
    /// had nothing to do.
    pub fn taken_by_others(self, later: Usage) -> f64 {
        let (own, busy, idle) = (later.own - self.own, later.busy - self.busy, later.idle - self.idle);
        let whole = busy + idle;
        if whole <= 0.0 || idle > ROOM * whole {
            return 0.0;
        }
        ((busy - own) / whole).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_take_what_is_busy_and_not_our_own() {
        let at = |own, busy, idle| Usage { own, busy, idle };
        let begun = at(10.0, 100.0, 50.0);
        assert_eq!(begun.taken_by_others(at(20.0, 120.0, 50.0)), 0.5);
        assert_eq!(begun.taken_by_others(at(30.0, 120.0, 50.0)), 0.0);
        assert_eq!(begun.taken_by_others(at(20.0, 120.0, 70.0)), 0.0, "there was room");
        assert_eq!(begun.taken_by_others(begun), 0.0);
        if let Some(now) = Usage::now() {
            assert!(now.busy > 0.0 && now.own > 0.0, "{now:?}");
        }
    }
}
