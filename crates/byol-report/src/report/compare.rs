//! Differences between two classifiers of a run on the same test images, with what chance alone could do. Nothing here
//! says it in words.

use super::load::RunData;
use crate::run::record::{LabelBudget, PredictionRecord, ResultName};
use crate::statistics::Confusion;
use crate::statistics::significance::{self, BootstrapOptions, Difference, McNemar};

/// A confusion matrix grows with the square of the classes.
pub const MOST_CLASSES: usize = 2048;

/// Which side of zero a 95% interval lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ahead,
    Behind,
    /// The interval holds zero.
    Undecided,
}

/// One classifier held against another at one label budget.
#[derive(Clone, Debug)]
pub struct Comparison {
    pub name: ResultName,
    pub against: ResultName,
    pub budget: LabelBudget,
    /// Mean accuracy of `name` over the draws that both have, 0-1.
    pub accuracy: f64,
    /// Mean accuracy of `against` over the same draws, 0-1.
    pub against_accuracy: f64,
    /// Label draws that both have.
    pub draws: usize,
    /// Absent where single predictions or test labels are missing.
    pub paired: Option<Paired>,
}

/// What the predictions on the same test images tell.
#[derive(Clone, Debug)]
pub struct Paired {
    pub test_images: usize,
    /// Difference of accuracies with its 95% bootstrap interval over label draws and test images.
    pub difference: Difference,
    /// Exact McNemar test of every draw, by draw.
    pub tests: Vec<(usize, McNemar)>,
    /// Test images from which one draw's difference, were it as large as the mean of these, would be told from chance;
    /// nothing where there is no difference.
    pub images_needed: Option<u64>,
}

impl Comparison {
    /// Accuracy of `name` minus that of `against`, -1 to 1.
    pub fn difference(&self) -> f64 {
        self.accuracy - self.against_accuracy
    }

    /// Absent where no interval can be given.
    pub fn outcome(&self) -> Option<Outcome> {
        let Difference { low, high, .. } = self.paired.as_ref()?.difference;
        Some(if low > 0.0 {
            Outcome::Ahead
        } else if high < 0.0 {
            Outcome::Behind
        } else {
            Outcome::Undecided
        })
    }
}

/// Holds `name` against `against` over the draws that both have; nothing if there is none.
pub fn compare(run: &RunData, name: ResultName, against: ResultName, budget: LabelBudget) -> Option<Comparison> {
    let (ours, theirs) = (run.predictions_of(name, budget), run.predictions_of(against, budget));
    let pairs: Vec<_> =
        ours.iter().filter_map(|&a| theirs.iter().find(|b| b.draw == a.draw).map(|&b| (a, b))).collect();
    if pairs.is_empty() {
        return without_predictions(run, name, against, budget);
    }
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / pairs.len() as f64;
    let paired = run.test_labels().and_then(|labels| paired(labels, &pairs));
    Some(Comparison {
        name,
        against,
        budget,
        accuracy: mean(&mut pairs.iter().map(|(a, _)| a.test_accuracy)),
        against_accuracy: mean(&mut pairs.iter().map(|(_, b)| b.test_accuracy)),
        draws: pairs.len(),
        paired,
    })
}

/// Nothing where numbers of predictions and test labels differ: such predictions are not of these images.
fn paired(labels: &[u16], pairs: &[(&PredictionRecord, &PredictionRecord)]) -> Option<Paired> {
    let right = |record: &PredictionRecord| record.predicted.iter().zip(labels).map(|(a, b)| a == b).collect();
    let a: Vec<Vec<bool>> = pairs.iter().map(|(a, _)| right(a)).collect();
    let b: Vec<Vec<bool>> = pairs.iter().map(|(_, b)| right(b)).collect();
    let test = |(a, b): &(&PredictionRecord, &PredictionRecord)| {
        Some((a.draw, significance::mcnemar(labels, &a.predicted, &b.predicted).ok()?))
    };
    let tests = pairs.iter().map(test).collect::<Option<Vec<(usize, McNemar)>>>()?;
    let answers = (labels.len() * tests.len()) as f64;
    let share = |only: fn(&McNemar) -> usize| tests.iter().map(|(_, test)| only(test)).sum::<usize>() as f64 / answers;
    Some(Paired {
        test_images: labels.len(),
        images_needed: significance::images_needed(share(|test| test.only_a), share(|test| test.only_b)),
        tests,
        difference: significance::difference(&a, &b, &BootstrapOptions::default()).ok()?,
    })
}

/// What the summary's accuracies alone tell.
fn without_predictions(
    run: &RunData,
    name: ResultName,
    against: ResultName,
    budget: LabelBudget,
) -> Option<Comparison> {
    let (ours, theirs) = (run.accuracy(name, budget)?, run.accuracy(against, budget)?);
    Some(Comparison {
        name,
        against,
        budget,
        accuracy: ours.mean,
        against_accuracy: theirs.mean,
        draws: ours.runs.len().min(theirs.runs.len()),
        paired: None,
    })
}

/// What test images were taken for, summed over draws; nothing where there are no predictions, no test labels, or more
/// than [`MOST_CLASSES`].
pub fn confusion(run: &RunData, name: ResultName, budget: LabelBudget) -> Option<Confusion> {
    let labels = run.test_labels()?;
    let records = run.predictions_of(name, budget);
    let predicted: Vec<u16> = records.iter().flat_map(|record| record.predicted.iter().copied()).collect();
    let classes = run.classes()?.max(usize::from(*predicted.iter().max()?) + 1);
    if classes > MOST_CLASSES {
        return None;
    }
    Confusion::new(&labels.repeat(records.len()), &predicted, classes).ok()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Run;
    use super::*;

    #[test]
    fn only_draws_that_both_have_are_compared() {
        let mut run = Run::ahead();
        run.predictions.retain(|record| record.name != ResultName::Supervised || record.draw != 1);
        let budget = LabelBudget::PerClass(10);
        let found = compare(&run.data(), ResultName::ByolFinetuned, ResultName::Supervised, budget)
            .expect("two draws are common");
        assert_eq!(found.draws, 2);
        assert!((found.difference() - 0.2).abs() < 1e-12, "{}", found.difference());
        let tests = found.paired.expect("labels and predictions are there").tests;
        assert_eq!(tests.iter().map(|(draw, _)| *draw).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn accuracies_alone_give_a_difference_without_an_interval() {
        let mut run = Run::ahead();
        run.predictions.clear();
        let found = compare(&run.data(), ResultName::ByolFinetuned, ResultName::Supervised, LabelBudget::All)
            .expect("the summary has both");
        assert!((found.difference() - 0.1).abs() < 1e-12);
        assert_eq!(found.outcome(), None);
    }

    #[test]
    fn confusion_sums_over_draws() {
        let mut run = Run::ahead();
        run.set_labels(vec![0, 0, 1, 2]);
        run.predictions.retain(|record| record.name == ResultName::Supervised && record.draw < 2);
        run.predictions.retain(|record| record.labels_per_class == LabelBudget::PerClass(10));
        run.predictions[0].predicted = vec![0, 1, 1, 0];
        run.predictions[1].predicted = vec![0, 0, 1, 1];
        let run = run.data();
        let found = confusion(&run, ResultName::Supervised, LabelBudget::PerClass(10)).expect("all is there");
        assert_eq!(found.counts, [[3, 1, 0, 0], [0, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]);
    }
}
