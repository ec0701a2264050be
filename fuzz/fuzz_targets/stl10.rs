//! Any bytes as STL-10's files: images and labels that belong together, or an error.
#![no_main]

use byol::data::{Image, stl10};
use libfuzzer_sys::fuzz_target;

const IMAGE: usize = 3 * 96 * 96;

fuzz_target!(|input: (Vec<u8>, u16, Vec<u8>, Vec<u8>)| {
    let (labels, length, names, folds) = input;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("a temporary file can be written");
    };
    // As long as the labels ask for, or a few bytes longer or shorter.
    let bytes = (labels.len() * IMAGE).saturating_add_signed(isize::from(length as i16 % 3));
    write("train_X.bin", &vec![7; bytes]);
    write("train_y.bin", &labels);
    if !names.is_empty() {
        write("class_names.txt", &names);
    }
    if !folds.is_empty() {
        write("fold_indices.txt", &folds);
    }
    if let Ok(data) = stl10::open(folder.path()) {
        let train = data.train.expect("a set without images is an error");
        assert_eq!(train.images.len(), train.labels.len());
        assert!(train.labels.iter().all(|&label| label < 10));
        let mut image = Image::default();
        for index in 0..train.images.len() {
            train.images.read(index, &mut image).expect("an image of a sound file can be read");
        }
    }
});
