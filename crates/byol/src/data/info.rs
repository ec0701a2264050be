//! What is there under one path: pictures per split and class, folds, missing and damaged files. Describes; trains on
//! nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::copies::Labelled;
use super::drawn_split::Saving;
use super::duplicates::{Seen, look_at_all, straddling};
use super::encoded::{LookedThrough, Skipped, look_through};
use super::findings::{Contradiction, Repeated, Straddling, relation};
use super::folder::OpenOptions;
use super::format::{self, Format, Found};
use super::listing::{Divided, Labels, Listing, Usable};
use super::look::Look;
use super::passed_over::PassedOver;
use super::stl10::{self, Stl10Images};
use super::{DataError, Dataset, Image, ImageSource, LabeledImages, PATTERNS, cifar10, pack, patterns};

/// An inventory of one data set or folder.
#[derive(Clone, Debug, Serialize)]
pub struct DataInfo {
    pub kind: Format,
    /// Where the files lie: the folder as given, or the `stl10_binary` in it.
    pub path: PathBuf,
    /// `train`, `test`, `unlabeled`, as far as they are there and undamaged.
    pub splits: Vec<SplitInfo>,
    pub class_names: Vec<String>,
    /// How many images each predefined fold holds.
    pub fold_sizes: Option<Vec<usize>>,
    /// Names of files that could be there and are not.
    pub missing: Vec<String>,
    pub damaged: Vec<Damage>,
    /// How many pictures there are of each file name extension, where they have names.
    pub extensions: BTreeMap<String, usize>,
    /// Files and folders that look like pictures and are not read.
    pub passed_over: PassedOver,
    /// Test pictures that are in another split also.
    pub straddling: Vec<Straddling>,
    /// One picture under several labels.
    pub contradictions: Vec<Contradiction>,
    /// Labelled pictures that repeat another one of their class.
    pub repeated: Vec<Repeated>,
    /// What a person should know, one sentence each.
    pub notes: Vec<String>,
    /// What is odd, one sentence each.
    pub warnings: Vec<String>,
}

/// One split.
#[derive(Clone, Debug, Serialize)]
pub struct SplitInfo {
    pub name: String,
    pub images: usize,
    pub sizes: Sizes,
    /// Images per class, in the order of the class names; none without labels.
    pub per_class: Option<Vec<usize>>,
}

/// Smallest, median and largest width and height, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    pub min_width: usize,
    pub median_width: usize,
    pub max_width: usize,
    pub min_height: usize,
    pub median_height: usize,
    pub max_height: usize,
}

/// A file that is there and cannot be used.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    pub path: PathBuf,
    pub problem: String,
}

impl DataInfo {
    /// Takes stock of whatever [`Dataset::open`] opens, and writes nothing. Damaged files do not end it: they are
    /// listed in [`damaged`](Self::damaged). Encoded pictures are decoded once, to find those that are.
    ///
    /// # Errors
    /// `path` does not exist or holds no data set; its classes or its saved split cannot be used.
    pub fn inspect(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, DataError> {
        let found = format::find(path.as_ref())?;
        if let Some(listing) = found.list(Labels::Read)? {
            let passed_over = PassedOver::beside(&found, &listing);
            return Ok(DataInfo { passed_over, ..Self::of_listing(&listing, options)? });
        }
        match found {
            Found::Stl10 { folder } => Ok(Self::of_stl10(folder)),
            Found::Pack { file } => Self::of_arrays(Format::Pack, &file, &pack::open(&file, None)?),
            Found::Cifar10 { folder } => Self::of_arrays(Format::Cifar10, &folder, &cifar10::open(&folder)?),
            _ => Self::of_arrays(Format::Patterns, Path::new(PATTERNS), &patterns::dataset()),
        }
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
            let problem = DataError::MissingSplit { folder: folder.clone() }.to_string();
            info.damaged.push(Damage { path: folder, problem });
        }
        info
    }

    /// The value, or a note of the damage; `file` stands for errors that concern a pair of files.
    fn sound<T>(&mut self, outcome: Result<T, DataError>, file: &str) -> Option<T> {
        match outcome {
            Ok(value) => Some(value),
            Err(error) => {
                let path = match &error {
                    DataError::FileSize { path, .. }
                    | DataError::EmptyFile { path }
                    | DataError::LabelRange { path, .. }
                    | DataError::MissingPartner { missing: path, .. }
                    | DataError::Io { path, .. } => path.clone(),
                    _ => self.path.join(file),
                };
                self.damaged.push(Damage { path, problem: error.to_string() });
                None
            }
        }
    }

    fn of_listing(listing: &Listing, options: &OpenOptions) -> Result<Self, DataError> {
        let mut info = Self::new(listing.format, &listing.root);
        info.class_names = listing.class_names.clone();
        info.notes = listing.notes.clone();
        info.warnings = listing.warnings.clone();
        let options = OpenOptions { strict: false, memory_budget_bytes: 0, ..options.clone() };
        let encoded = listing.pictures.iter().map(|listed| listed.encoded.clone()).collect();
        let LookedThrough { pictures, kept, mut skipped, depths, .. } = look_through(encoded, &options);
        info.notes.extend(depths.notes(options.levels));
        info.warnings.extend(depths.warnings(options.levels));
        skipped.sort_by(|a, b| a.path.cmp(&b.path));
        let damage = |skip: Skipped| Damage { path: skip.path, problem: skip.problem.to_string() };
        info.damaged = skipped.into_iter().map(damage).collect();
        if kept.is_empty() {
            return Ok(info);
        }
        for &index in &kept {
            let name = Path::new(&listing.pictures[index].encoded.name);
            if let Some(extension) = name.extension() {
                *info.extensions.entry(extension.to_string_lossy().to_ascii_lowercase()).or_default() += 1;
            }
        }
        let usable = Usable { indices: &kept, looks: pictures.looks() };
        let Divided { train, test, unlabeled, notes, warnings } =
            listing.divide(usable, options.split_file.as_deref(), Saving::OnlyLook)?;
        info.notes.extend(notes);
        info.warnings.extend(warnings);
        let size = |index: &usize| pictures.sizes()[kept.partition_point(|kept| kept < index)];
        let look = |index: &usize| pictures.looks().get(kept.binary_search(index).ok()?).cloned();
        let seen = |part: &[usize]| -> Vec<Look> { part.iter().filter_map(look).collect() };
        let name = |part: &[usize], place: usize| listing.pictures[part[place]].encoded.name.clone();
        let test_looks = seen(&test);
        let tests = Seen { name: &|place| name(&test, place), looks: &test_looks };
        for (split, part) in [("train", &train), ("unlabeled", &unlabeled)] {
            let looks = seen(part);
            let others = Seen { name: &|place| name(part, place), looks: &looks };
            info.straddling.extend(straddling(split, &others, &tests));
        }
        let mut labelled = Labelled::new(&listing.class_names);
        for &index in train.iter().chain(&test) {
            if let (Some(look), Some(label)) = (look(&index), listing.pictures[index].label) {
                labelled.looks.push(look);
                labelled.labels.push(label);
                labelled.names.push(listing.pictures[index].encoded.name.clone());
            }
        }
        (info.contradictions, info.repeated) = labelled.copies();
        for (name, part, labeled) in [("train", &train, true), ("test", &test, true), ("unlabeled", &unlabeled, false)]
        {
            if !part.is_empty() {
                info.splits.push(SplitInfo {
                    name: name.into(),
                    images: part.len(),
                    sizes: Sizes::of(part.iter().map(size)),
                    per_class: labeled.then(|| listing.count(part)),
                });
            }
        }
        Ok(info)
    }

    /// Of a set that is not a list of encoded pictures.
    fn of_arrays(format: Format, path: &Path, dataset: &Dataset) -> Result<Self, DataError> {
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

    /// Notes what training and test pictures have in common, where there are both.
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

impl SplitInfo {
    fn stl10(name: &str, images: usize, per_class: Option<Vec<usize>>) -> Self {
        let side = stl10::SIDE;
        SplitInfo { name: name.into(), images, sizes: Sizes::of([(side, side)]), per_class }
    }

    /// A pool: sizes of a sample of its pictures, evenly spread.
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

impl fmt::Display for Sizes {
    /// `96 x 96`, or `64-4000 x 48-3000 (median 500 x 375)`.
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let range = |min: usize, max: usize| {
            if min == max { min.to_string() } else { format!("{min}-{max}") }
        };
        let width = range(self.min_width, self.max_width);
        write!(formatter, "{width} x {}", range(self.min_height, self.max_height))?;
        if self.min_width < self.max_width || self.min_height < self.max_height {
            write!(formatter, " (median {} x {})", self.median_width, self.median_height)?;
        }
        Ok(())
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

impl fmt::Display for DataInfo {
    /// Tables of splits and classes, then folds, missing files and damaged ones.
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        match self.kind {
            Format::Stl10 => writeln!(out, "STL-10 files in {}", self.path.display())?,
            Format::Folder => writeln!(out, "pictures without labels in {}", self.path.display())?,
            Format::Cifar10 => writeln!(out, "CIFAR-10 files in {}", self.path.display())?,
            Format::Csv => writeln!(out, "pictures in the table {}", self.path.display())?,
            Format::Parquet => writeln!(out, "Parquet files of pictures in {}", self.path.display())?,
            Format::WebDataset => writeln!(out, "tar files of pictures (WebDataset) in {}", self.path.display())?,
            Format::ClassFolders => writeln!(out, "folders by class in {}", self.path.display())?,
            Format::Pack => writeln!(out, "a packed data set, {}", self.path.display())?,
            Format::Patterns => writeln!(out, "patterns, the embedded set")?,
        }
        if !self.splits.is_empty() {
            writeln!(out, "\n{:<12}{:>9}   pixels", "split", "images")?;
        }
        for split in &self.splits {
            writeln!(out, "{:<12}{:>9}   {}", split.name, split.images, split.sizes)?;
        }
        if !self.extensions.is_empty() {
            let kinds: Vec<String> = self.extensions.iter().map(|(kind, count)| format!("{count} .{kind}")).collect();
            writeln!(out, "\nfiles: {}", kinds.join(", "))?;
        }
        for text in self.passed_over.sentences() {
            writeln!(out, "\n{text}")?;
        }
        self.fmt_classes(out)?;
        self.fmt_straddling(out)?;
        if let Some(folds) = &self.fold_sizes {
            let (least, most) = (folds.iter().min().unwrap_or(&0), folds.iter().max().unwrap_or(&0));
            let size = if least == most { least.to_string() } else { format!("{least}-{most}") };
            writeln!(out, "\n{} folds of {size} training images", folds.len())?;
        }
        if !self.missing.is_empty() {
            writeln!(out, "\nmissing: {}", self.missing.join(", "))?;
        }
        for text in &self.notes {
            writeln!(out, "\n{text}")?;
        }
        for text in &self.warnings {
            writeln!(out, "\nwarning: {text}")?;
        }
        if self.is_damaged() {
            writeln!(out, "\ndamaged: {}", self.damaged.len())?;
        }
        for Damage { path, problem } in &self.damaged {
            let path = path.display().to_string();
            // Most messages name the file themselves.
            match problem.contains(&path) {
                true => writeln!(out, "  {problem}")?,
                false => writeln!(out, "  {path}: {problem}")?,
            }
        }
        Ok(())
    }
}

impl DataInfo {
    fn fmt_classes(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let labeled: Vec<_> = self.splits.iter().filter_map(|split| Some((split, split.per_class.as_ref()?))).collect();
        if labeled.is_empty() {
            return Ok(());
        }
        write!(out, "\n{:<12}", "class")?;
        for (split, _) in &labeled {
            write!(out, "{:>9}", split.name)?;
        }
        for (class, name) in self.class_names.iter().enumerate() {
            write!(out, "\n{name:<12}")?;
            for (_, per_class) in &labeled {
                write!(out, "{:>9}", per_class[class])?;
            }
        }
        writeln!(out)?;
        if let Some(imbalance) = self.imbalance() {
            writeln!(out, "\n{imbalance}")?;
        }
        Ok(())
    }

    /// A sentence, where one class has at least twice the training pictures of another.
    fn imbalance(&self) -> Option<String> {
        let per_class = self.splits.iter().find(|split| split.name == "train")?.per_class.as_ref()?;
        let named = || per_class.iter().copied().zip(&self.class_names).filter(|&(count, _)| count > 0);
        let (most, largest) = named().max_by_key(|&(count, _)| count)?;
        let (least, smallest) = named().min_by_key(|&(count, _)| count)?;
        (most >= 2 * least).then(|| {
            let times = most as f64 / least as f64;
            format!(
                "imbalance: `{largest}` has {most} training pictures, `{smallest}` {least} ({times:.1} times as many); \
                 accuracy favours the large classes"
            )
        })
    }

    fn fmt_straddling(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for Straddling { other, exact, near, examples } in &self.straddling {
            writeln!(out, "\nduplicates: {exact} test pictures are in {other} also, {near} look like one there")?;
            for twins in examples {
                writeln!(out, "  {} {} {}", twins.test, relation(twins.exact), twins.other)?;
            }
        }
        if !self.straddling.is_empty() {
            writeln!(
                out,
                "  accuracies come out too high where test pictures are trained on: remove these files from one of the two, \
                 or correct the split so that copies lie on one side; `byol run` leaves them out of pre-training"
            )?;
        }
        self.fmt_labelled_copies(out)
    }

    fn fmt_labelled_copies(&self, out: &mut fmt::Formatter) -> fmt::Result {
        for text in Contradiction::sentences(&self.contradictions) {
            writeln!(out, "\nlabels: {text}")?;
        }
        for Contradiction { images, .. } in &self.contradictions {
            let named: Vec<String> =
                images.iter().map(|named| format!("{} (`{}`)", named.image, named.class)).collect();
            writeln!(out, "  {}", named.join(", "))?;
        }
        for Repeated { class, exact, near, examples } in &self.repeated {
            let first = examples.first().map_or_else(String::new, |[one, other]| format!(": {other} repeats {one}"));
            writeln!(out, "\ncopies: in class `{class}`, {exact} exact and {near} that look alike{first}")?;
        }
        Ok(())
    }
}
