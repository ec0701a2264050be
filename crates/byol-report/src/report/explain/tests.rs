//! What is said of constructed runs: ahead, behind, undecided, collapsed, incomplete.

use super::super::testing::{CLASSES, Run};
use super::*;
use crate::report::compare::Outcome;
use crate::report::language;

fn verdict_of(found: &Explanation) -> String {
    language::explain::verdict(&found.verdict)
}

fn headline_of(found: &Explanation) -> String {
    language::explain::headline(&found.headline)
}

fn text(run: &Run, topic: Topic) -> String {
    let found = explain(&run.data());
    let of_topic = found.statements.iter().filter(|statement| statement.topic() == topic);
    let texts: Vec<String> = of_topic.map(language::statements::statement).collect();
    texts.join("\n")
}

/// A run whose classifiers have these accuracies at both budgets.
/// The given weights are the baseline and the control, and better weights before BYOL are no sign of collapse.
#[test]
fn given_weights_are_what_byol_is_held_against() {
    let run = Run::of_given_weights().data();
    let found = explain(&run);
    let verdict = verdict_of(&found);
    assert!(verdict.starts_with("Fine-tuned BYOL against the fine-tuned given weights:"), "{verdict}");
    let all: Vec<String> = found.statements.iter().map(language::statements::statement).collect();
    let all = all.join("\n");
    assert!(all.contains("Linear evaluation of BYOL against linear evaluation of the given weights: "), "{all}");
    assert!(all.contains("k-NN evaluation of BYOL against k-NN evaluation of the given weights: "), "{all}");
    assert!(!all.contains("random encoder") && !all.contains("sign of collapse: k-NN"), "{all}");
    assert!(!all.contains("no result for"), "{all}");
}

fn with(baseline: f64, fine_tuned: f64, knn: f64) -> Run {
    Run::with_accuracies(&[
        (ResultName::SUPERVISED, baseline, baseline),
        (ResultName::PRETRAINED_FINETUNED, fine_tuned, fine_tuned),
        (ResultName::PRETRAINED_LINEAR, 0.5, 0.5),
        (ResultName::PRETRAINED_KNN, knn, knn),
        (ResultName::RANDOM_LINEAR, 0.35, 0.35),
        (ResultName::RANDOM_KNN, 0.33, 0.33),
    ])
}

#[test]
fn a_lead_is_worded_as_one() {
    let run = with(0.4, 0.7, 0.5);
    let verdict = verdict_of(&explain(&run.data()));
    assert_eq!(
        verdict,
        "Fine-tuned BYOL against the supervised baseline: ahead with 10 labels per class (+30.0 points) and all labels \
         (+30.0 points)."
    );
    let gain = text(&run, Topic::Gain);
    assert!(
        gain.starts_with(
            "With 10 labels per class, fine-tuned BYOL is ahead of the supervised baseline by 30.0 points: 70.0% \
             against 40.0% (95% interval +"
        ),
        "{gain}"
    );
    assert!(gain.contains("3 label draws, 200 test images"), "{gain}");
    assert!(gain.contains("Exact McNemar test, draw 1: p "), "{gain}");
}

#[test]
fn falling_behind_is_worded_as_that() {
    let run = with(0.7, 0.4, 0.5);
    assert!(verdict_of(&explain(&run.data())).contains("behind with 10 labels per class (\u{2212}30.0 points)"));
    assert!(text(&run, Topic::Gain).contains("is behind the supervised baseline by 30.0 points"));
    assert!(text(&run, Topic::Reach).contains("80,000 image passes are few"));
}

#[test]
fn what_cannot_be_decided_is_not() {
    let run = with(0.5, 0.51, 0.5);
    let explained = explain(&run.data());
    assert!(verdict_of(&explained).contains("cannot be told apart with 10 labels per class (+1.0 points)"));
    assert!(
        text(&run, Topic::Gain)
            .contains("fine-tuned BYOL and the supervised baseline cannot be told apart: 51.0% against 50.0%")
    );
    assert_eq!(explained.comparisons[0].outcome(), Some(Outcome::Undecided));
}

#[test]
fn one_budget_gives_a_verdict_with_its_interval() {
    let mut run = with(0.4, 0.7, 0.5);
    run.predictions.retain(|record| record.labels_per_class == LabelBudget::PerClass(10));
    run.metrics.retain(|record| record.labels_per_class != Some(LabelBudget::All));
    if let Some(summary) = &mut run.summary {
        summary.results.retain(|record| record.labels_per_class == LabelBudget::PerClass(10));
    }
    let verdict = verdict_of(&explain(&run.data()));
    assert!(
        verdict.starts_with(
            "With 10 labels per class, fine-tuned BYOL is ahead of the supervised baseline by 30.0 points of test \
             accuracy (70.0% against 40.0%; 95% interval +"
        ),
        "{verdict}"
    );
}

#[test]
fn the_control_is_stated_for_both_evaluations() {
    let control = text(&with(0.4, 0.7, 0.6), Topic::Control);
    assert!(
        control.contains("Linear evaluation of BYOL against linear evaluation of a random encoder: ahead with 10 labels per class (+15.0 points, 95% interval +")
    );
    assert!(control.contains(
        "k-NN evaluation of BYOL against k-NN evaluation of a random encoder: ahead with 10 labels per class (+27.0"
    ));
}

#[test]
fn collapse_is_seen_in_each_of_its_signs() {
    let healthy = text(&with(0.4, 0.7, 0.6), Topic::Collapse);
    assert!(healthy.starts_with("No sign of collapse in what was measured: projection deviation 0.80"), "{healthy}");
    let mut run = with(0.4, 0.4, 0.1);
    for record in run.metrics.iter_mut().filter(|record| record.stage == Stage::Pretrain) {
        record.projection_deviation = Some(0.01);
        record.loss = 0.003;
    }
    let collapsed = text(&run, Topic::Collapse);
    assert!(collapsed.starts_with("Signs of collapse: projection deviation 0.01 at the end"), "{collapsed}");
    assert!(collapsed.contains("the loss was already 0.00300 after epoch 1 of 20"), "{collapsed}");
    assert!(collapsed.contains("k-NN 10.0% against 33.0% of a random encoder with 10 labels per class"), "{collapsed}");
    assert!(!collapsed.contains("vidence against collapse"), "{collapsed}");
    // Three points of 200 images may be chance: a sign of nothing.
    let undecided = text(&with(0.4, 0.4, 0.31), Topic::Collapse);
    assert!(undecided.starts_with("No sign of collapse") && !undecided.contains("k-NN"), "{undecided}");
}

#[test]
fn the_headline_answers_how_good_how_sure_and_what_for() {
    let headline = headline_of(&explain(&with(0.4, 0.7, 0.6).data()));
    assert!(
        headline.starts_with(
            "The classifier that `predict` and `export` take is fine-tuned BYOL with all labels; it is right on 140 of 200 test \
             images (70.0%; 95% interval 63.3% to 75.9%). Pre-training"
        ),
        "{headline}"
    );
    assert!(
        headline.contains(
            "Pre-training on the unlabelled images gained 30.0 points with 10 labels per class (70.0% against 40.0%)"
        ),
        "{headline}"
    );
    let undecided = explain(&with(0.5, 0.51, 0.5).data());
    let found =
        undecided.comparisons.iter().find(|found| found.name == ResultName::PRETRAINED_FINETUNED).expect("compared");
    let needed = found.paired.as_ref().and_then(|paired| paired.images_needed).expect("they differ");
    assert!(
        headline_of(&undecided).contains(
            "With 10 labels per class and all labels, whether pre-training on the unlabelled images helped cannot be told from 200 test \
             images: it gained 1.0 point with "
        ),
        "{}",
        headline_of(&undecided)
    );
    assert!(needed > 200, "{needed}");

    let mut alone = with(0.4, 0.7, 0.6);
    alone.summary.as_mut().expect("a summary").data.unlabeled[0].name = "train".to_owned();
    assert!(
        headline_of(&explain(&alone.data()))
            .contains("Pre-training on the training images without their labels gained")
    );
}

/// Answers for `images` test images, of which each classifier has the first so many right; one label draw with all labels.
fn of_images(images: usize, right: &[(ResultName, usize)]) -> Run {
    let mut run = Run::with_accuracies(&right.iter().map(|&(name, _)| (name, 0.5, 0.5)).collect::<Vec<_>>());
    let label = |image: usize| image as u16 % CLASSES;
    run.set_labels((0..images).map(label).collect());
    run.predictions.retain(|record| record.labels_per_class == LabelBudget::All);
    run.metrics.retain(|record| record.labels_per_class != Some(LabelBudget::PerClass(10)));
    if let Some(summary) = &mut run.summary {
        summary.results.clear();
    }
    for record in &mut run.predictions {
        let own = right.iter().find(|(name, _)| *name == record.name).map_or(0, |(_, right)| *right);
        record.predicted = (0..images).map(|image| (label(image) + u16::from(image >= own)) % CLASSES).collect();
        record.test_accuracy = own as f64 / images as f64;
    }
    run
}

#[test]
fn of_few_test_images_no_classifier_is_called_best() {
    let found = explain(&of_images(2, &[(ResultName::SUPERVISED, 2), (ResultName::PRETRAINED_FINETUNED, 1)]).data());
    assert_eq!(
        headline_of(&found),
        "With 2 test images no classifier can be called best. The classifier that `predict` and `export` take is fine-tuned BYOL \
         with all labels; it is right on 1 of 2 test images (50.0%; 95% interval 9.5% to 90.5%). Its accuracy is no better than \
         always answering with the most frequent class (50.0%), so do not rely on its answers. With all labels, whether pre-training on the unlabelled images helped cannot \
         be told from 2 test images."
    );
    assert!(!verdict_of(&found).contains("0.0 to 0.0"), "{}", verdict_of(&found));
}

#[test]
fn a_better_classifier_is_named_with_the_option_that_takes_it() {
    let run = |baseline| of_images(40, &[(ResultName::SUPERVISED, baseline), (ResultName::PRETRAINED_FINETUNED, 8)]);
    let headline = headline_of(&explain(&run(30).data()));
    assert!(headline.contains("take is fine-tuned BYOL with all labels; it is right on 8 of 40"), "{headline}");
    assert!(
        headline.contains(
            "Its accuracy is no better than guessing among 4 classes (25.0%), so do not rely on its answers."
        ),
        "{headline}"
    );
    assert!(
        headline.contains(
            "On these test images the supervised baseline with all labels is better by more than chance: right on 30 of 40 \
             (p < 0.001, corrected for the number of classifiers). `--classifier baseline --labels-per-class all` takes it."
        ),
        "{headline}"
    );
    let headline = headline_of(&explain(&run(12).data()));
    assert!(!headline.contains("--classifier"), "four images are chance: {headline}");
}

#[test]
fn draws_that_point_opposite_ways_are_said_to() {
    let mut run = with(0.5, 0.5, 0.5);
    let labels: Vec<u16> = (0..200).map(|image| image as u16 % CLASSES).collect();
    for record in &mut run.predictions {
        if record.labels_per_class == LabelBudget::PerClass(10) {
            let right = match (record.name.key(), record.draw) {
                ("byol_finetuned", 0) | ("supervised", 1) => 120,
                _ => 100,
            };
            record.predicted = (0..200).map(|image| if image < right { labels[image] } else { 9 }).collect();
            record.test_accuracy = right as f64 / 200.0;
        }
    }
    let gain = text(&run, Topic::Gain);
    assert!(
        gain.contains(
            "draw 1: p < 0.001 for fine-tuned BYOL; draw 2: p < 0.001 for the supervised baseline; draw 3: p = 1.000."
        ),
        "{gain}"
    );
    assert!(gain.contains("The draws contradict each other."), "{gain}");
}

#[test]
fn nothing_is_said_of_what_was_not_measured() {
    let mut run = with(0.4, 0.7, 0.6);
    for record in &mut run.metrics {
        record.knn_accuracy = None;
        record.projection_deviation = None;
    }
    assert_eq!(text(&run, Topic::Reach), "");
    assert!(!text(&run, Topic::Collapse).contains("deviation"));
}

#[test]
fn rising_k_nn_accuracy_is_told_from_a_level_one() {
    let mut run = with(0.4, 0.7, 0.6);
    let mut level = |rise: f64| {
        for record in run.metrics.iter_mut().filter(|record| record.stage == Stage::Pretrain) {
            record.knn_accuracy = Some(0.3 + rise * record.epoch as f64);
        }
        text(&run, Topic::Reach)
    };
    assert!(
        level(0.01).contains("was still rising at the last recorded epochs: 48.0% on average over the last quarter")
    );
    assert!(level(0.0).contains("was not rising at the last recorded epochs: 30.0%"));
}

#[test]
fn a_missing_arm_is_named() {
    let mut run = Run::ahead();
    run.drop_arm(ResultName::SUPERVISED);
    run.drop_arm(ResultName::RANDOM_KNN);
    let found = explain(&run.data());
    assert_eq!(verdict_of(&found), "No test result of the supervised baseline to compare.");
    assert_eq!(
        text(&run, Topic::Missing),
        "With 10 labels per class there is no result for the supervised baseline and k-NN evaluation of a random \
         encoder.\nWith all labels there is no result for the supervised baseline and k-NN evaluation of a random encoder."
    );
    assert_eq!(text(&run, Topic::Gain), "");
}

#[test]
fn limits_of_the_numbers_are_stated() {
    let caveat = text(&Run::ahead(), Topic::Caveat);
    assert!(caveat.contains("With all labels there is only one label draw, so its interval "), "{caveat}");
    assert!(caveat.contains("3 label draws (with 10 labels per class) say little"), "{caveat}");
    // Of three pairs, three draws with 10 labels per class and one with all: as many as the table holds.
    let uncorrected = "The p-values of the 12 McNemar tests under “Every difference with its interval and tests” are not corrected for \
                multiple testing.";
    assert!(caveat.contains(uncorrected), "{caveat}");
    assert!(!caveat.contains("not trained alike"), "{caveat}");
    let mut run = Run::ahead();
    run.config = run.config.replacen("epochs = 60", "epochs = 30", 1);
    let caveat = text(&run, Topic::Caveat);
    assert!(caveat.contains("not trained alike: they differ in epochs (30 and 60)."), "{caveat}");
}

#[test]
fn effort_is_a_mean_over_draws() {
    let effort = text(&Run::ahead(), Topic::Effort);
    assert!(
        effort.starts_with(
            "Pre-training: 20 epochs, 80,000 image passes, 9 min 11 s (145.3 images/s, monitoring included)."
        ),
        "{effort}"
    );
    assert!(
        effort.contains(
            "With 10 labels per class (means over label draws): baseline 60 epochs, 2,400 image passes, \
             6.0 s; fine-tuning 60 epochs, 2,400 image passes, 6.0 s; linear evaluation 12 s"
        ),
        "{effort}"
    );
}

#[test]
fn classes_that_gained_and_lost_are_named() {
    let mut run = Run::ahead();
    run.predictions.retain(|record| record.labels_per_class == LabelBudget::All);
    let labels: Vec<u16> = (0..200).map(|image| image as u16 % CLASSES).collect();
    for record in &mut run.predictions {
        record.predicted = labels.clone();
        // The baseline takes every airplane for a car; fine-tuned BYOL takes every second deer for one.
        for (image, predicted) in record.predicted.iter_mut().enumerate() {
            match record.name.key() {
                "supervised" if labels[image] == 0 => *predicted = 2,
                "byol_finetuned" if labels[image] == 3 && image % 8 == 3 => *predicted = 2,
                _ => {}
            }
        }
    }
    assert_eq!(
        text(&run, Topic::Classes),
        "With all labels: airplane gains most (0.0% to 100.0%), deer loses most (100.0% to 50.0%)."
    );
}
