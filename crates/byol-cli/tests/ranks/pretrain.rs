//! Pre-training: what ranks train together, how they stop together, and what each says of a mistake in starting them, or of one that
//! dies.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::processes::{End, LONG, Place, Rank, checkpoints, run, wait_for_a_checkpoint};

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

#[test]
fn a_batch_that_does_not_divide() {
    let place = Place::new();
    let ends: Vec<End> = place.start(3, &run("run", "pretrain.epochs=1")).into_iter().map(Rank::end).collect();
    let sentence = "pretrain.batch_size is 16 in 1 part, which 3 processes cannot share equally; start 2 or 4 processes, or \
                    --set pretrain.batch_size=15";
    assert_eq!((ends[0].code, ends[0].said.trim()), (Some(2), format!("byol: {sentence}").as_str()));
    for end in &ends[1..] {
        assert!(end.said.contains("rank 0 (") && end.said.contains(sentence), "{end:?}");
    }
    assert!(!place.path("run").exists(), "nothing was begun");
}

#[test]
fn half_of_the_variables() {
    let place = Place::new();
    let output = place.command(&run("run", "pretrain.epochs=1")).env("RANK", "0").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.trim(), "byol: RANK is set but WORLD_SIZE is not; set both, or neither");
    let output = place.command(&run("run", "pretrain.epochs=1")).env("RANK", "0").args(["--processes", "off"]).output();
    assert!(output.unwrap().status.success());
}

/// Ends of two ranks that do not fit, which say the same and with one code.
fn refused(first: Rank, second: Rank, code: i32, sentence: &str) {
    let [first, second] = [first, second].map(Rank::end);
    assert_eq!((first.code, second.code), (Some(code), Some(code)), "{first:?} {second:?}");
    assert_eq!(first.said.trim(), format!("byol: {sentence}"));
    assert!(second.said.trim().ends_with(&format!(": {sentence}")), "{second:?}");
}

#[test]
fn other_numbers_of_processes() {
    let place = Place::new();
    let settings = run("run", "pretrain.epochs=1");
    let (first, second) =
        (place.start_as(0, 2, place.command(&settings)), place.start_as(1, 3, place.command(&settings)));
    refused(first, second, 1, "rank 1 counts 3 processes, rank 0 counts 2");
}

#[test]
fn another_configuration() {
    let place = Place::new();
    let first = place.start_as(0, 2, place.command(&run("run", "pretrain.epochs=1")));
    let second = place.start_as(1, 2, place.command(&run("run", "pretrain.epochs=2")));
    refused(first, second, 2, "rank 1 was given another configuration: pretrain.epochs=2, rank 0 has 1");
    assert!(!place.path("run").exists(), "nothing was begun");
}

#[test]
fn other_data() {
    let place = Place::new();
    let first = place.start_as(0, 2, place.command(&run("run", "pretrain.epochs=1")));
    let second =
        place.start_as(1, 2, place.command(&["--data", "others", "--out", "run", "--set", "pretrain.epochs=1"]));
    let [first, second] = [first, second].map(Rank::end);
    assert_eq!((first.code, second.code), (Some(1), Some(1)), "{first:?} {second:?}");
    for end in [first, second] {
        assert!(end.said.contains(") sees other data than rank 0: 40 images, 48 there"), "{end:?}");
    }
}

#[test]
fn a_port_that_is_in_use() {
    let place = Place::new();
    let _taken = TcpListener::bind(("0.0.0.0", place.port)).unwrap();
    let end = place.start_as(0, 2, place.command(&run("run", "pretrain.epochs=1"))).end();
    assert_eq!(end.code, Some(1), "{end:?}");
    let port = place.port;
    assert_eq!(
        end.said.trim(),
        format!("byol: port {port} of 127.0.0.1 is in use; set MASTER_PORT to another one on all ranks")
    );
}

#[test]
fn processes_that_do_not_come() {
    let place = Place::new();
    let settings = [run("run", "pretrain.epochs=1"), vec!["--rank-timeout", "0.05"]].concat();
    let end = place.start_as(0, 2, place.command(&settings)).end();
    assert_eq!((end.code, end.said.trim()), (Some(1), "byol: rank 1 has not come within 3 seconds"));
    let end = place.start_as(1, 2, place.command(&settings)).end();
    let sentence = format!("no answer from rank 0 at 127.0.0.1:{} after 3 seconds; is it running", place.port);
    assert!(end.code == Some(1) && end.said.contains(&sentence), "{end:?}");
}

#[test]
fn one_rank_twice() {
    let place = Place::new();
    let settings = run("run", "pretrain.epochs=1");
    let ranks = [
        place.start_as(0, 3, place.command(&settings)),
        place.start_as(1, 3, place.command(&settings)),
        place.start_as(1, 3, place.command(&settings)),
    ];
    for end in ranks.map(Rank::end) {
        assert_eq!(end.code, Some(1), "{end:?}");
        assert!(end.said.contains("rank 1 was started twice (on "), "{end:?}");
    }
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
