//! What an ablation found, in words. Every sentence is drawn from recorded values, and every difference is taken seed
//! by seed.

use super::super::words;
use crate::run::ablation::{Ablation, FULL_NAME, TOGETHER_NAME, VariantRecord};
use crate::run::record::{LabelBudget, ResultName};
use crate::statistics::significance::{Difference, mean_difference};

/// What one variant comes to beside full BYOL.
pub(super) struct Against<'a> {
    pub variant: &'a VariantRecord,
    /// Of the accuracies, variant minus full, over the seeds that both have.
    pub difference: Difference,
}

/// What an ablation found, in sentences: collapse, then each variant against full BYOL, then fine-tuning against the
/// baseline.
pub fn findings(ablation: &Ablation) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(collapse(ablation));
    for name in [ResultName::ByolLinear, ResultName::ByolFinetuned] {
        found.extend(budget_of(ablation, name).and_then(|budget| ranking(ablation, name, budget)));
    }
    found.extend(lost(ablation));
    found
}

/// The largest label budget at which full BYOL was judged this way.
pub(super) fn budget_of(ablation: &Ablation, name: ResultName) -> Option<LabelBudget> {
    let full = full(ablation)?;
    let results = full.seeds.iter().flat_map(|seed| &seed.results);
    results.filter(|result| result.name == name).map(|result| result.labels_per_class).max()
}

fn full(ablation: &Ablation) -> Option<&VariantRecord> {
    ablation.variants.iter().find(|variant| variant.name == FULL_NAME)
}

/// Every other variant that was judged this way against full BYOL, in the ablation's order.
pub(super) fn against_full(ablation: &Ablation, name: ResultName, budget: LabelBudget) -> Vec<Against<'_>> {
    let Some(full) = full(ablation) else { return Vec::new() };
    let others = ablation.variants.iter().filter(|variant| variant.name != FULL_NAME);
    let held = |variant| Some(Against { variant, difference: difference((variant, name), (full, name), budget)? });
    others.filter_map(held).collect()
}

/// One accuracy minus another over the seeds that both have.
fn difference(
    (variant, name): (&VariantRecord, ResultName),
    (other, of_other): (&VariantRecord, ResultName),
    budget: LabelBudget,
) -> Option<Difference> {
    let differences: Vec<f64> = variant
        .seeds
        .iter()
        .filter_map(|seed| {
            let same = other.seeds.iter().find(|of_other| of_other.seed == seed.seed)?;
            Some(seed.accuracy(name, budget)? - same.accuracy(of_other, budget)?)
        })
        .collect();
    mean_difference(&differences)
}

fn collapse(ablation: &Ablation) -> Option<String> {
    let times = |variant: &VariantRecord| {
        format!("{} ({} of {} seeds)", variant.name, variant.collapsed(), variant.seeds.len())
    };
    let (fallen, upright): (Vec<&VariantRecord>, Vec<_>) =
        ablation.variants.iter().partition(|variant| variant.collapsed() > 0);
    let names = |variants: &[&VariantRecord]| {
        words::list(&variants.iter().map(|variant| variant.name.clone()).collect::<Vec<_>>())
    };
    match (fallen.as_slice(), upright.as_slice()) {
        ([], []) => None,
        ([], _) => Some("The representation collapsed in no variant.".to_owned()),
        (fallen, []) => Some(format!(
            "The representation collapsed in every variant: {}.",
            words::list(&fallen.iter().map(|variant| times(variant)).collect::<Vec<_>>())
        )),
        (fallen, upright) => Some(format!(
            "The representation collapsed in {}; it did not in {}.",
            words::list(&fallen.iter().map(|variant| times(variant)).collect::<Vec<_>>()),
            names(upright)
        )),
    }
}

/// Who is behind full BYOL, who is ahead, and of whom nothing can be said.
fn ranking(ablation: &Ablation, name: ResultName, budget: LabelBudget) -> Option<String> {
    let full = full(ablation)?.accuracy(name, budget)?;
    let mut held = against_full(ablation, name, budget);
    held.sort_by(|a, b| a.difference.mean.total_cmp(&b.difference.mean));
    let of = |side: fn(&Difference) -> bool| {
        let parts = held.iter().filter(|against| side(&against.difference)).map(|against| {
            format!(
                "{} ({}; {})",
                against.variant.name,
                words::points(against.difference.mean),
                interval(&against.difference)
            )
        });
        words::list(&parts.collect::<Vec<_>>())
    };
    let groups = [
        ("behind it", of(|difference| difference.high < 0.0)),
        ("ahead of it", of(|difference| difference.low > 0.0)),
        ("not told apart from it by so few seeds", of(|difference| difference.low <= 0.0 && difference.high >= 0.0)),
    ];
    let groups: Vec<String> = groups
        .into_iter()
        .filter(|(_, variants)| !variants.is_empty())
        .map(|(place, variants)| format!("{place}: {variants}"))
        .collect();
    (!groups.is_empty()).then(|| {
        format!(
            "{} with {} of BYOL as published: {}. In points of test accuracy, {}.",
            words::capital(if name == ResultName::ByolLinear { "linear evaluation" } else { "fine-tuning" }),
            words::budget(budget),
            words::percent(full.mean),
            groups.join("; ")
        )
    })
}

fn interval(difference: &Difference) -> String {
    if difference.low.is_finite() {
        format!("95% interval {} to {}", words::points(difference.low), words::points(difference.high))
    } else {
        "one seed, so no interval".to_owned()
    }
}

/// Why the lab's BYOL lost: fine-tuning against the baseline, for BYOL as published and with all faults together.
fn lost(ablation: &Ablation) -> Option<String> {
    let budget = budget_of(ablation, ResultName::ByolFinetuned)?;
    let gain = |name: &str| {
        let variant = ablation.variants.iter().find(|variant| variant.name == name)?;
        let difference = difference((variant, ResultName::ByolFinetuned), (variant, ResultName::Supervised), budget)?;
        let accuracy = |name| Some(words::percent(variant.accuracy(name, budget)?.mean));
        Some((
            difference,
            format!(
                "{} against {}, {} points ({})",
                accuracy(ResultName::ByolFinetuned)?,
                accuracy(ResultName::Supervised)?,
                words::points(difference.mean),
                interval(&difference)
            ),
        ))
    };
    let (_, published) = gain(FULL_NAME)?;
    let mut text = format!(
        "Fine-tuned with {}, against a baseline with the same labels: BYOL as published {published}",
        words::budget(budget)
    );
    let Some((together, with_faults)) = gain(TOGETHER_NAME) else { return Some(format!("{text}.")) };
    text += &format!("; with all of the lab's faults together {with_faults}. ");
    let verdict = match (together.low, together.high) {
        (_, high) if high < 0.0 => {
            "With the faults BYOL ends below its own baseline, as it did in the lab (48.1% against 50.4%)"
        }
        (low, _) if low > 0.0 => {
            "Even with the faults BYOL ends above its baseline here; in the lab it did not (48.1% against 50.4%)"
        }
        _ => {
            "With the faults nothing is left that these seeds could show of what BYOL gains; in the lab it ended below its baseline (48.1% against 50.4%)"
        }
    };
    let mut alone: Vec<Against> = against_full(ablation, ResultName::ByolFinetuned, budget)
        .into_iter()
        .filter(|against| against.variant.name.starts_with("lab-") && against.variant.name != TOGETHER_NAME)
        .collect();
    alone.sort_by(|a, b| a.difference.mean.total_cmp(&b.difference.mean));
    let costly: Vec<String> = alone
        .iter()
        .filter(|against| against.difference.high < 0.0)
        .map(|against| format!("{} ({})", against.variant.change, words::points(against.difference.mean)))
        .collect();
    text += verdict;
    text += &match costly.as_slice() {
        [] => ". No fault by itself costs anything that these seeds can show.".to_owned(),
        costly => {
            format!(". Faults that cost fine-tuning something by themselves, the dearest first: {}.", costly.join("; "))
        }
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::variant;
    use super::*;
    use crate::run::ablation::ResultOfSeed;

    fn ablation(variants: Vec<VariantRecord>) -> Ablation {
        Ablation { variants, version: "0".into(), hardware: "cpu".into() }
    }

    #[test]
    fn who_collapsed_and_who_is_behind() {
        let found = findings(&ablation(vec![
            variant("full", &[0.50, 0.52, 0.51], None),
            variant("no-predictor", &[0.10, 0.11, 0.12], Some(2)),
            variant("symmetric", &[0.52, 0.50, 0.51], None),
        ]));
        assert_eq!(
            found,
            [
                "The representation collapsed in no-predictor (3 of 3 seeds); it did not in full and symmetric.",
                // Differences -0.40, -0.41, -0.39: deviation 0.01, and 4.303 of t with two degrees of freedom.
                "Linear evaluation with all labels of BYOL as published: 51.0%. In points of test accuracy, behind it: \
                 no-predictor (−40.0; 95% interval −42.5 to −37.5); not told apart from it by so few seeds: symmetric \
                 (0.0; 95% interval −5.0 to +5.0).",
            ]
        );
    }

    #[test]
    fn why_the_lab_lost() {
        let with = |name: &str, finetuned: [f64; 2]| {
            let mut variant = variant(name, &[0.5, 0.5], None);
            for (seed, (finetuned, baseline)) in variant.seeds.iter_mut().zip(finetuned.into_iter().zip([0.40, 0.42])) {
                let result = |name, test_accuracy| ResultOfSeed {
                    name,
                    labels_per_class: LabelBudget::PerClass(2),
                    test_accuracy,
                };
                seed.results =
                    vec![result(ResultName::Supervised, baseline), result(ResultName::ByolFinetuned, finetuned)];
            }
            variant
        };
        let text = lost(&ablation(vec![
            with("full", [0.60, 0.62]),
            with("lab-heads", [0.50, 0.52]),
            with("lab-together", [0.30, 0.32]),
        ]))
        .unwrap();
        for part in [
            "BYOL as published 61.0% against 41.0%, +20.0 points",
            "with all of the lab's faults together 31.0% against 41.0%, −10.0 points",
            "ends below its own baseline, as it did in the lab",
            "what lab-heads changes (−10.0).",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn one_seed_decides_nothing() {
        let found = findings(&ablation(vec![variant("full", &[0.5], None), variant("symmetric", &[0.1], None)]));
        assert!(
            found[1].contains("not told apart from it by so few seeds: symmetric (−40.0; one seed, so no interval)"),
            "{found:?}"
        );
    }
}
