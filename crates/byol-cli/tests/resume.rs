//! `--resume RUN` from outside: it needs nothing else, wherever it is typed, and says what is missing.

use std::path::Path;
use std::process::{Command, Output};

const SETTINGS: [&str; 6] = [
    "image_size=16",
    "width=0.0625",
    "pretrain.epochs=2",
    "pretrain.batch_size=8",
    "pretrain.checkpoint_every=1",
    "pretrain.monitor_every=1",
];

fn byol(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byol")).args(arguments).current_dir(folder).output().expect("the program starts")
}

/// Standard error of a call that must end with this code.
fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = byol(folder, arguments);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    text
}

/// A picture of 16 by 16 pixels of one colour, as a BMP file.
fn picture(path: &Path, colour: [u8; 3]) {
    let mut bytes = b"BM".to_vec();
    for number in [54 + 768u32, 0, 54, 40, 16, 16] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend(std::iter::repeat_n(colour, 256).flatten());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_run_goes_on_by_its_name_alone() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    for number in 0..12u8 {
        picture(
            &home.join(format!("my photos/{}/{number}.bmp", ["cat", "dog"][usize::from(number % 2)])),
            [9 * number, 80, 200],
        );
        picture(&home.join(format!("pool/{number}.bmp")), [200, 9 * number, 40]);
    }
    let mut begin = vec!["pretrain", "--data", "my photos", "--unlabeled", "pool", "--out", "runs/mine"];
    begin.extend(["--preset", "demo", "--device", "cpu", "--precision", "fp32", "--threads", "1"]);
    begin.extend(SETTINGS.iter().flat_map(|&pair| ["--set", pair]));
    said(&home, &begin, 0);
    let record = std::fs::read_to_string(home.join("runs/mine/command.toml")).unwrap();
    assert!(record.contains("data = \"my photos\"") && record.contains("threads = 1"), "{record}");

    // From where it was begun, from elsewhere, in the old form, and after everything was moved.
    assert!(said(&home, &["pretrain", "--resume", "runs/mine"], 0).contains("was finished before"));
    assert!(said(folder.path(), &["pretrain", "--resume", "home/runs/mine"], 0).contains("was finished before"));
    let old = ["pretrain", "--resume", "--data", "my photos", "--unlabeled", "pool", "--out", "runs/mine"];
    assert!(said(&home, &old, 0).contains("was finished before"));
    let disk = folder.path().join("disk");
    std::fs::rename(&home, &disk).unwrap();
    assert!(said(&disk, &["pretrain", "--resume", "runs/mine"], 0).contains("was finished before"));

    // What the directory says of itself is enough to go on, and longer.
    let longer = said(&disk, &["pretrain", "--resume", "runs/mine", "--more-epochs", "1"], 0);
    assert!(longer.contains("pre-training goes on from epoch 2 to 3"), "{longer}");
    assert!(longer.contains("cpu, 1 thread"), "{longer}");

    // What cannot be is said before any picture is looked at.
    let other = said(&disk, &["run", "--resume", "runs/mine"], 2);
    assert!(other.contains("byol pretrain --resume runs/mine continues it"), "{other}");
    let changed = said(&disk, &["pretrain", "--resume", "runs/mine", "--set", "tau=0.5"], 1);
    assert!(changed.contains("pretrain.tau was 0.97, is 0.5"), "{changed}");
    let occupied = said(&disk, &["pretrain", "--data", "my photos", "--out", "runs/mine"], 1);
    assert!(occupied.contains("holds another run already; continue it with --resume runs/mine"), "{occupied}");
    assert!(!occupied.contains("hardware:"), "{occupied}");
    assert!(said(&disk, &["pretrain", "--resume", "runs/other"], 1).contains("runs/other does not exist"));
    let missing = said(&disk, &["pretrain", "--data", "my photos", "--unlabeled", "pol", "--out", "runs/b"], 1);
    assert!(missing.contains("pol does not exist") && !missing.contains("hardware:"), "{missing}");
    let two = said(&disk, &["pretrain", "--resume", "runs/mine", "--out", "runs/other"], 2);
    assert!(two.contains("name two runs"), "{two}");

    // Data that are elsewhere are asked for by the option that names them, and remembered.
    std::fs::rename(disk.join("my photos"), folder.path().join("photos")).unwrap();
    let moved = said(&disk, &["pretrain", "--resume", "runs/mine"], 1);
    assert!(moved.contains("my photos; name its new place with --data"), "{moved}");
    said(&disk, &["pretrain", "--resume", "runs/mine", "--data", "../photos"], 0);
    assert!(said(&disk, &["pretrain", "--resume", "runs/mine", "--more-epochs", "1"], 0).contains("from epoch 3 to 4"));
}
