//! Which test images the report can show: all of them, or, of many, those that it has most use for; and which files
//! they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::data::ImageSource;
use crate::report::mistakes::{MISTAKES, mistakes};
use crate::run::record::{LabelBudget, PredictionRecord, ResultName, TestImages};

/// Thumbnails of test images in a run directory, at most.
pub(super) const MOST_IMAGES: usize = 2000;
/// Images on the map where there are more than [`MOST_IMAGES`]: the others' images are left to the confusions.
const ON_MAP: usize = 1000;
/// Images of a cell of a confusion matrix that are striven for.
const PER_CELL: usize = 12;

/// Which file each test image is.
pub(super) fn names(images: &dyn ImageSource) -> TestImages {
    let names: Vec<String> = (0..images.len()).map(|index| images.name(index)).collect();
    // All lie within one folder: the first that lies there by its own name tells which.
    let root = names.iter().enumerate().find_map(|(index, name)| folder_of(&images.origin(index)?, name));
    let files = root.as_deref().zip(names.first()).is_some_and(|(root, name)| root.join(name).is_file());
    TestImages { root: root.map(|root| root.to_string_lossy().into_owned()), files, names }
}

/// The folder within which the path `origin` is called `name`.
fn folder_of(origin: &Path, name: &str) -> Option<PathBuf> {
    let within = Path::new(name);
    if name.is_empty() || !origin.ends_with(within) {
        return None;
    }
    origin.ancestors().nth(within.components().count()).map(Path::to_path_buf)
}

/// The test images on the map: all, or an even choice of them.
pub(super) fn on_map(images: usize) -> Vec<usize> {
    let count = if images <= MOST_IMAGES { images } else { ON_MAP };
    (0..count).map(|place| place * images / count).collect()
}

/// The test images that get a thumbnail: those on the map, the surest mistakes of the classifier that is taken
/// (`taken`), then of every cell of the confusion matrices one after the other, up
/// to twelve each, while there is room.
pub(super) fn with_images(
    labels: &[u16],
    predictions: &[PredictionRecord],
    taken: Option<&PredictionRecord>,
) -> Vec<usize> {
    let mut chosen: BTreeSet<usize> = on_map(labels.len()).into_iter().collect();
    if let Some(taken) = taken {
        let room = MOST_IMAGES.saturating_sub(chosen.len()).min(MISTAKES);
        chosen.extend(mistakes(taken, labels).into_iter().take(room));
    }
    let mut cells: BTreeMap<(ResultName, LabelBudget, u16, u16), BTreeSet<usize>> = BTreeMap::new();
    for record in predictions {
        if record.name.protocol.is_frozen() {
            continue;
        }
        for (image, (&label, &predicted)) in labels.iter().zip(&record.predicted).enumerate() {
            let cell = cells.entry((record.name, record.labels_per_class, label, predicted)).or_default();
            cell.insert(image);
        }
    }
    for nth in 0..PER_CELL {
        for image in cells.values().filter_map(|cell| cell.iter().nth(nth)) {
            if chosen.len() >= MOST_IMAGES {
                return chosen.into_iter().collect();
            }
            chosen.insert(*image);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_few_and_a_bounded_choice_of_many() {
        assert_eq!(on_map(5), [0, 1, 2, 3, 4]);
        assert_eq!(with_images(&[0; 5], &[], None).len(), 5);
        let labels: Vec<u16> = (0..9000).map(|image| image % 10).collect();
        let record = |name, shift: usize| PredictionRecord {
            name,
            labels_per_class: LabelBudget::All,
            draw: 0,
            labels_used: 0,
            test_accuracy: 0.0,
            top5_accuracy: None,
            calibration_error: None,
            temperature: None,
            predicted: (0..9000).map(|image| ((image / 10 + shift) % 10) as u16).collect(),
            probabilities: (0..9000).map(|image| f64::from(image) / 1e4).collect(),
            seconds: 0.0,
            chosen: None,
            self_training: None,
        };
        let records = [record(ResultName::SUPERVISED, 0), record(ResultName::PRETRAINED_FINETUNED, 1)];
        let chosen = with_images(&labels, &records, Some(&records[1]));
        assert!(chosen.len() > 1500 && chosen.len() <= MOST_IMAGES, "{}", chosen.len());
        for record in &records {
            let cell = |image: &&usize| labels[**image] == 3 && record.predicted[**image] == 7;
            assert!(chosen.iter().filter(cell).count() >= PER_CELL);
        }
        let surest = mistakes(&records[1], &labels);
        assert!(surest[..MISTAKES].iter().all(|image| chosen.contains(image)));
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }

    /// Images that lie somewhere.
    struct Lying(Vec<(&'static str, Option<PathBuf>)>);

    impl ImageSource for Lying {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn read(&self, _: usize, _: &mut crate::data::Image) -> Result<(), crate::data::DataError> {
            Ok(())
        }

        fn name(&self, index: usize) -> String {
            self.0[index].0.to_owned()
        }

        fn origin(&self, index: usize) -> Option<PathBuf> {
            self.0[index].1.clone()
        }
    }

    #[test]
    fn images_are_named_within_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("cat")).unwrap();
        std::fs::write(root.join("cat/2.jpg"), "").unwrap();
        let linked = ("cat/1.jpg", Some(PathBuf::from("/elsewhere/one.jpg")));
        let found = names(&Lying(vec![linked, ("cat/2.jpg", Some(root.join("cat/2.jpg")))]));
        assert_eq!(found.root.as_deref(), root.to_str());
        assert_eq!(found.names, ["cat/1.jpg", "cat/2.jpg"]);
        assert!(!found.files, "the first is not there");
        assert!(names(&Lying(vec![("cat/2.jpg", Some(root.join("cat/2.jpg")))])).files);
        let part = names(&Lying(vec![("a.tar/1.jpg", Some(root.join("a.tar/1.jpg")))]));
        assert_eq!((part.root.as_deref(), part.files), (root.to_str(), false));
        assert_eq!(names(&Lying(vec![("test/0", None)])).root, None);
    }
}
