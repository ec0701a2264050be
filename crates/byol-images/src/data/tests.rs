//! Data sets on disk: STL-10's files whole, partial and damaged, folders of images, pools, and inventories.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::format::Format;
use super::info::DataInfo;
use super::note::Lack;
use super::stl10::{IMAGE_BYTES, SIDE, Stl10Images};
use super::*;

/// The value at a place of an image, so that any mix-up of channel, row and column shows.
fn value(index: usize, channel: usize, row: usize, column: usize) -> u8 {
    ((index * 31 + channel * 83 + row * 7 + column * 3 + row * column) % 251) as u8
}

/// An image file in STL-10's order: channel, column, row.
fn stl10_images(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count * IMAGE_BYTES);
    for index in 0..count {
        for channel in 0..3 {
            for column in 0..SIDE {
                bytes.extend((0..SIDE).map(|row| value(index, channel, row, column)));
            }
        }
    }
    bytes
}

/// Writes 20 training images with folds, 10 test images, 5 unlabelled ones.
fn write_stl10(folder: &Path) {
    let labels = |count: u8| (0..count).map(|index| index % 10 + 1).collect::<Vec<u8>>();
    fs::write(folder.join("train_X.bin"), stl10_images(20)).unwrap();
    fs::write(folder.join("train_y.bin"), labels(20)).unwrap();
    fs::write(folder.join("test_X.bin"), stl10_images(10)).unwrap();
    fs::write(folder.join("test_y.bin"), labels(10)).unwrap();
    fs::write(folder.join("unlabeled_X.bin"), stl10_images(5)).unwrap();
    let names: String = (0..10).map(|class| format!("class{class}\n")).collect();
    fs::write(folder.join("class_names.txt"), names).unwrap();
    let folds: String = (0..10).map(|fold| format!("{} {} \n", fold, fold + 10)).collect();
    fs::write(folder.join("fold_indices.txt"), folds).unwrap();
}

fn write_image(path: &Path, width: u32, height: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7])).save(path).unwrap();
}

fn open(path: &Path) -> Result<Dataset, DataError> {
    Dataset::open(path, &OpenOptions::default())
}

fn open_error(path: &Path) -> String {
    open(path).err().expect("an error").to_string()
}

#[test]
fn stl10_images_are_turned_row_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train_X.bin");
    fs::write(&path, stl10_images(3)).unwrap();
    let images = Stl10Images::open(&path, "train").unwrap();
    assert_eq!((images.len(), images.name(2).as_str()), (3, "train/2"));
    let mut image = Image::default();
    images.read(2, &mut image).unwrap();
    assert_eq!((image.width, image.height, image.pixels.len()), (SIDE, SIDE, IMAGE_BYTES));
    for (place, &found) in image.pixels.iter().enumerate() {
        let (channel, row, column) = (place / (SIDE * SIDE), place / SIDE % SIDE, place % SIDE);
        assert_eq!(found, value(2, channel, row, column), "channel {channel}, row {row}, column {column}");
    }
    assert!(images.read(3, &mut image).unwrap_err().to_string().contains("image 3"));
}

#[test]
fn a_whole_set_opens_from_either_folder() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("stl10_binary");
    fs::create_dir(&folder).unwrap();
    write_stl10(&folder);
    for path in [root.path(), &folder] {
        let dataset = open(path).unwrap();
        let (train, test) = (dataset.train.as_ref().unwrap(), dataset.test.as_ref().unwrap());
        assert_eq!((train.images.len(), test.images.len()), (20, 10));
        assert_eq!(train.labels[..11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0]);
        assert_eq!(dataset.class_names[9], "class9");
        assert_eq!(dataset.folds.as_ref().unwrap()[4], [4, 14]);
        assert!(dataset.warnings.is_empty(), "{:?}", dataset.warnings);
        let pool = dataset.pretraining_pool();
        let names: Vec<_> = pool.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["unlabeled", "train"]);
        let pool = ConcatSource::from(pool);
        assert_eq!((pool.len(), pool.name(4), pool.name(5)), (25, "unlabeled/4".into(), "train/0".into()));
        assert_eq!(dataset.fingerprint, open(root.path()).unwrap().fingerprint);
    }
}

#[test]
fn a_partial_set_opens_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    write_stl10(folder.path());
    for file in ["test_X.bin", "test_y.bin", "unlabeled_X.bin", "class_names.txt", "fold_indices.txt"] {
        fs::remove_file(folder.path().join(file)).unwrap();
    }
    let dataset = open(folder.path()).unwrap();
    assert!(dataset.test.is_none() && dataset.folds.is_none() && dataset.unlabeled.is_empty());
    assert_eq!(dataset.class_names, stl10::CLASS_NAMES);
    let lacks = |file: &str, lack| DataNote::Missing { file: shown(&folder.path().join(file)), lacks: Some(lack) };
    assert_eq!(dataset.warnings, [lacks("test_X.bin", Lack::Test), lacks("fold_indices.txt", Lack::Folds)]);
    assert_eq!(dataset.pretraining_pool().len(), 1);

    write_stl10(folder.path());
    fs::remove_file(folder.path().join("train_X.bin")).unwrap();
    fs::remove_file(folder.path().join("train_y.bin")).unwrap();
    let dataset = open(folder.path()).unwrap();
    assert!(dataset.train.is_none() && dataset.folds.is_none());

    fs::remove_file(folder.path().join("unlabeled_X.bin")).unwrap();
    assert!(open_error(folder.path()).starts_with("missing split"));
    assert!(DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap().is_damaged());
}

#[test]
fn damaged_files_are_named_with_value_and_remedy() {
    let check = |file: &str, content: &[u8], expected: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        write_stl10(folder.path());
        fs::write(folder.path().join(file), content).unwrap();
        let message = open_error(folder.path());
        for part in expected.iter().chain(&[file]) {
            assert!(message.contains(part), "`{message}` lacks `{part}`");
        }
        let info = DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap();
        assert!(info.damaged.iter().any(|damage| damage.problem == message), "{:?}", info.damaged);
    };
    let cut = &stl10_images(2)[..30_000];
    check("train_X.bin", cut, &["30000 bytes", "1 of them would be 27648", "2 would be 55296", "get it again"]);
    check("unlabeled_X.bin", &cut[..5], &["5 bytes", "1 would be 27648"]);
    check("test_X.bin", &[], &["is empty"]);
    check("test_X.bin", &stl10_images(9), &["9 images", "10 labels", "test_y.bin"]);
    check("train_y.bin", &[1, 10, 11], &["label 11 of image 2 is outside 1-10"]);
    check("train_y.bin", &[0], &["label 0 of image 0"]);
    check("class_names.txt", b"cat\ndog\n", &["2 class names, expected 10"]);
    check("fold_indices.txt", b"1\n", &["1 folds, expected 10"]);
    check("fold_indices.txt", "20\n".repeat(10).as_bytes(), &["line 1", "index 20 is out of range", "20 images"]);
}

#[test]
fn images_and_labels_come_in_pairs() {
    for file in ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin"] {
        let folder = tempfile::tempdir().unwrap();
        write_stl10(folder.path());
        fs::remove_file(folder.path().join(file)).unwrap();
        let message = open_error(folder.path());
        assert!(message.contains(&format!("{file} is missing, but")), "{message}");
    }
}

#[test]
fn the_fingerprint_follows_the_content() {
    let folder = tempfile::tempdir().unwrap();
    write_stl10(folder.path());
    let before = open(folder.path()).unwrap().fingerprint;
    let mut labels = fs::read(folder.path().join("train_y.bin")).unwrap();
    labels.swap(0, 1);
    fs::write(folder.path().join("train_y.bin"), labels).unwrap();
    let after = open(folder.path()).unwrap().fingerprint;
    assert_ne!(before, after);
    assert!(before.starts_with("sha256:") && before.len() == 7 + 32, "{before}");
}

#[test]
fn unlabelled_folders_are_added() {
    let root = tempfile::tempdir().unwrap();
    write_stl10(root.path());
    let images = root.path().join("photos");
    write_image(&images.join("b/2.PNG"), 5, 4);
    write_image(&images.join("a.jpg"), 9, 8);
    fs::write(images.join("bad.png"), b"no image").unwrap();
    let mut dataset = open(root.path()).unwrap();
    let before = dataset.fingerprint.clone();
    dataset.add_unlabeled(&images, &OpenOptions::default()).unwrap();
    assert_eq!((dataset.unlabeled.len(), dataset.skipped, dataset.warnings.len()), (2, 1, 1));
    let skipped = |note: &DataNote| matches!(note, DataNote::Skipped { path, .. } if path.ends_with("bad.png"));
    assert!(skipped(&dataset.warnings[0]), "{:?}", dataset.warnings);
    assert_ne!(dataset.fingerprint, before);
    let pool = ConcatSource::from(dataset.pretraining_pool());
    let names: Vec<_> = (4..8).map(|index| pool.name(index)).collect();
    assert_eq!(names, ["unlabeled/4", "a.jpg", "b/2.PNG", "train/0"]);
    let mut image = Image::default();
    pool.read(6, &mut image).unwrap();
    assert_eq!((image.width, image.height), (5, 4));
    assert!(pool.read(27, &mut image).is_err());

    let strict = OpenOptions { strict: true, ..OpenOptions::default() };
    let (skipped, fingerprint) = (dataset.skipped, dataset.fingerprint.clone());
    let message = dataset.add_unlabeled(&images, &strict).unwrap_err().to_string();
    assert!(message.contains("bad.png") && message.contains("--strict"), "{message}");
    assert_eq!((dataset.skipped, dataset.fingerprint), (skipped, fingerprint));
}

#[test]
fn other_paths_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    assert!(open_error(&folder.path().join("none")).contains("does not exist"));
    assert!(open_error(folder.path()).contains("no data set found"));
    write_image(&folder.path().join("a/b.webp"), 2, 2);
    let message = open_error(folder.path());
    assert!(message.contains("one class only, `a`") && message.contains("give it with --unlabeled"), "{message}");
    assert!(open_error(&folder.path().join("a/b.webp")).contains("not a file of a known kind"));
}

#[test]
fn the_embedded_set_is_opened_by_name() {
    assert_eq!(open(Path::new(PATTERNS)).unwrap().name, "patterns");
}

#[test]
fn an_empty_pool_is_empty() {
    let pool = ConcatSource::new(Vec::new());
    assert!(pool.is_empty() && pool.read(0, &mut Image::default()).is_err());
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x"), stl10_images(1)).unwrap();
    let one: Arc<dyn ImageSource> = Arc::new(Stl10Images::open(&folder.path().join("x"), "x").unwrap());
    let pool = ConcatSource::new(vec![Arc::new(ConcatSource::new(Vec::new())), Arc::clone(&one), one]);
    assert_eq!((pool.len(), pool.name(1)), (2, "x/0".into()));
}

#[test]
fn an_inventory_of_stl10() {
    let folder = tempfile::tempdir().unwrap();
    write_stl10(folder.path());
    fs::remove_file(folder.path().join("unlabeled_X.bin")).unwrap();
    let info = DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap();
    assert!(!info.is_damaged());
    assert_eq!(info.missing, ["unlabeled_X.bin"]);
    assert_eq!(info.splits[0].per_class, Some(vec![2; 10]));
    assert_eq!(info.fold_sizes, Some(vec![2; 10]));
    assert_eq!(info.splits[1].per_class, Some(vec![1; 10]));
    let splits: Vec<(&str, usize)> = info.splits.iter().map(|split| (split.name.as_str(), split.images)).collect();
    assert_eq!(splits, [("train", 20), ("test", 10)]);
    assert_eq!(
        (info.splits[0].sizes.min_width, info.splits[1].sizes.max_height, &*info.class_names[2]),
        (96, 96, "class2")
    );
    let json = serde_json::to_value(&info).unwrap();
    assert_eq!((json["kind"].as_str(), json["splits"][1]["images"].as_u64()), (Some("stl10"), Some(10)));
}

#[test]
fn an_inventory_goes_on_after_damage() {
    let folder = tempfile::tempdir().unwrap();
    write_stl10(folder.path());
    fs::write(folder.path().join("train_X.bin"), b"cut").unwrap();
    fs::write(folder.path().join("class_names.txt"), b"cat").unwrap();
    let info = DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(info.damaged.len(), 2);
    let names: Vec<_> = info.splits.iter().map(|split| split.name.as_str()).collect();
    assert_eq!(names, ["test", "unlabeled"]);
    assert!(info.damaged.iter().any(|damage| damage.problem.contains("train_X.bin has 3 bytes")), "{info:?}");
}

#[test]
fn an_inventory_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    write_image(&folder.path().join("a.png"), 5, 4);
    write_image(&folder.path().join("b.png"), 3, 9);
    fs::write(folder.path().join("c.png"), b"").unwrap();
    let info = DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!((info.kind, info.splits[0].images, info.damaged.len()), (Format::Folder, 2, 1));
    let sizes = info.splits[0].sizes;
    assert_eq!((sizes.min_width, sizes.median_width, sizes.max_width), (3, 5, 5));
    assert_eq!((sizes.min_height, sizes.median_height, sizes.max_height), (4, 9, 9));
    assert!(info.damaged[0].path.ends_with("c.png") && info.damaged[0].problem.contains("the file is empty"));
    for file in ["a.png", "b.png"] {
        fs::write(folder.path().join(file), b"x").unwrap();
    }
    let info = DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap();
    assert!(info.splits.is_empty() && info.is_damaged());
}
