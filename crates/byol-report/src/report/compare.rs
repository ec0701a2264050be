//! Differences between two classifiers of a run on the same test images, with what chance alone could do. Nothing here
//! says it in words.

use super::choice::{self, Candidate, Taken};
use super::load::RunData;
use crate::run::record::{LabelBudget, PredictionRecord, ResultName};
use crate::statistics::Confusion;
use crate::statistics::significance::{self, BootstrapOptions, Difference, McNemar};

/// A confusion matrix grows with the square of the classes.
pub const MOST_CLASSES: usize = 2048;

/// Fewer test images than this tell nothing about which classifier is better, whatever a test says.
pub const FEW_TEST_IMAGES: usize = 20;
/// Below it a p-value is commonly taken for more than chance.
const SIGNIFICANT: f64 = 0.05;
/// On fewer disagreements the percentiles of a bootstrap rest on a few values.
const FEW_DISAGREEMENTS: usize = 10;

/// Which of two classifiers is better, as far as it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ahead,
    Behind,
    /// The interval holds zero, or chance does as much, or there are hardly any test images.
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
    /// Difference of accuracies with its 95% interval: of one draw Tango's score interval, of several the bootstrap's over label draws
    /// and test images, no narrower than Tango's for the draws' mean where hardly any answers differ.
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
        let paired = self.paired.as_ref()?;
        let Difference { low, high, .. } = paired.difference;
        // A score interval may end just beside 0 where the exact test of the same few answers does not decide.
        let by_chance = matches!(paired.tests.as_slice(), [(_, only)] if only.p_value >= SIGNIFICANT);
        Some(match low > 0.0 || high < 0.0 {
            true if by_chance || paired.few() => Outcome::Undecided,
            true if low > 0.0 => Outcome::Ahead,
            true => Outcome::Behind,
            false => Outcome::Undecided,
        })
    }
}

impl Paired {
    /// Whether there are too few test images to tell classifiers apart.
    pub fn few(&self) -> bool {
        self.test_images < FEW_TEST_IMAGES
    }
}

/// A classifier that is better than another by more than chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Better {
    pub candidate: Candidate,
    pub right: u64,
    pub test_images: u64,
    /// Of the exact McNemar test, times the number of classifiers that were tried (Bonferroni).
    pub p_value: f64,
}

/// The classifier that is better than the taken one on the test images by more than chance, first label draws both: the one with the
/// smallest p. Nothing where none is, or where there are hardly any test images.
pub fn better(run: &RunData, taken: &Taken) -> Option<Better> {
    let labels = run.test_labels().filter(|labels| labels.len() >= FEW_TEST_IMAGES)?;
    let of = |kind, budget| choice::answers(&run.predictions, run.control(), (kind, budget));
    let own = of(taken.kind, taken.budget)?;
    let mut others = choice::candidates(run);
    others.retain(|other| {
        (other.kind, other.budget) != (taken.kind, taken.budget) && of(other.kind, other.budget).is_some()
    });
    let tried = others.len() as f64;
    let found = others.into_iter().filter_map(|candidate| {
        let theirs = of(candidate.kind, candidate.budget)?;
        let test = significance::mcnemar(labels, &theirs.predicted, &own.predicted).ok()?;
        let right = labels.iter().zip(&theirs.predicted).filter(|(label, answer)| label == answer).count() as u64;
        let p_value = (tried * test.p_value).min(1.0);
        (test.only_a > test.only_b && p_value < SIGNIFICANT).then_some(Better {
            candidate,
            right,
            test_images: labels.len() as u64,
            p_value,
        })
    });
    found.min_by(|a, b| a.p_value.total_cmp(&b.p_value))
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
        difference: interval(&a, &b, &tests)?,
        tests,
    })
}

/// The difference with its interval, see [`Paired::difference`].
fn interval(a: &[Vec<bool>], b: &[Vec<bool>], tests: &[(usize, McNemar)]) -> Option<Difference> {
    let images = a.first()?.len();
    if let [(_, only)] = tests {
        return significance::paired_difference(only.only_a, only.only_b, images).ok();
    }
    let drawn = significance::difference(a, b, &BootstrapOptions::default()).ok()?;
    let differs = |image: &usize| a.iter().zip(b).any(|(a, b)| a[*image] != b[*image]);
    if (0..images).filter(differs).count() >= FEW_DISAGREEMENTS {
        return Some(drawn);
    }
    let mean = |only: fn(&McNemar) -> usize| {
        (tests.iter().map(|(_, test)| only(test)).sum::<usize>() as f64 / tests.len() as f64).round() as usize
    };
    let score = significance::paired_difference(mean(|test| test.only_a), mean(|test| test.only_b), images).ok()?;
    Some(Difference { mean: drawn.mean, low: drawn.low.min(score.low), high: drawn.high.max(score.high) })
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
        run.predictions.retain(|record| record.name != ResultName::SUPERVISED || record.draw != 1);
        let budget = LabelBudget::PerClass(10);
        let found = compare(&run.data(), ResultName::PRETRAINED_FINETUNED, ResultName::SUPERVISED, budget)
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
        let found = compare(&run.data(), ResultName::PRETRAINED_FINETUNED, ResultName::SUPERVISED, LabelBudget::All)
            .expect("the summary has both");
        assert!((found.difference() - 0.1).abs() < 1e-12);
        assert_eq!(found.outcome(), None);
    }

    /// A run of one label draw in which the two trained classifiers got these images right.
    fn two(images: usize, fine_tuned: std::ops::Range<usize>, baseline: std::ops::Range<usize>) -> Run {
        let mut run =
            Run::with_accuracies(&[(ResultName::SUPERVISED, 0.5, 0.5), (ResultName::PRETRAINED_FINETUNED, 0.5, 0.5)]);
        run.set_labels(vec![0; images]);
        run.predictions.retain(|record| record.labels_per_class == LabelBudget::All);
        for record in &mut run.predictions {
            let right = if record.name == ResultName::SUPERVISED { &baseline } else { &fine_tuned };
            record.predicted = (0..images).map(|image| u16::from(!right.contains(&image))).collect();
            record.test_accuracy = right.len() as f64 / images as f64;
        }
        run
    }

    fn compared(run: &Run) -> (Difference, Outcome) {
        let found = compare(&run.data(), ResultName::PRETRAINED_FINETUNED, ResultName::SUPERVISED, LabelBudget::All);
        let found = found.expect("both are there");
        (found.paired.clone().expect("labels and predictions").difference, found.outcome().expect("an interval"))
    }

    #[test]
    fn few_images_promise_no_certainty() {
        // No disagreement on two images: 3.841459 / 5.841459 to either side.
        let (difference, outcome) = compared(&two(2, 0..1, 0..1));
        assert!((difference.high - 0.65762).abs() < 1e-5 && (difference.low + 0.65762).abs() < 1e-5, "{difference:?}");
        assert_eq!(outcome, Outcome::Undecided);
        // Three draws that agree wholly on ten images: 3.841459 / 13.841459.
        let mut run = two(10, 0..5, 0..5);
        let again: Vec<_> =
            run.predictions.iter().map(|record| PredictionRecord { draw: 1, ..record.clone() }).collect();
        run.predictions.extend(again);
        let (difference, _) = compared(&run);
        assert!((difference.high - 0.27753).abs() < 1e-5 && difference.low < -0.27, "{difference:?}");
        // All of 19 images apart would be significant; of 20 it is.
        assert_eq!(compared(&two(19, 0..19, 0..0)).1, Outcome::Undecided);
        assert_eq!(compared(&two(20, 0..20, 0..0)).1, Outcome::Ahead);
        // The interval of 5 against 0 of 25 ends above 0, and the exact test gives 0.0625.
        let (difference, outcome) = compared(&two(25, 0..15, 0..10));
        assert!(difference.low > 0.0 && outcome == Outcome::Undecided, "{difference:?}");
    }

    #[test]
    fn another_classifier_is_named_where_it_is_better_by_more_than_chance() {
        let better_of = |run: &Run| {
            let data = run.data();
            better(&data, &choice::taken(&data).expect("there are results"))
        };
        // 6 images alone against none: p = 0.03125.
        let found = better_of(&two(30, 0..10, 0..16)).expect("it is better");
        assert_eq!((found.candidate.kind.name(), found.right, found.test_images), ("baseline", 16, 30));
        assert!((found.p_value - 0.03125).abs() < 1e-12, "{found:?}");
        assert_eq!(better_of(&two(30, 0..10, 0..15)), None, "five against none are chance");
        assert_eq!(better_of(&two(19, 0..5, 0..19)), None, "too few images");
        // Three were tried: 3 x 0.03125 is not below 0.05.
        let mut run = two(30, 0..10, 0..16);
        for name in [ResultName::PRETRAINED_LINEAR, ResultName::PRETRAINED_KNN] {
            let own = run.predictions[0].clone();
            run.predictions.push(PredictionRecord { name, predicted: vec![1; 30], test_accuracy: 0.0, ..own });
        }
        assert_eq!(better_of(&run), None);
    }

    #[test]
    fn confusion_sums_over_draws() {
        let mut run = Run::ahead();
        run.set_labels(vec![0, 0, 1, 2]);
        run.predictions.retain(|record| record.name == ResultName::SUPERVISED && record.draw < 2);
        run.predictions.retain(|record| record.labels_per_class == LabelBudget::PerClass(10));
        run.predictions[0].predicted = vec![0, 1, 1, 0];
        run.predictions[1].predicted = vec![0, 0, 1, 1];
        let run = run.data();
        let found = confusion(&run, ResultName::SUPERVISED, LabelBudget::PerClass(10)).expect("all is there");
        assert_eq!(found.counts, [[3, 1, 0, 0], [0, 2, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]);
    }
}
