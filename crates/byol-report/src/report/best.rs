//! The best classifier of a run, by the test accuracies that its table shows, and its mistakes. Nothing here trains or
//! chooses for a training: whoever uses a classifier later takes the one that validation chose.

use std::collections::BTreeMap;

use super::load::RunData;
use crate::run::record::{Accuracy, LabelBudget, PredictionRecord, ResultName};

/// Mistakes that a page lists, and of which a run keeps images, at most.
pub const MISTAKES: usize = 100;

/// A classifier at a label budget.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    pub name: ResultName,
    pub budget: LabelBudget,
    /// Test accuracy over label draws.
    pub accuracy: Accuracy,
}

/// The classifier with the highest mean test accuracy; of equal ones that with the fewest labels, in the order of the
/// table. Nothing where none was evaluated.
pub fn best(run: &RunData) -> Option<Best> {
    let mut found: Option<Best> = None;
    for budget in run.budgets() {
        for name in ResultName::ALL {
            let Some(accuracy) = run.accuracy(name, budget) else { continue };
            if found.as_ref().is_none_or(|best| accuracy.mean > best.accuracy.mean + 1e-9) {
                found = Some(Best { name, budget, accuracy });
            }
        }
    }
    found
}

/// The answers of the best classifier, of its first label draw: the one whose weights a run keeps.
pub fn answers_of_best(predictions: &[PredictionRecord]) -> Option<&PredictionRecord> {
    let mut accuracies: BTreeMap<(LabelBudget, usize), Vec<f64>> = BTreeMap::new();
    let place = |name: ResultName| ResultName::ALL.iter().position(|&other| other == name);
    for record in predictions {
        let key = (record.labels_per_class, place(record.name).unwrap_or(ResultName::ALL.len()));
        accuracies.entry(key).or_default().push(record.test_accuracy);
    }
    let mut best: Option<((LabelBudget, usize), f64)> = None;
    for (key, runs) in accuracies {
        let mean = runs.iter().sum::<f64>() / runs.len() as f64;
        if best.is_none_or(|(_, most)| mean > most + 1e-9) {
            best = Some((key, mean));
        }
    }
    let ((budget, name), _) = best?;
    let name = *ResultName::ALL.get(name)?;
    let own = predictions.iter().filter(|record| record.name == name && record.labels_per_class == budget);
    own.min_by_key(|record| record.draw)
}

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
    fn the_best_is_the_best_that_the_table_shows() {
        let mut run = Run::with_accuracies(&[
            (ResultName::Supervised, 0.40, 0.60),
            (ResultName::ByolFinetuned, 0.30, 0.50),
            (ResultName::ByolKnn, 0.65, 0.65),
            (ResultName::RandomKnn, 0.33, 0.40),
        ]);
        let found = best(&run.data()).expect("there are results");
        // Equal with all labels: the fewest are named.
        assert_eq!((found.name, found.budget), (ResultName::ByolKnn, LabelBudget::PerClass(10)));
        let answers = answers_of_best(&run.predictions).expect("there are answers");
        assert_eq!((answers.name, answers.labels_per_class, answers.draw), (found.name, found.budget, 0));
        run.predictions.clear();
        assert!(best(&run.data()).is_some(), "accuracies alone tell it");
        assert!(answers_of_best(&run.predictions).is_none());
    }

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
