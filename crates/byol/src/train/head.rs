//! What the classifier on top begins with where it is not random: the linear probe, logistic regression on what the frozen
//! encoder makes of the training images, so that the first steps of fine-tuning do not bend the encoder to a random head
//! (Kumar et al. 2022, arXiv 2202.10054).

use tch::Tensor;

use super::TrainError;
use super::supervised::{SupervisedLearner, Task};
use crate::config::{Experiment, FirstHead};
use crate::device::Hardware;
use crate::eval::features::{FeatureRequest, extract};
use crate::eval::linear::{LinearModel, LinearOptions, fit_linear};
use crate::model::classifier::OUTPUT;

/// Gives the learner the head that its training begins with, before the first step. Ranks compute the representations together, and
/// rank 0 has the head.
///
/// # Errors
/// An image cannot be read, or all images are of one class.
pub(super) fn begin(
    experiment: &Experiment,
    hardware: &Hardware,
    task: &Task,
    learner: &mut SupervisedLearner,
) -> Result<(), TrainError> {
    match task.settings.head {
        FirstHead::Random => Ok(()),
        FirstHead::Linear => {
            let Some(probe) = probe(experiment, hardware, task, learner)? else { return Ok(()) };
            let mut named = learner.weights.named();
            let (weight, bias) = probe.affine();
            named.extend([(format!("{OUTPUT}.weight"), weight), (format!("{OUTPUT}.bias"), finite(&bias))]);
            Ok(learner.load(&named)?)
        }
    }
}

/// Logistic regression on the images that are trained on, as evaluations see them, its penalty chosen among them as for the
/// judgement of a frozen encoder.
fn probe(
    experiment: &Experiment,
    hardware: &Hardware,
    task: &Task,
    learner: &SupervisedLearner,
) -> Result<Option<LinearModel>, TrainError> {
    let mut encoder = learner.weights.named();
    encoder.retain(|name, _| !name.starts_with(&format!("{OUTPUT}.")));
    let request = FeatureRequest { experiment, hardware, encoder: &encoder };
    let features = extract(&request, task.labeled, &task.train)?;
    if !hardware.ranks.is_first() {
        return Ok(None);
    }
    let (l2, folds) = (experiment.evaluate.linear_l2.clone(), experiment.evaluate.linear_folds);
    Ok(Some(fit_linear(&features, task.classes, &LinearOptions { l2, folds, seed: experiment.seed })?))
}

/// A class without images has the bias minus infinity, from which no step leads away: it gets the lowest of the others.
fn finite(bias: &Tensor) -> Tensor {
    let endless = bias.isinf();
    bias.where_self(&endless.logical_not(), &bias.masked_fill(&endless, f64::INFINITY).min())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::{Request, resolve};
    use crate::data::LabeledImages;
    use crate::data::patterns::{PatternOptions, dataset_with};
    use crate::device::{DeviceChoice, PrecisionChoice};
    use crate::run::record::{LabelBudget, SupervisedStage};
    use crate::train::answering::Answering;
    use crate::train::supervised::Lengths;

    fn experiment(head: &str) -> Experiment {
        let set = ["image_size=16", "width=0.125", head].map(str::to_owned);
        resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap()
    }

    fn task<'a>(experiment: &'a Experiment, labeled: &'a LabeledImages, train: Vec<usize>) -> Task<'a> {
        Task {
            stage: SupervisedStage::Finetune,
            settings: &experiment.finetune,
            budget: LabelBudget::All,
            draw: 0,
            labeled,
            classes: 10,
            train,
            validation: Vec::new(),
            encoder: None,
            lengths: Lengths::Planned,
        }
    }

    #[test]
    fn fine_tuning_begins_with_the_answers_of_the_probe() {
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 6, test_per_class: 2, unlabeled: 0 });
        let labeled = data.train.unwrap();
        let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap();
        let experiment = experiment("finetune.head=linear");
        // The last class is missing.
        let train: Vec<usize> = (0..labeled.labels.len()).filter(|&index| labeled.labels[index] != 9).collect();
        let task = task(&experiment, &labeled, train.clone());
        let mut learner = task.begin(&experiment, &hardware).unwrap();
        let before = learner.weights.named();
        begin(&experiment, &hardware, &task, &mut learner).unwrap();
        let after = learner.weights.named();
        for (name, tensor) in &before {
            assert_eq!(after[name] == *tensor, !name.starts_with("fc."), "{name}");
        }
        let probe = probe(&experiment, &hardware, &task, &learner).unwrap().unwrap();
        let mut encoder = after;
        encoder.retain(|name, _| !name.starts_with("fc."));
        let request = FeatureRequest { experiment: &experiment, hardware: &hardware, encoder: &encoder };
        let expected = probe.scores(&extract(&request, &labeled, &train).unwrap().vectors).unwrap();
        let judged = Answering {
            experiment: &experiment,
            hardware: &hardware,
            classifier: &learner.classifier,
            weights: &learner.weights,
        };
        let found = judged.logits(&labeled, &train).unwrap();
        let known = |logits: &Tensor| logits.narrow(1, 0, 9).to_kind(tch::Kind::Double);
        let largest = known(&expected).abs().max().double_value(&[]);
        let deviation = (known(&found) - known(&expected)).abs().max().double_value(&[]) / largest;
        assert!(deviation < 1e-3, "{deviation}");
        assert!(found.isfinite().all().int64_value(&[]) != 0);
        let right = found.argmax(1, false);
        let labels: Vec<i64> = train.iter().map(|&index| i64::from(labeled.labels[index])).collect();
        let right = right.eq_tensor(&Tensor::from_slice(&labels)).sum(tch::Kind::Int64).int64_value(&[]);
        assert!(right * 10 > 2 * labels.len() as i64, "{right} of {}", labels.len());
    }

    #[test]
    fn a_random_head_stays() {
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 2, test_per_class: 2, unlabeled: 0 });
        let labeled = data.train.unwrap();
        let hardware = Hardware::choose(DeviceChoice::Cpu, PrecisionChoice::Fp32, Some(1)).unwrap();
        let experiment = experiment("finetune.head=random");
        let task = task(&experiment, &labeled, (0..20).collect());
        let mut learner = task.begin(&experiment, &hardware).unwrap();
        let before = learner.weights.flat().copy();
        begin(&experiment, &hardware, &task, &mut learner).unwrap();
        assert_eq!(*learner.weights.flat(), before);
    }

    #[test]
    fn a_missing_class_gets_the_lowest_bias() {
        let bias = Tensor::from_slice(&[1f32, f32::NEG_INFINITY, -2.0]);
        assert_eq!(finite(&bias), Tensor::from_slice(&[1f32, -2.0, -2.0]));
    }
}
