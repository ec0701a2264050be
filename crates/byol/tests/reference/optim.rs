//! Optimisers against PyTorch, parameter by parameter: see `fixtures/optim/make_fixtures.py`.

use byol::config::{EncoderKind, OptimizerKind, StemKind};
use byol::model::EncoderConfig;
use byol::model::byol::{Byol, ByolConfig, Heads};
use byol::optim::Optimizer;
use tch::{Device, Kind, Tensor};

use crate::formula::{assert_close, by_parameter, filled, formula, tensors};

struct Case {
    kind: OptimizerKind,
    name: &'static str,
    learning_rate: f64,
    weight_decay: f64,
}

fn compare(case: &Case, kind: Kind, tolerance: f64) {
    let encoder = EncoderConfig::new(EncoderKind::Resnet10, StemKind::SmallStride2, 1.0 / 16.0);
    let model = Byol::new(ByolConfig { encoder, hidden: 64, projection: 16, heads: Heads::Paper, predictor: true });
    let mut weights = filled(model.initialize(0, Device::Cpu), "", 0.0, kind);
    let layout = weights.layout().clone();
    let mut optimizer = Optimizer::new(case.kind, case.weight_decay, &weights);
    for step in 1..=3 {
        let gradients: Vec<Tensor> = layout
            .parameters
            .iter()
            .map(|parameter| {
                let name = format!("gradient.step{step}.{}", parameter.name);
                parameter.flatten(&formula(&name, &parameter.shape, 1.0, 0.0))
            })
            .collect();
        optimizer.step(weights.flat_mut(), Tensor::cat(&gradients, 0).to_kind(kind), case.learning_rate);
    }
    let expected = tensors("optim/optim.safetensors");
    let mut compared = 0;
    for (name, found) in by_parameter(&layout, weights.flat()) {
        if let Some(expected) = expected.get(&format!("{}/{name}", case.name)) {
            assert_close(name, &found, expected, tolerance, 0.0);
            compared += 1;
        }
    }
    assert_eq!(compared, expected.keys().filter(|name| name.starts_with(&format!("{}/", case.name))).count());
    assert!(compared > 0);
}

const LARS: Case = Case { kind: OptimizerKind::Lars, name: "lars", learning_rate: 0.5, weight_decay: 0.01 };
const NESTEROV: Case = Case { kind: OptimizerKind::Nesterov, name: "nesterov", learning_rate: 0.1, weight_decay: 1e-4 };

const ADAMW: Case = Case { kind: OptimizerKind::Adamw, name: "adamw", learning_rate: 0.01, weight_decay: 0.1 };

#[test]
fn lars_in_float64() {
    compare(&LARS, Kind::Double, 1e-12);
}

#[test]
fn lars_in_float32() {
    compare(&LARS, Kind::Float, 1e-5);
}

#[test]
fn nesterov_in_both() {
    compare(&NESTEROV, Kind::Double, 1e-12);
    compare(&NESTEROV, Kind::Float, 1e-5);
}

#[test]
fn adamw_in_both() {
    compare(&ADAMW, Kind::Double, 1e-8);
    compare(&ADAMW, Kind::Float, 1e-5);
}
