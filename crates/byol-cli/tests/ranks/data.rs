//! Data that the ranks of one host open together: what must be copied is copied once.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::processes::{Place, Rank, run, wait_for_a_checkpoint};

/// Two files of training images, and one to test with.
const HUB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../byol-images/tests/fixtures/formats/parquet/hub");

fn command(place: &Place, out: &str, epochs: &str) -> Command {
    let mut command =
        place.command(&[&run(out, epochs)[2..], &["--data", HUB, "--set", "pretrain.batch_size=4"]].concat());
    command.env("TMPDIR", place.path("temporary"));
    command
}

/// The numbers that the system gives the files without a name that a process has mapped from a folder.
fn mapped(rank: &Rank, folder: &Path) -> BTreeSet<String> {
    let id = rank.0.as_ref().unwrap().id();
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let of_folder = maps.lines().filter(|line| line.contains(folder.to_str().unwrap()) && line.ends_with("(deleted)"));
    of_folder.map(|line| line.split_whitespace().nth(4).unwrap().to_owned()).collect()
}

#[test]
fn one_copy_of_the_images_of_a_parquet_file() {
    let place = Place::new();
    let temporary = place.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    place.finish(2, || command(&place, "two", "pretrain.epochs=1"));
    assert!(command(&place, "alone", "pretrain.epochs=1").output().unwrap().status.success());
    let [two, alone] = ["two", "alone"].map(|run| place.losses(run)[0]);
    assert!((two - alone).abs() < 0.01 * alone.abs(), "{two} and {alone}");
    let ranks = [0, 1].map(|rank| place.start_as(rank, 2, command(&place, "long", "pretrain.epochs=5000")));
    wait_for_a_checkpoint(&place.path("long"));
    let [first, second] = [0, 1].map(|rank| mapped(&ranks[rank], &temporary));
    assert_eq!(first.len(), 3, "{first:?}");
    assert_eq!(first, second);
    // Nothing is left where ranks are killed.
    drop(ranks);
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}
