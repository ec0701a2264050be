//! Parquet in the layout of Hugging Face's image data sets.

use super::*;

fn first_pixel(labeled: &Option<LabeledImages>, index: usize) -> u8 {
    let mut image = Image::default();
    labeled.as_ref().unwrap().images.read(index, &mut image).unwrap();
    assert_eq!((image.width, image.height), (6, 4));
    image.pixels[0]
}

#[test]
fn a_set_of_the_hub_has_names_and_splits() {
    let dataset = open(&Path::new(FIXTURES).join("parquet/hub"));
    assert_eq!(dataset.class_names, ["cat", "dog"]);
    let (train, test) = (dataset.train.as_ref().unwrap(), dataset.test.as_ref().unwrap());
    assert_eq!((train.labels.as_slice(), test.labels.as_slice()), (&[1, 0, 1, 0][..], &[0, 1][..]));
    assert_eq!(train.images.name(3), "data/train-00001-of-00002.parquet/0");
    assert_eq!((first_pixel(&dataset.train, 2), first_pixel(&dataset.train, 3)), (12, 20));
    assert_eq!(first_pixel(&dataset.test, 1), 31);
    assert_eq!(dataset.unlabeled[0].images.len(), 1, "label -1 is none");
    assert_eq!(dataset.warnings[0], DataNote::TestWithoutLabels { images: 1 });
}

#[test]
fn plain_files_in_every_compression() {
    let folder = tempfile::tempdir().unwrap();
    for compression in ["none", "zstd", "gzip", "lz4"] {
        let name = format!("plain-{compression}.parquet");
        let file = folder.path().join(&name);
        fs::copy(Path::new(FIXTURES).join("parquet").join(&name), &file).unwrap();
        let dataset = open(&file);
        assert_eq!(dataset.class_names, ["a", "b"]);
        assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 1), (1, 1)].into(), [(0, 1), (1, 1)].into()));
        assert_eq!(dataset.unlabeled[0].images.name(0), format!("{name}/4"));
        assert!(folder.path().join(format!("plain-{compression}.byol-split.csv")).is_file());
    }
}

#[test]
fn damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(Path::new(FIXTURES).join("parquet/plain-zstd.parquet")).unwrap();
    let file = folder.path().join("a.parquet");
    for cut in [0, 3, whole.len() / 2, whole.len() - 1] {
        write(&file, &whole[..cut]);
        contains(&refusal(&file), &["a.parquet", "cannot be read as Parquet"]);
    }
    let hub = Path::new(FIXTURES).join("parquet/hub/data");
    fs::remove_file(&file).unwrap();
    fs::copy(hub.join("train-00001-of-00002.parquet"), folder.path().join("b.parquet")).unwrap();
    write(&folder.path().join("c.parquet"), &whole);
    contains(&refusal(folder.path()), &["c.parquet", "other files of the set"]);
}

#[test]
fn tables_of_other_things_may_lie_beside_images() {
    let root = tempfile::tempdir().unwrap();
    let table = Path::new(FIXTURES).join("parquet/labels/embeddings.parquet");
    fs::copy(table, root.path().join("embeddings.parquet")).unwrap();
    contains(&refusal(root.path()), &["embeddings.parquet", "path, embedding"]);
    class(&root.path().join("cat"), 3, 0);
    class(&root.path().join("dog"), 3, 50);
    assert_eq!(open(root.path()).class_names, ["cat", "dog"]);
}

fn of_labels(name: &str) -> std::path::PathBuf {
    Path::new(FIXTURES).join("parquet/labels").join(name)
}

/// A copy, beside which a split may be drawn.
fn copied(name: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.parquet");
    fs::copy(of_labels(name), &file).unwrap();
    (folder, file)
}

#[test]
fn labels_of_every_type_that_stands_for_classes_are_read() {
    for (name, classes) in [
        ("float64", ["0", "1"]),
        ("float16", ["0", "1"]),
        ("float32-names", ["cat", "dog"]),
        ("minus-one", ["0", "1"]),
        ("category", ["cat", "dog"]),
        ("text-names", ["cat", "dog"]),
    ] {
        let (_folder, file) = copied(&format!("{name}.parquet"));
        let dataset = open(&file);
        assert_eq!(dataset.class_names, classes, "{name}");
        let labelled: BTreeMap<String, String> =
            [&dataset.train, &dataset.test].into_iter().flat_map(|split| listed(&dataset, split)).collect();
        let [a, b] = classes;
        let expected = [("a.parquet/0", a), ("a.parquet/1", b), ("a.parquet/3", a), ("a.parquet/4", b)];
        assert_eq!(labelled, pairs(&expected), "{name}");
        assert_eq!(dataset.unlabeled[0].images.len(), 2, "{name}: null, NaN and -1 are no labels");
    }
}

#[test]
fn a_test_shard_of_floating_labels_stays_the_test() {
    let dataset = open(&of_labels("hub"));
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 2), (1, 2)].into(), [(0, 1), (1, 1)].into()));
    assert_eq!(dataset.test.as_ref().unwrap().labels, [1, 0]);
    assert!(dataset.unlabeled.is_empty() && dataset.warnings.is_empty(), "{:?}", dataset.warnings);
}

#[test]
fn labels_of_other_types_are_refused_by_column_and_type() {
    for (name, kind) in
        [("fraction", "the number 0.5 in row 1"), ("list", "a list"), ("struct", "a struct"), ("date", "a date")]
    {
        let message = refusal(&of_labels(&format!("{name}.parquet")));
        contains(&message, &[name, "column `label` holds", kind, "a label is a whole number, a text, or null"]);
        let mut dataset = open(Path::new("patterns"));
        dataset.add_unlabeled(of_labels(&format!("{name}.parquet")), &OpenOptions::default()).unwrap();
    }
}

#[test]
fn a_file_without_known_labels_says_which_columns_it_has() {
    let dataset = open(&of_labels("unknown.parquet"));
    assert!(dataset.train.is_none() && dataset.unlabeled[0].images.len() == 4);
    let known = "no column of labels (`label`, `labels`, `class`, `fine_label`); its columns are image, category";
    let why = dataset.no_labels.clone().unwrap();
    contains(&why.to_string(), &["unknown.parquet", known, "rename the one that holds the labels"]);
    assert_eq!(dataset.notes[0], DataNote::Unlabelled(why));
}

#[test]
fn what_is_no_encoded_image_is_named() {
    for name in ["images-list", "pixels-list"] {
        let message = refusal(&of_labels(&format!("{name}.parquet")));
        contains(&message, &[name, "column `image` holds a list in row 0", "an image is its encoded bytes"]);
    }
    contains(
        &refusal(&of_labels("external.parquet")),
        &[
            "row 0 names the image `0.png`",
            "save_to_disk(\"saved\")",
            "load_from_disk(\"saved\").to_parquet(\"external.parquet\")",
        ],
    );
    let (_folder, file) = copied("embedded.parquet");
    assert_eq!(open(&file).class_names, ["0", "1"]);
}
