//! Judging a frozen encoder: representations of all images once, then logistic regression and k-NN for every label
//! budget.

use std::collections::BTreeMap;
use std::time::Instant;

use tch::{Device, Kind, Tensor};

use super::Context;
use super::along::Errand;
use super::plan::Part;
use crate::augment::Recipe;
use crate::config::{Experiment, LinearSolver};
use crate::data::LabeledImages;
use crate::eval::features::{FeatureRequest, extract, extract_view, give_encoder};
use crate::eval::knn::{KnnOptions, bank, knn_votes, leave_one_out};
use crate::eval::linear::sgd::{SgdOptions, fit_sgd};
use crate::eval::linear::{LinearModel, LinearOptions, fit_linear};
use crate::eval::metrics::Predictions;
use crate::eval::temperature::{ENOUGH_IMAGES, Labelled, Temperature};
use crate::eval::{EvalError, Features};
use crate::loader::ViewKind;
use crate::random::ViewNumber;
use crate::run::record::HeadKind;
use crate::run::record::{PredictionRecord, Protocol, ResultName};
use crate::train::TrainError;
use crate::trained::heads::{About, Head, KeptHead};

/// Bins of the calibration error: those of Guo et al. 2017 (arXiv 1706.04599, section 5).
const CALIBRATION_BINS: usize = 15;

/// Representations of all training and test images by one encoder.
pub(super) struct FrozenFeatures {
    pub train: Features,
    pub test: Features,
    /// Passes of random crops over the training images, for a classifier that is trained on them.
    crops: Vec<Tensor>,
}

impl FrozenFeatures {
    /// Those by an encoder of rank 0's, computed with all ranks.
    pub fn extract(
        context: &Context,
        encoder: &BTreeMap<String, Tensor>,
        labeled: &LabeledImages,
        test: &LabeledImages,
    ) -> Result<FrozenFeatures, TrainError> {
        let request = FeatureRequest { experiment: context.experiment, hardware: context.hardware, encoder };
        context.hardware.ranks.give(Errand::Represent)?;
        give_encoder(&request)?;
        FrozenFeatures::computed(&request, labeled, test)
    }

    /// Those that rank 0 has in the end, by an encoder that all ranks have.
    pub fn computed(
        request: &FeatureRequest,
        labeled: &LabeledImages,
        test: &LabeledImages,
    ) -> Result<FrozenFeatures, TrainError> {
        let all = |images: &LabeledImages| (0..images.labels.len()).collect::<Vec<_>>();
        let evaluate = &request.experiment.evaluate;
        let passes = match evaluate.linear_solver {
            LinearSolver::Sgd => evaluate.sgd_views,
            LinearSolver::Lbfgs => 0,
        };
        let recipe = Recipe::paper_t().only_crop();
        let crops = (0..passes)
            .map(|pass| {
                let view = ViewKind::Random { recipe: recipe.clone(), view: ViewNumber::Crop(pass) };
                extract_view(request, labeled, &all(labeled), view)
            })
            .collect::<Result<_, _>>()?;
        Ok(FrozenFeatures {
            train: extract(request, labeled, &all(labeled))?,
            test: extract(request, test, &all(test))?,
            crops,
        })
    }

    /// Fits a judge to the labels of `part`; gives its answers for the test images, and the judge itself.
    pub fn judge(
        &self,
        experiment: &Experiment,
        name: ResultName,
        part: &Part,
        classes: usize,
    ) -> Result<Judged, EvalError> {
        let begun = Instant::now();
        let rows: Vec<i64> = part.indices.iter().map(|&index| index as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.train.vectors.device());
        let bank = Features {
            vectors: self.train.vectors.index_select(0, &rows),
            labels: part.indices.iter().map(|&index| self.train.labels[index]).collect(),
        };
        let (answers, chosen, judge) = match name.protocol {
            Protocol::Knn => {
                let options = KnnOptions {
                    neighbors: experiment.evaluate.knn_neighbors,
                    temperature: experiment.evaluate.knn_temperature,
                };
                let votes = knn_votes(&bank, &self.test.vectors, classes, &options)?;
                // Shares of the votes are probabilities, whose logarithms are logits.
                let answers = Answers::of(&votes.log(), &self.test.labels)?;
                (answers, None, Judge::Knn(bank, options))
            }
            Protocol::Linear | Protocol::Finetuned | Protocol::Selftrained => {
                let model = self.fit(experiment, &bank, &rows, classes)?;
                let answers = Answers::of(&model.scores(&self.test.vectors)?, &self.test.labels)?;
                (answers, Some(model.chosen().to_string()), Judge::Linear(model))
            }
        };
        let record = answers.record(Recorded { name, part, seconds: begun.elapsed().as_secs_f64(), chosen });
        Ok(Judged { record, judge })
    }
}

/// What judged a frozen encoder.
pub(super) enum Judge {
    Linear(LinearModel),
    Knn(Features, KnnOptions),
}

/// A judge with its answers.
pub(super) struct Judged {
    pub record: PredictionRecord,
    judge: Judge,
}

impl Judged {
    /// The judge as a run keeps it. `encoder` is the digest of the encoder's tensors.
    ///
    /// # Errors
    /// Representations hold what is no number.
    pub fn kept(&self, classes: usize, encoder: &str) -> Result<KeptHead, EvalError> {
        let mut about = About {
            kind: HeadKind::Linear,
            labels_per_class: self.record.labels_per_class,
            classes,
            labels_used: self.record.labels_used,
            encoder: encoder.to_owned(),
            validation: None,
            neighbors: None,
            temperature: None,
            tensors: String::new(),
        };
        let head = match &self.judge {
            Judge::Linear(model) => {
                about.validation = model.validation();
                let (weight, bias) = model.affine();
                Head::Linear { weight, bias }
            }
            Judge::Knn(features, options) => {
                about.kind = HeadKind::Knn;
                about.validation = leave_one_out(features, classes, options)?;
                (about.neighbors, about.temperature) = (Some(options.neighbors), Some(options.temperature));
                Head::Knn(bank(features, classes, options)?)
            }
        };
        Ok(KeptHead { about, head })
    }
}

impl FrozenFeatures {
    /// Fits the linear classifier to `bank`, the rows `rows` of the training images.
    fn fit(
        &self,
        experiment: &Experiment,
        bank: &Features,
        rows: &Tensor,
        classes: usize,
    ) -> Result<LinearModel, EvalError> {
        let evaluate = &experiment.evaluate;
        match evaluate.linear_solver {
            LinearSolver::Lbfgs => {
                let (l2, folds) = (evaluate.linear_l2.clone(), evaluate.linear_folds);
                fit_linear(bank, classes, &LinearOptions { l2, folds, seed: experiment.seed })
            }
            LinearSolver::Sgd => {
                let options = SgdOptions {
                    epochs: evaluate.sgd_epochs,
                    batch_size: evaluate.sgd_batch_size,
                    learning_rates: evaluate.sgd_learning_rates.clone(),
                    seed: experiment.seed,
                };
                let crops: Vec<Tensor> = self.crops.iter().map(|crop| crop.index_select(0, rows)).collect();
                match crops.is_empty() {
                    true => fit_sgd(&[bank.vectors.shallow_clone()], &bank.labels, classes, &options),
                    false => fit_sgd(&crops, &bank.labels, classes, &options),
                }
            }
        }
    }
}

/// Four decimals: more than a person reads, and short lines.
fn rounded(mut probabilities: Vec<f64>) -> Vec<f64> {
    probabilities.iter_mut().for_each(|probability| *probability = (*probability * 1e4).round() / 1e4);
    probabilities
}

/// A classifier's answers for the test images, measured.
pub(super) struct Answers {
    predicted: Vec<u16>,
    probabilities: Vec<f64>,
    accuracy: f64,
    top5: Option<f64>,
    calibration_error: f64,
    temperature: Option<Temperature>,
}

/// What is recorded beside the answers.
pub(super) struct Recorded<'a> {
    pub name: ResultName,
    pub part: &'a Part,
    pub seconds: f64,
    /// What was chosen on the way, for people.
    pub chosen: Option<String>,
}

impl Answers {
    /// # Shapes
    /// Logits `[images, classes]`.
    ///
    /// # Errors
    /// There are no test images, or a logit is not a number.
    pub fn of(logits: &Tensor, labels: &[u16]) -> Result<Answers, EvalError> {
        let predictions = Predictions::new(logits, labels)?;
        Ok(Answers {
            predicted: predictions.predicted(),
            probabilities: rounded(predictions.confidences(1.0)),
            accuracy: predictions.accuracy(),
            // Of five classes or fewer, every answer is among the five best.
            top5: (logits.size()[1] > 5).then(|| predictions.top(5)),
            calibration_error: predictions.calibration_error(CALIBRATION_BINS)?,
            temperature: None,
        })
    }

    /// With the temperature that calibrates the classifier on these images, if there is one, for whoever uses it later.
    ///
    /// # Shapes
    /// As [`Answers::of`].
    ///
    /// # Errors
    /// The logits cannot be brought to the CPU.
    pub fn calibrated(self, logits: &Tensor, labels: &[u16]) -> Result<Answers, EvalError> {
        let classes = logits.size()[1] as usize;
        let predictions = Predictions::new(logits, labels)?;
        let logits = Vec::<f32>::try_from(logits.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1))?;
        // A classifier that is always right, or knows nothing, has no temperature; of few images it would mean nothing.
        let enough = labels.len() >= ENOUGH_IMAGES;
        let temperature =
            enough.then(|| Temperature::fit(Labelled { logits: &logits, labels, classes }).ok()).flatten();
        let probabilities = match temperature {
            Some(temperature) => rounded(predictions.confidences(temperature.0)),
            None => self.probabilities,
        };
        Ok(Answers { temperature, probabilities, ..self })
    }

    pub fn record(self, about: Recorded) -> PredictionRecord {
        PredictionRecord {
            name: about.name,
            labels_per_class: about.part.budget,
            draw: about.part.draw,
            labels_used: about.part.indices.len(),
            test_accuracy: self.accuracy,
            top5_accuracy: self.top5,
            calibration_error: Some(self.calibration_error),
            temperature: self.temperature.map(|temperature| temperature.0),
            predicted: self.predicted,
            probabilities: self.probabilities,
            seconds: about.seconds,
            chosen: about.chosen,
            self_training: None,
        }
    }
}
