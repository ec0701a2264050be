//! Tar shards.

use super::*;

fn png(gray: u8) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    image(&folder.path().join("a.png"), gray);
    fs::read(folder.path().join("a.png")).unwrap()
}

pub fn shard(path: &Path, members: &[(&str, &[u8])]) {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // Names as they are, `..` included.
        header.as_ustar_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, *content).unwrap();
    }
    write(path, &tar.into_inner().unwrap());
}

#[test]
fn samples_with_each_kind_of_label() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    let train: [(&str, &[u8]); 10] = [
        ("b.PNG", &png(2)),
        ("b.cls", b"1\n"),
        ("a.png", &png(1)),
        ("a.txt", b"a caption"),
        ("a.cls", b"0"),
        ("sub/c.png", &png(3)),
        ("sub/c.json", br#"{"label": 0, "caption": "x"}"#),
        ("d.png", &png(4)),
        ("e.cls", b"1"),
        ("._a.png", b"of another system"),
    ];
    shard(&at("train-000.tar"), &train);
    shard(
        &at("test-000.tar"),
        &[("a.png", &png(9)), ("a.json", b"1"), ("../../b.png", &png(8)), ("../../b.txt", b"0")],
    );
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["0", "1"]);
    let train = [("train-000.tar/a.png", "0"), ("train-000.tar/b.png", "1"), ("train-000.tar/sub/c.png", "0")];
    assert_eq!(listed(&dataset, &dataset.train), pairs(&train));
    let test = [("test-000.tar/a.png", "1"), ("test-000.tar/../../b.png", "0")];
    assert_eq!(listed(&dataset, &dataset.test), pairs(&test));
    assert_eq!(dataset.unlabeled[0].images.name(0), "train-000.tar/d.png");
    assert_eq!(dataset.warnings[0], DataNote::SamplesWithoutImage { samples: 1, root: shown(root.path()) });
    let mut image = Image::default();
    dataset.train.as_ref().unwrap().images.read(2, &mut image).unwrap();
    assert_eq!((image.width, image.height, image.pixels[0]), (6, 4, 3));

    write(&at("classnames.txt"), b"zebra\nant\n");
    assert_eq!(open(root.path()).class_names, ["zebra", "ant"]);
    write(&at("classnames.txt"), b"zebra\n");
    contains(&refusal(root.path()), &["test-000.tar", "the label of `a` is 1", "names 1 classes"]);
}

#[test]
fn one_file_is_split_here() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<(String, String)> = (0..10).map(|n| (format!("{n}.png"), format!("{n}.cls"))).collect();
    let images: Vec<Vec<u8>> = (0..10).map(png).collect();
    let members = names.iter().zip(&images).enumerate().flat_map(|(n, ((image, label), png))| {
        [(image.as_str(), png.as_slice()), (label.as_str(), if n % 2 == 0 { &b"even"[..] } else { b"odd" })]
    });
    let file = root.path().join("all.tar");
    shard(&file, &members.collect::<Vec<_>>());
    let dataset = open(&file);
    assert_eq!(dataset.class_names, ["even", "odd"]);
    assert_eq!(counts(&dataset.test), [(0, 1), (1, 1)].into());
    assert!(root.path().join("all.byol-split.csv").is_file());
}

#[test]
fn damage_is_named() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("s.tar");
    let (one, two) = (png(1), png(2));
    shard(&file, &[("a.png", &one), ("a.cls", b"0"), ("b.png", &two)]);
    let whole = fs::read(&file).unwrap();
    write(&file, &whole[..512 + 512 + 512 + 512 + 512 + 20]);
    contains(&refusal(&file), &["s.tar", "cut off within `b.png`"]);
    write(&file, &whole[..512 + 512 + 512 + 512 + 300]);
    contains(&refusal(&file), &["s.tar", "after 2 members"]);
    write(&file, b"");
    contains(&refusal(&file), &["the file is empty"]);
    write(&file, &[7; 2000]);
    contains(&refusal(&file), &["after 0 members", "compressed or damaged"]);
    shard(&file, &[("a.png", &one), ("a.png", &two)]);
    contains(&refusal(&file), &["`a.png` occurs twice"]);
    shard(&file, &[("a.cls", b"0")]);
    contains(&refusal(&file), &["holds no image: its members end in .cls"]);
}

#[test]
fn a_pool_has_no_labels_that_could_be_wrong() {
    let root = tempfile::tempdir().unwrap();
    shard(
        &root.path().join("a.tar"),
        &[("a.png", &png(1)), ("a.cls", b"7"), ("b.png", &png(2)), ("b.txt", b"a caption")],
    );
    write(&root.path().join("classnames.txt"), b"zebra\nant\n");
    contains(&refusal(root.path()), &["7", "2 classes"]);
    let mut dataset = open(Path::new("patterns"));
    dataset.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 2);
}

#[test]
fn unknown_labels_are_told_with_what_there_is() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("a.tar");
    shard(&file, &[("a.png", &png(1)), ("a.json", br#"{"label_name": "cat"}"#), ("b.png", &png(2)), ("b.lbl", b"1")]);
    let dataset = open(&file);
    assert_eq!(dataset.unlabeled[0].images.len(), 2);
    let why = dataset.no_labels.clone().unwrap();
    contains(
        &why.to_string(),
        &["no sample of", ".png, .json, .lbl", "the keys of .json are label_name", "looked for in .cls"],
    );
    assert_eq!(dataset.notes[0], DataNote::Unlabelled(why));
}

#[test]
fn views_of_one_sample_stay_together() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("a.tar");
    let names: Vec<[String; 3]> =
        (0..6).map(|n| [format!("{n}.left.png"), format!("{n}.right.png"), format!("{n}.cls")]).collect();
    let images: Vec<Vec<u8>> = (0..6).map(png).collect();
    let members = names.iter().zip(&images).enumerate().flat_map(|(n, ([left, right, cls], png))| {
        [
            (left.as_str(), png.as_slice()),
            (right.as_str(), png.as_slice()),
            (cls.as_str(), if n % 2 == 0 { &b"0"[..] } else { b"1" }),
        ]
    });
    shard(&file, &members.collect::<Vec<_>>());
    let dataset = open(&file);
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 2), (1, 2)].into(), [(0, 1), (1, 1)].into()));
    assert_eq!(dataset.warnings[0], DataNote::SamplesWithSeveral { samples: 6, root: shown(&file) });
    assert!(listed(&dataset, &dataset.test).keys().all(|name| name.ends_with(".left.png")));
}
