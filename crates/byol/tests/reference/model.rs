//! Residual networks against torchvision's: names, shapes, outputs, gradients, running statistics.

use byol::config::{EncoderKind, StemKind};
use byol::device::Precision;
use byol::model::classifier::ClassifierHead;
use byol::model::layers::Pass;
use byol::model::{Classifier, EncoderConfig, Leaves, Mode, Weights};
use byol::ranks::Ranks;
use byol::trained::checkpoint::read_weights;
use serde::Deserialize;
use tch::{Device, Kind, Tensor};

use crate::formula::{assert_close, assert_summary, by_parameter, fill, filled, fixture, formula, summary, tensors};

#[derive(Deserialize)]
struct Reference {
    kind: EncoderKind,
    stem: StemKind,
    width: f64,
    bias_offset: f64,
    input: Vec<i64>,
    parameter_count: i64,
    parameters: Vec<(String, Vec<i64>)>,
    state_dict: Vec<(String, Vec<i64>)>,
}

fn references() -> std::collections::BTreeMap<String, Reference> {
    serde_json::from_slice(&std::fs::read(fixture("model/layouts.json")).unwrap()).unwrap()
}

fn classifier(reference: &Reference) -> Classifier {
    let config = EncoderConfig::new(reference.kind, reference.stem, reference.width);
    Classifier::new(config, ClassifierHead::Representation, 10)
}

#[test]
fn names_shapes_and_counts_are_torchvisions() {
    for (name, reference) in references() {
        let classifier = classifier(&reference);
        let layout = classifier.layout();
        let parameters: Vec<_> = layout.parameters.iter().map(|p| (p.name.clone(), p.shape.clone())).collect();
        assert_eq!(parameters, reference.parameters, "{name}");
        assert_eq!(layout.parameter_count(), reference.parameter_count, "{name}");
        let statistics: Vec<_> = layout.buffers.iter().map(|b| (b.name.clone(), vec![b.size])).collect();
        let expected: Vec<_> = reference.state_dict.into_iter().filter(|(name, _)| name.contains("running_")).collect();
        assert_eq!(statistics, expected, "{name}");
    }
}

/// Outputs, loss, gradients and statistics of one network in one type.
fn compare(name: &str, reference: &Reference, kind: Kind, tolerance: f64, gradients: bool) {
    let expected = tensors(&format!("model/{name}.safetensors"));
    let classifier = classifier(reference);
    let weights = classifier.initialize(0, 0, Device::Cpu);
    let weights = filled(weights, "", reference.bias_offset, kind);
    let leaves = weights.leaves(Precision::Full);
    let images = formula("input", &reference.input, 1.0, 0.0);

    let evaluate = pass(&weights, &leaves, Mode::Evaluate);
    let features = tch::no_grad(|| classifier.represent(&evaluate, &images));
    assert_close(&format!("{name} features_evaluate"), &features, &expected["features_evaluate"], tolerance, 0.0);
    let logits = tch::no_grad(|| classifier.forward(&evaluate, &images));
    assert_close(&format!("{name} logits_evaluate"), &logits, &expected["logits_evaluate"], tolerance, 0.0);

    let train = pass(&weights, &leaves, Mode::Train);
    let logits = classifier.forward(&train, &images);
    assert_close(&format!("{name} logits_train"), &logits, &expected["logits_train"], tolerance, 0.0);
    let loss = byol::loss::cross_entropy(&logits, &Tensor::from_slice(&[0i64, 3, 7, 9]));
    assert_close(&format!("{name} loss"), &loss.view(1), &expected["loss"], tolerance, 0.0);
    let layout = weights.layout().clone();
    let named = weights.named();
    let statistics = layout.buffers.iter().map(|buffer| (buffer.name.as_str(), named[&buffer.name].shallow_clone()));
    let expected_statistics = [&expected["statistic_norm"], &expected["statistic_probe"]];
    assert_summary(&format!("{name} statistics"), summary(statistics), expected_statistics, tolerance);
    if gradients {
        let gradient = leaves.gradient(&loss, kind);
        let expected_gradients = [&expected["gradient_norm"], &expected["gradient_probe"]];
        let found = summary(by_parameter(&layout, &gradient));
        assert_summary(&format!("{name} gradients"), found, expected_gradients, tolerance);
    }
}

fn pass<'a>(weights: &'a Weights, leaves: &'a Leaves, mode: Mode) -> Pass<'a> {
    Pass { weights, leaves, mode, precision: Precision::Full, views: 1, ranks: Ranks::alone() }
}

#[test]
fn float32_matches_torchvision() {
    for (name, reference) in references() {
        // In float32, rounding moves some pre-activations of the wide networks across zero, in PyTorch as here, so that
        // their gradients differ between any two programs, ResNet-10's by a thousandth, ResNet-50's by percents; the
        // `-active` networks have no such pre-activations, the small ones had none here. Winograd's convolutions round some
        // ten times as coarsely as plain ones: ResNet-50's outputs differ by 2e-4.
        let robust = !matches!(name.as_str(), "resnet10" | "resnet18" | "resnet34" | "resnet50");
        let tolerance = if name == "resnet50" { 5e-4 } else { 1e-4 };
        compare(&name, &reference, Kind::Float, tolerance, robust);
    }
}

#[test]
fn float64_matches_torchvision() {
    for (name, reference) in references() {
        compare(&name, &reference, Kind::Double, 1e-9, true);
    }
}

#[test]
fn weights_of_a_torchvision_file_load_and_others_are_refused() {
    let reference = &references()["resnet18"];
    let classifier = classifier(reference);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resnet18.safetensors");
    let mut named = fill(classifier.layout(), "", 0.0);
    named.insert("bn1.num_batches_tracked".to_owned(), Tensor::from_slice(&[7i64]).view([] as [i64; 0]));
    let pairs: Vec<(&str, &Tensor)> = named.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    Tensor::write_safetensors(&pairs, &path).unwrap();
    let mut weights = classifier.initialize(0, 0, Device::Cpu);
    weights.load(&read_weights(&path).unwrap()).unwrap();
    assert_close("fc", &weights.named()["fc.weight"], &named["fc.weight"], 1e-7, 0.0);

    let other = |kind, width| {
        let config = EncoderConfig::new(kind, StemKind::Imagenet, width);
        Classifier::new(config, ClassifierHead::Representation, 10).initialize(0, 0, Device::Cpu)
    };
    let mut deeper = other(EncoderKind::Resnet34, 1.0);
    let error = deeper.load(&named).unwrap_err().to_string();
    assert!(error.contains("layer1.2.") && error.contains("another architecture"), "{error}");
    let mut wider = other(EncoderKind::Resnet18, 2.0);
    let error = wider.load(&named).unwrap_err().to_string();
    assert!(error.contains("has shape"), "{error}");
}

#[test]
fn initial_weights_have_torchvisions_deviations() {
    let reference = &references()["resnet18"];
    let weights = classifier(reference).initialize(5, 0, Device::Cpu).named();
    let deviation = |name: &str| weights[name].std(true).double_value(&[]);
    // sqrt(2 / fan-out): 64 outputs of 7x7, 512 of 3x3.
    assert!((deviation("conv1.weight") / (2.0 / (64.0 * 49.0f64)).sqrt() - 1.0).abs() < 0.03);
    assert!((deviation("layer4.1.conv2.weight") / (2.0 / (512.0 * 9.0f64)).sqrt() - 1.0).abs() < 0.01);
    // Uniform within 1 / sqrt(512): a deviation of a third root of it.
    assert!((deviation("fc.weight") / (512f64.sqrt().recip() / 3f64.sqrt()) - 1.0).abs() < 0.03);
    assert_eq!(weights["bn1.weight"].sum(Kind::Double).double_value(&[]), 64.0);
}
