//! What every exported file says of its network, as names and texts: safetensors and ONNX have a place for them.

use super::{Export, ExportError, ExportedNetwork};
use crate::data::Levels;
use crate::eval::EvalError;
use crate::model::EncoderConfig;
use crate::model::encoder::plain;
use crate::report::language::english::names::training;
use crate::statistics::wilson;
use crate::trained::model::TestResult;

/// Names and texts; lists are JSON.
pub(super) fn facts(export: &Export) -> Result<Vec<(&'static str, String)>, ExportError> {
    let network = export.network;
    let experiment = network.experiment();
    let origin = network.origin();
    let list = |values: &[f64]| serde_json::to_string(values).unwrap_or_default();
    let mut facts = vec![("producer", format!("byol {}", crate::version())), ("kind", kind(network).to_owned())];
    facts.extend(network.encoder().config().keys().into_iter().map(|(key, value)| (key, plain(&value))));
    facts.extend([
        ("features", network.encoder().features().to_string()),
        ("image_size", experiment.image_size.to_string()),
        ("mean", list(&experiment.mean)),
        ("std", list(&experiment.deviation)),
        ("class_names", serde_json::to_string(network.class_names()).unwrap_or_default()),
        ("stage", training(origin.stage).to_owned()),
    ]);
    if experiment.evaluation_crop != 1.0 {
        facts.push(("evaluation_crop", experiment.evaluation_crop.to_string()));
    }
    if experiment.levels != Levels::Full {
        facts.push(("levels", experiment.levels.to_string()));
    }
    if let Some(head) = origin.head {
        facts.push(("head", head.name().to_owned()));
    }
    if let Some(data) = &origin.data {
        facts.push(("data", data.name.clone()));
        facts.push(("data_fingerprint", data.fingerprint.clone()));
    }
    if let (true, Some(budget)) = (network.classifies(), origin.labels_per_class) {
        facts.push(("labels_per_class", budget.to_string()));
    }
    if let (true, Some(test)) = (network.classifies(), origin.test) {
        let Measured { accuracy, interval: (low, high) } = Measured::of(test)?;
        facts.push(("test_accuracy", accuracy.to_string()));
        facts.push(("test_accuracy_interval", list(&[low, high])));
        facts.push(("test_images", test.total.to_string()));
    }
    if let (true, Some(in_use)) = (network.classifies(), export.calibration.in_use()) {
        facts.push(("temperature", in_use.temperature.0.to_string()));
        facts.push(("temperature_images", in_use.images.to_string()));
    }
    Ok(facts)
}

/// Test accuracy with Wilson's 95% interval, 0-1.
pub(super) struct Measured {
    pub accuracy: f64,
    pub interval: (f64, f64),
}

impl Measured {
    pub fn of(test: TestResult) -> Result<Measured, ExportError> {
        let interval = wilson(test.right, test.total).map_err(EvalError::from)?;
        Ok(Measured { accuracy: test.right as f64 / test.total as f64, interval })
    }
}

pub(super) fn kind(network: &ExportedNetwork) -> &'static str {
    if network.classifies() { "classifier" } else { "encoder" }
}

/// The first key's value, which is the encoder's name: `resnet18`.
pub(super) fn encoder_name(config: EncoderConfig) -> String {
    config.keys().into_iter().next().map_or_else(String::new, |(_, name)| plain(&name))
}
