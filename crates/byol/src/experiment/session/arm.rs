//! An arm of the comparison: one training with labels, its settings chosen from a sweep where it has one, and what it answers.

use std::collections::BTreeMap;

use tch::Tensor;

use super::Session;
use crate::config::{Experiment, Supervised};
use crate::data::LabeledImages;
use crate::data::splits::hold_out;
use crate::device::Hardware;
use crate::experiment::ExperimentError;
use crate::experiment::along::{Errand, Training};
use crate::experiment::frozen::{Answers, Recorded};
use crate::experiment::plan::Part;
use crate::experiment::planning::{self, Kind};
use crate::run::notice::Notice;
use crate::run::record::{Ended, ResultName, SupervisedStage};
use crate::train::answering::Answering;
use crate::train::supervised::{self as training, Lengths, Task, Trained};
use crate::trained::checkpoint::CheckpointFolder;

/// Share of a label budget that a sweep validates on.
pub(in crate::experiment) const SWEEP_HELD_OUT: f64 = 0.2;

impl Session<'_, '_> {
    /// Trains classifiers and records their answers, of those that no earlier sitting has: side by side where their steps are worth
    /// fewer threads than there are.
    pub(in crate::experiment) fn arms(
        &mut self,
        arms: &[Arm],
        test: Option<&LabeledImages>,
    ) -> Result<Ended, ExperimentError> {
        let shares: Vec<Option<usize>> = arms.iter().map(|arm| self.share_of_threads(arm)).collect();
        let mut rest = arms;
        for alike in shares.chunk_by(PartialEq::eq) {
            let (now, later) = rest.split_at(alike.len());
            rest = later;
            let ended = match alike[0] {
                Some(threads) => self.side_by_side(now, threads, test)?,
                None => self.one_after_another(now, test)?,
            };
            if ended == Ended::Interrupted {
                return Ok(ended);
            }
        }
        Ok(Ended::Epochs)
    }

    fn one_after_another(&mut self, arms: &[Arm], test: Option<&LabeledImages>) -> Result<Ended, ExperimentError> {
        for arm in arms {
            let Part { budget, draw, .. } = *arm.part;
            if self.has(arm) {
                continue;
            }
            let kind = Kind::of(arm.stage.into());
            self.begin(planning::Task { kind, labels_per_class: Some(budget), draw })?;
            let ended = self.train_and_record(arm, test)?;
            self.end(ended != Ended::Interrupted)?;
            if ended == Ended::Interrupted {
                return Ok(ended);
            }
        }
        Ok(Ended::Epochs)
    }

    /// The result that an arm is to have.
    fn result(&self, arm: &Arm) -> ResultName {
        match arm.stage {
            SupervisedStage::Finetune => ResultName::PRETRAINED_FINETUNED,
            SupervisedStage::Selftrain => ResultName::PRETRAINED_SELFTRAINED,
            SupervisedStage::Baseline => self.control().baseline(),
        }
    }

    /// Whether an earlier sitting has recorded an arm's answers.
    pub(super) fn has(&self, arm: &Arm) -> bool {
        self.recorded(self.result(arm), arm.part)
    }

    fn train_and_record(&mut self, arm: &Arm, test: Option<&LabeledImages>) -> Result<Ended, ExperimentError> {
        let Some(Choice { settings, words: chosen }) = self.choose(arm)? else {
            return Ok(Ended::Interrupted);
        };
        let experiment = self.context.experiment;
        let [train, validation] = arm.divided(experiment)?;
        let task = Task { train, validation, lengths: self.lengths(), ..arm.task(&settings, self.classes()) };
        let directory = self.directory.clone();
        self.context.hardware.ranks.give(Errand::Train(Box::new(Training::of(&task, test.is_some()))))?;
        let trained = self.training(|setting| training::train(setting, &task, &directory))?;
        if trained.ended == Ended::Interrupted {
            return Ok(Ended::Interrupted);
        }
        if let Some(test) = test {
            let answers = answers(experiment, self.context.hardware, &trained, test)?;
            self.record_arm(arm, trained.seconds, chosen, answers)?;
        }
        Ok(trained.ended)
    }

    /// Records what an arm answers for the test images. Of every budget the first draw's classifier is kept.
    pub(super) fn record_arm(
        &mut self,
        arm: &Arm,
        seconds: f64,
        chosen: Option<String>,
        answers: Answers,
    ) -> Result<(), ExperimentError> {
        let Arm { stage, part, .. } = *arm;
        let experiment = self.context.experiment;
        self.record(answers.record(Recorded { name: self.result(arm), part, seconds, chosen }))?;
        let taught = stage == SupervisedStage::Finetune && experiment.selftrain.part_of_run;
        if part.draw > 0 && !taught {
            CheckpointFolder::new(self.directory.supervised_checkpoints(stage, part.budget, part.draw), 1).remove();
        }
        // Of a sweep's candidates the metrics stay.
        for candidate in candidates(arm.settings(experiment)) {
            let trial = self.directory.trial(&arm.trial_name(&candidate));
            CheckpointFolder::new(trial.supervised_checkpoints(stage, part.budget, part.draw), 1).remove();
        }
        Ok(())
    }

    /// The settings of a stage, chosen from its sweep where it has one: every candidate is trained on four fifths of the
    /// labels and validated on the rest. Nothing where it was interrupted.
    fn choose(&mut self, arm: &Arm) -> Result<Option<Choice>, ExperimentError> {
        let Arm { part, labeled, .. } = *arm;
        let experiment = self.context.experiment;
        let candidates = candidates(arm.settings(experiment));
        if let [settings] = &candidates[..] {
            return Ok(Some(Choice { settings: settings.clone(), words: None }));
        }
        let (train, validation) = hold_out(&labeled.labels, &part.indices, SWEEP_HELD_OUT, experiment.seed)?;
        if validation.is_empty() {
            // With a label per class there is nothing to validate on: the middle candidate is taken.
            let settings = candidates[(candidates.len() - 1) / 2].clone();
            return Ok(Some(Choice { words: Some(candidate_name(&settings)), settings }));
        }
        let mut best: Option<(f64, Supervised)> = None;
        for settings in candidates {
            let name = arm.trial_name(&settings);
            let directory = self.directory.trial(&name);
            let (train, validation) = (train.clone(), validation.clone());
            let task = Task { train, validation, lengths: self.lengths(), ..arm.task(&settings, self.classes()) };
            self.context.hardware.ranks.give(Errand::Train(Box::new(Training::of(&task, false))))?;
            if self.training(|setting| training::train(setting, &task, &directory))?.ended == Ended::Interrupted {
                return Ok(None);
            }
            let accuracy = directory.metrics()?.last().and_then(|record| record.validation_accuracy).unwrap_or(0.0);
            self.note(Notice::Candidate { name, accuracy });
            if best.as_ref().is_none_or(|(best, _)| accuracy > *best) {
                best = Some((accuracy, settings));
            }
        }
        Ok(best.map(|(_, settings)| Choice { words: Some(candidate_name(&settings)), settings }))
    }
}

/// One supervised stage with the labels of one part.
pub(in crate::experiment) struct Arm<'a> {
    pub stage: SupervisedStage,
    pub part: &'a Part,
    pub labeled: &'a LabeledImages,
    /// What fine-tuning begins with.
    pub encoder: Option<&'a BTreeMap<String, Tensor>>,
}

impl Arm<'_> {
    /// The stage's settings before its sweep.
    pub(super) fn settings<'e>(&self, experiment: &'e Experiment) -> &'e Supervised {
        experiment.training(self.stage)
    }

    /// The images of this arm that train, and those that validate.
    pub(super) fn divided(&self, experiment: &Experiment) -> Result<[Vec<usize>; 2], ExperimentError> {
        let (share, indices) = (experiment.validation_share, &self.part.indices);
        if share > 0.0 {
            let (train, validation) = hold_out(&self.labeled.labels, indices, share, experiment.seed)?;
            return Ok([train, validation]);
        }
        Ok([indices.clone(), Vec::new()])
    }

    fn trial_name(&self, candidate: &Supervised) -> String {
        let Part { budget, draw, .. } = self.part;
        format!("{}-{budget}-draw{draw}-{}", self.stage.name(), candidate_name(candidate))
    }

    /// The training of this arm; which of its images train and which validate is still open.
    pub(super) fn task<'t>(&'t self, settings: &'t Supervised, classes: usize) -> Task<'t> {
        Task {
            stage: self.stage,
            settings,
            budget: self.part.budget,
            draw: self.part.draw,
            labeled: self.labeled,
            classes,
            train: Vec::new(),
            validation: Vec::new(),
            encoder: self.encoder,
            lengths: Lengths::Asked,
        }
    }
}

/// What a trained classifier answers for the test images.
pub(super) fn answers(
    experiment: &Experiment,
    hardware: &Hardware,
    Trained { classifier, weights, .. }: &Trained,
    test: &LabeledImages,
) -> Result<Answers, ExperimentError> {
    let all: Vec<usize> = (0..test.labels.len()).collect();
    let logits = Answering { experiment, hardware, classifier, weights }.logits(test, &all)?;
    Ok(Answers::of(&logits, &test.labels)?.calibrated(&logits, &test.labels)?)
}

/// The settings of a stage, and what was chosen of them, for people.
struct Choice {
    settings: Supervised,
    words: Option<String>,
}

/// Every combination of the sweep of a stage; the stage's own settings where it has none.
pub(in crate::experiment) fn candidates(settings: &Supervised) -> Vec<Supervised> {
    let or = |list: &[f64], own: f64| if list.is_empty() { vec![own] } else { list.to_vec() };
    let rates = or(&settings.sweep_learning_rates, settings.learning_rate);
    let epochs = if settings.sweep_epochs.is_empty() { vec![settings.epochs] } else { settings.sweep_epochs.clone() };
    let pairs = epochs.iter().flat_map(|&epochs| rates.iter().map(move |&learning_rate| (learning_rate, epochs)));
    pairs.map(|(learning_rate, epochs)| Supervised { learning_rate, epochs, ..settings.clone() }).collect()
}

pub(super) fn candidate_name(settings: &Supervised) -> String {
    format!("lr{}-epochs{}", settings.learning_rate, settings.epochs)
}
