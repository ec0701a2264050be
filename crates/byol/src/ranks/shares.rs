//! Which rows of a batch are a rank's where they cannot be shared equally: the last batch of an epoch, or one of few labelled
//! images. What is a mean over rows counts each rank by its rows.

use std::ops::Range;

use super::{Place, Ranks};

/// The rows of a rank, of a batch of so many: as equal shares as there are, in the order of the ranks. Of fewer rows than ranks
/// each has all.
pub(crate) fn share_of(Place { rank, size }: Place, rows: usize) -> Range<usize> {
    if rows < size {
        return 0..rows;
    }
    rows * rank / size..rows * (rank + 1) / size
}

impl Ranks {
    /// These ranks with their shares of a batch of so many rows: [`share_of`]. Where each has all of it, it is alone.
    pub(crate) fn sharing(&self, rows: usize) -> Ranks {
        let size = self.count();
        if size == 1 || rows < size {
            return Ranks::default();
        }
        let of_each = (0..size).map(|rank| share_of(Place { rank, size }, rows).len());
        let shares = if rows.is_multiple_of(size) { None } else { Some(of_each.collect()) };
        Ranks { shares, ..self.clone() }
    }

    /// How many all ranks have together of what this one has so many of.
    pub(crate) fn over_all(&self, own: usize) -> usize {
        match &self.shares {
            Some(shares) => own / shares[self.place().rank] * shares.iter().sum::<usize>(),
            None => own * self.count(),
        }
    }

    /// What each rank's mean over its rows counts in the mean over all, in their order; 1 each of equal shares, and 1 on average.
    pub(crate) fn weights(&self) -> Vec<f64> {
        match &self.shares {
            Some(shares) => {
                let all: usize = shares.iter().sum();
                shares.iter().map(|rows| (rows * shares.len()) as f64 / all as f64).collect()
            }
            None => vec![1.0; self.count()],
        }
    }

    /// That of this rank.
    pub(crate) fn weight(&self) -> f64 {
        self.weights()[self.place().rank]
    }

    /// Whether all shares are equal.
    pub(crate) fn is_even(&self) -> bool {
        self.shares.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::testing;

    #[test]
    fn shares_follow_one_another() {
        for (rows, size) in [(12, 4), (11, 4), (4, 4), (5, 3), (2, 1)] {
            let shares: Vec<_> = (0..size).map(|rank| share_of(Place { rank, size }, rows)).collect();
            let all: Vec<usize> = shares.iter().cloned().flatten().collect();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            let lengths: Vec<usize> = shares.iter().map(ExactSizeIterator::len).collect();
            let (least, most) = (lengths.iter().min().unwrap(), lengths.iter().max().unwrap());
            assert!(*least > 0 && most - least <= 1, "{lengths:?}");
        }
        assert_eq!((0..3).map(|rank| share_of(Place { rank, size: 3 }, 2)).collect::<Vec<_>>(), [0..2, 0..2, 0..2]);
    }

    #[test]
    fn uneven_shares_have_weights() {
        testing::threads(3, |ranks| {
            let rank = ranks.place().rank;
            let uneven = ranks.sharing(8);
            assert_eq!(uneven.weights(), [0.75, 1.125, 1.125]);
            assert_eq!(uneven.weight(), uneven.weights()[rank]);
            assert!(!uneven.is_even() && ranks.sharing(9).is_even());
            let own = share_of(ranks.place(), 8).len();
            assert_eq!((uneven.over_all(7 * own), ranks.sharing(9).over_all(3)), (56, 9));
            assert!(ranks.sharing(2).is_alone());
        });
    }
}
