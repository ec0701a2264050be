//! Wrong answers of the classifier that is taken, the surest first, with the files that they are about: where labels are wrong,
//! they stand on top.

use std::path::Path;

use maud::{Markup, html};

use super::super::choice::{answers, taken};
use super::super::load::RunData;
use super::super::mistakes::{MISTAKES, mistakes};
use super::super::words;
use super::{nothing, thumbnails};
use crate::run::record::PredictionRecord;

/// From here on a wrong answer may say something about the label.
const SURE: f64 = 0.9;

pub(super) fn section(run: &RunData, sheets: &str) -> Markup {
    let record = taken(run).and_then(|taken| answers(&run.predictions, run.control(), (taken.kind, taken.budget)));
    let (Some(labels), Some(record)) = (run.test_labels(), record) else {
        return nothing("No answers for single test images are recorded.");
    };
    let wrong = mistakes(record, labels);
    let images = words::plural(labels.len() as u64, "test image");
    let classifier = format!(
        "{} with {}{}",
        words::classifier(record.name),
        words::budget(record.labels_per_class),
        if run.predictions_of(record.name, record.labels_per_class).len() > 1 { ", first label draw" } else { "" }
    );
    let shown = wrong.len().min(MISTAKES);
    html! {
        @if wrong.is_empty() {
            p { (words::capital(&classifier)) " answered all of the " (images) " correctly." }
        } @else {
            p {
                (words::capital(&classifier)) " answered " (words::count(wrong.len() as u64)) " of " (images) " wrongly. "
                @if !record.probabilities.is_empty() { "The surest answers come first. " }
                @if wrong.iter().any(|&image| record.probabilities.get(image).is_some_and(|&sure| sure >= SURE)) {
                    "Where an answer is at least " (words::percent(SURE)) " sure and wrong, the label may be wrong. "
                }
                @if shown < wrong.len() { "These are " (words::count(shown as u64)) " of them." }
            }
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
    html! { @if let Some(root) = root { p.hint { "Paths are within " code { (root) } "." } } }
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
                p { "labelled " b { (label) } ", taken for " b { (answer) } }
                @if let Some(&probability) = record.probabilities.get(image) {
                    p { (words::percent(probability)) " sure" }
                }
            }
        }
    }
}

/// Which file a test image is: its path within the data, which the page's script makes a way to it.
pub(super) fn file(run: &RunData, image: usize) -> Markup {
    match run.test_image(image) {
        Some(name) => named_file(run, name),
        None => html! { span.file { "test image " (image) } },
    }
}

/// A file of the data by its path within it.
pub(super) fn named_file(run: &RunData, name: &str) -> Markup {
    let images = run.test_images.as_ref().filter(|images| images.files);
    let root = images.and_then(|images| images.root.as_deref());
    let path = root.map(|root| Path::new(root).join(name).to_string_lossy().into_owned());
    html! { span.file data-path=[path] { (name) } }
}
