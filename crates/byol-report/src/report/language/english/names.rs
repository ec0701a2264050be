//! What classifiers, label budgets, stages and ways of evaluating are called in sentences, tables and legends.

use super::method::method_name;
use super::numbers::{count, list, percent, plural};
use crate::report::choice::{ClassifierKind, Reason};
use crate::run::health::Sign;
use crate::run::record::{Control, HeadKind, Init, LabelBudget, Method, Protocol, ResultName, Stage};

/// The pool of the labelled training images, as a run records it. Pre-training sees them without their labels.
pub(crate) const LABELLED_POOL: &str = "train";

/// What a classifier is called.
struct Called {
    sentence: String,
    legend: String,
}

/// The one table of names of classifiers.
fn called(name: ResultName) -> Called {
    let method = method_name(name.method());
    let as_in = |sentence: &str, legend: &str| Called { sentence: sentence.to_owned(), legend: legend.to_owned() };
    let of = |sentence: &str, legend: &str| as_in(&format!("{sentence} {method}"), &format!("{method}, {legend}"));
    match (name.init, name.protocol) {
        (Init::Random, Protocol::Finetuned) => as_in("the supervised baseline", "supervised baseline"),
        (Init::Random, Protocol::Linear) => as_in("linear evaluation of a random encoder", "random encoder, linear"),
        (Init::Random, Protocol::Knn) => as_in("k-NN evaluation of a random encoder", "random encoder, k-NN"),
        (Init::Pretrained, Protocol::Finetuned) => of("fine-tuned", "fine-tuned"),
        (Init::Pretrained, Protocol::Selftrained) => of("self-trained", "self-trained"),
        (Init::Pretrained, Protocol::Linear) => of("linear evaluation of", "linear"),
        (Init::Pretrained, Protocol::Knn) => of("k-NN evaluation of", "k-NN"),
        (Init::Given, Protocol::Finetuned) => as_in("the fine-tuned given weights", "given weights, fine-tuned"),
        (Init::Given, Protocol::Linear) => as_in("linear evaluation of the given weights", "given weights, linear"),
        (Init::Given, Protocol::Knn) => as_in("k-NN evaluation of the given weights", "given weights, k-NN"),
        (Init::Random | Init::Given, Protocol::Selftrained) => {
            as_in("the self-trained baseline", "baseline, self-trained")
        }
    }
}

/// A classifier in a sentence.
pub fn classifier(name: ResultName) -> String {
    called(name).sentence
}

/// A classifier in a legend.
pub fn label(name: ResultName) -> String {
    called(name).legend
}

/// The pre-trained and fine-tuned network in a sentence; of runs by several methods, all of these.
pub fn fine_tuned(methods: &[Method]) -> String {
    let names: Vec<String> = methods.iter().map(|&method| method_name(method).to_owned()).collect();
    format!("fine-tuned {}", list(&names))
}

/// A difference of two classifiers in a legend, by the pre-trained one and what the run holds it against.
pub fn difference_label(name: ResultName, control: Control) -> String {
    let method = method_name(name.method());
    match (name.protocol, control) {
        (Protocol::Selftrained, _) => "self-trained − fine-tuned".to_owned(),
        (Protocol::Linear, Control::Random) => format!("linear: {method} − random encoder"),
        (Protocol::Knn, Control::Random) => format!("k-NN: {method} − random encoder"),
        (Protocol::Finetuned, Control::Random) => format!("fine-tuned {method} − baseline"),
        (Protocol::Linear, Control::Given) => format!("linear: {method} − given weights"),
        (Protocol::Knn, Control::Given) => format!("k-NN: {method} − given weights"),
        (Protocol::Finetuned, Control::Given) => format!("fine-tuned: {method} − given weights"),
    }
}

/// With which weights an encoder began, in a table.
pub fn began_as(name: ResultName, control: Control) -> String {
    let method = method_name(name.method());
    match (name.init, control) {
        (Init::Random, _) => "random".to_owned(),
        (Init::Pretrained, Control::Random) => method.to_owned(),
        (Init::Pretrained, Control::Given) => format!("given weights, {method}"),
        (Init::Given, _) => "given weights".to_owned(),
    }
}

/// A classifier that can be asked for.
pub fn kind(kind: ClassifierKind) -> &'static str {
    match kind {
        ClassifierKind::Selftrained => "self-trained",
        ClassifierKind::Finetuned => "fine-tuned",
        ClassifierKind::Baseline => "baseline",
        ClassifierKind::Frozen(of) => head(of),
    }
}

/// A classifier on a frozen encoder.
pub fn head(kind: HeadKind) -> &'static str {
    match kind {
        HeadKind::Linear => "linear",
        HeadKind::Knn => "k-NN",
    }
}

/// A stage as a training by itself, where nothing is held against anything.
pub fn training(stage: Stage) -> &'static str {
    match stage {
        Stage::Pretrain => "pre-training",
        Stage::Supervised => "supervised training",
        Stage::Finetune => "fine-tuning",
        Stage::Selftrain => "self-training",
    }
}

/// A stage among those of a run.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Pretrain => "pre-training",
        Stage::Supervised => "baseline",
        Stage::Finetune => "fine-tuning",
        Stage::Selftrain => "self-training",
    }
}

/// `10 labels per class`, `all labels`.
pub fn budget(budget: LabelBudget) -> String {
    match budget {
        LabelBudget::PerClass(labels) => format!("{} per class", plural(labels as u64, "label")),
        LabelBudget::Folds => "predefined folds".to_owned(),
        LabelBudget::DrawnFolds => "folds drawn here".to_owned(),
        LabelBudget::All => "all labels".to_owned(),
    }
}

/// `10 labels per class, all labels and predefined folds`.
pub fn budgets(budgets: impl IntoIterator<Item = LabelBudget>) -> String {
    list(&budgets.into_iter().map(budget).collect::<Vec<_>>())
}

/// `fine-tuned BYOL with all labels`.
pub fn classifier_with(name: ResultName, with: LabelBudget) -> String {
    format!("{} with {}", classifier(name), budget(with))
}

/// A label budget with one of its draws, on a line about a training: `10 labels per class, draw 1`.
pub fn budget_of_draw(of: LabelBudget, draw: usize) -> String {
    let draw = draw + 1;
    match of {
        LabelBudget::Folds => format!("predefined fold {draw}"),
        LabelBudget::DrawnFolds => format!("fold {draw} drawn here"),
        LabelBudget::PerClass(_) | LabelBudget::All => format!("{}, draw {draw}", budget(of)),
    }
}

/// The labels of a classifier that a run has kept, the first draw's, to follow its name: ` with 10 labels per class`.
pub fn with_first(of: LabelBudget) -> String {
    match of {
        LabelBudget::Folds | LabelBudget::DrawnFolds => " with the first fold".to_owned(),
        LabelBudget::PerClass(_) | LabelBudget::All => format!(" with {}", budget(of)),
    }
}

/// A class without a name.
pub fn class(label: u16) -> String {
    format!("class {label}")
}

/// Why a classifier was taken, to follow its name; nothing where there is nothing to say.
pub fn reason(reason: &Reason) -> Option<String> {
    match reason {
        Reason::Asked => None,
        Reason::Validated(kinds) => {
            let all: Vec<String> =
                kinds.iter().map(|&(of, accuracy)| format!("{} {}", kind(of), percent(accuracy))).collect();
            let most = kinds.first().map_or(0.0, |(_, most)| *most);
            let as_good: Vec<&str> =
                kinds.iter().skip(1).filter(|(_, accuracy)| *accuracy == most).map(|(of, _)| kind(*of)).collect();
            let tie = match as_good.is_empty() {
                true => String::new(),
                false => {
                    format!("; {} did equally well, and the first in this order is taken", as_good.join(" and "))
                }
            };
            Some(format!("the best on held-out labels: {}{tie}", all.join(", ")))
        }
        Reason::Undecided => Some(
            "fine-tuning learned from all of its labels, so none are left to choose by, and the default is taken"
                .to_owned(),
        ),
    }
}

/// What shows that a representation has collapsed.
pub fn signs(signs: &[Sign]) -> String {
    let one = |sign: &Sign| match sign {
        Sign::ProjectionsAlike { deviation } => {
            format!("projections of different images are alike (deviation {deviation:.4}; 1 is even)")
        }
        Sign::ProjectionsOnALine { effective_rank } => {
            format!("projections lie on a line (effective rank {effective_rank:.2})")
        }
        Sign::RepresentationsOnALine { effective_rank } => {
            format!("representations lie on a line (effective rank {effective_rank:.2})")
        }
    };
    signs.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// `3`, or `1 to 3` where they differ.
pub fn from_to(least: usize, most: usize) -> String {
    let (least, most) = (count(least as u64), count(most as u64));
    if least == most { least } else { format!("{least} to {most}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_counted() {
        assert_eq!(budget(LabelBudget::PerClass(1)), "1 label per class");
        assert_eq!(budgets([LabelBudget::PerClass(2500), LabelBudget::All]), "2,500 labels per class and all labels");
        assert_eq!(budget_of_draw(LabelBudget::DrawnFolds, 1), "fold 2 drawn here");
    }
}
