//! A data set decoded once into one file (`.byolpack`): images of limited size, labels, splits, names, and what tells
//! whether the source has changed since. Afterwards it is mapped into memory, and any image is read without decoding.
//!
//! The file begins with `MAGIC`, then come the images' planes one after the other, an index in JSON, and a trailer:
//! where the index begins (eight bytes, little-endian), its length (likewise), its SHA-256, and `MAGIC` again.

mod reading;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use fast_image_resize::images::{self, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::decode::{Decoded, Detail};
use super::depths::Depths;
use super::encoded::Skipped;
use super::error::ImageProblem;
use super::fingerprint::Fingerprint;
use super::folder::{OpenOptions, Saving};
use super::format::{self, EncodedSet, Found};
use super::levels::Levels;
use super::listing::{Divided, Labels, Listing, Usable, describe, name_of};
use super::look::Look;
use super::note::DataNote;
use super::passed_over::PassedOver;
use super::{DataError, Fingerprints, Image, tables, webdataset};
use crate::files::PARTIAL;

pub(crate) use reading::{is_pack, open};

pub(crate) const EXTENSION: &str = "byolpack";

/// The shorter side of packed images unless another is asked for: enough for crops of 96 to 128 pixels.
pub const DEFAULT_SIZE: usize = 160;

const MAGIC: &[u8; 8] = b"byolpak1";
const TRAILER: usize = 8 + 8 + 32 + 8;

/// Images that are decoded before they are written.
const AT_ONCE: usize = 256;

/// Why a packed file cannot be used.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum PackProblem {
    /// The file does not begin or end as a packed data set does.
    #[error("the file is cut off or is no packed data set; pack the data again")]
    NotAPack,

    /// The index is not the one that was written.
    #[error("the index is damaged; pack the data again")]
    Damaged,

    /// The source is no longer what was packed.
    #[error(
        "the source {source_path} has changed since it was packed ({how}); pack it again: byol data pack {source_path} \
         --out {out} --size {size}{}{}",
        .split.as_ref().map_or_else(String::new, |file| format!(" --split {file}")),
        if *levels == Levels::Full { String::new() } else { format!(" --levels {levels}") }
    )]
    Stale {
        /// The source, as it was named.
        source_path: String,
        /// What has changed, as a phrase.
        how: String,
        /// The packed file, for the command that makes it anew.
        out: String,
        /// Shorter side of the packed images in pixels.
        size: usize,
        /// The file that was named for the split.
        split: Option<String>,
        /// The levels that it was packed with.
        levels: Levels,
    },

    /// The pixels were computed with other levels than are wanted.
    #[error(
        "its images of more than eight bits were packed with the levels {packed}, but {asked} are asked for; take those it \
         has (--set levels={packed}), or pack it again with --levels {asked}"
    )]
    Levels {
        /// The levels of the packed images.
        packed: Levels,
        /// The levels that are wanted.
        asked: Levels,
    },
}

/// What came of packing.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Packed {
    /// Images that were written.
    #[serde(rename = "pictures")]
    pub images: usize,
    /// Size of the file.
    pub bytes: u64,
    /// Images that could not be read and were left out.
    pub skipped: usize,
    /// What a person should know.
    pub notes: Vec<DataNote>,
    /// What is odd.
    pub warnings: Vec<DataNote>,
}

#[derive(Serialize, Deserialize)]
struct Index {
    name: String,
    size: usize,
    source: Source,
    class_names: Vec<String>,
    names: Vec<String>,
    /// Width and height.
    sizes: Vec<(usize, usize)>,
    labels: Vec<Option<u16>>,
    train: Vec<usize>,
    test: Vec<usize>,
    unlabeled: Vec<usize>,
    /// SHA-256 of all pixels.
    pixels: String,
    fingerprint: String,
    skipped: usize,
    /// Which stored values are black and white.
    #[serde(default)]
    levels: Levels,
    /// How many images that choice concerns; not known of packs of earlier versions.
    #[serde(default)]
    deep: Option<usize>,
}

/// What the images were read from.
#[derive(Serialize, Deserialize)]
struct Source {
    path: String,
    files: usize,
    /// Of paths, sizes and times of change.
    state: String,
    split_file: Option<String>,
    split_state: Option<String>,
    /// Whether the split's file was named, and is not the one beside the data.
    #[serde(default)]
    split_named: bool,
}

/// Decodes the data at `path` into `out`, which is written whole or not at all. `size` limits the shorter side; smaller
/// images stay as they are.
///
/// # Errors
/// As [`Dataset::open`](super::Dataset::open); the data is mapped into memory already and needs no packing; `out` is there
/// and is no packed file, or cannot be written.
pub fn pack(path: &Path, out: &Path, size: usize, options: &OpenOptions) -> Result<Packed, DataError> {
    format::find(path)?;
    // The source is looked for again from other folders.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let found = format::find(path)?;
    // Noted before anything is read, so that a change while packing shows.
    let (files, state) = state_of(&found)?;
    let Found::Encoded(found) = found else {
        return Err(DataError::NothingToPack { path: path.to_path_buf() });
    };
    let listing = found.list(Labels::Read)?;
    // What is written over is an older pack at most, never a source or anything else of the user's.
    if fs::metadata(out).is_ok_and(|metadata| metadata.len() > 0) && !is_pack(out) {
        return Err(DataError::NotReplaced { path: out.to_path_buf() });
    }
    let mut temporary = out.as_os_str().to_owned();
    temporary.push(".");
    temporary.push(PARTIAL);
    let temporary = PathBuf::from(temporary);
    let split = options.split_file.as_deref().unwrap_or(&listing.split_file);
    let had_split = split.exists();
    let packed = File::create(&temporary)
        .map_err(DataError::io("create", &temporary))
        .and_then(|file| write(file, &temporary, &listing, Source::new(path, files, state), size, options))
        .and_then(|packed| fs::rename(&temporary, out).map_err(DataError::io("write", out)).map(|()| packed));
    match packed {
        Ok(mut packed) => {
            packed.warnings.extend(PassedOver::beside(&found, &listing).notes());
            Ok(packed)
        }
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            if !had_split {
                // What was drawn for a pack that is not there.
                let _ = fs::remove_file(split);
            }
            Err(error)
        }
    }
}

fn write(
    file: File,
    path: &Path,
    listing: &Listing,
    mut source: Source,
    size: usize,
    options: &OpenOptions,
) -> Result<Packed, DataError> {
    let failed = |error: io::Error| DataError::Io { action: "write", path: path.to_path_buf(), source: error };
    let mut out = BufWriter::with_capacity(1 << 20, file);
    out.write_all(MAGIC).map_err(failed)?;
    let mut written = MAGIC.len() as u64;
    let mut pixels = Sha256::new();
    let (mut kept, mut looks, mut sizes, mut skipped) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut all = Depths::default();
    let done = AtomicUsize::new(0);
    for start in (0..listing.images.len()).step_by(AT_ONCE) {
        let end = (start + AT_ONCE).min(listing.images.len());
        let decode = |image: &mut Image, index: usize| {
            let encoded = &listing.images[index].encoded;
            let outcome = encoded.decode(options.levels, Detail::to_shrink(size), image).and_then(
                |Decoded { stored, .. }| {
                    let depths = Depths::of(image, stored, options.levels);
                    Ok((Look::of(image), depths, shrunk(image, size)?))
                },
            );
            if let Some(on_progress) = &options.on_progress {
                on_progress(done.fetch_add(1, Ordering::Relaxed) + 1, listing.images.len());
            }
            outcome
        };
        let decoded: Vec<Result<(Look, Depths, Image), ImageProblem>> =
            (start..end).into_par_iter().map_init(Image::default, decode).collect();
        for (index, outcome) in (start..end).zip(decoded) {
            match outcome {
                Ok((look, depths, image)) => {
                    all.join(depths);
                    looks.push(Some(look));
                    out.write_all(&image.pixels).map_err(failed)?;
                    pixels.update(&image.pixels);
                    written += image.pixels.len() as u64;
                    kept.push(index);
                    sizes.push((image.width, image.height));
                }
                Err(problem) if options.strict => {
                    return Err(DataError::StrictImage { path: listing.images[index].encoded.path(), problem });
                }
                Err(problem) => skipped.push(Skipped { path: listing.images[index].encoded.path(), problem }),
            }
        }
    }
    if kept.is_empty() && !skipped.is_empty() {
        let count = skipped.len();
        let Skipped { path: first, problem } = skipped.swap_remove(0);
        return Err(DataError::NoReadableImage { path: listing.root.clone(), count, first, problem });
    }
    let Divided { train, test, unlabeled, notes, warnings, .. } =
        listing.divide(Usable { indices: &kept, looks: &looks }, options.split_file.as_deref(), Saving::AtOnce)?;
    source.note_split(&listing.split_file, options.split_file.as_deref());
    let places = |indices: &[usize]| -> Vec<usize> {
        indices.iter().map(|index| kept.partition_point(|kept| kept < index)).collect()
    };
    let mut index = Index {
        name: name_of(&listing.root),
        size,
        source,
        class_names: listing.class_names.clone(),
        names: kept.iter().map(|&index| listing.images[index].encoded.name.clone()).collect(),
        sizes,
        labels: kept.iter().map(|&index| listing.images[index].label).collect(),
        train: places(&train),
        test: places(&test),
        unlabeled: places(&unlabeled),
        pixels: pixels.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        fingerprint: String::new(),
        skipped: skipped.len(),
        levels: options.levels,
        deep: Some(all.deep()),
    };
    index.fingerprint = index.identify();
    let text = serde_json::to_vec(&index).map_err(|error| failed(error.into()))?;
    let trailer = [&written.to_le_bytes()[..], &(text.len() as u64).to_le_bytes(), &Sha256::digest(&text), MAGIC];
    out.write_all(&text).and_then(|()| out.write_all(&trailer.concat())).map_err(failed)?;
    let file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    let mut all_warnings = listing.warnings.clone();
    all_warnings.extend(warnings);
    all_warnings.extend(all.warnings(options.levels));
    all_warnings.extend(describe(&skipped, &listing.root));
    Ok(Packed {
        images: kept.len(),
        bytes: written + (text.len() + TRAILER) as u64,
        skipped: skipped.len(),
        notes: listing.notes.iter().cloned().chain(notes).collect(),
        warnings: all_warnings,
    })
}

/// The image with its shorter side at most `size`, by the average of what each pixel covers (a triangle filter as wide as the pixels
/// that it joins: Pillow's `BILINEAR`).
///
/// # Errors
/// There is no room for it.
#[doc(hidden)]
pub fn shrunk(image: &mut Image, size: usize) -> Result<Image, ImageProblem> {
    let shorter = image.width.min(image.height);
    if shorter <= size {
        return Ok(std::mem::take(image));
    }
    let scaled = |side: usize| ((side * size + shorter / 2) / shorter).max(1);
    let (width, height) = (scaled(image.width), scaled(image.height));
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    let failed = |error: &dyn std::error::Error| ImageProblem::Decode(error.to_string());
    let (mut resizer, mut pixels) = (Resizer::new(), vec![0; 3 * width * height]);
    let planes = image.pixels.chunks_exact(image.width * image.height).zip(pixels.chunks_exact_mut(width * height));
    for (plane, small) in planes {
        let whole = ImageRef::new(image.width as u32, image.height as u32, plane, PixelType::U8);
        let small = images::Image::from_slice_u8(width as u32, height as u32, small, PixelType::U8);
        let (whole, mut small) = (whole.map_err(|error| failed(&error))?, small.map_err(|error| failed(&error))?);
        resizer.resize(&whole, &mut small, &options).map_err(|error| failed(&error))?;
    }
    Ok(Image { width, height, pixels })
}

/// How many files data is read from, and a hash of their paths, sizes and times of change.
fn state_of(found: &Found) -> Result<(usize, String), DataError> {
    let files = match found {
        Found::Encoded(found) => found.files()?,
        Found::Pixels(_) => Vec::new(),
    };
    let mut fingerprint = Fingerprint::new("state");
    for file in &files {
        add_state(&mut fingerprint, file);
    }
    Ok((files.len(), fingerprint.finish()))
}

fn add_state(fingerprint: &mut Fingerprint, file: &Path) {
    fingerprint.bytes(file.as_os_str().as_encoded_bytes());
    // A file that is not there has a state, too.
    if let Ok(metadata) = fs::metadata(file) {
        fingerprint.number(metadata.len());
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        fingerprint.bytes(&changed.map_or(0, |time| time.as_nanos()).to_le_bytes());
    }
}

fn state_of_file(file: &Path) -> String {
    let mut fingerprint = Fingerprint::new("state");
    add_state(&mut fingerprint, file);
    fingerprint.finish()
}

impl Source {
    fn new(path: &Path, files: usize, state: String) -> Self {
        let path = path.to_string_lossy().into_owned();
        Source { path, files, state, split_file: None, split_state: None, split_named: false }
    }

    /// Notes the saved split that was used, if one was: the named one, or the one beside the data.
    fn note_split(&mut self, beside: &Path, named: Option<&Path>) {
        let file = named.unwrap_or(beside);
        if file.is_file() {
            // As the source, it is looked for again from other folders.
            let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
            self.split_state = Some(state_of_file(&file));
            self.split_file = Some(file.to_string_lossy().into_owned());
            self.split_named = named.is_some();
        }
    }

    /// The folder that the images' names begin in.
    fn folder(&self) -> PathBuf {
        let path = Path::new(&self.path);
        match path.is_dir() {
            true => path.to_path_buf(),
            false => path.parent().map(Path::to_path_buf).unwrap_or_default(),
        }
    }

    /// How the source has changed; nothing where it is as it was, or is not here.
    fn change(&self) -> Option<String> {
        let path = Path::new(&self.path);
        if !path.exists() {
            return None;
        }
        match format::find(path).and_then(|found| state_of(&found)) {
            Err(error) => return Some(error.to_string()),
            Ok((files, _)) if files != self.files => return Some(format!("{} files then, {files} now", self.files)),
            Ok((_, state)) if state != self.state => return Some("files were renamed or rewritten".into()),
            Ok(_) => {}
        }
        let file = self.split_file.as_deref()?;
        (self.split_state != Some(state_of_file(Path::new(file)))).then(|| format!("{file} is not as it was"))
    }
}

impl Index {
    /// A hash of everything that training sees of the data. Where it came from, and when, has no part in it.
    fn identify(&self) -> String {
        let mut fingerprint = Fingerprint::new("pack");
        fingerprint.number(self.size as u64);
        fingerprint.bytes(self.pixels.as_bytes());
        self.class_names.iter().for_each(|name| fingerprint.bytes(name.as_bytes()));
        for ((name, label), size) in self.names.iter().zip(&self.labels).zip(&self.sizes) {
            fingerprint.bytes(name.as_bytes());
            fingerprint.number(label.map_or(0, |label| u64::from(label) + 1));
            fingerprint.number(size.0 as u64);
            fingerprint.number(size.1 as u64);
        }
        for part in [&self.train, &self.test, &self.unlabeled] {
            fingerprint.number(part.len() as u64);
            part.iter().for_each(|&index| fingerprint.number(index as u64));
        }
        fingerprint.finish()
    }

    /// Hashes of the parts by themselves: names, sizes and classes of their images.
    fn identify_parts(&self) -> Fingerprints {
        let part = |places: &[usize]| {
            if places.is_empty() {
                return String::new();
            }
            let mut fingerprint = Fingerprint::new("pack");
            fingerprint.number(self.size as u64);
            for &place in places {
                fingerprint.bytes(self.names[place].as_bytes());
                fingerprint.number(self.sizes[place].0 as u64);
                fingerprint.number(self.sizes[place].1 as u64);
                let class = self.labels[place].map(|label| self.class_names[usize::from(label)].as_str());
                fingerprint.bytes(class.unwrap_or_default().as_bytes());
            }
            fingerprint.finish()
        };
        Fingerprints { train: part(&self.train), test: part(&self.test), unlabeled: part(&self.unlabeled) }
    }

    /// Where each image begins, if everything fits together and the images end at `end`.
    fn starts(&self, end: usize) -> Option<Vec<usize>> {
        let count = self.names.len();
        let places = self.train.iter().chain(&self.test).chain(&self.unlabeled);
        let mut labels = self.labels.iter().flatten();
        let labeled = self.train.iter().chain(&self.test);
        let sound = self.sizes.len() == count
            && self.labels.len() == count
            && places.into_iter().all(|&place| place < count)
            && labeled.into_iter().all(|&place| self.labels[place].is_some())
            && labels.all(|&label| usize::from(label) < self.class_names.len())
            && self.sizes.iter().all(|&(width, height)| width > 0 && height > 0);
        let mut at = MAGIC.len();
        let mut starts = Vec::with_capacity(count);
        for &(width, height) in &self.sizes {
            starts.push(at);
            at = width.checked_mul(height)?.checked_mul(3)?.checked_add(at)?;
        }
        (sound && at == end).then_some(starts)
    }
}

impl EncodedSet {
    /// The files that data is read from, sorted. Nothing is decoded.
    fn files(&self) -> Result<Vec<PathBuf>, DataError> {
        let mut files = match self {
            EncodedSet::Parquet { shards, .. } => shards.clone(),
            EncodedSet::WebDataset { root, shards } => {
                shards.iter().cloned().chain(webdataset::class_names_file(root)).collect()
            }
            EncodedSet::Csv { .. } | EncodedSet::Folder { .. } => {
                let listing = self.list(Labels::Ignored)?;
                let mut files: Vec<PathBuf> = listing.images.iter().map(|listed| listed.encoded.path()).collect();
                files.extend(listing.read_files);
                if let EncodedSet::Folder { folder } = self {
                    files.extend(tables::find(folder)?.into_iter().flatten().map(|(table, _)| table));
                }
                files
            }
        };
        files.sort();
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Image.resize((4, 3), Image.BILINEAR)` of Pillow 13.0.0, of gray values `(37 x + 53 y) mod 256`.
    #[test]
    fn images_are_shrunk_as_pillow_does() {
        let plane = || (0..5).flat_map(|y| (0..7).map(move |x| ((37 * x + 53 * y) % 256) as u8));
        let mut image =
            Image { width: 7, height: 5, pixels: [plane(), plane(), plane()].into_iter().flatten().collect() };
        let small = shrunk(&mut image, 3).unwrap();
        let pillow = [42, 100, 168, 168, 125, 167, 166, 87, 201, 118, 78, 136];
        assert_eq!((small.width, small.height), (4, 3));
        for plane in small.pixels.chunks_exact(12) {
            let most = plane.iter().zip(pillow).map(|(found, expected): (&u8, u8)| found.abs_diff(expected)).max();
            assert!(most <= Some(1), "{plane:?}");
        }
    }

    #[test]
    fn small_images_stay() {
        let image = Image { width: 2, height: 3, pixels: (0..18).collect() };
        assert_eq!(shrunk(&mut image.clone(), 2).unwrap(), image);
    }
}
