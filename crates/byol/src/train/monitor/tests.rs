use super::*;
use crate::config::resolve::{Request, resolve};
use crate::data::UnlabeledImages;
use crate::data::patterns::{PatternOptions, dataset_with};
use crate::run::health::{JUDGED, Spread};

fn health(representation: Spread, projection: Spread, images: usize) -> Health {
    Health { representation, projection, images: Some(images) }
}

#[test]
fn collapse_is_told_by_its_signs_and_from_enough_images_and_steps() {
    let even = Spread { deviation: 0.9, effective_rank: 40.0, alignment: 0.3, uniformity: -3.0 };
    let point = Spread { deviation: 0.01, ..even };
    let line = Spread { effective_rank: 1.1, ..even };
    assert_eq!(health(even, even, JUDGED).collapse(), []);
    assert_eq!(health(even, point, JUDGED).collapse(), [Sign::ProjectionsAlike { deviation: 0.01 }]);
    assert_eq!(health(line, even, JUDGED).collapse(), [Sign::RepresentationsOnALine { effective_rank: 1.1 }]);
    // A record of an earlier version does not say how many images it is of.
    assert_eq!(Health { representation: line, projection: even, images: None }.collapse().len(), 1);

    assert_eq!(health(line, point, JUDGED - 1).collapse(), []);
    let look = Look { health: Some(health(line, point, JUDGED)), knn_accuracy: None, linear_accuracy: None };
    assert_eq!(look.collapse(SETTLED_STEPS - 1), None);
    assert!(look.collapse(SETTLED_STEPS).is_some());
}

/// Drawn images of which `classes` are named, with so many labels of each.
fn data(classes: usize, labels: usize, unlabeled: usize) -> Dataset {
    let mut data = dataset_with(PatternOptions { side: 8, train_per_class: labels, test_per_class: 1, unlabeled });
    let train = data.train.take().unwrap();
    let few: Vec<usize> = (0..train.labels.len()).filter(|&index| usize::from(train.labels[index]) < classes).collect();
    data.class_names.truncate(classes);
    data.train = Some(LabeledImages {
        labels: few.iter().map(|&index| train.labels[index]).collect(),
        images: Arc::new(crate::data::SubsetSource::new(train.images, few)),
    });
    data
}

/// Whoever has few labels has every number of them: nothing is judged by a handful, whatever the classes.
#[test]
fn every_number_of_labels_is_watched_by_images_that_can_tell() {
    for classes in 2..=10 {
        for labels in (1..=20).chain([25, 50, 60]) {
            let data = data(classes, labels, 120);
            let count = classes * labels;
            for (preset, seed) in [("demo", 0), ("hour", 1), ("demo", 2), ("hour", 3), ("demo", 4)] {
                let set = [format!("seed={seed}")];
                let experiment = resolve(Request { preset: Some(preset), set: &set, ..Request::default() }).unwrap();
                let monitor = Monitor::choose(&experiment, &data).unwrap().unwrap();
                let what = format!("{classes} classes of {labels}, {preset}, seed {seed}");
                let watched = &monitor.watched.indices;
                assert!(watched.len() >= WATCHED_LABELED, "{what}: {}", watched.len());
                assert!(watched.windows(2).all(|pair| pair[0] < pair[1]), "{what}");
                assert!(watched.iter().all(|&index| index < monitor.watched.source.len()), "{what}");
                assert_eq!(monitor.labels.is_some(), count >= LABELS_FOR_KNN, "{what}");
                let Some(labels) = monitor.labels else { continue };
                assert!(labels.held_out.len() >= CLASSIFIED, "{what}");
                assert!(labels.held_out.iter().all(|index| !labels.bank.contains(index)), "{what}");
                assert_eq!(labels.held_out.len() + labels.bank.len(), count, "{what}");
                let voting = |class: &u16| labels.bank.iter().any(|&index| labels.of_images[index] == *class);
                assert!((0..classes as u16).all(|class| voting(&class)), "{what}");
                // Where labels are many, the images of k-NN are those that are watched.
                let same = Arc::ptr_eq(&labels.source, &monitor.watched.source);
                assert_eq!(same, labels.held_out.len() >= WATCHED_LABELED, "{what}");
            }
        }
    }
}

#[test]
fn classes_of_one_image_leave_none_for_knn() {
    let mut data = data(10, 20, 30);
    if let Some(train) = &mut data.train {
        train.labels = (0..200).collect();
    }
    data.class_names = (0..200).map(|class| class.to_string()).collect();
    let experiment = Experiment::preset("demo").unwrap();
    let monitor = Monitor::choose(&experiment, &data).unwrap().unwrap();
    assert!(monitor.labels.is_none());
    assert_eq!(monitor.watched.indices.len(), 230);
}

#[test]
fn no_images_and_no_looks_watch_nothing() {
    let experiment = Experiment::preset("demo").unwrap();
    let none = Dataset { train: None, unlabeled: Vec::new(), ..data(2, 1, 1) };
    assert!(Monitor::choose(&experiment, &none).unwrap().is_none());
    let one = Dataset { train: None, ..data(2, 1, 1) };
    assert_eq!(one.unlabeled.iter().map(|pool: &UnlabeledImages| pool.images.len()).sum::<usize>(), 1);
    assert_eq!(Monitor::choose(&experiment, &one).unwrap().unwrap().watched.indices, [0]);
    let blind =
        resolve(Request { preset: Some("demo"), set: &["pretrain.monitor_every=0".to_owned()], ..Request::default() });
    assert!(Monitor::choose(&blind.unwrap(), &one).unwrap().is_none());
}
