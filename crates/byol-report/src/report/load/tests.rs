//! A run directory is read whole, interrupted, torn and damaged.

use super::super::testing::{Run, Scratch};
use super::*;

#[test]
fn reads_what_a_finished_run_wrote() {
    let scratch = Scratch::new();
    let run = Run::ahead();
    let data = load(&run.write(scratch.path())).expect("a whole run is read");
    assert_eq!(data.notes, []);
    assert!(data.finished());
    assert_eq!(data.budgets(), vec![LabelBudget::PerClass(10), LabelBudget::All]);
    assert_eq!(data.predictions, run.predictions);
    assert_eq!(data.metrics, run.metrics);
    assert_eq!(data.class_name(0), "airplane");
    assert_eq!(data.class_name(9), "class 9");
    assert_eq!(data.images.len(), 7);
}

#[test]
fn a_torn_last_line_is_skipped_and_named() {
    let scratch = Scratch::new();
    let mut run = Run::ahead();
    run.summary = None;
    let folder = run.write(scratch.path());
    for file in ["metrics.jsonl", "predictions.jsonl"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("written above");
        std::fs::write(folder.join(file), &text[..text.len() - 9]).expect("a writable scratch folder");
    }
    let mut data = load(&folder).expect("a torn line does not stop the report");
    assert_eq!(data.metrics.len(), run.metrics.len() - 1);
    assert_eq!(data.predictions.len(), run.predictions.len() - 1);
    let lines = (run.metrics.len(), run.predictions.len());
    assert_eq!(
        data.notes,
        [
            Note::TornLine { file: "metrics.jsonl".to_owned(), line: lines.0 },
            Note::TornLine { file: "predictions.jsonl".to_owned(), line: lines.1 },
            Note::Unfinished,
        ]
    );
    data.forgive_unfinished();
    assert_eq!(data.notes, [], "a run that is watched goes on");
}

#[test]
fn a_damaged_line_in_the_middle_is_an_error_that_names_it() {
    let scratch = Scratch::new();
    let folder = Run::ahead().write(scratch.path());
    let text = std::fs::read_to_string(folder.join("metrics.jsonl")).expect("written above");
    std::fs::write(folder.join("metrics.jsonl"), text.replacen("\"stage\"", "\"stag\"", 1)).expect("writable");
    let message = load(&folder).expect_err("damage is not passed over").to_string();
    assert!(message.contains("metrics.jsonl line 1 is damaged"), "{message}");
    assert!(message.contains("remove that line"), "{message}");
}

#[test]
fn only_a_run_directory_is_read() {
    let scratch = Scratch::new();
    let empty = load(scratch.path()).expect_err("an empty folder is no run").to_string();
    assert!(empty.contains("is not a run directory"), "{empty}");
    let missing = load(&scratch.path().join("absent")).expect_err("there is nothing").to_string();
    assert!(missing.contains("absent does not exist"), "{missing}");
}

#[test]
fn a_run_that_has_only_begun_is_read() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path().join("config.toml"), "seed = 3\n").expect("writable");
    let data = load(scratch.path()).expect("a configuration is enough");
    assert!(data.budgets().is_empty() && data.pretraining().is_none() && !data.finished());
}

#[test]
fn the_gallery_cannot_reach_outside_itself() {
    let scratch = Scratch::new();
    let mut run = Run::ahead();
    let views = &mut run.gallery.views[0].views;
    views.insert("t".to_owned(), vec!["../../secret.png".to_owned()]);
    views.insert("t_prime".to_owned(), vec!["absent.png".to_owned()]);
    let data = load(&run.write(scratch.path())).expect("a gallery with holes is read");
    let problem = |image: &str| {
        data.notes.iter().find_map(|note| match note {
            Note::GalleryImage { name, problem } if name == image => Some(problem),
            _ => None,
        })
    };
    assert!(matches!(problem("absent.png"), Some(ImageProblem::Unreadable(_))), "{:?}", data.notes);
    assert_eq!(problem("../../secret.png"), Some(&ImageProblem::OutsideGallery));
}

#[test]
fn predictions_that_do_not_fit_the_test_images_are_left_out() {
    let scratch = Scratch::new();
    let mut run = Run::ahead();
    run.predictions[0].predicted.pop();
    run.predictions[1].test_accuracy = 0.125;
    let data = load(&run.write(scratch.path())).expect("the rest is read");
    assert_eq!(data.predictions.len(), run.predictions.len() - 1);
    let notes: Vec<String> = data.notes.iter().map(language::notes::note).collect();
    assert_eq!(
        notes[0],
        "predictions.jsonl: supervised with 10 labels per class, draw 1: 199 predictions for 200 test images; left out"
    );
    assert!(notes[1].contains("records an accuracy of 0.1250"), "{notes:?}");
}

#[test]
fn a_repeated_epoch_counts_once() {
    let scratch = Scratch::new();
    let mut run = Run::ahead();
    let whole = run.metrics.clone();
    run.metrics.insert(1, EpochRecord { loss: 99.0, ..whole[1].clone() });
    let data = load(&run.write(scratch.path())).expect("read");
    assert_eq!(data.metrics, whole);
}

/// Version 0.1 recorded what began with given weights as `supervised`, `random_linear` and `random_knn`.
#[test]
fn results_of_given_weights_have_their_true_names() {
    let scratch = Scratch::new();
    let mut old = Run::ahead();
    old.config = format!("initial_weights = \"sha256:0a\"\n{}", old.config);
    let data = load(&old.write(scratch.path())).expect("an old run is read");
    assert_eq!(data.control(), Control::Given);
    let budget = LabelBudget::All;
    for (name, accuracy) in [(ResultName::GIVEN_FINETUNED, 0.6), (ResultName::GIVEN_LINEAR, 0.45)] {
        let found = data.accuracy(name, budget).expect("recorded under the old name");
        assert!((found.mean - accuracy).abs() < 1e-9, "{name:?}: {found:?}");
    }
    assert!(data.accuracy(ResultName::RANDOM_LINEAR, budget).is_none());
    let results = &data.summary.expect("written above").results;
    assert!(results.iter().all(|result| result.name.under(Control::Given) == result.name));
}
