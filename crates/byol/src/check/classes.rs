//! Classes that a classifier takes for each other, and classes of few images.

use crate::run::data_check::Finding;
use crate::statistics::wilson;

/// A class with fewer labelled images is small, and of so few images of two classes nothing is said.
const FEW: usize = 10;
/// Two classes are alike where clearly more than this share of their images is taken for the other of the two. Of classes that cannot
/// be told apart at all it is a half.
const MISTAKEN: f64 = 0.25;

/// Labels of each class.
pub(super) fn counts(labels: &[u16], classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

/// The classes that have some images and few, the smallest first.
pub(super) fn small(counts: &[usize], names: &[String]) -> Vec<Finding> {
    let mut small: Vec<(usize, &String)> =
        counts.iter().copied().zip(names).filter(|(images, _)| (1..FEW).contains(images)).collect();
    small.sort_by_key(|(images, _)| *images);
    small.into_iter().map(|(images, class)| Finding::SmallClass { class: class.clone(), images }).collect()
}

/// The pairs of classes that are taken for each other, the most often first: where the lower end of Wilson's 95% interval of the share
/// of mistaken images, among those of the two that were taken for one of the two, is above a quarter.
pub(super) fn alike(predicted: &[u16], labels: &[u16], names: &[String]) -> Vec<Finding> {
    let mut taken = vec![vec![0u64; names.len()]; names.len()];
    for (&label, &predicted) in labels.iter().zip(predicted) {
        taken[usize::from(label)][usize::from(predicted)] += 1;
    }
    let mut found: Vec<(f64, Finding)> = Vec::new();
    for a in 0..names.len() {
        for b in a + 1..names.len() {
            let mistaken = taken[a][b] + taken[b][a];
            let images = mistaken + taken[a][a] + taken[b][b];
            let Ok((low, _)) = wilson(mistaken, images) else { continue };
            if images >= FEW as u64 && low > MISTAKEN {
                let classes = [names[a].clone(), names[b].clone()];
                found.push((mistaken as f64 / images as f64, Finding::AlikeClasses { classes, mistaken, images }));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0));
    found.into_iter().map(|(_, finding)| finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn classes_that_are_mistaken_for_each_other_are_found() {
        // 40 of each: a and b at random, c always right.
        let labels: Vec<u16> = (0..120).map(|row| row / 40).collect();
        let predicted: Vec<u16> = (0..120).map(|row| if row < 80 { row % 2 } else { 2 }).collect();
        let found = alike(&predicted, &labels, &names(&["a", "b", "c"]));
        let expected = Finding::AlikeClasses { classes: ["a".to_owned(), "b".to_owned()], mistaken: 40, images: 80 };
        assert_eq!(found, [expected]);
        // A quarter is mistaken: not clearly more than a quarter.
        let predicted: Vec<u16> = (0..80).map(|row| if row % 4 == 0 { 1 - row / 40 } else { row / 40 }).collect();
        assert!(alike(&predicted, &labels[..80], &names(&["a", "b"])).is_empty());
        // Two images tell nothing.
        assert!(alike(&[1, 0], &[0, 1], &names(&["a", "b"])).is_empty());
    }

    #[test]
    fn a_class_without_images_is_not_small() {
        let found = small(&[9, 0, 10, 1], &names(&["a", "b", "c", "d"]));
        let small = |class: &str, images| Finding::SmallClass { class: class.to_owned(), images };
        assert_eq!(found, [small("d", 1), small("a", 9)]);
        assert_eq!(counts(&[0, 2, 2], 3), [1, 0, 2]);
    }
}
