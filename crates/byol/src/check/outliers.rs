//! Images that are unlike all others: far from their nearest neighbours.

use tch::Tensor;

use crate::eval::EvalError;
use crate::eval::knn::nearest;
use crate::random::{Coordinates, Stream, rng};

/// Nearest neighbours whose mean distance counts.
const NEIGHBOURS: usize = 10;
/// Neighbours are looked for among so many images, drawn at random where there are more: all pairs would take hours.
const AMONG: usize = 20_000;
/// So many interquartile ranges above the third quartile an image is an outlier: Tukey's outer fence (Tukey 1977, Exploratory Data
/// Analysis, chapter 2).
const FENCE: f64 = 3.0;
/// ... and only if it is so many times as far away as is usual: among images that are all equally far, rounding makes no outliers.
const LEAST_TIMES: f64 = 2.0;
/// Distances below this are rounding of similarities in float32.
const ROUNDING: f64 = 1e-5;
/// With fewer images quartiles say little.
const LEAST_IMAGES: usize = 20;

/// The rows whose mean distance to their ten nearest others lies beyond the outer fence of all rows' distances, and is at least twice the
/// median, with this distance as a multiple of the median; the farthest first. A distance is one minus the cosine similarity.
///
/// # Shapes
/// `vectors` is `[images, features]`.
///
/// # Errors
/// There are no vectors, or they hold NaN or infinity.
pub fn outliers(vectors: &Tensor, seed: u64) -> Result<Vec<(usize, f64)>, EvalError> {
    let images = vectors.size()[0] as usize;
    if images < LEAST_IMAGES {
        return Ok(Vec::new());
    }
    let distances = distances(vectors, seed)?;
    let mut sorted = distances.clone();
    sorted.sort_by(f64::total_cmp);
    let quartile = |share: f64| sorted[(share * (images - 1) as f64).round() as usize];
    let (first, median, third) = (quartile(0.25), quartile(0.5), quartile(0.75));
    let fence = (third + FENCE * (third - first)).max(LEAST_TIMES * median).max(ROUNDING);
    let mut found: Vec<(usize, f64)> = distances
        .into_iter()
        .enumerate()
        .filter(|(_, distance)| *distance > fence)
        .map(|(row, distance)| (row, distance / median.max(f64::MIN_POSITIVE)))
        .collect();
    found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Ok(found)
}

/// The mean distance of each row to its nearest others.
fn distances(vectors: &Tensor, seed: u64) -> Result<Vec<f64>, EvalError> {
    let images = vectors.size()[0] as usize;
    let among: Vec<usize> = if images > AMONG {
        let mut random = rng(seed, Stream::Split, Coordinates { view: 3, ..Coordinates::default() });
        rand::seq::index::sample(&mut random, images, AMONG).into_vec()
    } else {
        (0..images).collect()
    };
    let rows: Vec<i64> = among.iter().map(|&row| row as i64).collect();
    let bank = vectors.index_select(0, &Tensor::from_slice(&rows).to_device(vectors.device()));
    let found = nearest(&bank, vectors, NEIGHBOURS + 1)?;
    let mean = |(row, found): (usize, Vec<(usize, f64)>)| {
        let others = found.into_iter().filter(|(place, _)| among[*place] != row).take(NEIGHBOURS);
        let distances: Vec<f64> = others.map(|(_, similarity)| 1.0 - similarity).collect();
        distances.iter().sum::<f64>() / distances.len().max(1) as f64
    };
    Ok(found.into_iter().enumerate().map(mean).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directions around an axis, and one away from it.
    fn cone(with: Option<[f32; 3]>) -> Tensor {
        let mut rows: Vec<[f32; 3]> = (0..60u8)
            .map(|step| {
                let (angle, width) = (f32::from(step) / 60.0 * std::f32::consts::TAU, 1.0 + f32::from(step % 7) / 20.0);
                [width * angle.cos(), width * angle.sin(), 3.0]
            })
            .collect();
        rows.extend(with);
        Tensor::from_slice2(&rows)
    }

    #[test]
    fn an_image_away_from_all_others_is_an_outlier() {
        let found = outliers(&cone(Some([0.3, 0.1, -2.0])), 0).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == 60 && found[0].1 > 100.0, "{found:?}");
        let among_alike = outliers(&cone(None), 0).unwrap();
        assert!(among_alike.is_empty(), "{among_alike:?}");
        assert!(outliers(&Tensor::ones([50, 4], (tch::Kind::Float, tch::Device::Cpu)), 0).unwrap().is_empty());
    }

    #[test]
    fn few_images_have_no_outliers() {
        assert!(outliers(&Tensor::from_slice2(&[[1.0f32, 0.0], [1.0, 0.1], [-1.0, 0.0]]), 0).unwrap().is_empty());
    }
}
