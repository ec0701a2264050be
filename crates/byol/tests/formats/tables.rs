//! Tables of labels.

use super::*;

fn table(root: &Path, text: &str) {
    write(&root.join("labels.csv"), text.as_bytes());
}

#[test]
fn paths_and_labels_with_a_split() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("p"), 6, 0);
    table(
        root.path(),
        "\u{feff}Path,label,split\np/0.png,10,train\n./p/1.png,9,\np/2.png,10,test\n\"p/3.png\",9,test\n\
         p/4.png,,train\n",
    );
    for path in [root.path().to_path_buf(), root.path().join("labels.csv")] {
        let dataset = open(&path);
        assert_eq!(dataset.class_names, ["9", "10"], "numbers are sorted as numbers");
        assert_eq!(listed(&dataset, &dataset.train), pairs(&[("p/0.png", "10"), ("p/1.png", "9")]));
        assert_eq!(listed(&dataset, &dataset.test), pairs(&[("p/2.png", "10"), ("p/3.png", "9")]));
        assert_eq!(dataset.unlabeled[0].images.name(0), "p/4.png");
        contains(&dataset.warnings[0], &["1 pictures in", "are not in", "rows without a label"]);
    }
}

#[test]
fn without_a_split_one_is_drawn() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 10, 0);
    let rows: String = (0..10).map(|row| format!("{row}.png;{}\n", if row < 5 { "x" } else { "y" })).collect();
    write(&root.path().join("mine.csv"), format!("file;class\n{rows}").as_bytes());
    let dataset = open(&root.path().join("mine.csv"));
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 4), (1, 4)].into(), [(0, 1), (1, 1)].into()));
    assert!(root.path().join("mine.byol-split.csv").is_file());
}

#[test]
fn missing_files_are_skipped_or_refused() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 4, 0);
    table(root.path(), "path,label\n0.png,a\n1.png,a\n2.png,b\n3.png,b\nnone.png,b\n");
    let dataset = open(root.path());
    assert_eq!(dataset.skipped, 1);
    contains(&dataset.warnings[0], &["skipped", "none.png", "cannot be read"]);
    let strict = OpenOptions { strict: true, ..OpenOptions::default() };
    let message = Dataset::open(root.path(), &strict).err().unwrap().to_string();
    contains(&message, &["none.png", "--strict"]);
}

#[test]
fn wrong_lines_are_named() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 4, 0);
    for (text, expected) in [
        ("0.png,a\n1.png,b\n", "line 1: the first line must name the columns"),
        ("path,label\n0.png,a\n0.png,b\n", "line 3: `0.png` was listed before, in line 2"),
        ("path,label\n../0.png,a\n", "line 2: `../0.png` leads out of the table's folder"),
        ("path,label\na/../../0.png,a\n", "leads out of the table's folder"),
        ("path,label\n/etc/passwd,a\n", "line 2: `/etc/passwd` leads out"),
        ("path,label\n0.png,a,b\n", "line 2: 3 cells where the first line has 2"),
        ("path,label\n,a\n", "line 2: the path is empty"),
        ("path,label,split\n0.png,a,tset\n", "line 2: `tset` is no split; it is train, test, val or unlabeled"),
        ("path,label\n", "lists no picture"),
        ("", "lists no picture"),
        ("path,label\n0.png,a\n1.png,a\n", "one class only, `a`"),
        ("path,label,split\n0.png,a,train\n1.png,b,train\n2.png,c,test\n", "class `c`"),
    ] {
        table(root.path(), text);
        contains(&refusal(root.path()), &[expected, "labels.csv"]);
    }
    write(&root.path().join("labels.csv"), b"path,label\n0.png,a\n1.png,\xe9\n");
    contains(&refusal(root.path()), &["line 3: the text is not UTF-8"]);
}

#[test]
fn a_pool_needs_no_labels() {
    let root = tempfile::tempdir().unwrap();
    picture(&root.path().join("a.png"), 1);
    write(&root.path().join("labels.csv"), b"path\na.png\n");
    contains(&refusal(root.path()), &["line 1"]);
    let mut dataset = open(Path::new("patterns"));
    dataset.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 1);
}
