//! Representations of a pool of images, each computed once: a run keeps the rows that its encoder made in its directory, they are
//! mapped into memory, and only images that came since are computed. What is done with the rows is not here.
//!
//! They stand in `RUN/representations/ENCODER-PRECISION/`, in files of safetensors that are never changed: `vectors`, float32
//! `[images, features]`, and `images`, uint8 `[images, 16]`, the digest of each image's size and pixels. So an image is known again
//! under another name, and one that has changed is another image. ENCODER begins the digest of the weights and of how images are
//! prepared for them. A file's name is a function of its images: two programs that compute the same write the same.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::data::duplicates::looks_of;
use crate::data::look::Look;
use crate::data::{DataError, ImageSource, SubsetSource};
use crate::device::{Hardware, Precision};
use crate::eval::features::{FeatureError, FeatureRequest, represent};
use crate::files::write_atomically;
use crate::loader::ViewKind;
use crate::trained::model::TrainedEncoder;

/// The folder's name in a run directory.
const FOLDER: &str = "representations";
/// Images whose rows are computed and written together: what an interruption loses at most.
const AT_ONCE: usize = 4096;
/// Digits of the encoder's digest in a folder's name, and of the images' in a file's.
const DIGITS: usize = 16;
/// Names of the tensors in a file.
const VECTORS: &str = "vectors";
const IMAGES: &str = "images";

/// What an image is known by: [`Look::digest`].
type Known = [u8; 16];

/// Representations that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepresentationError {
    /// An image cannot be read any more.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The encoder cannot compute one.
    #[error(transparent)]
    Feature(#[from] FeatureError),
}

/// Whose representations are wanted.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The encoder.
    pub encoder: &'a TrainedEncoder,
    /// What it runs on.
    pub hardware: &'a Hardware,
    /// The run directory that keeps them; nothing is kept without one.
    pub run: Option<&'a Path>,
}

/// Rows for the images of a pool, in the pool's order.
#[derive(Debug)]
pub struct Representations {
    columns: usize,
    parts: Vec<Part>,
    /// The part and the row in it of each image.
    places: Vec<(usize, usize)>,
    looks: Vec<Look>,
    computed: usize,
    not_kept: Option<(PathBuf, io::Error)>,
}

/// Rows that lie together.
#[derive(Debug)]
enum Part {
    /// In a file, from a byte on.
    Mapped { map: Mmap, start: usize },
    /// Of a file that could not be written, or where none is wanted.
    Held(Vec<f32>),
}

impl Representations {
    /// The representations of `images` as evaluations see them. Those that the run does not have yet are computed and kept;
    /// `progress` is told how many of how many of these are done, from the calling thread.
    ///
    /// That they cannot be kept is no error, but found in [`not_kept`](Self::not_kept). A file of an earlier time that is damaged is
    /// passed over, and its images are computed anew.
    ///
    /// # Errors
    /// An image cannot be read any more, or the weights do not fit the encoder. What was computed by then is kept.
    pub fn of(
        request: Request<'_>,
        images: &Arc<dyn ImageSource>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Representations, RepresentationError> {
        let looks = looks_of(images.as_ref())?;
        let columns = request.encoder.encoder.features() as usize;
        let folder = request.run.map(|run| folder_of(run, request));
        let (mut parts, mut places) = (Vec::new(), HashMap::new());
        for file in folder.iter().flat_map(|folder| files_in(folder)) {
            let Some((part, known)) = read(&file, columns) else { continue };
            for (row, known) in known.into_iter().enumerate() {
                places.entry(known).or_insert((parts.len(), row));
            }
            parts.push(part);
        }
        let mut missing: Vec<usize> = Vec::new();
        let mut computing = HashMap::new();
        for (index, look) in looks.iter().enumerate() {
            let known = look.digest();
            if !places.contains_key(&known) && computing.insert(known, index).is_none() {
                missing.push(index);
            }
        }
        let mut not_kept = None;
        for (number, indices) in missing.chunks(AT_ONCE).enumerate() {
            let rows = compute(request, images, indices)?;
            let known: Vec<Known> = indices.iter().map(|&index| looks[index].digest()).collect();
            let kept = match (&folder, &not_kept) {
                (Some(folder), None) => keep(folder, request, &known, &rows, columns),
                // Where one file could not be written, the next cannot either.
                _ => Ok(None),
            };
            let kept = kept.unwrap_or_else(|failed| {
                not_kept = Some(failed);
                None
            });
            places.extend(known.into_iter().enumerate().map(|(row, known)| (known, (parts.len(), row))));
            parts.push(kept.unwrap_or(Part::Held(rows)));
            progress((number * AT_ONCE + indices.len()).min(missing.len()), missing.len());
        }
        let places = looks.iter().filter_map(|look| places.get(&look.digest()).copied()).collect();
        Ok(Representations { columns, parts, places, looks, computed: missing.len(), not_kept })
    }

    /// Images of the pool.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the pool has no image.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Numbers of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Images that were computed now; the others' rows were there.
    pub fn computed(&self) -> usize {
        self.computed
    }

    /// The file that could not be written, and what the system says of it.
    pub fn not_kept(&self) -> Option<(&Path, &io::Error)> {
        self.not_kept.as_ref().map(|(path, error)| (path.as_path(), error))
    }

    /// What each image looks like, which was found on the way.
    #[doc(hidden)]
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// The rows of the images `indices`, in their order.
    ///
    /// # Shapes
    /// float32 `[images, features]` on the CPU.
    ///
    /// # Panics
    /// An index is not below [`len`](Self::len).
    pub fn rows(&self, indices: &[usize]) -> Tensor {
        let mut values = vec![0.0f32; indices.len() * self.columns];
        for (row, &index) in values.chunks_exact_mut(self.columns.max(1)).zip(indices) {
            let (part, place) = self.places[index];
            self.parts[part].read(place, row);
        }
        Tensor::from_slice(&values).view([indices.len() as i64, self.columns as i64])
    }

    /// As [`rows`](Self::rows), of all images.
    pub fn all(&self) -> Tensor {
        self.rows(&(0..self.len()).collect::<Vec<_>>())
    }
}

impl Part {
    fn read(&self, place: usize, row: &mut [f32]) {
        let columns = row.len();
        match self {
            Part::Held(values) => row.copy_from_slice(&values[place * columns..][..columns]),
            Part::Mapped { map, start } => {
                let bytes = &map[start + 4 * place * columns..][..4 * columns];
                for (value, bytes) in row.iter_mut().zip(bytes.chunks_exact(4)) {
                    *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
        }
    }
}

fn folder_of(run: &Path, request: Request<'_>) -> PathBuf {
    let digest = request.encoder.digest();
    let encoder: String = digest.trim_start_matches("sha256:").chars().take(DIGITS).collect();
    let precision = match request.hardware.precision {
        Precision::Full => "fp32",
        Precision::Bf16 => "bf16",
    };
    run.join(FOLDER).join(format!("{encoder}-{precision}"))
}

/// The files of a folder, in the order of their names; none where there is no folder.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect();
    files.sort();
    files
}

/// The rows of a file with the images that they are of; nothing where it is damaged, or has rows of another length.
fn read(path: &Path, columns: usize) -> Option<(Part, Vec<Known>)> {
    let file = File::open(path).ok()?;
    // SAFETY: the map is read-only and read through `&[u8]` of the length found at mapping. The file is never changed by this
    // program, which writes another one and renames it.
    let map = unsafe { Mmap::map(&file) }.ok()?;
    let (header, metadata) = SafeTensors::read_metadata(&map).ok()?;
    let content = 8 + header;
    let (vectors, images) = (metadata.info(VECTORS)?, metadata.info(IMAGES)?);
    let count = *images.shape.first()?;
    let fits = vectors.dtype == Dtype::F32
        && vectors.shape == [count, columns]
        && images.dtype == Dtype::U8
        && images.shape == [count, size_of::<Known>()];
    if !fits {
        return None;
    }
    let known = map.get(content + images.data_offsets.0..content + images.data_offsets.1)?;
    let known = known.chunks_exact(size_of::<Known>()).filter_map(|known| known.try_into().ok()).collect();
    let start = content + vectors.data_offsets.0;
    Some((Part::Mapped { map, start }, known))
}

fn compute(
    request: Request<'_>,
    images: &Arc<dyn ImageSource>,
    indices: &[usize],
) -> Result<Vec<f32>, RepresentationError> {
    let Request { encoder, hardware, .. } = request;
    let named = encoder.weights.named();
    let of = FeatureRequest { experiment: &encoder.experiment, hardware, encoder: &named };
    let chosen: Arc<dyn ImageSource> = Arc::new(SubsetSource::new(Arc::clone(images), indices.to_vec()));
    let rows = represent(&of, &chosen, &(0..indices.len()).collect::<Vec<_>>(), ViewKind::Plain)?;
    let rows = rows.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; rows.numel()];
    let count = values.len();
    rows.copy_data(&mut values, count);
    Ok(values)
}

/// Writes rows into a file and maps it; nothing where what was written cannot be read back.
fn keep(
    folder: &Path,
    request: Request<'_>,
    known: &[Known],
    rows: &[f32],
    columns: usize,
) -> Result<Option<Part>, (PathBuf, io::Error)> {
    let images: Vec<u8> = known.iter().flatten().copied().collect();
    let vectors: Vec<u8> = rows.iter().flat_map(|value| value.to_le_bytes()).collect();
    let name: String = format!("{:x}", Sha256::digest(&images)).chars().take(DIGITS).collect();
    let path = folder.join(format!("{name}.safetensors"));
    let view = |dtype, width, bytes| TensorView::new(dtype, vec![known.len(), width], bytes).map_err(io::Error::other);
    // One entry: the order of several would differ from file to file.
    let about = HashMap::from([("network".to_owned(), request.encoder.digest())]);
    let written = fs::create_dir_all(folder).and_then(|()| {
        let views =
            [(VECTORS, view(Dtype::F32, columns, &vectors)?), (IMAGES, view(Dtype::U8, size_of::<Known>(), &images)?)];
        let bytes = serialize(views, Some(about)).map_err(io::Error::other)?;
        write_atomically(&path, &bytes)
    });
    match written {
        Ok(()) => Ok(read(&path, columns).map(|(part, _)| part)),
        Err(error) => Err((path, error)),
    }
}

#[cfg(test)]
mod tests;
