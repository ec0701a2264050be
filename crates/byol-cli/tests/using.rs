//! `byol predict`, `embed` and `neighbors` from outside, with one tiny run.

#[path = "using/no_run.rs"]
mod no_run;
#[path = "using/pages.rs"]
mod pages;
#[path = "using/views.rs"]
mod views;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

/// A folder with a run (`run`) and images: `images/NAME.png` in one colour each, `images/broken.png`, `empty/`.
static PLACE: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let place = tempfile::tempdir().unwrap();
    let run = place.path().join("run");
    let settings = ["image_size=16", "width=0.0625", "draws=1", "supervised.epochs=2", "supervised.minimum_steps=60"];
    let mut arguments =
        vec!["supervised", "--data", "patterns", "--preset", "demo", "--quiet", "--labels-per-class", "20", "--out"];
    arguments.push(run.to_str().unwrap());
    arguments.extend(settings.iter().flat_map(|&setting| ["--set", setting]));
    let output = byol(&arguments, "");
    assert!(output.status.success(), "{output:?}");
    let images = place.path().join("images");
    let views = byol(
        &["views", "--data", "patterns", "--count", "6", "--preset", "demo", "--out", images.to_str().unwrap()],
        "",
    );
    assert!(views.status.success(), "{views:?}");
    std::fs::write(images.join("broken.png"), "no image").unwrap();
    std::fs::create_dir(place.path().join("empty")).unwrap();
    place
});

fn byol(arguments: &[&str], input: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program can be started");
    // A program that has no use for its input may have ended.
    let _ = program.stdin.take().unwrap().write_all(input.as_bytes());
    program.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn at(name: &str) -> String {
    PLACE.path().join(name).to_str().unwrap().to_owned()
}

/// The readable images, in the order of their paths.
fn images() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(PLACE.path().join("images")).unwrap().map(|entry| entry.unwrap().path());
    let mut images: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "png") && !path.ends_with("broken.png")).collect();
    images.sort();
    assert!(images.len() > 12);
    images
}

#[test]
fn predictions_are_a_table_and_what_is_unreadable_is_named() {
    let output = byol(&["predict", "--from", &at("run"), &at("images"), "--top", "3"], "");
    assert!(output.status.success(), "{output:?}");
    let table = text(&output.stdout);
    let mut lines = table.lines();
    let header = "path,calibrated,class_1,probability_1,class_2,probability_2,class_3,probability_3";
    assert_eq!(lines.next(), Some(header));
    for (line, path) in lines.clone().zip(images()) {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!((cells.len(), cells[0], cells[1]), (8, path.to_str().unwrap(), "true"));
        let probability = |rank: usize| cells[1 + 2 * rank].parse::<f64>().unwrap();
        assert!(probability(1) >= probability(2) && probability(2) >= probability(3), "{line}");
    }
    assert_eq!(lines.count(), images().len());
    let said = text(&output.stderr);
    assert!(said.contains("broken.png") && said.contains("images/s") && !said.contains("hardware"), "{said}");
    let overview = said.lines().find(|line| line.contains("less than 60% sure")).unwrap();
    assert!(overview.starts_with(&format!("{} images: ", images().len())), "{said}");
    let closed = "every image gets one of the 10 classes, also an image of something else";
    assert_eq!(said.matches(closed).count(), 1, "{said}");
    assert!(said.contains("calibrated on the run's 2,000 test images: temperature"), "{said}");

    let strict = byol(&["predict", "--from", &at("run"), &at("images"), "--strict", "--out", &at("strict.csv")], "");
    assert_eq!(strict.status.code(), Some(1));
    assert!(text(&strict.stderr).contains("broken.png") && !Path::new(&at("strict.csv")).exists());
    let broken = byol(&["predict", "--from", &at("run"), &at("images/broken.png")], "");
    assert_eq!(broken.status.code(), Some(1));
    let said = text(&broken.stderr);
    assert!(broken.stdout.is_empty() && said.matches("broken.png").count() == 1, "said once: {said}");
}

#[test]
fn paths_come_from_standard_input_and_keep_their_order() {
    let mut paths: Vec<String> = images().iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    paths.reverse();
    let run = at("run");
    for (end, null) in [("\n", None), ("\0", Some("-0"))] {
        let arguments = ["predict", "--from", &run, "--format", "jsonl", "-"].into_iter().chain(null);
        let output = byol(&arguments.collect::<Vec<_>>(), &paths.join(end));
        assert!(output.status.success(), "{output:?}");
        let lines: Vec<serde_json::Value> =
            text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line["path"].as_str().unwrap()).collect::<Vec<_>>(), paths);
        for line in &lines {
            let shares: Vec<f64> =
                line["classes"].as_array().unwrap().iter().map(|c| c["probability"].as_f64().unwrap()).collect();
            assert!(
                shares.len() == 5 && shares.is_sorted_by(|a, b| a >= b) && shares.iter().sum::<f64>() <= 1.0 + 1e-9
            );
        }
    }
    let json = byol(&["predict", "--from", &at("run"), "--json", &paths[0]], "");
    let events: Vec<serde_json::Value> =
        text(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().any(|event| event["event"] == "prediction"));
    let last = events.last().unwrap();
    assert!(last["event"] == "ended" && last["pictures"] == 1 && last["breakdown"]["decode_ms"].as_f64() > Some(0.0));
}

#[test]
fn embeddings_are_searched_for_neighbours() {
    let matrix = at("embedded.npy");
    let output = byol(&["embed", "--from", &at("run"), &at("images"), "--out", &matrix], "");
    assert!(output.status.success(), "{output:?}");
    let bytes = std::fs::read(&matrix).unwrap();
    let header = text(&bytes[10..128]);
    assert!(bytes.starts_with(b"\x93NUMPY\x01\x00\x76\x00"));
    let shape = format!("'shape': ({}, 32)", images().len());
    assert!(header.contains(&shape) && bytes.len() == 128 + 4 * 32 * images().len(), "{header}");
    let names = std::fs::read_to_string(format!("{matrix}.paths.csv")).unwrap();
    let expected: Vec<String> = images().iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    assert_eq!(names.lines().skip(1).collect::<Vec<_>>(), expected);

    let table = at("embedded.parquet");
    let output = byol(&["embed", "--from", &at("run"), &at("images"), "--out", &table], "");
    assert!(output.status.success(), "{output:?}");
    for among in [&matrix, &table, &at("images")] {
        let image = &expected[3];
        let output = byol(&["neighbors", image, "--in", among, "--from", &at("run"), "--top", "4", "--quiet"], "");
        assert!(output.status.success(), "{output:?}");
        let found = text(&output.stdout);
        assert_eq!(found.lines().count(), 4);
        assert_eq!(found.lines().next().unwrap(), format!("1.0000  {image}"));
    }
}

#[test]
fn a_matrix_of_another_network_is_refused() {
    let run = at("run");
    let other = at("other-run");
    let trained = byol(
        &[
            "supervised",
            "--data",
            "patterns",
            "--preset",
            "demo",
            "--quiet",
            "--labels-per-class",
            "1",
            "--out",
            &other,
            "--seed",
            "7",
            "--set",
            "image_size=16",
            "--set",
            "width=0.0625",
            "--set",
            "draws=1",
            "--set",
            "supervised.epochs=1",
            "--set",
            "supervised.minimum_steps=2",
            "--set",
            "supervised.warmup_epochs=0",
        ],
        "",
    );
    assert!(trained.status.success(), "{trained:?}");
    let image = images()[3].to_str().unwrap().to_owned();
    for name in ["digest.npy", "digest.parquet"] {
        let matrix = at(name);
        let embedded = byol(&["embed", "--from", &run, &at("images"), "--out", &matrix], "");
        assert!(embedded.status.success(), "{embedded:?}");
        let search = |from: &str| byol(&["neighbors", &image, "--in", &matrix, "--from", from], "");
        let found = search(&run);
        assert!(found.status.success() && !text(&found.stderr).contains("warning"), "{found:?}");
        let refused = search(&other);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains("made by another network") && refused.stdout.is_empty());
    }
    // One of an earlier version does not tell.
    std::fs::remove_file(at("digest.npy.network.json")).unwrap();
    let found = byol(&["neighbors", &image, "--in", &at("digest.npy"), "--from", &run], "");
    assert!(found.status.success() && text(&found.stderr).contains("does not say which network made it"), "{found:?}");
}

#[test]
fn names_say_the_format_and_nothing_is_replaced_unasked() {
    let (run, folder) = (at("run"), at("images"));
    for (name, begins) in
        [("p.csv", "path,"), ("p.jsonl", "{\"path\""), ("p.json", "[\n{\"path\""), ("p.parquet", "PAR1")]
    {
        let out = at(name);
        let predict = ["predict", "--from", &run, &folder, "--out", &out, "--quiet"];
        let output = byol(&predict, "");
        assert!(output.status.success(), "{output:?}");
        let written = std::fs::read(&out).unwrap();
        assert!(written.starts_with(begins.as_bytes()), "{name}");
        let refused = byol(&predict, "");
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains("is there already; choose another name, or replace it with --force"));
        assert!(byol(&[&predict[..], &["--force"]].concat(), "").status.success());
        assert_eq!(std::fs::read(&out).unwrap(), written);
    }
    let list: serde_json::Value = serde_json::from_slice(&std::fs::read(at("p.json")).unwrap()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), images().len());
    let refused = byol(&["predict", "--from", &run, &folder, "--out", &at("p.txt")], "");
    assert_eq!(refused.status.code(), Some(2));
    let expected = "p.txt: .txt names no format; end it with .csv, .json, .jsonl or .parquet, or add --format";
    assert!(text(&refused.stderr).contains(expected) && !Path::new(&at("p.txt")).exists(), "{refused:?}");
    for (command, out, meant) in
        [("predict", "p.cvs", "p.csv"), ("embed", "m.npyy", "m.npy"), ("export", "c.onxx", "c.onnx")]
    {
        let images = (command != "export").then_some(folder.as_str());
        let out = at(out);
        let arguments = [command, "--from", &run, "--out", &out].into_iter().chain(images);
        let refused = byol(&arguments.collect::<Vec<_>>(), "");
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains(&format!("; did you mean {}?", at(meant))), "{refused:?}");
    }
    // A place that cannot be written to is refused before any work.
    for (out, expected) in [(at("empty"), "is a folder"), (at("images/broken.png/p.csv"), "is a file and no folder")] {
        let refused = byol(&["predict", "--from", &run, &folder, "--out", &out], "");
        let said = text(&refused.stderr);
        assert!(refused.status.code() == Some(2) && said.contains(expected) && !said.contains("images/s"), "{said}");
    }
    let matrix = at("kept.npy");
    std::fs::write(format!("{matrix}.paths.csv"), "mine").unwrap();
    let refused = byol(&["embed", "--from", &run, &folder, "--out", &matrix], "");
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let views = byol(&["views", "--data", "patterns", "--preset", "demo", "--out", &folder], "");
    assert_eq!(views.status.code(), Some(2), "{views:?}");
}

/// A list that is long enough not to fit into a pipe.
fn many() -> String {
    let names: Vec<String> = images().iter().map(|path| path.to_str().unwrap().to_owned()).collect();
    (0..4000).map(|number| format!("{}\n", names[number % names.len()])).collect()
}

#[test]
#[cfg(unix)]
fn a_reader_that_goes_away_is_no_error() {
    let list = at("many.txt");
    std::fs::write(&list, many()).unwrap();
    let run = at("run");
    let program = env!("CARGO_BIN_EXE_byol");
    let line = format!("'{program}' predict --from '{run}' --quiet - < '{list}' | head -n 2; echo ${{PIPESTATUS[0]}}");
    let output = Command::new("bash").args(["-c", &line]).output().unwrap();
    let lines: Vec<String> = text(&output.stdout).lines().map(str::to_owned).collect();
    assert!(lines.len() == 3 && lines[0].starts_with("path,") && lines[2] == "0", "{output:?}");
    assert_eq!(text(&output.stderr), "");
}

#[test]
#[cfg(unix)]
fn an_interrupted_work_leaves_nothing_behind() {
    let place = tempfile::tempdir().unwrap();
    let run = at("run");
    // A list that is long keeps the program from ending by itself.
    let mut program = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(["embed", "--from", &run, "--quiet", "-", "--out"])
        .arg(place.path().join("m.npy"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let endless = many().repeat(40);
    program.stdin.take().unwrap().write_all(endless.as_bytes()).unwrap();
    let entries = || std::fs::read_dir(place.path()).unwrap().count();
    let begun = std::time::Instant::now();
    while entries() == 0 && begun.elapsed().as_secs() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(entries() > 0, "it has begun to write");
    assert!(Command::new("kill").args(["-INT", &program.id().to_string()]).status().unwrap().success());
    assert_eq!(program.wait().unwrap().code(), Some(130));
    assert_eq!(entries(), 0);
}

/// Copies of each image that make a hundred of a few.
const COPIES: usize = 30;

#[test]
fn a_calibration_is_kept_and_used() {
    // A run of its own, so that the other tests see none.
    let copy = tempfile::tempdir().unwrap();
    let status = Command::new("cp").arg("-r").arg(at("run")).arg(copy.path()).status();
    assert!(status.unwrap().success());
    let run = copy.path().join("run");
    let run = run.to_str().unwrap();
    let held = copy.path().join("held");
    // Labels that are right at times: the classes that the run itself names, in turn.
    let first = byol(&["predict", "--from", run, &at("images"), "--top", "2", "--quiet"], "");
    for (number, line) in text(&first.stdout).lines().skip(1).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let class = held.join(cells[if number % 3 == 0 { 4 } else { 2 }]);
        std::fs::create_dir_all(&class).unwrap();
        // Many of each: a temperature takes a hundred.
        for copy in 0..COPIES {
            std::fs::copy(cells[0], class.join(format!("{number}-{copy}.png"))).unwrap();
        }
    }
    let image = images()[0].to_str().unwrap().to_owned();
    let calibrate = byol(&["predict", "--from", run, &image, "--calibrate-on", held.to_str().unwrap()], "");
    assert!(calibrate.status.success(), "{calibrate:?}");
    assert!(text(&calibrate.stderr).contains("temperature"));
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(copy.path().join("run/calibration.json")).unwrap()).unwrap();
    assert!(kept[0]["loss_after"].as_f64() <= kept[0]["loss_before"].as_f64(), "{kept}");
    let again = byol(&["predict", "--from", run, &image], "");
    assert_eq!(again.stdout, calibrate.stdout);
    assert!(text(&again.stdout).contains(",true,"));
    let said = text(&again.stderr);
    assert!(said.contains("the probabilities are calibrated on ") && said.contains("held: temperature"), "{said}");
    // A table of the same images gives the same temperature, and so does whatever else `--data` takes.
    let listed: String = std::fs::read_dir(&held)
        .unwrap()
        .map(|class| class.unwrap().file_name().into_string().unwrap())
        .flat_map(|class| {
            let images = std::fs::read_dir(held.join(&class)).unwrap();
            let names = images.map(|image| image.unwrap().file_name().into_string().unwrap());
            names.map(|name| format!("{class}/{name},{class}\n")).collect::<Vec<_>>()
        })
        .collect();
    let table = held.join("labels.csv");
    std::fs::write(&table, format!("path,label\n{listed}")).unwrap();
    for data in [held.to_str().unwrap(), table.to_str().unwrap()] {
        let of_table = byol(&["predict", "--from", run, &image, "--calibrate-on", data], "");
        assert_eq!(text(&of_table.stdout), text(&calibrate.stdout), "{of_table:?}");
    }
    std::fs::remove_file(&table).unwrap();
    // A dozen images are too few, and what is kept stays.
    let class = std::fs::read_dir(&held).unwrap().next().unwrap().unwrap();
    let few = copy.path().join("few").join(class.file_name());
    std::fs::create_dir_all(&few).unwrap();
    std::fs::copy(&image, few.join("one.png")).unwrap();
    let one =
        byol(&["predict", "--from", run, &image, "--calibrate-on", copy.path().join("few").to_str().unwrap()], "");
    assert_eq!(one.status.code(), Some(2), "{one:?}");
    assert!(text(&one.stderr).contains("1 image is too few; give at least 100"), "{one:?}");
    // What an earlier version fitted to few images is not used.
    let path = copy.path().join("run/calibration.json");
    let mut earlier: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    earlier[0]["images"] = 12.into();
    let before = std::fs::read(&path).unwrap();
    std::fs::write(&path, earlier.to_string()).unwrap();
    let plain = byol(&["predict", "--from", run, &image], "");
    assert!(text(&plain.stderr).contains("the run's 2,000 test images: temperature"), "{plain:?}");
    std::fs::write(&path, before).unwrap();

    // On what the run was trained on, if it was: its data lies there, and its test images do not.
    assert!(!text(&calibrate.stderr).contains("the run's own data"), "{calibrate:?}");
    let record = format!("data = {held:?}\nfolder = {:?}\n", copy.path());
    std::fs::write(copy.path().join("run/command.toml"), record).unwrap();
    let own = byol(&["predict", "--from", run, &image, "--calibrate-on", held.to_str().unwrap()], "");
    let said = text(&own.stderr);
    assert!(
        own.status.success() && said.contains("lie in the run's own data and are not among its test images"),
        "{said}"
    );

    std::fs::create_dir(held.join("unicorns")).unwrap();
    std::fs::copy(&image, held.join("unicorns/one.png")).unwrap();
    let wrong = byol(&["predict", "--from", run, &image, "--calibrate-on", held.to_str().unwrap()], "");
    assert_eq!(wrong.status.code(), Some(1));
    assert!(text(&wrong.stderr).contains("'unicorns'"));
}

#[test]
fn what_cannot_be_done_is_explained() {
    let (run, images, empty) = (at("run"), at("images"), at("empty"));
    let nowhere = at("nowhere");
    let near = at("imagse");
    let image = self::images()[0].to_str().unwrap().to_owned();
    let cases: [(&[&str], i32, &str); 15] = [
        (&["predict", "--from", &run, &empty], 2, "no images in"),
        (&["predict", "--from", &run, "-"], 1, "standard input holds no paths"),
        (&["predict", "--from", &run, "-0", &images], 2, "--null is for paths on standard input"),
        (&["predict", "--from", &nowhere, &images], 2, "neither a run directory nor a checkpoint"),
        (&["predict", "--from", &empty, &images], 2, "config.toml"),
        (
            &["embed", "--from", &run, &images, "--out", "x.txt"],
            2,
            ".txt names no format; end it with .npy or .parquet",
        ),
        (&["neighbors", &image, "--in", &nowhere, "--from", &run], 2, "nowhere does not exist"),
        (&["neighbors", &images, "--in", &images, "--from", &run], 2, "images is a folder; name one image"),
        (&["neighbors", &near, "--in", &images, "--from", &run], 2, "did you mean"),
        (&["predict", "--from", &run, &near], 2, "imagse does not exist; did you mean"),
        (&["predict", "--from", &run, &image, "--calibrate-on", &near], 2, "imagse does not exist; give the folder"),
        (&["embed", "--from", &run, &images, &near, "--out", "x.npy"], 2, "imagse does not exist; did you mean"),
        (&["predict", &run, &images, "--top", "1"], 2, "; did you mean `byol predict --from "),
        (
            &["predict", "--from", &run, &images, "--page", "p.pdf"],
            2,
            "--page p.pdf: a page is written as HTML; end its",
        ),
        (
            &["report", &run, "--out", "p.pdf"],
            2,
            "--out p.pdf: a page is written as HTML; end its name with .html or .htm",
        ),
    ];
    for (arguments, code, message) in cases {
        let output = byol(arguments, "");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(message), "{arguments:?}: {said}");
    }
}

#[test]
fn watch_goes_on_where_no_browser_can_be_opened() {
    use std::io::{BufRead, BufReader};
    let mut program = Command::new(env!("CARGO_BIN_EXE_byol"))
        .args(["watch", &at("run"), "--port", "0", "--open"])
        .env("PATH", at("empty"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(program.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
    let connected = std::net::TcpStream::connect(&address);
    program.kill().unwrap();
    program.wait().unwrap();
    let expected = format!("no browser could be opened; open http://{address}/ yourself\n");
    assert!(line.ends_with(&expected) && !line.contains("os error") && !line.contains("xdg"), "{line}");
    assert!(connected.is_ok(), "{connected:?}");
}

#[test]
fn watch_says_what_is_not_there_and_which_port_is_taken() {
    use std::io::{BufRead, BufReader};
    let first_line = |run: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_byol"))
            .args(["watch", run, "--port", "0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(program.stderr.take().unwrap()).read_line(&mut line).unwrap();
        program.kill().unwrap();
        program.wait().unwrap();
        line
    };
    let line = first_line(&at("rnu"));
    let expected = format!("{} is not there yet (waiting for it); did you mean {}?", at("rnu"), at("run"));
    assert!(line.contains(&expected), "{line}");
    let above = PLACE.path().display().to_string();
    let line = first_line(&above);
    let expected = format!("{above} holds no run yet (waiting for one); there are runs in it: ");
    assert!(line.contains(&expected) && line.contains(&at("run")), "{line}");

    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = byol(&["watch", &at("run"), "--port", &port], "");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains(&format!("port {port} of 127.0.0.1 is in use by another program; choose another --port")),
        "{said}"
    );
    assert!(!said.contains("os error"), "{said}");
}
