//! Typical and different images, for few labels: TypiClust (Hacohen, Dekel and Weinshall 2022, arXiv 2202.02794, section 3.2). No
//! classifier is asked.

use tch::{Kind, Tensor};

use super::clusters::{Clusters, Draw, kmeans};
use super::{largest, rows_of, values_of};

/// Clusters at most (the paper's appendix D).
const MOST_CLUSTERS: usize = 500;
/// A cluster of so few images or fewer is passed over, where there are larger ones: it may hold outliers alone (likewise).
const SMALL: usize = 5;
/// Nearest neighbours whose distance says how typical an image is (section 3.2); half of the cluster's images where that is less.
const NEIGHBOURS: usize = 20;

/// Chooses `count` images: the vectors are divided into as many clusters as there are labels and images to choose, and of the clusters
/// with the fewest labels, largest first, the most typical image is taken. An image is the more typical the smaller its mean distance to
/// its nearest neighbours within the cluster is. Fewer come where fewer are without a label.
///
/// `labelled` are rows that have a label, `barred` rows that may not be chosen, those with a label included.
///
/// # Shapes
/// `vectors` is float32 `[images, features]`, rows of length 1, as in the paper; [`Chooser`](super::choice::Chooser) takes the mean of all away first.
pub fn typical(vectors: &Tensor, labelled: &[usize], barred: &[bool], count: usize, draw: Draw) -> Vec<usize> {
    let clusters = (labelled.len() + count).min(MOST_CLUSTERS);
    let found = kmeans(vectors, clusters, draw);
    choose(vectors, &found, labelled, barred, count)
}

/// The most typical images of clusters.
fn choose(vectors: &Tensor, clusters: &Clusters, labelled: &[usize], barred: &[bool], count: usize) -> Vec<usize> {
    let mut labels = vec![0; clusters.centers.size()[0] as usize];
    labelled.iter().for_each(|&row| labels[clusters.of_rows[row]] += 1);
    let mut members = clusters.members();
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_key(|&cluster| (labels[cluster], std::cmp::Reverse(members[cluster].len())));
    let (large, small): (Vec<usize>, Vec<usize>) = order.into_iter().partition(|&one| members[one].len() > SMALL);
    members.iter_mut().for_each(|rows| rows.retain(|&row| !barred[row]));
    let mut chosen = Vec::new();
    // Round by round, one of each; of the small ones only when nothing else is left.
    for mut order in [large, small] {
        while chosen.len() < count {
            order.retain(|&cluster| !members[cluster].is_empty());
            if order.is_empty() {
                break;
            }
            for &cluster in order.iter().take(count - chosen.len()) {
                let rows = &mut members[cluster];
                if let Some(place) = most_typical(&rows_of(vectors, rows)) {
                    chosen.push(rows.remove(place));
                }
            }
        }
    }
    chosen
}

/// The row with the smallest mean distance to its nearest neighbours among the others.
fn most_typical(rows: &Tensor) -> Option<usize> {
    largest(typicality(rows).into_iter())
}

/// The inverse of each row's mean distance to its nearest neighbours: the 20 nearest, or half as many as there are rows.
///
/// # Shapes
/// `rows` is float32 `[images, features]`.
pub fn typicality(rows: &Tensor) -> Vec<f32> {
    let _guard = tch::no_grad_guard();
    let count = rows.size()[0];
    if count < 2 {
        return vec![0.0; count as usize];
    }
    let neighbours = (NEIGHBOURS as i64).min(count / 2).max(1);
    let lengths = super::clusters::squared_lengths(rows);
    let turned = rows.transpose(0, 1);
    let mut found = Vec::new();
    for (number, chunk) in rows.split(1024, 0).into_iter().enumerate() {
        let own = lengths.narrow(0, 1024 * number as i64, chunk.size()[0]).unsqueeze(1);
        let squared = (own + &lengths - chunk.mm(&turned) * 2.0).clamp_min(0.0);
        // The nearest of all is the row itself.
        let (nearest, _) = squared.topk(neighbours + 1, 1, false, true);
        let mean = nearest.narrow(1, 1, neighbours).sqrt().mean_dim([1i64].as_slice(), false, Kind::Float);
        found.extend(values_of(&mean).into_iter().map(|distance| 1.0 / distance.max(f32::MIN_POSITIVE)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_heap_is_typical() {
        // On a line at 0, 1, 2, 3, 10: two neighbours each. Means: 1.5, 1, 1, 1.5, 7.5.
        let rows = Tensor::from_slice2(&[[0.0f32], [1.0], [2.0], [3.0], [10.0]]);
        let found = typicality(&rows);
        let expected = [1.0 / 1.5, 1.0, 1.0, 1.0 / 1.5, 1.0 / 7.5];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?}");
        assert_eq!(most_typical(&rows), Some(1));
        assert_eq!((typicality(&rows.narrow(0, 0, 1)), most_typical(&rows.narrow(0, 0, 0))), (vec![0.0], None));
    }

    /// Heaps of 13, 9 and 8 images on a line, each densest at one image, and two images by themselves.
    fn heaps() -> Tensor {
        let steps = |from: i32, to: i32| (from..=to).map(|step| (step * step.abs()) as f32);
        let mut at: Vec<[f32; 1]> = steps(-6, 6).map(|step| [step]).collect();
        at.extend(steps(-4, 4).map(|step| [100.0 + step]));
        at.extend(steps(-4, 3).map(|step| [200.0 + step]));
        at.extend([[400.0], [401.0]]);
        Tensor::from_slice2(&at)
    }

    #[test]
    fn the_largest_clusters_without_a_label_come_first() {
        let vectors = heaps();
        let clusters = Clusters {
            centers: Tensor::from_slice2(&[[0.0f32], [100.0], [198.0], [400.5]]),
            of_rows: [vec![0; 13], vec![1; 9], vec![2; 8], vec![3; 2]].concat(),
            inertia: 0.0,
        };
        let free = vec![false; 32];
        // Six neighbours of thirteen, four of nine and of eight: the middles.
        assert_eq!(choose(&vectors, &clusters, &[], &free, 3), [6, 17, 26]);
        // With a label in the largest, it comes after those without one, and before the small one.
        let mut barred = free.clone();
        barred[6] = true;
        assert_eq!(choose(&vectors, &clusters, &[6], &barred, 2), [17, 26]);
        let three = choose(&vectors, &clusters, &[6], &barred, 3);
        assert!(three[2] < 13 && three[2] != 6, "{three:?}");
        // More than there are clusters: round by round. The small one is taken where nothing else is left.
        let all = choose(&vectors, &clusters, &[], &free, 32);
        let mut sorted = all.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..32).collect::<Vec<_>>());
        assert!(all[30..].iter().all(|row| *row >= 30), "{all:?}");
        assert!(choose(&vectors, &clusters, &[], &[true; 32], 3).is_empty());
    }

    #[test]
    fn choices_are_a_function_of_the_seed() {
        let vectors = heaps();
        for seed in 0..10 {
            let draw = Draw { seed, number: 0 };
            let found = typical(&vectors, &[], &[false; 32], 3, draw);
            assert_eq!(found.len(), 3);
            assert_eq!(found, typical(&vectors, &[], &[false; 32], 3, draw));
        }
    }
}
