//! The program from outside: its help, its errors, its exit codes. The transcripts in `program/` are compared with
//! what the program says; `TRYCMD=overwrite cargo test -p byol-cli` writes them anew.

use std::path::Path;
use std::process::{Command, Output};

fn byol(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_byol")).args(arguments).output().expect("the program can be started")
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn transcripts() {
    trycmd::TestCases::new().case("tests/program/*.trycmd");
}

#[test]
fn views_are_pictures_with_their_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("views");
    let out = out.to_str().unwrap();
    let output = byol(&["views", "--data", "patterns", "--out", out, "--count", "2", "--preset", "demo", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let examples = line["views"].as_array().unwrap();
    assert_eq!(examples.len(), 2);
    let first = examples[0]["t_prime"][0].as_str().unwrap();
    assert!(Path::new(out).join(first).is_file());
    let parameters = std::fs::read_to_string(Path::new(out).join("views.json")).unwrap();
    assert!(parameters.contains(first));
}

#[test]
fn a_wrong_configuration_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("my.toml");
    std::fs::write(&config, "seed = 3\n\n[pretrain]\nlearning_rat = 0.1\n").unwrap();
    let out = folder.path().join("run");
    let (config, text) = (config.to_str().unwrap(), out.to_str().unwrap());
    let output = byol(&["run", "--data", "patterns", "--out", text, "--config", config]);
    assert_eq!(output.status.code(), Some(2));
    let expected = format!(
        "byol: unknown key 'pretrain.learning_rat' ({config}, line 4); did you mean 'pretrain.learning_rate'?\n"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    assert!(output.stdout.is_empty() && !out.exists());
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_ends_with_a_checkpoint_and_can_be_reported() {
    use std::io::{BufRead, BufReader};
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let out = out.to_str().unwrap();
    let arguments =
        ["pretrain", "--data", "patterns", "--out", out, "--preset", "demo", "--set", "epochs=1000", "--json"];
    let mut program = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be started");
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("\"event\":\"step\"")), "training never began");
    let interrupt = Command::new("kill").args(["-INT", &program.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let last = lines.map(Result::unwrap).last().unwrap();
    assert_eq!(program.wait().unwrap().code(), Some(130));
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&last["event"], &last["finished"]), (&"ended".into(), &false.into()));

    let report = byol(&["report", out]);
    assert!(report.status.success(), "{report:?}");
    assert!(stdout(&report).contains("report.html"));
}
