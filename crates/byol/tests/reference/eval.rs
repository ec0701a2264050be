//! Evaluation against scikit-learn, scipy and numpy (fixtures/eval, made by `make_fixtures.py` there).

use std::path::PathBuf;

use byol::eval::Features;
use byol::eval::knn::{KnnOptions, knn, knn_votes, nearest};
use byol::eval::linear::sgd::{SgdOptions, fit_sgd};
use byol::eval::linear::{LinearOptions, fit_linear};
use byol::eval::metrics::Predictions;
use byol::statistics::significance::{BootstrapOptions, difference, mcnemar};
use byol::statistics::{Confusion, wilson};
use safetensors::SafeTensors;
use serde::Deserialize;
use tch::{Kind, Tensor};

/// Name and number of classes of each set of representations.
const CASES: [(&str, usize); 4] = [("wide", 4), ("tall", 5), ("pair", 2), ("absent", 5)];

/// How far coefficients, which reach 12, may be from scikit-learn's. Held against Newton's method, its L-BFGS is up to
/// 1.5e-5 from the optimum at the weakest penalty, ours less than 1e-6.
const COEFFICIENTS: f64 = 2e-5;

#[derive(Deserialize)]
struct Values {
    binomial: Vec<(usize, usize, f64)>,
    wilson: Vec<(u64, u64, f64, f64)>,
    top: Vec<(usize, f64)>,
    confusion: Vec<Vec<u64>>,
    calibration_error: f64,
    bootstrap: (f64, f64, f64),
}

struct Fixture(Vec<u8>);

impl Fixture {
    fn read() -> Fixture {
        Fixture(std::fs::read(folder().join("eval.safetensors")).unwrap())
    }

    /// A tensor as float64.
    fn tensor(&self, name: &str) -> Tensor {
        let view = SafeTensors::deserialize(&self.0).unwrap();
        let view = view.tensor(name).unwrap();
        let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
        let kind = match view.dtype() {
            safetensors::Dtype::F64 => Kind::Double,
            safetensors::Dtype::F32 => Kind::Float,
            safetensors::Dtype::I64 => Kind::Int64,
            safetensors::Dtype::U8 => Kind::Uint8,
            other => panic!("{name} has type {other:?}"),
        };
        Tensor::from_data_size(view.data(), &shape, kind).to_kind(Kind::Double)
    }

    fn labels(&self, name: &str) -> Vec<u16> {
        Vec::<f64>::try_from(self.tensor(name)).unwrap().into_iter().map(|label| label as u16).collect()
    }

    fn train(&self, name: &str) -> Features {
        Features {
            vectors: self.tensor(&format!("{name}/train")).to_kind(Kind::Float),
            labels: self.labels(&format!("{name}/train_labels")),
        }
    }

    fn test(&self, name: &str) -> Tensor {
        self.tensor(&format!("{name}/test")).to_kind(Kind::Float)
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/eval")
}

fn values() -> Values {
    serde_json::from_slice(&std::fs::read(folder().join("eval.json")).unwrap()).unwrap()
}

/// The classes that occur, which are those that scikit-learn knows.
fn present(values: &Tensor, labels: &[u16]) -> Tensor {
    let mut classes: Vec<i64> = labels.iter().map(|&label| i64::from(label)).collect();
    classes.sort_unstable();
    classes.dedup();
    values.index_select(1, &Tensor::from_slice(&classes))
}

fn assert_close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    assert_eq!(found.size(), expected.size(), "{what}");
    let deviation = (found - expected).abs().max().double_value(&[]);
    assert!(deviation < tolerance, "{what} deviates by {deviation:e}");
}

#[test]
fn logistic_regression_is_scikit_learns() {
    let fixture = Fixture::read();
    for (name, classes) in CASES {
        let train = fixture.train(name);
        for penalty in ["1e-4", "1e-2", "1"] {
            let what = format!("{name}/{penalty}");
            let options = LinearOptions { l2: vec![penalty.parse().unwrap()], folds: 5, seed: 0 };
            let model = fit_linear(&train, classes, &options).unwrap();
            let part = |name: &str| fixture.tensor(&format!("{what}/{name}"));
            assert_close(&present(model.weights(), &train.labels), &part("weights"), COEFFICIENTS, &what);
            assert_close(&present(model.bias(), &train.labels), &part("bias").unsqueeze(0), COEFFICIENTS, &what);
            let probabilities = model.scores(&fixture.test(name)).unwrap().softmax(1, Kind::Double);
            assert_close(&present(&probabilities, &train.labels), &part("probabilities"), 1e-5, &what);
            let known = present(&probabilities, &train.labels);
            let rest: Tensor = 1.0 - known.sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
            assert!(rest.abs().max().double_value(&[]) < 1e-12, "{what}: a class without images has probability");
        }
    }
}

#[test]
fn votes_are_scikit_learns() {
    let fixture = Fixture::read();
    for (name, classes) in CASES {
        let (train, test) = (fixture.train(name), fixture.test(name));
        for (neighbors, temperature) in [(1, 0.07), (20, 0.07), (20, 0.5), (1000, 0.2)] {
            let what = format!("{name}/knn/{neighbors}/{temperature}");
            let options = KnnOptions { neighbors, temperature };
            let votes = knn_votes(&train, &test, classes, &options).unwrap().to_kind(Kind::Double);
            let expected = fixture.tensor(&what);
            assert_close(&present(&votes, &train.labels), &expected, 1e-5, &what);
            let mut classes = train.labels.clone();
            classes.sort_unstable();
            classes.dedup();
            let expected: Vec<i64> = Vec::try_from(expected.argmax(1, false)).unwrap();
            let expected: Vec<u16> = expected.into_iter().map(|place| classes[place as usize]).collect();
            assert_eq!(knn(&train, &test, usize::from(classes[classes.len() - 1]) + 1, &options).unwrap(), expected);
        }
    }
}

#[test]
fn the_nearest_neighbour_votes_alone() {
    let fixture = Fixture::read();
    let (train, test) = (fixture.train("tall"), fixture.test("tall"));
    let found = nearest(&train.vectors, &test, 3).unwrap();
    let first: Vec<u16> = found.iter().map(|found| train.labels[found[0].0]).collect();
    assert_eq!(knn(&train, &test, 5, &KnnOptions { neighbors: 1, temperature: 0.07 }).unwrap(), first);
    assert!(found.iter().all(|found| found.len() == 3 && found.is_sorted_by(|a, b| a.1 >= b.1)));
}

#[test]
fn mcnemar_is_the_binomial_test() {
    for (only_a, only_b, p_value) in values().binomial {
        let a: Vec<u16> = (0..only_a + only_b + 5).map(|image| u16::from(image < only_a)).collect();
        let b: Vec<u16> =
            (0..only_a + only_b + 5).map(|image| u16::from((only_a..only_a + only_b).contains(&image))).collect();
        let found = mcnemar(&vec![1; a.len()], &a, &b).unwrap();
        assert_eq!((found.only_a, found.only_b), (only_a, only_b));
        assert!((found.p_value / p_value - 1.0).abs() < 1e-9, "{only_a} against {only_b}: {}", found.p_value);
    }
}

#[test]
fn wilson_intervals_are_scipys() {
    for (right, total, low, high) in values().wilson {
        let found = wilson(right, total).unwrap();
        assert!((found.0 - low).abs() < 1e-12 && (found.1 - high).abs() < 1e-12, "{right} of {total}: {found:?}");
    }
}

#[test]
fn metrics_are_scikit_learns() {
    let (fixture, values) = (Fixture::read(), values());
    let labels = fixture.labels("metrics/labels");
    let predictions = Predictions::new(&fixture.tensor("metrics/scores"), &labels).unwrap();
    for (count, share) in values.top {
        assert!((predictions.top(count) - share).abs() < 1e-12, "top {count}");
    }
    let confusion = Confusion { counts: values.confusion };
    assert_eq!(predictions.confusion(), confusion);
    assert_eq!(Confusion::new(&labels, &predictions.predicted(), 7).unwrap(), confusion);
    assert!((predictions.calibration_error(15).unwrap() - values.calibration_error).abs() < 1e-7);
}

#[test]
fn the_bootstrap_agrees_with_numpys() {
    let fixture = Fixture::read();
    let arm = |name: &str| -> Vec<Vec<bool>> {
        let rights = fixture.tensor(&format!("bootstrap/{name}"));
        let draws = rights.size()[0];
        let row = |draw| Vec::<f64>::try_from(rights.get(draw)).unwrap().into_iter().map(|right| right > 0.5).collect();
        (0..draws).map(row).collect()
    };
    let found = difference(&arm("a"), &arm("b"), &BootstrapOptions::default()).unwrap();
    let (mean, low, high) = values().bootstrap;
    assert!((found.mean - mean).abs() < 1e-12);
    // Twice the spread of such an end from 10,000 resamples.
    assert!((found.low - low).abs() < 0.003 && (found.high - high).abs() < 0.003, "{found:?}");
}

/// The classifier of the paper's linear evaluation against PyTorch's SGD (`make_sgd_fixture.py`).
#[test]
fn linear_by_sgd_is_pytorchs() {
    let train = Fixture::read().train("tall");
    let options = SgdOptions { epochs: 40, batch_size: usize::MAX, learning_rates: vec![2e-5], seed: 0 };
    let model = fit_sgd(&[train.vectors.shallow_clone()], &train.labels, 5, &options).unwrap();
    let expected = crate::formula::tensors("eval/sgd.safetensors");
    crate::formula::assert_close("weights", model.weights(), &expected["weights"], 1e-5, 0.0);
    crate::formula::assert_close("bias", model.bias(), &expected["bias"], 1e-5, 0.0);
}
