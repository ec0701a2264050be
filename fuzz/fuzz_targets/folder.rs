//! Any names as files, folders and links in a folder of images: what can be read is listed, or an error.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use byol::data::folder::{FolderSource, OpenOptions};
use byol::data::{Image, ImageSource};
use libfuzzer_sys::fuzz_target;

/// A PNG of one pixel.
const PIXEL: &[u8] = include_bytes!("../corpus/decode/pixel.png");

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (number, name) in bytes.split(|&byte| byte == b'\n').take(20).enumerate() {
        // A name that leads out of the folder or that the system refuses is none that a scan can meet.
        if name.contains(&0) || name.first() == Some(&b'/') || name.windows(2).any(|pair| pair == b"..") {
            continue;
        }
        let path = folder.path().join(OsStr::from_bytes(name));
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = match number % 4 {
            0 | 1 => std::fs::write(&path, PIXEL),
            2 => std::os::unix::fs::symlink(folder.path(), &path),
            _ => std::fs::write(&path, name),
        };
    }
    if let Ok(source) = FolderSource::open(folder.path(), &OpenOptions::default()) {
        let mut image = Image::default();
        for index in 0..source.len() {
            source.read(index, &mut image).expect("an image that was listed can be read");
        }
    }
});
