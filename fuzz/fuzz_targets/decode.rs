//! Any bytes as an image, whole and at a part of its size: pixels of the size that was read, or an error, within bounded memory.
//!
//! Decoders may panic on crafted files; the library catches that. The fuzzer's own hook would end the process first, so
//! it is taken out.
#![no_main]

use byol::data::decode::{Detail, FileImage, decode_bytes};
use byol::data::{Image, Levels};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    std::panic::set_hook(Box::new(|_| {}));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("image.jpg");
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    let mut image = Image::default();
    if let Ok(file) = FileImage::open(&path)
        && file.decode(&mut image).is_ok()
        && (image.pixels.len() != 3 * image.width * image.height || image.pixels.is_empty())
    {
        std::process::abort();
    }
    if decode_bytes(bytes, Levels::Full, Detail::Side(4), &mut image).is_ok()
        && (image.pixels.len() != 3 * image.width * image.height || image.pixels.is_empty())
    {
        std::process::abort();
    }
});
