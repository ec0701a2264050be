//! What each classifier's answers come to beyond top-1 accuracy: intervals, top-5, calibration, and accuracy by class.

use maud::{Markup, html};

use super::super::compare::confusion;
use super::super::language::{answers as said, names, numbers};
use super::super::load::RunData;
use super::super::table;
use crate::run::record::{LabelBudget, PredictionRecord, ResultName};
use crate::statistics::wilson;

/// Classes that a table by class shows at most.
const MOST_CLASSES: usize = 100;
/// Of so few classes the five likeliest hold nearly every answer, which tells nothing.
const FEW_CLASSES: usize = 10;

pub(super) fn section(run: &RunData) -> Markup {
    if run.predictions.is_empty() {
        return html! {};
    }
    html! {
        details {
            summary { h3 { (said::MEASURES) } }
            div.wide { (by_draw(run)) }
        }
        @if run.classes().is_some_and(|classes| classes <= MOST_CLASSES) {
            details {
                summary { h3 { (said::BY_CLASS) } }
                @for budget in run.budgets() { div.wide { (by_class(run, budget)) } }
            }
        }
    }
}

fn by_draw(run: &RunData) -> Markup {
    let top5 = run.classes().is_some_and(|classes| classes > FEW_CLASSES);
    html! {
        table.plain {
            caption { (said::MEASURES_ARE) }
            thead { tr { @for name in said::measure_columns(top5) { th scope="col" { (name) } } } }
            tbody {
                @for record in &run.predictions {
                    tr {
                        th scope="row" { (numbers::capital(&names::label(record.name))) }
                        td { (names::budget(record.labels_per_class)) }
                        td { (record.draw + 1) }
                        td { (percent(Some(record.test_accuracy))) }
                        td { (interval(run, record).unwrap_or_else(|| table::MISSING.to_owned())) }
                        @if top5 { td { (percent(record.top5_accuracy)) } }
                        td { (percent(record.calibration_error)) }
                    }
                }
            }
        }
    }
}

fn interval(run: &RunData, record: &PredictionRecord) -> Option<String> {
    let labels = run.test_labels()?;
    let right = record.predicted.iter().zip(labels).filter(|(predicted, label)| predicted == label).count();
    let (low, high) = wilson(right as u64, labels.len() as u64).ok()?;
    Some(said::interval(low, high))
}

fn by_class(run: &RunData, budget: LabelBudget) -> Markup {
    let columns: Vec<(ResultName, Vec<Option<f64>>)> = ResultName::ALL
        .into_iter()
        .map(|name| name.by(run.method()))
        .filter_map(|name| Some((name, confusion(run, name, budget)?.class_accuracies())))
        .collect();
    let names: Vec<ResultName> = columns.iter().map(|(name, _)| *name).collect();
    let classes = columns.iter().map(|(_, accuracies)| accuracies.len()).max().unwrap_or(0);
    html! {
        table.plain {
            caption { (said::by_class(budget)) }
            thead { tr { @for name in said::class_columns(&names) { th scope="col" { (name) } } } }
            tbody {
                @for class in 0..classes {
                    tr {
                        th scope="row" { (run.class_name(class as u16)) }
                        @for (_, accuracies) in &columns { td { (percent(accuracies.get(class).copied().flatten())) } }
                    }
                }
            }
        }
    }
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| table::MISSING.to_owned(), |share| format!("{:.1}", 100.0 * share))
}
