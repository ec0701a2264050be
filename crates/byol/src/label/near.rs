//! The images of a large pool that are nearest to one, exactly: a query reads every row once where it lies. On two cores that is a fraction of
//! a second for 1,000,000 rows of 512 numbers (`byol bench label --set-size 1000000`), about as long as a person looks at a page; so there is no
//! index that would answer approximately, and none to be made first.

use tch::{Kind, Tensor};

use super::clusters::squared_lengths;
use super::values_of;

/// Rows whose lengths are measured at a time.
const ROWS_AT_ONCE: i64 = 16_384;

/// A pool, and what is found once of its rows.
#[derive(Debug)]
pub struct Near {
    vectors: Tensor,
    /// `[features]`.
    mean: Tensor,
    /// One by the length of each row without the mean, `[images]`; 0 for the mean itself.
    inverse: Tensor,
}

impl Near {
    /// # Shapes
    /// `vectors` is float32 `[images, features]`, with one row or more; it is shared, not copied. 4 bytes are kept for each image.
    pub fn of(vectors: &Tensor) -> Near {
        let _guard = tch::no_grad_guard();
        let mean = vectors.mean_dim([0i64].as_slice(), false, Kind::Float);
        let lengths: Vec<Tensor> =
            vectors.split(ROWS_AT_ONCE, 0).into_iter().map(|rows| squared_lengths(&(rows - &mean)).sqrt()).collect();
        let lengths = Tensor::cat(&lengths, 0);
        let inverse = lengths.reciprocal().masked_fill(&lengths.le(f64::from(f32::MIN_POSITIVE)), 0.0);
        Near { vectors: vectors.shallow_clone(), mean, inverse }
    }

    /// The `count` images that are nearest to an image of the pool, nearest first, each with its cosine similarity (-1 to 1) of rows without
    /// the mean of all; all others where there are fewer. The image itself is not among them.
    pub fn nearest(&self, image: usize, count: usize) -> Vec<(usize, f32)> {
        let _guard = tch::no_grad_guard();
        let others = (self.vectors.size()[0] - 1).max(0);
        let own = self.vectors.get(image as i64) - &self.mean;
        // (row - mean) (own - mean) without a copy of the rows.
        let products = self.vectors.mv(&own) - self.mean.dot(&own);
        let similarities = products * &self.inverse * self.inverse.get(image as i64);
        let _ = similarities.get(image as i64).fill_(f64::NEG_INFINITY);
        let (found, places) = similarities.topk((count as i64).min(others), 0, true, true);
        let places = Vec::<i64>::try_from(places).unwrap_or_default();
        places
            .into_iter()
            .zip(values_of(&found))
            .map(|(place, found)| (place as usize, found.clamp(-1.0, 1.0)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::knn::{centred, nearest};

    #[test]
    fn it_finds_what_comparing_with_all_finds() {
        tch::manual_seed(3);
        let vectors = Tensor::randn([300, 9], (Kind::Float, tch::Device::Cpu)) + 2.0;
        let near = Near::of(&vectors);
        let all = centred(&vectors);
        for image in [0, 17, 299] {
            let expected = nearest(&all, &all.narrow(0, image as i64, 1), 6).unwrap().remove(0);
            let found = near.nearest(image, 5);
            for ((place, similarity), (expected, close)) in found.iter().zip(&expected[1..]) {
                assert!(place == expected && (f64::from(*similarity) - close).abs() < 1e-4, "{found:?}");
            }
            assert_eq!((found.len(), expected[0].0), (5, image));
        }
        assert_eq!(near.nearest(4, 1000).len(), 299);
        let same = Tensor::ones([3, 2], (Kind::Float, tch::Device::Cpu));
        assert_eq!(Near::of(&same).nearest(1, 9).len(), 2, "rows that are the mean are near nothing");
        assert!(Near::of(&same.narrow(0, 0, 1)).nearest(0, 9).is_empty());
    }
}
