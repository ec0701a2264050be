//! Clusters of representations: k-means by Lloyd's algorithm from centres that are spread by k-means++. What clusters are for is not
//! here.

use rand::RngExt;
use rand::seq::SliceRandom;
use tch::{Kind, Tensor};

use super::{rows_of, values_of};
use crate::random::{Coordinates, Stream, rng};

/// Rounds of Lloyd's algorithm at most.
const ROUNDS: usize = 50;
/// It ends where the centres' squared moves sum to less than this share of the features' mean variance, as scikit-learn's does.
const TOLERANCE: f64 = 1e-4;
/// Centres are spread over so many rows for each, at least; of more rows, these are drawn at random.
const ROWS_PER_CENTER: usize = 10;
const LEAST_ROWS: usize = 2000;
/// Distances that are held at a time: 64 MiB of float32.
const DISTANCES_AT_ONCE: usize = 1 << 24;

/// Where the random choices of a clustering come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The seed.
    pub seed: u64,
    /// Keeps clusterings of one seed apart.
    pub number: u64,
}

/// Clusters of rows.
#[derive(Debug)]
#[non_exhaustive]
pub struct Clusters {
    /// float32 `[clusters, features]`: the mean of each cluster's rows.
    pub centers: Tensor,
    /// The cluster of each row.
    pub of_rows: Vec<usize>,
    /// The sum of squared distances from the rows to their centres.
    pub inertia: f64,
}

impl Clusters {
    /// The rows of each cluster.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.centers.size()[0] as usize];
        for (row, &cluster) in self.of_rows.iter().enumerate() {
            members[cluster].push(row);
        }
        members
    }
}

/// Divides rows into `count` clusters (as many as there are rows, where these are fewer): centres by greedy k-means++ (Arthur and Vassilvitskii 2007), then
/// [`lloyd`].
///
/// # Shapes
/// `vectors` is float32 `[images, features]`, with one row or more; `count` is 1 or more.
pub fn kmeans(vectors: &Tensor, count: usize, draw: Draw) -> Clusters {
    let rows = vectors.size()[0] as usize;
    let count = count.clamp(1, rows.max(1));
    let Draw { seed, number } = draw;
    let mut random = rng(seed, Stream::Clusters, Coordinates { index: number, ..Coordinates::default() });
    let some = (ROWS_PER_CENTER * count).max(LEAST_ROWS);
    let sampled = if rows > some {
        let mut all: Vec<usize> = (0..rows).collect();
        let (drawn, _) = all.partial_shuffle(&mut random, some);
        drawn.sort_unstable();
        rows_of(vectors, drawn)
    } else {
        vectors.shallow_clone()
    };
    let lengths = squared_lengths(&sampled);
    let first = random.random_range(0..sampled.size()[0] as usize);
    let chosen = spread(
        first,
        // As many tries as scikit-learn makes.
        [count, 2 + (count as f64).ln() as usize],
        &mut |drawn| {
            let own = rows_of(&lengths.unsqueeze(1), drawn);
            let squared = own + &lengths - rows_of(&sampled, drawn).mm(&sampled.transpose(0, 1)) * 2.0;
            row_by_row(&squared.clamp_min(0.0))
        },
        &mut random,
    );
    lloyd(vectors, &rows_of(&sampled, &chosen), None)
}

/// The rule of k-means++: after `first`, each next one is drawn with a probability that is proportional to the squared distance to the
/// nearest one so far; `distances` gives those of all to each of some. Of `tries` that are drawn for each place, the one that brings all the
/// others nearest is taken (greedy k-means++, which the paper's conclusion names: Arthur and Vassilvitskii 2007). Fewer than `count` come where all others are as good as chosen.
pub(super) fn spread(
    first: usize,
    [count, tries]: [usize; 2],
    distances: &mut dyn FnMut(&[usize]) -> Vec<Vec<f32>>,
    random: &mut impl RngExt,
) -> Vec<usize> {
    let mut chosen = vec![first];
    let mut nearest = distances(&[first]).remove(0);
    nearest[first] = 0.0;
    while chosen.len() < count {
        let total: f64 = nearest.iter().map(|&distance| f64::from(distance)).sum();
        if total <= 0.0 {
            break;
        }
        let candidates: Vec<usize> =
            (0..tries.max(1)).map_while(|_| drawn(&nearest, random.random::<f64>() * total)).collect();
        let mut best: Option<(f64, usize, Vec<f32>)> = None;
        for (&next, mut with) in candidates.iter().zip(distances(&candidates)) {
            with.iter_mut().zip(&nearest).for_each(|(other, &near)| *other = other.min(near));
            with[next] = 0.0;
            let left = with.iter().map(|&distance| f64::from(distance)).sum();
            if best.as_ref().is_none_or(|&(least, _, _)| left < least) {
                best = Some((left, next, with));
            }
        }
        let Some((_, next, with)) = best else { break };
        nearest = with;
        chosen.push(next);
    }
    chosen
}

/// The rows of a matrix.
pub(super) fn row_by_row(matrix: &Tensor) -> Vec<Vec<f32>> {
    let columns = (matrix.size()[1] as usize).max(1);
    values_of(matrix).chunks_exact(columns).map(<[f32]>::to_vec).collect()
}

/// The place at which the sum of the distances up to it exceeds `left`.
fn drawn(distances: &[f32], mut left: f64) -> Option<usize> {
    let place = distances.iter().position(|&distance| {
        left -= f64::from(distance);
        left < 0.0 && distance > 0.0
    });
    // Rounding may leave nothing at the end.
    place.or_else(|| distances.iter().rposition(|&distance| distance > 0.0))
}

/// Lloyd's algorithm from given centres (Lloyd 1982): each row belongs to the nearest centre, and each centre is the mean of its rows,
/// weighted by `weights` where there are some. A cluster that loses all rows is put where the row that is farthest from its centre
/// stands.
///
/// # Shapes
/// `vectors` float32 `[images, features]`, `centers` float32 `[clusters, features]`, `weights` float32 `[images]`, each above zero.
pub fn lloyd(vectors: &Tensor, centers: &Tensor, weights: Option<&Tensor>) -> Clusters {
    let _guard = tch::no_grad_guard();
    let enough = TOLERANCE * vectors.var_dim([0i64].as_slice(), false, false).mean(Kind::Double).double_value(&[]);
    let ones = Tensor::ones([vectors.size()[0]], (Kind::Float, vectors.device()));
    let weights = weights.unwrap_or(&ones);
    let weighted = vectors * weights.unsqueeze(1);
    let mut centers = centers.copy();
    let (mut nearest, mut distances) = assign(vectors, &centers);
    for _ in 0..ROUNDS {
        let moved = means(&weighted, weights, &nearest, &distances, &centers);
        let shift = (&moved - &centers).square().sum(Kind::Double).double_value(&[]);
        centers = moved;
        let (next, near) = assign(vectors, &centers);
        let still = next == nearest;
        (nearest, distances) = (next, near);
        if still || shift <= enough {
            break;
        }
    }
    let of_rows =
        Vec::<i64>::try_from(&nearest).unwrap_or_default().into_iter().map(|cluster| cluster as usize).collect();
    Clusters { centers, of_rows, inertia: distances.sum(Kind::Double).double_value(&[]) }
}

/// The nearest centre of each row, int64 `[images]`, and the squared distance to it, float32 `[images]`.
fn assign(vectors: &Tensor, centers: &Tensor) -> (Tensor, Tensor) {
    let of_centers = squared_lengths(centers);
    let turned = centers.transpose(0, 1);
    let chunk = (DISTANCES_AT_ONCE / centers.size()[0].max(1) as usize).max(1) as i64;
    let (mut nearest, mut distances) = (Vec::new(), Vec::new());
    for rows in vectors.split(chunk, 0) {
        let (least, place) = (&of_centers - rows.mm(&turned) * 2.0).min_dim(1, false);
        distances.push((least + squared_lengths(&rows)).clamp_min(0.0));
        nearest.push(place);
    }
    (Tensor::cat(&nearest, 0), Tensor::cat(&distances, 0))
}

/// The weighted mean of each cluster's rows.
fn means(weighted: &Tensor, weights: &Tensor, nearest: &Tensor, distances: &Tensor, centers: &Tensor) -> Tensor {
    let sums = centers.zeros_like().index_add(0, nearest, weighted);
    let counts = Tensor::zeros([centers.size()[0]], (Kind::Float, centers.device())).index_add(0, nearest, weights);
    let means = sums / counts.clamp_min(f64::from(f32::MIN_POSITIVE)).unsqueeze(1);
    let empty: Vec<usize> =
        values_of(&counts).iter().enumerate().filter(|(_, count)| **count <= 0.0).map(|(place, _)| place).collect();
    if !empty.is_empty() {
        let farthest = distances.argsort(0, true);
        for (place, cluster) in empty.into_iter().enumerate() {
            let row = farthest.int64_value(&[place as i64]);
            let (at, weight) = (weighted.get(row), weights.double_value(&[row]));
            means.get(cluster as i64).copy_(&(at / weight));
        }
    }
    means
}

pub(super) fn squared_lengths(rows: &Tensor) -> Tensor {
    rows.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(rows: &[[f32; 2]]) -> Tensor {
        Tensor::from_slice2(rows)
    }

    #[test]
    fn two_heaps_are_two_clusters() {
        let vectors = points(&[[0.0, 0.0], [0.0, 2.0], [10.0, 0.0], [10.0, 2.0], [10.0, 4.0]]);
        let found = lloyd(&vectors, &points(&[[0.0, 1.0], [1.0, 1.0]]), None);
        // From these centres all but two rows are of the second at first: means (0, 1) and (10, 2).
        assert_eq!(found.of_rows, [0, 0, 1, 1, 1]);
        assert_eq!(values_of(&found.centers), [0.0, 1.0, 10.0, 2.0]);
        // 1 + 1 and 4 + 0 + 4.
        assert_eq!(found.inertia, 10.0);
        assert_eq!(found.members(), [vec![0, 1], vec![2, 3, 4]]);
    }

    #[test]
    fn weights_pull_the_centre() {
        let vectors = points(&[[0.0, 0.0], [4.0, 0.0]]);
        let found = lloyd(&vectors, &points(&[[1.0, 0.0]]), Some(&Tensor::from_slice(&[3.0f32, 1.0])));
        assert_eq!(values_of(&found.centers), [1.0, 0.0]);
    }

    #[test]
    fn a_cluster_without_rows_takes_the_farthest_one() {
        let vectors = points(&[[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]);
        let found = lloyd(&vectors, &points(&[[1.0, 0.0], [50.0, 0.0]]), None);
        assert_eq!(found.of_rows, [0, 0, 1]);
        assert_eq!(values_of(&found.centers), [0.5, 0.0, 9.0, 0.0]);
    }

    #[test]
    fn clusters_are_found_from_any_seed_and_the_same_from_one() {
        let mut rows = Vec::new();
        for row in 0..60u16 {
            let (heap, jitter) = (f32::from(row % 3), f32::from(row % 7) / 10.0);
            rows.push([20.0 * heap + jitter, 10.0 * heap * heap - jitter]);
        }
        let vectors = points(&rows);
        for seed in 0..20 {
            let found = kmeans(&vectors, 3, Draw { seed, number: 0 });
            let first: Vec<usize> = (0..3).map(|heap| found.of_rows[heap]).collect();
            assert!((0..60).all(|row| found.of_rows[row] == first[row % 3]), "seed {seed}: {:?}", found.of_rows);
            assert_eq!(found.of_rows, kmeans(&vectors, 3, Draw { seed, number: 0 }).of_rows);
        }
    }

    #[test]
    fn there_are_no_more_clusters_than_rows() {
        let vectors = points(&[[0.0, 0.0], [1.0, 1.0]]);
        let found = kmeans(&vectors, 9, Draw { seed: 0, number: 0 });
        assert_eq!((found.centers.size()[0], found.inertia), (2, 0.0));
        // Of equal rows one is a centre.
        let found = kmeans(&points(&[[1.0, 1.0], [1.0, 1.0]]), 2, Draw { seed: 0, number: 0 });
        assert_eq!(found.of_rows, [0, 0]);
    }

    #[test]
    fn the_next_centre_is_drawn_by_squared_distance() {
        // From the first of 0, 1, 3: probabilities 1/10 and 9/10.
        let at = [0.0f32, 1.0, 3.0];
        let drawn = |seed: u64| {
            let mut random = rng(seed, Stream::Clusters, Coordinates::default());
            let mut distances = |rows: &[usize]| {
                rows.iter().map(|&row| at.iter().map(|value| (value - at[row]).powi(2)).collect()).collect()
            };
            spread(0, [2, 1], &mut distances, &mut random)[1]
        };
        let far = (0..1000).filter(|&seed| drawn(seed) == 2).count();
        assert!((870..=930).contains(&far), "{far} of 1000");
    }

    /// What is left of the squared distances after three centres, over many draws.
    #[test]
    fn of_several_tries_the_best_is_taken() {
        let at: Vec<f32> = (0..100).map(|row| if row < 98 { (row % 10) as f32 } else { 20.0 }).collect();
        let squared = |one: usize, other: usize| (at[one] - at[other]).powi(2);
        let left = |seed: u64, tries: usize| -> f32 {
            let mut random = rng(seed, Stream::Clusters, Coordinates::default());
            let mut distances = |centers: &[usize]| {
                centers.iter().map(|&center| (0..100).map(|row| squared(row, center)).collect()).collect()
            };
            let centers = spread(4, [3, tries], &mut distances, &mut random);
            let nearest = |row: usize| centers.iter().map(|&center| squared(row, center)).fold(f32::MAX, f32::min);
            (0..100).map(nearest).sum()
        };
        let [once, often] = [1, 8].map(|tries| (0..200).map(|seed| left(seed, tries)).sum::<f32>() / 200.0);
        assert!(often < 0.9 * once, "{often} and {once}");
    }
}
