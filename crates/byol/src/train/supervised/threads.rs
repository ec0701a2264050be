//! How many of libtorch's threads compute a step. A step on few small images has some hundred operations of microseconds each,
//! after every one of which the threads wait for each other.

use tch::Tensor;

/// Floating-point operations of a step that a thread of its own is worth. Measured on two cores (AVX-512, bf16) with the demo's
/// network, of 24 MFLOP an image: one thread computes batches of 10 and 16 images 1.2 times as fast as two, batches of 32 take
/// 1.1 times as long.
const LEAST_FLOPS: u64 = 300_000_000;

/// The threads that are worth starting for so many floating-point operations, of so many.
pub(super) fn worth(flops: u64, threads: usize) -> usize {
    let most = usize::try_from(flops / LEAST_FLOPS).unwrap_or(usize::MAX);
    most.clamp(1, threads.max(1))
}

/// Fewer of libtorch's threads for the calling one, until this is dropped.
pub(super) struct Fewer {
    before: usize,
}

impl Fewer {
    /// As many as a step of so many floating-point operations on these images is worth; nothing where it is worth all, or a GPU
    /// computes.
    pub fn for_step(images: &Tensor, flops: impl FnOnce() -> u64) -> Option<Fewer> {
        let before = tch::get_num_threads().max(1) as usize;
        if before == 1 || images.device().is_cuda() {
            return None;
        }
        let threads = worth(flops(), before);
        (threads < before).then(|| {
            byol_torch::set_own_threads(threads);
            Fewer { before }
        })
    }
}

impl Drop for Fewer {
    fn drop(&mut self) {
        byol_torch::set_own_threads(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_for_every_part_that_is_worth_one() {
        let cases = [(0, 1), (LEAST_FLOPS, 1), (2 * LEAST_FLOPS - 1, 1), (2 * LEAST_FLOPS, 2), (100 * LEAST_FLOPS, 4)];
        for (flops, threads) in cases {
            assert_eq!(worth(flops, 4), threads, "{flops}");
        }
    }

    #[test]
    fn the_threads_come_back() {
        let asked = || {
            byol_torch::set_own_threads(3);
            let images = Tensor::zeros([1], (tch::Kind::Float, tch::Device::Cpu));
            let fewer = Fewer::for_step(&images, || 2 * LEAST_FLOPS);
            let meanwhile = tch::get_num_threads();
            drop(fewer);
            let all = Fewer::for_step(&images, || u64::MAX).is_none();
            (meanwhile, all, tch::get_num_threads())
        };
        assert_eq!(std::thread::spawn(asked).join().unwrap(), (2, true, 3));
    }
}
