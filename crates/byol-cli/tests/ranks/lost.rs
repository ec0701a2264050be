//! Ranks that die, fail or hang: what the others say, command by command, and what is left.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::processes::{LONG, Place, Rank, checkpoints, run, wait_for_a_checkpoint};

/// Whichever rank is killed, the other ends by itself, says so, and leaves a run that goes on.
#[test]
fn a_killed_rank_ends_the_others() {
    for killed in [0, 1] {
        let place = Place::new();
        let mut ranks = place.start(2, &run("run", "pretrain.epochs=5000"));
        wait_for_a_checkpoint(&place.path("run"));
        ranks[killed].signal("-KILL");
        let end = ranks.remove(1 - killed).end();
        assert_eq!(end.code, Some(1), "{end:?}");
        let name = if killed == 0 { "byol: rank 1: " } else { "byol: " };
        let words = "another process of this training has ended (Connection";
        assert!(end.said.contains(&format!("{name}{words}")), "{end:?}");
        assert!(end.said.contains("what was saved is kept, start again with --resume"), "{end:?}");
        assert!(!checkpoints(&place.path("run")).is_empty());
        drop(ranks);
        // One process goes on from there, by an end that it is asked for at once.
        let mut alone = Rank(Some(place.resume("run").spawn().unwrap()));
        let newest = checkpoints(&place.path("run")).pop();
        let begun = Instant::now();
        while checkpoints(&place.path("run")).pop() == newest {
            assert!(begun.elapsed() < LONG && alone.0.as_mut().unwrap().try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(5));
        }
        alone.signal("-INT");
        assert_eq!(alone.end().code, Some(130));
    }
}

/// An error of one rank is that of all, by name.
#[test]
fn a_rank_that_fails_is_named_by_the_others() {
    let place = Place::new();
    let first = place.start_as(0, 2, place.command(&run("run", "pretrain.epochs=1")));
    let second = place.start_as(1, 2, place.command_on("cuda:7", &run("run", "pretrain.epochs=1")));
    let [first, second] = [first, second].map(Rank::end);
    assert_eq!((first.code, second.code), (Some(1), Some(2)), "{first:?} {second:?}");
    assert!(second.said.starts_with("byol: rank 1: "), "{second:?}");
    assert!(first.said.contains("rank 1 (") && first.said.contains(") has failed: "), "{first:?}");
}

/// A rank that hangs is noticed after the time that was asked for.
#[test]
fn a_rank_that_hangs() {
    let place = Place::new();
    let settings = [run("run", "pretrain.epochs=5000"), vec!["--rank-timeout", "0.5"]].concat();
    let mut ranks = place.start(2, &settings);
    wait_for_a_checkpoint(&place.path("run"));
    ranks[1].signal("-STOP");
    let end = ranks.remove(0).end();
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.said.contains("no word from the other processes for 30 seconds; one of them hangs"), "{end:?}");
}

/// A tiny encoder in `encoder`.
fn with_an_encoder(place: &Place) {
    let more = run("encoder", "pretrain.epochs=1");
    assert!(place.command(&more).output().unwrap().status.success());
}

/// Files that are embedded are written by none: the others say so, and name no option that the command does not have.
#[test]
fn a_rank_that_is_killed_while_files_are_embedded() {
    let place = Place::new();
    with_an_encoder(&place);
    let embed = || place.program(&["embed", "--from", "encoder", "-", "--out", "rows.npy", "--device", "cpu"]);
    let mut first = embed();
    first.stdin(Stdio::piped());
    let mut first = place.start_as(0, 2, first);
    let second = place.start_as(1, 2, embed());
    // More than a pipe holds: rank 0 reads once the ranks have met.
    let mut list = first.0.as_mut().unwrap().stdin.take().unwrap();
    list.write_all("photos/0.bmp\n".repeat(100_000).as_bytes()).unwrap();
    second.signal("-KILL");
    drop(second);
    drop(list);
    let end = first.end();
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.said.contains("byol: another process of this embedding has ended (Connection"), "{end:?}");
    assert!(end.said.trim().ends_with("; no file was written, start all processes again"), "{end:?}");
    assert!(!place.path("rows.npy").exists());
}

#[test]
fn a_rank_that_fails_while_an_encoder_is_evaluated() {
    let place = Place::with_classes(4, 2);
    with_an_encoder(&place);
    let evaluate = |device: &str| {
        let what = ["evaluate", "knn", "--from", "encoder", "--data", "classes", "--quiet", "--threads", "1"];
        place.program(&[&what[..], &["--device", device]].concat())
    };
    let ranks = [(0, "cpu"), (1, "cuda:7")].map(|(rank, device)| place.start_as(rank, 2, evaluate(device)));
    let [first, second] = ranks.map(Rank::end);
    assert_eq!((first.code, second.code), (Some(1), Some(2)), "{first:?} {second:?}");
    assert!(first.said.starts_with("byol: rank 1 (") && first.said.contains(") has failed: "), "{first:?}");
    assert!(first.said.trim().ends_with("; start all processes again"), "{first:?}");
}
