//! Exit codes: 2 where another command line is the remedy, whichever command it is; 1 where what is in the files is.

use std::path::Path;
use std::process::Command;

/// Standard error of a call that must end with this code, and with a line that says why.
fn said(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(arguments)
        .arg("--quiet")
        .current_dir(folder)
        .env("BYOL_CACHE", folder.join("cache"))
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.lines().last().is_some_and(|line| line.starts_with("byol: ")), "{arguments:?}: {text}");
    text
}

#[test]
fn what_is_not_there_is_the_command_lines_fault_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    std::fs::create_dir(home.join("empty")).unwrap();
    std::fs::write(home.join("notes.txt"), "no data").unwrap();
    let commands: [&[&str]; 19] = [
        &["run", "--data", "gone", "--out", "x"],
        &["run", "--data", "patterns", "--unlabeled", "gone", "--out", "x"],
        &["run", "--data", "patterns", "--weights", "gone", "--out", "x"],
        &["run", "--resume", "gone"],
        &["pretrain", "--data", "gone", "--out", "x"],
        &["pretrain", "--resume", "gone"],
        &["supervised", "--data", "gone", "--out", "x"],
        &["finetune", "--from", "gone", "--data", "patterns", "--out", "x"],
        &["ablate", "--data", "gone", "--out", "x"],
        &["evaluate", "linear", "--from", "gone", "--data", "patterns"],
        &["predict", "--from", "gone", "notes.txt"],
        &["embed", "--from", "gone", "notes.txt", "--out", "x.npy"],
        &["neighbors", "gone.png", "--in", "empty", "--from", "gone"],
        &["export", "--from", "gone", "--out", "x.onnx"],
        &["report", "gone"],
        &["views", "--data", "gone", "--out", "x"],
        &["bench", "pretrain", "--data", "gone", "--device", "cpu"],
        &["data", "info", "gone"],
        &["data", "pack", "gone", "--out", "x.byolpack"],
    ];
    for arguments in commands {
        let text = said(home, arguments, 2);
        assert!(text.contains("gone"), "{arguments:?}: {text}");
        assert!(!home.join("x").exists() && !home.join("x.byolpack").exists(), "{arguments:?}");
    }
    for data in ["empty", "notes.txt"] {
        said(home, &["run", "--data", data, "--out", "x"], 2);
        said(home, &["data", "info", data], 2);
    }
    said(home, &["run", "--data", "patterns", "--unlabeled", "empty", "--out", "x"], 2);
    said(home, &["report", "empty"], 2);
}

#[test]
fn what_is_wrong_in_the_files_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    for class in ["cat", "dog"] {
        std::fs::create_dir_all(home.join("photos").join(class)).unwrap();
        std::fs::write(home.join("photos").join(class).join("1.png"), "no image").unwrap();
    }
    assert!(said(home, &["run", "--data", "photos", "--out", "x"], 1).contains("1.png"));
    std::fs::write(home.join("weights.pth"), "no weights").unwrap();
    let begin = ["run", "--data", "patterns", "--weights", "weights.pth", "--out", "x"];
    assert!(said(home, &begin, 1).contains("weights.pth"));
    assert!(!home.join("x").exists());
}
