//! `byol doctor`.

use std::path::PathBuf;
use std::time::Duration;

use byol::doctor::{self, CudaHalf, Diagnosis, Gpus, Place, Processes, Question, Severity, amount};
use clap::Args;

use super::together;
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::output;
use crate::paint::{self, Tone};

#[derive(Args)]
pub struct Doctor {
    /// Folder where runs would be written
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out: PathBuf,
    #[command(flatten)]
    pub hardware: args::Hardware,
    #[command(flatten)]
    pub processes: args::Processes,
}

/// Says what was found, by rank 0 of several processes unless they have not met; that training would not work is a failure, which the findings themselves explain.
pub fn doctor(options: &Doctor, output: Output) -> anyhow::Result<Ending> {
    let args::Hardware { device, precision, threads } = options.hardware;
    let launch = together::launched(&options.processes);
    let found = doctor::examine(Question {
        device,
        precision,
        threads,
        folder: &options.out,
        launch: launch.as_ref().map(Option::as_ref),
        patience: Duration::from_secs_f64(60.0 * options.processes.rank_timeout).min(doctor::PATIENCE),
    });
    let Processes { launch, trial } = &found.processes;
    let told_by_first = trial.is_some() && launch.as_ref().is_some_and(|launch| launch.rank > 0);
    if told_by_first {
        return Ok(if found.works { Ending::Done } else { Ending::Failed });
    }
    if output.json {
        output::json(&found);
    } else {
        output::text(&text(&found, output.quiet));
    }
    Ok(if found.works { Ending::Done } else { Ending::Failed })
}

/// Quiet says the problems alone.
fn text(found: &Diagnosis, quiet: bool) -> String {
    let mut text = String::new();
    if !quiet {
        for (title, lines) in sections(found) {
            text += &format!("{}\n", paint::paint(Tone::Heading, title));
            for (name, value) in lines {
                text += &format!("  {name:<14}{value}\n");
            }
        }
    }
    for problem in &found.problems {
        let mark = match problem.severity {
            Severity::Error => paint::paint(Tone::Error, "error:"),
            Severity::Warning => paint::paint(Tone::Warning, "warning:"),
        };
        text += &format!("{mark} {}\n  remedy: {}\n", problem.what, problem.remedy);
    }
    text + &match found.works {
        true => paint::paint(Tone::Good, "training works here"),
        false => paint::paint(Tone::Error, "training does not work here"),
    }
}

type Lines = Vec<(&'static str, String)>;

fn sections(found: &Diagnosis) -> Vec<(&'static str, Lines)> {
    let mut sections = vec![
        ("Machine", machine(found)),
        ("Libraries", libraries(found)),
        ("Places", vec![("cache", cache(found)), ("runs", place(&found.folder))]),
    ];
    if !found.environment.is_empty() {
        let lines = found.environment.iter().map(|(name, value)| ("", format!("{name}={value}"))).collect();
        sections.push(("Environment", lines));
    }
    sections.push(("Processes", processes(&found.processes)));
    sections.push(("What will be used", uses(found)));
    sections
}

fn machine(found: &Diagnosis) -> Lines {
    let (system, processor, memory) = (&found.machine.system, &found.machine.processor, &found.machine.memory);
    let kernel = system.kernel.as_ref().map(|kernel| format!(", kernel {kernel}")).unwrap_or_default();
    let cores = processor.cores.map(|cores| format!("{cores} cores, ")).unwrap_or_default();
    let mut lines = vec![
        ("system", format!("{}{kernel}, {}", system.name, system.architecture)),
        ("processor", processor.model.clone()),
        ("", format!("{cores}{} threads, {} usable here", processor.threads, processor.usable_threads)),
        ("instructions", processor.instructions.join(" ")),
        ("memory", format!("{}, {} available", amount(memory.total_bytes), amount(memory.available_bytes))),
    ];
    let graphics = &found.machine.graphics;
    match &graphics.gpus {
        _ if !graphics.driver_loaded => lines.push(("GPU", "none: there is no NVIDIA driver".to_owned())),
        Gpus::Unknown { reason } => lines.push(("GPU", format!("unknown: {reason}"))),
        Gpus::Found(gpus) if gpus.is_empty() => lines.push(("GPU", "none".to_owned())),
        Gpus::Found(gpus) => lines.extend(gpus.iter().enumerate().map(|(index, gpu)| {
            let (name, memory) = (&gpu.name, amount(gpu.memory_bytes as u64));
            ("GPU", format!("cuda:{index}, {name}, {memory}, compute capability {}", gpu.capability))
        })),
    }
    if let Some(version) = &graphics.driver_version {
        lines.push(("driver", version.clone()));
    }
    lines
}

fn libraries(found: &Diagnosis) -> Lines {
    let unknown = || "unknown".to_owned();
    let libtorch = &found.machine.libtorch;
    let mut version = libtorch.version.clone().unwrap_or_else(unknown);
    if let Some(instructions) = &libtorch.instructions {
        version += &format!(", {instructions} kernels");
    }
    if let Some(onednn) = &libtorch.onednn {
        version += &format!(", oneDNN {onednn}");
    }
    let cuda_half = match &libtorch.cuda_half {
        CudaHalf::Missing => "not there".to_owned(),
        CudaHalf::There => "there; not loaded, because there is no NVIDIA driver".to_owned(),
        CudaHalf::Usable => "loaded".to_owned(),
        CudaHalf::Unusable { reason } => format!("unusable: {reason}"),
    };
    vec![
        ("byol", found.program.version.clone()),
        ("", found.program.path.as_ref().map_or_else(unknown, |path| path.display().to_string())),
        ("libtorch", version),
        ("", libtorch.library.as_ref().map_or_else(unknown, |path| path.display().to_string())),
        ("CUDA half", cuda_half),
        ("NVRTC", found.machine.graphics.nvrtc.clone().unwrap_or_else(|| "not there".to_owned())),
        ("allocator", found.program.allocator.clone()),
    ]
}

fn cache(found: &Diagnosis) -> String {
    let Some(path) = &found.cache.path else { return "none: HOME is not set".to_owned() };
    format!("{}, {}{}", path.display(), amount(found.cache.bytes), free(found.cache.free_bytes))
}

fn place(place: &Place) -> String {
    let writable = if place.writable { "" } else { ", cannot be written" };
    format!("{}{writable}{}", place.path.display(), free(place.free_bytes))
}

fn free(bytes: Option<u64>) -> String {
    bytes.map(|bytes| format!(", {} free on its disk", amount(bytes))).unwrap_or_default()
}

/// What a launcher says, and what sums over processes take.
fn processes(found: &Processes) -> Lines {
    let mut lines = Vec::new();
    match &found.launch {
        Some(launch) => {
            let here = launch.on_this_host.map(|[rank, count]| format!(", {rank} of {count} on this host"));
            let attempt =
                if launch.attempt > 0 { format!(", started anew {} times", launch.attempt) } else { String::new() };
            let (rank, count, here) = (launch.rank, launch.processes, here.unwrap_or_default());
            lines.push(("launcher", format!("{}: rank {rank} of {count}{here}{attempt}", launch.launcher)));
            lines.extend(launch.variables.iter().map(|(name, value)| ("", format!("{name}={value}"))));
            let server =
                if launch.serves { "which this process serves" } else { "which the launcher or rank 0 serves" };
            lines.push(("meeting", format!("{}, {server}", launch.meeting)));
        }
        None => lines.push(("launcher", "none: one process".to_owned())),
    }
    lines.push((
        "a sum",
        match &found.trial {
            None => "failed".to_owned(),
            Some(trial) => match trial.gradient_ms {
                Some(gradient) => {
                    let hosts =
                        if trial.hosts == 1 { "this host".to_owned() } else { format!("{} hosts", trial.hosts) };
                    format!(
                        "{:.2} ms over {}, {gradient:.0} ms of a gradient of 67 MB; {} processes on {hosts}",
                        trial.number_ms, trial.over, trial.processes
                    )
                }
                None => format!("{:.2} ms over {}, by two threads", trial.number_ms, trial.over),
            },
        },
    ));
    lines
}

fn uses(found: &Diagnosis) -> Lines {
    let Some(uses) = &found.uses else { return vec![("device", "none: see below".to_owned())] };
    let kernels = match (uses.device.as_str(), uses.gpu_kernels) {
        ("cpu", _) => "no: the device is the CPU",
        (_, true) => "yes",
        (_, false) => "no: libtorch's operations instead",
    };
    let precision = match (uses.device.as_str(), uses.precision) {
        // As `request::exact_hardware` has it.
        ("cpu", "bf16") => "bf16; predict takes fp32 unless --precision says otherwise".to_owned(),
        (_, precision) => precision.to_owned(),
    };
    let trial = uses.trial_seconds.map_or_else(|| "failed".to_owned(), |seconds| format!("{:.1} ms", seconds * 1e3));
    vec![
        ("device", uses.device.clone()),
        ("precision", precision),
        ("threads", uses.threads.to_string()),
        ("GPU kernels", kernels.to_owned()),
        ("trial step", trial),
    ]
}
