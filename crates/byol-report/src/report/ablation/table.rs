//! The table of an ablation, beside the paper's figures.

use super::super::language::ablation as said;
use super::super::table::{MISSING, aligned, percent};
use super::findings::findings;
use crate::run::ablation::{Ablation, SeedRecord, VariantRecord};
use crate::run::record::{LabelBudget, ResultName};

/// The table as Markdown that also reads well in a terminal, with notes under it.
pub fn markdown(ablation: &Ablation) -> String {
    let (rows, notes) = (rows(ablation), notes(ablation));
    let found = findings(ablation);
    let findings: String = found.iter().map(|found| format!("{}\n\n", said::finding(found, ablation.method))).collect();
    format!("{}\n{notes}\n{}", aligned(&rows, 1), findings.trim_end())
}

/// The table's cells, its head first.
pub(super) fn rows(ablation: &Ablation) -> Vec<Vec<String>> {
    let budgets: Vec<LabelBudget> = budgets(ablation);
    let mut columns: Vec<(ResultName, LabelBudget)> = Vec::new();
    for name in [
        ResultName::PRETRAINED_LINEAR,
        ResultName::PRETRAINED_KNN,
        ResultName::SUPERVISED,
        ResultName::PRETRAINED_FINETUNED,
    ] {
        for &budget in &budgets {
            if ablation.variants.iter().any(|variant| variant.accuracy(name, budget).is_some()) {
                columns.push((name, budget));
            }
        }
    }
    let mut rows = vec![said::columns(&columns)];
    for variant in &ablation.variants {
        let mut row = vec![variant.name.clone()];
        row.extend(columns.iter().map(|&(name, budget)| {
            percent(variant.accuracy(name, budget).map(|accuracy| (accuracy.mean, accuracy.std)))
        }));
        row.push(figure(variant, 1, |seed| seed.effective_rank));
        row.push(figure(variant, 2, |seed| seed.projection_deviation));
        row.push(said::of_seeds(variant.collapsed(), variant.seeds.len()));
        row.push(variant.paper.as_ref().map_or(MISSING.to_owned(), |(accuracy, _)| format!("{accuracy:.1}")));
        rows.push(row);
    }
    rows
}

fn budgets(ablation: &Ablation) -> Vec<LabelBudget> {
    let mut budgets: Vec<LabelBudget> = ablation
        .variants
        .iter()
        .flat_map(|variant| &variant.seeds)
        .flat_map(|seed| &seed.results)
        .map(|result| result.labels_per_class)
        .collect();
    budgets.sort();
    budgets.dedup();
    budgets
}

/// The mean over seeds of a figure.
fn figure(variant: &VariantRecord, digits: usize, of: impl Fn(&SeedRecord) -> Option<f64>) -> String {
    let found: Vec<f64> = variant.seeds.iter().filter_map(of).collect();
    match found.is_empty() {
        true => MISSING.to_owned(),
        false => format!("{:.digits$}", found.iter().sum::<f64>() / found.len() as f64),
    }
}

fn notes(ablation: &Ablation) -> String {
    let changed = |variant: &VariantRecord| said::changed(variant, ablation.method);
    let each = ablation.variants.iter().map(|variant| format!("- {}: {}\n", variant.name, changed(variant)));
    format!("{}\n\n{}", said::CAPTION, each.collect::<String>())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::run::ablation::{Change, RecordedChange, ResultOfSeed};
    use crate::run::record::Method;

    pub fn variant(name: &str, accuracies: &[f64], collapsed_at: Option<usize>) -> VariantRecord {
        let seed = |(seed, &test_accuracy)| SeedRecord {
            seed,
            results: vec![ResultOfSeed {
                name: ResultName::PRETRAINED_LINEAR,
                labels_per_class: LabelBudget::All,
                test_accuracy,
            }],
            collapsed_at,
            effective_rank: Some(12.34),
            projection_deviation: Some(0.567),
            seconds: 1.0,
        };
        VariantRecord {
            name: name.into(),
            change: match name {
                "lab-heads" => RecordedChange::Known(Change::LabHeads),
                _ => RecordedChange::Other(format!("what {name} changes")),
            },
            paper: (name == "full").then(|| (72.5, "Table 5a".to_owned())),
            seeds: (0..).zip(accuracies).map(seed).collect(),
        }
    }

    #[test]
    fn a_table_beside_the_papers_figures() {
        let ablation = Ablation {
            method: Method::Byol,
            variants: vec![variant("full", &[0.5, 0.52], None), variant("no-predictor", &[0.1, 0.1], Some(2))],
            version: "0".into(),
            hardware: "cpu".into(),
        };
        let text = markdown(&ablation);
        let table = "\
| variant      | linear, all labels | effective rank | deviation | collapsed | paper |
| ------------ | -----------------: | -------------: | --------: | --------: | ----: |
| full         |         51.0 ± 1.4 |           12.3 |      0.57 |    0 of 2 |  72.5 |
| no-predictor |         10.0 ± 0.0 |           12.3 |      0.57 |    2 of 2 |     – |
";
        assert!(text.starts_with(table), "{text}");
        assert!(text.contains("- full: what full changes (paper: Table 5a)\n"), "{text}");
        assert!(text.contains("- no-predictor: what no-predictor changes; collapsed from epoch 2 on\n"), "{text}");
    }
}
