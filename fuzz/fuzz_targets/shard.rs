//! Any bytes as a shard, tar or Parquet by the first bit: images with labels among the classes, or an error.
//!
//! Readers and decoders may panic on crafted files; the library catches that. The fuzzer's own hook would end the process
//! first, so it is taken out.
#![no_main]

use byol::data::{Dataset, Image, OpenOptions};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    std::panic::set_hook(Box::new(|_| {}));
    let Some((first, bytes)) = bytes.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join(["shard.tar", "shard.parquet"][usize::from(first % 2)]);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    let Ok(data) = Dataset::open(&path, &OpenOptions::default()) else { return };
    let mut image = Image::default();
    for labeled in [data.train, data.test].into_iter().flatten() {
        let classes = data.class_names.len();
        let sound = labeled.labels.iter().all(|&label| usize::from(label) < classes)
            && (0..labeled.images.len()).all(|index| labeled.images.read(index, &mut image).is_ok());
        if !sound {
            std::process::abort();
        }
    }
});
