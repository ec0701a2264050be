//! Which labels each part of an experiment uses, settled before anything is trained.

use crate::config::Experiment;
use crate::data::splits::{FoldPlan, draw_folds, label_draw};
use crate::data::{DataError, Dataset, LabeledImages};
use crate::run::record::LabelBudget;

/// The labels of one budget and draw.
pub(super) struct Part {
    pub budget: LabelBudget,
    /// Which draw of labels, or which fold, from 0.
    pub draw: usize,
    pub indices: Vec<usize>,
}

/// Every label draw of every budget.
pub(super) fn plan(experiment: &Experiment, data: &Dataset, labeled: &LabeledImages) -> Result<Vec<Part>, DataError> {
    let classes = data.class_names.len();
    let mut parts = Vec::new();
    require_labels(experiment, data, labeled)?;
    for budget in settled(experiment, data) {
        let draws: Vec<Vec<usize>> = match budget {
            LabelBudget::All => vec![(0..labeled.labels.len()).collect(); experiment.draws],
            LabelBudget::PerClass(labels) => (0..experiment.draws as u64)
                .map(|draw| label_draw(&labeled.labels, classes, labels, experiment.seed, draw))
                .collect::<Result<_, _>>()?,
            LabelBudget::Folds => data.folds.clone().unwrap_or_default(),
            LabelBudget::DrawnFolds => {
                let plan = FoldPlan { per_class: fold_size(labeled, classes), ..FoldPlan::STL10 };
                draw_folds(&labeled.labels, classes, plan, experiment.seed)?
            }
        };
        parts.extend(draws.into_iter().enumerate().map(|(draw, indices)| Part { budget, draw, indices }));
    }
    Ok(parts)
}

/// Whether every class has as many labels as the budgets ask for.
fn require_labels(experiment: &Experiment, data: &Dataset, labeled: &LabeledImages) -> Result<(), DataError> {
    let per_class = |budget: &LabelBudget| match budget {
        LabelBudget::PerClass(labels) => Some(*labels),
        LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => None,
    };
    let Some(wanted) = experiment.labels_per_class.iter().filter_map(per_class).max() else { return Ok(()) };
    match smallest_class(data, labeled) {
        Some((class, available)) if available < wanted => {
            Err(DataError::BudgetTooLarge { class: class.to_owned(), available, wanted })
        }
        _ => Ok(()),
    }
}

/// The class with the fewest labelled images, and how many it has.
pub(super) fn smallest_class<'d>(data: &'d Dataset, labeled: &LabeledImages) -> Option<(&'d str, usize)> {
    let counts = class_counts(labeled, data.class_names.len());
    data.class_names.iter().map(String::as_str).zip(counts).min_by_key(|&(_, count)| count)
}

/// Labelled images of each class. A label that is out of range is an error where labels are drawn.
fn class_counts(labeled: &LabeledImages, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &label in &labeled.labels {
        if let Some(count) = counts.get_mut(usize::from(label)) {
            *count += 1;
        }
    }
    counts
}

/// The label budgets that are meant: data without folds gets folds drawn here.
pub(super) fn settled(experiment: &Experiment, data: &Dataset) -> Vec<LabelBudget> {
    let settle = |&budget: &LabelBudget| match budget {
        LabelBudget::Folds if data.folds.is_none() => LabelBudget::DrawnFolds,
        other => other,
    };
    experiment.labels_per_class.iter().map(settle).collect()
}

/// Images of a class in a drawn fold: STL-10's 100, or as many as the smallest class has.
fn fold_size(labeled: &LabeledImages, classes: usize) -> usize {
    class_counts(labeled, classes).into_iter().min().unwrap_or(0).min(FoldPlan::STL10.per_class)
}

/// Draws of all labels differ in the training's randomness alone, of which a frozen encoder's judge has none.
pub(super) fn frozen_parts(plan: &[Part]) -> impl Iterator<Item = &Part> {
    plan.iter().filter(|part| part.budget != LabelBudget::All || part.draw == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::{Request, resolve};
    use crate::data::patterns::{PatternOptions, dataset_with};

    fn planned(data: &Dataset) -> Vec<Part> {
        let set = ["labels_per_class=[1, \"folds\", \"all\"]".to_owned(), "draws=2".to_owned()];
        let experiment = resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap();
        plan(&experiment, data, data.train.as_ref().unwrap()).unwrap()
    }

    #[test]
    fn folds_are_the_datas_own_or_named_as_drawn() {
        let options = PatternOptions { side: 32, train_per_class: 6, test_per_class: 1, unlabeled: 10 };
        let mut data = dataset_with(options);
        let parts = planned(&data);
        let of = |parts: &[Part], budget: LabelBudget| parts.iter().filter(|part| part.budget == budget).count();
        assert_eq!(of(&parts, LabelBudget::PerClass(1)), 2);
        assert_eq!(of(&parts, LabelBudget::All), 2);
        assert_eq!((of(&parts, LabelBudget::Folds), of(&parts, LabelBudget::DrawnFolds)), (0, 10));
        let drawn = parts.iter().find(|part| part.budget == LabelBudget::DrawnFolds).unwrap();
        assert_eq!(drawn.indices.len(), 60);

        data.folds = Some(vec![vec![0, 1, 2], vec![3, 4, 5]]);
        let parts = planned(&data);
        let folds: Vec<&Part> = parts.iter().filter(|part| part.budget == LabelBudget::Folds).collect();
        assert_eq!(folds.iter().map(|part| part.indices.clone()).collect::<Vec<_>>(), [[0, 1, 2], [3, 4, 5]]);
        assert_eq!(of(&parts, LabelBudget::DrawnFolds), 0);
    }
}
