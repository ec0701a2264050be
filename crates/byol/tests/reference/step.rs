//! Training steps against PyTorch: loss, every gradient, weights after the optimiser, target after the moving average.

use std::collections::BTreeMap;

use byol::config::{EncoderKind, LossTarget, OptimizerKind, StemKind};
use byol::device::Precision;
use byol::model::byol::{Byol, ByolConfig, Heads};
use byol::model::classifier::ClassifierHead;
use byol::model::{Classifier, EncoderConfig, Weights};
use byol::optim::Optimizer;
use byol::train::learner::{Distance, Learner, Objective};
use byol::train::supervised::SupervisedLearner;
use tch::{Device, Kind, Tensor};

use crate::formula::{assert_close, assert_summary, by_parameter, filled, formula, summary, tensors, values};

const DECAY: f64 = 1e-4;
const TAU: f64 = 0.99;

fn encoder() -> EncoderConfig {
    EncoderConfig::new(EncoderKind::Resnet10, StemKind::SmallStride2, 1.0 / 16.0)
}

fn rate(optimizer: OptimizerKind) -> f64 {
    match optimizer {
        OptimizerKind::Sgd | OptimizerKind::Nesterov => 0.1,
        OptimizerKind::Adam | OptimizerKind::Adamw => 1e-3,
        OptimizerKind::Lars => 1.0,
    }
}

fn images(view: usize, step: usize) -> Tensor {
    formula(&format!("view{view}.step{step}"), &[8, 3, 16, 16], 1.0, 0.0)
}

fn learner(optimizer: OptimizerKind, loss_target: LossTarget, kind: Kind) -> Learner {
    let model =
        Byol::new(ByolConfig { encoder: encoder(), hidden: 64, projection: 16, heads: Heads::Paper, predictor: true });
    let online = model.initialize(0, Device::Cpu);
    let target = filled(model.target_of(&online), "target.", 0.0, kind);
    let online = filled(online, "", 0.0, kind);
    let optimizer = Optimizer::new(optimizer, DECAY, &online);
    Learner::assemble(model, [online, target], optimizer, Objective::paper(loss_target), Precision::Full)
}

/// Tensors under `prefix/`.
fn under(all: &BTreeMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    let part = all.iter().filter_map(|(name, tensor)| {
        Some((name.strip_prefix(prefix)?.strip_prefix('/')?.to_owned(), tensor.shallow_clone()))
    });
    part.collect()
}

/// Asserts every tensor, relative to its largest value or a thousandth of the set's largest.
fn assert_all(what: &str, found: &BTreeMap<String, Tensor>, expected: &BTreeMap<String, Tensor>, tolerance: f64) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    let largest = expected.values().map(|tensor| tensor.abs().max().double_value(&[])).fold(0.0, f64::max);
    for (name, expected) in expected {
        assert_close(&format!("{what} {name}"), &found[name], expected, tolerance, 1e-3 * largest);
    }
}

/// A batch of pairs.
fn both(first: &Tensor, second: &Tensor) -> Tensor {
    Tensor::cat(&[first, second], 0)
}

fn gradients(weights: &Weights, flat: &Tensor) -> BTreeMap<String, Tensor> {
    by_parameter(weights.layout(), flat).into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

/// Norms and probes of a network's state in `state_dict` order: parameters and statistics, layer by layer.
fn state_summary(weights: &Weights, order: &[String]) -> (Vec<f64>, Vec<f64>) {
    let named = weights.named();
    summary(order.iter().map(|name| (name.as_str(), named[name].shallow_clone())))
}

fn orders() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read(crate::formula::fixture("step/steps.json")).unwrap();
    let all: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
    let lists = all.into_iter().filter_map(|(name, value)| Some((name, serde_json::from_value(value).ok()?)));
    lists.collect()
}

/// Three steps; returns their losses, and the state after the first.
fn three_steps(
    learner: &mut Learner,
    optimizer: OptimizerKind,
) -> (Vec<f64>, BTreeMap<String, Tensor>, BTreeMap<String, Tensor>) {
    let mut losses = Vec::new();
    let mut first = None;
    for step in 1..=3 {
        let output = learner.step(&[both(&images(1, step), &images(2, step))], rate(optimizer), TAU);
        losses.push(output.loss.double_value(&[]));
        first.get_or_insert_with(|| (learner.online.named(), learner.target.named()));
    }
    let (online, target) = first.unwrap();
    (losses, online, target)
}

fn assert_losses(what: &str, found: &[f64], expected: &Tensor, tolerance: f64) {
    for (found, expected) in found.iter().zip(values(expected)) {
        assert!((found - expected).abs() <= tolerance, "{what}: {found} and {expected}");
    }
}

fn compare_sgd(kind: Kind, tolerance: f64) {
    let (expected, step1) = (tensors("step/byol.safetensors"), tensors("step/byol-sgd.safetensors"));
    let subject = learner(OptimizerKind::Sgd, LossTarget::Projection, kind);
    let gradient = subject.gradient(&subject.loss(&[both(&images(1, 1), &images(2, 1))]).loss);
    assert_all("gradient", &gradients(&subject.online, &gradient), &under(&expected, "gradient"), tolerance);

    let mut subject = learner(OptimizerKind::Sgd, LossTarget::Projection, kind);
    let (losses, online, target) = three_steps(&mut subject, OptimizerKind::Sgd);
    assert_losses("loss", &losses, &expected["sgd.losses"], tolerance);
    assert_all("online", &online, &under(&step1, "sgd.online.step1"), tolerance);
    assert_all("target", &target, &under(&step1, "sgd.target.step1"), tolerance);
    let orders = orders();
    for (name, weights, order) in
        [("online", &subject.online, &orders["online_state"]), ("target", &subject.target, &orders["target_state"])]
    {
        let key = |figure: &str| &expected[&format!("sgd.{name}.step3.{figure}")];
        assert_summary(name, state_summary(weights, order), [key("norm"), key("probe")], tolerance);
    }
}

#[test]
fn byol_with_sgd_in_float64() {
    compare_sgd(Kind::Double, 1e-8);
}

#[test]
fn byol_with_sgd_in_float32() {
    compare_sgd(Kind::Float, 1e-4);
}

#[test]
fn byol_with_adam_in_float64() {
    let (expected, step1) = (tensors("step/byol.safetensors"), tensors("step/byol-adam.safetensors"));
    let mut subject = learner(OptimizerKind::Adam, LossTarget::Projection, Kind::Double);
    let (losses, online, target) = three_steps(&mut subject, OptimizerKind::Adam);
    assert_losses("loss", &losses, &expected["adam.losses"], 1e-8);
    assert_all("online", &online, &under(&step1, "adam.online.step1"), 1e-8);
    let order = &orders()["target_state"];
    let target = summary(order.iter().map(|name| (name.as_str(), target[name].shallow_clone())));
    let key = |figure: &str| &expected[&format!("adam.target.step1.{figure}")];
    assert_summary("target", target, [key("norm"), key("probe")], 1e-8);
    let online = state_summary(&subject.online, &orders()["online_state"]);
    let key = |figure: &str| &expected[&format!("adam.online.step3.{figure}")];
    assert_summary("online after three steps", online, [key("norm"), key("probe")], 1e-8);
}

#[test]
fn byol_against_predictions_in_float64() {
    let expected = tensors("step/byol.safetensors");
    let subject = learner(OptimizerKind::Sgd, LossTarget::Prediction, Kind::Double);
    let gradient = subject.gradient(&subject.loss(&[both(&images(1, 1), &images(2, 1))]).loss);
    let found = summary(by_parameter(subject.online.layout(), &gradient));
    let key = |figure: &str| &expected[&format!("prediction.gradient.{figure}")];
    assert_summary("gradient", found, [key("norm"), key("probe")], 1e-8);
    let mut subject = learner(OptimizerKind::Sgd, LossTarget::Prediction, Kind::Double);
    let (losses, _, _) = three_steps(&mut subject, OptimizerKind::Sgd);
    assert_losses("loss", &losses, &expected["prediction.losses"], 1e-8);
    let online = state_summary(&subject.online, &orders()["online_state"]);
    let key = |figure: &str| &expected[&format!("prediction.online.step3.{figure}")];
    assert_summary("online after three steps", online, [key("norm"), key("probe")], 1e-8);
}

#[test]
fn moco_v3_in_float64() {
    let expected = tensors("step/moco-v3.safetensors");
    let subject = || {
        let byol = learner(OptimizerKind::Sgd, LossTarget::Projection, Kind::Double);
        let objective = Objective { distance: Distance::Contrastive(0.2), ..Objective::paper(LossTarget::Projection) };
        Learner::assemble(byol.model, [byol.online, byol.target], byol.optimizer, objective, Precision::Full)
    };
    let learner = subject();
    let gradient = learner.gradient(&learner.loss(&[both(&images(1, 1), &images(2, 1))]).loss);
    let found = summary(by_parameter(learner.online.layout(), &gradient));
    assert_summary("gradient", found, [&expected["gradient.norm"], &expected["gradient.probe"]], 1e-8);
    let mut learner = subject();
    let (losses, _, _) = three_steps(&mut learner, OptimizerKind::Sgd);
    assert_losses("loss", &losses, &expected["losses"], 1e-8);
    let online = state_summary(&learner.online, &orders()["online_state"]);
    let key = |figure: &str| &expected[&format!("online.step3.{figure}")];
    assert_summary("online after three steps", online, [key("norm"), key("probe")], 1e-8);
}

fn compare_supervised(kind: OptimizerKind, name: &str, precision: Kind, tolerance: f64) {
    let expected = tensors("step/supervised.safetensors");
    let labels = Tensor::from_slice(&[0i64, 1, 2, 3, 4, 5, 6, 9]);
    let subject = || {
        let classifier = Classifier::new(encoder(), ClassifierHead::Representation, 10);
        let weights = filled(classifier.initialize(0, 0, Device::Cpu), "", 0.0, precision);
        let optimizer = Optimizer::new(kind, DECAY, &weights);
        SupervisedLearner::new(classifier, weights, optimizer, Precision::Full)
    };
    let learner = subject();
    let gradient = learner.gradient(&learner.loss(&images(1, 1), &labels).0);
    assert_all("gradient", &gradients(&learner.weights, &gradient), &under(&expected, "gradient"), tolerance);
    let mut learner = subject();
    let mut losses = Vec::new();
    for step in 1..=3 {
        losses.push(learner.step(&images(1, step), &labels, rate(kind)).0.double_value(&[]));
        if step == 1 {
            let prefix = format!("{name}.online.step1");
            assert_all("weights", &learner.weights.named(), &under(&expected, &prefix), tolerance);
        }
    }
    assert_losses("loss", &losses, &expected[&format!("{name}.losses")], tolerance);
    let found = state_summary(&learner.weights, &orders()["supervised_state"]);
    let key = |figure: &str| &expected[&format!("{name}.online.step3.{figure}")];
    assert_summary("weights after three steps", found, [key("norm"), key("probe")], tolerance);
}

#[test]
fn supervised_in_float64() {
    compare_supervised(OptimizerKind::Sgd, "sgd", Kind::Double, 1e-8);
    compare_supervised(OptimizerKind::Adam, "adam", Kind::Double, 1e-8);
}

#[test]
fn supervised_in_float32() {
    compare_supervised(OptimizerKind::Sgd, "sgd", Kind::Float, 1e-4);
}

/// bfloat16 computes the same thing more coarsely, and keeps the weights in float32.
#[test]
fn bf16_is_near_float32() {
    let step = |precision: Precision| {
        let full = learner(OptimizerKind::Sgd, LossTarget::Projection, Kind::Float);
        let (model, online, target) = (full.model, full.online, full.target);
        let optimizer = Optimizer::new(OptimizerKind::Sgd, 0.0, &online);
        let mut learner =
            Learner::assemble(model, [online, target], optimizer, Objective::paper(LossTarget::Projection), precision);
        let loss = learner.step(&[both(&images(1, 1), &images(2, 1))], 1e-3, TAU).loss.double_value(&[]);
        (loss, learner.online.flat().copy())
    };
    let ((full, full_weights), (narrow, narrow_weights)) = (step(Precision::Full), step(Precision::Bf16));
    assert!((full - narrow).abs() < 0.05, "{full} and {narrow}");
    assert_eq!(narrow_weights.kind(), Kind::Float);
    let deviation = (full_weights - narrow_weights).abs().max().double_value(&[]);
    assert!(deviation > 0.0 && deviation < 0.05, "{deviation}");
}

/// A batch in two parts: the mean of the parts' gradients, one optimiser step, one moving average.
#[test]
fn parts_of_a_batch_are_one_step() {
    let mut subject = learner(OptimizerKind::Sgd, LossTarget::Projection, Kind::Double);
    let halves = |view: usize| images(view, 1).split(4, 0);
    let (first, second) = (halves(1), halves(2));
    let gradient = |part: usize| subject.gradient(&subject.loss(&[both(&first[part], &second[part])]).loss);
    let mean = (gradient(0) + gradient(1)) / 2.0;

    let mut whole = learner(OptimizerKind::Sgd, LossTarget::Projection, Kind::Double);
    whole.optimizer.step(whole.online.flat_mut(), mean, 0.1);
    let expected = whole.online.flat().copy();
    for part in 0..2 {
        subject.accumulate(&[both(&first[part], &second[part])], 2);
    }
    subject.update(0.1, TAU);
    assert_close("online", subject.online.flat(), &expected, 1e-12, 0.0);
    let count = subject.target.layout().parameter_count();
    let target = whole.target.flat() * TAU + expected.narrow(0, 0, count) * (1.0 - TAU);
    assert_close("target", subject.target.flat(), &target, 1e-12, 0.0);
}
