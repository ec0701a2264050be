//! What the images that are nearest to an image are labelled, as probabilities of its class; and how these and a classifier's are put
//! together. Which labels are wrong is decided in [`confident`](super::confident).

use tch::Tensor;

use crate::eval::knn::{centred, nearest};
use crate::eval::{EvalError, Features};
use crate::random::{Coordinates, Stream, rng};

/// Neighbours that vote. With these and [`TEMPERATURE`], more of STL-10's labels that were made wrong came first than with 20 or 200 (docs/experiments.md).
const NEIGHBOURS: usize = 50;
/// A vote weighs exp(cosine similarity / temperature), as in `evaluate.knn_temperature`.
const TEMPERATURE: f64 = 0.07;
/// Votes that each class has beforehand: no class is impossible.
const BEFOREHAND: f64 = 0.1;
/// Neighbours are looked for among so many images, drawn at random where there are more.
const AMONG: usize = 20_000;
/// The smallest probability that is multiplied with.
const LEAST: f64 = 1e-9;
/// So many steps from one opinion alone to the other.
const WEIGHTS: u32 = 10;

/// The share of each class among the labels of an image's nearest others, weighted, with a little for every class; cosine similarities are
/// those of [`centred`] vectors. Weights that differ count for fewer votes ([`Tally::probabilities`]).
///
/// # Shapes
/// float64 `[images, classes]`, row by row; each row's sum is 1.
///
/// # Errors
/// There are no vectors, or they hold NaN or infinity.
pub(super) fn votes(features: &Features, classes: usize, seed: u64) -> Result<Vec<f64>, EvalError> {
    let images = features.labels.len();
    let vectors = centred(&features.vectors);
    let among: Vec<usize> = if images > AMONG {
        let mut random = rng(seed, Stream::Split, Coordinates { view: 4, ..Coordinates::default() });
        rand::seq::index::sample(&mut random, images, AMONG).into_vec()
    } else {
        (0..images).collect()
    };
    let rows: Vec<i64> = among.iter().map(|&row| row as i64).collect();
    let bank = vectors.index_select(0, &Tensor::from_slice(&rows).to_device(vectors.device()));
    let found = nearest(&bank, &vectors, NEIGHBOURS + 1)?;
    let mut all = Vec::with_capacity(images * classes);
    for (own, found) in found.into_iter().enumerate() {
        let mut tally = Tally { weights: vec![0.0; classes], squares: 0.0 };
        let others = found.into_iter().filter(|(place, _)| among[*place] != own).take(NEIGHBOURS);
        for (place, similarity) in others {
            tally.add(usize::from(features.labels[among[place]]), similarity);
        }
        all.extend(tally.probabilities());
    }
    Ok(all)
}

/// Votes for one image.
struct Tally {
    weights: Vec<f64>,
    squares: f64,
}

impl Tally {
    fn add(&mut self, class: usize, similarity: f64) {
        // Similarities are at most 1, so that nothing overflows.
        let weight = ((similarity - 1.0) / TEMPERATURE).exp();
        self.weights[class] += weight;
        self.squares += weight * weight;
    }

    /// So many equal votes are as good as the weighted ones (Kish 1965, Survey Sampling, section 11.7), and come to those that each class
    /// has beforehand.
    fn probabilities(self) -> Vec<f64> {
        let classes = self.weights.len() as f64;
        let total: f64 = self.weights.iter().sum();
        let votes = if self.squares > 0.0 { total * total / self.squares } else { 0.0 };
        let share = |weight: f64| if total > 0.0 { weight / total } else { 0.0 };
        let of = |weight| (votes * share(weight) + BEFOREHAND) / (votes + BEFOREHAND * classes);
        self.weights.into_iter().map(of).collect()
    }
}

/// Two opinions on each image as one: the product of their powers `weight` and one minus that, scaled to a sum of 1 (the logarithmic opinion pool:
/// Genest and Zidek 1986). A class that one of them rules out stays ruled out, whatever its weight.
///
/// # Shapes
/// Both `[images, classes]`, row by row; `weight` is that of the first, 0-1.
fn pooled_by(one: &[f64], other: &[f64], classes: usize, weight: f64) -> Vec<f64> {
    let mut all = Vec::with_capacity(one.len());
    for (one, other) in one.chunks_exact(classes).zip(other.chunks_exact(classes)) {
        let of = |(&a, &b): (&f64, &f64)| match a == 0.0 || b == 0.0 {
            true => 0.0,
            false => (weight * a.max(LEAST).ln() + (1.0 - weight) * b.max(LEAST).ln()).exp(),
        };
        let row: Vec<f64> = one.iter().zip(other).map(of).collect();
        let sum: f64 = row.iter().sum();
        all.extend(row.into_iter().map(|value| value / sum.max(f64::MIN_POSITIVE)));
    }
    all
}

/// Two opinions on each image as one, the weights such that the labels, which neither saw, are the most probable (stacking: Wolpert 1992). Which of
/// the two knows more depends on the encoder and the data.
///
/// # Shapes
/// Both `[images, classes]`, row by row; a label for each image.
pub(super) fn pooled(one: &[f64], other: &[f64], labels: &[u16], classes: usize) -> Vec<f64> {
    let likelihood = |pool: &[f64]| -> f64 {
        let rows = pool.chunks_exact(classes).zip(labels);
        rows.map(|(row, &label)| row[usize::from(label)].max(LEAST).ln()).sum()
    };
    let pools = (0..=WEIGHTS).map(|step| pooled_by(one, other, classes, f64::from(step) / f64::from(WEIGHTS)));
    let best = pools.map(|pool| (likelihood(&pool), pool)).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, pool)| pool).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_others_vote_and_an_image_does_not_vote_for_itself() {
        // Two heaps of three around opposite directions; in the first, one label is wrong.
        let vectors = Tensor::from_slice2(&[[9.0f32, 1.0], [9.0, 1.1], [9.1, 1.0], [1.0, 9.0], [1.1, 9.0], [1.0, 9.1]]);
        let features = Features { vectors, labels: vec![0, 0, 1, 1, 1, 1] };
        let found = votes(&features, 3, 0).unwrap();
        for row in found.chunks_exact(3) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12 && row[2] > 0.0 && row[2] < 0.05, "{row:?}");
        }
        // Of the wrong one, both near ones are of class 0; of the others in its heap, one of each.
        assert!(found[2 * 3] > 0.85, "{found:?}");
        assert!((found[0] - 0.5).abs() < 0.1 && found[3 * 3 + 1] > 0.85, "{found:?}");
    }

    #[test]
    fn votes_of_different_weight_count_for_fewer() {
        let mut tally = Tally { weights: vec![0.0; 2], squares: 0.0 };
        tally.add(0, 0.5);
        tally.add(0, 0.5);
        tally.add(1, 0.5);
        // Three votes: (2 + 0.1) / 3.2.
        assert!((tally.probabilities()[0] - 2.1 / 3.2).abs() < 1e-12);
        let mut tally = Tally { weights: vec![0.0; 2], squares: 0.0 };
        tally.add(0, 1.0);
        tally.add(1, -1.0);
        // The second weighs nothing: one vote, (1 + 0.1) / 1.2.
        assert!((tally.probabilities()[0] - 1.1 / 1.2).abs() < 1e-9);
        assert_eq!(Tally { weights: vec![0.0; 4], squares: 0.0 }.probabilities(), [0.25; 4]);
    }

    #[test]
    fn opinions_are_pooled_by_their_geometric_mean() {
        let found = pooled_by(&[0.9, 0.1, 0.0], &[0.4, 0.4, 0.2], 3, 0.5);
        // sqrt(0.36), sqrt(0.04): 0.6 and 0.2 of 0.8.
        assert!((found[0] - 0.75).abs() < 1e-12 && (found[1] - 0.25).abs() < 1e-12 && found[2] == 0.0, "{found:?}");
    }

    #[test]
    fn the_opinion_that_knows_the_labels_weighs_more() {
        let (knows, guesses) = ([0.9, 0.1, 0.2, 0.8], [0.5, 0.5, 0.5, 0.5]);
        let near = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(&pooled(&knows, &guesses, &[0, 1], 2), &knows));
        assert!(near(&pooled(&guesses, &knows, &[0, 1], 2), &knows));
        // Both know one label: together they know more than either.
        let both = pooled(&[0.9, 0.1, 0.5, 0.5], &[0.5, 0.5, 0.1, 0.9], &[0, 1], 2);
        assert!(both[0] > 0.7 && both[3] > 0.7, "{both:?}");
        assert!(pooled(&[], &[], &[], 2).is_empty());
    }
}
