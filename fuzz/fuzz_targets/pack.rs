//! Any bytes as the index of a packed file, with the right digest, and as a whole file: images of the sizes that it says,
//! or an error.
#![no_main]

use byol::data::{Dataset, Image, OpenOptions};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const MAGIC: &[u8] = b"byolpak1";

fuzz_target!(|input: (u8, &[u8])| {
    let (pixels, index) = input;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("my.byolpack");
    let start = MAGIC.len() + usize::from(pixels);
    let trailer =
        [&(start as u64).to_le_bytes()[..], &(index.len() as u64).to_le_bytes(), &Sha256::digest(index), MAGIC];
    let whole = [MAGIC, &vec![7; usize::from(pixels)], index, &trailer.concat()].concat();
    for bytes in [&whole[..], index] {
        std::fs::write(&path, bytes).expect("a temporary file can be written");
        let Ok(data) = Dataset::open(&path, &OpenOptions::default()) else { continue };
        let mut image = Image::default();
        for labeled in [data.train, data.test].into_iter().flatten() {
            assert!(labeled.labels.iter().all(|&label| usize::from(label) < data.class_names.len()));
            for index in 0..labeled.images.len() {
                labeled.images.read(index, &mut image).expect("an image of a sound index can be read");
                assert_eq!(image.pixels.len(), 3 * image.width * image.height);
            }
        }
    }
});
