//! What the folders in a folder stand for: splits, classes, or classes that are divided each. Looks at names; decodes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::folder::{holds_images, is_aside};
use super::names::composed;
use super::split::Split;

/// Words in the names of folders that divide images without saying for what.
const DIVIDING: [&str; 7] = ["fold", "split", "part", "set", "subset", "partition", "batch"];

/// What the folders in a folder are.
#[derive(Debug)]
pub(crate) enum FolderLayout {
    /// Train, test, validation and unlabelled images, by class within; the other folders with images.
    Splits { splits: Vec<(Split, PathBuf)>, left_out: Vec<PathBuf> },
    /// The same with images and no classes.
    SplitsWithoutClasses(Vec<(Split, PathBuf)>),
    /// `cat/train`, `cat/test`; folders in these classes that are no splits.
    ClassesOfSplits { classes: Vec<(PathBuf, Vec<(Split, PathBuf)>)>, left_out: Vec<PathBuf> },
    /// Classes, those without images too; perhaps two that look as if they were splits: their names, and what both hold.
    Classes { classes: Vec<PathBuf>, alike: Option<(String, String, String)> },
    /// There is none with images.
    None,
}

/// A folder with images.
struct Part<'a> {
    folder: &'a PathBuf,
    name: String,
    /// By its whole name.
    split: Option<Split>,
    /// By a part of its name, which may be chance.
    perhaps: Option<Split>,
    /// The folders in it with images.
    holds: BTreeSet<String>,
}

impl Part<'_> {
    fn shares(&self, other: &Part) -> bool {
        self.name != other.name && self.holds.intersection(&other.holds).next().is_some()
    }

    /// Whether the folders within could well be the same classes: two or more, and all that one of them has.
    fn is_like(&self, other: &Part) -> bool {
        let common = self.holds.intersection(&other.holds).count();
        self.name != other.name && common > 1 && common == self.holds.len().min(other.holds.len())
    }

    fn divides_by_name(&self) -> bool {
        let mut words = self.name.split(|letter: char| !letter.is_alphabetic()).map(str::to_lowercase);
        self.perhaps.is_some() || words.any(|word| DIVIDING.contains(&word.as_str()))
    }
}

impl FolderLayout {
    /// What these folders, which lie in one, are.
    ///
    /// # Errors
    /// A folder cannot be searched; one looks like a split and does not say which; some classes are divided and others not.
    pub fn of(folders: &[PathBuf]) -> Result<FolderLayout, DataError> {
        let mut parts = Vec::new();
        for folder in folders.iter().filter(|folder| holds_images(folder)) {
            let within = subfolders(folder)?;
            let holds = within.iter().filter(|folder| holds_images(folder)).map(|folder| name_of_folder(folder));
            let name = name_of_folder(folder);
            let (split, perhaps) = (Split::from_word(&name), Split::from_part(&name));
            parts.push(Part { folder, name, split, perhaps, holds: holds.collect() });
        }
        let labeled = |part: &&Part| part.split != Some(Split::Unlabeled);
        if !parts.iter().any(|part| labeled(&part)) {
            return Ok(FolderLayout::None);
        }
        // `bullet train` and `crash test` are splits only if they hold the same classes.
        let is_split = |part: &&Part| {
            let alike = || parts.iter().any(|other| other.perhaps.is_some() && part.shares(other));
            part.split.is_some() || (part.perhaps.is_some() && alike())
        };
        let splits: Vec<&Part> = parts.iter().filter(is_split).collect();
        let folders_of = |parts: &[&Part]| -> Vec<(Split, PathBuf)> {
            parts.iter().filter_map(|part| Some((part.perhaps?, part.folder.clone()))).collect()
        };
        let whole = |parts: &[&Part]| {
            let has =
                |wanted: &[Split]| parts.iter().any(|part| part.perhaps.is_some_and(|split| wanted.contains(&split)));
            has(&[Split::Train]) && has(&[Split::Test, Split::Validation])
        };
        let named = |parts: &[&Part]| parts.iter().filter(|part| labeled(part)).any(|part| part.split.is_some());
        let divides = splits.iter().filter(|part| labeled(part)).any(|part| !part.holds.is_empty());
        let whole_splits = whole(&splits);
        // `train` may be a class of its own, beside `car` and `bus`.
        if divides && (whole_splits || (named(&splits) && splits.len() == parts.len())) {
            let left_out = parts.iter().filter(|part| !is_split(part)).map(|part| part.folder.clone()).collect();
            return Ok(FolderLayout::Splits { splits: folders_of(&splits), left_out });
        }
        let flat: Vec<&Part> = parts.iter().filter(|part| part.perhaps.is_some()).collect();
        let are_flat = flat.len() == parts.len() && flat.iter().all(|part| !labeled(part) || part.holds.is_empty());
        if are_flat && (whole(&flat) || named(&flat)) {
            return Ok(FolderLayout::SplitsWithoutClasses(folders_of(&flat)));
        }
        if let Some(divided) = Self::within(&parts)? {
            return Ok(divided);
        }
        let pairs = || parts.iter().flat_map(|one| parts.iter().map(move |other| (one, other)));
        let divided_otherwise = pairs().find(|(one, other)| {
            one.is_like(other) && one.split.is_none() && labeled(other) && (is_split(other) || one.divides_by_name())
        });
        if let Some((one, other)) = divided_otherwise {
            return Err(DataError::UnknownSplit {
                folder: one.folder.clone(),
                other: other.name.clone(),
                classes: some(one.holds.intersection(&other.holds)),
            });
        }
        let classes = folders.iter().filter(|folder| split_of(folder) != Some(Split::Unlabeled)).cloned().collect();
        let alike = pairs().find(|(one, other)| one.is_like(other) && one.holds == other.holds);
        let alike = alike.map(|(one, other)| (one.name.clone(), other.name.clone(), some(one.holds.iter())));
        Ok(FolderLayout::Classes { classes, alike })
    }

    /// Classes that are divided each, if one of them has training and test images.
    fn within(parts: &[Part]) -> Result<Option<FolderLayout>, DataError> {
        let has = |part: &Part, wanted: &[Split]| {
            part.holds.iter().filter_map(|name| Split::from_word(name)).any(|split| wanted.contains(&split))
        };
        let is_whole = |part: &&Part| has(part, &[Split::Train]) && has(part, &[Split::Test, Split::Validation]);
        let Some(example) = parts.iter().find(is_whole) else {
            return Ok(None);
        };
        let (mut classes, mut left_out) = (Vec::new(), Vec::new());
        for part in parts.iter().filter(|part| part.split != Some(Split::Unlabeled)) {
            let mut splits = Vec::new();
            for folder in subfolders(part.folder)?.into_iter().filter(|folder| holds_images(folder)) {
                match split_of(&folder) {
                    Some(split) => splits.push((split, folder)),
                    None => left_out.push(folder),
                }
            }
            if splits.is_empty() {
                return Err(DataError::MixedDivision { folder: part.folder.clone(), example: example.folder.clone() });
            }
            classes.push((part.folder.clone(), splits));
        }
        Ok(Some(FolderLayout::ClassesOfSplits { classes, left_out }))
    }
}

/// The first few of some names.
fn some<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const SHOWN: usize = 3;
    let names: Vec<&str> = names.map(String::as_str).collect();
    let more = if names.len() > SHOWN { ", ..." } else { "" };
    names[..names.len().min(SHOWN)].join(", ") + more
}

/// The split that a folder's whole name means.
pub(crate) fn split_of(folder: &Path) -> Option<Split> {
    Split::from_word(&name_of_folder(folder))
}

/// The last part of a path, composed.
pub(crate) fn name_of_folder(folder: &Path) -> String {
    composed(&folder.file_name().unwrap_or_default().to_string_lossy())
}

/// The visible folders in a folder, sorted.
///
/// # Errors
/// It cannot be searched.
pub(crate) fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("search", folder))? {
        let entry = entry.map_err(DataError::io("search", folder))?;
        // Follows links.
        if entry.path().is_dir() && !is_aside(&entry.file_name()) {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}
