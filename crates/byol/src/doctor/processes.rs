//! What the variables of a launcher mean, and whether processes can compute together here.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use byol_torch::group::{Address, Group, Place, Reduction, Refused, Store};
use serde::Serialize;
use tch::{Kind, Tensor};

use super::Problem;
use crate::device::{self, Hardware};
use crate::ranks::handshake::Patience;
use crate::ranks::launch::{self, Launch, Variables};
use crate::ranks::{End, Meeting, Ranks, RanksError, Work};

/// So long a process waits for the others at most.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Numbers of a gradient that is added up: about that of a ResNet-18 with the paper's heads.
const GRADIENT: i64 = 16 << 20;
/// The least of so many sums is told.
const TIMES: usize = 5;

/// The processes that would train together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Processes {
    /// What started them; absent where no variable says that there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<Launched>,
    /// What sums over them take; absent where that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<Trial>,
}

/// One of several processes, as its launcher has started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Launched {
    /// `torchrun`, `srun`, `mpirun`, `PMI`, or `variables` that were set by hand.
    pub launcher: &'static str,
    /// From 0.
    pub rank: usize,
    pub processes: usize,
    /// Which of how many on this host, where the launcher says.
    pub on_this_host: Option<[usize; 2]>,
    /// Where they meet: a host and a port.
    pub meeting: String,
    /// Whether this process serves the meeting.
    pub serves: bool,
    /// How often the launcher has started them anew.
    pub attempt: u64,
    /// The variables that say so.
    pub variables: Variables,
}

/// Sums over processes; of one that is alone, over two of its threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// `gloo` or `nccl`.
    pub over: &'static str,
    pub processes: usize,
    pub hosts: usize,
    /// Milliseconds of the sum of one number.
    pub number_ms: f64,
    /// Milliseconds of the sum of 16,777,216 float32, 67 MB, about the gradient of a ResNet-18; absent of threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gradient_ms: Option<f64>,
}

/// What the launcher says, and the others, where they could be met.
pub(super) fn examine(
    launch: Result<Option<&Launch>, &RanksError>,
    hardware: Option<&Hardware>,
    (patience, problems): (Duration, &mut Vec<Problem>),
) -> (Processes, Ranks) {
    let mut complain = |what: String, remedy: &str| problems.push(Problem::error(what, remedy.to_owned()));
    let launch = match launch {
        Ok(launch) => launch,
        Err(error) => {
            complain(error.to_string(), "set the variables of all processes, or use --processes off");
            return (Processes { launch: None, trial: None }, Ranks::default());
        }
    };
    let Some(launch) = launch else {
        let trial = threads().inspect_err(|refused| {
            complain(format!("two threads cannot add a number over Gloo: {refused}"), "look at the loopback interface");
        });
        return (Processes { launch: None, trial: trial.ok() }, Ranks::default());
    };
    let met = hardware.map(|hardware| join(launch, hardware, patience)).transpose();
    let (ranks, trial) = met
        .inspect_err(|error| {
            complain(format!("the processes cannot compute together: {error}"), "see docs/distributed.md")
        })
        .ok()
        .flatten()
        .unzip();
    (Processes { launch: Some(Launched::of(launch)), trial }, ranks.unwrap_or_default())
}

/// Adds what the others have found to rank 0's problems.
pub(super) fn gathered(ranks: &Ranks, problems: &mut Vec<Problem>) -> Result<(), RanksError> {
    let all = ranks.texts(&serde_json::to_string(problems).unwrap_or_default())?;
    for (rank, theirs) in all.iter().enumerate().skip(1).filter(|_| ranks.is_first()) {
        let host = ranks.peers().get(rank).map_or("", |peer| peer.host.as_str());
        let theirs: Vec<Problem> = serde_json::from_str(theirs).unwrap_or_default();
        problems.extend(
            theirs
                .into_iter()
                .map(|problem| Problem { what: format!("rank {rank} ({host}): {}", problem.what), ..problem }),
        );
    }
    Ok(())
}

fn join(launch: &Launch, hardware: &Hardware, timeout: Duration) -> Result<(Ranks, Trial), RanksError> {
    let interface = std::env::var("GLOO_SOCKET_IFNAME").ok();
    let (ranks, _) = Ranks::meet(Meeting {
        launch,
        command: "doctor",
        work: Work::Measurement,
        configuration: "",
        interface: interface.as_deref(),
        timeout,
        patience: Patience { limit: timeout, note: &mut |_| {} },
    })?;
    let hardware = hardware.clone().among(&ranks)?;
    let hosts: BTreeSet<&str> = ranks.peers().iter().map(|peer| peer.host.as_str()).collect();
    let trial = Trial {
        over: if hardware.device.is_cuda() { "nccl" } else { "gloo" },
        processes: ranks.count(),
        hosts: hosts.len(),
        number_ms: sum(&hardware, &ranks, 1)?,
        gradient_ms: Some(sum(&hardware, &ranks, GRADIENT)?),
    };
    drop(hosts);
    Ok((ranks, trial))
}

/// Milliseconds of a sum of so many numbers over all ranks.
fn sum(hardware: &Hardware, ranks: &Ranks, numbers: i64) -> Result<f64, RanksError> {
    let mut tensor = Tensor::ones([numbers], (Kind::Float, hardware.device));
    let mut least = f64::INFINITY;
    for _ in 0..TIMES {
        ranks.wait_for_all()?;
        let begun = Instant::now();
        ranks.mean(&mut tensor);
        device::finish(hardware.device);
        least = least.min(1e3 * begun.elapsed().as_secs_f64());
    }
    ranks.check()?;
    Ok(least)
}

/// The sum of a number over two threads of this process.
fn threads() -> Result<Trial, Refused> {
    let store = Store::in_process()?;
    let add = |rank: usize| -> Result<f64, Refused> {
        let address = Address::Host("127.0.0.1".to_owned());
        let group = Group::gloo(&store.under("")?, Place { rank, size: 2 }, &address, PATIENCE)?;
        let mut tensor = Tensor::ones([1], (Kind::Float, tch::Device::Cpu));
        let mut least = f64::INFINITY;
        for _ in 0..TIMES {
            let begun = Instant::now();
            group.all_reduce(&mut tensor, Reduction::Sum)?;
            least = least.min(1e3 * begun.elapsed().as_secs_f64());
        }
        match tensor.double_value(&[0]) == f64::from(1 << TIMES) {
            true => Ok(least),
            false => Err(Refused("the sum is wrong".to_owned())),
        }
    };
    let number_ms = std::thread::scope(|scope| {
        let other = scope.spawn(|| add(1));
        let own = add(0);
        other.join().unwrap_or_else(|_| Err(Refused("a thread has panicked".to_owned()))).and(own)
    })?;
    Ok(Trial { over: "gloo", processes: 1, hosts: 1, number_ms, gradient_ms: None })
}

impl Launched {
    fn of(launch: &Launch) -> Launched {
        let variables = Launch::variables();
        Launched {
            launcher: launch::launcher(&variables).unwrap_or("variables"),
            rank: launch.place.rank,
            processes: launch.place.size,
            on_this_host: launch.local.map(|local| [local.rank, local.size]),
            meeting: format!("{}:{}", launch.host, launch.port),
            serves: launch.end == End::Server,
            attempt: launch.attempt,
            variables: launch::telling(&variables),
        }
    }
}
