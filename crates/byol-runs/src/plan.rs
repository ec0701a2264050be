//! The plan of a run: its steps in order, how long each should take, and how long it took. What is left is told from it.

mod expected;

use serde::{Deserialize, Serialize};

use crate::stage::{LabelBudget, Stage};

pub use expected::{Begins, Expected, Prospect};

/// Kinds of work; the speed of one says little about another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A training of the baseline.
    Baseline,
    /// Pre-training, all epochs of it.
    Pretrain,
    /// Both evaluations of the encoder that pre-training began with.
    FrozenControl,
    /// Both evaluations of the pre-trained encoder.
    Frozen,
    /// A fine-tuning.
    Finetune,
    /// A self-training, with what judges it.
    Selftrain,
    /// Making the page and the table from what the run found.
    Report,
}

impl Kind {
    /// The kind of a training.
    pub fn of(stage: Stage) -> Kind {
        match stage {
            Stage::Supervised => Kind::Baseline,
            Stage::Pretrain => Kind::Pretrain,
            Stage::Finetune => Kind::Finetune,
            Stage::Selftrain => Kind::Selftrain,
        }
    }

    /// The stage that such a step trains; nothing where it trains none.
    pub fn stage(self) -> Option<Stage> {
        match self {
            Kind::Baseline => Some(Stage::Supervised),
            Kind::Pretrain => Some(Stage::Pretrain),
            Kind::Finetune => Some(Stage::Finetune),
            Kind::Selftrain => Some(Stage::Selftrain),
            Kind::FrozenControl | Kind::Frozen | Kind::Report => None,
        }
    }

    /// Whether the time of one says how long the other takes.
    fn is_like(self, other: Kind) -> bool {
        let group = |kind| match kind {
            Kind::Baseline | Kind::Finetune | Kind::Selftrain => 0,
            Kind::Pretrain => 1,
            Kind::FrozenControl | Kind::Frozen => 2,
            Kind::Report => 3,
        };
        group(self) == group(other)
    }
}

/// What one step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// The kind of work, whose speed says how long the step takes.
    pub kind: Kind,
    /// Of a training with labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_per_class: Option<LabelBudget>,
    /// Which label draw, from 0.
    #[serde(default)]
    pub draw: usize,
}

impl Task {
    /// A task of which a run has one.
    pub fn only(kind: Kind) -> Task {
        Task { kind, labels_per_class: None, draw: 0 }
    }
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is done in it.
    #[serde(flatten)]
    pub task: Task,
    /// Images that pass the networks in training; 0 where nothing is trained.
    pub images: u64,
    /// Seconds that were planned for it, above 0.
    pub planned_seconds: f64,
    /// Seconds that it has taken so far, over all sittings.
    #[serde(default)]
    pub seconds: f64,
    /// Whether it is done; a step that is not may have taken time already.
    #[serde(default)]
    pub ended: bool,
}

/// How fast this machine does each kind of work with the run's networks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Images per second of pre-training; each is two views.
    pub pretrain: f64,
    /// Seconds that each step with labels takes, whatever its batch.
    pub step_seconds: f64,
    /// Seconds that it takes for each of its images besides.
    pub image_seconds: f64,
    /// Images per second of a network that only evaluates.
    pub evaluate: f64,
    /// Seconds of fitting a linear classifier, per labelled image.
    pub linear_seconds: f64,
}

impl Rates {
    /// Seconds of so many steps with labels, of so many images together.
    pub fn training_seconds(&self, steps: usize, images: usize) -> f64 {
        steps as f64 * self.step_seconds + images as f64 * self.image_seconds
    }
}

/// Settings that were chosen together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chosen {
    /// As `key=value`, of what nobody had typed.
    pub settings: Vec<String>,
    /// The reason, with its figures.
    pub why: Why,
}

/// Why settings were chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// With a larger network pre-training would see fewer images than are `enough`.
    FastestNetwork {
        /// Image passes that pre-training should make: epochs times images.
        enough: u64,
    },
    /// The largest network with which pre-training can make so many passes in the time.
    LargestNetwork {
        /// Image passes: epochs times images.
        passes: u64,
    },
    /// Trainings with labels get so many percent of the plan's hours at most.
    ShareOfTrainings {
        /// Percent of the hours, 0-100; what pre-training leaves of its own share does not count.
        percent: f64,
    },
    /// Shorter trainings with labels there are none, and the hours are too few for them.
    ShortestTrainings,
    /// More epochs than make these passes hardly teach more.
    MostPasses {
        /// Image passes: epochs times images.
        passes: u64,
    },
    /// The time that is left holds so many passes.
    RestOfTheTime {
        /// Image passes: epochs times images.
        passes: u64,
    },
    /// The training is so short that the target must follow faster.
    ShortTraining,
    /// In the words of an earlier version.
    #[serde(untagged)]
    Said(String),
}

/// `plan.json`: what a run is to do, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The time that settings were chosen for; absent where they were not chosen by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<f64>,
    /// The settings that were chosen for the time, in the order in which they were chosen; empty where none were.
    #[serde(default)]
    pub chosen: Vec<Chosen>,
    /// The speeds that the planned seconds rest on.
    pub rates: Rates,
    /// Every step, in the order in which they are done.
    pub steps: Vec<Step>,
    /// The share of the processor that other programs took while the rates were measured, where it was worth a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<f64>,
}

/// The steps of one kind together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Total {
    /// How many steps there are.
    pub steps: usize,
    /// Images that pass the networks in training, over all of them.
    pub images: u64,
    /// As planned.
    pub seconds: f64,
}

impl Total {
    fn of<'s>(steps: impl Iterator<Item = &'s Step>) -> Total {
        steps.fold(Total::default(), |total, step| Total {
            steps: total.steps + 1,
            images: total.images + step.images,
            seconds: total.seconds + step.planned_seconds,
        })
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The step that is being done, from 1.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// Seconds until the whole run is done.
    pub seconds_left: f64,
}

impl Plan {
    /// The settings that were chosen, as `key=value`.
    pub fn settings(&self) -> Vec<String> {
        self.chosen.iter().flat_map(|chosen| chosen.settings.iter().cloned()).collect()
    }

    /// Seconds of all steps as planned.
    pub fn seconds(&self) -> f64 {
        self.steps.iter().map(|step| step.planned_seconds).sum()
    }

    /// The steps that have not ended.
    pub fn left(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| !step.ended)
    }

    /// Seconds until the first accuracy is known that is not known yet, as planned.
    pub fn first_accuracy(&self) -> Option<f64> {
        let accurate = |step: &&Step| step.task.kind != Kind::Pretrain && step.task.kind != Kind::Report;
        let first = self.left().position(|step| accurate(&step))?;
        Some(self.left().take(first + 1).map(|step| step.planned_seconds).sum())
    }

    /// What all steps of one kind come to, ended or not.
    pub fn total(&self, kind: Kind) -> Total {
        Total::of(self.steps.iter().filter(|step| step.task.kind == kind))
    }

    /// What the steps of one kind come to that have not ended.
    pub fn total_left(&self, kind: Kind) -> Total {
        Total::of(self.left().filter(|step| step.task.kind == kind))
    }

    /// This plan for a run whose pre-training is made longer: what the run keeps has ended, and of pre-training the epochs are left
    /// that are added. `earlier` is its plan until now, where it had one, and `epochs` are those of before and after.
    #[must_use]
    pub fn extending(mut self, earlier: Option<&Plan>, epochs: [usize; 2]) -> Plan {
        let [before, now] = epochs;
        let added = now.saturating_sub(before);
        for step in &mut self.steps {
            let then = earlier.and_then(|plan| plan.steps.iter().find(|then| then.task == step.task));
            match step.task.kind {
                Kind::Baseline | Kind::FrozenControl => {
                    step.ended = then.is_none_or(|then| then.ended);
                    step.seconds = then.map_or(0.0, |then| then.seconds);
                }
                Kind::Pretrain => {
                    step.images = step.images / now.max(1) as u64 * added as u64;
                    step.planned_seconds *= added as f64 / now.max(1) as f64;
                }
                Kind::Frozen | Kind::Finetune | Kind::Selftrain | Kind::Report => {}
            }
        }
        // The lengths of everything else are those that were chosen then.
        if let Some(earlier) = earlier {
            (self.hours, self.chosen) = (earlier.hours, earlier.chosen.clone());
        }
        self
    }

    /// Images per second of the whole of pre-training as planned, monitoring included; that of its steps where none is planned.
    pub fn pretraining_rate(&self) -> f64 {
        let pretrain = self.total(Kind::Pretrain);
        if pretrain.images > 0 { pretrain.images as f64 / pretrain.seconds.max(1e-9) } else { self.rates.pretrain }
    }

    /// Hours in which pre-training sees so many images, everything else as planned; to what can be typed.
    pub fn hours_for(&self, images: u64) -> f64 {
        let pretrain = self.total(Kind::Pretrain);
        let further = images.saturating_sub(pretrain.images) as f64 / self.pretraining_rate().max(1e-9);
        (10.0 * (self.seconds() + further) / 3600.0).ceil() / 10.0
    }
}

/// Share of the whole planned time that the plan's own speeds count as if they had been seen.
const PLANS_SAY: f64 = 0.1;
/// What a step says about the speed of another kind of work, beside one of its own kind.
const OTHERS_SAY: f64 = 0.25;

/// What is left, by the speed so far.
impl Plan {
    /// The first step that has not ended.
    pub fn current(&self) -> Option<usize> {
        self.steps.iter().position(|step| !step.ended)
    }

    /// How much longer than planned work of this kind takes, by the steps that have ended: like ones count whole, others a
    /// little, and as long as few have ended the plan itself has a say, so that one slow step turns nothing over.
    fn slowness(&self, kind: Kind) -> f64 {
        let plan = PLANS_SAY * self.seconds();
        let ended = self.steps.iter().filter(|step| step.ended && step.seconds > 0.0);
        let (taken, planned) = ended.fold((plan, plan), |(taken, planned), step| {
            let weight = if step.task.kind.is_like(kind) { 1.0 } else { OTHERS_SAY };
            (taken + weight * step.seconds, planned + weight * step.planned_seconds)
        });
        if planned > 0.0 { taken / planned } else { 1.0 }
    }

    /// Seconds that a step should take, by the speed so far.
    pub fn expected(&self, step: usize) -> f64 {
        self.steps.get(step).map_or(0.0, |step| step.planned_seconds * self.slowness(step.task.kind))
    }

    /// Seconds that are left of a step by what it has taken in earlier sittings.
    pub fn expected_left(&self, step: usize) -> f64 {
        (self.expected(step) - self.steps.get(step).map_or(0.0, |step| step.seconds)).max(0.0)
    }

    /// Where the run stands in step `step`, of which `seconds` are left.
    pub fn progress(&self, step: usize, seconds: f64) -> Progress {
        let later = (step + 1..self.steps.len()).filter(|&later| !self.steps[later].ended);
        let seconds_left = seconds + later.map(|later| self.expected(later)).sum::<f64>();
        Progress { step: step + 1, steps: self.steps.len(), seconds_left }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_the_speed_of_each_kind() {
        let rates = Rates { pretrain: 1.0, step_seconds: 1.0, image_seconds: 1.0, evaluate: 1.0, linear_seconds: 0.0 };
        let step = |kind, planned_seconds| Step {
            task: Task::only(kind),
            images: 10,
            planned_seconds,
            seconds: 0.0,
            ended: false,
        };
        let steps = vec![
            step(Kind::Baseline, 10.0),
            step(Kind::Pretrain, 100.0),
            step(Kind::Frozen, 4.0),
            step(Kind::Finetune, 10.0),
        ];
        let mut plan = Plan { hours: None, chosen: Vec::new(), rates, steps, others: None };
        assert_eq!(plan.progress(0, 7.0), Progress { step: 1, steps: 4, seconds_left: 121.0 });
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        // Twice as slow as planned. The plan of 124 seconds says 12.4; of another kind that is a quarter of the evidence.
        (plan.steps[0].seconds, plan.steps[0].ended) = (20.0, true);
        assert_eq!(plan.current(), Some(1));
        let (other, like) = ((12.4 + 5.0) / (12.4 + 2.5), (12.4 + 20.0) / (12.4 + 10.0));
        close(plan.expected(1), 100.0 * other);
        close(plan.progress(1, 150.0).seconds_left, 150.0 + 4.0 * other + 10.0 * like);
        // Pre-training went as planned.
        (plan.steps[1].seconds, plan.steps[1].ended) = (100.0, true);
        let like = (12.4 + 20.0 + 25.0) / (12.4 + 10.0 + 25.0);
        close(plan.progress(2, 1.0).seconds_left, 1.0 + 10.0 * like);
        close(plan.expected(2), 4.0 * (12.4 + 5.0 + 25.0) / (12.4 + 2.5 + 25.0));
    }

    #[test]
    fn what_an_extended_run_keeps_is_no_work_any_more() {
        let rates = Rates { pretrain: 1.0, step_seconds: 1.0, image_seconds: 1.0, evaluate: 1.0, linear_seconds: 0.0 };
        let step = |kind, images, planned_seconds| Step {
            task: Task::only(kind),
            images,
            planned_seconds,
            seconds: 0.0,
            ended: false,
        };
        let steps = vec![
            step(Kind::Baseline, 10, 10.0),
            step(Kind::Pretrain, 800, 80.0),
            step(Kind::FrozenControl, 0, 4.0),
            step(Kind::Frozen, 0, 4.0),
            step(Kind::Report, 0, 2.0),
        ];
        let new = Plan { hours: None, chosen: Vec::new(), rates, steps, others: None };
        let mut earlier = Plan { hours: Some(0.5), ..new.clone() };
        for step in &mut earlier.steps {
            (step.ended, step.seconds) = (true, 3.0);
        }
        // From 6 epochs to 8.
        for (earlier, hours, seconds) in [(Some(&earlier), Some(0.5), 3.0), (None, None, 0.0)] {
            let plan = new.clone().extending(earlier, [6, 8]);
            assert_eq!((plan.hours, plan.steps[0].seconds), (hours, seconds));
            let left: Vec<(Kind, u64, f64)> =
                plan.left().map(|step| (step.task.kind, step.images, step.planned_seconds)).collect();
            assert_eq!(left, [(Kind::Pretrain, 200, 20.0), (Kind::Frozen, 0, 4.0), (Kind::Report, 0, 2.0)]);
            assert_eq!(plan.first_accuracy(), Some(24.0));
            assert_eq!((plan.total(Kind::Baseline).steps, plan.total_left(Kind::Baseline).steps), (1, 0));
            assert_eq!(plan.current(), Some(1));
            // What pre-training took before is not taken off the epochs that are added.
            assert!(plan.expected_left(1) > 0.0);
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written_and_adds_up() {
        let rates =
            Rates { pretrain: 10.0, step_seconds: 0.5, image_seconds: 0.25, evaluate: 3.5, linear_seconds: 0.25 };
        assert_eq!(rates.training_seconds(3, 8), 3.5);
        let step = |task, images, planned_seconds| Step { task, images, planned_seconds, seconds: 0.0, ended: false };
        let baseline = Task { kind: Kind::Baseline, labels_per_class: Some(LabelBudget::PerClass(3)), draw: 1 };
        let steps = vec![
            step(baseline, 7, 1.5),
            step(Task { draw: 2, ..baseline }, 7, 2.5),
            step(Task::only(Kind::Pretrain), 1000, 100.0),
            step(Task::only(Kind::Report), 0, 4.0),
        ];
        let chosen = vec![Chosen { settings: vec!["draws=2".to_owned()], why: Why::Said("time".to_owned()) }];
        let plan = Plan { hours: Some(0.2), chosen, rates, steps, others: Some(0.5) };
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
        assert!(text.contains(r#"{"kind":"baseline","labels_per_class":3,"draw":1,"images":7"#), "{text}");
        assert_eq!((plan.seconds(), plan.first_accuracy()), (108.0, Some(1.5)));
        assert_eq!(plan.total(Kind::Baseline), Total { steps: 2, images: 14, seconds: 4.0 });
        assert_eq!(plan.settings(), ["draws=2"]);
        // 35,000 further images take 3,500 seconds: 3,608 in all.
        assert_eq!(plan.hours_for(36_000), 1.1);
        assert_eq!(plan.pretraining_rate(), 10.0);
        // With monitoring it takes twice as long as its steps alone: 7,208 seconds in all.
        let mut watched = plan.clone();
        watched.steps[2].planned_seconds = 200.0;
        assert_eq!((watched.pretraining_rate(), watched.hours_for(36_000)), (5.0, 2.1));
        watched.steps.remove(2);
        assert_eq!(watched.pretraining_rate(), 10.0);
    }
}
