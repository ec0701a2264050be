//! Copies among labelled images, and what is suspicious about them. How copies are known is in
//! [`duplicates`](crate::data::duplicates).

use std::collections::BTreeMap;

use crate::data::duplicates::groups;
use crate::data::look::Look;
use crate::run::data_check::{Finding, LabelledImage};

/// A finding for each group of images that are the same or look alike.
pub(super) fn found(looks: &[Look], image: &dyn Fn(usize) -> LabelledImage) -> Vec<Finding> {
    groups(looks).into_iter().map(|group| of_group(&group, looks, image)).collect()
}

fn of_group(group: &[usize], looks: &[Look], image: &dyn Fn(usize) -> LabelledImage) -> Finding {
    let images: Vec<LabelledImage> = group.iter().map(|&index| image(index)).collect();
    let differ = |of: &dyn Fn(&LabelledImage) -> String, among: &[&LabelledImage]| {
        among.iter().any(|one| of(one) != of(among[0]))
    };
    let class = |one: &LabelledImage| one.class.clone();
    let part = |one: &LabelledImage| one.test.to_string();
    let mut equal: BTreeMap<[u8; 16], Vec<&LabelledImage>> = BTreeMap::new();
    for (&index, one) in group.iter().zip(&images) {
        equal.entry(looks[index].digest()).or_default().push(one);
    }
    let all: Vec<&LabelledImage> = images.iter().collect();
    let exactly = |of: &dyn Fn(&LabelledImage) -> String| equal.values().any(|same| differ(of, same));
    if differ(&class, &all) {
        let exact = exactly(&class);
        Finding::Contradiction { images, exact }
    } else if differ(&part, &all) {
        let exact = exactly(&part);
        Finding::InTrainAndTest { images, exact }
    } else {
        let exact = equal.len() == 1;
        Finding::Repeated { images, exact }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Image;

    /// A slope of levels; `noise` changes it a little.
    fn look(slope: u8, noise: u8) -> Look {
        let plane: Vec<u8> = (0..64 * 64u32)
            .map(|at| {
                let (x, y) = (at % 64, at / 64);
                let level = if slope == 0 { 3 * x } else { 200 - 3 * y + (x * 7 % 5) };
                level as u8 + noise * u8::from(at == 70)
            })
            .collect();
        Look::of(&Image { width: 64, height: 64, pixels: plane.repeat(3) })
    }

    fn kinds(classes: &[&str], tests: &[usize], looks: &[Look]) -> Vec<(&'static str, Option<bool>, usize)> {
        let image = |index: usize| LabelledImage {
            index,
            image: format!("{index}.png"),
            class: classes[index].to_owned(),
            test: tests.contains(&index),
        };
        let exact = |finding: &Finding| match finding {
            Finding::Contradiction { exact, .. }
            | Finding::InTrainAndTest { exact, .. }
            | Finding::Repeated { exact, .. } => Some(*exact),
            _ => None,
        };
        found(looks, &image).iter().map(|one| (one.kind(), exact(one), one.images().len())).collect()
    }

    #[test]
    fn copies_are_suspicious_by_their_labels_and_parts() {
        let (same, near, other) = (|| look(0, 0), || look(0, 1), || look(1, 0));
        assert_eq!(kinds(&["a", "b"], &[], &[same(), same()]), [("contradiction", Some(true), 2)]);
        assert_eq!(kinds(&["a", "b"], &[], &[same(), near()]), [("contradiction", Some(false), 2)]);
        assert_eq!(kinds(&["a", "a"], &[1], &[same(), same()]), [("in_train_and_test", Some(true), 2)]);
        assert_eq!(kinds(&["a", "a"], &[1], &[same(), near()]), [("in_train_and_test", Some(false), 2)]);
        assert_eq!(kinds(&["a", "a"], &[], &[same(), near()]), [("repeated", Some(false), 2)]);
        // Two equal ones of one class, and one that looks alike under another label.
        assert_eq!(kinds(&["a", "a", "b"], &[], &[same(), same(), near()]), [("contradiction", Some(false), 3)]);
        assert_eq!(kinds(&["a", "a"], &[], &[same(), other()]), []);
    }
}
