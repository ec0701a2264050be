//! Statements about differences between classifiers, and about what those differences cannot tell.

use super::{ClassChange, Extremes, SelfTrained, Statement, main_comparisons};
use crate::report::compare::{Comparison, confusion};
use crate::report::load::RunData;
use crate::run::record::{Control, LabelBudget, ResultName};

/// Below this many draws the bootstrap knows too little of how draws differ, and its interval tends to be too narrow.
const FEW_DRAWS: usize = 5;

/// The frozen encoder against the one before BYOL, for each way of evaluating.
pub(super) fn controls(run: &RunData, comparisons: &[Comparison]) -> Vec<Statement> {
    let of_pair = |&(name, against)| {
        let found: Vec<Comparison> = comparisons.iter().filter(|found| found.name == name).cloned().collect();
        (!found.is_empty()).then_some(Statement::Control { name, against, found })
    };
    run.control().pairs()[1..].iter().filter_map(of_pair).collect()
}

/// What self-training was worth, with each label budget that had one.
pub(super) fn self_training(run: &RunData, budgets: &[LabelBudget], comparisons: &[Comparison]) -> Vec<Statement> {
    let name = ResultName::PRETRAINED_SELFTRAINED;
    let of_budget = |&budget: &LabelBudget| {
        let trained: Vec<_> =
            run.predictions_of(name, budget).iter().filter_map(|record| record.self_training.clone()).collect();
        let comparison = comparisons.iter().find(|found| (found.name, found.budget) == (name, budget)).cloned();
        (!trained.is_empty()).then_some(Statement::SelfTrained(SelfTrained { budget, comparison, trained }))
    };
    budgets.iter().filter_map(of_budget).collect()
}

/// The class that gained most and the one that lost most, for each label budget.
pub(super) fn classes(run: &RunData, comparisons: &[Comparison]) -> Option<Statement> {
    let found: Vec<Extremes> = main_comparisons(comparisons).filter_map(|found| extremes(run, found)).collect();
    (!found.is_empty()).then_some(Statement::Classes(found))
}

fn extremes(run: &RunData, found: &Comparison) -> Option<Extremes> {
    let [ours, theirs] =
        [found.name, found.against].map(|name| Some(confusion(run, name, found.budget)?.class_accuracies()));
    let mut changes: Vec<ClassChange> = Vec::new();
    for (class, pair) in ours?.iter().zip(&theirs?).enumerate() {
        if let (Some(after), Some(before)) = pair {
            let class = run.class_name(u16::try_from(class).ok()?);
            changes.push(ClassChange { class, before: *before, after: *after });
        }
    }
    let change = |class: &ClassChange| class.after - class.before;
    let gained = changes.iter().max_by(|a, b| change(a).total_cmp(&change(b)))?;
    let lost = changes.iter().min_by(|a, b| change(a).total_cmp(&change(b)))?;
    let extremes = Extremes {
        budget: found.budget,
        gained: Some(gained.clone()).filter(|class| change(class) > 0.0),
        lost: Some(lost.clone()).filter(|class| change(class) < 0.0),
    };
    (extremes.gained.is_some() || extremes.lost.is_some()).then_some(extremes)
}

/// What the intervals and tests leave out.
pub(super) fn caveats(run: &RunData, comparisons: &[Comparison]) -> Vec<Statement> {
    let main: Vec<&Comparison> = main_comparisons(comparisons).collect();
    let budgets = |with: &dyn Fn(usize) -> bool| -> Vec<LabelBudget> {
        main.iter().filter(|found| with(found.draws)).map(|found| found.budget).collect()
    };
    let mut found = Vec::new();
    let single = budgets(&|draws| draws == 1);
    if !single.is_empty() {
        found.push(Statement::OneDraw(single));
    }
    let few = || main.iter().map(|found| found.draws).filter(|draws| (2..FEW_DRAWS).contains(draws));
    if let (Some(least), Some(most)) = (few().min(), few().max()) {
        let budgets = budgets(&|draws| (2..FEW_DRAWS).contains(&draws));
        found.push(Statement::FewDraws { least, most, budgets });
    }
    // All that the table of differences shows.
    let tests: usize =
        comparisons.iter().filter_map(|found| found.paired.as_ref()).map(|paired| paired.tests.len()).sum();
    if tests > 1 {
        found.push(Statement::Uncorrected { tests });
    }
    if !main.is_empty() && run.pretraining().is_some() {
        found.push(Statement::OnePretraining);
    }
    found.extend(unequal_arms(run));
    found
}

/// Settings in which baseline and fine-tuning differ. Given weights are trained as those of BYOL are.
fn unequal_arms(run: &RunData) -> Option<Statement> {
    if run.control() == Control::Given {
        return None;
    }
    let config = run.config.as_ref()?;
    let (baseline, fine_tuning) = (config.get("supervised")?.as_table()?, config.get("finetune")?.as_table()?);
    let differing: Vec<(String, String, String)> = baseline
        .iter()
        .filter_map(|(key, value)| {
            let other = fine_tuning.get(key)?;
            (other != value).then(|| (key.clone(), value.to_string(), other.to_string()))
        })
        .collect();
    (!differing.is_empty()).then_some(Statement::TrainedUnlike(differing))
}
