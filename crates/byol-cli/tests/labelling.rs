//! `byol label --images` as a process that is asked over HTTP: what it refuses, and that no answer is lost however it ends.
#![cfg(unix)]

#[path = "labelling/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use served::{Served, drawn, labelling, pretrained, program, table};

/// Folder of images and run, made once for a test.
fn made(images: usize) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    drawn(&photos, images);
    (folder, photos)
}

fn post(server: &Served, path: &str, sent: Value) -> (u16, Value) {
    let state = server.state("test");
    server.post(path, state["token"].as_str().unwrap_or_default(), &sent)
}

/// Answers what is asked with the class that the file's name says, and gives the name.
fn answer(server: &Served) -> (String, String) {
    let state = server.asked("test");
    let current = &state["current"];
    let name = current["name"].as_str().unwrap().to_owned();
    let class = name.split('-').next().unwrap().to_owned();
    let sent = json!({ "by": "test", "images": [current["image"]], "say": "class", "class": class, "aside": current["aside"] });
    let (code, _) = server.post("/answer", state["token"].as_str().unwrap(), &sent);
    assert_eq!(code, 200);
    (name, class)
}

fn labels(photos: &Path) -> BTreeMap<String, String> {
    table(&photos.join("labels.csv")).into_iter().map(|[path, label, _]| (path, label)).collect()
}

#[test]
fn it_serves_this_machine_alone_and_does_what_its_own_page_asks() {
    let (folder, photos) = made(24);
    let server = labelling(&photos, pretrained(), &[]);
    let (head, page) = server.ask("GET / HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && page.contains("default-src 'none'"), "{head}");
    let codes = |request: &str| server.ask(request).0;
    assert!(codes("GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 403"));
    assert!(codes("DELETE / HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 405"));
    assert!(codes("GET /labels.csv HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(
        codes("GET /image?image=99 HTTP/1.1\r\nHost: HERE\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 404")
    );
    let state = server.asked("test");
    let image = state["current"]["image"].clone();
    let sent = json!({ "by": "test", "images": [image], "say": "class", "class": "red" });
    assert_eq!(server.post("/answer", "guessed", &sent).0, 403);
    assert!(!photos.join("labels.csv").exists());

    // Names are taken as they are.
    let name = "</script><img src=x onerror=\"alert('1')\">, a";
    let sent = json!({ "by": "test", "images": [image], "say": "class", "class": name });
    assert_eq!(post(&server, "/answer", sent).0, 200);
    assert_eq!(labels(&photos).into_values().collect::<Vec<_>>(), [name]);
    assert_eq!(server.state("test")["classes"][0]["name"], name);
    let (code, told) = post(&server, "/class", json!({ "by": "test", "say": "add", "class": "a\nb" }));
    assert!(code == 400 && told["problem"].as_str().unwrap().contains("control character"), "{told}");

    // A second server is sent to the first.
    let mut second = program(&["label", "--port", "0", "--images"]);
    let output = second.arg(&photos).arg("--from").arg(pretrained()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("is being labelled already") && said.contains(server.address()), "{said}");
    drop(folder);
}

#[test]
fn no_answer_is_lost_when_it_is_killed_at_any_moment() {
    let (_folder, photos) = made(60);
    let mut expected = BTreeMap::new();
    for round in 0..5 {
        let server = labelling(&photos, pretrained(), &[]);
        for _ in 0..4 + round {
            let (name, class) = answer(&server);
            expected.insert(name, class);
        }
        assert_eq!(labels(&photos), expected, "each is there as soon as it is confirmed");
        if round == 1 {
            // One that is on its way when the server dies may be there or not; the file is whole.
            let state = server.asked("test");
            let current = &state["current"];
            let name = current["name"].as_str().unwrap().to_owned();
            let class = name.split('-').next().unwrap().to_owned();
            let sent = json!({ "by": "test", "images": [current["image"]], "say": "class", "class": class });
            server.post_unheard("/answer", state["token"].as_str().unwrap(), &sent);
            server.kill();
            let server = labelling(&photos, pretrained(), &[]);
            let found = labels(&photos);
            if found.contains_key(&name) {
                expected.insert(name, class);
            }
            assert_eq!(found, expected);
            drop(server);
        } else {
            server.kill();
        }
    }
    // Undone by another page after all that, for the first one is gone.
    let server = labelling(&photos, pretrained(), &[]);
    assert_eq!(post(&server, "/undo", json!({ "by": "test" })).0, 200);
    assert_eq!(labels(&photos).len(), expected.len() - 1);
}

#[test]
fn a_file_that_changes_meanwhile_is_taken_in_or_refused() {
    let (_folder, photos) = made(24);
    std::fs::write(photos.join("labels.csv"), "path,label,split\nred-00.bmp,red,train\nblue-02.bmp,blue,test\n")
        .unwrap();
    let server = labelling(&photos, pretrained(), &[]);
    let first = answer(&server);
    let text = std::fs::read_to_string(photos.join("labels.csv")).unwrap();
    assert!(text.starts_with("path,label,split\nred-00.bmp,red,train\nblue-02.bmp,blue,test\n"), "{text}");
    std::fs::write(photos.join("labels.csv"), text.replace("red-00.bmp,red", "red-00.bmp,pink")).unwrap();
    let state = server.state("test");
    assert_eq!(state["notices"][0]["edited"]["changed"], 1, "{state}");
    std::fs::write(photos.join("labels.csv"), "path,label,split\nred-00.bmp\n").unwrap();
    let state = server.asked("test");
    assert!(state["problem"].as_str().unwrap().contains("line 2"), "{state}");
    let sent = json!({ "by": "test", "images": [state["current"]["image"]], "say": "class", "class": "red" });
    let (code, told) = post(&server, "/answer", sent.clone());
    assert!(code == 409 && told["kind"] == "table", "{told}");
    std::fs::write(photos.join("labels.csv"), &text).unwrap();
    assert_eq!(post(&server, "/answer", sent).0, 200);
    assert!(labels(&photos).contains_key(&first.0));
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let (_folder, photos) = made(24);
    // The representations are there already, so that nothing but answers is written.
    drop(labelling(&photos, pretrained(), &[]));
    let server = Served::begin(served::limited(&photos, pretrained(), 4));
    let mut expected = BTreeMap::new();
    let mut refused = None;
    for _ in 0..24 {
        let state = server.asked("test");
        let current = &state["current"];
        let name = current["name"].as_str().unwrap().to_owned();
        let class = name.split('-').next().unwrap().to_owned();
        let sent = json!({ "by": "test", "images": [current["image"]], "say": "class", "class": class });
        let (code, told) = server.post("/answer", state["token"].as_str().unwrap(), &sent);
        if code != 200 {
            assert!(code == 507 && told["kind"] == "unwritten", "{code} {told}");
            assert!(told["problem"].as_str().unwrap().contains("nothing was recorded"), "{told}");
            refused = Some((sent, name, class));
            break;
        }
        expected.insert(name, class);
    }
    let (sent, name, class) = refused.expect("the limit is reached");
    assert_eq!(labels(&photos), expected);
    assert_eq!(server.state("test")["current"]["name"], name.as_str(), "it is asked for still");
    let raised = std::process::Command::new("prlimit")
        .args(["--fsize=unlimited", "--pid", &server.process().to_string()])
        .stderr(Stdio::null())
        .status();
    if !raised.is_ok_and(|status| status.success()) {
        println!("skipped: prlimit is not there to give the server room again");
        return;
    }
    assert_eq!(post(&server, "/answer", sent).0, 200);
    expected.insert(name, class);
    assert_eq!(labels(&photos), expected);
}

#[test]
fn what_cannot_be_labelled_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str], code: i32| {
        let mut command = program(&["label", "--quiet", "--port", "0", "--from"]);
        let output = command.arg(pretrained()).args(arguments).current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        said
    };
    std::fs::create_dir_all(folder.path().join("empty")).unwrap();
    assert!(said(&["--images", "empty"], 2).contains("no images in empty"));
    assert!(said(&["--images", "gone"], 2).contains("gone does not exist"));
    drawn(&folder.path().join("photos"), 6);
    std::fs::create_dir_all(folder.path().join("elsewhere")).unwrap();
    let elsewhere = said(&["--images", "photos", "--labels", "elsewhere/labels.csv"], 2);
    assert!(elsewhere.contains("does not lie beside the images"), "{elsewhere}");
    assert!(said(&["--images", "photos", "--labels", "labels.xlsx"], 2).contains("must end with .csv or .tsv"));
    let nameless = said(&["--images", "photos", "--classes", "red,,blue"], 2);
    assert!(nameless.contains("`` cannot be the name of a class: it is empty"), "{nameless}");
    assert!(!folder.path().join("photos/byol-labels.journal").exists(), "nothing is begun");
    std::fs::write(folder.path().join("photos/labels.csv"), "path,label\nred-00.bmp,red\n").unwrap();
    assert!(said(&["--images", "photos", "--test-share", "0.2"], 2).contains("has no column `split`"));
    std::fs::write(folder.path().join("photos/labels.csv"), "path,label,split\nred-00.bmp,red,tomorrow\n").unwrap();
    assert!(said(&["--images", "photos"], 1).contains("`tomorrow` is no split"));
}
