//! Weights of the bicubic, antialiased resize along one axis. No pixels.

/// For each output position, the first input position and the weight of it and its successors.
///
/// Every output has the same number of taps: where the filter reaches past an edge, its weights there are zero.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    taps: usize,
    starts: Vec<usize>,
    exact: Vec<f64>,
    fixed: Vec<i16>,
    float: Vec<f32>,
}

/// The weights of every output position, one after the other, [`Filter::taps`] each.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// [`Filter::WEIGHT_BITS`] after the point: fast, for few taps.
    Fixed(&'a [i16]),
    /// For many taps, whose fixed-point products would lose too much to rounding.
    Float(&'a [f32]),
}

/// What becomes of left and right, or top and bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Reversed,
}

impl Filter {
    /// Bits after the point of a fixed-point weight.
    pub const WEIGHT_BITS: u32 = 14;
    /// Above it weights are floats. Each tap adds at most 1/128 of a level of rounding.
    pub const MOST_FIXED_TAPS: usize = 16;

    /// Computes the weights that take `input` positions to `output` ones; both at least 1. Reuses its memory.
    ///
    /// These are PyTorch's for `interpolate(mode="bicubic", antialias=True, align_corners=False)`: Keys' cubic with
    /// a = -0.5, widened by the scale when shrinking, cut off at the edges and normalised.
    pub fn set(&mut self, input: usize, output: usize, direction: Direction) {
        let scale = input as f64 / output as f64;
        let narrowing = scale.max(1.0).recip();
        let support = 2.0 * scale.max(1.0);
        self.taps = input.min((2.0 * support).ceil() as usize);
        self.starts.clear();
        self.fixed.clear();
        self.float.clear();
        for position in 0..output {
            let position = match direction {
                Direction::Forward => position,
                Direction::Reversed => output - 1 - position,
            };
            let centre = scale * (position as f64 + 0.5);
            let first = (centre - support + 0.5).max(0.0) as usize;
            let start = first.min(input - self.taps);
            self.exact.clear();
            self.exact.extend((start..start + self.taps).map(|at| cubic((at as f64 + 0.5 - centre) * narrowing)));
            self.starts.push(start);
            let norm = 1.0 / self.exact.iter().sum::<f64>();
            if self.taps <= Self::MOST_FIXED_TAPS {
                self.push_fixed(norm);
            } else {
                self.float.extend(self.exact.iter().map(|weight| (weight * norm) as f32));
            }
        }
    }

    /// Rounds the weights so that they add up to exactly 1: a plain area keeps its level.
    fn push_fixed(&mut self, norm: f64) {
        const OFFSET: f64 = 32768.5;
        let one = 1 << Self::WEIGHT_BITS;
        let scale = norm * f64::from(one);
        let begin = self.fixed.len();
        let mut sum = 0;
        let mut largest = begin;
        for (index, weight) in self.exact.iter().enumerate() {
            // Rounding by a cut, because `round` is a function call on the oldest processors.
            let rounded = ((weight * scale + OFFSET) as i32 - OFFSET as i32) as i16;
            sum += rounded;
            self.fixed.push(rounded);
            if rounded > self.fixed[largest] {
                largest = begin + index;
            }
        }
        self.fixed[largest] += one - sum;
    }

    /// How many input positions each output position is made of.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// The first input position of each output position.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    pub fn weights(&self) -> Weights<'_> {
        if self.taps <= Self::MOST_FIXED_TAPS { Weights::Fixed(&self.fixed) } else { Weights::Float(&self.float) }
    }
}

/// Keys' cubic convolution kernel (1981) with a = -0.5, zero outside -2..2.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start and weights of each output position.
    fn weights(input: usize, output: usize) -> Vec<(usize, Vec<f64>)> {
        let mut filter = Filter::default();
        filter.set(input, output, Direction::Forward);
        let weights: Vec<f64> = match filter.weights() {
            Weights::Fixed(weights) => weights.iter().map(|&weight| f64::from(weight) / 16384.0).collect(),
            Weights::Float(weights) => weights.iter().map(|&weight| f64::from(weight)).collect(),
        };
        filter.starts().iter().copied().zip(weights.chunks(filter.taps()).map(<[_]>::to_vec)).collect()
    }

    #[test]
    fn the_same_size_changes_nothing() {
        for (position, (start, weights)) in weights(9, 9).into_iter().enumerate() {
            for (tap, weight) in weights.into_iter().enumerate() {
                assert_eq!(weight, if start + tap == position { 1.0 } else { 0.0 });
            }
        }
    }

    #[test]
    fn weights_add_up_to_one_inside_the_input() {
        for (input, output) in [(1, 7), (2, 96), (3, 5), (96, 95), (500, 96), (37, 1), (5000, 3), (20, 96)] {
            for (start, weights) in weights(input, output) {
                assert!(start + weights.len() <= input);
                assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            }
        }
    }

    /// Doubling: output 6 lies at 3.25 of the input, so its taps lie at -1.75, -0.75, 0.25 and 1.25 of Keys' kernel.
    #[test]
    fn doubling_gives_keys_weights() {
        let (start, weights) = &weights(8, 16)[6];
        assert_eq!(*start, 1);
        for (weight, expected) in weights.iter().zip([-0.0234375, 0.2265625, 0.8671875, -0.0703125]) {
            assert!((weight - expected).abs() < 1e-4, "{weight} instead of {expected}");
        }
    }
}
