//! The same comparison with several seeds: what was found over them, and how much that says.

use super::names::{budget, classifier, difference_label};
use super::numbers::{capital, list, plural, points, points_between, size};
use crate::report::seeds::{DifferenceOverSeeds, FEW_SEEDS, OverSeeds, Told};
use crate::run::record::Control;

/// Above the heading of the page.
pub const OVER: &str = "byol report · several seeds";
pub const HEADING: &str = "Over seeds";
pub const RUNS: &str = "The runs";
/// The last row of the table.
pub const SEEDS: &str = "Seeds";

/// Title and heading of the page.
pub fn title(name: &str, seeds: usize) -> String {
    format!("{name}: one comparison with {}", plural(seeds as u64, "seed"))
}

/// How many of the runs have finished; nothing where all have.
pub fn finished(found: &OverSeeds) -> Option<String> {
    let (done, planned) = (found.seeds.len(), found.planned);
    (!found.finished).then(|| format!("{done} of {planned} seeds have finished; what stands here is over these."))
}

/// What the numbers of the table are.
pub const ACCURACIES_ARE: &str = "Test accuracy in percent: mean over seeds ± sample standard deviation between seeds. The accuracy of a \
     seed is its mean over label draws.";

/// Below the chart of accuracies.
pub const ACCURACIES_DRAWN: &str = "Test accuracy, mean over seeds. Bars: one sample standard deviation between seeds.";

/// Below the chart of differences.
pub const DIFFERENCES_DRAWN: &str = "Each classifier beside what it is held against, mean over seeds. Bars: Student's 95% intervals over the \
     seeds. A bar that does not cross zero tells a difference.";

/// The heads of the table of differences.
pub fn difference_columns() -> Vec<String> {
    ["difference", "labels", "points", "95% interval", "each seed"].map(str::to_owned).into()
}

/// The cells of a difference.
pub fn difference_row(found: &DifferenceOverSeeds, control: Control) -> Vec<String> {
    let interval = found.interval.map_or_else(|| "–".to_owned(), |[low, high]| points_between(low, high));
    let each: Vec<String> = found.runs.iter().map(|&run| points(run)).collect();
    vec![
        difference_label(found.name, control),
        budget(found.labels_per_class),
        points(found.mean),
        interval,
        each.join(", "),
    ]
}

/// What the table of differences is.
pub const DIFFERENCES_ARE: &str = "Differences in points of test accuracy, seed by seed; the interval is Student's over the seeds. It holds how \
     much pre-trainings and label draws differ from seed to seed. All seeds were tested on the same images: that others would give other \
     numbers, it does not hold.";

/// One sentence on a classifier beside what it is held against.
pub fn finding(found: &DifferenceOverSeeds) -> String {
    let (name, against) = (classifier(found.name), classifier(found.against));
    let (with, seeds) = (budget(found.labels_per_class), plural(found.runs.len() as u64, "seed"));
    let interval = found.interval.map(|[low, high]| format!("95% interval {}", points_between(low, high)));
    let said = match (found.told(), interval) {
        (Some(Told::Ahead), Some(interval)) => format!("ahead of {against} by {} ({interval})", size(found.mean)),
        (Some(Told::Behind), Some(interval)) => format!("behind {against} by {} ({interval})", size(found.mean)),
        (Some(Told::Undecided), Some(interval)) => {
            format!("not told apart from {against}: {} points ({interval})", points(found.mean))
        }
        _ => format!("{} points from {against}, and one seed gives no interval", points(found.mean)),
    };
    capital(&format!("{name} with {with} is, over {seeds}, {said}."))
}

/// That few seeds tell little; nothing where there are enough, or none.
pub fn few(found: &OverSeeds) -> Option<String> {
    match found.seeds.len() {
        seeds if seeds >= FEW_SEEDS || seeds == 0 => None,
        1 => Some(
            "One seed tells nothing of how much pre-trainings differ: for an interval there must be two at least, and three or more for \
             one that says much."
                .to_owned(),
        ),
        _ => Some(
            "Two seeds tell little: an interval on two differences is wide, and where it is not, that may be chance; three or more say \
             more."
                .to_owned(),
        ),
    }
}

/// Where no run has a result yet.
pub const NOTHING: &str = "No run has finished yet.";

/// Above the links to the pages of single runs.
pub const EACH_HAS_A_PAGE: &str = "Each is a run by itself, with a page of its own:";

pub const UNFINISHED: &str = " (not finished)";

/// Where the page comes from.
pub fn made_from(version: &str, runs: &[String]) -> String {
    match runs {
        [] => format!("Made by byol; begun by byol {version}."),
        runs => format!("Made by byol from {} and nothing else; begun by byol {version}.", list(runs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::seeds::over_seeds;
    use crate::report::seeds::tests::runs;

    fn first(accuracies: &[(f64, f64)]) -> String {
        finding(&over_seeds(&runs(accuracies), accuracies.len()).differences[0])
    }

    #[test]
    fn what_the_seeds_tell_is_said() {
        assert_eq!(
            first(&[(0.30, 0.49), (0.40, 0.60), (0.50, 0.71)]),
            "Fine-tuned BYOL with 10 labels per class is, over 3 seeds, ahead of the supervised baseline by 20.0 points (95% interval \
             +17.5 to +22.5)."
        );
        assert_eq!(
            first(&[(0.40, 0.60), (0.40, 0.50), (0.40, 0.70)]),
            "Fine-tuned BYOL with 10 labels per class is, over 3 seeds, not told apart from the supervised baseline: +20.0 points (95% \
             interval −4.8 to +44.8)."
        );
        assert!(
            first(&[(0.60, 0.41), (0.60, 0.40), (0.60, 0.39)])
                .contains("behind the supervised baseline by 20.0 points")
        );
        assert!(
            first(&[(0.40, 0.60)]).ends_with(
                "is, over 1 seed, +20.0 points from the supervised baseline, and one seed gives no interval."
            )
        );
    }

    #[test]
    fn few_seeds_are_told() {
        let of = |count: usize| few(&over_seeds(&runs(&vec![(0.4, 0.6); count]), count));
        assert!(of(0).is_none() && of(3).is_none());
        assert!(of(1).unwrap().starts_with("One seed tells nothing"));
        assert!(of(2).unwrap().starts_with("Two seeds tell little"));
    }
}
