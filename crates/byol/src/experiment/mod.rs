//! Whole experiments: baseline, pre-training, fine-tuning and the evaluations of frozen encoders, with the same labels
//! for all, recorded in a run directory.
//!
//! What is trained and how lives in [`train`](crate::train) and [`eval`](crate::eval); here is the order of things.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tch::Tensor;

use crate::config::{Experiment, PatienceMetric};
use crate::data::splits::{hold_out, label_draw};
use crate::data::{ConcatSource, DataError, Dataset, ImageSource, LabeledImages};
use crate::device::Hardware;
use crate::eval::features::{self, FeatureRequest, extract};
use crate::eval::knn::{KnnOptions, knn, nearest};
use crate::eval::linear::{LinearOptions, fit_linear};
use crate::eval::{EvalError, Features, metrics};
use crate::gallery::{self, GalleryError};
use crate::model::byol::{encoder_part, transferred_part};
use crate::report::{self, ReportError};
use crate::run::checkpoint::CheckpointError;
use crate::run::directory::OpenMode;
use crate::run::event::{Event, Interrupt, Reporter};
use crate::run::record::{
    Accuracy, DataRecord, Gallery, LabelBudget, PoolRecord, PredictionRecord, PretrainRecord, ResultName, ResultRecord,
    Stage, Summary,
};
use crate::run::{RunDirectory, RunError};
use crate::train::learner::networks;
use crate::train::monitor::Monitor;
use crate::train::pretrain::{self as pretraining, Pretrained};
use crate::train::supervised::{self as training, Task};
use crate::train::{Ended, Setting, TrainError};

/// Pictures in the report: with views, and with nearest neighbours.
const GALLERY_VIEWS: usize = 4;
const GALLERY_QUERIES: usize = 8;
const GALLERY_NEIGHBORS: usize = 6;

/// What an experiment works with.
pub struct Context<'a> {
    pub experiment: &'a Experiment,
    pub data: &'a Dataset,
    pub hardware: &'a Hardware,
    /// The run directory.
    pub out: &'a Path,
    pub mode: OpenMode,
    pub interrupt: &'a Interrupt,
    pub reporter: &'a mut dyn Reporter,
}

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Finished(Summary),
    /// It was asked to stop; `--resume` goes on.
    Interrupted(Summary),
    /// There was nothing left to do.
    AlreadyFinished(Summary),
}

/// How a frozen encoder is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Regularised logistic regression.
    Linear,
    Knn,
}

/// An experiment that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error(transparent)]
    Gallery(#[from] GalleryError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("data set '{data}' has no {split} split, which this command needs; {remedy}")]
    MissingSplit { data: String, split: &'static str, remedy: &'static str },
    #[error(
        "pretrain.patience_metric = \"knn\" would choose by labels outside the label budget; use \"loss\", or \
         labels_per_class = [\"all\"]"
    )]
    PatienceBeyondBudget,
}

/// Baseline, pre-training, fine-tuning, evaluations, report: `byol run`.
///
/// # Errors
/// A split is missing, a label budget is larger than a class, or a stage fails. What was recorded before stays.
pub fn run(context: &mut Context) -> Result<Outcome, ExperimentError> {
    let experiment = context.experiment;
    let knn_patience = experiment.pretrain.patience > 0 && experiment.pretrain.patience_metric == PatienceMetric::Knn;
    if knn_patience && experiment.labels_per_class != [LabelBudget::All] {
        return Err(ExperimentError::PatienceBeyondBudget);
    }
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = split(context.data, context.data.test.as_ref(), "test")?;
    let plan = plan(experiment, &labeled, context.data.class_names.len())?;
    let pool = pool(context.data, experiment)?;
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(summary)),
        Opened::Session(session) => session,
    };
    for part in &plan {
        if session.arm(Stage::Supervised, part, &labeled, Some(&test), None)? == Ended::Interrupted {
            return session.interrupted();
        }
    }
    let pretrained = session.pretrain(pool)?;
    if pretrained.ended == Ended::Interrupted {
        return session.interrupted();
    }
    let random = random_encoder(experiment);
    let byol = encoder_part(&pretrained.online.named());
    session.judge_frozen([ResultName::RandomLinear, ResultName::RandomKnn], &random, &plan, &labeled, &test)?;
    let features =
        session.judge_frozen([ResultName::ByolLinear, ResultName::ByolKnn], &byol, &plan, &labeled, &test)?;
    session.write_gallery(&labeled, &test, features)?;
    let transferred = transferred_part(&pretrained.online.named());
    for part in &plan {
        if session.arm(Stage::Finetune, part, &labeled, Some(&test), Some(&transferred))? == Ended::Interrupted {
            return session.interrupted();
        }
    }
    session.finish()
}

/// The baseline alone: `byol supervised`.
///
/// # Errors
/// As [`run`].
pub fn supervised(context: &mut Context) -> Result<Outcome, ExperimentError> {
    arms(context, Stage::Supervised, None)
}

/// Fine-tuning of the encoder that the run in `from` pre-trained: `byol finetune`.
///
/// # Errors
/// As [`run`]; or `from` holds no pre-training checkpoint, or one of another architecture.
pub fn finetune(context: &mut Context, from: &Path) -> Result<Outcome, ExperimentError> {
    let checkpoint = RunDirectory::existing(from)?.pretrain_checkpoints(1).require()?;
    let encoder = pretraining::encoder_of(&checkpoint);
    // An encoder that does not fit is refused before a run directory is made.
    let request = FeatureRequest { experiment: context.experiment, hardware: context.hardware, encoder: &encoder };
    features::network(&request).map_err(TrainError::from)?;
    arms(context, Stage::Finetune, Some(&pretraining::transferred_of(&checkpoint)))
}

fn arms(
    context: &mut Context,
    stage: Stage,
    encoder: Option<&BTreeMap<String, Tensor>>,
) -> Result<Outcome, ExperimentError> {
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = context.data.test.clone();
    let plan = plan(context.experiment, &labeled, context.data.class_names.len())?;
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(summary)),
        Opened::Session(session) => session,
    };
    if test.is_none() {
        session.warn("the data has no test split, so the classifier is trained but not judged".to_owned());
    }
    for part in &plan {
        if session.arm(stage, part, &labeled, test.as_ref(), encoder)? == Ended::Interrupted {
            return session.interrupted();
        }
    }
    session.finish()
}

/// Pre-training alone: `byol pretrain`.
///
/// # Errors
/// There are no images at all, or training fails.
pub fn pretrain(context: &mut Context) -> Result<Outcome, ExperimentError> {
    let pool = pool(context.data, context.experiment)?;
    let mut session = match Session::open(context)? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(summary)),
        Opened::Session(session) => session,
    };
    match session.pretrain(pool)?.ended {
        Ended::Interrupted => session.interrupted(),
        Ended::Epochs | Ended::Patience => session.finish(),
    }
}

/// Judges the frozen encoder of the run in `from`, beside the same encoder at random weights: `byol evaluate`. Writes
/// nothing.
///
/// # Errors
/// A split is missing, or `from` holds no pre-training checkpoint, or one of another architecture.
pub fn evaluate(
    context: &mut Context,
    from: &Path,
    protocol: Protocol,
) -> Result<Vec<PredictionRecord>, ExperimentError> {
    let checkpoint = RunDirectory::existing(from)?.pretrain_checkpoints(1).require()?;
    let experiment = context.experiment;
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = split(context.data, context.data.test.as_ref(), "test")?;
    let plan = plan(experiment, &labeled, context.data.class_names.len())?;
    let names = match protocol {
        Protocol::Linear => [ResultName::RandomLinear, ResultName::ByolLinear],
        Protocol::Knn => [ResultName::RandomKnn, ResultName::ByolKnn],
    };
    let encoders = [random_encoder(experiment), pretraining::encoder_of(&checkpoint)];
    let mut records = Vec::new();
    for (name, encoder) in names.into_iter().zip(&encoders) {
        let features = FrozenFeatures::extract(context, encoder, &labeled, &test)?;
        for part in frozen_parts(&plan) {
            let record = features.judge(experiment, name, part, context.data.class_names.len())?;
            context.reporter.event(&evaluated(&record));
            records.push(record);
        }
    }
    Ok(records)
}

/// The labels of one budget and draw.
struct Part {
    budget: LabelBudget,
    draw: usize,
    indices: Vec<usize>,
}

/// Every label draw of every budget, settled before anything is trained.
fn plan(experiment: &Experiment, labeled: &LabeledImages, classes: usize) -> Result<Vec<Part>, DataError> {
    let mut parts = Vec::new();
    for &budget in &experiment.labels_per_class {
        for draw in 0..experiment.draws {
            let indices = match budget {
                LabelBudget::All => (0..labeled.labels.len()).collect(),
                LabelBudget::PerClass(labels) => {
                    label_draw(&labeled.labels, classes, labels, experiment.seed, draw as u64)?
                }
            };
            parts.push(Part { budget, draw, indices });
        }
    }
    Ok(parts)
}

/// Draws of all labels differ in the training's randomness alone, of which a frozen encoder's judge has none.
fn frozen_parts(plan: &[Part]) -> impl Iterator<Item = &Part> {
    plan.iter().filter(|part| part.budget != LabelBudget::All || part.draw == 0)
}

fn split(data: &Dataset, found: Option<&LabeledImages>, split: &'static str) -> Result<LabeledImages, ExperimentError> {
    found.cloned().ok_or_else(|| ExperimentError::MissingSplit {
        data: data.name.clone(),
        split,
        remedy: "add its files, or name another data set with --data",
    })
}

/// Everything that pre-training may draw from, as one source.
fn pool(data: &Dataset, experiment: &Experiment) -> Result<Arc<dyn ImageSource>, ExperimentError> {
    let pool = ConcatSource::from(data.pretraining_pool());
    if pool.is_empty() {
        return Err(ExperimentError::MissingSplit {
            data: data.name.clone(),
            split: "unlabeled or train",
            remedy: "name a folder of pictures with --unlabeled",
        });
    }
    pretraining::require_images(&experiment.pretrain, pool.len())?;
    Ok(Arc::new(pool))
}

/// The encoder that pre-training begins with: the control of every judgement of a frozen encoder.
fn random_encoder(experiment: &Experiment) -> BTreeMap<String, Tensor> {
    let online = networks(experiment).initialize(experiment.seed, tch::Device::Cpu);
    encoder_part(&online.named())
}

fn evaluated(record: &PredictionRecord) -> Event<'static> {
    Event::Evaluated {
        name: record.name,
        labels_per_class: record.labels_per_class,
        draw: record.draw,
        test_accuracy: record.test_accuracy,
        seconds: record.seconds,
    }
}

/// Representations of all training and test images by one encoder.
struct FrozenFeatures {
    train: Features,
    test: Features,
}

impl FrozenFeatures {
    fn extract(
        context: &Context,
        encoder: &BTreeMap<String, Tensor>,
        labeled: &LabeledImages,
        test: &LabeledImages,
    ) -> Result<FrozenFeatures, TrainError> {
        let request = FeatureRequest { experiment: context.experiment, hardware: context.hardware, encoder };
        let all = |images: &LabeledImages| (0..images.labels.len()).collect::<Vec<_>>();
        Ok(FrozenFeatures {
            train: extract(&request, labeled, &all(labeled))?,
            test: extract(&request, test, &all(test))?,
        })
    }

    /// Fits a judge on the labels of `part` and records its answers for the test images.
    fn judge(
        &self,
        experiment: &Experiment,
        name: ResultName,
        part: &Part,
        classes: usize,
    ) -> Result<PredictionRecord, EvalError> {
        let begun = Instant::now();
        let rows: Vec<i64> = part.indices.iter().map(|&index| index as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.train.vectors.device());
        let bank = Features {
            vectors: self.train.vectors.index_select(0, &rows),
            labels: part.indices.iter().map(|&index| self.train.labels[index]).collect(),
        };
        let (predicted, chosen) = match name {
            ResultName::ByolKnn | ResultName::RandomKnn => {
                let options = KnnOptions {
                    neighbors: experiment.evaluate.knn_neighbors,
                    temperature: experiment.evaluate.knn_temperature,
                };
                (knn(&bank, &self.test.vectors, classes, &options)?, None)
            }
            _ => {
                let options = LinearOptions {
                    l2: experiment.evaluate.linear_l2.clone(),
                    folds: experiment.evaluate.linear_folds,
                    seed: experiment.seed,
                };
                let model = fit_linear(&bank, classes, &options)?;
                let chosen = format!("l2={}", model.chosen_l2());
                (model.predict(&self.test.vectors)?, Some(chosen))
            }
        };
        Ok(PredictionRecord {
            name,
            labels_per_class: part.budget,
            draw: part.draw,
            labels_used: part.indices.len(),
            test_accuracy: metrics::accuracy(&self.test.labels, &predicted)?,
            predicted,
            seconds: begun.elapsed().as_secs_f64(),
            chosen,
        })
    }
}

/// An open run directory and what it holds so far.
struct Session<'s, 'a> {
    context: &'s mut Context<'a>,
    directory: RunDirectory,
    predictions: Vec<PredictionRecord>,
    pretrain: Option<PretrainRecord>,
    begun: Instant,
    /// Seconds of earlier sittings.
    earlier: f64,
}

enum Opened<'s, 'a> {
    Session(Session<'s, 'a>),
    Finished(Summary),
}

impl<'s, 'a> Session<'s, 'a> {
    fn open(context: &'s mut Context<'a>) -> Result<Opened<'s, 'a>, ExperimentError> {
        let directory = RunDirectory::open(context.out, context.mode, context.experiment)?;
        let earlier = directory.summary()?;
        if let Some(earlier) = &earlier {
            if earlier.data.fingerprint != context.data.fingerprint {
                return Err(ExperimentError::Run(RunError::OtherData {
                    path: context.out.to_owned(),
                    then: earlier.data.fingerprint.clone(),
                    now: context.data.fingerprint.clone(),
                }));
            }
            if earlier.finished {
                return Ok(Opened::Finished(earlier.clone()));
            }
        }
        let predictions = directory.predictions()?;
        let session = Session {
            pretrain: earlier.as_ref().and_then(|summary| summary.pretrain.clone()),
            earlier: earlier.map_or(0.0, |summary| summary.seconds),
            begun: Instant::now(),
            context,
            directory,
            predictions,
        };
        session.directory.write_summary(&session.summary(false))?;
        Ok(Opened::Session(session))
    }

    fn warn(&mut self, text: String) {
        self.context.reporter.event(&Event::Warning { text });
    }

    fn note(&mut self, text: String) {
        self.context.reporter.event(&Event::Note { text });
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
        self.directory.append_predictions(&record)?;
        self.context.reporter.event(&evaluated(&record));
        self.predictions.push(record);
        Ok(())
    }

    fn setting(&mut self) -> Setting<'_> {
        Setting {
            experiment: self.context.experiment,
            hardware: self.context.hardware,
            interrupt: self.context.interrupt,
            reporter: &mut *self.context.reporter,
        }
    }

    /// Trains one classifier and records its answers, unless an earlier sitting has.
    fn arm(
        &mut self,
        stage: Stage,
        part: &Part,
        labeled: &LabeledImages,
        test: Option<&LabeledImages>,
        encoder: Option<&BTreeMap<String, Tensor>>,
    ) -> Result<Ended, ExperimentError> {
        let name = match stage {
            Stage::Finetune => ResultName::ByolFinetuned,
            Stage::Supervised | Stage::Pretrain => ResultName::Supervised,
        };
        if self.recorded(name, part) {
            return Ok(Ended::Epochs);
        }
        let experiment = self.context.experiment;
        let share = experiment.validation_share;
        let (train, validation) = match share > 0.0 {
            true => hold_out(&labeled.labels, &part.indices, share, experiment.seed)?,
            false => (part.indices.clone(), Vec::new()),
        };
        let task = Task {
            stage,
            budget: part.budget,
            draw: part.draw,
            labeled,
            classes: self.classes(),
            train,
            validation,
            encoder,
        };
        let directory = self.directory.clone();
        let trained = training::train(&mut self.setting(), &task, &directory)?;
        if trained.ended == Ended::Interrupted {
            return Ok(Ended::Interrupted);
        }
        if let Some(test) = test {
            let all: Vec<usize> = (0..test.labels.len()).collect();
            let hardware = self.context.hardware;
            let logits = training::logits(experiment, hardware, &trained.classifier, &trained.weights, test, &all)?;
            let predicted = metrics::argmax(&logits)?;
            self.record(PredictionRecord {
                name,
                labels_per_class: part.budget,
                draw: part.draw,
                labels_used: part.indices.len(),
                test_accuracy: metrics::accuracy(&test.labels, &predicted)?,
                predicted,
                seconds: trained.seconds,
                chosen: None,
            })?;
            if part.draw > 0 {
                // The answers are recorded; of every budget, the first draw's classifier is kept.
                self.directory.supervised_checkpoints(stage, part.budget, part.draw).remove();
            }
        }
        Ok(trained.ended)
    }

    fn pretrain(&mut self, pool: Arc<dyn ImageSource>) -> Result<Pretrained, ExperimentError> {
        let pools = self.context.data.pretraining_pool();
        let sizes: Vec<String> =
            pools.iter().map(|pool| format!("{} images of {}", pool.images.len(), pool.name)).collect();
        self.note(format!("pre-training on {}", sizes.join(", ")));
        let monitor = Monitor::choose(self.context.experiment, self.context.data)?;
        let directory = self.directory.clone();
        let pretrained = pretraining::pretrain(&mut self.setting(), pool, monitor.as_ref(), &directory)?;
        let progress = &pretrained.progress;
        self.pretrain = Some(PretrainRecord {
            epochs: pretrained.epochs,
            images: pretrained.images,
            images_per_second: pretrained.images_per_second,
            // Before the first epoch has ended: the mean so far.
            final_loss: progress.last_loss.unwrap_or(progress.loss_sum / progress.seen.max(1) as f64),
            ended_by: pretrained.ended.name().to_owned(),
        });
        self.directory.write_summary(&self.summary(false))?;
        Ok(pretrained)
    }

    /// Judges one frozen encoder at every budget and draw that is not recorded yet.
    fn judge_frozen(
        &mut self,
        names: [ResultName; 2],
        encoder: &BTreeMap<String, Tensor>,
        plan: &[Part],
        labeled: &LabeledImages,
        test: &LabeledImages,
    ) -> Result<FrozenFeatures, ExperimentError> {
        let features = FrozenFeatures::extract(self.context, encoder, labeled, test)?;
        for name in names {
            for part in frozen_parts(plan) {
                if !self.recorded(name, part) {
                    let record = features.judge(self.context.experiment, name, part, self.classes())?;
                    self.record(record)?;
                }
            }
        }
        Ok(features)
    }

    /// The report's pictures: views of training images, and nearest neighbours of test images.
    fn write_gallery(
        &self,
        labeled: &LabeledImages,
        test: &LabeledImages,
        features: FrozenFeatures,
    ) -> Result<(), ExperimentError> {
        let experiment = self.context.experiment;
        let folder = self.directory.gallery_path();
        let evenly = |of: usize, count: usize| -> Vec<usize> {
            let count = count.min(of);
            (0..count).map(|place| place * of / count).collect()
        };
        let shown = evenly(labeled.labels.len(), GALLERY_VIEWS);
        let views = gallery::write_views(
            &gallery::ViewSheet {
                source: labeled.images.as_ref(),
                indices: &shown,
                t: &experiment.pretrain.t,
                t_prime: &experiment.pretrain.t_prime,
                views: 3,
                side: experiment.image_size,
                seed: experiment.seed,
            },
            &folder,
        )?;
        let queries = evenly(test.labels.len(), GALLERY_QUERIES);
        let rows: Vec<i64> = queries.iter().map(|&query| query as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(features.test.vectors.device());
        let vectors = features.test.vectors.index_select(0, &rows);
        let found: Vec<gallery::Neighbors> = nearest(&features.train.vectors, &vectors, GALLERY_NEIGHBORS)?
            .into_iter()
            .zip(queries)
            .map(|(nearest, query)| gallery::Neighbors { query, nearest })
            .collect();
        let neighbors = gallery::write_neighbors(test, labeled, &found, &folder)?;
        self.directory.write_gallery(&Gallery { views, neighbors })?;
        Ok(())
    }

    fn summary(&self, finished: bool) -> Summary {
        let data = self.context.data;
        let mut results = Vec::new();
        for name in ResultName::ALL {
            for &labels_per_class in &self.context.experiment.labels_per_class {
                let mut of_draw: Vec<(usize, f64)> = self
                    .predictions
                    .iter()
                    .filter(|record| record.name == name && record.labels_per_class == labels_per_class)
                    .map(|record| (record.draw, record.test_accuracy))
                    .collect();
                of_draw.sort_by_key(|&(draw, _)| draw);
                let runs: Vec<f64> = of_draw.into_iter().map(|(_, accuracy)| accuracy).collect();
                if let Some(test_accuracy) = Accuracy::over(runs) {
                    results.push(ResultRecord { name, init: name.init(), labels_per_class, test_accuracy });
                }
            }
        }
        Summary {
            data: DataRecord {
                name: data.name.clone(),
                fingerprint: data.fingerprint.clone(),
                class_names: data.class_names.clone(),
                train_images: data.train.as_ref().map_or(0, |train| train.labels.len()),
                test_images: data.test.as_ref().map_or(0, |test| test.labels.len()),
                unlabeled: data
                    .pretraining_pool()
                    .iter()
                    .map(|pool| PoolRecord { name: pool.name.clone(), images: pool.images.len() })
                    .collect(),
                skipped: data.skipped,
                test_labels: data.test.as_ref().map_or_else(Vec::new, |test| test.labels.clone()),
            },
            seed: self.context.experiment.seed,
            results,
            pretrain: self.pretrain.clone(),
            version: crate::version(),
            hardware: self.context.hardware.to_string(),
            seconds: self.earlier + self.begun.elapsed().as_secs_f64(),
            finished,
        }
    }

    fn interrupted(self) -> Result<Outcome, ExperimentError> {
        let summary = self.summary(false);
        self.directory.write_summary(&summary)?;
        Ok(Outcome::Interrupted(summary))
    }

    fn finish(self) -> Result<Outcome, ExperimentError> {
        let summary = self.summary(true);
        self.directory.write_summary(&summary)?;
        report::write(self.directory.path())?;
        Ok(Outcome::Finished(summary))
    }
}
