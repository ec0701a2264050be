//! Data sets as other tools lay them out, read as those tools read them (`fixtures/formats/make_layouts.py`).

use super::*;

/// Gray and class of every labelled image.
fn grays(dataset: &Dataset, splits: &[&Option<LabeledImages>]) -> Vec<(u8, String)> {
    let mut found = Vec::new();
    for labeled in splits.iter().filter_map(|split| split.as_ref()) {
        for index in 0..labeled.images.len() {
            let mut image = Image::default();
            labeled.images.read(index, &mut image).unwrap();
            found.push((image.pixels[0], dataset.class_names[usize::from(labeled.labels[index])].clone()));
        }
    }
    found.sort();
    found
}

fn expected(name: &str, split: &str) -> Vec<(u8, String)> {
    let text = fs::read(Path::new(FIXTURES).join("layouts/expected.json")).unwrap();
    let all: serde_json::Value = serde_json::from_slice(&text).unwrap();
    serde_json::from_value(all[name][split].clone()).unwrap()
}

/// A copy, beside which a split may be drawn.
fn copied(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(FIXTURES).join("layouts").join(name), &folder.path().join(name));
    folder
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

#[test]
fn folders_of_images_with_metadata_are_tables() {
    for name in ["hf-splits", "hf-root", "hf-json"] {
        let root = copied(name);
        let dataset = open(&root.path().join(name));
        assert_eq!(grays(&dataset, &[&dataset.train]), expected(name, "train"), "{name}");
        assert_eq!(grays(&dataset, &[&dataset.test]), expected(name, "test"), "{name}");
        assert_eq!(dataset.warnings, [], "{name}");
        assert!(listed(&dataset, &dataset.train).contains_key("train/0.png"), "{name}");
    }
}

#[test]
fn a_column_for_each_class_is_understood() {
    let root = copied("roboflow");
    let dataset = open(&root.path().join("roboflow"));
    let mut train = expected("roboflow", "train");
    train.extend(expected("roboflow", "valid"));
    assert_eq!(grays(&dataset, &[&dataset.train]), train);
    assert_eq!(grays(&dataset, &[&dataset.test]), expected("roboflow", "test"));
    write(
        &root.path().join("roboflow/train/_classes.csv"),
        b"filename, cat, dog\n0_png.rf.0a1b.png, 1, 1\n1_png.rf.0a1b.png, 0, 0\n",
    );
    contains(&refusal(&root.path().join("roboflow")), &["_classes.csv, line 2", "several labels (cat, dog)"]);
}

#[test]
fn ids_without_endings_are_files_of_the_folder_that_the_table_is_called_after() {
    let root = copied("kaggle");
    let kaggle = root.path().join("kaggle");
    for path in [kaggle.clone(), kaggle.join("train.csv")] {
        let dataset = open(&path);
        assert_eq!(grays(&dataset, &[&dataset.train, &dataset.test]), expected("kaggle", "all"));
        let table = || shown(&kaggle.join("train.csv"));
        assert_eq!(dataset.notes[0], DataNote::ReadAsLabels { table: table(), column: "breed".to_owned() });
        let (written, name) = ("01f4".to_owned(), "train/01f4.png".to_owned());
        assert_eq!(dataset.notes[1], DataNote::FoundAs { table: table(), written, name });
        let tables = vec![table()];
        assert_eq!(dataset.warnings[0], DataNote::NotListed { images: 10, folder: shown(&kaggle), tables });
    }
    // Without that folder's name, both would do.
    fs::rename(kaggle.join("train.csv"), kaggle.join("dogs.csv")).unwrap();
    contains(&refusal(&kaggle), &["dogs.csv, line 2", "`01f4` may mean `test/01f4.png` or `train/01f4.png`"]);
    fs::remove_dir_all(kaggle.join("test")).unwrap();
    assert_eq!(open(&kaggle).class_names, ["boxer", "pug"]);
    // All images are a pool; the table's have no say.
    let mut pool = open(Path::new("patterns"));
    pool.add_unlabeled(&kaggle, &OpenOptions::default()).unwrap();
    assert_eq!(pool.unlabeled.last().unwrap().images.len(), 8, "without the two test images that were drawn");
    // No file at all.
    fs::rename(kaggle.join("train"), kaggle.join("other")).unwrap();
    class(&kaggle.join("other"), 2, 0);
    for entry in fs::read_dir(kaggle.join("other")).unwrap() {
        let path = entry.unwrap().path();
        if path.file_stem().unwrap().len() > 1 {
            fs::remove_file(path).unwrap();
        }
    }
    contains(
        &refusal(&kaggle.join("dogs.csv")),
        &["`01f4` is no image, nor is any other row", "holds 2 images, such as `other/0.png`"],
    );
}

#[test]
fn an_export_of_label_studio_finds_the_files_that_were_uploaded() {
    let root = copied("label-studio");
    let folder = root.path().join("label-studio");
    for path in [folder.clone(), folder.join("project-1-at-2026-01-01.csv")] {
        let dataset = open(&path);
        assert_eq!(grays(&dataset, &[&dataset.train, &dataset.test]), expected("label-studio", "all"));
        let found = |note: &DataNote| matches!(note, DataNote::FoundAs { name, .. } if name == "photos/photo_0.png");
        assert!(found(&dataset.notes[0]), "{:?}", dataset.notes);
    }
    let table = "image,choice\n/data/upload/1/00000001-photo_1.png,\"{\"\"choices\"\": [\"\"cat\"\", \"\"dog\"\"]}\"\n";
    write(&folder.join("two.csv"), table.as_bytes());
    contains(&refusal(&folder.join("two.csv")), &["line 2", "several labels"]);
}

#[test]
fn paths_of_another_machine_and_addresses_are_found_by_their_last_parts() {
    let root = tempfile::tempdir().unwrap();
    for name in ["cat", "dog"] {
        class(&root.path().join(name), 4, 0);
    }
    for written in
        ["/home/me/data/{}.png", "C:\\data\\{}.png", "s3://bucket/x/{}.png?v=1", "/data/local-files/?d=x/{}.png"]
    {
        let rows = ["cat", "dog"].iter().flat_map(|class| (0..4).map(move |n| format!("{class}/{n}")));
        let rows: String = rows
            .map(|name| {
                let written = if written.contains('\\') { name.replace('/', "\\") } else { name.clone() };
                (written, name)
            })
            .map(|(name, whole)| format!("{},{}\n", written.replace("{}", &name), &whole[..3]))
            .collect();
        write(&root.path().join("labels.csv"), format!("path,label\n{rows}").as_bytes());
        let _ = fs::remove_file(root.path().join("byol-split.csv"));
        let dataset = open(root.path());
        let found: BTreeMap<String, String> =
            [&dataset.train, &dataset.test].into_iter().flat_map(|split| listed(&dataset, split)).collect();
        assert_eq!(found.len(), 8, "{written}");
        assert!(found.iter().all(|(name, class)| name.starts_with(class.as_str())), "{written}");
    }
}

#[test]
fn tables_are_used_only_where_folders_do_not_tell_the_labels() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 3, 0);
    class(&root.path().join("dog"), 3, 10);
    write(&root.path().join("notes.csv"), b"path,label\ncat/0.png,x\ndog/0.png,y\n");
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["cat", "dog"]);
    let unused = |name: &str, has_labels| DataNote::TableNotUsed { table: shown(&root.path().join(name)), has_labels };
    assert_eq!(dataset.warnings[0], unused("notes.csv", true));
    write(&root.path().join("notes.csv"), b"path,width\ncat/0.png,6\ncat/1.png,7\n");
    assert_eq!(open(root.path()).warnings[0], unused("notes.csv", false));
    // Captions are no labels.
    fs::remove_file(root.path().join("notes.csv")).unwrap();
    write(&root.path().join("metadata.csv"), b"file_name,text\ncat/0.png,a\ncat/1.png,a\ndog/0.png,a\ndog/1.png,b\n");
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["cat", "dog"]);
    assert_eq!(dataset.warnings[0], unused("metadata.csv", false));
}

#[test]
fn several_tables_are_splits_or_have_to_be_chosen() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("images"), 8, 0);
    write(&root.path().join("train.csv"), b"path,label\nimages/0.png,a\nimages/1.png,b\nimages/2.png,a\n");
    write(&root.path().join("test.csv"), b"path,label\nimages/4.png,a\nimages/5.png,b\n");
    let dataset = open(root.path());
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 2), (1, 1)].into(), [(0, 1), (1, 1)].into()));
    write(&root.path().join("other.csv"), b"path,label\nimages/4.png,a\nimages/5.png,b\n");
    contains(&refusal(root.path()), &["several tables", "other.csv", "train.csv", "--data"]);
    let mut pool = open(Path::new("patterns"));
    pool.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(pool.unlabeled.last().unwrap().images.len(), 8);
    fs::remove_file(root.path().join("other.csv")).unwrap();
    write(&root.path().join("test.csv"), b"path,label\nimages/0.png,a\nimages/5.png,b\n");
    contains(&refusal(root.path()), &["train.csv, line 2: `images/0.png of", "was listed before, in line 2"]);
}

#[test]
fn what_webdataset_writes_is_read_as_it_reads_it() {
    let root = copied("views.tar");
    let dataset = open(&root.path().join("views.tar"));
    assert_eq!(dataset.class_names, ["0", "1", "3"]);
    let found = grays(&dataset, &[&dataset.train, &dataset.test]);
    assert_eq!(found, expected("views.tar", "all"));
}

#[test]
fn dots_within_names_do_not_join_samples() {
    let root = copied("dots.tar");
    let dataset = open(&root.path().join("dots.tar"));
    assert_eq!(grays(&dataset, &[&dataset.train, &dataset.test]), expected("dots.tar", "all"));
    let (file, first) = (shown(&root.path().join("dots.tar")), "scan_2.5x_000.png".to_owned());
    assert_eq!(dataset.notes[0], DataNote::DottedNames { images: 8, root: file, first });
}

/// Whoever only judges needs no division, and no second class.
#[test]
fn labelled_images_of_every_kind_of_data_come_together() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("split/train/a"), 3, 0);
    class(&root.path().join("split/test/b"), 2, 20);
    image(&root.path().join("split/unlabeled/9.png"), 90);
    class(&root.path().join("single/a"), 1, 40);
    class(&root.path().join("listed"), 3, 60);
    write(&root.path().join("listed/labels.csv"), b"path,label,split\n0.png,x,train\n1.png,y,test\n2.png,,\n");
    let labelled = |path: &Path| {
        let dataset = Dataset::open_labelled(path, &OpenOptions::default()).unwrap();
        assert!(dataset.test.is_none());
        listed(&dataset, &dataset.train)
    };
    let at = |name: &str| root.path().join(name);
    let names: Vec<String> = labelled(&at("split")).into_values().collect();
    assert_eq!(names, ["b", "b", "a", "a", "a"]);
    assert_eq!(labelled(&at("single")), pairs(&[("a/0.png", "a")]));
    for table in ["listed", "listed/labels.csv"] {
        assert_eq!(labelled(&at(table)), pairs(&[("0.png", "x"), ("1.png", "y")]));
    }
    assert_eq!(labelled(&Path::new(FIXTURES).join("parquet/hub")).len(), 6);
    assert_eq!(labelled(Path::new("patterns")).len(), 4000);
    assert!(!at("split/byol-split.csv").exists());
    let none = Dataset::open_labelled(at("split/unlabeled"), &OpenOptions::default()).err().unwrap().to_string();
    contains(&none, &["unlabeled"]);
}
