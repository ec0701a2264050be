//! Whether two classifiers differ by more than chance on the same test images: the exact McNemar test, and a bootstrap
//! over label draws and test images. What the numbers mean in words is the report's business.

use rand::distr::{Distribution, Uniform};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{StatisticsError, same_count};
use crate::random::{Coordinates, Stream, rng};

/// Quantiles of the standard normal distribution: of a two-sided test at 5%, and of a power of 80%.
const NORMAL_97_5: f64 = 1.959963984540054;
const NORMAL_80: f64 = 0.8416212335729143;

/// How the bootstrap resamples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Seed of the resampling.
    pub seed: u64,
    /// At least 1; the interval's ends are coarse below 1,000.
    pub resamples: usize,
}

impl Default for BootstrapOptions {
    fn default() -> Self {
        BootstrapOptions { seed: 0, resamples: 10_000 }
    }
}

/// Accuracy of one classifier minus that of another, -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The difference that was measured.
    pub mean: f64,
    /// Ends of the 95% interval: what it holds, and from what it was made, the function says that returns it.
    pub low: f64,
    /// The interval's upper end, -1 to 1.
    pub high: f64,
}

/// The exact McNemar test of two classifiers on the same images.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct McNemar {
    /// Images that only the first classifier got right.
    pub only_a: usize,
    /// Images that only the second classifier got right.
    pub only_b: usize,
    /// Probability, were both equally good, that these images divide at least as unevenly; two-sided, 0-1.
    pub p_value: f64,
}

/// How much more accurate classifier `a` is than `b`, with a 95% percentile interval from a paired bootstrap.
///
/// `a[draw][image]` says whether the classifier of that label draw got that test image right; a draw's labels and the
/// test images are the same for both. Each resample takes as many draws and as many images as there are, with
/// replacement, the same for both classifiers and the images the same for all draws (the pigeonhole bootstrap: Owen
/// 2007, Annals of Applied Statistics 1). With a single draw the interval holds the variation between test images
/// alone; from few draws it tends to be too narrow.
///
/// # Errors
/// There are no draws or images, draws or images of the two differ in number, or no resamples are asked for.
pub fn difference(a: &[Vec<bool>], b: &[Vec<bool>], options: &BootstrapOptions) -> Result<Difference, StatisticsError> {
    let BootstrapOptions { seed, resamples } = *options;
    if resamples == 0 {
        return Err(StatisticsError::Setting { name: "resamples", value: "0".into(), expected: "at least 1" });
    }
    same_count("label draws", a.len(), "label draws of the other classifier", b.len())?;
    let draws = a.len();
    let images = a.first().ok_or(StatisticsError::Empty { what: "label draws" })?.len();
    if images == 0 {
        return Err(StatisticsError::Empty { what: "test images" });
    }
    for predictions in a.iter().chain(b) {
        same_count("predictions", predictions.len(), "test images", images)?;
    }
    // gains[draw][image]: 1 where only `a` is right, -1 where only `b` is.
    let gain = |(a, b): (&bool, &bool)| i32::from(*a) - i32::from(*b);
    let gains: Vec<Vec<i32>> = a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(gain).collect()).collect();
    let cells = (draws * images) as f64;
    let total: i64 = gains.iter().flatten().map(|&gain| i64::from(gain)).sum();

    let (some_draw, some_image) = (uniform(draws)?, uniform(images)?);
    let mut of_image = vec![0; images];
    let mut differences: Vec<f64> = (0..resamples as u64)
        .map(|index| {
            let mut random = rng(seed, Stream::Bootstrap, Coordinates { index, ..Coordinates::default() });
            of_image.fill(0);
            for _ in 0..draws {
                let gains = &gains[some_draw.sample(&mut random)];
                of_image.iter_mut().zip(gains).for_each(|(sum, gain)| *sum += gain);
            }
            let sum: i64 = (0..images).map(|_| i64::from(of_image[some_image.sample(&mut random)])).sum();
            sum as f64 / cells
        })
        .collect();
    differences.sort_by(f64::total_cmp);
    Ok(Difference {
        mean: total as f64 / cells,
        low: quantile(&differences, 0.025),
        high: quantile(&differences, 0.975),
    })
}

/// How much more accurate one classifier is than another on the same `images`, of which `only_a` are right by the first alone and
/// `only_b` by the second alone, with the 95% score interval for paired proportions (Tango 1998, Statistics in Medicine 17;
/// the restricted estimate in closed form). It holds for few images too, where a bootstrap draws the same few again and again: without any
/// disagreement it reaches z² / (n + z²) to either side.
///
/// # Errors
/// There are no images, or fewer than disagreements.
pub fn paired_difference(only_a: usize, only_b: usize, images: usize) -> Result<Difference, StatisticsError> {
    if images == 0 {
        return Err(StatisticsError::Empty { what: "test images" });
    }
    if only_a + only_b > images {
        let (name, value) = ("number of images that one classifier alone got right", (only_a + only_b).to_string());
        return Err(StatisticsError::Setting { name, value, expected: "at most the number of images" });
    }
    let (a, b, n) = (only_a as f64, only_b as f64, images as f64);
    let mean = (a - b) / n;
    // The score falls where the supposed difference grows.
    let score = |supposed: f64| {
        let middle = (2.0 * n - a + b) * supposed - a - b;
        let root = (middle * middle + 8.0 * n * b * supposed * (1.0 - supposed)).max(0.0).sqrt();
        let only_b = (root - middle) / (4.0 * n);
        let variance = n * (2.0 * only_b + supposed * (1.0 - supposed));
        let off = a - b - n * supposed;
        if variance > 0.0 { off / variance.sqrt() } else { off * f64::INFINITY }
    };
    // Where the score is `at`, between an end and the mean.
    let cross = |mut low: f64, mut high: f64, at: f64| {
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            match score(middle) > at {
                true => low = middle,
                false => high = middle,
            }
        }
        (low + high) / 2.0
    };
    Ok(Difference { mean, low: cross(-1.0, mean, NORMAL_97_5), high: cross(mean, 1.0, -NORMAL_97_5) })
}

/// The mean of paired differences, one per seed, with its 95% interval by Student's t distribution (Student 1908,
/// Biometrika 6); it is endless where there is but one. Absent where there are none.
pub fn mean_difference(differences: &[f64]) -> Option<Difference> {
    let count = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / count;
    let squares: f64 = differences.iter().map(|difference| (difference - mean).powi(2)).sum();
    let half = match differences.len() {
        0 => return None,
        1 => f64::INFINITY,
        _ => StudentsT::new(0.0, 1.0, count - 1.0).ok()?.inverse_cdf(0.975) * (squares / (count - 1.0) / count).sqrt(),
    };
    Some(Difference { mean, low: mean - half, high: mean + half })
}

fn uniform(count: usize) -> Result<Uniform<usize>, StatisticsError> {
    Uniform::new(0, count).map_err(|_| StatisticsError::Empty { what: "things to draw from" })
}

/// The quantile of sorted values, interpolated linearly between neighbours, as numpy's default.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Holds the predictions `a` and `b` of two classifiers for the same test images against their labels (McNemar 1947,
/// with the binomial distribution itself rather than its approximation).
///
/// # Errors
/// There are no labels, or another number of predictions.
pub fn mcnemar(labels: &[u16], a: &[u16], b: &[u16]) -> Result<McNemar, StatisticsError> {
    if labels.is_empty() {
        return Err(StatisticsError::Empty { what: "labels" });
    }
    same_count("predictions", a.len(), "labels", labels.len())?;
    same_count("predictions", b.len(), "labels", labels.len())?;
    let (mut only_a, mut only_b) = (0, 0);
    for ((label, a), b) in labels.iter().zip(a).zip(b) {
        match (a == label, b == label) {
            (true, false) => only_a += 1,
            (false, true) => only_b += 1,
            _ => {}
        }
    }
    Ok(McNemar { only_a, only_b, p_value: two_sided(only_a, only_b) })
}

/// Test images from which a McNemar test at 5% (two-sided) tells two classifiers apart four times in five, when of all
/// images the share `only_a` is right by the first alone and `only_b` by the second alone (Connor 1987, Biometrics 43,
/// equation 1). Nothing where the shares are equal.
pub fn images_needed(only_a: f64, only_b: f64) -> Option<u64> {
    let (apart, difference) = (only_a + only_b, only_a - only_b);
    let spread = NORMAL_97_5 * apart.sqrt() + NORMAL_80 * (apart - difference * difference).max(0.0).sqrt();
    let images = (spread / difference).powi(2).ceil();
    (difference != 0.0 && images.is_finite()).then_some(images as u64)
}

/// The two-sided binomial test of `first` against `second` at one half: twice the lower tail, at most 1.
///
/// The tail's largest term, C(n, k) / 2^n with k the smaller count, is summed as logarithms, so that it does not
/// overflow; the others are ratios to it: 1 + k/(n-k+1) (1 + (k-1)/(n-k+2) (1 + ...)).
fn two_sided(first: usize, second: usize) -> f64 {
    let (total, fewer) = (first + second, first.min(second));
    let mut tail = 1.0;
    let mut log_largest = -(total as f64) * std::f64::consts::LN_2;
    for successes in 1..=fewer {
        let ratio = (total - successes + 1) as f64 / successes as f64;
        log_largest += ratio.ln();
        tail = 1.0 + tail / ratio;
    }
    (2.0 * log_largest.exp() * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_needed_by_hand() {
        // (1.959964 sqrt(0.3) + 0.841621 sqrt(0.29))^2 / 0.01 = (1.073517 + 0.453226)^2 / 0.01 = 233.09.
        assert_eq!(images_needed(0.2, 0.1), Some(234));
        assert_eq!(images_needed(0.1, 0.2), Some(234));
        // Two of 28 images by the first alone: (1.959964 sqrt(2/28) + 0.841621 sqrt(2/28 - 4/784))^2 / (4/784) = 107.5.
        assert_eq!(images_needed(2.0 / 28.0, 0.0), Some(108));
        assert_eq!(images_needed(0.1, 0.1), None);
        assert_eq!(images_needed(0.0, 0.0), None);
    }

    /// As many images as are said tell the difference about four times in five.
    #[test]
    fn images_needed_have_the_power_that_they_promise() {
        use rand::RngExt;
        let (only_a, only_b) = (0.2, 0.1);
        let images = images_needed(only_a, only_b).unwrap();
        let mut told = 0u32;
        for trial in 0..2000 {
            let mut random = rng(7, Stream::Bootstrap, Coordinates { epoch: 0, index: trial, view: 0 });
            let (mut a, mut b) = (0, 0);
            for _ in 0..images {
                let drawn: f64 = random.random();
                a += usize::from(drawn < only_a);
                b += usize::from((only_a..only_a + only_b).contains(&drawn));
            }
            told += u32::from(two_sided(a, b) < 0.05);
        }
        // The exact test is a little stricter than the normal approximation.
        assert!((0.74..0.86).contains(&(f64::from(told) / 2000.0)), "{told}");
    }

    #[test]
    fn binomial_by_hand() {
        assert_eq!(two_sided(0, 0), 1.0);
        assert_eq!(two_sided(3, 3), 1.0);
        for ((first, second), expected) in
            [((0, 1), 1.0), ((0, 5), 2.0 / 32.0), ((1, 4), 12.0 / 32.0), ((8, 2), 112.0 / 1024.0)]
        {
            assert!((two_sided(first, second) - expected).abs() < 1e-14, "{first} {second}");
        }
    }

    /// The interval that Fagerland, Lydersen and Laake (2014, Statistics in Medicine 33, table VI) print for 21 children, and others by
    /// scipy: roots of the score, its restricted estimate by a search.
    #[test]
    fn few_images_have_tangos_interval() {
        for ((only_a, only_b, images), (low, high)) in [
            ((1, 7, 21), (-0.517_232, -0.026_003)),
            ((0, 1, 2), (-0.905_469, 0.486_430)),
            ((5, 0, 25), (0.040_169, 0.391_310)),
            ((6, 4, 80), (-0.059_893, 0.113_442)),
            ((43, 8, 100), (0.222_133, 0.467_095)),
            ((2, 0, 2), (-0.315_240, 1.0)),
        ] {
            let found = paired_difference(only_a, only_b, images).unwrap();
            assert!((found.low - low).abs() < 2e-6 && (found.high - high).abs() < 2e-6, "{found:?} {low} {high}");
        }
        // By hand: 1.959964^2 / (n + 1.959964^2), on 2 images 3.841459 / 5.841459.
        let found = paired_difference(0, 0, 2).unwrap();
        assert!((found.high - 0.657_620).abs() < 1e-6 && (found.low + found.high).abs() < 1e-12, "{found:?}");
        assert!(paired_difference(0, 0, 0).is_err() && paired_difference(2, 1, 2).is_err());
    }

    #[test]
    fn mcnemar_counts_disagreement_about_right_answers() {
        let found = mcnemar(&[0, 1, 2, 3, 0], &[0, 1, 0, 3, 1], &[0, 2, 2, 0, 2]).unwrap();
        assert_eq!((found.only_a, found.only_b), (2, 1));
        assert_eq!(found.p_value, 1.0);
    }

    #[test]
    fn equal_classifiers_have_no_difference() {
        let right = vec![vec![true, false, true]; 2];
        let found = difference(&right, &right, &BootstrapOptions::default()).unwrap();
        assert_eq!(found, Difference { mean: 0.0, low: 0.0, high: 0.0 });
    }

    #[test]
    fn one_draw_has_the_binomial_interval() {
        // `a` alone is right on 300 of 1000 images, `b` alone on 100: gains have mean 0.2 and variance 0.36.
        let a = vec![(0..1000).map(|image| image < 500).collect()];
        let b = vec![(0..1000).map(|image| (300..600).contains(&image)).collect()];
        let found = difference(&a, &b, &BootstrapOptions::default()).unwrap();
        let half = 1.96 * (0.36f64 / 1000.0).sqrt();
        assert!((found.mean - 0.2).abs() < 1e-12);
        assert!((found.low - 0.2 + half).abs() < 0.003 && (found.high - 0.2 - half).abs() < 0.003, "{found:?}");
    }

    #[test]
    fn few_seeds_have_students_interval() {
        // The quantile for four degrees of freedom is 2.776445 (Student's table); the deviation here is 1.581139.
        let found = mean_difference(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        let half = 2.776_445 * 1.581_139 / 5f64.sqrt();
        assert!((found.mean - 3.0).abs() < 1e-12);
        assert!((found.low - 3.0 + half).abs() < 1e-5 && (found.high - 3.0 - half).abs() < 1e-5, "{found:?}");
        assert_eq!(mean_difference(&[]), None);
        assert_eq!(mean_difference(&[0.5]).unwrap().high, f64::INFINITY);
        assert_eq!(mean_difference(&[0.5, 0.5]).unwrap(), Difference { mean: 0.5, low: 0.5, high: 0.5 });
    }

    #[test]
    fn draws_that_differ_widen_the_interval() {
        // The draws' differences are 1, 0 and 0 on every image: their mean over three drawn ones is 0 in 8 of 27
        // resamples and 1 in one of 27, so that the interval ends at 0 and 1.
        let a = vec![vec![true; 50], vec![true; 50], vec![false; 50]];
        let b = vec![vec![false; 50], vec![true; 50], vec![false; 50]];
        let found = difference(&a, &b, &BootstrapOptions::default()).unwrap();
        assert!((found.mean - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!((found.low, found.high), (0.0, 1.0));
    }

    #[test]
    fn the_seed_alone_decides() {
        let a = vec![(0..200).map(|image| image % 3 == 0).collect::<Vec<_>>(); 3];
        let b = vec![(0..200).map(|image| image % 5 == 0).collect::<Vec<_>>(); 3];
        let with = |seed| difference(&a, &b, &BootstrapOptions { seed, resamples: 500 }).unwrap();
        assert_eq!(with(1), with(1));
        assert_ne!(with(1), with(2));
    }

    #[test]
    fn bad_input_is_named() {
        let options = BootstrapOptions::default();
        let message = |a: &[Vec<bool>], b: &[Vec<bool>]| difference(a, b, &options).unwrap_err().to_string();
        assert_eq!(message(&[], &[]), "there are no label draws; at least one is needed");
        assert_eq!(message(&[vec![]], &[vec![]]), "there are no test images; at least one is needed");
        let (one, two) = (vec![true], vec![true, false]);
        assert!(
            message(&[one.clone(), one.clone()], std::slice::from_ref(&one))
                .starts_with("there are 2 label draws but 1")
        );
        assert!(message(&[two], std::slice::from_ref(&one)).starts_with("there are 1 predictions but 2 test images"));
        let none = BootstrapOptions { resamples: 0, ..options };
        assert!(difference(std::slice::from_ref(&one), std::slice::from_ref(&one), &none).is_err());
        assert!(mcnemar(&[], &[], &[]).is_err());
        assert!(mcnemar(&[0, 1], &[0, 1], &[0]).is_err());
    }
}
