//! What is there under one path: pictures per split and class, folds, missing and damaged files. Describes; trains on
//! nothing.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::{FolderSource, OpenOptions, holds_pictures};
use super::stl10::{self, Stl10Images};
use super::{DataError, Dataset, Image, ImageSource, LabeledImages, PATTERNS, patterns};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DataKind {
    Stl10,
    /// Pictures without labels, for `--unlabeled`.
    Folder,
    Patterns,
}

/// An inventory of one data set or folder.
#[derive(Clone, Debug, Serialize)]
pub struct DataInfo {
    pub kind: DataKind,
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

/// Smallest and largest width and height, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sizes {
    pub min_width: usize,
    pub max_width: usize,
    pub min_height: usize,
    pub max_height: usize,
}

/// A file that is there and cannot be used.
#[derive(Clone, Debug, Serialize)]
pub struct Damage {
    pub path: PathBuf,
    pub problem: String,
}

impl DataInfo {
    /// Takes stock of an STL-10 folder, a folder of pictures, or `patterns`. Damaged files do not end it: they are
    /// listed in [`damaged`](Self::damaged). Pictures of a folder are decoded once, to find those that are.
    ///
    /// # Errors
    /// `path` does not exist, is no folder, or holds neither STL-10's files nor pictures.
    pub fn inspect(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Self, DataError> {
        let path = path.as_ref();
        if path == Path::new(PATTERNS) {
            return Self::of_patterns(&patterns::dataset());
        }
        if !path.exists() {
            return Err(DataError::NotFound { path: path.to_path_buf() });
        }
        if !path.is_dir() {
            return Err(DataError::NotAFolder { path: path.to_path_buf() });
        }
        match stl10::locate(path) {
            Some(folder) => Ok(Self::of_stl10(folder)),
            None if holds_pictures(path) => Self::of_folder(path, options),
            None => Err(DataError::UnknownDataset { path: path.to_path_buf() }),
        }
    }

    /// Whether a file is there that cannot be used.
    pub fn is_damaged(&self) -> bool {
        !self.damaged.is_empty()
    }

    fn new(kind: DataKind, path: &Path) -> Self {
        DataInfo {
            kind,
            path: path.to_path_buf(),
            splits: Vec::new(),
            class_names: Vec::new(),
            fold_sizes: None,
            missing: Vec::new(),
            damaged: Vec::new(),
        }
    }

    fn of_stl10(folder: PathBuf) -> Self {
        let mut info = Self::new(DataKind::Stl10, &folder);
        let missing = stl10::FILES.into_iter().filter(|file| !folder.join(file).exists());
        info.missing = missing.map(String::from).collect();
        let class_names = stl10::read_class_names(&folder);
        info.class_names = info
            .sound(class_names, stl10::CLASS_NAMES_FILE)
            .unwrap_or_else(|| stl10::CLASS_NAMES.map(String::from).to_vec());
        let mut training_images = None;
        for split in ["train", "test"] {
            if let Some(Some(labeled)) = info.sound(stl10::open_labeled(&folder, split), &format!("{split}_X.bin")) {
                let classes = info.class_names.len();
                info.splits.push(SplitInfo::stl10(split, labeled.labels.len(), Some(count(&labeled, classes))));
                training_images = training_images.or((split == "train").then_some(labeled.labels.len()));
            }
        }
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

    fn of_folder(folder: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        let mut info = Self::new(DataKind::Folder, folder);
        let options = OpenOptions { strict: false, memory_budget_bytes: 0, ..options.clone() };
        match FolderSource::open(folder, &options) {
            Ok(source) => {
                let sizes = Sizes::of(source.sizes().iter().copied());
                let damage = |skip: &super::folder::Skipped| Damage {
                    path: skip.path.clone(),
                    problem: skip.problem.to_string(),
                };
                info.damaged.extend(source.skipped().iter().map(damage));
                info.splits.push(SplitInfo { name: "unlabeled".into(), images: source.len(), sizes, per_class: None });
                Ok(info)
            }
            Err(error @ DataError::NoReadablePicture { .. }) => {
                info.damaged.push(Damage { path: folder.to_path_buf(), problem: error.to_string() });
                Ok(info)
            }
            Err(error) => Err(error),
        }
    }

    fn of_patterns(dataset: &Dataset) -> Result<Self, DataError> {
        let mut info = Self::new(DataKind::Patterns, Path::new(PATTERNS));
        info.class_names = dataset.class_names.clone();
        info.fold_sizes = dataset.folds.as_ref().map(|folds| folds.iter().map(Vec::len).collect());
        let labeled = [("train", &dataset.train), ("test", &dataset.test)];
        for (name, labeled) in labeled.into_iter().filter_map(|(name, split)| Some((name, split.as_ref()?))) {
            let per_class = Some(count(labeled, dataset.class_names.len()));
            info.splits.push(SplitInfo::read(name, labeled.images.as_ref(), per_class)?);
        }
        for pool in &dataset.unlabeled {
            info.splits.push(SplitInfo::read(&pool.name, pool.images.as_ref(), None)?);
        }
        Ok(info)
    }
}

impl SplitInfo {
    fn stl10(name: &str, images: usize, per_class: Option<Vec<usize>>) -> Self {
        let side = stl10::SIDE;
        SplitInfo { name: name.into(), images, sizes: Sizes::of([(side, side)]), per_class }
    }

    /// Takes the size of the first picture for all, as the drawn ones of a split are of one size.
    fn read(name: &str, source: &dyn ImageSource, per_class: Option<Vec<usize>>) -> Result<Self, DataError> {
        let mut image = Image::default();
        if !source.is_empty() {
            source.read(0, &mut image)?;
        }
        let sizes = Sizes::of([(image.width, image.height)]);
        Ok(SplitInfo { name: name.into(), images: source.len(), sizes, per_class })
    }
}

impl Sizes {
    fn of(sizes: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let one =
            |(width, height)| Sizes { min_width: width, max_width: width, min_height: height, max_height: height };
        let join = |a: Sizes, b: Sizes| Sizes {
            min_width: a.min_width.min(b.min_width),
            max_width: a.max_width.max(b.max_width),
            min_height: a.min_height.min(b.min_height),
            max_height: a.max_height.max(b.max_height),
        };
        sizes.into_iter().map(one).reduce(join).unwrap_or(one((0, 0)))
    }
}

impl fmt::Display for Sizes {
    /// `96 x 96`, or `64-4000 x 48-3000`.
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        let range = |min: usize, max: usize| {
            if min == max { min.to_string() } else { format!("{min}-{max}") }
        };
        let width = range(self.min_width, self.max_width);
        write!(formatter, "{width} x {}", range(self.min_height, self.max_height))
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
            DataKind::Stl10 => writeln!(out, "STL-10 files in {}", self.path.display())?,
            DataKind::Folder => writeln!(out, "pictures without labels in {}", self.path.display())?,
            DataKind::Patterns => writeln!(out, "patterns, the embedded set")?,
        }
        if !self.splits.is_empty() {
            writeln!(out, "\n{:<12}{:>9}   pixels", "split", "images")?;
        }
        for split in &self.splits {
            writeln!(out, "{:<12}{:>9}   {}", split.name, split.images, split.sizes)?;
        }
        self.fmt_classes(out)?;
        if let Some(folds) = &self.fold_sizes {
            let (least, most) = (folds.iter().min().unwrap_or(&0), folds.iter().max().unwrap_or(&0));
            let size = if least == most { least.to_string() } else { format!("{least}-{most}") };
            writeln!(out, "\n{} folds of {size} training images", folds.len())?;
        }
        if !self.missing.is_empty() {
            writeln!(out, "\nmissing: {}", self.missing.join(", "))?;
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
        writeln!(out)
    }
}
