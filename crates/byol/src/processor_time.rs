//! How much a thread has kept a core busy.

use std::time::Duration;

/// Processor time of the calling thread since it began. Waiting, and other threads on the same core, do not count.
#[cfg(unix)]
pub fn of_this_thread() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `time` alone.
    match unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } {
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
