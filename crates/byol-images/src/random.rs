//! Random numbers as pure functions of (seed, stream, epoch, sample index, view).
//!
//! Nothing here keeps state between calls, so a value does not depend on threads, device, rank, or on having been
//! interrupted.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// What a random number is for. Two streams never share numbers; the discriminants are part of the checkpoint format's
/// meaning and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stream {
    /// Initial weights.
    Weights = 1,
    /// The order of the images in an epoch.
    Shuffle = 2,
    /// The parameters of a view.
    View = 3,
    /// Which images a label budget holds.
    LabelDraw = 4,
    /// Stratified folds and hold-out splits.
    Split = 5,
    /// The synthetic images of the embedded set.
    Pattern = 6,
    /// Bootstrap resampling of test images and draws.
    Bootstrap = 7,
    /// Which images the report shows.
    Gallery = 8,
    /// The order of images in linear evaluation by SGD.
    LinearOrder = 9,
    /// How the labelled images of a step are mixed.
    Mixing = 10,
    /// Which images without labels a teacher answers for.
    Taught = 11,
    /// Which images take the place of one that cannot be used.
    Replacement = 12,
    /// Which images are chosen to be labelled.
    Choice = 13,
    /// Where clusters begin.
    Clusters = 14,
}

/// The coordinates of a random choice within a stream. Unused ones are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coordinates {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Which image, class or draw within the stream, from 0.
    pub index: u64,
    /// Which view of it, as [`ViewNumber::number`] says.
    pub view: u64,
}

/// What a random view of an image is drawn for. Each has a number of its own, which keeps the views of one image apart;
/// all numbers are allotted here. They are part of what a checkpoint means, and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewNumber {
    /// A view of pre-training, by its place among them.
    Pretraining(usize),
    /// A labelled image in training.
    Labelled,
    /// A view of an image that is watched while pre-training goes on, by its place.
    Watched(usize),
    /// A pass of random crops for a classifier on a frozen encoder, by its place.
    Crop(usize),
    /// An image without a label in self-training.
    Taught,
}

impl ViewNumber {
    /// The coordinate [`Coordinates::view`].
    pub fn number(self) -> u64 {
        match self {
            ViewNumber::Pretraining(place) if place < 2 => place as u64,
            ViewNumber::Labelled => 2,
            ViewNumber::Watched(place) if place < 2 => 3 + place as u64,
            ViewNumber::Crop(place) => 16 + place as u64,
            // Beyond the first two, which had their numbers first.
            ViewNumber::Pretraining(place) => (1 << 32) + place as u64,
            ViewNumber::Watched(place) => (2 << 32) + place as u64,
            ViewNumber::Taught => 3 << 32,
        }
    }
}

/// The generator at one point of (seed, stream, coordinates).
///
/// ```
/// use byol_images::random::{rng, Coordinates, Stream};
/// use rand::RngExt;
/// let at = Coordinates { epoch: 3, index: 17, view: 1 };
/// let a: u64 = rng(0, Stream::View, at).random();
/// let b: u64 = rng(0, Stream::View, at).random();
/// assert_eq!(a, b);
/// ```
pub fn rng(seed: u64, stream: Stream, at: Coordinates) -> Xoshiro256PlusPlus {
    let mut key = mix(seed);
    for word in [stream as u64, at.epoch, at.index, at.view] {
        key = mix(key ^ word);
    }
    Xoshiro256PlusPlus::seed_from_u64(key)
}

/// SplitMix64's step and finaliser (Steele, Lea and Flood 2014): a bijection of 64-bit words whose output bits each
/// depend on all input bits.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use std::collections::HashSet;

    /// Earlier runs were trained with the first ones.
    #[test]
    fn no_two_views_of_an_image_have_one_number() {
        let of = |kind: fn(usize) -> ViewNumber| (0..200).map(move |place| kind(place).number());
        let all: Vec<u64> = of(ViewNumber::Pretraining)
            .chain([ViewNumber::Labelled.number(), ViewNumber::Taught.number()])
            .chain(of(ViewNumber::Watched))
            .chain(of(ViewNumber::Crop))
            .collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        assert_eq!([all[0], all[1], all[200], all[202], all[203], all[402]], [0, 1, 2, 3, 4, 16]);
    }

    #[test]
    fn every_coordinate_changes_the_numbers() {
        let mut seen = HashSet::new();
        for seed in 0..3 {
            for stream in [Stream::View, Stream::Shuffle] {
                for epoch in 0..4 {
                    for index in 0..50 {
                        for view in 0..2 {
                            let at = Coordinates { epoch, index, view };
                            assert!(seen.insert(rng(seed, stream, at).random::<u64>()));
                        }
                    }
                }
            }
        }
    }
}
