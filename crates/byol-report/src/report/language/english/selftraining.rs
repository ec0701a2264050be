//! What is said of self-training: what was learned from, what was judged, and what it was worth.

use super::explain::{accuracies, interval};
use super::names::{budget, classifier};
use super::numbers::{count, list, percent, plural, points, size};
use crate::report::compare::{Comparison, Outcome};
use crate::report::explain::SelfTrained;
use crate::run::record::{Judgement, ResultName, Verdict};

/// Whether a student was taken, without a capital and a full stop.
pub fn judged(verdict: Verdict, judgement: Option<&Judgement>) -> String {
    let beside = judgement.map_or_else(String::new, |found| {
        format!(
            " ({} against {} of {}; loss {:.3} against {:.3})",
            percent(found.student_accuracy()),
            percent(found.teacher_accuracy()),
            plural(found.images as u64, "held-out label"),
            found.student_loss,
            found.teacher_loss
        )
    });
    match verdict {
        Verdict::Taken if judgement.is_none() => "the self-trained classifier is taken, which nothing judged".to_owned(),
        Verdict::Taken => format!("the self-trained classifier is taken: a trial did better than its teacher{beside}"),
        Verdict::Worse => {
            format!("not taken: self-training did no better than its teacher{beside}; the fine-tuned classifier's answers stand")
        }
        Verdict::TooFewLabels => {
            "not taken: there are too few labels to judge self-training by; the fine-tuned classifier's answers stand \
             (--set selftrain.judge=never takes it all the same)"
                .to_owned()
        }
        Verdict::TooFewImages => {
            "not taken: there are no images without labels that the fine-tuned classifier is sure enough of; its answers stand"
                .to_owned()
        }
    }
}

/// What self-training was worth with one label budget.
pub(super) fn paragraph(found: &SelfTrained) -> String {
    let SelfTrained { comparison, budget: of, trained } = found;
    let draws = trained.len();
    let taken: Vec<_> = trained.iter().filter(|own| own.is_taken()).collect();
    let with = format!("With {}", budget(*of));
    if taken.is_empty() {
        let mut reasons: Vec<String> = Vec::new();
        for own in trained {
            let reason = refused(own.verdict, own.judgement.as_ref());
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        return format!(
            "{with} no self-trained classifier was taken, because {}: its answers are those of {}.",
            list(&reasons),
            classifier(ResultName::PRETRAINED_FINETUNED)
        );
    }
    let mean = |value: &dyn Fn(usize) -> f64| (0..taken.len()).map(value).sum::<f64>() / taken.len() as f64;
    let used = mean(&|at| taken[at].used as f64).round() as u64;
    let pool = mean(&|at| taken[at].pool as f64).round() as u64;
    let sure = mean(&|at| taken[at].confidence);
    let each = if taken.len() > 1 { " on average" } else { "" };
    let learned = format!(
        "It learned from {} of {} without labels, or with labels that it was not given{each}, of whose classes its teacher was {} sure.",
        count(used),
        plural(pool, "image"),
        percent(sure)
    );
    let some = match draws - taken.len() {
        0 => String::new(),
        left => format!(
            " In {} of {} it was not taken, and the answers are its teacher's.",
            count(left as u64),
            plural(draws as u64, "label draw")
        ),
    };
    match comparison {
        Some(comparison) => format!("{} {learned}{some}", against_teacher(&with, comparison)),
        None => format!("{with} the fine-tuned classifier was self-trained. {learned}{some}"),
    }
}

fn against_teacher(with: &str, found: &Comparison) -> String {
    let (name, against) = (classifier(found.name), classifier(found.against));
    let beside = format!("{} ({})", accuracies(found), interval(found));
    match found.outcome() {
        Some(Outcome::Ahead) => {
            format!("{with}, {name} is ahead of {against} by {}: {beside}.", size(found.difference()))
        }
        Some(Outcome::Behind) => {
            format!("{with}, {name} is behind {against} by {}: {beside}.", size(found.difference()))
        }
        Some(Outcome::Undecided) => {
            format!(
                "{with}, {name} and {against} cannot be told apart: {} points, {beside}.",
                points(found.difference())
            )
        }
        None => format!("{with}, {name} differs from {against} by {} points: {beside}.", points(found.difference())),
    }
}

fn refused(verdict: Verdict, judgement: Option<&Judgement>) -> String {
    match (verdict, judgement) {
        (Verdict::Worse, Some(found)) => format!(
            "it did no better on {} ({} right against {}; loss {:.3} against {:.3})",
            plural(found.images as u64, "held-out label"),
            percent(found.student_accuracy()),
            percent(found.teacher_accuracy()),
            found.student_loss,
            found.teacher_loss
        ),
        (Verdict::TooFewLabels, _) => "there are too few labels to judge it by".to_owned(),
        (Verdict::TooFewImages, _) => {
            "there are no images without labels that its teacher is sure enough of".to_owned()
        }
        (Verdict::Taken | Verdict::Worse, _) => "it did no better on held-out labels".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::record::{LabelBudget, SelfTraining};

    const JUDGED: Judgement = Judgement { images: 20, both: 8, lost: 1, won: 3, teacher_loss: 1.25, student_loss: 1.0 };

    fn trained(verdict: Verdict, judgement: Option<Judgement>) -> SelfTraining {
        SelfTraining { verdict, pool: 4500, used: 3000, per_class: vec![1500, 1500], confidence: 0.715, judgement }
    }

    #[test]
    fn a_verdict_is_told_with_what_it_rests_on() {
        assert_eq!(
            judged(Verdict::Taken, Some(&JUDGED)),
            "the self-trained classifier is taken: a trial did better than its teacher (55.0% against 45.0% of 20 held-out \
             labels; loss 1.000 against 1.250)"
        );
        assert!(
            judged(Verdict::Worse, Some(&JUDGED))
                .starts_with("not taken: self-training did no better than its teacher (55.0%")
        );
        assert!(judged(Verdict::TooFewLabels, None).contains("selftrain.judge=never"));
    }

    #[test]
    fn a_paragraph_says_how_many_images_were_used_and_in_how_many_draws() {
        let of = |trained| SelfTrained { budget: LabelBudget::PerClass(10), comparison: None, trained };
        let taken = trained(Verdict::Taken, Some(JUDGED));
        assert_eq!(
            paragraph(&of(vec![taken.clone()])),
            "With 10 labels per class the fine-tuned classifier was self-trained. It learned from 3,000 of 4,500 images without \
             labels, or with labels that it was not given, of whose classes its teacher was 71.5% sure."
        );
        let worse = trained(Verdict::Worse, Some(JUDGED));
        let mixed = paragraph(&of(vec![taken, worse.clone()]));
        assert!(
            mixed.ends_with(" In 1 of 2 label draws it was not taken, and the answers are its teacher's."),
            "{mixed}"
        );
        assert_eq!(
            paragraph(&of(vec![worse.clone(), worse])),
            "With 10 labels per class no self-trained classifier was taken, because it did no better on 20 held-out labels (55.0% \
             right against 45.0%; loss 1.000 against 1.250): its answers are those of fine-tuned BYOL."
        );
    }
}
