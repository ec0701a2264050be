//! Vectors in two dimensions, to be looked at: their two principal axes. Nothing is judged by it.

use tch::{Kind, Tensor};

use super::{EvalError, finite_matrix};

/// Vectors on the plane of their two principal axes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plane {
    /// One place per vector.
    pub places: Vec<[f64; 2]>,
    /// The share of all variance that lies along each axis, 0-1. What the plane does not show is the rest.
    pub variance: [f64; 2],
}

/// Lays vectors, divided by their norm as k-NN evaluation compares them, onto the plane in which they vary most (principal
/// component analysis). The direction of an axis is chosen so that its largest coefficient is positive.
///
/// # Shapes
/// `vectors` is `[images, features]` on any device.
///
/// # Errors
/// There are no vectors, or one holds NaN or infinity.
pub fn principal_plane(vectors: &Tensor) -> Result<Plane, EvalError> {
    finite_matrix("test vectors", vectors)?;
    let _guard = tch::no_grad_guard();
    let vectors = vectors.to_device(tch::Device::Cpu).to_kind(Kind::Double);
    let norms = vectors.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Double).sqrt();
    let unit = &vectors / norms.clamp_min(f64::MIN_POSITIVE);
    let centered = &unit - unit.mean_dim([0i64].as_slice(), true, Kind::Double);
    let (rows, columns) = (centered.size()[0], centered.size()[1]);
    let covariance = centered.transpose(0, 1).f_matmul(&centered)? / rows as f64;
    // Eigenvalues come in rising order.
    let (values, axes) = covariance.f_linalg_eigh("L")?;
    let total = values.clamp_min(0.0).sum(Kind::Double).double_value(&[]);
    let mut places = vec![[0.0; 2]; rows as usize];
    let mut variance = [0.0; 2];
    for axis in 0..2.min(columns) {
        let direction = axes.select(1, columns - 1 - axis);
        let largest = direction.abs().argmax(0, false);
        let direction = &direction * direction.index_select(0, &largest.view(1)).sign();
        let along: Vec<f64> = Vec::try_from(centered.f_matmul(&direction)?)?;
        for (place, along) in places.iter_mut().zip(along) {
            place[axis as usize] = along;
        }
        let value = values.double_value(&[columns - 1 - axis]).max(0.0);
        variance[axis as usize] = if total > 0.0 { value / total } else { 0.0 };
    }
    Ok(Plane { places, variance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_those_of_largest_variance() {
        // Unit vectors around the first axis that sway widely along the second and little along the third.
        let rows: Vec<[f32; 3]> = [-0.4f32, -0.2, 0.0, 0.2, 0.4]
            .iter()
            .flat_map(|&wide| [-0.1f32, 0.1].map(|small| [(1.0 - wide * wide - small * small).sqrt(), wide, small]))
            .collect();
        // Their length must not matter.
        let plane = principal_plane(&(Tensor::from_slice2(&rows) * 7.0)).unwrap();
        for (place, row) in plane.places.iter().zip(&rows) {
            assert!((place[0] - f64::from(row[1])).abs() < 1e-6, "{place:?} {row:?}");
            assert!((place[1] - f64::from(row[2])).abs() < 1e-3, "{place:?} {row:?}");
        }
        assert!(
            plane.variance[0] > 0.8 && plane.variance[0] + plane.variance[1] <= 1.0 + 1e-12,
            "{:?}",
            plane.variance
        );
    }

    #[test]
    fn few_or_equal_vectors_lie_at_one_place() {
        let one = principal_plane(&Tensor::from_slice2(&[[3.0f32]])).unwrap();
        assert_eq!((one.places, one.variance), (vec![[0.0, 0.0]], [0.0, 0.0]));
        let equal = principal_plane(&Tensor::ones([4, 3], (Kind::Float, tch::Device::Cpu))).unwrap();
        assert!(equal.places.iter().flatten().all(|along| along.abs() < 1e-12));
        assert!(principal_plane(&Tensor::from_slice2(&[[f32::NAN]])).is_err());
    }
}
