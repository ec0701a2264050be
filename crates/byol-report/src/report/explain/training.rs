//! Statements about how training went: how long, whether it collapsed, whether it was long enough.

use super::{Effort, Look, Reach, Statement, Trained, main_comparisons};
use crate::report::advice::FEW_PASSES;
use crate::report::compare::{Comparison, Outcome};
use crate::report::load::RunData;
use crate::run::record::{EpochRecord, LabelBudget, ResultName, Stage};

/// A projection deviation (1 when spread evenly, 0 when collapsed) below this is a sign of collapse.
const COLLAPSED_DEVIATION: f64 = 0.1;
/// BYOL's loss is 0 when online prediction and target agree entirely. A mean this small within the first tenth of
/// training is a sign that they agree because everything looks alike.
const COLLAPSED_LOSS: f64 = 0.02;
/// k-NN accuracy that rises by more than this between the last two quarters of its measurements is still rising.
const RISING: f64 = 0.005;
/// Image passes of published results on natural photographs.
pub(crate) const PUBLISHED: u64 = 10_000_000;

/// How long pre-training and each label budget's trainings took.
pub(super) fn effort(run: &RunData, budgets: &[LabelBudget]) -> Vec<Statement> {
    let pretrained = run.pretraining().map(Statement::Pretrained);
    let trained = budgets.iter().filter_map(|&budget| effort_of(run, budget)).map(Statement::Trained);
    pretrained.into_iter().chain(trained).collect()
}

fn effort_of(run: &RunData, budget: LabelBudget) -> Option<Trained> {
    let of_stage = |stage: Stage| (stage, run.last_epochs(stage, Some(budget)));
    let fit = |name: ResultName| {
        let seconds: Vec<f64> = run.predictions_of(name, budget).iter().map(|record| record.seconds).collect();
        (!seconds.is_empty()).then(|| (name, mean(&seconds)))
    };
    let last = [of_stage(Stage::Supervised), of_stage(Stage::Finetune), of_stage(Stage::Selftrain)];
    let trained = Trained {
        budget,
        averaged: last.iter().any(|(_, last)| last.len() > 1),
        stages: last
            .iter()
            .filter(|(_, last)| !last.is_empty())
            .map(|(stage, last)| (*stage, mean_effort(last)))
            .collect(),
        fits: [ResultName::PRETRAINED_LINEAR, ResultName::PRETRAINED_KNN].into_iter().filter_map(fit).collect(),
    };
    (!trained.stages.is_empty() || !trained.fits.is_empty()).then_some(trained)
}

/// Means over draws.
fn mean_effort(last: &[&EpochRecord]) -> Effort {
    let over = |value: &dyn Fn(&EpochRecord) -> f64| mean(&last.iter().map(|record| value(record)).collect::<Vec<_>>());
    Effort {
        epochs: over(&|record| record.epoch as f64),
        images: over(&|record| record.images as f64),
        seconds: over(&|record| record.seconds),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Signs of collapse: what was looked at, and what it showed.
pub(super) fn collapse(run: &RunData, comparisons: &[Comparison]) -> Vec<Statement> {
    let epochs = run.epochs(Stage::Pretrain, None, 0);
    let mut signs = Vec::new();
    let mut clear = Vec::new();
    if let Some(deviation) = epochs.iter().rev().find_map(|record| record.projection_deviation) {
        let into = if deviation < COLLAPSED_DEVIATION { &mut signs } else { &mut clear };
        into.push(Look::Deviation(deviation));
    }
    if let Some(health) = epochs.iter().rev().find_map(|record| record.health) {
        let (images, seen) = (health.images, health.collapse());
        if !seen.is_empty() {
            signs.push(Look::Collapsed { images, signs: seen });
        } else if !health.tells() {
            clear.push(Look::TooFew { images });
        } else {
            let [representation, projection] =
                [health.representation, health.projection].map(|spread| spread.effective_rank);
            clear.push(Look::Ranks { images, representation, projection });
        }
    }
    if let Some(last) = epochs.last() {
        let early = last.epochs.div_ceil(10);
        match epochs.iter().find(|record| record.epoch <= early && record.loss < COLLAPSED_LOSS) {
            Some(record) => {
                signs.push(Look::LowLoss { loss: record.loss, epoch: record.epoch, epochs: record.epochs });
            }
            None => clear.push(Look::Loss { first: epochs[0].loss, last: last.loss }),
        }
    }
    for found in comparisons.iter().filter(|found| found.name == ResultName::PRETRAINED_KNN) {
        // What a test leaves undecided is no sign of either. Weights that were trained on more images may be better than BYOL
        // on these, without any collapse.
        match found.outcome() {
            Some(Outcome::Behind) if found.against == ResultName::GIVEN_KNN => {}
            Some(Outcome::Behind) => signs.push(Look::Knn(found.clone())),
            Some(Outcome::Ahead) => clear.push(Look::Knn(found.clone())),
            Some(Outcome::Undecided) | None => {}
        }
    }
    let some = !signs.is_empty();
    let mut found = Vec::new();
    if some {
        found.push(Statement::Signs(signs));
    }
    if !clear.is_empty() {
        found.push(Statement::Clear { some, looks: clear });
    }
    found
}

/// Whether pre-training went far enough to expect a gain, and whether it was still improving.
pub(super) fn reach(run: &RunData, comparisons: &[Comparison]) -> Vec<Statement> {
    let Some(pretraining) = run.pretraining() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let images = pretraining.images;
    let not_ahead = main_comparisons(comparisons).any(|found| found.outcome() != Some(Outcome::Ahead));
    if images < PUBLISHED && not_ahead {
        let nothing_gained = main_comparisons(comparisons).all(|found| found.difference() <= 0.0);
        let reach = if images < FEW_PASSES { Reach::Short { nothing_gained } } else { Reach::Between };
        found.push(Statement::Passes { images, reach });
    }
    let epochs = run.epochs(Stage::Pretrain, None, 0);
    if let Some(Quarters { before, last, measurements }) = quarters(&epochs) {
        found.push(Statement::Knn { rising: last - before > RISING, before, last, measurements });
    }
    found
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
