//! The health of a representation without labels: how widely its vectors spread, and whether two views of one image
//! stay together. Nothing here judges; what counts as collapsed is decided in `train::monitor`.

use tch::{Device, Kind, Tensor};

use super::{EvalError, finite_matrix, same_count};
use crate::loss::normalize;
pub use crate::run::record::Spread;
use crate::statistics::StatisticsError;

/// Added to each singular value's share (RankMe, equation 1).
const RANK_EPSILON: f64 = 1e-7;
/// Exponent and temperature of alignment and uniformity: the defaults of Wang and Isola.
const UNIFORMITY_TEMPERATURE: f64 = 2.0;

/// Measures vectors of two views of the same images.
///
/// # Shapes
/// Both `[images, size]`, floating point, at least two images.
///
/// # Errors
/// A value is NaN or infinite, or the shapes do not fit.
pub fn spread(first: &Tensor, second: &Tensor) -> Result<Spread, EvalError> {
    Ok(Spread {
        deviation: deviation(first)?,
        effective_rank: effective_rank(first)?,
        alignment: alignment(first, second)?,
        uniformity: uniformity(first)?,
    })
}

/// Mean over dimensions of the standard deviation of l2-normalised vectors, times the square root of their size: about 1
/// when they spread evenly over the sphere, 0 when they have collapsed to a point (as in SimSiam, arXiv 2011.10566,
/// section 4.1).
///
/// # Shapes
/// `[images, size]`, at least two images.
///
/// # Errors
/// As [`spread`].
pub fn deviation(vectors: &Tensor) -> Result<f64, EvalError> {
    let (_, size) = several("vectors", vectors)?;
    let deviation = normalize(vectors).std_dim([0i64].as_slice(), true, false).mean(None);
    Ok(deviation.double_value(&[]) * (size as f64).sqrt())
}

/// RankMe: the exponential of the entropy of the normalised singular values, 1 to the smaller side of the matrix
/// (Garrido et al. 2023, arXiv 2210.02885, equation 1). The vectors are neither normalised nor centred.
///
/// # Shapes
/// `[images, size]`, at least two images.
///
/// # Errors
/// As [`spread`].
pub fn effective_rank(vectors: &Tensor) -> Result<f64, EvalError> {
    several("vectors", vectors)?;
    let (_, values, _) = vectors.to_device(Device::Cpu).to_kind(Kind::Double).f_svd(true, false)?;
    let total = values.sum(Kind::Double);
    if total.double_value(&[]) == 0.0 {
        return Ok(1.0);
    }
    let shares = values / total + RANK_EPSILON;
    Ok((-(&shares * shares.log()).sum(Kind::Double).double_value(&[])).exp())
}

/// Mean squared distance of the l2-normalised vectors of two views of an image, 0 (together) to 4 (Wang and Isola 2020,
/// arXiv 2005.10242, section 4.1, alpha = 2).
///
/// # Shapes
/// Both `[images, size]`.
///
/// # Errors
/// As [`spread`].
pub fn alignment(first: &Tensor, second: &Tensor) -> Result<f64, EvalError> {
    let (rows, size) = several("vectors of the first views", first)?;
    let (found, other) = several("vectors of the second views", second)?;
    same_count("vectors of the second views", found, "vectors of the first views", rows)?;
    if size != other {
        let (what, against) = ("vectors of the second views", "vectors of the first views");
        return Err(EvalError::Width { what, found: other, against, expected: size });
    }
    let distance = (normalize(first) - normalize(second)).square().sum_dim_intlist([1i64].as_slice(), false, None);
    Ok(distance.mean(None).double_value(&[]))
}

/// Logarithm of the mean over pairs of images of exp(-2 d²) of their l2-normalised vectors: 0 when all are one point, about
/// -4 when they spread evenly (Wang and Isola 2020, arXiv 2005.10242, section 4.1, t = 2).
///
/// # Shapes
/// `[images, size]`, at least two images.
///
/// # Errors
/// As [`spread`].
pub fn uniformity(vectors: &Tensor) -> Result<f64, EvalError> {
    several("vectors", vectors)?;
    let distances = normalize(vectors).to_kind(Kind::Double).pdist(2.0);
    Ok((distances.square() * -UNIFORMITY_TEMPERATURE).exp().mean(None).log().double_value(&[]))
}

fn several(what: &'static str, vectors: &Tensor) -> Result<(usize, usize), EvalError> {
    match finite_matrix(what, vectors)? {
        (1, _) => {
            Err(StatisticsError::Setting { name: "number of vectors", value: "1".into(), expected: "at least 2" }
                .into())
        }
        size => Ok(size),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} and {expected}");
    }

    #[test]
    fn a_point_has_collapsed() {
        let point = Tensor::from_slice2(&[[3.0f32, 4.0], [6.0, 8.0], [0.3, 0.4]]);
        close(deviation(&point).unwrap(), 0.0);
        assert!((effective_rank(&point).unwrap() - 1.0).abs() < 1e-4);
        close(uniformity(&point).unwrap(), 0.0);
        close(alignment(&point, &point).unwrap(), 0.0);
    }

    #[test]
    fn a_cross_by_hand() {
        // Unit vectors along both axes and against them: each dimension holds 1, 0, -1, 0.
        let cross = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]);
        close(deviation(&cross).unwrap(), (2.0f64 / 3.0).sqrt() * 2f64.sqrt());
        assert!((effective_rank(&cross).unwrap() - 2.0).abs() < 1e-4);
        // Of six pairs, four are at a squared distance of 2 and two at 4.
        close(uniformity(&cross).unwrap(), ((4.0 * (-4.0f64).exp() + 2.0 * (-8.0f64).exp()) / 6.0).ln());
        let turned = Tensor::from_slice2(&[[0.0f32, 5.0], [-5.0, 0.0], [0.0, -5.0], [5.0, 0.0]]);
        close(alignment(&cross, &turned).unwrap(), 2.0);
    }

    #[test]
    fn bad_vectors_are_named() {
        let damaged = Tensor::from_slice2(&[[1.0f32, 0.0], [f32::NAN, 1.0]]);
        assert!(effective_rank(&damaged).unwrap_err().to_string().contains("NaN"));
        let one = Tensor::from_slice2(&[[1.0f32, 0.0]]);
        assert!(deviation(&one).unwrap_err().to_string().contains("at least 2"));
        let three = Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 1.0], [1.0, 1.0]]);
        let two = three.narrow(0, 0, 2);
        assert!(alignment(&three, &two).is_err());
    }
}
