//! Choosing penalties, small budgets and bad input. Values against scikit-learn are in the integration tests.

use super::*;
use rand::RngExt;

use crate::random::{Coordinates, Stream, rng};

/// Three classes around three centres, features of different scale, one of them constant.
fn features(labels: &[u16], noise: f64) -> Features {
    let mut random = rng(0, Stream::Split, Coordinates::default());
    let mut row = |label: u16| {
        let center = [[2.0, 0.0], [0.0, 2.0], [-2.0, -2.0]][usize::from(label)];
        let mut near = |value: f64| value + noise * (random.random::<f64>() + random.random::<f64>() - 1.0);
        [near(center[0]) as f32, (1000.0 * near(center[1])) as f32, near(0.0) as f32, 0.1]
    };
    let rows: Vec<[f32; 4]> = labels.iter().map(|&label| row(label)).collect();
    Features { vectors: Tensor::from_slice2(&rows), labels: labels.to_vec() }
}

fn per_class(count: usize) -> Vec<u16> {
    (0..3 * count).map(|row| (row % 3) as u16).collect()
}

fn options(l2: &[f64]) -> LinearOptions {
    LinearOptions { l2: l2.to_vec(), folds: 5, seed: 0 }
}

#[test]
fn separable_classes_are_told_apart() {
    let train = features(&per_class(20), 0.5);
    let model = fit_linear(&train, 3, &options(&[1.0, 1e-2, 1e-6])).unwrap();
    assert_eq!(model.predict(&train.vectors).unwrap(), train.labels);
    assert_eq!(model.chosen(), Chosen::L2(1.0), "all penalties separate the classes, and the strongest wins");
    let constant = model.weights().narrow(0, 3, 1).abs().max().double_value(&[]);
    assert!(constant < 1e-6, "a constant feature has weight {constant}");
}

#[test]
fn a_penalty_that_hides_the_classes_is_not_chosen() {
    // Class 0 has most images, and at an enormous penalty the bias alone decides.
    let labels: Vec<u16> = (0..60).map(|row| [0, 0, 0, 1, 2][row % 5]).collect();
    let train = features(&labels, 0.5);
    let model = fit_linear(&train, 3, &options(&[1e6, 1e-3])).unwrap();
    assert_eq!(model.chosen(), Chosen::L2(1e-3));
    let hidden = fit_linear(&train, 3, &options(&[1e6])).unwrap();
    assert!(hidden.predict(&train.vectors).unwrap().iter().all(|&class| class == 0));
}

#[test]
fn the_gradient_vanishes_at_the_fit() {
    let train = features(&per_class(30), 6.0);
    for l2 in [10.0, 1e-2, 1e-5] {
        let model = fit_linear(&train, 3, &options(&[l2])).unwrap();
        let rows = (train.vectors.to_kind(Kind::Double) - &model.mean) / &model.deviation;
        let labels: Vec<i64> = train.labels.iter().map(|&label| i64::from(label)).collect();
        let surplus = model.scores(&train.vectors).unwrap().softmax(1, Kind::Double)
            - Tensor::from_slice(&labels).one_hot(3).to_kind(Kind::Double);
        let gradient = rows.transpose(0, 1).mm(&surplus) / labels.len() as f64 + model.weights() * l2;
        assert!(gradient.abs().max().double_value(&[]) < 1e-6, "l2={l2}");
        assert!(surplus.sum_dim_intlist([0i64].as_slice(), false, Kind::Double).abs().max().double_value(&[]) < 1e-5);
    }
}

#[test]
fn one_label_per_class_takes_the_middle_penalty() {
    let train = features(&per_class(1), 0.1);
    assert_eq!(fit_linear(&train, 3, &options(&[1e-4, 1.0, 1e-2])).unwrap().chosen(), Chosen::L2(1e-2));
    assert_eq!(fit_linear(&train, 3, &options(&[1e-4, 1.0, 1e-2, 1e-6])).unwrap().chosen(), Chosen::L2(1e-2));
}

#[test]
fn few_labels_make_fewer_folds_and_a_lone_image_is_kept() {
    let sizes = |labels: &[u16], folds_asked| {
        let options = LinearOptions { folds: folds_asked, ..options(&[1.0]) };
        let folds = folds(labels, &options).unwrap().unwrap();
        let mut all = folds.concat();
        all.sort_unstable();
        (folds.len(), all)
    };
    assert_eq!(sizes(&per_class(2), 5), (2, (0..6).collect()));
    assert_eq!(sizes(&per_class(9), 5), (5, (0..27).collect()));
    assert_eq!(sizes(&[0, 1, 0, 2, 2], 5), (2, vec![0, 2, 3, 4]));
    assert!(fit_linear(&features(&[0, 1, 0, 2, 2], 0.1), 3, &options(&[1.0, 0.1])).is_ok());
}

#[test]
fn a_class_without_images_is_never_predicted() {
    let train = features(&[0, 2, 0, 2, 0, 2], 0.1);
    let model = fit_linear(&train, 5, &options(&[0.1])).unwrap();
    assert_eq!(model.predict(&train.vectors).unwrap(), train.labels);
    let bias: Vec<f64> = Vec::try_from(model.bias().flatten(0, -1)).unwrap();
    let absent: Vec<usize> = (0..5).filter(|&class| bias[class] == f64::NEG_INFINITY).collect();
    assert_eq!(absent, [1, 3, 4]);
}

#[test]
fn bad_input_is_named() {
    let good = features(&per_class(4), 0.5);
    let message = |train: &Features, options: &LinearOptions| fit_linear(train, 3, options).unwrap_err().to_string();
    assert!(message(&good, &options(&[])).starts_with("there are no penalties"));
    for penalty in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(message(&good, &options(&[1.0, penalty])).starts_with("l2 cannot be"));
    }
    assert!(message(&good, &LinearOptions { folds: 1, ..options(&[1.0]) }).starts_with("folds cannot be 1"));
    let one_class = Features { vectors: good.vectors.shallow_clone(), labels: vec![1; 12] };
    assert!(message(&one_class, &options(&[1.0])).starts_with("all 12 labelled images are of class 1"));
    let unequal = Features { vectors: good.vectors.shallow_clone(), labels: per_class(3) };
    assert!(message(&unequal, &options(&[1.0])).starts_with("there are 9 training labels but 12 training vectors"));
    let damaged = Features { vectors: &good.vectors / 0.0, labels: good.labels.clone() };
    assert!(message(&damaged, &options(&[1.0])).starts_with("row 0 of the training vectors holds NaN"));
    let none = Features { vectors: good.vectors.narrow(0, 0, 0), labels: Vec::new() };
    assert!(message(&none, &options(&[1.0])).starts_with("there are no training vectors"));

    let model = fit_linear(&good, 3, &options(&[1.0])).unwrap();
    let narrow = model.predict(&good.vectors.narrow(1, 0, 2)).unwrap_err().to_string();
    assert!(narrow.starts_with("vectors have 2 columns but the training vectors have 4"), "{narrow}");
    assert!(model.scores(&(&good.vectors * f64::NAN)).is_err());
}

#[test]
fn a_refit_ends_where_a_fit_from_nothing_ends() {
    let labels = per_class(30);
    let train = features(&labels, 6.0);
    let few = Features { vectors: train.vectors.narrow(0, 0, 20), labels: labels[..20].to_vec() };
    for l2 in [1.0, 1e-2, 1e-4] {
        let earlier = fit_linear(&few, 3, &options(&[l2])).unwrap();
        let expected = fit_linear(&train, 3, &options(&[l2])).unwrap();
        let found = refit_linear(&train, 3, l2, &earlier).unwrap();
        let difference = (found.weights() - expected.weights()).abs().max().double_value(&[]);
        assert!(difference < 1e-5, "l2={l2}: {difference}");
        assert_eq!(found.chosen(), Chosen::L2(l2));
    }
}

#[test]
fn a_refit_takes_in_a_class_that_the_earlier_model_did_not_know() {
    let (labels, all) = (per_class(10), per_class(20));
    let of_two: Vec<usize> = (0..30).filter(|&row| labels[row] < 2).collect();
    let rows: Vec<i64> = of_two.iter().map(|&row| row as i64).collect();
    let train = features(&all, 0.5);
    let few = Features {
        vectors: train.vectors.index_select(0, &Tensor::from_slice(&rows)),
        labels: of_two.iter().map(|&row| all[row]).collect(),
    };
    // Whether the earlier one had a place for the class or not.
    for classes in [2, 3] {
        let earlier = fit_linear(&few, classes, &options(&[1e-2])).unwrap();
        let found = refit_linear(&train, 3, 1e-2, &earlier).unwrap();
        assert_eq!(found.predict(&train.vectors).unwrap(), all);
    }
    let narrow = Features { vectors: train.vectors.narrow(1, 0, 2), labels: all.clone() };
    let earlier = fit_linear(&narrow, 3, &options(&[1e-2])).unwrap();
    let message = refit_linear(&train, 3, 1e-2, &earlier).unwrap_err().to_string();
    assert!(message.contains("the earlier model's weights have 2 columns"), "{message}");
}

#[test]
fn probabilities_are_the_softmax_of_the_scores() {
    let train = features(&per_class(20), 6.0);
    let model = fit_linear(&train, 4, &options(&[1e-2])).unwrap();
    let expected = model.scores(&train.vectors).unwrap().softmax(1, Kind::Double);
    let found = model.probabilities(&train.vectors).unwrap();
    assert!((found.to_kind(Kind::Double) - expected).abs().max().double_value(&[]) < 1e-5);
}

/// Each row's probabilities are those of a model that is fitted without it.
#[test]
fn leaving_one_out_leaves_its_label_out() {
    let labels = per_class(6);
    let train = features(&labels, 6.0);
    let found = out_of_fold(&train, 3, 0.1, labels.len(), 0).unwrap();
    assert_eq!(found.rows, (0..labels.len()).collect::<Vec<_>>());
    // With the label of one row changed, its own probabilities stay, and others' change.
    let mut other = labels.clone();
    other[4] = (labels[4] + 1) % 3;
    let changed = Features { vectors: train.vectors.shallow_clone(), labels: other };
    let again = out_of_fold(&changed, 3, 0.1, labels.len(), 0).unwrap();
    let difference = (&found.probabilities - &again.probabilities).abs().amax([1i64], false);
    let difference = Vec::<f64>::try_from(difference).unwrap();
    assert!(difference[4] < 1e-4, "{difference:?}");
    assert!(difference.iter().enumerate().all(|(row, change)| row == 4 || *change > 1e-3), "{difference:?}");
}

#[test]
fn the_only_image_of_a_class_is_never_held_out() {
    let mut labels = per_class(6);
    labels.push(3);
    let mut rows = Vec::new();
    for (row, &label) in labels.iter().enumerate() {
        rows.push([row as f32, f32::from(label), (row * row % 7) as f32]);
    }
    let train = Features { vectors: Tensor::from_slice2(&rows), labels: labels.clone() };
    for folds in [3, labels.len()] {
        let found = out_of_fold(&train, 5, 1e-2, folds, 0).unwrap();
        assert_eq!(found.rows, (0..labels.len() - 1).collect::<Vec<_>>());
        let sums =
            Vec::<f64>::try_from(found.probabilities.sum_dim_intlist([1i64].as_slice(), false, Kind::Double)).unwrap();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-12), "{sums:?}");
        assert_eq!(found.probabilities.select(1, 4).abs().max().double_value(&[]), 0.0);
        let validation = found.validation(&labels).unwrap().unwrap();
        assert_eq!(validation.images, 18);
        assert!(validation.right > 9, "{validation:?}");
    }
}
