//! The explanation: a paragraph for each statement, under a heading for each topic.

use std::cmp::Ordering;

use super::charts::EVERY_DIFFERENCE;
use super::explain::{Detail, accuracies, by_outcome, interval};
use super::names::{budget, budgets, classifier, from_to, signs, stage};
use super::numbers::{capital, count, duration, figure, list, p_value, percent, plural, points, size};
use super::selftraining::paragraph;
use crate::report::advice::FEW_PASSES;
use crate::report::compare::{Comparison, Outcome, Paired};
use crate::report::explain::{ClassChange, Effort, Extremes, Look, PUBLISHED, Reach, Statement, Topic, Trained};
use crate::report::pretraining::Pretraining;
use crate::run::record::{Ended, ResultName};
use crate::statistics::significance::McNemar;

/// Above what is said of a topic.
pub fn heading(topic: Topic) -> &'static str {
    match topic {
        Topic::Gain => "Fine-tuned BYOL against the baseline",
        Topic::SelfTraining => "Self-training",
        Topic::Control => "The frozen encoder before and after BYOL",
        Topic::Classes => "By class, from baseline to fine-tuned BYOL",
        Topic::Effort => "How long each trained",
        Topic::Collapse => "Signs of collapse",
        Topic::Reach => "Length of pre-training",
        Topic::Caveat => "What these numbers cannot tell",
        Topic::Missing => "What is missing",
    }
}

/// A few sentences.
pub fn statement(statement: &Statement) -> String {
    match statement {
        Statement::Gain(found) => format!("{} {}", gain(found), tests(found)).trim().to_owned(),
        Statement::SelfTrained(found) => paragraph(found),
        Statement::Control { name, against, found } => format!(
            "{} against {}: {}.",
            capital(classifier(*name)),
            classifier(*against),
            by_outcome(found, Detail::Interval)
        ),
        Statement::Classes(found) => found.iter().map(extremes).collect::<Vec<_>>().join(" "),
        Statement::Pretrained(found) => pretrained(found),
        Statement::Trained(found) => trained(found),
        Statement::Signs(looks) => format!(
            "{}: {}.",
            if looks.len() == 1 { "One sign of collapse" } else { "Signs of collapse" },
            looked(looks)
        ),
        Statement::Clear { some: true, looks } => format!("Evidence against collapse: {}.", looked(looks)),
        Statement::Clear { some: false, looks } => {
            format!("No sign of collapse in what was measured: {}.", looked(looks))
        }
        Statement::Passes { images, reach } => passes(*images, *reach),
        Statement::Knn { rising, before, last, measurements } => format!(
            "k-NN accuracy was {} at the last recorded epochs: {} on average over the last quarter of its {measurements} \
             measurements, {} over the quarter before.",
            if *rising { "still rising" } else { "not rising" },
            percent(*last),
            percent(*before)
        ),
        Statement::OneDraw(with) => format!(
            "With {} there is only one label draw, so its interval covers variation between test images, but not between label \
             draws or training runs.",
            budgets(with.iter().copied())
        ),
        Statement::FewDraws { least, most, budgets: with } => format!(
            "{} label draws (with {}) say little about how much draws differ; intervals from so few tend to be too narrow.",
            from_to(*least, *most),
            budgets(with.iter().copied())
        ),
        Statement::Uncorrected { tests } => {
            format!(
                "The p-values of the {tests} McNemar tests under “{EVERY_DIFFERENCE}” are not corrected for multiple testing."
            )
        }
        Statement::OnePretraining => {
            "The encoder was pre-trained once, so no interval here covers variation between pre-training runs."
                .to_owned()
        }
        Statement::TrainedUnlike(settings) => {
            let differing: Vec<String> =
                settings.iter().map(|(key, one, other)| format!("{key} ({one} and {other})")).collect();
            format!("The baseline and fine-tuning were not trained alike: they differ in {}.", list(&differing))
        }
        Statement::NoResult { budget: with, names } => {
            let names: Vec<String> = names.iter().map(|&name| classifier(name).to_owned()).collect();
            format!("With {} there is no result for {}.", budget(*with), list(&names))
        }
        Statement::NoPretraining => "No pre-training is recorded.".to_owned(),
    }
}

/// `With 10 labels per class, A is ahead of B by 7.3 points: 61.2% against 53.9% (…).`
fn gain(found: &Comparison) -> String {
    let (name, against) = (classifier(found.name), classifier(found.against));
    let begun = format!("With {}, {name}", budget(found.budget));
    let draws = plural(found.draws as u64, "label draw");
    let seen = match &found.paired {
        Some(Paired { test_images, .. }) => format!("{draws}, {}", plural(*test_images as u64, "test image")),
        None => draws,
    };
    let (size, accuracies, beside) =
        (size(found.difference()), accuracies(found), format!("({}; {seen})", interval(found)));
    let points = points(found.difference());
    match found.outcome() {
        Some(Outcome::Ahead) => format!("{begun} is ahead of {against} by {size}: {accuracies} {beside}."),
        Some(Outcome::Behind) => format!("{begun} is behind {against} by {size}: {accuracies} {beside}."),
        Some(Outcome::Undecided) => {
            format!("{begun} and {against} cannot be told apart: {accuracies}, {points} points {beside}.")
        }
        None => format!("{begun} differs from {against} by {points} points: {accuracies} {beside}."),
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
            Ordering::Greater if opposite => format!(" for {}", classifier(found.name)),
            Ordering::Less if opposite => format!(" for {}", classifier(found.against)),
            _ => String::new(),
        };
        format!("draw {}: {}{way}", draw + 1, p_value(test.p_value))
    };
    let draws: Vec<String> = paired.tests.iter().map(one).collect();
    let odds = if opposite { " The draws contradict each other." } else { "" };
    format!("Exact McNemar test, {}.{odds}", draws.join("; "))
}

fn extremes(found: &Extremes) -> String {
    let one = |ClassChange { class, before, after }: &ClassChange, what: &str| {
        format!("{class} {what} most ({} to {})", percent(*before), percent(*after))
    };
    let text = match (&found.gained, &found.lost) {
        (Some(gained), Some(lost)) => format!("{}, {}", one(gained, "gains"), one(lost, "loses")),
        (Some(gained), None) => format!("{}, no class loses", one(gained, "gains")),
        (None, Some(lost)) => format!("{}, no class gains", one(lost, "loses")),
        (None, None) => "no class gains or loses".to_owned(),
    };
    format!("With {}: {text}.", budget(found.budget))
}

fn pretrained(found: &Pretraining) -> String {
    let took = found.seconds.map_or_else(String::new, |seconds| format!(", {}", duration(seconds)));
    let ended = match found.ended_by {
        Some(Ended::Patience) => " It stopped early because it no longer improved.",
        Some(Ended::Interrupted) => " It was interrupted.",
        Some(Ended::Epochs) | None => "",
    };
    format!(
        "Pre-training: {}, {} image passes{took} ({:.1} images/s, monitoring included).{ended}",
        plural(found.epochs as u64, "epoch"),
        count(found.images),
        found.images_per_second
    )
}

fn trained(found: &Trained) -> String {
    let stages = found.stages.iter().map(|&(of, effort)| format!("{} {}", stage(of), took(effort)));
    let fits = found.fits.iter().map(|&(name, seconds)| {
        let what = if name == ResultName::PRETRAINED_LINEAR { "linear evaluation" } else { "k-NN evaluation" };
        format!("{what} {}", duration(seconds))
    });
    let averaged = if found.averaged { " (means over label draws)" } else { "" };
    format!("With {}{averaged}: {}.", budget(found.budget), stages.chain(fits).collect::<Vec<_>>().join("; "))
}

/// `60 epochs, 2,400 image passes, 6.0 s`
fn took(Effort { epochs, images, seconds }: Effort) -> String {
    let epochs = if epochs.fract() == 0.0 { plural(epochs as u64, "epoch") } else { format!("{epochs:.1} epochs") };
    format!("{epochs}, {} image passes, {}", count(images.round() as u64), duration(seconds))
}

fn looked(looks: &[Look]) -> String {
    looks.iter().map(look).collect::<Vec<_>>().join("; ")
}

fn look(look: &Look) -> String {
    // The figures are of images that were watched while training: held-out ones, or some of the pool.
    let of = |images: &Option<usize>| images.map_or_else(|| "the watched".to_owned(), |images| images.to_string());
    match look {
        Look::Deviation(deviation) => {
            format!("projection deviation {deviation:.2} at the end (1: evenly spread, 0: collapsed)")
        }
        Look::TooFew { images } => {
            format!("{} images are too few to show a collapse of their representations", of(images))
        }
        Look::Collapsed { images, signs: seen } => format!("of {} images, {}", of(images), signs(seen)),
        Look::Ranks { images, representation, projection } => format!(
            "effective rank {representation:.0} of the representations and {projection:.0} of the projections of {} images",
            of(images)
        ),
        Look::LowLoss { loss, epoch, epochs } => {
            format!("the loss was already {} after epoch {epoch} of {epochs}", figure(*loss))
        }
        Look::Loss { first, last } => {
            format!("loss {} after the first epoch, {} after the last", figure(*first), figure(*last))
        }
        Look::Knn(found) => {
            let given = found.against == ResultName::GIVEN_KNN;
            let of = if given { "the given weights" } else { "a random encoder" };
            format!("k-NN {} of {of} with {}", accuracies(found), budget(found.budget))
        }
    }
}

fn passes(images: u64, reach: Reach) -> String {
    let (images, first, published) = (count(images), count(FEW_PASSES), count(PUBLISHED));
    match reach {
        Reach::Short { nothing_gained } => {
            let so = if nothing_gained { " That may be why nothing was gained." } else { "" };
            format!(
                "{images} image passes are few: on natural photographs, gains began near {first} passes in this project's \
                 trials (ResNet-18 at 64 px), and published results use {published} or more.{so}"
            )
        }
        Reach::Between => format!(
            "{images} image passes lie between the {first} at which gains on natural photographs began in this project's \
             trials (ResNet-18 at 64 px) and the {published} or more of published results."
        ),
    }
}
