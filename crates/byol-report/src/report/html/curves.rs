//! How losses, accuracies and schedules went over the epochs.

use maud::{Markup, html};

use super::super::chart::{Axis, Chart, Line, Point, Series, Size, thinned};
use super::super::language::charts;
use super::super::language::page::nothing as absent;
use super::super::language::values::{Measure, Watched};
use super::super::load::RunData;
use super::{figure, nothing};
use crate::run::record::Health;
use crate::run::record::Spread;
use crate::run::record::{EpochRecord, LabelBudget, Stage};

/// Colours: those of the baseline, fine-tuned BYOL, linear evaluation and k-NN, as in the other charts.
const BASELINE: usize = 0;
const FINE_TUNED: usize = 1;
const LINEAR: usize = 2;
const KNN: usize = 3;
const SELF_TRAINED: usize = 4;

pub(super) fn pretraining(run: &RunData) -> Markup {
    let epochs = run.epochs(Stage::Pretrain, None, 0);
    if epochs.is_empty() {
        return nothing(absent::PRETRAINING);
    }
    let watched = watched(run, &epochs);
    let of = |of: Measure, include: &[f64], curves: Vec<Series>| {
        let y = axis(of, charts::axis(of)).including(include);
        let chart = over_epochs(charts::measure(of), y, Size::Third, curves);
        figure(chart, &charts::pretraining_caption(of, &watched, run.method()))
    };
    let one = |of: Measure, style: usize, value: Value| curve(charts::measure(of), style, Line::Solid, &epochs, &value);
    html! {
        div.charts.thirds {
            (of(Measure::Loss, &[], vec![one(Measure::Loss, 1, |record| Some(record.loss))]))
            (of(Measure::KnnAndProbe, &[], vec![
                one(Measure::Knn, KNN, |record| percent(record.knn_accuracy)),
                one(Measure::LinearProbe, LINEAR, |record| percent(record.linear_accuracy)),
            ]))
            (of(Measure::EffectiveRank, &[1.0], health(&epochs, |spread| spread.effective_rank)))
            (of(Measure::Alignment, &[0.0], health(&epochs, |spread| spread.alignment)))
            (of(Measure::Uniformity, &[0.0], health(&epochs, |spread| spread.uniformity)))
            (of(Measure::ProjectionDeviation, &[0.0, 1.0], vec![
                one(Measure::ProjectionDeviation, 2, |record| record.projection_deviation),
            ]))
            (of(Measure::LearningRate, &[0.0], vec![one(Measure::LearningRate, 4, |record| Some(record.learning_rate))]))
            (of(Measure::Tau, &[], vec![one(Measure::Tau, 5, |record| record.tau)]))
        }
    }
}

/// Labelled training images from which on the fifth that is held out of them is watched; of fewer, images of the pool are.
const LABELS_TO_HOLD_OUT: usize = 500;

/// Which images the figures of health are of.
fn watched(run: &RunData, epochs: &[&EpochRecord]) -> String {
    let count = epochs.iter().rev().find_map(|record| record.health?.images);
    let labelled = run.summary.as_ref().map_or(0, |summary| summary.data.train_images);
    let which = match (labelled >= LABELS_TO_HOLD_OUT, super::super::explain::has_unlabeled(run)) {
        (true, _) => Watched::HeldOut,
        (false, true) => Watched::Unlabeled,
        (false, false) => Watched::Training,
    };
    charts::watched(count.map(|images| images as u64), which)
}

/// The curves of one figure of the health of representations and projections.
fn health(epochs: &[&EpochRecord], value: fn(&Spread) -> f64) -> Vec<Series> {
    let of = |label, style, line, layer: fn(&Health) -> &Spread| {
        curve(label, style, line, epochs, &|record| record.health.as_ref().map(|health| value(layer(health))))
    };
    vec![
        of(charts::REPRESENTATIONS, LINEAR, Line::Solid, |health| &health.representation),
        of(charts::PROJECTIONS, KNN, Line::Dashed, |health| &health.projection),
    ]
}

pub(super) fn training(run: &RunData) -> Markup {
    let budgets: Vec<LabelBudget> = run
        .budgets()
        .into_iter()
        .filter(|&budget| STAGES.iter().any(|&(stage, _)| !run.last_epochs(stage, Some(budget)).is_empty()))
        .collect();
    if budgets.is_empty() {
        return nothing(absent::TRAINING);
    }
    html! {
        p { (charts::TRAINING) }
        @for (place, &budget) in budgets.iter().enumerate() {
            details open[place == 0] { (of_budget(run, budget)) }
        }
    }
}

/// Trainings with labels, with their colours.
const STAGES: [(Stage, usize); 3] =
    [(Stage::Supervised, BASELINE), (Stage::Finetune, FINE_TUNED), (Stage::Selftrain, SELF_TRAINED)];

/// The curves of the first draw that baseline and fine-tuning have, or of the first draw of any stage.
fn of_budget(run: &RunData, budget: LabelBudget) -> Markup {
    let [ours, theirs, further] = STAGES.map(|(stage, _)| run.last_epochs(stage, Some(budget)));
    let both = ours.iter().find(|record| theirs.iter().any(|other| other.draw == record.draw));
    let Some(draw) = both.or(ours.first()).or(theirs.first()).or(further.first()).map(|record| record.draw) else {
        return html! {};
    };
    let of = |of: Measure, y: &str, train: Value, validation: Value| {
        let mut series = Vec::new();
        for (stage, style) in STAGES {
            let epochs = run.epochs(stage, Some(budget), draw);
            series.push(curve(&charts::training_curve(stage, false), style, Line::Solid, &epochs, &train));
            series.push(curve(&charts::training_curve(stage, true), style, Line::Dashed, &epochs, &validation));
        }
        let chart = over_epochs(charts::measure(of), axis(of, y), Size::Half, series);
        figure(chart, &charts::training_caption(of, budget))
    };
    html! {
        summary { h3 { (charts::training_heading(budget, draw, ours.len().max(theirs.len()).max(further.len()))) } }
        div.charts {
            (of(Measure::Loss, charts::CROSS_ENTROPY, |record| Some(record.loss), |record| record.validation_loss))
            (of(
                Measure::Accuracy,
                charts::axis(Measure::Accuracy),
                |record| percent(record.train_accuracy),
                |record| percent(record.validation_accuracy),
            ))
        }
    }
}

/// The y axis of a chart.
pub(super) fn axis(of: Measure, label: &str) -> Axis {
    match of {
        Measure::Accuracy | Measure::Knn | Measure::LinearProbe | Measure::KnnAndProbe => Axis::percent(label),
        Measure::Loss
        | Measure::EffectiveRank
        | Measure::Alignment
        | Measure::Uniformity
        | Measure::ProjectionDeviation
        | Measure::LearningRate
        | Measure::Tau => Axis::linear(label),
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
        title: charts::over_epochs(title),
        x: if single { Axis::whole(charts::EPOCH).including(&[0.0]) } else { Axis::whole(charts::EPOCH) },
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
        Some(Point { x: record.epoch as f64, y, bar: None, text: charts::at_epoch(y, record.epoch) })
    };
    let points = thinned(epochs.iter().filter_map(point).collect());
    Series { label: label.to_owned(), style, line, run: None, points }
}
