//! Confident learning: which labels are probably wrong, from probabilities by classifiers that did not see them (Northcutt, Jiang and
//! Chuang 2021, arXiv 1911.00068, section 3). Where the probabilities come from is not here.

/// Probabilities that are so much below a threshold still reach it, as in the authors' program.
const ROUNDING: f64 = 1e-6;
/// A threshold is at least this, likewise: otherwise a class of improbable labels would claim every image.
const LEAST_THRESHOLD: f64 = 2e-9;

/// A label that is probably wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Issue {
    /// The row.
    pub row: usize,
    /// The class that it probably is of.
    pub likely: u16,
    /// Probability of its label, 0-1.
    pub own_probability: f64,
    /// Probability of the likely class, 0-1.
    pub likely_probability: f64,
}

/// The threshold of each class: the mean probability of it among the rows that have it as label (equation 2). A class without labels
/// has none, and nothing is confidently of it.
///
/// # Shapes
/// `probabilities` `[rows, classes]`, row by row; `labels` one for each row, below `classes`.
pub fn thresholds(probabilities: &[f64], labels: &[u16], classes: usize) -> Vec<Option<f64>> {
    let (mut sums, mut counts) = (vec![0.0; classes], vec![0usize; classes]);
    for (row, &label) in probabilities.chunks_exact(classes.max(1)).zip(labels) {
        sums[usize::from(label)] += row[usize::from(label)];
        counts[usize::from(label)] += 1;
    }
    let mean = |(sum, count): (f64, usize)| (count > 0).then(|| (sum / count as f64).max(LEAST_THRESHOLD));
    sums.into_iter().zip(counts).map(mean).collect()
}

/// The class that each row is confidently of: one whose threshold its probability reaches, of several the most probable one.
///
/// # Shapes
/// As [`thresholds`].
pub fn confident_classes(probabilities: &[f64], thresholds: &[Option<f64>]) -> Vec<Option<u16>> {
    let of_row = |row: &[f64]| {
        let reached = |class: &usize| thresholds[*class].is_some_and(|least| row[*class] >= least - ROUNDING);
        let reaching: Vec<usize> = (0..row.len()).filter(reached).collect();
        match reaching[..] {
            [] => None,
            [only] => Some(only as u16),
            // The authors take the most probable of all classes there, which is one of these but for a class without labels.
            _ => Some(most_probable(row)),
        }
    };
    probabilities.chunks_exact(thresholds.len().max(1)).map(of_row).collect()
}

/// How many rows with each label (row) are confidently of each class (column): the confident joint (equation 1).
///
/// # Shapes
/// As [`thresholds`]; `[classes][classes]`.
pub fn confident_joint(labels: &[u16], confident: &[Option<u16>], classes: usize) -> Vec<Vec<u64>> {
    let mut joint = vec![vec![0; classes]; classes];
    for (&label, confident) in labels.iter().zip(confident) {
        if let Some(class) = confident {
            joint[usize::from(label)][usize::from(*class)] += 1;
        }
    }
    joint
}

/// The rows whose labels are probably wrong, the most suspicious first: of each class as many as the confident joint counts off its
/// diagonal, scaled to the class's labels, of the least probable labels ("prune by class", section 3.3), but for those whose label is the most probable class after all.
///
/// They are ordered by the label's own probability (self-confidence). Where labels are wrong at random, that is the order of the
/// probabilities that they are wrong: what else an image may be tells nothing more. The rows off the joint's diagonal themselves leave out
/// images that no class claims, which are often wrong: where 5% of STL-10's labels were made wrong, fewer of the wrong ones were among the first.
///
/// # Shapes
/// As [`thresholds`].
pub fn issues(probabilities: &[f64], labels: &[u16], classes: usize) -> Vec<Issue> {
    let confident = confident_classes(probabilities, &thresholds(probabilities, labels, classes));
    let joint = confident_joint(labels, &confident, classes);
    let mut of_classes: Vec<Vec<Issue>> = vec![Vec::new(); classes];
    for (row, (of_row, &label)) in probabilities.chunks_exact(classes.max(1)).zip(labels).enumerate() {
        let (own, likely) = (usize::from(label), most_probable(of_row));
        let (own_probability, likely_probability) = (of_row[own], of_row[usize::from(likely)]);
        of_classes[own].push(Issue { row, likely, own_probability, likely_probability });
    }
    let mut found: Vec<Issue> = Vec::new();
    for (class, mut of_class) in of_classes.into_iter().enumerate() {
        of_class.sort_by(by_own_probability);
        of_class.truncate(wrong_labels(&joint, class, of_class.len()));
        found.extend(of_class.into_iter().filter(|issue| usize::from(issue.likely) != class));
    }
    found.sort_by(by_own_probability);
    found
}

fn by_own_probability(a: &Issue, b: &Issue) -> std::cmp::Ordering {
    a.own_probability.total_cmp(&b.own_probability).then(a.row.cmp(&b.row))
}

/// How many of a class's labels are wrong by the confident joint: its row, scaled to the number of labels, without the diagonal. One
/// label at least is right. The row is rounded such that its sum stays, as in the authors' program.
fn wrong_labels(joint: &[Vec<u64>], class: usize, labels: usize) -> usize {
    let mut row: Vec<f64> = joint[class].iter().map(|&count| count as f64).collect();
    row[class] = row[class].max(1.0);
    let scale = labels as f64 / row.iter().sum::<f64>();
    row.iter_mut().for_each(|count| *count *= scale);
    let mut whole: Vec<f64> = row.iter().map(|count| count.round_ties_even()).collect();
    let missing = labels as f64 - whole.iter().sum::<f64>();
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| {
        (missing.signum() * (row[b] - whole[b])).total_cmp(&(missing.signum() * (row[a] - whole[a])))
    });
    order.into_iter().take(missing.abs() as usize).for_each(|place| whole[place] += missing.signum());
    labels.saturating_sub(whole[class].max(1.0) as usize)
}

/// Of equal ones the first.
fn most_probable(row: &[f64]) -> u16 {
    let mut best = 0;
    for class in 1..row.len() {
        if row[class] > row[best] {
            best = class;
        }
    }
    best as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three of each class, one of which is labelled wrongly.
    const PROBABILITIES: [f64; 12] = [
        0.9, 0.1, // 0
        0.8, 0.2, // 0
        0.1, 0.9, // 0, but of class 1
        0.2, 0.8, // 1
        0.3, 0.7, // 1
        0.45, 0.55, // 1
    ];
    const LABELS: [u16; 6] = [0, 0, 0, 1, 1, 1];

    #[test]
    fn a_label_is_wrong_where_another_class_reaches_its_own_threshold() {
        let thresholds = thresholds(&PROBABILITIES, &LABELS, 2);
        let near = |of: Option<f64>, expected: f64| (of.unwrap() - expected).abs() < 1e-12;
        // (0.9 + 0.8 + 0.1) / 3 and (0.8 + 0.7 + 0.55) / 3.
        assert!(near(thresholds[0], 0.6) && near(thresholds[1], 2.05 / 3.0), "{thresholds:?}");
        let confident = confident_classes(&PROBABILITIES, &thresholds);
        assert_eq!(confident, [Some(0), Some(0), Some(1), Some(1), Some(1), None]);
        assert_eq!(confident_joint(&LABELS, &confident, 2), [[2, 1], [0, 2]]);
        let found = issues(&PROBABILITIES, &LABELS, 2);
        assert_eq!(found, [Issue { row: 2, likely: 1, own_probability: 0.1, likely_probability: 0.9 }]);
    }

    #[test]
    fn the_least_probable_label_comes_first_and_a_class_without_labels_claims_nothing() {
        // Class 2 has no label: nothing is confidently of it. Rows 1 and 3 are of other classes than their labels.
        let probabilities = [
            0.90, 0.05, 0.05, //
            0.30, 0.60, 0.10, //
            0.10, 0.85, 0.05, //
            0.95, 0.03, 0.02, //
            0.05, 0.05, 0.90, //
        ];
        let labels = [0, 0, 1, 1, 1];
        assert_eq!(thresholds(&probabilities, &labels, 3)[2], None);
        let found: Vec<(usize, u16)> =
            issues(&probabilities, &labels, 3).iter().map(|issue| (issue.row, issue.likely)).collect();
        assert_eq!(found, [(3, 0), (1, 1)]);
        assert_eq!(issues(&[], &[], 3), []);
    }

    #[test]
    fn the_joint_says_how_many_labels_of_a_class_are_wrong() {
        // Of 10 labels four are confident: 3 of the class itself, 1 of the other. 7.5 and 2.5 are rounded to 8 and 2.
        assert_eq!(wrong_labels(&[vec![3, 1], vec![0, 4]], 0, 10), 2);
        assert_eq!(wrong_labels(&[vec![3, 1], vec![0, 4]], 1, 7), 0);
        // No label is confidently right: one is taken to be.
        assert_eq!(wrong_labels(&[vec![0, 0], vec![3, 0]], 1, 4), 3);
        // 3.33 of each: the sum stays ten.
        assert_eq!(wrong_labels(&[vec![1, 1, 1], vec![0, 1, 0], vec![0, 0, 1]], 0, 10), 6);
    }
}
