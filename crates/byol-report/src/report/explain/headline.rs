//! What a run found, for whoever wants one answer: how good the best classifier is, how sure that is, and what the
//! unlabelled images were worth.

use super::main_comparisons;
use crate::report::best::best;
use crate::report::compare::{Comparison, Outcome};
use crate::report::load::RunData;
use crate::report::words;
use crate::statistics::wilson;

/// More test images than this are no advice.
pub(crate) const MOST_TEST_IMAGES: u64 = 100_000;

/// Three sentences at most. `verdict` stands in where no classifier was evaluated.
pub(super) fn headline(run: &RunData, comparisons: &[Comparison], verdict: &str) -> String {
    let Some(how_good) = how_good(run) else { return verdict.to_owned() };
    let main: Vec<&Comparison> = main_comparisons(comparisons).collect();
    let of = |outcome: Option<Outcome>| main.iter().copied().filter(move |found| found.outcome() == outcome);
    let unlabeled =
        if has_unlabeled(run) { "the unlabelled images" } else { "the training images without their labels" };
    let mut texts = vec![how_good];
    for (outcome, did) in [(Outcome::Ahead, "gained"), (Outcome::Behind, "lost")] {
        let found: Vec<String> = of(Some(outcome)).map(change).collect();
        if !found.is_empty() {
            texts.push(format!("Pre-training on {unlabeled} {did} {}.", words::list(&found)));
        }
    }
    texts.extend(undecided(&of(Some(Outcome::Undecided)).collect::<Vec<_>>()));
    if main.is_empty() {
        texts.push(match run.finished() {
            true => {
                format!("What {unlabeled} were worth is not told: {}.", words::uncapital(verdict.trim_end_matches('.')))
            }
            false => format!("What {unlabeled} are worth is told when fine-tuning has been evaluated."),
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

/// The best classifier and how sure its accuracy is.
fn how_good(run: &RunData) -> Option<String> {
    let best = best(run)?;
    let begun = if run.finished() { "The best classifier is" } else { "The best classifier so far is" };
    let classifier = format!("{} with {}", words::classifier(best.name), words::budget(best.budget));
    let accuracy = words::percent(best.accuracy.mean);
    let Some(images) = run.test_labels().map(|labels| labels.len() as u64) else {
        return Some(format!("{begun} {classifier}: it is right about {accuracy} of the test images."));
    };
    let right = (best.accuracy.mean * images as f64).round() as u64;
    let (low, high) = wilson(right.min(images), images).ok()?;
    Some(format!(
        "{begun} {classifier}: it is right about {accuracy} of {}; of new images like these it would be {} to {} (95% interval).",
        words::plural(images, "test image"),
        words::whole_percent(low),
        words::whole_percent(high)
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
fn undecided(found: &[&Comparison]) -> Option<String> {
    // The widest difference is the first that more images would show.
    let widest = *found.iter().max_by(|a, b| a.difference().abs().total_cmp(&b.difference().abs()))?;
    let budgets: Vec<String> = found.iter().map(|found| words::budget(found.budget)).collect();
    let begun = format!("Not decided with {}", words::list(&budgets));
    let Some(paired) = &widest.paired else { return Some(format!("{begun}.")) };
    let images = words::plural(paired.test_images as u64, "test image");
    let size = words::size(widest.difference());
    if widest.difference().abs() < 5e-4 {
        return Some(format!("{begun}: both were right equally often about {images}."));
    }
    let did = if widest.difference() > 0.0 { "gained" } else { "lost" };
    let with = if found.len() > 1 { format!(" with {}", words::budget(widest.budget)) } else { String::new() };
    let could = match paired.images_needed {
        Some(needed) if needed <= paired.test_images as u64 => {
            format!(
                "but {} differ too much to tell {size} from chance",
                words::plural(widest.draws as u64, "label draw")
            )
        }
        Some(needed) if needed <= MOST_TEST_IMAGES => {
            format!("but {images} cannot tell {size} from chance; some {} could", words::about(needed))
        }
        _ => format!("but {images} cannot tell {size} from chance"),
    };
    Some(format!(
        "{begun}: pre-training {did} {size}{with} ({} against {}), {could}.",
        words::percent(widest.accuracy),
        words::percent(widest.against_accuracy)
    ))
}
