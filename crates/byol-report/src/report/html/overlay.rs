//! Several runs on one page: their figures side by side, their curves on top of each other.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Series, Size};
use super::super::explain::Explanation;
use super::super::load::RunData;
use super::super::{table, words};
use super::curves::{curve, over_epochs};
use super::results::{accuracy_point, budget_axis};
use super::{figure, hint};
use crate::run::record::{EpochRecord, LabelBudget, ResultName, Stage};

pub(super) fn section(runs: &[(&RunData, Explanation)]) -> Markup {
    let runs: Vec<&RunData> = runs.iter().map(|(run, _)| *run).collect();
    let mut budgets: Vec<LabelBudget> = runs.iter().flat_map(|run| run.budgets()).collect();
    budgets.sort();
    budgets.dedup();
    let pretraining = |y: &str, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let series = runs.iter().enumerate().map(|(place, run)| {
            let epochs = run.epochs(Stage::Pretrain, None, 0);
            Series { run: Some(place), ..curve(&run.name, place, line(place), &epochs, value) }
        });
        over_epochs(y, Axis::linear(y), Size::Half, series.collect())
    };
    html! {
        section id="overview" data-unit="overview" aria-labelledby="overview-head" {
            h2 id="overview-head" { "Overview" }
            (choice(&runs))
            (overview(&runs, &budgets))
            @if differ(&runs) {
                p { "These runs do not share their test images (the fingerprints of these differ): accuracies of one and \
                     another are not comparable." }
            }
            (hint())
            div.charts {
                @for (of, what) in [(fine_tuned as OfRun, "fine-tuned BYOL"), (baseline, "the baseline")] {
                    (figure(
                        accuracies(&runs, &budgets, of, what).render(),
                        &format!("Test accuracy of {what}. Bars: one standard deviation over draws."),
                    ))
                }
                (figure(pretraining("pre-training loss", &|record| Some(record.loss)), "Loss of pre-training."))
                (figure(
                    pretraining("k-NN accuracy, %", &|record| record.knn_accuracy.map(|share| 100.0 * share)),
                    "k-NN accuracy over held-out training images, while pre-training.",
                ))
                (figure(
                    pretraining("effective rank", &|record| Some(record.health.as_ref()?.representation.effective_rank)),
                    "Effective rank (RankMe) of the representations of held-out images, while pre-training.",
                ))
                (figure(
                    pretraining("projection deviation", &|record| record.projection_deviation),
                    "Spread of the normalised projections: 1 when they fill all directions evenly, 0 when collapsed.",
                ))
            }
            @for &budget in &budgets { (trainings(&runs, budget)) }
        }
    }
}

/// Which runs the page shows. It does something with the page's script alone, which uncovers it.
fn choice(runs: &[&RunData]) -> Markup {
    html! {
        fieldset.choice data-choice hidden {
            legend { "Runs shown" }
            @for (place, run) in runs.iter().enumerate() {
                label class={ "s" (place % 6) } {
                    input type="checkbox" checked data-shows=(place);
                    span.swatch aria-hidden="true" {}
                    (run.name)
                }
            }
            p.said role="status" {}
        }
    }
}

/// The curves of baseline and fine-tuning at one label budget, of every run's first draw.
fn trainings(runs: &[&RunData], budget: LabelBudget) -> Markup {
    let chart = |stage: Stage, y: &str, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let series = runs.iter().enumerate().filter_map(|(place, run)| {
            let draw = run.last_epochs(stage, Some(budget)).first()?.draw;
            let epochs = run.epochs(stage, Some(budget), draw);
            Some(Series { run: Some(place), ..curve(&run.name, place, line(place), &epochs, value) })
        });
        over_epochs(y, Axis::linear(y), Size::Half, series.collect())
    };
    let accuracy = |record: &EpochRecord| record.train_accuracy.map(|share| 100.0 * share);
    let what = words::budget(budget);
    let figures = [
        (chart(Stage::Supervised, "loss of the baseline", &|record| Some(record.loss)), "Loss of the baseline"),
        (chart(Stage::Finetune, "loss of fine-tuning", &|record| Some(record.loss)), "Loss of fine-tuning"),
        (chart(Stage::Supervised, "accuracy of the baseline, %", &accuracy), "Training accuracy of the baseline"),
        (chart(Stage::Finetune, "accuracy of fine-tuning, %", &accuracy), "Training accuracy of fine-tuning"),
    ];
    html! {
        @if figures.iter().any(|(chart, _)| chart.is_some()) {
            details {
                summary { h3 { "Training with " (what) } }
                div.charts {
                    @for (chart, caption) in figures { (figure(chart, &format!("{caption} with {what}, first label draw."))) }
                }
            }
        }
    }
}

/// More than six runs repeat colours and markers with dashed lines.
fn line(place: usize) -> Line {
    if place < 6 { Line::Solid } else { Line::Dashed }
}

fn differ(runs: &[&RunData]) -> bool {
    let data: Vec<_> = runs.iter().filter_map(|run| run.summary.as_ref()).map(|summary| &summary.data).collect();
    data.windows(2).any(|pair| !pair[0].shares_test_with(pair[1]))
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
                    @for (place, run) in runs.iter().enumerate() {
                        tr data-run=(place) {
                            th scope="row" { (run.name) }
                            td { (run.pretraining().map_or_else(|| table::MISSING.to_owned(), |found| words::count(found.images))) }
                            @for &budget in budgets {
                                td {
                                    (cell(run, baseline(run), budget)) " → "
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

/// Which classifier of a run is meant.
type OfRun = fn(&RunData) -> ResultName;

fn fine_tuned(_: &RunData) -> ResultName {
    ResultName::ByolFinetuned
}

fn baseline(run: &RunData) -> ResultName {
    run.control().baseline()
}

fn accuracies(runs: &[&RunData], budgets: &[LabelBudget], name: OfRun, what: &str) -> Chart {
    let of = |(place, run): (usize, &&RunData)| {
        let point = |&budget: &LabelBudget| Some(accuracy_point(run, budget, run.accuracy(name(run), budget)?));
        Series {
            label: run.name.clone(),
            style: place,
            line: line(place),
            run: Some(place),
            points: budgets.iter().filter_map(point).collect(),
        }
    };
    Chart {
        title: format!("Test accuracy of {what} against label budget"),
        x: budget_axis(runs, budgets),
        y: Axis::linear("test accuracy, %"),
        series: runs.iter().enumerate().map(of).filter(|series| !series.points.is_empty()).collect(),
        reference: None,
        size: Size::Half,
        dodge: 6.0,
    }
}
