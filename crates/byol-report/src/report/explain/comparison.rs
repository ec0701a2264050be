//! Sentences about differences between classifiers, and about what those differences cannot tell.

use std::cmp::Ordering;

use super::{Detail, by_outcome, main_comparisons};
use crate::report::compare::{Comparison, Outcome, Paired, confusion};
use crate::report::load::RunData;
use crate::report::words;
use crate::run::record::{Control, ResultName};
use crate::statistics::significance::McNemar;

/// Below this many draws the bootstrap knows too little of how draws differ, and its interval tends to be too narrow.
const FEW_DRAWS: usize = 5;

/// `95% interval 4.1 to 10.2`, or why there is none.
pub(super) fn interval(found: &Comparison) -> String {
    match &found.paired {
        Some(Paired { difference, .. }) => {
            format!("95% interval {} to {} points", words::points(difference.low), words::points(difference.high))
        }
        None => "no interval: predictions and labels of the same test images are not recorded".to_owned(),
    }
}

/// Fine-tuned BYOL against the baseline, one paragraph for each label budget.
pub(super) fn gains(comparisons: &[Comparison]) -> Vec<String> {
    main_comparisons(comparisons)
        .map(|found| format!("{} {}", statement(found), tests(found)).trim().to_owned())
        .collect()
}

/// `With 10 labels per class, A is ahead of B by 7.3 points: 61.2% against 53.9% (…).`
fn statement(found: &Comparison) -> String {
    let (name, against) = (words::classifier(found.name), words::classifier(found.against));
    let begun = format!("With {}, {name}", words::budget(found.budget));
    let accuracies = format!("{} against {}", words::percent(found.accuracy), words::percent(found.against_accuracy));
    let draws = words::plural(found.draws as u64, "label draw");
    let seen = match &found.paired {
        Some(Paired { test_images, .. }) => format!("{draws}, {}", words::plural(*test_images as u64, "test image")),
        None => draws,
    };
    let (size, interval) = (words::size(found.difference()), interval(found));
    match found.outcome() {
        Some(Outcome::Ahead) => format!("{begun} is ahead of {against} by {size}: {accuracies} ({interval}; {seen})."),
        Some(Outcome::Behind) => format!("{begun} is behind {against} by {size}: {accuracies} ({interval}; {seen})."),
        Some(Outcome::Undecided) => format!(
            "With {}, {name} and {against} cannot be told apart: {accuracies}, {} points ({interval}; {seen}).",
            words::budget(found.budget),
            words::points(found.difference())
        ),
        None => format!(
            "{begun} differs from {against} by {} points: {accuracies} ({interval}; {seen}).",
            words::points(found.difference())
        ),
    }
}

/// The exact McNemar test of every draw.
fn tests(found: &Comparison) -> String {
    let Some(paired) = &found.paired else {
        return String::new();
    };
    let ahead = |test: &McNemar| test.only_a.cmp(&test.only_b);
    let ways = |way| paired.tests.iter().any(|(_, test)| ahead(test) == way);
    let opposite = ways(Ordering::Greater) && ways(Ordering::Less);
    let one = |(draw, test): &(usize, McNemar)| {
        // Small p-values of draws that contradict each other are no evidence together.
        let way = match ahead(test) {
            Ordering::Greater if opposite => format!(" for {}", words::classifier(found.name)),
            Ordering::Less if opposite => format!(" for {}", words::classifier(found.against)),
            _ => String::new(),
        };
        format!("draw {}: {}{way}", draw + 1, words::p_value(test.p_value))
    };
    let draws: Vec<String> = paired.tests.iter().map(one).collect();
    let odds = if opposite { " The draws contradict each other." } else { "" };
    format!("Exact McNemar test, {}.{odds}", draws.join("; "))
}

/// The frozen encoder against the one before BYOL, a paragraph for each way of evaluating.
pub(super) fn controls(run: &RunData, comparisons: &[Comparison]) -> Vec<String> {
    let of_pair = |&(name, against): &(ResultName, ResultName)| {
        let found: Vec<&Comparison> = comparisons.iter().filter(|found| found.name == name).collect();
        let (name, against) = (words::classifier(name), words::classifier(against));
        (!found.is_empty())
            .then(|| format!("{} against {against}: {}.", words::capital(name), by_outcome(&found, Detail::Interval)))
    };
    run.control().pairs()[1..].iter().filter_map(of_pair).collect()
}

/// The class that gained most and the one that lost most, for each label budget.
pub(super) fn classes(run: &RunData, comparisons: &[Comparison]) -> Vec<String> {
    let sentences: Vec<String> = main_comparisons(comparisons).filter_map(|found| extremes(run, found)).collect();
    if sentences.is_empty() { Vec::new() } else { vec![sentences.join(" ")] }
}

fn extremes(run: &RunData, found: &Comparison) -> Option<String> {
    let [ours, theirs] =
        [found.name, found.against].map(|name| Some(confusion(run, name, found.budget)?.class_accuracies()));
    let mut changes: Vec<(u16, f64, f64)> = Vec::new();
    for (class, pair) in ours?.iter().zip(&theirs?).enumerate() {
        if let (Some(ours), Some(theirs)) = pair {
            changes.push((u16::try_from(class).ok()?, *ours, *theirs));
        }
    }
    let change = |&(_, ours, theirs): &(u16, f64, f64)| ours - theirs;
    let gained = *changes.iter().max_by(|a, b| change(a).total_cmp(&change(b)))?;
    let lost = *changes.iter().min_by(|a, b| change(a).total_cmp(&change(b)))?;
    let one = |(class, ours, theirs): (u16, f64, f64), what: &str| {
        format!("{} {what} most ({} to {})", run.class_name(class), words::percent(theirs), words::percent(ours))
    };
    let (gains, loses) = (one(gained, "gains"), one(lost, "loses"));
    let text = match (change(&gained) > 0.0, change(&lost) < 0.0) {
        (true, true) => format!("{gains}, {loses}"),
        (true, false) => format!("{gains}, no class loses"),
        (false, true) => format!("{loses}, no class gains"),
        (false, false) => return None,
    };
    Some(format!("With {}: {text}.", words::budget(found.budget)))
}

/// What the intervals and tests leave out.
pub(super) fn caveats(run: &RunData, comparisons: &[Comparison]) -> Vec<String> {
    let main: Vec<&Comparison> = main_comparisons(comparisons).collect();
    let mut texts = Vec::new();
    let single: Vec<String> =
        main.iter().filter(|found| found.draws == 1).map(|found| words::budget(found.budget)).collect();
    if !single.is_empty() {
        texts.push(format!(
            "With {} there is only one label draw, so its interval covers how much test images vary, but not how much draws of \
             labels or trainings vary.",
            words::list(&single)
        ));
    }
    let few: Vec<&&Comparison> = main.iter().filter(|found| (2..FEW_DRAWS).contains(&found.draws)).collect();
    if let (Some(least), Some(most)) =
        (few.iter().map(|found| found.draws).min(), few.iter().map(|found| found.draws).max())
    {
        let draws = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        let budgets: Vec<String> = few.iter().map(|found| words::budget(found.budget)).collect();
        texts.push(format!(
            "{draws} label draws (with {}) say little about how much draws differ; intervals from so few tend to be too \
             narrow.",
            words::list(&budgets)
        ));
    }
    let tests: usize = main.iter().filter_map(|found| found.paired.as_ref()).map(|paired| paired.tests.len()).sum();
    if tests > 1 {
        texts.push(format!("The p-values of the {tests} McNemar tests are not corrected for how many there are."));
    }
    if !main.is_empty() && run.pretraining().is_some() {
        texts.push(
            "The encoder was pre-trained once, so no interval here covers how much pre-trainings vary.".to_owned(),
        );
    }
    texts.extend(unequal_arms(run));
    texts
}

/// Settings in which baseline and fine-tuning differ. Given weights are trained as those of BYOL are.
fn unequal_arms(run: &RunData) -> Option<String> {
    if run.control() == Control::Given {
        return None;
    }
    let config = run.config.as_ref()?;
    let (baseline, fine_tuning) = (config.get("supervised")?.as_table()?, config.get("finetune")?.as_table()?);
    let differing: Vec<String> = baseline
        .iter()
        .filter_map(|(key, value)| {
            let other = fine_tuning.get(key)?;
            (other != value).then(|| format!("{key} ({value} and {other})"))
        })
        .collect();
    (!differing.is_empty()).then(|| {
        format!("The baseline and fine-tuning were not trained alike: they differ in {}.", words::list(&differing))
    })
}
