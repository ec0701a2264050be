//! What several seeds found, as Markdown that also reads well in a terminal, and as the cells of the page.

use super::super::language::{names, numbers, seeds as said, table as of_one};
use super::super::table::{aligned, percent};
use super::{OverSeeds, Seeds};
use crate::run::record::{Control, Init, LabelBudget, ResultName};

/// The joined table, the differences with their intervals, and what they tell.
pub fn markdown(seeds: &Seeds) -> String {
    let found = &seeds.found;
    let mut text = String::new();
    if found.results.is_empty() {
        text.push_str(&format!("{}\n", said::NOTHING));
    } else {
        text.push_str(&format!("{}\n{}\n", aligned(&rows(found), 2), said::ACCURACIES_ARE));
    }
    if !found.differences.is_empty() {
        text.push_str(&format!("\n{}\n{}\n", aligned(&differences(found), 2), said::DIFFERENCES_ARE));
    }
    for sentence in told(found) {
        text.push_str(&format!("\n{sentence}\n"));
    }
    text
}

/// Every sentence on what was found: fine-tuning beside its baseline, and self-training beside fine-tuning, then what to know
/// of it.
pub(super) fn told(found: &OverSeeds) -> Vec<String> {
    let trained_on = |name: ResultName| name.init == Init::Pretrained && !name.protocol.is_frozen();
    let differences = found.differences.iter().filter(|one| trained_on(one.name));
    differences.map(said::finding).chain(said::few(found)).chain(said::finished(found)).collect()
}

/// What pre-training is held against: a run that begins with given weights has results of these.
fn control(found: &OverSeeds) -> Control {
    let given = found.results.iter().any(|result| result.name.init == Init::Given);
    if given { Control::Given } else { Control::Random }
}

/// The cells of the joined table, its head first.
pub(super) fn rows(found: &OverSeeds) -> Vec<Vec<String>> {
    let (budgets, control) = (found.budgets(), control(found));
    let mut names: Vec<ResultName> = Vec::new();
    for result in &found.results {
        if !names.contains(&result.name) {
            names.push(result.name);
        }
    }
    let mut rows = vec![of_one::columns(&budgets)];
    for name in names {
        let accuracy =
            |&budget: &LabelBudget| percent(found.accuracy(name, budget).map(|accuracy| (accuracy.mean, accuracy.std)));
        let mut row = vec![numbers::capital(&names::label(name)), names::began_as(name, control)];
        row.extend(budgets.iter().map(accuracy));
        rows.push(row);
    }
    let mut seeds = vec![said::SEEDS.to_owned(), String::new()];
    seeds.extend(budgets.iter().map(|_| found.seeds.len().to_string()));
    rows.push(seeds);
    rows
}

/// The cells of the differences, their head first.
pub(super) fn differences(found: &OverSeeds) -> Vec<Vec<String>> {
    let control = control(found);
    let each = found.differences.iter().map(|one| said::difference_row(one, control));
    std::iter::once(said::difference_columns()).chain(each).collect()
}

#[cfg(test)]
mod tests {
    use super::super::over_seeds;
    use super::super::tests::runs;
    use super::*;
    use crate::run::seeds::SeedsRecord;

    #[test]
    fn three_seeds_give_this_table() {
        let runs = runs(&[(0.30, 0.49), (0.40, 0.60), (0.50, 0.71)]);
        let record = SeedsRecord { seeds: vec![0, 1, 2], hours: None, version: "1".to_owned() };
        let found = over_seeds(&runs, 3);
        let text = markdown(&Seeds { name: "mine".to_owned(), record, runs, found });
        for line in [
            "| Supervised baseline    | random           |         40.0 ± 10.0 | 60.0 ± 0.0 |",
            "| BYOL, fine-tuned       | BYOL             |         60.0 ± 11.0 | 70.0 ± 0.0 |",
            "| Seeds                  |                  |                   3 |          3 |",
        ] {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert!(text.lines().any(|found| words(found) == words(line)), "{line}\n{text}");
        }
        assert!(text.contains("+17.5 to +22.5") && text.contains("+19.0, +20.0, +21.0"), "{text}");
        assert!(text.contains("ahead of the supervised baseline by 20.0 points"), "{text}");
        assert!(!text.contains("tell little") && !text.contains("have finished"), "{text}");
    }

    #[test]
    fn what_is_missing_is_said() {
        let runs = runs(&[(0.30, 0.49), (0.40, 0.60)]);
        let record = SeedsRecord { seeds: vec![0, 1, 2], hours: None, version: "1".to_owned() };
        let found = over_seeds(&runs, 3);
        let text = markdown(&Seeds { name: "mine".to_owned(), record: record.clone(), runs, found });
        assert!(text.contains("Two seeds tell little") && text.contains("2 of 3 seeds have finished"), "{text}");
        let found = over_seeds(&[], 3);
        let text = markdown(&Seeds { name: "mine".to_owned(), record, runs: Vec::new(), found });
        assert!(text.starts_with("No run has finished yet.\n") && text.contains("0 of 3 seeds"), "{text}");
    }
}
