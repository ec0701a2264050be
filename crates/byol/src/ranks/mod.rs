//! Several processes ("ranks") that train one network together: which one this is ([`launch`]), how they meet ([`handshake`]), and
//! what they compute together ([`Ranks`]). Data-parallel: each has its share of every batch, statistics of batch norm are those of
//! all shares, and gradients are averaged, so that the number of ranks changes rounding and nothing else.
//!
//! What is computed of tensors, and what is trained, is elsewhere; no layer above asks the environment.

mod address;
mod agreed;
mod errands;
mod error;
pub mod handshake;
mod host_files;
pub mod launch;
mod shares;
#[cfg(test)]
pub(crate) mod testing;
mod word;
mod work;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use byol_torch::group::{Address, Group, Nccl, Reduction, Refused, Store};
use tch::Tensor;

pub use byol_torch::group::{End, Place};
pub use error::{Mismatch, RanksError};
pub(crate) use shares::share_of;
pub use work::Work;

use handshake::{Hello, Patience, Peer, meet};
use launch::Launch;

/// Longer than others take to read that.
const TO_BE_READ: Duration = Duration::from_secs(2);

/// This process among those that train together; by default it is alone, and everything here does nothing.
///
/// A collective function that fails poisons it: what is computed from there on is worthless, further collectives do nothing, and
/// [`Ranks::check`] says what has happened. Batch norm's gradient, which libtorch calls, has no other way to fail.
#[derive(Clone, Debug, Default)]
pub struct Ranks {
    together: Option<Arc<Together>>,
    /// Rows of each of a batch that cannot be shared equally.
    shares: Option<Arc<[usize]>>,
}

static ALONE: Ranks = Ranks { together: None, shares: None };

impl PartialEq for Ranks {
    fn eq(&self, other: &Ranks) -> bool {
        match (&self.together, &other.together) {
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (own, other) => own.is_none() && other.is_none(),
        }
    }
}

impl Eq for Ranks {}

#[derive(Debug)]
struct Together {
    place: Place,
    work: Work,
    peers: Vec<Peer>,
    /// For tensors, where they are computed.
    data: OnceLock<Group>,
    /// For what is agreed on, in the CPU's memory.
    control: Group,
    address: Address,
    timeout: Duration,
    failure: OnceLock<RanksError>,
    store: Arc<Store>,
    /// How many errands rank 0 has given, or this rank has taken.
    errands: AtomicUsize,
    /// How many temporary files this rank has asked for that those of its host have together.
    files: AtomicUsize,
    /// Nanoseconds in collective functions.
    waited: AtomicU64,
    /// Of them, in means of tensors.
    waited_for_means: AtomicU64,
}

/// Time in collective functions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waited {
    /// In all of them.
    pub all: Duration,
    /// Of it, in means of tensors: in a step of training, of its gradient.
    pub for_means: Duration,
}

/// Where tensors are computed.
#[derive(Clone, Copy, Debug)]
pub enum Medium {
    /// In the CPU's memory, over Gloo.
    Cpu,
    /// On GPUs, over NCCL.
    Gpu(Nccl),
}

/// How ranks are to meet.
pub struct Meeting<'a> {
    /// What the launcher says.
    pub launch: &'a Launch,
    /// The command of the program.
    pub command: &'a str,
    /// What it does.
    pub work: Work,
    /// The resolved configuration as TOML; empty where rank 0's is to be taken.
    pub configuration: &'a str,
    /// The network interface between the hosts, where it is named (`GLOO_SOCKET_IFNAME`).
    pub interface: Option<&'a str>,
    /// How long a rank waits for one that does not come to a collective function.
    pub timeout: Duration,
    /// How long it waits for all to be started.
    pub patience: Patience<'a>,
}

impl Ranks {
    /// One process, for what takes a reference.
    pub fn alone() -> &'static Ranks {
        &ALONE
    }

    /// Meets the others. Returns rank 0's configuration too.
    ///
    /// # Errors
    /// They cannot be reached, or do not fit together.
    pub fn meet(meeting: Meeting) -> Result<(Ranks, String), RanksError> {
        let Meeting { launch, command, work, configuration, interface, timeout, patience } = meeting;
        let Launch { place, host, port, end, .. } = launch;
        let opened = Store::open(host, *port, *end, patience.limit).map_err(|refused| {
            let (host, port) = (host.clone(), *port);
            match end {
                byol_torch::group::End::Server if is_taken(&refused) => RanksError::PortTaken { host, port },
                byol_torch::group::End::Server if refused.0.contains("imed out") => RanksError::NotHere { host, port },
                byol_torch::group::End::Server => RanksError::Unjoined(refused),
                byol_torch::group::End::Client => RanksError::NobodyThere { host, port, waited: patience.limit },
            }
        })?;
        let prefix = format!("byol/{}/{}", launch.job, launch.attempt);
        let store = opened.under(&prefix).map_err(RanksError::Unjoined)?;
        let address = address::towards(host, *port, interface);
        let loopback = match &address {
            Address::Host(host) if address::is_loopback(&address) => Some(host.clone()),
            _ => None,
        };
        let hello = Hello::of(place.size, command, configuration, loopback);
        let met = meet(&store, *place, &hello, patience)?;
        let under = store.under("control").map_err(RanksError::Unjoined)?;
        let control = Group::gloo(&under, *place, &address, timeout).map_err(RanksError::Unjoined)?;
        let together = Together {
            place: *place,
            work,
            peers: met.peers,
            data: OnceLock::new(),
            control,
            address,
            timeout,
            failure: OnceLock::new(),
            store: Arc::new(store),
            errands: AtomicUsize::new(0),
            files: AtomicUsize::new(0),
            waited: AtomicU64::new(0),
            waited_for_means: AtomicU64::new(0),
        };
        Ok((Ranks::of(together), met.configuration))
    }

    fn of(together: Together) -> Ranks {
        Ranks { together: Some(Arc::new(together)), shares: None }
    }

    /// Joins the ranks for tensors there; before that, only what is agreed on passes between them.
    ///
    /// # Errors
    /// libtorch refuses.
    pub fn compute_in(&self, medium: Medium) -> Result<(), RanksError> {
        let Some(together) = &self.together else { return Ok(()) };
        // A group is made through the store, where nobody would notice that a rank is gone.
        self.wait_for_all()?;
        let under = together.store.under("data").map_err(RanksError::Unjoined)?;
        let group = match medium {
            Medium::Cpu => Group::gloo(&under, together.place, &together.address, together.timeout),
            Medium::Gpu(nccl) => Group::nccl(&under, together.place, nccl, together.timeout),
        };
        // A second call changes nothing.
        let _ = together.data.set(group.map_err(|refused| together.told(&refused))?);
        Ok(())
    }

    /// Which of how many.
    pub fn place(&self) -> Place {
        self.together.as_ref().map_or(Place { rank: 0, size: 1 }, |together| together.place)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.place().size
    }

    /// Whether there are no others.
    pub fn is_alone(&self) -> bool {
        self.together.is_none()
    }

    /// Whether this one writes and speaks for all: rank 0, and whoever is alone.
    pub fn is_first(&self) -> bool {
        self.place().rank == 0
    }

    /// What is known of each rank, in their order; nothing of one that is alone.
    pub fn peers(&self) -> &[Peer] {
        self.together.as_ref().map_or(&[], |together| &together.peers)
    }

    /// That nothing has failed so far.
    ///
    /// # Errors
    /// A collective function has.
    pub fn check(&self) -> Result<(), RanksError> {
        match self.together.as_ref().and_then(|together| together.failure.get()) {
            Some(failure) => Err(failure.clone()),
            None => Ok(()),
        }
    }

    /// Time in collective functions since the last call: waiting for others, and for what travels. Those on GPUs are begun and not
    /// waited for.
    pub(crate) fn take_waited(&self) -> Waited {
        let Some(together) = &self.together else { return Waited::default() };
        let taken = |nanoseconds: &AtomicU64| Duration::from_nanos(nanoseconds.swap(0, Ordering::Relaxed));
        Waited { all: taken(&together.waited), for_means: taken(&together.waited_for_means) }
    }

    /// Leaves the others, with a word why. They notice it at once, by connections that end; whoever serves the store stays long
    /// enough for them to read the word.
    pub fn fail(self, message: &str) {
        let Some(together) = self.together else { return };
        let Place { rank, .. } = together.place;
        if together.failure.get().is_none() {
            let host = together.peers.get(rank).map_or("", |peer| peer.host.as_str());
            let told = format!("rank {rank} ({host}) has failed: {message}");
            together.leave_word(told);
        }
        if let Some(Together { control, data, store, .. }) = Arc::into_inner(together) {
            drop((control, data));
            if rank == 0 {
                std::thread::sleep(TO_BE_READ);
            }
            drop(store);
        }
    }

    /// The tensors of all ranks in their order, `[...]` to `[ranks, ...]`; the gradient is not theirs.
    pub fn gather(&self, tensor: &Tensor) -> Tensor {
        let own = tensor.detach();
        let Some(together) = &self.together else { return own.unsqueeze(0) };
        let gathered = together.run(|group| group.all_gather(&own));
        gathered.unwrap_or_else(|| Tensor::stack(&vec![&own; self.count()], 0))
    }

    /// As [`Ranks::gather`], of few numbers.
    pub(crate) fn gather_numbers(&self, numbers: &[f64]) -> Vec<Vec<f64>> {
        if self.is_alone() {
            return vec![numbers.to_vec()];
        }
        let gathered = self.gather(&Tensor::from_slice(numbers));
        let all: Vec<f64> = Vec::try_from(gathered.view(-1)).unwrap_or_default();
        all.chunks(numbers.len().max(1)).map(<[f64]>::to_vec).collect()
    }

    /// The rows of all ranks one after the other, `[rows, size]` to `[ranks * rows, size]`, where each has as many. The gradient
    /// of this rank's own rows is that of what all ranks make of them.
    pub(crate) fn gather_rows(&self, rows: &Tensor) -> Tensor {
        if self.is_alone() {
            return rows.shallow_clone();
        }
        let (count, size) = rows.size2().unwrap_or((0, 0));
        let all = tch::no_grad(|| self.gather(rows).view([-1, size]));
        if !byol_torch::needs_gradient(&[rows]) {
            return all;
        }
        let (ranks, first) = (self.clone(), self.place().rank as i64 * count);
        byol_torch::with_gradient(all, &[rows], move |gradient| {
            let of_all = ranks.gather(&gradient).sum_dim_intlist([0i64].as_slice(), false, gradient.kind());
            vec![Some(of_all.narrow(0, first, count))]
        })
    }

    /// Makes a tensor the mean over all ranks, the same on each to the last bit.
    pub(crate) fn mean(&self, tensor: &mut Tensor) {
        let Some(together) = &self.together else { return };
        let begun = Instant::now();
        together.run(|group| group.all_reduce(tensor, Reduction::Sum));
        together.waited_for_means.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        let _ = tensor.g_div_scalar_(self.count() as f64);
    }

    /// Makes a contiguous tensor that of rank 0.
    pub(crate) fn take_of_first(&self, tensor: &mut Tensor) {
        let Some(together) = &self.together else { return };
        together.run(|group| group.broadcast(tensor, 0));
    }
}

impl Together {
    /// A collective function on tensors; nothing where one has failed.
    fn run<T>(&self, function: impl FnOnce(&Group) -> Result<T, Refused>) -> Option<T> {
        if self.failure.get().is_some() {
            return None;
        }
        let group = self.data.get().unwrap_or(&self.control);
        self.kept(|| function(group)).ok()
    }

    fn agree<T>(&self, function: impl FnOnce(&Group) -> Result<T, Refused>) -> Result<T, RanksError> {
        self.kept(|| function(&self.control))
    }

    fn kept<T>(&self, function: impl FnOnce() -> Result<T, Refused>) -> Result<T, RanksError> {
        let begun = Instant::now();
        let result = function();
        self.waited.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        result.map_err(|refused| self.failure.get_or_init(|| self.told(&refused)).clone())
    }
}

fn is_taken(refused: &Refused) -> bool {
    ["EADDRINUSE", "address already in use"].iter().any(|words| refused.0.contains(words))
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    #[test]
    fn whoever_is_alone_is_first_and_changes_nothing() {
        let alone = Ranks::default();
        let rows = Tensor::from_slice(&[1.0, 2.0]).view([1, 2]);
        assert!(alone.is_alone() && alone.is_first() && alone.peers().is_empty());
        assert_eq!(alone.gather_rows(&rows), rows);
        assert_eq!(alone.gather_numbers(&[3.0]), [[3.0]]);
        assert_eq!(alone.largest([4, -5]), Ok([4, -5]));
        assert_eq!((alone.sum(0.5), alone.wait_for_all(), alone.check()), (Ok(0.5), Ok(()), Ok(())));
        assert_eq!(alone.texts("a"), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn ranks_agree() {
        testing::threads(3, |ranks| {
            let rank = ranks.place().rank;
            assert_eq!((ranks.count(), ranks.is_first()), (3, rank == 0));
            let number = rank as f64;
            assert_eq!(ranks.gather_numbers(&[number, -number]), [[0.0, 0.0], [1.0, -1.0], [2.0, -2.0]]);
            let mut mean = Tensor::from_slice(&[number, 3.0]);
            ranks.mean(&mut mean);
            assert_eq!(Vec::<f64>::try_from(mean).unwrap(), [1.0, 3.0]);
            assert_eq!(ranks.largest([rank as i64, -(rank as i64)]), Ok([2, 0]));
            assert_eq!(ranks.sum(number), Ok(3.0));
            assert_eq!(ranks.of_first(format!("of {rank}").as_bytes()), Ok(b"of 0".to_vec()));
            assert_eq!(ranks.texts(&"x".repeat(rank)).unwrap(), ["", "x", "xx"]);
            ranks.wait_for_all().unwrap();
        });
    }

    /// Of `sum over ranks s of (s + 1) * sum of squares of all rows`, with respect to each rank's own rows.
    #[test]
    fn gathered_rows_have_the_gradient_of_all_ranks() {
        let gradients = testing::threads(3, |ranks| {
            let own = Tensor::from_slice(&[ranks.place().rank as f64, 10.0]).view([1, 2]).set_requires_grad(true);
            let all = ranks.gather_rows(&own);
            assert_eq!(all.size(), [3, 2]);
            (all.square().sum(Kind::Double) * (ranks.place().rank as f64 + 1.0)).backward();
            Vec::<f64>::try_from(own.grad().view(-1)).unwrap()
        });
        // (1 + 2 + 3) * 2 * row
        assert_eq!(gradients, [[0.0, 120.0], [12.0, 120.0], [24.0, 120.0]]);
    }

    /// The first refusal is kept; what is gathered afterwards has the shape that it would have.
    #[test]
    fn a_failure_is_kept_and_told() {
        let errors = testing::threads(3, |ranks| {
            ranks.wait_for_all().unwrap();
            if ranks.place().rank == 2 {
                ranks.fail("the disk is full");
                return None;
            }
            let row = Tensor::zeros([1, 4], (Kind::Float, tch::Device::Cpu));
            let gathered = ranks.gather_rows(&row);
            assert_eq!((gathered.size(), ranks.gather(&row).size()), (vec![3, 4], vec![3, 1, 4]));
            let error = ranks.check().unwrap_err();
            assert_eq!(ranks.largest([1]), Err(error.clone()));
            Some(error.to_string())
        });
        let told = "rank 2 (thread 2) has failed: the disk is full; what was saved is kept, start again with --resume";
        assert_eq!(errors, [Some(told.to_owned()), Some(told.to_owned()), None]);
        let errors = testing::threads(2, |ranks| {
            ranks.wait_for_all().unwrap();
            (ranks.place().rank == 0).then(|| ranks.wait_for_all().unwrap_err())
        });
        assert!(matches!(errors[0], Some(RanksError::Lost { .. })), "{errors:?}");
    }

    /// Over a port of this host, as processes do it.
    #[test]
    fn ranks_meet_and_a_port_that_is_in_use_is_told() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let launch = |rank: usize| Launch {
            place: Place { rank, size: 2 },
            local: None,
            host: "127.0.0.1".into(),
            port: free,
            end: if rank == 0 { byol_torch::group::End::Server } else { byol_torch::group::End::Client },
            attempt: 0,
            job: "test".into(),
        };
        let join = |rank| {
            Ranks::meet(Meeting {
                launch: &launch(rank),
                command: "pretrain",
                work: Work::Training,
                configuration: "",
                interface: None,
                timeout: testing::LONG,
                patience: Patience { limit: testing::LONG, note: &mut |_| {} },
            })
        };
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let (ranks, _) = join(1).unwrap();
                ranks.compute_in(Medium::Cpu).unwrap();
                let sum = ranks.gather_numbers(&[1.0]);
                ranks.wait_for_all().unwrap();
                sum
            });
            let (ranks, _) = join(0).unwrap();
            assert_eq!(ranks.peers().iter().map(|peer| peer.sharing).collect::<Vec<_>>(), [2, 2]);
            let taken = join(0).unwrap_err().to_string();
            assert_eq!(
                taken,
                format!("port {free} of 127.0.0.1 is in use; set MASTER_PORT to another one on all ranks")
            );
            ranks.compute_in(Medium::Cpu).unwrap();
            assert_eq!(ranks.gather_numbers(&[0.0]), [[0.0], [1.0]]);
            ranks.wait_for_all().unwrap();
            assert_eq!(other.join().unwrap(), [[0.0], [1.0]]);
        });
    }
}
