//! What a file is by its first bytes, whatever it is called.

use image::ImageFormat;

/// How many bytes are enough to tell.
pub(crate) const SIGNATURE_BYTES: usize = 256;

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Image(ImageFormat),
    /// HEIC or AVIF.
    Heif,
    /// A known kind that is not read.
    Unread {
        what: &'static str,
        /// What the user can do about it.
        remedy: &'static str,
    },
    Unknown,
}

const RAW: &str = "develop it into JPEG or TIFF";
const OTHER: &str = "convert it to PNG or JPEG";
const NO_IMAGE: &str = "get the image itself, or remove the file";

/// Kinds that are not read: where the bytes stand, the bytes, what it is called, the remedy.
const UNREAD: [(usize, &[u8], &str, &str); 30] = [
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", OTHER),
    (0, b"\xff\x0a", "JPEG XL", OTHER),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", OTHER),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", OTHER),
    (0, b"\xff\xd8\xff\xf7", "JPEG-LS", OTHER),
    (0, b"8BPS", "a Photoshop file", OTHER),
    (0, b"gimp xcf", "a GIMP file", OTHER),
    (0, b"\x76\x2f\x31\x01", "OpenEXR", OTHER),
    (0, b"#?RADIANCE", "Radiance HDR", OTHER),
    (0, b"qoif", "QOI", OTHER),
    (0, b"\0\0\x01\0", "an icon", OTHER),
    (0, b"DDS ", "a DDS texture", OTHER),
    (0, b"SIMPLE  =", "FITS", OTHER),
    (128, b"DICM", "DICOM", OTHER),
    (0, b"FUJIFILMCCD-RAW", "camera raw (Fujifilm)", RAW),
    (0, b"FOVb", "camera raw (Sigma)", RAW),
    (0, b"IIRO", "camera raw (Olympus)", RAW),
    (0, b"IIRS", "camera raw (Olympus)", RAW),
    (0, b"MMOR", "camera raw (Olympus)", RAW),
    (0, b"IIU\0", "camera raw (Panasonic)", RAW),
    (8, b"CR\x02\0", "camera raw (Canon)", RAW),
    (4, b"ftypcrx ", "camera raw (Canon)", RAW),
    (4, b"ftyp", "a video", "take single frames out of it"),
    (0, b"\x1a\x45\xdf\xa3", "a video", "take single frames out of it"),
    (0, b"%PDF", "a PDF document", OTHER),
    (0, b"<svg", "an SVG drawing", OTHER),
    (0, b"<?xml", "an SVG drawing or other XML", OTHER),
    (0, b"version https://git-lfs", "a pointer of Git LFS", "get the file that it stands for with `git lfs pull`"),
    (0, b"<!DOCTYPE", "a web page", NO_IMAGE),
    (0, b"<html", "a web page", NO_IMAGE),
];

/// Brands of files that hold images in the way of HEIF (ISO/IEC 23008-12 and MIAF).
const HEIF_BRANDS: [&[u8; 4]; 10] =
    [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"avif", b"avis"];

/// Whether the file says that it holds still images: by its brand, or by one that it is compatible with.
fn is_heif(bytes: &[u8]) -> bool {
    let Some(&[a, b, c, d, b'f', b't', b'y', b'p']) = bytes.get(..8) else {
        return false;
    };
    let end = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX).min(bytes.len());
    // The second group of four is a version.
    let brands = bytes[..end].chunks_exact(4).enumerate().filter(|(place, _)| *place == 2 || *place > 3);
    brands.into_iter().any(|(_, brand)| HEIF_BRANDS.iter().any(|known| brand == *known))
}

impl Content {
    /// Judges by the first [`SIGNATURE_BYTES`]; more do no harm.
    pub fn of(bytes: &[u8]) -> Content {
        if is_heif(bytes) {
            return Content::Heif;
        }
        let unread = UNREAD.iter().find(|&&(at, mark, ..)| bytes.get(at..at + mark.len()) == Some(mark));
        if let Some(&(_, _, what, remedy)) = unread {
            return Content::Unread { what, remedy };
        }
        match image::guess_format(bytes) {
            Ok(
                format @ (ImageFormat::Jpeg
                | ImageFormat::Png
                | ImageFormat::WebP
                | ImageFormat::Bmp
                | ImageFormat::Tiff
                | ImageFormat::Gif),
            ) => Content::Image(format),
            // BigTIFF, in either order of bytes.
            _ if bytes.starts_with(b"II\x2b\0\x08\0") || bytes.starts_with(b"MM\0\x2b\0\x08") => {
                Content::Image(ImageFormat::Tiff)
            }
            Ok(ImageFormat::Pnm) => Content::Unread { what: "a portable bitmap (PNM)", remedy: OTHER },
            _ => Content::Unknown,
        }
    }
}
