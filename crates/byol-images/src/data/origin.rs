//! Where images lie, so that one that is reached in two ways is known again.

use std::path::{Path, PathBuf};

/// The path without links and detours. Parts of it that are not there, or that lie within an archive, stay as they are.
pub(crate) fn of(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let known = path.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    match known {
        Some((above, whole)) => match path.strip_prefix(above) {
            Ok(rest) if rest != Path::new("") => whole.join(rest),
            _ => whole,
        },
        None => path,
    }
}
