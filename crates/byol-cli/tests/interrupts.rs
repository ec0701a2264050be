//! Ctrl-C while something works that leaves no run behind: the program ends soon, says truly what is left, and leaves no half file.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Longer than ending takes on a machine that has much else to do, and shorter than what is interrupted.
const SOON: Duration = Duration::from_secs(5);

/// So many that going through them takes longer than a test waits.
const MANY: usize = 6_000;

const SETTINGS: [&str; 6] =
    ["image_size=16", "width=0.0625", "pretrain.epochs=1", "pretrain.batch_size=8", "supervised.epochs=1", "draws=1"];

/// `photos` with two classes of a few images, `many` with one large image under many names in two classes, and the runs
/// `pretrained` and `supervised`.
static PLACE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let home = place.path();
    for number in 0..40u8 {
        let class = ["cat", "dog"][usize::from(number % 2)];
        bitmap(&home.join(format!("photos/{class}/{number}.bmp")), 16, [6 * number, 80, 200]);
    }
    let large = home.join("large.bmp");
    bitmap(&large, 512, [10, 80, 200]);
    for class in ["cat", "dog"] {
        let folder = home.join("many").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..MANY / 2 {
            std::fs::hard_link(&large, folder.join(format!("{number}.bmp"))).unwrap();
        }
    }
    for (command, out) in [("pretrain", "pretrained"), ("supervised", "supervised")] {
        let mut arguments = vec![command, "--data", "photos", "--out", out, "--split", "split.csv", "--quiet"];
        arguments.extend(["--preset", "demo", "--device", "cpu", "--threads", "1"]);
        arguments.extend(SETTINGS.iter().flat_map(|pair| ["--set", pair]));
        let output = byol(home, &arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    place
});

fn byol(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byol"));
    command.args(arguments).current_dir(home);
    command
}

/// An image of one colour and `side` by `side` pixels, a multiple of four, as a BMP file.
fn bitmap(path: &Path, side: u32, colour: [u8; 3]) {
    let pixels = 3 * side * side;
    let mut bytes = b"BM".to_vec();
    for number in [54 + pixels, 0, 54, 40, side, side] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.extend(std::iter::repeat_n(colour, (side * side) as usize).flatten());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// A program that works, with standard output and error to be read.
fn working(arguments: &[&str]) -> Child {
    byol(PLACE.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
}

fn wait_for(path: &Path) {
    let begun = Instant::now();
    while !path.exists() && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(path.exists(), "{} was not begun", path.display());
}

/// What a program says on standard error once this signal has ended it, which must be soon and with this code.
fn ended_by(program: Child, signal: &str, code: i32) -> String {
    let sent = Command::new("kill").args([signal, &program.id().to_string()]).status().unwrap();
    assert!(sent.success(), "it has ended by itself");
    let begun = Instant::now();
    let output = program.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(begun.elapsed() < SOON, "it took {:?}: {text}", begun.elapsed());
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// All files below a folder, with their contents.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    found.insert(path.clone(), std::fs::read(path).unwrap());
                }
            }
        }
    }
    found
}

/// Files directly in the place whose names begin so.
fn beginning_with(name: &str) -> Vec<String> {
    let entries = std::fs::read_dir(PLACE.path()).unwrap().map(|entry| entry.unwrap().file_name());
    entries.filter_map(|file| file.into_string().ok()).filter(|file| file.starts_with(name)).collect()
}

/// An evaluation that has judged one of very many draws; `more` is what is typed beside.
fn evaluating(run: &str, more: &[&str]) -> Child {
    let mut arguments = vec!["evaluate", "linear", "--from", run, "--data", "photos", "--json", "--device", "cpu"];
    arguments.extend(["--labels-per-class", "5", "--draws", "1000", "--set", "evaluate.linear_solver=sgd"]);
    arguments.extend(more);
    let mut program = working(&arguments);
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"event\":\"evaluated\"") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "it has ended by itself");
    }
    // Somebody must read on.
    std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
    program
}

#[test]
fn an_evaluation_leaves_nothing_behind() {
    let run = PLACE.path().join("pretrained");
    let before = files(&run);
    let text = ended_by(evaluating("pretrained", &[]), "-INT", 130);
    assert_eq!(text, "byol: interrupted; an evaluation leaves nothing behind\n");
    assert!(files(&run) == before, "the run is as it was");
    assert!(!PLACE.path().join("photos/byol-split.csv").exists(), "no split was saved");
}

#[test]
fn an_evaluation_that_keeps_classifiers_keeps_whole_ones() {
    let copy = PLACE.path().join("kept");
    for (path, bytes) in files(&PLACE.path().join("pretrained")) {
        let to = copy.join(path.strip_prefix(PLACE.path().join("pretrained")).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, bytes).unwrap();
    }
    let text = ended_by(evaluating("kept", &["--keep", "--split", "split.csv"]), "-INT", 130);
    assert_eq!(text, "byol: interrupted; classifiers that were kept by now stay in kept\n");
    let left = files(&copy);
    let unfinished = |path: &PathBuf| path.to_string_lossy().ends_with(".partial") || path.ends_with("writing.lock");
    assert!(!left.keys().any(unfinished), "{:?}", left.keys());
}

#[test]
fn a_pack_is_not_written_and_no_split_is_saved() {
    let program = working(&["data", "pack", "many", "--out", "x.byolpack", "--json"]);
    wait_for(&PLACE.path().join("x.byolpack.partial"));
    assert_eq!(ended_by(program, "-INT", 130), "byol: interrupted; x.byolpack was not written\n");
    assert_eq!(beginning_with("x."), [""; 0]);
    assert!(!PLACE.path().join("many/byol-split.csv").exists());
}

#[test]
fn predictions_are_not_written() {
    let begin = ["predict", "--from", "supervised", "many", "--json", "--device", "cpu"];
    let program = working(&[&begin[..], &["--out", "p.csv", "--page", "p.html"]].concat());
    wait_for(&PLACE.path().join("p.csv.partial"));
    assert_eq!(ended_by(program, "-TERM", 143), "byol: interrupted; p.csv was not written\n");
    assert_eq!(beginning_with("p."), [""; 0]);

    // Without a file there is nothing to remove.
    let mut program = working(&begin);
    let mut output = BufReader::new(program.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    let rest = std::thread::spawn(move || std::io::read_to_string(output).unwrap());
    assert_eq!(ended_by(program, "-INT", 130), "byol: interrupted\n");
    assert!(first.starts_with('{') && rest.join().unwrap().lines().count() < MANY, "{first}");
}

#[test]
fn representations_are_not_written() {
    let begin = ["embed", "--from", "pretrained", "many", "--json", "--device", "cpu", "--out", "m.npy"];
    let program = working(&begin);
    wait_for(&PLACE.path().join("m.npy.partial"));
    assert_eq!(ended_by(program, "-INT", 130), "byol: interrupted; m.npy was not written\n");
    assert_eq!(beginning_with("m.npy"), [""; 0]);
}
