//! Folders by class: `cat/1.jpg`, or `train/cat/1.jpg` and `test/cat/2.jpg` (or `val/`), with pictures without labels in
//! `unlabeled/` beside them.

use std::fs;
use std::path::{Path, PathBuf};

use super::DataError;
use super::folder::{holds_pictures, is_picture, name_within, require_folder, search};
use super::format::Format;
use super::listing::{Listed, Listing, SPLIT_FILE, number_classes};
use super::split::Split;

/// What the folders in a folder are.
enum Layout {
    /// Train, test, validation and unlabelled pictures.
    Splits(Vec<(Split, PathBuf)>),
    Classes(Vec<PathBuf>),
    /// There is none with pictures.
    None,
}

/// Lists a folder of class folders. Pictures of a folder without class folders have no labels.
///
/// # Errors
/// There are no pictures; pictures lie beside class folders; a class folder holds none.
pub(crate) fn list(root: &Path) -> Result<Listing, DataError> {
    require_folder(root)?;
    let folders = subfolders(root)?;
    let mut listing = Listing {
        format: Format::ClassFolders,
        root: root.to_path_buf(),
        class_names: Vec::new(),
        pictures: Vec::new(),
        split_file: root.join(SPLIT_FILE),
        read_files: Vec::new(),
        warnings: Vec::new(),
    };
    let mut labels = Vec::new();
    match layout(&folders)? {
        Layout::Splits(splits) => {
            let passed_over = folders.iter().filter(|folder| !splits.iter().any(|(_, split)| split == *folder));
            for folder in passed_over.filter(|folder| holds_pictures(folder)) {
                let text = format!("{} is not {} and is left out", folder.display(), Split::WORDS);
                listing.warnings.push(text);
            }
            refuse_loose_pictures(root)?;
            for (split, folder) in splits {
                match split {
                    Split::Unlabeled => add(&mut listing, &folder, Some(split))?,
                    _ => {
                        refuse_loose_pictures(&folder)?;
                        add_classes(&mut listing, &subfolders(&folder)?, Some(split), &mut labels)?;
                    }
                }
            }
        }
        Layout::Classes(classes) => {
            refuse_loose_pictures(root)?;
            add_classes(&mut listing, &classes, None, &mut labels)?;
            for folder in folders.iter().filter(|folder| split_of(folder) == Some(Split::Unlabeled)) {
                add(&mut listing, folder, Some(Split::Unlabeled))?;
            }
        }
        Layout::None => {
            listing.format = Format::Folder;
            add(&mut listing, root, None)?;
            return Ok(listing);
        }
    }
    let (class_names, numbers) = number_classes(root, labels.iter().map(|(class, _)| class.as_str()))?;
    for (class, pictures) in &labels {
        for listed in &mut listing.pictures[pictures.clone()] {
            listed.label = numbers.get(class).copied();
        }
    }
    listing.class_names = class_names;
    Ok(listing)
}

/// Lists all pictures of a folder without labels. Those of a test division are marked as such.
///
/// # Errors
/// There are no pictures.
pub(crate) fn list_without_labels(root: &Path) -> Result<Listing, DataError> {
    let mut listing = Listing {
        format: Format::Folder,
        root: root.to_path_buf(),
        class_names: Vec::new(),
        pictures: Vec::new(),
        split_file: root.join(SPLIT_FILE),
        read_files: Vec::new(),
        warnings: Vec::new(),
    };
    add(&mut listing, root, None)?;
    if let Layout::Splits(splits) = layout(&subfolders(root)?)? {
        for listed in &mut listing.pictures {
            let first = listed.encoded.name.split('/').next().unwrap_or_default();
            let folder = splits.iter().find(|(_, folder)| folder.file_name().is_some_and(|name| name == first));
            listed.split = folder.map(|&(split, _)| split);
        }
    }
    Ok(listing)
}

fn split_of(folder: &Path) -> Option<Split> {
    folder.file_name().and_then(|name| Split::from_word(&name.to_string_lossy()))
}

fn layout(folders: &[PathBuf]) -> Result<Layout, DataError> {
    let with_pictures: Vec<&PathBuf> = folders.iter().filter(|folder| holds_pictures(folder)).collect();
    let splits: Vec<(Split, PathBuf)> =
        with_pictures.iter().filter_map(|folder| Some((split_of(folder)?, folder.to_path_buf()))).collect();
    let has = |wanted: &[Split]| splits.iter().any(|(split, _)| wanted.contains(split));
    let mut divides = false;
    for (_, folder) in splits.iter().filter(|(split, _)| *split != Split::Unlabeled) {
        divides |= subfolders(folder)?.iter().any(|folder| holds_pictures(folder));
    }
    // `train` may be a class of its own, beside `car` and `bus`.
    let whole = has(&[Split::Train]) && has(&[Split::Test, Split::Validation]);
    if divides && (whole || splits.len() == with_pictures.len()) {
        return Ok(Layout::Splits(splits));
    }
    let classes: Vec<PathBuf> =
        folders.iter().filter(|folder| split_of(folder) != Some(Split::Unlabeled)).cloned().collect();
    match classes.iter().any(|folder| holds_pictures(folder)) {
        true => Ok(Layout::Classes(classes)),
        false => Ok(Layout::None),
    }
}

/// The visible folders in a folder, sorted.
fn subfolders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io("search", folder))? {
        let entry = entry.map_err(DataError::io("search", folder))?;
        // Follows links.
        if entry.path().is_dir() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            folders.push(entry.path());
        }
    }
    folders.sort();
    Ok(folders)
}

fn refuse_loose_pictures(folder: &Path) -> Result<(), DataError> {
    let entries = fs::read_dir(folder).map_err(DataError::io("search", folder))?;
    let mut loose: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .filter(|path| is_picture(path) && path.is_file())
        .collect();
    loose.sort();
    match loose.first() {
        None => Ok(()),
        Some(first) => {
            Err(DataError::LoosePictures { folder: folder.to_path_buf(), count: loose.len(), first: first.clone() })
        }
    }
}

type LabelOfRange = (String, std::ops::Range<usize>);

fn add_classes(
    listing: &mut Listing,
    classes: &[PathBuf],
    split: Option<Split>,
    labels: &mut Vec<LabelOfRange>,
) -> Result<(), DataError> {
    for folder in classes {
        let class = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let start = listing.pictures.len();
        match add(listing, folder, split) {
            Err(DataError::NoPictures { path }) => return Err(DataError::EmptyClass { path, class }),
            outcome => outcome?,
        }
        labels.push((class, start..listing.pictures.len()));
    }
    Ok(())
}

/// Adds the pictures of a folder within the root.
fn add(listing: &mut Listing, folder: &Path, split: Option<Split>) -> Result<(), DataError> {
    let prefix = name_within(&listing.root, folder);
    for mut encoded in search(folder)? {
        if !prefix.is_empty() {
            encoded.name = format!("{prefix}/{}", encoded.name);
        }
        listing.pictures.push(Listed { encoded, label: None, split });
    }
    Ok(())
}
