//! What a run found, as statements with their values. Every statement is drawn from values that the run recorded: one for which there
//! is no value is not made. How it is said, `language` knows.

mod comparison;
mod headline;
mod training;

use super::compare::{Better, Comparison, compare};
use super::load::RunData;
use super::pretraining::Pretraining;
use crate::run::health::Sign;
use crate::run::record::{LabelBudget, ResultName, SelfTraining, Stage};
use crate::statistics::guess::Guess;

/// What a run found.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// For whoever wants one answer: the best classifier, how sure its accuracy is, what the unlabelled images were worth.
    pub headline: Vec<Answer>,
    /// Fine-tuned BYOL against the baseline at every label budget.
    pub verdict: Verdict,
    /// By topic, in reading order.
    pub statements: Vec<Statement>,
    /// Every pair of classifiers that could be compared, by label budget.
    pub comparisons: Vec<Comparison>,
}

/// One sentence or two of the headline.
#[derive(Clone, Debug)]
pub enum Answer {
    /// No classifier was evaluated.
    Verdict(Verdict),
    /// There are hardly any test images.
    TooFewTestImages { images: u64 },
    /// The classifier that is taken where none is named.
    Taken { finished: bool, name: ResultName, budget: LabelBudget, draws: usize, right: Right },
    /// How the taken classifier does beside guesses.
    Guessing { right: u64, images: u64, guess: Guess },
    /// Another classifier is better by more than chance; its name among results.
    Better(Better, ResultName),
    /// What pre-training gained, or lost where `gained` is not.
    Changed { gained: bool, pool: Pool, found: Vec<Comparison> },
    /// What this many test images could not tell.
    Undecided(Undecided),
    /// What pre-training was worth is unknown.
    Unknown { pool: Pool, verdict: Verdict },
    /// What pre-training is worth will be known later.
    NotYet { pool: Pool },
}

/// How often a classifier is right on the test images.
#[derive(Clone, Copy, Debug)]
pub enum Right {
    Of {
        right: u64,
        images: u64,
    },
    /// Single answers are not recorded; absent where no accuracy is.
    Accuracy(Option<f64>),
}

/// What pre-training learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Images besides the labelled ones.
    Unlabeled,
    /// The labelled ones, without their labels.
    Training,
}

impl Pool {
    pub(super) fn of(run: &RunData) -> Pool {
        if has_unlabeled(run) { Pool::Unlabeled } else { Pool::Training }
    }
}

/// Differences that the test images do not decide.
#[derive(Clone, Debug)]
pub struct Undecided {
    pub budgets: Vec<LabelBudget>,
    pub pool: Pool,
    pub test_images: u64,
    pub why: Doubt,
}

/// Why a difference is not decided.
#[derive(Clone, Debug)]
pub enum Doubt {
    /// There are hardly any test images.
    Few,
    /// As many answers are right with pre-training as without it.
    Equal,
    /// The widest of the differences may be chance.
    Chance { widest: Box<Comparison>, could: Option<Could> },
}

/// What could decide it.
#[derive(Clone, Copy, Debug)]
pub enum Could {
    /// There are images enough, but so many label draws differ too much.
    DrawsDiffer { draws: usize },
    /// So many test images.
    TestImages(u64),
}

/// Fine-tuned BYOL against the baseline.
#[derive(Clone, Debug)]
pub struct Verdict {
    pub finished: bool,
    pub baseline: ResultName,
    pub found: Found,
}

/// What of both can be compared.
#[derive(Clone, Debug)]
pub enum Found {
    /// Nothing: of these there is no result; where the list is empty, they share no label budget.
    Nothing {
        absent: Vec<ResultName>,
    },
    One(Box<Comparison>),
    Several(Vec<Comparison>),
}

/// What a paragraph says.
#[derive(Clone, Debug)]
pub enum Statement {
    Gain(Comparison),
    /// What self-training was worth.
    SelfTrained(SelfTrained),
    /// A way of evaluating the frozen encoder, against the same before BYOL.
    Control {
        name: ResultName,
        against: ResultName,
        found: Vec<Comparison>,
    },
    Classes(Vec<Extremes>),
    Pretrained(Pretraining),
    Trained(Trained),
    /// Signs of collapse.
    Signs(Vec<Look>),
    /// What speaks against collapse, beside signs of it where there are `some`.
    Clear {
        some: bool,
        looks: Vec<Look>,
    },
    /// The pre-training is short of what gains take.
    Passes {
        images: u64,
        reach: Reach,
    },
    /// Mean k-NN accuracy (0-1) of the last two quarters of its measurements.
    Knn {
        rising: bool,
        before: f64,
        last: f64,
        measurements: usize,
    },
    /// There is one label draw with each of these.
    OneDraw(Vec<LabelBudget>),
    /// There are few label draws with each of these: so many at least and at most.
    FewDraws {
        least: usize,
        most: usize,
        budgets: Vec<LabelBudget>,
    },
    /// The tests of all comparisons, so many, are not corrected for their number.
    Uncorrected {
        tests: usize,
    },
    OnePretraining,
    /// Settings in which baseline and fine-tuning differ: key, and both values.
    TrainedUnlike(Vec<(String, String, String)>),
    /// With this budget there is no result of these.
    NoResult {
        budget: LabelBudget,
        names: Vec<ResultName>,
    },
    NoPretraining,
}

/// What self-training was worth with one label budget.
#[derive(Clone, Debug)]
pub struct SelfTrained {
    pub budget: LabelBudget,
    /// Against fine-tuning, where the answers of both are recorded.
    pub comparison: Option<Comparison>,
    /// Of each label draw.
    pub trained: Vec<SelfTraining>,
}

/// The class that gained most and the one that lost most, where some did: number, name, accuracy before and after (0-1).
#[derive(Clone, Debug)]
pub struct Extremes {
    pub budget: LabelBudget,
    pub gained: Option<ClassChange>,
    pub lost: Option<ClassChange>,
}

/// How a class did before and after.
#[derive(Clone, Debug)]
pub struct ClassChange {
    pub class: String,
    pub before: f64,
    pub after: f64,
}

/// How long the trainings with one label budget took, as means over draws.
#[derive(Clone, Debug)]
pub struct Trained {
    pub budget: LabelBudget,
    pub averaged: bool,
    pub stages: Vec<(Stage, Effort)>,
    /// Seconds of fitting and predicting.
    pub fits: Vec<(ResultName, f64)>,
}

#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub epochs: f64,
    pub images: f64,
    pub seconds: f64,
}

/// One thing that was looked at to see whether the representation collapsed.
#[derive(Clone, Debug)]
pub enum Look {
    Deviation(f64),
    /// Of so many watched images, too few to be judged.
    TooFew {
        images: Option<usize>,
    },
    Collapsed {
        images: Option<usize>,
        signs: Vec<Sign>,
    },
    /// Effective ranks.
    Ranks {
        images: Option<usize>,
        representation: f64,
        projection: f64,
    },
    LowLoss {
        loss: f64,
        epoch: usize,
        epochs: usize,
    },
    Loss {
        first: f64,
        last: f64,
    },
    Knn(Comparison),
}

/// How far pre-training went beside where gains begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Not there; `nothing_gained` is what came of it.
    Short { nothing_gained: bool },
    /// Between there and what publications use.
    Between,
}

/// What a paragraph is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Fine-tuned BYOL against the supervised baseline.
    Gain,
    /// Self-trained against fine-tuned BYOL.
    SelfTraining,
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

impl Statement {
    /// What it is about.
    pub fn topic(&self) -> Topic {
        match self {
            Statement::Gain(_) => Topic::Gain,
            Statement::SelfTrained(_) => Topic::SelfTraining,
            Statement::Control { .. } => Topic::Control,
            Statement::Classes(_) => Topic::Classes,
            Statement::Pretrained(_) | Statement::Trained(_) => Topic::Effort,
            Statement::Signs(_) | Statement::Clear { .. } => Topic::Collapse,
            Statement::Passes { .. } | Statement::Knn { .. } => Topic::Reach,
            Statement::OneDraw(_)
            | Statement::FewDraws { .. }
            | Statement::Uncorrected { .. }
            | Statement::OnePretraining
            | Statement::TrainedUnlike(_) => Topic::Caveat,
            Statement::NoResult { .. } | Statement::NoPretraining => Topic::Missing,
        }
    }
}

/// Says what `run` found.
pub fn explain(run: &RunData) -> Explanation {
    let budgets = run.budgets();
    let comparisons: Vec<Comparison> = budgets
        .iter()
        .flat_map(|&budget| run.pairs().into_iter().map(move |(name, against)| compare(run, name, against, budget)))
        .flatten()
        .collect();
    let mut statements: Vec<Statement> = main_comparisons(&comparisons).cloned().map(Statement::Gain).collect();
    statements.extend(comparison::self_training(run, &budgets, &comparisons));
    statements.extend(comparison::controls(run, &comparisons));
    statements.extend(comparison::classes(run, &comparisons));
    statements.extend(training::effort(run, &budgets));
    statements.extend(training::collapse(run, &comparisons));
    statements.extend(training::reach(run, &comparisons));
    statements.extend(comparison::caveats(run, &comparisons));
    if run.finished() {
        statements.extend(missing(run, &budgets));
    }
    let verdict = verdict(run, &comparisons);
    Explanation { headline: headline::headline(run, &comparisons, &verdict), verdict, statements, comparisons }
}

pub(crate) use headline::{MOST_TEST_IMAGES, has_unlabeled};
pub(crate) use training::{PUBLISHED, still_rising};

/// The comparisons of fine-tuned BYOL with the baseline.
fn main_comparisons(comparisons: &[Comparison]) -> impl Iterator<Item = &Comparison> {
    comparisons.iter().filter(|found| found.name == ResultName::PRETRAINED_FINETUNED)
}

fn verdict(run: &RunData, comparisons: &[Comparison]) -> Verdict {
    let baseline = run.control().baseline();
    let mut found: Vec<Comparison> = main_comparisons(comparisons).cloned().collect();
    let found = match found.len() {
        0 => {
            let evaluated = |name| run.budgets().iter().any(|&budget| run.accuracy(name, budget).is_some());
            let names = [baseline, ResultName::PRETRAINED_FINETUNED].into_iter();
            Found::Nothing { absent: names.filter(|&name| !evaluated(name)).collect() }
        }
        1 => Found::One(Box::new(found.remove(0))),
        _ => Found::Several(found),
    };
    Verdict { finished: run.finished(), baseline, found }
}

/// The classifiers that other label budgets, or none, have.
fn missing(run: &RunData, budgets: &[LabelBudget]) -> Vec<Statement> {
    let absent = |&budget: &LabelBudget| {
        let names = run.classifiers().into_iter().filter(|&name| run.accuracy(name, budget).is_none());
        Statement::NoResult { budget, names: names.collect() }
    };
    let mut found: Vec<Statement> = budgets.iter().map(absent).collect();
    found.retain(|found| !matches!(found, Statement::NoResult { names, .. } if names.is_empty()));
    if run.pretraining().is_none() {
        found.push(Statement::NoPretraining);
    }
    found
}

#[cfg(test)]
mod tests;
