//! Several runs on one page: their figures side by side, their curves on top of each other.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Series, Size};
use super::super::explain::Explanation;
use super::super::load::RunData;
use super::super::{table, words};
use super::curves::{curve, over_epochs};
use super::figure;
use super::results::{accuracy_point, budget_axis};
use crate::run::record::{EpochRecord, LabelBudget, ResultName, Stage};

pub(super) fn section(runs: &[(&RunData, Explanation)]) -> Markup {
    let runs: Vec<&RunData> = runs.iter().map(|(run, _)| *run).collect();
    let mut budgets: Vec<LabelBudget> = runs.iter().flat_map(|run| run.budgets()).collect();
    budgets.sort();
    budgets.dedup();
    let pretraining = |y: &str, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let series = runs
            .iter()
            .enumerate()
            .map(|(style, run)| curve(&run.name, style, line(style), &run.epochs(Stage::Pretrain, None, 0), value));
        over_epochs(y, Axis::linear(y), Size::Half, series.collect())
    };
    html! {
        section id="overview" aria-labelledby="overview-head" {
            h2 id="overview-head" { "Overview" }
            (overview(&runs, &budgets))
            @if differ(&runs) {
                p { "These runs do not share their test images (their data fingerprints differ): accuracies of one and \
                     another are not comparable." }
            }
            div.charts {
                @for name in [ResultName::ByolFinetuned, ResultName::Supervised] {
                    (figure(
                        accuracies(&runs, &budgets, name).render(),
                        &format!("Test accuracy of {}. Bars: one standard deviation over draws.", words::classifier(name)),
                    ))
                }
                (figure(pretraining("pre-training loss", &|record| Some(record.loss)), "Loss of pre-training."))
                (figure(
                    pretraining("k-NN accuracy, %", &|record| record.knn_accuracy.map(|share| 100.0 * share)),
                    "k-NN accuracy over held-out training images, while pre-training.",
                ))
            }
        }
    }
}

/// More than six runs repeat colours and markers with dashed lines.
fn line(place: usize) -> Line {
    if place < 6 { Line::Solid } else { Line::Dashed }
}

fn differ(runs: &[&RunData]) -> bool {
    let prints: Vec<_> =
        runs.iter().filter_map(|run| run.summary.as_ref()).map(|summary| &summary.data.fingerprint).collect();
    prints.windows(2).any(|pair| pair[0] != pair[1])
}

fn overview(runs: &[&RunData], budgets: &[LabelBudget]) -> Markup {
    let cell = |run: &RunData, name: ResultName, budget: LabelBudget| {
        run.accuracy(name, budget)
            .map_or_else(|| table::MISSING.to_owned(), |found| format!("{:.1}", 100.0 * found.mean))
    };
    html! {
        div.wide {
            table.results {
                caption { "Test accuracy in percent, mean over label draws: baseline → fine-tuned BYOL." }
                thead { tr {
                    th scope="col" { "run" }
                    th scope="col" { "image passes" }
                    @for &budget in budgets { th scope="col" { (words::budget(budget)) } }
                } }
                tbody {
                    @for run in runs {
                        tr {
                            th scope="row" { (run.name) }
                            td { (run.pretraining().map_or_else(|| table::MISSING.to_owned(), |found| words::count(found.images))) }
                            @for &budget in budgets {
                                td {
                                    (cell(run, ResultName::Supervised, budget)) " → "
                                    (cell(run, ResultName::ByolFinetuned, budget))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn accuracies(runs: &[&RunData], budgets: &[LabelBudget], name: ResultName) -> Chart {
    let of = |(style, run): (usize, &&RunData)| {
        let point = |&budget: &LabelBudget| Some(accuracy_point(run, budget, run.accuracy(name, budget)?));
        Series { label: run.name.clone(), style, line: line(style), points: budgets.iter().filter_map(point).collect() }
    };
    Chart {
        title: format!("Test accuracy of {} against label budget", words::classifier(name)),
        x: budget_axis(runs, budgets),
        y: Axis::linear("test accuracy, %"),
        series: runs.iter().enumerate().map(of).filter(|series| !series.points.is_empty()).collect(),
        reference: None,
        size: Size::Half,
        dodge: 6.0,
    }
}
