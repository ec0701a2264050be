//! Every example of the folder `examples` runs, and gives what it says.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use byol::device::Hardware;

// Their `main` reads this program's arguments, so that what it calls is called instead.
#[allow(dead_code)]
#[path = "../examples/baseline.rs"]
mod baseline;
#[allow(dead_code)]
#[path = "../examples/custom_dataset.rs"]
mod custom_dataset;
#[allow(dead_code)]
#[path = "../examples/custom_views.rs"]
mod custom_views;
#[allow(dead_code)]
#[path = "../examples/embed_and_search.rs"]
mod embed_and_search;
#[allow(dead_code)]
#[path = "../examples/pretrain_folder.rs"]
mod pretrain_folder;

/// Trainings that share the cores wait for one another longer than one after the other takes.
fn alone() -> MutexGuard<'static, ()> {
    static RUNNING: Mutex<()> = Mutex::new(());
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn every_example_is_tested_here() {
    let here = include_str!("examples.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(here.contains(&format!("{name}::")), "{name} is not run by this test");
    }
}

#[test]
fn a_baseline_learns_something() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let run = || baseline::baseline("patterns", folder.path().join("run")).unwrap();
    let accuracy = run();
    assert!((0.2..=1.0).contains(&accuracy), "{accuracy}");
    assert_eq!(run(), accuracy);
}

#[test]
fn images_of_a_folder_are_pre_trained_on() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let drawn = pretrain_folder::pretrain_folder(None, &folder.path().join("drawn")).unwrap();
    let images = folder.path().join("pictures");
    std::fs::create_dir(&images).unwrap();
    for number in 0..6u8 {
        let image = image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8 * 5, y as u8 * 8, number * 40]));
        image.save(images.join(format!("{number}.png"))).unwrap();
    }
    let own = pretrain_folder::pretrain_folder(Some(&images), &folder.path().join("own")).unwrap();
    assert!(own == drawn && own > 10_000, "{own} {drawn}");
}

#[test]
fn views_of_ones_own_train_an_encoder() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let (first, last) = custom_views::custom_views("patterns", folder.path()).unwrap();
    assert!(first > 0.0 && last < first, "{first} {last}");
    assert!(folder.path().join("view-00-t_prime-3.png").is_file());
}

#[test]
fn a_data_set_of_ones_own_is_compared_on() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let table = custom_dataset::custom_dataset(&folder.path().join("run")).unwrap();
    assert!(table.contains("MoCo v3, fine-tuned") && table.contains("2 labels per class"), "{table}");
}

#[test]
fn images_are_found_by_their_representations() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let hardware = Hardware::auto();
    let images = embed_and_search::pretrain_on_patterns(&run, &hardware).unwrap();
    let lines = embed_and_search::embed_and_search(&run, images, &hardware).unwrap();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("train/0: train/") && !lines[0][8..].contains("train/0 "), "{lines:?}");
}
