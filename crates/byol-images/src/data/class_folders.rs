//! Folders by class: `cat/1.jpg`, or `train/cat/1.jpg` and `test/cat/2.jpg` (or `val/`, or `cat/train/1.jpg`), with images
//! without labels in `unlabeled/` beside them. What the folders stand for is found in [`super::layout`].

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::error::Unlabelled;
use super::folder::{is_image, name_within, require_folder, search};
use super::format::Format;
use super::labels;
use super::layout::{FolderLayout, name_of_folder, split_of, subfolders};
use super::listing::{Listed, Listing};
use super::meant;
use super::names::composed;
use super::note::{DataNote, shown};
use super::split::Split;
use super::tables;

/// Lists a folder of class folders. Images of a folder without class folders have no labels, nor have those of a folder that is
/// called `unlabeled`.
///
/// # Errors
/// There are no images; images lie beside class folders; a class folder holds none; it cannot be told which folders are
/// splits and which are classes.
pub(crate) fn list(root: &Path) -> Result<Listing, DataError> {
    require_folder(root)?;
    if own_name(root).as_deref().and_then(Split::from_word) == Some(Split::Unlabeled) {
        let mut listing = list_without_labels(root)?;
        listing.no_labels = Some(Unlabelled::ByName { root: shown(root) });
        return Ok(listing);
    }
    let folders = subfolders(root)?;
    let mut listing = Listing::new(Format::ClassFolders, root);
    let mut classes = Classes::default();
    match FolderLayout::of(&folders)? {
        FolderLayout::Splits { splits, left_out } => {
            for folder in left_out {
                listing.warnings.push(DataNote::NoSplit { folder: shown(&folder) });
            }
            listing.warnings.extend(joined(&splits));
            refuse_loose_images(root)?;
            for (split, folder) in splits {
                match split {
                    Split::Unlabeled => add(&mut listing, &folder, Some(split))?,
                    _ => {
                        refuse_loose_images(&folder)?;
                        for class in subfolders(&folder)? {
                            classes.add(&mut listing, &class, &class, Some(split))?;
                        }
                    }
                }
            }
        }
        FolderLayout::SplitsWithoutClasses(splits) => return Err(without_classes(root, &splits)),
        FolderLayout::ClassesOfSplits { classes: parts, left_out } => {
            refuse_loose_images(root)?;
            for folder in left_out {
                listing.warnings.push(DataNote::NoSplit { folder: shown(&folder) });
            }
            for (class, splits) in parts {
                refuse_loose_images(&class)?;
                for (split, folder) in splits {
                    match split {
                        Split::Unlabeled => add(&mut listing, &folder, Some(split))?,
                        _ => classes.add(&mut listing, &class, &folder, Some(split))?,
                    }
                }
            }
            add_unlabeled(&mut listing, &folders)?;
        }
        FolderLayout::Classes { classes: folders_of_classes, alike } => {
            refuse_loose_images(root)?;
            meant::refuse_runs(root, &folders_of_classes)?;
            if let Some((one, other, both_hold)) = alike {
                listing.warnings.push(DataNote::ClassesPerhapsSplits { one, other, both_hold });
            }
            for class in folders_of_classes {
                classes.add(&mut listing, &class, &class, None)?;
            }
            listing.warnings.extend(meant::warn_of_data_set_within(root));
            add_unlabeled(&mut listing, &folders)?;
        }
        FolderLayout::None => {
            listing.format = Format::Folder;
            listing.no_labels = Some(Unlabelled::NoClassFolders { root: shown(root) });
            listing.warnings.extend(tables::unused(root));
            listing.warnings.extend(tables::spreadsheet(root));
            add(&mut listing, root, None)?;
            return Ok(listing);
        }
    }
    listing.warnings.extend(tables::unused(root));
    labels::assign_folders(&mut listing, classes.0)?;
    Ok(listing)
}

/// Lists all images of a folder without labels. Those of a test division are marked as such.
///
/// # Errors
/// There are no images.
pub(crate) fn list_without_labels(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing::new(Format::Folder, root);
    add(&mut listing, root, None)?;
    // A pool may lie in any order; what no one can divide has no test images.
    let divided: Vec<(Split, PathBuf)> = match FolderLayout::of(&subfolders(root)?) {
        Ok(FolderLayout::Splits { splits, .. } | FolderLayout::SplitsWithoutClasses(splits)) => splits,
        Ok(FolderLayout::ClassesOfSplits { classes, .. }) => {
            classes.into_iter().flat_map(|(_, splits)| splits).collect()
        }
        _ => Vec::new(),
    };
    for (split, folder) in divided {
        let prefix = format!("{}/", name_within(root, &folder));
        for listed in listing.images.iter_mut().filter(|listed| listed.encoded.name.starts_with(&prefix)) {
            listed.split = Some(split);
        }
    }
    Ok(listing)
}

/// The name of a folder, however it was given.
fn own_name(root: &Path) -> Option<String> {
    let whole = root.canonicalize().ok()?;
    Some(whole.file_name()?.to_string_lossy().into_owned())
}

fn add_unlabeled(listing: &mut Listing, folders: &[PathBuf]) -> Result<(), DataError> {
    for folder in folders.iter().filter(|folder| split_of(folder) == Some(Split::Unlabeled)) {
        add(listing, folder, Some(Split::Unlabeled))?;
    }
    Ok(())
}

/// A warning where several folders are one split.
fn joined(splits: &[(Split, PathBuf)]) -> Option<DataNote> {
    let of = |wanted: Split| -> Vec<String> {
        let folders = splits.iter().filter(|(split, _)| *split == wanted);
        folders.map(|(_, folder)| name_of_folder(folder)).collect()
    };
    let several: Vec<(Vec<String>, &'static str)> = [Split::Train, Split::Validation, Split::Test, Split::Unlabeled]
        .into_iter()
        .map(|split| (of(split), split.word()))
        .filter(|(folders, _)| folders.len() > 1)
        .collect();
    (!several.is_empty()).then_some(DataNote::SplitsJoined { splits: several })
}

/// The error about split folders without class folders, with what may hold the labels.
fn without_classes(root: &Path, splits: &[(Split, PathBuf)]) -> DataError {
    let folders: Vec<String> = splits.iter().map(|(_, folder)| name_of_folder(folder)).collect();
    let mut images: Vec<String> = Vec::new();
    let mut tables: Vec<String> = Vec::new();
    for folder in splits.iter().map(|(_, folder)| folder.as_path()).chain([root]) {
        for path in visible_files(folder) {
            let is_table = path.extension().is_some_and(|extension| {
                ["csv", "tsv", "json", "jsonl", "txt", "parquet", "xlsx"]
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known))
            });
            let name = name_within(root, &path);
            match (is_image(&path), is_table) {
                (true, _) => images.push(name),
                (_, true) => tables.push(name),
                _ => {}
            }
        }
    }
    let mut hint = String::new();
    if let Some(first) = tables.first() {
        let more = if tables.len() > 1 { format!(" and {} more", tables.len() - 1) } else { String::new() };
        hint = format!(" (perhaps the labels are in {first}{more}: --data takes a table of paths and labels)");
    } else if let Some(beginnings) = beginnings(&images) {
        hint = format!(" (perhaps the labels are in their names, which begin with {beginnings})");
    }
    DataError::SplitsWithoutClasses {
        path: root.to_path_buf(),
        folders: folders.join(", "),
        example: folders.first().cloned().unwrap_or_default(),
        hint,
    }
}

/// What names like `cat.12.jpg` begin with, where these are few.
fn beginnings(names: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    const FEW: usize = 100;
    let mut found = std::collections::BTreeMap::new();
    for name in names {
        let file = name.rsplit('/').next().unwrap_or_default();
        let letters = file.find(|letter: char| !letter.is_alphabetic()).map_or(file, |end| &file[..end]);
        *found.entry(letters).or_insert(0_usize) += 1;
    }
    let tells = (2..=FEW).contains(&found.len()) && found.iter().all(|(word, &count)| word.len() > 1 && count > 1);
    let more = if found.len() > SHOWN { ", ..." } else { "" };
    tells.then(|| found.keys().take(SHOWN).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ") + more)
}

fn visible_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn refuse_loose_images(folder: &Path) -> Result<(), DataError> {
    fs::read_dir(folder).map_err(DataError::io("search", folder))?;
    let loose: Vec<PathBuf> = visible_files(folder).into_iter().filter(|path| is_image(path)).collect();
    match loose.first() {
        None => Ok(()),
        Some(first) => {
            Err(DataError::LooseImages { folder: folder.to_path_buf(), count: loose.len(), first: first.clone() })
        }
    }
}

/// Classes, and which of a listing's images are theirs.
#[derive(Default)]
struct Classes(Vec<(String, std::ops::Range<usize>)>);

impl Classes {
    /// Adds the images in `folder` to the class that `class` is called after.
    fn add(
        &mut self,
        listing: &mut Listing,
        class: &Path,
        folder: &Path,
        split: Option<Split>,
    ) -> Result<(), DataError> {
        let class = composed(&name_of_folder(class));
        let start = listing.images.len();
        match add(listing, folder, split) {
            Err(DataError::NoImages { path }) => return Err(DataError::EmptyClass { path, class }),
            outcome => outcome?,
        }
        self.0.push((class, start..listing.images.len()));
        Ok(())
    }
}

/// Adds the images of a folder within the root.
fn add(listing: &mut Listing, folder: &Path, split: Option<Split>) -> Result<(), DataError> {
    let prefix = name_within(&listing.root, folder);
    for mut encoded in search(folder)? {
        if !prefix.is_empty() {
            encoded.name = format!("{prefix}/{}", encoded.name);
        }
        listing.images.push(Listed { encoded, label: None, split });
    }
    Ok(())
}
