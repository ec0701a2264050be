//! Sides of training images, epoch by epoch: small ones first, full ones at the end. A step on small images costs less, so that
//! the same time holds more of them (progressive learning: Tan and Le 2021, arXiv 2104.00298, section 4).

/// Sides of square training images in pixels, as a function of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    full: usize,
    first: usize,
    /// Epochs before the first one of full side.
    growing: usize,
}

/// Sides in between are multiples of it, so that a training meets few shapes.
const STEP: usize = 8;

impl Sides {
    /// `full` throughout.
    pub fn constant(full: usize) -> Sides {
        Sides { full, first: full, growing: 0 }
    }

    /// From `first` in the first of so many epochs evenly up to `full`, which the last quarter of them has. With a `first` of
    /// 0 or from `full` on, `full` throughout.
    pub fn growing(first: usize, full: usize, epochs: usize) -> Sides {
        match first == 0 || first >= full {
            true => Sides::constant(full),
            false => Sides { full, first, growing: epochs * 3 / 4 },
        }
    }

    /// The side in an epoch, counted from 0.
    pub fn at(self, epoch: usize) -> usize {
        if epoch >= self.growing {
            return self.full;
        }
        let exact = self.first + (self.full - self.first) * epoch / self.growing;
        (exact / STEP * STEP).max(self.first)
    }

    /// Pixels of an image in an epoch, counted from 0, as a share of those at the end.
    pub fn share_at(self, epoch: usize) -> f64 {
        let area = |side: usize| (side * side) as f64;
        area(self.at(epoch)) / area(self.full)
    }

    /// The side at the end.
    pub fn full(self) -> usize {
        self.full
    }

    /// Pixels of so many epochs as a share of those that they would have with the full side throughout: the share of the time
    /// too, nearly.
    pub fn share_of_pixels(self, epochs: usize) -> f64 {
        if epochs == 0 {
            return 1.0;
        }
        let grown = self.growing.min(epochs);
        let smaller: f64 = (0..grown).map(|epoch| self.share_at(epoch)).sum();
        (smaller + (epochs - grown) as f64) / epochs as f64
    }
}

impl From<usize> for Sides {
    fn from(full: usize) -> Sides {
        Sides::constant(full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_grows_evenly_and_is_full_for_the_last_quarter() {
        let sides = Sides::growing(32, 64, 16);
        let seen: Vec<usize> = (0..18).map(|epoch| sides.at(epoch)).collect();
        // 32 + 32 * epoch / 12, down to a multiple of 8.
        assert_eq!(seen, [32, 32, 32, 40, 40, 40, 48, 48, 48, 56, 56, 56, 64, 64, 64, 64, 64, 64]);
        let share =
            (3.0 * (32f64.powi(2) + 40f64.powi(2) + 48f64.powi(2) + 56f64.powi(2)) / 64f64.powi(2) + 4.0) / 16.0;
        assert!((sides.share_of_pixels(16) - share).abs() < 1e-12);
        // A first side that is no multiple of 8 is kept as it is.
        assert_eq!((0..4).map(|epoch| Sides::growing(36, 64, 4).at(epoch)).collect::<Vec<_>>(), [36, 40, 48, 64]);
    }

    #[test]
    fn without_a_smaller_side_it_is_full_throughout() {
        for sides in [Sides::from(96), Sides::growing(0, 96, 10), Sides::growing(96, 96, 10), Sides::growing(48, 96, 1)]
        {
            assert_eq!((sides.at(0), sides.at(9), sides.full()), (96, 96, 96));
            assert_eq!((sides.share_of_pixels(10), sides.share_of_pixels(0)), (1.0, 1.0));
        }
    }
}
