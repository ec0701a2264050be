//! More labels: where accuracy still rises from budget to budget, or a class lies behind.

use std::path::Path;

use super::{Advice, Doubled, Rising, Used, What, again, beside, place};
use crate::report::compare::{FEW_TEST_IMAGES, confusion};
use crate::report::load::RunData;
use crate::run::command::shell_word;
use crate::run::record::{LabelBudget, ResultName};

/// A class that is right this much less often than all are is worth labels of its own.
const WEAK: f64 = 0.1;
/// Accuracy that is gained from one label budget to the next, from which more labels promise more.
const RISING: f64 = 0.03;

pub(super) fn more_labels(run: &RunData, used: Option<&Used>) -> Option<Advice> {
    let used = used?;
    let budgets = run.budgets();
    let (before, last) = match budgets.as_slice() {
        [.., before, last] => (Some(*before), *last),
        [last] => (None, *last),
        [] => return None,
    };
    let now = run.accuracy(used.name, last)?.mean;
    let gained = before.and_then(|before| Some((before, now - run.accuracy(used.name, before)?.mean)));
    let rising = gained.filter(|&(_, gained)| gained >= RISING);
    let rising = rising.map(|(from, gained)| {
        let doubled = doubled([labels(run, from), labels(run, last)], gained, now);
        Rising { from, to: last, gained, doubled }
    });
    let enough = run.test_labels().is_some_and(|labels| labels.len() >= FEW_TEST_IMAGES);
    let weakest = weakest(run, used.name, last).filter(|&(_, accuracy)| enough && now - accuracy >= WEAK);
    if rising.is_none() && weakest.is_none() || last != LabelBudget::All {
        return None;
    }
    let pools = run.summary.iter().flat_map(|summary| &summary.data.unlabeled);
    let pool = pools.into_iter().map(|pool| pool.name.as_str()).find(|&name| name != "train" && name != "unlabeled");
    Some(Advice {
        what: What::MoreLabels { rising, weakest: weakest.map(|(class, accuracy)| (run.class_name(class), accuracy)) },
        commands: vec![
            format!(
                "byol predict --from {} {} --sort unsure --out predictions.csv",
                place(run),
                shell_word(Path::new(pool.unwrap_or("FOLDER")))
            ),
            again(run, &beside(run, "more-labels")),
        ],
        worth: 2.0 + rising.map_or(0.0, |rising| 20.0 * rising.gained).min(2.5),
    })
}

/// Labels that a budget has together; absent where that is not recorded.
fn labels(run: &RunData, budget: LabelBudget) -> Option<u64> {
    let data = &run.summary.as_ref()?.data;
    match budget {
        LabelBudget::PerClass(labels) => Some((labels * data.class_names.len()) as u64),
        LabelBudget::All => Some(data.train_images as u64),
        LabelBudget::Folds | LabelBudget::DrawnFolds => None,
    }
}

/// What twice as many labels promise, by a gain between two numbers of labels that lead to the accuracy `now`. Nothing where the curve
/// would leave what accuracies can be, and where hardly one label lies between the two.
fn doubled([from, to]: [Option<u64>; 2], gained: f64, now: f64) -> Option<Doubled> {
    let (from, to) = (from.filter(|&from| from > 0)?, to?);
    let doublings = (to as f64 / from as f64).log2();
    let gain = gained / doublings;
    (doublings >= 0.5 && now + gain < 1.0).then_some(Doubled { labels: to, gain })
}

/// The class with the lowest test accuracy.
fn weakest(run: &RunData, name: ResultName, budget: LabelBudget) -> Option<(u16, f64)> {
    let accuracies = confusion(run, name, budget)?.class_accuracies();
    let known =
        accuracies.iter().enumerate().filter_map(|(class, accuracy)| Some((u16::try_from(class).ok()?, (*accuracy)?)));
    known.min_by(|a, b| a.1.total_cmp(&b.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 40 to 640 labels are four doublings: 12 points are 3 for each.
    #[test]
    fn a_doubling_gains_its_part_of_the_curve() {
        let found = doubled([Some(40), Some(640)], 0.12, 0.8).expect("both are known");
        assert!(found.labels == 640 && (found.gain - 0.03).abs() < 1e-12, "{found:?}");
        assert_eq!(doubled([Some(40), Some(640)], 0.12, 0.98), None, "more than all would be right");
        assert_eq!(doubled([Some(600), Some(640)], 0.05, 0.5), None, "too near to tell a curve");
        assert_eq!(doubled([None, Some(640)], 0.12, 0.8), None);
        assert_eq!(doubled([Some(0), Some(640)], 0.12, 0.8), None);
    }
}
