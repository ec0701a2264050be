//! The table of a simulation, as Markdown that also reads well in a terminal.

use super::super::language::simulation as said;
use super::super::table::{MISSING, aligned};
use super::{AtBudget, Curve, curves};
use crate::run::simulation::{Simulation, Strategy};

/// Accuracies, then each strategy beside random images, then what is to be known of them in sentences.
pub fn markdown(simulation: &Simulation) -> String {
    let curves = curves(simulation);
    let mut text = format!("{}\n{}\n", aligned(&rows(&curves), 1), said::accuracies_are(simulation));
    if has_random(&curves) && curves.len() > 1 {
        text.push_str(&format!("\n{}\n{}\n", aligned(&differences(&curves), 1), said::DIFFERENCES_ARE));
    }
    for sentence in told(simulation, &curves) {
        text.push_str(&format!("\n{sentence}\n"));
    }
    text
}

pub(super) fn has_random(curves: &[Curve]) -> bool {
    curves.iter().any(|curve| curve.strategy == Strategy::Random)
}

/// What came out, a sentence each: of the strategy that is taken by itself, else of the first.
pub(super) fn told(simulation: &Simulation, curves: &[Curve]) -> Vec<String> {
    let others = || curves.iter().filter(|curve| curve.strategy != Strategy::Random);
    let chosen = others().find(|curve| curve.strategy == Strategy::Auto).or_else(|| others().next());
    let beside = chosen.into_iter().flat_map(|curve| {
        curve
            .points
            .iter()
            .filter_map(|point| Some(said::finding(curve.strategy, point, point.beside_random.as_ref()?)))
    });
    let aside = chosen.and_then(|curve| said::set_aside(curve.points.last()?, simulation));
    beside.chain(aside).chain(said::few(simulation.seeds.len())).collect()
}

/// The cells of the table of accuracies, its head first.
pub(super) fn rows(curves: &[Curve]) -> Vec<Vec<String>> {
    cells(curves.iter(), &budgets(curves), said::accuracy)
}

/// The cells of the table of differences, its head first.
pub(super) fn differences(curves: &[Curve]) -> Vec<Vec<String>> {
    let others = curves.iter().filter(|curve| curve.strategy != Strategy::Random);
    cells(others, &budgets(curves), |point| {
        point.beside_random.as_ref().map_or_else(|| MISSING.to_owned(), said::beside_random)
    })
}

fn budgets(curves: &[Curve]) -> Vec<usize> {
    let mut budgets: Vec<usize> = curves.iter().flat_map(|curve| &curve.points).map(|point| point.labels).collect();
    budgets.sort_unstable();
    budgets.dedup();
    budgets
}

fn cells<'a>(
    curves: impl Iterator<Item = &'a Curve>,
    budgets: &[usize],
    cell: impl Fn(&AtBudget) -> String,
) -> Vec<Vec<String>> {
    let head = std::iter::once(said::STRATEGY.to_owned()).chain(budgets.iter().map(|&labels| said::labels(labels)));
    let mut rows = vec![head.collect::<Vec<_>>()];
    for curve in curves {
        let of = |labels: &usize| curve.points.iter().find(|point| point.labels == *labels);
        let cells = budgets.iter().map(|labels| of(labels).map_or_else(|| MISSING.to_owned(), &cell));
        rows.push(std::iter::once(curve.strategy.name().to_owned()).chain(cells).collect());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::tests::simulation;
    use super::*;

    #[test]
    fn the_table_has_accuracies_and_differences_with_intervals() {
        let text = markdown(&simulation());
        let table = "\
| strategy |           10 labels |           20 labels |           40 labels |
| -------- | ------------------: | ------------------: | ------------------: |
| typical  | 42.0 (37.0 to 47.0) | 50.0 (50.0 to 50.0) | 70.0 (45.2 to 94.8) |
| random   | 30.0 (30.0 to 30.0) | 40.0 (40.0 to 40.0) | 60.0 (60.0 to 60.0) |
";
        assert!(text.starts_with(table), "{text}");
        for part in [
            "| typical  | +12.0 (+7.0 to +17.0); as 22 random | ",
            "| +10.0 (−14.8 to +34.8) |",
            "With 10 labels, typical is ahead of random images by 12.0 points (95% interval +7.0 to +17.0); random images reach \
             that accuracy with about 22 labels.",
            "With 40 labels, typical is not told apart from random images: +10.0 points (95% interval −14.8 to +34.8).",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn without_random_images_there_is_nothing_to_hold_against() {
        let mut alone = simulation();
        alone.test_share = 0.0;
        alone.outcomes.retain(|one| one.strategy == Strategy::Typical);
        let text = markdown(&alone);
        assert!(!text.contains("random"), "{text}");
    }
}
