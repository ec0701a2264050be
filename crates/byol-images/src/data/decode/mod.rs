//! One image file: decoding JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC and AVIF to [`Image`], within limits. Which files there are is found in
//! [`super::folder`].

#[doc(hidden)]
pub mod deep;
pub(crate) mod header;
mod heif;
mod jpeg;
mod orientation;
mod png;
pub(crate) mod signature;
mod tiff;
mod webp;

use std::borrow::Cow;
use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use self::deep::Stored;
use self::orientation::Turn;
use self::signature::Content;
use super::error::{DataError, ImageProblem};
use super::levels::Levels;
use super::{Image, ImageSource, origin};

/// Images with more pixels are refused from their header, before anything is decoded.
pub const MAX_PIXELS: u64 = 100_000_000;

/// Larger files are refused unread.
pub const MAX_FILE_BYTES: u64 = 512 << 20;

/// What a decoder may allocate: [`MAX_PIXELS`] of four 16-bit channels, and some room to work.
const MAX_DECODER_BYTES: u64 = 1 << 30;

/// File name extensions (in any case) of images.
pub const EXTENSIONS: [&str; 18] = [
    "jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff", "gif", "heic", "heif", "hif", "avif", "jfif", "jpe", "jif",
    "jfi", "apng", "dib",
];

/// How many of an image's pixels are wanted, by whoever shrinks it afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// All of them.
    Full,
    /// So many along the shorter side at least, where the image has as many. JPEG images are then decoded at a half, a quarter or an
    /// eighth of their sides, in a fraction of the time (section "Images that are shrunk" of docs/data.md); others are decoded in full.
    Side(usize),
    /// As many as views of a photograph can show, of which they see a part each, enlarged or shrunk: JPEG images of 12 megapixels and more are
    /// decoded at a half of their sides or less, so that 1,500 pixels along the shorter one are left, and 750 where their colours are halved.
    Views,
}

/// Brightness and colour of [`Detail::Views`]: a crop of a twelfth of the area has 424 pixels along a side then, for views of 224 at
/// most.
const FOR_VIEWS: [usize; 2] = [1500, 750];

/// What decoding tells beside the pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoded {
    /// Which values were stored, where they had more than eight bits.
    pub stored: Option<Stored>,
    /// Width and height of the whole image, upright.
    pub size: (usize, usize),
}

impl Detail {
    /// What an image is decoded to that is shrunk to `side` pixels along its shorter side: twice that at least, so that the filter
    /// that shrinks it, and not the decoder, decides what the result looks like.
    #[must_use]
    pub fn to_shrink(side: usize) -> Self {
        Detail::Side(side.saturating_mul(2))
    }
}

/// One image file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileImage {
    /// The file.
    pub path: PathBuf,
    /// What a person calls it: the path within its folder, or the file's name.
    pub name: String,
    /// Size of the file.
    pub bytes: u64,
}

impl FileImage {
    /// Looks at the file without decoding it.
    ///
    /// # Errors
    /// It does not exist, is not a regular file, is empty, or is larger than [`MAX_FILE_BYTES`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DataError> {
        let path = path.into();
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        match file_size(&path) {
            Ok(bytes) => Ok(FileImage { path, name, bytes }),
            Err(problem) => Err(DataError::Image { path, problem }),
        }
    }

    /// Decodes the file into `image`, reusing its buffer, as the image is meant to be looked at: turned and mirrored
    /// by its EXIF orientation (HEIC and AVIF: by their container), palettes resolved, gray repeated in the three channels, 16 bits rounded to 8, and
    /// transparent pixels laid over white. CMYK becomes RGB as in Pillow. Colour profiles are ignored; of an animation the
    /// first frame is taken, of a TIFF file the first page.
    ///
    /// # Errors
    /// The file cannot be read or decoded, or has more than [`MAX_PIXELS`].
    pub fn decode(&self, image: &mut Image) -> Result<(), DataError> {
        self.decode_with(Levels::Full, image)
    }

    /// As [`decode`](Self::decode), with a choice of the stored values that are black and white.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn decode_with(&self, levels: Levels, image: &mut Image) -> Result<(), DataError> {
        let problem = |problem| DataError::Image { path: self.path.clone(), problem };
        decode(&self.path, levels, Detail::Full, image).map(drop).map_err(problem)
    }
}

impl ImageSource for FileImage {
    fn len(&self) -> usize {
        1
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        match index {
            0 => self.decode(image),
            _ => Err(DataError::IndexOutOfRange { source_name: self.name.clone(), index, len: 1 }),
        }
    }

    fn name(&self, _index: usize) -> String {
        self.name.clone()
    }

    fn origin(&self, _index: usize) -> Option<PathBuf> {
        Some(origin::of(&self.path))
    }
}

/// The size of a regular file that is neither empty nor enormous.
pub fn file_size(path: &Path) -> Result<u64, ImageProblem> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        // Says why, where it is a folder that must not be searched.
        fs::read_dir(path)?;
    }
    match metadata.len() {
        _ if !metadata.is_file() => Err(ImageProblem::NotAFile),
        0 => Err(ImageProblem::Empty),
        bytes if bytes > MAX_FILE_BYTES => Err(ImageProblem::TooManyBytes { bytes }),
        bytes => Ok(bytes),
    }
}

/// See [`FileImage::decode_with`].
pub fn decode(path: &Path, levels: Levels, detail: Detail, image: &mut Image) -> Result<Decoded, ImageProblem> {
    file_size(path)?;
    decode_bytes(&fs::read(path)?, levels, detail, image)
}

/// Decodes the content of a file, as [`decode`] does.
pub fn decode_bytes(bytes: &[u8], levels: Levels, detail: Detail, image: &mut Image) -> Result<Decoded, ImageProblem> {
    if bytes.is_empty() {
        return Err(ImageProblem::Empty);
    }
    // A decoder that panics on one crafted file must not end a run over a million good ones.
    let decoded = catch_unwind(AssertUnwindSafe(|| {
        let stored = match Content::of(bytes) {
            Content::Image(ImageFormat::Tiff) => {
                let (opened, stored) = tiff::decode(bytes, levels)?;
                to_planes(opened, image);
                stored
            }
            Content::Image(format) => return upright(bytes, format, levels, detail, image),
            Content::Heif => {
                heif::decode(bytes, MAX_PIXELS)?.into_planes(image);
                None
            }
            Content::Unread { what, remedy } => return Err(ImageProblem::Unread { what, remedy }),
            Content::Unknown => return Err(ImageProblem::UnknownFormat),
        };
        Ok(Decoded { stored, size: (image.width, image.height) })
    }));
    decoded.unwrap_or_else(|_| Err(ImageProblem::Decode("the decoder failed".into())))
}

/// Decodes the image, turned as its EXIF data says.
fn upright(
    bytes: &[u8],
    format: ImageFormat,
    levels: Levels,
    detail: Detail,
    image: &mut Image,
) -> Result<Decoded, ImageProblem> {
    let decode_error = |error: image::ImageError| ImageProblem::Decode(error.to_string());
    if format == ImageFormat::Jpeg && !jpeg::ends(bytes) {
        return Err(ImageProblem::CutOff);
    }
    let shown = match format {
        ImageFormat::WebP => webp::unblended(bytes),
        _ => Cow::Borrowed(bytes),
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(&shown), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(decode_error)?;
    let (width, height) = decoder.dimensions();
    refuse_size(width, height)?;
    // Broken EXIF data says nothing about the pixels.
    let orientation = match format {
        ImageFormat::Png => png::orientation(bytes),
        _ => decoder.orientation().ok(),
    };
    let least = match detail {
        Detail::Full => None,
        Detail::Side(side) => Some([side, side]),
        Detail::Views => Some(FOR_VIEWS),
    };
    let least = least.filter(|_| format == ImageFormat::Jpeg);
    let mut stored = None;
    let reduced = least.and_then(|least| jpeg::reduced(bytes, (width, height), least, image));
    if reduced.is_none() {
        let opened = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
        let (opened, found) = deep::in_eight_bits(opened, levels);
        to_planes(opened, image);
        stored = found;
    }
    let turn = orientation.map_or(Turn::default(), Turn::of);
    turn.apply(image);
    let (width, height) = (width as usize, height as usize);
    let size = if turn.swaps_sides { (height, width) } else { (width, height) };
    Ok(Decoded { stored, size })
}

/// Refuses what is too large or empty, by its header.
fn refuse_size(width: u32, height: u32) -> Result<(), ImageProblem> {
    match (width, height) {
        (0, _) | (_, 0) => Err(ImageProblem::NoPixels { width, height }),
        _ if u64::from(width) * u64::from(height) > MAX_PIXELS => Err(ImageProblem::TooManyPixels { width, height }),
        _ => Ok(()),
    }
}

fn to_planes(opened: DynamicImage, image: &mut Image) {
    (image.width, image.height) = (opened.width() as usize, opened.height() as usize);
    let area = image.width * image.height;
    image.pixels.clear();
    image.pixels.resize(3 * area, 0);
    let (red, rest) = image.pixels.split_at_mut(area);
    let (green, blue) = rest.split_at_mut(area);
    let planes = red.iter_mut().zip(green).zip(blue);
    if opened.color().has_alpha() {
        let pixels = opened.into_rgba8();
        let pixels = pixels.as_raw().as_chunks().0;
        // An alpha of zero everywhere hides nothing: whoever wrote it had no use for it.
        let is_empty = pixels.iter().all(|&[_, _, _, alpha]| alpha == 0);
        for (((red, green), blue), &[r, g, b, alpha]) in planes.zip(pixels) {
            let alpha = if is_empty { 255 } else { alpha };
            *red = over_white(r, alpha);
            *green = over_white(g, alpha);
            *blue = over_white(b, alpha);
        }
    } else {
        let pixels = opened.into_rgb8();
        for (((red, green), blue), &[r, g, b]) in planes.zip(pixels.as_raw().as_chunks().0) {
            (*red, *green, *blue) = (r, g, b);
        }
    }
}

fn over_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests;
