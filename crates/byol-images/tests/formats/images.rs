//! Kinds of image files, held against what Pillow decodes.

use super::*;
use byol_images::data::decode::FileImage;

/// What Pillow shows, `[height, width, 3]`, and how far a decoder may be from it.
#[derive(serde::Deserialize)]
struct Shown {
    tolerance: u8,
    shape: [usize; 2],
    pixels: Vec<u8>,
}

/// That the images of a folder show what its expected.json says, at least so many of them.
pub fn shown_as_expected(folder: &Path, at_least: usize) {
    let text = fs::read_to_string(folder.join("expected.json")).unwrap();
    let expected: BTreeMap<String, Shown> = serde_json::from_str(&text).unwrap();
    assert!(expected.len() > at_least);
    let mut wrong = Vec::new();
    for (name, shown) in &expected {
        let mut image = Image::default();
        if let Err(error) = FileImage::open(folder.join(name)).unwrap().decode(&mut image) {
            wrong.push(error.to_string());
            continue;
        }
        if [image.height, image.width] != shown.shape {
            wrong.push(format!("{name}: {} x {}", image.width, image.height));
            continue;
        }
        let area = image.width * image.height;
        let far = (0..3 * area).map(|at| image.pixels[at % 3 * area + at / 3].abs_diff(shown.pixels[at])).max();
        if far > Some(shown.tolerance) {
            wrong.push(format!("{name}: {far:?} levels from what is expected"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_kind_looks_as_pillow_shows_it() {
    shown_as_expected(Path::new(FIXTURES), 25);
}

#[test]
fn enormous_images_are_refused_from_their_header() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        write(&path, bytes);
        FileImage::open(path).unwrap().decode(&mut Image::default()).unwrap_err().to_string()
    };
    let fixture = |name: &str| fs::read(Path::new(FIXTURES).join(name)).unwrap();
    let mut bmp = fixture("rgb.bmp");
    bmp[18..26].copy_from_slice(&[0, 128, 0, 0, 0, 128, 0, 0]);
    contains(&refusal("bomb.bmp", &bmp), &["32768 x 32768 pixels", "100 megapixels"]);
    let mut gif = fixture("animated.gif");
    gif[6..10].copy_from_slice(&[0xff; 4]);
    contains(&refusal("bomb.gif", &gif), &["65535 x 65535 pixels"]);
    let mut tiff = fixture("rgb.tif");
    let directory = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    for entry in 0..2 {
        let at = directory + 2 + 12 * entry;
        tiff[at + 2..at + 12].copy_from_slice(&[4, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
    }
    // The decoder compares the size with the data that is there.
    contains(&refusal("bomb.tif", &tiff), &["bomb.tif", "cannot be decoded"]);
    for name in ["rgb.bmp", "animated.gif"] {
        let whole = fixture(name);
        contains(&refusal(name, &whole[..whole.len() / 2]), &[name, "cannot be decoded"]);
    }
    for name in ["rgb.tif", "lzw.tif", "fax.tif"] {
        let whole = fixture(name);
        assert!(refusal(name, &whole[..whole.len() / 2]).contains(name));
    }
}
