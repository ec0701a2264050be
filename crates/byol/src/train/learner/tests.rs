//! A step by hand, and several ranks against one.

mod ranks;

use super::*;
use crate::config::LossTarget;
use crate::loss::regression;

fn learner(groups: Vec<SeenGroup>) -> Learner {
    let mut experiment = Experiment::preset("demo").unwrap();
    experiment.width = 0.0625;
    let model = networks(&experiment);
    let online = model.initialize(1, tch::Device::Cpu);
    // Another network, so that it shows which of both computed what.
    let target = model.target_of(&model.initialize(2, tch::Device::Cpu));
    let settings = &experiment.pretrain;
    let optimizer = Optimizer::new(settings.optimizer, settings.weight_decay, &online);
    let objective = Objective { groups, ..Objective::paper(LossTarget::Projection) };
    Learner::assemble(model, [online, target], optimizer, objective, Precision::Full)
}

/// Two large views that both networks see, and two small ones for the online network alone: the loss is twice the
/// mean over the six pairs of different views of which the target sees the second, each network's views by themselves.
#[test]
fn views_of_two_sides_by_hand() {
    let learner =
        learner(vec![SeenGroup { views: 2, seen_by: SeenBy::Both }, SeenGroup { views: 2, seen_by: SeenBy::Online }]);
    tch::manual_seed(3);
    let images = |side: i64| Tensor::randn([8, 3, side, side], (tch::Kind::Float, tch::Device::Cpu));
    let batch = [images(16), images(12)];
    let alone = |network: Network, view: usize| {
        let images = batch[view / 2].narrow(0, 4 * (view as i64 % 2), 4);
        learner.model.project(&learner.pass(network, Mode::Train, 1), &SharedImages::new(&images))
    };
    let predictions: Vec<Tensor> = (0..4)
        .map(|view| {
            let pass = learner.pass(Network::Online, Mode::Train, 1);
            learner.model.predict(&pass, &alone(Network::Online, view))
        })
        .collect();
    let aims: Vec<Tensor> = (0..2).map(|view| alone(Network::Target, view)).collect();
    let pairs = [(0, 1), (1, 0), (2, 0), (2, 1), (3, 0), (3, 1)];
    let sum: f64 = pairs.iter().map(|&(v, w)| regression(&predictions[v], &aims[w]).double_value(&[])).sum();
    let output = learner.loss(&batch);
    assert!((output.loss.double_value(&[]) - sum / 3.0).abs() < 1e-4, "{:?} and {sum}", output.loss);
    assert!(output.projections.allclose(&aims[0], 1e-3, 1e-4, false));
    let gradient = learner.gradient(&output.loss);
    assert!(gradient.isfinite().all().int64_value(&[]) != 0 && gradient.abs().max().double_value(&[]) > 0.0);
}

/// Four patches of each of two views are encoded apart, with the norms' statistics over all patches of a view; the mean of
/// each of the six pairs predicts the other view.
#[test]
fn patches_by_hand() {
    let whole = learner(vec![SeenGroup { views: 2, seen_by: SeenBy::Both }]);
    let objective = Objective { patches: 2, ..whole.objective.clone() };
    let learner = Learner { objective, ..whole };
    tch::manual_seed(3);
    let images = Tensor::randn([8, 3, 16, 16], (tch::Kind::Float, tch::Device::Cpu));
    let pass = learner.pass(Network::Online, Mode::Train, 1);
    let view = |number: i64| images.narrow(0, 4 * number, 4);
    let predictions = |number: i64| {
        let corners = [(0, 0), (0, 8), (8, 0), (8, 8)];
        let patches = corners.map(|(row, column)| view(number).narrow(2, row, 8).narrow(3, column, 8));
        let encoded = learner.model.represent(&pass, &Tensor::cat(&patches, 0));
        let of = |patch: i64| encoded.narrow(0, 4 * patch, 4);
        let pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)].map(|(a, b)| (of(a) + of(b)) / 2.0);
        learner.model.predict(&pass, &learner.model.project_representations(&pass, &Tensor::cat(&pairs, 0)))
    };
    let target = learner.pass(Network::Target, Mode::Train, 1);
    let aim = |number: i64| learner.model.project(&target, &SharedImages::new(&view(number)));
    let expected: f64 = [(0, 1), (1, 0)]
        .map(|(view, other)| {
            let (predictions, aim) = (predictions(view), aim(other));
            let terms = (0..6).map(|pair| regression(&predictions.narrow(0, 4 * pair, 4), &aim).double_value(&[]));
            terms.sum::<f64>() / 6.0
        })
        .iter()
        .sum();
    let output = learner.loss(&[images.shallow_clone()]);
    assert!((output.loss.double_value(&[]) - expected).abs() < 1e-4, "{:?} and {expected}", output.loss);
    let gradient = learner.gradient(&output.loss);
    assert!(gradient.isfinite().all().int64_value(&[]) != 0 && gradient.abs().max().double_value(&[]) > 0.0);
}

/// A step of the predictor is four times as long, and nothing else changes.
#[test]
fn the_predictor_has_a_learning_rate_of_its_own() {
    let stepped = |factor: f64| {
        let mut experiment = Experiment::preset("demo").unwrap();
        (experiment.width, experiment.pretrain.optimizer) = (0.0625, crate::config::OptimizerKind::Sgd);
        experiment.pretrain.predictor_learning_rate = factor;
        let model = networks(&experiment);
        let online = model.initialize(1, tch::Device::Cpu).to_kind(tch::Kind::Double);
        let before = online.named();
        let mut learner = Learner::new(model, online, &experiment, Precision::Full);
        tch::manual_seed(3);
        let images = Tensor::randn([8, 3, 16, 16], (tch::Kind::Double, tch::Device::Cpu));
        learner.step(&[images], 0.1, 0.9);
        (before, learner.online.named())
    };
    let ((before, one), (_, four)) = (stepped(1.0), stepped(4.0));
    for (name, before) in &before {
        let factor = if name.starts_with("predictor.") && !name.contains("running") { 4.0 } else { 1.0 };
        let deviation = (&four[name] - before - (&one[name] - before) * factor).abs().max().double_value(&[]);
        assert!(deviation < 1e-12, "{name}: {deviation}");
    }
    assert!(one["predictor.0.weight"] != before["predictor.0.weight"]);
}
