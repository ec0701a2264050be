//! What is there under one path: images per split and class, folds, missing and damaged files. Describes; trains on
//! nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::copies::Labelled;
use super::duplicates::{Seen, look_at_all, straddling};
use super::encoded::{Given, LookedThrough, Skipped, look_through};
use super::error::Stl10Problem;
use super::findings::{Contradiction, LeftOut, Repeated, Straddling, few_test_images};
use super::folder::{OpenOptions, Saving};
use super::format::{self, Format, Found, PixelSet};
use super::listing::{Divided, Listing, Usable};
use super::look::Look;
use super::note::DataNote;
use super::passed_over::PassedOver;
use super::stl10::{self, Stl10Images};
use super::{DataError, Dataset, Image, ImageSource, LabeledImages, PATTERNS, cifar10, pack, patterns};
use salvage::Salvaged;

/// An inventory of one data set or folder.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct DataInfo {
    /// What kind of data it is.
    pub kind: Format,
    /// Where the files lie: the folder as given, or the `stl10_binary` in it.
    pub path: PathBuf,
    /// `train`, `test`, `unlabeled`, as far as they are there and undamaged.
    pub splits: Vec<SplitInfo>,
    /// Names of the classes; their places are the class indices. Empty without labels.
    pub class_names: Vec<String>,
    /// How many images each predefined fold holds.
    pub fold_sizes: Option<Vec<usize>>,
    /// Names of files that could be there and are not.
    pub missing: Vec<String>,
    /// Files that are there and cannot be used.
    pub damaged: Vec<Damage>,
    /// How many images there are of each file name extension, where they have names.
    pub extensions: BTreeMap<String, usize>,
    /// Files and folders that look like images and are not read.
    pub passed_over: PassedOver,
    /// Why commands that train with labels refuse the data; none where they do not.
    pub refused: Option<String>,
    /// The table of labels that cannot be read, for the reason in `refused`; the inventory is then of the images beside it.
    pub unread_table: Option<PathBuf>,
    /// How many images `--unlabeled` takes of it; none where that is not known without opening it.
    pub as_unlabeled: Option<usize>,
    /// What else was named for pre-training.
    pub pools: Vec<Pool>,
    /// What a pre-training would see, pool by pool, where something else was named for it.
    pub pretraining: Vec<SeenByPretraining>,
    /// Test images that are in another split also.
    pub straddling: Vec<Straddling>,
    /// One image under several labels.
    pub contradictions: Vec<Contradiction>,
    /// Labelled images that repeat another one of their class.
    pub repeated: Vec<Repeated>,
    /// What a person should know. As JSON it is said in sentences, which whoever writes it adds.
    #[serde(skip)]
    pub notes: Vec<DataNote>,
    /// What is odd; likewise.
    #[serde(skip)]
    pub warnings: Vec<DataNote>,
}

/// Images that a pre-training would see.
#[derive(Clone, Debug, Serialize)]
pub struct SeenByPretraining {
    /// `train`, `unlabeled`, or the path of `--unlabeled`.
    pub pool: String,
    /// Images of the pool that it would see.
    pub images: usize,
}

/// What `--unlabeled` adds to a pre-training.
#[derive(Clone, Debug, Serialize)]
pub struct Pool {
    /// The folder or file as it was given.
    pub path: PathBuf,
    /// Usable images that are there.
    pub images: usize,
    /// Sizes of the usable images.
    pub sizes: Sizes,
    /// Images that are the data's test images, by their files.
    pub test_files: usize,
    /// Further ones that a pre-training does not see.
    pub left_out: LeftOut,
}

/// One split.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SplitInfo {
    /// `train`, `test` or `unlabeled`.
    pub name: String,
    /// Usable images.
    pub images: usize,
    /// Sizes of these images.
    pub sizes: Sizes,
    /// Images per class, in the order of the class names; none without labels.
    pub per_class: Option<Vec<usize>>,
}

/// Smallest, median and largest width and height, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Smallest width.
    pub min_width: usize,
    /// Median width.
    pub median_width: usize,
    /// Largest width.
    pub max_width: usize,
    /// Smallest height.
    pub min_height: usize,
    /// Median height.
    pub median_height: usize,
    /// Largest height.
    pub max_height: usize,
}

/// The largest and the smallest class, with their training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imbalance<'a> {
    /// Name of the class with the most training images.
    pub largest: &'a str,
    /// Its training images, at least twice `least`.
    pub most: usize,
    /// Name of the class with the fewest training images, not counting classes without any.
    pub smallest: &'a str,
    /// Its training images, 1 or more.
    pub least: usize,
}

/// A file that is there and cannot be used.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    /// The file, or the place of an image in one.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub problem: String,
    /// A table names it, and it is not there.
    pub missing: bool,
}

impl DataInfo {
    /// Takes stock of whatever [`Dataset::open`] opens, and writes nothing. Damaged files do not end it: they are
    /// listed in [`damaged`](Self::damaged), and what commands that need labels would refuse is said in
    /// [`refused`](Self::refused). Encoded images are decoded once, to find those that are.
    ///
    /// # Errors
    /// `path` does not exist or holds no data set; a table or an archive cannot be read, and nothing else is there.
    pub fn inspect(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, DataError> {
        Self::inspect_with(path, &[], options)
    }

    /// As [`inspect`](Self::inspect), together with what `--unlabeled` would name: which of it a pre-training would see.
    ///
    /// # Errors
    /// As [`inspect`](Self::inspect), and as [`Dataset::add_unlabeled`] and [`Dataset::look_for_copies`].
    pub fn inspect_with(
        path: impl AsRef<Path>,
        unlabeled: &[PathBuf],
        options: &OpenOptions,
    ) -> Result<Self, DataError> {
        let found = format::find(path.as_ref())?;
        let (mut info, dataset) = Self::alone(&found, options)?;
        let test = info.splits.iter().find(|split| split.name == "test").map_or(0, |split| split.images);
        info.warnings.extend(few_test_images(test));
        if !unlabeled.is_empty() {
            let dataset = match (dataset, &found) {
                (Some(dataset), _) => dataset,
                (None, Found::Pixels(found)) if !info.is_damaged() => Dataset::open_pixels(found, options)?,
                // Nothing of the data can be used, so nothing can be said of pools beside it.
                (None, Found::Pixels(_) | Found::Encoded(_)) => return Ok(info),
            };
            info.add_pools(dataset, unlabeled, options)?;
        }
        Ok(info)
    }

    /// The inventory without further pools, and the data set where making it takes nothing more.
    fn alone(found: &Found, options: &OpenOptions) -> Result<(Self, Option<Dataset>), DataError> {
        let found = match found {
            Found::Encoded(found) => {
                let Salvaged { listing, refused, unread_table, mut damaged } = salvage::list(found)?;
                let passed_over = PassedOver::beside(found, &listing);
                let (info, dataset) = Self::of_listing(listing, options)?;
                let refused = refused.or(info.refused);
                damaged.extend(info.damaged);
                return Ok((DataInfo { passed_over, refused, unread_table, damaged, ..info }, dataset));
            }
            Found::Pixels(found) => found,
        };
        let info = match found {
            PixelSet::Stl10 { folder } => Self::of_stl10(folder.clone()),
            PixelSet::Pack { file } => Self::of_pixels(Format::Pack, file, &pack::open(file, None)?)?,
            PixelSet::Cifar10 { folder } => Self::of_pixels(Format::Cifar10, folder, &cifar10::open(folder)?)?,
            PixelSet::Patterns => Self::of_pixels(Format::Patterns, Path::new(PATTERNS), &patterns::dataset())?,
        };
        Ok((info, None))
    }

    /// Whether the classes that were found, if any, are no reason against giving it as `--unlabeled`: folders may be years.
    pub fn takes_no_labels(&self) -> bool {
        self.kind.is_told_by_folders() && self.unread_table.is_none()
    }

    /// Whether it is meant for `--data`, because labels were found or a table that should hold them, and refused there.
    pub fn is_refused_with_labels(&self) -> bool {
        self.refused.is_some() && (!self.class_names.is_empty() || self.unread_table.is_some())
    }

    /// Where one class has at least twice the training images of another.
    pub fn imbalance(&self) -> Option<Imbalance<'_>> {
        let per_class = self.splits.iter().find(|split| split.name == "train")?.per_class.as_ref()?;
        let named = || per_class.iter().copied().zip(&self.class_names).filter(|&(count, _)| count > 0);
        let (most, largest) = named().max_by_key(|&(count, _)| count)?;
        let (least, smallest) = named().min_by_key(|&(count, _)| count)?;
        (most >= 2 * least).then_some(Imbalance { largest, most, smallest, least })
    }

    /// Whether a file is there that cannot be used.
    pub fn is_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }

    fn new(kind: Format, path: &Path) -> Self {
        DataInfo {
            kind,
            path: path.to_path_buf(),
            splits: Vec::new(),
            class_names: Vec::new(),
            fold_sizes: None,
            missing: Vec::new(),
            damaged: Vec::new(),
            extensions: BTreeMap::new(),
            passed_over: PassedOver::default(),
            refused: None,
            unread_table: None,
            as_unlabeled: None,
            pools: Vec::new(),
            pretraining: Vec::new(),
            straddling: Vec::new(),
            contradictions: Vec::new(),
            repeated: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn of_stl10(folder: PathBuf) -> Self {
        let mut info = Self::new(Format::Stl10, &folder);
        let missing = stl10::FILES.into_iter().filter(|file| !folder.join(file).exists());
        info.missing = missing.map(String::from).collect();
        let class_names = stl10::read_class_names(&folder);
        info.class_names = info
            .sound(class_names, stl10::CLASS_NAMES_FILE)
            .unwrap_or_else(|| stl10::CLASS_NAMES.map(String::from).to_vec());
        let mut training_images = None;
        let mut labeled_splits = Vec::new();
        for split in ["train", "test"] {
            if let Some(Some(labeled)) = info.sound(stl10::open_labeled(&folder, split), &format!("{split}_X.bin")) {
                let classes = info.class_names.len();
                info.splits.push(SplitInfo::stl10(split, labeled.labels.len(), Some(count(&labeled, classes))));
                training_images = training_images.or((split == "train").then_some(labeled.labels.len()));
                labeled_splits.push(labeled);
            }
        }
        let looks = labeled_splits.iter().filter_map(|labeled| {
            let seen = look_at_all(labeled.images.as_ref()).ok()?;
            Some((labeled, seen.into_iter().map(|(_, look)| look).collect()))
        });
        info.compare(looks.collect());
        if folder.join(stl10::UNLABELED_FILE).exists() {
            let images = Stl10Images::open(&folder.join(stl10::UNLABELED_FILE), "unlabeled");
            if let Some(images) = info.sound(images, stl10::UNLABELED_FILE) {
                info.splits.push(SplitInfo::stl10("unlabeled", images.len(), None));
            }
        }
        if let Some(images) = training_images {
            let folds = info.sound(stl10::read_folds(&folder, images), stl10::FOLDS_FILE).flatten();
            info.fold_sizes = folds.map(|folds| folds.iter().map(Vec::len).collect());
        }
        if training_images.is_none() && !info.splits.iter().any(|split| split.name == "unlabeled") && !info.is_damaged()
        {
            let problem = Stl10Problem::MissingSplit { folder: folder.clone() }.to_string();
            info.damaged.push(Damage { path: folder, problem, missing: false });
        }
        info
    }

    /// The value, or a note of the damage; `file` stands for errors that concern a pair of files.
    fn sound<T>(&mut self, outcome: Result<T, DataError>, file: &str) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                let path = match &error {
                    DataError::Stl10(
                        Stl10Problem::FileSize { path, .. }
                        | Stl10Problem::EmptyFile { path }
                        | Stl10Problem::LabelRange { path, .. }
                        | Stl10Problem::MissingPartner { missing: path, .. },
                    )
                    | DataError::Io { path, .. } => path.clone(),
                    _ => self.path.join(file),
                };
                self.damaged.push(Damage { path, problem: error.to_string(), missing: false });
                None
            }
        }
    }

    fn of_listing(listing: Listing, options: &OpenOptions) -> Result<(Self, Option<Dataset>), DataError> {
        let mut info = Self::new(listing.format, &listing.root);
        info.class_names = listing.class_names.clone();
        info.notes = listing.notes.clone();
        info.warnings = listing.warnings.clone();
        let options = OpenOptions { strict: false, memory_budget_bytes: 0, ..options.clone() };
        let given = listing.images.iter().map(|listed| Given::now(listed.encoded.clone())).collect();
        let mut looked = look_through(given, &options);
        info.notes.extend(looked.depths.notes(options.levels));
        info.warnings.extend(looked.depths.warnings(options.levels));
        looked.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        info.damaged = looked.skipped.iter().map(Damage::of).collect();
        if looked.kept.is_empty() {
            return Ok((info, None));
        }
        let split_file = options.split_file.as_deref();
        let LookedThrough { images, kept, .. } = &looked;
        for &index in kept {
            info.count_extension(&listing.images[index].encoded.name);
        }
        let usable = Usable { indices: kept, looks: images.looks() };
        let divided = match listing.divide(usable, split_file, Saving::Later) {
            Ok(divided) => divided,
            Err(error) => {
                info.refused = Some(error.to_string());
                listing.undivided(kept)
            }
        };
        if info.refused.is_none() {
            info.refused = listing.require_labels().err().map(|error| error.to_string());
        }
        let tests = listing.test_images(split_file).unwrap_or_default();
        info.as_unlabeled = Some(kept.iter().filter(|index| !tests.contains(index)).count());
        let Divided { train, test, unlabeled, notes, warnings, .. } = &divided;
        info.notes.extend(notes.iter().cloned());
        info.warnings.extend(warnings.iter().cloned());
        let size = |index: &usize| images.sizes()[kept.partition_point(|kept| kept < index)];
        let look = |index: &usize| images.looks().get(kept.binary_search(index).ok()?)?.clone();
        let seen = |part: &[usize]| -> Vec<Look> { part.iter().filter_map(look).collect() };
        let name = |part: &[usize], place: usize| listing.images[part[place]].encoded.name.clone();
        let test_looks = seen(test);
        let tests = Seen { name: &|place| name(test, place), looks: &test_looks };
        for (split, part) in [("train", train), ("unlabeled", unlabeled)] {
            let looks = seen(part);
            let others = Seen { name: &|place| name(part, place), looks: &looks };
            info.straddling.extend(straddling(split, &others, &tests));
        }
        let mut labelled = Labelled::new(&listing.class_names);
        for &index in train.iter().chain(test) {
            if let (Some(look), Some(label)) = (look(&index), listing.images[index].label) {
                labelled.looks.push(look);
                labelled.labels.push(label);
                labelled.names.push(listing.images[index].encoded.name.clone());
            }
        }
        (info.contradictions, info.repeated) = labelled.copies();
        let of_train = if info.refused.is_some() && test.is_empty() { "labelled" } else { "train" };
        for (name, part, labeled) in [(of_train, train, true), ("test", test, true), ("unlabeled", unlabeled, false)] {
            if !part.is_empty() {
                info.splits.push(SplitInfo {
                    name: name.into(),
                    images: part.len(),
                    sizes: Sizes::of(part.iter().map(size)),
                    per_class: labeled.then(|| listing.count(part)),
                });
            }
        }
        Ok((info, Some(listing.dataset(looked, divided))))
    }

    /// Of a set that is not a list of encoded images.
    fn of_pixels(format: Format, path: &Path, dataset: &Dataset) -> Result<Self, DataError> {
        let mut info = Self::new(format, path);
        info.notes = dataset.notes.clone();
        info.warnings = dataset.warnings.clone();
        info.class_names = dataset.class_names.clone();
        info.fold_sizes = dataset.folds.as_ref().map(|folds| folds.iter().map(Vec::len).collect());
        let labeled = [("train", &dataset.train), ("test", &dataset.test)];
        let mut looks = Vec::new();
        for (name, labeled) in labeled.into_iter().filter_map(|(name, split)| Some((name, split.as_ref()?))) {
            let seen = look_at_all(labeled.images.as_ref())?;
            let sizes = Sizes::of(seen.iter().map(|&(size, _)| size));
            let per_class = Some(count(labeled, dataset.class_names.len()));
            info.splits.push(SplitInfo { name: name.into(), images: labeled.images.len(), sizes, per_class });
            looks.push((labeled, seen.into_iter().map(|(_, look)| look).collect()));
        }
        info.compare(looks);
        for pool in &dataset.unlabeled {
            info.splits.push(SplitInfo::read(&pool.name, pool.images.as_ref())?);
        }
        Ok(info)
    }

    /// Notes what training and test images have in common, where there are both.
    fn compare(&mut self, mut looks: Vec<(&LabeledImages, Vec<Look>)>) {
        let mut labelled = Labelled::new(&self.class_names);
        for (labeled, looks) in &looks {
            labelled.looks.extend_from_slice(looks);
            labelled.labels.extend_from_slice(&labeled.labels);
            labelled.names.extend((0..looks.len()).map(|index| labeled.images.name(index)));
        }
        let (contradictions, repeated) = labelled.copies();
        (self.contradictions, self.repeated) = (contradictions, repeated);
        if let (Some((test, test_looks)), Some((train, train_looks))) = (looks.pop(), looks.pop()) {
            let train = Seen { name: &|index| train.images.name(index), looks: &train_looks };
            let test = Seen { name: &|index| test.images.name(index), looks: &test_looks };
            self.straddling.extend(straddling("train", &train, &test));
        }
    }
}

impl Damage {
    fn of(skipped: &Skipped) -> Self {
        let missing = skipped.problem.is_missing();
        Damage { path: skipped.path.clone(), problem: skipped.problem.to_string(), missing }
    }
}

impl SplitInfo {
    fn stl10(name: &str, images: usize, per_class: Option<Vec<usize>>) -> Self {
        let side = stl10::SIDE;
        SplitInfo { name: name.into(), images, sizes: Sizes::of([(side, side)]), per_class }
    }

    /// A pool: sizes of a sample of its images, evenly spread.
    fn read(name: &str, source: &dyn ImageSource) -> Result<Self, DataError> {
        const SAMPLE: usize = 1000;
        let mut image = Image::default();
        let mut sizes = Vec::new();
        for index in (0..source.len()).step_by((source.len() / SAMPLE).max(1)) {
            source.read(index, &mut image)?;
            sizes.push((image.width, image.height));
        }
        Ok(SplitInfo { name: name.into(), images: source.len(), sizes: Sizes::of(sizes), per_class: None })
    }
}

impl Sizes {
    fn of(sizes: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let (mut widths, mut heights): (Vec<usize>, Vec<usize>) = sizes.into_iter().unzip();
        widths.sort_unstable();
        heights.sort_unstable();
        let (Some(&min_width), Some(&min_height)) = (widths.first(), heights.first()) else {
            return Sizes::default();
        };
        let middle = widths.len() / 2;
        Sizes {
            min_width,
            median_width: widths[middle],
            max_width: widths[widths.len() - 1],
            min_height,
            median_height: heights[middle],
            max_height: heights[heights.len() - 1],
        }
    }
}

fn count(labeled: &LabeledImages, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in &labeled.labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    counts
}

mod pools;
mod salvage;
