//! Wrong answers of the classifier that is taken, the surest first, with the files that they are about: where labels are wrong,
//! they stand on top.

use std::path::Path;

use maud::{Markup, html};

use super::super::choice::{answers, taken};
use super::super::language::values::Wrong;
use super::super::language::{answers as said, page};
use super::super::load::RunData;
use super::super::mistakes::{MISTAKES, mistakes};
use super::{nothing, thumbnails};
use crate::run::record::PredictionRecord;

/// From here on a wrong answer may say something about the label.
const SURE: f64 = 0.9;

pub(super) fn section(run: &RunData, sheets: &str) -> Markup {
    let record = taken(run).and_then(|taken| answers(&run.predictions, run.control(), (taken.kind, taken.budget)));
    let (Some(labels), Some(record)) = (run.test_labels(), record) else {
        return nothing(page::nothing::ANSWERS);
    };
    let wrong = mistakes(record, labels);
    let shown = wrong.len().min(MISTAKES);
    // The surest answers of a classifier that only guesses say nothing about labels.
    let tells = run.beats_guess((labels.len() - wrong.len()) as u64);
    let sure = |image: &usize| record.probabilities.get(*image).is_some_and(|&sure| sure >= SURE);
    let found = Wrong {
        name: record.name,
        budget: record.labels_per_class,
        several_draws: run.predictions_of(record.name, record.labels_per_class).len() > 1,
        wrong: wrong.len() as u64,
        images: labels.len() as u64,
        listed: shown as u64,
        sorted: !record.probabilities.is_empty(),
        doubts: (tells == Some(true) && wrong.iter().any(sure)).then_some(SURE),
    };
    html! {
        p { (said::wrong(&found)) }
        @if !wrong.is_empty() {
            (place(run))
            ol.mistakes data-mistakes=(sheets) {
                @for &image in &wrong[..shown] { (mistake(run, record, labels, image)) }
            }
        }
    }
}

/// Where the images lie, once for all.
fn place(run: &RunData) -> Markup {
    let root = run.test_images.as_ref().and_then(|images| images.root.as_deref());
    html! { @if let Some(root) = root { p.hint { (said::paths_are_within(root)) } } }
}

fn mistake(run: &RunData, record: &PredictionRecord, labels: &[u16], image: usize) -> Markup {
    let number = thumbnails::numbers(run).and_then(|numbers| numbers.get(&image).copied());
    let label = labels.get(image).map_or_else(String::new, |&label| run.class_name(label));
    let answer = record.predicted.get(image).map_or_else(String::new, |&answer| run.class_name(answer));
    html! {
        li {
            @if let Some(number) = number { span.small data-thumbnail=(number) {} }
            div {
                (file(run, image))
                p { (said::labelled_and_taken(&label, &answer)) }
                @if let Some(&probability) = record.probabilities.get(image) {
                    p { (said::sure(probability)) }
                }
            }
        }
    }
}

/// Which file a test image is: its path within the data, which the page's script makes a way to it.
pub(super) fn file(run: &RunData, image: usize) -> Markup {
    match run.test_image(image) {
        Some(name) => named_file(run, name),
        None => html! { span.file { (page::test_image(image)) } },
    }
}

/// A file of the data by its path within it.
pub(super) fn named_file(run: &RunData, name: &str) -> Markup {
    let images = run.test_images.as_ref().filter(|images| images.files);
    let root = images.and_then(|images| images.root.as_deref());
    let path = root.map(|root| Path::new(root).join(name).to_string_lossy().into_owned());
    html! { span.file data-path=[path] { (name) } }
}
