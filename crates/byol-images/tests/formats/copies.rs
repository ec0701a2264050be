//! Copies in real folders: of test images, in pools and in training, under two labels, and when a split is drawn.

use super::*;
use byol_images::data::Pools;
use byol_images::data::findings::{LeftOut, NamedLabel};

/// Two classes with a division of their own: three training images and two test images each, all different.
fn divided() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (class, first) in [("cat", 0), ("dog", 20)] {
        for number in 0..3 {
            scene(&root.path().join(format!("train/{class}/{number}.png")), first + number);
        }
        for number in 0..2 {
            scene(&root.path().join(format!("test/{class}/{number}.png")), first + 10 + number);
        }
    }
    root
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap();
}

#[test]
fn pre_training_sees_no_copy_of_a_test_image_and_nothing_twice() {
    let (root, pool) = (divided(), tempfile::tempdir().unwrap());
    let (at, beside) = (|name: &str| root.path().join(name), |name: &str| pool.path().join(name));
    let nothing_found = {
        let mut dataset = open(root.path());
        dataset.look_for_copies(Pools::LeaveCopiesOut).unwrap();
        assert!(dataset.findings.is_empty() && dataset.kept_from_pretraining.is_empty(), "{:?}", dataset.findings);
        dataset.fingerprint
    };
    assert_eq!(nothing_found, open(root.path()).fingerprint, "what changes nothing is no other data");

    copy(&at("test/cat/0.png"), &at("train/cat/copy.png"));
    stored_anew(&at("test/dog/1.png"), &at("train/dog/again.jpg"));
    copy(&at("test/cat/1.png"), &beside("a/test copy.png"));
    stored_anew(&at("test/dog/0.png"), &beside("a/test again.jpg"));
    copy(&at("train/cat/2.png"), &beside("b/train copy.png"));
    scene(&beside("new.png"), 50);
    scene(&beside("b/new too.png"), 51);

    let mut dataset = open(root.path());
    dataset.add_unlabeled(pool.path(), &OpenOptions::default()).unwrap();
    assert_eq!(dataset.unlabeled[0].images.len(), 5);
    let before = dataset.clone();
    dataset.look_for_copies(Pools::LeaveCopiesOut).unwrap();

    let names =
        |images: &dyn byol_images::data::ImageSource| (0..images.len()).map(|i| images.name(i)).collect::<Vec<_>>();
    let [unlabelled, training] = &dataset.pretraining_pool()[..] else { panic!("two pools") };
    assert_eq!(names(unlabelled.images.as_ref()), ["b/new too.png", "new.png"]);
    let of_train = names(training.images.as_ref());
    assert_eq!(of_train.len(), 6, "{of_train:?}");
    assert!(!of_train.iter().any(|name| name.ends_with("copy.png") || name.ends_with("again.jpg")), "{of_train:?}");
    assert_eq!(dataset.train.as_ref().unwrap().labels.len(), 8, "labels stay as they were given");

    let path = pool.path().display().to_string();
    assert_eq!(
        dataset.findings.left_out,
        [
            LeftOut { pool: "train".into(), test_exact: 1, test_near: 1, repeated: 0 },
            LeftOut { pool: path.clone(), test_exact: 1, test_near: 1, repeated: 1 },
        ]
    );
    let found = dataset.findings.test_in_train.as_ref().unwrap();
    assert_eq!((found.exact, found.near), (1, 1));
    assert_eq!(
        (found.examples[0].test.as_str(), found.examples[0].other.as_str()),
        ("test/cat/0.png", "train/cat/copy.png")
    );
    let [of_train, of_pool] = [0, 1].map(|place| dataset.findings.left_out[place].clone());
    for note in [
        DataNote::CopiesLeftOut(of_train.clone()),
        DataNote::CopiesLeftOut(of_pool.clone()),
        DataNote::RepeatsLeftOut(of_pool),
    ] {
        assert!(dataset.notes.contains(&note), "{note:?}: {:?}", dataset.notes);
    }
    assert!(!dataset.notes.contains(&DataNote::RepeatsLeftOut(of_train)), "none of them is repeated");
    assert!(dataset.warnings.contains(&DataNote::TestInTrain(found.clone())), "{:?}", dataset.warnings);
    assert_ne!(dataset.fingerprint, before.fingerprint);
    assert_eq!((&dataset.parts.test, &dataset.parts.train), (&before.parts.test, &before.parts.train));
    assert_ne!(dataset.parts.unlabeled, before.parts.unlabeled);

    // Nothing is pre-trained: only what concerns labels is said.
    let mut dataset = before;
    dataset.look_for_copies(Pools::Unused).unwrap();
    assert_eq!(dataset.unlabeled[0].images.len(), 5);
    assert!(dataset.findings.left_out.is_empty() && dataset.findings.test_in_train.is_some());
}

#[test]
fn a_pool_of_copies_of_test_images_alone_is_refused() {
    let (root, pool) = (divided(), tempfile::tempdir().unwrap());
    copy(&root.path().join("test/cat/0.png"), &pool.path().join("a.png"));
    stored_anew(&root.path().join("test/dog/0.png"), &pool.path().join("b.jpg"));
    let mut dataset = open(root.path());
    dataset.add_unlabeled(pool.path(), &OpenOptions::default()).unwrap();
    let message = dataset.look_for_copies(Pools::LeaveCopiesOut).unwrap_err().to_string();
    contains(&message, &["are test images, so none is left to pre-train on"]);
}

#[test]
fn one_image_under_two_labels_is_named() {
    let root = divided();
    let at = |name: &str| root.path().join(name);
    copy(&at("train/cat/0.png"), &at("train/dog/same.png"));
    stored_anew(&at("train/dog/1.png"), &at("train/cat/alike.jpg"));
    copy(&at("train/cat/2.png"), &at("train/cat/twice.png"));
    let mut dataset = open(root.path());
    dataset.look_for_copies(Pools::Unused).unwrap();
    let named = |image: &str, class: &str| NamedLabel { image: image.into(), class: class.into() };
    let [exact, near] = &dataset.findings.contradictions[..] else { panic!("{:?}", dataset.findings) };
    assert!(exact.exact && !near.exact);
    assert_eq!(exact.images, [named("train/cat/0.png", "cat"), named("train/dog/same.png", "dog")]);
    assert_eq!(near.images, [named("train/cat/alike.jpg", "cat"), named("train/dog/1.png", "dog")]);
    let [repeated] = &dataset.findings.repeated[..] else { panic!("{:?}", dataset.findings) };
    assert_eq!((repeated.class.as_str(), repeated.exact, repeated.near), ("cat", 1, 0));
    for found in [exact, near] {
        let note = DataNote::Contradictions { exact: found.exact, images: 1, first: found.images.clone() };
        assert!(dataset.warnings.contains(&note), "{note:?}: {:?}", dataset.warnings);
    }
}

#[test]
fn a_drawn_split_keeps_copies_on_one_side() {
    for first in [0, 30, 60, 90] {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for (class, first) in [("cat", first), ("dog", first + 15)] {
            for number in 0..6 {
                scene(&at(&format!("{class}/{number}.png")), first + number);
                let again = at(&format!("{class}/z{number}.{}", if number < 3 { "png" } else { "jpg" }));
                match number < 3 {
                    true => copy(&at(&format!("{class}/{number}.png")), &again),
                    false => stored_anew(&at(&format!("{class}/{number}.png")), &again),
                }
            }
        }
        // A wrong label among them: neither may be a test image.
        copy(&at("cat/0.png"), &at("dog/wrong.png"));
        let mut dataset = open(root.path());
        let test: Vec<String> = listed(&dataset, &dataset.test).into_keys().collect();
        assert_eq!(test.len(), 4, "two of twelve or thirteen images of each class, as one pair: {test:?}");
        let number = |name: &str| name.trim_start_matches(|letter: char| !letter.is_ascii_digit())[..1].to_owned();
        for name in &test {
            assert_ne!((&name[..3], number(name).as_str()), ("cat", "0"), "{test:?}");
            let pair = test.iter().filter(|other| other[..3] == name[..3] && number(other) == number(name));
            assert_eq!(pair.count(), 2, "{name} is torn from its copy: {test:?}");
            assert!(number(name).as_str() >= "3", "{name} is there twice with equal pixels and would count twice");
        }
        assert!(dataset.notes.contains(&DataNote::CopiesTrained { images: 6 }), "{:?}", dataset.notes);
        dataset.look_for_copies(Pools::LeaveCopiesOut).unwrap();
        assert_eq!(dataset.findings.test_in_train, None);
        assert!(dataset.kept_from_pretraining.is_empty());
    }
}
