//! The files that a table's cells mean, in its folder: paths as they are, and, where none of those is there, names without
//! ending or folder, paths of another machine, and addresses.

use std::path::{Path, PathBuf};

use super::folder::{is_image, name_within, walk};
use super::known_names::{KnownNames, Written};
use super::labels_csv::CsvProblem;
use super::split::Split;

/// The images in a folder and the folders in it, by their names within it.
pub(crate) struct Files {
    folder: PathBuf,
    found: Vec<(String, PathBuf)>,
    known: KnownNames,
}

impl Files {
    pub fn of(folder: &Path) -> Self {
        let paths = walk(folder).flatten().filter(|entry| entry.file_type().is_file() && is_image(entry.path()));
        let mut found: Vec<(String, PathBuf)> =
            paths.map(|entry| (name_within(folder, entry.path()), entry.into_path())).collect();
        found.sort();
        let known = KnownNames::of(found.iter().map(|(name, _)| name.clone()).collect());
        Files { folder: folder.to_path_buf(), found, known }
    }

    /// All images with their names, in the order of these.
    pub fn into_found(self) -> Vec<(String, PathBuf)> {
        self.found
    }

    /// Names of all images, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.known.names().iter().map(String::as_str)
    }

    /// What a cell means.
    ///
    /// # Errors
    /// As [`Written::read`].
    pub fn read(&self, cell: &str) -> Result<Written, CsvProblem> {
        Written::read(cell, &self.folder)
    }

    /// The image of exactly this name, another file, or the only image whose name differs from it in capital letters alone
    /// (`1.jpg` is `1.JPG`).
    pub fn exact(&self, written: &Written) -> Option<(String, PathBuf)> {
        let Written::Within(name) = written else { return None };
        if let Some(index) = self.known.index_of(name) {
            return self.found.get(index).cloned();
        }
        let path = self.folder.join(name);
        if path.is_file() {
            return Some((name.clone(), path));
        }
        self.known.but_for_capitals(name).and_then(|index| self.found.get(index)).cloned()
    }

    /// The place where a file of this name would be.
    pub fn missing(&self, written: &Written) -> Option<(String, PathBuf)> {
        match written {
            Written::Within(name) => Some((name.clone(), self.folder.join(name))),
            Written::Elsewhere(_) => None,
        }
    }

    /// All images that a cell may mean that is no path.
    pub fn like(&self, written: &Written) -> Vec<usize> {
        self.known.like(written)
    }

    /// What a message says of several images that may be meant.
    pub fn several(&self, candidates: &[usize]) -> String {
        self.known.describe(candidates)
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
