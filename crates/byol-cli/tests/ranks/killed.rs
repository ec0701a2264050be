//! Ranks that are killed at random moments of a whole comparison, and the run that is left.
//!
//! `make kill-test` kills fifty times; here `BYOL_RANK_KILLS` says how often (three where it says nothing).

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::{Place, Rank, checkpoints, free_port};

/// A whole comparison in seconds, with a checkpoint after almost every step.
const SETTINGS: [&str; 16] = [
    "image_size=16",
    "width=0.0625",
    "labels_per_class=[2]",
    "draws=1",
    "checkpoint_minutes=0.0005",
    "pretrain.epochs=12",
    "pretrain.batch_size=24",
    "pretrain.checkpoint_every=1",
    "pretrain.monitor_every=4",
    "pretrain.stop_on_collapse=false",
    "pretrain.learning_rate=0.002",
    "supervised.epochs=2",
    "supervised.minimum_steps=60",
    "finetune.epochs=2",
    "finetune.minimum_steps=60",
    "finetune.mixup=0.2",
];

fn command(place: &Place, out: &str) -> Command {
    let what = ["run", "--data", "classes", "--preset", "demo", "--quiet", "--rank-timeout", "1"];
    let hardware = ["--device", "cpu", "--precision", "fp32", "--threads", "1", "--resume", "--out", out];
    let mut command = place.program(&[&what[..], &hardware].concat());
    command.args(SETTINGS.iter().flat_map(|pair| ["--set", pair]));
    command
}

/// What a run has computed: the last checkpoint of every training, and its answers.
fn computed(run: &Path) -> Vec<Vec<u8>> {
    let folder = run.join("checkpoints");
    let mut found = vec![std::fs::read(checkpoints(run).pop().unwrap()).unwrap()];
    for stage in ["supervised-2-draw0", "finetune-2-draw0"] {
        let files = std::fs::read_dir(folder.join(stage))
            .unwrap_or_else(|_| panic!("{stage}"))
            .map(|entry| entry.unwrap().path());
        found.push(std::fs::read(files.max().unwrap()).unwrap());
    }
    let text = std::fs::read_to_string(run.join("predictions.jsonl")).unwrap();
    let mut answers: Vec<String> = text
        .lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("seconds");
            record.to_string()
        })
        .collect();
    answers.sort();
    found.push(answers.join("\n").into_bytes());
    found
}

/// The loss at the end of pre-training.
fn last_loss(run: &Path) -> f64 {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.rfind(|record| record["stage"] == "pretrain").unwrap()["loss"].as_f64().unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn ranks_that_are_killed_again_and_again_end_as_if_they_never_were() {
    let wanted: usize = std::env::var("BYOL_RANK_KILLS").map_or(3, |kills| kills.parse().expect("a number"));
    let seed = std::env::var("BYOL_KILL_SEED").map_or(fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("BYOL_KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut place = Place::with_classes(20, 4);
    let begun = Instant::now();
    place.finish(2, || command(&place, "whole"));
    let length = begun.elapsed();
    let expected = computed(&place.path("whole"));

    let (mut kills, mut runs) = (0, 0);
    while kills < wanted {
        runs += 1;
        let out = format!("killed-{runs}");
        for _ in 0..5.min(wanted - kills) {
            place.port = free_port();
            let mut ranks: Vec<Rank> = (0..2).map(|rank| place.start_as(rank, 2, command(&place, &out))).collect();
            std::thread::sleep(Duration::from_millis(300) + length.mul_f64(random.f64() * 0.7));
            let killed = random.usize(..2);
            let victim = ranks[killed].0.as_mut().unwrap();
            if victim.try_wait().unwrap().is_some() {
                // All is done.
                ranks.into_iter().for_each(|rank| assert_eq!(rank.end().code, Some(0)));
                break;
            }
            victim.kill().unwrap();
            kills += 1;
            let end = ranks.remove(1 - killed).end();
            // It may have been done with its work.
            assert!(matches!(end.code, Some(0 | 1)), "{end:?}");
            assert!(end.code == Some(0) || end.said.lines().count() == 1, "{end:?}");
            println!("rank {killed} killed: {}", end.said.trim());
        }
        if runs % 2 == 1 {
            // One process goes on as well, up to rounding.
            let alone = format!("alone-{runs}");
            if place.path(&out).join("config.toml").is_file() {
                copy(&place.path(&out), &place.path(&alone));
                let output = command(&place, &alone).output().unwrap();
                assert!(output.status.success(), "{output:?}");
                let [found, expected] = [&alone, "whole"].map(|run| last_loss(&place.path(run)));
                assert!((found - expected).abs() < 0.05 * expected.abs(), "{found} and {expected}");
            }
        }
        place.port = free_port();
        place.finish(2, || command(&place, &out));
        let found = computed(&place.path(&out));
        let same: Vec<bool> = found.iter().zip(&expected).map(|(found, expected)| found == expected).collect();
        assert!(same.iter().all(|same| *same) && found.len() == expected.len(), "{same:?} after {kills} kills");
        println!("{kills} of {wanted} kills in {runs} runs: equal");
    }
}
