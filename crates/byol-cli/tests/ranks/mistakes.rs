//! Mistakes in starting ranks: each ends all of them with its sentence, and nothing is begun. Those that need two hosts are in
//! `hosts`.

use std::net::TcpListener;

use byol::ranks::End as StoreEnd;
use byol::ranks::handshake::{Hello, Patience, meet};
use byol_torch::group::Store;

use crate::processes::{End, LONG, Place, Rank, run};

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
    let end = place.start_as(0, 3, place.command(&settings)).end();
    assert_eq!((end.code, end.said.trim()), (Some(1), "byol: ranks 1 and 2 have not come within 3 seconds"));
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

/// Where nothing says on which host the ranks meet, and not all are known to be on this one.
#[test]
fn nowhere_to_meet() {
    let place = Place::new();
    let mut command = place.command(&run("run", "pretrain.epochs=1"));
    let output = command.env("RANK", "0").env("WORLD_SIZE", "4").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let sentence = "byol: MASTER_ADDR is not set and the 4 processes are not all on this host; set it to the host of rank 0 in \
                    each of them";
    assert_eq!((output.status.code(), said.trim()), (Some(2), sentence));
}

/// Rank 0 serves the meeting, and is told to go to a host that there is not.
#[test]
fn rank_0_elsewhere() {
    let place = Place::new();
    let settings = [run("run", "pretrain.epochs=1"), vec!["--rank-timeout", "0.05"]].concat();
    let mut command = place.command(&settings);
    command.env("RANK", "0").env("WORLD_SIZE", "2").env("MASTER_PORT", place.port.to_string());
    let output = command.env("MASTER_ADDR", "nowhere.invalid").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let sentence = format!(
        "byol: rank 0 does not reach itself at nowhere.invalid:{}; set MASTER_ADDR to an address of rank 0's host, on all ranks",
        place.port
    );
    assert_eq!((output.status.code(), said.trim()), (Some(1), sentence.as_str()));
}

#[test]
fn other_commands() {
    let place = Place::with_classes(4, 2);
    let first = place.start_as(0, 2, place.command(&run("run", "pretrain.epochs=1")));
    let second = place.program(&["run", "--preset", "demo", "--data", "classes", "--out", "run", "--quiet"]);
    let second = place.start_as(1, 2, second);
    refused(first, second, 2, "rank 1 was started as 'byol run', rank 0 as 'byol pretrain'");
    assert!(!place.path("run").exists(), "nothing was begun");
}

/// Rank 1 is this process, and says that it is another program.
#[test]
fn other_programs() {
    let place = Place::new();
    let first = place.start_as(0, 2, place.command(&run("run", "pretrain.epochs=1")));
    let store = Store::open("127.0.0.1", place.port, StoreEnd::Client, LONG).unwrap().under("byol//0").unwrap();
    let hello = Hello {
        size: 2,
        version: "0.0.1 (def5678) with libtorch 2.11.0".into(),
        command: "pretrain".into(),
        configuration: String::new(),
        host: "hostB".into(),
        boot: "b".into(),
        cores: String::new(),
        loopback: None,
    };
    let second = byol::ranks::Place { rank: 1, size: 2 };
    let told = meet(&store, second, &hello, Patience { limit: LONG, note: &mut |_| {} }).unwrap_err().to_string();
    let end = first.end();
    assert_eq!((end.code, end.said.trim()), (Some(1), format!("byol: {told}").as_str()));
    let own = env!("CARGO_PKG_VERSION");
    assert!(told.starts_with(&format!("rank 1 runs byol {}, rank 0 byol {own}", hello.version)), "{told}");
    assert!(told.contains(" with libtorch "), "{told}");
}
