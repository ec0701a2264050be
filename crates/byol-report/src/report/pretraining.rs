//! How far the pre-training of a run is: what it recorded, or what is still to come.

use super::advice::FEW_PASSES;
use super::load::RunData;
use crate::plan::{Begins, Expected, Kind, Plan};
use crate::run::command::TrainingCommand;
use crate::run::record::{Control, Ended, PretrainRecord, Stage};

/// How far pre-training went.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pretraining {
    /// Epochs that it made so far.
    pub epochs: usize,
    /// Image passes; an image is two views.
    pub images: u64,
    /// Over the whole stage, monitoring included; that of its steps where no epoch was recorded.
    pub images_per_second: f64,
    /// Mean training loss of the last epoch.
    pub final_loss: f64,
    /// Absent when no epoch was recorded.
    pub seconds: Option<f64>,
    /// Absent in a run without a summary, and while pre-training goes on.
    pub ended_by: Option<Ended>,
}

/// What is known of the pre-training of a run. Epochs are those that its configuration asks for, where it tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// As far as its record goes.
    Recorded(Pretraining),
    /// Its first epoch has not ended.
    Begun {
        /// Epochs that it is to make.
        epochs: Option<u64>,
    },
    /// The baseline comes first.
    ToCome {
        /// Epochs that it is to make.
        epochs: Option<u64>,
    },
    /// There is none, and none is to come.
    Nothing,
}

impl RunData {
    /// How far pre-training went: from the summary where it says so and no further epoch has been recorded since, else from the
    /// last recorded epoch.
    pub fn pretraining(&self) -> Option<Pretraining> {
        let epochs = self.epochs(Stage::Pretrain, None, 0);
        let seconds = epochs.last().map(|record| record.seconds);
        let summary = self.summary.as_ref();
        // While a run goes on after an interruption, or longer than before, its summary is of before.
        let is_of_now = |record: &&PretrainRecord| epochs.last().is_none_or(|last| last.epoch <= record.epochs);
        if let Some(record) = summary.and_then(|summary| summary.pretrain.as_ref()).filter(is_of_now) {
            let stands = self.finished() || summary.is_some_and(|summary| summary.interrupted);
            return Some(Pretraining {
                epochs: record.epochs,
                images: record.images,
                images_per_second: epochs.last().map_or(record.images_per_second, |last| last.overall_rate()),
                final_loss: record.final_loss,
                seconds,
                ended_by: Some(record.ended_by).filter(|&ended| stands || ended != Ended::Interrupted),
            });
        }
        let last = epochs.last()?;
        Some(Pretraining {
            epochs: last.epoch,
            images: last.images,
            images_per_second: last.overall_rate(),
            final_loss: last.loss,
            seconds,
            ended_by: None,
        })
    }

    /// What its pre-training is to make by its plan, as long as that has not ended.
    pub fn expected(&self) -> Option<Expected> {
        let plan = self.plan.as_ref().filter(|plan| !self.finished() && plan.total_left(Kind::Pretrain).steps > 0)?;
        let before = self.config.as_ref().and_then(|config| config.get("pretrain")?.get("extended")?.as_array());
        let begins = match (self.control(), before.is_some_and(|before| !before.is_empty())) {
            (Control::Random, false) => Begins::Anew,
            (Control::Given, _) | (_, true) => Begins::Trained,
        };
        Expected::of(plan, begins, FEW_PASSES)
    }

    /// The same with what is still to come of a run that has not finished.
    pub fn known_of_pretraining(&self) -> Known {
        if let Some(found) = self.pretraining() {
            return Known::Recorded(found);
        }
        let asked = self.config.as_ref().and_then(|config| config.get("pretrain")?.get("epochs")?.as_integer());
        let epochs = asked.and_then(|epochs| u64::try_from(epochs).ok());
        let step = |plan: &Plan| Some(plan.steps.get(plan.current()?)?.task.kind);
        match (self.plan.as_ref().and_then(step), self.command.as_ref().map(|record| record.command)) {
            _ if self.finished() => Known::Nothing,
            (Some(Kind::Pretrain), _) | (None, Some(TrainingCommand::Pretrain)) => Known::Begun { epochs },
            (Some(Kind::Baseline), _) | (None, Some(TrainingCommand::Run | TrainingCommand::Demo)) => {
                Known::ToCome { epochs }
            }
            (Some(_), _)
            | (
                None,
                Some(TrainingCommand::Supervised | TrainingCommand::Finetune | TrainingCommand::Selftrain) | None,
            ) => Known::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::language::table::pretraining;
    use super::super::testing::{Run, plan};
    use super::*;
    use crate::plan::Prospect;
    use crate::run::command::CommandRecord;

    /// A run that goes on and has not recorded an epoch of pre-training.
    fn going_on() -> RunData {
        let mut run = Run::ahead();
        run.metrics.retain(|record| record.stage == Stage::Supervised);
        let summary = run.summary.as_mut().expect("it has one");
        (summary.finished, summary.pretrain) = (false, None);
        run.data()
    }

    #[test]
    fn the_rate_is_that_of_the_whole_stage() {
        let mut run = Run::ahead();
        let record = run.summary.as_mut().and_then(|summary| summary.pretrain.as_mut()).expect("it has one");
        // 80,000 images in 551 s are fewer than its steps alone would make.
        record.images_per_second = 160.0;
        let found = run.data().pretraining().expect("it has pre-trained");
        assert!((found.images_per_second - 145.3).abs() < 0.01, "{found:?}");
        run.metrics.clear();
        assert_eq!(run.data().pretraining().map(|found| found.images_per_second), Some(160.0));
    }

    /// Epochs, passes, rate and time are of one moment: after `--resume` not partly those of the interruption.
    #[test]
    fn a_run_that_was_resumed_tells_what_it_recorded_since() {
        let mut run = Run::ahead();
        let whole = run.data().pretraining().expect("it has pre-trained");
        let summary = run.summary.as_mut().expect("it has one");
        (summary.finished, summary.interrupted) = (false, true);
        let record = summary.pretrain.as_mut().expect("it has one");
        (record.epochs, record.images, record.ended_by) = (12, 48_000, Ended::Interrupted);
        let found = run.data().pretraining().expect("it has pre-trained");
        assert_eq!((found.epochs, found.images, found.ended_by), (20, 80_000, None));
        assert_eq!((found.images_per_second, found.seconds), (whole.images_per_second, whole.seconds));
        // Where nothing came since, it is what it was when it was interrupted, and said to be so until it is resumed.
        run.metrics.retain(|record| record.stage != Stage::Pretrain || record.epoch <= 12);
        let found = run.data().pretraining().expect("it has pre-trained");
        assert_eq!((found.epochs, found.ended_by), (12, Some(Ended::Interrupted)));
        run.summary.as_mut().expect("it has one").interrupted = false;
        assert_eq!(run.data().pretraining().map(|found| (found.epochs, found.ended_by)), Some((12, None)));
    }

    /// Until pre-training has ended, and where its passes are planned.
    #[test]
    fn what_to_expect_is_known_until_pretraining_has_ended() {
        let mut run = going_on();
        let planned = |ended: bool| {
            let mut plan = plan(&[(Kind::Baseline, true), (Kind::Pretrain, ended)]);
            (plan.steps[1].images, plan.steps[1].planned_seconds) = (1_000_000, 3300.0);
            Some(plan)
        };
        assert_eq!(run.expected(), None, "there is no plan");
        run.plan = planned(false);
        let gains = Prospect::Gains { from: FEW_PASSES };
        assert_eq!(run.expected(), Some(Expected { passes: 1_000_000, seconds: 3300.0, prospect: gains }));
        let sentence = "Pre-training makes about 1.0 million image passes in about 55 min 00 s on this machine; on natural photographs, \
                        gains were seen from 200,000 on.";
        let told = crate::report::table::markdown(std::slice::from_ref(&run));
        assert!(told.contains(sentence), "{told}");
        let page = crate::report::html::render(std::slice::from_ref(&run)).expect("it is one run");
        assert!(page.contains(&format!("<p>{sentence}</p>")));
        for config in ["initial_weights = \"ab12\"", "[pretrain]\nextended = [7]"] {
            run.config = Some(config.parse().expect("TOML"));
            assert_eq!(run.expected().map(|found| found.prospect), Some(Prospect::Open), "{config}");
        }
        run.plan = planned(true);
        assert_eq!(run.expected(), None, "it has ended");
        run.plan = planned(false);
        run.summary.as_mut().expect("it has one").finished = true;
        assert_eq!(run.expected(), None, "the run has ended");
    }

    #[test]
    fn what_is_to_come_is_said_while_a_run_goes_on() {
        let mut run = going_on();
        let said = |run: &RunData| pretraining(&run.known_of_pretraining());
        assert_eq!(said(&run), "Pre-training: none recorded.", "nothing tells what it was asked for");
        run.plan = Some(plan(&[(Kind::Baseline, false), (Kind::Pretrain, false)]));
        assert_eq!(said(&run), "Pre-training: not started yet; it follows the baseline, for 20 epochs.");
        run.plan = Some(plan(&[(Kind::Baseline, true), (Kind::Pretrain, false)]));
        assert_eq!(said(&run), "Pre-training: its first epoch (of 20) has not ended yet.");
        run.plan = None;
        let command = |command| Some(CommandRecord { command, ..CommandRecord::default() });
        run.command = command(TrainingCommand::Run);
        assert_eq!(run.known_of_pretraining(), Known::ToCome { epochs: Some(20) });
        run.command = command(TrainingCommand::Pretrain);
        assert_eq!(run.known_of_pretraining(), Known::Begun { epochs: Some(20) });
        run.command = command(TrainingCommand::Supervised);
        assert_eq!(run.known_of_pretraining(), Known::Nothing);
        // A finished run without pre-training has none to come.
        run.command = command(TrainingCommand::Run);
        run.summary.as_mut().expect("it has one").finished = true;
        assert_eq!(said(&run), "Pre-training: none recorded.");
    }
}
