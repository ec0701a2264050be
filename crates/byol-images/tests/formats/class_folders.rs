//! Folders by class, divided or not, their odd cases, and the split that is drawn.

use byol_images::data::Saving;

use super::*;

#[test]
fn divided_ones_are_read_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    for (at, gray) in [("train/cat/a.png", 1), ("train/cat/deep/b.png", 2), ("train/dog/a.png", 3)] {
        image(&root.path().join(at), gray);
    }
    image(&root.path().join("Test/cat/c.png"), 4);
    image(&root.path().join("Test/dog/d.png"), 5);
    image(&root.path().join("unlabeled/x/u.png"), 6);
    image(&root.path().join("other/o.png"), 7);
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["cat", "dog"]);
    let train = [("train/cat/a.png", "cat"), ("train/cat/deep/b.png", "cat"), ("train/dog/a.png", "dog")];
    assert_eq!(listed(&dataset, &dataset.train), pairs(&train));
    assert_eq!(listed(&dataset, &dataset.test), pairs(&[("Test/cat/c.png", "cat"), ("Test/dog/d.png", "dog")]));
    assert_eq!(dataset.unlabeled[0].images.name(0), "unlabeled/x/u.png");
    let mut image = Image::default();
    dataset.test.as_ref().unwrap().images.read(1, &mut image).unwrap();
    assert_eq!((image.width, image.height, image.pixels[0]), (6, 4, 5));
    assert_eq!(dataset.warnings, [DataNote::NoSplit { folder: shown(&root.path().join("other")) }]);
    assert!(!root.path().join("byol-split.csv").exists(), "a split was given");
}

#[test]
fn a_validation_split_is_the_test_or_joins_the_training() {
    let root = tempfile::tempdir().unwrap();
    for split in ["train", "val"] {
        class(&root.path().join(split).join("a"), 3, 0);
        class(&root.path().join(split).join("b"), 2, 9);
    }
    let dataset = open(root.path());
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 3), (1, 2)].into(), [(0, 3), (1, 2)].into()));
    class(&root.path().join("test/a"), 1, 50);
    class(&root.path().join("test/b"), 1, 60);
    let dataset = open(root.path());
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 6), (1, 4)].into(), [(0, 1), (1, 1)].into()));
    assert_eq!(dataset.warnings[0], DataNote::ValidationTrained { images: 5 });
}

#[test]
fn undivided_ones_get_a_split_that_stays() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 10, 0);
    class(&root.path().join("dog"), 3, 50);
    class(&root.path().join("emu"), 2, 60);
    class(&root.path().join("unlabelled"), 4, 70);
    let first = open(root.path());
    // A fifth of 10, of 3 and of 2: at least one.
    assert_eq!(counts(&first.test), [(0, 2), (1, 1), (2, 1)].into());
    assert_eq!(counts(&first.train), [(0, 8), (1, 2), (2, 1)].into());
    assert_eq!(first.unlabeled[0].images.len(), 4);
    let file = root.path().join("byol-split.csv");
    assert_eq!(first.notes[0], DataNote::SplitDrawn { train: 11, test: 4, file: shown(&file), saved: true });
    let saved = fs::read_to_string(&file).unwrap();
    assert_eq!(saved.lines().filter(|line| line.ends_with(",test")).count(), 4, "{saved}");
    assert!(saved.starts_with("path,split\ncat/0.png,"), "{saved}");

    let again = open(root.path());
    assert!(again.notes.is_empty() && again.warnings.is_empty(), "{:?} {:?}", again.notes, again.warnings);
    assert_eq!(listed(&again, &again.test), listed(&first, &first.test));
    assert_eq!(again.fingerprint, first.fingerprint);

    // The file decides, not the draw.
    let swapped: String = saved
        .lines()
        .map(|line| match line.split_once(',').unwrap() {
            (name, "train") if name.starts_with("cat") => format!("{name},test\n"),
            (name, "test") if name.starts_with("cat") => format!("{name},train\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    fs::write(&file, &swapped).unwrap();
    let swapped_set = open(root.path());
    assert_eq!(counts(&swapped_set.test)[&0], 8);
    assert_ne!(swapped_set.fingerprint, first.fingerprint);
    assert_eq!(fs::read_to_string(&file).unwrap(), swapped);
}

#[test]
fn a_draw_depends_on_the_names_alone() {
    let draw = || {
        let root = tempfile::tempdir().unwrap();
        class(&root.path().join("a"), 20, 0);
        class(&root.path().join("b"), 20, 30);
        let dataset = open(root.path());
        listed(&dataset, &dataset.test)
    };
    assert_eq!(draw(), draw());
}

#[test]
fn images_that_come_and_go_leave_the_split_alone() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 10, 0);
    class(&root.path().join("dog"), 10, 50);
    let first = open(root.path());
    let tests = listed(&first, &first.test);
    let file = root.path().join("byol-split.csv");
    let saved = fs::read(&file).unwrap();
    image(&root.path().join("cat/new.png"), 99);
    let removed = tests.keys().next().unwrap();
    fs::remove_file(root.path().join(removed)).unwrap();
    let second = open(root.path());
    assert!(listed(&second, &second.train).contains_key("cat/new.png"));
    assert_eq!(listed(&second, &second.test).len(), tests.len() - 1);
    let gone = DataNote::SplitImagesGone { images: 1, tests: 1, file: shown(&file), first: vec![removed.clone()] };
    let new = DataNote::NotInSplit { images: 1, file: shown(&file), first: vec!["cat/new.png".to_owned()] };
    assert_eq!(second.warnings, [gone, new]);
    assert_eq!(fs::read(&file).unwrap(), saved);

    class(&root.path().join("emu"), 3, 90);
    contains(&refusal(root.path()), &["class `emu` is not in the saved train/test split", "add lines for it"]);
}

#[test]
fn damaged_and_foreign_splits_are_refused() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 3, 0);
    class(&root.path().join("dog"), 3, 50);
    for (content, expected) in [
        ("path,split\ncat/0.png,trai\n", "line 2: `cat/0.png,trai` is not a path and train or test"),
        ("cat/0.png,train\n", "line 1: the header is not `path,split`"),
        (
            "path,split\nx.png,train\n",
            "it has 1 line, such as `x.png`, and images there have names such as `cat/0.png`",
        ),
        ("path,split\n", "names none of the images in"),
        ("path,split\n0,test\n", "line 2: `0` may mean `cat/0.png` or `dog/0.png`; write the image's whole name"),
        (
            "path,split\ncat/0.png,train\ncat/0.png,test\n",
            "line 3: cat/0.png is for training and for the test; see line 2",
        ),
    ] {
        fs::write(root.path().join("byol-split.csv"), content).unwrap();
        contains(&refusal(root.path()), &[expected, "byol-split.csv"]);
    }
}

#[test]
fn names_of_a_split_may_lack_endings_or_folders_as_in_tables() {
    let root = tempfile::tempdir().unwrap();
    for (number, name) in ["cat/c0.png", "cat/c1.png", "dog/d0.png", "dog/d1.png"].into_iter().enumerate() {
        image(&root.path().join(name), number as u8);
    }
    let file = root.path().join("byol-split.csv");
    let tests = pairs(&[("cat/c0.png", "cat"), ("dog/d1.png", "dog")]);
    for rows in [
        "c0,test\nc1,train\nd0,train\nd1,test\n",
        "cat/c0,test\nc1.PNG,train\n/disk/photos/dog/d0.png,train\nD1,test\n",
    ] {
        fs::write(&file, format!("path,split\n{rows}")).unwrap();
        let dataset = open(root.path());
        assert_eq!(listed(&dataset, &dataset.test), tests, "{rows}");
        let DataNote::FoundAs { table, name, .. } = &dataset.notes[0] else { panic!("{:?}", dataset.notes) };
        assert_eq!((table, name.as_str()), (&shown(&file), "cat/c0.png"));
        // In a pool, the same images are its test.
        let mut other = open(Path::new("patterns"));
        other.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
        assert_eq!(other.unlabeled.last().unwrap().images.len(), 2, "{rows}");
    }
    // Beside whole names, shorter ones are told and not guessed.
    fs::write(&file, "path,split\ncat/c0.png,test\ncat/c1.png,train\ndog/d0.png,train\nd1,test\n").unwrap();
    let dataset = open(root.path());
    assert_eq!(listed(&dataset, &dataset.test), pairs(&[("cat/c0.png", "cat")]));
    let (written, image) = ("d1".to_owned(), "dog/d1.png".to_owned());
    let short = DataNote::SplitNamesShort { names: 1, file: shown(&file), written, image };
    assert!(dataset.warnings.contains(&short), "{:?}", dataset.warnings);
}

#[test]
fn a_split_for_later_is_saved_when_it_is_asked_for() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 5, 0);
    class(&root.path().join("dog"), 5, 50);
    let file = root.path().join("byol-split.csv");
    let later = OpenOptions { saving: Saving::Later, ..OpenOptions::default() };
    let dataset = Dataset::open(root.path(), &later).unwrap();
    assert_eq!(dataset.notes[0], DataNote::SplitDrawn { train: 8, test: 2, file: shown(&file), saved: false });
    dataset.check_split_place().unwrap();
    let entries = || fs::read_dir(root.path()).unwrap().count();
    assert_eq!(entries(), 2, "nothing was written");
    dataset.save_split().unwrap();
    assert_eq!((entries(), listed(&open(root.path()), &dataset.test).len()), (3, 2));
    dataset.save_split().unwrap();
    // Another one, saved by somebody else meanwhile, stays.
    fs::write(&file, "path,split\n").unwrap();
    contains(&dataset.save_split().unwrap_err().to_string(), &["another one was saved there meanwhile"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "path,split\n");
    let nowhere = OpenOptions { split_file: Some(root.path().join("none/s.csv")), ..later };
    let refused = Dataset::open(root.path(), &nowhere).unwrap().check_split_place().unwrap_err().to_string();
    contains(&refused, &["could not save the train/test split in", "none/s.csv", "--split FILE"]);
}

#[cfg(unix)]
#[test]
fn a_split_that_cannot_be_saved_says_how_to_name_another_place() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("cat"), 3, 0);
    class(&root.path().join("dog"), 3, 50);
    let options = |split: &Path| OpenOptions { split_file: Some(split.into()), ..OpenOptions::default() };
    let nowhere = root.path().join("none/split.csv");
    let message = Dataset::open(root.path(), &options(&nowhere)).err().unwrap().to_string();
    contains(&message, &["could not save the train/test split in", "none/split.csv", "--split FILE"]);
    let elsewhere = tempfile::tempdir().unwrap();
    Dataset::open(root.path(), &options(&elsewhere.path().join("s.csv"))).unwrap();
    assert!(elsewhere.path().join("s.csv").is_file() && !root.path().join("byol-split.csv").exists());
}

#[test]
fn odd_folders_are_explained() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    class(&at("cat"), 3, 0);
    contains(&refusal(root.path()), &["one class only, `cat`", "give that folder"]);
    class(&at("dog"), 1, 50);
    contains(&refusal(root.path()), &["class `dog`", "1 usable image, but needs two"]);
    write(&at("dog/broken.jpg"), b"no image");
    contains(&refusal(root.path()), &["class `dog`", "1 usable image,"]);
    class(&at("dog"), 2, 50);
    assert_eq!(open(root.path()).skipped, 1);
    fs::create_dir(at("emu")).unwrap();
    contains(&refusal(root.path()), &["the folder of class `emu`", "holds no image"]);
    fs::rename(at("emu"), at(".emu")).unwrap();
    image(&at("loose.png"), 1);
    contains(&refusal(root.path()), &["1 image lies beside the class folders", "loose.png"]);
}

#[test]
fn a_class_without_training_images_is_refused() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("train/a"), 2, 0);
    class(&root.path().join("train/b"), 2, 10);
    class(&root.path().join("test/a"), 1, 20);
    class(&root.path().join("test/c"), 1, 30);
    contains(&refusal(root.path()), &["class `c`", "1 test image but no training image"]);
    fs::rename(root.path().join("test/c"), root.path().join("test/.c")).unwrap();
    let dataset = open(root.path());
    assert_eq!(dataset.warnings, [DataNote::ClassWithoutTest { class: "b".to_owned() }]);
}

#[test]
fn budgets_that_a_class_cannot_fill_are_refused_before_anything_is_decoded() {
    // No image can be decoded, so whatever is said was found out from the names.
    let refused = |folders: &[(&str, usize)], labels_per_class| {
        let root = tempfile::tempdir().unwrap();
        for (folder, images) in folders {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            (0..*images).for_each(|n| fs::write(root.path().join(format!("{folder}/{n}.png")), b"").unwrap());
        }
        let options = OpenOptions { need: Need::Labels, labels_per_class, ..OpenOptions::default() };
        Dataset::open(root.path(), &options).err().expect("an error").to_string()
    };
    let drawn = [("a", 20), ("b", 10)];
    contains(
        &refused(&drawn, 10),
        &["`b` has 8 labelled training images", "at most 8, or all", "10 per class were asked for"],
    );
    // Copies may leave fewer for a test that is drawn, so what may be there is looked for.
    contains(&refused(&drawn, 9), &["none of the 30 images"]);
    let given = [("train/a", 4), ("test/a", 40), ("train/b", 5), ("test/b", 40)];
    contains(&refused(&given, 5), &["`a` has 4 labelled training images", "at most 4"]);
    contains(&refused(&given, 4), &["none of the 89 images"]);
}

#[test]
fn classes_that_differ_in_capitals_alone_are_told() {
    let root = tempfile::tempdir().unwrap();
    for (number, folder) in
        ["train/truck", "train/Truck", "train/cat", "test/truck", "test/Truck", "test/cat"].iter().enumerate()
    {
        class(&root.path().join(folder), 2, 10 * number as u8);
    }
    let dataset = open(root.path());
    assert_eq!(dataset.class_names.len(), 3);
    let differ = DataNote::CapitalsDiffer { class: "Truck".to_owned(), other: "truck".to_owned() };
    assert!(dataset.warnings.contains(&differ), "{:?}", dataset.warnings);
}

#[test]
fn a_class_may_be_called_train() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("bus"), 2, 0);
    class(&root.path().join("train/steam"), 2, 10);
    assert_eq!(open(root.path()).class_names, ["bus", "train"]);
}

#[test]
fn without_labels_there_is_only_a_pool() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 5, 0);
    let dataset = open(root.path());
    assert!(dataset.train.is_none() && dataset.test.is_none());
    assert_eq!(dataset.unlabeled[0].images.len(), 5);
}

#[test]
fn a_pool_leaves_test_images_out() {
    let root = tempfile::tempdir().unwrap();
    let (divided, undivided) = (root.path().join("divided"), root.path().join("undivided"));
    for split in ["train", "test", "unlabeled"] {
        class(&divided.join(split).join("a"), 3, 0);
    }
    class(&undivided.join("a"), 10, 0);
    class(&undivided.join("b"), 10, 20);
    let mut dataset = open(Path::new("patterns"));
    for (path, images) in [(&divided, 6), (&undivided, 20)] {
        dataset.add_unlabeled(path, &OpenOptions::default()).unwrap();
        assert_eq!(dataset.unlabeled.last().unwrap().images.len(), images);
    }
    open(&undivided);
    dataset.add_unlabeled(&undivided, &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 16);
    assert_eq!(dataset.warnings.last(), Some(&DataNote::TestImagesLeftOut { images: 4, root: shown(&undivided) }));
}

/// `count` images for each of two classes.
fn two_classes(folder: &Path, count: u8, first: u8) {
    class(&folder.join("cat"), count, first);
    class(&folder.join("dog"), count, first + 20);
}

#[test]
fn split_folders_have_many_names() {
    for (train, test) in [
        ("train", "dev"),
        ("Train", "eval"),
        ("training", "validation"),
        ("train", "valid"),
        ("train", "holdout"),
        ("seg_train", "seg_test"),
        ("train", "test1"),
        ("train2", "val2"),
        ("images-train", "images-dev"),
    ] {
        let root = tempfile::tempdir().unwrap();
        two_classes(&root.path().join(train), 3, 0);
        two_classes(&root.path().join(test), 2, 50);
        let dataset = open(root.path());
        assert_eq!(dataset.class_names, ["cat", "dog"], "{train}, {test}");
        let found = (counts(&dataset.train), counts(&dataset.test));
        assert_eq!(found, ([(0, 3), (1, 3)].into(), [(0, 2), (1, 2)].into()), "{train}, {test}");
    }
}

#[test]
fn folders_of_one_split_are_joined_with_a_warning() {
    let root = tempfile::tempdir().unwrap();
    for (split, first) in [("train", 0), ("train2", 5), ("test", 10), ("holdout", 15)] {
        two_classes(&root.path().join(split), 2, first);
    }
    let dataset = open(root.path());
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 4), (1, 4)].into(), [(0, 4), (1, 4)].into()));
    let joined = |folders: [&str; 2], split| (folders.map(str::to_owned).to_vec(), split);
    let splits = vec![joined(["train", "train2"], "train"), joined(["holdout", "test"], "test")];
    assert_eq!(dataset.warnings[0], DataNote::SplitsJoined { splits });
}

#[test]
fn a_folder_with_the_same_classes_is_asked_about() {
    for (one, other, named) in [("train", "more", "more"), ("fold1", "fold2", "fold1"), ("test1", "test2", "test1")] {
        let root = tempfile::tempdir().unwrap();
        two_classes(&root.path().join(one), 3, 0);
        two_classes(&root.path().join(other), 3, 10);
        let message = refusal(root.path());
        contains(
            &message,
            &[named, "holds the same folders as", "cat, dog", "looks like a split", "train, test, val or unlabeled"],
        );
    }
    // Without a word that divides, it may be as it is.
    let root = tempfile::tempdir().unwrap();
    for (class_folder, first) in [("apple", 0), ("pear", 50)] {
        class(&root.path().join(class_folder).join("2019"), 2, first);
        class(&root.path().join(class_folder).join("2020"), 2, first + 9);
    }
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["apple", "pear"]);
    let [one, other, both_hold] = ["apple", "pear", "2019, 2020"].map(str::to_owned);
    assert_eq!(dataset.warnings[0], DataNote::ClassesPerhapsSplits { one, other, both_hold });
    // Names that say a split by chance.
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("bullet train/day"), 3, 0);
    class(&root.path().join("steam train/night"), 3, 20);
    class(&root.path().join("crash test"), 3, 40);
    assert_eq!(open(root.path()).class_names, ["bullet train", "crash test", "steam train"]);
}

#[test]
fn split_folders_without_classes_are_refused() {
    let root = tempfile::tempdir().unwrap();
    for split in ["train", "valid", "test"] {
        class(&root.path().join(split), 3, 0);
    }
    let message = refusal(root.path());
    contains(
        &message,
        &["(test, train, valid) are splits by their names", "in no class folders", "`test/cat`", "labels.csv"],
    );
    assert!(!message.contains("perhaps"), "{message}");
    write(&root.path().join("train/annotations.json"), b"{}");
    contains(&refusal(root.path()), &["perhaps the labels are in train/annotations.json"]);
    // A pool has no need of classes; its test images stay out.
    let mut dataset = open(Path::new("patterns"));
    dataset.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled.last().unwrap().images.len(), 6);

    let root = tempfile::tempdir().unwrap();
    for (number, name) in ["cat.0", "cat.1", "dog.0", "dog.1"].iter().enumerate() {
        image(&root.path().join(format!("train/{name}.png")), number as u8);
        image(&root.path().join(format!("test1/{number}.png")), 9);
    }
    fs::remove_dir_all(root.path().join("test1")).unwrap();
    contains(&refusal(root.path()), &["perhaps the labels are in their names, which begin with `cat`, `dog`"]);
}

#[test]
fn classes_may_be_divided_each() {
    let root = tempfile::tempdir().unwrap();
    for (name, first) in [("bottle", 0), ("cable", 50)] {
        class(&root.path().join(name).join("train"), 4, first);
        class(&root.path().join(name).join("test"), 2, first + 10);
    }
    class(&root.path().join("unlabeled"), 3, 90);
    class(&root.path().join("cable/masks"), 1, 99);
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, ["bottle", "cable"]);
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 4), (1, 4)].into(), [(0, 2), (1, 2)].into()));
    assert_eq!(dataset.unlabeled[0].images.len(), 3);
    assert_eq!(dataset.warnings[0], DataNote::NoSplit { folder: shown(&root.path().join("cable/masks")) });
    let mut pool = open(Path::new("patterns"));
    pool.add_unlabeled(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!(pool.unlabeled.last().unwrap().images.len(), 8 + 3 + 1);
    class(&root.path().join("mug"), 3, 70);
    contains(&refusal(root.path()), &["bottle is divided into folders for training and test, but", "mug is not"]);
}

#[test]
fn a_folder_that_is_called_unlabeled_has_no_labels() {
    let root = tempfile::tempdir().unwrap();
    let pool = root.path().join("unlabeled");
    class(&pool, 3, 0);
    class(&pool.join("2019"), 3, 10);
    class(&pool.join("2020"), 3, 20);
    let dataset = open(&pool);
    assert!(dataset.class_names.is_empty());
    assert_eq!(dataset.unlabeled[0].images.len(), 9);
    contains(&dataset.no_labels.as_ref().unwrap().to_string(), &["because of its name"]);
    fs::rename(&pool, root.path().join("pool")).unwrap();
    contains(
        &refusal(&root.path().join("pool")),
        &["3 images lie beside", "if no image there has a label", "--unlabeled"],
    );
    let flat = root.path().join("pool/2019");
    contains(&open(&flat).no_labels.as_ref().unwrap().to_string(), &["has no class folders", "labels.csv"]);
}

#[test]
fn composed_and_decomposed_letters_are_the_same() {
    let (composed, decomposed) = ("K\u{e4}fer", "Ka\u{308}fer");
    let root = tempfile::tempdir().unwrap();
    for (split, name) in [("train", composed), ("test", decomposed)] {
        class(&root.path().join(split).join(name), 3, 0);
        class(&root.path().join(split).join("Wal"), 3, 20);
    }
    let dataset = open(root.path());
    assert_eq!(dataset.class_names, [composed, "Wal"]);
    assert_eq!((counts(&dataset.train), counts(&dataset.test)), ([(0, 3), (1, 3)].into(), [(0, 3), (1, 3)].into()));

    // A split that was saved before the folder went to another system.
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join(composed), 5, 0);
    class(&root.path().join("Wal"), 5, 20);
    let first = open(root.path());
    fs::rename(root.path().join(composed), root.path().join(decomposed)).unwrap();
    let second = open(root.path());
    assert_eq!(second.warnings, []);
    assert_eq!(listed(&second, &second.test), listed(&first, &first.test));
    assert_eq!(second.fingerprint, first.fingerprint);
}

#[test]
fn lines_of_a_saved_split_count_with_every_line_end() {
    let root = tempfile::tempdir().unwrap();
    two_classes(root.path(), 3, 0);
    for end in ["\n", "\r\n"] {
        let text = ["path,split", "cat/0.png,train", "cat/1.png,tset", ""].join(end);
        fs::write(root.path().join("byol-split.csv"), text).unwrap();
        contains(&refusal(root.path()), &["line 3: `cat/1.png,tset` is not a path"]);
    }
}
