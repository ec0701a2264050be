//! Other work on the same machine: threads that do nothing but count, as a busy program's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Busy threads, until they are dropped.
pub(super) struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u64>>,
}

impl Busy {
    pub(super) fn start(count: usize) -> Busy {
        let stop = Arc::new(AtomicBool::new(false));
        let count_on = |stop: Arc<AtomicBool>| {
            let mut number = 0u64;
            while !stop.load(Ordering::Relaxed) {
                number = std::hint::black_box(number.wrapping_add(1));
            }
            number
        };
        let start = |_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || count_on(stop))
        };
        Busy { threads: (0..count).map(start).collect(), stop }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They only count.
            let _ = thread.join();
        }
    }
}
