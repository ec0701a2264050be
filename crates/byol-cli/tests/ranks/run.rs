//! The whole comparison, its parts, and evaluations: what ranks compute together beside pre-training.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::processes::{Place, checkpoints};

/// A comparison in seconds: of batches that divide among two ranks and such that do not, and images that are mixed.
const SETTINGS: [&str; 17] = [
    "image_size=16",
    "width=0.0625",
    "labels_per_class=[3,\"all\"]",
    "draws=1",
    "evaluation_batch_size=5",
    "pretrain.batch_size=8",
    "pretrain.epochs=1",
    "pretrain.monitor_every=1",
    "pretrain.stop_on_collapse=false",
    "pretrain.learning_rate=0.002",
    "supervised.epochs=2",
    "supervised.minimum_steps=4",
    "supervised.batch_size=7",
    "finetune.epochs=2",
    "finetune.minimum_steps=4",
    "finetune.batch_size=8",
    "finetune.mixup=0.2",
];

fn command(place: &Place, subcommand: &[&str], more: &[&str]) -> Command {
    let hardware = ["--device", "cpu", "--precision", "fp32", "--threads", "1"];
    let mut command = place.program(&[subcommand, &["--data", "classes", "--quiet"], &hardware].concat());
    command.args(SETTINGS.iter().flat_map(|pair| ["--set", pair])).args(more);
    command
}

/// What a run has answered for the test images, by name and budget.
fn answers(place: &Place, run: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(place.path(run).join("predictions.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).map(|mut record| {
        record.as_object_mut().unwrap().remove("seconds");
        (format!("{} {}", record["name"], record["labels_per_class"]), record)
    });
    records.collect()
}

/// The last checkpoint of every training of a run.
fn trained(place: &Place, run: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = place.path(run).join("checkpoints");
    let inner = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let stages = inner.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    let last = |folder: &std::path::Path| {
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|end| end == "safetensors"));
        files.sort();
        std::fs::read(files.pop().unwrap()).unwrap()
    };
    let pretraining = std::fs::read(checkpoints(&place.path(run)).pop().unwrap()).unwrap();
    stages.map(|(name, path)| (name, last(&path))).chain([("pretrain".to_owned(), pretraining)]).collect()
}

/// The losses of every epoch of a training.
fn losses(place: &Place, run: &str, stage: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(place.path(run).join("metrics.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["stage"] == stage).map(|record| record["loss"].as_f64().unwrap()).collect()
}

/// Rank 0 goes through the comparison and all compute it: the same bytes every time, and up to rounding what one process computes;
/// what is not trained is the same to the last bit.
#[test]
fn ranks_compare_together() {
    let place = Place::with_classes(9, 4);
    for out in ["two", "again"] {
        let ends = place.finish(2, || command(&place, &["run", "--preset", "demo"], &["--out", out]));
        assert!(ends[1].said.is_empty() && ends[1].printed.is_empty(), "{ends:?}");
        assert!(!ends[0].printed.is_empty(), "{ends:?}");
    }
    assert!(trained(&place, "two") == trained(&place, "again"), "two ranks give other bytes the second time");
    assert_eq!(answers(&place, "two"), answers(&place, "again"));
    let alone = command(&place, &["run", "--preset", "demo"], &["--out", "alone"]).output().unwrap();
    assert!(alone.status.success(), "{alone:?}");
    let (two, alone) = (answers(&place, "two"), answers(&place, "alone"));
    assert_eq!(two.keys().collect::<Vec<_>>(), alone.keys().collect::<Vec<_>>());
    let untrained: Vec<&String> =
        two.keys().filter(|name| name.contains("random") && !name.contains("supervised")).collect();
    assert!(untrained.len() >= 4, "{two:?}");
    for name in untrained {
        assert_eq!(two[name], alone[name], "{name}");
    }
    for stage in ["pretrain", "supervised", "finetune"] {
        let [two, alone] = ["two", "alone"].map(|run| losses(&place, run, stage));
        assert_eq!(two.len(), alone.len(), "{stage}");
        for (two, alone) in two.iter().zip(&alone) {
            assert!((two - alone).abs() < 0.02 * alone.abs(), "{stage}: {two} and {alone}");
        }
    }
    let processes = std::fs::read_to_string(place.path("two").join("metrics.jsonl")).unwrap();
    assert!(processes.lines().all(|line| line.contains("\"processes\":2")), "{processes}");
    let [summary, page] =
        ["summary.json", "report.html"].map(|file| std::fs::read_to_string(place.path("two").join(file)).unwrap());
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["processes"], 2);
    assert!(page.contains("2 processes, each cpu"), "the report does not say by how many it was made");
    // A finished run is passed over by all.
    place.finish(2, || place.program(&["run", "--quiet", "--resume", "two"]));
}

/// The parts of a comparison by themselves, and the judgement of an encoder: three ranks print what one process prints.
#[test]
fn parts_of_a_comparison() {
    let place = Place::with_classes(6, 3);
    place.finish(2, || command(&place, &["pretrain", "--preset", "demo"], &["--out", "encoder"]));
    place.finish(2, || command(&place, &["supervised", "--preset", "demo"], &["--out", "baseline"]));
    place.finish(3, || command(&place, &["finetune", "--from", "encoder"], &["--out", "tuned"]));
    for run in ["baseline", "tuned"] {
        assert_eq!(answers(&place, run).len(), 2, "{run}");
    }
    let mut tables = Vec::new();
    for protocol in ["knn", "linear"] {
        let evaluate = || {
            let hardware = ["--device", "cpu", "--precision", "fp32", "--threads", "1"];
            let what = ["evaluate", protocol, "--from", "encoder", "--data", "classes", "--quiet"];
            place.program(&[&what[..], &hardware].concat())
        };
        let alone = evaluate().output().unwrap();
        assert!(alone.status.success(), "{alone:?}");
        let ends = place.finish(3, evaluate);
        assert_eq!(ends[0].printed, String::from_utf8_lossy(&alone.stdout));
        assert!(ends[1..].iter().all(|end| end.printed.is_empty()), "{ends:?}");
        tables.push(ends[0].printed.clone());
    }
    assert_ne!(tables[0], tables[1]);
}

/// The demo is computed by all ranks, and shown by rank 0 when it is started a second time.
#[test]
fn ranks_go_through_the_demo() {
    let place = Place::new();
    let short = ["image_size=16", "width=0.0625", "labels_per_class=[2]", "draws=1", "pretrain.epochs=1"];
    let stages =
        ["supervised", "finetune"].map(|stage| ["epochs=1", "minimum_steps=4"].map(|key| format!("{stage}.{key}")));
    let demo = |out: &str| {
        let mut command =
            place.program(&["demo", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--out", out]);
        command.args(short.iter().flat_map(|pair| ["--set", pair]));
        command.args(stages.iter().flatten().flat_map(|pair| ["--set", pair]));
        command
    };
    let ends = place.finish(2, || demo("two"));
    assert!(ends[1].said.is_empty() && ends[1].printed.is_empty() && !ends[0].printed.is_empty(), "{ends:?}");
    let summary = std::fs::read_to_string(place.path("two").join("summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&summary).unwrap()["processes"], 2);
    let trained_once = trained(&place, "two");
    assert_eq!(trained_once.len(), 3, "{:?}", trained_once.keys());
    place.finish(2, || demo("two"));
    assert!(trained(&place, "two") == trained_once, "a second demo trains anew");
    // Each by itself, where that is asked for.
    let alone = place
        .start_as(1, 2, {
            let mut alone = demo("alone");
            alone.args(["--processes", "off"]);
            alone
        })
        .end();
    assert!(alone.code == Some(0) && !alone.printed.is_empty(), "{alone:?}");
}

/// A signal to any rank stops all, in a training with labels too; so many go on to the same end.
#[test]
fn trainings_with_labels_stop_together() {
    let place = Place::with_classes(9, 4);
    let long = ["--set", "supervised.epochs=60", "--set", "checkpoint_minutes=0.0005"];
    let begin = |out| command(&place, &["supervised", "--preset", "demo", "--out", out], &long);
    let ranks: Vec<_> = (0..2).map(|rank| place.start_as(rank, 2, begin("stopped"))).collect();
    let metrics = place.path("stopped").join("metrics.jsonl");
    crate::processes::wait_until(|| metrics.is_file(), "the first epoch");
    ranks[1].signal("-INT");
    for rank in ranks {
        let end = rank.end();
        assert_eq!(end.code, Some(130), "{end:?}");
    }
    place.finish(2, || place.program(&["supervised", "--quiet", "--threads", "1", "--resume", "stopped"]));
    place.finish(2, || begin("whole"));
    assert_eq!(answers(&place, "stopped"), answers(&place, "whole"));
    assert_eq!(losses(&place, "stopped", "supervised"), losses(&place, "whole", "supervised"));
}

/// What is computed by one process says so, and begins nothing.
#[test]
fn one_process_self_trains() {
    let place = Place::with_classes(6, 3);
    let with = ["--out", "run", "--set", "selftrain.part_of_run=true"];
    let ranks: Vec<_> =
        (0..2).map(|rank| place.start_as(rank, 2, command(&place, &["run", "--preset", "demo"], &with))).collect();
    let ends: Vec<_> = ranks.into_iter().map(crate::processes::Rank::end).collect();
    assert!(ends[0].code == Some(2) && ends[0].said.contains("self-training is computed by one process"), "{ends:?}");
    assert!(ends[1].said.contains("rank 0 (") && ends[1].code == Some(1), "{ends:?}");
    assert!(!place.path("run").exists());
    for (words, said) in [
        (vec!["selftrain", "--from", "run", "--data", "classes", "--out", "more"], "self-training"),
        (vec!["ablate", "--out", "more"], "an ablation"),
    ] {
        let end = place.start_as(0, 2, place.program(&words)).end();
        let sentence = format!(
            "byol: {said} is computed by one process, and 2 were started; start one, or let each work by itself"
        );
        assert!(end.code == Some(2) && end.said.starts_with(&sentence), "{end:?}");
    }
}

/// Representations of files: the same bytes as by one process, and one sentence where the others were given another network.
#[test]
fn representations_are_those_of_one_process() {
    let place = Place::new();
    let own = ["--preset", "demo", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--quiet"];
    let set = ["image_size=16", "width=0.0625", "pretrain.epochs=1", "pretrain.monitor_every=0"];
    for (run, seed) in [("first", "1"), ("second", "2")] {
        let mut command =
            place.program(&[&["pretrain", "--data", "photos", "--seed", seed, "--out", run], &own[..]].concat());
        assert!(command.args(set.iter().flat_map(|pair| ["--set", pair])).output().unwrap().status.success());
    }
    std::fs::write(place.path("photos/broken.jpg"), "no image").unwrap();
    let embed = |from: &str, out: &str| {
        let hardware = ["--device", "cpu", "--threads", "1"];
        place.program(&[&["embed", "--from", from, "photos", "--out", out], &hardware[..]].concat())
    };
    let files = ["", ".paths.csv", ".network.json"];
    let read = |out: &str| files.map(|end| std::fs::read(place.path(&format!("{out}{end}"))).unwrap());
    assert!(embed("first", "alone.npy").output().unwrap().status.success());
    for (size, out) in [(2, "two.npy"), (3, "three.npy")] {
        let ends = place.finish(size, || embed("first", out));
        assert!(read(out) == read("alone.npy"), "{size} processes");
        assert!(ends[0].said.contains("broken.jpg") && ends[0].said.contains("1 of 49"), "{:?}", ends[0]);
        assert!(ends[1].said.is_empty() && ends[1].printed.is_empty(), "{:?}", ends[1]);
    }
    let ranks = [("first", 0), ("second", 1)].map(|(from, rank)| place.start_as(rank, 2, embed(from, "other.npy")));
    let ends = ranks.map(crate::processes::Rank::end);
    assert!(ends.iter().all(|end| end.code == Some(1)), "{ends:?}");
    assert!(ends[1].said.contains("second holds another network here than at rank 0"), "{ends:?}");
    assert!(ends[0].said.contains("rank 1") && !place.path("other.npy").exists(), "{ends:?}");
    assert!(ends[0].said.trim().ends_with("; no file was written, start all processes again"), "{ends:?}");
}
