//! The server answers what it should and nothing else, while run directories come and grow.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::report::testing::{Run, Scratch};
use crate::run::lock::{LOCK_FILE, RunLock};
use crate::run::record::Summary;
use crate::run::seeds::SeedsRecord;

/// Serves while `work` asks.
fn served(runs: &[PathBuf], work: impl FnOnce(SocketAddr)) {
    let watch = Watch::bind(runs, 0).expect("a free port");
    let interrupt = Interrupt::default();
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| watch.serve(&interrupt));
        // The server must end even if an assertion fails.
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(watch.address())));
        interrupt.request();
        serving.join().expect("no panic").expect("it ends when it is asked to");
        if let Err(panic) = worked {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Status line with headers, and body, of a request as it is written.
fn ask(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    (head.to_owned(), body.to_owned())
}

fn get(address: SocketAddr, path: &str) -> (String, String) {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

fn revision(address: SocketAddr) -> serde_json::Value {
    serde_json::from_str(&get(address, "/revision").1).expect("JSON")
}

#[test]
fn runs_with_several_seeds_are_awaited_as_one_folder_and_shown_each() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("several");
    served(std::slice::from_ref(&folder), |address| {
        let first = revision(address);
        assert_eq!(first["runs"].as_array().map(Vec::len), Some(1), "{first}");
        let record = SeedsRecord { seeds: vec![3, 4], hours: None, version: "1".to_owned() };
        for run in record.runs(&folder) {
            std::fs::create_dir_all(&run).expect("a folder");
            std::fs::write(run.join("config.toml"), "seed = 3").expect("a configuration");
        }
        record.write(&folder).expect("a record");
        let begun = std::time::Instant::now();
        let two = |now: &serde_json::Value| now["runs"].as_array().is_some_and(|runs| runs.len() == 2);
        let mut now = revision(address);
        while !two(&now) && begun.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
            now = revision(address);
        }
        assert!(two(&now) && now["runs"][1]["name"] == "seed-4" && now["revision"] != first["revision"], "{now}");
        let page = get(address, "/").1;
        assert!(page.contains("seed-3") && page.contains("seed-4"), "{page}");
    });
}

#[test]
fn a_run_is_awaited_followed_and_seen_to_end() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("made-up");
    served(std::slice::from_ref(&folder), |address| {
        let first = revision(address);
        assert_eq!(first["runs"][0]["state"], "waiting", "{first}");
        let (head, page) = get(address, "/");
        assert!(
            head.starts_with("HTTP/1.1 200") && page.contains("made-up") && page.contains("has not started yet"),
            "{page}"
        );

        let mut run = Run::ahead();
        let summary = run.summary.take();
        run.predictions.clear();
        run.metrics.truncate(5);
        run.write(scratch.path());
        let second = revision(address);
        assert_eq!(second["runs"][0]["state"], "running", "{second}");
        assert!(second["runs"][0]["text"].as_str().unwrap().contains("pre-training: epoch 5 of 20"), "{second}");
        assert_ne!(first["revision"], second["revision"]);

        // A line that is being written.
        let metrics = folder.join("metrics.jsonl");
        let text = std::fs::read_to_string(&metrics).unwrap();
        std::fs::write(&metrics, format!("{text}{{\"stage\":\"pretr")).unwrap();
        // Making a page waits a little after the one before.
        let torn = eventually(address, |seen| seen["revision"] != second["revision"]);
        assert_eq!(torn["runs"][0]["text"], second["runs"][0]["text"]);
        assert!(get(address, "/").1.contains("data-revision"));

        let stopped = summary.clone().map(|summary| Summary { finished: false, interrupted: true, ..summary });
        run.summary = stopped;
        run.write(scratch.path());
        let seen = eventually(address, |seen| seen["runs"][0]["state"] == "stopped");
        assert_eq!(seen["runs"][0]["text"], "stopped on request after pre-training: epoch 5 of 20; --resume goes on");
        // Another sitting has begun and not written yet.
        let lock = RunLock::take(&folder).unwrap();
        let going = revision(address);
        assert_eq!(going["runs"][0]["state"], "running", "{going}");
        let text = going["runs"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("going on after pre-training: epoch 5 of 20, by process "), "{text}");
        drop(lock);
        // One that was killed leaves its lock, which nobody holds.
        std::fs::write(folder.join(LOCK_FILE), r#"{"process":4711}"#).unwrap();
        let killed = revision(address);
        let text = "process 4711 ended without finishing it after pre-training: epoch 5 of 20; --resume goes on";
        assert_eq!((&killed["runs"][0]["state"], &killed["runs"][0]["text"]), (&"stopped".into(), &text.into()));
        std::fs::remove_file(folder.join(LOCK_FILE)).unwrap();

        run.summary = summary;
        run.write(scratch.path());
        let last = eventually(address, |seen| seen["runs"][0]["state"] == "finished");
        assert!(last["runs"][0]["text"].as_str().unwrap().starts_with("finished after"), "{last}");
    });
}

fn eventually(address: SocketAddr, holds: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    for _ in 0..200 {
        let seen = revision(address);
        if holds(&seen) {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("not within ten seconds: {}", revision(address));
}

#[test]
fn nothing_but_its_two_pages_is_given() {
    let scratch = Scratch::new();
    let folder = Run::ahead().write(scratch.path());
    served(&[folder], |address| {
        for path in ["/config.toml", "/../made-up/config.toml", "/..%2f..%2fetc/passwd", "//etc/passwd", "/index.html"]
        {
            let (head, body) = get(address, path);
            assert!(head.starts_with("HTTP/1.1 404") && body.len() < 100, "{path}: {head}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let request =
                format!("{method} / HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let (head, _) = ask(address, &request);
            assert!(head.starts_with("HTTP/1.1 405") && head.contains("Allow: GET, HEAD"), "{method}: {head}");
        }
        let (head, body) = ask(address, "GET / HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 403") && body.len() < 100, "{head}");
        assert!(get(address, "/?x=1").0.contains("text/html"));
    });
}

#[test]
fn a_damaged_run_is_named_and_the_others_are_shown() {
    let scratch = Scratch::new();
    let whole = Run::ahead().write(scratch.path());
    let damaged = scratch.path().join("damaged");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("metrics.jsonl"), "nonsense\n{}\n").unwrap();
    served(&[whole, damaged], |address| {
        let seen = revision(address);
        assert_eq!((&seen["runs"][0]["state"], &seen["runs"][1]["state"]), (&"finished".into(), &"damaged".into()));
        assert!(get(address, "/").1.contains("60.0<span class=\"deviation\"> ± 1.0</span>"));
    });
}

#[test]
fn what_cannot_be_watched_is_said() {
    assert!(matches!(Watch::bind(&[], 0), Err(WatchError::NoRuns)));
    let scratch = Scratch::new();
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(Watch::bind(&[file], 0), Err(WatchError::NotAFolder(_))));
    let taken = Watch::bind(&[scratch.path().to_owned()], 0).expect("a free port");
    let again = Watch::bind(&[scratch.path().to_owned()], taken.address().port());
    let message = again.err().expect("the port is taken").to_string();
    assert!(message.contains("choose another --port"), "{message}");
}
