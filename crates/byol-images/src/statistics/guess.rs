//! Answers that are given without looking at an image, and whether a classifier is clearly better than they are: the one rule by
//! which the page, the terminal and the model card say that its answers are not to be relied on.

use serde::Serialize;

use super::wilson;

/// The best way to answer without looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Guess {
    /// Any of so many classes, each as often as the others.
    AnyOf {
        /// Number of classes, from 1.
        classes: usize,
    },
    /// Always the class that most test images have: `own` of `images`.
    MostFrequent {
        /// Test images of that class.
        own: u64,
        /// All test images.
        images: u64,
    },
}

impl Guess {
    /// The better of the two for test images with these labels; without labels, one of `classes` classes.
    #[must_use]
    pub fn best(labels: &[u16], classes: usize) -> Guess {
        let mut counts = vec![0_u64; labels.iter().max().map_or(0, |&label| usize::from(label) + 1)];
        labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        let most = Guess::MostFrequent { own: counts.into_iter().max().unwrap_or(0), images: labels.len() as u64 };
        let any = Guess::AnyOf { classes };
        if most.accuracy() > any.accuracy() { most } else { any }
    }

    /// The share of test images that it is right on, 0-1.
    #[must_use]
    pub fn accuracy(self) -> f64 {
        match self {
            Guess::AnyOf { classes } => 1.0 / classes.max(1) as f64,
            Guess::MostFrequent { own, images } => own as f64 / images.max(1) as f64,
        }
    }

    /// Whether a classifier that is right on `right` of `images` test images is clearly better: the 95% interval of its accuracy
    /// (Wilson's) lies above. Nothing is known without images.
    #[must_use]
    pub fn is_beaten_by(self, right: u64, images: u64) -> Option<bool> {
        wilson(right, images).ok().map(|(low, _)| low > self.accuracy())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_guess_is_taken() {
        assert_eq!(Guess::best(&[0, 1, 2, 0, 1, 2], 3), Guess::AnyOf { classes: 3 });
        assert_eq!(Guess::best(&[], 5), Guess::AnyOf { classes: 5 });
        let common = Guess::best(&[1, 1, 1, 0], 2);
        assert_eq!((common, common.accuracy()), (Guess::MostFrequent { own: 3, images: 4 }, 0.75));
    }

    #[test]
    fn only_an_interval_above_it_beats_a_guess() {
        // 6 of 25: 11.5% to 43.4%; 12 of 25: 30.0% to 66.5%.
        let one_of_five = Guess::AnyOf { classes: 5 };
        assert_eq!([6, 12].map(|right| one_of_five.is_beaten_by(right, 25)), [Some(false), Some(true)]);
        // 88 of 100 (80.2% to 93.0%) are more than one of two classes, and fewer than the most frequent class has.
        assert_eq!(Guess::AnyOf { classes: 2 }.is_beaten_by(88, 100), Some(true));
        assert_eq!(Guess::MostFrequent { own: 90, images: 100 }.is_beaten_by(88, 100), Some(false));
        assert_eq!(one_of_five.is_beaten_by(0, 0), None);
    }
}
