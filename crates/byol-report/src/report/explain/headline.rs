//! What a run found, for whoever wants one answer: how good the classifier is that is taken, how sure that is, and what the
//! unlabelled images were worth.

use super::main_comparisons;
use crate::report::choice::{Taken, answers, taken};
use crate::report::compare::{Comparison, FEW_TEST_IMAGES, Outcome, better};
use crate::report::load::RunData;
use crate::report::words;

/// More test images than this are no advice.
pub(crate) const MOST_TEST_IMAGES: u64 = 100_000;

/// A few sentences. `verdict` stands in where no classifier was evaluated.
pub(super) fn headline(run: &RunData, comparisons: &[Comparison], verdict: &str) -> String {
    let Some(taken) = taken(run) else { return verdict.to_owned() };
    let main: Vec<&Comparison> = main_comparisons(comparisons).collect();
    let of = |outcome: Option<Outcome>| main.iter().copied().filter(move |found| found.outcome() == outcome);
    let unlabeled =
        if has_unlabeled(run) { "the unlabelled images" } else { "the training images without their labels" };
    let mut texts = how_good(run, &taken);
    texts.extend(another(run, &taken));
    for (outcome, did) in [(Outcome::Ahead, "gained"), (Outcome::Behind, "lost")] {
        let found: Vec<String> = of(Some(outcome)).map(change).collect();
        if !found.is_empty() {
            texts.push(format!("Pre-training on {unlabeled} {did} {}.", words::list(&found)));
        }
    }
    texts.extend(undecided(&of(Some(Outcome::Undecided)).collect::<Vec<_>>(), unlabeled));
    if main.is_empty() {
        texts.push(match run.finished() {
            true => {
                format!("What {unlabeled} were worth is unknown: {}.", words::uncapital(verdict.trim_end_matches('.')))
            }
            false => format!("What {unlabeled} are worth will be known when fine-tuning has been evaluated."),
        });
    }
    texts.join(" ")
}

/// Whether pre-training had images besides the labelled ones.
pub(crate) fn has_unlabeled(run: &RunData) -> bool {
    let pools = run.summary.iter().flat_map(|summary| &summary.data.unlabeled);
    // The pool of the labelled training images has this name.
    pools.into_iter().any(|pool| pool.name != "train")
}

/// The classifier that is taken, how sure its accuracy is, and whether it is any better than guessing.
fn how_good(run: &RunData, taken: &Taken) -> Vec<String> {
    let name = taken.kind.recorded_as(run.control());
    let classifier = format!("{} with {}", words::classifier(name), words::budget(taken.budget));
    let which = match run.finished() {
        true => format!("The classifier that `predict` and `export` take is {classifier}"),
        false => format!("The classifier that `predict` and `export` would take so far is {classifier}"),
    };
    let draws = run.predictions_of(name, taken.budget).len();
    let draw = if draws > 1 { format!(" (label draw 1 of {draws})") } else { String::new() };
    let record = answers(&run.predictions, run.control(), (taken.kind, taken.budget));
    let known = record.zip(run.test_labels()).and_then(|(record, labels)| {
        let right = record.predicted.iter().zip(labels).filter(|(answer, label)| answer == label).count() as u64;
        Some((right, labels.len() as u64, words::right_of(right, labels.len() as u64)?))
    });
    let Some((right, images, share)) = known else {
        let accuracy = run.accuracy(name, taken.budget).map_or_else(String::new, |found| words::percent(found.mean));
        return vec![format!("{which}; it is right about {accuracy} of the test images.")];
    };
    let mut texts = Vec::new();
    if images < FEW_TEST_IMAGES as u64 {
        texts.push(format!("With {} no classifier can be called best.", words::plural(images, "test image")));
    }
    texts.push(format!("{which}{draw}; it is right about {share}."));
    if let Some(classes) = run.classes() {
        texts.extend(words::guessing(right, images, classes).map(|text| format!("{}.", words::capital(&text))));
    }
    texts
}

/// Another classifier that is better by more than chance, and how to take it.
fn another(run: &RunData, taken: &Taken) -> Option<String> {
    let found = better(run, taken)?;
    let (kind, budget) = (found.candidate.kind, found.candidate.budget);
    Some(format!(
        "On these test images {} with {} is better by more than chance: right about {} of {} ({}, corrected for the number of \
         classifiers). `--classifier {} --labels-per-class {budget}` takes it.",
        words::classifier(kind.recorded_as(run.control())),
        words::budget(budget),
        words::count(found.right),
        words::count(found.test_images),
        words::p_value(found.p_value),
        kind.name(),
    ))
}

/// `20.0 points with 10 labels per class (60.0% against 40.0%)`
fn change(found: &Comparison) -> String {
    format!(
        "{} with {} ({} against {})",
        words::size(found.difference()),
        words::budget(found.budget),
        words::percent(found.accuracy),
        words::percent(found.against_accuracy)
    )
}

/// What this many test images could not tell, and how many could.
fn undecided(found: &[&Comparison], unlabeled: &str) -> Option<String> {
    // The widest difference is the first that more images would show.
    let widest = *found.iter().max_by(|a, b| a.difference().abs().total_cmp(&b.difference().abs()))?;
    let budgets: Vec<String> = found.iter().map(|found| words::budget(found.budget)).collect();
    let paired = widest.paired.as_ref()?;
    let images = words::plural(paired.test_images as u64, "test image");
    let begun = format!(
        "With {}, whether pre-training on {unlabeled} helped cannot be told from {images}",
        words::list(&budgets)
    );
    if paired.few() {
        return Some(format!("{begun}."));
    }
    let size = words::size(widest.difference());
    if widest.difference().abs() < 5e-4 {
        return Some(format!("{begun}: with and without it, equally many answers are right."));
    }
    let did = if widest.difference() > 0.0 { "gained" } else { "lost" };
    let with = if found.len() > 1 { format!(" with {}", words::budget(widest.budget)) } else { String::new() };
    let could = match paired.images_needed {
        Some(needed) if needed <= paired.test_images as u64 => {
            format!(", but {} differ too much", words::plural(widest.draws as u64, "label draw"))
        }
        Some(needed) if needed <= MOST_TEST_IMAGES => {
            format!("; a difference of this size would take about {} test images", words::about(needed))
        }
        _ => String::new(),
    };
    Some(format!(
        "{begun}: it {did} {size}{with} ({} against {}), which may be chance{could}.",
        words::percent(widest.accuracy),
        words::percent(widest.against_accuracy)
    ))
}
