//! Ranks that are threads of the tests' process.

use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use byol_torch::group::{Address, Group, Place, Store};

use super::handshake::Peer;
use super::{Medium, Ranks, Together, Work};

/// Longer than anything takes, however busy the machine is.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// What each of `size` ranks makes, in their order; one rank is alone. Each computes on one thread.
pub(crate) fn threads<T: Send>(size: usize, work: impl Fn(Ranks) -> T + Sync) -> Vec<T> {
    let (store, work) = (Store::in_process().unwrap(), &work);
    std::thread::scope(|scope| {
        let start = |rank| {
            let store = store.under("").unwrap();
            scope.spawn(move || {
                byol_torch::set_own_threads(1);
                work(if size == 1 { Ranks::default() } else { Ranks::of_thread(store, Place { rank, size }) })
            })
        };
        let threads: Vec<_> = (0..size).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

impl Ranks {
    fn of_thread(store: Store, place: Place) -> Ranks {
        let address = Address::Host("127.0.0.1".into());
        let control = Group::gloo(&store.under("control").unwrap(), place, &address, LONG).unwrap();
        let peer = |rank| Peer { host: format!("thread {rank}"), sharing: place.size };
        let (peers, data, failure) = ((0..place.size).map(peer).collect(), OnceLock::new(), OnceLock::new());
        let ranks = Ranks::of(Together {
            place,
            work: Work::Training,
            peers,
            data,
            control,
            address,
            timeout: LONG,
            failure,
            store: Arc::new(store),
            errands: AtomicUsize::new(0),
            files: AtomicUsize::new(0),
            waited: AtomicU64::new(0),
            waited_for_means: AtomicU64::new(0),
        });
        ranks.compute_in(Medium::Cpu).unwrap();
        ranks
    }
}
