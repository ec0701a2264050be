//! Which way up a PNG file is meant, wherever it says so. Pixels are decoded elsewhere.

use std::io::Read;

use flate2::read::ZlibDecoder;
use image::metadata::Orientation;

/// What a compressed text may grow to; orientations stand in the first kilobytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// The keyword of ImageMagick's and ExifTool's texts that hold EXIF data in hexadecimal digits.
const RAW_PROFILE: &[u8] = b"Raw profile type exif\0";

/// The orientation of EXIF data: the chunk `eXIf`, which may stand before the pixels or after them (PNG, third edition, 11.3.3.2;
/// ImageMagick writes it after them, where the decoder of pixels does not look), else a text `Raw profile type exif` of older
/// files. None where no such data is there, or it says nothing.
pub fn orientation(bytes: &[u8]) -> Option<Orientation> {
    let exif = chunks(bytes).find(|(kind, _)| *kind == b"eXIf").and_then(|(_, content)| of_exif(content));
    exif.or_else(|| chunks(bytes).find_map(|(kind, content)| of_exif(&raw_profile(kind, content)?)))
}

fn of_exif(data: &[u8]) -> Option<Orientation> {
    // Some programs keep JPEG's prefix.
    Orientation::from_exif_chunk(data.strip_prefix(b"Exif\0\0").unwrap_or(data))
}

/// Kinds and contents of the chunks that are whole. Checksums are not looked at.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let kind = rest.get(4..8)?;
        let content = rest.get(8..8usize.checked_add(length)?)?;
        rest = rest.get(8 + length + 4..).unwrap_or_default();
        Some((kind, content))
    })
}

/// The EXIF data of a text chunk: a line feed, the name, a line feed, the length, a line feed, hexadecimal digits in lines.
fn raw_profile(kind: &[u8], content: &[u8]) -> Option<Vec<u8>> {
    let content = content.strip_prefix(RAW_PROFILE)?;
    let text = match kind {
        b"tEXt" => content.to_vec(),
        b"zTXt" => {
            let mut text = Vec::new();
            // The byte before says how it is compressed; there is one way.
            ZlibDecoder::new(content.get(1..)?).take(MAX_TEXT_BYTES).read_to_end(&mut text).ok()?;
            text
        }
        _ => return None,
    };
    let digits: Vec<u8> = text
        .splitn(4, |&byte| byte == b'\n')
        .nth(3)?
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let value = |digit: u8| char::from(digit).to_digit(16);
    digits.as_chunks().0.iter().map(|&[high, low]| Some((value(high)? * 16 + value(low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIF: &[u8] = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

    fn file(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let chunk = |&(kind, content): &(&[u8; 4], &[u8])| {
            [&(content.len() as u32).to_be_bytes(), kind.as_slice(), content, &[0; 4]].concat()
        };
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.iter().flat_map(chunk).collect()].concat()
    }

    #[test]
    fn exif_counts_before_and_after_the_pixels() {
        let turned = Some(Orientation::Rotate90);
        assert_eq!(orientation(&file(&[(b"eXIf", EXIF), (b"IDAT", b"x")])), turned);
        assert_eq!(orientation(&file(&[(b"IDAT", b"x"), (b"eXIf", EXIF), (b"IEND", b"")])), turned);
        assert_eq!(orientation(&file(&[(b"IDAT", b"x"), (b"eXIf", &[b"Exif\0\0", EXIF].concat())])), turned);
        assert_eq!(orientation(&file(&[(b"IDAT", b"x")])), None);
        assert_eq!(orientation(&file(&[(b"eXIf", b"MM\0")])), None);
        assert_eq!(orientation(b"\x89PNG"), None);
        assert_eq!(orientation(&file(&[])[..8]), None);
    }

    #[test]
    fn older_files_have_it_in_a_text() {
        let digits: String = [b"Exif\0\0", EXIF].concat().iter().map(|byte| format!("{byte:02x}")).collect();
        let (first, second) = digits.split_at(20);
        let text = format!("\nexif\n      {}\n{first}\n{second}\n", digits.len() / 2);
        let plain = [RAW_PROFILE, text.as_bytes()].concat();
        assert_eq!(orientation(&file(&[(b"tEXt", &plain)])), Some(Orientation::Rotate90));
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
        let compressed = [RAW_PROFILE, b"\0", &encoder.finish().unwrap()].concat();
        assert_eq!(orientation(&file(&[(b"zTXt", &compressed)])), Some(Orientation::Rotate90));
        assert_eq!(orientation(&file(&[(b"tEXt", &plain[..RAW_PROFILE.len() + 8])])), None);
    }
}
