//! BYOL's loss (paper, section 3.1, equation 2 and Algorithm 1) and the classifier's.

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

/// Mean cross-entropy of logits `[batch, classes]` and class indices `[batch]` (int64), a scalar.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Tensor {
    let logits = if logits.kind() == Kind::Double { logits.shallow_clone() } else { logits.to_kind(Kind::Float) };
    logits.cross_entropy_loss::<Tensor>(labels, None, tch::Reduction::Mean, NO_IGNORED_LABEL, 0.0)
}

/// Mean over images of the cross-entropy of logits `[batch, classes]` and probabilities `[batch, classes]`, a scalar.
pub fn soft_cross_entropy(logits: &Tensor, probabilities: &Tensor) -> Tensor {
    let logits = if logits.kind() == Kind::Double { logits.shallow_clone() } else { logits.to_kind(Kind::Float) };
    let log_softmax = logits.log_softmax(-1, None::<Kind>);
    -(log_softmax * probabilities).sum_dim_intlist([-1i64].as_slice(), false, None).mean(None)
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

    #[test]
    fn soft_cross_entropy_by_hand() {
        // softmax(0, ln 3) is (1/4, 3/4).
        let logits = Tensor::from_slice(&[0.0, 3f64.ln(), 0.0, 3f64.ln()]).view([2, 2]);
        let targets = Tensor::from_slice(&[0.5, 0.5, 0.0, 1.0]).view([2, 2]);
        let expected = -(0.5 * 0.25f64.ln() + 0.5 * 0.75f64.ln() + 0.75f64.ln()) / 2.0;
        let found = soft_cross_entropy(&logits, &targets).double_value(&[]);
        assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        // Of certain targets it is the other one.
        let certain = soft_cross_entropy(&logits, &Tensor::from_slice(&[1.0, 0.0, 0.0, 1.0]).view([2, 2]));
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
