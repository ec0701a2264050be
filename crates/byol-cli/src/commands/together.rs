//! A command as one of several processes that a launcher has started: who they are, what rank 0 tells the others, and how all of
//! them end. Rank 0 alone has the run directory and speaks; the others say why they end, where that is an error.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use byol::config::Experiment;
use byol::data::{Dataset, Decoding, Need, Pools};
use byol::device::{DeviceChoice, Hardware, Precision, PrecisionChoice};
use byol::experiment::{self, Along};
use byol::ranks::handshake::{Patience, Peer};
use byol::ranks::launch::Launch;
use byol::ranks::{Meeting, Mismatch, Ranks, RanksError, Work};
use byol::report::language::program;
use byol::run::command::TrainingCommand;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Reporter, Silent};
use byol::run::notice::ProgramNote;
use serde::{Deserialize, Serialize};

use super::beginning::Weights;
use super::resume::{Earlier, Place};
use super::train::Job;
use crate::args::{self, Mode, Output};
use crate::exit::{Ending, Usage, one_line};
use crate::interrupt;
use crate::request::{self, Basis, Wanted};

/// Ranks wait so long for all to be started, or as long as `--rank-timeout` where that is shorter.
const TO_START: Duration = Duration::from_secs(600);

/// What rank 0 opens, which it tells the others: they may have been given less.
#[derive(Serialize, Deserialize)]
pub(super) struct Asked {
    pub data: PathBuf,
    pub unlabeled: Vec<PathBuf>,
    pub split: Option<PathBuf>,
    pub strict: bool,
    pub decoding: Decoding,
    pub bf16: bool,
}

/// What each has found, which must be the same.
#[derive(Serialize, Deserialize)]
struct Found {
    fingerprint: String,
    images: usize,
    gpu: Option<usize>,
    /// Which GPUs are hidden from it.
    visible: String,
}

/// The process that this is of several, where it is.
pub fn launched(options: &args::Processes) -> Result<Option<Launch>, RanksError> {
    match options.processes {
        Mode::Off => Ok(None),
        Mode::Auto => Ok(Launch::of(&Launch::variables())?),
    }
}

/// That a command, which is computed by one process, is not one of several.
pub fn alone(command: &str, options: &args::Processes) -> anyhow::Result<()> {
    let Some(launch) = launched(options)? else { return Ok(()) };
    let text = format!(
        "{command} is computed by one process, and {} were started; start one, or let each work by itself with \
         --processes off",
        launch.place.size
    );
    Err(Usage(text).into())
}

/// How several processes work together.
pub struct Together<'a> {
    pub launch: &'a Launch,
    pub options: &'a args::Processes,
    /// The command of the program.
    pub command: &'a str,
    /// What it does.
    pub work: Work,
    /// The configuration that this process was given, as TOML; empty where rank 0's is to be taken.
    pub configuration: String,
}

impl Together<'_> {
    /// Meets the others, and works: rank 0 leads, the others follow with its configuration.
    pub fn run(
        self,
        reporter: &mut dyn Reporter,
        lead: impl FnOnce(Ranks, &mut dyn Reporter) -> anyhow::Result<Ending>,
        follow: impl FnOnce(&Ranks, &str) -> anyhow::Result<()>,
    ) -> anyhow::Result<Ending> {
        let rank = self.launch.place.rank;
        let worked = self.meet(reporter).and_then(|(ranks, configuration)| {
            let worked = match ranks.is_first() {
                true => lead(ranks.clone(), reporter),
                false => follow(&ranks, &configuration).map(|()| Ending::Done),
            };
            worked.and_then(|ending| ended(&ranks, ending)).inspect_err(|error| ranks.fail(&one_line(error)))
        });
        if rank == 0 { worked } else { worked.with_context(|| format!("rank {rank}")) }
    }

    fn meet(&self, reporter: &mut dyn Reporter) -> anyhow::Result<(Ranks, String)> {
        let size = self.launch.place.size;
        let timeout = Duration::from_secs_f64(self.options.rank_timeout * 60.0);
        let interface = std::env::var("GLOO_SOCKET_IFNAME").ok();
        let meeting = Meeting {
            launch: self.launch,
            command: self.command,
            work: self.work,
            configuration: &self.configuration,
            interface: interface.as_deref(),
            timeout,
            patience: Patience {
                limit: timeout.min(TO_START),
                note: &mut |missing| {
                    let note = ProgramNote::WaitingForProcesses { ranks: missing.to_vec(), of: size };
                    reporter.event(&Event::Note(note.into()));
                },
            },
        };
        Ok(Ranks::meet(meeting)?)
    }
}

/// How all ranks end: as rank 0, by whichever signal came to any.
fn ended(ranks: &Ranks, ending: Ending) -> anyhow::Result<Ending> {
    let own = [interrupt::signal().into(), i64::from(ending == Ending::Interrupted)];
    let [signal, interrupted] = ranks.largest(own)?;
    interrupt::ended_by(signal as i32);
    Ok(if interrupted > 0 { Ending::Interrupted } else { ending })
}

/// Trains, by all processes where a launcher has started several.
pub fn train(
    job: Job<'_>,
    place: Place,
    options: &args::Processes,
    (output, reporter): (Output, &mut dyn Reporter),
    work: impl FnOnce(&Job<'_>, &Place, Output, &mut dyn Reporter) -> anyhow::Result<Ending>,
) -> anyhow::Result<Ending> {
    let Some(launch) = launched(options)? else { return work(&job, &place, output, reporter) };
    let configuration = configuration(&job, &place, launch.place.rank)?;
    let follower = job.clone();
    let work_of = match job.command {
        TrainingCommand::Demo => Work::Demo,
        _ => Work::Training,
    };
    let together = Together { launch: &launch, options, command: job.command.name(), work: work_of, configuration };
    together.run(
        reporter,
        |ranks, reporter| {
            let ending = work(&Job { ranks: ranks.clone(), ..job }, &place, output, reporter)?;
            experiment::release(&ranks)?;
            Ok(ending)
        },
        |ranks, configuration| follow(&follower, ranks, configuration),
    )
}

/// The place of a run: started anew by its launcher, it goes on where it was.
pub fn place(place: Place, options: &args::Processes) -> anyhow::Result<Place> {
    let again = launched(options)?.is_some_and(|launch| launch.attempt > 0);
    Ok(if again { Place { mode: OpenMode::Resume, ..place } } else { place })
}

/// The configuration that this process was given, as TOML; nothing where it goes on with a run, or begins with one, that is on rank
/// 0's host alone.
fn configuration(job: &Job<'_>, place: &Place, rank: usize) -> anyhow::Result<String> {
    let earlier = match Earlier::of(place, job.command) {
        Err(_) if rank > 0 => return Ok(String::new()),
        earlier => earlier?,
    };
    if rank > 0 && job.typed.from.is_some_and(|from| !from.exists()) {
        return Ok(String::new());
    }
    let begins = Weights::of(job.typed.beginning, earlier.as_ref(), place)?;
    let basis = Basis { over_preset: &begins.settings, ..job.basis_of(earlier.as_ref(), place) };
    Ok(request::experiment(job.config, job.labels, basis)?.to_toml()?)
}

/// Rank 0's hardware; tells the others what to open, and in which type to compute.
pub(super) fn hardware_of_first(
    options: &args::Hardware,
    asked: Asked,
    ranks: &Ranks,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Hardware> {
    let hardware = hardware(options, ranks)?;
    let hosts: BTreeSet<&str> = ranks.peers().iter().map(|peer| peer.host.as_str()).collect();
    let note =
        ProgramNote::HardwareOfMany { hardware: hardware.to_string(), processes: ranks.count(), hosts: hosts.len() };
    reporter.event(&Event::Note(note.into()));
    let here = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let asked = Asked {
        data: if asked.data.exists() { here(&asked.data) } else { asked.data },
        unlabeled: asked.unlabeled.iter().map(here).collect(),
        bf16: hardware.precision == Precision::Bf16,
        ..asked
    };
    ranks.of_first(&serde_json::to_vec(&asked)?)?;
    Ok(hardware.among(ranks)?)
}

/// The device of this rank, and its share of the cores of its host.
pub(super) fn hardware(options: &args::Hardware, ranks: &Ranks) -> anyhow::Result<Hardware> {
    let (peers, own) = (ranks.peers(), ranks.place().rank);
    let local = peers[..own].iter().filter(|peer| peer.host == peers[own].host).count();
    let on_host = peers.iter().filter(|peer| peer.host == peers[own].host).count();
    if let (DeviceChoice::Cuda(number), true) = (options.device, on_host > 1)
        && number > 0
    {
        let text = format!(
            "--device cuda:{number} names one GPU for {on_host} processes of this host; leave it out, and each takes its own"
        );
        return Err(Usage(text).into());
    }
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let threads = options.threads.unwrap_or((cores / peers[own].sharing.max(1)).max(1));
    Ok(Hardware::choose(options.device.of_rank(local), options.precision, Some(threads))?)
}

/// The hardware of a rank that is not the first, which computes in the type that rank 0 does.
pub(super) fn hardware_along(options: &args::Hardware, bf16: bool, ranks: &Ranks) -> anyhow::Result<Hardware> {
    let precision = if bf16 { PrecisionChoice::Bf16 } else { PrecisionChoice::Fp32 };
    Ok(hardware(&args::Hardware { precision, ..*options }, ranks)?.among(ranks)?)
}

/// That all ranks see the same images and compute on devices of one kind. All take over rank 0's configuration, which fits the
/// data.
pub(super) fn settle(hardware: &Hardware, experiment: &Experiment, data: &Dataset) -> anyhow::Result<Experiment> {
    let ranks = &hardware.ranks;
    ranks.has_opened()?;
    let index = |device| match device {
        byol::tch::Device::Cuda(number) => Some(number),
        _ => None,
    };
    let found = Found {
        fingerprint: data.fingerprint.clone(),
        images: data.pretraining_pool().iter().map(|pool| pool.images.len()).sum(),
        gpu: index(hardware.device),
        visible: std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default(),
    };
    let texts = ranks.texts(&serde_json::to_string(&found)?)?;
    let all = texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<Vec<Found>, _>>()?;
    if let Some(mismatch) = compare(&all, ranks.peers()) {
        return Err(RanksError::from(mismatch).into());
    }
    let configuration = ranks.of_first(experiment.to_toml()?.as_bytes())?;
    match ranks.is_first() {
        true => Ok(experiment.clone()),
        false => Ok(Experiment::from_toml(&String::from_utf8_lossy(&configuration))?),
    }
}

fn compare(all: &[Found], peers: &[Peer]) -> Option<Mismatch> {
    let host = |rank: usize| peers.get(rank).map_or_else(String::new, |peer| peer.host.clone());
    let kind = |found: &Found| match found.gpu {
        Some(_) => "a GPU".to_owned(),
        None => "a CPU".to_owned(),
    };
    for (rank, found) in all.iter().enumerate() {
        let host = host(rank);
        if (&found.fingerprint, found.images) != (&all[0].fingerprint, all[0].images) {
            return Some(Mismatch::Data { rank, host, there: found.images, here: all[0].images });
        }
        if kind(found) != kind(&all[0]) {
            return Some(Mismatch::Devices { rank, host, there: kind(found), here: kind(&all[0]) });
        }
        let same = |other: usize| {
            let alike = (&all[other].visible, all[other].gpu) == (&found.visible, found.gpu);
            alike && peers[other].host == host
        };
        if let (Some(gpu), Some(first)) = (found.gpu, (0..rank).find(|&other| same(other))) {
            return Some(Mismatch::OneGpu { first, second: rank, gpu, host });
        }
    }
    None
}

/// The work of a rank that is not the first.
fn follow(job: &Job<'_>, ranks: &Ranks, configuration: &str) -> anyhow::Result<()> {
    let need = if job.classifies { Need::Labels } else { Need::Images };
    let wanted = Followed {
        data: job.typed.data,
        unlabeled: job.typed.unlabeled,
        hardware: job.hardware,
        need,
        copies: Some(job.copies()),
    };
    wanted.follow(ranks, configuration)
}

/// What a rank that is not the first was given.
pub(super) struct Followed<'a> {
    pub data: Option<&'a Path>,
    pub unlabeled: &'a [PathBuf],
    pub hardware: &'a args::Hardware,
    pub need: Need,
    pub copies: Option<Pools>,
}

impl Followed<'_> {
    /// Opens what rank 0 opens, and computes along with it to the end.
    pub fn follow(&self, ranks: &Ranks, configuration: &str) -> anyhow::Result<()> {
        let asked: Asked = serde_json::from_slice(&ranks.of_first(&[])?)?;
        let experiment = Experiment::from_toml(configuration)?;
        interrupt::end_at_once(format!("rank {}: {}", ranks.place().rank, program::NOTHING_BEGUN))?;
        let hardware = hardware_along(self.hardware, asked.bf16, ranks)?;
        // Where its host has the data elsewhere, it was told so.
        let data = self.data.filter(|path| path.exists()).unwrap_or(&asked.data);
        request::there(data)?;
        let typed = self.unlabeled;
        let known = !typed.is_empty() && typed.iter().all(|path| path.exists());
        let strictness =
            args::Strictness { strict: asked.strict, kept: args::KeptSplit { split: asked.split.clone() } };
        let wanted = Wanted {
            corrections: true,
            data,
            unlabeled: if known { typed } else { &asked.unlabeled },
            strictness: &strictness,
            need: self.need,
            labels_per_class: 0,
            copies: self.copies,
            decoding: asked.decoding,
            levels: experiment.levels,
            ranks,
        };
        let data = request::dataset(wanted, &mut Silent)?;
        let experiment = settle(&hardware, &experiment, &data)?;
        let interrupt = interrupt::ask_training()?;
        Ok(experiment::follow(&Along {
            experiment: &experiment,
            data: &data,
            hardware: &hardware,
            interrupt: &interrupt,
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(found: &[Found], hosts: [&str; 2]) -> Option<String> {
        let peers = hosts.map(|host| Peer { host: host.to_owned(), sharing: 1 });
        compare(found, &peers).map(|mismatch| mismatch.to_string())
    }

    fn on(gpu: Option<usize>, visible: &str) -> Found {
        Found { fingerprint: "f".into(), images: 9, gpu, visible: visible.into() }
    }

    /// Which GPUs there are, no test can choose.
    #[test]
    fn devices_that_do_not_fit() {
        let twice = "ranks 0 and 1 would both use GPU 2 of a; start as many processes per host as it has GPUs";
        assert_eq!(refused(&[on(Some(2), ""), on(Some(2), "")], ["a", "a"]).as_deref(), Some(twice));
        assert_eq!(refused(&[on(Some(2), ""), on(Some(3), "")], ["a", "a"]), None);
        assert_eq!(refused(&[on(Some(2), ""), on(Some(2), "")], ["a", "b"]), None);
        // Each sees one of its own, which is its first.
        assert_eq!(refused(&[on(Some(0), "4"), on(Some(0), "5")], ["a", "a"]), None);
        let kinds = "rank 1 (b) computes on a CPU, rank 0 on a GPU; give all the same with --device";
        assert_eq!(refused(&[on(Some(0), ""), on(None, "")], ["a", "b"]).as_deref(), Some(kinds));
    }
}
