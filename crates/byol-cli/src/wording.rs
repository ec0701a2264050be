//! Events in words: what a person reads about them on one line.

use crate::planned;
use byol::experiment::planning::Progress;
use byol::run::event::{Event, StepReport};
use byol::run::record::{EpochRecord, LabelBudget, ResultName, Stage};

/// What people call a stage.
pub fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Pretrain => "pre-training",
        Stage::Supervised => "baseline",
        Stage::Finetune => "fine-tuning",
    }
}

/// What people call a classifier.
pub fn result(name: ResultName) -> &'static str {
    byol::report::label(name)
}

/// `, 10 labels per class, draw 1`.
fn labels(budget: LabelBudget, draw: usize) -> String {
    match budget {
        LabelBudget::PerClass(1) => format!(", 1 label per class, draw {}", draw + 1),
        LabelBudget::PerClass(labels) => format!(", {labels} labels per class, draw {}", draw + 1),
        LabelBudget::Folds => format!(", predefined fold {}", draw + 1),
        LabelBudget::DrawnFolds => format!(", fold {} drawn here", draw + 1),
        LabelBudget::All => format!(", all labels, draw {}", draw + 1),
    }
}

/// ` with 10 labels per class`, ` with all labels`.
pub fn with_labels(budget: LabelBudget) -> String {
    match budget {
        LabelBudget::PerClass(1) => " with 1 label per class".to_owned(),
        LabelBudget::PerClass(number) => format!(" with {number} labels per class"),
        LabelBudget::Folds | LabelBudget::DrawnFolds => " with the first fold".to_owned(),
        LabelBudget::All => " with all labels".to_owned(),
    }
}

/// A sentence with a capital at its beginning.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `1 image`, `2 images`.
pub fn counted(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A share of 1 as the report writes it: `61.2%`.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// A time span to two significant units: `45 s`, `3 min 20 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    // Saturates: not-a-number becomes 0.
    let seconds = seconds.round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}

/// `step 3 of 14, 2 h 10 min left`.
pub fn place(place: &Progress) -> String {
    format!("step {} of {}, {} left", place.step, place.steps, duration(place.seconds_left))
}

/// Throughput; below ten images a second the tenths matter.
fn rate(images_per_second: f64) -> String {
    let digits = usize::from(images_per_second < 10.0);
    format!("{images_per_second:.digits$} images/s")
}

/// Loss, rates and time left of a step.
pub fn step(report: &StepReport) -> String {
    let mut text = format!("loss {:.4}, learning rate {:.2e}", report.loss, report.learning_rate);
    if let Some(tau) = report.tau {
        text += &format!(", tau {tau:.4}");
    }
    text + &format!(", {}, {} left", rate(report.images_per_second), duration(report.seconds_left))
}

/// The end of an epoch.
pub fn epoch(record: &EpochRecord) -> String {
    let mut text = stage(record.stage).to_owned();
    if let Some(budget) = record.labels_per_class {
        text += &labels(budget, record.draw);
    }
    text += &format!(": epoch {}/{}, loss {:.4}", record.epoch, record.epochs, record.loss);
    let optional = [
        ("validation loss", record.validation_loss),
        ("projection deviation", record.projection_deviation),
        ("effective rank", record.health.map(|health| health.representation.effective_rank)),
        ("tau", record.tau),
    ];
    let accuracies = [
        ("train accuracy", record.train_accuracy),
        ("validation accuracy", record.validation_accuracy),
        ("k-NN accuracy", record.knn_accuracy),
        ("linear probe", record.linear_accuracy),
    ];
    for (name, value) in accuracies {
        if let Some(value) = value {
            text += &format!(", {name} {}", percent(value));
        }
    }
    for (name, value) in optional {
        if let Some(value) = value {
            text += &format!(", {name} {value:.4}");
        }
    }
    text + &format!(", {}, {}", rate(record.images_per_second), duration(record.seconds))
}

/// Every other event; nothing for those that need no line of their own.
pub fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::StageStarted { stage: name, labels_per_class, draw, epochs, steps, done } => {
            let labels = labels_per_class.map(|budget| labels(budget, *draw)).unwrap_or_default();
            let resumed = if *done > 0 { format!(", resumed after {done}") } else { String::new() };
            format!("{}{labels}: {}, {}{resumed}", stage(*name), counted(*epochs, "epoch"), counted(*steps, "step"))
        }
        Event::Estimate { stage: name, seconds } => format!("{} will take about {}", stage(*name), duration(*seconds)),
        Event::Evaluated { name, labels_per_class, draw, test_accuracy, seconds } => {
            let labels = labels(*labels_per_class, *draw);
            format!("{}{labels}: test accuracy {} ({})", result(*name), percent(*test_accuracy), duration(*seconds))
        }
        Event::Planned(plan) => planned::text(plan),
        Event::Note { text } => text.clone(),
        Event::Warning { text } => format!("warning: {text}"),
        Event::Progress(_) | Event::Step(_) | Event::EpochEnded(_) | Event::CheckpointSaved { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        let cases =
            [(0.4, "0 s"), (59.6, "1 min 00 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 05 min"), (f64::NAN, "0 s")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn lines_name_stage_labels_and_draw() {
        let event = Event::StageStarted {
            stage: Stage::Finetune,
            labels_per_class: Some(LabelBudget::PerClass(10)),
            draw: 1,
            epochs: 5,
            steps: 20,
            done: 8,
        };
        let text = "fine-tuning, 10 labels per class, draw 2: 5 epochs, 20 steps, resumed after 8";
        assert_eq!(line(&event).as_deref(), Some(text));
        let event = Event::Evaluated {
            name: ResultName::RandomKnn,
            labels_per_class: LabelBudget::All,
            draw: 0,
            test_accuracy: 0.34,
            seconds: 2.0,
        };
        assert_eq!(
            line(&event).as_deref(),
            Some("random encoder, k-NN, all labels, draw 1: test accuracy 34.0% (2 s)")
        );
    }

    #[test]
    fn steps_say_what_they_know() {
        let report = StepReport {
            stage: Stage::Pretrain,
            epoch: 1,
            epochs: 2,
            step: 3,
            steps: 10,
            loss: 1.5,
            learning_rate: 3e-4,
            tau: Some(0.99),
            images_per_second: 87.4,
            seconds_left: 61.0,
        };
        let text = "loss 1.5000, learning rate 3.00e-4, tau 0.9900, 87 images/s, 1 min 01 s left";
        assert_eq!(step(&report), text);
    }
}
