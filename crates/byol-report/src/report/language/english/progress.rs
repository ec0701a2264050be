//! What the program says while it works: events on one line each, and the plan of a run.

use super::names::{budget_of_draw, label, stage};
use super::notices::notice;
use super::numbers::{count, expected_duration, list, percent, plural, rate, whole_duration};
use crate::plan::{Kind, Plan, Progress, Why};
use crate::run::event::{Event, StepReport};
use crate::run::record::{EpochRecord, LabelBudget, Stage};

/// `, 10 labels per class, draw 1`.
fn labels(budget: LabelBudget, draw: usize) -> String {
    format!(", {}", budget_of_draw(budget, draw))
}

/// `step 3 of 14, 2 h 10 min left`.
pub fn place(place: &Progress) -> String {
    format!("step {} of {}, {} left", place.step, place.steps, whole_duration(place.seconds_left))
}

/// A line with where the whole run stands.
pub fn in_the_whole(whole: &Progress, line: &str) -> String {
    format!("{}; {line}", place(whole))
}

/// Which epoch a step belongs to, and where the whole run stands.
pub fn epoch_of(step: &StepReport, whole: Option<&Progress>) -> String {
    let line = format!("{}, epoch {}/{}", stage(step.stage), step.epoch, step.epochs);
    whole.map_or_else(|| line.clone(), |whole| in_the_whole(whole, &line))
}

/// A step on a line of its own.
pub fn step_line(report: &StepReport, whole: Option<&Progress>) -> String {
    format!("{}, step {}/{}: {}", epoch_of(report, whole), report.step, report.steps, step(report))
}

/// Loss, rates and time left of a step.
pub fn step(report: &StepReport) -> String {
    let tau = report.tau.map_or_else(String::new, |tau| format!(", tau {tau:.4}"));
    let (rate, left) = (rate(report.images_per_second), whole_duration(report.seconds_left));
    format!("loss {:.4}, learning rate {:.2e}{tau}, {rate}, {left} left", report.loss, report.learning_rate)
}

/// The end of an epoch.
pub fn epoch(record: &EpochRecord) -> String {
    let mut text = stage(record.stage).to_owned();
    if let Some(budget) = record.labels_per_class {
        text += &labels(budget, record.draw);
    }
    text += &format!(": epoch {}/{}, loss {:.4}", record.epoch, record.epochs, record.loss);
    let accuracies = [
        ("train accuracy", record.train_accuracy),
        ("validation accuracy", record.validation_accuracy),
        ("k-NN accuracy", record.knn_accuracy),
        ("linear probe", record.linear_accuracy),
    ];
    let others = [
        ("validation loss", record.validation_loss),
        ("projection deviation", record.projection_deviation),
        ("effective rank", record.health.map(|health| health.representation.effective_rank)),
        ("tau", record.tau),
    ];
    let accuracies = accuracies.into_iter().filter_map(|(name, value)| Some(format!(", {name} {}", percent(value?))));
    let others = others.into_iter().filter_map(|(name, value)| Some(format!(", {name} {:.4}", value?)));
    text.extend(accuracies.chain(others));
    text + &format!(", {}, {}", rate(record.images_per_second), expected_duration(record.seconds))
}

/// Every other event; nothing for those that need no line of their own.
pub fn line(event: &Event<'_>) -> Option<String> {
    Some(match event {
        Event::StageStarted { stage: of, labels_per_class, draw, epochs, steps, done } => {
            let labels = labels_per_class.map(|budget| labels(budget, *draw)).unwrap_or_default();
            let resumed = if *done > 0 { format!(", resumed after {done}") } else { String::new() };
            let (epochs, steps) = (plural(*epochs as u64, "epoch"), plural(*steps as u64, "step"));
            format!("{}{labels}: {epochs}, {steps}{resumed}", stage(*of))
        }
        Event::Estimate { stage: of, seconds } => {
            format!("{} will take about {}", stage(*of), expected_duration(*seconds))
        }
        Event::Evaluated { name, labels_per_class, draw, test_accuracy, seconds } => {
            let (labels, accuracy) = (labels(*labels_per_class, *draw), percent(*test_accuracy));
            format!("{}{labels}: test accuracy {accuracy} ({})", label(*name), expected_duration(*seconds))
        }
        Event::Planned(found) => plan(found),
        Event::Note(what) => notice(what),
        Event::Warning(what) => format!("warning: {}", notice(what)),
        Event::Progress(_) | Event::Step(_) | Event::EpochEnded(_) | Event::CheckpointSaved { .. } => return None,
    })
}

/// A table of the stages, and a line for each group of chosen settings.
pub fn plan(plan: &Plan) -> String {
    let first = plan.first_accuracy();
    let first =
        first.map_or_else(String::new, |first| format!("; the first accuracy after {}", expected_duration(first)));
    let (steps, about) = (plural(plan.steps.len() as u64, "step"), expected_duration(plan.seconds()));
    let mut lines = vec![format!("plan: {steps}, about {about}{first}")];
    let rows: [(&str, &[Kind]); 6] = [
        (stage(Stage::Supervised), &[Kind::Baseline]),
        (stage(Stage::Pretrain), &[Kind::Pretrain]),
        ("frozen encoders", &[Kind::FrozenControl, Kind::Frozen]),
        (stage(Stage::Finetune), &[Kind::Finetune]),
        (stage(Stage::Selftrain), &[Kind::Selftrain]),
        ("report", &[Kind::Report]),
    ];
    for (name, kinds) in rows {
        let totals = kinds.iter().map(|&kind| plan.total(kind));
        let [steps, images, seconds] = totals.fold([0.0; 3], |[steps, images, seconds], total| {
            [steps + total.steps as f64, images + total.images as f64, seconds + total.seconds]
        });
        let what = match kinds {
            [Kind::Baseline | Kind::Finetune | Kind::Selftrain] => trainings(plan, kinds[0], steps as u64),
            [Kind::Pretrain] => "without labels".to_owned(),
            [Kind::Report] => String::new(),
            _ => "linear classifier and k-NN, before and after".to_owned(),
        };
        if steps == 0.0 && kinds == [Kind::Selftrain] {
            // No part of this run.
            continue;
        }
        let images = if images > 0.0 { format!("{} image passes", count(images as u64)) } else { String::new() };
        let seconds = expected_duration(seconds);
        lines.push(format!("  {name:<16} {seconds:>11}  {images:>24}  {what}").trim_end().to_owned());
    }
    lines.extend(plan.others.map(while_others));
    if let Some(hours) = plan.hours.filter(|_| !plan.chosen.is_empty()) {
        lines.push(format!("chosen for --hours {hours} (what you type, as in --set KEY=VALUE, is kept):"));
        lines.extend(plan.chosen.iter().map(|chosen| format!("  {}: {}", chosen.settings.join(" "), why(&chosen.why))));
    }
    lines.join("\n")
}

/// `6 trainings: 10 and all labels per class, 3 draws`.
fn trainings(plan: &Plan, kind: Kind, trainings: u64) -> String {
    let tasks = plan.steps.iter().map(|step| step.task).filter(|task| task.kind == kind);
    let mut budgets: Vec<String> = Vec::new();
    let mut draws = 0;
    for task in tasks {
        let budget = task.labels_per_class.map(|budget| budget.to_string());
        budgets.extend(budget.filter(|budget| !budgets.contains(budget)));
        draws = draws.max(task.draw + 1);
    }
    let (trainings, draws) = (plural(trainings, "training"), plural(draws as u64, "draw"));
    format!("{trainings}: {} labels per class, {draws}", list(&budgets))
}

/// Why settings were chosen.
fn why(why: &Why) -> String {
    match why {
        Why::FastestNetwork { enough } => {
            format!("the fastest network: a larger one would see fewer than {} images", count(*enough))
        }
        Why::LargestNetwork { passes } => {
            format!("the largest network that can see {} images in the time", count(*passes))
        }
        Why::ShareOfTrainings { percent } => format!("trainings with labels get {percent:.0}% of the time at most"),
        Why::MostPasses { passes } => format!("{} passes of images; more epochs hardly teach more", count(*passes)),
        Why::RestOfTheTime { passes } => format!("{} passes of images: the time that is left", count(*passes)),
        Why::ShortTraining => "a target that follows faster, since the training is short".to_owned(),
        Why::Said(text) => text.clone(),
    }
}

/// What it means for times that others took this share of the processor while they were measured.
pub fn while_others(share: f64) -> String {
    let about = match share {
        ..0.3 => "about a quarter",
        ..0.42 => "about a third",
        ..0.58 => "about half",
        ..0.71 => "about two thirds",
        _ => "most",
    };
    format!(
        "other programs took {about} of the processor while this was measured; times are for the machine as busy as now"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Chosen, Rates, Step, Task};
    use crate::run::record::ResultName;

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
            name: ResultName::RANDOM_KNN,
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
    #[test]
    fn a_plan_has_a_row_for_each_stage_and_a_line_for_each_choice() {
        let step = |task, images, planned_seconds| Step { task, images, planned_seconds, seconds: 0.0, ended: false };
        let training = |kind, budget, draw| Task { kind, labels_per_class: Some(budget), draw };
        let mut steps = Vec::new();
        let trained = |kind| {
            [LabelBudget::PerClass(10), LabelBudget::All]
                .into_iter()
                .flat_map(move |budget| [0, 1].map(|draw| step(training(kind, budget, draw), 12_000, 15.0)))
        };
        steps.extend(trained(Kind::Baseline));
        steps.push(step(Task::only(Kind::Pretrain), 1_234_500, 400.0));
        steps.extend([Kind::FrozenControl, Kind::Frozen].map(|kind| step(Task::only(kind), 0, 2.5)));
        steps.extend(trained(Kind::Finetune));
        steps.push(step(Task::only(Kind::Report), 0, 4.0));
        let rates = Rates { pretrain: 1.0, step_seconds: 1.0, image_seconds: 1.0, evaluate: 1.0, linear_seconds: 0.0 };
        let chosen = vec![Chosen {
            settings: vec!["image_size=64".to_owned(), "width=0.25".to_owned()],
            why: Why::LargestNetwork { passes: 400_000 },
        }];
        let plan = Plan { hours: Some(0.2), chosen, rates, steps, others: Some(0.52) };
        let expected = "\
plan: 12 steps, about 8 min 49 s; the first accuracy after 15 s
  baseline          1 min 00 s       48,000 image passes  4 trainings: 10 and all labels per class, 2 draws
  pre-training      6 min 40 s    1,234,500 image passes  without labels
  frozen encoders          5 s                            linear classifier and k-NN, before and after
  fine-tuning       1 min 00 s       48,000 image passes  4 trainings: 10 and all labels per class, 2 draws
  report                   4 s
other programs took about half of the processor while this was measured; times are for the machine as busy as now
chosen for --hours 0.2 (what you type, as in --set KEY=VALUE, is kept):
  image_size=64 width=0.25: the largest network that can see 400,000 images in the time";
        assert_eq!(super::plan(&plan), expected);
        let mut plan = Plan { hours: None, chosen: Vec::new(), others: None, ..plan };
        assert_eq!(super::plan(&plan).lines().count(), 6);
        let frozen = plan.steps.iter_mut().filter(|step| [Kind::FrozenControl, Kind::Frozen].contains(&step.task.kind));
        frozen.for_each(|step| step.planned_seconds = 0.2);
        assert!(super::plan(&plan).contains("  frozen encoders    under 1 s  "), "{}", super::plan(&plan));
    }
}
