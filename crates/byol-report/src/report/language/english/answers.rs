//! The page on single answers: wrong ones, confusions, the map of test images, and measures beyond accuracy.

use maud::{Markup, html};

use super::names::fine_tuned;
use super::names::{budget, classifier_with, label};
use super::numbers::{capital, count, percent, plural};
use crate::report::language::values::{Disagreement, Wrong};
use crate::run::record::{LabelBudget, ResultName};

/// Above the wrong answers.
pub fn wrong(found: &Wrong) -> String {
    let draw = if found.several_draws { ", first label draw" } else { "" };
    let who = capital(&format!("{}{draw}", classifier_with(found.name, found.budget)));
    let images = plural(found.images, "test image");
    if found.wrong == 0 {
        return format!("{who} answered all of the {images} correctly.");
    }
    let mut text = format!("{who} answered {} of {images} wrongly. ", count(found.wrong));
    if found.sorted {
        text.push_str("The surest answers come first. ");
    }
    if let Some(sure) = found.doubts {
        text.push_str(&format!(
            "Where a wrong answer is at least {} sure, the label may be wrong instead. ",
            percent(sure)
        ));
    }
    if found.listed < found.wrong {
        text.push_str(&format!("The first {} are shown.", count(found.listed)));
    }
    text
}

pub fn paths_are_within(root: &str) -> Markup {
    html! { "Paths are within " code { (root) } "." }
}

/// Label and answer of one image.
pub fn labelled_and_taken(label: &str, answer: &str) -> Markup {
    html! { "labelled " b { (label) } ", taken for " b { (answer) } }
}

pub fn sure(probability: f64) -> String {
    format!("{} sure", percent(probability))
}

/// Above the confusion matrices.
pub const CONFUSIONS: &str = "Each row is a true class; its cells show the percentage of its test images that were predicted as each class, \
     over all label draws. Percentages are rounded so that each row sums to 100; pointing at a cell shows the exact count. The framed \
     diagonal is right, everything else is wrong.";
/// The same, where cells can be opened.
pub const CELLS_OPEN: &str = " A cell opens the images behind it; arrow keys move between cells.";
/// The corner of a matrix.
pub const TRUE_AND_PREDICTED: &str = "true \\ predicted";

/// A cell of a matrix.
pub fn taken_for(truth: &str, taken: &str, answers: u64) -> String {
    format!("{truth} taken for {taken}: {}", count(answers))
}

/// The confusion that changed most between both matrices.
pub fn disagreement(found: &Disagreement) -> String {
    let Disagreement { method, truth, taken, before, after } = found;
    format!(
        "Largest change: {truth} taken for {taken}, {before:.1}% of its test images by the baseline and {after:.1}% by {}.",
        fine_tuned(&[*method])
    )
}

/// Above the map: so many images, and the share (0-1) of the variance along each axis.
pub fn map(images: u64, [across, upwards]: [f64; 2]) -> String {
    format!(
        "{}, as the pre-trained encoder represents them, before any label was used. The plane is spanned by the first two principal \
         components and shows {} of the variance ({} across, {} upwards). Images that lie close together here may be far apart in the \
         other dimensions; nearest neighbours are computed in all of them.",
        plural(images, "test image"),
        percent(across + upwards),
        percent(across),
        percent(upwards)
    )
}

pub const MAP: &str = "Map of test images";
pub const MAP_SHOWS: &str =
    "Each point is a test image, coloured by its class; each name stands at the centre of its class.";

/// Measures beyond accuracy.
pub const MEASURES: &str = "Every classifier: interval and calibration";
pub const MEASURES_ARE: &str = "In percent. The 95% interval (Wilson's) covers the variation between test images, not that between label \
     draws or training runs. Calibration error: the expected calibration error in 15 bins; it is 0 where confidence equals accuracy.";
pub const BY_CLASS: &str = "Accuracy by class";

/// The heads of that table.
pub fn measure_columns(top5: bool) -> Vec<&'static str> {
    let mut columns = vec!["classifier", "labels", "draw", "accuracy", "95% interval"];
    columns.extend(top5.then_some("top-5"));
    columns.push("calibration error");
    columns
}

/// An interval in percent.
pub fn interval(low: f64, high: f64) -> String {
    format!("{:.1} to {:.1}", 100.0 * low, 100.0 * high)
}

/// Above the accuracies by class.
pub fn by_class(with: LabelBudget) -> String {
    format!("{}: test accuracy of each class in percent, over all draws.", capital(&budget(with)))
}

/// The heads of that table.
pub fn class_columns(names: &[ResultName]) -> Vec<String> {
    std::iter::once("class".to_owned()).chain(names.iter().map(|&name| label(name))).collect()
}
