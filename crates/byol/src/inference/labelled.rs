//! Labelled images for a classifier that is there already: folders named as its classes. Nothing is opened.

use std::path::{Path, PathBuf};

use super::{InferenceError, files};

/// Image files, each with the index of its class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabelledFiles {
    /// The files, sorted within each class.
    pub files: Vec<PathBuf>,
    /// The class index of each file.
    pub labels: Vec<u16>,
}

/// The images in the folders of `folder`, each of which has the name of a class. Not every class need be there.
///
/// # Errors
/// `folder` cannot be read, holds a folder of another name, or no images.
pub fn find(folder: &Path, class_names: &[String]) -> Result<LabelledFiles, InferenceError> {
    let failed = |source| InferenceError::Read { path: folder.to_owned(), source };
    let mut classes = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.path().is_dir() {
            continue;
        }
        let class = class_names.iter().position(|known| *known == name).ok_or_else(|| {
            InferenceError::UnknownClass { path: folder.to_owned(), name: name.clone(), classes: class_names.to_vec() }
        })?;
        classes.push((class as u16, entry.path()));
    }
    classes.sort();
    let mut found = LabelledFiles { files: Vec::new(), labels: Vec::new() };
    for (class, path) in classes {
        let files = match files::find(&[path]) {
            Err(InferenceError::NoImages { .. }) => continue,
            files => files?,
        };
        found.labels.extend(std::iter::repeat_n(class, files.len()));
        found.files.extend(files);
    }
    if found.files.is_empty() {
        return Err(InferenceError::NoLabelled { path: folder.to_owned() });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_classes() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let names = ["cat", "bird", "dog"].map(str::to_owned);
        assert!(find(&at("none"), &names).is_err());
        assert!(find(folder.path(), &names).unwrap_err().to_string().contains("folder for each class"));
        for name in ["dog/b.png", "dog/in/a.png", "cat/c.png", "readme.png"] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("bird")).unwrap();
        let files = ["cat/c.png", "dog/b.png", "dog/in/a.png"].map(at).to_vec();
        assert_eq!(find(folder.path(), &names).unwrap(), LabelledFiles { files, labels: vec![0, 2, 2] });
        std::fs::create_dir(at("dogs")).unwrap();
        assert!(find(folder.path(), &names).unwrap_err().to_string().contains("'dogs'"));
    }
}
