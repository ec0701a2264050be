//! What `byol data info` says.

use super::*;
use byol::data::format::Format;
use byol::data::info::DataInfo;

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
    let text = info.to_string();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    contains(
        &words,
        &[
            "train 8 40-64 x 40-64 (median 40 x 40)",
            "test 3 40-90 x 40-70 (median 40 x 40)",
            "files: 1 .jpg, 10 .png",
            "class train test few 2 1 many 6 2",
            "imbalance: `many` has 6 training pictures, `few` 2 (3.0 times as many)",
            "duplicates: 1 test pictures are in train also, 1 look like one there",
            "test/many/same.png equals train/many/2.png",
            "test/many/scaled.png looks like train/many/3.png",
            "damaged: 1",
            "bad.png: the content is neither",
        ],
    );
    assert!(!words.contains("other.png"), "{text}");
}

#[test]
fn looking_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    class(&root.path().join("a"), 5, 0);
    class(&root.path().join("b"), 5, 9);
    let info = DataInfo::inspect(root.path(), &OpenOptions::default()).unwrap();
    contains(&info.notes[0], &["8 for training, 2 for the test", "will be drawn and saved in"]);
    assert!(!root.path().join("byol-split.csv").exists());
    let dataset = open(root.path());
    assert_eq!(dataset.train.unwrap().labels.len(), 8);
}
