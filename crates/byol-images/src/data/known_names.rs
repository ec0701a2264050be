//! Which of the images that are there a written name means: one way for tables of labels and for saved splits. Where names come from,
//! and what is done about those that mean nothing, is elsewhere.

use std::collections::HashMap;
use std::path::{Component, Path};

use super::labels_csv::CsvProblem;
use super::names::composed;

/// What stands where a name is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// A path in the folder of the images.
    Within(String),
    /// An address, or a path somewhere else, by its parts.
    Elsewhere(Vec<String>),
}

impl Written {
    /// What a cell means in a folder.
    ///
    /// # Errors
    /// It is empty, or leads out of the folder by `..`.
    pub fn read(cell: &str, folder: &Path) -> Result<Written, CsvProblem> {
        if cell.is_empty() {
            return Err(CsvProblem::EmptyPath);
        }
        let mut cell = cell.to_owned();
        if cell.contains('\\') && !folder.join(&cell).exists() {
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
                let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf());
                path.strip_prefix(folder).or_else(|_| path.strip_prefix(whole)).ok().map(Path::to_path_buf)
            }
            false => Some(path.to_path_buf()),
        };
        let mut parts = Vec::new();
        for part in within.as_deref().unwrap_or(path).components() {
            match part {
                Component::Normal(part) => parts.push(composed(&part.to_string_lossy())),
                Component::CurDir | Component::RootDir => {}
                _ => return Err(CsvProblem::Escapes(shortened(&cell))),
            }
        }
        Ok(match within {
            Some(_) => Written::Within(parts.join("/")),
            None => Written::Elsewhere(parts_of_address(&parts.join("/"))),
        })
    }
}

/// The names of images, by all that may stand for them.
pub(crate) struct KnownNames {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    /// By the name in small letters.
    by_small_name: HashMap<String, Vec<usize>>,
    /// By the last part of the name in small letters, with and without its ending.
    by_file: HashMap<String, Vec<usize>>,
}

impl KnownNames {
    /// Of composed names, each of them once.
    pub fn of(names: Vec<String>) -> Self {
        let (mut by_name, mut by_small_name) = (HashMap::new(), HashMap::<String, Vec<usize>>::new());
        let mut by_file = HashMap::<String, Vec<usize>>::new();
        for (index, name) in names.iter().enumerate() {
            by_name.insert(name.clone(), index);
            let small = name.to_lowercase();
            let file = small.rsplit('/').next().unwrap_or(&small);
            by_file.entry(file.to_owned()).or_default().push(index);
            if let Some((stem, _)) = file.rsplit_once('.') {
                by_file.entry(stem.to_owned()).or_default().push(index);
            }
            by_small_name.entry(small).or_default().push(index);
        }
        KnownNames { names, by_name, by_small_name, by_file }
    }

    /// All of them, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The image of exactly this name.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The only image whose name differs from this one in capital letters at most (`1.jpg` is `1.JPG`).
    pub fn but_for_capitals(&self, name: &str) -> Option<usize> {
        match self.by_small_name.get(&name.to_lowercase()).map(Vec::as_slice) {
            Some(&[only]) => Some(only),
            _ => None,
        }
    }

    /// All images that may be meant by what is no path: whose names end in it, with or without an image's ending. Of a path of
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
        let exactly: Vec<usize> = candidates.iter().copied().filter(|&index| ends(&self.names[index], name)).collect();
        match exactly.is_empty() {
            true => {
                candidates.iter().copied().filter(|&index| ends(&self.names[index].to_lowercase(), &small)).collect()
            }
            false => exactly,
        }
    }

    /// What a message says of several images that may be meant.
    pub fn describe(&self, candidates: &[usize]) -> String {
        let named: Vec<String> =
            candidates.iter().take(2).filter_map(|&index| Some(format!("`{}`", self.names.get(index)?))).collect();
        format!("{}{}", named.join(" or "), if candidates.len() > 2 { ", or others" } else { "" })
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

    #[test]
    fn a_name_means_the_images_that_end_in_it() {
        let names = ["a.jpg", "train/a.jpg", "train/b.PNG", "train/extra/b.png"].map(str::to_owned).to_vec();
        let known = KnownNames::of(names);
        let like = |cell: &str| known.like(&Written::read(cell, Path::new("photos")).unwrap());
        assert_eq!(like("a"), [0, 1]);
        assert_eq!(like("train/a"), [1]);
        assert_eq!(like("extra\\b.png"), [3]);
        assert_eq!(like("C:/disk/train/B.png"), [2], "capital letters, and a path of another machine");
        assert_eq!(like("rain/a"), [0; 0], "whole parts alone");
        assert_eq!((known.index_of("a.jpg"), known.index_of("A.jpg")), (Some(0), None));
        assert_eq!(known.but_for_capitals("TRAIN/a.jpg"), Some(1));
        assert_eq!(known.describe(&[0, 1, 2]), "`a.jpg` or `train/a.jpg`, or others");
        assert_eq!(Written::read("../a.jpg", Path::new("photos")), Err(CsvProblem::Escapes("../a.jpg".into())));
    }
}
