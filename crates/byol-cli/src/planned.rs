//! The plan of a run in words: what will be done, how long it takes, and what was chosen for that.

use byol::experiment::planning::{Kind, Plan};
use byol::plan::while_others;
use byol::run::record::LabelBudget;

use crate::wording::{counted, duration};

/// Kinds of steps in their order, with what people call them.
const ROWS: [(&str, &[Kind]); 5] = [
    ("baseline", &[Kind::Baseline]),
    ("pre-training", &[Kind::Pretrain]),
    ("frozen encoders", &[Kind::FrozenControl, Kind::Frozen]),
    ("fine-tuning", &[Kind::Finetune]),
    ("report", &[Kind::Report]),
];

/// A table of the stages, and a line for each group of chosen settings.
pub fn text(plan: &Plan) -> String {
    let mut lines = vec![headline(plan)];
    for (name, kinds) in ROWS {
        let totals = kinds.iter().map(|&kind| plan.total(kind));
        let [steps, images, seconds] = totals.fold([0.0; 3], |[steps, images, seconds], total| {
            [steps + total.steps as f64, images + total.images as f64, seconds + total.seconds]
        });
        let what = match kinds {
            [Kind::Baseline | Kind::Finetune] => trainings(plan, kinds[0], steps as usize),
            [Kind::Pretrain] => "without labels".to_owned(),
            [Kind::Report] => String::new(),
            _ => "linear classifier and k-NN, before and after".to_owned(),
        };
        let images = if images > 0.0 { format!("{} image passes", grouped(images as u64)) } else { String::new() };
        lines.push(format!("  {name:<16} {:>11}  {images:>24}  {what}", duration(seconds)).trim_end().to_owned());
    }
    lines.extend(plan.others.map(while_others));
    if let Some(hours) = plan.hours.filter(|_| !plan.chosen.is_empty()) {
        lines.push(format!("chosen for --hours {hours} (what is typed stays, as in --set KEY=VALUE):"));
        lines.extend(plan.chosen.iter().map(|chosen| format!("  {}: {}", chosen.settings.join(" "), chosen.why)));
    }
    lines.join("\n")
}

fn headline(plan: &Plan) -> String {
    let mut text = format!("plan: {}, about {}", counted(plan.steps.len(), "step"), duration(plan.seconds()));
    if let Some(seconds) = plan.first_accuracy() {
        text += &format!("; the first accuracy after {}", duration(seconds));
    }
    text
}

/// `6 trainings: 10 and all labels per class, 3 draws each`.
fn trainings(plan: &Plan, kind: Kind, count: usize) -> String {
    let tasks = plan.steps.iter().map(|step| step.task).filter(|task| task.kind == kind);
    let mut budgets: Vec<LabelBudget> = Vec::new();
    let mut draws = 0;
    for task in tasks {
        budgets.extend(task.labels_per_class.filter(|budget| !budgets.contains(budget)));
        draws = draws.max(task.draw + 1);
    }
    let budgets: Vec<String> = budgets.iter().map(ToString::to_string).collect();
    let labels = match &budgets[..] {
        [all] => all.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
        [] => String::new(),
    };
    let trainings = counted(count, "training");
    format!("{trainings}: {labels} labels per class, {}", counted(draws, "draw"))
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use byol::experiment::planning::{Chosen, Rates, Step, Task};

    use super::*;

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
            why: "the largest network that can see 400,000 images in the time".to_owned(),
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
chosen for --hours 0.2 (what is typed stays, as in --set KEY=VALUE):
  image_size=64 width=0.25: the largest network that can see 400,000 images in the time";
        assert_eq!(text(&plan), expected);
        let plan = Plan { hours: None, chosen: Vec::new(), others: None, ..plan };
        assert_eq!(text(&plan).lines().count(), 6);
    }
}
