//! `--weights` from outside: a run whose comparison is against the given weights, and weights that are named.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use byol::config::{EncoderKind, StemKind};
use byol::model::{Encoder, EncoderConfig, Weights};
use byol::trained::checkpoint::{read_weights, write_weights};
use tch::{Device, Tensor};

fn byol(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byol"));
    command.args(arguments).current_dir(folder).env("BYOL_CACHE", folder.join("cache"));
    command.output().expect("the program can be started")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A narrow network with torchvision's names, without a last layer.
fn network(seed: u64) -> BTreeMap<String, Tensor> {
    let (_, layout) = Encoder::alone(EncoderConfig::new(EncoderKind::Resnet10, StemKind::Imagenet, 0.0625));
    Weights::initialize(&layout, seed, 0, Device::Cpu).named()
}

/// A whole comparison in a few seconds.
const SHORT: [&str; 26] = [
    "--data",
    "patterns",
    "--preset",
    "demo",
    "--device",
    "cpu",
    "--precision",
    "fp32",
    "--threads",
    "2",
    "--labels-per-class",
    "2",
    "--draws",
    "1",
    "--set",
    "image_size=16",
    "--set",
    "pretrain.epochs=1",
    "--set",
    "pretrain.batch_size=512",
    "--set",
    "pretrain.stop_on_collapse=false",
    "--set",
    "finetune.minimum_steps=4",
    "--set",
    "finetune.epochs=2",
];

#[test]
fn a_run_with_weights_is_compared_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let given = network(7);
    write_weights(&root.join("mine.safetensors"), &given).unwrap();
    let output = byol(root, &[&["run", "--out", "run", "--weights", "mine.safetensors"], &SHORT[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let notes = said(&output);
    let go = "the weights set encoder=resnet10 stem=imagenet width=0.0625 mean=[0.485, 0.456, 0.406] \
              deviation=[0.229, 0.224, 0.225]";
    assert!(notes.contains(go), "{notes}");
    let config = std::fs::read_to_string(root.join("run/config.toml")).unwrap();
    for line in [
        "encoder = \"resnet10\"",
        "stem = \"imagenet\"",
        "width = 0.0625",
        "image_size = 16",
        "mean = [0.485, 0.456, 0.406]",
        "deviation = [0.229, 0.224, 0.225]",
    ] {
        assert!(config.contains(line), "{line}: {config}");
    }

    // Every row, and none of random weights.
    let text = std::fs::read_to_string(root.join("run/summary.json")).unwrap();
    let summary: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results = summary["results"].as_array().unwrap();
    let rows: BTreeSet<(&str, &str)> =
        results.iter().map(|row| (row["name"].as_str().unwrap(), row["init"].as_str().unwrap())).collect();
    let expected = [
        ("byol_finetuned", "byol"),
        ("byol_knn", "byol"),
        ("byol_linear", "byol"),
        ("given_finetuned", "given"),
        ("given_knn", "given"),
        ("given_linear", "given"),
    ];
    assert_eq!(rows, BTreeSet::from(expected));
    let kept = read_weights(&root.join("run/initial.safetensors")).unwrap();
    assert!(kept.len() == given.len() && kept.iter().all(|(name, tensor)| tensor.equal(&given[name])));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    for row in ["Given weights, fine-tuned", "Given weights, linear", "Given weights, k-NN", "given weights, MoCo v3"] {
        assert!(table.contains(row), "{table}");
    }
    assert!(!table.contains("random"), "{table}");

    // The frozen rows are of these weights: from other ones, other answers.
    write_weights(&root.join("other.safetensors"), &network(8)).unwrap();
    let again = ["run", "--out", "again", "--weights", "mine.safetensors"];
    let other = ["run", "--out", "other", "--weights", "other.safetensors"];
    for arguments in [again, other] {
        assert!(byol(root, &[&arguments, &SHORT[..]].concat()).status.success());
    }
    let answers = |run: &str| -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(root.join(run).join("predictions.jsonl")).unwrap();
        let lines = text.lines().filter(|line| line.contains("given_linear") || line.contains("given_knn"));
        lines.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["predicted"].clone()).collect()
    };
    assert_eq!(answers("run").len(), 2);
    assert!(answers("run") == answers("again"));
    assert!(answers("run").iter().zip(answers("other")).all(|(one, other)| *one != other));

    // It goes on without the file, and does not begin anew with another.
    std::fs::remove_file(root.join("mine.safetensors")).unwrap();
    let resumed = byol(root, &["run", "--resume", "run"]);
    assert!(resumed.status.success() && said(&resumed).contains("was finished before"), "{resumed:?}");
    let refused = byol(root, &["run", "--resume", "run", "--weights", "other.safetensors"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(said(&refused).contains("was begun with other weights"), "{refused:?}");

    // A run gives its own settings; what is typed comes before them.
    let own = ["pretrain", "--data", "patterns", "--out", "own", "--weights", "run", "--set", "epochs=1"];
    let output =
        byol(root, &[&own[..], &["--preset", "demo", "--set", "batch_size=512", "--set", "width=0.125"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("--set width=0.0625 has their form"), "{output:?}");
    assert!(!root.join("own").exists());
}

#[test]
fn a_name_stands_for_a_file_that_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = format!("http://{}/resnet18-f37072fd.pth", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let lines = BufReader::new(&connection).lines();
            lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\nanother";
            (&connection).write_all(answer).unwrap();
        }
    });
    let begin = ["run", "--data", "patterns", "--out", "run", "--weights"];
    let output = byol(root, &[&begin[..], &["imagenet", "--weights-url", &mirror]].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = said(&output);
    assert!(text.contains("failed to fetch the weights resnet18.imagenet1k_v1"), "{text}");
    assert!(text.contains(&format!("the file from {mirror} has SHA-256 ")), "{text}");
    assert!(text.contains("expected one that begins with f37072fd"), "{text}");
    assert!(text.contains("name another mirror with --weights-url"), "{text}");
    assert!(text.contains("whether you may use them is yours to find out"), "{text}");
    assert!(!root.join("run").exists());
    assert_eq!(std::fs::read_dir(root.join("cache/weights")).unwrap().count(), 0);

    let output = byol(root, &[&begin[..], &["resnet51"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("the names are imagenet, resnet18, "), "{output:?}");

    // What is there wins over a name, and has no mirror.
    write_weights(&root.join("resnet18"), &network(7)).unwrap();
    let output = byol(root, &[&begin[..], &["resnet18", "--weights-url", &mirror]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("resnet18 is a file that is there"), "{output:?}");
}
