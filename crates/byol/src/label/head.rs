//! The linear classifier that grows with the labels: fitted again after every few of them, from where it stood.

use tch::{Kind, Tensor};

use super::rows_of;
use crate::eval::linear::many::{Basis, fit_many};
use crate::eval::linear::{Chosen, LinearModel, LinearOptions, fit_linear, out_of_fold, refit_linear};
use crate::eval::{EvalError, Features, Validation, metrics};
use crate::statistics::known_classes;

/// The penalty is chosen anew once there are so many times as many labels as when it was chosen.
const GROWTH: f64 = 1.25;
/// Of so many labels or fewer, each is left out by itself.
const ONE_BY_ONE: usize = 50;
/// Folds of more labels.
const FOLDS: usize = 10;
/// With so many labels fits are made in single precision, and from then on few steps are made for each.
const MANY: usize = 5000;
/// Of more labels, so many are looked at to choose the penalty, and to measure out of folds: an even choice.
const LOOKED_AT: usize = 5000;

/// A linear classifier on frozen representations, and what is needed to fit it once more quickly.
#[derive(Debug)]
pub struct Head {
    classes: usize,
    options: LinearOptions,
    fitted: Option<Fitted>,
    /// Labels, and classes among them, when the penalty was chosen.
    chosen_with: (usize, usize),
    /// What many rows are standardised with, found when the penalty was chosen.
    basis: Option<Basis>,
}

#[derive(Debug)]
enum Fitted {
    /// All labels are of one class.
    One(u16),
    Linear(LinearModel, f64),
}

impl Head {
    /// A classifier that has seen no label yet. The penalty is chosen among `options`.
    pub fn new(classes: usize, options: LinearOptions) -> Head {
        Head { classes, options, fitted: None, chosen_with: (0, 0), basis: None }
    }

    /// The penalty of the last fit; nothing before it, or where all labels were of one class.
    pub(crate) fn penalty(&self) -> Option<f64> {
        match self.fitted {
            Some(Fitted::Linear(_, l2)) => Some(l2),
            Some(Fitted::One(_)) | None => None,
        }
    }

    /// Fits to these labels. The penalty is that of the last fit while there are not many more labels than when it was chosen and no
    /// further class; the weights then start from the last ones ([`refit_linear`]; from 5,000 labels on [`fit_many`]). With labels of one
    /// class, that class is the answer.
    ///
    /// # Errors
    /// As [`fit_linear`].
    pub fn fit(&mut self, train: &Features) -> Result<(), EvalError> {
        known_classes("training label", &train.labels, self.classes)?;
        let mut seen: Vec<u16> = train.labels.clone();
        seen.sort_unstable();
        seen.dedup();
        if let [only] = seen[..] {
            self.fitted = Some(Fitted::One(only));
            return Ok(());
        }
        let (labels, classes) = self.chosen_with;
        let holds = classes == seen.len() && (train.labels.len() as f64) < GROWTH * labels as f64;
        let earlier = match &self.fitted {
            Some(Fitted::Linear(earlier, l2)) => Some((earlier, *l2)),
            _ => None,
        };
        if let Some((earlier, l2)) = earlier.filter(|_| holds) {
            let model = match &self.basis {
                Some(basis) => fit_many(train, self.classes, l2, (basis, Some(earlier)))?,
                None => refit_linear(train, self.classes, l2, earlier)?,
            };
            self.fitted = Some(Fitted::Linear(model, l2));
            return Ok(());
        }
        let some = some_of(train, LOOKED_AT);
        // A class that is nearly all there is may be all that an even choice holds.
        let model = match fit_linear(&some, self.classes, &self.options) {
            Err(EvalError::OneClass { .. }) => fit_linear(train, self.classes, &self.options)?,
            fitted => fitted?,
        };
        let l2 = match model.chosen() {
            Chosen::L2(l2) | Chosen::LearningRate(l2) => l2,
        };
        self.basis = None;
        let mut fitted = model;
        if train.labels.len() > MANY {
            let basis = self.basis.insert(Basis::of(&train.vectors)?);
            fitted = fit_many(train, self.classes, l2, (&*basis, Some(&fitted)))?;
        }
        self.chosen_with = (train.labels.len(), seen.len());
        self.fitted = Some(Fitted::Linear(fitted, l2));
        Ok(())
    }

    /// Probabilities of the classes; nothing before the first fit.
    ///
    /// # Shapes
    /// `vectors` is float32 `[images, features]`; float32 `[images, classes]`, each row's sum 1.
    ///
    /// # Errors
    /// As [`LinearModel::scores`].
    pub fn probabilities(&self, vectors: &Tensor) -> Result<Option<Tensor>, EvalError> {
        Ok(match &self.fitted {
            None => None,
            Some(Fitted::One(class)) => {
                let zeros = Tensor::zeros([vectors.size()[0], self.classes as i64], (Kind::Float, vectors.device()));
                let _ = zeros.select(1, i64::from(*class)).fill_(1.0);
                Some(zeros)
            }
            Some(Fitted::Linear(model, _)) => Some(model.probabilities(vectors)?),
        })
    }

    /// The most probable class of each row; nothing before the first fit.
    ///
    /// # Errors
    /// As [`Head::probabilities`].
    pub fn predict(&self, vectors: &Tensor) -> Result<Option<Vec<u16>>, EvalError> {
        self.probabilities(vectors)?.map(|probabilities| metrics::argmax(&probabilities)).transpose()
    }

    /// How classifiers with the same penalty do on labels that they did not see: each left out by itself where there are 50 or fewer, else
    /// out of ten folds; of more than 5,000, an even choice. Nothing where no label can be left out. Labels that were chosen because they are
    /// hard make it worse than it is on random images.
    ///
    /// # Errors
    /// As [`out_of_fold`].
    pub fn validation(&self, train: &Features) -> Result<Option<Validation>, EvalError> {
        let Some(Fitted::Linear(_, l2)) = self.fitted else { return Ok(None) };
        let train = &some_of(train, LOOKED_AT);
        let folds = if train.labels.len() <= ONE_BY_ONE { train.labels.len() } else { FOLDS };
        out_of_fold(train, self.classes, l2, folds, self.options.seed)?.validation(&train.labels)
    }
}

/// An even choice of rows, where there are more than `most`.
fn some_of(train: &Features, most: usize) -> Features {
    let images = train.labels.len();
    if images <= most {
        return Features { vectors: train.vectors.shallow_clone(), labels: train.labels.clone() };
    }
    let rows: Vec<usize> = (0..most).map(|place| place * images / most).collect();
    Features { vectors: rows_of(&train.vectors, &rows), labels: rows.iter().map(|&row| train.labels[row]).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three classes around three corners, so many of each.
    fn corners(per_class: usize) -> Features {
        let labels: Vec<u16> = (0..3 * per_class).map(|row| (row % 3) as u16).collect();
        let rows = labels.iter().enumerate().map(|(row, &label)| {
            let jitter = ((row * 37) % 101) as f32 / 101.0;
            let corner = [[4.0f32, 0.0], [0.0, 4.0], [-4.0, -4.0]][usize::from(label)];
            [corner[0] + jitter, corner[1] - jitter * jitter]
        });
        Features { vectors: Tensor::from_slice2(&rows.collect::<Vec<_>>()), labels }
    }

    fn head() -> Head {
        Head::new(3, LinearOptions { l2: vec![1e-4, 1e-2, 1.0], folds: 5, seed: 0 })
    }

    fn first(of: &Features, count: usize) -> Features {
        Features { vectors: rows_of(&of.vectors, &(0..count).collect::<Vec<_>>()), labels: of.labels[..count].to_vec() }
    }

    #[test]
    fn it_grows_from_one_label_to_all_classes() {
        let all = corners(30);
        let mut head = head();
        assert!(head.predict(&all.vectors).unwrap().is_none() && head.validation(&all).unwrap().is_none());
        head.fit(&first(&all, 1)).unwrap();
        assert_eq!(head.predict(&all.vectors).unwrap().unwrap(), vec![0; 90]);
        assert!(head.validation(&first(&all, 1)).unwrap().is_none());
        for labels in [2, 3, 6, 30, 33, 36, 90] {
            let train = first(&all, labels);
            head.fit(&train).unwrap();
            let right =
                head.predict(&all.vectors).unwrap().unwrap().iter().zip(&all.labels).filter(|(a, b)| a == b).count();
            assert!(right >= if labels < 3 { 60 } else { 90 }, "{labels} labels: {right}");
        }
        assert_eq!(head.chosen_with, (90, 3), "with 30 labels, with 36 of 1.2 times as many not, with 90 again");
        let validation = head.validation(&all).unwrap().unwrap();
        assert_eq!((validation.right, validation.images), (90, 90));
    }

    #[test]
    fn with_many_labels_it_goes_on_from_where_it_stood() {
        let all = corners(3000);
        let mut head = head();
        head.fit(&first(&all, 3000)).unwrap();
        assert!(head.basis.is_none());
        head.fit(&first(&all, 6000)).unwrap();
        assert!(head.basis.is_some() && head.chosen_with == (6000, 3));
        head.fit(&first(&all, 6010)).unwrap();
        assert_eq!(head.chosen_with, (6000, 3));
        let predicted = head.predict(&all.vectors).unwrap().unwrap();
        assert_eq!(predicted.iter().zip(&all.labels).filter(|(a, b)| a == b).count(), 9000);
        assert_eq!(head.validation(&all).unwrap().unwrap().images, 5000, "of more, an even choice");
    }

    #[test]
    fn probabilities_sum_to_one_and_labels_are_checked() {
        let all = corners(4);
        let mut head = head();
        head.fit(&all).unwrap();
        let sums =
            head.probabilities(&all.vectors).unwrap().unwrap().sum_dim_intlist([1i64].as_slice(), false, Kind::Double);
        assert!((sums - 1.0).abs().max().double_value(&[]) < 1e-6);
        let wrong = Features { vectors: all.vectors, labels: vec![7; 12] };
        assert!(head.fit(&wrong).is_err());
    }
}
