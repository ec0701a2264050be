//! The page of an ablation: findings, how far each variant lies from the method as published, and the table.

use maud::{Markup, html};

use super::super::html::{Conduct, document, rich};
use super::super::language::{ablation as said, numbers};
use super::findings::{Against, against_full, budget_of, findings};
use super::table::rows;
use crate::run::ablation::Ablation;
use crate::run::record::ResultName;
use crate::statistics::significance::Difference;

/// Width and height of a row's interval, in the page's pixels, and the air at its ends.
const INTERVAL: (f64, f64, f64) = (260.0, 18.0, 8.0);

pub(super) fn render(ablation: &Ablation) -> String {
    let (found, method) = (findings(ablation), ablation.method);
    let judged = [ResultName::PRETRAINED_LINEAR, ResultName::PRETRAINED_FINETUNED];
    let body = html! {
        header {
            p.over { (said::OVER) }
            h1 { (said::title(method)) }
            p.verdict { (said::lead(ablation)) }
        }
        main {
            section aria-labelledby="findings" {
                h2 id="findings" { (said::FINDINGS) }
                @for found in &found { p { (said::finding(found, method)) } }
            }
            section aria-labelledby="differences" {
                h2 id="differences" { (said::differences(method)) }
                p { (said::DIFFERENCES_ARE) }
                @for name in judged { (differences(ablation, name)) }
            }
            section aria-labelledby="results" {
                h2 id="results" { (said::RESULTS) }
                (results(ablation))
            }
            section aria-labelledby="variants" {
                h2 id="variants" { (said::CHANGES) }
                (changes(ablation))
            }
        }
        footer { p { (rich(&said::made_from(ablation))) } }
    };
    document(&said::title(method), &body, Conduct::Still)
}

fn differences(ablation: &Ablation, name: ResultName) -> Markup {
    let Some(budget) = budget_of(ablation, name) else { return html! {} };
    let held = against_full(ablation, name, budget);
    let ends = held.iter().flat_map(|against| {
        let Difference { mean, low, high } = against.difference;
        [mean, low, high].map(|end| if end.is_finite() { end } else { mean })
    });
    let (low, high) = ends.fold((-0.01f64, 0.01f64), |(low, high), end| (low.min(end), high.max(end)));
    html! {
        @if !held.is_empty() {
            div.wide {
                table.plain.intervals {
                    caption { (said::judged(name, budget)) }
                    thead { tr { @for name in said::difference_columns((low, high)) { th scope="col" { (name) } } } }
                    tbody {
                        @for Against { variant, difference } in &held {
                            tr {
                                th scope="row" { (variant.name) }
                                td { (numbers::points(difference.mean)) }
                                td { (said::interval_cell(difference)) }
                                td { (drawn(*difference, (low, high))) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A mean with its interval on a scale that all rows of a table share.
fn drawn(difference: Difference, (low, high): (f64, f64)) -> Markup {
    let (width, height, air) = INTERVAL;
    let across = |value: f64| format!("{:.1}", air + (value - low) / (high - low) * (width - 2.0 * air));
    let style = if difference.high < 0.0 { "s1" } else { "s0" };
    html! {
        svg class=(style) width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" {
            line.reference x1=(across(0.0)) x2=(across(0.0)) y1="0" y2=(height) {}
            @if difference.low.is_finite() {
                line.bar x1=(across(difference.low)) x2=(across(difference.high)) y1=(height / 2.0) y2=(height / 2.0) {}
            }
            circle.mark cx=(across(difference.mean)) cy=(height / 2.0) r="4.5" {}
        }
    }
}

fn results(ablation: &Ablation) -> Markup {
    let rows = rows(ablation);
    let (head, body) = rows.split_at(1);
    html! {
        p { (said::CAPTION) }
        div.wide {
            table.results.names {
                thead { tr { @for cell in head.iter().flatten() { th scope="col" { (cell) } } } }
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

fn changes(ablation: &Ablation) -> Markup {
    html! {
        dl {
            @for variant in &ablation.variants {
                dt { (variant.name) }
                dd { (numbers::capital(&said::changed(variant, ablation.method))) "." }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::variant;
    use super::*;
    use crate::run::record::Method;

    #[test]
    fn the_page_stands_alone() {
        let variants = vec![variant("full", &[0.50, 0.52], None), variant("no-predictor", &[0.10, 0.11], Some(2))];
        let page = render(&Ablation { method: Method::Byol, variants, version: "0".into(), hardware: "cpu".into() });
        for part in ["2 variants of BYOL, 2 seeds each", "<svg", "\u{2212}40.5", "collapsed from epoch 2 on", "<style>"]
        {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("http:") && !page.contains("https:"), "the page asks for nothing");
    }

    #[test]
    fn a_single_seed_has_a_mark_without_an_interval() {
        let difference = Difference { mean: -0.1, low: f64::NEG_INFINITY, high: f64::INFINITY };
        let text = drawn(difference, (-0.2, 0.0)).into_string();
        assert!(text.contains("circle") && !text.contains("class=\"bar\""), "{text}");
    }
}
