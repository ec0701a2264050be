//! Pre-training: what ranks train together, and how they stop together and go on.

use crate::processes::{Place, Rank, run, wait_for_a_checkpoint};

/// The same function as one process computes, the same bytes every time, and rank 0 alone writes and speaks.
#[test]
fn ranks_pretrain_together() {
    let place = Place::new();
    for out in ["two", "again"] {
        let ends = place.finish(2, || place.command(&run(out, "pretrain.epochs=3")));
        assert!(ends[1].said.is_empty() && ends[1].printed.is_empty(), "{ends:?}");
    }
    assert!(place.last("two") == place.last("again"), "two ranks give other bytes the second time");
    let alone = place.command(&run("alone", "pretrain.epochs=3")).output().unwrap();
    assert!(alone.status.success(), "{alone:?}");
    let [together, alone] = ["two", "alone"].map(|out| place.losses(out));
    assert_eq!((together.len(), alone.len()), (3, 3));
    for (together, alone) in together.iter().zip(&alone) {
        assert!((together - alone).abs() < 0.01 * alone.abs(), "{together} and {alone}");
    }
    // A finished run is passed over by all.
    place.finish(2, || place.resume("two"));
}

/// A signal to one rank stops all after the same step; so many, or others, go on from there.
#[test]
fn ranks_stop_together_and_go_on() {
    let place = Place::new();
    let settings = run("stopped", "pretrain.epochs=40");
    let ranks = place.start(2, &settings);
    wait_for_a_checkpoint(&place.path("stopped"));
    ranks[1].signal("-TERM");
    for end in ranks.into_iter().map(Rank::end) {
        assert_eq!(end.code, Some(143), "{end:?}");
    }
    let count = std::fs::read_dir(place.path("stopped").join("checkpoints")).unwrap().count();
    assert!(count > 0);
    place.finish(2, || place.resume("stopped"));
    place.finish(2, || place.command(&run("whole", "pretrain.epochs=40")));
    assert!(place.last("stopped") == place.last("whole"), "stopping has changed what two ranks compute");
    assert_eq!(place.losses("stopped"), place.losses("whole"));
}
