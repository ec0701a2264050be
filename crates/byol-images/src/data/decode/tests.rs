//! Single image files, made here.

use super::*;
use crate::data::pack;
use image::{GrayImage, ImageBuffer, LumaA, Rgb, RgbImage, Rgba, RgbaImage};

fn decoded(name: &str, bytes: &[u8]) -> Result<Image, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let mut image = Image { width: 1, height: 1, pixels: vec![9; 1000] };
    FileImage::open(path)?.decode(&mut image).map(|()| image)
}

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn problem(name: &str, bytes: &[u8]) -> String {
    decoded(name, bytes).unwrap_err().to_string()
}

/// A PNG chunk with its checksum.
fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(kind);
    checksum.update(content);
    let length = (content.len() as u32).to_be_bytes();
    [&length, kind.as_slice(), content, &checksum.sum().to_be_bytes()].concat()
}

/// A PNG file; `depth` and `color` as in its header.
fn png(width: u32, height: u32, depth: u8, color: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, color, 0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunks.concat(), chunk(b"IEND", &[])].concat()
}

fn packed(rows: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(rows).unwrap();
    chunk(b"IDAT", &encoder.finish().unwrap())
}

#[test]
fn channels_become_planes() {
    let image = RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, 10 + y as u8, 20 + (y * 3 + x) as u8]));
    let expected =
        Image { width: 3, height: 2, pixels: vec![0, 1, 2, 0, 1, 2, 10, 10, 10, 11, 11, 11, 20, 21, 22, 23, 24, 25] };
    assert_eq!(decoded("a.png", &encoded(image.clone(), ImageFormat::Png)).unwrap(), expected);
    assert_eq!(decoded("a.webp", &encoded(image, ImageFormat::WebP)).unwrap(), expected);
}

#[test]
fn the_content_decides_not_the_extension() {
    let image = RgbImage::from_pixel(2, 2, Rgb([1, 2, 3]));
    assert_eq!(decoded("a.jpg", &encoded(image, ImageFormat::Png)).unwrap().pixels[4], 2);
}

#[test]
fn gray_is_repeated() {
    let image = GrayImage::from_pixel(8, 8, image::Luma([77]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        assert_eq!(decoded("a", &encoded(image.clone(), format)).unwrap().pixels, [77; 192]);
    }
}

#[test]
fn sixteen_bits_are_rounded() {
    let image: ImageBuffer<Rgb<u16>, _> = ImageBuffer::from_pixel(1, 1, Rgb([0, 257 * 100 + 129, 65_535]));
    assert_eq!(decoded("a.png", &encoded(image, ImageFormat::Png)).unwrap().pixels, [0, 101, 255]);
}

#[test]
fn transparency_lies_over_white() {
    let image = RgbaImage::from_pixel(1, 1, Rgba([0, 100, 255, 51]));
    // 51 / 255 is a fifth: 0.2 * value + 0.8 * 255.
    let expected = [204, 224, 255];
    assert_eq!(decoded("a.png", &encoded(image.clone(), ImageFormat::Png)).unwrap().pixels, expected);
    assert_eq!(decoded("a.webp", &encoded(image, ImageFormat::WebP)).unwrap().pixels, expected);
    let gray: ImageBuffer<LumaA<u8>, _> = ImageBuffer::from_fn(2, 1, |x, _| LumaA([100, 255 * x as u8]));
    assert_eq!(decoded("a.png", &encoded(gray, ImageFormat::Png)).unwrap().pixels, [255, 100, 255, 100, 255, 100]);
}

#[test]
fn an_alpha_of_zero_everywhere_is_none() {
    let image = RgbaImage::from_pixel(2, 1, Rgba([10, 100, 200, 0]));
    assert_eq!(decoded("a.png", &encoded(image, ImageFormat::Png)).unwrap().pixels, [10, 10, 100, 100, 200, 200]);
}

#[test]
fn palettes_are_resolved() {
    let palette = chunk(b"PLTE", &[10, 20, 30, 40, 50, 60]);
    let bytes = png(2, 1, 8, 3, &[palette.clone(), packed(&[0, 1, 0])]);
    assert_eq!(decoded("a.png", &bytes).unwrap().pixels, [40, 10, 50, 20, 60, 30]);
    let transparent_first = chunk(b"tRNS", &[0]);
    let bytes = png(2, 1, 8, 3, &[palette, transparent_first, packed(&[0, 1, 0])]);
    assert_eq!(decoded("a.png", &bytes).unwrap().pixels, [40, 255, 50, 255, 60, 255]);
}

/// A 16 x 32 image, dark on the left, as a camera held upright would store it with the given orientation.
fn turned_jpeg(orientation: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(32, 16, |x, _| Rgb([if x < 16 { 20 } else { 220 }; 3]));
    let jpeg = encoded(image, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn images_are_turned_upright() {
    // (orientation, upright width, where the dark half lies: a point in it)
    for (orientation, width, (x, y)) in
        [(1, 32, (3, 8)), (2, 32, (28, 8)), (3, 32, (28, 8)), (6, 16, (8, 3)), (8, 16, (8, 28))]
    {
        let image = decoded("a.jpg", &turned_jpeg(orientation)).unwrap();
        assert_eq!((image.width, image.height), (width, 512 / width), "orientation {orientation}");
        let bright = (image.width - 1 - x, image.height - 1 - y);
        assert!(image.pixels[y * width + x] < 60, "orientation {orientation}");
        assert!(image.pixels[bright.1 * width + bright.0] > 180, "orientation {orientation}");
    }
}

#[test]
fn broken_files_are_explained() {
    assert!(problem("a.jpg", b"").contains("a.jpg: the file is empty (0 bytes)"));
    assert!(problem("a.jpg", b"hello").contains("neither JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC nor AVIF"));
    assert!(problem("a.png", b"\x89PNG\r\n\x1a\nhello").contains("cannot be decoded"));
    let image = RgbImage::from_fn(64, 64, |x, y| Rgb([(x * y) as u8, (x ^ y) as u8, 3 * x as u8]));
    for (format, expected) in [
        (ImageFormat::Jpeg, "cut off"),
        (ImageFormat::Png, "cannot be decoded"),
        (ImageFormat::WebP, "cannot be decoded"),
    ] {
        let bytes = encoded(image.clone(), format);
        for length in [30, bytes.len() / 2, bytes.len() - 20] {
            let message = problem("a", &bytes[..length]);
            assert!(message.contains(expected), "{format:?} cut to {length} bytes: {message}");
        }
    }
}

#[test]
fn bytes_after_the_end_of_a_jpeg_do_no_harm() {
    let bytes = [encoded(RgbImage::from_pixel(8, 8, Rgb([50; 3])), ImageFormat::Jpeg), vec![0; 100]].concat();
    assert_eq!(decoded("a.jpg", &bytes).unwrap().width, 8);
}

#[test]
fn enormous_images_are_refused_from_their_header() {
    let bomb = png(100_000, 100_000, 8, 2, &[packed(&[0; 1000])]);
    let message = problem("bomb.png", &bomb);
    assert!(message.contains("100000 x 100000 pixels") && message.contains("100 megapixels"), "{message}");
    let mut jpeg = encoded(RgbImage::from_pixel(8, 8, Rgb([50; 3])), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x3f, 0xff, 0x3f, 0xff]);
    let message = problem("bomb.jpg", &jpeg);
    assert!(message.contains("16383 x 16383 pixels"), "{message}");
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    assert!(problem("bomb.jpg", &jpeg).contains("65535"));
    assert!(problem("none.png", &png(0, 5, 8, 2, &[])).contains("cannot be decoded"));
}

#[test]
fn one_file_is_a_source_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    fs::write(&path, encoded(GrayImage::new(2, 2), ImageFormat::Png)).unwrap();
    let source = FileImage::open(&path).unwrap();
    assert_eq!((source.len(), source.name(0).as_str()), (1, "a.png"));
    let mut image = Image::default();
    source.read(0, &mut image).unwrap();
    assert!(source.read(1, &mut image).is_err());
    assert!(FileImage::open(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    assert!(FileImage::open(folder.path().join("b")).is_err());
}

/// The files of `make_photographs.py`.
pub(super) fn photographs() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/formats/photographs");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())).collect()
}

fn decoded_to(bytes: &[u8], detail: Detail) -> Image {
    let mut image = Image::default();
    decode_bytes(bytes, Levels::Full, detail, &mut image).unwrap();
    image
}

/// Of every kind of JPEG file: what is decoded at a part of its size and shrunk is, within 2 levels on average, what is decoded in full and
/// shrunk. It has the pixels that are asked for, and is turned as the whole is.
#[test]
fn photographs_decoded_at_a_part_of_their_size_look_the_same() {
    assert_eq!(photographs().len(), 9);
    for (name, bytes) in photographs() {
        let whole = decoded_to(&bytes, Detail::Full);
        // What is CMYK no decoder reduces; in progressive files chroma that is halved must suffice by itself.
        let expected: [usize; 7] = match name.as_str() {
            "cmyk.jpg" => [1; 7],
            "progressive.jpg" => [8, 4, 2, 2, 1, 1, 1],
            _ => [8, 8, 8, 4, 2, 2, 1],
        };
        for (side, by) in [9, 18, 19, 37, 38, 75, 76].into_iter().zip(expected) {
            let image = decoded_to(&bytes, Detail::to_shrink(side));
            let sides = [whole.width, whole.height].map(|side| (side + by / 2) / by);
            assert_eq!([image.width, image.height], sides, "{name}, to {side}");
            assert!(image.width.min(image.height) >= 2 * side && image.pixels.len() == 3 * sides[0] * sides[1]);
            let [found, expected] = [image, whole.clone()].map(|mut image| pack::shrunk(&mut image, side).unwrap());
            assert_eq!((found.width, found.height), (expected.width, expected.height), "{name}, to {side}");
            let pairs = found.pixels.iter().zip(&expected.pixels);
            let differences = pairs.map(|(found, expected)| u64::from(found.abs_diff(*expected)));
            let mean = differences.sum::<u64>() as f64 / found.pixels.len() as f64;
            assert!(mean <= 2.0, "{name}, to {side}: {mean:.2} levels");
        }
    }
}

/// What is wrong with a file is found at a part of its size, too, and named as it is of the whole.
#[test]
fn bad_files_are_refused_at_any_size() {
    let (_, bytes) = photographs().into_iter().find(|(name, _)| name == "halved-chroma.jpg").unwrap();
    let problem = |bytes: &[u8], detail| {
        decode_bytes(bytes, Levels::Full, detail, &mut Image::default()).unwrap_err().to_string()
    };
    let cut = &bytes[..bytes.len() / 2];
    assert_eq!(problem(cut, Detail::Side(40)), problem(cut, Detail::Full));
    // A header that claims 60,000 by 60,000 pixels.
    let frame = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut huge = bytes.clone();
    huge[frame + 5..frame + 9].copy_from_slice(&[0xea, 0x60, 0xea, 0x60]);
    assert_eq!(problem(&huge, Detail::Side(40)), problem(&huge, Detail::Full));
    assert!(problem(&huge, Detail::Side(40)).contains("60000"), "{}", problem(&huge, Detail::Side(40)));
}
