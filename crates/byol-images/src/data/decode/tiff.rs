//! TIFF and BigTIFF: what the samples of an image mean. How they are packed is unpacked by the `tiff` crate.
//!
//! The crate interprets some kinds and refuses the others. Here it is told that the image is gray, whatever it is, so that it
//! gives all bands as they are stored; what they mean is decided here, by the tags as they were.

use std::io::{Cursor, ErrorKind};

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use tiff::TiffError;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::deep::Stored;
use super::{MAX_DECODER_BYTES, over_white, refuse_size};
use crate::data::error::ImageProblem;
use crate::data::levels::{Levels, SampleKind, Scale};

/// An image in eight bits over white, and what it held where these were more. Turned upright.
pub(super) fn decode(bytes: &[u8], levels: Levels) -> Result<(DynamicImage, Option<Stored>), ImageProblem> {
    let (bytes, photometric) = as_gray(bytes)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_DECODER_BYTES as usize;
    limits.intermediate_buffer_size = MAX_DECODER_BYTES as usize;
    limits.ifd_value_size = MAX_DECODER_BYTES as usize;
    let mut decoder = Decoder::new(Cursor::new(&bytes)).map_err(problem)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(problem)?;
    refuse_size(width, height)?;
    let tags = Tags::read(&mut decoder, photometric)?;
    let colors = Colors::of(&tags)?;
    let mut samples = DecodingResult::U8(Vec::new());
    let layout = decoder.read_image_to_buffer(&mut samples).map_err(problem)?;
    if samples.as_buffer(0).byte_len() < layout.complete_len {
        return Err(problem(TiffError::LimitsExceeded));
    }
    let pixels = width as usize * height as usize;
    let raster = Raster::new(samples, &tags, [width as usize, height as usize]);
    // Sizes of chunks that do not fit are refused by the crate; this keeps what follows from going out of bounds.
    if raster.len() < pixels * tags.bands {
        return Err(ImageProblem::CutOff);
    }
    let (shown, stored) = colors.show(&raster, levels);
    let image = RgbImage::from_raw(width, height, shown).ok_or(ImageProblem::CutOff)?;
    let mut image = DynamicImage::from(image);
    image.apply_orientation(tags.orientation);
    Ok((image, stored))
}

/// What each sample means (the tag `PhotometricInterpretation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Photometric {
    WhiteIsZero,
    BlackIsZero,
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

/// The content with black as zero for its first image, and what it said itself.
fn as_gray(bytes: &[u8]) -> Result<(Vec<u8>, Photometric), ImageProblem> {
    let at = photometric_at(bytes)
        .ok_or_else(|| not_read("it does not say what its values mean (no PhotometricInterpretation)"))?;
    let is_intel = bytes.starts_with(b"II");
    let pair = [bytes[at], bytes[at + 1]];
    let value = if is_intel { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) };
    let photometric = match value {
        0 => Photometric::WhiteIsZero,
        1 => Photometric::BlackIsZero,
        2 => Photometric::Rgb,
        3 => Photometric::Palette,
        5 => Photometric::Cmyk,
        6 => Photometric::YCbCr,
        4 => return Err(not_read("it is a mask of transparency")),
        8..=10 => return Err(not_read("its colours are Lab")),
        32_803 | 34_892 => return Err(not_read("it holds what a camera's sensor saw (camera raw)")),
        32_844 | 32_845 => return Err(not_read("its colours are LogLuv")),
        other => return Err(not_read(&format!("its colours are of an unknown kind ({other})"))),
    };
    let mut bytes = bytes.to_vec();
    let gray = if is_intel { 1u16.to_le_bytes() } else { 1u16.to_be_bytes() };
    bytes[at..at + 2].copy_from_slice(&gray);
    Ok((bytes, photometric))
}

/// Where the value of `PhotometricInterpretation` stands in the first directory, two bytes of it.
fn photometric_at(bytes: &[u8]) -> Option<usize> {
    let is_intel = bytes.starts_with(b"II");
    let number = |at: usize, length: usize| -> Option<usize> {
        let digits = bytes.get(at..at.checked_add(length)?)?;
        let fold = |value: usize, &byte: &u8| value.checked_mul(256)?.checked_add(usize::from(byte));
        if is_intel { digits.iter().rev().try_fold(0, fold) } else { digits.iter().try_fold(0, fold) }
    };
    const PHOTOMETRIC: usize = 262;
    const SHORT: usize = 3;
    let is_big = number(2, 2)? == 43;
    // Where the directory begins, how its entries are counted, how long they are, where their values stand in them.
    let (directory, count_bytes, entry_bytes, value_at) =
        if is_big { (number(8, 8)?, 8, 20, 12) } else { (number(4, 4)?, 2, 12, 8) };
    let count = number(directory, count_bytes)?;
    let first = directory.checked_add(count_bytes)?;
    // A directory cannot have more entries than there are bytes.
    let mut entries = (0..count.min(bytes.len())).map(|entry| first + entry * entry_bytes);
    let entry = entries.find(|&at| number(at, 2).is_none_or(|tag| tag == PHOTOMETRIC))?;
    let at = entry + value_at;
    (number(entry + 2, 2)? == SHORT && at + 2 <= bytes.len()).then_some(at)
}

/// What the decoder does not know, or has been told otherwise.
struct Tags {
    photometric: Photometric,
    bits: u8,
    kind: SampleKind,
    /// Samples of a pixel.
    bands: usize,
    /// What the bands beyond the colours are; fewer where the file does not say.
    extra: Vec<u16>,
    planar: bool,
    palette: Vec<u16>,
    orientation: Orientation,
}

impl Tags {
    fn read(decoder: &mut Decoder<Cursor<&Vec<u8>>>, photometric: Photometric) -> Result<Self, ImageProblem> {
        let mut list = |tag| decoder.find_tag_unsigned_vec::<u16>(tag).map(Option::unwrap_or_default).map_err(problem);
        let bits = list(Tag::BitsPerSample)?.first().copied().unwrap_or(1);
        let format = list(Tag::SampleFormat)?.first().copied().unwrap_or(1);
        let extra = list(Tag::ExtraSamples)?;
        let palette = if photometric == Photometric::Palette { list(Tag::ColorMap)? } else { Vec::new() };
        let orientation =
            list(Tag::Orientation)?.first().and_then(|&value| Orientation::from_exif(value.try_into().ok()?));
        let compression = list(Tag::Compression)?.first().copied().unwrap_or(1);
        let planar = list(Tag::PlanarConfiguration)?.first() == Some(&2);
        let bands = list(Tag::SamplesPerPixel)?.first().copied().unwrap_or(1);
        let subsampling = list(Tag::ChromaSubsampling)?;
        let tile_height = list(Tag::TileLength)?.first().copied().unwrap_or_default();
        refuse_compression(compression)?;
        let kind = match (format, bits) {
            (1 | 4, 1 | 2 | 4 | 8 | 16 | 32 | 64) => SampleKind::Unsigned(bits as u8),
            (2, 8 | 16 | 32 | 64) => SampleKind::Signed(bits as u8),
            (3, 16 | 32 | 64) => SampleKind::Floating,
            (1..=4, _) => return Err(not_read(&format!("its values are of {bits} bits"))),
            (5 | 6, _) => return Err(not_read("its values are complex numbers")),
            _ => return Err(not_read(&format!("its values are of an unknown kind ({format})"))),
        };
        let (_, height) = decoder.dimensions().map_err(problem)?;
        // The decoder knows the last row of tiles of the first band alone.
        if planar && bands > 1 && tile_height > 0 && !height.is_multiple_of(tile_height.into()) {
            return Err(not_read("its bands lie apart, in tiles that reach beyond its lower edge"));
        }
        const JPEG: u16 = 7;
        if compression == JPEG {
            // The decoder of JPEG fills up what is missing, and says nothing.
            let mut numbers = |strips, tiles| -> Result<Vec<u64>, ImageProblem> {
                let tag = if decoder.find_tag(strips).map_err(problem)?.is_some() { strips } else { tiles };
                Ok(decoder.find_tag_unsigned_vec(tag).map_err(problem)?.unwrap_or_default())
            };
            let starts = numbers(Tag::StripOffsets, Tag::TileOffsets)?;
            let lengths = numbers(Tag::StripByteCounts, Tag::TileByteCounts)?;
            let end = decoder.inner().get_ref().len() as u64;
            if starts.iter().zip(&lengths).any(|(start, length)| start.saturating_add(*length) > end) {
                return Err(ImageProblem::CutOff);
            }
        }
        // Halved colours that JPEG does not hide are packed in groups of pixels.
        if photometric == Photometric::YCbCr && compression != JPEG && subsampling != [1, 1] {
            return Err(not_read("its colours are YCbCr of fewer values than its brightness"));
        }
        Ok(Tags {
            photometric,
            bits: bits as u8,
            kind,
            bands: bands.into(),
            extra,
            planar: planar && bands > 1,
            palette,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
        })
    }
}

fn refuse_compression(compression: u16) -> Result<(), ImageProblem> {
    let name = match compression {
        2 | 3 => "fax of group 3",
        6 => "JPEG of the old kind",
        34_712 | 33_003 | 33_005 => "JPEG 2000",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_002 | 52_546 => "JPEG XL",
        34_676 | 34_677 => "LogLuv",
        // The decoder names what else it does not know.
        _ => return Ok(()),
    };
    Err(not_read(&format!("it is compressed as {name}")))
}

/// How the bands of a pixel become a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Model {
    Gray { inverted: bool },
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alpha {
    /// Colours are as they are, whatever the alpha.
    Straight { band: usize },
    /// Colours have been multiplied by the alpha already.
    Multiplied { band: usize },
}

struct Colors<'a> {
    model: Model,
    alpha: Option<Alpha>,
    tags: &'a Tags,
}

impl<'a> Colors<'a> {
    /// What the bands mean, or why nobody can tell.
    fn of(tags: &'a Tags) -> Result<Self, ImageProblem> {
        const ASSOCIATED: u16 = 1;
        const UNASSOCIATED: u16 = 2;
        let is_alpha = |kind: &u16| matches!(*kind, ASSOCIATED | UNASSOCIATED);
        let is_gray = matches!(tags.photometric, Photometric::BlackIsZero | Photometric::WhiteIsZero);
        let others = tags.bands - tags.extra.iter().filter(|kind| is_alpha(kind)).count().min(tags.bands);
        let model = match tags.photometric {
            // Gray with two further bands of no meaning: how tools of remote sensing write red, green and blue.
            Photometric::BlackIsZero if others == 3 => Model::Rgb,
            Photometric::BlackIsZero => Model::Gray { inverted: false },
            Photometric::WhiteIsZero => Model::Gray { inverted: true },
            Photometric::Rgb => Model::Rgb,
            Photometric::Palette => Model::Palette,
            Photometric::Cmyk => Model::Cmyk,
            Photometric::YCbCr => Model::YCbCr,
        };
        if is_gray && others != 1 && model != Model::Rgb {
            return Err(not_read(&format!(
                "it does not say which of its {} bands are red, green and blue; write these three into a file of their own",
                tags.bands
            )));
        }
        let needed = model.bands();
        if tags.bands < needed {
            return Err(not_read(&format!("it has {} bands, too few for its colours", tags.bands)));
        }
        if model == Model::Palette {
            let entries = 1usize << tags.bits.min(16);
            if tags.kind != SampleKind::Unsigned(tags.bits) || tags.bits > 16 || tags.palette.len() < 3 * entries {
                return Err(not_read("its palette does not fit its values"));
            }
        }
        let first_extra = tags.bands - tags.extra.len().min(tags.bands);
        let said = tags.extra.iter().position(is_alpha).map(|place| (first_extra + place, tags.extra[place]));
        let alpha = match said {
            Some((band, ASSOCIATED)) if band >= needed => Some(Alpha::Multiplied { band }),
            Some((band, _)) if band >= needed => Some(Alpha::Straight { band }),
            // A fourth band of which nothing is said is what it is in other programs.
            None if tags.photometric == Photometric::Rgb && tags.extra.is_empty() && tags.bands == 4 => {
                Some(Alpha::Straight { band: 3 })
            }
            _ => None,
        };
        Ok(Colors { model, alpha, tags })
    }

    /// Red, green and blue of every pixel over white, and what the colours are stored as, where that is more than eight bits.
    fn show(&self, raster: &Raster, levels: Levels) -> (Vec<u8>, Option<Stored>) {
        let kind = self.tags.kind;
        let is_deep = self.model != Model::Palette && !matches!(kind, SampleKind::Unsigned(..=8));
        let shades = raster.levels(if is_deep { levels } else { Levels::Full }.scale(kind));
        let shade = |pixel, band| shades[raster.place(pixel, band)];
        // Whatever is white, an alpha of the greatest value is opaque.
        let opacities = self.alpha.map_or_else(Vec::new, |_| raster.levels(Levels::Full.scale(kind)));
        let opacity = |pixel, band| opacities[raster.place(pixel, band)];
        // An alpha of zero everywhere hides nothing: whoever wrote it had no use for it.
        let is_used = |alpha: &Alpha| (0..raster.pixels()).any(|pixel| opacity(pixel, alpha.band()) > 0);
        let alpha = self.alpha.filter(is_used);
        let mut shown = Vec::with_capacity(3 * raster.pixels());
        // Without `map` over the bands, which is a call for each pixel where it is compiled in another unit.
        for pixel in 0..raster.pixels() {
            let color = match self.model {
                Model::Gray { inverted: false } => [shade(pixel, 0); 3],
                Model::Gray { inverted: true } => [255 - shade(pixel, 0); 3],
                Model::Rgb => [shade(pixel, 0), shade(pixel, 1), shade(pixel, 2)],
                Model::Palette => self.entry(raster.value(raster.place(pixel, 0)) as usize),
                Model::Cmyk => of_inks([shade(pixel, 0), shade(pixel, 1), shade(pixel, 2), shade(pixel, 3)]),
                Model::YCbCr => of_luma([shade(pixel, 0), shade(pixel, 1), shade(pixel, 2)]),
            };
            for value in color {
                shown.push(match alpha {
                    None => value,
                    Some(Alpha::Straight { band }) => over_white(value, opacity(pixel, band)),
                    Some(Alpha::Multiplied { band }) => value.saturating_add(255 - opacity(pixel, band)),
                });
            }
        }
        let bands = self.model.bands();
        let value = |index: usize| raster.value(raster.place(index / bands, index % bands));
        (shown, is_deep.then(|| Stored::of(kind, raster.pixels() * bands, value)).flatten())
    }

    /// A colour of the palette, whose values have sixteen bits, or in files of old programs eight.
    fn entry(&self, index: usize) -> [u8; 3] {
        let palette = &self.tags.palette;
        let entries = palette.len() / 3;
        let has_sixteen = palette.iter().any(|&value| value > 255);
        [0, 1, 2].map(|channel| {
            let value = palette.get(channel * entries + index).copied().unwrap_or_default();
            (if has_sixteen { value >> 8 } else { value }) as u8
        })
    }
}

impl Model {
    /// Bands of its colours.
    fn bands(self) -> usize {
        match self {
            Model::Gray { .. } | Model::Palette => 1,
            Model::Rgb | Model::YCbCr => 3,
            Model::Cmyk => 4,
        }
    }
}

impl Alpha {
    fn band(self) -> usize {
        match self {
            Alpha::Straight { band } | Alpha::Multiplied { band } => band,
        }
    }
}

/// As Pillow does.
fn of_inks([cyan, magenta, yellow, black]: [u8; 4]) -> [u8; 3] {
    let product = |a: u8, b: u8| ((u32::from(a) * u32::from(b) * 2 + 255) / 510) as u8;
    let light = 255 - black;
    [product(255 - cyan, light), product(255 - magenta, light), product(255 - yellow, light)]
}

/// JPEG's colours (ITU-T T.871, section 7).
fn of_luma([luma, blue, red]: [u8; 3]) -> [u8; 3] {
    let (luma, blue, red) = (f32::from(luma), f32::from(blue) - 128.0, f32::from(red) - 128.0);
    let byte = |value: f32| (value + 0.5) as u8;
    [byte(luma + 1.402 * red), byte(luma - 0.344_136 * blue - 0.714_136 * red), byte(luma + 1.772 * blue)]
}

/// The same for samples of every type.
macro_rules! each {
    ($result:expr, $samples:ident => $then:expr) => {
        match $result {
            DecodingResult::U8($samples) => $then,
            DecodingResult::U16($samples) => $then,
            DecodingResult::U32($samples) => $then,
            DecodingResult::U64($samples) => $then,
            DecodingResult::F16($samples) => $then,
            DecodingResult::F32($samples) => $then,
            DecodingResult::F64($samples) => $then,
            DecodingResult::I8($samples) => $then,
            DecodingResult::I16($samples) => $then,
            DecodingResult::I32($samples) => $then,
            DecodingResult::I64($samples) => $then,
        }
    };
}

/// All samples of an image.
struct Raster {
    samples: DecodingResult,
    bits: u8,
    width: usize,
    height: usize,
    bands: usize,
    planar: bool,
}

impl Raster {
    fn new(samples: DecodingResult, tags: &Tags, [width, height]: [usize; 2]) -> Self {
        let in_row = if tags.planar { width } else { width * tags.bands };
        let samples = match samples {
            DecodingResult::U8(packed) if tags.bits < 8 => DecodingResult::U8(unpacked(&packed, tags.bits, in_row)),
            other => other,
        };
        Raster { samples, bits: tags.bits, width, height, bands: tags.bands, planar: tags.planar }
    }

    fn pixels(&self) -> usize {
        self.width * self.height
    }

    fn len(&self) -> usize {
        each!(&self.samples, samples => samples.len())
    }

    #[inline]
    fn place(&self, pixel: usize, band: usize) -> usize {
        if self.planar { band * self.pixels() + pixel } else { pixel * self.bands + band }
    }

    fn value(&self, place: usize) -> f64 {
        each!(&self.samples, samples => samples[place].number())
    }

    /// The level of every sample.
    fn levels(&self, scale: Scale) -> Vec<u8> {
        match &self.samples {
            DecodingResult::U8(samples) if self.bits == 8 => samples.clone(),
            samples => each!(samples, samples => samples.iter().map(|sample| scale.level(sample.number())).collect()),
        }
    }
}

/// A sample as it is stored.
trait Sample: Copy {
    fn number(self) -> f64;
}

macro_rules! sample {
    ($($kind:ty),*) => { $(impl Sample for $kind {
        fn number(self) -> f64 {
            self as f64
        }
    })* };
}
sample!(u8, u16, u32, u64, i8, i16, i32, i64, f32);

impl Sample for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Sample for half::f16 {
    fn number(self) -> f64 {
        self.to_f64()
    }
}

/// Samples that share bytes, each in a byte of its own. Rows begin with a byte.
fn unpacked(packed: &[u8], bits: u8, in_row: usize) -> Vec<u8> {
    let bits = usize::from(bits);
    let mask = (1u8 << bits) - 1;
    let row_bytes = (in_row * bits).div_ceil(8).max(1);
    let row = |row: &[u8]| -> Vec<u8> {
        let sample = |index: usize| {
            let first = index * bits;
            row.get(first / 8).map(|byte| (byte >> (8 - bits - first % 8)) & mask)
        };
        (0..in_row).filter_map(sample).collect()
    };
    packed.chunks(row_bytes).flat_map(row).collect()
}

fn not_read(why: &str) -> ImageProblem {
    ImageProblem::Tiff(why.to_owned())
}

fn problem(error: TiffError) -> ImageProblem {
    match error {
        TiffError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => ImageProblem::CutOff,
        TiffError::UnsupportedError(what) => not_read(&format!("its layout is not known to the decoder: {what}")),
        TiffError::LimitsExceeded => not_read("its values take more than 1 GiB"),
        other => ImageProblem::Decode(other.to_string()),
    }
}
