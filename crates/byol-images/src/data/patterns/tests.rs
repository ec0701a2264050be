use super::*;
use std::collections::HashSet;

fn small() -> Dataset {
    dataset_with(PatternOptions { side: 32, train_per_class: 20, test_per_class: 20, unlabeled: 200 })
}

fn sources(dataset: &Dataset) -> Vec<Arc<dyn ImageSource>> {
    let labeled = [&dataset.train, &dataset.test].into_iter().flatten().map(|split| Arc::clone(&split.images));
    labeled.chain(dataset.unlabeled.iter().map(|pool| Arc::clone(&pool.images))).collect()
}

fn read(source: &dyn ImageSource, index: usize) -> Image {
    let mut image = Image::default();
    source.read(index, &mut image).unwrap();
    image
}

#[test]
fn default_sizes_are_those_of_the_demo() {
    let dataset = dataset();
    let lengths: Vec<usize> = sources(&dataset).iter().map(|source| source.len()).collect();
    assert_eq!(lengths, [2_000, 2_000, 20_000]);
    assert_eq!((dataset.name.as_str(), dataset.class_names.len()), (PATTERNS, 10));
    assert!(dataset.folds.is_none() && dataset.warnings.is_empty() && dataset.skipped == 0);
}

#[test]
fn images_are_the_same_on_every_platform() {
    let mut golden = Fingerprint::new("pictures");
    for source in sources(&small()) {
        for index in 0..20 {
            golden.bytes(&read(source.as_ref(), index).pixels);
        }
    }
    assert_eq!(
        golden.finish(),
        "sha256:f2894d6864a5d0ceef9ce00919d5d767",
        "a change of the images needs a new VERSION"
    );
}

#[test]
fn reading_order_and_a_used_buffer_do_not_matter() {
    let dataset = small();
    let source = &dataset.unlabeled[0].images;
    let mut image = read(source.as_ref(), 9);
    source.read(3, &mut image).unwrap();
    assert_eq!(image, read(source.as_ref(), 3));
}

#[test]
fn larger_splits_begin_with_the_same_images() {
    let (small, large) = (small(), dataset());
    for (small, large) in sources(&small).iter().zip(sources(&large)) {
        assert_eq!(read(small.as_ref(), 17), read(large.as_ref(), 17));
    }
}

#[test]
fn classes_are_balanced_in_every_split() {
    let dataset = small();
    for split in [&dataset.train, &dataset.test].into_iter().flatten() {
        assert_eq!(split.labels.len(), split.images.len());
        for class in 0..10 {
            assert_eq!(split.labels.iter().filter(|&&label| label == class).count(), 20);
        }
    }
    let pool = dataset.unlabeled[0].images.len();
    for figure in Figure::ALL {
        assert_eq!((0..pool).filter(|&index| figure_of(index) == figure).count(), pool / 10);
    }
}

#[test]
fn labels_and_names_agree_with_the_figures() {
    for (class, figure) in Figure::ALL.into_iter().enumerate() {
        assert_eq!(figure as usize, class);
        assert_eq!(dataset().class_names[class], figure.name());
    }
}

#[test]
fn no_image_occurs_twice_within_or_across_splits() {
    let mut seen = HashSet::new();
    for source in sources(&small()) {
        for index in 0..source.len() {
            assert!(seen.insert(read(source.as_ref(), index).pixels), "{} occurs twice", source.name(index));
        }
    }
}

#[test]
fn every_image_shows_a_figure() {
    for source in sources(&small()) {
        for index in 0..source.len() {
            let pixels = read(source.as_ref(), index).pixels;
            let mean = pixels.iter().map(|&level| f64::from(level)).sum::<f64>() / pixels.len() as f64;
            let square = pixels.iter().map(|&level| (f64::from(level) - mean).powi(2)).sum::<f64>();
            let deviation = (square / pixels.len() as f64).sqrt();
            assert!((60.0..196.0).contains(&mean), "{}: mean {mean}", source.name(index));
            assert!(deviation > 10.0, "{}: deviation {deviation}", source.name(index));
        }
    }
}

#[test]
fn sides_other_than_the_usual_one_work() {
    for side in [0, 1, 7, 48, 64] {
        let dataset = dataset_with(PatternOptions { side, train_per_class: 1, test_per_class: 0, unlabeled: 0 });
        let image = read(dataset.train.unwrap().images.as_ref(), 4);
        assert_eq!((image.width, image.height, image.pixels.len()), (side, side, 3 * side * side));
    }
}

#[test]
fn the_fingerprint_names_every_option() {
    let usual = PatternOptions::default();
    let others = [
        PatternOptions { side: 33, ..usual },
        PatternOptions { train_per_class: 201, ..usual },
        PatternOptions { test_per_class: 201, ..usual },
        PatternOptions { unlabeled: 1, ..usual },
    ];
    let mut seen = HashSet::from([dataset().fingerprint]);
    assert!(others.into_iter().all(|options| seen.insert(dataset_with(options).fingerprint)));
    assert!(seen.contains(&dataset_with(usual).fingerprint));
}

#[test]
fn an_index_past_the_end_is_an_error_that_names_the_split() {
    let dataset = small();
    let error = dataset.unlabeled[0].images.read(200, &mut Image::default()).unwrap_err();
    assert_eq!(error.to_string(), "image 200 was asked for, but patterns, unlabeled holds 200");
    assert_eq!(dataset.unlabeled[0].images.name(7), "unlabeled/7");
}
