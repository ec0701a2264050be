//! The files that a table's cells mean, in its folder: paths as they are, and, where none of those is there, names without
//! ending or folder, paths of another machine, and addresses.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::folder::{is_image, name_within, walk};
use super::labels_csv::CsvProblem;
use super::names::composed;
use super::split::Split;

/// The images in a folder and the folders in it, by their names within it.
pub(crate) struct Files {
    folder: PathBuf,
    found: Vec<(String, PathBuf)>,
    by_name: HashMap<String, usize>,
    /// By the name in small letters.
    by_small_name: HashMap<String, Vec<usize>>,
    /// By the last part of the name in small letters, with and without its ending.
    by_file: HashMap<String, Vec<usize>>,
}

/// What stands in a table's cell.
pub(crate) enum Written {
    /// A path in the table's folder.
    Within(String),
    /// An address, or a path somewhere else, by its parts.
    Elsewhere(Vec<String>),
}

impl Files {
    pub fn of(folder: &Path) -> Self {
        let paths = walk(folder).flatten().filter(|entry| entry.file_type().is_file() && is_image(entry.path()));
        let mut found: Vec<(String, PathBuf)> =
            paths.map(|entry| (name_within(folder, entry.path()), entry.into_path())).collect();
        found.sort();
        let (mut by_name, mut by_small_name) = (HashMap::new(), HashMap::<String, Vec<usize>>::new());
        let mut by_file = HashMap::<String, Vec<usize>>::new();
        for (index, (name, _)) in found.iter().enumerate() {
            by_name.insert(name.clone(), index);
            let small = name.to_lowercase();
            by_small_name.entry(small.clone()).or_default().push(index);
            let file = small.rsplit('/').next().unwrap_or(&small);
            by_file.entry(file.to_owned()).or_default().push(index);
            if let Some((stem, _)) = file.rsplit_once('.') {
                by_file.entry(stem.to_owned()).or_default().push(index);
            }
        }
        Files { folder: folder.to_path_buf(), found, by_name, by_small_name, by_file }
    }

    /// Names of all images, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.found.iter().map(|(name, _)| name.as_str())
    }

    /// What a cell means.
    ///
    /// # Errors
    /// It is empty, or leads out of the folder by `..`.
    pub fn read(&self, cell: &str) -> Result<Written, CsvProblem> {
        if cell.is_empty() {
            return Err(CsvProblem::EmptyPath);
        }
        let mut cell = cell.to_owned();
        if cell.contains('\\') && !self.folder.join(&cell).exists() {
            // Written on Windows.
            cell = cell.replace('\\', "/");
        }
        if let Some((_, rest)) = cell.split_once("://") {
            return Ok(Written::Elsewhere(parts_of_address(rest)));
        }
        let path = Path::new(&cell);
        let drive = cell.as_bytes().get(1) == Some(&b':') && cell.as_bytes().get(2) == Some(&b'/');
        let within = match path.is_absolute() || drive {
            true => {
                let whole = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
                path.strip_prefix(&self.folder).or_else(|_| path.strip_prefix(whole)).ok().map(Path::to_path_buf)
            }
            false => Some(path.to_path_buf()),
        };
        let escapes = || CsvProblem::Escapes(shortened(&cell));
        let mut parts = Vec::new();
        for part in within.as_deref().unwrap_or(path).components() {
            match part {
                Component::Normal(part) => parts.push(composed(&part.to_string_lossy())),
                Component::CurDir | Component::RootDir => {}
                _ => return Err(escapes()),
            }
        }
        Ok(match within {
            Some(_) => Written::Within(parts.join("/")),
            None => Written::Elsewhere(parts_of_address(&parts.join("/"))),
        })
    }

    /// The image of exactly this name, another file, or the only image whose name differs from it in capital letters alone
    /// (`1.jpg` is `1.JPG`).
    pub fn exact(&self, written: &Written) -> Option<(String, PathBuf)> {
        let Written::Within(name) = written else { return None };
        if let Some(&index) = self.by_name.get(name) {
            return self.found.get(index).cloned();
        }
        let path = self.folder.join(name);
        if path.is_file() {
            return Some((name.clone(), path));
        }
        match self.by_small_name.get(&name.to_lowercase()).map(Vec::as_slice) {
            Some(&[only]) => self.found.get(only).cloned(),
            _ => None,
        }
    }

    /// The place where a file of this name would be.
    pub fn missing(&self, written: &Written) -> Option<(String, PathBuf)> {
        match written {
            Written::Within(name) => Some((name.clone(), self.folder.join(name))),
            Written::Elsewhere(_) => None,
        }
    }

    /// All images that a cell may mean that is no path: whose names end in it, with or without an image's ending. Of a path of
    /// elsewhere, as many of its last parts count as possible.
    pub fn like(&self, written: &Written) -> Vec<usize> {
        match written {
            Written::Within(name) => self.ending(name),
            Written::Elsewhere(parts) => {
                let mut tails = (0..parts.len()).map(|start| self.ending(&parts[start..].join("/")));
                let found = tails.find(|found| !found.is_empty());
                found.unwrap_or_else(|| {
                    let file = parts.last().map(String::as_str).unwrap_or_default();
                    without_upload_number(file).map_or_else(Vec::new, |file| self.ending(file))
                })
            }
        }
    }

    /// The images whose names end in a name; where there are none, those that do but for capital letters.
    fn ending(&self, name: &str) -> Vec<usize> {
        let small = name.to_lowercase();
        let file = small.rsplit('/').next().unwrap_or(&small);
        let candidates = self.by_file.get(file).map_or(&[][..], Vec::as_slice);
        let is_end = |found: &str, end: &str| {
            found.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'))
        };
        let ends = |found: &str, end: &str| {
            is_end(found, end) || found.rsplit_once('.').is_some_and(|(stem, _)| is_end(stem, end))
        };
        let exactly = candidates.iter().copied().filter(|&index| ends(&self.found[index].0, name));
        let exactly: Vec<usize> = exactly.collect();
        match exactly.is_empty() {
            true => {
                candidates.iter().copied().filter(|&index| ends(&self.found[index].0.to_lowercase(), &small)).collect()
            }
            false => exactly,
        }
    }

    /// The one image of several candidates that a table of this name means, by the folder that it lies in: `train/1.jpg` of
    /// `train.csv` or `train_labels.csv`.
    pub fn choose(&self, candidates: &[usize], table: &Path) -> Option<(String, PathBuf)> {
        let stem = table.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
        let split = Split::from_part(&stem);
        let belongs = |index: &&usize| {
            let parts = Path::new(&self.found[**index].0).parent().into_iter().flat_map(Path::iter);
            parts
                .map(|part| part.to_string_lossy().to_lowercase())
                .any(|part| part == stem || (split.is_some() && Split::from_part(&part) == split))
        };
        let chosen = match candidates {
            [only] => Some(only),
            several => {
                let mut belonging = several.iter().filter(belongs);
                belonging.next().filter(|_| belonging.next().is_none())
            }
        };
        chosen.and_then(|&index| self.found.get(index)).cloned()
    }

    /// The name of an image by its index.
    pub fn name(&self, index: usize) -> &str {
        self.found.get(index).map_or("", |(name, _)| name)
    }

    /// What a message says of the folder.
    pub fn describe(&self) -> String {
        match self.found.first() {
            Some((name, _)) => {
                format!("{} holds {} images, such as `{name}`", self.folder.display(), self.found.len())
            }
            None => format!("{} holds no images", self.folder.display()),
        }
    }
}

/// The parts of an address's path; `?d=photos/1.jpg`, as Label Studio writes files of its machine, has the path in its query.
fn parts_of_address(address: &str) -> Vec<String> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let within = query.split('&').find_map(|pair| pair.strip_prefix("d="));
    let decoded = percent_decoded(within.unwrap_or(path));
    let parts = decoded.split(['/', '\\']).filter(|part| !part.is_empty() && *part != "." && *part != "..");
    parts.map(composed).collect()
}

/// `%20` as the letter that it stands for.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let code = bytes.get(at + 1..at + 3).and_then(|code| std::str::from_utf8(code).ok());
        match code.filter(|_| bytes[at] == b'%').and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
}

/// A file's name before Label Studio put eight hexadecimal digits in front of it.
fn without_upload_number(file: &str) -> Option<&str> {
    let (number, name) = file.split_once('-')?;
    (number.len() == 8 && number.bytes().all(|digit| digit.is_ascii_hexdigit()) && !name.is_empty()).then_some(name)
}

/// What a message shows of a text.
pub(crate) fn shortened(text: &str) -> String {
    const SHOWN: usize = 80;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_parts() {
        assert_eq!(parts_of_address("/data/local-files/?d=my%20photos/a.png"), ["my photos", "a.png"]);
        assert_eq!(parts_of_address("bucket/photos/a.png?token=1"), ["bucket", "photos", "a.png"]);
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("K%C3%A4fer"), "K\u{e4}fer");
        assert_eq!(without_upload_number("1a2b3c4d-cat.png"), Some("cat.png"));
        assert_eq!(without_upload_number("photos01-cat.png"), None);
    }
}
