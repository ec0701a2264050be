//! STL-10's binary files: image files mapped into memory, labels, class names and folds. Downloading them is done in
//! [`super::fetch`].
//!
//! An image file holds 27,648 bytes per image: three channels of 96 columns of 96 values each. A label file holds one
//! byte per image, 1-10 (<https://cs.stanford.edu/~acoates/stl10/>).

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;

use super::error::{DataError, Stl10Problem};
use super::fingerprint::Fingerprint;
use super::note::{DataNote, Lack, shown};
use super::split::DataSplit;
use super::splits::parse_folds;
use super::{Dataset, Findings, Fingerprints, Image, ImageSource, LabeledImages, UnlabeledImages};

/// Width and height of an image.
pub const SIDE: usize = 96;

/// Bytes of one image in a file.
pub const IMAGE_BYTES: usize = 3 * SIDE * SIDE;

/// The classes, in the order of their labels.
pub const CLASS_NAMES: [&str; 10] =
    ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"];

/// The folder in the official archive, and in torchvision's `root`.
pub(crate) const FOLDER: &str = "stl10_binary";

pub(crate) const UNLABELED_FILE: &str = "unlabeled_X.bin";
pub(crate) const CLASS_NAMES_FILE: &str = "class_names.txt";
pub(crate) const FOLDS_FILE: &str = "fold_indices.txt";

/// Every file of the data set, in the order in which they are fingerprinted.
pub(crate) const FILES: [&str; 7] =
    ["train_X.bin", "train_y.bin", "test_X.bin", "test_y.bin", UNLABELED_FILE, CLASS_NAMES_FILE, FOLDS_FILE];

/// The folder with the binary files: `path` itself, or the `stl10_binary` in it. `None` if neither holds any.
pub(crate) fn locate(path: &Path) -> Option<PathBuf> {
    let holds_any = |folder: &PathBuf| FILES.iter().any(|file| file.ends_with(".bin") && folder.join(file).is_file());
    [path.to_path_buf(), path.join(FOLDER)].into_iter().find(holds_any)
}

/// Opens whatever is present of STL-10 in `folder`. No test images, no unlabelled images, no folds, or no training
/// images is fine; what is missing is said in [`Dataset::warnings`].
///
/// # Errors
/// Neither training nor unlabelled images; images without their labels or the reverse; a file that is damaged.
pub fn open(folder: &Path) -> Result<Dataset, DataError> {
    let train = open_labeled(folder, "train")?;
    let test = open_labeled(folder, "test")?;
    let unlabeled_path = folder.join(UNLABELED_FILE);
    let mut unlabeled = Vec::new();
    if unlabeled_path.exists() {
        let images = Arc::new(Stl10Images::open(&unlabeled_path, "unlabeled")?);
        unlabeled.push(UnlabeledImages::new("unlabeled".into(), images));
    }
    if train.is_none() && unlabeled.is_empty() {
        return Err(Stl10Problem::MissingSplit { folder: folder.to_path_buf() }.into());
    }
    let folds = match &train {
        Some(train) => read_folds(folder, train.labels.len())?,
        None => None,
    };
    let mut warnings = Vec::new();
    for (absent, file, lack) in [
        (train.is_none(), "train_X.bin", Lack::LabelledTraining),
        (test.is_none(), "test_X.bin", Lack::Test),
        (train.is_some() && folds.is_none(), FOLDS_FILE, Lack::Folds),
    ] {
        if absent {
            warnings.push(DataNote::Missing { file: shown(&folder.join(file)), lacks: Some(lack) });
        }
    }
    Ok(Dataset {
        name: "stl10".into(),
        class_names: read_class_names(folder)?,
        train,
        test,
        unlabeled,
        folds,
        fingerprint: fingerprint(folder, &FILES)?,
        parts: Fingerprints {
            train: fingerprint(folder, &["train_X.bin", "train_y.bin", CLASS_NAMES_FILE])?,
            test: fingerprint(folder, &["test_X.bin", "test_y.bin", CLASS_NAMES_FILE])?,
            unlabeled: fingerprint(folder, &[UNLABELED_FILE])?,
        },
        notes: Vec::new(),
        warnings,
        skipped: 0,
        no_labels: None,
        findings: Findings::default(),
        split: DataSplit::Given,
        kept_from_pretraining: Vec::new(),
        unsaved_split: None,
        unreadable: Vec::new(),
    })
}

/// Opens `SPLIT_X.bin` and `SPLIT_y.bin`; `None` if both are missing.
///
/// # Errors
/// One of them is missing or damaged, or they differ in length.
pub(crate) fn open_labeled(folder: &Path, split: &str) -> Result<Option<LabeledImages>, DataError> {
    let images_path = folder.join(format!("{split}_X.bin"));
    let labels_path = folder.join(format!("{split}_y.bin"));
    match (images_path.exists(), labels_path.exists()) {
        (false, false) => return Ok(None),
        (true, false) => {
            return Err(Stl10Problem::MissingPartner { present: images_path, missing: labels_path }.into());
        }
        (false, true) => {
            return Err(Stl10Problem::MissingPartner { present: labels_path, missing: images_path }.into());
        }
        (true, true) => {}
    }
    let images = Stl10Images::open(&images_path, split)?;
    let labels = read_labels(&labels_path)?;
    if images.len() != labels.len() {
        return Err(Stl10Problem::LengthMismatch {
            images_path,
            images: images.len(),
            labels_path,
            labels: labels.len(),
        }
        .into());
    }
    Ok(Some(LabeledImages { images: Arc::new(images), labels }))
}

/// Reads a label file; label 1 becomes class 0.
///
/// # Errors
/// The file cannot be read, is empty, or holds a byte outside 1-10.
pub(crate) fn read_labels(path: &Path) -> Result<Vec<u16>, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    if bytes.is_empty() {
        return Err(Stl10Problem::EmptyFile { path: path.to_path_buf() }.into());
    }
    let class = |(index, value)| match value {
        1..=10 => Ok(u16::from(value) - 1),
        _ => Err(Stl10Problem::LabelRange { path: path.to_path_buf(), index, value }.into()),
    };
    bytes.into_iter().enumerate().map(class).collect()
}

/// Reads `class_names.txt` of `folder`; without that file, [`CLASS_NAMES`].
///
/// # Errors
/// The file cannot be read, or does not hold ten names, one per line.
pub(crate) fn read_class_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let path = folder.join(CLASS_NAMES_FILE);
    if !path.exists() {
        return Ok(CLASS_NAMES.map(String::from).to_vec());
    }
    let text = read_text(&path)?;
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    match names.len() == CLASS_NAMES.len() {
        true => Ok(names),
        false => Err(Stl10Problem::ClassNames { path, found: names.len(), expected: CLASS_NAMES.len() }.into()),
    }
}

/// Reads `fold_indices.txt` of `folder`; `None` without that file.
///
/// # Errors
/// As [`parse_folds`], or the file cannot be read.
pub(crate) fn read_folds(folder: &Path, images: usize) -> Result<Option<Vec<Vec<usize>>>, DataError> {
    let path = folder.join(FOLDS_FILE);
    if !path.exists() {
        return Ok(None);
    }
    parse_folds(&read_text(&path)?, images, &path).map(Some)
}

/// Reads a text file; bytes that are no UTF-8 are replaced, so that they are reported where they matter.
fn read_text(path: &Path) -> Result<String, DataError> {
    let bytes = fs::read(path).map_err(DataError::io("read", path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A hash of the names, sizes and first and last MiB of those of `files` that are there; empty if the first is not, where
/// they are a part of the data.
fn fingerprint(folder: &Path, files: &[&str]) -> Result<String, DataError> {
    if files.len() < FILES.len() && !files.iter().take(1).all(|file| folder.join(file).exists()) {
        return Ok(String::new());
    }
    let mut fingerprint = Fingerprint::new("stl10");
    for file in files {
        let path = folder.join(file);
        if path.exists() {
            fingerprint.bytes(file.as_bytes());
            fingerprint.file_ends(&path)?;
        }
    }
    Ok(fingerprint.finish())
}

/// The images of one `…_X.bin`, mapped into memory.
///
/// The file must not be cut off while it is mapped: the operating system then ends the program.
pub(crate) struct Stl10Images {
    map: Mmap,
    split: String,
}

impl Stl10Images {
    /// Maps the file. `split` is what [`name`](ImageSource::name) begins with.
    ///
    /// # Errors
    /// The file cannot be opened, is empty, or is not a whole number of images long.
    pub fn open(path: &Path, split: &str) -> Result<Self, DataError> {
        let file = File::open(path).map_err(DataError::io("open", path))?;
        let bytes = file.metadata().map_err(DataError::io("read", path))?.len();
        if bytes == 0 {
            return Err(Stl10Problem::EmptyFile { path: path.to_path_buf() }.into());
        }
        if bytes % IMAGE_BYTES as u64 != 0 {
            let whole = bytes / IMAGE_BYTES as u64;
            return Err(Stl10Problem::FileSize { path: path.to_path_buf(), bytes, whole }.into());
        }
        // SAFETY: the map is read-only and read through `&[u8]` of the length found at mapping. Another process that
        // changes the file changes pixel values; one that cuts it off is excluded in the type's documentation.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io("map into memory", path))?;
        Ok(Stl10Images { map, split: split.to_owned() })
    }
}

impl ImageSource for Stl10Images {
    fn len(&self) -> usize {
        self.map.len() / IMAGE_BYTES
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let stored = self.map.chunks_exact(IMAGE_BYTES).nth(index).ok_or_else(|| DataError::IndexOutOfRange {
            source_name: self.split.clone(),
            index,
            len: self.len(),
        })?;
        (image.width, image.height) = (SIDE, SIDE);
        image.pixels.resize(IMAGE_BYTES, 0);
        for (columns, rows) in stored.chunks_exact(SIDE * SIDE).zip(image.pixels.chunks_exact_mut(SIDE * SIDE)) {
            transpose(columns, rows);
        }
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{}/{index}", self.split)
    }
}

/// Transposes a `SIDE` x `SIDE` plane, block by block: rows of 16 bytes stay in registers.
fn transpose(from: &[u8], to: &mut [u8]) {
    const BLOCK: usize = 16;
    for top in (0..SIDE).step_by(BLOCK) {
        for left in (0..SIDE).step_by(BLOCK) {
            let mut block = [[0u8; BLOCK]; BLOCK];
            for (row, line) in block.iter_mut().enumerate() {
                line.copy_from_slice(&from[(top + row) * SIDE + left..][..BLOCK]);
            }
            for column in 0..BLOCK {
                let line = &mut to[(left + column) * SIDE + top..][..BLOCK];
                for (value, source) in line.iter_mut().zip(&block) {
                    *value = source[column];
                }
            }
        }
    }
}
