//! Which device, precision, threads and other processes the work uses, and loading the GPU half of libtorch when there is a GPU.

use std::fmt;
use std::str::FromStr;

use byol_torch::group::{Nccl, Refused};
use tch::{Cuda, Device};

use crate::ranks::{Medium, Ranks, RanksError};

/// The type that a forward pass computes in. Parameters are kept as they are in [`Weights`](crate::model::Weights); the loss is float32 or
/// wider in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// The type of the weights: float32 (float64 in tests).
    Full,
    /// bfloat16 activations and matrix products; batch-norm parameters and statistics stay float32.
    Bf16,
}

/// The device that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU where one works, else the CPU.
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of that number, from 0 in the driver's order.
    Cuda(usize),
}

/// The precision that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// bfloat16 where the hardware multiplies it faster than float32, else float32.
    Auto,
    /// float32.
    Fp32,
    /// bfloat16, on any hardware.
    Bf16,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceChoice::Auto => write!(f, "auto"),
            DeviceChoice::Cpu => write!(f, "cpu"),
            DeviceChoice::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl fmt::Display for PrecisionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PrecisionChoice::Auto => "auto",
            PrecisionChoice::Fp32 => "fp32",
            PrecisionChoice::Bf16 => "bf16",
        })
    }
}

/// A device that is not there, or a name that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is that of no device.
    #[error("device must be 'auto', 'cpu', 'cuda' or 'cuda:N', not '{0}'")]
    UnknownDevice(String),
    /// The name is that of no precision.
    #[error("precision must be 'auto', 'fp32' or 'bf16', not '{0}'")]
    UnknownPrecision(String),
    /// The GPU that was asked for cannot be used.
    #[error("device 'cuda:{index}' is not there: {reason}; use '--device cpu' or '--device auto'")]
    NoCuda {
        /// Its number, from 0.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// No threads were asked for.
    #[error("threads must be at least 1, not 0")]
    NoThreads,
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(DeviceChoice::Cuda)
                .ok_or_else(|| DeviceError::UnknownDevice(text.to_owned())),
        }
    }
}

impl FromStr for PrecisionChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(PrecisionChoice::Auto),
            "fp32" => Ok(PrecisionChoice::Fp32),
            "bf16" => Ok(PrecisionChoice::Bf16),
            _ => Err(DeviceError::UnknownPrecision(text.to_owned())),
        }
    }
}

/// What the work runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    /// Where tensors lie and are computed.
    pub device: Device,
    /// The type that forward passes compute in.
    pub precision: Precision,
    /// Threads of libtorch's operations on the CPU, and of rendering.
    pub threads: usize,
    /// The processes that pre-train together; by default this one alone.
    pub ranks: Ranks,
}

impl DeviceChoice {
    /// That of one of several ranks on a host, by its number there: the GPU of that number, or the only one that it sees.
    pub fn of_rank(self, local: usize) -> DeviceChoice {
        match (self, cuda_devices()) {
            (DeviceChoice::Auto | DeviceChoice::Cuda(0), Ok(seen)) if seen > 1 => DeviceChoice::Cuda(local),
            (chosen, _) => chosen,
        }
    }
}

impl Hardware {
    /// The first GPU where one works, else the CPU; the faster precision; all cores. Call it before any tensor is made,
    /// as [`Hardware::choose`].
    pub fn auto() -> Hardware {
        Hardware::set_up(automatic_device(), PrecisionChoice::Auto, None)
    }

    /// Settles device, precision and threads, and sets libtorch up for them. Call it before any tensor is made: once
    /// libtorch has run a backward pass on the CPU, it does not take up a GPU any more.
    ///
    /// # Errors
    /// The GPU that was asked for is not there, or `threads` is 0.
    pub fn choose(
        device: DeviceChoice,
        precision: PrecisionChoice,
        threads: Option<usize>,
    ) -> Result<Hardware, DeviceError> {
        if threads == Some(0) {
            return Err(DeviceError::NoThreads);
        }
        let device = match device {
            DeviceChoice::Cpu => Device::Cpu,
            DeviceChoice::Cuda(index) => {
                let available = cuda_devices().map_err(|reason| DeviceError::NoCuda { index, reason })?;
                if index >= available {
                    return Err(DeviceError::NoCuda { index, reason: format!("this machine has {available} GPUs") });
                }
                Device::Cuda(index)
            }
            DeviceChoice::Auto => automatic_device(),
        };
        Ok(Hardware::set_up(device, precision, threads))
    }

    fn set_up(device: Device, precision: PrecisionChoice, threads: Option<usize>) -> Hardware {
        let threads =
            threads.or_else(|| std::thread::available_parallelism().ok().map(|cores| cores.get())).unwrap_or(1);
        tch::set_num_threads(threads as i32);
        if device.is_cuda() {
            Cuda::cudnn_set_benchmark(true);
        }
        let precision = match precision {
            PrecisionChoice::Fp32 => Precision::Full,
            PrecisionChoice::Bf16 => Precision::Bf16,
            PrecisionChoice::Auto => fastest_precision(device),
        };
        Hardware { device, precision, threads, ranks: Ranks::default() }
    }

    /// The same as one of several ranks, which are joined for tensors on its device.
    ///
    /// # Errors
    /// The ranks cannot be joined there.
    pub fn among(self, ranks: &Ranks) -> Result<Hardware, RanksError> {
        let medium = match self.device.is_cuda() {
            true => nccl().map(Medium::Gpu).ok_or_else(|| {
                RanksError::Unjoined(Refused("libtorch's GPU library has no group over NCCL".to_owned()))
            })?,
            false => Medium::Cpu,
        };
        ranks.compute_in(medium)?;
        Ok(Hardware { ranks: ranks.clone(), ..self })
    }

    /// The same without others.
    pub fn alone(&self) -> Hardware {
        Hardware { ranks: Ranks::default(), ..self.clone() }
    }

    /// The same with another number of threads, at least one, which libtorch is set up for.
    pub fn with_threads(&self, threads: usize) -> Hardware {
        tch::set_num_threads(threads as i32);
        Hardware { threads, ..self.clone() }
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            Device::Cuda(index) => write!(f, "cuda:{index}")?,
            _ => write!(f, "cpu, {} threads", self.threads)?,
        }
        match self.precision {
            Precision::Full => write!(f, ", fp32"),
            Precision::Bf16 => write!(f, ", bf16"),
        }
    }
}

/// What a run was computed on, as far as numbers depend on it: [`Hardware`] as it is displayed, which a run records, read
/// back. On a CPU the number of threads is a part of it, because it decides the order in which libtorch adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedHardware {
    /// The device, as [`Hardware::choose`] takes it.
    pub device: DeviceChoice,
    /// The precision, as [`Hardware::choose`] takes it.
    pub precision: PrecisionChoice,
    /// Threads of a CPU; absent for a GPU.
    pub threads: Option<usize>,
}

impl RecordedHardware {
    /// None where the text is no hardware of ours.
    pub fn read(text: &str) -> Option<RecordedHardware> {
        let (place, precision) = text.rsplit_once(", ")?;
        let (device, threads) = match place.split_once(", ") {
            Some((device, threads)) => (device, Some(threads.strip_suffix(" threads")?.parse().ok()?)),
            None => (place, None),
        };
        Some(RecordedHardware { device: device.parse().ok()?, precision: precision.parse().ok()?, threads })
    }

    /// Whether `hardware` computes the same numbers, as far as can be told: GPUs are not told apart. Several ranks may go on
    /// where others stopped, on other threads: their number changes rounding anyway.
    pub fn computes_as(&self, hardware: &Hardware) -> bool {
        let now = RecordedHardware::read(&hardware.to_string());
        let kind = |recorded: &RecordedHardware| match recorded.device {
            DeviceChoice::Cuda(_) => DeviceChoice::Cuda(0),
            device => device,
        };
        now.is_some_and(|now| {
            let threads = if hardware.ranks.is_alone() { self.threads } else { now.threads };
            RecordedHardware { device: kind(self), threads, ..*self } == RecordedHardware { device: kind(&now), ..now }
        })
    }
}

impl fmt::Display for RecordedHardware {
    /// The options of the program that mean it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--device {} --precision {}", self.device, self.precision)?;
        self.threads.map_or(Ok(()), |threads| write!(f, " --threads {threads}"))
    }
}

fn automatic_device() -> Device {
    match cuda_devices() {
        Ok(available) if available > 0 => Device::Cuda(0),
        _ => Device::Cpu,
    }
}

/// Waits until `device` has finished what it was given so far. The CPU always has.
pub fn finish(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// bfloat16 where it is multiplied faster than float32. The choice looks at the machine alone, not at the clock, so that
/// a resumed run computes as before.
fn fastest_precision(device: Device) -> Precision {
    if device.is_cuda() {
        return Precision::Bf16;
    }
    if multiplies_bf16() { Precision::Bf16 } else { Precision::Full }
}

/// Whether the processor has instructions for bfloat16 that libtorch makes use of and that are faster than float32's.
pub(crate) fn multiplies_bf16() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx512bf16") && !lacks_its_amx(&cpuinfo());
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// What Linux says of the processors; nothing on other systems.
#[cfg(target_arch = "x86_64")]
pub(crate) fn cpuinfo() -> String {
    std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default()
}

/// The flags of the first processor in [`cpuinfo`]: instruction sets that the system allows too, as AMX must be.
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) fn flags_of(cpuinfo: &str) -> Vec<&str> {
    cpuinfo_value(cpuinfo, "flags").map_or_else(Vec::new, |flags| flags.split_whitespace().collect())
}

#[cfg(any(target_arch = "x86_64", test))]
fn cpuinfo_value<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(found, _)| found.trim() == name).map(|(_, value)| value.trim())
}

/// Whether this is one of Intel's processors with AMX whose AMX is hidden, as virtual machines may do. Since they have it
/// (Sapphire Rapids, known by its arithmetic in float16), vectors multiply bfloat16 at half of float32's rate: 81 GFLOP/s a core
/// for 163 (docs/experiments.md). Before (Cooper Lake), and in AMD's processors, at twice that rate.
#[cfg(any(target_arch = "x86_64", test))]
fn lacks_its_amx(cpuinfo: &str) -> bool {
    let flags = flags_of(cpuinfo);
    let has = |name| flags.contains(&name);
    cpuinfo_value(cpuinfo, "vendor_id") == Some("GenuineIntel") && has("avx512_fp16") && !has("amx_bf16")
}

/// How many GPUs libtorch can use; the reason where it cannot use any.
pub(crate) fn cuda_devices() -> Result<usize, String> {
    load_cuda()?;
    match Cuda::device_count() {
        count if count > 0 && Cuda::is_available() => Ok(count as usize),
        _ => Err("libtorch finds no working NVIDIA GPU".to_owned()),
    }
}

/// Whether an NVIDIA driver is at work: its device file is there.
pub(crate) fn has_driver() -> bool {
    std::path::Path::new("/dev/nvidiactl").exists()
}

/// The group over NCCL of libtorch's GPU half.
fn nccl() -> Option<Nccl> {
    let library = load_cuda().ok()?;
    // SAFETY: it is a handle of that library, of the version that this program was built with.
    unsafe { Nccl::find(library as *mut _) }
}

/// Loads libtorch's GPU half, which the program is not linked with so that it starts without a GPU too; its handle.
#[cfg(target_os = "linux")]
fn load_cuda() -> Result<usize, String> {
    use std::ffi::CStr;
    use std::sync::OnceLock;

    static LOADED: OnceLock<Result<usize, String>> = OnceLock::new();
    LOADED
        .get_or_init(|| {
            // Without a driver the half-gigabyte library would be loaded for nothing.
            if !has_driver() {
                return Err("this machine has no NVIDIA driver".to_owned());
            }
            // SAFETY: the name is a constant C string; libtorch's own initialisers are the only code that runs.
            let handle = unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
            if !handle.is_null() {
                return Ok(handle as usize);
            }
            // SAFETY: dlerror returns null or a C string that lives until the next dl call of this thread.
            let reason = unsafe {
                let message = libc::dlerror();
                if message.is_null() {
                    "unknown reason".to_owned()
                } else {
                    CStr::from_ptr(message).to_string_lossy().into_owned()
                }
            };
            Err(format!("libtorch's GPU library cannot be loaded ({reason}); run `make libtorch` on this machine"))
        })
        .clone()
}

#[cfg(not(target_os = "linux"))]
fn load_cuda() -> Result<usize, String> {
    Err("GPUs are supported on Linux only".to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The device that kernels are tested on: what BYOL_TEST_DEVICE names (`cuda` on a machine with a GPU), else the CPU.
    pub(crate) fn device() -> Device {
        let choice = match std::env::var("BYOL_TEST_DEVICE") {
            Ok(name) => name.parse().unwrap(),
            Err(_) => DeviceChoice::Cpu,
        };
        Hardware::choose(choice, PrecisionChoice::Fp32, None).unwrap().device
    }

    #[test]
    fn recorded_hardware_is_read_back_and_compared() {
        let cpu = Hardware { device: Device::Cpu, precision: Precision::Bf16, threads: 2, ranks: Ranks::default() };
        let gpu = Hardware { device: Device::Cuda(1), precision: Precision::Full, threads: 8, ranks: Ranks::default() };
        let read = |hardware: &Hardware| RecordedHardware::read(&hardware.to_string()).unwrap();
        assert_eq!(read(&cpu).to_string(), "--device cpu --precision bf16 --threads 2");
        assert_eq!(read(&gpu).to_string(), "--device cuda:1 --precision fp32");
        assert!(read(&cpu).computes_as(&cpu));
        assert!(read(&gpu).computes_as(&Hardware { device: Device::Cuda(0), threads: 2, ..gpu.clone() }));
        for other in [
            gpu.clone(),
            Hardware { precision: Precision::Full, ..cpu.clone() },
            Hardware { threads: 3, ..cpu.clone() },
        ] {
            assert!(!read(&cpu).computes_as(&other), "{other}");
        }
        for text in ["", "CPU, 2 threads, fp32", "cpu, two threads, fp32", "cpu, 2 threads", "cpu, 2 threads, fp64"] {
            assert_eq!(RecordedHardware::read(text), None, "{text}");
        }
    }

    /// Flags as Linux has them, of those that matter.
    #[test]
    fn bfloat16_is_slow_where_intels_amx_is_hidden() {
        let of = |vendor: &str, flags: &str| {
            format!("processor\t: 0\nvendor_id\t: {vendor}\nmodel name\t: A: B\nflags\t\t: {flags}\nbugs\t\t:\n")
        };
        let cases = [
            (
                "Sapphire Rapids",
                "GenuineIntel",
                "fma avx512f avx512_bf16 avx512_fp16 amx_bf16 amx_tile amx_int8",
                false,
            ),
            ("Sapphire Rapids without AMX", "GenuineIntel", "fma avx512f avx512_bf16 avx512_fp16", true),
            ("Cooper Lake", "GenuineIntel", "fma avx512f avx512_bf16", false),
            ("Zen 4 and 5", "AuthenticAMD", "fma avx512f avx512_bf16", false),
            ("one that is to come", "AuthenticAMD", "fma avx512f avx512_bf16 avx512_fp16", false),
        ];
        for (name, vendor, flags, expected) in cases {
            assert_eq!(lacks_its_amx(&of(vendor, flags)), expected, "{name}");
            assert_eq!(flags_of(&of(vendor, flags)).join(" "), flags);
        }
        assert!(!lacks_its_amx(""));
    }

    #[test]
    fn names_of_devices() {
        assert_eq!("cuda:1".parse(), Ok(DeviceChoice::Cuda(1)));
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        assert_eq!("gpu".parse::<DeviceChoice>(), Err(DeviceError::UnknownDevice("gpu".to_owned())));
    }
}
