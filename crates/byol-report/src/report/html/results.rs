//! The comparison table, accuracy against label budget, and the explanation.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Point, Scale, Series, Size};
use super::super::compare::{Comparison, FEW_TEST_IMAGES, Outcome};
use super::super::explain::Explanation;
use super::super::load::RunData;
use super::super::{table, words};
use super::{figure, hint, nothing, rich};
use crate::run::record::{Accuracy, Control, LabelBudget, ResultName};

pub(super) fn section(run: &RunData, explanation: &Explanation) -> Markup {
    let budgets = run.columns();
    if !run.finished() && budgets.is_empty() && run.pretraining().is_none() {
        return nothing("No classifier has been evaluated on the test images.");
    }
    html! {
        @if budgets.is_empty() {
            (nothing("No classifier has been evaluated on the test images."))
        } @else {
            (comparison_table(run, &budgets))
        }
        p { (table::pretraining(run)) }
        (hint())
        div.charts {
            (figure(against_budget(run, &budgets).render(), &budget_caption(run)))
            (figure(
                differences(run, &explanation.comparisons).render(),
                "Differences of test accuracy at the same label budget, with 95% intervals. An interval that crosses the line at 0 \
                 decides nothing.",
            ))
        }
        @if !explanation.comparisons.is_empty() { (differences_table(&explanation.comparisons)) }
    }
}

/// Every difference with its interval and tests.
fn differences_table(comparisons: &[Comparison]) -> Markup {
    let outcome = |found: &Comparison| match found.outcome() {
        Some(Outcome::Ahead) => "ahead",
        Some(Outcome::Behind) => "behind",
        Some(Outcome::Undecided) => "undecided",
        None => table::MISSING,
    };
    html! {
        details {
            summary { h3 { "Every difference, with its interval and tests" } }
            div.wide {
                table.plain {
                    caption {
                        "Differences in percentage points. The last column gives for every label draw how many test \
                         images only the first and only the second classifier got right, and the p-value of the exact \
                         McNemar test."
                    }
                    thead { tr {
                        @for name in ["classifiers", "labels", "difference", "95% interval", "", "McNemar, by draw"] {
                            th scope="col" { (name) }
                        }
                    } }
                    tbody {
                        @for found in comparisons {
                            tr {
                                th scope="row" {
                                    (words::capital(words::label(found.name))) " − " (words::label(found.against))
                                }
                                td { (words::budget(found.budget)) }
                                td { (words::points(found.difference())) }
                                @if let Some(paired) = &found.paired {
                                    td {
                                        (words::points(paired.difference.low)) " to "
                                        (words::points(paired.difference.high))
                                    }
                                    td { (outcome(found)) }
                                    td {
                                        @for (draw, test) in &paired.tests {
                                            span.test title={ "draw " (draw + 1) } {
                                                (test.only_a) " : " (test.only_b) ", " (words::p_value(test.p_value))
                                            }
                                        }
                                    }
                                } @else {
                                    td colspan="3" { "single predictions are not recorded" }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn comparison_table(run: &RunData, budgets: &[LabelBudget]) -> Markup {
    let rows = table::rows(run, budgets);
    let (head, body) = rows.split_at(1);
    let names = run.control().results();
    let ranked = run.test_labels().is_none_or(|labels| labels.len() >= FEW_TEST_IMAGES);
    html! {
        div.wide {
            table.results {
                caption {
                    (table::accuracies_are(run)) " All classifiers of a column use the same labels"
                    @if ranked { "; the highest accuracy of each column is bold" }
                    ". Test accuracies choose nothing: which classifier " code { "predict" } " and " code { "export" } " take is said at \
                     the top of the page."
                }
                thead { tr {
                    @for (column, cell) in head.iter().flatten().enumerate() {
                        th.word[column == 1] scope="col" { (cell) }
                    }
                } }
                tbody {
                    @for (place, row) in body.iter().enumerate() {
                        tr.draws[place == names.len()] {
                            @for (column, cell) in row.iter().enumerate() {
                                @match (column, names.get(place)) {
                                    // With a hyphen at which lines do not break.
                                    (0, _) => th scope="row" { (cell.replace("k-NN", "k\u{2011}NN")) },
                                    (1, _) => td.word { (cell) },
                                    (_, Some(&name)) => td.best[ranked && is_best(run, name, budgets[column - 2])] { (spread(cell)) },
                                    (_, None) => td { (cell) },
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whether no classifier of the column has a higher mean.
fn is_best(run: &RunData, name: ResultName, budget: LabelBudget) -> bool {
    let mean = |name: ResultName| run.accuracy(name, budget).map(|found| found.mean);
    mean(name).is_some_and(|own| ResultName::ALL.into_iter().filter_map(mean).all(|other| own > other - 1e-9))
}

/// Mean and deviation, apart, so that a narrow screen can set one below the other.
fn spread(cell: &str) -> Markup {
    match cell.split_once(" ± ") {
        Some((mean, deviation)) => html! { (mean) span.deviation { " ± " (deviation) } },
        None => html! { (cell) },
    }
}

fn budget_caption(run: &RunData) -> String {
    let chance = match run.classes() {
        Some(classes) => {
            format!(
                " Guessing among {classes} equally frequent classes gives {}.",
                words::percent(1.0 / classes as f64)
            )
        }
        None => String::new(),
    };
    format!(
        "Test accuracy against label budget{}. Bars: one sample standard deviation over label draws to \
         either side; single draws have none.{chance}",
        if run.budgets().len() > 1 { " (logarithmic)" } else { "" }
    )
}

/// Accuracy against label budget, every classifier.
fn against_budget(run: &RunData, budgets: &[LabelBudget]) -> Chart {
    let of = |(style, name): (usize, ResultName)| {
        let point = |&budget: &LabelBudget| Some(accuracy_point(run, budget, run.accuracy(name, budget)?));
        Series {
            label: words::label(name).to_owned(),
            style,
            line: match name {
                ResultName::RandomLinear | ResultName::RandomKnn | ResultName::GivenLinear | ResultName::GivenKnn => {
                    Line::Dashed
                }
                _ => Line::Solid,
            },
            run: None,
            points: budgets.iter().filter_map(point).collect(),
        }
    };
    let series: Vec<Series> = run.control().results().into_iter().enumerate().map(of).collect();
    Chart {
        title: "Test accuracy against label budget".to_owned(),
        x: budget_axis(&[run], budgets),
        y: Axis::linear("test accuracy, %"),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        reference: None,
        size: Size::Half,
        dodge: 6.0,
    }
}

/// One accuracy at one label budget.
pub(super) fn accuracy_point(run: &RunData, budget: LabelBudget, found: Accuracy) -> Point {
    let mean = 100.0 * found.mean;
    let std = found.std.map(|std| 100.0 * std);
    let spread = std.map_or(String::new(), |std| format!(" ± {std:.1}"));
    Point {
        x: place(run, budget),
        y: mean,
        bar: std.map(|std| (mean - std, mean + std)),
        text: format!("{mean:.1}%{spread} with {}", words::budget(budget)),
    }
}

/// A logarithmic axis that marks the label budgets.
pub(super) fn budget_axis(runs: &[&RunData], budgets: &[LabelBudget]) -> Axis {
    let mut ticks: Vec<(f64, String)> = Vec::new();
    for run in runs {
        for &budget in budgets {
            let value = place(run, budget);
            if !ticks.iter().any(|(other, _)| (other - value).abs() < 1e-9 * value) {
                ticks.push((value, budget.to_string()));
            }
        }
    }
    Axis { scale: Scale::Log, ticks, ..Axis::linear("labels per class") }
}

/// Where a label budget stands: labels per class, where a budget has no such number their mean.
fn place(run: &RunData, budget: LabelBudget) -> f64 {
    let mean = || {
        let used = run.predictions.iter().filter(|record| record.labels_per_class == budget);
        let used = used.map(|record| record.labels_used).max();
        let all = || Some(run.summary.as_ref()?.data.train_images).filter(|_| budget == LabelBudget::All);
        let used = used.or_else(all).filter(|&used| used > 0)?;
        Some(used as f64 / run.classes()? as f64)
    };
    match budget {
        LabelBudget::PerClass(labels) => labels as f64,
        // Nothing tells how many labels there are: to the right of every other budget.
        LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => mean().unwrap_or_else(|| {
            let per_class = run.budgets().into_iter().filter_map(|budget| match budget {
                LabelBudget::PerClass(labels) => Some(labels),
                LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => None,
            });
            4.0 * per_class.max().unwrap_or(1) as f64
        }),
    }
}

/// Differences with their intervals, every pair.
fn differences(run: &RunData, comparisons: &[Comparison]) -> Chart {
    let budgets: Vec<LabelBudget> = comparisons.iter().map(|found| found.budget).collect();
    let labels = match run.control() {
        Control::Random => {
            ["fine-tuned BYOL − baseline", "linear: BYOL − random encoder", "k-NN: BYOL − random encoder"]
        }
        Control::Given => {
            ["fine-tuned: BYOL − given weights", "linear: BYOL − given weights", "k-NN: BYOL − given weights"]
        }
    };
    let of = |((name, _), label): ((ResultName, ResultName), &str)| {
        let point = |found: &Comparison| {
            let interval = found.paired.as_ref().map(|paired| (paired.difference.low, paired.difference.high));
            let between = interval.map_or(String::new(), |(low, high)| {
                format!(" (95% interval {} to {})", words::points(low), words::points(high))
            });
            Point {
                x: place(run, found.budget),
                y: 100.0 * found.difference(),
                bar: interval.map(|(low, high)| (100.0 * low, 100.0 * high)),
                text: format!(
                    "{} points{between} with {}",
                    words::points(found.difference()),
                    words::budget(found.budget)
                ),
            }
        };
        Series {
            label: label.to_owned(),
            // The colour of the classifier that the pair is about.
            style: run.control().results().iter().position(|&other| other == name).unwrap_or(0),
            line: Line::None,
            run: None,
            points: comparisons.iter().filter(|found| found.name == name).map(point).collect(),
        }
    };
    let series: Vec<Series> = run.control().pairs().into_iter().zip(labels).map(of).collect();
    Chart {
        title: "Differences of test accuracy against label budget".to_owned(),
        x: budget_axis(&[run], &budgets),
        y: Axis::linear("difference, percentage points"),
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        reference: Some(0.0),
        size: Size::Half,
        dodge: 12.0,
    }
}

/// Words that not every reader knows, and what they mean here.
const GLOSSARY: [(&str, &str); 18] = [
    (
        "Encoder",
        "The part of a network that turns an image into numbers (its representation). A classifier reads these.",
    ),
    (
        "Pre-training (BYOL)",
        "The encoder learns from images without their labels: it predicts one changed view of an image from another.",
    ),
    ("Baseline", "Encoder and classifier trained on the labelled images alone, without pre-training."),
    ("Fine-tuned", "Encoder and classifier trained further with the labels, from the pre-trained encoder."),
    ("Linear", "A linear classifier (logistic regression) on the encoder as it is: the encoder is not changed."),
    (
        "k-NN",
        "Each image gets the class of the labelled images nearest to it; the encoder is not changed, nothing is trained.",
    ),
    ("Random encoder", "An encoder that was never trained: what pre-training must beat."),
    ("Given weights", "What training began with where --weights gave some, such as those of ImageNet."),
    (
        "Label draw",
        "Which labelled images a budget holds is drawn by lot, several times; ± tells how much results differ between draws.",
    ),
    ("Point", "A percentage point: one hundredth of all test images. From 45% to 52% is 7 points."),
    (
        "95% interval",
        "Where the true value lies, as far as this many test images and draws tell (for single accuracies after Wilson; for differences after \
     Tango, and over several draws by the bootstrap: drawing test images and draws again and again from those there are). A difference whose interval holds 0 may be chance.",
    ),
    (
        "McNemar test, p",
        "How often chance alone would divide the images that only one of two classifiers got right at least as unevenly. Below 0.05 is \
     commonly taken for more than chance.",
    ),
    ("Calibration", "Whether a classifier that says 80% is right four times in five."),
    ("Image pass", "One image seen once in training."),
    (
        "Views, t and t\u{2032}",
        "Randomly cropped, coloured and blurred copies of an image; t and t\u{2032} are the two ways of making them.",
    ),
    ("Tau", "How slowly the target network, which gives BYOL its answers, follows the network that learns."),
    (
        "Collapse",
        "A failed pre-training: all images get the same numbers. Effective rank (how many directions the numbers use), alignment (how close two views \
     of an image are), uniformity and projection deviation (how evenly different images spread) are watched for it.",
    ),
    ("Cosine similarity", "How alike two representations are: 1 the same, 0 nothing in common."),
];

pub(super) fn explanation(explanation: &Explanation) -> Markup {
    let groups = explanation.paragraphs.chunk_by(|a, b| a.topic == b.topic);
    html! {
        div.explanation {
            @for group in groups {
                div {
                    h3 { (group[0].topic.heading()) }
                    @for paragraph in group { p { (rich(&paragraph.text)) } }
                }
            }
        }
        details {
            summary { h3 { "Words used on this page" } }
            dl.glossary { @for (word, meaning) in GLOSSARY { div { dt { (word) } dd { (meaning) } } } }
        }
    }
}
