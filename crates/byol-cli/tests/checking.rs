//! `byol data check` on data that is odd or wrong: what it says, and that nothing it was asked for is lost.
#![cfg(unix)]

#[path = "labelling/served.rs"]
mod served;

use std::fs;
use std::path::Path;
use std::process::Output;

use served::{drawn, pretrained, program};

/// A folder `photos` of so many drawn images with a table of these rows.
fn photos(at: &Path, images: usize, rows: &[(&str, &str)]) {
    drawn(&at.join("photos"), images);
    let rows: String = rows.iter().map(|(image, class)| format!("{image},{class}\n")).collect();
    fs::write(at.join("photos/labels.csv"), format!("path,label\n{rows}")).unwrap();
}

/// The names of drawn images with the classes that they show.
fn named(images: usize) -> Vec<(String, &'static str)> {
    let class = |number: usize| ["red", "green", "blue"][number % 3];
    (0..images).map(|number| (format!("{}-{number:02}.bmp", class(number)), class(number))).collect()
}

fn check(at: &Path, more: &[&str]) -> Output {
    let mut command = program(&["data", "check", "photos", "--device", "cpu", "--precision", "fp32", "--from"]);
    command.arg(pretrained()).args(more).current_dir(at).output().expect("the program can be started")
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn odd_data_is_looked_at_and_what_is_odd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let all = named(30);
    let rows = |of: &[(String, &'static str)]| -> Vec<(String, &'static str)> { of.to_vec() };
    let with = |rows: &[(String, &str)]| {
        let rows: Vec<(&str, &str)> = rows.iter().map(|(image, class)| (image.as_str(), *class)).collect();
        photos(at, 30, &rows);
    };
    // Images that the table does not list, one that cannot be read, one that is not there.
    with(&rows(&all[..26]));
    fs::write(at.join("photos/red-00.bmp"), "no image").unwrap();
    fs::remove_file(at.join("photos/green-01.bmp")).unwrap();
    let output = check(at, &[]);
    let (found, noted) = said(&output);
    assert_eq!(output.status.code(), Some(0), "{noted}");
    assert!(found.contains("24 labelled images of photos"), "called as its folder is: {found}");
    for part in ["4 images in", "skipped photos/red-00.bmp", "names `green-01.bmp`, which is not there"] {
        assert!(noted.contains(part), "{part}: {noted}");
    }
    // One class alone, and a class of one image.
    let red: Vec<(String, &str)> = all.iter().map(|(image, _)| (image.clone(), "red")).collect();
    with(&red);
    let (found, noted) = said(&check(at, &[]));
    assert!(found.contains("There is one class alone, so no label can be judged"), "{found}");
    assert!(noted.contains("training commands would refuse the data"), "{noted}");
    let mut lynx = rows(&all);
    lynx[5].1 = "lynx";
    with(&lynx);
    let (found, noted) = said(&check(at, &[]));
    assert!(
        found.contains("small class: lynx has 1 labelled image") && noted.contains("class `lynx`"),
        "{found}{noted}"
    );
    // Labels that have nothing to do with the images.
    let mixed: Vec<(String, &str)> =
        all.iter().enumerate().map(|(number, (image, _))| (image.clone(), ["x", "y"][number / 3 % 2])).collect();
    with(&mixed);
    let (found, _) = said(&check(at, &[]));
    assert!(found.contains("not clearly better than guessing"), "{found}");
    // No row.
    with(&[]);
    let output = check(at, &[]);
    assert!(output.status.code() == Some(1) && said(&output).1.contains("lists no image"), "{:?}", said(&output));
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_anything_takes_long() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let all = named(24);
    photos(at, 24, &all.iter().map(|(image, class)| (image.as_str(), *class)).collect::<Vec<_>>());
    fs::write(at.join("taken.csv"), "mine").unwrap();
    fs::create_dir(at.join("blocked.csv.partial")).unwrap();
    let refused = |more: &[&str], part: &str| {
        let output = check(at, more);
        let (found, noted) = said(&output);
        assert!(!output.status.success() && found.is_empty() && noted.contains(part), "{more:?}: {found}{noted}");
        assert!(!noted.contains("representations"), "{more:?} is refused late: {noted}");
    };
    refused(&["--csv", "taken.csv"], "is there already");
    refused(&["--csv", "taken.csv/x.csv"], "cannot be made");
    refused(&["--csv", "blocked.csv"], "failed to write blocked.csv");
    refused(&["--csv", "one.html", "--page", "one.html"], "name the same file");
    assert_eq!(fs::read_to_string(at.join("taken.csv")).unwrap(), "mine");
    assert!(!at.join("one.html").exists());
    let output = check(at, &["--csv", "new/found.csv", "--page", "new/found.html"]);
    assert!(output.status.success(), "{:?}", said(&output));
    assert!(fs::read_to_string(at.join("new/found.csv")).unwrap().starts_with("rank,kind,image"));
    assert!(fs::read_to_string(at.join("new/found.html")).unwrap().contains("What is suspicious in photos"));
    assert_eq!(fs::read_dir(at.join("new")).unwrap().count(), 2, "and nothing else is left");
    // No split is saved, and none is promised.
    assert!(!said(&output).1.contains("split") && !at.join("photos/byol-split.csv").exists());
}
