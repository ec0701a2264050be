//! Weighted k-nearest-neighbour classification and nearest neighbours by cosine similarity. Nothing is fitted here.

use tch::{Kind, Tensor};

use super::{EvalError, Features, ValidatedBy, Validation, finite_matrix, metrics};
use crate::statistics::StatisticsError;

/// Labelled representations of which the nearest vote.
#[derive(Debug)]
pub struct Bank {
    /// float32 `[images, features]`, each of length 1.
    pub vectors: Tensor,
    /// int64 `[images]`.
    pub labels: Tensor,
    /// Images that vote, at most.
    pub neighbors: usize,
    /// A vote weighs exp(cosine similarity / temperature).
    pub temperature: f64,
}

/// Similarities held at a time: 64 MiB of float32.
const SIMILARITIES_AT_ONCE: usize = 1 << 24;

/// How neighbours vote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KnnOptions {
    /// Training images that vote, at least 1; all of them where there are fewer.
    pub neighbors: usize,
    /// Temperature of the votes' weights, exp(similarity / temperature); above zero.
    pub temperature: f64,
}

/// The class of each test vector by the weighted votes of its nearest training vectors (Wu et al. 2018, arXiv
/// 1805.01978, section 3.4). Of classes with equally many votes the lowest index wins.
///
/// # Shapes
/// `test_vectors` is `[images, features]` on any device.
///
/// # Errors
/// As [`knn_votes`].
pub fn knn(
    train: &Features,
    test_vectors: &Tensor,
    classes: usize,
    options: &KnnOptions,
) -> Result<Vec<u16>, EvalError> {
    metrics::argmax(&knn_votes(train, test_vectors, classes, options)?)
}

/// Each class's share of the votes of the nearest training vectors, 0-1: a neighbour's vote weighs
/// exp(cosine similarity / temperature).
///
/// # Shapes
/// `test_vectors` is `[images, features]` on any device; the result is float32 `[images, classes]` on that of the
/// training vectors.
///
/// # Errors
/// A set is empty or not a matrix, holds NaN or infinity, sizes do not match, a label is not below `classes`, or an
/// option is out of its range.
pub fn knn_votes(
    train: &Features,
    test_vectors: &Tensor,
    classes: usize,
    options: &KnnOptions,
) -> Result<Tensor, EvalError> {
    let KnnOptions { neighbors, temperature } = *options;
    if neighbors == 0 {
        return Err(StatisticsError::Setting { name: "neighbors", value: "0".into(), expected: "at least 1" }.into());
    }
    if !(temperature > 0.0 && temperature.is_finite()) {
        let value = temperature.to_string();
        return Err(
            StatisticsError::Setting { name: "temperature", value, expected: "a finite number above zero" }.into()
        );
    }
    train.check(classes)?;
    let device = train.vectors.device();
    let labels: Vec<i64> = train.labels.iter().map(|&label| i64::from(label)).collect();
    let labels = Tensor::from_slice(&labels).to_device(device);
    let mut votes = Vec::new();
    for_each_chunk(&train.vectors, test_vectors, neighbors, |similarities, indices| {
        // Softmax of similarity / temperature: the weights but for a factor of the row, and they cannot overflow.
        let weights = (similarities / temperature).softmax(1, Kind::Float);
        let chunk = Tensor::zeros([weights.size()[0], classes as i64], (Kind::Float, device));
        votes.push(chunk.scatter_add(1, &labels.take(&indices), &weights));
        Ok(())
    })?;
    Ok(Tensor::cat(&votes, 0))
}

/// Vectors that are left out in turn, at most; of more, an even choice.
const LEFT_OUT: usize = 5000;

/// How the vectors do that are each classified by all the others.
///
/// # Errors
/// As [`knn_votes`].
pub fn leave_one_out(train: &Features, classes: usize, options: &KnnOptions) -> Result<Option<Validation>, EvalError> {
    train.check(classes)?;
    let rows = train.labels.len();
    if rows < 2 {
        return Ok(None);
    }
    let count = rows.min(LEFT_OUT);
    let chosen: Vec<i64> = (0..count).map(|place| (place * rows / count) as i64).collect();
    let queries = train.vectors.index_select(0, &Tensor::from_slice(&chosen).to_device(train.vectors.device()));
    let found = nearest(&train.vectors, &queries, options.neighbors + 1)?;
    let right = chosen.iter().zip(found).filter(|&(&own, ref found)| {
        let others = found.iter().filter(|(row, _)| *row as i64 != own).take(options.neighbors);
        let mut votes = vec![0.0; classes];
        for (row, similarity) in others {
            votes[usize::from(train.labels[*row])] += ((similarity - 1.0) / options.temperature).exp();
        }
        let best = (0..classes).fold(0, |best, class| if votes[class] > votes[best] { class } else { best });
        best == usize::from(train.labels[own as usize])
    });
    Ok(Some(Validation { right: right.count() as u64, images: count as u64, by: ValidatedBy::LeaveOneOut }))
}

/// Logarithms of the shares of the votes ([`knn_votes`]) by a bank of unit vectors. A share of 0 becomes the smallest number
/// that is one.
///
/// # Shapes
/// `vectors` float32 `[images, features]` on the bank's device; float32 `[images, classes]`.
pub(crate) fn log_votes(bank: &Bank, vectors: &Tensor, classes: usize) -> Tensor {
    let count = (bank.neighbors as i64).min(bank.vectors.size()[0]);
    let (similarities, indices) = unit(vectors).matmul(&bank.vectors.transpose(0, 1)).topk(count, 1, true, true);
    let weights = (similarities / bank.temperature).softmax(1, Kind::Float);
    let votes = Tensor::zeros([vectors.size()[0], classes as i64], (Kind::Float, vectors.device()));
    votes.scatter_add(1, &bank.labels.take(&indices), &weights).clamp_min(f64::from(f32::MIN_POSITIVE)).log()
}

/// Labelled representations as a bank.
///
/// # Errors
/// As [`knn_votes`].
pub fn bank(train: &Features, classes: usize, options: &KnnOptions) -> Result<Bank, EvalError> {
    train.check(classes)?;
    let labels: Vec<i64> = train.labels.iter().map(|&label| i64::from(label)).collect();
    let KnnOptions { neighbors, temperature } = *options;
    Ok(Bank { vectors: unit(&train.vectors), labels: Tensor::from_slice(&labels), neighbors, temperature })
}

/// For each query the `count` nearest of `vectors` (all where there are fewer), as their row and cosine similarity (-1
/// to 1), nearest first. A zero vector has similarity 0 to everything.
///
/// # Shapes
/// Both are `[images, features]`, on any device.
///
/// # Errors
/// A set is empty or not a matrix, holds NaN or infinity, both have different numbers of features, or `count` is zero.
pub fn nearest(vectors: &Tensor, queries: &Tensor, count: usize) -> Result<Vec<Vec<(usize, f64)>>, EvalError> {
    if count == 0 {
        return Err(StatisticsError::Setting {
            name: "number of neighbours",
            value: "0".into(),
            expected: "at least 1",
        }
        .into());
    }
    finite_matrix("training vectors", vectors)?;
    let mut found = Vec::new();
    for_each_chunk(vectors, queries, count, |similarities, indices| {
        let columns = similarities.size()[1] as usize;
        let similarities: Vec<f64> = Vec::try_from(similarities.to_kind(Kind::Double).clamp(-1.0, 1.0).flatten(0, -1))?;
        let indices: Vec<i64> = Vec::try_from(indices.flatten(0, -1))?;
        let pairs = indices.chunks_exact(columns).zip(similarities.chunks_exact(columns));
        found.extend(pairs.map(|(indices, similarities)| {
            let rows = indices.iter().map(|&index| index as usize);
            rows.zip(similarities.iter().copied()).collect::<Vec<_>>()
        }));
        Ok(())
    })?;
    Ok(found)
}

/// Calls `visit` with the highest similarities and their rows of `vectors`, both `[chunk, count]`, highest first, for
/// one chunk of queries after the other. `vectors` have been checked.
fn for_each_chunk(
    vectors: &Tensor,
    queries: &Tensor,
    count: usize,
    mut visit: impl FnMut(Tensor, Tensor) -> Result<(), EvalError>,
) -> Result<(), EvalError> {
    let (rows, width) = (vectors.size()[0] as usize, vectors.size()[1] as usize);
    let (_, found) = finite_matrix("test vectors", queries)?;
    if found != width {
        let (what, against) = ("test vectors", "training vectors");
        return Err(EvalError::Width { what, found, against, expected: width });
    }
    let _guard = tch::no_grad_guard();
    let bank = unit(vectors).transpose(0, 1);
    for chunk in queries.split((SIMILARITIES_AT_ONCE / rows).max(1) as i64, 0) {
        let similarities = unit(&chunk.to_device(vectors.device())).f_matmul(&bank)?;
        let (similarities, indices) = similarities.topk(count.min(rows) as i64, 1, true, true);
        visit(similarities, indices)?;
    }
    Ok(())
}

/// Rows without what all have in common, of length 1: the mean of all is taken away first. Representations behind a ReLU point nearly the
/// same way, and clusters of them are better told apart by what differs. A row that is the mean stays zero.
///
/// # Shapes
/// float32 `[images, features]`, as the result.
pub(crate) fn centred(vectors: &Tensor) -> Tensor {
    centred_by(vectors, &vectors.mean_dim([0i64].as_slice(), true, Kind::Float))
}

/// As [`centred`], by the mean of all where these are some: `[1, features]`.
pub(crate) fn centred_by(vectors: &Tensor, mean: &Tensor) -> Tensor {
    let vectors = vectors - mean;
    let lengths = vectors.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sqrt();
    vectors / lengths.clamp_min(f64::from(f32::MIN_POSITIVE))
}

/// Rows divided by their Euclidean norm. They are divided by their largest value first, so that no square overflows or
/// vanishes.
fn unit(vectors: &Tensor) -> Tensor {
    let vectors = vectors.to_kind(Kind::Float);
    let largest = vectors.abs().amax([1i64].as_slice(), true).clamp_min(f64::from(f32::MIN_POSITIVE));
    let vectors = vectors / largest;
    let norm = vectors.square().sum_dim_intlist([1i64].as_slice(), true, Kind::Float).sqrt();
    &vectors / norm.clamp_min(f64::from(f32::MIN_POSITIVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEAR: KnnOptions = KnnOptions { neighbors: 2, temperature: 0.07 };

    fn features(rows: &[[f32; 2]], labels: &[u16]) -> Features {
        Features { vectors: Tensor::from_slice2(rows), labels: labels.to_vec() }
    }

    #[test]
    fn nearest_by_hand() {
        let vectors = Tensor::from_slice2(&[[2.0f32, 0.0], [0.0, 1e-30], [3e30, 3e30], [0.0, 0.0], [-1.0, 0.0]]);
        let found = nearest(&vectors, &Tensor::from_slice2(&[[10.0f32, 0.0], [0.0, -1.0]]), 9).unwrap();
        let rows = |query: usize| found[query].iter().map(|(row, _)| *row).collect::<Vec<_>>();
        assert_eq!(rows(0)[..2], [0, 2]);
        assert_eq!(rows(0)[4], 4);
        for (found, expected) in found[0].iter().zip([1.0, 0.5f64.sqrt(), 0.0, 0.0, -1.0]) {
            assert!((found.1 - expected).abs() < 1e-6, "{found:?}");
        }
        assert_eq!(found[1].last().map(|(row, _)| *row), Some(1));
    }

    #[test]
    fn a_near_neighbour_outvotes_far_ones() {
        let train = features(&[[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]], &[1, 0, 0]);
        let query = Tensor::from_slice2(&[[1.0f32, 0.05]]);
        let all = |temperature| KnnOptions { neighbors: 100, temperature };
        assert_eq!(knn(&train, &query, 2, &all(0.07)).unwrap(), [1]);
        assert_eq!(knn(&train, &query, 2, &all(100.0)).unwrap(), [0]);
        let votes = knn_votes(&train, &query, 3, &all(1e-6)).unwrap();
        assert_eq!(Vec::<f32>::try_from(votes.flatten(0, -1)).unwrap(), [0.0, 1.0, 0.0]);
    }

    #[test]
    fn nobody_votes_for_itself() {
        // Two pairs, one vector of which has the other's label: of four, the first pair is right.
        let train = features(&[[1.0, 0.0], [0.99, 0.1], [0.0, 1.0], [0.1, 0.99]], &[0, 0, 0, 1]);
        let one = KnnOptions { neighbors: 1, temperature: 0.07 };
        let found = leave_one_out(&train, 2, &one).unwrap().unwrap();
        assert_eq!((found.right, found.images), (2, 4));
        let single = features(&[[1.0, 0.0]], &[0]);
        assert_eq!(leave_one_out(&single, 2, &one).unwrap(), None);
    }

    #[test]
    fn a_bank_votes_as_the_vectors_do() {
        tch::manual_seed(3);
        let vectors = Tensor::randn([30, 5], (Kind::Float, tch::Device::Cpu));
        let train = Features { vectors, labels: (0..30).map(|row| row % 3).collect() };
        let queries = Tensor::randn([7, 5], (Kind::Float, tch::Device::Cpu));
        let options = KnnOptions { neighbors: 6, temperature: 0.2 };
        let votes = knn_votes(&train, &queries, 4, &options).unwrap();
        let logits = log_votes(&bank(&train, 4, &options).unwrap(), &queries, 4);
        assert!(logits.exp().allclose(&votes, 1e-5, 1e-7, false));
        assert!(logits.isfinite().all().int64_value(&[]) == 1);
    }

    #[test]
    fn chunks_do_not_change_the_answer() {
        tch::manual_seed(0);
        let train = Tensor::randn([5000, 8], (Kind::Float, tch::Device::Cpu));
        let queries = Tensor::randn([4000, 8], (Kind::Float, tch::Device::Cpu));
        let together = nearest(&train, &queries, 3).unwrap();
        let alone = nearest(&train, &queries.narrow(0, 3999, 1), 3).unwrap();
        assert_eq!(together.len(), 4000);
        for (together, alone) in together[3999].iter().zip(&alone[0]) {
            assert!(together.0 == alone.0 && (together.1 - alone.1).abs() < 1e-6);
        }
    }

    #[test]
    fn bad_input_is_named() {
        let train = features(&[[1.0, 0.0], [0.0, 1.0]], &[0, 1]);
        let query = Tensor::from_slice2(&[[1.0f32, 0.0]]);
        let message = |train: &Features, query: &Tensor, options: KnnOptions| {
            knn(train, query, 2, &options).unwrap_err().to_string()
        };
        assert!(message(&train, &query, KnnOptions { neighbors: 0, ..NEAR }).contains("neighbors cannot be 0"));
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(message(&train, &query, KnnOptions { temperature, ..NEAR }).starts_with("temperature cannot be"));
        }
        let damaged = features(&[[1.0, 0.0], [f32::NAN, 1.0]], &[0, 1]);
        assert!(message(&damaged, &query, NEAR).starts_with("row 1 of the training vectors holds NaN"));
        let damaged = Tensor::from_slice2(&[[f32::INFINITY, 0.0]]);
        assert!(message(&train, &damaged, NEAR).starts_with("row 0 of the test vectors holds NaN"));
        let wide = Tensor::from_slice2(&[[1.0f32, 0.0, 0.0]]);
        assert!(message(&train, &wide, NEAR).starts_with("test vectors have 3 columns but training vectors have 2"));
        let unlabelled = features(&[[1.0, 0.0], [0.0, 1.0]], &[0]);
        assert!(message(&unlabelled, &query, NEAR).starts_with("there are 1 training labels but 2 training vectors"));
        let unknown = features(&[[1.0, 0.0], [0.0, 1.0]], &[0, 7]);
        assert!(message(&unknown, &query, NEAR).starts_with("training label 1 is class 7"));
        let empty = Features { vectors: train.vectors.narrow(0, 0, 0), labels: Vec::new() };
        assert!(knn(&empty, &query, 2, &NEAR).is_err());
        assert!(nearest(&train.vectors, &query, 0).is_err());
    }
}
