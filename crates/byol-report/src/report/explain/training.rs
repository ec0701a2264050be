//! Sentences about how training went: how long, whether it collapsed, whether it was long enough.

use crate::report::advice::FEW_PASSES;
use crate::report::compare::{Comparison, Outcome};
use crate::report::load::RunData;
use crate::report::words;
use crate::run::record::{EpochRecord, LabelBudget, ResultName, Stage};

/// A projection deviation (1 when spread evenly, 0 when collapsed) below this is a sign of collapse.
const COLLAPSED_DEVIATION: f64 = 0.1;
/// BYOL's loss is 0 when online prediction and target agree entirely. A mean this small within the first tenth of
/// training is a sign that they agree because everything looks alike.
const COLLAPSED_LOSS: f64 = 0.02;
/// k-NN accuracy that rises by more than this between the last two quarters of its measurements is still rising.
const RISING: f64 = 0.005;
/// Image passes of published results on natural photographs.
const PUBLISHED: u64 = 10_000_000;

/// How long pre-training and each label budget's trainings took.
pub(super) fn effort(run: &RunData, budgets: &[LabelBudget]) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(found) = run.pretraining() {
        let mut text = format!(
            "Pre-training: {}, {} image passes",
            words::plural(found.epochs as u64, "epoch"),
            words::count(found.images)
        );
        if let Some(seconds) = found.seconds {
            text.push_str(&format!(", {}", words::duration(seconds)));
        }
        text.push_str(&format!(" ({:.1} images/s).", found.images_per_second));
        match found.ended_by.as_deref() {
            Some("patience") => text.push_str(" It stopped early because it no longer improved."),
            Some("interrupted") => text.push_str(" It was interrupted."),
            _ => {}
        }
        texts.push(text);
    }
    texts.extend(budgets.iter().filter_map(|&budget| effort_of(run, budget)));
    texts
}

fn effort_of(run: &RunData, budget: LabelBudget) -> Option<String> {
    let stage = |what: &str, stage: Stage| {
        let last = run.last_epochs(stage, Some(budget));
        (!last.is_empty()).then(|| format!("{what} {}", mean_effort(&last)))
    };
    let fit = |what: &str, name: ResultName| {
        let seconds: Vec<f64> = run.predictions_of(name, budget).iter().map(|record| record.seconds).collect();
        (!seconds.is_empty()).then(|| format!("{what} {}", words::duration(mean(&seconds))))
    };
    let parts: Vec<String> = [
        stage("baseline", Stage::Supervised),
        stage("fine-tuning", Stage::Finetune),
        fit("linear evaluation", ResultName::ByolLinear),
        fit("k-NN evaluation", ResultName::ByolKnn),
    ]
    .into_iter()
    .flatten()
    .collect();
    let draws = [Stage::Supervised, Stage::Finetune].map(|stage| run.last_epochs(stage, Some(budget)).len());
    let averaged = if draws.iter().any(|&draws| draws > 1) { " (means over label draws)" } else { "" };
    (!parts.is_empty()).then(|| format!("With {}{averaged}: {}.", words::budget(budget), parts.join("; ")))
}

/// `60 epochs, 2,400 images, 6.0 s`, as means over draws.
fn mean_effort(last: &[&EpochRecord]) -> String {
    let over = |value: &dyn Fn(&EpochRecord) -> f64| mean(&last.iter().map(|record| value(record)).collect::<Vec<_>>());
    let (epochs, images) = (over(&|record| record.epoch as f64), over(&|record| record.images as f64));
    let epochs =
        if epochs.fract() == 0.0 { words::plural(epochs as u64, "epoch") } else { format!("{epochs:.1} epochs") };
    format!(
        "{epochs}, {} image passes, {}",
        words::count(images.round() as u64),
        words::duration(over(&|record| record.seconds))
    )
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Signs of collapse: what was looked at, and what it showed.
pub(super) fn collapse(run: &RunData, comparisons: &[Comparison]) -> Vec<String> {
    let epochs = run.epochs(Stage::Pretrain, None, 0);
    let mut signs = Vec::new();
    let mut clear = Vec::new();
    if let Some(deviation) = epochs.iter().rev().find_map(|record| record.projection_deviation) {
        let value = format!("projection deviation {deviation:.2} at the end (1: evenly spread, 0: collapsed)");
        if deviation < COLLAPSED_DEVIATION { signs.push(value) } else { clear.push(value) }
    }
    if let Some(health) = epochs.iter().rev().find_map(|record| record.health) {
        // The figures are of images that were watched while training: held-out ones, or some of the pool.
        let images = health.images.map_or("the watched".to_owned(), |images| images.to_string());
        match health.collapse() {
            None if !health.tells() => {
                clear.push(format!("the representations of {images} images are too few to show a collapse"));
            }
            Some(seen) => signs.push(format!("of {images} images, {seen}")),
            None => clear.push(format!(
                "effective rank {:.0} of the representations and {:.0} of the projections of {images} images",
                health.representation.effective_rank, health.projection.effective_rank
            )),
        }
    }
    if let Some(last) = epochs.last() {
        let early = last.epochs.div_ceil(10);
        match epochs.iter().find(|record| record.epoch <= early && record.loss < COLLAPSED_LOSS) {
            Some(record) => signs.push(format!(
                "the loss was already {} after epoch {} of {}",
                words::figure(record.loss),
                record.epoch,
                record.epochs
            )),
            None => clear.push(format!(
                "loss {} after the first epoch, {} after the last",
                words::figure(epochs[0].loss),
                words::figure(last.loss)
            )),
        }
    }
    for found in comparisons.iter().filter(|found| found.name == ResultName::ByolKnn) {
        let value = format!(
            "k-NN {} against {} of {} with {}",
            words::percent(found.accuracy),
            words::percent(found.against_accuracy),
            if found.against == ResultName::GivenKnn { "the given weights" } else { "a random encoder" },
            words::budget(found.budget)
        );
        // What a test leaves undecided is no sign of either. Weights that were trained on more images may be better than BYOL
        // on these, without any collapse.
        match found.outcome() {
            Some(Outcome::Behind) if found.against == ResultName::GivenKnn => {}
            Some(Outcome::Behind) => signs.push(value),
            Some(Outcome::Ahead) => clear.push(value),
            Some(Outcome::Undecided) | None => {}
        }
    }
    let mut texts = Vec::new();
    if !signs.is_empty() {
        texts.push(format!(
            "{}: {}.",
            if signs.len() == 1 { "One sign of collapse" } else { "Signs of collapse" },
            signs.join("; ")
        ));
    }
    if !clear.is_empty() {
        let begun = if signs.is_empty() { "No sign of collapse in what was measured" } else { "Against collapse" };
        texts.push(format!("{begun}: {}.", clear.join("; ")));
    }
    texts
}

/// Whether pre-training went far enough to expect a gain, and whether it was still improving.
pub(super) fn reach(run: &RunData, comparisons: &[Comparison]) -> Vec<String> {
    let Some(found) = run.pretraining() else {
        return Vec::new();
    };
    let mut texts = Vec::new();
    let not_ahead = super::main_comparisons(comparisons).any(|found| found.outcome() != Some(Outcome::Ahead));
    if found.images < PUBLISHED && not_ahead {
        let (first, published) = (words::count(FEW_PASSES), words::count(PUBLISHED));
        let images = words::count(found.images);
        let behind = super::main_comparisons(comparisons).all(|found| found.difference() <= 0.0);
        texts.push(if found.images < FEW_PASSES {
            let so = if behind { " That may be why nothing was gained." } else { "" };
            format!(
                "{images} image passes are few: on natural photographs, gains began near {first} passes in this project's \
                 trials (ResNet-18 at 64 px), and published results use {published} or more.{so}"
            )
        } else {
            format!(
                "{images} image passes lie between the {first} at which gains on natural photographs began in this project's \
                 trials (ResNet-18 at 64 px) and the {published} or more of published results."
            )
        });
    }
    let epochs = run.epochs(Stage::Pretrain, None, 0);
    if let Some(Quarters { before, last, measurements }) = quarters(&epochs) {
        let values = format!(
            "{} on average over the last quarter of its {measurements} measurements, {} over the quarter before",
            words::percent(last),
            words::percent(before)
        );
        texts.push(if last - before > RISING {
            format!("k-NN accuracy was still rising at the last recorded epochs: {values}.")
        } else {
            format!("k-NN accuracy was not rising at the last recorded epochs: {values}.")
        });
    }
    texts
}

/// Mean k-NN accuracy of the last two quarters of its measurements.
struct Quarters {
    before: f64,
    last: f64,
    measurements: usize,
}

fn quarters(epochs: &[&EpochRecord]) -> Option<Quarters> {
    let knn: Vec<f64> = epochs.iter().filter_map(|record| record.knn_accuracy).collect();
    let (quarter, measurements) = (knn.len() / 4, knn.len());
    // Fewer measurements than eight are mostly noise.
    (quarter > 1).then(|| Quarters {
        before: mean(&knn[measurements - 2 * quarter..measurements - quarter]),
        last: mean(&knn[measurements - quarter..]),
        measurements,
    })
}

/// Whether k-NN accuracy was still rising at the last of these epochs.
pub(crate) fn still_rising(epochs: &[&EpochRecord]) -> bool {
    quarters(epochs).is_some_and(|found| found.last - found.before > RISING)
}
