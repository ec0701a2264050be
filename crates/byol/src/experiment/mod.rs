//! Whole experiments: baseline, pre-training, fine-tuning and the evaluations of frozen encoders, with the same labels
//! for all, recorded in a run directory.
//!
//! What is trained and how lives in [`train`](crate::train) and [`eval`](crate::eval); here is the order of things.

pub mod ablation;
mod along;
mod error;
mod fit;
mod frozen;
mod judge;
mod plan;
pub mod planning;
mod seeds;
mod selftrain;
mod session;
mod shown;

pub use along::{Along, follow, release};
pub use error::ExperimentError;
pub use fit::{Asked, expected, fit, warn_of_test, warnings};
pub use seeds::run_seeds;
pub use selftrain::selftrain;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tch::Tensor;

use crate::config::Experiment;
use crate::data::{ConcatSource, Dataset, ImageSource, LabeledImages};
use crate::device::{Hardware, RecordedHardware};
use crate::eval::features::{self, FeatureRequest};
use crate::model::byol::{encoder_part, transferred_part};
use crate::run::command::CommandRecord;
use crate::run::directory::OpenMode;
use crate::run::event::{Event, Interrupt, Reporter};
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::record::{HeadKind, Init, LabelBudget, PredictionRecord, ResultName, Summary, SupervisedStage};
use crate::run::{RunDirectory, RunError};
use crate::train::TrainError;
use crate::train::learner::networks;
use crate::train::monitor::Monitor;
use crate::train::pretrain as pretraining;
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder};
use crate::trained::digest::digest;
use crate::weights;
use along::Errand;
use frozen::FrozenFeatures;
use plan::{frozen_parts, plan};
use planning::Plan;
use session::{Arm, Opened, Session, evaluated, is_kept};

/// What an experiment works with.
pub struct Context<'a> {
    /// The resolved configuration.
    pub experiment: &'a Experiment,
    /// The data, with every pool for pre-training.
    pub data: &'a Dataset,
    /// What the work runs on.
    pub hardware: &'a Hardware,
    /// The run directory.
    pub out: &'a Path,
    /// Whether a run may be there already.
    pub mode: OpenMode,
    /// What was asked for, to be kept in the run directory; a program that only uses the library has nothing to keep.
    pub command: Option<&'a CommandRecord>,
    /// What stops the work, leaving a checkpoint.
    pub interrupt: &'a Interrupt,
    /// What is told while the work goes on.
    pub reporter: &'a mut dyn Reporter,
}

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Everything was done.
    Finished(Summary),
    /// It was asked to stop; `--resume` goes on.
    Interrupted(Summary),
    /// There was nothing left to do.
    AlreadyFinished(Summary),
}

impl Outcome {
    /// What the run has found so far.
    pub fn summary(&self) -> &Summary {
        match self {
            Outcome::Finished(summary) | Outcome::Interrupted(summary) | Outcome::AlreadyFinished(summary) => summary,
        }
    }
}

/// Whether an evaluation leaves something behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// Only the accuracies are reported.
    #[default]
    Nothing,
    /// The classifiers on the pre-trained encoder, in its run directory, for `byol predict` and `byol export`.
    Classifiers,
}

/// Baseline, pre-training, fine-tuning, evaluations, self-training where it is part of the run, report: `byol run`.
///
/// # Errors
/// A split is missing, a label budget is larger than a class, or a stage fails. What was recorded before stays.
pub fn run(context: &mut Context) -> Result<Outcome, ExperimentError> {
    run_planned(context, None)
}

/// As [`run`], telling where it stands in a plan: this one, or that of an earlier sitting.
///
/// # Errors
/// As [`run`].
pub fn run_planned(context: &mut Context, planned: Option<&Plan>) -> Result<Outcome, ExperimentError> {
    let experiment = context.experiment;
    if experiment.pretrain.is_patient_by_knn() && experiment.labels_per_class != [LabelBudget::All] {
        return Err(ExperimentError::PatienceBeyondBudget);
    }
    if experiment.selftrain.part_of_run && !context.hardware.ranks.is_alone() {
        return Err(ExperimentError::SelfTrainsAlone);
    }
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = split(context.data, context.data.test.as_ref(), "test")?;
    let plan = plan(experiment, context.data, &labeled)?;
    let pool = pool(context.data, experiment)?;
    let monitor = monitor(context.data, experiment)?;
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(*summary)),
        Opened::Session(session) => session,
    };
    session.follow(planned)?;
    session.write_first_images(&labeled, &test)?;
    let initial = session.initial_weights()?;
    let arm = |part| Arm { stage: SupervisedStage::Baseline, part, labeled: &labeled, encoder: initial.as_ref() };
    if session.arms(&plan.iter().map(arm).collect::<Vec<_>>(), Some(&test))? == Ended::Interrupted {
        return session.interrupted();
    }
    let pretrained = session.pretrain(pool, monitor.as_ref())?;
    if pretrained.ended == Ended::Interrupted {
        return session.interrupted();
    }
    let before = initial.map_or_else(|| random_encoder(experiment), weights::encoder_of);
    let byol = encoder_part(&pretrained.network);
    let control = experiment.control().frozen();
    if !session.is_judged(control, &plan) && session.judge_frozen(control, &before, &plan, &labeled, &test)?.is_none() {
        return session.interrupted();
    }
    let names = [ResultName::PRETRAINED_LINEAR, ResultName::PRETRAINED_KNN];
    let Some(features) = session.judge_frozen(names, &byol, &plan, &labeled, &test)? else {
        return session.interrupted();
    };
    session.write_gallery(&labeled, &test, features)?;
    let transferred = transferred_part(&pretrained.network);
    let arm = |part| Arm { stage: SupervisedStage::Finetune, part, labeled: &labeled, encoder: Some(&transferred) };
    if session.arms(&plan.iter().map(arm).collect::<Vec<_>>(), Some(&test))? == Ended::Interrupted {
        return session.interrupted();
    }
    let self_trains = experiment.selftrain.part_of_run;
    if self_trains && session.self_train_all(&plan, &labeled, &test, &transferred)? == Ended::Interrupted {
        return session.interrupted();
    }
    session.begin(planning::Task::only(planning::Kind::Report))?;
    session.write_thumbnails(&test)?;
    session.finish()
}

/// The baseline alone: `byol supervised`.
///
/// # Errors
/// As [`run`].
pub fn supervised(context: &mut Context) -> Result<Outcome, ExperimentError> {
    arms(context, SupervisedStage::Baseline, None)
}

/// Fine-tuning of the encoder that the run in `from` pre-trained, or that the checkpoint `from` holds: `byol finetune`.
///
/// # Errors
/// As [`run`]; or `from` holds no pre-training checkpoint, or one of another architecture.
pub fn finetune(context: &mut Context, from: &Path) -> Result<Outcome, ExperimentError> {
    let checkpoint = checkpoint_of(from)?;
    warn_of_other_images(context, &checkpoint);
    let encoder = pretraining::encoder_of(&checkpoint);
    // An encoder that does not fit is refused before a run directory is made.
    let request = FeatureRequest { experiment: context.experiment, hardware: context.hardware, encoder: &encoder };
    features::network(&request).map_err(TrainError::from)?;
    arms(context, SupervisedStage::Finetune, Some(&pretraining::transferred_of(&checkpoint)))
}

fn arms(
    context: &mut Context,
    stage: SupervisedStage,
    encoder: Option<&BTreeMap<String, Tensor>>,
) -> Result<Outcome, ExperimentError> {
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = context.data.test.clone();
    let plan = plan(context.experiment, context.data, &labeled)?;
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(*summary)),
        Opened::Session(session) => session,
    };
    if test.is_none() {
        session.warn(Notice::NoTest);
    }
    let initial = session.initial_weights()?;
    let arm = |part| Arm { stage, part, labeled: &labeled, encoder: encoder.or(initial.as_ref()) };
    match session.arms(&plan.iter().map(arm).collect::<Vec<_>>(), test.as_ref())? {
        Ended::Interrupted => session.interrupted(),
        Ended::Epochs | Ended::Patience => session.finish(),
    }
}

/// Pre-training alone: `byol pretrain`.
///
/// # Errors
/// There are no images at all, or training fails.
pub fn pretrain(context: &mut Context) -> Result<Outcome, ExperimentError> {
    let pool = pool(context.data, context.experiment)?;
    let monitor = monitor(context.data, context.experiment)?;
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(*summary)),
        Opened::Session(session) => session,
    };
    match session.pretrain(pool, monitor.as_ref())?.ended {
        Ended::Interrupted => session.interrupted(),
        Ended::Epochs | Ended::Patience => session.finish(),
    }
}

/// Judges the frozen encoder of the run or checkpoint `from`, beside the same encoder before BYOL: `byol evaluate`.
/// Writes nothing but the classifiers that it is to keep, and a train/test split that was drawn.
///
/// # Errors
/// A split is missing, or `from` holds no pre-training checkpoint, or one of another architecture.
pub fn evaluate(
    context: &mut Context,
    from: &Path,
    heads: &[HeadKind],
    keep: Keep,
) -> Result<Vec<PredictionRecord>, ExperimentError> {
    let checkpoint = checkpoint_of(from)?;
    if keep == Keep::Classifiers {
        let summary = RunDirectory::existing(from)?.summary()?;
        if summary.is_some_and(|summary| summary.data.fingerprint != context.data.fingerprint) {
            return Err(ExperimentError::OtherData { path: from.to_owned() });
        }
    }
    warn_of_other_images(context, &checkpoint);
    let experiment = context.experiment;
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = split(context.data, context.data.test.as_ref(), "test")?;
    let plan = plan(experiment, context.data, &labeled)?;
    let (init, before) = match control_of(from)? {
        Some(given) => (Init::Given, weights::encoder_of(given)),
        None => (Init::Random, random_encoder(experiment)),
    };
    let encoders = [(init, before), (Init::Pretrained, pretraining::encoder_of(&checkpoint))];
    // An encoder that does not fit is refused before the control is judged.
    features::network(&FeatureRequest { experiment, hardware: context.hardware, encoder: &encoders[1].1 })
        .map_err(TrainError::from)?;
    if keep == Keep::Classifiers {
        context.data.save_split()?;
    }
    let ranks = &context.hardware.ranks;
    ranks.give(Errand::Begin(experiment.to_toml()?))?;
    let mut records = Vec::new();
    for (init, encoder) in &encoders {
        let features = FrozenFeatures::extract(context, encoder, &labeled, &test)?;
        for name in heads.iter().map(|&head| ResultName::of(*init, head.into()).by(experiment.method())) {
            for part in frozen_parts(&plan) {
                let classes = context.data.class_names.len();
                let judged = features.judge(experiment, name, part, classes)?;
                if keep == Keep::Classifiers && is_kept(name, part) {
                    judged.kept(classes, &digest(encoder))?.write(from)?;
                }
                let record = judged.record;
                context.reporter.event(&evaluated(&record));
                records.push(record);
            }
        }
    }
    context.data.save_split()?;
    Ok(records)
}

/// That a run which goes on computes as it did: with another device, precision or number of threads it would not end as one
/// that was never stopped.
///
/// # Errors
/// It was computed on other hardware; the error names the options that mean it.
pub fn same_hardware(run: &Path, earlier: &Summary, hardware: &Hardware) -> Result<(), RunError> {
    match RecordedHardware::read(&earlier.hardware) {
        Some(then) if !then.computes_as(hardware) => Err(RunError::OtherHardware {
            path: run.to_owned(),
            then: earlier.hardware.clone(),
            now: hardware.to_string(),
            options: then.to_string(),
        }),
        _ => Ok(()),
    }
}

/// That there are labelled images to train on: what a command needs is known before anything is measured.
///
/// # Errors
/// There are none.
pub fn require_labels(data: &Dataset) -> Result<(), ExperimentError> {
    split(data, data.train.as_ref(), "train").map(|_| ())
}

/// That there are images to test with.
///
/// # Errors
/// There are none.
pub fn require_test(data: &Dataset) -> Result<(), ExperimentError> {
    split(data, data.test.as_ref(), "test").map(|_| ())
}

fn split(data: &Dataset, found: Option<&LabeledImages>, split: &'static str) -> Result<LabeledImages, ExperimentError> {
    found.cloned().ok_or_else(|| ExperimentError::MissingSplit {
        data: data.name.clone(),
        split,
        remedy: match &data.no_labels {
            Some(why) => why.to_string(),
            None => "add its files, or name another data set with --data".into(),
        },
    })
}

/// The newest pre-training checkpoint of a run directory, or the one that the path names.
fn checkpoint_of(from: &Path) -> Result<Checkpoint, ExperimentError> {
    match from.is_file() {
        true => Ok(Checkpoint::named(from)?),
        false => Ok(CheckpointFolder::new(RunDirectory::existing(from)?.pretrain_checkpoints(), 1).require()?),
    }
}

/// Says so where the encoder is to see images prepared otherwise than those that it was pre-trained on.
fn warn_of_other_images(context: &mut Context, checkpoint: &Checkpoint) {
    // A configuration of another version tells nothing here; that its weights do not fit is an error elsewhere.
    let Ok(then) = Experiment::from_toml(&checkpoint.header.config) else { return };
    let now = context.experiment;
    let mut changes = Vec::new();
    if now.image_size != then.image_size {
        changes.push(("image_size", now.image_size.to_string(), then.image_size.to_string()));
    }
    if now.evaluation_crop != then.evaluation_crop {
        changes.push(("evaluation_crop", now.evaluation_crop.to_string(), then.evaluation_crop.to_string()));
    }
    if now.mean != then.mean {
        changes.push(("mean", format!("{:?}", now.mean), format!("{:?}", then.mean)));
    }
    if now.deviation != then.deviation {
        changes.push(("deviation", format!("{:?}", now.deviation), format!("{:?}", then.deviation)));
    }
    if !changes.is_empty() {
        context.reporter.event(&Event::Warning(Notice::OtherImages { changes }));
    }
}

/// The weights that the run of a pre-training began with, where they were not random.
fn control_of(from: &Path) -> Result<Option<BTreeMap<String, Tensor>>, ExperimentError> {
    match RunDirectory::of(from) {
        Ok(run) => Ok(weights::initial(&run, &run.experiment()?)?),
        Err(_) => Ok(None),
    }
}

/// Everything that pre-training may draw from, as one source.
fn pool(data: &Dataset, experiment: &Experiment) -> Result<Arc<dyn ImageSource>, ExperimentError> {
    let pool = ConcatSource::from(data.pretraining_pool());
    if pool.is_empty() {
        return Err(ExperimentError::MissingSplit {
            data: data.name.clone(),
            split: "unlabeled or train",
            remedy: "name a folder of images with --unlabeled".into(),
        });
    }
    pretraining::require_images(&experiment.pretrain, pool.len())?;
    Ok(Arc::new(pool))
}

/// What watches pre-training; refused where training is to stop by a k-NN accuracy that there is not.
fn monitor(data: &Dataset, experiment: &Experiment) -> Result<Option<Monitor>, ExperimentError> {
    let monitor = Monitor::choose(experiment, data)?;
    let knn = monitor.as_ref().is_some_and(|monitor| monitor.labels.is_some());
    match experiment.pretrain.is_patient_by_knn() && !knn {
        true => {
            let labels = data.train.as_ref().map_or(0, |labeled| labeled.labels.len());
            Err(ExperimentError::PatienceByFewLabels { labels })
        }
        false => Ok(monitor),
    }
}

/// The encoder that pre-training begins with: the control of every judgement of a frozen encoder.
fn random_encoder(experiment: &Experiment) -> BTreeMap<String, Tensor> {
    let online = networks(experiment).initialize(experiment.seed, tch::Device::Cpu);
    encoder_part(&online.named())
}
