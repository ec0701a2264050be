//! Any bytes as a checkpoint and as weights: what was read, or an error.
#![no_main]

use byol::trained::checkpoint::{Checkpoint, read_weights};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("step-00000001.safetensors");
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    let _ = read_weights(&path);
    if let Ok(checkpoint) = Checkpoint::read(&path) {
        checkpoint.write(&path).expect("what was read can be written");
        assert_eq!(Checkpoint::read(&path).expect("what was written can be read").header, checkpoint.header);
    }
});
