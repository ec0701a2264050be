//! CIFAR-10's binary files, mapped into memory.
//!
//! A batch holds 3,073 bytes per image: its label, 0-9, and three channels of 32 rows of 32 values
//! (<https://www.cs.toronto.edu/~kriz/cifar.html>).

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use super::encoded::Archive;
use super::fingerprint::Fingerprint;
use super::note::{DataNote, shown};
use super::split::DataSplit;
use super::{ConcatSource, DataError, Dataset, Findings, Fingerprints, Image, ImageSource, LabeledImages};

/// Width and height of an image.
pub const SIDE: usize = 32;

const PIXELS: usize = 3 * SIDE * SIDE;

/// A label and an image.
const RECORD: usize = 1 + PIXELS;

/// The classes, in the order of their labels.
pub const CLASS_NAMES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The folder in the official archive.
const FOLDER: &str = "cifar-10-batches-bin";
/// The folder of the archive for Python.
const PYTHON_FOLDER: &str = "cifar-10-batches-py";

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: &str = "test_batch.bin";
const NAMES: &str = "batches.meta.txt";

/// Why a file cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cifar10Problem {
    /// A batch is not a whole number of images.
    #[error(
        "{bytes} bytes, but an image with its label takes {RECORD}, which does not divide that; the file is cut off or is \
         not a CIFAR-10 batch"
    )]
    Size {
        /// The file's size.
        bytes: usize,
    },

    /// A label is none of the ten.
    #[error("label {value} of image {index} is outside 0-9; the file is damaged or is not a CIFAR-10 batch")]
    Label {
        /// The image's place in the file, from 0.
        index: usize,
        /// The byte that should be its label, 0-9.
        value: u8,
    },

    /// `batches.meta.txt` does not name ten classes.
    #[error("{found} class names, expected {}, one per line; repair the file or remove it", CLASS_NAMES.len())]
    ClassNames {
        /// The number of names in it.
        found: usize,
    },

    /// Only test images are there.
    #[error("there is no training batch (data_batch_1.bin to data_batch_5.bin)")]
    NoTraining,

    /// The files are pickles, which can run programs.
    #[error("this is CIFAR-10 for Python, in a format that can run programs; get the binary version")]
    Python,
}

/// The folder with the binary files: `path` itself, or the folder of the official archive in it.
pub(crate) fn locate(path: &Path) -> Option<PathBuf> {
    let holds_any = |folder: &PathBuf| TRAIN.iter().chain([&TEST]).any(|file| folder.join(file).is_file());
    [path.to_path_buf(), path.join(FOLDER)].into_iter().find(holds_any)
}

/// Whether the files are those for Python.
pub(crate) fn is_for_python(path: &Path) -> bool {
    [path.to_path_buf(), path.join(PYTHON_FOLDER)].iter().any(|folder| folder.join("data_batch_1").is_file())
}

/// Opens whatever is present of CIFAR-10; what is missing is said in [`Dataset::warnings`].
///
/// # Errors
/// There is no training batch, or a file is damaged.
pub(crate) fn open(folder: &Path) -> Result<Dataset, DataError> {
    let mut warnings = Vec::new();
    let mut fingerprint = Fingerprint::new("cifar10");
    let (mut of_train, mut of_test) = (Fingerprint::new("cifar10"), Fingerprint::new("cifar10"));
    let mut batches = Vec::new();
    for file in TRAIN.into_iter().chain([TEST]) {
        let path = folder.join(file);
        if !path.is_file() {
            warnings.push(DataNote::Missing { file: shown(&path), lacks: None });
            continue;
        }
        fingerprint.bytes(file.as_bytes());
        fingerprint.file_ends(&path)?;
        let part = if file == TEST { &mut of_test } else { &mut of_train };
        part.bytes(file.as_bytes());
        part.file_ends(&path)?;
        batches.push((file == TEST, Batch::open(&path)?));
    }
    let (test, train): (Vec<_>, Vec<_>) = batches.into_iter().partition(|&(test, _)| test);
    if train.is_empty() {
        return Err(DataError::Cifar10 { path: folder.to_path_buf(), problem: Cifar10Problem::NoTraining });
    }
    let labeled = |batches: Vec<(bool, Batch)>| {
        let labels = batches.iter().flat_map(|(_, batch)| batch.labels()).collect();
        let parts = batches.into_iter().map(|(_, batch)| Arc::new(batch) as Arc<dyn ImageSource>).collect();
        LabeledImages { images: Arc::new(ConcatSource::new(parts)), labels }
    };
    let test = (!test.is_empty()).then(|| labeled(test));
    let parts = Fingerprints {
        train: of_train.finish(),
        test: if test.is_some() { of_test.finish() } else { String::new() },
        unlabeled: String::new(),
    };
    Ok(Dataset {
        name: "cifar10".into(),
        class_names: class_names(folder)?,
        train: Some(labeled(train)),
        test,
        unlabeled: Vec::new(),
        folds: None,
        fingerprint: fingerprint.finish(),
        parts,
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

fn class_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let path = folder.join(NAMES);
    if !path.is_file() {
        return Ok(CLASS_NAMES.map(String::from).to_vec());
    }
    let bytes = fs::read(&path).map_err(DataError::io("read", &path))?;
    let text = String::from_utf8_lossy(&bytes);
    let names: Vec<String> = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    match names.len() == CLASS_NAMES.len() {
        true => Ok(names),
        false => Err(DataError::Cifar10 { path, problem: Cifar10Problem::ClassNames { found: names.len() } }),
    }
}

/// One batch file.
struct Batch {
    archive: Arc<Archive>,
    name: String,
}

impl Batch {
    fn open(path: &Path) -> Result<Self, DataError> {
        let damaged = |problem| DataError::Cifar10 { path: path.to_path_buf(), problem };
        if fs::metadata(path).map_err(DataError::io("read", path))?.len() == 0 {
            return Err(damaged(Cifar10Problem::Size { bytes: 0 }));
        }
        let batch = Batch {
            archive: Archive::open(path)?,
            name: path.file_stem().unwrap_or_default().to_string_lossy().into(),
        };
        let bytes = batch.archive.bytes().len();
        if !bytes.is_multiple_of(RECORD) {
            return Err(damaged(Cifar10Problem::Size { bytes }));
        }
        let records = batch.archive.bytes().chunks_exact(RECORD).enumerate();
        match records.map(|(index, record)| (index, record[0])).find(|&(_, value)| value > 9) {
            Some((index, value)) => Err(damaged(Cifar10Problem::Label { index, value })),
            None => Ok(batch),
        }
    }

    fn labels(&self) -> impl Iterator<Item = u16> {
        self.archive.bytes().chunks_exact(RECORD).map(|record| u16::from(record[0]))
    }
}

impl ImageSource for Batch {
    fn len(&self) -> usize {
        self.archive.bytes().len() / RECORD
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let record = self
            .archive
            .bytes()
            .chunks_exact(RECORD)
            .nth(index)
            .ok_or_else(|| DataError::IndexOutOfRange { source_name: self.name.clone(), index, len: self.len() })?;
        (image.width, image.height) = (SIDE, SIDE);
        image.pixels.clear();
        image.pixels.extend_from_slice(&record[1..]);
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{}/{index}", self.name)
    }
}
