//! The page over several seeds: what was found over them, their curves on top of each other, and the way to the page of each.

use maud::{Markup, html};

use super::super::html::results::{Difference, accuracies, differences_of};
use super::super::html::{Conduct, document, figure, hint, overlay, rich};
use super::super::language::seeds as said;
use super::super::load::RunData;
use super::{DifferenceOverSeeds, OverSeeds, Seeds, table};

pub(super) fn render(seeds: &Seeds) -> String {
    // What each run found by itself, its own page explains.
    let runs: Vec<&RunData> = seeds.runs.iter().collect();
    let title = said::title(&seeds.name, seeds.record.seeds.len());
    let names: Vec<String> = seeds.runs.iter().map(|run| format!("`{}/{}`", seeds.name, run.name)).collect();
    let body = html! {
        header data-unit="header" {
            p.over { (said::OVER) }
            h1 { (title) }
            @for sentence in table::told(&seeds.found) { p.verdict { (rich(&sentence)) } }
        }
        main {
            section id="seeds" data-unit="seeds" aria-labelledby="seeds-head" {
                h2 id="seeds-head" { (said::HEADING) }
                @if seeds.found.results.is_empty() { p.nothing { (said::NOTHING) } } @else {
                    (cells(&table::rows(&seeds.found), 2, said::ACCURACIES_ARE))
                }
                (charts(&seeds.runs, &seeds.found))
                @if !seeds.found.differences.is_empty() {
                    (cells(&table::differences(&seeds.found), 2, said::DIFFERENCES_ARE))
                }
            }
            @if !runs.is_empty() { (overlay::section(&runs)) }
            section id="runs" data-unit="runs" aria-labelledby="runs-head" {
                h2 id="runs-head" { (said::RUNS) }
                p { (said::EACH_HAS_A_PAGE) }
                ul {
                    @for (place, run) in seeds.runs.iter().enumerate() {
                        li data-run=(place) {
                            a href={ (run.name) "/report.html" } { (run.name) }
                            @if !run.finished() { (said::UNFINISHED) }
                        }
                    }
                }
            }
        }
        footer { p { (rich(&said::made_from(&seeds.record.version, &names))) } }
    };
    document(&title, &body, Conduct::Interactive)
}

/// Accuracies with their deviations between seeds, and differences with their intervals.
fn charts(runs: &[RunData], found: &OverSeeds) -> Markup {
    // The runs have the same settings: any of them says which colours and label budgets there are.
    let Some(run) = runs.iter().find(|run| run.finished()) else { return html! {} };
    let accuracy = |name, budget| found.accuracy(name, budget).cloned();
    let differences: Vec<Difference> = found.differences.iter().map(of_seeds).collect();
    html! {
        (hint())
        div.charts {
            (figure(accuracies(run, &found.budgets(), &accuracy).render(), said::ACCURACIES_DRAWN))
            (figure(differences_of(run, &differences).render(), said::DIFFERENCES_DRAWN))
        }
    }
}

fn of_seeds(found: &DifferenceOverSeeds) -> Difference {
    Difference {
        name: found.name,
        budget: found.labels_per_class,
        mean: found.mean,
        interval: found.interval.map(|[low, high]| (low, high)),
    }
}

/// A table whose first `words` columns are words, its head first.
fn cells(rows: &[Vec<String>], words: usize, caption: &str) -> Markup {
    let (head, body) = rows.split_first().map_or((&[][..], &[][..]), |(head, body)| (head.as_slice(), body));
    html! {
        div.wide {
            table.results {
                caption { (caption) }
                thead { tr { @for (column, cell) in head.iter().enumerate() { th.word[column == 1] scope="col" { (cell) } } } }
                tbody {
                    @for row in body {
                        tr {
                            @for (column, cell) in row.iter().enumerate() {
                                @if column == 0 { th scope="row" { (cell) } }
                                @else if column < words { td.word { (cell) } }
                                @else { td { (cell) } }
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
    use super::super::over_seeds;
    use super::super::tests::runs;
    use super::*;
    use crate::run::seeds::SeedsRecord;

    #[test]
    fn the_page_says_what_was_found_and_leads_to_each_run() {
        let mut runs = runs(&[(0.30, 0.49), (0.40, 0.60), (0.50, 0.71), (0.1, 0.1)]);
        runs[3].summary.as_mut().unwrap().finished = false;
        let record = SeedsRecord { seeds: vec![0, 1, 2, 3], hours: None, version: "1".to_owned() };
        let found = over_seeds(&runs, 4);
        let page = render(&Seeds { name: "mine".to_owned(), record, runs, found });
        for part in [
            "<title>mine: one comparison with 4 seeds</title>",
            "ahead of the supervised baseline by 20.0 points (95% interval +17.5 to +22.5).",
            "3 of 4 seeds have finished",
            "<td>+17.5 to +22.5</td>",
            "<a href=\"seed-0/report.html\">seed-0</a>",
            "<a href=\"seed-3/report.html\">seed-3</a> (not finished)",
            "id=\"overview\"",
            // Of the charts: mean and deviation between seeds, and the interval of the difference.
            "60.0% ± 11.0 with 10 labels per class",
            "+20.0 points (95% interval +17.5 to +22.5) with 10 labels per class",
            "<code>mine/seed-2</code>",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("tell little"));
    }
}
