//! What this machine can do, and how much memory this process has.

use std::time::Instant;

use serde::Serialize;
use tch::{Kind, Tensor};

use crate::device::Precision;
use crate::device::{self, Hardware};

/// Matrix products that are measured; their median counts.
const PRODUCTS: usize = 9;

/// 10^9 floating-point operations per second, two for a multiply-add, of a product of square matrices: 2048 rows on a
/// CPU, 8192 on a GPU.
pub fn matmul_gflops(hardware: &Hardware) -> f64 {
    let Hardware { device, precision, .. } = *hardware;
    let kind = match precision {
        Precision::Full => Kind::Float,
        Precision::Bf16 => Kind::BFloat16,
    };
    let rows: i64 = if device.is_cuda() { 8192 } else { 2048 };
    tch::no_grad(|| {
        let [left, right] = [(); 2].map(|()| Tensor::randn([rows, rows], (Kind::Float, device)).to_kind(kind));
        let product = Tensor::zeros([rows, rows], (kind, device));
        let mut seconds: Vec<f64> = (0..PRODUCTS + 2)
            .map(|_| {
                device::finish(device);
                let begun = Instant::now();
                let _ = left.matmul_out(&product, &right);
                device::finish(device);
                begun.elapsed().as_secs_f64()
            })
            .skip(2)
            .collect();
        seconds.sort_by(f64::total_cmp);
        2.0 * (rows as f64).powi(3) / seconds[PRODUCTS / 2] / 1e9
    })
}

/// Memory of this process in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// What it has made: anonymous and shared pages.
    pub memory_mib: f64,
    /// Pages of mapped files, the program's own and a data set's. They are the system's cache: it drops them where
    /// memory is short.
    pub mapped_mib: f64,
    /// Most that it has had of both since the measurement began.
    pub peak_memory_mib: f64,
}

/// Memory of this process now; `None` where the system does not say.
#[cfg(target_os = "linux")]
pub fn memory() -> Option<Memory> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes / 1024.0)
    };
    Some(Memory {
        memory_mib: mib("RssAnon")? + mib("RssShmem")?,
        mapped_mib: mib("RssFile")?,
        peak_memory_mib: mib("VmHWM")?,
    })
}

#[cfg(not(target_os = "linux"))]
pub fn memory() -> Option<Memory> {
    None
}

/// Gives back what the allocator keeps of earlier work, and lets the peak begin anew; as far as the system allows.
pub fn forget_memory() {
    // SAFETY: the call returns free blocks to the system under the allocator's own locks.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
    // proc(5): 5 resets the peak of the resident set. Where it is refused, the peak is that of the whole process.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Seconds since this process was started, to a hundredth; loading libraries counts. `None` where the system does not
/// say.
#[cfg(target_os = "linux")]
pub fn process_age() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, second, is in brackets and may hold spaces; the time of the start is field 22 (proc(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let started: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    // SAFETY: the call reads a constant of the system.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64;
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to `now` alone.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) } != 0;
    let now = now.tv_sec as f64 + now.tv_nsec as f64 / 1e9;
    (!failed && ticks > 0.0).then(|| (now - started / ticks).max(0.0))
}

#[cfg(not(target_os = "linux"))]
pub fn process_age() -> Option<f64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_young_and_has_memory() {
        let age = process_age().unwrap();
        assert!((0.0..3600.0).contains(&age), "{age}");
        let memory = memory().unwrap();
        assert!(memory.memory_mib > 0.1 && memory.peak_memory_mib >= memory.memory_mib, "{memory:?}");
    }
}
