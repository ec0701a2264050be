//! Any bytes as weights of another program, `.pth` or safetensors by the first bit: tensors that fit, or an error. Nothing in
//! them is run.
#![no_main]

use std::sync::LazyLock;

use byol::config::Experiment;
use byol::weights::InitialWeights;
use libfuzzer_sys::fuzz_target;

static DEMO: LazyLock<Experiment> = LazyLock::new(|| Experiment::preset("demo").expect("it is there"));

fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join(["weights.pth", "weights.safetensors"][usize::from(first % 2)]);
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    let _ = InitialWeights::open(&path, &DEMO, Some(10));
});
