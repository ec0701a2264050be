//! A list of encoded images with labels and splits, as every format of single images gives it, and the way from
//! there to a [`Dataset`]: all of them looked through, divided into splits, checked class by class.

mod requirements;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::drawn_split::{self, Kept, UnsavedSplit};
use super::encoded::{Encoded, EncodedImages, Given, LookedThrough, Skipped, Stamp, look_through};
use super::error::{ImageProblem, Unlabelled};
use super::fingerprint::Fingerprint;
use super::first_use::Decoding;
use super::folder::{Need, OpenOptions, Saving};
use super::format::Format;
use super::known_names::KnownNames;
use super::labels;
use super::labels_csv::folder_of;
use super::look::Look;
use super::names::composed;
use super::note::{DataNote, shown};
use super::passed_over::PassedOver;
use super::saved_split::SavedSplit;
use super::split::{DataSplit, Split};
use super::subset::SubsetSource;
use super::{DataError, Dataset, Findings, Fingerprints, ImageSource, LabeledImages, NAMED_SKIPS, UnlabeledImages};

/// What a format found, before any image is decoded.
pub(crate) struct Listing {
    pub format: Format,
    /// What was opened, as it was named.
    pub root: PathBuf,
    pub class_names: Vec<String>,
    pub images: Vec<Listed>,
    /// Where a split that is drawn here is kept unless the options say otherwise.
    pub split_file: PathBuf,
    /// Files other than the images' own that were read: tables and archives.
    pub read_files: Vec<PathBuf>,
    /// What a person should know about how it was read.
    pub notes: Vec<DataNote>,
    pub warnings: Vec<DataNote>,
    /// See [`Dataset::no_labels`]; counts where no image has one.
    pub no_labels: Option<Unlabelled>,
}

/// Whether a format looks for labels. A pool for pre-training has none, whatever stands where labels do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    Read,
    Ignored,
}

/// One image of a listing.
pub(crate) struct Listed {
    pub encoded: Encoded,
    pub label: Option<u16>,
    pub split: Option<Split>,
}

/// The images of a listing that can be used.
#[derive(Clone, Copy)]
pub(crate) struct Usable<'a> {
    /// Sorted.
    pub indices: &'a [usize],
    /// What each of them looks like; nothing of those for pre-training that are decoded when they are first used.
    pub looks: &'a [Option<Look>],
}

/// The splits, as indices into a listing's images.
#[derive(Debug, Default)]
pub(crate) struct Divided {
    pub train: Vec<usize>,
    pub test: Vec<usize>,
    pub unlabeled: Vec<usize>,
    pub notes: Vec<DataNote>,
    pub warnings: Vec<DataNote>,
    pub split: DataSplit,
    /// A split that was drawn and is to be saved later.
    pub unsaved: Option<UnsavedSplit>,
}

/// The name of the file in which a drawn split is kept, in a folder.
pub(crate) const SPLIT_FILE: &str = "byol-split.csv";

impl Listing {
    /// A list without images yet; a drawn split is kept in it, where it is a folder, or beside it.
    pub fn new(format: Format, root: &Path) -> Self {
        let split_file = match root.is_dir() {
            true => root.join(SPLIT_FILE),
            false => root.with_extension(SPLIT_FILE),
        };
        Listing {
            format,
            root: root.to_path_buf(),
            class_names: Vec::new(),
            images: Vec::new(),
            split_file,
            read_files: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            no_labels: None,
        }
    }

    /// Decodes every image once, but for those for pre-training that wait, and makes a data set of those that can be used.
    ///
    /// # Errors
    /// As [`LookedThrough::refuse_bad`] and [`Listing::divide`].
    pub fn open(self, options: &OpenOptions) -> Result<Dataset, DataError> {
        if options.need == Need::Labels {
            self.require_labels()?;
            self.require_budget(options.labels_per_class)?;
        }
        let (listing, looked) = self.look_through(options)?;
        let usable = Usable { indices: &looked.kept, looks: looked.images.looks() };
        let divided = listing.divide(usable, options.split_file.as_deref(), options.saving)?;
        let warnings = looked.depths.warnings(options.levels);
        let mut dataset = listing.dataset(looked, divided);
        dataset.warnings.extend(warnings);
        Ok(dataset)
    }

    /// Decodes every labelled image once and makes a data set of those that can be used, all of them in `train`.
    ///
    /// # Errors
    /// As [`LookedThrough::refuse_bad`]; no image has a label.
    pub fn open_undivided(mut self, options: &OpenOptions) -> Result<Dataset, DataError> {
        self.require_a_label()?;
        self.images.retain(|listed| listed.label.is_some());
        let (listing, looked) = self.look_through(&OpenOptions { decoding: Decoding::AtOnce, ..options.clone() })?;
        let divided = listing.undivided(&looked.kept);
        let warnings = looked.depths.warnings(options.levels);
        let mut dataset = listing.dataset(looked, divided);
        dataset.warnings.extend(warnings);
        Ok(dataset)
    }

    /// Decodes every image once, unless they wait, and makes a pool of those that can be used and are in no test split, without
    /// looking at files that are known to be `unreadable`.
    ///
    /// # Errors
    /// As [`LookedThrough::refuse_bad`]; a saved split cannot be read.
    pub fn open_pool(self, options: &OpenOptions, unreadable: &HashSet<PathBuf>) -> Result<Pool, DataError> {
        let test = self.test_images(options.split_file.as_deref())?;
        let is_readable = |listed: &Listed| unreadable.is_empty() || !unreadable.contains(&listed.encoded.origin());
        let mut listing = self;
        let mut left_out = 0;
        let mut index = 0;
        listing.images.retain(|listed| {
            index += 1;
            let is_test = test.contains(&(index - 1));
            left_out += usize::from(is_test);
            !is_test && is_readable(listed)
        });
        let (listing, looked) = listing.look_through(options)?;
        let mut warnings = listing.warnings.clone();
        if left_out > 0 {
            warnings.push(self::left_out(left_out, &listing.root));
        }
        let fingerprint = listing.fingerprint(&looked, &Divided::default());
        warnings.extend(looked.depths.warnings(options.levels));
        let notes = listing.notes.iter().cloned().chain(too_large(&looked, &listing.root)).collect();
        let decoding = looked.decoding();
        let LookedThrough { images, skipped, .. } = looked;
        let sizes = images.sizes().to_vec();
        Ok(Pool {
            images: Arc::new(images),
            sizes,
            decoding,
            skipped,
            fingerprint,
            notes,
            warnings,
            passed_over: PassedOver::default(),
        })
    }

    /// The test images, where a split was given or drawn before. A drawn one is read where it is kept by default, and in
    /// `split_file`: which of the two the data is tested with is not known here, so the test images of both count.
    pub fn test_images(&self, split_file: Option<&Path>) -> Result<BTreeSet<usize>, DataError> {
        let marked = |split| {
            let images = self.images.iter().enumerate();
            images.filter(move |(_, listed)| listed.split == Some(split)).map(|(index, _)| index)
        };
        // As in `divide`, an image without a label divides nothing; in a listing without labels, all marks count.
        let divides = |&index: &usize| self.class_names.is_empty() || self.images[index].label.is_some();
        let mut test: BTreeSet<usize> = marked(Split::Test).collect();
        if test.iter().any(divides) {
            return Ok(test);
        }
        let validation: BTreeSet<usize> = marked(Split::Validation).collect();
        if validation.iter().any(divides) {
            test.extend(validation);
            return Ok(test);
        }
        let names: BTreeSet<String> = self.images.iter().map(|listed| composed(&listed.encoded.name)).collect();
        let known = KnownNames::of(names.into_iter().collect());
        let mut tests: HashSet<String> = HashSet::new();
        if self.split_file.is_file() {
            let named = SavedSplit::read(&self.split_file)?.among(&known, self.folder())?;
            let named = named.splits.into_iter().filter(|(_, split)| *split == Split::Test);
            tests.extend(named.map(|(place, _)| known.names()[place].clone()));
        }
        // One that was named may be of other data, whose names mean nothing here unless they are the same.
        if let Some(path) = split_file.filter(|path| path.is_file()) {
            tests.extend(SavedSplit::read(path)?.written_tests().map(str::to_owned));
        }
        let images = self.images.iter().enumerate();
        test.extend(
            images.filter(|(_, listed)| tests.contains(&composed(&listed.encoded.name))).map(|(index, _)| index),
        );
        Ok(test)
    }

    /// The folder that the names of images begin in.
    pub fn folder(&self) -> &Path {
        match self.root.is_dir() {
            true => &self.root,
            false => folder_of(&self.root),
        }
    }

    fn look_through(self, options: &OpenOptions) -> Result<(Listing, LookedThrough), DataError> {
        let given = |listed: &Listed| Given {
            encoded: listed.encoded.clone(),
            may_wait: listed.label.is_none() || listed.split == Some(Split::Unlabeled),
        };
        let looked = look_through(self.images.iter().map(given).collect(), options).refuse_bad(&self.root, options)?;
        Ok((self, looked))
    }

    /// Divides the usable images. Without a test split a validation split takes its place; without
    /// either one is drawn, or the one that was drawn before is read.
    ///
    /// # Errors
    /// There is only one class; a class has no training image, or too few to draw a test split; a saved split cannot
    /// be read or does not belong to the data, or a new one cannot be saved.
    pub fn divide(&self, usable: Usable<'_>, split_file: Option<&Path>, saving: Saving) -> Result<Divided, DataError> {
        let marked = |split| self.images.iter().any(|listed| listed.split == Some(split) && listed.label.is_some());
        let (test, validation) = (marked(Split::Test), marked(Split::Validation));
        let mut divided = Divided::default();
        let counts = self.count(usable.indices);
        for (class, (name, &images)) in self.class_names.iter().zip(&counts).enumerate().filter(|(_, (_, n))| **n > 0) {
            if let Some(meant) = labels::misspelt(&self.class_names, &counts, class) {
                divided.warnings.push(DataNote::Misspelt { class: name.clone(), images, meant: meant.to_owned() });
            }
        }
        for (place, name) in self.class_names.iter().enumerate() {
            let like = |other: &&String| other.to_lowercase() == name.to_lowercase();
            if let Some(other) = self.class_names[place + 1..].iter().find(like) {
                divided.warnings.push(DataNote::CapitalsDiffer { class: name.clone(), other: other.clone() });
            }
        }
        let (mut unlabeled_tests, mut joined) = (0, 0);
        for &index in usable.indices {
            let listed = &self.images[index];
            let part = match (listed.label, listed.split) {
                (None, split) => {
                    unlabeled_tests += usize::from(split == Some(Split::Test));
                    &mut divided.unlabeled
                }
                (Some(_), Some(Split::Unlabeled)) => &mut divided.unlabeled,
                (Some(_), Some(Split::Test)) => &mut divided.test,
                (Some(_), Some(Split::Validation)) if !test => &mut divided.test,
                (Some(_), split) => {
                    joined += usize::from(split == Some(Split::Validation));
                    &mut divided.train
                }
            };
            part.push(index);
        }
        if unlabeled_tests > 0 {
            divided.warnings.push(DataNote::TestWithoutLabels { images: unlabeled_tests });
        }
        if joined > 0 {
            divided.warnings.push(DataNote::ValidationTrained { images: joined });
        }
        if !divided.train.is_empty() || !divided.test.is_empty() {
            self.refuse_one_class()?;
        }
        if !test && !validation && !divided.train.is_empty() {
            let path = split_file.unwrap_or(&self.split_file);
            drawn_split::divide(self, &mut divided, usable, Kept { path, saving })?;
        } else {
            divided.warnings.extend(split_file.map(unused_split));
        }
        self.check_classes(&mut divided)?;
        Ok(divided)
    }

    /// What [`divide`](Self::divide) refuses to divide, with all labelled images together in `train`.
    pub fn undivided(&self, usable: &[usize]) -> Divided {
        let (train, unlabeled) = usable.iter().partition(|&&index| self.images[index].label.is_some());
        Divided { train, unlabeled, ..Divided::default() }
    }

    /// Images per class among these.
    pub fn count(&self, indices: &[usize]) -> Vec<usize> {
        let mut counts = vec![0; self.class_names.len()];
        for label in indices.iter().filter_map(|&index| self.images[index].label) {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    pub fn dataset(self, looked: LookedThrough, divided: Divided) -> Dataset {
        let fingerprint = self.fingerprint(&looked, &divided);
        let parts = self.fingerprints(&looked, &divided);
        let too_large = too_large(&looked, &self.root);
        let decoding = looked.decoding();
        let LookedThrough { images, kept, skipped, .. } = looked;
        let no_labels = self.no_labels.filter(|_| divided.train.is_empty() && divided.test.is_empty());
        let mut notes = self.notes;
        notes.extend(divided.notes);
        notes.extend(too_large);
        let images: Arc<EncodedImages> = Arc::new(images);
        let place: HashMap<usize, usize> = kept.into_iter().enumerate().map(|(place, index)| (index, place)).collect();
        let subset = |indices: &[usize]| -> Arc<dyn ImageSource> {
            let places = indices.iter().map(|index| place[index]).collect();
            Arc::new(SubsetSource::new(Arc::clone(&images) as Arc<dyn ImageSource>, places))
        };
        let labeled = |indices: &[usize]| {
            (!indices.is_empty()).then(|| LabeledImages {
                images: subset(indices),
                labels: indices.iter().filter_map(|&index| self.images[index].label).collect(),
            })
        };
        let unlabeled = (!divided.unlabeled.is_empty())
            .then(|| UnlabeledImages::of("unlabeled".into(), subset(&divided.unlabeled), decoding));
        let mut warnings = self.warnings;
        warnings.extend(divided.warnings);
        warnings.extend(describe(&skipped, &self.root));
        let mut findings = Findings::default();
        findings.name_unreadable(&skipped);
        Dataset {
            name: name_of(&self.root),
            class_names: self.class_names,
            train: labeled(&divided.train),
            test: labeled(&divided.test),
            unlabeled: unlabeled.into_iter().collect(),
            folds: None,
            fingerprint,
            parts,
            notes,
            warnings,
            skipped: skipped.len(),
            no_labels,
            findings,
            split: divided.split,
            kept_from_pretraining: Vec::new(),
            unreadable: skipped.into_iter().map(|skip| skip.path).collect(),
            unsaved_split: divided.unsaved,
        }
    }

    /// A hash of names, encoded sizes, labels and splits. An image rewritten with other content of the same size goes
    /// unseen.
    fn fingerprint(&self, looked: &LookedThrough, divided: &Divided) -> String {
        let mut fingerprint = Fingerprint::new(self.format.word());
        for name in &self.class_names {
            fingerprint.bytes(name.as_bytes());
        }
        for (&index, stamp) in looked.kept.iter().zip(&looked.stamps) {
            let listed = &self.images[index];
            fingerprint.bytes(listed.encoded.name.as_bytes());
            stamp.add_to(&mut fingerprint);
            fingerprint.number(listed.label.map_or(0, |label| u64::from(label) + 1));
        }
        for part in [&divided.train, &divided.test, &divided.unlabeled] {
            fingerprint.number(part.len() as u64);
            for &index in part {
                fingerprint.number(index as u64);
            }
        }
        fingerprint.finish()
    }

    /// Hashes of the splits by themselves: names, encoded sizes and classes of their images.
    fn fingerprints(&self, looked: &LookedThrough, divided: &Divided) -> Fingerprints {
        let stamps: HashMap<usize, Stamp> = looked.kept.iter().copied().zip(looked.stamps.iter().copied()).collect();
        let part = |indices: &[usize]| {
            if indices.is_empty() {
                return String::new();
            }
            let mut fingerprint = Fingerprint::new(self.format.word());
            for index in indices {
                let listed = &self.images[*index];
                fingerprint.bytes(listed.encoded.name.as_bytes());
                stamps.get(index).copied().unwrap_or_default().add_to(&mut fingerprint);
                let class = listed.label.map(|label| self.class_names[usize::from(label)].as_str());
                fingerprint.bytes(class.unwrap_or_default().as_bytes());
            }
            fingerprint.finish()
        };
        Fingerprints { train: part(&divided.train), test: part(&divided.test), unlabeled: part(&divided.unlabeled) }
    }
}

/// Images for pre-training.
pub(crate) struct Pool {
    pub images: Arc<dyn ImageSource>,
    /// (width, height) of each; empty where they are not known without reading them.
    pub sizes: Vec<(usize, usize)>,
    /// When they are decoded.
    pub decoding: Decoding,
    pub skipped: Vec<Skipped>,
    pub fingerprint: String,
    pub notes: Vec<DataNote>,
    pub warnings: Vec<DataNote>,
    pub passed_over: PassedOver,
}

/// Notes, where the images do not stay in memory.
fn too_large(looked: &LookedThrough, root: &Path) -> Vec<DataNote> {
    let decoded = (!looked.images.in_memory()).then(|| DataNote::NotInMemory { root: shown(root) });
    let waiting = (looked.waiting > 0).then(|| DataNote::DecodedLater { images: looked.waiting, root: shown(root) });
    decoded.into_iter().chain(waiting).collect()
}

/// The warning about test images in a pool.
pub(crate) fn left_out(images: usize, root: &Path) -> DataNote {
    DataNote::TestImagesLeftOut { images, root: shown(root) }
}

/// The warning about a file for a split that nobody draws.
pub(crate) fn unused_split(file: &Path) -> DataNote {
    DataNote::SplitNotUsed { file: shown(file) }
}

/// Warnings about skipped images: some by name, the rest counted.
pub(crate) fn describe(skipped: &[Skipped], root: &Path) -> Vec<DataNote> {
    let is_row = |skip: &&Skipped| matches!(skip.problem, ImageProblem::NamedInTable(_));
    let (rows, files): (Vec<&Skipped>, Vec<&Skipped>) = skipped.iter().partition(is_row);
    let line = |skip: &&Skipped| DataNote::LineSkipped { problem: skip.problem.to_string() };
    let mut notes: Vec<DataNote> = rows.iter().take(NAMED_SKIPS).map(line).collect();
    if rows.len() > NAMED_SKIPS {
        notes.push(DataNote::MoreLinesSkipped { lines: rows.len() - NAMED_SKIPS });
    }
    let file = |skip: &&Skipped| DataNote::Skipped { path: shown(&skip.path), problem: skip.problem.to_string() };
    notes.extend(files.iter().take(NAMED_SKIPS).map(file));
    if files.len() > NAMED_SKIPS {
        notes.push(DataNote::MoreSkipped { files: files.len() - NAMED_SKIPS, root: shown(root) });
    }
    notes
}

/// What a data set at this path is called: the name of its folder or file.
pub(crate) fn name_of(root: &Path) -> String {
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    whole.file_name().map_or_else(|| root.display().to_string(), |name| name.to_string_lossy().into_owned())
}
