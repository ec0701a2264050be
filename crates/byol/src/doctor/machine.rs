//! What the machine and the program have: system, processor, memory, libtorch, GPUs.

use std::path::PathBuf;

use serde::Serialize;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind};

use crate::device;

/// This program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Program {
    pub version: String,
    pub path: Option<PathBuf>,
    /// Whose `malloc` it uses: `glibc 2.36`, or the library that is loaded before it.
    pub allocator: String,
}

/// The machine that it runs on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    pub system: System,
    pub processor: Processor,
    pub memory: Memory,
    pub libtorch: Libtorch,
    pub graphics: Graphics,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct System {
    /// `Linux (Debian GNU/Linux 12)`.
    pub name: String,
    pub kernel: Option<String>,
    /// `x86_64`.
    pub architecture: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Processor {
    pub model: String,
    pub cores: Option<usize>,
    /// Threads of the hardware.
    pub threads: usize,
    /// Threads that this process may use at a time.
    pub usable_threads: usize,
    /// Instruction sets that matter to training, as the system names them.
    pub instructions: Vec<&'static str>,
    /// Whether bfloat16 is multiplied faster than float32.
    pub multiplies_bf16: bool,
}

/// Memory that this process may have: the machine's, or what its container allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    pub total_bytes: u64,
    pub available_bytes: u64,
}

/// The libtorch that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Libtorch {
    pub version: Option<String>,
    /// Instruction set of its own kernels.
    pub instructions: Option<String>,
    pub onednn: Option<String>,
    /// Where its CPU half was loaded from.
    pub library: Option<PathBuf>,
    pub cuda_half: CudaHalf,
}

/// The half of libtorch that computes on GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum CudaHalf {
    /// Not beside the CPU half.
    Missing,
    /// It is there; without a driver it is not loaded.
    There,
    /// It is loaded and finds a GPU.
    Usable,
    /// It is there, but cannot be loaded or finds no GPU.
    Unusable { reason: String },
}

/// What is there for computing on NVIDIA GPUs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Graphics {
    pub driver_loaded: bool,
    /// `580.95.05`; absent where there is no driver, or it does not say.
    pub driver_version: Option<String>,
    pub gpus: Gpus,
    /// Version of NVRTC, which compiles this program's kernels; absent where it is not there.
    pub nvrtc: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gpus {
    Found(Vec<GpuFound>),
    Unknown { reason: String },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GpuFound {
    pub name: String,
    pub memory_bytes: usize,
    /// `9.0`.
    pub capability: String,
}

/// Looks at everything.
pub(super) fn look() -> Machine {
    let kinds =
        RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing()).with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = sysinfo::System::new_with_specifics(kinds);
    Machine {
        system: System {
            name: sysinfo::System::long_os_version().unwrap_or_else(|| std::env::consts::OS.to_owned()),
            kernel: sysinfo::System::kernel_version(),
            architecture: std::env::consts::ARCH,
        },
        processor: processor(&system),
        memory: memory(&system),
        libtorch: libtorch(),
        graphics: graphics(),
    }
}

pub(super) fn program() -> Program {
    Program { version: crate::version(), path: std::env::current_exe().ok(), allocator: allocator() }
}

/// Libraries that replace `malloc` say so by their names.
fn allocator() -> String {
    let preloaded = std::env::var("LD_PRELOAD").unwrap_or_default();
    let named = preloaded.split([':', ' ']).find(|library| library.contains("malloc") || library.contains("tbb"));
    named.map_or_else(system_allocator, ToOwned::to_owned)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn system_allocator() -> String {
    // SAFETY: the call returns a constant C string.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn system_allocator() -> String {
    "the system's".to_owned()
}

fn processor(system: &sysinfo::System) -> Processor {
    let model = system.cpus().first().map(|processor| processor.brand().trim().to_owned());
    Processor {
        model: model.filter(|model| !model.is_empty()).unwrap_or_else(|| "unknown".to_owned()),
        cores: sysinfo::System::physical_core_count(),
        threads: system.cpus().len(),
        usable_threads: std::thread::available_parallelism().map_or(1, |threads| threads.get()),
        instructions: instructions(),
        multiplies_bf16: device::multiplies_bf16(),
    }
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Vec<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let mut found: Vec<&'static str> = [
        ("avx2", has!("avx2")),
        ("fma", has!("fma")),
        ("avx512f", has!("avx512f")),
        ("avx512_vnni", has!("avx512vnni")),
        ("avx512_bf16", has!("avx512bf16")),
    ]
    .into_iter()
    .filter_map(|(name, there)| there.then_some(name))
    .collect();
    // The system must allow AMX too, which its list of flags tells.
    let cpuinfo = device::cpuinfo();
    let flags = device::flags_of(&cpuinfo);
    found.extend(["amx_tile", "amx_bf16", "amx_int8"].into_iter().filter(|name| flags.contains(name)));
    found
}

#[cfg(target_arch = "aarch64")]
fn instructions() -> Vec<&'static str> {
    use std::arch::is_aarch64_feature_detected as has;
    let all = [("neon", has!("neon")), ("bf16", has!("bf16")), ("i8mm", has!("i8mm")), ("sve", has!("sve"))];
    all.into_iter().filter_map(|(name, there)| there.then_some(name)).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> Vec<&'static str> {
    Vec::new()
}

fn memory(system: &sysinfo::System) -> Memory {
    let whole = Memory { total_bytes: system.total_memory(), available_bytes: system.available_memory() };
    match system.cgroup_limits() {
        Some(limits) if limits.total_memory > 0 && limits.total_memory < whole.total_bytes => {
            Memory { total_bytes: limits.total_memory, available_bytes: limits.free_memory.min(whole.available_bytes) }
        }
        _ => whole,
    }
}

fn libtorch() -> Libtorch {
    let byol_torch::about::About { version, instructions, onednn, library } = byol_torch::about::about();
    let beside = library.as_deref().and_then(|library| library.parent());
    let there = beside.is_some_and(|folder| folder.join("libtorch_cuda.so").exists());
    let cuda_half = match device::cuda_devices() {
        Ok(_) => CudaHalf::Usable,
        Err(_) if !there => CudaHalf::Missing,
        Err(_) if !device::has_driver() => CudaHalf::There,
        Err(reason) => CudaHalf::Unusable { reason },
    };
    Libtorch { version, instructions, onednn, library, cuda_half }
}

fn graphics() -> Graphics {
    let nvrtc = byol_cuda::compiler_version().ok().map(|(major, minor)| format!("{major}.{minor}"));
    if !device::has_driver() {
        return Graphics { driver_loaded: false, driver_version: None, gpus: Gpus::Found(Vec::new()), nvrtc };
    }
    let gpus = match byol_cuda::device::gpus() {
        Ok(gpus) => Gpus::Found(gpus.into_iter().map(GpuFound::from).collect()),
        Err(error) => Gpus::Unknown { reason: error.to_string() },
    };
    let version = std::fs::read_to_string("/sys/module/nvidia/version").ok();
    let driver_version = version.map(|version| version.trim().to_owned());
    Graphics { driver_loaded: true, driver_version, gpus, nvrtc }
}

impl From<byol_cuda::device::Gpu> for GpuFound {
    fn from(gpu: byol_cuda::device::Gpu) -> GpuFound {
        let (major, minor) = gpu.capability;
        GpuFound { name: gpu.name, memory_bytes: gpu.memory, capability: format!("{major}.{minor}") }
    }
}
