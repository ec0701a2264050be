//! Nothing is lost: runs that are killed, told to stop, or run out of disk, and damaged checkpoints.
//!
//! `make kill-test` kills fifty times; here `BYOL_KILLS` says how often (six where it says nothing).
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A whole comparison in a few seconds, with a checkpoint after almost every step.
const SETTINGS: [&str; 18] = [
    "image_size=16",
    "width=0.0625",
    "labels_per_class=[2]",
    "draws=1",
    "checkpoint_minutes=0.0005",
    "pretrain.epochs=2",
    "pretrain.batch_size=512",
    "pretrain.checkpoint_every=1",
    "pretrain.monitor_every=1",
    "pretrain.stop_on_collapse=false",
    "supervised.epochs=2",
    "supervised.minimum_steps=300",
    "finetune.epochs=2",
    "finetune.minimum_steps=300",
    "pretrain.learning_rate=0.002",
    "selftrain.part_of_run=true",
    "selftrain.steps=100",
    "selftrain.images=500",
];

fn command(subcommand: &str, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byol"));
    command.args([subcommand, "--data", "patterns", "--preset", "demo", "--quiet"]);
    command.args(["--device", "cpu", "--precision", "fp32", "--threads", "1", "--resume", "--out"]).arg(out);
    for pair in SETTINGS {
        command.args(["--set", pair]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The tests take turns: what they measure by the clock must not wait for another one's training.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn finish(out: &Path) {
    let output = command("run", out).output().expect("the program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Everything that a run computed: the last checkpoint of every stage, byte for byte, the answers for the test images, and
/// what it keeps of them for the report. Of TensorBoard's files, which hold times, the length: it tells how many events there
/// are.
fn computed(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![out.join("checkpoints")];
    folders.extend(
        std::fs::read_dir(&folders[0]).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()),
    );
    // Pre-training, baseline, fine-tuning, and self-training where its trial did better.
    let trained = folders.len();
    assert!((3..=4).contains(&trained), "{folders:?}");
    for folder in folders {
        let last = checkpoints(&folder).pop().unwrap();
        found.insert(last.strip_prefix(out).unwrap().display().to_string(), std::fs::read(last).unwrap());
    }
    for name in ["map.json", "thumbnails.json", "thumbnails-0.jpg", "gallery.json"] {
        found.insert(name.to_owned(), std::fs::read(out.join("gallery").join(name)).unwrap());
    }
    let trainings = std::fs::read_dir(out.join("tensorboard")).unwrap().map(|entry| entry.unwrap().path());
    let events = trainings.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let mut lengths: Vec<String> = events
        .map(|file| format!("{} {}", file.strip_prefix(out).unwrap().display(), file.metadata().unwrap().len()))
        .collect();
    lengths.sort();
    assert_eq!(lengths.len(), trained, "{lengths:?}");
    found.insert("tensorboard".to_owned(), lengths.join("\n").into_bytes());
    let text = std::fs::read_to_string(out.join("predictions.jsonl")).unwrap();
    let answers = text.lines().map(|line| {
        let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
        record.as_object_mut().unwrap().remove("seconds");
        record
    });
    let mut answers: Vec<String> = answers
        .inspect(|record| {
            assert!(record["self_training"].is_null() || record["self_training"]["judgement"].is_object())
        })
        .map(|record| record.to_string())
        .collect();
    answers.sort();
    found.insert("predictions".to_owned(), answers.join("\n").into_bytes());
    found
}

fn checkpoints(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    files
}

/// Files that are being written in the folders of the checkpoints.
fn partial_files(out: &Path) -> bool {
    let folder = out.join("checkpoints");
    let inner = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let folders: Vec<PathBuf> = inner.filter(|path| path.is_dir()).chain([folder]).collect();
    folders.iter().any(|folder| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.path().extension().is_some_and(|extension| extension == "partial"))
    })
}

#[test]
fn a_run_that_is_killed_again_and_again_ends_as_if_it_never_was() {
    let _turn = alone();
    let wanted: usize = std::env::var("BYOL_KILLS").map_or(6, |kills| kills.parse().expect("BYOL_KILLS is a number"));
    let seed = std::env::var("BYOL_KILL_SEED").map_or(fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("BYOL_KILL_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let begun = Instant::now();
    finish(&whole);
    let length = begun.elapsed();
    let expected = computed(&whole);

    let (mut kills, mut while_writing, mut runs) = (0, 0, 0);
    while kills < wanted {
        runs += 1;
        let out = folder.path().join(format!("killed-{runs}"));
        // A run is killed a few times and then left in peace, so that kills fall on all parts of it.
        for _ in 0..5.min(wanted - kills) {
            let mut program = command("run", &out).spawn().expect("the program can be started");
            std::thread::sleep(length.mul_f64(random.f64() * 0.6));
            if random.bool() {
                wait_until(&mut program, || partial_files(&out));
            }
            if program.try_wait().unwrap().is_some() {
                break;
            }
            program.kill().unwrap();
            program.wait().unwrap();
            kills += 1;
            while_writing += usize::from(partial_files(&out));
        }
        finish(&out);
        let found = computed(&out);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "{name} differs after {kills} kills");
        }
        assert!(!partial_files(&out), "a torn file was left behind");
        println!(
            "{kills} of {wanted} kills in {runs} runs, {while_writing} in the middle of writing a checkpoint: equal"
        );
        std::fs::remove_dir_all(&out).unwrap();
    }
}

/// Waits until something happens, the program ends, or half a second has passed.
fn wait_until(program: &mut Child, happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() && begun.elapsed() < Duration::from_millis(500) && program.try_wait().unwrap().is_none() {
        std::hint::spin_loop();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Starts pre-training and waits until it has written a checkpoint.
fn started(out: &Path) -> Child {
    let mut command = command("pretrain", out);
    // A run of many hours.
    command.args(["--set", "epochs=10000", "--json"]).stdout(Stdio::piped());
    let mut program = command.spawn().expect("the program can be started");
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("checkpoint_saved")), "no checkpoint was written");
    // The rest is read, so that the program does not wait for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    program
}

fn kill_after_a_checkpoint(out: &Path) {
    let mut program = started(out);
    program.kill().unwrap();
    program.wait().unwrap();
}

#[test]
fn signals_end_with_a_checkpoint_and_a_code_of_their_own() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let out = folder.path().join(signal);
        let mut program = started(&out);
        assert!(Command::new("kill").args([signal, &program.id().to_string()]).status().unwrap().success());
        assert_eq!(program.wait().unwrap().code(), Some(code));
        assert!(!checkpoints(&out.join("checkpoints")).is_empty());
    }
}

#[test]
fn a_full_disk_is_one_error_and_the_last_checkpoint_stays() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    kill_after_a_checkpoint(&out);
    let before: Vec<PathBuf> = checkpoints(&out.join("checkpoints"));
    let contents: Vec<Vec<u8>> = before.iter().map(|path| std::fs::read(path).unwrap()).collect();

    let mut command = command("pretrain", &out);
    command.args(["--set", "epochs=10000"]);
    // SAFETY: setrlimit and signal are safe to call between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // Files may grow to 64 KiB, less than a checkpoint: writing fails as on a full disk.
            let limit = libc::rlimit { rlim_cur: 1 << 16, rlim_max: 1 << 16 };
            libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            Ok(())
        });
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("failed to write checkpoint") && message.contains("step-"), "{message}");
    assert_eq!(checkpoints(&out.join("checkpoints")), before);
    for (path, bytes) in before.iter().zip(&contents) {
        assert!(std::fs::read(path).unwrap() == *bytes, "{} was changed", path.display());
    }
    assert!(!partial_files(&out), "a part of a checkpoint was left behind");
}

#[test]
fn a_read_only_folder_is_one_error() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let mut permissions = std::fs::metadata(&closed).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&closed, permissions).unwrap();
    // Permissions do not bind root, but nobody can write to /proc.
    let out = match std::fs::write(closed.join("probe"), "") {
        Err(_) => closed.join("run"),
        Ok(()) => PathBuf::from("/proc/byol-run"),
    };
    let output = command("pretrain", &out).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("failed to write") && message.contains(out.to_str().unwrap()), "{message}");
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_named() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let whole = folder.path().join("whole");
    for run in [&out, &whole] {
        let output = command("pretrain", run).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    // A run that was finished does not look at its checkpoints again: this one has not written its summary yet.
    std::fs::remove_file(out.join("summary.json")).unwrap();
    let newest = checkpoints(&out.join("checkpoints")).pop().unwrap();
    let mut bytes = std::fs::read(&newest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    std::fs::write(&newest, bytes).unwrap();
    let output = command("pretrain", &out).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let message = stderr(&output);
    assert!(message.contains("passing over a checkpoint") && message.contains("digest"), "{message}");
    let last = |run: &Path| std::fs::read(checkpoints(&run.join("checkpoints")).pop().unwrap()).unwrap();
    assert!(last(&out) == last(&whole), "the weights differ");
}

#[test]
fn a_changed_configuration_is_refused_and_the_difference_shown() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    kill_after_a_checkpoint(&out);
    let output = command("pretrain", &out).args(["--set", "learning_rate=0.5"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert!(message.contains("pretrain.learning_rate was 0.002, is 0.5"), "{message}");
}
