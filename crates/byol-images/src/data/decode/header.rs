//! What the beginning of an image tells, so that all of it need not be read: how many pixels decoding gives, and whether they are
//! stored with more than eight bits.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};

use super::signature::Content;
use super::{Decoded, Detail, FOR_VIEWS, decode_bytes, jpeg, refuse_size};
use crate::data::Image;
use crate::data::error::ImageProblem;
use crate::data::levels::Levels;

/// Beginnings of most files are told by so many bytes; larger segments before the image (a preview in EXIF data) are read with
/// the whole file.
const BEGINNING: u64 = 16 << 10;

/// HEIC and AVIF files store so many pixels in a byte, about: their sizes stand deep within.
const HEIF_PIXELS_PER_BYTE: u64 = 6;

/// Of one encoded image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// How many [`Detail::Views`] decodes to; of HEIC and AVIF about so many.
    pub pixels: u64,
    /// Whether these are fewer than are stored.
    pub reduced: bool,
    /// Whether there may be more than eight bits, so that the choice of levels matters.
    pub deep: bool,
}

/// Of a file, whose size has been judged already.
///
/// # Errors
/// It cannot be read; what its beginning shows is no image that can be used.
pub(crate) fn of_file(path: &Path, bytes: u64) -> Result<Header, ImageProblem> {
    let mut file = File::open(path)?;
    let mut beginning = Vec::with_capacity(BEGINNING.min(bytes) as usize);
    (&mut file).take(BEGINNING).read_to_end(&mut beginning)?;
    match told(&beginning, bytes)? {
        Some(header) => Ok(header),
        None => {
            file.read_to_end(&mut beginning)?;
            of_bytes(&beginning)
        }
    }
}

/// Of the content of a file.
///
/// # Errors
/// As [`of_file`].
pub(crate) fn of_bytes(bytes: &[u8]) -> Result<Header, ImageProblem> {
    if let Some(header) = told(bytes, bytes.len() as u64)? {
        return Ok(header);
    }
    // Decoding says what is wrong, or knows better.
    let mut image = Image::default();
    let Decoded { stored, size } = decode_bytes(bytes, Levels::Full, Detail::Views, &mut image)?;
    let pixels = (image.width * image.height) as u64;
    Ok(Header { pixels, reduced: size != (image.width, image.height), deep: stored.is_some() })
}

/// What the first bytes of an image tell, which has so many; nothing where they do not reach.
fn told(bytes: &[u8], of: u64) -> Result<Option<Header>, ImageProblem> {
    let plain = |pixels| Header { pixels, reduced: false, deep: false };
    match Content::of(bytes) {
        Content::Image(ImageFormat::Jpeg) => {
            let (Some(frame), Some(is_baseline)) = (jpeg::frame(bytes), jpeg::is_baseline(bytes)) else {
                return Ok(None);
            };
            let (width, height) = frame.size;
            refuse_size(width, height)?;
            let by = if frame.is_gray_or_rgb { frame.divisor(FOR_VIEWS, is_baseline) } else { None };
            let [wide, high] = [width, height].map(|side| u64::from(jpeg::rounded(side, by.unwrap_or(1))));
            Ok(Some(Header { reduced: by.is_some(), ..plain(wide * high) }))
        }
        // Its levels are known once it is decoded.
        Content::Image(ImageFormat::Tiff) => Ok(Some(Header { deep: true, ..plain(0) })),
        Content::Image(format) => {
            let Ok(decoder) = ImageReader::with_format(Cursor::new(bytes), format).into_decoder() else {
                return Ok(None);
            };
            let (width, height) = decoder.dimensions();
            refuse_size(width, height)?;
            let eight = [ColorType::L8, ColorType::La8, ColorType::Rgb8, ColorType::Rgba8];
            let deep = !eight.contains(&decoder.color_type());
            Ok(Some(Header { deep, ..plain(u64::from(width) * u64::from(height)) }))
        }
        Content::Heif => Ok(Some(plain(of * HEIF_PIXELS_PER_BYTE))),
        Content::Unread { what, remedy } => Err(ImageProblem::Unread { what, remedy }),
        Content::Unknown => Err(ImageProblem::UnknownFormat),
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GrayImage, ImageBuffer, Luma, RgbImage};

    use super::*;

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn rgb(width: u32, height: u32) -> DynamicImage {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([(x / 12) as u8, (y / 13) as u8, 90])).into()
    }

    /// What is told is what decoding gives, from the whole and from a beginning alone.
    #[track_caller]
    fn check(bytes: &[u8], expected: Header) {
        let mut image = Image::default();
        let Decoded { stored, size } = decode_bytes(bytes, Levels::Full, Detail::Views, &mut image).unwrap();
        let decoded = Header {
            pixels: (image.width * image.height) as u64,
            reduced: size != (image.width, image.height),
            deep: stored.is_some(),
        };
        assert_eq!(decoded, expected);
        assert_eq!(of_bytes(bytes).unwrap(), expected);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        assert_eq!(of_file(file.path(), bytes.len() as u64).unwrap(), expected);
    }

    #[test]
    fn headers_tell_what_decoding_gives() {
        use ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
        let small = Header { pixels: 35 * 20, reduced: false, deep: false };
        for format in [Jpeg, Png, WebP, Bmp, Gif] {
            check(&encoded(&rgb(35, 20), format), small);
        }
        check(&encoded(&GrayImage::new(35, 20).into(), Jpeg), small);
        let deep: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_fn(35, 20, |x, y| Luma([(x * y) as u16 * 80]));
        check(&encoded(&deep.into(), Png), Header { deep: true, ..small });
        let large = encoded(&rgb(3001, 3100), Jpeg);
        check(&large, Header { pixels: 1501 * 1550, reduced: true, deep: false });
        check(&encoded(&rgb(2998, 3100), Jpeg), Header { pixels: 2998 * 3100, ..small });
    }

    #[test]
    fn an_image_behind_a_large_segment_is_found() {
        let jpeg = encoded(&rgb(35, 20), ImageFormat::Jpeg);
        let segment = [vec![0xff, 0xe1, 0xff, 0xff], vec![7; 0xfffd]].concat();
        let bytes = [&jpeg[..2], &segment, &jpeg[2..]].concat();
        assert_eq!(told(&bytes[..BEGINNING as usize], bytes.len() as u64).unwrap(), None);
        check(&bytes, Header { pixels: 35 * 20, reduced: false, deep: false });
    }

    #[test]
    fn what_is_no_image_is_told_as_decoding_tells_it() {
        let jpeg = encoded(&rgb(35, 20), ImageFormat::Jpeg);
        let mut enormous = jpeg.clone();
        let frame = enormous.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        enormous[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        let png = encoded(&rgb(35, 20), ImageFormat::Png);
        for bytes in [&b"a text"[..], b"%PDF-1.7", &jpeg[..30], &enormous, &png[..20]] {
            let problem = decode_bytes(bytes, Levels::Full, Detail::Views, &mut Image::default()).unwrap_err();
            let told = of_bytes(bytes).unwrap_err();
            assert!(told.to_string() == problem.to_string() || bytes == enormous, "{told}: {problem}");
        }
        assert!(matches!(of_bytes(&enormous), Err(ImageProblem::TooManyPixels { .. })));
        // What is wrong behind the header is found when the image is decoded.
        assert!(of_bytes(&jpeg[..jpeg.len() - 20]).is_ok());
    }
}
