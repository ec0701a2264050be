//! What the program says while it works: events on one line each, and the plan of a run.

use super::names::{budget_of_draw, label, stage};
use super::notices::notice;
use super::numbers::{count, expected_duration, list, nearly, percent, plural, rate, whole_duration};
use crate::plan::{Chosen, Expected, Kind, Plan, Progress, Prospect, Task, Total, Why};
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

/// A table of the stages, and a line for each group of chosen settings. Where a run is extended, what it keeps is no work.
pub fn plan(plan: &Plan) -> String {
    let first = plan.first_accuracy();
    let goes_on = plan.left().count() < plan.steps.len();
    let first = match (first, goes_on) {
        (None, _) => String::new(),
        (Some(first), false) => format!("; the first accuracy after {}", expected_duration(first)),
        (Some(first), true) => format!("; the first new accuracy after {}", expected_duration(first)),
    };
    let steps = plural(plan.steps.len() as u64, "step");
    let steps = match plan.left().count() {
        1 if goes_on => format!("1 of {steps} is left"),
        left if goes_on => format!("{left} of {steps} are left"),
        _ => steps,
    };
    let about = expected_duration(plan.left().map(|step| step.planned_seconds).sum());
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
        let of = |kind: &Kind| (plan.total(*kind).steps > 0).then(|| plan.total_left(*kind));
        let left: Vec<Total> = kinds.iter().filter_map(of).collect();
        let [steps, images] =
            left.iter().fold([0, 0], |[steps, images], total| [steps + total.steps as u64, images + total.images]);
        if left.is_empty() && kinds == [Kind::Selftrain] {
            // No part of this run.
            continue;
        }
        let kept = !left.is_empty() && steps == 0;
        let what = match kinds {
            [kind @ (Kind::Baseline | Kind::Finetune | Kind::Selftrain)] => trainings(plan, *kind, kept),
            [Kind::Pretrain] => format!("{} without labels", plural(steps, "training")),
            [Kind::Report] => String::new(),
            _ => evaluations(plan, steps),
        };
        let images = if images > 0 { format!("{} image passes", count(images)) } else { String::new() };
        let seconds = match kept {
            true => "kept".to_owned(),
            false => expected_duration(left.iter().map(|total| total.seconds).sum()),
        };
        lines.push(format!("  {name:<16} {seconds:>11}  {images:>24}  {what}").trim_end().to_owned());
    }
    lines.extend(plan.others.map(while_others));
    if let Some(hours) = plan.hours.filter(|_| !plan.chosen.is_empty() && !goes_on) {
        lines.push(format!("chosen for --hours {hours} (what you type, as in --set KEY=VALUE, is kept):"));
        let chosen = plan.chosen.iter();
        lines.extend(chosen.map(|chosen| format!("  {}: {}", chosen.settings.join(" "), why(chosen, hours))));
    }
    lines.join("\n")
}

/// `pre-training makes about 1.2 million image passes in about 55 min 10 s on this machine; on natural photographs, gains were seen from 200,000 on`
pub fn expected(expected: &Expected) -> String {
    let passes = format!(
        "pre-training makes about {} image passes in about {} on this machine",
        nearly(expected.passes),
        expected_duration(expected.seconds)
    );
    match expected.prospect {
        Prospect::Gains { from } => {
            format!("{passes}; on natural photographs, gains were seen from {} on", count(from))
        }
        Prospect::TooFew { from } => {
            format!("{passes}; on natural photographs, gains were seen only from {} on", count(from))
        }
        Prospect::Open => passes,
    }
}

/// `2 evaluations: linear classifier and k-NN, before and after pre-training`.
fn evaluations(plan: &Plan, evaluations: u64) -> String {
    let when = match [Kind::FrozenControl, Kind::Frozen].map(|kind| plan.total_left(kind).steps > 0) {
        [true, false] => "before",
        [false, true] => "after",
        _ => "before and after",
    };
    format!("{}: linear classifier and k-NN, {when} pre-training", plural(evaluations, "evaluation"))
}

/// `6 trainings: 10 and all labels per class, 3 draws`, of those that are left, or that are kept.
fn trainings(plan: &Plan, kind: Kind, kept: bool) -> String {
    let of_kind = plan.steps.iter().filter(|step| step.task.kind == kind && step.ended == kept);
    let tasks: Vec<Task> = of_kind.map(|step| step.task).collect();
    let mut budgets: Vec<String> = Vec::new();
    let mut draws = 0;
    for task in &tasks {
        let budget = task.labels_per_class.map(|budget| budget.to_string());
        budgets.extend(budget.filter(|budget| !budgets.contains(budget)));
        draws = draws.max(task.draw + 1);
    }
    let (trainings, draws) = (plural(tasks.len() as u64, "training"), plural(draws as u64, "draw"));
    format!("{trainings}: {} labels per class, {draws}", list(&budgets))
}

/// Why settings were chosen, for so many hours.
fn why(chosen: &Chosen, hours: f64) -> String {
    // With few labels, the steps take more epochs than are asked for, and a training then names those.
    let steps = chosen.settings.iter().any(|pair| pair.contains(".minimum_steps="));
    let least = if steps { "; with few labels, minimum_steps asks for more epochs than that" } else { "" };
    match &chosen.why {
        Why::FastestNetwork { enough } => {
            format!("the fastest network: a larger one would make fewer than {} image passes", count(*enough))
        }
        Why::LargestNetwork { passes } => {
            format!("the largest network that can make {} image passes in the time", count(*passes))
        }
        Why::ShareOfTrainings { percent } => {
            format!("the longest trainings with labels within {percent:.0}% of --hours {hours}{least}")
        }
        Why::ShortestTrainings => format!("the shortest trainings with labels{least}"),
        Why::MostPasses { passes } => format!("{} image passes; more epochs hardly teach more", count(*passes)),
        Why::RestOfTheTime { passes } => format!("{} image passes: the time that is left", count(*passes)),
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
    use crate::plan::{Rates, Step};
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
  pre-training      6 min 40 s    1,234,500 image passes  1 training without labels
  frozen encoders          5 s                            2 evaluations: linear classifier and k-NN, before and after pre-training
  fine-tuning       1 min 00 s       48,000 image passes  4 trainings: 10 and all labels per class, 2 draws
  report                   4 s
other programs took about half of the processor while this was measured; times are for the machine as busy as now
chosen for --hours 0.2 (what you type, as in --set KEY=VALUE, is kept):
  image_size=64 width=0.25: the largest network that can make 400,000 image passes in the time";
        assert_eq!(super::plan(&plan), expected);
        let longer = super::plan(&plan.clone().extending(Some(&Plan { hours: Some(0.2), ..done(&plan) }), [3, 4]));
        let expected = "\
plan: 7 of 12 steps are left, about 2 min 47 s; the first new accuracy after 1 min 43 s
  baseline                kept                            4 trainings: 10 and all labels per class, 2 draws
  pre-training      1 min 40 s      308,625 image passes  1 training without labels
  frozen encoders          3 s                            1 evaluation: linear classifier and k-NN, after pre-training
  fine-tuning       1 min 00 s       48,000 image passes  4 trainings: 10 and all labels per class, 2 draws
  report                   4 s";
        assert!(longer.starts_with(expected), "{longer}");
        assert!(!longer.contains("chosen for"), "what was chosen for a shorter run: {longer}");
        let mut plan = Plan { hours: None, chosen: Vec::new(), others: None, ..plan };
        assert_eq!(super::plan(&plan).lines().count(), 6);
        let frozen = plan.steps.iter_mut().filter(|step| [Kind::FrozenControl, Kind::Frozen].contains(&step.task.kind));
        frozen.for_each(|step| step.planned_seconds = 0.2);
        assert!(super::plan(&plan).contains("  frozen encoders    under 1 s  "), "{}", super::plan(&plan));
    }

    /// The plan once all of it is done.
    fn done(plan: &Plan) -> Plan {
        let steps = plan.steps.iter().map(|step| Step { ended: true, seconds: 1.0, ..step.clone() }).collect();
        Plan { steps, ..plan.clone() }
    }

    #[test]
    fn what_to_expect_is_said_with_the_passes_and_the_time() {
        let said = |passes, prospect| expected(&Expected { passes, seconds: 3310.0, prospect });
        assert_eq!(
            said(1_034_000, Prospect::Gains { from: 200_000 }),
            "pre-training makes about 1.0 million image passes in about 55 min 10 s on this machine; on natural photographs, gains were \
             seen from 200,000 on"
        );
        let few = said(54_400, Prospect::TooFew { from: 200_000 });
        assert!(
            few.contains("about 54,000 image passes") && few.ends_with("gains were seen only from 200,000 on"),
            "{few}"
        );
        let open = said(200_000, Prospect::Open);
        assert!(open.ends_with("200,000 image passes in about 55 min 10 s on this machine"), "{open}");
    }

    #[test]
    fn reasons_are_true_of_the_hours_and_the_data() {
        let why = |setting: &str, why| super::why(&Chosen { settings: vec![setting.to_owned()], why }, 1.5);
        assert_eq!(
            why("supervised.minimum_steps=150", Why::ShareOfTrainings { percent: 50.0 }),
            "the longest trainings with labels within 50% of --hours 1.5; with few labels, minimum_steps asks for more epochs than that"
        );
        assert_eq!(why("draws=1", Why::ShortestTrainings), "the shortest trainings with labels");
        for passes in [
            why("width=0.25", Why::FastestNetwork { enough: 400_000 }),
            why("width=0.25", Why::LargestNetwork { passes: 400_000 }),
            why("pretrain.epochs=9", Why::MostPasses { passes: 400_000 }),
            why("pretrain.epochs=9", Why::RestOfTheTime { passes: 400_000 }),
        ] {
            // There may be far fewer images.
            assert!(passes.contains("400,000 image passes"), "{passes}");
        }
    }
}
