//! What a file of tensors (safetensors) says of itself in its header. The tensors are not read, so that nothing here needs libtorch.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The key of the metadata under which checkpoints and classifiers keep theirs, as JSON.
pub const METADATA_KEY: &str = "byol";

/// A header that is longer is not read.
const LONGEST: u64 = 64 << 20;

/// The header; nothing where there is no whole one, as of a file that was cut off.
pub fn header(path: &Path) -> Option<serde_json::Value> {
    let mut file = File::open(path).ok()?;
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = Some(u64::from_le_bytes(length)).filter(|length| *length <= LONGEST)?;
    let mut text = Vec::new();
    file.take(length).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The text that the header's metadata has for a key.
pub fn metadata<'a>(header: &'a serde_json::Value, key: &str) -> Option<&'a str> {
    header.get("__metadata__")?.get(key)?.as_str()
}
