use std::sync::Arc;

use rand::RngExt;

use super::*;
use crate::data::{DataError, Image, ImageSource};

/// Images of which each has its own gray level in one corner.
struct Corners(usize);

impl ImageSource for Corners {
    fn len(&self) -> usize {
        self.0
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        let level = |at: usize| ((at * (index + 3)) % 251) as u8;
        *image = Image { width: 16, height: 16, pixels: (0..3 * 256).map(level).collect() };
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("{index}.png")
    }
}

/// Three classes of 40 images around three corners, 30 of each to train with; `labels` may differ from what the images show.
fn data(change: impl Fn(&mut Vec<u16>)) -> (Dataset, Tensor, Vec<Look>) {
    let shown: Vec<u16> = (0..120).map(|row| row % 3).collect();
    let mut random = rng(4, Stream::Split, Coordinates::default());
    let rows: Vec<[f32; 3]> = shown
        .iter()
        .map(|&class| {
            let mut row = [0.0; 3].map(|_: f32| 0.5 * random.random::<f32>());
            row[usize::from(class)] += 2.0;
            row
        })
        .collect();
    let mut labels = shown;
    change(&mut labels);
    let (train, test) = (labels[..90].to_vec(), labels[90..].to_vec());
    let dataset = Dataset::builder("corners", ["cat", "dog", "newt"])
        .train(Arc::new(Corners(90)), train)
        .and_then(|builder| builder.test(Arc::new(Corners(30)), test))
        .expect("labels fit")
        .build();
    let mut image = Image::default();
    let looks = (0..120).map(|index| {
        Corners(120).read(index, &mut image).expect("drawn");
        Look::of(&image)
    });
    let looks = looks.collect();
    (dataset, Tensor::from_slice2(&rows), looks)
}

fn options() -> LinearOptions {
    LinearOptions { l2: vec![1e-3], folds: 5, seed: 0 }
}

fn found(of: &(Dataset, Tensor, Vec<Look>)) -> DataCheck {
    let (dataset, vectors, looks) = of;
    check(Labelled { dataset, vectors, looks }, &options()).expect("it can be looked at")
}

fn wrong(check: &DataCheck) -> Vec<(usize, String, String)> {
    let each = check.findings.iter().filter_map(|finding| match finding {
        Finding::WrongLabel { image, likely, .. } => Some((image.index, image.class.clone(), likely.clone())),
        _ => None,
    });
    each.collect()
}

#[test]
fn wrong_labels_are_found_in_training_and_in_test() {
    let data = data(|labels| {
        labels[6] = 1;
        labels[100] = 0;
    });
    let check = found(&data);
    let mut wrong = wrong(&check);
    wrong.sort();
    let of = |index, class: &str, likely: &str| (index, class.to_owned(), likely.to_owned());
    assert_eq!(wrong, [of(6, "dog", "cat"), of(100, "cat", "dog")]);
    let tests: Vec<bool> = check.findings.iter().flat_map(Finding::images).map(|image| image.test).collect();
    assert!(tests.contains(&true) && tests.contains(&false));
    let held_out = check.held_out.unwrap();
    assert_eq!((held_out.right, held_out.images), (118, 120));
    assert_eq!((check.images, check.data.as_str()), (120, "corners"));
}

#[test]
fn a_class_of_one_image_is_small_and_nothing_is_said_of_its_label() {
    let mut classes = data(|labels| labels[6] = 2);
    classes.0.class_names.push("axolotl".to_owned());
    if let Some(train) = &mut classes.0.train {
        train.labels[6] = 3;
    }
    let check = found(&classes);
    let small: Vec<&Finding> = check.findings.iter().filter(|one| one.kind() == "small_class").collect();
    assert_eq!(small, [&Finding::SmallClass { class: "axolotl".to_owned(), images: 1 }]);
    assert_eq!(check.held_out.unwrap().images, 119);
    assert!(!wrong(&check).iter().any(|(index, ..)| *index == 6));
}

#[test]
fn data_of_one_class_is_looked_at_without_judging_labels() {
    let check = found(&data(|labels| labels.fill(1)));
    assert!(check.held_out.is_none() && wrong(&check).is_empty());
}

#[test]
fn suspects_are_rows_of_what_was_given() {
    let (_, vectors, _) = data(|_| {});
    let mut labels: Vec<u16> = (0..120).map(|row| row % 3).collect();
    labels[6] = 1;
    labels.push(3);
    let vectors = Tensor::cat(&[vectors.narrow(0, 0, 120), vectors.narrow(0, 5, 1)], 0);
    let (found, looked) = suspects(&Features { vectors, labels }, 4, &options()).unwrap();
    assert_eq!((found[0].row, found[0].likely, looked), (6, 0, 121));
    let one = Features { vectors: Tensor::rand([5, 3], (Kind::Float, Device::Cpu)), labels: vec![1; 5] };
    assert_eq!(suspects(&one, 4, &options()).unwrap(), (Vec::new(), 5));
}

#[test]
fn representations_must_be_of_these_images() {
    let (dataset, vectors, looks) = data(|_| {});
    let some = vectors.narrow(0, 0, 100);
    assert!(check(Labelled { dataset: &dataset, vectors: &some, looks: &looks }, &options()).is_err());
}
