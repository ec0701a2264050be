//! What a run found, for whoever wants one answer: how good the classifier is that is taken, how sure that is, and what the
//! unlabelled images were worth.

use super::{Answer, Could, Doubt, Pool, Right, Undecided, Verdict, main_comparisons};
use crate::report::choice::{Taken, answers, taken};
use crate::report::compare::{Comparison, FEW_TEST_IMAGES, Outcome, better};
use crate::report::load::RunData;

/// More test images than this are no advice.
pub(crate) const MOST_TEST_IMAGES: u64 = 100_000;

/// The answers in reading order. `verdict` stands in where no classifier was evaluated.
pub(super) fn headline(run: &RunData, comparisons: &[Comparison], verdict: &Verdict) -> Vec<Answer> {
    let Some(taken) = taken(run) else { return vec![Answer::Verdict(verdict.clone())] };
    let main: Vec<&Comparison> = main_comparisons(comparisons).collect();
    let of = |outcome: Outcome| -> Vec<Comparison> {
        main.iter().copied().filter(|found| found.outcome() == Some(outcome)).cloned().collect()
    };
    let pool = Pool::of(run);
    let mut found = how_good(run, &taken);
    found.extend(better(run, &taken).map(|better| {
        let name = run.name_of(better.candidate.kind);
        Answer::Better(better, name)
    }));
    for (outcome, gained) in [(Outcome::Ahead, true), (Outcome::Behind, false)] {
        let changed = of(outcome);
        if !changed.is_empty() {
            found.push(Answer::Changed { gained, pool, found: changed });
        }
    }
    found.extend(undecided(&of(Outcome::Undecided), pool).map(Answer::Undecided));
    if main.is_empty() {
        found.push(match run.finished() {
            true => Answer::Unknown { pool, verdict: verdict.clone() },
            false => Answer::NotYet { pool },
        });
    }
    found
}

/// Whether pre-training had images besides the labelled ones.
pub(crate) fn has_unlabeled(run: &RunData) -> bool {
    let pools = run.summary.iter().flat_map(|summary| &summary.data.unlabeled);
    // The pool of the labelled training images has this name.
    pools.into_iter().any(|pool| pool.name != "train")
}

/// The classifier that is taken, how sure its accuracy is, and whether it is any better than guessing.
fn how_good(run: &RunData, taken: &Taken) -> Vec<Answer> {
    let (name, budget, finished) = (run.name_of(taken.kind), taken.budget, run.finished());
    let draws = run.predictions_of(name, budget).len();
    let record = answers(&run.predictions, run.control(), (taken.kind, budget));
    let known = record.zip(run.test_labels()).filter(|(_, labels)| !labels.is_empty());
    let Some((record, labels)) = known else {
        let right = Right::Accuracy(run.accuracy(name, budget).map(|found| found.mean));
        return vec![Answer::Taken { finished, name, budget, draws: 1, right }];
    };
    let right = record.predicted.iter().zip(labels).filter(|(answer, label)| answer == label).count() as u64;
    let images = labels.len() as u64;
    let mut found = Vec::new();
    if images < FEW_TEST_IMAGES as u64 {
        found.push(Answer::TooFewTestImages { images });
    }
    found.push(Answer::Taken { finished, name, budget, draws, right: Right::Of { right, images } });
    found.extend(run.guess().map(|guess| Answer::Guessing { right, images, guess }));
    found
}

/// What this many test images could not tell, and how many could.
fn undecided(found: &[Comparison], pool: Pool) -> Option<Undecided> {
    // The widest difference is the first that more images would show.
    let widest = found.iter().max_by(|a, b| a.difference().abs().total_cmp(&b.difference().abs()))?;
    let paired = widest.paired.as_ref()?;
    let why = if paired.few() {
        Doubt::Few
    } else if widest.difference().abs() < 5e-4 {
        Doubt::Equal
    } else {
        let could = match paired.images_needed {
            Some(needed) if needed <= paired.test_images as u64 => Some(Could::DrawsDiffer { draws: widest.draws }),
            Some(needed) if needed <= MOST_TEST_IMAGES => Some(Could::TestImages(needed)),
            _ => None,
        };
        Doubt::Chance { widest: Box::new(widest.clone()), could }
    };
    let budgets = found.iter().map(|found| found.budget).collect();
    Some(Undecided { budgets, pool, test_images: paired.test_images as u64, why })
}
