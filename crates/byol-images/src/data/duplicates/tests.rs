//! What is taken for the same image, and that none is missed.

use rand::RngExt;

use super::*;
use crate::random::{Coordinates, Stream, rng};

/// A smooth image that depends on `kind`.
fn image(kind: usize, width: usize, height: usize) -> Image {
    let mut pixels = Vec::new();
    for channel in 0..3 {
        for y in 0..height {
            for x in 0..width {
                let (x, y) = (x as f64 / width as f64, y as f64 / height as f64);
                let wave = (kind as f64 * 1.7 + 9.0 * x + kind as f64 * 3.1 * y * x + channel as f64).sin();
                pixels.push((128.0 + 100.0 * wave) as u8);
            }
        }
    }
    Image { width, height, pixels }
}

fn looks(images: &[Image]) -> Vec<Look> {
    images.iter().map(Look::of).collect()
}

fn found(train: &[Image], test: &[Image]) -> Option<Straddling> {
    let name = |index: usize| index.to_string();
    let (train, test) = (looks(train), looks(test));
    straddling("train", &Seen { name: &name, looks: &train }, &Seen { name: &name, looks: &test })
}

#[test]
fn equal_and_similar_images_are_told_from_others() {
    let train: Vec<Image> = (0..50).map(|kind| image(kind, 90, 80)).collect();
    let others: Vec<Image> = (50..100).map(|kind| image(kind, 90, 80)).collect();
    assert!(found(&train, &others).is_none());

    let mut brighter = image(7, 90, 80);
    brighter.pixels.iter_mut().for_each(|value| *value += 3);
    let test = [image(60, 90, 80), image(3, 180, 160), image(5, 90, 80), brighter.clone()];
    let straddling = found(&train, &test).unwrap();
    assert_eq!((straddling.exact, straddling.near), (1, 2));
    let twin = |test: &str, other: &str, exact| Twins { test: test.into(), other: other.into(), exact };
    assert_eq!(straddling.examples, [twin("2", "5", true), twin("1", "3", false), twin("3", "7", false)]);

    let all = [train, test.to_vec(), vec![brighter]].concat();
    assert_eq!(groups(&looks(&all)), [vec![3, 51], vec![5, 52], vec![7, 53, 54]]);
}

#[test]
fn plain_images_are_only_compared_exactly() {
    let plain = |value| Image { width: 4, height: 4, pixels: vec![value; 48] };
    assert!(found(&[plain(7)], &[plain(8)]).is_none());
    assert_eq!(found(&[plain(7)], &[plain(7)]).unwrap().exact, 1);
    assert_eq!(groups(&looks(&[plain(7), plain(8), plain(7), plain(8)])), [[0, 2], [1, 3]]);
}

/// Small images with few distinct contents and a little noise, so that many are near and many are not quite.
fn noisy(count: usize) -> Vec<Look> {
    let draw = |index: usize| {
        let mut random = rng(0, Stream::Split, Coordinates { epoch: 9, index: index as u64, view: 9 });
        let mut image = image(index % 40, 18, 16);
        let noise = random.random_range(0..40);
        for value in &mut image.pixels {
            *value = value.saturating_add(random.random_range(0..=noise));
        }
        image
    };
    (0..count).map(|index| Look::of(&draw(index))).collect()
}

#[test]
fn the_search_finds_what_comparing_all_with_all_finds() {
    let looks = noisy(600);
    let alike = |a: usize, b: usize| {
        let (a, b) = (&looks[a], &looks[b]);
        a.digest() == b.digest() || (a.has_contrast() && b.has_contrast() && a.distance(b).is_some())
    };
    let (train, test) = looks.split_at(300);
    let index = Index::new(train);
    let mut pairs = 0;
    for (place, look) in test.iter().enumerate() {
        let expected = (0..300).any(|other| alike(other, 300 + place));
        assert_eq!(index.equal(look).or(index.alike(look)).is_some(), expected, "{place}");
        pairs += usize::from(expected);
    }
    assert!((30..300).contains(&pairs), "{pairs} of 300: the test shows little");

    let mut together = Together((0..600).collect());
    for one in 0..600 {
        for other in 0..one {
            if alike(one, other) {
                together.join(one, other);
            }
        }
    }
    assert_eq!(groups(&looks), together.groups());
}

#[test]
fn words_that_differ_in_eight_places_share_a_pair_of_parts() {
    let word = 0x0123_4567_89ab_cdef_u64;
    let differ = |flipped: u64| !keys(word).zip(keys(word ^ flipped)).any(|(a, b)| a == b);
    let mut random = rng(0, Stream::Split, Coordinates { epoch: 9, index: 0, view: 8 });
    for _ in 0..100_000 {
        let flipped = (0..MOST_STEPS).fold(0_u64, |flipped, _| flipped | 1 << random.random_range(0..64));
        assert!(!differ(flipped), "{flipped:x}");
    }
    // One in each of nine parts of ten, whose first bits these are.
    assert!(differ([0, 6, 12, 19, 25, 32, 38, 44, 51].into_iter().fold(0, |flipped, bit| flipped | 1 << bit)));
}

#[test]
fn a_camera_that_stands_still_is_one_group_soon() {
    let mut images: Vec<Image> = (0..2000).map(|_| image(3, 18, 16)).collect();
    for (index, image) in images.iter_mut().enumerate() {
        image.pixels[index % 288] = image.pixels[index % 288].wrapping_add((index / 288) as u8 + 1);
    }
    assert_eq!(groups(&looks(&images)).len(), 1);
}
