//! What keeps ranks from computing together, each in one sentence.

use std::fmt;
use std::time::Duration;

use byol_torch::group::Refused;
use serde::{Deserialize, Serialize};

use super::launch::LaunchError;
use super::work::Work;

/// Ranks that cannot compute together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RanksError {
    /// The launcher's variables do not tell which process this is.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Another program has the port where the ranks are to meet.
    #[error("port {port} of {host} is in use; set MASTER_PORT to another one on all ranks")]
    PortTaken {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// Nobody has answered where the ranks are to meet.
    #[error(
        "no answer from rank 0 at {host}:{port} after {}; is it running, and is MASTER_ADDR an address that this host reaches?",
        Waited(*waited)
    )]
    NobodyThere {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// How long was waited.
        waited: Duration,
    },
    /// Rank 0 serves the meeting, and does not reach it.
    #[error(
        "rank 0 does not reach itself at {host}:{port}; set MASTER_ADDR to an address of rank 0's host, on all ranks"
    )]
    NotHere {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
    /// The ranks do not fit together.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// Another rank has said why it ended.
    #[error("{told}; {}", work.remedy())]
    Failed {
        /// What it said: who it is, and why.
        told: String,
        /// What was done together.
        work: Work,
    },
    /// Another rank has ended without a word.
    #[error("another process of this {} has ended ({reason}); its own message says why; {}", work.name(), work.remedy())]
    Lost {
        /// How it was noticed.
        reason: String,
        /// What was done together.
        work: Work,
    },
    /// A rank has not come to a meeting for as long as ranks wait.
    #[error(
        "no word from the other processes for {}; one of them hangs, or the network is gone (--rank-timeout); {}",
        Waited(*waited),
        work.remedy()
    )]
    Silence {
        /// How long was waited.
        waited: Duration,
        /// What was done together.
        work: Work,
    },
    /// libtorch cannot join the ranks.
    #[error("the processes cannot be joined: {0}")]
    Unjoined(Refused),
}

impl RanksError {
    /// Whether another command line, or other variables, are the remedy.
    pub fn is_of_command_line(&self) -> bool {
        match self {
            RanksError::Launch(_) => true,
            RanksError::Mismatch(mismatch) => {
                matches!(mismatch, Mismatch::Configurations { .. } | Mismatch::Commands { .. })
            }
            _ => false,
        }
    }

    /// What cannot be put into text for another rank, or understood from it.
    pub(crate) fn untold(error: serde_json::Error) -> RanksError {
        RanksError::Unjoined(Refused(error.to_string()))
    }

    /// What a refusal means, where no rank has said more.
    pub(super) fn of(refused: &Refused, waited: Duration, work: Work) -> RanksError {
        match refused.0.contains("imed out") {
            true => RanksError::Silence { waited, work },
            false => RanksError::Lost { reason: reason(&refused.0), work },
        }
    }
}

/// Of a message of Gloo's, which begins with a place in its source and ends with addresses, what a person can use.
fn reason(message: &str) -> String {
    let known = ["Connection reset by peer", "Connection closed by peer", "Connection refused", "Broken pipe"];
    match known.into_iter().find(|known| message.contains(known)) {
        Some(known) => known.to_owned(),
        None => message.lines().next().unwrap_or_default().trim().to_owned(),
    }
}

/// A time in words.
struct Waited(Duration);

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self.0.as_secs() {
            seconds if seconds >= 120 && seconds.is_multiple_of(60) => (seconds / 60, "minute"),
            seconds => (seconds, "second"),
        };
        write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
    }
}

/// What does not fit together. Rank 0 finds it and tells all others, so that each says the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// Ranks have not come.
    #[error("{} not come within {}", Ones { ranks, verb: ["has", "have"] }, Waited(*waited))]
    Missing {
        /// Which.
        ranks: Vec<usize>,
        /// How long was waited.
        waited: Duration,
    },
    /// Two processes are one rank.
    #[error("rank {rank} was started twice (on {first} and {second})")]
    Twice {
        /// The rank.
        rank: usize,
        /// The host of the one that came first.
        first: String,
        /// That of the other.
        second: String,
    },
    /// Two ranks count differently.
    #[error("rank {rank} counts {there} processes, rank 0 counts {here}")]
    Sizes {
        /// The one that is not rank 0.
        rank: usize,
        /// Its number.
        there: usize,
        /// Rank 0's.
        here: usize,
    },
    /// Two ranks are different programs.
    #[error("rank {rank} runs byol {there}, rank 0 byol {here}")]
    Versions {
        /// The one that is not rank 0.
        rank: usize,
        /// Its version, with that of its libtorch.
        there: String,
        /// Rank 0's.
        here: String,
    },
    /// Two ranks do different work.
    #[error("rank {rank} was started as 'byol {there}', rank 0 as 'byol {here}'")]
    Commands {
        /// The one that is not rank 0.
        rank: usize,
        /// Its command.
        there: String,
        /// Rank 0's.
        here: String,
    },
    /// Two ranks have different settings.
    #[error("rank {rank} was given another configuration: {key}={there}, rank 0 has {here}")]
    Configurations {
        /// The one that is not rank 0.
        rank: usize,
        /// The first key that differs.
        key: String,
        /// Its value.
        there: String,
        /// Rank 0's.
        here: String,
    },
    /// Two ranks see different images.
    #[error("rank {rank} ({host}) sees other data than rank 0: {}", Images([*there, *here]))]
    Data {
        /// The one that is not rank 0.
        rank: usize,
        /// Its host.
        host: String,
        /// How many it sees.
        there: usize,
        /// How many rank 0 sees.
        here: usize,
    },
    /// Two ranks compute on devices of different kinds.
    #[error("rank {rank} ({host}) computes on {there}, rank 0 on {here}; give all the same with --device")]
    Devices {
        /// The one that is not rank 0.
        rank: usize,
        /// Its host.
        host: String,
        /// Its device.
        there: String,
        /// Rank 0's.
        here: String,
    },
    /// Two ranks would compute on one GPU.
    #[error(
        "ranks {first} and {second} would both use GPU {gpu} of {host}; start as many processes per host as it has GPUs"
    )]
    OneGpu {
        /// The first.
        first: usize,
        /// The second.
        second: usize,
        /// The number of the GPU.
        gpu: usize,
        /// Its host.
        host: String,
    },
    /// Ranks have trained apart: a fault of the machine or of this program.
    #[error(
        "rank {rank} has other weights than rank 0 since step {step} at the latest; the last checkpoint before is kept"
    )]
    Weights {
        /// The one that is not rank 0.
        rank: usize,
        /// The step after which they were compared, from 1.
        step: usize,
    },
    /// A host knows no address of its own that others reach.
    #[error(
        "rank {rank} knows its host as {address} only, and rank {other} is elsewhere; set GLOO_SOCKET_IFNAME to the network \
         interface between the hosts"
    )]
    Loopback {
        /// The rank.
        rank: usize,
        /// Its address.
        address: String,
        /// One on another host.
        other: usize,
    },
}

/// `rank 5 has`, `ranks 5 and 7 have`.
struct Ones<'a> {
    ranks: &'a [usize],
    verb: [&'static str; 2],
}

impl fmt::Display for Ones<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ranks {
            [one] => write!(f, "rank {one} {}", self.verb[0]),
            several => write!(f, "ranks {} {}", list(several), self.verb[1]),
        }
    }
}

/// `1, 2 and 3`.
pub(super) fn list(ranks: &[usize]) -> String {
    let words: Vec<String> = ranks.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// There, and at rank 0.
struct Images([usize; 2]);

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [there, here] if there == here => write!(f, "as many images, {there}, but others"),
            [there, here] => write!(f, "{there} images, {here} there"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences() {
        let missing = |ranks: &[usize], seconds| {
            Mismatch::Missing { ranks: ranks.to_vec(), waited: Duration::from_secs(seconds) }.to_string()
        };
        assert_eq!(missing(&[5], 600), "rank 5 has not come within 10 minutes");
        assert_eq!(missing(&[5, 7], 1), "ranks 5 and 7 have not come within 1 second");
        assert_eq!(missing(&[1, 5, 7], 90), "ranks 1, 5 and 7 have not come within 90 seconds");
        let data = |there, here| Mismatch::Data { rank: 1, host: "b".into(), there, here }.to_string();
        assert_eq!(data(9, 10), "rank 1 (b) sees other data than rank 0: 9 images, 10 there");
        assert_eq!(data(10, 10), "rank 1 (b) sees other data than rank 0: as many images, 10, but others");
        let lost = "[../third_party/gloo/gloo/transport/tcp/pair.cc:542] Connection closed by peer [127.0.0.1]:29152";
        for (work, name, remedy) in [
            (Work::Meeting, "job", "nothing was begun, start all processes again"),
            (Work::Training, "training", "what was saved is kept, start again with --resume"),
            (Work::Demo, "demo", "what was saved is kept, and the demo goes on when it is started again"),
            (Work::Evaluation, "evaluation", "start all processes again"),
            (Work::Embedding, "embedding", "no file was written, start all processes again"),
            (Work::Measurement, "measurement", "start all processes again"),
        ] {
            let found = RanksError::of(&Refused(lost.into()), Duration::ZERO, work).to_string();
            let ended = format!("another process of this {name} has ended (Connection closed by peer)");
            assert_eq!(found, format!("{ended}; its own message says why; {remedy}"));
        }
        let silent = "[pair.cc:1] Timed out waiting 1800000ms for recv operation to complete";
        let error = RanksError::of(&Refused(silent.into()), Duration::from_secs(1800), Work::Training);
        assert!(error.to_string().starts_with("no word from the other processes for 30 minutes; one of them hangs, "));
        assert!(!error.is_of_command_line());
    }
}
