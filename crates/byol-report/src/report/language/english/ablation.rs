//! The page and the table of an ablation, and what it found.

use super::method::method_name;
use super::names::budget;
use super::numbers::{capital, list, percent, plural, points, points_between};
use crate::report::ablation::findings::{Finding, Gain, Judged, Lost, Place, Short, Together};
use crate::run::ablation::{Ablation, Change, RecordedChange, VariantRecord};
use crate::run::record::{Init, LabelBudget, Method, Protocol, ResultName};
use crate::statistics::significance::Difference;

pub const OVER: &str = "byol report · ablation";
pub const FINDINGS: &str = "Findings";
pub const DIFFERENCES_ARE: &str = "Difference of test accuracy in percentage points, mean over the same seeds, with its 95% interval by \
     Student's t. Where an interval crosses the line at 0, the difference may be chance.";
pub const RESULTS: &str = "Results";
pub const CHANGES: &str = "What is changed";

pub fn title(method: Method) -> String {
    format!("What each part of {} is for", method_name(method))
}

/// Above how far each variant lies from the method as published.
pub fn differences(method: Method) -> String {
    format!("Each variant beside {}", as_published(method))
}

fn as_published(method: Method) -> String {
    format!("{} as published", method_name(method))
}

/// What the table's figures are.
pub const CAPTION: &str = "Test accuracy in percent: mean ± sample standard deviation over seeds. Effective rank (RankMe) is that of \
     representations, deviation (1 even, 0 collapsed) that of projections, of held-out training images after the last \
     epoch. Collapsed: with how many seeds, at any epoch. Paper: linear evaluation on ImageNet.";

/// How many variants and seeds there are.
pub fn lead(ablation: &Ablation) -> String {
    let counts = || ablation.variants.iter().map(|variant| variant.seeds.len() as u64);
    let seeds = match (counts().min().unwrap_or(0), counts().max().unwrap_or(0)) {
        (fewest, most) if fewest == most => plural(most, "seed"),
        (fewest, most) => format!("{fewest} to {most} seeds"),
    };
    let variants = plural(ablation.variants.len() as u64, "variant");
    let method = method_name(ablation.method);
    format!("{variants} of {method}, {seeds} each, each trained and evaluated alike.")
}

/// Below a table of differences: how the variants were judged.
pub fn judged(name: ResultName, with: LabelBudget) -> String {
    format!("{}, {}", capital(evaluation(name)), budget(with))
}

fn evaluation(name: ResultName) -> &'static str {
    if name == ResultName::PRETRAINED_LINEAR { "linear evaluation" } else { "fine-tuning" }
}

/// The heads of a table of differences whose drawn intervals span `low` to `high`.
pub fn difference_columns((low, high): (f64, f64)) -> [String; 4] {
    let [variant, difference, interval] = ["variant", "difference", "95% interval"].map(str::to_owned);
    [variant, difference, interval, points_between(low, high)]
}

/// An interval in such a table.
pub fn interval_cell(difference: &Difference) -> String {
    match difference.low.is_finite() {
        true => points_between(difference.low, difference.high),
        false => "one seed".to_owned(),
    }
}

/// The heads of the table of results: of these classifiers with these budgets.
pub fn columns(judged: &[(ResultName, LabelBudget)]) -> Vec<String> {
    let column = |&(name, with): &(ResultName, LabelBudget)| {
        let title = match (name.init, name.protocol) {
            (Init::Pretrained, Protocol::Linear) => "linear",
            (Init::Pretrained, Protocol::Knn) => "k-NN",
            (Init::Pretrained, Protocol::Finetuned) => "fine-tuned",
            _ => "baseline",
        };
        format!("{title}, {}", budget(with))
    };
    let others = ["effective rank", "deviation", "collapsed", "paper"].map(str::to_owned);
    std::iter::once("variant".to_owned()).chain(judged.iter().map(column)).chain(others).collect()
}

/// `2 of 3`
pub fn of_seeds(some: usize, all: usize) -> String {
    format!("{some} of {all}")
}

/// What a variant changes, where the paper has it, and whether it collapsed.
pub fn changed(variant: &VariantRecord, method: Method) -> String {
    let place = variant.paper.as_ref().map_or_else(String::new, |(_, place)| format!(" (paper: {place})"));
    let first = variant.seeds.iter().filter_map(|seed| seed.collapsed_at).min();
    let collapsed = first.map_or_else(String::new, |epoch| format!("; collapsed from epoch {epoch} on"));
    format!("{}{place}{collapsed}", recorded_change(&variant.change, method))
}

fn recorded_change(of: &RecordedChange, method: Method) -> String {
    match of {
        RecordedChange::Known(of) => change(*of, method),
        RecordedChange::Other(text) => text.clone(),
    }
}

/// What is changed.
pub fn change(change: Change, method: Method) -> String {
    let what = match change {
        Change::Nothing => return format!("nothing: {}", as_published(method)),
        Change::NoPredictor => "no predictor",
        Change::NoStopGradient => "the gradient flows through the target branch, which is the online network",
        Change::TauZero => "tau 0: the target is the online network of the step before",
        Change::TauOne => "tau 1: the target stays the random network it began as",
        Change::CropOnly => "views of crop and flip alone",
        Change::NoColor => "no colour jitter, no grayscale",
        Change::Symmetric => "one recipe for both views",
        Change::UnpairedViews => "the two views come from different images",
        Change::OnlineTarget => "the online network is its own target, with a misplaced stop-gradient",
        Change::Unnormalized => "vectors are not normalised",
        Change::LabHeads => "heads of Linear-ReLU-BN on 1000 logits, which fine-tuning keeps",
        Change::ViewSize => "pre-training at 224/96 of the size of fine-tuning",
        Change::EvaluationMode => "the classifier stays in evaluation mode after the first epoch",
        Change::Together => "all of the lab's faults",
    };
    what.to_owned()
}

/// Where the page comes from; the record is `ablation.json`.
pub fn made_from(ablation: &Ablation) -> String {
    format!("Made by byol {} from `ablation.json` and nothing else; {}.", ablation.version, ablation.hardware)
}

/// One finding of an ablation of that method.
pub fn finding(finding: &Finding, method: Method) -> String {
    match finding {
        Finding::NoneCollapsed => "The representation collapsed in no variant.".to_owned(),
        Finding::AllCollapsed(fallen) => format!("The representation collapsed in every variant: {}.", times(fallen)),
        Finding::Collapsed { fallen, upright } => {
            format!("The representation collapsed in {}; it did not in {}.", times(fallen), list(upright))
        }
        Finding::Judged(judged) => ranking(judged, method),
        Finding::Lost(lost) => why_lost(lost, method),
    }
}

/// Variants with how many of their seeds collapsed.
fn times(fallen: &[(String, usize, usize)]) -> String {
    list(&fallen.iter().map(|(name, some, all)| format!("{name} ({some} of {all} seeds)")).collect::<Vec<_>>())
}

fn ranking(judged: &Judged, method: Method) -> String {
    let groups: Vec<String> = judged
        .groups
        .iter()
        .map(|(place, variants)| {
            let place = match place {
                Place::Behind => "behind it",
                Place::Ahead => "ahead of it",
                Place::Undecided => "not told apart from it by so few seeds",
            };
            let one = |(name, difference): &(String, Difference)| {
                format!("{name} ({}; {})", points(difference.mean), interval(difference))
            };
            format!("{place}: {}", list(&variants.iter().map(one).collect::<Vec<_>>()))
        })
        .collect();
    format!(
        "{} with {} of {}: {}. In points of test accuracy, {}.",
        capital(evaluation(judged.name)),
        budget(judged.budget),
        as_published(method),
        percent(judged.full),
        groups.join("; ")
    )
}

fn interval(difference: &Difference) -> String {
    match difference.low.is_finite() {
        true => format!("95% interval {}", points_between(difference.low, difference.high)),
        false => "one seed, so no interval".to_owned(),
    }
}

fn gain(found: &Gain) -> String {
    format!(
        "{} against {}, {} points ({})",
        percent(found.fine_tuned),
        percent(found.baseline),
        points(found.difference.mean),
        interval(&found.difference)
    )
}

fn why_lost(found: &Lost, method: Method) -> String {
    let name = method_name(method);
    let published = format!(
        "Fine-tuned with {}, against a baseline with the same labels: {} {}",
        budget(found.budget),
        as_published(method),
        gain(&found.published)
    );
    let Some(Together { gain: together, short, costly }) = &found.together else { return format!("{published}.") };
    let verdict = match short {
        Short::Below => {
            format!("With the faults {name} ends below its own baseline, as it did in the lab (48.1% against 50.4%)")
        }
        Short::Above => format!(
            "Even with the faults {name} ends above its baseline here; in the lab it did not (48.1% against 50.4%)"
        ),
        Short::Undecided => format!(
            "With the faults, these seeds cannot show that {name} gains anything; in the lab it ended below its baseline (48.1% against 50.4%)"
        ),
    };
    let alone = match costly.as_slice() {
        [] => "No fault costs anything by itself that these seeds can show.".to_owned(),
        costly => {
            let one = |(what, difference): &(RecordedChange, Difference)| {
                format!("{} ({})", recorded_change(what, method), points(difference.mean))
            };
            let costly = costly.iter().map(one).collect::<Vec<_>>().join("; ");
            format!("Faults that cost fine-tuning something by themselves, the most costly first: {costly}.")
        }
    };
    format!("{published}; with all of the lab's faults together {}. {verdict}. {alone}", gain(together))
}
