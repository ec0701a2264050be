//! Self-training: at the end of a whole run, and alone, from the classifiers that another run has fine-tuned.

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

use super::plan::{Part, plan};
use super::session::{Lesson, Opened, Session};
use super::{Context, ExperimentError, Outcome, checkpoint_of, split, warn_of_other_images};
use crate::config::selftrain::Begin;
use crate::data::LabeledImages;
use crate::run::RunDirectory;
use crate::run::notice::Notice;
use crate::run::record::{Ended, SupervisedStage};
use crate::train::pretrain as pretraining;
use crate::train::selftrain::Network;
use crate::trained::checkpoint::CheckpointFolder;

impl Session<'_, '_> {
    /// Self-trains the classifier of every part that the run itself has fine-tuned.
    pub(super) fn self_train_all(
        &mut self,
        plan: &[Part],
        labeled: &LabeledImages,
        test: &LabeledImages,
        encoder: &BTreeMap<String, Tensor>,
    ) -> Result<Ended, ExperimentError> {
        for part in plan {
            let teacher = self.directory().supervised_checkpoints(SupervisedStage::Finetune, part.budget, part.draw);
            let lesson = Lesson { part, labeled, teacher: &teacher, encoder: Some(encoder) };
            if self.self_train(&lesson, Some(test))? == Ended::Interrupted {
                return Ok(Ended::Interrupted);
            }
        }
        Ok(Ended::Epochs)
    }
}

/// Self-training from the classifiers that the run `from` has fine-tuned and keeps, with the labels that they had: `byol
/// selftrain`.
///
/// # Errors
/// As [`run`](super::run); or `from` is no run, was made with other labels, or lacks a fine-tuned classifier of a label budget.
pub fn selftrain(context: &mut Context, from: &Path) -> Result<Outcome, ExperimentError> {
    let run = RunDirectory::existing(from)?;
    let experiment = context.experiment;
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    same_labels(context, &run)?;
    // The draws that the run keeps; one of each budget it must.
    let mut parts = plan(experiment, context.data, &labeled)?;
    let folder = |part: &Part| run.supervised_checkpoints(SupervisedStage::Finetune, part.budget, part.draw);
    parts.retain(|part| part.draw == 0 || CheckpointFolder::new(folder(part), 1).is_there());
    for part in &parts {
        let checkpoint = match CheckpointFolder::new(folder(part), 1) {
            kept if kept.is_there() => kept.require()?,
            _ => return Err(ExperimentError::NoTeacher { path: from.to_owned(), budget: part.budget }),
        };
        if !checkpoint.part("optimizer").is_empty() {
            return Err(ExperimentError::UnfinishedTeacher { path: from.to_owned(), budget: part.budget });
        }
        // One that does not fit is refused before a run directory is made.
        Network::of(experiment, &checkpoint, tch::Device::Cpu)?;
        if part.draw == 0 {
            warn_of_other_images(context, &checkpoint);
        }
    }
    // A trial fine-tunes a teacher of its own.
    let encoder = match checkpoint_of(from) {
        Ok(checkpoint) => Some(pretraining::transferred_of(&checkpoint)),
        Err(_) if experiment.selftrain.begin == Begin::Teacher && !needs_encoder(context) => None,
        Err(error) => return Err(error),
    };
    let test = context.data.test.clone();
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(*summary)),
        Opened::Session(session) => session,
    };
    if test.is_none() {
        session.warn(Notice::NoTest);
    }
    for part in &parts {
        let teacher = folder(part);
        let lesson = Lesson { part, labeled: &labeled, teacher: &teacher, encoder: encoder.as_ref() };
        if session.self_train(&lesson, test.as_ref())? == Ended::Interrupted {
            return session.interrupted();
        }
    }
    session.finish()
}

/// Whether a trial is made, which fine-tunes the pre-trained encoder.
fn needs_encoder(context: &Context) -> bool {
    let experiment = context.experiment;
    experiment.selftrain.judge != crate::config::selftrain::Judge::Never && experiment.validation_share == 0.0
}

/// That the labels of every part are those that the run's classifiers were trained with: what they have not seen is judged on,
/// and learned from without its label.
fn same_labels(context: &Context, run: &RunDirectory) -> Result<(), ExperimentError> {
    let path = run.path().to_owned();
    let then = run.experiment()?;
    let now = context.experiment;
    if then.seed != now.seed {
        let (key, then, now) = ("seed", then.seed.to_string(), now.seed.to_string());
        return Err(ExperimentError::OtherLabels { path, key, then, now });
    }
    if then.validation_share != now.validation_share {
        let (then, now) = (then.validation_share.to_string(), now.validation_share.to_string());
        return Err(ExperimentError::OtherLabels { path, key: "validation_share", then, now });
    }
    let data = run.summary()?.map(|summary| summary.data);
    let train = data.and_then(|data| data.fingerprints).map(|fingerprints| fingerprints.train);
    match train {
        Some(train) if train != context.data.parts.train => Err(ExperimentError::OtherTrainingImages { path }),
        _ => Ok(()),
    }
}
