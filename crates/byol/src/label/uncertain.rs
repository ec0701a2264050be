//! Images that the classifier is unsure of, and that differ from each other: margins with clusters, and BADGE.

use rand::RngExt;
use tch::{Kind, Tensor};

use super::clusters::{Draw, kmeans, lloyd, row_by_row, spread};
use super::{largest, rows_of, values_of};
use crate::random::{Coordinates, Stream, rng};

/// So many images with the smallest margins are divided into clusters for each that is chosen (Zhdanov 2019, arXiv 1901.05954,
/// section 4: between 10 and 50).
const UNSURE_PER_CHOICE: usize = 10;

/// The difference between the highest and the second highest probability of each row, 0-1.
///
/// # Shapes
/// `probabilities` is float32 `[images, classes]`, of two classes or more.
pub fn margins(probabilities: &Tensor) -> Vec<f32> {
    let (highest, _) = probabilities.topk(2.min(probabilities.size()[1]), 1, true, true);
    match highest.size()[1] {
        2 => values_of(&(highest.select(1, 0) - highest.select(1, 1))),
        _ => values_of(&highest.select(1, 0)),
    }
}

/// Chooses `count` rows: of the tenfold number with the smallest margins, divided into `count` clusters in which a row weighs the more
/// the smaller its margin is, the one nearest to each centre (Zhdanov 2019, arXiv 1901.05954). Fewer come where there are fewer.
///
/// # Shapes
/// `probabilities` float32 `[images, classes]`, of the rows that may be chosen; `vectors` gives float32 `[rows, features]` for some of these.
pub fn margin(vectors: &dyn Fn(&[usize]) -> Tensor, probabilities: &Tensor, count: usize, draw: Draw) -> Vec<usize> {
    let _guard = tch::no_grad_guard();
    let margins = margins(probabilities);
    let mut order: Vec<usize> = (0..margins.len()).collect();
    let by_margin = |&a: &usize, &b: &usize| margins[a].total_cmp(&margins[b]).then(a.cmp(&b));
    let wanted = UNSURE_PER_CHOICE * count;
    if wanted < order.len() {
        // Of a large pool all but a few need no order.
        order.select_nth_unstable_by(wanted, by_margin);
        order.truncate(wanted);
    }
    order.sort_by(by_margin);
    if order.len() <= count {
        return order;
    }
    let rows = vectors(&order);
    // A certain answer still weighs something, so that no cluster is without weight.
    let weights: Vec<f32> = order.iter().map(|&row| (1.0 - margins[row]).max(1e-3)).collect();
    let begun = kmeans(&rows, count, draw);
    let clusters = lloyd(&rows, &begun.centers, Some(&Tensor::from_slice(&weights)));
    let mut chosen: Vec<usize> = Vec::new();
    for (cluster, members) in clusters.members().into_iter().enumerate() {
        let center = clusters.centers.get(cluster as i64);
        let distances =
            (rows_of(&rows, &members) - center).square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
        chosen.extend(
            largest(values_of(&distances).into_iter().map(|distance| -distance)).map(|place| order[members[place]]),
        );
    }
    // Clusters that lost their rows leave room.
    let rest: Vec<usize> = order.into_iter().filter(|row| !chosen.contains(row)).take(count - chosen.len()).collect();
    chosen.extend(rest);
    chosen
}

/// Chooses `count` rows by BADGE (Ash, Zhang, Krishnamurthy, Langford and Agarwal 2020, arXiv 1906.03671, algorithm 1): k-means++ on the
/// gradients that the last layer would have, were the classifier's own answers the labels. The first is the one with the largest
/// gradient, as in the authors' program.
///
/// # Shapes
/// float32 `[images, features]` and `[images, classes]`: of the rows that may be chosen.
pub fn badge(vectors: &Tensor, probabilities: &Tensor, count: usize, draw: Draw) -> Vec<usize> {
    let _guard = tch::no_grad_guard();
    // A row's gradient is the outer product of its errors and its vector; products of such are products of products.
    let answers = probabilities.argmax(1, false).one_hot(probabilities.size()[1]).to_kind(Kind::Float);
    let errors = probabilities - answers;
    let squares = |rows: &Tensor| rows.square().sum_dim_intlist([1i64].as_slice(), false, Kind::Float);
    let lengths = squares(&errors) * squares(vectors);
    let Some(first) = largest(values_of(&lengths).into_iter()) else { return Vec::new() };
    let mut random = rng(draw.seed, Stream::Choice, Coordinates { index: draw.number, ..Coordinates::default() });
    let rows = vectors.size()[0] as usize;
    let mut chosen = spread(
        first,
        [count.min(rows), 1],
        &mut |drawn| {
            let [errors_of, vectors_of, lengths_of] =
                [&errors, vectors, &lengths.unsqueeze(1)].map(|of| rows_of(of, drawn));
            let products = errors_of.mm(&errors.transpose(0, 1)) * vectors_of.mm(&vectors.transpose(0, 1));
            row_by_row(&(lengths_of + &lengths - products * 2.0).clamp_min(0.0))
        },
        &mut random,
    );
    // Where all others are as certain as can be, any will do.
    while chosen.len() < count.min(rows) {
        let any = random.random_range(0..rows);
        if !chosen.contains(&any) {
            chosen.push(any);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAW: Draw = Draw { seed: 0, number: 0 };

    #[test]
    fn a_margin_is_the_distance_of_the_two_best() {
        let found = margins(&Tensor::from_slice2(&[[0.5f32, 0.3, 0.2], [0.1, 0.1, 0.8], [0.25, 0.5, 0.25]]));
        let expected = [0.2f32, 0.7, 0.25];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        assert_eq!(margins(&Tensor::from_slice2(&[[1.0f32], [1.0]])), [1.0, 1.0]);
    }

    /// Rows 0 to 19 are unsure, in two heaps; rows 20 to 29 are certain.
    fn two_heaps() -> (Tensor, Tensor) {
        let (mut vectors, mut probabilities) = (Vec::new(), Vec::new());
        for row in 0..30u8 {
            let at = f32::from(row % 2) * 10.0 + f32::from(row) / 100.0;
            vectors.push([at, 1.0]);
            let sure = if row < 20 { 0.5 + f32::from(row) / 1000.0 } else { 0.99 };
            probabilities.push([sure, 1.0 - sure]);
        }
        (Tensor::from_slice2(&vectors), Tensor::from_slice2(&probabilities))
    }

    #[test]
    fn unsure_images_of_different_clusters_are_chosen() {
        let (vectors, probabilities) = two_heaps();
        let of = |rows: &[usize]| rows_of(&vectors, rows);
        let found = margin(&of, &probabilities, 2, DRAW);
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|&row| row < 20) && found[0] % 2 != found[1] % 2, "{found:?}");
        assert_eq!(found, margin(&of, &probabilities, 2, DRAW));
        let mut all = margin(&of, &probabilities, 40, DRAW);
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<_>>(), "all where so many are wanted");
    }

    #[test]
    fn gradients_far_apart_are_chosen() {
        let (vectors, probabilities) = two_heaps();
        // The largest gradient: an even row has the vector (0, 1) nearly, an odd one (10, 1); row 1 is the least sure of these.
        for seed in 0..20 {
            let found = badge(&vectors, &probabilities, 3, Draw { seed, number: 0 });
            assert_eq!(found.len(), 3);
            assert!(found[0] % 2 == 1 && found[0] < 20, "{found:?}");
        }
        // The first is far from everything that is certain or small: the next is nearly always of those.
        let second =
            (0..50).filter(|&seed| badge(&vectors, &probabilities, 2, Draw { seed, number: 0 })[1].is_multiple_of(2));
        assert!(second.count() > 20);
        let certain = Tensor::from_slice2(&[[1.0f32, 0.0]; 5]);
        let mut all = badge(&vectors.narrow(0, 0, 5), &certain, 9, DRAW);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
