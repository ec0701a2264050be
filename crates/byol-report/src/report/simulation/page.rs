//! The page of a simulation: accuracy against the number of labels, each strategy beside random images, and the tables.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Point, Series, Size};
use super::super::html::{Conduct, document, figure, hint};
use super::super::language::simulation as said;
use super::table::{differences, has_random, rows, told};
use super::{AtBudget, Curve, curves};
use crate::run::simulation::{Simulation, Strategy};

/// Pixels between the series at one number of labels, so that bars do not cover each other.
const DODGE: f64 = 4.0;

/// A page that holds everything it shows and asks nothing of the network.
pub fn render(simulation: &Simulation) -> String {
    let curves = curves(simulation);
    let beside = has_random(&curves) && curves.len() > 1;
    let title = said::title(simulation);
    let body = html! {
        header {
            p.over { (said::OVER) }
            h1 { (title) }
            p.verdict { (said::lead(simulation)) }
            @for sentence in told(simulation, &curves) { p { (sentence) } }
        }
        main {
            section aria-labelledby="curves" {
                h2 id="curves" { (said::CURVES) }
                (hint())
                div.charts {
                    (figure(accuracies(simulation, &curves), &said::accuracies_are(simulation)))
                    @if beside { (figure(beside_random(simulation, &curves), said::DIFFERENCES_ARE)) }
                }
            }
            section aria-labelledby="tables" {
                h2 id="tables" { (said::TABLES) }
                (table(&rows(&curves), said::ACCURACIES))
                @if beside { (table(&differences(&curves), said::BESIDE_RANDOM)) }
            }
            section aria-labelledby="strategies" {
                h2 id="strategies" { (said::STRATEGIES) }
                dl { @for curve in &curves { dt { (curve.strategy.name()) } dd { (said::strategy(curve.strategy)) } } }
            }
        }
        footer { p { (said::made_by(simulation)) } }
    };
    document(&title, &body, Conduct::Interactive)
}

/// Which colour and marker a strategy has.
fn style(strategy: Strategy) -> usize {
    Strategy::ALL.iter().position(|&one| one == strategy).unwrap_or(0)
}

fn series(curves: &[&Curve], point: impl Fn(&AtBudget) -> Option<Point>) -> Vec<Series> {
    let of = |curve: &&Curve| Series {
        label: curve.strategy.name().to_owned(),
        style: style(curve.strategy),
        line: if curve.strategy == Strategy::Random { Line::Dashed } else { Line::Solid },
        run: None,
        points: curve.points.iter().filter_map(&point).collect(),
    };
    curves.iter().map(of).collect()
}

fn labels_axis(simulation: &Simulation) -> Axis {
    let ticks = simulation.budgets.iter().map(|&labels| (labels as f64, labels.to_string())).collect();
    Axis { ticks, ..Axis::linear(said::LABELS) }
}

fn accuracies(simulation: &Simulation, curves: &[Curve]) -> Option<Markup> {
    let point = |point: &AtBudget| {
        Some(Point {
            x: point.labels as f64,
            y: 100.0 * point.accuracy,
            bar: point.interval.map(|[low, high]| (100.0 * low, 100.0 * high)),
            text: said::at_budget(point),
        })
    };
    let all: Vec<&Curve> = curves.iter().collect();
    let chart = Chart {
        title: said::ACCURACIES.to_owned(),
        x: labels_axis(simulation),
        y: Axis::percent(said::ACCURACY),
        series: series(&all, point),
        reference: None,
        size: Size::Half,
        dodge: DODGE,
    };
    chart.render()
}

fn beside_random(simulation: &Simulation, curves: &[Curve]) -> Option<Markup> {
    let point = |point: &AtBudget| {
        let beside = point.beside_random.as_ref()?;
        Some(Point {
            x: point.labels as f64,
            y: 100.0 * beside.mean,
            bar: beside.interval.map(|[low, high]| (100.0 * low, 100.0 * high)),
            text: said::beside_at_budget(point.labels, beside),
        })
    };
    let others: Vec<&Curve> = curves.iter().filter(|curve| curve.strategy != Strategy::Random).collect();
    let chart = Chart {
        title: said::BESIDE_RANDOM.to_owned(),
        x: labels_axis(simulation),
        y: Axis::linear(said::POINTS),
        series: series(&others, point),
        reference: Some(0.0),
        size: Size::Half,
        dodge: DODGE,
    };
    chart.render()
}

/// A table whose first column is words, its head first.
fn table(rows: &[Vec<String>], caption: &str) -> Markup {
    let (head, body) = rows.split_first().map_or((&[][..], &[][..]), |(head, body)| (head.as_slice(), body));
    html! {
        div.wide {
            table.results.whole {
                caption { (caption) }
                thead { tr { @for cell in head { th scope="col" { (cell) } } } }
                tbody {
                    @for row in body {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::simulation;
    use super::*;

    #[test]
    fn the_page_draws_curves_and_stands_alone() {
        let mut named = simulation();
        named.data = "my <photos>".to_owned();
        let page = render(&named);
        for part in [
            "my &lt;photos&gt;",
            "<svg",
            "42.0% (95% interval 37.0% to 47.0%) with 10 labels",
            "+12.0 points (95% interval +7.0 to +17.0) beside random images with 10 labels",
            "<td>42.0 (37.0 to 47.0)</td>",
            "arXiv 2202.02794",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("http:") && !page.contains("https:"), "the page asks for nothing");
    }

    #[test]
    fn one_seed_is_drawn_without_intervals() {
        let mut one = simulation();
        one.seeds = vec![0];
        let page = render(&one);
        assert!(page.contains("One seed gives no interval") && !page.contains("95% interval 37.0%"), "{page}");
    }
}
