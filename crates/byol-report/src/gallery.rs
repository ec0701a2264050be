//! Images for people: originals with views of them, test images with their nearest neighbours (PNG files), and sheets
//! of thumbnails of test images (JPEG). Which images are shown is the caller's choice; how views are sampled and rendered is in [`augment`](crate::augment).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ImageBuffer, Rgb, RgbImage, imageops};
use rayon::prelude::*;
use serde::Serialize;

use crate::augment::{RenderError, Renderer, ViewParams};
use crate::config::TrainingView;
use crate::data::{DataError, Image, ImageSource, LabeledImages};
use crate::files::write_atomically;
use crate::random::{Coordinates, Stream, rng};
use crate::run::record::{Neighbor, NeighborExample, Thumbnails, ViewExample};

/// Longest side of a written original, in pixels; larger images are made smaller.
const LONGEST_SIDE: u32 = 192;
/// Longest side of a small image, and how many share a sheet.
const THUMBNAIL_SIDE: u32 = 48;
const SHEET_COLUMNS: usize = 20;
const SHEET_IMAGES: usize = 400;
/// Places of small images are multiples of JPEG's largest block, so that none bleeds into another.
const BLOCK: u32 = 16;
const JPEG_QUALITY: u8 = 78;

/// Images could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GalleryError {
    /// An index leads past the images.
    #[error("image {index} does not exist: there are {len}")]
    NoSuchImage {
        /// The index that was asked for, from 0.
        index: usize,
        /// Images of the source.
        len: usize,
    },
    /// An image cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An image is too small or too large for the view.
    #[error("a view of {name} cannot be rendered")]
    Render {
        /// The image.
        name: String,
        /// What does not fit.
        #[source]
        source: RenderError,
    },
    /// The folder for the files cannot be made.
    #[error("folder {} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says of it.
        #[source]
        source: std::io::Error,
    },
    /// An image cannot be encoded or written.
    #[error("image {} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the encoder or the system says of it.
        #[source]
        source: image::ImageError,
    },
    /// A sheet of thumbnails cannot be written.
    #[error("{} cannot be written", path.display())]
    WriteSheet {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        #[source]
        source: std::io::Error,
    },
    /// The list of sampled views cannot be written.
    #[error("{} cannot be written", path.display())]
    WriteJson {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        #[source]
        source: std::io::Error,
    },
}

/// Which views to write of which images.
#[derive(Clone, Copy)]
pub struct ViewSheet<'a> {
    /// Where the images come from.
    pub source: &'a dyn ImageSource,
    /// Which images, as indices into the source.
    pub indices: &'a [usize],
    /// The views of pre-training ([`Experiment::training_views`](crate::config::Experiment::training_views)).
    pub views: &'a [TrainingView<'a>],
    /// How often each is drawn: as in so many epochs, from the first.
    pub draws: usize,
    /// Seed of the views' random numbers: that of a run gives views that it trained on.
    pub seed: u64,
}

/// How one written view was sampled; `views.json` is a list of these.
#[derive(Serialize)]
struct SampledView<'a> {
    #[serde(rename = "picture")]
    image: &'a str,
    /// The image's index in its source.
    index: usize,
    file: &'a str,
    /// The name of the view: `t`, `t_prime` or `local_1`.
    recipe: &'a str,
    parameters: &'a ViewParams,
}

/// Writes each image and views of it as PNG files into `out` (made where it does not exist), and the sampled
/// parameters as `views.json`. The names in the result are relative to `out`.
///
/// # Errors
/// An image does not exist or cannot be read, or a file cannot be written; the error names it.
pub fn write_views(sheet: &ViewSheet<'_>, out: &Path) -> Result<Vec<ViewExample>, GalleryError> {
    make_folder(out)?;
    let mut rendering: Vec<(Renderer, Vec<u8>)> =
        sheet.views.iter().map(|view| (Renderer::new(view.side), vec![0; 3 * view.side * view.side])).collect();
    let mut examples = Vec::with_capacity(sheet.indices.len());
    let mut sampled = Vec::new();
    for (number, &index) in sheet.indices.iter().enumerate() {
        let image = read(sheet.source, index)?;
        let original = format!("view-{number:02}-original.png");
        write_original(&image, &out.join(&original))?;
        let mut views: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for draw in 0..sheet.draws {
            for (view, (renderer, pixels)) in sheet.views.iter().zip(&mut rendering) {
                let TrainingView { name, recipe, side, .. } = view;
                let at = Coordinates { epoch: draw as u64, index: index as u64, view: view.number.number() };
                let parameters = recipe.sample(image.width, image.height, &mut rng(sheet.seed, Stream::View, at));
                let rendered = renderer.render_levels(&image, &parameters, pixels);
                rendered.map_err(|source| GalleryError::Render { name: sheet.source.name(index), source })?;
                let file = format!("view-{number:02}-{name}-{draw}.png");
                write_planes(pixels, *side, *side, &out.join(&file))?;
                sampled.push((number, index, file.clone(), name, parameters));
                views.entry(name.to_string()).or_default().push(file);
            }
        }
        examples.push(ViewExample { name: sheet.source.name(index), original, views });
    }
    let list = sampled.iter().map(|(number, index, file, recipe, parameters)| SampledView {
        image: &examples[*number].name,
        index: *index,
        file,
        recipe,
        parameters,
    });
    let path = out.join("views.json");
    let json = serde_json::to_string_pretty(&list.collect::<Vec<_>>()).map_err(std::io::Error::from);
    json.and_then(|json| std::fs::write(&path, json + "\n"))
        .map_err(|source| GalleryError::WriteJson { path, source })?;
    Ok(examples)
}

/// A test image and the training images nearest to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Neighbors {
    /// Index of the test image.
    pub query: usize,
    /// Indices of training images with their cosine similarity, nearest first.
    pub nearest: Vec<(usize, f64)>,
}

/// Writes test images and their nearest training images as PNG files into `out` (made where it does not exist).
/// The names in the result are relative to `out`.
///
/// # Errors
/// As [`write_views`].
pub fn write_neighbors(
    test: &LabeledImages,
    train: &LabeledImages,
    found: &[Neighbors],
    out: &Path,
) -> Result<Vec<NeighborExample>, GalleryError> {
    make_folder(out)?;
    let mut examples = Vec::with_capacity(found.len());
    for (number, found) in found.iter().enumerate() {
        let query = format!("neighbor-{number:02}-query.png");
        let label = write_labeled(test, found.query, &out.join(&query))?;
        let mut neighbors = Vec::with_capacity(found.nearest.len());
        for (place, &(index, similarity)) in found.nearest.iter().enumerate() {
            let image = format!("neighbor-{number:02}-{place}.png");
            let label = write_labeled(train, index, &out.join(&image))?;
            neighbors.push(Neighbor { image, name: train.images.name(index), label, similarity });
        }
        let name = test.images.name(found.query);
        examples.push(NeighborExample { query, name, label, neighbors });
    }
    Ok(examples)
}

/// Writes an image as PNG into `out` (made where it does not exist), made smaller where it is large.
///
/// # Errors
/// As [`write_views`].
pub fn write_image(source: &dyn ImageSource, index: usize, out: &Path, name: &str) -> Result<(), GalleryError> {
    make_folder(out)?;
    write_original(&read(source, index)?, &out.join(name))
}

/// Writes thumbnails of the test images `indices` into sheets in `out` (made where it does not exist).
///
/// # Errors
/// As [`write_views`].
pub fn write_thumbnails(test: &LabeledImages, indices: &[usize], out: &Path) -> Result<Thumbnails, GalleryError> {
    make_folder(out)?;
    let thumbnails: Vec<RgbImage> = indices
        .par_iter()
        .map(|&index| {
            let image = read(test.images.as_ref(), index)?;
            Ok(scaled_to(interleaved(&image.pixels, image.width, image.height), THUMBNAIL_SIDE))
        })
        .collect::<Result<_, GalleryError>>()?;
    let longest = thumbnails.iter().map(|one| one.width().max(one.height())).max().unwrap_or(1);
    let side = longest.next_multiple_of(BLOCK);
    let mut sheets = Vec::new();
    for (number, thumbnails) in thumbnails.chunks(SHEET_IMAGES).enumerate() {
        let rows = thumbnails.len().div_ceil(SHEET_COLUMNS) as u32;
        let mut sheet = RgbImage::from_pixel(side * SHEET_COLUMNS as u32, side * rows, Rgb([128; 3]));
        for (place, thumbnail) in thumbnails.iter().enumerate() {
            let (column, row) = ((place % SHEET_COLUMNS) as u32, (place / SHEET_COLUMNS) as u32);
            let (x, y) = (column * side + (side - thumbnail.width()) / 2, row * side + (side - thumbnail.height()) / 2);
            imageops::replace(&mut sheet, thumbnail, x.into(), y.into());
        }
        let name = format!("thumbnails-{number}.jpg");
        let path = out.join(&name);
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY)
            .encode_image(&sheet)
            .map_err(|source| GalleryError::Write { path: path.clone(), source })?;
        write_atomically(&path, &bytes).map_err(|source| GalleryError::WriteSheet { path, source })?;
        sheets.push(name);
    }
    Ok(Thumbnails { side, columns: SHEET_COLUMNS, per_sheet: SHEET_IMAGES, sheets, images: indices.to_vec() })
}

fn write_labeled(from: &LabeledImages, index: usize, path: &Path) -> Result<u16, GalleryError> {
    let len = from.labels.len();
    let label = *from.labels.get(index).ok_or(GalleryError::NoSuchImage { index, len })?;
    write_original(&read(from.images.as_ref(), index)?, path)?;
    Ok(label)
}

fn read(source: &dyn ImageSource, index: usize) -> Result<Image, GalleryError> {
    if index >= source.len() {
        return Err(GalleryError::NoSuchImage { index, len: source.len() });
    }
    let mut image = Image::default();
    source.read(index, &mut image)?;
    Ok(image)
}

fn make_folder(path: &Path) -> Result<(), GalleryError> {
    std::fs::create_dir_all(path).map_err(|source| GalleryError::Folder { path: path.to_owned(), source })
}

fn write_original(image: &Image, path: &Path) -> Result<(), GalleryError> {
    save(&scaled_to(interleaved(&image.pixels, image.width, image.height), LONGEST_SIDE), path)
}

/// An image as JPEG, made smaller where its longest side is longer than `most`.
pub fn small_jpeg(image: &Image, most: u32) -> Result<Vec<u8>, image::ImageError> {
    let small = scaled_to(interleaved(&image.pixels, image.width, image.height), most);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode_image(&small)?;
    Ok(bytes)
}

/// The image, made smaller where its longest side is longer than `most`.
fn scaled_to(image: RgbImage, most: u32) -> RgbImage {
    let longest = image.width().max(image.height());
    if longest <= most {
        return image;
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(most) / u64::from(longest)).max(1) as u32;
    imageops::thumbnail(&image, scaled(image.width()), scaled(image.height()))
}

fn write_planes(pixels: &[u8], width: usize, height: usize, path: &Path) -> Result<(), GalleryError> {
    save(&interleaved(pixels, width, height), path)
}

/// An image from its planes `[3, height, width]`.
fn interleaved(pixels: &[u8], width: usize, height: usize) -> RgbImage {
    ImageBuffer::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel| pixels[channel * width * height + at]))
    })
}

fn save(image: &RgbImage, path: &Path) -> Result<(), GalleryError> {
    let write = || image.save_with_format(path, image::ImageFormat::Png);
    write().map_err(|source| GalleryError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Experiment;

    /// Images of one colour whose width grows with their index.
    struct Plain(usize);

    impl ImageSource for Plain {
        fn len(&self) -> usize {
            self.0
        }

        fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
            (image.width, image.height) = (40 + 200 * index, 30);
            let plane = image.width * image.height;
            image.pixels = [200, 100, 50].iter().flat_map(|level| vec![*level; plane]).collect();
            Ok(())
        }

        fn name(&self, index: usize) -> String {
            format!("plain/{index}")
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("byol-gallery-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn views_and_their_parameters_are_written() {
        let (out, source) = (folder("views"), Plain(2));
        let mut experiment = Experiment::preset("demo").unwrap();
        experiment.pretrain.view_size = 24;
        let views = experiment.training_views();
        let sheet = ViewSheet { source: &source, indices: &[1, 0], views: &views, draws: 2, seed: 0 };
        let examples = write_views(&sheet, &out).unwrap();
        assert_eq!(examples.iter().map(|example| example.name.as_str()).collect::<Vec<_>>(), ["plain/1", "plain/0"]);
        assert_eq!((examples[0].views["t"].len(), examples[0].views["t_prime"].len()), (2, 2));
        let original = image::open(out.join(&examples[0].original)).unwrap().to_rgb8();
        assert_eq!((original.dimensions(), original.get_pixel(5, 5).0), ((192, 24), [200, 100, 50]));
        let view = image::open(out.join(&examples[1].views["t_prime"][1])).unwrap();
        assert_eq!((view.width(), view.height()), (24, 24));

        // As earlier versions wrote it.
        let written = serde_json::to_string(&examples[0]).unwrap();
        let expected = "{\"name\":\"plain/1\",\"original\":\"view-00-original.png\",\"t\":[\"view-00-t-0.png\",\"view-00-t-1.png\"],\
                        \"t_prime\":[\"view-00-t_prime-0.png\",\"view-00-t_prime-1.png\"]}";
        assert_eq!(written, expected);
        assert_eq!(serde_json::from_str::<ViewExample>(expected).unwrap(), examples[0]);

        let json = std::fs::read_to_string(out.join("views.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json.as_array().map(Vec::len), Some(8));
        assert_eq!(json[3]["file"], "view-00-t_prime-1.png");
        assert!(json[3]["parameters"].is_object());

        let missing = ViewSheet { indices: &[2], ..sheet };
        let error = write_views(&missing, &out).unwrap_err();
        assert_eq!(error.to_string(), "image 2 does not exist: there are 2");
        std::fs::remove_dir_all(&out).unwrap();
    }

    #[test]
    fn small_images_share_sheets() {
        let out = folder("thumbnails");
        let test = LabeledImages { images: Arc::new(Plain(3)), labels: vec![0; 3] };
        let indices: Vec<usize> = (0..500).map(|place| place % 3).collect();
        let written = write_thumbnails(&test, &indices, &out).unwrap();
        assert_eq!((written.side, written.sheets.len(), written.images.len()), (48, 2, 500));
        let first = image::open(out.join(&written.sheets[0])).unwrap().to_rgb8();
        let second = image::open(out.join(&written.sheets[1])).unwrap().to_rgb8();
        assert_eq!((first.dimensions(), second.dimensions()), ((960, 960), (960, 240)));
        let near = |found: Rgb<u8>, wanted: [u8; 3]| found.0.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 12);
        // The middle of the 400th image, and the gray above a wide one.
        assert!(near(*second.get_pixel(24, 24), [200, 100, 50]), "{:?}", second.get_pixel(24, 24));
        assert!(near(*first.get_pixel(48 + 24, 4), [128; 3]), "{:?}", first.get_pixel(72, 4));
        std::fs::remove_dir_all(&out).unwrap();
    }

    #[test]
    fn neighbors_are_written_with_their_labels() {
        let out = folder("neighbors");
        let labeled = |labels: Vec<u16>| LabeledImages { images: Arc::new(Plain(labels.len())), labels };
        let found = [Neighbors { query: 1, nearest: vec![(0, 0.9), (2, 0.5)] }];
        let examples = write_neighbors(&labeled(vec![3, 4]), &labeled(vec![5, 6, 7]), &found, &out).unwrap();
        let [example] = examples.as_slice() else { panic!("one query makes one example") };
        assert_eq!((example.label, example.neighbors[0].label, example.neighbors[1].label), (4, 5, 7));
        assert_eq!((example.name.as_str(), example.neighbors[1].name.as_str()), ("plain/1", "plain/2"));
        assert!(out.join(&example.query).is_file() && out.join(&example.neighbors[1].image).is_file());
        std::fs::remove_dir_all(&out).unwrap();
    }
}
