//! What this machine has for training, what will be used of it, and what is wrong: `byol doctor`. Nothing is measured
//! here, and nothing is repaired; a training step of a tiny network says whether training works.

mod machine;
mod place;
mod processes;
mod trial;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use byol_cuda::Kernels;
use serde::{Deserialize, Serialize};
use tch::Device;

use crate::device::Precision;
use crate::device::{DeviceChoice, Hardware, PrecisionChoice};
use crate::ranks::RanksError;
use crate::ranks::launch::Launch;

pub use machine::{CudaHalf, GpuFound, Gpus, Graphics, Libtorch, Machine, Memory, Processor, Program, System};
pub use place::{Cache, Place};
pub use processes::{Launched, PATIENCE, Processes, Trial};

/// What would be asked of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub device: DeviceChoice,
    pub precision: PrecisionChoice,
    pub threads: Option<usize>,
    /// Where runs would be written.
    pub folder: &'a Path,
    /// What the variables of a launcher say.
    pub launch: Result<Option<&'a Launch>, &'a RanksError>,
    /// How long other processes are waited for.
    pub patience: Duration,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// Whether training would work.
    pub works: bool,
    pub program: Program,
    #[serde(flatten)]
    pub machine: Machine,
    pub cache: Cache,
    pub folder: Place,
    /// Variables of the environment that change what libtorch and this program use; only those that are set.
    pub environment: BTreeMap<&'static str, String>,
    /// The processes that would train together.
    pub processes: Processes,
    /// What will be used; absent where that cannot be had.
    pub uses: Option<Uses>,
    /// The worst first.
    pub problems: Vec<Problem>,
}

/// What training will use.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Uses {
    /// `cpu`, `cuda:0`.
    pub device: String,
    /// `fp32`, `bf16`.
    pub precision: &'static str,
    pub threads: usize,
    /// Whether the kernels of this program run on the GPU; without them libtorch's operations do.
    pub gpu_kernels: bool,
    /// Seconds that a training step of a tiny network took, views included; absent where it failed.
    pub trial_seconds: Option<f64>,
}

/// Something that is wrong, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    pub severity: Severity,
    pub what: String,
    pub remedy: String,
}

/// How much a problem matters; the worst is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Training would not work.
    Error,
    /// It would be slower, or end early.
    Warning,
}

/// Looks at the machine, tries a training step, and sums over the processes that a launcher has started, or over two threads. Call it before any tensor is made, as [`Hardware::choose`].
pub fn examine(question: Question<'_>) -> Diagnosis {
    let local = question.launch.ok().flatten().and_then(|launch| launch.local).map_or(0, |local| local.rank);
    let chosen = Hardware::choose(question.device.of_rank(local), question.precision, question.threads);
    let machine = machine::look();
    let cache = place::cache();
    let folder = place::place(question.folder);
    let environment = environment();
    let mut problems = Vec::new();
    let uses = match &chosen {
        Ok(hardware) => Some(uses(hardware, &mut problems)),
        Err(error) => {
            problems.push(Problem::error(error.to_string(), "choose a device that is there".to_owned()));
            None
        }
    };
    let findings = Findings { machine: &machine, cache: &cache, folder: &folder, environment: &environment };
    findings.judge(chosen.as_ref().ok(), &mut problems);
    let of_others = (question.patience, &mut problems);
    let (processes, ranks) = processes::examine(question.launch, chosen.as_ref().ok(), of_others);
    if let Err(error) = processes::gathered(&ranks, &mut problems) {
        problems.push(Problem::error(error.to_string(), "start all processes anew".to_owned()));
    }
    problems.sort();
    let works = problems.iter().all(|problem| problem.severity == Severity::Warning);
    Diagnosis { works, program: machine::program(), machine, cache, folder, environment, processes, uses, problems }
}

impl Problem {
    fn error(what: String, remedy: String) -> Problem {
        Problem { severity: Severity::Error, what, remedy }
    }

    fn warning(what: String, remedy: String) -> Problem {
        Problem { severity: Severity::Warning, what, remedy }
    }
}

fn uses(hardware: &Hardware, problems: &mut Vec<Problem>) -> Uses {
    let gpu_kernels = match hardware.device {
        Device::Cuda(index) => match Kernels::load(index) {
            Ok(_) => true,
            Err(error) => {
                let what = format!("the kernels for the GPU cannot be had ({error}), so that training is slower");
                problems.push(Problem::warning(what, "run `make libtorch CUDA=1`, which brings NVRTC".to_owned()));
                false
            }
        },
        _ => false,
    };
    let trial_seconds = match trial::train(hardware) {
        Ok(seconds) => Some(seconds),
        Err(reason) => {
            let remedy = match hardware.device {
                Device::Cuda(_) => "try `--device cpu`; if that works, look at the driver and at `nvidia-smi`",
                _ => {
                    "run `make libtorch` and build anew; if it stays, report it with the output of `byol doctor --json`"
                }
            };
            problems.push(Problem::error(format!("a training step fails: {reason}"), remedy.to_owned()));
            None
        }
    };
    Uses {
        device: match hardware.device {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".to_owned(),
        },
        precision: match hardware.precision {
            Precision::Full => "fp32",
            Precision::Bf16 => "bf16",
        },
        threads: hardware.threads,
        gpu_kernels,
        trial_seconds,
    }
}

/// Variables that change what is used.
const VARIABLES: [&str; 9] = [
    "ATEN_CPU_CAPABILITY",
    "BYOL_CACHE",
    "CUDA_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "XDG_CACHE_HOME",
];

fn environment() -> BTreeMap<&'static str, String> {
    let set = |name| std::env::var_os(name).map(|value| (name, value.to_string_lossy().into_owned()));
    VARIABLES.into_iter().filter_map(set).collect()
}

/// Everything that problems are seen in.
struct Findings<'a> {
    machine: &'a Machine,
    cache: &'a Cache,
    folder: &'a Place,
    environment: &'a BTreeMap<&'static str, String>,
}

/// Below this a run directory may not find room for its checkpoints.
const LITTLE_DISK: u64 = 2 << 30;
/// Below this not even a small one does.
const NO_DISK: u64 = 64 << 20;
/// Below this a training of usual size may be killed.
const LITTLE_MEMORY: u64 = 1 << 30;
/// CUDA 13.0 does not run on older drivers.
const OLDEST_DRIVER: u32 = 580;

impl Findings<'_> {
    fn judge(&self, hardware: Option<&Hardware>, problems: &mut Vec<Problem>) {
        self.judge_places(problems);
        self.judge_processor(hardware, problems);
        self.judge_graphics(hardware, problems);
    }

    fn judge_places(&self, problems: &mut Vec<Problem>) {
        let Place { path, writable, free_bytes } = self.folder;
        let path = path.display();
        let room = "free some room, or write runs to another disk with --out";
        if !writable {
            let remedy = "go to a folder that you may write to, or write runs elsewhere with --out";
            problems.push(Problem::error(format!("{path} cannot be written"), remedy.to_owned()));
        }
        match *free_bytes {
            Some(free) if free < NO_DISK => {
                problems
                    .push(Problem::error(format!("the disk of {path} has only {} MB free", free >> 20), room.into()));
            }
            Some(free) if free < LITTLE_DISK => {
                let what = format!("the disk of {path} has only {} MB free; checkpoints may not fit", free >> 20);
                problems.push(Problem::warning(what, room.to_owned()));
            }
            _ => {}
        }
        if let (Some(cache), Some(free)) = (&self.cache.path, self.cache.free_bytes)
            && free < NO_DISK
        {
            let what = format!("the disk of the cache, {}, has only {} MB free", cache.display(), free >> 20);
            problems.push(Problem::warning(what, "name a folder with more room in BYOL_CACHE".to_owned()));
        }
    }

    fn judge_processor(&self, hardware: Option<&Hardware>, problems: &mut Vec<Problem>) {
        let available = self.machine.memory.available_bytes;
        if available < LITTLE_MEMORY {
            let what = format!("only {} MB of memory are available", available >> 20);
            let remedy = "close other programs, or lower batch_size and image_size".to_owned();
            problems.push(Problem::warning(what, remedy));
        }
        let usable = self.machine.processor.usable_threads;
        if let Some(hardware) = hardware.filter(|hardware| hardware.threads > usable) {
            let what = format!("{} threads share {usable} cores", hardware.threads);
            problems.push(Problem::warning(what, format!("use at most --threads {usable}")));
        }
        for name in ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA"] {
            if let Some(value) = self.environment.get(name) {
                let what = format!("{name}={value} keeps libtorch from using all instructions of this processor");
                problems.push(Problem::warning(what, format!("unset {name}")));
            }
        }
    }

    /// What keeps a GPU that is there from being used. That there is none is no problem.
    fn judge_graphics(&self, hardware: Option<&Hardware>, problems: &mut Vec<Problem>) {
        let graphics = &self.machine.graphics;
        let used = hardware.is_some_and(|hardware| hardware.device.is_cuda());
        if used || !graphics.driver_loaded {
            return;
        }
        if let Some(driver) = &graphics.driver_version
            && driver
                .split('.')
                .next()
                .and_then(|major| major.parse().ok())
                .is_some_and(|major: u32| major < OLDEST_DRIVER)
        {
            let what = format!("the NVIDIA driver {driver} is older than {OLDEST_DRIVER}, which CUDA 13 needs");
            problems.push(Problem::warning(what, format!("install driver {OLDEST_DRIVER} or newer")));
        }
        match (&graphics.gpus, &self.machine.libtorch.cuda_half) {
            (Gpus::Found(gpus), _) if gpus.is_empty() => {
                let (what, remedy) = match self.environment.get("CUDA_VISIBLE_DEVICES") {
                    Some(value) => (
                        format!("CUDA_VISIBLE_DEVICES={value} hides every GPU"),
                        "unset CUDA_VISIBLE_DEVICES, or name a GPU in it".to_owned(),
                    ),
                    None => (
                        "there is an NVIDIA driver, but it knows no GPU".to_owned(),
                        "look at `nvidia-smi`; a container must be given its GPUs".to_owned(),
                    ),
                };
                problems.push(Problem::warning(what, remedy));
            }
            (Gpus::Found(_), CudaHalf::Missing) => {
                let what = "there is an NVIDIA GPU, but libtorch's CUDA half is not there".to_owned();
                problems.push(Problem::warning(what, "run `make libtorch CUDA=1`".to_owned()));
            }
            (Gpus::Found(_), CudaHalf::Unusable { reason }) => {
                let what = format!("the NVIDIA GPU cannot be used: {reason}");
                problems.push(Problem::warning(what, "run `make libtorch CUDA=1`; look at `nvidia-smi`".to_owned()));
            }
            (Gpus::Unknown { reason }, _) => {
                let what = format!("the NVIDIA GPUs cannot be listed: {reason}");
                let remedy = "install the driver's libcuda; look at `nvidia-smi`".to_owned();
                problems.push(Problem::warning(what, remedy));
            }
            (Gpus::Found(_), CudaHalf::Usable | CudaHalf::There) => {}
        }
    }
}

/// Bytes in words: `512 MB`, `23.4 GB`.
pub fn amount(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests;
