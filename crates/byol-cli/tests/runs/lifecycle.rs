//! How a run begins, is stopped and goes on, as its user and other processes see it: one process writes at a time, Ctrl-C loses
//! nothing and says what is true, and what cannot work is refused before anything is measured.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::{byol, image, said};

/// Short epochs, and more of them than end during a test.
const LONG: &str = "pretrain --data photos --out runs/mine --preset demo --device cpu --precision fp32 --threads 1 --set image_size=16 \
                    --set width=0.0625 --set epochs=100000 --set pretrain.batch_size=8 --set pretrain.checkpoint_every=1";

fn long() -> Vec<&'static str> {
    LONG.split_whitespace().collect()
}

/// A pre-training that would take long, and its events from when one of this kind was there.
fn training(folder: &Path, arguments: &[&str], event: &str) -> (Child, std::io::Lines<BufReader<ChildStdout>>) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(arguments)
        .arg("--json")
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let wanted = format!("\"event\":\"{event}\"");
    assert!(lines.any(|line| line.unwrap().contains(&wanted)), "there was no {event}");
    (program, lines)
}

fn signal(program: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &program.id().to_string()]).status().unwrap().success());
}

/// The exit code of a program that is ending, and what it said.
fn ended(program: Child) -> (Option<i32>, String) {
    let output = program.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Images of 16 by 16 pixels, each of its own colour.
fn images(folder: &Path, count: u8) {
    for number in 0..count {
        image(&folder.join(format!("{number}.bmp")), [9 * number, 80, 200]);
    }
}

#[test]
fn one_process_writes_into_a_run_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    images(&home.join("photos"), 24);
    let (program, lines) = training(home, &long(), "epoch_ended");
    let file = |name: &str| home.join("runs/mine").join(name);
    let process = format!("runs/mine is being written by process {} (since ", program.id());
    let before = std::fs::read(file("command.toml")).unwrap();
    let fresh = ["pretrain", "--data", "photos", "--out", "runs/mine"];
    for arguments in [
        &["pretrain", "--resume", "runs/mine"][..],
        &["pretrain", "--resume", "runs/mine", "--more-epochs", "1"],
        &fresh,
    ] {
        let refused = said(home, arguments, 1);
        assert!(refused.contains(&process) && refused.contains("byol watch runs/mine"), "{refused}");
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
    assert_eq!(std::fs::read(file("command.toml")).unwrap(), before);
    // Readers are not held up, and told what works on the run.
    said(home, &["report", "runs/mine"], 0);
    let unfinished = said(home, &["embed", "--from", "runs/mine", "photos", "--out", "x.npy"], 2);
    assert!(unfinished.contains("works on it, as `byol watch runs/mine` shows"), "{unfinished}");
    signal(&program, "-INT");
    lines.for_each(drop);
    assert_eq!(ended(program).0, Some(130));
    assert!(!file("writing.lock").exists(), "an orderly end leaves no lock");
}

#[test]
fn a_second_interrupt_ends_training_at_once_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    images(&home.join("photos"), 24);
    let (program, lines) = training(home, &long(), "epoch_ended");
    // A step that takes long ends no sooner for being asked.
    signal(&program, "-STOP");
    signal(&program, "-INT");
    signal(&program, "-TERM");
    signal(&program, "-CONT");
    drop(lines);
    let (code, text) = ended(program);
    assert!(matches!(code, Some(130 | 143)), "{code:?}: {text}");
    assert!(!text.contains("panicked"), "{text}");
    assert!(text.contains("byol: stopping at once; what was done since the last checkpoint is lost\n"), "{text}");

    let resume = ["pretrain", "--resume", "runs/mine"];
    let (program, lines) = training(home, &resume, "step");
    signal(&program, "-INT");
    lines.for_each(drop);
    let (code, text) = ended(program);
    assert_eq!(code, Some(130), "{text}");
    assert!(text.contains("loses what was done since the last checkpoint"), "{text}");
}

#[test]
fn what_is_no_training_yet_is_interrupted_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let begin = ["run", "--data", "patterns", "--out", "runs/mine", "--hours", "1"];
    // Of two notes, the second says that steps are measured.
    let (program, lines) = training(home, &begin, "note");
    signal(&program, "-INT");
    lines.for_each(drop);
    let (code, text) = ended(program);
    assert_eq!((code, text.as_str()), (Some(130), "byol: interrupted; nothing was begun\n"));
    assert!(!home.join("runs").exists());
}

/// A split belongs to data that a run began with: whatever is refused, however late, saves none.
#[test]
fn a_run_that_is_refused_saves_no_split() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    images(&home.join("photos/cat"), 12);
    images(&home.join("photos/dog"), 12);
    let split = home.join("photos/byol-split.csv");
    let small =
        ["--preset", "demo", "--device", "cpu", "--threads", "1", "--set", "image_size=16", "--set", "width=0.0625"];
    let of_run = ["run", "--data", "photos", "--out", "runs/mine", "--labels-per-class", "2"];
    let patience = ["--set", "pretrain.patience=1", "--set", "pretrain.patience_metric=knn"];
    let refused = said(home, &[&of_run[..], &small, &patience].concat(), 2);
    assert!(refused.contains("would choose by labels outside the label budget"), "{refused}");
    let of_pretraining = ["pretrain", "--data", "photos", "--out", "runs/mine", "--set", "pretrain.batch_size=400"];
    let refused = said(home, &[&of_pretraining[..], &small].concat(), 2);
    assert!(
        refused.contains("will be drawn and saved in") && refused.contains("pretrain.batch_size is 400"),
        "{refused}"
    );
    assert!(!split.exists() && std::fs::read_dir(home.join("photos")).unwrap().count() == 2);

    let epochs = ["--set", "pretrain.epochs=1", "--set", "pretrain.batch_size=8"];
    said(home, &[&of_pretraining[..5], &small, &epochs].concat(), 0);
    assert!(std::fs::read_to_string(&split).unwrap().starts_with("path,split\ncat/0.bmp,"));
}

#[test]
fn data_without_classes_is_refused_before_anything_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    images(&home.join("photos/cat"), 3);
    images(&home.join("photos/dog"), 3);
    images(&home.join("unlabeled"), 3);
    images(&home.join("listed/train"), 3);
    std::fs::write(home.join("listed/labels.csv"), "path,label\ntrain/0.bmp,a\ntrain/1.bmp,b\n").unwrap();
    let run = |data: &str| {
        let text = said(home, &["run", "--data", data, "--out", "runs/x"], 2);
        assert!(!text.contains("measuring") && !home.join("runs").exists(), "{text}");
        text
    };
    let unlabeled = run("unlabeled");
    assert!(unlabeled.contains("--data needs a folder for each class (docs/data.md)"), "{unlabeled}");
    let one = run("photos/cat");
    assert!(one.contains("photos/cat is one of the class folders in photos: did you mean --data photos?"), "{one}");
    assert!(run("listed/train").contains("labels are in listed/labels.csv: did you mean --data listed?"));

    let info = byol(home, &["data", "info", "unlabeled"]);
    assert!(info.status.success());
    assert!(String::from_utf8_lossy(&info.stdout).contains("as --data, `byol run` refuses it: unlabeled is read as"));
    let info = byol(home, &["data", "info", "photos/cat"]);
    assert!(String::from_utf8_lossy(&info.stdout).contains("did you mean --data photos?"));
}
