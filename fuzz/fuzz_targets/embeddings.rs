//! Any bytes as a file of representations, `.npy` or Parquet by the first bit: as many rows as paths, or an error.
//!
//! The reader of Parquet may panic on crafted files; the library catches that. The fuzzer's own hook would end the process
//! first, so it is taken out.
#![no_main]

use byol::inference::embeddings;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    std::panic::set_hook(Box::new(|_| {}));
    let Some((first, bytes)) = bytes.split_first() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join(["rows.npy", "rows.parquet"][usize::from(first % 2)]);
    let list = folder.path().join("rows.npy.paths.csv");
    std::fs::write(&path, bytes).expect("a temporary file can be written");
    std::fs::write(list, "path\na.png\nb.png\n").expect("a temporary file can be written");
    if let Ok(embeddings::Embeddings { matrix, names, .. }) = embeddings::read(&path)
        && (matrix.rows() != names.len() || matrix.values.len() != matrix.rows() * matrix.columns)
    {
        std::process::abort();
    }
});
