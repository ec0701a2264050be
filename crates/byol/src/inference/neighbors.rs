//! The rows of a matrix that point most nearly in the direction of another one.

use super::npy::Matrix;

/// A row and the cosine of the angle between it and what was asked for, -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Neighbor {
    /// The row of the matrix, from 0.
    pub row: usize,
    /// The cosine, -1 to 1.
    pub similarity: f64,
}

/// The `count` rows nearest to `query` by cosine similarity, nearest first; of equally near ones the first row first. A row
/// of zeros, or one that holds NaN, points nowhere and is nobody's neighbour.
///
/// # Shapes
/// `query` has a value for each column.
pub fn nearest(matrix: &Matrix, query: &[f32], count: usize) -> Vec<Neighbor> {
    let length = dot(query, query).sqrt();
    let rows = matrix.values.chunks_exact(matrix.columns.max(1)).enumerate();
    let similar = rows
        .map(|(row, values)| Neighbor { row, similarity: dot(values, query) / (length * dot(values, values).sqrt()) });
    let mut neighbors: Vec<Neighbor> = similar.filter(|neighbor| neighbor.similarity.is_finite()).collect();
    neighbors.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    neighbors.truncate(count);
    neighbors
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_direction_counts_and_not_the_length() {
        let values = vec![0.0, 2.0, 3.0, 4.0, 0.0, 0.0, -1.0, 0.0, 30.0, 40.0, f32::NAN, 1.0];
        let found = nearest(&Matrix { columns: 2, values }, &[6.0, 8.0], 9);
        let rows: Vec<usize> = found.iter().map(|neighbor| neighbor.row).collect();
        assert_eq!(rows, [1, 4, 0, 3]);
        for (neighbor, expected) in found.iter().zip([1.0, 1.0, 0.8, -0.6]) {
            assert!((neighbor.similarity - expected).abs() < 1e-12, "{neighbor:?}");
        }
        assert_eq!(nearest(&Matrix { columns: 2, values: vec![1.0, 0.0] }, &[0.0, 0.0], 1), []);
    }
}
