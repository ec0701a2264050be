//! The headline of a run and its verdict.

use super::names::{budget, budgets, classifier, classifier_with, fine_tuned};
use super::numbers::{
    about, capital, count, guessing, list, p_value, percent, plural, points, points_between, right_of, size, uncapital,
};
use crate::report::compare::{Better, Comparison, Outcome, Paired};
use crate::report::explain::{Answer, Could, Doubt, Found, Pool, Right, Undecided, Verdict};
use crate::run::record::ResultName;

/// A few sentences for whoever wants one answer.
pub fn headline(answers: &[Answer]) -> String {
    answers.iter().filter_map(answer).collect::<Vec<_>>().join(" ")
}

/// What a page or a terminal says of one run before anything else: one sentence.
pub fn verdict(verdict: &Verdict) -> String {
    let baseline = classifier(verdict.baseline);
    let sentence = match &verdict.found {
        Found::Nothing { absent } if absent.is_empty() => {
            format!("{} and {baseline} have no label budget in common", fine_tuned(&[verdict.method]))
        }
        Found::Nothing { absent } => {
            let absent: Vec<String> = absent.iter().map(|&name| classifier(name)).collect();
            format!("no test result of {} to compare", absent.join(" or of "))
        }
        Found::One(only) => of_one(only),
        Found::Several(several) => {
            format!("{} against {baseline}: {}", fine_tuned(&[verdict.method]), by_outcome(several, Detail::Difference))
        }
    };
    let begun = if verdict.finished { "" } else { "so far, " };
    format!("{}.", capital(&format!("{begun}{sentence}")))
}

fn answer(answer: &Answer) -> Option<String> {
    Some(match answer {
        Answer::Verdict(found) => verdict(found),
        Answer::TooFewTestImages { images } => {
            format!("With {} no classifier can be called best.", plural(*images, "test image"))
        }
        Answer::Taken { finished, name, budget, draws, right } => {
            let draw = if *draws > 1 { format!(" (label draw 1 of {draws})") } else { String::new() };
            let right = match right {
                Right::Of { right, images } => right_of(*right, *images).unwrap_or_default(),
                Right::Accuracy(accuracy) => {
                    format!("{} of the test images", accuracy.map(percent).unwrap_or_default())
                }
            };
            let taken = classifier_with(*name, *budget);
            match finished {
                true => {
                    format!("The classifier that `predict` and `export` take is {taken}{draw}; it is right on {right}.")
                }
                false => format!(
                    "So far the classifier to take is {taken}{draw}; it is right on {right}. Until the run has finished, \
                     `predict` and `export` take it only where it is named."
                ),
            }
        }
        Answer::Guessing { right, images, guess } => {
            format!("Its accuracy {}.", guessing(*right, *images, *guess)?)
        }
        Answer::Better(better, name) => better_one(better, *name),
        Answer::Changed { gained, pool, found } => format!(
            "Pre-training on {} {} {}.",
            images_of(*pool),
            if *gained { "gained" } else { "lost" },
            list(&found.iter().map(change).collect::<Vec<_>>())
        ),
        Answer::Undecided(found) => undecided(found),
        Answer::Unknown { pool, verdict: found } => format!(
            "What {} were worth is unknown: {}.",
            images_of(*pool),
            uncapital(verdict(found).trim_end_matches('.'))
        ),
        Answer::NotYet { pool } => {
            format!("What {} are worth will be known when fine-tuning has been evaluated.", images_of(*pool))
        }
    })
}

fn images_of(pool: Pool) -> &'static str {
    match pool {
        Pool::Unlabeled => "the unlabelled images",
        Pool::Training => "the training images without their labels",
    }
}

/// Another classifier that is better by more than chance, and how to take it.
fn better_one(found: &Better, name: ResultName) -> String {
    let (kind, of) = (found.candidate.kind.name(), found.candidate.budget);
    format!(
        "On these test images {} is better by more than chance: right on {} of {} ({}, corrected for the number of \
         classifiers). `--classifier {kind} --labels-per-class {of}` takes it.",
        classifier_with(name, of),
        count(found.right),
        count(found.test_images),
        p_value(found.p_value),
    )
}

/// `20.0 points with 10 labels per class (60.0% against 40.0%)`
fn change(found: &Comparison) -> String {
    format!("{} with {} ({})", size(found.difference()), budget(found.budget), accuracies(found))
}

/// `60.0% against 40.0%`
pub(super) fn accuracies(found: &Comparison) -> String {
    format!("{} against {}", percent(found.accuracy), percent(found.against_accuracy))
}

fn undecided(found: &Undecided) -> String {
    let begun = format!(
        "With {}, whether pre-training on {} helped cannot be told from {}",
        budgets(found.budgets.iter().copied()),
        images_of(found.pool),
        plural(found.test_images, "test image")
    );
    match &found.why {
        Doubt::Few => format!("{begun}."),
        Doubt::Equal => format!("{begun}: with and without it, equally many answers are right."),
        Doubt::Chance { widest, could } => {
            let did = if widest.difference() > 0.0 { "gained" } else { "lost" };
            let with = if found.budgets.len() > 1 { format!(" with {}", budget(widest.budget)) } else { String::new() };
            let could = match could {
                Some(Could::DrawsDiffer { draws }) => {
                    format!("; the {} differ too much to tell", plural(*draws as u64, "label draw"))
                }
                Some(Could::TestImages(needed)) => {
                    format!(
                        "; to tell a difference of this size from chance would take about {} test images",
                        about(*needed)
                    )
                }
                None => String::new(),
            };
            let size = size(widest.difference());
            format!("{begun}: it {did} {size}{with} ({}), which may be chance{could}.", accuracies(widest))
        }
    }
}

fn of_one(found: &Comparison) -> String {
    let (with, difference) = (budget(found.budget), found.difference());
    let (name, against) = (classifier(found.name), classifier(found.against));
    let beside = format!("({}; {})", accuracies(found), interval(found));
    match found.outcome() {
        Some(Outcome::Ahead) => {
            format!("with {with}, {name} is ahead of {against} by {} of test accuracy {beside}", size(difference))
        }
        Some(Outcome::Behind) => {
            format!("with {with}, {name} is behind {against} by {} of test accuracy {beside}", size(difference))
        }
        Some(Outcome::Undecided) => {
            format!("with {with}, {name} and {against} cannot be told apart {beside}")
        }
        None => format!(
            "with {with}, {name} differs from {against} by {} points of test accuracy {beside}",
            points(difference)
        ),
    }
}

/// `95% interval 4.1 to 10.2 points`, or why there is none.
pub(super) fn interval(found: &Comparison) -> String {
    match &found.paired {
        Some(Paired { difference, .. }) => {
            format!("95% interval {} points", points_between(difference.low, difference.high))
        }
        None => "no interval: predictions and labels of the same test images are not recorded".to_owned(),
    }
}

/// What stands beside a label budget.
#[derive(Clone, Copy)]
pub(super) enum Detail {
    Difference,
    Interval,
}

/// Label budgets grouped by outcome, each with its difference.
pub(super) fn by_outcome(found: &[Comparison], detail: Detail) -> String {
    let groups = [
        (Some(Outcome::Ahead), "ahead with"),
        (Some(Outcome::Behind), "behind with"),
        (Some(Outcome::Undecided), "cannot be told apart with"),
        (None, "no interval with"),
    ];
    let one = |comparison: &Comparison| {
        let difference = points(comparison.difference());
        let interval = match (detail, &comparison.paired) {
            (Detail::Interval, Some(paired)) => {
                format!(", 95% interval {}", points_between(paired.difference.low, paired.difference.high))
            }
            _ => String::new(),
        };
        format!("{} ({difference} points{interval})", budget(comparison.budget))
    };
    let group = |(outcome, words): (Option<Outcome>, &str)| {
        let members: Vec<String> = found.iter().filter(|comparison| comparison.outcome() == outcome).map(one).collect();
        (!members.is_empty()).then(|| format!("{words} {}", list(&members)))
    };
    groups.into_iter().filter_map(group).collect::<Vec<_>>().join("; ")
}
