//! JPEG files: whether one is whole, and its image at a part of its size.

mod header;

use image::{DynamicImage, GrayImage, RgbImage};
use jpeg_decoder::{Decoder, PixelFormat};

use super::{MAX_DECODER_BYTES, to_planes};
use crate::data::Image;

const START_OF_SCAN: u8 = 0xda;

/// Whether the image ends where its last scan does. The decoder fills up what is missing from a JPEG file that was cut off
/// with gray and says nothing. Entropy-coded data holds no marker but restarts (ITU-T T.81, B.1.1.5); thumbnails lie within
/// segments, and are passed over with them. Whatever follows the end (the other images of an MPF file) does not count, so a
/// file that was cut off with a whole one behind it is not whole.
pub fn ends(bytes: &[u8]) -> bool {
    const START_OF_IMAGE: u8 = 0xd8;
    const END_OF_IMAGE: u8 = 0xd9;
    let mut scanned = false;
    for (marker, _, _) in markers(bytes) {
        match marker {
            END_OF_IMAGE => return scanned,
            START_OF_IMAGE => return false,
            _ => scanned |= marker == START_OF_SCAN,
        }
    }
    false
}

/// Decodes the image at an eighth, a quarter or a half of its sides, the smallest that has `brightness` pixels along the shorter one; fewer
/// frequencies of each block of 8x8 are then transformed back (as with libjpeg's `scale_denom`). Sides are rounded to the nearest: a last
/// row or column that lies outside the image for the most part is left out, or all of it would be shifted when it is shrunk further.
///
/// Baseline files are decoded here, others (progressive ones above all) by `jpeg-decoder`, at a scale where `color` pixels along the shorter side
/// are left in the coarsest component too.
///
/// Nothing where that saves nothing, where it is neither gray nor RGB in eight bits, or where something is wrong with it: whoever
/// decodes it in full says what. The image may be any then.
pub fn reduced(bytes: &[u8], (width, height): (u32, u32), least: [usize; 2], image: &mut Image) -> Option<()> {
    let frame = Frame { size: (width, height), ..frame(bytes)? };
    let by = frame.divisor(least, true)?;
    if baseline(bytes, (width, height), by, image).is_some() {
        return Some(());
    }
    let by = frame.divisor(least, false)?;
    to_planes(scaled(bytes, (width, height), by)?, image);
    Some(())
}

/// The image of a baseline file at one part in `by` of its sides.
fn baseline(bytes: &[u8], (width, height): (u32, u32), by: u32, image: &mut Image) -> Option<()> {
    let scan = header::read(bytes)?;
    let size = [width, height].map(|side| rounded(side, by) as usize);
    byol_kernels::jpeg::decode(&scan, by as usize, size, &mut image.pixels)?;
    [image.width, image.height] = size;
    Some(())
}

/// The image at one part in `by` of its sides, by `jpeg-decoder`.
fn scaled(bytes: &[u8], (width, height): (u32, u32), by: u32) -> Option<DynamicImage> {
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(MAX_DECODER_BYTES as usize);
    decoder.read_info().ok()?;
    let [wide, high] = [width, height].map(|side| u16::try_from(side.div_ceil(by)).ok());
    decoder.scale(wide?, high?).ok()?;
    let pixels = decoder.decode().ok()?;
    let info = decoder.info()?;
    let (wide, high) = (info.width.into(), info.height.into());
    let image = match info.pixel_format {
        PixelFormat::L8 => GrayImage::from_raw(wide, high, pixels).map(DynamicImage::from),
        PixelFormat::RGB24 => RgbImage::from_raw(wide, high, pixels).map(DynamicImage::from),
        PixelFormat::L16 | PixelFormat::CMYK32 => None,
    }?;
    Some(image.crop_imm(0, 0, rounded(width, by), rounded(height, by)))
}

/// A side of an image that is decoded at a part of its size.
pub fn rounded(side: u32, by: u32) -> u32 {
    (side + by / 2) / by
}

/// What the frame header tells (ITU-T T.81, B.2.2).
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// Width and height as they are stored, in pixels.
    pub size: (u32, u32),
    /// Whether it has one component or three, of eight bits.
    pub is_gray_or_rgb: bool,
    /// How many pixels along a side share a sample of the coarsest component: 2 where chroma is halved (A.1.1).
    coarsest: u32,
}

impl Frame {
    /// The largest part of 8, 4 and 2 by which [`reduced`] divides the sides: so many `brightness` pixels are left along the shorter one, and,
    /// but in baseline files, whose chroma is brought to full size there, so many of `color` in the coarsest component.
    pub fn divisor(&self, [brightness, color]: [usize; 2], is_baseline: bool) -> Option<u32> {
        let (width, height) = self.size;
        let suffices = |by: u32| {
            let side = rounded(width.min(height), by);
            let has_color = is_baseline || (side / self.coarsest) as usize >= color.max(1);
            side as usize >= brightness.max(1) && has_color
        };
        [8, 4, 2].into_iter().find(|&by| suffices(by))
    }
}

/// Whether the scan that [`reduced`] decodes by itself begins in these bytes; nothing where they end before any scan.
pub fn is_baseline(bytes: &[u8]) -> Option<bool> {
    let begins = markers(bytes).any(|(marker, _, _)| marker == START_OF_SCAN);
    begins.then(|| header::read(bytes).is_some())
}

/// The frame header; nothing where there is none, or these bytes end before it.
pub fn frame(bytes: &[u8]) -> Option<Frame> {
    // Frame headers; the others of these numbers are tables and extensions.
    let is_frame = |marker: u8| matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
    let (_, frame, _) = markers(bytes).find(|&(marker, _, _)| is_frame(marker))?;
    let &[precision, high, low, wide, narrow, count, ..] = frame else { return None };
    let factors = frame.get(6..6 + 3 * usize::from(count))?.chunks_exact(3).map(|component| component[1]);
    let coarsest_of = |of: fn(u8) -> u8| {
        let along = || factors.clone().map(of);
        Some(along().max()?.div_ceil(along().min().filter(|&least| least > 0)?))
    };
    Some(Frame {
        size: (u16::from_be_bytes([wide, narrow]).into(), u16::from_be_bytes([high, low]).into()),
        is_gray_or_rgb: precision == 8 && matches!(count, 1 | 3),
        coarsest: coarsest_of(|factor| factor >> 4).max(coarsest_of(|factor| factor & 15)).map(u32::from)?,
    })
}

/// The markers of a file, each with what its segment holds and where that ends, up to a segment without a length.
fn markers(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8], usize)> {
    let mut at = 2;
    std::iter::from_fn(move || {
        let (marker, after) = next_marker(bytes, at)?;
        // Restarts, beginning and end, and a marker of no meaning have no length.
        let length = match marker {
            0x01 | 0xd0..=0xd9 => 0,
            _ => usize::from(u16::from_be_bytes([*bytes.get(after)?, *bytes.get(after + 1)?])),
        };
        at = after + length;
        Some((marker, bytes.get(after + length.min(2)..at).unwrap_or_default(), at))
    })
}

/// The next marker at or after a place, and where it ends. As other decoders, passes over what is neither a marker nor in a
/// segment: entropy-coded data, and bytes that programs left between segments.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += memchr::memchr(0xff, bytes.get(at..)?)?;
        match bytes.get(at + 1)? {
            // A byte of the value 255 in entropy-coded data.
            0x00 => at += 2,
            // A fill byte.
            0xff => at += 1,
            &marker => return Some((marker, at + 2)),
        }
    }
}

#[cfg(test)]
mod tests;
