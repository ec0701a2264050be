//! Which labelled images are used for what: label budgets, hold-outs, folds, and STL-10's fold file.
//!
//! Every draw is a pure function of its arguments. No images are read here.

use std::path::Path;

use rand::seq::SliceRandom;

use super::error::{DataError, FoldProblem, Stl10Problem};
use crate::random::{Coordinates, Stream, rng};

/// Folds in STL-10's `fold_indices.txt`.
pub const STL10_FOLDS: usize = 10;

/// Folds as STL-10 draws them: each takes the same number of images of every class from the *whole* training set, so
/// that two folds may share images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoldPlan {
    /// Number of folds.
    pub folds: usize,
    /// Images of every class in each fold.
    pub per_class: usize,
}

impl FoldPlan {
    /// Ten folds of 1,000: 100 images of each of the ten classes.
    pub const STL10: FoldPlan = FoldPlan { folds: STL10_FOLDS, per_class: 100 };
}

/// Coordinates of the draws of [`Stream::Split`], one kind per value of `view`.
const HOLD_OUT: u64 = 0;
const PARTITION: u64 = 1;
const DRAWN_FOLDS: u64 = 2;

/// Draws `per_class` images of each of `classes` classes: a label budget.
///
/// Returns sorted indices into `labels`. Draws of different numbers are independent; with the same `seed` and `draw` a
/// smaller budget is part of every larger one, so that accuracy over budgets compares like with like.
///
/// # Errors
/// A class has fewer than `per_class` images, or a label is not below `classes`.
///
/// ```
/// let labels = [0, 1, 0, 1, 0, 1];
/// let drawn = byol_images::data::splits::label_draw(&labels, 2, 2, 7, 0)?;
/// assert_eq!(drawn.len(), 4);
/// # Ok::<(), byol_images::data::DataError>(())
/// ```
pub fn label_draw(
    labels: &[u16],
    classes: usize,
    per_class: usize,
    seed: u64,
    draw: u64,
) -> Result<Vec<usize>, DataError> {
    draw_per_class(labels, classes, per_class, |class| {
        rng(seed, Stream::LabelDraw, Coordinates { epoch: draw, index: class, view: 0 })
    })
}

/// Holds out a share of `indices` (a share strictly between 0 and 1), stratified by label.
///
/// Returns (kept, held out), both sorted. Altogether `share * indices.len()` images, rounded, are held out; of each
/// class its share rounded down or up. A class never loses its last image, so very small classes may lower the total.
///
/// # Errors
/// `share` is not between 0 and 1, or an index is outside `labels`.
pub fn hold_out(
    labels: &[u16],
    indices: &[usize],
    share: f64,
    seed: u64,
) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    if !(share > 0.0 && share < 1.0) {
        return Err(DataError::SplitSetting {
            what: "the held-out share",
            value: share.to_string(),
            expected: "a number between 0 and 1, exclusive".into(),
        });
    }
    let mut by_class = Vec::new();
    for &index in indices {
        let &label = labels.get(index).ok_or(DataError::UnknownIndex { index, len: labels.len() })?;
        push(&mut by_class, label, index);
    }
    let quotas = quotas(&by_class, share, indices.len(), seed);
    let (mut kept, mut held_out) = (Vec::new(), Vec::new());
    for (class, (mut members, quota)) in by_class.into_iter().zip(quotas).enumerate() {
        members.sort_unstable();
        members.shuffle(&mut rng(seed, Stream::Split, Coordinates { epoch: 0, index: class as u64, view: HOLD_OUT }));
        kept.extend_from_slice(&members[quota..]);
        held_out.extend_from_slice(&members[..quota]);
    }
    kept.sort_unstable();
    held_out.sort_unstable();
    Ok((kept, held_out))
}

/// Largest-remainder rounding of `share` of each class, ties in an order drawn at random.
fn quotas(by_class: &[Vec<usize>], share: f64, total: usize, seed: u64) -> Vec<usize> {
    let exact = |class: usize| by_class[class].len() as f64 * share;
    let mut quotas: Vec<usize> = (0..by_class.len()).map(|class| exact(class) as usize).collect();
    let mut order: Vec<usize> = (0..by_class.len()).collect();
    order.shuffle(&mut rng(seed, Stream::Split, Coordinates { epoch: 1, index: 0, view: HOLD_OUT }));
    order.sort_by(|&a, &b| exact(b).fract().total_cmp(&exact(a).fract()));
    let wanted = (total as f64 * share).round() as usize;
    let mut missing = wanted.saturating_sub(quotas.iter().sum());
    for class in order {
        if missing > 0 && exact(class).fract() > 0.0 && quotas[class] + 1 < by_class[class].len() {
            quotas[class] += 1;
            missing -= 1;
        }
    }
    quotas
}

/// Partitions all images into `folds` stratified folds: every index occurs once, sizes differ by at most one, and so do
/// the numbers of any class.
///
/// # Errors
/// Fewer than two folds, or more folds than images.
pub fn stratified_folds(labels: &[u16], folds: usize, seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    if folds < 2 || folds > labels.len() {
        return Err(DataError::SplitSetting {
            what: "the number of folds",
            value: folds.to_string(),
            expected: format!("2 to the number of labelled images, {}", labels.len()),
        });
    }
    let mut by_class = Vec::new();
    for (index, &label) in labels.iter().enumerate() {
        push(&mut by_class, label, index);
    }
    let mut parts = vec![Vec::new(); folds];
    let mut dealt = 0;
    for (class, mut members) in by_class.into_iter().enumerate() {
        members.shuffle(&mut rng(seed, Stream::Split, Coordinates { epoch: 0, index: class as u64, view: PARTITION }));
        for index in members {
            parts[dealt % folds].push(index);
            dealt += 1;
        }
    }
    for part in &mut parts {
        part.sort_unstable();
    }
    Ok(parts)
}

/// Draws folds in STL-10's manner, for training sets that come without a fold file. Each fold is sorted.
///
/// # Errors
/// As [`label_draw`]; or no fold is asked for.
pub fn draw_folds(labels: &[u16], classes: usize, plan: FoldPlan, seed: u64) -> Result<Vec<Vec<usize>>, DataError> {
    if plan.folds == 0 {
        return Err(DataError::SplitSetting {
            what: "the number of folds",
            value: "0".into(),
            expected: "at least 1".into(),
        });
    }
    (0..plan.folds as u64)
        .map(|fold| {
            draw_per_class(labels, classes, plan.per_class, |class| {
                rng(seed, Stream::Split, Coordinates { epoch: fold, index: class, view: DRAWN_FOLDS })
            })
        })
        .collect()
}

/// Reads the text of a `fold_indices.txt`: ten lines of zero-based indices into `images` training images, separated by
/// white space. `path` is for messages only.
///
/// # Errors
/// Not ten lines; a line without indices, with something that is no index, with an index out of range, or with a
/// repeated one.
pub fn parse_folds(text: &str, images: usize, path: &Path) -> Result<Vec<Vec<usize>>, DataError> {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    if lines.len() != STL10_FOLDS {
        return Err(
            Stl10Problem::FoldCount { path: path.to_path_buf(), found: lines.len(), expected: STL10_FOLDS }.into()
        );
    }
    let parse = |(number, line): (usize, &str)| {
        parse_fold(line, images)
            .map_err(|problem| Stl10Problem::FoldLine { path: path.to_path_buf(), line: number + 1, problem }.into())
    };
    lines.into_iter().enumerate().map(parse).collect()
}

fn parse_fold(line: &str, images: usize) -> Result<Vec<usize>, FoldProblem> {
    let mut seen = vec![false; images];
    let mut fold = Vec::new();
    for word in line.split_whitespace() {
        let index: usize = word.parse().map_err(|_| FoldProblem::NotANumber(word.chars().take(24).collect()))?;
        let mark = seen.get_mut(index).ok_or(FoldProblem::OutOfRange { index, images })?;
        if std::mem::replace(mark, true) {
            return Err(FoldProblem::Repeated(index));
        }
        fold.push(index);
    }
    if fold.is_empty() { Err(FoldProblem::Empty) } else { Ok(fold) }
}

fn draw_per_class<R: rand::Rng>(
    labels: &[u16],
    classes: usize,
    per_class: usize,
    generator: impl Fn(u64) -> R,
) -> Result<Vec<usize>, DataError> {
    let mut by_class = vec![Vec::new(); classes];
    for (index, &label) in labels.iter().enumerate() {
        let members = by_class.get_mut(usize::from(label));
        members.ok_or(DataError::UnknownClass { index, label, classes })?.push(index);
    }
    let mut drawn = Vec::with_capacity(classes * per_class.min(labels.len()));
    for (class, mut members) in by_class.into_iter().enumerate() {
        if members.len() < per_class {
            return Err(DataError::TooFewLabels { class, available: members.len(), wanted: per_class });
        }
        members.shuffle(&mut generator(class as u64));
        drawn.extend_from_slice(&members[..per_class]);
    }
    drawn.sort_unstable();
    Ok(drawn)
}

fn push(by_class: &mut Vec<Vec<usize>>, label: u16, index: usize) {
    let class = usize::from(label);
    if by_class.len() <= class {
        by_class.resize(class + 1, Vec::new());
    }
    by_class[class].push(index);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn counts(labels: &[u16], indices: &[usize], classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &index in indices {
            counts[usize::from(labels[index])] += 1;
        }
        counts
    }

    fn distinct_and_sorted(indices: &[usize]) -> bool {
        indices.windows(2).all(|pair| pair[0] < pair[1])
    }

    proptest! {
        #[test]
        fn a_label_draw_is_balanced_and_grows(
            labels in prop::collection::vec(0u16..4, 0..200), per_class in 0usize..30, seed: u64, draw in 0u64..5,
        ) {
            let all: Vec<usize> = (0..labels.len()).collect();
            let smallest = counts(&labels, &all, 4).into_iter().min().unwrap_or(0);
            let drawn = label_draw(&labels, 4, per_class, seed, draw);
            prop_assert_eq!(drawn.is_ok(), per_class <= smallest);
            if let Ok(drawn) = drawn {
                prop_assert!(distinct_and_sorted(&drawn));
                prop_assert_eq!(counts(&labels, &drawn, 4), vec![per_class; 4]);
                if per_class > 0 {
                    let smaller = label_draw(&labels, 4, per_class - 1, seed, draw).unwrap();
                    prop_assert!(smaller.iter().all(|index| drawn.contains(index)));
                }
            }
        }

        #[test]
        fn a_hold_out_is_stratified(
            labels in prop::collection::vec(0u16..5, 1..300), share in 0.01f64..0.99, seed: u64,
        ) {
            let indices: Vec<usize> = (0..labels.len()).step_by(2).collect();
            let (kept, held_out) = hold_out(&labels, &indices, share, seed).unwrap();
            prop_assert!(distinct_and_sorted(&kept) && distinct_and_sorted(&held_out));
            let together: HashSet<usize> = kept.iter().chain(&held_out).copied().collect();
            prop_assert_eq!(together, indices.iter().copied().collect::<HashSet<_>>());
            prop_assert_eq!(kept.len() + held_out.len(), indices.len());
            prop_assert!(held_out.len() as f64 <= (indices.len() as f64 * share).round());
            for (all, held) in counts(&labels, &indices, 5).into_iter().zip(counts(&labels, &held_out, 5)) {
                prop_assert!((held as f64 - all as f64 * share).abs() < 1.0, "{held} of {all} at {share}");
                prop_assert!(all == 0 || held < all);
            }
        }

        #[test]
        fn stratified_folds_partition(
            labels in prop::collection::vec(0u16..4, 2..300), folds in 2usize..12, seed: u64,
        ) {
            prop_assume!(folds <= labels.len());
            let parts = stratified_folds(&labels, folds, seed).unwrap();
            let mut together: Vec<usize> = parts.concat();
            together.sort_unstable();
            prop_assert_eq!(together, (0..labels.len()).collect::<Vec<_>>());
            let spread = |numbers: Vec<usize>| numbers.iter().max().unwrap() - numbers.iter().min().unwrap();
            prop_assert!(spread(parts.iter().map(Vec::len).collect()) <= 1);
            for class in 0..4 {
                prop_assert!(spread(parts.iter().map(|part| counts(&labels, part, 4)[class]).collect()) <= 1);
            }
        }
    }

    #[test]
    fn drawn_folds_have_stl10s_form() {
        let labels: Vec<u16> = (0..5000).map(|index| index % 10).collect();
        let folds = draw_folds(&labels, 10, FoldPlan::STL10, 3).unwrap();
        assert_eq!(folds.len(), 10);
        for fold in &folds {
            assert!(distinct_and_sorted(fold));
            assert_eq!(counts(&labels, fold, 10), vec![100; 10]);
        }
        let different: HashSet<&Vec<usize>> = folds.iter().collect();
        assert_eq!(different.len(), 10);
        let used: HashSet<usize> = folds.concat().into_iter().collect();
        assert!(used.len() < 5000, "folds are drawn from the whole set, so they overlap");
        assert_eq!(folds, draw_folds(&labels, 10, FoldPlan::STL10, 3).unwrap());
    }

    #[test]
    fn draws_depend_on_seed_and_number() {
        let labels = vec![0u16; 100];
        let draws: HashSet<Vec<usize>> =
            (0..20).map(|draw| label_draw(&labels, 1, 10, draw / 10, draw % 10).unwrap()).collect();
        assert_eq!(draws.len(), 20);
    }

    #[test]
    fn small_classes_still_give_the_whole_share() {
        let labels: Vec<u16> = (0..30).map(|index| index % 10).collect();
        let all: Vec<usize> = (0..30).collect();
        let (kept, held_out) = hold_out(&labels, &all, 0.1, 0).unwrap();
        assert_eq!((kept.len(), held_out.len()), (27, 3));
    }

    #[test]
    fn impossible_settings_are_named() {
        let message = label_draw(&[0, 0, 1], 2, 2, 0, 0).unwrap_err().to_string();
        assert!(message.contains("class 1 has 1 labelled images, but 2 per class"), "{message}");
        let message = label_draw(&[0, 7], 2, 1, 0, 0).unwrap_err().to_string();
        assert!(message.contains("label 7 of image 1"), "{message}");
        for share in [0.0, 1.0, f64::NAN, -0.5] {
            assert!(hold_out(&[0, 1], &[0, 1], share, 0).is_err());
        }
        assert!(hold_out(&[0, 1], &[2], 0.5, 0).is_err());
        assert!(stratified_folds(&[0, 1], 1, 0).is_err());
        assert!(stratified_folds(&[0, 1], 3, 0).is_err());
        assert!(draw_folds(&[0, 1], 2, FoldPlan { folds: 0, per_class: 1 }, 0).is_err());
    }

    #[test]
    fn fold_files() {
        let path = Path::new("fold_indices.txt");
        let good: String = (0..10).map(|line| format!("{line} 1{line} \n")).collect();
        let folds = parse_folds(&good, 20, path).unwrap();
        assert_eq!((folds.len(), &folds[3]), (10, &vec![3, 13]));

        let message = |text: &str, images| parse_folds(text, images, path).unwrap_err().to_string();
        assert!(message("1 2\n3 4\n", 20).contains("2 folds, expected 10"));
        assert!(
            message(&good, 19).contains("line 10: index 19 is out of range, the training set holds 19 images (0-18)")
        );
        assert!(message(&good.replace("4 14", "4 x"), 20).contains("line 5: `x` is not a zero-based index"));
        assert!(message(&good.replace("4 14", "4 4"), 20).contains("line 5: index 4 occurs twice"));
        assert!(message(&good.replace("4 14", " "), 20).contains("line 5: no indices"));
    }
}
