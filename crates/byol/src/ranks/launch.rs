//! What the variables of a launcher say: which process this is of how many, and where they meet. A function of the variables
//! alone; nothing is asked of the network.
//!
//! torchrun, `mpirun` (Open MPI), Slurm's `srun`, launchers that speak PMI (MPICH, Intel MPI), and variables set by hand, in this
//! order but for Slurm's after Open MPI's: `mpirun` inside a job starts its daemons with `srun`, whose variables the ranks
//! inherit.

use std::collections::BTreeMap;

use byol_torch::group::{End, Place};

/// Where the ranks of a job without a number of its own meet: torchrun's default.
const PORT: u16 = 29500;
/// Ports of Slurm's jobs: below those that systems give away by themselves.
const SLURM_PORTS: u16 = 20_000;
const SLURM_PORT_COUNT: u64 = 10_000;

/// One of several processes, as its launcher has started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Which of how many.
    pub place: Place,
    /// Which of how many on this host, where the launcher says.
    pub local: Option<Place>,
    /// The host where the ranks meet.
    pub host: String,
    /// The port there.
    pub port: u16,
    /// Whether this process serves the store there, or uses it.
    pub end: End,
    /// How often the launcher has started the job anew.
    pub attempt: u64,
    /// What keeps jobs apart that meet at one port: of ranks that were started by hand the same for all.
    pub job: String,
}

/// Variables that do not tell which process this is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// One of two variables is missing.
    #[error("{set} is set but {unset} is not; set both, or neither")]
    Half {
        /// The variable that is set.
        set: &'static str,
        /// The one that is not.
        unset: &'static str,
    },
    /// A variable is no number.
    #[error("{name} is '{value}', and must be a whole number")]
    NoNumber {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// There is no such rank.
    #[error("{name} is {rank}, and must be below {size_name}, which is {size}")]
    Beyond {
        /// The variable of the rank.
        name: &'static str,
        /// Its value.
        rank: usize,
        /// The variable of the number of ranks.
        size_name: &'static str,
        /// Its value.
        size: usize,
    },
    /// Nothing says where the ranks meet.
    #[error(
        "MASTER_ADDR is not set and the {size} processes are not all on this host; set it to the host of rank 0 in each of them"
    )]
    NoAddress {
        /// How many processes there are.
        size: usize,
    },
}

/// The variables of one launcher.
struct Names {
    launcher: &'static str,
    rank: &'static str,
    size: &'static str,
    local: Option<[&'static str; 2]>,
}

const BY_HAND: Names =
    Names { launcher: "variables", rank: "RANK", size: "WORLD_SIZE", local: Some(["LOCAL_RANK", "LOCAL_WORLD_SIZE"]) };
const OPEN_MPI: Names = Names {
    launcher: "mpirun",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    local: Some(["OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"]),
};
// The job's SLURM_NTASKS is set in a batch script too, where nobody else has been started.
const SLURM: Names = Names { launcher: "srun", rank: "SLURM_PROCID", size: "SLURM_STEP_NUM_TASKS", local: None };
const PMI: Names =
    Names { launcher: "PMI", rank: "PMI_RANK", size: "PMI_SIZE", local: Some(["MPI_LOCALRANKID", "MPI_LOCALNRANKS"]) };

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

impl Launch {
    /// The variables of this process that are texts.
    pub fn variables() -> Variables {
        let texts = std::env::vars_os().map(|(name, value)| (name.into_string(), value.into_string()));
        texts.filter_map(|(name, value)| Some((name.ok()?, value.ok()?))).collect()
    }

    /// What the variables of a launcher say; nothing where this is the only process.
    ///
    /// # Errors
    /// A variable is missing beside another, is no number, or names a rank that there is not.
    pub fn of(variables: &Variables) -> Result<Option<Launch>, LaunchError> {
        let variable = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let Some(names) = Names::in_use(variables) else { return Ok(None) };
        let number = |name: &'static str| match variable(name) {
            Some(value) => match value.trim().parse::<usize>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(LaunchError::NoNumber { name, value: value.to_owned() }),
            },
            None => Ok(None),
        };
        let place = match (number(names.rank)?, number(names.size)?) {
            (Some(rank), Some(size)) if rank < size => Place { rank, size },
            (Some(rank), Some(size)) => {
                return Err(LaunchError::Beyond { name: names.rank, rank, size_name: names.size, size });
            }
            (Some(_), None) => return Err(LaunchError::Half { set: names.rank, unset: names.size }),
            (None, _) => return Err(LaunchError::Half { set: names.size, unset: names.rank }),
        };
        if place.size == 1 {
            return Ok(None);
        }
        let of_slurm = names.rank == SLURM.rank;
        let local = match names.local {
            Some([rank, size]) => number(rank)?.zip(number(size)?).map(|(rank, size)| Place { rank, size }),
            None => slurm_local(&variable),
        };
        let local = local.filter(|local| local.rank < local.size);
        let node = variable("SLURM_STEP_NODELIST").filter(|_| of_slurm).and_then(first_node);
        let host = match (variable("MASTER_ADDR"), node) {
            (Some(address), _) => address.to_owned(),
            (None, Some(node)) => node,
            (None, None) if local.is_some_and(|local| local.size == place.size) => "127.0.0.1".to_owned(),
            (None, None) => return Err(LaunchError::NoAddress { size: place.size }),
        };
        let slurm_job = variable("SLURM_JOB_ID").filter(|_| of_slurm);
        let port = match variable("MASTER_PORT") {
            Some(value) => {
                let wrong = || LaunchError::NoNumber { name: "MASTER_PORT", value: value.to_owned() };
                value.trim().parse().map_err(|_| wrong())?
            }
            None => slurm_job.and_then(|job| job.parse::<u64>().ok()).map_or(PORT, slurm_port),
        };
        let agent_serves = variable("TORCHELASTIC_USE_AGENT_STORE") == Some("True");
        let restarts = ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"].into_iter().find_map(variable);
        let job = match (variable("TORCHELASTIC_RUN_ID"), slurm_job) {
            (Some(run), _) => run.to_owned(),
            (None, Some(job)) => format!("{job}.{}", variable("SLURM_STEP_ID").unwrap_or("0")),
            (None, None) => String::new(),
        };
        Ok(Some(Launch {
            place,
            local,
            host,
            port,
            end: if place.rank == 0 && !agent_serves { End::Server } else { End::Client },
            attempt: restarts.and_then(|count| count.parse().ok()).unwrap_or(0),
            job,
        }))
    }
}

impl Names {
    /// Those that this process has been started with.
    fn in_use(variables: &Variables) -> Option<&'static Names> {
        [&BY_HAND, &OPEN_MPI, &SLURM, &PMI].into_iter().find(|names| {
            let has = |name| variables.get(name).is_some_and(|value| !value.is_empty());
            // A batch script of Slurm has a rank too, but no step that it would be one of; a number of tasks alone is a wish.
            let both = has(names.rank) && has(names.size);
            both || (names.rank == BY_HAND.rank && (has(names.rank) || has(names.size)))
        })
    }
}

/// What has started this process: `torchrun`, `srun`, `mpirun`, `PMI`, or `variables` that were set by hand.
pub fn launcher(variables: &Variables) -> Option<&'static str> {
    let agent = variables.contains_key("TORCHELASTIC_RUN_ID");
    Names::in_use(variables).map(|names| if agent && names.rank == BY_HAND.rank { "torchrun" } else { names.launcher })
}

/// The variables that tell which process this is, and where it meets the others.
pub fn telling(variables: &Variables) -> Variables {
    let Some(names) = Names::in_use(variables) else { return Variables::new() };
    let known =
        [names.rank, names.size, "MASTER_ADDR", "MASTER_PORT", "GLOO_SOCKET_IFNAME", "TORCHELASTIC_RESTART_COUNT"];
    let of_slurm = ["SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_LOCALID", "SLURM_RESTART_COUNT"];
    let of_slurm = of_slurm.into_iter().filter(|_| names.rank == SLURM.rank);
    let known: Vec<&str> = known.into_iter().chain(names.local.into_iter().flatten()).chain(of_slurm).collect();
    let told = variables.iter().filter(|(name, _)| known.contains(&name.as_str()));
    told.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn slurm_port(job: u64) -> u16 {
    SLURM_PORTS + (job % SLURM_PORT_COUNT) as u16
}

/// The rank among those of this host, of how many, in a step of Slurm: `SLURM_STEP_TASKS_PER_NODE` is `2(x3),1` where the first
/// three hosts have two and the fourth has one.
fn slurm_local<'a>(variable: &impl Fn(&str) -> Option<&'a str>) -> Option<Place> {
    let rank = variable("SLURM_LOCALID")?.parse().ok()?;
    let node: usize = variable("SLURM_NODEID").unwrap_or("0").parse().ok()?;
    let counts = variable("SLURM_STEP_TASKS_PER_NODE")?.split(',').flat_map(|part| {
        let (count, times) = part.split_once("(x").unwrap_or((part, "1)"));
        let times = times.trim_end_matches(')').parse().unwrap_or(0);
        std::iter::repeat_n(count.parse().ok(), times)
    });
    counts.into_iter().nth(node).flatten().map(|size| Place { rank, size })
}

/// The first host of a list of Slurm's: `node07` of `node[07-09,12],b3`.
fn first_node(list: &str) -> Option<String> {
    let (name, rest) = match list.find(['[', ',']) {
        Some(end) => list.split_at(end),
        None => (list, ""),
    };
    let number = match rest.strip_prefix('[') {
        Some(numbers) => numbers.split(['-', ',', ']']).next()?,
        None => "",
    };
    let name = format!("{name}{number}");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests;
