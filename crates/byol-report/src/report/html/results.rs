//! The comparison table, accuracy against label budget, and the explanation.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Point, Scale, Series, Size};
use super::super::compare::{Comparison, FEW_TEST_IMAGES};
use super::super::explain::Explanation;
use super::super::language::{charts, glossary, method, names, numbers, statements};
use super::super::load::RunData;
use super::super::{language, table};
use super::{figure, hint, nothing, rich};
use crate::run::record::{Accuracy, Init, LabelBudget, ResultName};

pub(super) fn section(run: &RunData, explanation: &Explanation) -> Markup {
    let budgets = run.columns();
    if !run.finished() && budgets.is_empty() && run.pretraining().is_none() {
        return html! {
            (nothing(language::table::nothing_evaluated(run.finished())))
            (expected(run))
        };
    }
    html! {
        @if budgets.is_empty() {
            (nothing(language::table::nothing_evaluated(run.finished())))
        } @else {
            (comparison_table(run, &budgets))
        }
        p { (language::table::pretraining(&run.known_of_pretraining())) }
        (expected(run))
        (hint())
        div.charts {
            (figure(
                against_budget(run, &budgets).render(),
                &charts::accuracy_caption(run.budgets().len(), run.guess()),
            ))
            (figure(differences(run, &explanation.comparisons).render(), charts::DIFFERENCES))
        }
        @if !explanation.comparisons.is_empty() { (differences_table(&explanation.comparisons)) }
    }
}

/// What is to be expected of pre-training, until it has ended.
fn expected(run: &RunData) -> Markup {
    html! { @if let Some(expected) = run.expected() { p { (language::table::expected(&expected)) } } }
}

/// Every difference with its interval and tests.
fn differences_table(comparisons: &[Comparison]) -> Markup {
    html! {
        details {
            summary { h3 { (charts::EVERY_DIFFERENCE) } }
            div.wide {
                table.plain {
                    caption { (charts::EVERY_DIFFERENCE_IS) }
                    thead { tr { @for name in charts::DIFFERENCE_COLUMNS { th scope="col" { (name) } } } }
                    tbody {
                        @for found in comparisons {
                            tr {
                                th scope="row" { (charts::minus(found)) }
                                td { (names::budget(found.budget)) }
                                td { (numbers::points(found.difference())) }
                                @if let Some(paired) = &found.paired {
                                    td { (numbers::points_between(paired.difference.low, paired.difference.high)) }
                                    td { (charts::outcome(found.outcome())) }
                                    td {
                                        @for (draw, test) in &paired.tests {
                                            span.test title=(charts::draw(*draw)) { (charts::test(test)) }
                                        }
                                    }
                                } @else {
                                    td colspan="3" { (charts::NO_SINGLE_PREDICTIONS) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn comparison_table(run: &RunData, budgets: &[LabelBudget]) -> Markup {
    let rows = table::rows(run, budgets);
    let (head, body) = rows.split_at(1);
    let names = run.results();
    let ranked = run.test_labels().is_none_or(|labels| labels.len() >= FEW_TEST_IMAGES);
    html! {
        div.wide {
            table.results {
                caption { (rich(&charts::results_caption(table::several_draws(run), ranked))) }
                thead { tr {
                    @for (column, cell) in head.iter().flatten().enumerate() {
                        th.word[column == 1] scope="col" { (cell) }
                    }
                } }
                tbody {
                    @for (place, row) in body.iter().enumerate() {
                        tr.draws[place == names.len()] {
                            @for (column, cell) in row.iter().enumerate() {
                                @match (column, names.get(place)) {
                                    // With a hyphen at which lines do not break.
                                    (0, _) => th scope="row" { (cell.replace("k-NN", "k\u{2011}NN")) },
                                    (1, _) => td.word { (cell) },
                                    (_, Some(&name)) => td.best[ranked && is_best(run, name, budgets[column - 2])] { (spread(cell)) },
                                    (_, None) => td { (cell) },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether no classifier of the column has a higher mean.
fn is_best(run: &RunData, name: ResultName, budget: LabelBudget) -> bool {
    let mean = |name: ResultName| run.accuracy(name, budget).map(|found| found.mean);
    mean(name).is_some_and(|own| ResultName::ALL.into_iter().filter_map(mean).all(|other| own > other - 1e-9))
}

/// Mean and deviation, apart, so that a narrow screen can set one below the other.
fn spread(cell: &str) -> Markup {
    match cell.split_once(" ± ") {
        Some((mean, deviation)) => html! { (mean) span.deviation { " ± " (deviation) } },
        None => html! { (cell) },
    }
}

/// The colour of a classifier: its place among those that every run has. There are no more colours than these, so the
/// self-trained one has that of the linear evaluation before pre-training, whose line is dashed.
fn style(run: &RunData, name: ResultName) -> usize {
    let control = run.control();
    let name = if name == ResultName::PRETRAINED_SELFTRAINED { control.frozen()[0] } else { name };
    let others = control.results().into_iter().filter(|&other| other != ResultName::PRETRAINED_SELFTRAINED);
    others.into_iter().position(|other| other == name).unwrap_or(0)
}

/// Accuracy against label budget, every classifier.
fn against_budget(run: &RunData, budgets: &[LabelBudget]) -> Chart {
    accuracies(run, budgets, &|name, budget| run.accuracy(name, budget))
}

/// Accuracies against label budget; `run` says which classifiers there are, which colours they have, and where budgets stand.
pub(in crate::report) fn accuracies(
    run: &RunData,
    budgets: &[LabelBudget],
    accuracy: &dyn Fn(ResultName, LabelBudget) -> Option<Accuracy>,
) -> Chart {
    let of = |name: ResultName| {
        let point = |&budget: &LabelBudget| Some(accuracy_point(run, budget, accuracy(name, budget)?));
        Series {
            label: names::label(name),
            style: style(run, name),
            line: match name.protocol.is_frozen() && name.init != Init::Pretrained {
                true => Line::Dashed,
                false => Line::Solid,
            },
            run: None,
            points: budgets.iter().filter_map(point).collect(),
        }
    };
    let series = run.results().into_iter().map(of);
    Chart {
        title: charts::ACCURACY_BY_BUDGET.to_owned(),
        x: budget_axis(&[run], budgets),
        y: Axis::percent(charts::TEST_ACCURACY),
        series: series.filter(|series| !series.points.is_empty()).collect(),
        reference: None,
        size: Size::Half,
        dodge: 6.0,
    }
}

/// One accuracy at one label budget.
pub(super) fn accuracy_point(run: &RunData, budget: LabelBudget, found: Accuracy) -> Point {
    let mean = 100.0 * found.mean;
    let std = found.std.map(|std| 100.0 * std);
    Point {
        x: place(run, budget),
        y: mean,
        bar: std.map(|std| ((mean - std).max(0.0), (mean + std).min(100.0))),
        text: charts::accuracy_point(mean, std, budget),
    }
}

/// A logarithmic axis that marks the label budgets.
pub(super) fn budget_axis(runs: &[&RunData], budgets: &[LabelBudget]) -> Axis {
    let mut ticks: Vec<(f64, String)> = Vec::new();
    for run in runs {
        for &budget in budgets {
            let value = place(run, budget);
            if !ticks.iter().any(|(other, _)| (other - value).abs() < 1e-9 * value) {
                ticks.push((value, budget.to_string()));
            }
        }
    }
    Axis { scale: Scale::Log, ticks, ..Axis::linear(charts::LABELS_PER_CLASS) }
}

/// Where a label budget stands: labels per class, where a budget has no such number their mean.
fn place(run: &RunData, budget: LabelBudget) -> f64 {
    let mean = || {
        let used = run.predictions.iter().filter(|record| record.labels_per_class == budget);
        let used = used.map(|record| record.labels_used).max();
        let all = || Some(run.summary.as_ref()?.data.train_images).filter(|_| budget == LabelBudget::All);
        let used = used.or_else(all).filter(|&used| used > 0)?;
        Some(used as f64 / run.classes()? as f64)
    };
    match budget {
        LabelBudget::PerClass(labels) => labels as f64,
        // Nothing tells how many labels there are: to the right of every other budget.
        LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => mean().unwrap_or_else(|| {
            let per_class = run.budgets().into_iter().filter_map(|budget| match budget {
                LabelBudget::PerClass(labels) => Some(labels),
                LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => None,
            });
            4.0 * per_class.max().unwrap_or(1) as f64
        }),
    }
}

/// A difference at a label budget with the ends of its interval, -1 to 1.
#[derive(Clone, Copy)]
pub(in crate::report) struct Difference {
    pub name: ResultName,
    pub budget: LabelBudget,
    pub mean: f64,
    pub interval: Option<(f64, f64)>,
}

/// Differences with their intervals, every pair.
fn differences(run: &RunData, comparisons: &[Comparison]) -> Chart {
    let of = |found: &Comparison| Difference {
        name: found.name,
        budget: found.budget,
        mean: found.difference(),
        interval: found.paired.as_ref().map(|paired| (paired.difference.low, paired.difference.high)),
    };
    differences_of(run, &comparisons.iter().map(of).collect::<Vec<_>>())
}

/// Differences; `run` says which pairs there are, which colours they have, and where budgets stand.
pub(in crate::report) fn differences_of(run: &RunData, found: &[Difference]) -> Chart {
    let budgets: Vec<LabelBudget> = found.iter().map(|found| found.budget).collect();
    let of = |(name, _): (ResultName, ResultName)| {
        let point = |found: &Difference| Point {
            x: place(run, found.budget),
            y: 100.0 * found.mean,
            bar: found.interval.map(|(low, high)| (100.0 * low, 100.0 * high)),
            text: charts::difference_point(found.mean, found.interval, found.budget),
        };
        Series {
            label: names::difference_label(name, run.control()),
            // The colour of the classifier that the pair is about.
            style: style(run, name),
            line: Line::None,
            run: None,
            points: found.iter().filter(|found| found.name == name).map(point).collect(),
        }
    };
    let series = run.pairs().into_iter().map(of);
    Chart {
        title: charts::DIFFERENCES_BY_BUDGET.to_owned(),
        x: budget_axis(&[run], &budgets),
        y: Axis::linear(charts::DIFFERENCE),
        series: series.filter(|series| !series.points.is_empty()).collect(),
        reference: Some(0.0),
        size: Size::Half,
        dodge: 12.0,
    }
}

pub(super) fn explanation(explanation: &Explanation) -> Markup {
    let by = explanation.verdict.method;
    let groups = explanation.statements.chunk_by(|a, b| a.topic() == b.topic());
    html! {
        div.explanation {
            @for group in groups {
                div {
                    h3 { (statements::heading(group[0].topic(), by)) }
                    @for statement in group { p { (rich(&statements::statement(statement))) } }
                }
            }
        }
        details {
            summary { h3 { (glossary::HEADING) } }
            dl.glossary {
                div { dt { (method::method_name(by)) } dd { (method::method_meaning(by)) } }
                @for (word, meaning) in glossary::GLOSSARY { div { dt { (word) } dd { (meaning) } } }
            }
        }
    }
}
