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
fn the_program_names_its_commit_and_nothing_else_is_built_anew_for_it() {
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("BYOL_COMMIT"));
    let whole = if commit.is_empty() { version.to_owned() } else { format!("{version} ({commit})") };
    assert_eq!(stdout(&byol(&["--version"])), format!("byol {whole}\n"));
    let doctor: serde_json::Value = serde_json::from_str(&stdout(&byol(&["doctor", "--json"]))).unwrap();
    assert_eq!(doctor["program"]["version"], whole.as_str(), "the library has it of the program");
    // The build scripts of the library and of the C++ shim, whose crates take minutes.
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for name in ["byol", "byol-cuda", "byol-torch"] {
        let script = std::fs::read_to_string(crates.join(name).join("build.rs")).unwrap();
        assert!(!script.contains("git") && !script.contains("BYOL_COMMIT"), "{name}");
    }
}

#[test]
fn views_are_images_with_their_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("views");
    let out = out.to_str().unwrap();
    let output = byol(&[
        "views",
        "--data",
        "patterns",
        "--out",
        out,
        "--count",
        "2",
        "--preset",
        "demo",
        "--set",
        "view_size=40",
        "--json",
    ]);
    assert!(output.status.success(), "{output:?}");
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let examples = line["views"].as_array().unwrap();
    assert_eq!(examples.len(), 2);
    let first = examples[0]["t_prime"][0].as_str().unwrap();
    let view = std::fs::read(Path::new(out).join(first)).unwrap();
    assert_eq!(
        view[16..24],
        [0, 0, 0, 40, 0, 0, 0, 40],
        "width and height in a PNG's header: the size of pre-training's views"
    );
    let parameters = std::fs::read_to_string(Path::new(out).join("views.json")).unwrap();
    assert!(parameters.contains(first));
}

#[test]
fn a_sweep_measures_every_point_and_breaks_its_steps_down() {
    let arguments =
        ["bench", "supervised", "--preset", "demo", "--set", "image_size=8", "--set", "width=0.25", "--json"];
    let length =
        ["--steps", "2", "--set", "evaluation_batch_size=16", "--sweep", "batch_size=8,16", "--sweep", "set_size=64"];
    let output = byol(&[&arguments[..], &length[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<serde_json::Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let points: Vec<_> = lines.iter().filter(|line| !line["sweep"].is_null()).collect();
    let swept: Vec<String> = points.iter().map(|point| point["sweep"].to_string()).collect();
    assert_eq!(swept, ["{\"batch_size\":8}", "{\"batch_size\":16}", "{\"set_size\":64}"]);
    assert!(lines.last().unwrap()["images_per_second"].as_f64().unwrap() > 0.0);
    for point in points {
        let breakdown = point["breakdown"].as_object().unwrap();
        let ms = |name: &str| breakdown[name].as_f64().unwrap();
        let parts = ["idle_ms", "transfer_ms", "online_forward_ms", "backward_ms", "optimizer_ms", "other_ms"];
        let sum: f64 = parts.into_iter().map(ms).sum();
        assert!((sum - ms("step_ms")).abs() < 1e-6 && ms("other_ms") >= 0.0, "{point}");
        assert!(ms("backward_ms") > 0.0 && ms("render_ms") > 0.0, "{point}");
        assert!(point["gflops"].as_f64() < point["matmul_gflops"].as_f64(), "{point}");
        assert!(point["evaluation_images_per_second"].as_f64() > Some(0.0), "{point}");
    }
}

#[test]
fn a_rate_is_measured_beside_busy_threads() {
    let small = ["--preset", "demo", "--set", "image_size=8", "--set", "width=0.25", "--steps", "2"];
    for what in ["augment", "pretrain", "supervised"] {
        let measure = |rest: &[&str]| byol(&[&["bench", what][..], &small, rest].concat());
        let line = stdout(&measure(&["--beside", "2", "--json"]));
        let measured: serde_json::Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
        let beside = &measured["beside"];
        assert_eq!(beside["busy_threads"], 2);
        let [quiet, busy] = [&measured, beside].map(|of| of["images_per_second"].as_f64().unwrap());
        assert!(busy > 0.0 && (beside["share_of_quiet"].as_f64().unwrap() - busy / quiet).abs() < 1e-9, "{measured}");
        assert!(!stdout(&measure(&["--json"])).contains("beside"));
    }
    let output = byol(&["bench", "augment", "--beside", "1", "--sweep", "batch_size=8"]);
    assert_eq!(output.status.code(), Some(2), "one or the other");
}

#[test]
fn opening_files_is_measured_in_every_way() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../byol-images/tests/fixtures/formats/photographs");
    let output = byol(&["bench", "decode", "--data", fixtures, "--steps", "18", "--json"]);
    let measured: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&measured["files"], &measured["threads"], &measured["steps"]), (&9.into(), &1.into(), &18.into()));
    let ways = measured["ways"].as_array().unwrap();
    let names: Vec<_> = ways.iter().map(|opened| opened["way"].as_str().unwrap()).collect();
    assert_eq!(names, ["whole", "for_views", "whole_then_shrunk", "shrunk"]);
    assert!(ways.iter().all(|opened| opened["processor_ms"].as_f64() > Some(0.0)), "{measured}");
    assert_eq!(measured["images_per_second"], ways[3]["images_per_second"]);
    let output = byol(&["bench", "decode", "--data", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && message.contains("Cargo.toml"), "{message}");
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
    // The program has begun anew under the same number, with threads that do not wait in a loop for long.
    #[cfg(target_os = "linux")]
    {
        let environment = std::fs::read(format!("/proc/{}/environ", program.id())).unwrap();
        let chosen = std::env::var_os("GOMP_SPINCOUNT").is_some() || std::env::var_os("OMP_WAIT_POLICY").is_some();
        assert!(chosen || environment.split(|&byte| byte == 0).any(|variable| variable == b"GOMP_SPINCOUNT=2000"));
    }
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

#[test]
fn damage_that_data_info_finds_is_listed_and_ends_it_with_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let image = concat!(env!("CARGO_MANIFEST_DIR"), "/../byol-images/tests/fixtures/formats/rgb.bmp");
    for class in ["cat", "dog"] {
        std::fs::create_dir(folder.path().join(class)).unwrap();
        for number in 0..2 {
            std::fs::copy(image, folder.path().join(class).join(format!("{number}.bmp"))).unwrap();
        }
    }
    let data = folder.path().to_str().unwrap();
    assert!(byol(&["data", "info", data]).status.success());
    std::fs::write(folder.path().join("dog/bad.png"), "no image").unwrap();
    let output = byol(&["data", "info", data, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let info: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&info["splits"][0]["images"], info["damaged"].as_array().unwrap().len()), (&2.into(), 1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("1 file cannot be read, ") && said.contains("bad.png: the content is "), "{said}");
    // It never skips an image silently, so there is nothing for --strict to change.
    assert_eq!(byol(&["data", "info", data, "--strict"]).status.code(), Some(2));
}
