//! How losses, accuracies and schedules went over the epochs.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Point, Series, Size, thinned};
use super::super::load::RunData;
use super::super::words;
use super::{figure, nothing};
use crate::run::record::Health;
use crate::run::record::Spread;
use crate::run::record::{EpochRecord, LabelBudget, Stage};

/// Colours: those of the baseline, fine-tuned BYOL, linear evaluation and k-NN, as in the other charts.
const BASELINE: usize = 0;
const FINE_TUNED: usize = 1;
const LINEAR: usize = 2;
const KNN: usize = 3;

pub(super) fn pretraining(run: &RunData) -> Markup {
    let epochs = run.epochs(Stage::Pretrain, None, 0);
    if epochs.is_empty() {
        return nothing("No epoch of pre-training is recorded.");
    }
    let one = |title: &str, y: Axis, style: usize, value: &dyn Fn(&EpochRecord) -> Option<f64>| {
        over_epochs(title, y, Size::Third, vec![curve(title, style, Line::Solid, &epochs, value)])
    };
    let watched = watched(run, &epochs);
    html! {
        div.charts.thirds {
            (figure(
                one("loss", Axis::linear("training loss"), 1, &|record| Some(record.loss)),
                "BYOL's training loss, mean of each epoch. A low loss alone says nothing about the representation.",
            ))
            (figure(
                over_epochs("k-NN accuracy and linear probe", Axis::linear("accuracy, %"), Size::Third, vec![
                    curve("k-NN", KNN, Line::Solid, &epochs, &|record| percent(record.knn_accuracy)),
                    curve("linear probe", LINEAR, Line::Solid, &epochs, &|record| percent(record.linear_accuracy)),
                ]),
                "k-NN accuracy and that of a linear probe over held-out training images, while pre-training.",
            ))
            (figure(
                health("effective rank", Axis::linear("effective rank").including(&[1.0]), &epochs, |s| s.effective_rank),
                &format!("Effective rank (RankMe) of the vectors of {watched}: how many directions they use. 1 is a line."),
            ))
            (figure(
                health("alignment", Axis::linear("squared distance").including(&[0.0]), &epochs, |s| s.alignment),
                &format!("Alignment: mean squared distance of two views of each of {watched}, vectors normalised. 0 is together."),
            ))
            (figure(
                health("uniformity", Axis::linear("log mean potential").including(&[0.0]), &epochs, |s| s.uniformity),
                &format!("Uniformity over {watched}: 0 when all vectors are one point, about \u{2212}4 when spread evenly."),
            ))
            (figure(
                one("projection deviation", Axis::linear("deviation").including(&[0.0, 1.0]), 2, &|record| {
                    record.projection_deviation
                }),
                "Spread of the normalised projections: 1 when they fill all directions evenly, 0 when collapsed.",
            ))
            (figure(
                one("learning rate", Axis::linear("learning rate").including(&[0.0]), 4, &|record| {
                    Some(record.learning_rate)
                }),
                "Learning rate at the end of each epoch.",
            ))
            (figure(
                one("tau", Axis::linear("tau"), 5, &|record| record.tau),
                "Decay rate tau of the target network's moving average.",
            ))
        }
    }
}

/// Labelled training images from which on the fifth that is held out of them is watched; of fewer, images of the pool are.
const LABELS_TO_HOLD_OUT: usize = 500;

/// Which images the figures of health are of.
fn watched(run: &RunData, epochs: &[&EpochRecord]) -> String {
    let count = epochs.iter().rev().find_map(|record| record.health?.images);
    let count = count.map_or(String::new(), |images| format!("{} ", words::count(images as u64)));
    let labelled = run.summary.as_ref().map_or(0, |summary| summary.data.train_images);
    let kind = match (labelled >= LABELS_TO_HOLD_OUT, super::super::explain::has_unlabeled(run)) {
        (true, _) => "held-out images",
        (false, true) => "unlabelled images",
        (false, false) => "training images",
    };
    format!("{count}{kind}")
}

/// One figure of the health of representations and projections.
fn health(title: &str, y: Axis, epochs: &[&EpochRecord], value: fn(&Spread) -> f64) -> Option<Markup> {
    let of = |label, style, line, layer: fn(&Health) -> &Spread| {
        curve(label, style, line, epochs, &|record| record.health.as_ref().map(|health| value(layer(health))))
    };
    over_epochs(
        title,
        y,
        Size::Third,
        vec![
            of("representations", LINEAR, Line::Solid, |health| &health.representation),
            of("projections", KNN, Line::Dashed, |health| &health.projection),
        ],
    )
}

pub(super) fn training(run: &RunData) -> Markup {
    let budgets: Vec<LabelBudget> = run
        .budgets()
        .into_iter()
        .filter(|&budget| stages().iter().any(|(stage, ..)| !run.last_epochs(*stage, Some(budget)).is_empty()))
        .collect();
    if budgets.is_empty() {
        return nothing("No epoch of the baseline or of fine-tuning is recorded.");
    }
    html! {
        p {
            "Solid lines: training images. Dashed lines with hollow markers: held-out training images, where some were \
             held out. Test images play no part here."
        }
        @for (place, &budget) in budgets.iter().enumerate() {
            details open[place == 0] { (of_budget(run, budget)) }
        }
    }
}

fn stages() -> [(Stage, &'static str, usize); 2] {
    [(Stage::Supervised, "baseline", BASELINE), (Stage::Finetune, "fine-tuning", FINE_TUNED)]
}

/// The curves of the first draw that both stages have, or of the first draw of either.
fn of_budget(run: &RunData, budget: LabelBudget) -> Markup {
    let [ours, theirs] = stages().map(|(stage, ..)| run.last_epochs(stage, Some(budget)));
    let both = ours.iter().find(|record| theirs.iter().any(|other| other.draw == record.draw));
    let Some(draw) = both.or(ours.first()).or(theirs.first()).map(|record| record.draw) else {
        return html! {};
    };
    let chart = |title: &str, y: &str, train: Value, validation: Value| {
        let mut series = Vec::new();
        for (stage, name, style) in stages() {
            let epochs = run.epochs(stage, Some(budget), draw);
            series.push(curve(&format!("{name}, training"), style, Line::Solid, &epochs, &train));
            series.push(curve(&format!("{name}, held out"), style, Line::Dashed, &epochs, &validation));
        }
        over_epochs(title, Axis::linear(y), Size::Half, series)
    };
    let draws = ours.len().max(theirs.len());
    let which = if draws > 1 { format!(", label draw {} of {draws}", draw + 1) } else { String::new() };
    let what = words::budget(budget);
    html! {
        summary { h3 { (words::capital(&what)) (which) } }
        div.charts {
            (figure(
                chart("loss", "cross-entropy", |record| Some(record.loss), |record| record.validation_loss),
                &format!("Loss of baseline and fine-tuning with {what}."),
            ))
            (figure(
                chart(
                    "accuracy",
                    "accuracy, %",
                    |record| percent(record.train_accuracy),
                    |record| percent(record.validation_accuracy),
                ),
                &format!("Accuracy of baseline and fine-tuning with {what}."),
            ))
        }
    }
}

/// What of an epoch is drawn.
type Value = fn(&EpochRecord) -> Option<f64>;

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| 100.0 * share)
}

pub(super) fn over_epochs(title: &str, y: Axis, size: Size, series: Vec<Series>) -> Option<Markup> {
    let epochs = || series.iter().flat_map(|series| &series.points).map(|point| point.x);
    // A single epoch would stand on an axis of its own width: it is set against the beginning.
    let single = epochs().next().is_some_and(|first| epochs().all(|epoch| epoch == first));
    let chart = Chart {
        title: words::capital(&format!("{title} over epochs")),
        x: if single { Axis::whole("epoch").including(&[0.0]) } else { Axis::whole("epoch") },
        y,
        series: series.into_iter().filter(|series| !series.points.is_empty()).collect(),
        reference: None,
        size,
        dodge: 0.0,
    };
    chart.render()
}

pub(super) fn curve(
    label: &str,
    style: usize,
    line: Line,
    epochs: &[&EpochRecord],
    value: &dyn Fn(&EpochRecord) -> Option<f64>,
) -> Series {
    let point = |record: &&EpochRecord| {
        let y = value(record)?;
        let text = format!("{} at epoch {}", words::figure(y), record.epoch);
        Some(Point { x: record.epoch as f64, y, bar: None, text })
    };
    let points = thinned(epochs.iter().filter_map(point).collect());
    Series { label: label.to_owned(), style, line, run: None, points }
}
