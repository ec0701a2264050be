//! Clusters, typicality and confident learning against scikit-learn and cleanlab (fixtures/label, made by `make_fixtures.py` there).

use std::collections::BTreeMap;

use byol::check::confident::{confident_classes, confident_joint, issues, thresholds};
use byol::label::clusters::lloyd;
use byol::label::typical::typicality;
use serde::Deserialize;
use tch::Tensor;

#[derive(Deserialize)]
struct Values {
    kmeans: Kmeans,
    typicality: Typicality,
    confident: Vec<Confident>,
}

#[derive(Deserialize)]
struct Kmeans {
    rows: Vec<Vec<f32>>,
    first: Vec<Vec<f32>>,
    centers: Vec<Vec<f32>>,
    clusters: Vec<usize>,
    inertia: f64,
}

#[derive(Deserialize)]
struct Typicality {
    rows: Vec<Vec<f32>>,
    typicality: BTreeMap<usize, Vec<f32>>,
}

#[derive(Deserialize)]
struct Confident {
    labels: Vec<u16>,
    probabilities: Vec<Vec<f64>>,
    thresholds: Vec<f64>,
    joint: Vec<Vec<u64>>,
    off_diagonal: Vec<usize>,
    issues: Vec<usize>,
    self_confidence: Vec<f64>,
}

fn values() -> Values {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/label/label.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn matrix(rows: &[Vec<f32>]) -> Tensor {
    Tensor::from_slice(&rows.concat()).view([rows.len() as i64, rows[0].len() as i64])
}

#[test]
fn lloyds_algorithm_ends_where_scikit_learns_does() {
    let Kmeans { rows, first, centers, clusters, inertia } = values().kmeans;
    let found = lloyd(&matrix(&rows), &matrix(&first), None);
    assert_eq!(found.of_rows, clusters);
    let difference = (&found.centers - matrix(&centers)).abs().max().double_value(&[]);
    assert!(difference < 1e-4, "{difference}");
    assert!((found.inertia / inertia - 1.0).abs() < 1e-5, "{} {inertia}", found.inertia);
}

#[test]
fn typicality_is_the_inverse_of_scikit_learns_mean_distance() {
    let Typicality { rows, typicality: expected } = values().typicality;
    assert_eq!(expected.len(), 3);
    for (count, expected) in expected {
        let found = typicality(&matrix(&rows[..count]));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found / expected - 1.0).abs() < 1e-4, "of {count}: {found} {expected}");
        }
    }
}

#[test]
fn label_issues_are_cleanlabs() {
    let mut some = 0;
    for case in values().confident {
        let (classes, probabilities) = (case.thresholds.len(), case.probabilities.concat());
        let limits = thresholds(&probabilities, &case.labels, classes);
        for (found, expected) in limits.iter().zip(&case.thresholds) {
            assert!((found.unwrap() - expected).abs() < 1e-8, "{found:?} {expected}");
        }
        let confident = confident_classes(&probabilities, &limits);
        let mut joint = confident_joint(&case.labels, &confident, classes);
        // cleanlab's has one on the diagonal at least.
        (0..classes).for_each(|class| joint[class][class] = joint[class][class].max(1));
        assert_eq!(joint, case.joint);
        let off: Vec<usize> = (0..case.labels.len())
            .filter(|&row| confident[row].is_some_and(|class| class != case.labels[row]))
            .collect();
        assert_eq!(off, case.off_diagonal);
        let found = issues(&probabilities, &case.labels, classes);
        let mut rows: Vec<usize> = found.iter().map(|issue| issue.row).collect();
        for issue in &found {
            let expected = case.self_confidence[issue.row];
            assert!((issue.own_probability - expected).abs() < 1e-8, "{issue:?} {expected}");
        }
        let in_order = rows.windows(2).all(|pair| case.self_confidence[pair[0]] <= case.self_confidence[pair[1]]);
        assert!(in_order, "the most suspicious first");
        rows.sort_unstable();
        assert_eq!(rows, case.issues);
        some += rows.len();
    }
    assert!(some > 50, "{some} issues in all");
}
