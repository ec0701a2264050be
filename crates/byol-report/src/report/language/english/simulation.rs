//! A simulation of labelling: what each strategy's labels were worth.

use super::numbers::{count, percent, plural, points, points_between, size};
use crate::report::simulation::{AtBudget, BesideRandom};
use crate::run::simulation::{Simulation, Strategy};

pub const OVER: &str = "byol label · simulation";
pub const CURVES: &str = "Accuracy against the number of labels";
pub const TABLES: &str = "In figures";
pub const STRATEGIES: &str = "The strategies";
/// The head of the tables' first column.
pub const STRATEGY: &str = "strategy";
pub const ACCURACIES: &str = "Test accuracy in percent, mean over seeds (95% interval)";
pub const BESIDE_RANDOM: &str =
    "Points beside random images (95% interval); labels of random images for the same accuracy";
/// Names of axes.
pub const LABELS: &str = "labels";
pub const ACCURACY: &str = "test accuracy, %";
pub const POINTS: &str = "points beside random";

/// Title and heading of the page.
pub fn title(simulation: &Simulation) -> String {
    format!("Which images of {} to label", simulation.data)
}

/// What was simulated.
pub fn lead(simulation: &Simulation) -> String {
    format!(
        "{} could be labelled, {} at a time; the classifier is logistic regression on a frozen encoder, tested on {}; {}.",
        plural(simulation.pool as u64, "image"),
        count(simulation.batch as u64),
        plural(simulation.test as u64, "other image"),
        plural(simulation.seeds.len() as u64, "seed"),
    )
}

/// The head of a column.
pub fn labels(labels: usize) -> String {
    plural(labels as u64, "label")
}

/// A cell of the table of accuracies.
pub fn accuracy(point: &AtBudget) -> String {
    let share = |share: f64| format!("{:.1}", 100.0 * share);
    match point.interval {
        Some([low, high]) => format!("{} ({} to {})", share(point.accuracy), share(low), share(high)),
        None => share(point.accuracy),
    }
}

/// A cell of the table of differences.
pub fn beside_random(beside: &BesideRandom) -> String {
    let interval = beside.interval.map_or_else(String::new, |[low, high]| format!(" ({})", points_between(low, high)));
    let labels = beside.random_labels.map_or_else(String::new, |labels| format!("; as {labels:.0} random"));
    format!("{}{interval}{labels}", points(beside.mean))
}

/// Shown when a point of the chart of accuracies is pointed at.
pub fn at_budget(point: &AtBudget) -> String {
    let interval = point
        .interval
        .map_or_else(String::new, |[low, high]| format!(" (95% interval {} to {})", percent(low), percent(high)));
    format!("{}{interval} with {}", percent(point.accuracy), labels(point.labels))
}

/// The same of the chart of differences.
pub fn beside_at_budget(with: usize, beside: &BesideRandom) -> String {
    let interval = beside
        .interval
        .map_or_else(String::new, |[low, high]| format!(" (95% interval {})", points_between(low, high)));
    format!("{} points{interval} beside random images with {}", points(beside.mean), labels(with))
}

/// What the accuracies are.
pub fn accuracies_are(simulation: &Simulation) -> String {
    let aside = match simulation.test_share > 0.0 {
        true => {
            format!(" Of the labels, {} are of random images and set aside to measure.", percent(simulation.test_share))
        }
        false => String::new(),
    };
    format!(
        "Test accuracy in percent, mean over seeds; the interval is Student's over the seeds. Seeds differ in which images are chosen, \
         not in the encoder nor in the test images.{aside}"
    )
}

/// What the differences are.
pub const DIFFERENCES_ARE: &str = "Points of test accuracy beside labels of random images, seed by seed, with Student's 95% interval. \
     An interval that does not cross zero tells a difference.";

/// One sentence on a strategy with so many labels.
pub fn finding(strategy: Strategy, point: &AtBudget, beside: &BesideRandom) -> String {
    let (with, name) = (labels(point.labels), strategy.name());
    let Some([low, high]) = beside.interval else {
        return format!("With {with}, {name} is {} points from random images.", points(beside.mean));
    };
    let interval = format!("95% interval {}", points_between(low, high));
    let reached = beside.random_labels.map_or_else(String::new, |labels| {
        format!("; random images reach that accuracy with about {}", plural(labels.round() as u64, "label"))
    });
    match (low > 0.0, high < 0.0) {
        (true, _) => {
            format!("With {with}, {name} is ahead of random images by {} ({interval}){reached}.", size(beside.mean))
        }
        (_, true) => format!("With {with}, {name} is behind random images by {} ({interval}).", size(beside.mean)),
        _ => format!(
            "With {with}, {name} is not told apart from random images: {} points ({interval}).",
            points(beside.mean)
        ),
    }
}

/// How well the labels that were set aside tell the accuracy; nothing where there were none.
pub fn set_aside(point: &AtBudget, simulation: &Simulation) -> Option<String> {
    let off = point.set_aside_off?;
    Some(format!(
        "With {}, the accuracy on the labels that were set aside is {} points from that on the test images, mean over {}.",
        labels(point.labels),
        points(off),
        plural(simulation.seeds.len() as u64, "seed"),
    ))
}

/// That few seeds tell little.
pub fn few(seeds: usize) -> Option<String> {
    match seeds {
        1 => Some("One seed gives no interval: for one there must be two at least.".to_owned()),
        2 => Some("Two seeds tell little: three or more say more.".to_owned()),
        _ => None,
    }
}

/// What a strategy does.
pub fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Auto => "Typical images until there are ten labels for each class, then those of margin.",
        Strategy::Typical => {
            "The most typical image of each of the largest clusters without a label (TypiClust, arXiv 2202.02794)."
        }
        Strategy::Coverage => {
            "Images that lie near the most others that no label is near to yet (ProbCover, arXiv 2205.11320)."
        }
        Strategy::Margin => {
            "Images between two classes in the classifier's eyes, from different clusters (arXiv 1901.05954); at first random ones."
        }
        Strategy::Badge => {
            "Images whose labels would change the classifier most, in different directions (BADGE, arXiv 1906.03671); at first random \
             ones."
        }
        Strategy::Random => "Any images.",
    }
}

/// What made the page.
pub fn made_by(simulation: &Simulation) -> String {
    format!("Made by byol {}; labels come from the data.", simulation.version)
}
