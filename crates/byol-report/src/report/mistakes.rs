//! The test images that a classifier answered wrongly.

use crate::run::record::PredictionRecord;

/// Mistakes that a page lists, and of which a run keeps images, at most.
pub const MISTAKES: usize = 100;

/// The test images that were answered wrongly, the surest answer first; in the images' order where no probabilities are
/// recorded.
pub fn mistakes(record: &PredictionRecord, labels: &[u16]) -> Vec<usize> {
    let wrong = labels.iter().zip(&record.predicted).enumerate().filter(|(_, (label, predicted))| label != predicted);
    let mut wrong: Vec<usize> = wrong.map(|(image, _)| image).collect();
    let probability = |&image: &usize| record.probabilities.get(image).copied().unwrap_or(0.0);
    wrong.sort_by(|a, b| probability(b).total_cmp(&probability(a)));
    wrong
}

#[cfg(test)]
mod tests {
    use super::super::testing::Run;
    use super::*;

    #[test]
    fn mistakes_come_surest_first() {
        let mut record = Run::ahead().predictions.remove(0);
        record.predicted = vec![0, 1, 2, 0];
        record.probabilities = vec![0.5, 0.4, 0.9, 0.7];
        assert_eq!(mistakes(&record, &[1, 1, 0, 2]), [2, 3, 0]);
        record.probabilities.clear();
        assert_eq!(mistakes(&record, &[1, 1, 0, 2]), [0, 2, 3]);
    }
}
