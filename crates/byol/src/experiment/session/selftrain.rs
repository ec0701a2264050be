//! Self-training in a sitting: whether it helps is found out inside the label budget, and only a student that does is taken.
//! What is judged how, and why: docs/decisions.md.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tch::Tensor;

use super::Session;
use super::arm::{candidate_name, candidates};
use crate::config::Supervised;
use crate::config::selftrain::{Begin, Judge};
use crate::data::splits::hold_out;
use crate::data::{ConcatSource, ImageSource, LabeledImages};
use crate::experiment::ExperimentError;
use crate::experiment::frozen::{Answers, Recorded};
use crate::experiment::judge::judge;
use crate::experiment::plan::Part;
use crate::experiment::planning::{self, Kind};
use crate::run::RunDirectory;
use crate::run::notice::Notice;
use crate::run::record::{Ended, Judgement, ResultName, SelfTraining, SupervisedStage, Verdict};
use crate::train::answering::Answering;
use crate::train::selftrain::{self as training, Network, Task, Teaching};
use crate::train::supervised::{self, Lengths, Trained};
use crate::trained::checkpoint::{Checkpoint, CheckpointFolder};

/// Share of a label budget that a trial is judged on.
pub(in crate::experiment) const JUDGED: f64 = super::SWEEP_HELD_OUT;

/// Self-training with the labels of one part.
pub(in crate::experiment) struct Lesson<'a> {
    pub part: &'a Part,
    pub labeled: &'a LabeledImages,
    /// The folder of the teacher's checkpoint.
    pub teacher: &'a Path,
    /// The pre-trained encoder, by the encoder's names.
    pub encoder: Option<&'a BTreeMap<String, Tensor>>,
}

/// A decision, and the seconds that it took.
struct Found {
    verdict: Verdict,
    judgement: Option<Judgement>,
    seconds: f64,
}

impl Found {
    fn taken() -> Found {
        Found { verdict: Verdict::Taken, judgement: None, seconds: 0.0 }
    }

    /// With a judgement, by it.
    fn by(judgement: Judgement, seconds: f64) -> Found {
        let verdict = if judgement.is_worse() { Verdict::Worse } else { Verdict::Taken };
        Found { verdict, judgement: Some(judgement), seconds }
    }
}

impl Session<'_, '_> {
    /// Self-trains one classifier and records its answers, or its teacher's where it is not taken, unless an earlier sitting
    /// has.
    pub(in crate::experiment) fn self_train(
        &mut self,
        lesson: &Lesson,
        test: Option<&LabeledImages>,
    ) -> Result<Ended, ExperimentError> {
        let &Part { budget, draw, .. } = lesson.part;
        if self.recorded(ResultName::PRETRAINED_SELFTRAINED, lesson.part) {
            return Ok(Ended::Epochs);
        }
        self.begin(planning::Task { kind: Kind::Selftrain, labels_per_class: Some(budget), draw })?;
        let ended = self.teach_and_record(lesson, test)?;
        self.end(ended != Ended::Interrupted)?;
        Ok(ended)
    }

    fn teach_and_record(&mut self, lesson: &Lesson, test: Option<&LabeledImages>) -> Result<Ended, ExperimentError> {
        let Lesson { part, labeled, teacher, .. } = *lesson;
        let (experiment, hardware) = (self.context.experiment, self.context.hardware);
        let checkpoint = CheckpointFolder::new(teacher.to_owned(), 1).require()?;
        let network = Network::of(experiment, &checkpoint, hardware.device)?;
        let share = experiment.validation_share;
        let (train, validation) = match share > 0.0 {
            true => hold_out(&labeled.labels, &part.indices, share, experiment.seed)?,
            false => (part.indices.clone(), Vec::new()),
        };
        let pool = self.pool(part);
        let mut found = match self.decided(lesson, &validation, &pool)? {
            Some(found) => found,
            None => return Ok(Ended::Interrupted),
        };
        let teaching = network.teach(experiment, hardware, &pool, &labels(labeled, &train))?;
        if found.verdict == Verdict::Taken && teaching.images.len() < 2 {
            found.verdict = Verdict::TooFewImages;
        }
        let mut student = None;
        if found.verdict == Verdict::Taken {
            self.note(Notice::SelftrainsOn {
                pool: teaching.pool,
                used: teaching.images.len(),
                confidence: teaching.confidence,
            });
            let begun = self.student(lesson, &checkpoint)?;
            let task = self.task(lesson, [train, validation.clone()], &pool, (&teaching, begun));
            let directory = self.directory.clone();
            let trained = self.training(|setting| training::train(setting, task, &directory))?;
            if trained.ended == Ended::Interrupted {
                return Ok(Ended::Interrupted);
            }
            found.seconds += trained.seconds;
            if !validation.is_empty() && experiment.selftrain.judge != Judge::Never {
                let judgement = self.judge_on(&network, &trained, labeled, &validation)?;
                found = Found::by(judgement, found.seconds);
            }
            student = Some(trained).filter(|_| found.verdict == Verdict::Taken);
        }
        self.note(Notice::SelftrainingJudged { verdict: found.verdict, judgement: found.judgement });
        let own = SupervisedStage::Selftrain;
        let folder = |directory: &RunDirectory, stage| {
            CheckpointFolder::new(directory.supervised_checkpoints(stage, part.budget, part.draw), 1)
        };
        if student.is_none() {
            // What stands for the stage is the teacher; nothing finds a student that was refused.
            folder(&self.directory, own).remove();
        }
        if let Some(test) = test {
            let all: Vec<usize> = (0..test.labels.len()).collect();
            let judged = match &student {
                Some(Trained { classifier, weights, .. }) => Answering { experiment, hardware, classifier, weights },
                None => network.answering(experiment, hardware),
            };
            let logits = judged.logits(test, &all)?;
            let about =
                Recorded { name: ResultName::PRETRAINED_SELFTRAINED, part, seconds: found.seconds, chosen: None };
            let mut record = Answers::of(&logits, &test.labels)?.calibrated(&logits, &test.labels)?.record(about);
            record.self_training = Some(SelfTraining {
                verdict: found.verdict,
                pool: teaching.pool,
                used: teaching.images.len(),
                per_class: teaching.per_class,
                confidence: teaching.confidence,
                judgement: found.judgement,
            });
            self.record(record)?;
            // The answers are recorded; of every budget, the first draw's classifiers are kept.
            if part.draw > 0 {
                folder(&self.directory, own).remove();
                folder(&self.directory, SupervisedStage::Finetune).remove();
            }
            for stage in [SupervisedStage::Finetune, own] {
                folder(&self.trial(part), stage).remove();
            }
        }
        Ok(Ended::Epochs)
    }

    /// Whether a student would do better, where that is found out before it is trained. Nothing where it was interrupted.
    fn decided(
        &mut self,
        lesson: &Lesson,
        validation: &[usize],
        pool: &Arc<dyn ImageSource>,
    ) -> Result<Option<Found>, ExperimentError> {
        let part = lesson.part;
        if pool.is_empty() {
            return Ok(Some(Found { verdict: Verdict::TooFewImages, ..Found::taken() }));
        }
        let of_first = || {
            let first = self.predictions.iter().find(|record| {
                (record.name, record.labels_per_class, record.draw)
                    == (ResultName::PRETRAINED_SELFTRAINED, part.budget, 0)
            });
            first?.self_training.clone()
        };
        match self.context.experiment.selftrain.judge {
            Judge::Never => Ok(Some(Found::taken())),
            Judge::FirstDraw if part.draw > 0 && of_first().is_some() => {
                Ok(of_first().map(|SelfTraining { verdict, judgement, .. }| Found { verdict, judgement, seconds: 0.0 }))
            }
            // The student itself is judged, on images that were kept out of fine-tuning too.
            _ if !validation.is_empty() => Ok(Some(Found::taken())),
            _ => self.tried(lesson, pool),
        }
    }

    /// Fine-tunes a teacher and trains a student on four fifths of the labels, and holds them against each other on the rest.
    fn tried(&mut self, lesson: &Lesson, pool: &Arc<dyn ImageSource>) -> Result<Option<Found>, ExperimentError> {
        let Lesson { part, labeled, encoder, .. } = *lesson;
        let (experiment, hardware) = (self.context.experiment, self.context.hardware);
        let (train, held_out) = hold_out(&labeled.labels, &part.indices, JUDGED, experiment.seed)?;
        if held_out.is_empty() || train.len() < 2 {
            return Ok(Some(Found { verdict: Verdict::TooFewLabels, ..Found::taken() }));
        }
        let directory = self.trial(part);
        let task = supervised::Task {
            stage: SupervisedStage::Finetune,
            settings: &self.fine_tuned_with(part),
            budget: part.budget,
            draw: part.draw,
            labeled,
            classes: self.classes(),
            train: train.clone(),
            validation: Vec::new(),
            encoder,
            // That it is longer was said of the fine-tuning that it repeats.
            lengths: Lengths::Planned,
        };
        let fine_tuned = self.training(|setting| supervised::train(setting, &task, &directory))?;
        if fine_tuned.ended == Ended::Interrupted {
            return Ok(None);
        }
        let folder = directory.supervised_checkpoints(SupervisedStage::Finetune, part.budget, part.draw);
        let checkpoint = CheckpointFolder::new(folder, 1).require()?;
        let teacher = Network::of(experiment, &checkpoint, hardware.device)?;
        let teaching = teacher.teach(experiment, hardware, pool, &labels(labeled, &train))?;
        if teaching.images.len() < 2 {
            return Ok(Some(Found { verdict: Verdict::TooFewImages, judgement: None, seconds: fine_tuned.seconds }));
        }
        let begun = self.student(lesson, &checkpoint)?;
        let task = self.task(lesson, [train, held_out.clone()], pool, (&teaching, begun));
        let student = self.training(|setting| training::train(setting, task, &directory))?;
        if student.ended == Ended::Interrupted {
            return Ok(None);
        }
        let judgement = self.judge_on(&teacher, &student, labeled, &held_out)?;
        Ok(Some(Found::by(judgement, fine_tuned.seconds + student.seconds)))
    }

    fn judge_on(
        &self,
        teacher: &Network,
        student: &Trained,
        labeled: &LabeledImages,
        held_out: &[usize],
    ) -> Result<Judgement, ExperimentError> {
        let (experiment, hardware) = (self.context.experiment, self.context.hardware);
        let of_teacher = teacher.answering(experiment, hardware).logits(labeled, held_out)?;
        let Trained { classifier, weights, .. } = student;
        let of_student = Answering { experiment, hardware, classifier, weights }.logits(labeled, held_out)?;
        Ok(judge(&of_teacher, &of_student, &labels(labeled, held_out))?)
    }

    /// The folder of the trial of a part; its name is what [`choice::validation`](crate::report::choice::validation) looks for.
    fn trial(&self, part: &Part) -> RunDirectory {
        self.directory.trial(&format!("{}-{}-draw{}-judged", SupervisedStage::Selftrain.name(), part.budget, part.draw))
    }

    /// Everything without a label of the part.
    fn pool(&self, part: &Part) -> Arc<dyn ImageSource> {
        Arc::new(ConcatSource::from(self.context.data.selftraining_pool(&part.indices)))
    }

    /// How the teacher of a part was trained: as its sweep chose, where it had one.
    fn fine_tuned_with(&self, part: &Part) -> Supervised {
        let settings = self.context.experiment.training(SupervisedStage::Finetune);
        let record = self.predictions.iter().find(|record| {
            (record.name, record.labels_per_class, record.draw)
                == (ResultName::PRETRAINED_FINETUNED, part.budget, part.draw)
        });
        let chosen = record.and_then(|record| record.chosen.as_deref());
        let swept = candidates(settings).into_iter().find(|own| Some(candidate_name(own).as_str()) == chosen);
        swept.unwrap_or_else(|| settings.clone())
    }

    /// The student before its first step.
    fn student(&self, lesson: &Lesson, teacher: &Checkpoint) -> Result<Network, ExperimentError> {
        let (experiment, device) = (self.context.experiment, self.context.hardware.device);
        Ok(match (experiment.selftrain.begin, lesson.encoder) {
            (Begin::Encoder, Some(encoder)) => {
                training::begun(experiment, encoder, (teacher.header.classes, lesson.part.draw), device)?
            }
            (Begin::Teacher, _) | (Begin::Encoder, None) => Network::of(experiment, teacher, device)?,
        })
    }

    fn task<'t>(
        &self,
        lesson: &'t Lesson,
        [train, validation]: [Vec<usize>; 2],
        pool: &Arc<dyn ImageSource>,
        (teaching, student): (&'t Teaching, Network),
    ) -> Task<'t> {
        Task {
            budget: lesson.part.budget,
            draw: lesson.part.draw,
            labeled: lesson.labeled,
            train,
            validation,
            augmentation: self.context.experiment.finetune.augmentation,
            pool: Arc::clone(pool),
            teaching,
            student,
        }
    }
}

/// The labels of images.
fn labels(labeled: &LabeledImages, indices: &[usize]) -> Vec<u16> {
    indices.iter().map(|&index| labeled.labels[index]).collect()
}
