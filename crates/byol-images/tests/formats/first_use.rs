//! Pools that would not fit into memory: their images are decoded and judged when they are first used, and then the same pixels come as
//! from a pool that was looked through.

use std::collections::BTreeSet;

use super::*;
use byol_images::data::findings::LeftOut;
use byol_images::data::first_use::{NotUsed, Why};
use byol_images::data::{Decoding, ImageSource, Pools};

/// Less than four images of a scene take, decoded.
const LITTLE: u64 = 3 * 64 * 48 * 4 - 1;

/// As a training opens what does not fit into memory.
fn later() -> OpenOptions {
    OpenOptions { decoding: Decoding::AtFirstUse, memory_budget_bytes: LITTLE, ..OpenOptions::default() }
}

/// Two classes with a division of their own, of scenes 0 to 5 for training and 10 to 13 for the test.
fn divided() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for number in 0..3 {
        scene(&root.path().join(format!("train/cat/{number}.png")), number);
        scene(&root.path().join(format!("train/dog/{number}.png")), 3 + number);
    }
    for number in 0..2 {
        scene(&root.path().join(format!("test/cat/{number}.png")), 10 + number);
        scene(&root.path().join(format!("test/dog/{number}.png")), 12 + number);
    }
    root
}

/// So many scenes, from 100 on.
fn pool(images: u32) -> tempfile::TempDir {
    let pool = tempfile::tempdir().unwrap();
    for number in 0..images {
        scene(&pool.path().join(format!("{}/{number:03}.png", number % 2)), 100 + number);
    }
    pool
}

fn with_pools(root: &Path, pools: &[&Path], options: &OpenOptions) -> Dataset {
    let mut dataset = Dataset::open(root, options).unwrap();
    for pool in pools {
        dataset.add_unlabeled(pool, options).unwrap();
    }
    dataset.look_for_copies(Pools::LeaveCopiesOut).unwrap();
    dataset
}

fn pixels(images: &dyn ImageSource, index: usize) -> Vec<u8> {
    let mut image = Image::default();
    images.read(index, &mut image).unwrap();
    image.pixels
}

fn all_pixels(images: &dyn ImageSource) -> Vec<Vec<u8>> {
    (0..images.len()).map(|index| pixels(images, index)).collect()
}

fn waits(dataset: &Dataset) -> Vec<bool> {
    dataset.unlabeled.iter().map(|pool| pool.decoding() == Decoding::AtFirstUse).collect()
}

#[test]
fn a_pool_that_waits_is_the_one_that_was_looked_through() {
    let (root, more) = (divided(), pool(9));
    let now = with_pools(root.path(), &[more.path()], &OpenOptions::default());
    let waiting = with_pools(root.path(), &[more.path()], &later());
    assert_eq!((waits(&now), waits(&waiting)), (vec![false], vec![true]));
    assert_eq!((&waiting.fingerprint, &waiting.parts), (&now.fingerprint, &now.parts));
    let [of_now, of_waiting] = [&now, &waiting].map(|data| &data.unlabeled[0].images);
    assert_eq!(all_pixels(of_waiting.as_ref()), all_pixels(of_now.as_ref()));
    assert!(waiting.not_used().is_empty() && waiting.findings.is_empty());
    let note = DataNote::DecodedLater { images: 9, root: shown(more.path()) };
    assert!(waiting.notes.contains(&note) && !now.notes.contains(&note), "{:?}", waiting.notes);

    // Of the data itself, those without labels.
    let without_classes = tempfile::tempdir().unwrap();
    for number in 0..9 {
        scene(&without_classes.path().join(format!("{number}.png")), 100 + number);
    }
    let alone = Dataset::open(without_classes.path(), &later()).unwrap();
    assert_eq!(waits(&alone), [true]);
    let looked_through = open(without_classes.path());
    assert_eq!(alone.fingerprint, looked_through.fingerprint);
    assert_eq!(all_pixels(alone.unlabeled[0].images.as_ref()), all_pixels(looked_through.unlabeled[0].images.as_ref()));
    for number in 0..5 {
        scene(&root.path().join(format!("unlabeled/{number}.png")), 50 + number);
    }
    let split = Dataset::open(root.path(), &later()).unwrap();
    let before = open(root.path());
    assert_eq!((waits(&split), split.fingerprint), (vec![true], before.fingerprint));
    assert_eq!(all_pixels(split.train.unwrap().images.as_ref()), all_pixels(before.train.unwrap().images.as_ref()));
    assert_eq!(all_pixels(split.unlabeled[0].images.as_ref()), all_pixels(before.unlabeled[0].images.as_ref()));
}

#[test]
fn what_fits_or_must_be_looked_at_does_not_wait() {
    let (root, more) = (divided(), pool(9));
    let open = |pools: &[&Path], options: &OpenOptions| waits(&with_pools(root.path(), pools, options));
    let fits = OpenOptions { memory_budget_bytes: 3 * 64 * 48 * 9, ..later() };
    assert_eq!(open(&[more.path()], &fits), [false]);
    assert_eq!(open(&[more.path()], &OpenOptions { strict: true, ..later() }), [false]);
    assert_eq!(open(&[more.path()], &OpenOptions { decoding: Decoding::AtOnce, ..later() }), [false]);
    // What repeats in two pools that wait would never be known.
    let other = pool(11);
    assert_eq!(open(&[more.path(), other.path()], &later()), [true, false]);
    // The choice of levels may have to be warned of.
    let deep: image::ImageBuffer<image::Luma<u16>, Vec<u16>> = image::ImageBuffer::new(8, 8);
    deep.save(more.path().join("deep.png")).unwrap();
    assert_eq!(open(&[more.path()], &later()), [false]);
}

/// A pool in which three files are damaged, one of them in its header, two are test images, and one is a training image.
fn mixed(root: &Path) -> tempfile::TempDir {
    let more = pool(20);
    let at = |name: &str| more.path().join(name);
    let bytes = fs::read(at("0/004.png")).unwrap();
    fs::write(at("0/004.png"), &bytes[..bytes.len() / 2]).unwrap();
    scene(&at("0/damaged.jpg"), 200);
    let bytes = fs::read(at("0/damaged.jpg")).unwrap();
    fs::write(at("0/damaged.jpg"), &bytes[..bytes.len() - 40]).unwrap();
    fs::write(at("0/no image.jpg"), "a text").unwrap();
    fs::copy(root.join("test/cat/0.png"), at("1/copy.png")).unwrap();
    stored_anew(&root.join("test/dog/1.png"), &at("1/again.jpg"));
    fs::copy(root.join("train/dog/0.png"), at("1/repeated.png")).unwrap();
    more
}

#[test]
fn what_is_not_used_is_replaced_by_its_number_alone() {
    let root = divided();
    let more = mixed(root.path());
    let open = || with_pools(root.path(), &[more.path()], &later());
    let dataset = open();
    assert_eq!((waits(&dataset), dataset.skipped), (vec![true], 1), "the header of one is none");
    let images = dataset.unlabeled[0].images.as_ref();
    assert_eq!(images.len(), 24);
    let all = all_pixels(images);

    // All pixels are of the images that a look beforehand leaves.
    let looked_through = with_pools(root.path(), &[more.path()], &OpenOptions::default());
    let usable: BTreeSet<Vec<u8>> = all_pixels(looked_through.unlabeled[0].images.as_ref()).into_iter().collect();
    assert_eq!(usable.len(), 19);
    assert_eq!(all.iter().cloned().collect::<BTreeSet<_>>(), usable);

    let found = dataset.not_used();
    let why = |name: &str| {
        let path = fs::canonicalize(more.path()).unwrap().join(name).display().to_string();
        found.iter().find(|found| found.image == path).map(|found| &found.why)
    };
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(matches!(why("0/004.png"), Some(Why::Unreadable { .. })), "{found:?}");
    assert!(matches!(why("0/damaged.jpg"), Some(Why::Unreadable { problem }) if problem.contains("cut off")));
    assert_eq!(why("1/copy.png"), Some(&Why::TestExact));
    assert_eq!(why("1/again.jpg"), Some(&Why::TestNear));
    assert_eq!(why("1/repeated.png"), Some(&Why::Repeated));

    // Another order, one image alone, and several threads at once.
    let other = open();
    let images = other.unlabeled[0].images.as_ref();
    assert_eq!(pixels(images, found[0].index), all[found[0].index]);
    let parts: Vec<Vec<(usize, Vec<u8>)>> = std::thread::scope(|scope| {
        let part = |first: usize| (first..24).rev().step_by(3).map(|index| (index, pixels(images, index))).collect();
        let threads: Vec<_> = (0..3).map(|first| scope.spawn(move || part(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (index, pixels) in parts.into_iter().flatten() {
        assert_eq!(pixels, all[index], "{index}");
    }
    assert!(other.not_used().iter().all(|one| found.contains(one)));
}

#[test]
fn what_was_found_is_recorded_told_and_recalled() {
    let root = divided();
    let more = mixed(root.path());
    let dataset = with_pools(root.path(), &[more.path()], &later());
    let all = all_pixels(dataset.unlabeled[0].images.as_ref());
    let found = dataset.not_used();
    let (findings, skipped) = dataset.with_not_used(&found);
    let name = more.path().display().to_string();
    let left_out = LeftOut { pool: name.clone(), test_exact: 1, test_near: 1, repeated: 1 };
    assert_eq!((findings.left_out, findings.unreadable.len(), skipped), (vec![left_out.clone()], 3, 3));
    let notes = dataset.notes_of(&found);
    for note in [DataNote::CopiesLeftOut(left_out.clone()), DataNote::RepeatsLeftOut(left_out)] {
        assert!(notes.contains(&note), "{notes:?}");
    }
    assert_eq!(notes.iter().filter(|note| matches!(note, DataNote::Skipped { .. })).count(), 2, "{notes:?}");
    assert!(dataset.notes_of(&[]).is_empty());

    let lines: Vec<String> = found.iter().map(|found| serde_json::to_string(found).unwrap()).collect();
    let read: Vec<NotUsed> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, found);
    let again = with_pools(root.path(), &[more.path()], &later());
    again.recall(&read);
    assert_eq!(again.not_used(), found);
    assert_eq!(all_pixels(again.unlabeled[0].images.as_ref()), all);
}

#[test]
fn the_files_of_the_test_and_of_other_pools_are_known_at_once() {
    let (root, more) = (divided(), pool(9));
    fs::create_dir(more.path().join("in")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root.path().join("test/cat/1.png"), more.path().join("in/linked.png")).unwrap();
    let linked = usize::from(cfg!(unix));
    let dataset = with_pools(root.path(), &[more.path()], &later());
    assert_eq!((waits(&dataset), dataset.unlabeled[0].images.len()), (vec![true], 9));
    let of_data = DataNote::TestImagesOfData { images: linked, root: shown(more.path()) };
    assert!(dataset.notes.contains(&of_data) || linked == 0, "{:?}", dataset.notes);

    // A folder of the pool, given besides: its files are in both.
    let within = more.path().join("1");
    let dataset = with_pools(root.path(), &[more.path(), &within], &later());
    assert_eq!(waits(&dataset), [true, false]);
    assert_eq!(dataset.unlabeled.iter().map(|pool| pool.images.len()).sum::<usize>(), 9);
}

#[test]
fn a_pool_of_which_nothing_can_be_used_is_an_error() {
    let root = divided();
    let more = tempfile::tempdir().unwrap();
    for name in ["cat/0", "cat/1", "dog/0", "dog/1"] {
        let to = more.path().join(format!("{}.png", name.replace('/', " ")));
        fs::copy(root.path().join(format!("test/{name}.png")), to).unwrap();
    }
    let dataset = with_pools(root.path(), &[more.path()], &later());
    let message = dataset.unlabeled[0].images.read(2, &mut Image::default()).unwrap_err().to_string();
    contains(&message, &["none of the 4 images of", "can be used"]);
}

/// What the system refuses now it may give later, so no other image takes its place.
#[test]
fn a_file_that_vanishes_is_an_error() {
    let (root, more) = (divided(), pool(9));
    let dataset = with_pools(root.path(), &[more.path()], &later());
    fs::remove_file(more.path().join("0/000.png")).unwrap();
    let message = dataset.unlabeled[0].images.read(0, &mut Image::default()).unwrap_err().to_string();
    contains(&message, &["000.png", "the file is not there"]);
    assert!(dataset.not_used().is_empty());
}

#[test]
fn other_files_are_other_data() {
    let (root, more) = (divided(), pool(9));
    let fingerprint = || with_pools(root.path(), &[more.path()], &later()).fingerprint;
    let before = fingerprint();
    assert_eq!(fingerprint(), before);
    scene(&more.path().join("0/new.png"), 150);
    assert_ne!(fingerprint(), before);
    fs::remove_file(more.path().join("0/new.png")).unwrap();
    assert_eq!(fingerprint(), before);
    scene(&more.path().join("0/002.png"), 151);
    assert_ne!(fingerprint(), before, "another size");
}
