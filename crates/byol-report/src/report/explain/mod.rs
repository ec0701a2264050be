//! What a run found, in words. Every sentence is drawn from values that the run recorded: a statement for which there
//! is no value is not made.

mod comparison;
mod headline;
mod training;

use super::compare::{Comparison, Outcome, compare};
use super::load::RunData;
use super::words;
use crate::run::record::{LabelBudget, ResultName};

/// What a run found.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// For whoever wants one answer: the best classifier, how sure its accuracy is, what the unlabelled images were worth.
    pub headline: String,
    /// One sentence: fine-tuned BYOL against the baseline at every label budget.
    pub verdict: String,
    /// By topic, in reading order.
    pub paragraphs: Vec<Paragraph>,
    /// Every pair of classifiers that could be compared, by label budget.
    pub comparisons: Vec<Comparison>,
}

/// A few sentences on one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paragraph {
    pub topic: Topic,
    pub text: String,
}

/// What a paragraph is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Fine-tuned BYOL against the supervised baseline.
    Gain,
    /// The frozen encoder against what it was before BYOL.
    Control,
    /// Which classes gained and which lost.
    Classes,
    /// How long each part trained.
    Effort,
    /// Signs of collapse, or their absence.
    Collapse,
    /// Whether pre-training went far enough.
    Reach,
    /// What the numbers cannot tell.
    Caveat,
    /// What the run does not hold.
    Missing,
}

impl Topic {
    pub fn heading(self) -> &'static str {
        match self {
            Topic::Gain => "Fine-tuned BYOL against the baseline",
            Topic::Control => "The frozen encoder against what it was before BYOL",
            Topic::Classes => "By class, from baseline to fine-tuned BYOL",
            Topic::Effort => "How long each trained",
            Topic::Collapse => "Signs of collapse",
            Topic::Reach => "Length of pre-training",
            Topic::Caveat => "What these numbers cannot tell",
            Topic::Missing => "What is missing",
        }
    }
}

/// Puts what `run` found into words.
pub fn explain(run: &RunData) -> Explanation {
    let budgets = run.budgets();
    let comparisons: Vec<Comparison> = budgets
        .iter()
        .flat_map(|&budget| run.control().pairs().map(|(name, against)| compare(run, name, against, budget)))
        .flatten()
        .collect();
    let mut paragraphs = Vec::new();
    let mut add = |topic, texts: Vec<String>| {
        paragraphs.extend(texts.into_iter().map(|text| Paragraph { topic, text }));
    };
    add(Topic::Gain, comparison::gains(&comparisons));
    add(Topic::Control, comparison::controls(run, &comparisons));
    add(Topic::Classes, comparison::classes(run, &comparisons));
    add(Topic::Effort, training::effort(run, &budgets));
    add(Topic::Collapse, training::collapse(run, &comparisons));
    add(Topic::Reach, training::reach(run, &comparisons));
    add(Topic::Caveat, comparison::caveats(run, &comparisons));
    if run.finished() {
        add(Topic::Missing, missing(run, &budgets));
    }
    let verdict = verdict(run, &comparisons);
    Explanation { headline: headline::headline(run, &comparisons, &verdict), verdict, paragraphs, comparisons }
}

pub(crate) use headline::{MOST_TEST_IMAGES, has_unlabeled};
pub(crate) use training::still_rising;

/// The comparisons of fine-tuned BYOL with the baseline.
fn main_comparisons(comparisons: &[Comparison]) -> impl Iterator<Item = &Comparison> {
    comparisons.iter().filter(|found| found.name == ResultName::ByolFinetuned)
}

fn verdict(run: &RunData, comparisons: &[Comparison]) -> String {
    let found: Vec<&Comparison> = main_comparisons(comparisons).collect();
    let sentence = match found.as_slice() {
        [] => {
            let absent = [run.control().baseline(), ResultName::ByolFinetuned].map(|name| {
                let evaluated = run.budgets().iter().any(|&budget| run.accuracy(name, budget).is_some());
                (!evaluated).then(|| words::classifier(name).to_owned())
            });
            let absent: Vec<String> = absent.into_iter().flatten().collect();
            match absent.is_empty() {
                true => format!(
                    "fine-tuned BYOL and {} have no label budget in common",
                    words::classifier(run.control().baseline())
                ),
                false => format!("no test result of {} to compare", absent.join(" or of ")),
            }
        }
        [only] => of_one(only),
        several => format!(
            "fine-tuned BYOL against {}: {}",
            words::classifier(run.control().baseline()),
            by_outcome(several, Detail::Difference)
        ),
    };
    let begun = if run.finished() { "" } else { "so far, " };
    format!("{}.", words::capital(&format!("{begun}{sentence}")))
}

fn of_one(found: &Comparison) -> String {
    let (budget, difference) = (words::budget(found.budget), found.difference());
    let accuracies = format!("{} against {}", words::percent(found.accuracy), words::percent(found.against_accuracy));
    let interval = comparison::interval(found);
    let against = words::classifier(found.against);
    match found.outcome() {
        Some(Outcome::Ahead) => format!(
            "with {budget}, fine-tuned BYOL is ahead of {against} by {} of test accuracy ({accuracies}; \
             {interval})",
            words::size(difference)
        ),
        Some(Outcome::Behind) => format!(
            "with {budget}, fine-tuned BYOL is behind {against} by {} of test accuracy ({accuracies}; \
             {interval})",
            words::size(difference)
        ),
        Some(Outcome::Undecided) => {
            format!("with {budget}, fine-tuned BYOL and {against} cannot be told apart ({accuracies}; {interval})")
        }
        None => format!(
            "with {budget}, fine-tuned BYOL differs from {against} by {} points of test accuracy \
             ({accuracies}; {interval})",
            words::points(difference)
        ),
    }
}

/// What stands beside a label budget.
#[derive(Clone, Copy)]
enum Detail {
    Difference,
    Interval,
}

/// Label budgets grouped by outcome, each with its difference.
fn by_outcome(found: &[&Comparison], detail: Detail) -> String {
    let groups = [
        (Some(Outcome::Ahead), "ahead with"),
        (Some(Outcome::Behind), "behind with"),
        (Some(Outcome::Undecided), "cannot be told apart with"),
        (None, "no interval with"),
    ];
    let one = |comparison: &&Comparison| {
        let difference = words::points(comparison.difference());
        let interval = match (detail, &comparison.paired) {
            (Detail::Interval, Some(paired)) => {
                let (low, high) = (paired.difference.low, paired.difference.high);
                format!(", 95% interval {} to {}", words::points(low), words::points(high))
            }
            _ => String::new(),
        };
        format!("{} ({difference} points{interval})", words::budget(comparison.budget))
    };
    let group = |(outcome, words): (Option<Outcome>, &str)| {
        let members: Vec<String> = found.iter().filter(|comparison| comparison.outcome() == outcome).map(one).collect();
        (!members.is_empty()).then(|| format!("{words} {}", words::list(&members)))
    };
    groups.into_iter().filter_map(group).collect::<Vec<_>>().join("; ")
}

/// The classifiers that other label budgets, or none, have.
fn missing(run: &RunData, budgets: &[LabelBudget]) -> Vec<String> {
    let absent = |budget: LabelBudget| -> Vec<String> {
        let names = run.control().results().into_iter().filter(|&name| run.accuracy(name, budget).is_none());
        names.map(|name| words::classifier(name).to_owned()).collect()
    };
    let sentence = |&budget: &LabelBudget| {
        let names = absent(budget);
        (!names.is_empty())
            .then(|| format!("With {} there is no result for {}.", words::budget(budget), words::list(&names)))
    };
    let mut texts: Vec<String> = budgets.iter().filter_map(sentence).collect();
    if run.pretraining().is_none() {
        texts.push("No pre-training is recorded.".to_owned());
    }
    texts
}

#[cfg(test)]
mod tests;
