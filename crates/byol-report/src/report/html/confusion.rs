//! Confusion matrices, the baseline's beside fine-tuned BYOL's, with the images behind each cell.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::super::chart::data;
use super::super::compare::confusion;
use super::super::language::page::nothing as absent;
use super::super::language::values::Disagreement;
use super::super::language::{answers as said, names, numbers};
use super::super::load::RunData;
use super::{nothing, thumbnails};
use crate::run::record::{LabelBudget, ResultName};

/// More classes than this do not fit side by side; only the sentence remains.
const MOST_CLASSES: usize = 24;
/// Images that a cell opens, at most.
const PER_CELL: usize = 12;

pub(super) fn section(run: &RunData, sheets: &str) -> Markup {
    let baseline_name = run.control().baseline();
    let both = |budget: LabelBudget| {
        let baseline = confusion(run, baseline_name, budget).map(|found| found.counts);
        let fine_tuned = confusion(run, run.fine_tuned(), budget).map(|found| found.counts);
        (baseline.is_some() || fine_tuned.is_some()).then_some((budget, baseline, fine_tuned))
    };
    let found: Vec<_> = run.budgets().into_iter().filter_map(both).collect();
    if found.is_empty() {
        return nothing(&absent::confusions(run.method()));
    }
    html! {
        p {
            (said::CONFUSIONS)
            @if run.thumbnails.is_some() { span data-hint="confusions" hidden { (said::CELLS_OPEN) } }
        }
        @for (place, (budget, baseline, fine_tuned)) in found.iter().enumerate() {
            details open[place == 0] {
                summary { h3 { (numbers::capital(&names::budget(*budget))) } }
                @if let (Some(baseline), Some(fine_tuned)) = (baseline, fine_tuned) {
                    @if let Some(text) = disagreement(run, baseline, fine_tuned) { p { (text) } }
                }
                div.matrices {
                    @for (counts, name) in
                        [(baseline, baseline_name), (fine_tuned, run.fine_tuned())]
                    {
                        @match counts {
                            Some(counts) if counts.len() <= MOST_CLASSES => {
                                div.wide data-matrix=(sheets) {
                                    (matrix(run, counts, name))
                                    (behind(run, name, *budget))
                                }
                            },
                            Some(counts) => (nothing(&absent::too_many_classes(counts.len()))),
                            None => (nothing(&absent::predictions(name, run.finished()))),
                        }
                    }
                }
            }
        }
    }
}

fn matrix(run: &RunData, counts: &[Vec<u64>], name: ResultName) -> Markup {
    let class = |class: usize| u16::try_from(class).map_or_else(|_| class.to_string(), |class| run.class_name(class));
    html! {
            table.matrix {
                caption { (numbers::capital(&names::label(name))) }
                thead {
                    tr {
                        td { (said::TRUE_AND_PREDICTED) }
                        @for column in 0..counts.len() { th scope="col" { span { (class(column)) } } }
                    }
                }
                tbody {
                    @for (row, cells) in counts.iter().enumerate() {
                        tr {
                            th scope="row" { (class(row)) }
                            @for ((column, &count), percent) in cells.iter().enumerate().zip(percentages(cells)) {
                                td.right[row == column] data-cell={ (row) "," (column) } style={ "--share:" (percent) "%" }
                                    title=(said::taken_for(&class(row), &class(column), count)) {
                                    @if count > 0 { (percent) }
                                }
                            }
                        }
                    }
                }
            }
    }
}

/// For the page's script: which of the small images stand behind each cell.
fn behind(run: &RunData, name: ResultName, budget: LabelBudget) -> Markup {
    let (Some(labels), Some(numbers)) = (run.test_labels(), thumbnails::numbers(run)) else { return html! {} };
    // In a cell: in how many answers, and the thumbnails of those that have one.
    let mut cells: BTreeMap<(u16, u16), (u64, Vec<usize>)> = BTreeMap::new();
    for record in run.predictions_of(name, budget) {
        for (image, (&label, &predicted)) in labels.iter().zip(&record.predicted).enumerate() {
            let (answers, images) = cells.entry((label, predicted)).or_default();
            *answers += 1;
            if let Some(&number) = numbers.get(&image)
                && images.len() < PER_CELL
                && !images.contains(&number)
            {
                images.push(number);
            }
        }
    }
    let cells = cells.into_iter().map(|((row, column), (answers, images))| {
        serde_json::json!({ "row": row, "column": column, "answers": answers, "thumbnails": images })
    });
    data(&serde_json::json!({
        "classifier": numbers::capital(&names::label(name)),
        "budget": names::budget(budget),
        "draws": run.predictions_of(name, budget).len(),
        "cells": cells.collect::<Vec<_>>(),
    }))
}

/// The counts of a row in whole percent that sum to 100: each rounded down, and the points that are then missing given to those that
/// lost most (largest remainders; of equal ones to the larger count, then to the first).
fn percentages(row: &[u64]) -> Vec<u64> {
    let total: u64 = row.iter().sum();
    if total == 0 {
        return vec![0; row.len()];
    }
    let mut percent: Vec<u64> = row.iter().map(|count| 100 * count / total).collect();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by_key(|&column| std::cmp::Reverse((100 * row[column] % total, row[column])));
    let missing = 100 - percent.iter().sum::<u64>();
    order.into_iter().zip(0..missing).for_each(|(column, _)| percent[column] += 1);
    percent
}

/// A count as percent of its row.
fn share(count: u64, row: &[u64]) -> f64 {
    let total: u64 = row.iter().sum();
    if total == 0 { 0.0 } else { 100.0 * count as f64 / total as f64 }
}

/// The confusion that changed most between both matrices.
fn disagreement(run: &RunData, baseline: &[Vec<u64>], fine_tuned: &[Vec<u64>]) -> Option<String> {
    let mut most: Option<(usize, usize, f64, f64)> = None;
    for (row, (before, after)) in baseline.iter().zip(fine_tuned).enumerate() {
        for (column, (&old, &new)) in before.iter().zip(after).enumerate() {
            let (old, new) = (share(old, before), share(new, after));
            if row != column && most.is_none_or(|(_, _, a, b)| (new - old).abs() > (b - a).abs()) {
                most = Some((row, column, old, new));
            }
        }
    }
    let (row, column, old, new) = most.filter(|(_, _, old, new)| old != new)?;
    let name = |class: usize| u16::try_from(class).map(|class| run.class_name(class)).ok();
    let (truth, taken) = (name(row)?, name(column)?);
    Some(said::disagreement(&Disagreement { method: run.method(), truth, taken, before: old, after: new }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_percentages_of_a_row_sum_to_100() {
        // 33.3% each round to 99, 16.7% each to 102.
        assert_eq!(percentages(&[1, 1, 1]), [34, 33, 33]);
        assert_eq!(percentages(&[1; 6]), [17, 17, 17, 17, 16, 16]);
        // 62.5%, 25.0%, 12.5% and 0: the point goes to the larger count.
        assert_eq!(percentages(&[5, 2, 1, 0]), [63, 25, 12, 0]);
        assert_eq!(percentages(&[1, 2, 5]), [12, 25, 63]);
        assert_eq!([percentages(&[7, 0]), percentages(&[0, 0]), percentages(&[])], [vec![100, 0], vec![0, 0], vec![]]);
    }
}
