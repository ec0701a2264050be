//! Markers, and reduced images against those of `jpeg-decoder`.

use rand::RngExt;

use super::*;
use crate::data::decode::tests::photographs;
use crate::random;

const SCAN: [u8; 8] = [0xff, 0xda, 0, 4, 1, 2, 33, 44];
const END: [u8; 2] = [0xff, 0xd9];

fn file(parts: &[&[u8]]) -> Vec<u8> {
    [&[&[0xff, 0xd8][..]], parts].concat().concat()
}

#[test]
fn the_end_follows_the_scan() {
    assert!(ends(&file(&[&SCAN, &END])));
    assert!(!ends(&file(&[&SCAN])));
    assert!(!ends(&file(&[&END])));
    assert!(!ends(&[0xff, 0xd8]));
    assert!(!ends(&[]));
}

#[test]
fn stuffed_bytes_restarts_and_fill_bytes_are_no_end() {
    assert!(!ends(&file(&[&SCAN, &[0xff, 0x00, 0xd9, 0xff, 0xd0, 5]])));
    assert!(ends(&file(&[&SCAN, &[0xff, 0x00, 0xd9, 0xff, 0xd7, 5, 0xff, 0xff], &END[1..]])));
}

#[test]
fn tables_and_scans_may_follow_a_scan() {
    let table = [0xff, 0xc4, 0, 6, 0xff, 0xd9, 0xff, 0xd8];
    assert!(ends(&file(&[&table, &SCAN, &table, &SCAN, &END])));
    assert!(!ends(&file(&[&table, &SCAN, &table, &SCAN])));
}

#[test]
fn an_image_behind_a_cut_one_does_not_make_it_whole() {
    let whole = file(&[&SCAN, &END]);
    assert!(ends(&[whole.clone(), whole.clone()].concat()));
    assert!(!ends(&[&whole[..whole.len() - 2], &whole].concat()));
    assert!(!ends(&[&whole[..whole.len() - 1], &whole].concat()));
}

fn photograph(name: &str) -> (Vec<u8>, (u32, u32)) {
    let (_, bytes) = photographs().into_iter().find(|(other, _)| other == name).unwrap();
    (bytes, (405, 301))
}

fn at_a_part(bytes: &[u8], whole: (u32, u32), by: u32) -> Option<Image> {
    let mut image = Image { width: 3, height: 1, pixels: vec![1; 9] };
    baseline(bytes, whole, by, &mut image).map(|()| image)
}

/// Where all components have one size, both compute the same by other means.
#[test]
fn reduced_images_are_those_of_another_decoder() {
    for name in ["gray.jpg", "full-chroma.jpg", "rgb.jpg"] {
        let (bytes, whole) = photograph(name);
        for by in [2, 4, 8] {
            let found = at_a_part(&bytes, whole, by).unwrap();
            let mut expected = Image::default();
            to_planes(scaled(&bytes, whole, by).unwrap(), &mut expected);
            assert_eq!((found.width, found.height), (expected.width, expected.height));
            let pairs = found.pixels.iter().zip(&expected.pixels);
            let differences: Vec<u64> = pairs.map(|(found, expected)| found.abs_diff(*expected).into()).collect();
            let mean = differences.iter().sum::<u64>() as f64 / differences.len() as f64;
            assert!(mean < 0.8 && differences.iter().max() <= Some(&3), "{name} at 1/{by}: {mean:.3} levels");
        }
    }
}

#[test]
fn kinds_of_files_that_cameras_do_not_write_are_left_to_others() {
    for (name, bytes) in photographs() {
        let whole = if name == "turned.jpg" { (405, 301) } else { photograph(&name).1 };
        let is_left = matches!(name.as_str(), "cmyk.jpg" | "progressive.jpg");
        for by in [2, 4, 8] {
            assert_eq!(at_a_part(&bytes, whole, by).is_none(), is_left, "{name} at 1/{by}");
        }
    }
}

/// Whatever bytes there are, they become an image of the size that was asked for, or none, and nothing panics.
#[test]
fn damaged_files_are_decoded_or_left() {
    let mut left = 0;
    for name in ["halved-chroma.jpg", "restarts.jpg", "gray.jpg"] {
        let (bytes, whole) = photograph(name);
        for seed in 0..60 {
            let mut rng = random::rng(seed, random::Stream::View, random::Coordinates::default());
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                // Tables stand in the first thousand bytes.
                let end = if seed % 2 == 0 { 1000 } else { bytes.len() };
                damaged[rng.random_range(2..end)] = rng.random();
            }
            for by in [2, 8] {
                match at_a_part(&damaged, whole, by) {
                    None => left += 1,
                    Some(image) => {
                        let [width, height] = [whole.0, whole.1].map(|side| rounded(side, by) as usize);
                        assert_eq!(
                            (image.width, image.height, image.pixels.len()),
                            (width, height, 3 * width * height)
                        );
                    }
                }
            }
        }
        for length in [20, 400, bytes.len() / 2, bytes.len() - 3] {
            assert!(at_a_part(&bytes[..length], whole, 8).is_none(), "{name} cut to {length} bytes");
        }
    }
    assert!(left > 20, "{left} left");
}
