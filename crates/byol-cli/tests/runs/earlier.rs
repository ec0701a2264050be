//! Runs of earlier versions, opened by every command that reads runs. They lie in `fixtures/runs/vN`, and `make_run.py` beside
//! them made them with the program of then.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use byol::config::VERSION;
use byol::trained::checkpoint::Checkpoint;

use super::{byol, image, said};

/// As the runs were made: equal numbers are computed in one way alone.
const HARDWARE: [&str; 6] = ["--device", "cpu", "--precision", "fp32", "--threads", "1"];

fn fixture(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/runs/v{version}"))
}

/// A folder with copies of a version's runs.
fn copied(version: u32) -> tempfile::TempDir {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => copy(&entry.path(), &to),
                false => drop(std::fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    let home = tempfile::tempdir().unwrap();
    copy(&fixture(version), home.path());
    home
}

/// Standard output of a call that must succeed.
fn done(home: &Path, arguments: &[&str]) -> String {
    let output = byol(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The newest checkpoint in a folder of checkpoints.
fn newest(folder: &Path) -> PathBuf {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).max().expect("there is a checkpoint")
}

#[test]
fn there_are_runs_of_every_earlier_version() {
    for version in 0..VERSION {
        let runs = ["begun", "tuned"].map(|run| fixture(version).join(run).join("config.toml"));
        assert!(
            runs.iter().all(|config| config.is_file()),
            "version {version}: CONTRIBUTING.md says how they are made"
        );
    }
}

#[test]
fn every_command_reads_runs_of_earlier_versions() {
    for version in 0..VERSION {
        let folder = copied(version);
        let home = folder.path();
        for number in 0..3u8 {
            image(&home.join(format!("images/{number}.bmp")), [80 * number, 80, 200]);
        }
        let checkpoint = newest(&home.join("tuned/checkpoints/finetune-2-draw0"));
        let checkpoint = checkpoint.to_str().unwrap();

        let predictions = done(home, &["predict", "--from", "tuned", "images"]);
        assert_eq!(predictions.lines().count(), 4, "{predictions}");
        assert!(predictions.lines().nth(1).unwrap().starts_with("images/0.bmp,true,"), "calibrated: {predictions}");
        assert_eq!(done(home, &["predict", "--from", checkpoint, "images"]), predictions);
        let baseline = done(home, &["predict", "--from", "begun", "--classifier", "baseline", "images"]);
        assert!(baseline.lines().count() == 4 && baseline != predictions, "{baseline}");

        done(home, &["embed", "--from", "begun", "--stage", "supervised", "images", "--out", "begun.npy"]);
        done(home, &["embed", "--from", "tuned", "images", "--out", "tuned.npy"]);
        let near = done(home, &["neighbors", "images/1.bmp", "--in", "tuned.npy", "--from", "tuned"]);
        assert!(near.starts_with("1.0000  images/1.bmp\n") && near.lines().count() == 3, "{near}");

        for out in ["tuned.onnx", "tuned.safetensors"] {
            done(home, &["export", "--from", "tuned", "--out", out]);
        }
        assert!(done(home, &["report", "begun", "tuned", "--out", "both.html"]).contains("begun"));
        for run in ["begun", "tuned"] {
            done(home, &["report", run]);
            assert!(watched(home, run).contains("<title>"));
        }

        let again = [&["finetune", "--from", "begun", "--data", "patterns", "--out", "again"], &HARDWARE[..]].concat();
        done(home, &again);
        let name = Path::new(checkpoint).file_name().unwrap();
        let again = Checkpoint::read(&home.join("again/checkpoints/finetune-2-draw0").join(name)).unwrap();
        assert_eq!(
            again.part("classifier").len(),
            Checkpoint::read(Path::new(checkpoint)).unwrap().part("classifier").len()
        );
        let pretrained = newest(&home.join("begun/checkpoints"));
        for (protocol, from) in [("linear", "begun"), ("knn", pretrained.to_str().unwrap())] {
            let table = done(home, &["evaluate", protocol, "--from", from, "--data", "patterns"]);
            assert_eq!(table.lines().count(), 3, "the control and BYOL: {table}");
        }
        assert!(said(home, &["finetune", "--resume", "tuned"], 0).contains("was finished before"));
    }
}

/// The page that `byol watch` serves of a run.
fn watched(home: &Path, run: &str) -> String {
    let mut watch = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(["watch", run, "--port", "0", "--json"])
        .current_dir(home)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    BufReader::new(watch.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    let address = event["address"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut page = Vec::new();
    let mut connection = TcpStream::connect(&address).unwrap();
    write!(connection, "GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    connection.read_to_end(&mut page).unwrap();
    watch.kill().unwrap();
    watch.wait().unwrap();
    let page = String::from_utf8_lossy(&page).into_owned();
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    page
}

/// Where a run of an earlier version was interrupted, today's goes on, and ends where one of today's alone ends.
#[test]
fn an_interrupted_run_of_an_earlier_version_goes_on() {
    for version in 0..VERSION {
        let folder = copied(version);
        let home = folder.path();
        std::fs::copy(home.join("begun/config.toml"), home.join("settings.toml")).unwrap();
        let losses = |run: &str| -> Vec<(String, f64)> {
            let text = std::fs::read_to_string(home.join(run).join("metrics.jsonl")).unwrap();
            let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let loss = |record: serde_json::Value| {
                (format!("{} {}", record["stage"], record["epoch"]), record["loss"].as_f64().unwrap())
            };
            records.map(loss).collect()
        };
        let then = losses("begun");
        // What nobody typed is as the run was computed.
        let command = std::fs::read_to_string(home.join("begun/command.toml")).unwrap();
        let typed = |line: &&str| ["device", "precision", "threads"].iter().any(|option| line.starts_with(option));
        let untyped: Vec<&str> = command.lines().filter(|line| !typed(line)).collect();
        std::fs::write(home.join("begun/command.toml"), untyped.join("\n")).unwrap();
        let resumed = said(home, &["run", "--resume", "begun"], 0);
        assert!(resumed.contains("hardware: cpu, 1 threads, fp32") && resumed.contains("finished: begun"), "{resumed}");
        // What a configuration without a version leaves out is as the preset has it today.
        let pairs = ["pretrain.method=byol", "pretrain.patches=1", "pretrain.temperature=0.2"];
        let as_then = pairs.map(|pair| ["--set", pair]).concat();
        let whole =
            [&["run", "--data", "patterns", "--config", "settings.toml", "--out", "whole"][..], &as_then].concat();
        said(home, &[&whole[..], &HARDWARE].concat(), 0);

        let (ended, alone) = (losses("begun"), losses("whole"));
        let names = |losses: &[(String, f64)]| losses.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&ended), names(&alone), "no epoch is missing, and none is there twice");
        // Processors differ in how they round. On one that computed the beginning as the run's did, all is equal.
        let equal = then[..] == alone[..then.len()];
        println!(
            "version {version}: {}",
            if equal { "compared bit by bit" } else { "another processor rounds otherwise" }
        );
        for ((name, loss), (_, other)) in ended.iter().zip(&alone) {
            assert!((loss - other).abs() <= if equal { 0.0 } else { 0.05 * other }, "{name}: {loss} and {other}");
        }
        let of = |run: &str, folder: &str| newest(&home.join(run).join(folder));
        for folder in ["checkpoints", "checkpoints/finetune-2-draw0"] {
            let [resumed, alone] = ["begun", "whole"].map(|run| of(run, folder));
            assert_eq!(resumed.file_name(), alone.file_name());
            assert!(!equal || std::fs::read(resumed).unwrap() == std::fs::read(alone).unwrap(), "{folder} differs");
        }
        for answers in ["begun", "whole"] {
            let text = std::fs::read_to_string(home.join(answers).join("predictions.jsonl")).unwrap();
            assert_eq!(text.lines().count(), 6, "{text}");
        }
        assert!(
            done(home, &["predict", "--from", "begun", "--classifier", "linear", "begun/gallery"]).lines().count() > 1
        );
    }
}

/// On a CPU the number of threads, too, decides how sums are rounded.
#[test]
fn a_run_does_not_go_on_with_other_numbers() {
    let folder = copied(0);
    let home = folder.path();
    let files = || {
        ["config.toml", "command.toml", "summary.json", "metrics.jsonl"]
            .map(|name| std::fs::read(home.join("begun").join(name)).unwrap())
    };
    let before = files();
    for (option, value, now) in
        [("--precision", "bf16", "cpu, 1 threads, bf16"), ("--threads", "2", "cpu, 2 threads, fp32")]
    {
        let refused = said(home, &["run", "--resume", "begun", option, value], 2);
        assert!(
            refused.contains(&format!("begun was computed with cpu, 1 threads, fp32, and {now} rounds otherwise")),
            "{refused}"
        );
        let back = "resume it with --device cpu --precision fp32 --threads 1, or choose another --out";
        assert!(refused.contains(back) && !refused.contains("measuring"), "{refused}");
        assert_eq!(files(), before, "a run that is refused stays as it is");
    }
    // There is nothing to compute in one that is finished.
    assert!(said(home, &["finetune", "--resume", "tuned", "--threads", "2"], 0).contains("was finished before"));
}
