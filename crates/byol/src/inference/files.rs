//! Which images are meant by what was given: files as they are, folders by what is in them. Nothing is opened.

use std::ffi::OsString;
use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use super::InferenceError;
use crate::data::decode::EXTENSIONS;
use crate::data::folder::{is_image, walk};
use crate::data::passed_over::PassedOver;
use crate::report::language::english::data::data_note;

/// The images that `given` names, in its order; those of a folder and the folders in it by their paths.
///
/// A file counts whatever its name is, and even if it is not there: [`require`] says so of paths that were typed, and
/// whoever reads it finds out of others. In folders files count by
/// their extension, links are followed, except back into a folder that is being searched, and names that begin with a dot
/// are passed over.
///
/// # Errors
/// There is not a single one.
pub fn find(given: &[PathBuf]) -> Result<Vec<PathBuf>, InferenceError> {
    let mut found = Vec::new();
    for path in given {
        if path.is_dir() { found.extend(in_folder(path)) } else { found.push(path.clone()) }
    }
    if found.is_empty() {
        let passed_over = passed_over(given).notes().iter().map(|note| format!("; {}", data_note(note))).collect();
        let searched = given.iter().map(|path| path.display().to_string()).collect();
        return Err(InferenceError::NoImages { searched, extensions: EXTENSIONS.join(", "), passed_over });
    }
    Ok(found)
}

/// Refuses paths that are not there, before anything is opened.
///
/// # Errors
/// The first of them is named, and the others are counted.
pub fn require(given: &[PathBuf]) -> Result<(), InferenceError> {
    let mut missing = given.iter().filter(|path| path.try_exists().is_ok_and(|there| !there));
    match missing.next() {
        Some(path) => Err(InferenceError::NotThere { path: path.clone(), others: missing.count() }),
        None => Ok(()),
    }
}

/// What looks like images in the given folders and is not read.
pub fn passed_over(given: &[PathBuf]) -> PassedOver {
    let mut passed_over = PassedOver::default();
    given.iter().filter(|path| path.is_dir()).for_each(|folder| passed_over.add(PassedOver::within(folder)));
    passed_over
}

fn in_folder(folder: &Path) -> Vec<PathBuf> {
    let paths = walk(folder).filter_map(|entry| match entry {
        Ok(entry) if entry.file_type().is_dir() => None,
        Ok(entry) => Some(entry.into_path()),
        // A broken link, or a folder that may not be entered: an image by its name is reported when it is read.
        Err(error) if error.loop_ancestor().is_none() => error.path().map(Path::to_path_buf),
        Err(_) => None,
    });
    let mut paths: Vec<PathBuf> = paths.filter(|path| is_image(path)).collect();
    paths.sort();
    paths
}

/// What ends a path in a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// The end of a line.
    Newline,
    /// A NUL byte, which no path holds: `find -print0`.
    Nul,
}

/// Reads a list of paths. Empty ones are passed over.
///
/// # Errors
/// The list cannot be read.
pub fn read_list(list: impl BufRead, separator: Separator) -> io::Result<Vec<PathBuf>> {
    let end = match separator {
        Separator::Newline => b'\n',
        Separator::Nul => 0,
    };
    let mut paths = Vec::new();
    for path in list.split(end) {
        let mut path = path?;
        if separator == Separator::Newline && path.last() == Some(&b'\r') {
            path.pop();
        }
        if !path.is_empty() {
            paths.push(PathBuf::from(os_string(path)));
        }
    }
    Ok(paths)
}

#[cfg(unix)]
fn os_string(bytes: Vec<u8>) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes)
}

#[cfg(not(unix))]
fn os_string(bytes: Vec<u8>) -> OsString {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_stand_as_given_and_folders_for_their_images() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("in/deep")).unwrap();
        fs::create_dir_all(at("in/.hidden")).unwrap();
        for name in ["in/b.JPG", "in/a.png", "in/deep/c.webp", "in/notes.txt", "in/.x.png", "in/.hidden/y.png"] {
            fs::write(at(name), "").unwrap();
        }
        let given = [at("none.jpg"), at("in"), at("in/notes.txt"), at("in/a.png")];
        let expected = ["none.jpg", "in/a.png", "in/b.JPG", "in/deep/c.webp", "in/notes.txt", "in/a.png"].map(at);
        assert_eq!(find(&given).unwrap(), expected);
    }

    #[test]
    fn what_is_not_there_is_named_with_what_may_have_been_meant() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("new-photos")).unwrap();
        assert!(require(&[at("new-photos"), folder.path().to_path_buf()]).is_ok());
        let message = require(&[at("new-photos"), at("new-foto"), at("a"), at("b")]).unwrap_err().to_string();
        let (missing, meant) = (at("new-foto"), at("new-photos"));
        let expected =
            format!("{} does not exist, nor do 2 other paths; did you mean {}?", missing.display(), meant.display());
        assert_eq!(message, expected);
    }

    #[test]
    fn a_folder_without_images_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let message = find(&[folder.path().to_path_buf()]).unwrap_err().to_string();
        assert!(message.contains(&folder.path().display().to_string()) && message.contains("jpg"), "{message}");
    }

    #[test]
    fn lists_end_their_paths_with_a_newline_or_nul() {
        let read = |text: &str, separator| read_list(text.as_bytes(), separator).unwrap();
        let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(read("a b.png\r\n\nc.png", Separator::Newline), paths(&["a b.png", "c.png"]));
        assert_eq!(read("a\nb.png\0c.png\0", Separator::Nul), paths(&["a\nb.png", "c.png"]));
    }
}
