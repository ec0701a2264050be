//! Image data: where images and labels come from. No randomness of training and no pixels of views live here.

mod builder;
pub mod cifar10;
mod class_folders;
mod concat;
mod copies;
pub mod corrections;
pub mod decode;
#[doc(hidden)]
pub mod depths;
mod drawn_split;
pub mod duplicates;
mod encoded;
pub mod error;
pub mod fetch;
pub mod findings;
mod fingerprint;
pub mod first_use;
pub mod folder;
pub mod format;
pub mod hf_parquet;
pub mod info;
mod known_names;
pub mod labelling;
mod labels;
pub mod labels_csv;
mod layout;
pub mod levels;
mod lines;
mod listing;
pub mod look;
mod meant;
mod missing_files;
mod names;
pub mod note;
mod origin;
pub mod pack;
mod parquet_table;
pub mod passed_over;
pub mod patterns;
mod saved_split;
mod split;
pub mod splits;
#[doc(hidden)]
pub mod spool;
pub mod stl10;
mod subset;
mod table;
mod table_files;
mod tables;
mod tar_samples;
pub mod webdataset;
mod words;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use builder::DatasetBuilder;
pub use concat::ConcatSource;
pub use drawn_split::UnsavedSplit;
pub use error::{DataError, Unlabelled};
pub use findings::Findings;
pub use fingerprint::Fingerprints;
pub use first_use::Decoding;
pub use folder::{Need, OpenOptions, Saving};
pub use levels::Levels;
pub use note::DataNote;
pub use split::{DataSplit, Split};

pub use subset::SubsetSource;

pub use copies::Pools;

use encoded::Place;
use fingerprint::Fingerprint;
use first_use::{Barred, FirstUse, NotUsed};
use format::{EncodedSet, Found, PixelSet};
use listing::{Labels, Listed, Pool};
use note::shown;
use passed_over::PassedOver;

/// The name that stands for the embedded set where a folder is expected.
pub const PATTERNS: &str = "patterns";

/// That there is something at a path that is to be opened; looks at nothing in it.
///
/// # Errors
/// There is nothing.
#[doc(hidden)]
pub fn require(path: &Path) -> Result<(), DataError> {
    match path == Path::new(PATTERNS) || path.exists() {
        true => Ok(()),
        false => Err(DataError::NotFound { path: path.to_path_buf() }),
    }
}

/// The files of the labelled images under a path with their classes' names, as `--data` takes them from class folders and tables; none
/// where the labels are in other files than the images. Nothing is decoded.
///
/// # Errors
/// As [`Dataset::open`], as far as that is known without decoding.
#[doc(hidden)]
pub fn labelled_files(path: &Path) -> Result<Vec<(PathBuf, String)>, DataError> {
    let Found::Encoded(found @ (EncodedSet::Csv { .. } | EncodedSet::Folder { .. })) = format::find(path)? else {
        return Ok(Vec::new());
    };
    let listing = found.list(Labels::Read)?;
    let file = |listed: Listed| match (listed.encoded.place, listed.label) {
        (Place::File(path), Some(label)) => Some((path, listing.class_names[usize::from(label)].clone())),
        _ => None,
    };
    Ok(listing.images.into_iter().filter_map(file).collect())
}

/// What the training images are called among the pools of a pre-training.
pub(crate) const TRAIN: &str = "train";

/// Warnings about skipped images name this many of them; all are counted.
const NAMED_SKIPS: usize = 5;

/// One decoded image.
///
/// # Shapes
/// `pixels` is uint8, `[3, height, width]` (red, green, blue planes), row by row, 0-255.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// `3 * height * width` levels.
    pub pixels: Vec<u8>,
}

/// A random-access collection of images.
pub trait ImageSource: Send + Sync {
    /// How many images there are.
    fn len(&self) -> usize;

    /// Whether there is no image.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads image `index` (`0..len`) into `image`, reusing its buffer.
    ///
    /// # Errors
    /// The file cannot be read or decoded any more; the error names it.
    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError>;

    /// A short name of an image for people: a file name, or `train/17`.
    fn name(&self, index: usize) -> String;

    /// Where an image lies that lies in a file: the same path for the same image, however it was reached. In an
    /// archive it is the archive's path, followed by the name within. Test images are known again by it among those of
    /// [`Dataset::add_unlabeled`].
    fn origin(&self, index: usize) -> Option<PathBuf> {
        let _ = index;
        None
    }

    /// What an image looks like, where that is known without reading it: copies are found by it.
    fn look(&self, index: usize) -> Option<&look::Look> {
        let _ = index;
        None
    }
}

/// Images with labels.
#[derive(Clone)]
pub struct LabeledImages {
    /// The images.
    pub images: Arc<dyn ImageSource>,
    /// One class index (`0..class_names.len()`) per image.
    pub labels: Vec<u16>,
}

/// A pool of images without labels.
#[derive(Clone)]
pub struct UnlabeledImages {
    /// What a person calls it: `unlabeled`, a folder's path as it was given.
    pub name: String,
    /// The images.
    pub images: Arc<dyn ImageSource>,
    /// The same images, where they are judged when they are first used ([`Decoding::AtFirstUse`]).
    pub judged_later: Option<Arc<FirstUse>>,
}

impl UnlabeledImages {
    /// Images that have been looked through, or are drawn.
    pub fn new(name: String, images: Arc<dyn ImageSource>) -> Self {
        UnlabeledImages { name, images, judged_later: None }
    }

    /// When its images are decoded for the first time.
    pub fn decoding(&self) -> Decoding {
        match self.judged_later {
            Some(_) => Decoding::AtFirstUse,
            None => Decoding::AtOnce,
        }
    }

    /// Images that wait to be judged, or have been.
    fn of(name: String, images: Arc<dyn ImageSource>, decoding: Decoding) -> Self {
        match decoding {
            Decoding::AtFirstUse => UnlabeledImages::waiting(name, images, Barred::default()),
            Decoding::AtOnce => UnlabeledImages::new(name, images),
        }
    }

    fn waiting(name: String, images: Arc<dyn ImageSource>, barred: Barred) -> Self {
        let judged = Arc::new(FirstUse::new(name.clone(), images, barred));
        UnlabeledImages { name, images: Arc::clone(&judged) as Arc<dyn ImageSource>, judged_later: Some(judged) }
    }
}

/// Everything that was found under one `--data`, plus every `--unlabeled`.
#[derive(Clone)]
pub struct Dataset {
    /// `stl10`, `patterns`, or the name of the folder or file.
    pub name: String,
    /// Names of the classes; their places are the class indices. Empty without labels.
    pub class_names: Vec<String>,
    /// Labelled images to train with; none where there are no labels.
    pub train: Option<LabeledImages>,
    /// Labelled images to judge with; none where there is no test.
    pub test: Option<LabeledImages>,
    /// Images without labels: the data's own split, then every `--unlabeled`.
    pub unlabeled: Vec<UnlabeledImages>,
    /// Predefined folds: zero-based indices into `train`.
    pub folds: Option<Vec<Vec<usize>>>,
    /// Identifies the data in a run directory: the same files give the same string.
    pub fingerprint: String,
    /// Identifies each part by itself.
    pub parts: Fingerprints,
    /// What a person should know about how it was opened (a split that was drawn).
    pub notes: Vec<DataNote>,
    /// What was odd but not fatal (skipped files, missing fold file).
    pub warnings: Vec<DataNote>,
    /// Files that could not be read and were left out.
    pub skipped: usize,
    /// Where no image has a label: why, and how labels would be given, for whoever needs some.
    pub no_labels: Option<Unlabelled>,
    /// What was found, in figures and names, for the record of a run.
    pub findings: Findings,
    /// Where the division into training and test images comes from.
    pub split: DataSplit,
    /// Training images (indices into `train`, sorted) that pre-training does not see, because they are copies of test images
    /// ([`look_for_copies`](Self::look_for_copies)).
    pub kept_from_pretraining: Vec<usize>,
    /// Files that could not be read and were left out, those of pools too.
    pub unreadable: Vec<PathBuf>,
    /// A split that was drawn and is not saved yet.
    pub unsaved_split: Option<UnsavedSplit>,
}

impl Dataset {
    /// Opens what `--data` names: the embedded set if `path` is exactly `patterns`, or a folder or file of one of the
    /// kinds in [`mod@format`]. Images are decoded once, to find those that cannot be used; those for pre-training may wait
    /// ([`decoding`](OpenOptions::decoding)).
    ///
    /// Labelled images that are not divided into training and test images are divided by a split that is drawn once
    /// and saved ([`split_file`](OpenOptions::split_file), [`saving`](OpenOptions::saving)).
    ///
    /// Labels that people corrected are taken so ([`corrections`](OpenOptions::corrections)).
    ///
    /// # Errors
    /// Nothing is there, it holds no data set, or a file of it is damaged; the classes are too few or too small; a drawn
    /// split cannot be saved; corrections cannot be applied.
    pub fn open(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, DataError> {
        match format::find(path.as_ref())? {
            Found::Encoded(found) => {
                let listing = found.list_with(Labels::Read, options.companions.as_deref())?;
                let passed_over = PassedOver::beside(&found, &listing);
                let mut dataset = listing.open(options)?;
                dataset.warnings.extend(passed_over.notes());
                dataset.corrected(path.as_ref(), options)
            }
            Found::Pixels(found) => {
                let mut dataset = Self::open_pixels(&found, options)?;
                dataset.warnings.extend(options.split_file.as_deref().map(listing::unused_split));
                dataset.corrected(path.as_ref(), options)
            }
        }
    }

    /// With the corrections that lie beside the data, where there are some and they are wanted.
    fn corrected(self, path: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        match corrections::place(path).filter(|file| options.corrections && file.exists()) {
            Some(file) => Ok(corrections::Corrections::read(&file)?.apply(self)?.data),
            None => Ok(self),
        }
    }

    /// As [`open`](Self::open), for whoever judges or calibrates what is trained already: all labelled images are together in `train`,
    /// whatever split they are of. None is drawn, and one class is enough.
    ///
    /// # Errors
    /// Nothing is there, it holds no data set, or a file of it is damaged; no image has a label.
    pub fn open_labelled(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, DataError> {
        let found = match format::find(path.as_ref())? {
            Found::Encoded(found) => {
                return found.list(Labels::Read)?.open_undivided(options)?.corrected(path.as_ref(), options);
            }
            Found::Pixels(found) => found,
        };
        let mut dataset = Self::open_pixels(&found, options)?;
        let parts: Vec<LabeledImages> = dataset.train.take().into_iter().chain(dataset.test.take()).collect();
        if parts.is_empty() {
            return Err(DataError::NoLabels(format!("no image of {} has a label", path.as_ref().display())));
        }
        let labels = parts.iter().flat_map(|part| part.labels.iter().copied()).collect();
        let images = Arc::new(ConcatSource::new(parts.into_iter().map(|part| part.images).collect()));
        Dataset { train: Some(LabeledImages { images, labels }), ..dataset }.corrected(path.as_ref(), options)
    }

    /// Saves the train/test split that was drawn, where [`OpenOptions::saving`] left it for later.
    ///
    /// # Errors
    /// It cannot be written, or another one was saved there meanwhile.
    pub fn save_split(&self) -> Result<(), DataError> {
        self.unsaved_split.as_ref().map_or(Ok(()), UnsavedSplit::save)
    }

    /// That a train/test split that was drawn can be saved, before anything rests on it; nothing stays of the trial.
    ///
    /// # Errors
    /// No file can be made at its place.
    pub fn check_split_place(&self) -> Result<(), DataError> {
        self.unsaved_split.as_ref().map_or(Ok(()), UnsavedSplit::check_place)
    }

    /// Opens the sets that are not lists of encoded images.
    fn open_pixels(found: &PixelSet, options: &OpenOptions) -> Result<Self, DataError> {
        match found {
            PixelSet::Stl10 { folder } => stl10::open(folder),
            PixelSet::Cifar10 { folder } => cifar10::open(folder),
            PixelSet::Pack { file } => pack::open(file, Some(options.levels)),
            PixelSet::Patterns => Ok(patterns::dataset()),
        }
    }

    /// Adds the images of whatever [`open`](Self::open) opens, as `--unlabeled` names it, without their labels. Left
    /// out are its own test images, by its division or a saved split (beside it, or
    /// [`split_file`](OpenOptions::split_file)), and every image that is a test image of this data set (see
    /// [`ImageSource::origin`]); how many is said. Skipped ones are counted in [`skipped`](Self::skipped) and reported in
    /// [`warnings`](Self::warnings); the fingerprint takes the images in.
    ///
    /// # Errors
    /// As [`open`](Self::open); all images are test images; the data set is then as it was.
    pub fn add_unlabeled(&mut self, path: impl AsRef<Path>, options: &OpenOptions) -> Result<(), DataError> {
        let pool = self.open_pool(path.as_ref(), options)?;
        self.add_pool(path.as_ref(), pool).map(|_| ())
    }

    /// What `--unlabeled` names, without its own test images, and without files that are known not to be readable.
    fn open_pool(&self, path: &Path, options: &OpenOptions) -> Result<Pool, DataError> {
        let found = match format::find(path) {
            Err(DataError::UnknownDataset { path }) => return Err(DataError::NoImages { path }),
            found => found?,
        };
        // What repeats in several pools is known for one that waits, among those that do not.
        let waits = self.unlabeled.iter().any(|pool| pool.judged_later.is_some());
        let decoding = if waits { Decoding::AtOnce } else { options.decoding };
        let options = &OpenOptions { decoding, ..options.clone() };
        match found {
            Found::Encoded(found) => {
                let listing = found.list_with(Labels::Ignored, options.companions.as_deref())?;
                let passed_over = PassedOver::beside(&found, &listing);
                // With `strict` they are errors, however often they are met.
                let unreadable = self.unreadable.iter().filter(|_| !options.strict);
                let known = unreadable.map(|path| origin::of(path)).collect();
                Ok(Pool { passed_over, ..listing.open_pool(options, &known)? })
            }
            Found::Pixels(found) => Ok(Self::open_pixels(&found, options)?.into_pool(path)),
        }
    }

    /// Adds a pool but for the images that are test images of this data set; says how many are.
    fn add_pool(&mut self, path: &Path, pool: Pool) -> Result<usize, DataError> {
        let Pool { images, decoding, skipped, fingerprint: of_pool, notes, warnings, passed_over, .. } = pool;
        let (images, left_out) = self.without_test_images(images);
        if images.is_empty() {
            return Err(DataError::OnlyTestImages { path: path.to_path_buf() });
        }
        if left_out > 0 {
            self.notes.push(DataNote::TestImagesOfData { images: left_out, root: shown(path) });
        }
        self.notes.extend(notes);
        self.warnings.extend(warnings);
        self.warnings.extend(passed_over.notes());
        self.warnings.extend(listing::describe(&skipped, path));
        self.skipped += skipped.len();
        self.unreadable.extend(skipped.iter().map(|skip| skip.path.clone()));
        self.findings.name_unreadable(&skipped);
        let mut fingerprint = Fingerprint::new("with unlabelled folder");
        fingerprint.bytes(self.fingerprint.as_bytes());
        fingerprint.bytes(of_pool.as_bytes());
        self.fingerprint = fingerprint.finish();
        self.parts.add_unlabeled(&of_pool);
        self.unlabeled.push(UnlabeledImages::of(path.display().to_string(), images, decoding));
        Ok(left_out)
    }

    /// All but the test images, without labels.
    fn into_pool(self, path: &Path) -> Pool {
        let left_out = self.test.as_ref().map_or(0, |test| test.images.len());
        let mut warnings = Vec::new();
        if left_out > 0 {
            warnings.push(listing::left_out(left_out, path));
        }
        let images = Arc::new(ConcatSource::from(self.pretraining_pool()));
        Pool {
            images,
            sizes: Vec::new(),
            decoding: Decoding::AtOnce,
            skipped: Vec::new(),
            fingerprint: self.fingerprint,
            notes: self.notes,
            warnings,
            passed_over: PassedOver::default(),
        }
    }

    /// The images of a pool that are no test images of this data set, and how many are.
    fn without_test_images(&self, pool: Arc<dyn ImageSource>) -> (Arc<dyn ImageSource>, usize) {
        let test = self.test.as_ref().map(|test| &test.images);
        let tests: HashSet<PathBuf> =
            test.into_iter().flat_map(|test| (0..test.len()).filter_map(|index| test.origin(index))).collect();
        if tests.is_empty() {
            return (pool, 0);
        }
        let is_test = |index: &usize| pool.origin(*index).is_some_and(|origin| tests.contains(&origin));
        let kept: Vec<usize> = (0..pool.len()).filter(|index| !is_test(index)).collect();
        match pool.len() - kept.len() {
            0 => (pool, 0),
            left_out => (Arc::new(SubsetSource::new(pool, kept)), left_out),
        }
    }

    /// What has been found so far of the pool whose images are judged when they are first used.
    pub fn not_used(&self) -> Vec<NotUsed> {
        self.waiting().map(|judged| judged.not_used()).unwrap_or_default()
    }

    /// Takes over what an earlier sitting found of the pool whose images are judged when they are first used.
    pub fn recall(&self, found: &[NotUsed]) {
        if let Some(judged) = self.waiting() {
            judged.recall(found);
        }
    }

    /// [`findings`](Self::findings), and the number of [`skipped`](Self::skipped) files, with what was not used for these reasons.
    pub fn with_not_used(&self, found: &[NotUsed]) -> (Findings, usize) {
        let mut findings = self.findings.clone();
        let Some(judged) = self.waiting() else { return (findings, self.skipped) };
        let unreadable = findings.add_not_used(found, judged.left_out(found));
        (findings, self.skipped + unreadable)
    }

    /// What there is to say of images that are not used.
    pub fn notes_of(&self, found: &[NotUsed]) -> Vec<DataNote> {
        let Some(judged) = self.waiting() else { return Vec::new() };
        let left_out = judged.left_out(found);
        first_use::describe(found, &left_out.pool).into_iter().chain(left_out.notes()).collect()
    }

    fn waiting(&self) -> Option<&FirstUse> {
        self.unlabeled.iter().find_map(|pool| pool.judged_later.as_deref())
    }

    /// What a pre-training may learn from, in this order: the unlabelled split, every `--unlabeled`, and the training
    /// images without their labels (`train`). [`ConcatSource`] makes one source of them.
    pub fn pretraining_pool(&self) -> Vec<UnlabeledImages> {
        let train = self.train.as_ref();
        let train =
            train.map(|train| UnlabeledImages::new(TRAIN.into(), without(&train.images, &self.kept_from_pretraining)));
        self.unlabeled.iter().cloned().chain(train).collect()
    }

    /// What self-training may learn from beside the labelled images `labelled` (indices of training images): as
    /// [`Dataset::pretraining_pool`], in that order, without these.
    pub fn selftraining_pool(&self, labelled: &[usize]) -> Vec<UnlabeledImages> {
        let train = self.train.as_ref().map(|train| {
            let mut left_out = [labelled, &self.kept_from_pretraining].concat();
            left_out.sort_unstable();
            UnlabeledImages::new(TRAIN.into(), without(&train.images, &left_out))
        });
        self.unlabeled.iter().cloned().chain(train).filter(|pool| !pool.images.is_empty()).collect()
    }
}

/// The images without those at `left_out` (sorted).
fn without(images: &Arc<dyn ImageSource>, left_out: &[usize]) -> Arc<dyn ImageSource> {
    if left_out.is_empty() {
        return Arc::clone(images);
    }
    let kept = (0..images.len()).filter(|index| left_out.binary_search(index).is_err()).collect();
    Arc::new(SubsetSource::new(Arc::clone(images), kept))
}

#[cfg(test)]
mod tests;
