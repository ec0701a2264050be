//! The GPUs that the NVIDIA driver knows.

use cudarc::driver::{result as driver, sys};

use crate::CudaError;

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// As the driver calls it: `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Bytes of its memory.
    pub memory: usize,
    /// Compute capability, major and minor.
    pub capability: (i32, i32),
}

/// Every GPU, in the driver's order, which is that of `cuda:N`. What CUDA_VISIBLE_DEVICES hides is not among them.
///
/// # Errors
/// There is no driver, or it refuses.
pub fn gpus() -> Result<Vec<Gpu>, CudaError> {
    // SAFETY: looking for a library runs its initialisers alone.
    if !unsafe { sys::is_culib_present() } {
        return Err(CudaError::NoLibrary("libcuda"));
    }
    match driver::init() {
        Err(driver::DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => return Ok(Vec::new()),
        started => started?,
    }
    let gpu = |index| {
        let device = driver::device::get(index)?;
        let attribute = |attribute| {
            // SAFETY: the device is there.
            unsafe { driver::device::get_attribute(device, attribute) }
        };
        let major = attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        // SAFETY: the device is there.
        let memory = unsafe { driver::device::total_mem(device) }?;
        Ok(Gpu { name: driver::device::get_name(device)?, memory, capability: (major, minor) })
    };
    (0..driver::device::get_count()?).map(gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gpu_has_a_name_and_memory() {
        match gpus() {
            Ok(gpus) => assert!(gpus.iter().all(|gpu| !gpu.name.is_empty() && gpu.memory > 1 << 28), "{gpus:?}"),
            Err(CudaError::NoLibrary(name)) => eprintln!("SKIPPED: {name} is not on this machine"),
            Err(error) => eprintln!("SKIPPED: {error}"),
        }
    }
}
