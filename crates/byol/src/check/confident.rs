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

/// The rows off the diagonal of the confident joint: confidently of another class than their label, which is also not the most probable
/// one. The most suspicious first, by the label's own probability (self-confidence): where 5% of STL-10's labels were made wrong, more of the
/// first ones were wrong so than by margins.
///
/// # Shapes
/// As [`thresholds`].
pub fn issues(probabilities: &[f64], labels: &[u16], classes: usize) -> Vec<Issue> {
    let thresholds = thresholds(probabilities, labels, classes);
    let confident = confident_classes(probabilities, &thresholds);
    let rows = probabilities.chunks_exact(classes.max(1)).zip(labels).zip(confident).enumerate();
    let mut found: Vec<Issue> = rows
        .filter_map(|(row, ((of_row, &label), confident))| {
            let likely = most_probable(of_row);
            let is_issue = confident.is_some_and(|class| class != label) && likely != label;
            is_issue.then(|| Issue {
                row,
                likely,
                own_probability: of_row[usize::from(label)],
                likely_probability: of_row[usize::from(likely)],
            })
        })
        .collect();
    found.sort_by(|a, b| a.own_probability.total_cmp(&b.own_probability).then(a.row.cmp(&b.row)));
    found
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
}
