use std::time::Instant;

use tch::Kind;

use super::*;

const LONG: Duration = Duration::from_secs(120);

fn group(store: &Store, place: Place, timeout: Duration) -> Group {
    Group::gloo(store, place, &Address::Host("127.0.0.1".into()), timeout).unwrap()
}

/// What each of `size` ranks makes of its group, in their order; they are threads, and meet in a store of this process.
fn ranks<T: Send>(size: usize, work: impl Fn(Group) -> T + Sync) -> Vec<T> {
    let (store, work) = (Store::in_process().unwrap(), &work);
    std::thread::scope(|scope| {
        let start = |rank| {
            let store = store.under("").unwrap();
            scope.spawn(move || work(group(&store, Place { rank, size }, LONG)))
        };
        let threads: Vec<_> = (0..size).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

fn bits(tensor: &Tensor) -> Vec<u8> {
    Vec::try_from(tensor.view(-1).view_dtype(Kind::Uint8)).unwrap()
}

/// Sums of whole numbers are exact in every type; of others they are the same on all ranks, and every time.
#[test]
fn sums_are_right_and_the_same_everywhere() {
    for size in [2, 3, 4] {
        for kind in [Kind::Float, Kind::Double, Kind::BFloat16] {
            let found = ranks(size, |group| {
                let rank = group.place().rank as i64;
                let whole = Tensor::arange(12, (kind, Device::Cpu)) + rank;
                let mut sum = whole.view([3, 4]).copy();
                group.all_reduce(&mut sum, Reduction::Sum).unwrap();
                let mut largest = whole * (1 - 2 * (rank % 2));
                group.all_reduce(&mut largest, Reduction::Maximum).unwrap();
                let rough = (Tensor::arange(10_007, (Kind::Double, Device::Cpu)) + rank).sin().to_kind(kind);
                let twice = [(); 2].map(|()| {
                    let mut rough = rough.copy();
                    group.all_reduce(&mut rough, Reduction::Sum).unwrap();
                    bits(&rough)
                });
                assert_eq!(twice[0], twice[1]);
                let numbers = |tensor: &Tensor| Vec::<f64>::try_from(tensor.view(-1).to_kind(Kind::Double)).unwrap();
                (numbers(&sum), numbers(&largest), twice)
            });
            let ranks = size as f64;
            let sums: Vec<f64> = (0..12).map(|place| f64::from(place) * ranks + ranks * (ranks - 1.0) / 2.0).collect();
            let last_even = ((size - 1) / 2 * 2) as f64;
            let largest: Vec<f64> = (0..12).map(|place| f64::from(place) + last_even).collect();
            for (sum, most, twice) in &found {
                assert_eq!(*sum, sums, "{size} ranks, {kind:?}");
                assert_eq!(*most, largest, "{size} ranks, {kind:?}");
                assert_eq!(*twice, found[0].2, "{size} ranks, {kind:?}");
            }
        }
    }
}

#[test]
fn tensors_are_handed_round_in_the_order_of_the_ranks() {
    for size in [2, 3, 4] {
        let all: Vec<f64> = (0..size).flat_map(|rank| [rank as f64, 10.0 + rank as f64]).collect();
        ranks(size, |group| {
            let rank = group.place().rank;
            for kind in [Kind::Float, Kind::Double, Kind::BFloat16, Kind::Int64] {
                let own = Tensor::from_slice(&[rank as f64, 10.0 + rank as f64]).to_kind(kind).view([1, 2]);
                let gathered = group.all_gather(&own).unwrap();
                assert_eq!((gathered.size(), gathered.kind()), (vec![size as i64, 1, 2], kind));
                assert_eq!(Vec::<f64>::try_from(gathered.view(-1).to_kind(Kind::Double)).unwrap(), all);
                let mut own = own;
                group.broadcast(&mut own, size - 1).unwrap();
                assert_eq!(own.double_value(&[0, 1]), 10.0 + (size - 1) as f64);
            }
            for bytes in [&b""[..], b"one word", &[7; 100_000]] {
                let own = if rank == 1 { bytes } else { b"not this" };
                assert_eq!(group.broadcast_bytes(own, 1).unwrap(), bytes);
            }
        });
    }
}

/// Nobody passes a barrier before all have come.
#[test]
fn a_barrier_waits_for_all() {
    let come = std::sync::atomic::AtomicUsize::new(0);
    ranks(3, |group| {
        for round in 1..=5 {
            std::thread::sleep(Duration::from_millis(10 * group.place().rank as u64));
            come.fetch_add(1, Ordering::SeqCst);
            group.barrier().unwrap();
            assert!(come.load(Ordering::SeqCst) >= 3 * round);
            group.barrier().unwrap();
        }
    });
}

/// A rank that leaves is noticed at once, in one line without C++ functions; one that does not come, after the timeout.
#[test]
fn a_rank_that_leaves_is_an_error_of_the_others() {
    let began = Instant::now();
    let errors = ranks(3, |group| {
        group.barrier().unwrap();
        if group.place().rank == 1 {
            return None;
        }
        let mut sum = Tensor::ones([100], (Kind::Float, Device::Cpu));
        Some(group.all_reduce(&mut sum, Reduction::Sum).unwrap_err())
    });
    assert!(began.elapsed() < LONG);
    assert!(errors[1].is_none());
    for error in errors.into_iter().flatten() {
        assert!(error.0.contains("onnection") && !error.0.contains("c10"), "{error}");
    }

    let store = Store::in_process().unwrap();
    std::thread::scope(|scope| {
        let (stays, waits) = std::sync::mpsc::channel::<()>();
        let [under, other] = [(); 2].map(|()| store.under("").unwrap());
        scope.spawn(move || {
            let _group = group(&other, Place { rank: 1, size: 2 }, LONG);
            let _ = waits.recv();
        });
        let group = group(&under, Place { rank: 0, size: 2 }, Duration::from_secs(1));
        let error = group.barrier().unwrap_err();
        assert!(error.0.contains("imed out"), "{error}");
        drop(stays);
    });
}

#[test]
fn ranks_meet_at_a_port() {
    let server = Store::open("127.0.0.1", 0, End::Server, LONG).unwrap();
    let port = server.port();
    let taken = Store::open("127.0.0.1", port, End::Server, LONG).unwrap_err();
    assert!(taken.0.contains("EADDRINUSE"), "{taken}");
    std::thread::scope(|scope| {
        let (first, second) = (server.under("a").unwrap(), server.under("b").unwrap());
        let other = scope.spawn(move || {
            let store = Store::open("127.0.0.1", port, End::Client, LONG).unwrap();
            let (first, second) = (store.under("a").unwrap(), store.under("b").unwrap());
            assert_eq!(first.get("greeting", LONG).unwrap(), b"hello");
            assert!(!second.has("greeting").unwrap());
            assert_eq!(second.add("count", 2).unwrap(), 2);
            second.set("empty", b"").unwrap();
            let mut sum = Tensor::from(2i64);
            group(&first, Place { rank: 1, size: 2 }, LONG).all_reduce(&mut sum, Reduction::Sum).unwrap();
            sum.int64_value(&[])
        });
        first.set("greeting", b"hello").unwrap();
        assert_eq!(second.get("empty", LONG).unwrap(), b"");
        assert_eq!(second.add("count", 3).unwrap(), 5);
        let mut sum = Tensor::from(5i64);
        group(&first, Place { rank: 0, size: 2 }, LONG).all_reduce(&mut sum, Reduction::Sum).unwrap();
        assert_eq!([sum.int64_value(&[]), other.join().unwrap()], [7; 2]);
        let missing = first.get("nothing", Duration::from_millis(50)).unwrap_err();
        assert!(!missing.0.contains('\n'), "{missing}");
    });
}

#[test]
fn there_is_no_rank_beyond_the_last() {
    let store = Store::in_process().unwrap();
    let address = Address::Host("127.0.0.1".into());
    let refused = Group::gloo(&store, Place { rank: 2, size: 2 }, &address, LONG).unwrap_err();
    assert_eq!(refused.to_string(), "there is no rank 2 of 2");
}

/// The constructors of the group over NCCL are found in libtorch's GPU half, and say politely that there is no GPU, or make a
/// group of one rank. On most machines without a GPU the library cannot be loaded.
#[cfg(target_os = "linux")]
#[test]
fn nccl_is_within_reach() {
    // SAFETY: the name is a C string; libtorch's own initialisers run.
    let library = unsafe { libc::dlopen(c"libtorch_cuda.so".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if library.is_null() {
        // SAFETY: dlerror gives a C string after a failure.
        let reason = unsafe { std::ffi::CStr::from_ptr(libc::dlerror()) }.to_string_lossy();
        println!("SKIPPED: libtorch's GPU half cannot be loaded here ({reason})");
        return;
    }
    // SAFETY: it is libtorch's library.
    let nccl = unsafe { Nccl::find(library) }.expect("both constructors");
    let store = Store::in_process().unwrap();
    match Group::nccl(&store, Place { rank: 0, size: 1 }, nccl, LONG) {
        Err(refused) => assert!(refused.0.contains("no GPUs found"), "{refused}"),
        Ok(group) => {
            let mut sum = Tensor::ones([5], (Kind::Float, Device::Cuda(0)));
            group.all_reduce(&mut sum, Reduction::Sum).unwrap();
            assert_eq!(sum.sum(Kind::Float).double_value(&[]), 5.0);
            assert_eq!(group.all_gather(&sum).unwrap().size(), [1, 5]);
        }
    }
}
