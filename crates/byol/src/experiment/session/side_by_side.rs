//! Trainings with few labels, side by side: a step on ten small images is not worth all threads, and label draws need nothing of each
//! other. Each is trained on a thread of this process with its own share of libtorch's threads, and computes what it would alone;
//! their events and their answers go through the thread that the session is on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use tch::Tensor;

use super::Session;
use super::arm::{Arm, answers, candidates};
use crate::config::Experiment;
use crate::data::LabeledImages;
use crate::device::Hardware;
use crate::experiment::ExperimentError;
use crate::experiment::frozen::Answers;
use crate::experiment::plan::Part;
use crate::run::RunDirectory;
use crate::run::event::{Event, Interrupt, Reporter, StepReport};
use crate::run::notice::Notice;
use crate::run::record::{Ended, EpochRecord, LabelBudget, Stage, SupervisedStage};
use crate::train::Setting;
use crate::train::supervised::{self as training, Lengths, Task, Trained};

impl Session<'_, '_> {
    /// The threads that a step of an arm is worth, where it is trained beside others of its kind: on a CPU, by one process, with one
    /// setting. A plan counts on one training after another.
    pub(super) fn share_of_threads(&self, arm: &Arm) -> Option<usize> {
        let (experiment, hardware) = (self.context.experiment, self.context.hardware);
        let [settings] = &candidates(arm.settings(experiment))[..] else { return None };
        if self.countdown.is_some() || !hardware.ranks.is_alone() || hardware.device.is_cuda() {
            return None;
        }
        let task = Task { train: arm.part.indices.clone(), ..arm.task(settings, self.classes()) };
        Some(task.threads(experiment, hardware.threads)).filter(|&threads| threads < hardware.threads)
    }

    /// Trains classifiers on so many threads each, several at a time, and records their answers in the order of the arms.
    pub(super) fn side_by_side(
        &mut self,
        arms: &[Arm],
        threads: usize,
        test: Option<&LabeledImages>,
    ) -> Result<Ended, ExperimentError> {
        let arms: Vec<&Arm> = arms.iter().filter(|arm| !self.has(arm)).collect();
        let jobs = arms.iter().map(|arm| self.job(arm, test)).collect::<Result<Vec<_>, _>>()?;
        let workers = workers(jobs.len(), threads, self.context.hardware.threads);
        let stop = self.context.interrupt.of_part();
        let queue = Mutex::new(jobs.into_iter().enumerate());
        let hardware = Hardware { threads, ..self.context.hardware.clone() };
        let (sender, receiver) = channel();
        let ended = std::thread::scope(|scope| {
            for _ in 0..workers {
                let (sender, stop, hardware, queue) = (sender.clone(), stop.clone(), hardware.clone(), &queue);
                scope.spawn(move || {
                    byol_torch::set_own_threads(threads);
                    loop {
                        // Nobody else takes one meanwhile, and everybody can as soon as it is taken.
                        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((number, job)) = next else { return };
                        let done = job.done(&hardware, &stop, &mut Aside { number, to: &sender });
                        // Who does not listen any more has failed, and says so.
                        let _ = sender.send(Message { number, what: What::Done(done.map(Box::new)) });
                    }
                });
            }
            drop(sender);
            let ended = self.take_in(&arms, &receiver, &stop);
            stop.request();
            ended
        });
        // A thread that has not computed yet would begin with what the last one set.
        byol_torch::set_own_threads(self.context.hardware.threads);
        ended
    }

    /// Passes events on and records answers, until all workers have ended. What fails or is interrupted stops the others, each of which
    /// leaves a checkpoint; what comes after it in order is recorded when the run goes on.
    fn take_in(
        &mut self,
        arms: &[&Arm],
        receiver: &Receiver<Message>,
        stop: &Interrupt,
    ) -> Result<Ended, ExperimentError> {
        let (mut over, mut ready, mut failed) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (mut recorded, mut ended) = (0, Ended::Epochs);
        while let Some((number, done)) = self.training(|setting| next_done(setting.reporter, receiver, &over)) {
            over.insert(number);
            match done {
                Err(error) => {
                    stop.request();
                    failed.insert(number, error);
                }
                Ok(done) if done.ended == Ended::Interrupted => ended = Ended::Interrupted,
                Ok(done) => {
                    ready.insert(number, done);
                }
            }
            while let Some(done) = ready.remove(&recorded) {
                if let Some(answers) = done.answers {
                    self.record_arm(arms[recorded], done.seconds, None, answers)?;
                }
                recorded += 1;
            }
        }
        failed.into_values().next().map_or(Ok(ended), Err)
    }

    fn job<'j>(&self, arm: &Arm<'j>, test: Option<&'j LabeledImages>) -> Result<Job<'j>, ExperimentError> {
        let experiment = self.context.experiment;
        let [train, validation] = arm.divided(experiment)?;
        let own = |tensors: &BTreeMap<String, Tensor>| {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
        };
        Ok(Job {
            stage: arm.stage,
            part: arm.part,
            labeled: arm.labeled,
            encoder: arm.encoder.map(own),
            train,
            validation,
            classes: self.classes(),
            lengths: self.lengths(),
            experiment: experiment.clone(),
            directory: self.directory.clone(),
            test,
        })
    }
}

/// How many of so many trainings go on at a time, with so many threads each of those that there are. Two for every core where each has
/// one thread, so that no core is idle while the last ones are trained; teams of threads would wait for each other.
fn workers(trainings: usize, threads: usize, all: usize) -> usize {
    let places = (all / threads).max(1);
    trainings.min(if threads == 1 { 2 * places } else { places })
}

/// A training that is to be done, with what it needs on a thread of its own.
struct Job<'j> {
    stage: SupervisedStage,
    part: &'j Part,
    labeled: &'j LabeledImages,
    /// Its own hold on the tensors.
    encoder: Option<BTreeMap<String, Tensor>>,
    train: Vec<usize>,
    validation: Vec<usize>,
    classes: usize,
    lengths: Lengths,
    experiment: Experiment,
    directory: RunDirectory,
    test: Option<&'j LabeledImages>,
}

impl Job<'_> {
    /// Trains, and answers for the test images.
    fn done(
        self,
        hardware: &Hardware,
        interrupt: &Interrupt,
        reporter: &mut dyn Reporter,
    ) -> Result<Done, ExperimentError> {
        let Job {
            stage,
            part,
            labeled,
            ref encoder,
            ref experiment,
            train,
            validation,
            classes,
            lengths,
            directory,
            test,
        } = self;
        let arm = Arm { stage, part, labeled, encoder: encoder.as_ref() };
        let task = Task { train, validation, lengths, ..arm.task(arm.settings(experiment), classes) };
        let mut setting = Setting { experiment, hardware, interrupt, reporter };
        let trained = training::train(&mut setting, &task, &directory)?;
        let Trained { ended, seconds, .. } = trained;
        let test = test.filter(|_| ended != Ended::Interrupted);
        let answers = test.map(|test| answers(experiment, hardware, &trained, test)).transpose()?;
        Ok(Done { ended, seconds, answers })
    }
}

/// A training that was done, or interrupted.
struct Done {
    ended: Ended,
    seconds: f64,
    /// Where there are test images, and it was not interrupted.
    answers: Option<Answers>,
}

/// What comes from one of the trainings.
struct Message {
    number: usize,
    what: What,
}

enum What {
    /// An event, and whom to tell that it has been passed on.
    Told(Told, Sender<()>),
    Done(Result<Box<Done>, ExperimentError>),
}

/// An event of training that borrows nothing.
enum Told {
    Started {
        stage: Stage,
        labels_per_class: Option<LabelBudget>,
        draw: usize,
        epochs: usize,
        steps: usize,
        done: usize,
    },
    Estimate {
        stage: Stage,
        seconds: f64,
    },
    Step(StepReport),
    Epoch(Box<EpochRecord>),
    Saved(PathBuf),
    Note(Notice),
    Warning(Notice),
}

impl Told {
    /// Nothing of what no training tells.
    fn of(event: &Event<'_>) -> Option<Told> {
        Some(match event {
            &Event::StageStarted { stage, labels_per_class, draw, epochs, steps, done } => {
                Told::Started { stage, labels_per_class, draw, epochs, steps, done }
            }
            &Event::Estimate { stage, seconds } => Told::Estimate { stage, seconds },
            Event::Step(report) => Told::Step(*report),
            Event::EpochEnded(record) => Told::Epoch(Box::new((*record).clone())),
            Event::CheckpointSaved { path } => Told::Saved(path.to_path_buf()),
            Event::Note(what) => Told::Note(what.clone()),
            Event::Warning(what) => Told::Warning(what.clone()),
            Event::Planned(_) | Event::Progress(_) | Event::Evaluated { .. } => return None,
        })
    }

    fn event(&self) -> Event<'_> {
        match self {
            &Told::Started { stage, labels_per_class, draw, epochs, steps, done } => {
                Event::StageStarted { stage, labels_per_class, draw, epochs, steps, done }
            }
            &Told::Estimate { stage, seconds } => Event::Estimate { stage, seconds },
            Told::Step(report) => Event::Step(*report),
            Told::Epoch(record) => Event::EpochEnded(record),
            Told::Saved(path) => Event::CheckpointSaved { path },
            Told::Note(what) => Event::Note(what.clone()),
            Told::Warning(what) => Event::Warning(what.clone()),
        }
    }

    /// Whether it says how far its training is, which only one training says at a time.
    fn is_progress(&self) -> bool {
        matches!(self, Told::Estimate { .. } | Told::Step(_))
    }
}

/// The reporter of one of the trainings: the session's thread passes its events on, while it waits.
struct Aside<'t> {
    number: usize,
    to: &'t Sender<Message>,
}

impl Reporter for Aside<'_> {
    fn event(&mut self, event: &Event<'_>) {
        let Some(told) = Told::of(event) else { return };
        let (heard, hears) = channel();
        if self.to.send(Message { number: self.number, what: What::Told(told, heard) }).is_ok() {
            let _ = hears.recv();
        }
    }
}

/// Passes events on until the next training has ended; nothing when all workers have.
fn next_done(
    reporter: &mut dyn Reporter,
    receiver: &Receiver<Message>,
    over: &BTreeSet<usize>,
) -> Option<(usize, Result<Box<Done>, ExperimentError>)> {
    let first = (0..).find(|number| !over.contains(number));
    for Message { number, what } in receiver {
        match what {
            What::Done(done) => return Some((number, done)),
            What::Told(told, heard) => {
                if !told.is_progress() || Some(number) == first {
                    reporter.event(&told.event());
                }
                let _ = heard.send(());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_core_is_idle_and_teams_do_not_wait_for_each_other() {
        let cases =
            [((3, 1, 2), 3), ((10, 1, 2), 4), ((3, 1, 16), 3), ((10, 3, 16), 5), ((1, 1, 4), 1), ((2, 3, 4), 1)];
        for ((trainings, threads, all), expected) in cases {
            assert_eq!(workers(trainings, threads, all), expected, "{trainings} on {threads} of {all}");
        }
    }
}
