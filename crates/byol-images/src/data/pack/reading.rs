//! A packed file as a data set: checked whole, then mapped into memory. What stands where in it, the module above says.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Index, MAGIC, PackProblem, TRAILER};
use crate::data::encoded::Archive;
use crate::data::levels::Levels;
use crate::data::note::{DataNote, shown};
use crate::data::split::DataSplit;
use crate::data::subset::SubsetSource;
use crate::data::{DataError, Dataset, Findings, Image, ImageSource, LabeledImages, UnlabeledImages, origin};

/// Whether a file begins as a packed one.
pub(crate) fn is_pack(path: &Path) -> bool {
    let mut magic = [0; MAGIC.len()];
    File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *MAGIC
}

/// Opens a packed file, of whatever levels or of those that are asked for.
///
/// # Errors
/// It is cut off or damaged, its source is here and has changed, or it was packed with other levels.
pub(crate) fn open(path: &Path, levels: Option<Levels>) -> Result<Dataset, DataError> {
    let wrong = |problem| DataError::Pack { path: path.to_path_buf(), problem: Box::new(problem) };
    if fs::metadata(path).map_err(DataError::io("read", path))?.len() < (MAGIC.len() + TRAILER) as u64 {
        return Err(wrong(PackProblem::NotAPack));
    }
    let archive = Archive::open(path)?;
    let bytes = archive.bytes();
    let (content, trailer) = bytes.split_at(bytes.len() - TRAILER);
    let number = |at: usize| {
        let bytes = trailer[at..at + 8].try_into().unwrap_or_default();
        usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    };
    let (start, length) = (number(0), number(8));
    if !bytes.starts_with(MAGIC) || !trailer.ends_with(MAGIC) || start.checked_add(length) != Some(content.len()) {
        return Err(wrong(PackProblem::NotAPack));
    }
    let text = &content[start..];
    if Sha256::digest(text)[..] != trailer[16..48] {
        return Err(wrong(PackProblem::Damaged));
    }
    let index: Index = serde_json::from_slice(text).map_err(|_| wrong(PackProblem::Damaged))?;
    let starts = index.starts(start).ok_or_else(|| wrong(PackProblem::Damaged))?;
    if let Some(how) = index.source.change() {
        return Err(wrong(PackProblem::Stale {
            source_path: index.source.path,
            how,
            out: path.display().to_string(),
            size: index.size,
            split: index.source.split_file.filter(|_| index.source.split_named),
            levels: index.levels,
        }));
    }
    let is_deep = index.deep.is_none_or(|deep| deep > 0);
    if let Some(asked) = levels.filter(|&asked| is_deep && asked != index.levels) {
        return Err(wrong(PackProblem::Levels { packed: index.levels, asked }));
    }
    let notes = match index.deep {
        Some(deep) if deep > 0 => {
            vec![DataNote::PackedLevels { images: deep, levels: index.levels }]
        }
        _ => Vec::new(),
    };
    let folder = index.source.folder();
    let parts = index.identify_parts();
    let images: Arc<dyn ImageSource> =
        Arc::new(PackedImages { archive, starts, sizes: index.sizes, names: index.names, folder });
    let subset = |places: &[usize]| -> Arc<dyn ImageSource> {
        Arc::new(SubsetSource::new(Arc::clone(&images), places.to_vec()))
    };
    let labeled = |places: &[usize]| {
        (!places.is_empty()).then(|| LabeledImages {
            images: subset(places),
            labels: places.iter().filter_map(|&place| index.labels[place]).collect(),
        })
    };
    let unlabeled =
        (!index.unlabeled.is_empty()).then(|| UnlabeledImages::new("unlabeled".into(), subset(&index.unlabeled)));
    let warnings = match index.skipped {
        0 => Vec::new(),
        files => vec![DataNote::PackedWithout { files, pack: shown(path) }],
    };
    Ok(Dataset {
        name: index.name,
        train: labeled(&index.train),
        test: labeled(&index.test),
        unlabeled: unlabeled.into_iter().collect(),
        class_names: index.class_names,
        folds: None,
        fingerprint: index.fingerprint,
        parts,
        notes,
        warnings,
        skipped: index.skipped,
        no_labels: None,
        findings: Findings::default(),
        split: DataSplit::Given,
        kept_from_pretraining: Vec::new(),
        unsaved_split: None,
        unreadable: Vec::new(),
    })
}

struct PackedImages {
    archive: Arc<Archive>,
    starts: Vec<usize>,
    sizes: Vec<(usize, usize)>,
    names: Vec<String>,
    /// Where the names begin, in the source.
    folder: PathBuf,
}

impl ImageSource for PackedImages {
    fn len(&self) -> usize {
        self.starts.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let (Some(&start), Some(&(width, height))) = (self.starts.get(index), self.sizes.get(index)) else {
            return Err(DataError::IndexOutOfRange { source_name: "the pack".into(), index, len: self.len() });
        };
        (image.width, image.height) = (width, height);
        image.pixels.clear();
        image.pixels.extend_from_slice(&self.archive.bytes()[start..start + 3 * width * height]);
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        self.names.get(index).cloned().unwrap_or_default()
    }

    /// That of the source's image, whether it is there or not.
    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.names.get(index).map(|name| origin::of(&self.folder.join(name)))
    }
}
