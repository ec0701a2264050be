//! Which folder was probably meant by one that holds no labels, or one class: the data set that it lies in, or the one that lies in it.
//! Looks at names; decodes nothing.

use std::path::{Path, PathBuf};

use super::DataError;
use super::folder::is_image;
use super::labels_csv::TABLE;
use super::layout::{FolderLayout, split_of, subfolders};
use super::note::{DataNote, shown};
use super::split::Split;

/// Folders beside or in the one that was named that are looked into at most.
const MOST: usize = 1000;

/// What was probably meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// The folder above, of which this one is a class.
    ItsClasses(PathBuf),
    /// The folder above, whose table has the labels.
    ItsTable(PathBuf),
    /// The only data set in it.
    Within(PathBuf),
}

impl Meant {
    /// What was meant by `root`, if that can be told.
    pub fn by(root: &Path) -> Option<Meant> {
        if !root.is_dir() {
            return None;
        }
        let above = above(root)?;
        if above.join(TABLE).is_file() {
            return Some(Meant::ItsTable(above));
        }
        if split_of(root) != Some(Split::Unlabeled) && holds_classes(&above) {
            // `photos/train/cat` is a class of `photos`, where that is divided.
            let whole = self::above(&above).filter(|whole| split_of(&above).is_some() && is_divided(whole));
            return Some(Meant::ItsClasses(whole.unwrap_or(above)));
        }
        data_set_within(root).map(Meant::Within)
    }

    /// A sentence that asks whether it was, if something was.
    pub fn question(root: &Path) -> Option<String> {
        let (meant, root) = (Meant::by(root)?, root.display());
        Some(match meant {
            Meant::ItsClasses(above) => {
                let above = above.display();
                format!("{root} is one of the class folders in {above}: did you mean --data {above}?")
            }
            Meant::ItsTable(above) => {
                let above = above.display();
                format!("{root} has no class folders, and labels are in {above}/{TABLE}: did you mean --data {above}?")
            }
            Meant::Within(inner) => {
                let inner = inner.display();
                format!("the class folders in {root} lie in {inner}: did you mean --data {inner}?")
            }
        })
    }
}

/// A warning where one of the folders that are read as classes is a data set itself.
pub(crate) fn warn_of_data_set_within(root: &Path) -> Option<DataNote> {
    let inner = data_set_within(root)?;
    Some(DataNote::DataSetWithin { root: shown(root), inner: shown(&inner) })
}

/// Refuses folders of runs among classes: the images of their pages are nobody's data.
///
/// # Errors
/// There is one.
pub(crate) fn refuse_runs(root: &Path, classes: &[PathBuf]) -> Result<(), DataError> {
    let is_run = |folder: &Path| folder.join("config.toml").is_file() && folder.join("summary.json").is_file();
    let holds_run = |folder: &&PathBuf| {
        is_run(folder) || subfolders(folder).is_ok_and(|inner| inner.iter().take(MOST).any(|inner| is_run(inner)))
    };
    let Some(runs) = classes.iter().find(holds_run) else { return Ok(()) };
    let question = match data_set_within(root) {
        Some(inner) => format!("did you mean --data {}?", inner.display()),
        None => "name the folder of the data itself".to_owned(),
    };
    let (root, runs) = (root.display(), runs.display());
    Err(DataError::NoLabels(format!("{runs} holds runs, so the folders in {root} are no classes; {question}")))
}

/// The only folder in `root` that is a data set; the pages of runs are none.
fn data_set_within(root: &Path) -> Option<PathBuf> {
    let inner = subfolders(root).ok().filter(|inner| inner.len() <= MOST)?;
    let is_set = |folder: &PathBuf| folder.join(TABLE).is_file() || is_divided(folder) || holds_classes(folder);
    let mut sets = inner.into_iter().filter(is_set);
    match (sets.next(), sets.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

/// The folder that a folder lies in, as it would be typed.
fn above(folder: &Path) -> Option<PathBuf> {
    match folder.parent() {
        Some(above) if folder.file_name().is_some() => {
            let empty = above.as_os_str().is_empty();
            Some(if empty { PathBuf::from(".") } else { above.to_path_buf() })
        }
        // `.` and `..`
        _ => folder.canonicalize().ok()?.parent().map(|_| folder.join("..")),
    }
}

/// Whether all folders that lie in a folder are classes: two or more, with images of their own and none further in. Looks no deeper:
/// above the folder that was named may lie anything.
fn holds_classes(folder: &Path) -> bool {
    let Some(inner) = subfolders(folder).ok().filter(|inner| inner.len() <= MOST && !holds_images(folder)) else {
        return false;
    };
    let classes: Vec<&PathBuf> = inner.iter().filter(|folder| split_of(folder) != Some(Split::Unlabeled)).collect();
    let is_flat = |folder: &&PathBuf| {
        split_of(folder).is_none()
            && holds_images(folder)
            && subfolders(folder)
                .is_ok_and(|inner| inner.len() <= MOST && !inner.iter().any(|inner| holds_images(inner)))
    };
    classes.len() > 1 && classes.iter().all(is_flat)
}

/// Whether images lie in a folder itself.
fn holds_images(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| is_image(&path) && path.is_file())
}

/// Whether a folder is divided into training and test images of classes.
fn is_divided(folder: &Path) -> bool {
    let Ok(inner) = subfolders(folder) else { return false };
    inner.len() <= MOST
        && matches!(FolderLayout::of(&inner), Ok(FolderLayout::Splits { .. } | FolderLayout::ClassesOfSplits { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_set_around_or_within_is_found() {
        let home = tempfile::tempdir().unwrap();
        let at = |path: &str| home.path().join(path);
        for file in [
            "photos/cat/1.jpg",
            "photos/dog/2.jpg",
            "unlabeled/3.jpg",
            "divided/train/cat/1.jpg",
            "divided/train/dog/1.jpg",
            "divided/test/cat/2.jpg",
            "divided/test/dog/2.jpg",
            "listed/train/1.jpg",
            "album/1.jpg",
            "single/photos/cat/1.jpg",
            "single/photos/dog/1.jpg",
            "single/pool/9.jpg",
        ] {
            std::fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            std::fs::write(at(file), "").unwrap();
        }
        std::fs::write(at("listed/labels.csv"), "path,label\n").unwrap();
        assert_eq!(Meant::by(&at("photos/cat")), Some(Meant::ItsClasses(at("photos"))));
        assert_eq!(Meant::by(&at("divided/train/cat")), Some(Meant::ItsClasses(at("divided"))));
        assert_eq!(Meant::by(&at("listed/train")), Some(Meant::ItsTable(at("listed"))));
        assert_eq!(Meant::by(&at("single")), Some(Meant::Within(at("single/photos"))));
        assert_eq!(Meant::by(&at("unlabeled")), None);
        assert_eq!(Meant::by(&at("album")), None, "folders beside it are no classes");
        assert_eq!(Meant::by(home.path()), None, "there are several");
        std::fs::create_dir_all(at("single/runs/mine")).unwrap();
        for file in ["config.toml", "summary.json", "1.jpg"] {
            std::fs::write(at("single/runs/mine").join(file), "").unwrap();
        }
        let classes = [at("single/photos"), at("single/pool"), at("single/runs")];
        let refused = refuse_runs(&at("single"), &classes).unwrap_err().to_string();
        assert!(refused.contains("runs holds runs") && refused.ends_with("single/photos?"), "{refused}");
        assert!(refuse_runs(&at("single"), &classes[..2]).is_ok());
        let question = Meant::question(&at("photos/cat")).unwrap();
        assert!(question.contains("is one of the class folders in") && question.ends_with("photos?"), "{question}");
    }
}
