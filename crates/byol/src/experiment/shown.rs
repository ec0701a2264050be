//! Which test images the report can show: all of them, or, of many, those that it has most use for.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::record::{LabelBudget, PredictionRecord, ResultName};

/// Small pictures of test images in a run directory, at most.
pub(super) const MOST_PICTURES: usize = 2000;
/// Images on the map where there are more than [`MOST_PICTURES`]: the others' pictures are left to the confusions.
const ON_MAP: usize = 1000;
/// Pictures of a cell of a confusion matrix that are striven for.
const PER_CELL: usize = 12;

/// The test images on the map: all, or an even choice of them.
pub(super) fn on_map(images: usize) -> Vec<usize> {
    let count = if images <= MOST_PICTURES { images } else { ON_MAP };
    (0..count).map(|place| place * images / count).collect()
}

/// The test images that get a picture: those on the map, then of every cell of the confusion matrices one after the other, up
/// to twelve each, while there is room.
pub(super) fn with_pictures(labels: &[u16], predictions: &[PredictionRecord]) -> Vec<usize> {
    let mut chosen: BTreeSet<usize> = on_map(labels.len()).into_iter().collect();
    let mut cells: BTreeMap<(ResultName, LabelBudget, u16, u16), BTreeSet<usize>> = BTreeMap::new();
    for record in predictions {
        if !matches!(record.name, ResultName::Supervised | ResultName::ByolFinetuned) {
            continue;
        }
        for (image, (&label, &predicted)) in labels.iter().zip(&record.predicted).enumerate() {
            let cell = cells.entry((record.name, record.labels_per_class, label, predicted)).or_default();
            cell.insert(image);
        }
    }
    for nth in 0..PER_CELL {
        for image in cells.values().filter_map(|cell| cell.iter().nth(nth)) {
            if chosen.len() >= MOST_PICTURES {
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
        assert_eq!(with_pictures(&[0; 5], &[]).len(), 5);
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
            seconds: 0.0,
            chosen: None,
        };
        let records = [record(ResultName::Supervised, 0), record(ResultName::ByolFinetuned, 1)];
        let chosen = with_pictures(&labels, &records);
        assert!(chosen.len() > 1500 && chosen.len() <= MOST_PICTURES, "{}", chosen.len());
        for record in &records {
            let cell = |image: &&usize| labels[**image] == 3 && record.predicted[**image] == 7;
            assert!(chosen.iter().filter(cell).count() >= PER_CELL);
        }
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
