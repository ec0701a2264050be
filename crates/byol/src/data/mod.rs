//! Image data: where pictures and labels come from. No randomness of training and no pixels of views live here.

mod concat;
pub mod error;
pub mod fetch;
mod fingerprint;
pub mod folder;
pub mod info;
pub mod patterns;
pub mod picture;
pub mod splits;
pub mod stl10;

use std::path::Path;
use std::sync::Arc;

pub use concat::ConcatSource;
pub use error::DataError;
pub use folder::OpenOptions;

use fingerprint::Fingerprint;
use folder::FolderSource;

/// The name that stands for the embedded set where a folder is expected.
pub const PATTERNS: &str = "patterns";

/// Warnings about skipped pictures name this many of them; all are counted.
const NAMED_SKIPS: usize = 5;

/// One decoded picture.
///
/// # Shapes
/// `pixels` is uint8, `[3, height, width]` (red, green, blue planes), row by row, 0-255.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

/// A random-access collection of pictures.
pub trait ImageSource: Send + Sync {
    /// How many pictures there are.
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads picture `index` (`0..len`) into `image`, reusing its buffer.
    ///
    /// # Errors
    /// The file cannot be read or decoded any more; the error names it.
    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError>;

    /// A short name of a picture for people: a file name, or `train/17`.
    fn name(&self, index: usize) -> String;
}

/// Pictures with labels.
#[derive(Clone)]
pub struct LabeledImages {
    pub images: Arc<dyn ImageSource>,
    /// One class index (`0..class_names.len()`) per picture.
    pub labels: Vec<u16>,
}

/// A pool of pictures without labels.
#[derive(Clone)]
pub struct UnlabeledImages {
    /// What a person calls it: `unlabeled`, a folder's path as it was given.
    pub name: String,
    pub images: Arc<dyn ImageSource>,
}

/// Everything that was found under one `--data`, plus every `--unlabeled`.
#[derive(Clone)]
pub struct Dataset {
    /// `stl10`, `patterns`.
    pub name: String,
    pub class_names: Vec<String>,
    pub train: Option<LabeledImages>,
    pub test: Option<LabeledImages>,
    pub unlabeled: Vec<UnlabeledImages>,
    /// Predefined folds: zero-based indices into `train`.
    pub folds: Option<Vec<Vec<usize>>>,
    /// Identifies the data in a run directory: the same files give the same string.
    pub fingerprint: String,
    /// What was odd but not fatal, one sentence each (skipped files, missing fold file).
    pub warnings: Vec<String>,
    /// Files that could not be read and were left out.
    pub skipped: usize,
}

impl Dataset {
    /// Opens what `--data` names: a folder with STL-10's binary files (or with a `stl10_binary/` that holds them), or,
    /// if `path` is exactly `patterns`, the embedded set.
    ///
    /// # Errors
    /// There is no such folder, it holds no data set, or a file of it is damaged.
    pub fn open(path: impl AsRef<Path>, _options: &OpenOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        if path == Path::new(PATTERNS) {
            return Ok(patterns::dataset());
        }
        if !path.exists() {
            return Err(DataError::NotFound { path: path.to_path_buf() });
        }
        if !path.is_dir() {
            return Err(DataError::NotAFolder { path: path.to_path_buf() });
        }
        match stl10::locate(path) {
            Some(folder) => stl10::open(&folder),
            None if folder::holds_pictures(path) => Err(DataError::FolderOfPictures { path: path.to_path_buf() }),
            None => Err(DataError::UnknownDataset { path: path.to_path_buf() }),
        }
    }

    /// Adds the pictures of a folder, as `--unlabeled` names it. Skipped ones are counted in
    /// [`skipped`](Self::skipped) and reported in [`warnings`](Self::warnings); the fingerprint takes the folder in.
    ///
    /// # Errors
    /// As [`FolderSource::open`]; the data set is then as it was.
    pub fn add_unlabeled(&mut self, path: impl AsRef<Path>, options: &OpenOptions) -> Result<(), DataError> {
        let path = path.as_ref();
        let source = FolderSource::open(path, options)?;
        let skipped = source.skipped();
        let named = skipped.iter().take(NAMED_SKIPS);
        self.warnings.extend(named.map(|skip| format!("skipped {}: {}", skip.path.display(), skip.problem)));
        if skipped.len() > NAMED_SKIPS {
            let more = skipped.len() - NAMED_SKIPS;
            self.warnings.push(format!("skipped {more} more files in {}", path.display()));
        }
        self.skipped += skipped.len();
        let mut fingerprint = Fingerprint::new("with unlabelled folder");
        fingerprint.bytes(self.fingerprint.as_bytes());
        fingerprint.bytes(source.fingerprint().as_bytes());
        self.fingerprint = fingerprint.finish();
        self.unlabeled.push(UnlabeledImages { name: path.display().to_string(), images: Arc::new(source) });
        Ok(())
    }

    /// What a pre-training may learn from, in this order: the unlabelled split, every `--unlabeled`, and the training
    /// images without their labels (`train`). [`ConcatSource`] makes one source of them.
    pub fn pretraining_pool(&self) -> Vec<UnlabeledImages> {
        let train = self.train.as_ref();
        let train = train.map(|train| UnlabeledImages { name: "train".into(), images: Arc::clone(&train.images) });
        self.unlabeled.iter().cloned().chain(train).collect()
    }
}

#[cfg(test)]
mod tests;
