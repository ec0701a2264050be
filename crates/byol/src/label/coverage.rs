//! Images that stand for the most others, for few labels: ProbCover (Yehuda, Dekel, Hacohen and Weinshall 2022, arXiv 2205.11320,
//! section 4). No classifier is asked.

use tch::{Kind, Tensor};

use super::clusters::{Draw, kmeans, squared_lengths};
use super::values_of;

/// Share of the images whose neighbourhood holds images of one cluster alone, at the radius that is taken (section 4.3).
const PURITY: f64 = 0.95;
/// Rows whose distances to all are held at a time.
const ROWS_AT_ONCE: i64 = 512;

/// Which images lie near which: a graph that labels do not change, so that it is made once for a pool.
#[derive(Debug)]
pub struct Coverage {
    /// Distance below which one image covers another.
    radius: f32,
    /// Of each image, a bit for each image that it covers, itself included.
    covered: Vec<Vec<u64>>,
}

impl Coverage {
    /// Takes the largest radius at which a share of 0.95 of the images has none of another cluster within it. The clusters, by k-means,
    /// stand for the `classes` that are not known yet.
    ///
    /// # Shapes
    /// `vectors` is float32 `[images, features]`, with one row or more; memory is images² / 8 bytes.
    pub fn of(vectors: &Tensor, classes: usize, draw: Draw) -> Coverage {
        let _guard = tch::no_grad_guard();
        let clusters: Vec<i64> = kmeans(vectors, classes, draw).of_rows.iter().map(|&cluster| cluster as i64).collect();
        let clusters = Tensor::from_slice(&clusters);
        let mut nearest_other = Vec::new();
        for_each_chunk(vectors, vectors, |first, squared| {
            let own = clusters.narrow(0, first, squared.size()[0]).unsqueeze(1);
            let of_others = squared.masked_fill(&own.eq_tensor(&clusters), f64::INFINITY);
            nearest_other.extend(values_of(&of_others.amin([1i64], false).sqrt()));
        });
        let radius = pure_radius(nearest_other);
        Coverage { radius, covered: neighbourhoods(vectors, radius) }
    }

    /// Distance below which one image covers another.
    pub fn radius(&self) -> f32 {
        self.radius
    }

    /// Chooses `count` images one after the other: each time the one that covers the most that no labelled or chosen image covers. Where
    /// nothing is left to cover, fewer come.
    ///
    /// `labelled` are rows of the pool that have a label, `barred` rows that may not be chosen, those with a label included.
    pub fn choose(&self, labelled: &[usize], barred: &[bool], count: usize) -> Vec<usize> {
        let mut open = self.all();
        labelled.iter().for_each(|&row| remove(&mut open, &self.covered[row]));
        let mut chosen: Vec<usize> = Vec::new();
        while chosen.len() < count {
            let gains =
                (0..self.covered.len()).filter(|&row| !barred[row]).map(|row| (row, gain(&self.covered[row], &open)));
            // Of equal ones the first.
            let best = gains.fold(None, |best: Option<(usize, u32)>, (row, gain)| match best {
                Some((_, most)) if most >= gain => best,
                _ => Some((row, gain)),
            });
            match best {
                Some((row, gain)) if gain > 0 => {
                    remove(&mut open, &self.covered[row]);
                    chosen.push(row);
                }
                _ => break,
            }
        }
        chosen
    }

    /// Share of the images that these cover, 0-1.
    pub fn share(&self, labelled: &[usize]) -> f64 {
        let mut open = self.all();
        labelled.iter().for_each(|&row| remove(&mut open, &self.covered[row]));
        let left: u32 = open.iter().map(|word| word.count_ones()).sum();
        1.0 - f64::from(left) / self.covered.len().max(1) as f64
    }

    /// A bit for each image.
    fn all(&self) -> Vec<u64> {
        let mut all = vec![0; self.covered.len().div_ceil(64)];
        (0..self.covered.len()).for_each(|row| all[row / 64] |= 1 << (row % 64));
        all
    }
}

/// The largest radius within which a share of [`PURITY`] of the images has none of another cluster. Where no image has any, all cover
/// each other.
fn pure_radius(mut nearest_other: Vec<f32>) -> f32 {
    nearest_other.sort_by(f32::total_cmp);
    // So many images may have one of another cluster within the radius.
    let impure = ((1.0 - PURITY) * nearest_other.len() as f64 + 1e-9).floor() as usize;
    nearest_other.get(impure).copied().unwrap_or(f32::INFINITY)
}

/// Of each row, a bit for each row that is nearer than the radius.
fn neighbourhoods(vectors: &Tensor, radius: f32) -> Vec<Vec<u64>> {
    let mut found = Vec::new();
    let count = vectors.size()[0] as usize;
    let mut bytes = Vec::new();
    for_each_chunk(vectors, vectors, |first, squared| {
        // A row covers itself, whatever rounding makes of the distance.
        let near = squared.sqrt().lt(f64::from(radius)).to_kind(Kind::Uint8).contiguous();
        bytes.resize(near.numel(), 0u8);
        let values = bytes.len();
        near.copy_data(&mut bytes, values);
        for (place, row) in bytes.chunks_exact(count.max(1)).enumerate() {
            let mut bits = vec![0u64; count.div_ceil(64)];
            for (column, _) in row.iter().enumerate().filter(|(_, near)| **near > 0) {
                bits[column / 64] |= 1 << (column % 64);
            }
            let own = first as usize + place;
            bits[own / 64] |= 1 << (own % 64);
            found.push(bits);
        }
    });
    found
}

/// Calls `visit` with the number of the first row of a chunk and the squared distances of its rows to all `vectors`.
fn for_each_chunk(from: &Tensor, vectors: &Tensor, mut visit: impl FnMut(i64, Tensor)) {
    let (lengths, turned) = (squared_lengths(vectors), vectors.transpose(0, 1));
    for (number, rows) in from.split(ROWS_AT_ONCE, 0).into_iter().enumerate() {
        let own = squared_lengths(&rows).unsqueeze(1);
        visit(number as i64 * ROWS_AT_ONCE, (own + &lengths - rows.mm(&turned) * 2.0).clamp_min(0.0));
    }
}

fn gain(covered: &[u64], open: &[u64]) -> u32 {
    covered.iter().zip(open).map(|(covered, open)| (covered & open).count_ones()).sum()
}

fn remove(open: &mut [u64], covered: &[u64]) {
    open.iter_mut().zip(covered).for_each(|(open, covered)| *open &= !covered);
}

/// Of labelled images that are not among the graph's, those of the graph that stand for them: the nearest of each, where it lies within
/// the radius.
pub(super) fn labelled_outside(coverage: &Coverage, vectors: &Tensor, outside: &Tensor) -> Vec<usize> {
    if outside.size()[0] == 0 {
        return Vec::new();
    }
    let mut near = Vec::new();
    for_each_chunk(outside, vectors, |_, squared| {
        let (distance, place) = squared.sqrt().min_dim(1, false);
        let places = Vec::<i64>::try_from(place).unwrap_or_default();
        let within = values_of(&distance).into_iter().zip(places).filter(|(distance, _)| *distance < coverage.radius);
        near.extend(within.map(|(_, place)| place as usize));
    });
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at: &[f32]) -> Tensor {
        Tensor::from_slice(at).unsqueeze(1)
    }

    #[test]
    fn the_radius_keeps_clusters_apart() {
        // 20 images: one may have a neighbour of another cluster within the radius.
        let mut distances: Vec<f32> = (1..=20).map(|place| place as f32).collect();
        distances.reverse();
        assert_eq!(pure_radius(distances), 2.0);
        assert_eq!(pure_radius(vec![3.0, 5.0]), 3.0);
        assert_eq!(pure_radius(vec![f32::INFINITY; 4]), f32::INFINITY);
        // Two clusters 9 apart: 0, 1, 2 and 11, 12, 13. None of six may be impure.
        let vectors = line(&[0.0, 1.0, 2.0, 11.0, 12.0, 13.0]);
        assert_eq!(Coverage::of(&vectors, 2, Draw { seed: 0, number: 0 }).radius(), 9.0);
    }

    #[test]
    fn each_choice_covers_the_most_that_is_open() {
        // Within 1.5: of 0, 1, 2, 3 the two in the middle cover three; 9 and 10 cover each other; 20 itself.
        let vectors = line(&[0.0, 1.0, 2.0, 3.0, 9.0, 10.0, 20.0]);
        let coverage = Coverage { radius: 1.5, covered: neighbourhoods(&vectors, 1.5) };
        let free = [false; 7];
        assert_eq!(coverage.choose(&[], &free, 9), [1, 4, 2, 6], "nothing is left to cover after them");
        assert_eq!(coverage.choose(&[], &free, 2), [1, 4]);
        assert!((coverage.share(&[1]) - 3.0 / 7.0).abs() < 1e-12);
        // A label on 2 covers 1, 2, 3.
        let mut barred = free;
        barred[2] = true;
        assert_eq!(coverage.choose(&[2], &barred, 2), [4, 0]);
        assert!(coverage.choose(&[], &[true; 7], 2).is_empty());
    }

    #[test]
    fn labels_outside_of_the_graph_cover_through_their_nearest_image() {
        let vectors = line(&[0.0, 5.0]);
        let coverage = Coverage { radius: 1.0, covered: neighbourhoods(&vectors, 1.0) };
        assert_eq!(labelled_outside(&coverage, &vectors, &line(&[4.5, 2.0])), [1]);
        assert!(labelled_outside(&coverage, &vectors, &line(&[])).is_empty());
    }
}
