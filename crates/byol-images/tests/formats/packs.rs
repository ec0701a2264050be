//! Data that is decoded once into one file.

use super::*;
use byol_images::data::pack;

fn data() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 5, 0);
    class(&root.path().join("dog"), 5, 50);
    let wide = image::RgbImage::from_fn(400, 100, |x, _| image::Rgb([(x / 2) as u8, 9, 0]));
    wide.save(root.path().join("cat/wide.png")).unwrap();
    class(&root.path().join("unlabeled"), 2, 90);
    root
}

#[test]
fn a_pack_is_the_data_set_in_one_file() {
    let root = data();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("my.byolpack");
    write(&root.path().join("dog/bad.png"), b"no image");
    let packed = pack::pack(root.path(), &out, 20, &OpenOptions::default()).unwrap();
    assert_eq!((packed.images, packed.skipped, packed.bytes), (13, 1, fs::metadata(&out).unwrap().len()));
    assert!(matches!(packed.notes[0], DataNote::SplitDrawn { saved: true, .. }), "{:?}", packed.notes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");

    let (source, pack) = (open(root.path()), open(&out));
    assert_eq!(pack.class_names, source.class_names);
    assert_eq!(listed(&pack, &pack.train), listed(&source, &source.train));
    assert_eq!(listed(&pack, &pack.test), listed(&source, &source.test));
    assert_eq!(pack.unlabeled[0].images.name(1), "unlabeled/1.png");
    assert_eq!(pack.skipped, 1);
    let (mut a, mut b) = (Image::default(), Image::default());
    for (of_source, of_pack) in [(&source.train, &pack.train), (&source.test, &pack.test)] {
        let (of_source, of_pack) = (of_source.as_ref().unwrap(), of_pack.as_ref().unwrap());
        for index in 0..of_source.images.len() {
            of_source.images.read(index, &mut a).unwrap();
            of_pack.images.read(index, &mut b).unwrap();
            match of_source.images.name(index).as_str() {
                "cat/wide.png" => {
                    assert_eq!((b.width, b.height), (80, 20));
                    assert!(b.pixels[40].abs_diff(101) < 3 && b.pixels[1600 + 40] == 9, "{}", b.pixels[40]);
                }
                _ => assert_eq!(a, b),
            }
        }
    }
    let mut pool = open(Path::new("patterns"));
    pool.add_unlabeled(&out, &OpenOptions::default()).unwrap();
    assert_eq!(pool.unlabeled.last().unwrap().images.len(), 11, "without the two test images");
}

#[test]
fn a_changed_source_is_noticed() {
    let root = data();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("my.byolpack");
    let make = || pack::pack(root.path(), &out, 160, &OpenOptions::default()).unwrap();
    make();
    open(&out);
    image(&root.path().join("cat/new.png"), 7);
    contains(
        &refusal(&out),
        &["has changed since it was packed (13 files then", "pack it again: byol data pack", "--size 160"],
    );
    make();
    assert_eq!(open(&out).train.unwrap().images.len(), 10, "the new image is a training image");
    image(&root.path().join("cat/new.png"), 8);
    contains(&refusal(&out), &["renamed or rewritten"]);
    make();
    let split = root.path().join("byol-split.csv");
    let text = fs::read_to_string(&split).unwrap().replacen("train", "test", 1);
    fs::write(&split, text).unwrap();
    contains(&refusal(&out), &["byol-split.csv is not as it was"]);
    drop(root);
    open(&out);
}

#[test]
fn damage_is_named() {
    let root = data();
    let out = root.path().join("my.byolpack");
    pack::pack(root.path(), &out, 160, &OpenOptions::default()).unwrap();
    let whole = fs::read(&out).unwrap();
    for cut in [0, 7, 100, whole.len() - 1] {
        write(&out, &whole[..cut]);
        contains(&refusal(&out), &["my.byolpack", "cut off or is no packed data set"]);
    }
    let mut flipped = whole.clone();
    let at = whole.len() - 200;
    flipped[at] ^= 1;
    write(&out, &flipped);
    contains(&refusal(&out), &["the index is damaged"]);
}

#[test]
fn what_needs_no_pack_or_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refusal =
        |path: &Path, out: &Path| pack::pack(path, out, 160, &OpenOptions::default()).unwrap_err().to_string();
    let out = folder.path().join("a.byolpack");
    contains(&refusal(Path::new("patterns"), &out), &["packing would gain nothing"]);
    let root = data();
    contains(
        &refusal(root.path(), &folder.path().join("none/a.byolpack")),
        &["could not create", "none/a.byolpack.partial"],
    );
    let strict = OpenOptions { strict: true, ..OpenOptions::default() };
    write(&root.path().join("dog/bad.png"), b"no image");
    contains(&pack::pack(root.path(), &out, 160, &strict).unwrap_err().to_string(), &["bad.png", "--strict"]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn the_command_that_packs_anew_keeps_the_split() {
    let (root, folder) = (data(), tempfile::tempdir().unwrap());
    let (out, split) = (folder.path().join("my.byolpack"), folder.path().join("my-split.csv"));
    let options = OpenOptions { split_file: Some(split.clone()), ..OpenOptions::default() };
    pack::pack(root.path(), &out, 160, &options).unwrap();
    image(&root.path().join("cat/new.png"), 7);
    let split = split.canonicalize().unwrap();
    contains(&refusal(&out), &[&format!("--size 160 --split {}", split.display())]);

    // The one beside the data is found without being named.
    pack::pack(root.path(), &out, 160, &OpenOptions::default()).unwrap();
    fs::remove_file(root.path().join("cat/new.png")).unwrap();
    assert!(refusal(&out).ends_with("--size 160"), "{}", refusal(&out));
}

#[test]
fn class_names_beside_tar_shards_are_watched() {
    let root = tempfile::tempdir().unwrap();
    image(&root.path().join("a.png"), 7);
    let png = fs::read(root.path().join("a.png")).unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    for number in 0..4 {
        for (extension, content) in [("png", png.clone()), ("cls", vec![b'0' + number % 2])] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, format!("{number}.{extension}"), content.as_slice()).unwrap();
        }
    }
    let shards = root.path().join("shards");
    write(&shards.join("000.tar"), &tar.into_inner().unwrap());
    let out = root.path().join("my.byolpack");
    for source in [shards.clone(), shards.join("000.tar")] {
        let _ = fs::remove_file(shards.join("classnames.txt"));
        let make = || pack::pack(&source, &out, 160, &OpenOptions::default()).unwrap();
        make();
        assert_eq!(open(&out).class_names, ["0", "1"]);
        write(&shards.join("classnames.txt"), b"cat\ndog\n");
        contains(&refusal(&out), &["1 files then, 2 now"]);
        make();
        assert_eq!(open(&out).class_names, ["cat", "dog"]);
        write(&shards.join("classnames.txt"), b"hound\ncat\n");
        contains(&refusal(&out), &["renamed or rewritten"]);
    }
}

#[test]
fn what_is_no_pack_is_not_written_over() {
    let root = data();
    for name in ["cat/0.png", "notes.txt"] {
        let file = root.path().join(name);
        if !file.exists() {
            write(&file, b"of the user's");
        }
        let before = fs::read(&file).unwrap();
        let error = pack::pack(root.path(), &file, 160, &OpenOptions::default()).unwrap_err().to_string();
        contains(&error, &[name, "is no packed data set, so it is not replaced"]);
        assert_eq!(fs::read(&file).unwrap(), before);
    }
    // An empty file is what `mktemp` makes.
    write(&root.path().join("empty"), b"");
    pack::pack(root.path(), &root.path().join("empty"), 160, &OpenOptions::default()).unwrap();
}

#[test]
fn the_same_images_have_the_same_fingerprint_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let packed = |root: &Path| {
        let out = folder.path().join("my.byolpack");
        pack::pack(root, &out, 160, &OpenOptions::default()).unwrap();
        open(&out).fingerprint
    };
    let (here, there) = (data(), data());
    let before = packed(here.path());
    assert_eq!(packed(there.path()), before);
    // Of the same size as what it replaces.
    let wide = image::RgbImage::from_fn(400, 100, |x, _| image::Rgb([(x / 2) as u8, 8, 0]));
    wide.save(there.path().join("cat/wide.png")).unwrap();
    assert_ne!(packed(there.path()), before);
}

#[test]
fn a_split_that_is_not_used_is_told() {
    let (root, folder) = (data(), tempfile::tempdir().unwrap());
    let out = folder.path().join("my.byolpack");
    pack::pack(root.path(), &out, 160, &OpenOptions::default()).unwrap();
    let options = OpenOptions { split_file: Some(folder.path().join("mine.csv")), ..OpenOptions::default() };
    let unused = DataNote::SplitNotUsed { file: shown(&folder.path().join("mine.csv")) };
    let is_told = |path: &Path| Dataset::open(path, &options).unwrap().warnings.contains(&unused);
    assert!(is_told(&out));
    assert!(!is_told(root.path()), "it was drawn there");
    for split in ["train", "test"] {
        class(&folder.path().join("divided").join(split).join("cat"), 3, 0);
        class(&folder.path().join("divided").join(split).join("dog"), 3, 50);
    }
    assert!(is_told(&folder.path().join("divided")));
}
