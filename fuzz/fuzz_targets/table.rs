//! Any bytes as `labels.csv` beside two images: images within the folder, or an error.
#![no_main]

use byol::data::{Dataset, Image, OpenOptions};
use libfuzzer_sys::fuzz_target;

/// A PNG of one pixel.
const PIXEL: &[u8] = include_bytes!("../corpus/decode/pixel.png");

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, content) in [("labels.csv", bytes), ("a.png", PIXEL), ("b.png", PIXEL)] {
        std::fs::write(folder.path().join(name), content).expect("a temporary file can be written");
    }
    let mut data = byol::data::patterns::dataset_with(byol::data::patterns::PatternOptions {
        side: 8,
        train_per_class: 1,
        test_per_class: 1,
        unlabeled: 0,
    });
    let _ = data.add_unlabeled(folder.path(), &OpenOptions::default());
    if let Ok(data) = Dataset::open(folder.path(), &OpenOptions::default()) {
        let mut image = Image::default();
        for labeled in [data.train, data.test].into_iter().flatten() {
            assert!(labeled.labels.iter().all(|&label| usize::from(label) < data.class_names.len()));
            for index in 0..labeled.images.len() {
                labeled.images.read(index, &mut image).expect("an image that was listed can be read");
            }
        }
    }
});
