//! Which known name a mistyped one was probably meant to be.

use std::path::{Path, PathBuf};

/// Similarity below which a known name is no plausible reading of an unknown one; 1 is equality.
const PLAUSIBLE: f64 = 0.6;

/// The known name that is most like `typed`, whatever its case; none where none is like it. Of equally near ones the
/// first is named.
pub fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for name in known {
        let score = strsim::normalized_damerau_levenshtein(&typed, &name.to_lowercase());
        if score >= PLAUSIBLE && best.is_none_or(|(top, _)| score > top) {
            best = Some((score, name));
        }
    }
    best.map(|(_, name)| name)
}

/// `; did you mean 'NAME'?`, or nothing.
pub fn hint<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(typed, known).map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// A path that exists and is most like one that does not: its first part that is not there is replaced by the nearest
/// name beside it.
pub fn nearest_path(missing: &Path) -> Option<PathBuf> {
    let there = missing.ancestors().skip(1).find(|ancestor| ancestor.as_os_str().is_empty() || ancestor.is_dir())?;
    let mut rest = missing.strip_prefix(there).ok()?.components();
    let typed = rest.next()?.as_os_str().to_str()?;
    let folder = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let mut names: Vec<String> =
        folder.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let mut found = there.join(nearest(typed, names.iter().map(String::as_str))?);
    // Without this the path would end in a separator.
    found.extend(rest);
    found.exists().then_some(found)
}

/// `; did you mean PATH?`, or nothing.
pub fn path_hint(missing: &Path) -> String {
    nearest_path(missing).map_or_else(String::new, |path| format!("; did you mean {}?", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_plausible() {
        let names = ["demo", "hour", "lab", "paper-100", "paper-1000"];
        assert_eq!(nearest("labs", names), Some("lab"));
        assert_eq!(nearest("Demo", names), Some("demo"));
        assert_eq!(nearest("paper100", names), Some("paper-100"));
        assert_eq!(nearest("xyz", names), None);
        assert_eq!(hint("huor", names), "; did you mean 'hour'?");
        assert_eq!(hint("", names), "");
    }

    #[test]
    fn the_nearest_path_exists() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("runs/mine/checkpoints")).unwrap();
        std::fs::create_dir_all(root.join("runs/other")).unwrap();
        assert_eq!(nearest_path(&root.join("runs/mnie")), Some(root.join("runs/mine")));
        assert_eq!(nearest_path(&root.join("run/mine/checkpoints")), Some(root.join("runs/mine/checkpoints")));
        assert_eq!(nearest_path(&root.join("run/missing")), None);
        assert_eq!(nearest_path(&root.join("runs/something")), None);
        assert_eq!(path_hint(Path::new("no/such/thing")), "");
        std::fs::write(root.join("mine.toml"), "").unwrap();
        let hint = path_hint(&root.join("mine.tml"));
        assert_eq!(hint, format!("; did you mean {}?", root.join("mine.toml").display()));
    }
}
