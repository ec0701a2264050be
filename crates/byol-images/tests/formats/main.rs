//! Every kind of data, opened from real files, and its odd cases, a file for each. What cannot be written from here (CMYK, 16-bit TIFF,
//! Parquet as Python writes it) lies in `fixtures/formats` beside the program that made it.

mod cifar10;
mod class_folders;
mod copies;
mod depths;
mod first_use;
mod heif;
mod images;
mod inventories;
mod layouts;
mod packs;
mod parquet;
mod pools;
mod tables;
mod webdataset;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use byol_images::data::{DataNote, Dataset, Image, LabeledImages, Need, OpenOptions};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/formats");

fn open(path: &Path) -> Dataset {
    Dataset::open(path, &OpenOptions::default()).unwrap()
}

fn refusal(path: &Path) -> String {
    Dataset::open(path, &OpenOptions::default()).err().expect("an error").to_string()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A 6 x 4 image of one gray.
fn image(path: &Path, gray: u8) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    image::RgbImage::from_pixel(6, 4, image::Rgb([gray; 3])).save(path).unwrap();
}

/// An image with something to see, of which each `kind` is another one.
fn scene(path: &Path, kind: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let value = |x: u32, y: u32| {
        let of = |number: u32| f64::from(kind % number);
        let (x, y, kind) = (f64::from(x) / 64.0, f64::from(y) / 48.0, f64::from(kind));
        let (one, other) = (kind * 1.7 + (3.0 + of(5)) * x + of(3) * y, kind * 2.3 + (2.0 + of(7)) * y - of(4) * x);
        (128.0 + 55.0 * one.sin() + 50.0 * other.sin()) as u8
    };
    image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([value(x, y); 3])).save(path).unwrap();
}

/// The same image, scaled and stored as a JPEG.
fn stored_anew(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    let scaled = image::open(from).unwrap().resize_exact(100, 75, image::imageops::FilterType::Triangle);
    scaled.to_rgb8().save(to).unwrap();
}

/// `count` images of a class folder, each of a gray of its own from `first`.
fn class(folder: &Path, count: u8, first: u8) {
    for number in 0..count {
        image(&folder.join(format!("{number}.png")), first + number);
    }
}

/// Names and classes, to compare with.
fn listed(dataset: &Dataset, labeled: &Option<LabeledImages>) -> BTreeMap<String, String> {
    let labeled = labeled.as_ref().expect("labelled images");
    assert_eq!(labeled.images.len(), labeled.labels.len());
    let class = |index: usize| dataset.class_names[usize::from(labeled.labels[index])].clone();
    (0..labeled.images.len()).map(|index| (labeled.images.name(index), class(index))).collect()
}

fn counts(labeled: &Option<LabeledImages>) -> BTreeMap<u16, usize> {
    let mut counts = BTreeMap::new();
    for &label in &labeled.as_ref().expect("labelled images").labels {
        *counts.entry(label).or_default() += 1;
    }
    counts
}

fn pairs(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter().map(|&(name, class)| (name.to_owned(), class.to_owned())).collect()
}

/// A path as notes have it.
fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn contains(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{message}` lacks `{part}`");
    }
}
