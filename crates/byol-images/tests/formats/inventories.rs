//! What `byol data info` finds; its words are tested where they stand, in the report's language.

use super::*;
use byol_images::data::format::Format;
use byol_images::data::info::{DataInfo, Imbalance};

#[test]
fn sizes_classes_imbalance_damage_and_duplicates() {
    let root = tempfile::tempdir().unwrap();
    let wave = |path: &str, kind: u32, side: u32| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let value = |x: u32, y: u32| {
            let (x, y) = (f64::from(x) / f64::from(side), f64::from(y) / f64::from(side));
            (128.0 + 100.0 * (f64::from(kind) * 1.7 + 9.0 * x + f64::from(kind) * 3.1 * x * y).sin()) as u8
        };
        image::RgbImage::from_fn(side, side, |x, y| image::Rgb([value(x, y); 3])).save(path).unwrap();
    };
    for number in 0..6 {
        wave(&format!("train/many/{number}.png"), number, 40);
    }
    wave("train/few/6.jpg", 6, 40);
    wave("train/few/7.png", 7, 64);
    wave("test/many/same.png", 2, 40);
    let original = image::open(root.path().join("train/many/3.png")).unwrap();
    let scaled = original.resize_exact(90, 70, image::imageops::FilterType::Triangle);
    scaled.save(root.path().join("test/many/scaled.png")).unwrap();
    wave("test/few/other.png", 30, 40);
    write(&root.path().join("test/few/bad.png"), b"x");
    let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
    assert_eq!((info.kind, info.damaged.len()), (Format::ClassFolders, 1));
    let splits: Vec<(&str, usize, Option<&[usize]>)> =
        info.splits.iter().map(|split| (split.name.as_str(), split.images, split.per_class.as_deref())).collect();
    assert_eq!(splits, [("train", 8, Some(&[2, 6][..])), ("test", 3, Some(&[1, 2]))]);
    let sizes = info.splits[1].sizes;
    assert_eq!((sizes.min_width, sizes.median_width, sizes.max_width), (40, 40, 90));
    assert_eq!((sizes.min_height, sizes.median_height, sizes.max_height), (40, 40, 70));
    assert_eq!(info.extensions, [("jpg".to_owned(), 1), ("png".to_owned(), 10)].into());
    assert_eq!(info.imbalance(), Some(Imbalance { largest: "many", most: 6, smallest: "few", least: 2 }));
    let [found] = &info.straddling[..] else { panic!("{:?}", info.straddling) };
    assert_eq!((found.other.as_str(), found.exact, found.near), ("train", 1, 1));
    let examples: Vec<(&str, bool, &str)> =
        found.examples.iter().map(|twins| (twins.test.as_str(), twins.exact, twins.other.as_str())).collect();
    let expected =
        [("test/many/same.png", true, "train/many/2.png"), ("test/many/scaled.png", false, "train/many/3.png")];
    assert_eq!(examples, expected);
    contains(&info.damaged[0].problem, &["the content is neither"]);
    assert!(info.damaged[0].path.ends_with("bad.png"));
}

#[test]
fn looking_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("a"), 5, 0);
    class(&root.path().join("b"), 5, 9);
    let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
    let file = shown(&root.path().join("byol-split.csv"));
    assert_eq!(info.notes[0], DataNote::SplitDrawn { train: 8, test: 2, file, saved: false });
    assert!(!root.path().join("byol-split.csv").exists());
    let dataset = open(root.path());
    assert_eq!(dataset.train.unwrap().labels.len(), 8);
}

fn inspect(path: &Path) -> DataInfo {
    DataInfo::inspect(path, &OpenOptions::default()).unwrap()
}

#[test]
fn what_cannot_be_divided_is_described_and_the_reason_told() {
    let root = tempfile::tempdir().unwrap();
    for number in 0..4 {
        scene(&root.path().join(format!("cat/{number}.png")), number);
    }
    scene(&root.path().join("emu/4.png"), 4);
    let info = inspect(root.path());
    contains(info.refused.as_deref().unwrap(), &["class `emu`", "has 1 usable image, but needs two"]);
    assert_eq!(info.splits[0].per_class, Some(vec![4, 1]));
    assert_eq!(info.splits[0].name, "labelled");

    // A class that the saved split does not know.
    scene(&root.path().join("emu/5.png"), 5);
    drop(open(root.path()));
    scene(&root.path().join("gnu/6.png"), 6);
    scene(&root.path().join("gnu/7.png"), 7);
    let info = inspect(root.path());
    contains(info.refused.as_deref().unwrap(), &["class `gnu` is not in the saved train/test split"]);
    assert_eq!(info.splits[0].per_class, Some(vec![4, 2, 2]));
    assert_eq!(info.refused.unwrap(), refusal(root.path()));
}

#[test]
fn a_folder_without_classes_is_what_unlabeled_takes() {
    let root = tempfile::tempdir().unwrap();
    for (number, name) in
        ["2019/a.png", "2019/b.png", "2020/trip/c.png", "2020/d.png", "loose.png"].into_iter().enumerate()
    {
        scene(&root.path().join(name), number as u32);
    }
    let info = inspect(root.path());
    assert_eq!((info.kind, info.as_unlabeled), (Format::Folder, Some(5)));
    assert_eq!((info.splits[0].name.as_str(), info.splits[0].images), ("unlabeled", 5));
    contains(info.refused.as_deref().unwrap(), &["1 image lies beside the class folders"]);
    assert!(info.takes_no_labels());
    // Years that may be classes.
    fs::remove_file(root.path().join("loose.png")).unwrap();
    let info = inspect(root.path());
    assert_eq!((info.kind, info.as_unlabeled, info.refused), (Format::ClassFolders, Some(4), None));
}

#[test]
fn pools_are_described_as_a_run_would_take_them() {
    let (root, pool) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for number in 0..6 {
        scene(&root.path().join(format!("train/cat/{number}.png")), number);
        scene(&root.path().join(format!("train/dog/{number}.png")), 10 + number);
        scene(&root.path().join(format!("test/{}/{number}.png", ["cat", "dog"][number as usize % 2])), 20 + number);
    }
    fs::copy(root.path().join("test/cat/0.png"), pool.path().join("copy.png")).unwrap();
    stored_anew(&root.path().join("test/dog/1.png"), &pool.path().join("again.jpg"));
    fs::copy(root.path().join("train/dog/1.png"), pool.path().join("twice.png")).unwrap();
    scene(&pool.path().join("new.png"), 40);
    write(&pool.path().join("bad.png"), b"x");
    write(&pool.path().join("raw.cr2"), b"x");
    write(&root.path().join("train/cat/broken.png"), b"x");
    // Test images by their files.
    let within = root.path().join("test");
    let pools = [pool.path().to_path_buf(), root.path().to_path_buf()];
    let info = DataInfo::inspect_with(root.path(), &pools, &OpenOptions::default()).unwrap();
    let [first, second] = &info.pools[..] else { panic!("two pools") };
    assert_eq!(
        (first.images, first.left_out.test_exact, first.left_out.test_near, first.left_out.repeated),
        (4, 1, 1, 1)
    );
    assert_eq!((second.images, second.left_out.repeated), (12, 12), "the data's own training images count once");
    assert_eq!(info.damaged.len(), 2, "one of the data, which is its own pool, and one of the other");
    let seen: usize = info.pretraining.iter().map(|pool| pool.images).sum();
    assert_eq!((seen, info.pretraining.len()), (13, 2), "{:?}", info.pretraining);
    let pool_name = shown(pool.path());
    assert!(info.notes.contains(&DataNote::CopiesLeftOut(first.left_out.clone())), "{:?}", info.notes);
    assert_eq!(
        (first.left_out.pool.as_str(), info.pretraining[0].pool.as_str()),
        (pool_name.as_str(), pool_name.as_str())
    );
    assert_eq!((info.pretraining[1].pool.as_str(), info.pretraining[1].images), ("train", 12));
    let warned = |wanted: &dyn Fn(&DataNote) -> bool| assert!(info.warnings.iter().any(wanted), "{:?}", info.warnings);
    let whole = shown(root.path());
    warned(&|note| *note == DataNote::TestImagesLeftOut { images: 6, root: whole.clone() });
    warned(&|note| *note == DataNote::AddsNothing { pool: whole.clone() });
    warned(&|note| matches!(note, DataNote::FewTestImages { images: 6, .. }));
    warned(&|note| matches!(note, DataNote::FilesNotRead { kinds, .. } if kinds[0].0 == ".cr2"));
    assert!(info.damaged.iter().any(|damage| damage.path.ends_with("bad.png")));
    let message = DataInfo::inspect_with(root.path(), &[within], &OpenOptions::default()).unwrap_err().to_string();
    contains(&message, &["are test images, so none is left to pre-train on"]);
}

#[test]
fn a_table_that_cannot_be_read_leaves_the_images_to_describe() {
    let root = tempfile::tempdir().unwrap();
    class(root.path(), 6, 0);
    write(&root.path().join("labels.csv"), b"path,label\n0.png,a\n1.png\n");
    for path in [root.path().to_path_buf(), root.path().join("labels.csv")] {
        let info = inspect(&path);
        assert_eq!((info.splits[0].name.as_str(), info.splits[0].images, info.as_unlabeled), ("unlabeled", 6, Some(6)));
        // The one reason, and no other: not that no image has a label.
        assert_eq!(info.refused.as_deref(), Some(refusal(&path).as_str()));
        contains(&refusal(&path), &["labels.csv, line 3: 1 cell where the first line has 2"]);
        assert_eq!(info.unread_table, Some(root.path().join("labels.csv")));
        assert!(info.damaged.is_empty() && info.is_refused_with_labels() && !info.takes_no_labels());
    }
    // Where nothing else is there, the table's error stays the error.
    for number in 0..6 {
        fs::remove_file(root.path().join(format!("{number}.png"))).unwrap();
    }
    let error = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap_err().to_string();
    contains(&error, &["labels.csv, line 3"]);
}

#[test]
fn one_broken_archive_of_several_leaves_the_others_to_describe() {
    let root = tempfile::tempdir().unwrap();
    let hub = Path::new(FIXTURES).join("parquet/plain-zstd.parquet");
    let whole = fs::read(&hub).unwrap();
    write(&root.path().join("parquet/a.parquet"), &whole);
    write(&root.path().join("parquet/b.parquet"), &whole[..whole.len() / 2]);
    image(&root.path().join("one.png"), 7);
    let png = fs::read(root.path().join("one.png")).unwrap();
    let members: Vec<(String, &[u8])> = (0..6)
        .flat_map(|n| [(format!("{n}.png"), &png[..]), (format!("{n}.cls"), if n % 2 == 0 { &b"0"[..] } else { b"1" })])
        .collect();
    let members: Vec<(&str, &[u8])> = members.iter().map(|(name, bytes)| (name.as_str(), *bytes)).collect();
    super::webdataset::shard(&root.path().join("tar/a.tar"), &members);
    write(&root.path().join("tar/b.tar"), &[b'x'; 2000]);
    for (folder, broken) in [("parquet", "b.parquet"), ("tar", "b.tar")] {
        let info = inspect(&root.path().join(folder));
        assert!(info.splits.iter().any(|split| split.name == "train" && split.images > 0), "{info:?}");
        assert_eq!(info.damaged.len(), 1, "{info:?}");
        assert!(info.damaged[0].path.ends_with(broken) && info.damaged[0].problem.contains(broken), "{info:?}");
    }
}
