//! What an ablation found. Every finding is drawn from recorded values, and every difference is taken seed by seed.

use crate::run::ablation::{Ablation, FULL_NAME, RecordedChange, TOGETHER_NAME, VariantRecord};
use crate::run::record::{LabelBudget, ResultName};
use crate::statistics::significance::{Difference, mean_difference};

/// What one variant comes to beside the full method.
pub(super) struct Against<'a> {
    pub variant: &'a VariantRecord,
    /// Of the accuracies, variant minus full, over the seeds that both have.
    pub difference: Difference,
}

/// One thing that an ablation found.
#[derive(Clone, Debug)]
pub enum Finding {
    NoneCollapsed,
    /// Name of each variant, with how many of its seeds collapsed and how many there are.
    AllCollapsed(Vec<(String, usize, usize)>),
    /// The same of those that collapsed, and the names of the others.
    Collapsed {
        fallen: Vec<(String, usize, usize)>,
        upright: Vec<String>,
    },
    Judged(Judged),
    Lost(Lost),
}

/// Variants beside the full method, by one way of evaluating.
#[derive(Clone, Debug)]
pub struct Judged {
    pub name: ResultName,
    pub budget: LabelBudget,
    /// Accuracy of the full method, 0-1.
    pub full: f64,
    /// Names of variants with their differences, the lowest first; groups with none are absent.
    pub groups: Vec<(Place, Vec<(String, Difference)>)>,
}

/// Where a variant stands beside the full method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Behind,
    Ahead,
    Undecided,
}

/// Why the lab's pre-training lost: fine-tuning against the baseline, for the method as published and with all faults together.
#[derive(Clone, Debug)]
pub struct Lost {
    pub budget: LabelBudget,
    pub published: Gain,
    pub together: Option<Together>,
}

/// The method with all of the lab's faults.
#[derive(Clone, Debug)]
pub struct Together {
    pub gain: Gain,
    pub short: Short,
    /// The faults that cost something by themselves, the dearest first.
    pub costly: Vec<(RecordedChange, Difference)>,
}

/// Fine-tuning beside its baseline.
#[derive(Clone, Debug)]
pub struct Gain {
    /// Accuracies, 0-1.
    pub fine_tuned: f64,
    pub baseline: f64,
    pub difference: Difference,
}

/// Where the method with all faults ends beside its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Short {
    Below,
    Above,
    Undecided,
}

/// What an ablation found: collapse, then each variant against the full method, then fine-tuning against the baseline.
pub fn findings(ablation: &Ablation) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(collapse(ablation));
    for name in [ResultName::PRETRAINED_LINEAR, ResultName::PRETRAINED_FINETUNED] {
        found.extend(budget_of(ablation, name).and_then(|budget| ranking(ablation, name, budget)));
    }
    found.extend(lost(ablation).map(Finding::Lost));
    found
}

/// The largest label budget at which the full method was judged this way.
pub(super) fn budget_of(ablation: &Ablation, name: ResultName) -> Option<LabelBudget> {
    let full = full(ablation)?;
    let results = full.seeds.iter().flat_map(|seed| &seed.results);
    results.filter(|result| result.name == name).map(|result| result.labels_per_class).max()
}

fn full(ablation: &Ablation) -> Option<&VariantRecord> {
    ablation.variants.iter().find(|variant| variant.name == FULL_NAME)
}

/// Every other variant that was judged this way against the full method, in the ablation's order.
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

fn collapse(ablation: &Ablation) -> Option<Finding> {
    let (fallen, upright): (Vec<&VariantRecord>, Vec<_>) =
        ablation.variants.iter().partition(|variant| variant.collapsed() > 0);
    let fallen: Vec<(String, usize, usize)> =
        fallen.iter().map(|variant| (variant.name.clone(), variant.collapsed(), variant.seeds.len())).collect();
    let upright: Vec<String> = upright.iter().map(|variant| variant.name.clone()).collect();
    match (fallen.is_empty(), upright.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Finding::NoneCollapsed),
        (false, true) => Some(Finding::AllCollapsed(fallen)),
        (false, false) => Some(Finding::Collapsed { fallen, upright }),
    }
}

/// Who is behind the full method, who is ahead, and of whom nothing can be said.
fn ranking(ablation: &Ablation, name: ResultName, budget: LabelBudget) -> Option<Finding> {
    let full = full(ablation)?.accuracy(name, budget)?.mean;
    let mut held = against_full(ablation, name, budget);
    held.sort_by(|a, b| a.difference.mean.total_cmp(&b.difference.mean));
    let place = |difference: &Difference| match difference {
        Difference { high, .. } if *high < 0.0 => Place::Behind,
        Difference { low, .. } if *low > 0.0 => Place::Ahead,
        _ => Place::Undecided,
    };
    let of = |wanted: Place| {
        let of_place = held.iter().filter(|against| place(&against.difference) == wanted);
        (wanted, of_place.map(|against| (against.variant.name.clone(), against.difference)).collect::<Vec<_>>())
    };
    let mut groups: Vec<_> = [Place::Behind, Place::Ahead, Place::Undecided].map(of).into();
    groups.retain(|(_, variants)| !variants.is_empty());
    (!groups.is_empty()).then_some(Finding::Judged(Judged { name, budget, full, groups }))
}

fn lost(ablation: &Ablation) -> Option<Lost> {
    let budget = budget_of(ablation, ResultName::PRETRAINED_FINETUNED)?;
    let gain = |name: &str| {
        let variant = ablation.variants.iter().find(|variant| variant.name == name)?;
        let accuracy = |name| Some(variant.accuracy(name, budget)?.mean);
        Some(Gain {
            difference: difference(
                (variant, ResultName::PRETRAINED_FINETUNED),
                (variant, ResultName::SUPERVISED),
                budget,
            )?,
            fine_tuned: accuracy(ResultName::PRETRAINED_FINETUNED)?,
            baseline: accuracy(ResultName::SUPERVISED)?,
        })
    };
    let together = gain(TOGETHER_NAME).map(|together| {
        let short = match together.difference {
            Difference { high, .. } if high < 0.0 => Short::Below,
            Difference { low, .. } if low > 0.0 => Short::Above,
            _ => Short::Undecided,
        };
        Together { gain: together, short, costly: costly(ablation, budget) }
    });
    Some(Lost { budget, published: gain(FULL_NAME)?, together })
}

/// The lab's faults that cost fine-tuning something by themselves, the dearest first.
fn costly(ablation: &Ablation, budget: LabelBudget) -> Vec<(RecordedChange, Difference)> {
    let mut alone: Vec<Against> = against_full(ablation, ResultName::PRETRAINED_FINETUNED, budget)
        .into_iter()
        .filter(|against| against.variant.name.starts_with("lab-") && against.variant.name != TOGETHER_NAME)
        .collect();
    alone.sort_by(|a, b| a.difference.mean.total_cmp(&b.difference.mean));
    alone.retain(|against| against.difference.high < 0.0);
    alone.iter().map(|against| (against.variant.change.clone(), against.difference)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::variant;
    use super::*;
    use crate::report::language::ablation::finding;
    use crate::run::ablation::ResultOfSeed;
    use crate::run::record::Method;

    fn said(ablation: &Ablation) -> Vec<String> {
        findings(ablation).iter().map(|found| finding(found, ablation.method)).collect()
    }

    fn ablation(variants: Vec<VariantRecord>) -> Ablation {
        Ablation { method: Method::Byol, variants, version: "0".into(), hardware: "cpu".into() }
    }

    #[test]
    fn who_collapsed_and_who_is_behind() {
        let found = said(&ablation(vec![
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
                    vec![result(ResultName::SUPERVISED, baseline), result(ResultName::PRETRAINED_FINETUNED, finetuned)];
            }
            variant
        };
        let found = lost(&ablation(vec![
            with("full", [0.60, 0.62]),
            with("lab-heads", [0.50, 0.52]),
            with("lab-together", [0.30, 0.32]),
        ]))
        .unwrap();
        let text = finding(&Finding::Lost(found), Method::Byol);
        for part in [
            "BYOL as published 61.0% against 41.0%, +20.0 points",
            "with all of the lab's faults together 31.0% against 41.0%, −10.0 points",
            "ends below its own baseline, as it did in the lab",
            "the most costly first: heads of Linear-ReLU-BN on 1000 logits, which fine-tuning keeps (−10.0).",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn one_seed_decides_nothing() {
        let found = said(&ablation(vec![variant("full", &[0.5], None), variant("symmetric", &[0.1], None)]));
        assert!(
            found[1].contains("not told apart from it by so few seeds: symmetric (−40.0; one seed, so no interval)"),
            "{found:?}"
        );
    }
}
