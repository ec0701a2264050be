//! What a teacher's answers become: which images the student learns from, and what it learns of each. No image is read and
//! nothing is trained here.

use tch::{Device, Tensor};

use crate::config::Selftrain;
use crate::config::selftrain::Targets;
use crate::eval::temperature::Temperature;

/// What a student learns of images without labels.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Teaching {
    /// Images that it learns from, as indices into the pool, in ascending order.
    pub images: Vec<usize>,
    /// `[images, classes]`, row by row: probabilities, or 1 for one class.
    targets: Vec<f32>,
    /// Images that the teacher answered for.
    pub pool: usize,
    /// Of `images`, how many the teacher takes for each class.
    pub per_class: Vec<usize>,
    /// Mean probability of the likeliest class over `images`, 0-1; 0 where there are none.
    pub confidence: f64,
}

impl Teaching {
    /// Makes targets of the teacher's logits for the images `looked` (ascending), `[images, classes]` row by row.
    ///
    /// Probabilities are the softmax at the settings' temperature. With `frequencies`, how often each class is a label
    /// (adding up to 1), they are multiplied by the frequency of the class among labels over its mean probability over all
    /// images, and brought to a sum of 1 again (arXiv 1911.09785, section 3.1, over all images instead of a moving average).
    /// Images whose likeliest class then has a lower probability than the threshold are left out.
    pub fn of(
        looked: &[usize],
        logits: &[f32],
        frequencies: Option<&[f64]>,
        settings: &Selftrain,
        classes: usize,
    ) -> Teaching {
        let temperature = Temperature(settings.temperature);
        let mut rows: Vec<Vec<f64>> = logits.chunks_exact(classes).map(|row| temperature.probabilities(row)).collect();
        if let Some(frequencies) = frequencies {
            align(&mut rows, frequencies);
        }
        let mut teaching = Teaching {
            images: Vec::new(),
            targets: Vec::new(),
            pool: looked.len(),
            per_class: vec![0; classes],
            confidence: 0.0,
        };
        for (&image, row) in looked.iter().zip(&rows) {
            let (likeliest, probability) = likeliest(row);
            if probability < settings.threshold {
                continue;
            }
            teaching.images.push(image);
            teaching.per_class[likeliest] += 1;
            teaching.confidence += probability;
            teaching.targets.extend(row.iter().enumerate().map(|(class, &own)| match settings.targets {
                Targets::Soft => own as f32,
                Targets::Hard => f32::from(u8::from(class == likeliest)),
            }));
        }
        teaching.confidence /= teaching.images.len().max(1) as f64;
        teaching
    }

    /// What is learned of images of the pool.
    ///
    /// # Shapes
    /// float32 `[images, classes]`.
    pub(super) fn targets(&self, images: &[usize], device: Device) -> Tensor {
        let classes = self.per_class.len();
        let mut rows = Vec::with_capacity(images.len() * classes);
        for image in images {
            let row = self.images.binary_search(image).unwrap_or_default() * classes;
            rows.extend_from_slice(&self.targets[row..row + classes]);
        }
        Tensor::from_slice(&rows).view([images.len() as i64, classes as i64]).to_device(device)
    }
}

/// The first of the classes with the highest probability, and that.
fn likeliest(row: &[f64]) -> (usize, f64) {
    let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (row.iter().position(|&own| own == highest).unwrap_or_default(), highest)
}

fn align(rows: &mut [Vec<f64>], frequencies: &[f64]) {
    let count = rows.len() as f64;
    let means: Vec<f64> =
        (0..frequencies.len()).map(|class| rows.iter().map(|row| row[class]).sum::<f64>() / count).collect();
    for row in rows {
        let weighted = row.iter().zip(frequencies).zip(&means);
        let weighted: Vec<f64> =
            weighted.map(|((own, frequency), mean)| own * frequency / mean.max(f64::MIN_POSITIVE)).collect();
        let sum: f64 = weighted.iter().sum();
        // A row of classes alone that have no label stays as it is.
        if sum > 0.0 && sum.is_finite() {
            *row = weighted.into_iter().map(|own| own / sum).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Experiment;

    fn settings(threshold: f64, targets: Targets) -> Selftrain {
        let preset = Experiment::preset("hour").unwrap().selftrain;
        Selftrain { temperature: 1.0, threshold, targets, ..preset }
    }

    /// Logits whose softmax these probabilities are.
    fn logits(probabilities: &[f64]) -> Vec<f32> {
        probabilities.iter().map(|own| own.ln() as f32).collect()
    }

    fn close(found: &[f32], expected: &[f64]) {
        let near = |(a, b): (&f32, &f64)| (f64::from(*a) - b).abs() < 1e-6;
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?} {expected:?}");
    }

    #[test]
    fn images_below_the_threshold_are_left_out() {
        let answers = logits(&[0.9, 0.1, 0.4, 0.6, 0.2, 0.8]);
        let soft = Teaching::of(&[3, 5, 9], &answers, None, &settings(0.7, Targets::Soft), 2);
        assert_eq!((soft.images.clone(), soft.pool, soft.per_class.clone()), (vec![3, 9], 3, vec![1, 1]));
        assert!((soft.confidence - 0.85).abs() < 1e-6);
        close(&soft.targets, &[0.9, 0.1, 0.2, 0.8]);
        let rows = Vec::<f32>::try_from(soft.targets(&[9, 3, 9], Device::Cpu).view(-1)).unwrap();
        close(&rows, &[0.2, 0.8, 0.9, 0.1, 0.2, 0.8]);
        let hard = Teaching::of(&[3, 5, 9], &answers, None, &settings(0.5, Targets::Hard), 2);
        assert_eq!((hard.images.len(), hard.targets.clone()), (3, vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0]));
        let none = Teaching::of(&[3, 5, 9], &answers, None, &settings(0.95, Targets::Soft), 2);
        assert_eq!((none.images.len(), none.confidence), (0, 0.0));
    }

    #[test]
    fn a_temperature_makes_probabilities_less_sure() {
        // The square roots of 0.9 and 0.1 are as 3 to 1.
        let settings = Selftrain { temperature: 2.0, ..settings(0.0, Targets::Soft) };
        close(&Teaching::of(&[0], &logits(&[0.9, 0.1]), None, &settings, 2).targets, &[0.75, 0.25]);
    }

    /// Mean probabilities are 0.8 and 0.2, labels half and half: the rows are weighted by 0.625 and 2.5.
    #[test]
    fn aligned_classes_are_as_frequent_as_labels() {
        let answers = logits(&[0.9, 0.1, 0.7, 0.3]);
        let settings = settings(0.0, Targets::Soft);
        let found = Teaching::of(&[0, 1], &answers, Some(&[0.5, 0.5]), &settings, 2);
        let row = |a: f64, b: f64| [a * 0.625 / (a * 0.625 + b * 2.5), b * 2.5 / (a * 0.625 + b * 2.5)];
        close(&found.targets, &[row(0.9, 0.1), row(0.7, 0.3)].concat());
        assert_eq!(found.per_class, [1, 1], "the second image is taken for the rarer class now");
        // A class without a label is nobody's.
        let found = Teaching::of(&[0, 1], &answers, Some(&[1.0, 0.0]), &settings, 2);
        close(&found.targets, &[1.0, 0.0, 1.0, 0.0]);
    }
}
