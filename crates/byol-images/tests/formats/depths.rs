//! Images of science and print, and of decoders' odd cases, held against the values that were written; images of more than
//! eight bits, and which of their values are black and white.

use super::*;
use crate::images::shown_as_expected;
use byol_images::data::Levels;
use byol_images::data::decode::FileImage;
use byol_images::data::info::DataInfo;
use byol_images::data::levels::SampleKind;
use byol_images::data::note::LevelsRemedy;
use byol_images::data::pack;
use std::path::PathBuf;

fn image(name: &str) -> PathBuf {
    Path::new(FIXTURES).join("images").join(name)
}

fn unread(name: &str) -> String {
    FileImage::open(image(name)).unwrap().decode(&mut Image::default()).unwrap_err().to_string()
}

#[test]
fn every_kind_shows_the_values_that_were_written() {
    shown_as_expected(&Path::new(FIXTURES).join("images"), 40);
}

#[test]
fn what_cannot_be_shown_is_explained() {
    for (name, why) in [
        ("thirteen-bands.tif", "it does not say which of its 13 bands are red, green and blue"),
        ("two-gray-bands.tif", "it does not say which of its 2 bands"),
        ("planar-tiled-edge.tif", "its bands lie apart, in tiles that reach beyond its lower edge"),
        ("lab.tif", "its colours are Lab"),
        ("cfa.tif", "camera raw"),
        ("complex.tif", "complex numbers"),
        ("lerc.tif", "it is compressed as LERC"),
        ("jpeg2000.tif", "it is compressed as JPEG 2000"),
        ("twelve.tif", "its values are of 12 bits"),
    ] {
        contains(&unread(name), &[name, "this kind of TIFF is not read", why, "convert it to PNG"]);
    }
}

#[test]
fn tiff_that_is_cut_or_damaged_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["big.tif", "tiled.tif", "planar-tiled.tif", "float32.tif", "palette-4.tif", "jpeg.tif", "gray-1.tif"] {
        let whole = fs::read(image(name)).unwrap();
        let path = folder.path().join(name);
        for length in [4, 8, 20, whole.len() / 3, whole.len() / 2] {
            write(&path, &whole[..length]);
            let outcome = FileImage::open(&path).unwrap().decode(&mut Image::default());
            assert!(outcome.is_err(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn a_jpeg_that_was_cut_before_another_one_is_cut_off() {
    let whole = fs::read(image("two.jpg")).unwrap();
    let second = (2..whole.len()).rev().find(|&at| whole[at..].starts_with(&[0xff, 0xd8, 0xff])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.jpg");
    for first in [second / 2, second * 3 / 4, second - 20] {
        write(&path, &[&whole[..first], &whole[second..]].concat());
        let message = FileImage::open(&path).unwrap().decode(&mut Image::default()).unwrap_err().to_string();
        contains(&message, &["cut.jpg", "cut off"]);
    }
}

/// Two classes of ten-bit images in sixteen, as a camera leaves them.
fn ten_bits() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for number in 0..4 {
            let image = image::ImageBuffer::from_fn(24, 24, |x, y| image::Luma([(x * 40 + y + number) as u16]));
            let path = folder.path().join(class).join(format!("{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            image.save(path).unwrap();
        }
    }
    folder
}

fn with(levels: Levels) -> OpenOptions {
    OpenOptions { levels, ..OpenOptions::default() }
}

fn brightest(dataset: &Dataset) -> u8 {
    let mut image = Image::default();
    dataset.train.as_ref().unwrap().images.read(0, &mut image).unwrap();
    image.pixels.iter().copied().max().unwrap()
}

/// Of how many images of 16 bits it is said that ten would do.
fn with_few_levels(warnings: &[DataNote]) -> Vec<usize> {
    let images = |note: &DataNote| match *note {
        DataNote::FewLevels { images, span, remedy: LevelsRemedy::Bits { levels: Levels::Bits(10), .. }, .. } => {
            assert_eq!((span.kind, span.white), (SampleKind::Unsigned(16), 65_535.0));
            Some(images)
        }
        _ => None,
    };
    warnings.iter().filter_map(images).collect()
}

#[test]
fn ten_bits_in_sixteen_are_told_and_can_be_chosen() {
    for name in ["ten-bits.tif", "ten-bits.png"] {
        let mut shown = Image::default();
        let file = FileImage::open(image(name)).unwrap();
        file.decode(&mut shown).unwrap();
        assert!(shown.pixels.iter().all(|&level| level <= 4), "{name}");
        file.decode_with(Levels::Bits(10), &mut shown).unwrap();
        let level = |x: usize, y: usize| shown.pixels[16 * y + x];
        // 1023 stands for 255 and 4 x 255 for 1020.
        assert_eq!([level(0, 0), level(1, 0), level(15, 7)], [254, 244, 35], "{name}");
    }
    let folder = ten_bits();
    let dataset = open(folder.path());
    assert_eq!(with_few_levels(&dataset.warnings), [8]);
    assert_eq!(brightest(&dataset), 4);
    let dataset = Dataset::open(folder.path(), &with(Levels::Bits(10))).unwrap();
    assert!(dataset.warnings.is_empty(), "{:?}", dataset.warnings);
    assert!(brightest(&dataset) > 230);
    // Decoded again where memory does not hold them, they are the same.
    let again = OpenOptions { memory_budget_bytes: 0, ..with(Levels::Bits(10)) };
    assert_eq!(brightest(&Dataset::open(folder.path(), &again).unwrap()), brightest(&dataset));
    let mut pool = open(Path::new(byol_images::data::PATTERNS));
    pool.add_unlabeled(folder.path(), &OpenOptions::default()).unwrap();
    assert_eq!(with_few_levels(&pool.warnings), [6]);
    let info = DataInfo::inspect(folder.path(), &OpenOptions::default()).unwrap();
    assert!(matches!(info.notes[0], DataNote::Deep { images: 8, of: 8, .. }), "{:?}", info.notes);
    assert_eq!(with_few_levels(&info.warnings), [8]);
    let info = DataInfo::inspect(folder.path(), &with(Levels::Bits(10))).unwrap();
    assert!(with_few_levels(&info.warnings).is_empty());
}

#[test]
fn a_pack_keeps_its_levels() {
    let folder = ten_bits();
    let out = folder.path().join("ten.byolpack");
    let packed = pack::pack(folder.path(), &out, 160, &OpenOptions::default()).unwrap();
    assert_eq!(with_few_levels(&packed.warnings), [8]);
    let packed = pack::pack(folder.path(), &out, 160, &with(Levels::Bits(10))).unwrap();
    assert!(packed.warnings.is_empty(), "{:?}", packed.warnings);
    assert!(brightest(&Dataset::open(&out, &with(Levels::Bits(10))).unwrap()) > 230);
    contains(&refusal(&out), &["with the levels 10bit", "full", "--set levels=10bit", "--levels full"]);
    let info = DataInfo::inspect(&out, &OpenOptions::default()).unwrap();
    assert_eq!(info.notes, [DataNote::PackedLevels { images: 8, levels: Levels::Bits(10) }]);
    // Images of eight bits are the same with any.
    let folder = tempfile::tempdir().unwrap();
    for (class, gray) in [("a", 10), ("b", 200)] {
        for number in 0..4 {
            let path = folder.path().join(class).join(format!("{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            image::GrayImage::from_fn(4, 4, |x, _| image::Luma([gray + x as u8 * 5 + number])).save(path).unwrap();
        }
    }
    let out = folder.path().join("eight.byolpack");
    pack::pack(folder.path(), &out, 160, &OpenOptions::default()).unwrap();
    assert!(Dataset::open(&out, &with(Levels::Bits(12))).is_ok());
}

#[test]
fn images_of_one_level_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["a", "b"] {
        for number in 0..4 {
            let path = folder.path().join(class).join(format!("{number}.png"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let step = if number == 0 { 0 } else { 8 };
            image::GrayImage::from_fn(24, 24, |x, y| {
                image::Luma([(x * step + y * u32::from(step > 0)) as u8 + number])
            })
            .save(path)
            .unwrap();
        }
    }
    let warnings = open(folder.path()).warnings;
    assert!(warnings.contains(&DataNote::OneLevel { images: 2, of: 8 }), "{warnings:?}");
}
