//! One sitting of an experiment in a run directory: each stage is done unless an earlier sitting has done it, and what
//! it found is recorded.

mod arm;
mod ending;
mod images;
mod selftrain;
mod side_by_side;

pub(super) use arm::{Arm, SWEEP_HELD_OUT, candidates};
pub(super) use selftrain::{JUDGED, Lesson};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use tch::Tensor;

use ending::{SummaryClock, Written};

use super::along::Errand;
use super::frozen::FrozenFeatures;
use super::plan::{Part, frozen_parts, settled};
use super::planning::countdown::Countdown;
use super::planning::{self, Kind, Plan};
use super::{Context, ExperimentError, same_hardware, shown};
use crate::data::{ImageSource, LabeledImages};
use crate::run::event::Event;
use crate::run::lock::RunLock;
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::record::{
    Accuracy, Control, DataRecord, Init, PoolRecord, PredictionRecord, PretrainRecord, ResultName, ResultRecord,
    Summary,
};
use crate::run::{OtherParts, RunDirectory, RunError};
use crate::train::Setting;
use crate::train::monitor::Monitor;
use crate::train::pretrain::{self as pretraining, Pretrained};
use crate::train::supervised::Lengths;
use crate::trained::digest::digest;
use crate::weights;

pub(super) fn evaluated(record: &PredictionRecord) -> Event<'static> {
    Event::Evaluated {
        name: record.name,
        labels_per_class: record.labels_per_class,
        draw: record.draw,
        test_accuracy: record.test_accuracy,
        seconds: record.seconds,
    }
}

/// An open run directory and what it holds so far.
pub(super) struct Session<'s, 'a> {
    context: &'s mut Context<'a>,
    directory: RunDirectory,
    predictions: Vec<PredictionRecord>,
    pretrain: Option<PretrainRecord>,
    begun: Instant,
    /// Seconds of earlier sittings.
    earlier: f64,
    /// Where the run stands in its plan, where it has one.
    countdown: Option<Box<Countdown>>,
    /// Images of a pool that are not used, by number, of which it has been told.
    told: BTreeSet<usize>,
    /// No other process writes into the directory.
    _lock: RunLock,
}

pub(super) enum Opened<'s, 'a> {
    Session(Session<'s, 'a>),
    Finished(Box<Summary>),
}

impl<'s, 'a> Session<'s, 'a> {
    pub(super) fn open(context: &'s mut Context<'a>) -> Result<Opened<'s, 'a>, ExperimentError> {
        Session::open_unfinished(context, |_| false)
    }

    /// Opens a run; a finished one too if `unfinished` says of its summary that something is missing.
    pub(super) fn open_unfinished(
        context: &'s mut Context<'a>,
        unfinished: impl FnOnce(&Summary) -> bool,
    ) -> Result<Opened<'s, 'a>, ExperimentError> {
        RunDirectory::check(context.out, context.mode, context.experiment)?;
        let lock = RunLock::take(context.out)?;
        let directory = RunDirectory::open(context.out, context.mode, context.experiment)?;
        let earlier = directory.summary()?;
        if let Some(earlier) = &earlier
            && earlier.data.fingerprint != context.data.fingerprint
        {
            return Err(ExperimentError::Run(RunError::OtherData {
                path: context.out.to_owned(),
                then: earlier.data.fingerprint.clone(),
                now: context.data.fingerprint.clone(),
                parts: OtherParts(
                    earlier
                        .data
                        .fingerprints
                        .as_ref()
                        .map(|then| then.differences(&context.data.parts))
                        .unwrap_or_default(),
                ),
            }));
        }
        let done = earlier.as_ref().filter(|earlier| earlier.finished && !unfinished(earlier)).cloned();
        if let (Some(earlier), None) = (&earlier, &done) {
            same_hardware(context.out, earlier, context.hardware)?;
        }
        // Of a run that is refused nothing has changed.
        if let Some(command) =
            context.command.filter(|command| directory.command().ok().flatten().as_ref() != Some(command))
        {
            directory.write_command(command)?;
        }
        if let Some(done) = done {
            return Ok(Opened::Finished(Box::new(done)));
        }
        // Nothing refuses the run any more.
        context.data.save_split()?;
        let not_used = directory.not_used()?;
        context.data.recall(&not_used);
        let predictions = directory.predictions()?;
        let session = Session {
            pretrain: earlier.as_ref().and_then(|summary| summary.pretrain.clone()),
            earlier: earlier.map_or(0.0, |summary| summary.seconds),
            begun: Instant::now(),
            countdown: None,
            told: not_used.iter().map(|image| image.index).collect(),
            _lock: lock,
            context,
            directory,
            predictions,
        };
        if let Some(test) = &session.context.data.test {
            session.directory.write_test_images(&shown::names(test.images.as_ref()))?;
        }
        session.directory.write_summary(&session.summary(false))?;
        let Context { hardware, experiment, .. } = &session.context;
        hardware.ranks.give(Errand::Begin(experiment.to_toml()?))?;
        Ok(Opened::Session(session))
    }

    /// Follows a plan, or the one that an earlier sitting left.
    pub(super) fn follow(&mut self, planned: Option<&Plan>) -> Result<(), ExperimentError> {
        let plan = match planned {
            Some(plan) => Some(plan.clone()),
            None => self.directory.plan()?,
        };
        let countdown = plan.map(|plan| Countdown::begin(plan, self.directory.clone())).transpose()?;
        self.countdown = countdown.map(Box::new);
        Ok(())
    }

    /// A step of the plan begins.
    pub(super) fn begin(&mut self, task: planning::Task) -> Result<(), ExperimentError> {
        let started = self.countdown.as_mut().map_or(Ok(None), |countdown| countdown.start(task))?;
        if let Some(progress) = started {
            self.context.reporter.event(&Event::Progress(progress));
        }
        Ok(())
    }

    /// The step that was begun has ended, or is left where it is.
    fn end(&mut self, ended: bool) -> Result<(), ExperimentError> {
        Ok(self.countdown.as_mut().map_or(Ok(()), |countdown| countdown.stop(ended))?)
    }

    /// Who settled how long trainings with labels are.
    fn lengths(&self) -> Lengths {
        match self.countdown.as_deref().is_some_and(|countdown| countdown.plan().hours.is_some()) {
            true => Lengths::Planned,
            false => Lengths::Asked,
        }
    }

    /// Trains, while the countdown looks on and the summary keeps the time.
    fn training<T>(&mut self, train: impl FnOnce(&mut Setting) -> T) -> T {
        let so_far = self.summary(false);
        let Context { experiment, hardware, interrupt, reporter, data, .. } = &mut *self.context;
        let written = Written { summary: so_far, directory: &self.directory, data, told: &mut self.told };
        let mut clock = SummaryClock::of(written, &mut **reporter);
        let trained = match &mut self.countdown {
            Some(countdown) => {
                let mut counting = countdown.through(&mut clock);
                train(&mut Setting { experiment, hardware, interrupt, reporter: &mut counting })
            }
            None => train(&mut Setting { experiment, hardware, interrupt, reporter: &mut clock }),
        };
        clock.tell_not_used();
        trained
    }

    pub(super) fn warn(&mut self, what: Notice) {
        self.context.reporter.event(&Event::Warning(what));
    }

    fn note(&mut self, what: Notice) {
        self.context.reporter.event(&Event::Note(what));
    }

    fn control(&self) -> Control {
        self.context.experiment.control()
    }

    fn classes(&self) -> usize {
        self.context.data.class_names.len()
    }

    fn recorded(&self, name: ResultName, part: &Part) -> bool {
        self.predictions
            .iter()
            .any(|record| record.name == name && record.labels_per_class == part.budget && record.draw == part.draw)
    }

    fn record(&mut self, record: PredictionRecord) -> Result<(), ExperimentError> {
        let record = PredictionRecord { name: record.name.by(self.context.experiment.method()), ..record };
        self.directory.append_predictions(&record)?;
        self.context.reporter.event(&evaluated(&record));
        self.predictions.push(record);
        // Whoever watches sees the results and the time so far.
        Ok(self.directory.write_summary(&self.summary(false))?)
    }

    pub(super) fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// The weights that the run begins with, where they are not random.
    pub(super) fn initial_weights(&self) -> Result<Option<BTreeMap<String, Tensor>>, ExperimentError> {
        Ok(weights::initial(&self.directory, self.context.experiment)?)
    }

    pub(super) fn pretrain(
        &mut self,
        pool: Arc<dyn ImageSource>,
        monitor: Option<&Monitor>,
    ) -> Result<Pretrained, ExperimentError> {
        let pools = self.context.data.pretraining_pool();
        let pools = pools.iter().map(|pool| (pool.images.len(), pool.name.clone())).collect();
        self.note(Notice::PretrainsOn { pools });
        let directory = self.directory.clone();
        self.begin(planning::Task::only(Kind::Pretrain))?;
        self.context.hardware.ranks.give(Errand::Pretrain)?;
        let pretrained = self.training(|setting| pretraining::pretrain(setting, pool, monitor, &directory))?;
        self.end(pretrained.ended != Ended::Interrupted)?;
        let progress = &pretrained.progress;
        self.pretrain = Some(PretrainRecord {
            epochs: pretrained.epochs,
            images: pretrained.images,
            images_per_second: pretrained.images_per_second,
            // Before the first epoch has ended: the mean so far.
            final_loss: progress.last_loss.unwrap_or(progress.loss_sum / progress.seen.max(1) as f64),
            ended_by: pretrained.ended,
        });
        self.directory.write_summary(&self.summary(false))?;
        Ok(pretrained)
    }

    /// Whether a frozen encoder has been judged at every budget and draw: of a run that is extended, what it began with has.
    pub(super) fn is_judged(&self, names: [ResultName; 2], plan: &[Part]) -> bool {
        names.iter().all(|&name| frozen_parts(plan).all(|part| self.recorded(name, part)))
    }

    /// Judges one frozen encoder at every budget and draw that is not recorded yet. Nothing where it was interrupted.
    pub(super) fn judge_frozen(
        &mut self,
        names: [ResultName; 2],
        encoder: &BTreeMap<String, Tensor>,
        plan: &[Part],
        labeled: &LabeledImages,
        test: &LabeledImages,
    ) -> Result<Option<FrozenFeatures>, ExperimentError> {
        let kind =
            if names.iter().all(|name| name.init == Init::Pretrained) { Kind::Frozen } else { Kind::FrozenControl };
        self.begin(planning::Task::only(kind))?;
        let features = FrozenFeatures::extract(self.context, encoder, labeled, test)?;
        for name in names {
            for part in frozen_parts(plan) {
                if self.context.interrupt.requested() {
                    self.end(false)?;
                    return Ok(None);
                }
                if !self.recorded(name, part) {
                    let judged = features.judge(self.context.experiment, name, part, self.classes())?;
                    if is_kept(name, part) {
                        judged.kept(self.classes(), &digest(encoder))?.write(self.directory.path())?;
                    }
                    self.record(judged.record)?;
                }
            }
        }
        self.end(true)?;
        Ok(Some(features))
    }

    fn summary(&self, finished: bool) -> Summary {
        let data = self.context.data;
        let (findings, skipped) = data.with_not_used(&data.not_used());
        let mut results = Vec::new();
        for name in self.control().results() {
            for labels_per_class in settled(self.context.experiment, data) {
                let mut of_draw: Vec<(usize, f64)> = self
                    .predictions
                    .iter()
                    .filter(|record| record.name == name && record.labels_per_class == labels_per_class)
                    .map(|record| (record.draw, record.test_accuracy))
                    .collect();
                of_draw.sort_by_key(|&(draw, _)| draw);
                let runs: Vec<f64> = of_draw.into_iter().map(|(_, accuracy)| accuracy).collect();
                if let Some(test_accuracy) = Accuracy::over(runs) {
                    results.push(ResultRecord { name, init: name.init, labels_per_class, test_accuracy });
                }
            }
        }
        Summary {
            data: DataRecord {
                name: data.name.clone(),
                fingerprint: data.fingerprint.clone(),
                fingerprints: Some(data.parts.clone()),
                class_names: data.class_names.clone(),
                train_images: data.train.as_ref().map_or(0, |train| train.labels.len()),
                test_images: data.test.as_ref().map_or(0, |test| test.labels.len()),
                unlabeled: data
                    .pretraining_pool()
                    .iter()
                    .map(|pool| PoolRecord {
                        name: pool.name.clone(),
                        images: pool.images.len(),
                        decoding: pool.decoding(),
                    })
                    .collect(),
                skipped,
                test_labels: data.test.as_ref().map_or_else(Vec::new, |test| test.labels.clone()),
                findings,
                split: data.test.is_some().then(|| data.split.clone()),
            },
            seed: self.context.experiment.seed,
            results,
            pretrain: self.pretrain.clone(),
            version: crate::version(),
            hardware: self.context.hardware.to_string(),
            processes: Some(self.context.hardware.ranks.count()).filter(|count| *count > 1),
            seconds: self.earlier + self.begun.elapsed().as_secs_f64(),
            finished,
            interrupted: false,
        }
    }
}

/// Whether the classifier of a judgement stays in the run: one on BYOL's encoder, of the first draw of a budget.
pub(super) fn is_kept(name: ResultName, part: &Part) -> bool {
    name.init == Init::Pretrained && name.protocol.is_frozen() && part.draw == 0
}
