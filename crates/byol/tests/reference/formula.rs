//! Weights and images that a formula gives, so that no large file is needed: see `fixtures/model/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byol::model::parameters::{Initial, Statistic};
use byol::model::{Layout, Weights};
use tch::{Kind, Tensor};

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Tensors of a fixture by name.
pub fn tensors(name: &str) -> BTreeMap<String, Tensor> {
    Tensor::read_safetensors(fixture(name)).unwrap().into_iter().collect()
}

pub fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view(-1)).unwrap()
}

fn key(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |key, byte| (key ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// The tensor called `name`: `scale * (2u - 1) + offset`, rounded to float32, as float64.
pub fn formula(name: &str, shape: &[i64], scale: f64, offset: f64) -> Tensor {
    let key = key(name);
    let count: i64 = shape.iter().product();
    let values: Vec<f32> = (1..=count as u64)
        .map(|index| {
            let mut z = key.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            let u = (z >> 11) as f64 * 2f64.powi(-53);
            (scale * (2.0 * u - 1.0) + offset) as f32
        })
        .collect();
    Tensor::from_slice(&values).to_kind(Kind::Double).view(shape)
}

/// Every parameter and statistic of a layout, under `prefix` + name.
pub fn fill(layout: &Layout, prefix: &str, bias_offset: f64) -> BTreeMap<String, Tensor> {
    let parameters = layout.parameters.iter().map(|parameter| {
        let (scale, offset) = match (parameter.shape.as_slice(), parameter.usage.initial) {
            ([_, inner @ ..], _) if !inner.is_empty() => {
                let fan_in: i64 = inner.iter().product();
                ((3.0 / fan_in as f64).sqrt() * 2f64.sqrt(), 0.0)
            }
            // The scale of a norm.
            (_, Initial::Constant(1.0)) => (0.25, 1.0),
            _ => (0.1, bias_offset),
        };
        let name = format!("{prefix}{}", parameter.name);
        (parameter.name.clone(), formula(&name, &parameter.shape, scale, offset))
    });
    let buffers = layout.buffers.iter().map(|buffer| {
        let (scale, offset) = match buffer.statistic {
            Statistic::Mean => (0.1, 0.0),
            Statistic::Variance => (0.25, 1.0),
        };
        (buffer.name.clone(), formula(&format!("{prefix}{}", buffer.name), &[buffer.size], scale, offset))
    });
    parameters.chain(buffers).collect()
}

/// Weights of the formula in `kind`.
pub fn filled(weights: Weights, prefix: &str, bias_offset: f64, kind: Kind) -> Weights {
    let mut weights = weights.to_kind(kind);
    let named = fill(weights.layout(), prefix, bias_offset);
    weights.load(&named).unwrap();
    weights
}

/// One flat gradient as a tensor per parameter.
pub fn by_parameter<'a>(layout: &'a Layout, flat: &Tensor) -> Vec<(&'a str, Tensor)> {
    let parts = layout.parameters.iter().map(|parameter| {
        let part = parameter.of(flat);
        (parameter.name.as_str(), part)
    });
    parts.collect()
}

/// Norm of each tensor, and its product with its probe.
pub fn summary<'a>(named: impl IntoIterator<Item = (&'a str, Tensor)>) -> (Vec<f64>, Vec<f64>) {
    let figures = named.into_iter().map(|(name, tensor)| {
        let tensor = tensor.to_kind(Kind::Double);
        let probe = formula(&format!("probe.{name}"), &tensor.size(), 1.0, 0.0);
        (
            tensor.square().sum(Kind::Double).sqrt().double_value(&[]),
            (tensor * probe).sum(Kind::Double).double_value(&[]),
        )
    });
    figures.unzip()
}

/// Asserts norms and probes against the reference, relative to `max(norm, 1e-3 * largest norm)`.
pub fn assert_summary(what: &str, (norms, probes): (Vec<f64>, Vec<f64>), expected: [&Tensor; 2], tolerance: f64) {
    let [expected_norms, expected_probes] = expected.map(values);
    assert_eq!(norms.len(), expected_norms.len(), "{what}");
    let largest = expected_norms.iter().fold(0.0f64, |a, &b| a.max(b));
    for index in 0..norms.len() {
        let scale = expected_norms[index].max(1e-3 * largest);
        let norm = (norms[index] - expected_norms[index]).abs() / scale;
        let probe = (probes[index] - expected_probes[index]).abs() / scale;
        assert!(norm <= tolerance, "{what}: norm {index} deviates by {norm}");
        assert!(probe <= tolerance, "{what}: probe {index} deviates by {probe}");
    }
}

/// Asserts a tensor against the reference, relative to the reference's largest value (at least `floor`).
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64, floor: f64) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let expected = expected.to_kind(Kind::Double);
    let scale = expected.abs().max().double_value(&[]).max(floor);
    let deviation = (found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) / scale;
    assert!(deviation <= tolerance, "{what} deviates by {deviation}");
}

#[test]
fn the_formula_is_the_scripts() {
    assert_eq!(key("input"), 0x1ebb_ae8f_5810_b65b);
    let found = values(&formula("input", &[3], 1.0, 0.0));
    assert_eq!(found, [-0.8043633103370667, 0.30472084879875183, -0.5927514433860779]);
}
