//! BYOL's loss (paper, section 3.1, equation 2 and Algorithm 1) and the classifier's.

use std::ops::Range;

use tch::{Kind, Tensor};

/// Mean squared distance of l2-normalised predictions and targets: `mean(2 - 2 cos(prediction, target))`, 0 to 4.
///
/// The target is taken as it is: the caller computes it without gradient. The loss of a step is the sum of this value over
/// both directions (paper, section 3.1: the loss is symmetrised).
///
/// # Shapes
/// Both `[batch, projection]`; a scalar in float32, or float64 where the inputs are.
pub fn regression(predictions: &Tensor, targets: &Tensor) -> Tensor {
    let cosine = (normalize(predictions) * normalize(targets)).sum_dim_intlist([-1i64].as_slice(), false, None);
    2.0 - 2.0 * cosine.mean(None)
}

/// Mean squared difference of predictions and targets as they are, not normalised: what the university lab used instead
/// of [`regression`].
///
/// # Shapes
/// As [`regression`].
pub fn squared_difference(predictions: &Tensor, targets: &Tensor) -> Tensor {
    let wide =
        |rows: &Tensor| if rows.kind() == Kind::Double { rows.shallow_clone() } else { rows.to_kind(Kind::Float) };
    (wide(predictions) - wide(targets)).square().mean(None)
}

/// Mean cross-entropy of which target belongs to a prediction, by their cosines divided by a temperature, times twice the
/// temperature (MoCo v3, arXiv 2104.02057, Algorithm 1): InfoNCE with the other targets of the batch as negatives.
///
/// # Shapes
/// Predictions `[n * batch, projection]`, where row `i` belongs to row `i % batch` of the targets `own`, which are `batch` of
/// all targets, `[targets, projection]`: the others are those of other processes. A scalar in float32, or float64 where the
/// inputs are.
pub fn contrastive(predictions: &Tensor, targets: &Tensor, own: Range<i64>, temperature: f64) -> Tensor {
    let cosines = normalize(predictions).matmul(&normalize(targets).transpose(0, 1));
    let (rows, batch) = (predictions.size()[0], own.end - own.start);
    let own = Tensor::arange_start(own.start, own.end, (Kind::Int64, cosines.device())).repeat([rows / batch]);
    cross_entropy(&(cosines / temperature), &own) * (2.0 * temperature)
}

/// Rows divided by their Euclidean length (at least 1e-12), in float32 or wider.
///
/// # Shapes
/// `[batch, size]` to the same.
pub fn normalize(rows: &Tensor) -> Tensor {
    let rows = if rows.kind() == Kind::Double { rows.shallow_clone() } else { rows.to_kind(Kind::Float) };
    // `norm` has the subgradient 0 at a zero row, where the square root of a sum has none.
    let length = rows.norm_scalaropt_dim(2.0, [-1i64].as_slice(), true);
    &rows / length.clamp_min(1e-12)
}

/// libtorch leaves rows of this label out; no class has it.
const NO_IGNORED_LABEL: i64 = -100;

/// Mean cross-entropy of logits `[batch, classes]` and targets, class indices `[batch]` (int64) or probabilities `[batch,
/// classes]`, a scalar.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Tensor {
    smoothed_cross_entropy(logits, targets, 0.0)
}

/// Mean cross-entropy with smoothed targets: `(1 - smoothing) * target + smoothing / classes` (Szegedy et al. 2016, arXiv
/// 1512.00567, section 7; PyTorch's `label_smoothing`).
///
/// # Shapes
/// Logits `[batch, classes]`; targets are class indices `[batch]`, int64, or probabilities `[batch, classes]` in the type of
/// the logits or float32. `smoothing` is from 0 up to, not including, 1. A scalar.
pub fn smoothed_cross_entropy(logits: &Tensor, targets: &Tensor, smoothing: f64) -> Tensor {
    let logits = if logits.kind() == Kind::Double { logits.shallow_clone() } else { logits.to_kind(Kind::Float) };
    let targets = if targets.kind() == Kind::Int64 { targets.shallow_clone() } else { targets.to_kind(logits.kind()) };
    logits.cross_entropy_loss::<Tensor>(&targets, None, tch::Reduction::Mean, NO_IGNORED_LABEL, smoothing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regression_by_hand() {
        // Same direction: 0. Opposite: 4. Orthogonal: 2.
        let predictions = Tensor::from_slice(&[1f32, 0.0, 0.0, 2.0, 3.0, 0.0]).view([3, 2]);
        let targets = Tensor::from_slice(&[5f32, 0.0, 0.0, -1.0, 0.0, 7.0]).view([3, 2]);
        let loss = regression(&predictions, &targets).double_value(&[]);
        assert!((loss - 2.0).abs() < 1e-6, "{loss}");
    }

    /// Cosines of 1 and 0, at a temperature of 1/ln 3: the own target has 3/4 of the probability.
    #[test]
    fn contrastive_by_hand() {
        let targets = Tensor::from_slice(&[2f64, 0.0, 0.0, 5.0]).view([2, 2]);
        let predictions = Tensor::from_slice(&[1f64, 0.0, 0.0, 3.0, 7.0, 0.0, 4.0, 0.0]).view([4, 2]);
        let temperature = 1.0 / 3f64.ln();
        // The last row points to the other image's target.
        let expected = -2.0 * temperature * (3.0 * 0.75f64.ln() + 0.25f64.ln()) / 4.0;
        let found = contrastive(&predictions, &targets, 0..2, temperature).double_value(&[]);
        assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
        // The same of each half, whose own target is the first or the second of all.
        let half = |image: i64| {
            let rows = Tensor::stack(&[predictions.get(image), predictions.get(2 + image)], 0);
            contrastive(&rows, &targets, image..image + 1, temperature).double_value(&[])
        };
        let mean = (half(0) + half(1)) / 2.0;
        assert!((mean - expected).abs() < 1e-12, "{mean} and {expected}");
    }

    /// Probabilities 1/8, 2/8 and 5/8.
    #[test]
    fn smoothed_cross_entropy_by_hand() {
        let logits = Tensor::from_slice(&[1f64.ln(), 2f64.ln(), 5f64.ln()]).view([1, 3]);
        let logs = [0.125f64.ln(), 0.25f64.ln(), 0.625f64.ln()];
        let last = Tensor::from_slice(&[2i64]);
        let close = |targets: &Tensor, smoothing: f64, expected: f64| {
            let found = smoothed_cross_entropy(&logits, targets, smoothing).double_value(&[]);
            assert!((found - expected).abs() < 1e-9, "{found} and {expected}");
        };
        close(&last, 0.0, -logs[2]);
        close(&last, 0.3, -(0.7 * logs[2] + 0.1 * logs.iter().sum::<f64>()));
        // A quarter of the first class, three of the last.
        let mixed = Tensor::from_slice(&[0.25f32, 0.0, 0.75]).view([1, 3]);
        let unsmoothed = 0.25 * logs[0] + 0.75 * logs[2];
        close(&mixed, 0.0, -unsmoothed);
        close(&mixed, 0.3, -(0.7 * unsmoothed + 0.1 * logs.iter().sum::<f64>()));
        assert_eq!(cross_entropy(&logits, &last), smoothed_cross_entropy(&logits, &last, 0.0));
    }

    #[test]
    fn cross_entropy_of_probabilities_by_hand() {
        // softmax(0, ln 3) is (1/4, 3/4).
        let logits = Tensor::from_slice(&[0.0, 3f64.ln(), 0.0, 3f64.ln()]).view([2, 2]);
        let targets = Tensor::from_slice(&[0.5, 0.5, 0.0, 1.0]).view([2, 2]);
        let expected = -(0.5 * 0.25f64.ln() + 0.5 * 0.75f64.ln() + 0.75f64.ln()) / 2.0;
        let found = cross_entropy(&logits, &targets).double_value(&[]);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        // Of certain targets it is the other one.
        let certain = cross_entropy(&logits, &Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0]).view([2, 2]));
        let hard = cross_entropy(&logits, &Tensor::from_slice(&[0i64, 1]));
        assert!((certain - hard).abs().double_value(&[]) < 1e-12);
    }

    #[test]
    fn regression_ignores_length_and_survives_zeros() {
        let predictions = Tensor::from_slice(&[0f32, 0.0]).view([1, 2]);
        let loss = regression(&predictions, &predictions).double_value(&[]);
        assert!((loss - 2.0).abs() < 1e-6, "{loss}");
    }
}
