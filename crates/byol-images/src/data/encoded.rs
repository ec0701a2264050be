//! Images that are stored encoded, in files of their own or in parts of larger files: they are decoded once, to find those
//! that cannot be used, and kept in memory where they fit. Which of them wait until they are used is said in
//! [`super::first_use`]; one image is decoded in [`super::decode`].

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memmap2::Mmap;
use rayon::prelude::*;

use super::decode::header::{self, Header};
use super::decode::{Decoded, Detail};
use super::depths::Depths;
use super::error::{DataError, ImageProblem};
use super::fingerprint::Fingerprint;
use super::first_use::Decoding;
use super::folder::OpenOptions;
use super::levels::Levels;
use super::look::Look;
use super::missing_files::Missing;
use super::{Image, ImageSource, decode, first_use, origin};

/// An image and where its encoded bytes lie.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// What a person calls it, the same wherever the data lies.
    pub name: String,
    pub place: Place,
}

#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Part {
        archive: Arc<Archive>,
        start: usize,
        len: usize,
        /// Where in the image's name its name within the archive begins.
        within: usize,
    },
    /// A table names it, and it is not there.
    Missing(Missing),
}

/// A file of many images, mapped into memory. It must not be cut off while it is mapped: the operating system then
/// ends the program.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    origin: PathBuf,
    map: Mmap,
}

impl Archive {
    pub fn open(path: &Path) -> Result<Arc<Self>, DataError> {
        let file = File::open(path).map_err(DataError::io("open", path))?;
        Self::map(path, &file)
    }

    /// Maps an open file; `path` is what messages call it.
    pub fn map(path: &Path, file: &File) -> Result<Arc<Self>, DataError> {
        // SAFETY: the map is read-only and read through `&[u8]` of the length found at mapping. Another process that
        // changes the file changes pixel values; one that cuts it off is excluded in the type's documentation.
        let map = unsafe { Mmap::map(file) }.map_err(DataError::io("map into memory", path))?;
        Ok(Arc::new(Archive { path: path.to_path_buf(), origin: origin::of(path), map }))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

impl Encoded {
    /// Where a person finds it: a file's path, or an archive's path and the name within it.
    pub fn path(&self) -> PathBuf {
        match &self.place {
            Place::File(path) | Place::Missing(Missing { path, .. }) => path.clone(),
            Place::Part { archive, within, .. } => archive.path.join(self.name.get(*within..).unwrap_or_default()),
        }
    }

    /// See [`ImageSource::origin`].
    pub fn origin(&self) -> PathBuf {
        match &self.place {
            Place::File(path) | Place::Missing(Missing { path, .. }) => origin::of(path),
            Place::Part { archive, within, .. } => archive.origin.join(self.name.get(*within..).unwrap_or_default()),
        }
    }

    /// How many bytes it takes, encoded.
    fn bytes(&self) -> Result<u64, ImageProblem> {
        match &self.place {
            Place::File(path) => decode::file_size(path),
            Place::Part { len: 0, .. } => Err(ImageProblem::Empty),
            Place::Part { len, .. } => Ok(*len as u64),
            Place::Missing(missing) => Err(missing.problem()),
        }
    }

    /// How many bytes it takes, and what its beginning tells; nothing is decoded.
    pub fn header(&self) -> Result<(u64, Header), ImageProblem> {
        let bytes = self.bytes()?;
        let header = match &self.place {
            Place::File(path) => header::of_file(path, bytes)?,
            Place::Part { archive, start, len, .. } => {
                header::of_bytes(archive.bytes().get(*start..start + len).unwrap_or_default())?
            }
            Place::Missing(missing) => return Err(missing.problem()),
        };
        Ok((bytes, header))
    }

    pub fn decode(&self, levels: Levels, detail: Detail, image: &mut Image) -> Result<Decoded, ImageProblem> {
        match &self.place {
            Place::File(path) => decode::decode(path, levels, detail, image),
            Place::Part { archive, start, len, .. } => {
                let bytes = archive.bytes().get(*start..start + len).unwrap_or_default();
                decode::decode_bytes(bytes, levels, detail, image)
            }
            Place::Missing(missing) => Err(missing.problem()),
        }
    }
}

/// A file or folder that was left out, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Skipped {
    /// The file, or the place of the image in one.
    pub path: PathBuf,
    /// Why it cannot be used.
    pub problem: ImageProblem,
}

/// An image that is to be looked at.
pub(crate) struct Given {
    pub encoded: Encoded,
    /// Whether it is for pre-training alone, so that it may be decoded when it is first used.
    pub may_wait: bool,
}

impl Given {
    /// One that is decoded when the data is opened.
    pub fn now(encoded: Encoded) -> Self {
        Given { encoded, may_wait: false }
    }
}

/// The usable ones among many encoded images.
pub(crate) struct EncodedImages {
    images: Vec<Encoded>,
    sizes: Vec<(usize, usize)>,
    /// Of those that have been decoded.
    looks: Vec<Option<Look>>,
    levels: Levels,
    /// All images that have been decoded, or nothing.
    decoded: Vec<Option<Image>>,
    /// Whether all that have been decoded are kept.
    in_memory: bool,
}

/// What identifies an image beside its name, without its pixels.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stamp {
    /// Encoded.
    bytes: u64,
    /// Whether fewer pixels are decoded than are stored: those that earlier versions saw are others.
    reduced: bool,
}

impl Stamp {
    pub fn add_to(self, fingerprint: &mut Fingerprint) {
        fingerprint.number(self.bytes);
        if self.reduced {
            fingerprint.bytes(b"decoded at a part of its size by a second decoder");
        }
    }
}

/// What came of looking at every image.
pub(crate) struct LookedThrough {
    pub images: EncodedImages,
    /// Which of the given images `images` holds, in order.
    pub kept: Vec<usize>,
    /// What identifies each of them beside its name.
    pub stamps: Vec<Stamp>,
    pub skipped: Vec<Skipped>,
    /// How much of their range they use.
    pub depths: Depths,
    /// How many of them are decoded when they are first used: all that may wait, or none.
    pub waiting: usize,
}

/// One image that was looked at.
struct Seen {
    /// (0, 0) where it has not been decoded.
    whole: (usize, usize),
    stamp: Stamp,
    look: Option<Look>,
    depths: Depths,
    /// Kept while the budget lasts.
    image: Option<Image>,
}

impl Seen {
    /// One that is decoded later.
    fn waiting((bytes, header): (u64, Header)) -> Self {
        let stamp = Stamp { bytes, reduced: header.reduced };
        Seen { whole: (0, 0), stamp, look: None, depths: Depths::default(), image: None }
    }
}

/// Decodes every image once, on all threads, and keeps what it looks like; those that may wait are decoded when they are first used
/// instead, where [`first_use::stamped`] says so.
pub(crate) fn look_through(given: Vec<Given>, options: &OpenOptions) -> LookedThrough {
    let may_wait: Vec<&Encoded> = given.iter().filter(|given| given.may_wait).map(|given| &given.encoded).collect();
    let headers = first_use::stamped(&may_wait, options);
    let is_waiting = |given: &Given| headers.is_some() && given.may_wait;
    let count = given.iter().filter(|given| !is_waiting(given)).count();
    let (kept_bytes, done) = (AtomicU64::new(0), AtomicUsize::new(0));
    let look_at = |image: &mut Image, given: &Given| {
        if is_waiting(given) {
            return None;
        }
        let encoded = &given.encoded;
        let outcome = encoded.bytes().and_then(|bytes| {
            let Decoded { stored, size: whole } = encoded.decode(options.levels, Detail::Views, image)?;
            let depths = Depths::of(image, stored, options.levels);
            let stamp = Stamp { bytes, reduced: whole != (image.width, image.height) };
            let size = image.pixels.len() as u64;
            let fits = kept_bytes.fetch_add(size, Ordering::Relaxed) + size <= options.memory_budget_bytes;
            Ok(Seen { whole, stamp, look: Some(Look::of(image)), depths, image: fits.then(|| image.clone()) })
        });
        if let Some(on_progress) = &options.on_progress {
            on_progress(done.fetch_add(1, Ordering::Relaxed) + 1, count);
        }
        Some(outcome)
    };
    let seen: Vec<Option<Result<Seen, ImageProblem>>> = given.par_iter().map_init(Image::default, look_at).collect();
    let mut headers = headers.unwrap_or_default().into_iter();
    let seen = seen.into_iter().filter_map(|seen| match seen {
        Some(seen) => Some(seen),
        None => headers.next().map(|header| header.map(Seen::waiting)),
    });
    let mut looked = LookedThrough {
        images: EncodedImages {
            images: Vec::new(),
            sizes: Vec::new(),
            looks: Vec::new(),
            levels: options.levels,
            decoded: Vec::new(),
            in_memory: kept_bytes.into_inner() <= options.memory_budget_bytes,
        },
        kept: Vec::new(),
        stamps: Vec::new(),
        skipped: Vec::new(),
        depths: Depths::default(),
        waiting: 0,
    };
    for (index, (Given { encoded, .. }, outcome)) in given.into_iter().zip(seen).enumerate() {
        match outcome {
            Ok(seen) => looked.keep(index, encoded, seen),
            Err(problem) => looked.skipped.push(Skipped { path: encoded.path(), problem }),
        }
    }
    looked
}

impl LookedThrough {
    /// When the images for pre-training alone are decoded.
    pub fn decoding(&self) -> Decoding {
        if self.waiting > 0 { Decoding::AtFirstUse } else { Decoding::AtOnce }
    }

    fn keep(&mut self, index: usize, encoded: Encoded, seen: Seen) {
        let Seen { whole, stamp, look, depths, image } = seen;
        self.depths.join(depths);
        self.waiting += usize::from(look.is_none());
        if self.images.in_memory {
            self.images.decoded.push(image);
        }
        self.images.sizes.push(whole);
        self.images.looks.push(look);
        self.images.images.push(encoded);
        self.kept.push(index);
        self.stamps.push(stamp);
    }

    /// Sorts what was skipped, and refuses it where nothing is left or `strict` asks for it. `root` is what was opened.
    ///
    /// # Errors
    /// No image can be used; with [`strict`](OpenOptions::strict), the first that cannot.
    pub fn refuse_bad(mut self, root: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        self.skipped.sort_by(|a, b| a.path.cmp(&b.path));
        let count = self.skipped.len();
        if count == 0 || !(options.strict || self.kept.is_empty()) {
            return Ok(self);
        }
        let Skipped { path, problem } = self.skipped.swap_remove(0);
        Err(match options.strict {
            true => DataError::StrictImage { path, problem },
            false => DataError::NoReadableImage { path: root.to_path_buf(), count, first: path, problem },
        })
    }
}

impl EncodedImages {
    /// (width, height) of every image, after turning it upright, as it is stored; (0, 0) of those that are decoded later.
    pub fn sizes(&self) -> &[(usize, usize)] {
        &self.sizes
    }

    /// What each of them looks like; nothing of those that are decoded later.
    pub fn looks(&self) -> &[Option<Look>] {
        &self.looks
    }

    /// Whether the decoded images are kept in memory.
    pub fn in_memory(&self) -> bool {
        self.in_memory
    }
}

impl ImageSource for EncodedImages {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let encoded = self.images.get(index).ok_or_else(|| DataError::IndexOutOfRange {
            source_name: "the data".into(),
            index,
            len: self.images.len(),
        })?;
        match self.decoded.get(index) {
            Some(Some(decoded)) => {
                image.clone_from(decoded);
                Ok(())
            }
            _ => encoded
                .decode(self.levels, Detail::Views, image)
                .map(drop)
                .map_err(|problem| DataError::Image { path: encoded.path(), problem }),
        }
    }

    fn name(&self, index: usize) -> String {
        self.images.get(index).map_or_else(String::new, |encoded| encoded.name.clone())
    }

    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.images.get(index).map(Encoded::origin)
    }

    fn look(&self, index: usize) -> Option<&Look> {
        self.looks.get(index)?.as_ref()
    }
}
