//! The comparison table as Markdown that also reads well in a terminal.

use super::advice::advice;
use super::explain::explain;
use super::language::{self, advice as advised, names, numbers};
use super::load::RunData;
use crate::run::record::{LabelBudget, ResultName};

/// What stands where a classifier was not evaluated.
pub(super) const MISSING: &str = "–";

/// What came out, in the sentences of the page's head, and what to do next, for the end of a run in a terminal.
pub fn closing(run: &RunData) -> String {
    let explained = explain(run);
    let mut text = format!("{}\n", language::explain::headline(&explained.headline));
    let found = advice(run, &explained);
    if !found.is_empty() {
        text.push_str(&format!("\n{}\n", language::table::WHAT_NEXT));
    }
    for (place, one) in found.iter().enumerate() {
        let (heading, why) = (advised::heading(one.kind()), advised::text(&one.what));
        text.push_str(&format!("{}. {heading}. {why}\n", place + 1));
        for command in &one.commands {
            text.push_str(&format!("     {command}\n"));
        }
    }
    text
}

/// The comparison table and a line on pre-training, for every run.
pub fn markdown(runs: &[RunData]) -> String {
    let one = |run: &RunData| match runs.len() {
        1 => of_run(run),
        _ => format!("## {}\n\n{}", run.name, of_run(run)),
    };
    runs.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn of_run(run: &RunData) -> String {
    let budgets = run.budgets();
    let mut text = String::new();
    if budgets.is_empty() {
        text.push_str(&format!("{}\n", language::table::nothing_evaluated(run.finished())));
    } else {
        text.push_str(&aligned(&rows(run, &budgets), 2));
        text.push_str(&format!("\n{}\n", language::table::accuracies_are(several_draws(run))));
    }
    text.push('\n');
    text.push_str(&language::table::pretraining(&run.known_of_pretraining()));
    text.push('\n');
    if let Some(expected) = run.expected() {
        text.push_str(&format!("\n{}\n", language::table::expected(&expected)));
    }
    for note in &run.notes {
        text.push_str(&format!("\n{}\n", language::table::noted(&language::notes::note(note))));
    }
    text
}

/// Whether several label draws stand behind some of the table's numbers.
pub(super) fn several_draws(run: &RunData) -> bool {
    run.budgets().into_iter().any(|budget| {
        let results = run.results().into_iter();
        results.filter_map(|name| run.accuracy(name, budget)).any(|found| found.std.is_some())
    })
}

/// The table's cells, its head first.
pub(super) fn rows(run: &RunData, budgets: &[LabelBudget]) -> Vec<Vec<String>> {
    let mut rows = vec![language::table::columns(budgets)];
    for name in run.results() {
        let began = names::began_as(name, run.control());
        let mut row = vec![numbers::capital(&names::label(name)), began];
        row.extend(budgets.iter().map(|&budget| cell(run, name, budget)));
        rows.push(row);
    }
    let mut draws = vec![language::table::LABEL_DRAWS.to_owned(), String::new()];
    draws.extend(budgets.iter().map(|&budget| draws_of(run, budget)));
    rows.push(draws);
    rows
}

fn cell(run: &RunData, name: ResultName, budget: LabelBudget) -> String {
    percent(run.accuracy(name, budget).map(|accuracy| (accuracy.mean, accuracy.std)))
}

/// Mean and deviation of an accuracy in percent.
pub(super) fn percent(accuracy: Option<(f64, Option<f64>)>) -> String {
    match accuracy {
        None => MISSING.to_owned(),
        Some((mean, Some(deviation))) => format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * deviation),
        Some((mean, None)) => format!("{:.1}", 100.0 * mean),
    }
}

/// How many label draws stand behind a column: `3`, or `1 to 3` where its classifiers differ.
fn draws_of(run: &RunData, budget: LabelBudget) -> String {
    let results = run.results().into_iter();
    let counts: Vec<usize> =
        results.filter_map(|name| run.accuracy(name, budget)).map(|found| found.runs.len()).collect();
    match (counts.iter().min(), counts.iter().max()) {
        (Some(&least), Some(&most)) => names::from_to(least, most),
        _ => MISSING.to_owned(),
    }
}

/// A Markdown table whose columns line up in a terminal; the first `words` columns hold words, the others numbers.
pub(super) fn aligned(rows: &[Vec<String>], words: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(4);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (place, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column < words {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        text.push_str(&format!("| {} |\n", cells.collect::<Vec<_>>().join(" | ")));
        if place == 0 {
            let rules = widths.iter().enumerate().map(|(column, &width)| match column < words {
                true => "-".repeat(width),
                false => format!("{}:", "-".repeat(width - 1)),
            });
            text.push_str(&format!("| {} |\n", rules.collect::<Vec<_>>().join(" | ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::notes::Note;
    use super::super::testing::Run;
    use super::*;

    #[test]
    fn a_whole_run_gives_this_table() {
        let expected = "\
| classifier             | encoder began as | 10 labels per class | all labels |
| ---------------------- | ---------------- | ------------------: | ---------: |
| Supervised baseline    | random           |          40.0 ± 1.0 |       60.0 |
| BYOL, fine-tuned       | BYOL             |          60.0 ± 1.0 |       70.0 |
| BYOL, linear           | BYOL             |          55.0 ± 1.0 |       65.0 |
| BYOL, k-NN             | BYOL             |          52.0 ± 1.0 |       62.0 |
| Random encoder, linear | random           |          35.0 ± 1.0 |       45.0 |
| Random encoder, k-NN   | random           |          33.0 ± 1.0 |       40.0 |
| Label draws            |                  |                   3 |          1 |

Test accuracy in percent; where there are several label draws, mean ± sample standard deviation.

Pre-training: 20 epochs, 80,000 image passes at 145.3 images/s (monitoring included), final loss 0.420.
";
        assert_eq!(markdown(&[Run::ahead().data()]), expected);
    }

    #[test]
    fn given_weights_have_rows_of_their_own() {
        let expected = "\
| classifier                | encoder began as    | 10 labels per class | all labels |
| ------------------------- | ------------------- | ------------------: | ---------: |
| Given weights, fine-tuned | given weights       |          55.0 ± 1.0 |       72.0 |
| BYOL, fine-tuned          | given weights, BYOL |          60.0 ± 1.0 |       70.0 |
| BYOL, linear              | given weights, BYOL |          55.0 ± 1.0 |       65.0 |
| BYOL, k-NN                | given weights, BYOL |          42.0 ± 1.0 |       52.0 |
| Given weights, linear     | given weights       |          50.0 ± 1.0 |       60.0 |
| Given weights, k-NN       | given weights       |          48.0 ± 1.0 |       58.0 |
| Label draws               |                     |                   3 |          1 |
";
        let found = markdown(&[Run::of_given_weights().data()]);
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn a_run_closes_with_what_came_out_and_what_next() {
        let text = closing(&Run::ahead().data());
        assert!(
            text.starts_with(
                "The classifier that `predict` and `export` take is fine-tuned BYOL with all labels; it is right on 140 of 200 test images"
            ),
            "{text}"
        );
        assert!(text.contains("\n\nWhat next:\n1. "), "{text}");
        assert!(text.contains("\n     byol run --resume made-up --more-epochs 30\n"), "{text}");
    }

    #[test]
    fn a_missing_arm_and_unequal_draws_show() {
        let mut run = Run::ahead();
        run.drop_arm(ResultName::PRETRAINED_KNN);
        run.predictions.retain(|record| record.name != ResultName::PRETRAINED_FINETUNED || record.draw == 0);
        let text = markdown(&[run.data()]);
        assert!(
            text.contains("| BYOL, k-NN             | BYOL             |                   – |          – |"),
            "{text}"
        );
        assert!(
            text.contains("| Label draws            |                  |              1 to 3 |          1 |"),
            "{text}"
        );
    }

    #[test]
    fn an_interrupted_run_says_so() {
        let mut run = Run::ahead();
        run.predictions.clear();
        run.summary = None;
        run.metrics.retain(|record| record.labels_per_class.is_none() && record.epoch <= 7);
        let data = RunData { notes: vec![Note::Unfinished], ..run.data() };
        assert_eq!(
            markdown(&[data]),
            "No classifier has been evaluated on the test images yet.\n\nPre-training: 7 epochs, 28,000 image passes at \
             145.3 images/s (monitoring included), final loss 0.888 so far.\n\nNote: the run has not finished; this is what it had recorded so far.\n"
        );
    }

    #[test]
    fn several_runs_stand_under_their_names() {
        let text = markdown(&[Run::ahead().data(), Run::ahead().data()]);
        assert_eq!(text.matches("## made-up\n\n| classifier").count(), 2);
    }
}
