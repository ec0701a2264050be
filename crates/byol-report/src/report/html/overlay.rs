//! Several runs on one page: their figures side by side, their curves on top of each other.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Series, Size};
use super::super::language::charts::{self, overview as said};
use super::super::language::numbers;
use super::super::language::values::Measure;
use super::super::load::RunData;
use super::super::table;
use super::curves::{axis, curve, over_epochs};
use super::results::{accuracy_point, budget_axis};
use super::{figure, hint};
use crate::run::record::{EpochRecord, LabelBudget, Method, ResultName, Stage};

pub(in crate::report) fn section(runs: &[&RunData]) -> Markup {
    let mut budgets: Vec<LabelBudget> = runs.iter().flat_map(|run| run.budgets()).collect();
    budgets.sort();
    budgets.dedup();
    let pretraining = |of: Measure, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let series = runs.iter().enumerate().map(|(place, run)| {
            let epochs = run.epochs(Stage::Pretrain, None, 0);
            Series { run: Some(place), ..curve(&run.name, place, line(place), &epochs, value) }
        });
        let (y, caption) = said::pretraining(of);
        figure(over_epochs(y, axis(of, y), Size::Half, series.collect()), caption)
    };
    html! {
        section id="overview" data-unit="overview" aria-labelledby="overview-head" {
            h2 id="overview-head" { (said::HEADING) }
            (choice(runs))
            (overview(runs, &budgets))
            @if differ(runs) {
                p { (said::OTHER_TEST_IMAGES) }
            }
            (hint())
            div.charts {
                @for fine_tuned in [true, false] {
                    (figure(accuracies(runs, &budgets, fine_tuned).render(), &said::accuracy_caption(fine_tuned, &methods(runs))))
                }
                (pretraining(Measure::Loss, &|record| Some(record.loss)))
                (pretraining(Measure::Knn, &|record| record.knn_accuracy.map(|share| 100.0 * share)))
                (pretraining(Measure::EffectiveRank, &|record| {
                    Some(record.health.as_ref()?.representation.effective_rank)
                }))
                (pretraining(Measure::ProjectionDeviation, &|record| record.projection_deviation))
            }
            @for &budget in &budgets { (trainings(runs, budget)) }
        }
    }
}

/// Which runs the page shows. It does something with the page's script alone, which uncovers it.
fn choice(runs: &[&RunData]) -> Markup {
    html! {
        fieldset.choice data-choice hidden {
            legend { (said::RUNS_SHOWN) }
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
    let chart = |of: Measure, stage: Stage, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
        let series = runs.iter().enumerate().filter_map(|(place, run)| {
            let draw = run.last_epochs(stage, Some(budget)).first()?.draw;
            let epochs = run.epochs(stage, Some(budget), draw);
            Some(Series { run: Some(place), ..curve(&run.name, place, line(place), &epochs, value) })
        });
        let y = said::training(of, stage);
        let chart = over_epochs(&y, axis(of, &y), Size::Half, series.collect());
        chart.map(|chart| (chart, said::training_caption(of, stage, budget)))
    };
    let accuracy = |record: &EpochRecord| record.train_accuracy.map(|share| 100.0 * share);
    let figures = [
        chart(Measure::Loss, Stage::Supervised, &|record| Some(record.loss)),
        chart(Measure::Loss, Stage::Finetune, &|record| Some(record.loss)),
        chart(Measure::Accuracy, Stage::Supervised, &accuracy),
        chart(Measure::Accuracy, Stage::Finetune, &accuracy),
    ];
    html! {
        @if figures.iter().any(Option::is_some) {
            details {
                summary { h3 { (said::training_with(budget)) } }
                div.charts {
                    @for (chart, caption) in figures.into_iter().flatten() { (figure(Some(chart), &caption)) }
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
                caption { (said::caption(&methods(runs))) }
                thead { tr { @for name in said::columns(budgets) { th scope="col" { (name) } } } }
                tbody {
                    @for (place, run) in runs.iter().enumerate() {
                        tr data-run=(place) {
                            th scope="row" { (run.name) }
                            td { (run.pretraining().map_or_else(|| table::MISSING.to_owned(), |found| numbers::count(found.images))) }
                            @for &budget in budgets {
                                td {
                                    (cell(run, baseline(run), budget)) " → "
                                    (cell(run, run.fine_tuned(), budget))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The methods by which runs pre-train, each once.
fn methods(runs: &[&RunData]) -> Vec<Method> {
    let mut methods = Vec::new();
    for method in runs.iter().map(|run| run.method()) {
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    methods
}

fn baseline(run: &RunData) -> ResultName {
    run.control().baseline()
}

/// Of fine-tuned BYOL, or of what each run holds it against.
fn accuracies(runs: &[&RunData], budgets: &[LabelBudget], fine_tuned: bool) -> Chart {
    let name = |run: &RunData| if fine_tuned { run.fine_tuned() } else { baseline(run) };
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
        title: said::accuracy_title(fine_tuned, &methods(runs)),
        x: budget_axis(runs, budgets),
        y: Axis::percent(charts::TEST_ACCURACY),
        series: runs.iter().enumerate().map(of).filter(|series| !series.points.is_empty()).collect(),
        reference: None,
        size: Size::Half,
        dodge: 6.0,
    }
}
