//! The next images to label: from a pool, what is labelled by now, and a strategy, to a few images. How each strategy chooses stands in
//! the files beside this one.

use rand::seq::SliceRandom;
use tch::{Kind, Tensor};

use super::clusters::Draw;
use super::coverage::{Coverage, labelled_outside};
use super::head::Head;
use super::{LabelError, MOST_COMPARED, centred_by, rows_of, typical, uncertain};
use crate::random::{Coordinates, Stream, rng};
use crate::run::simulation::Strategy;

/// With so many labels for each class, [`Strategy::Auto`] goes over from typical images to uncertain ones: before, a classifier does
/// not know what it does not know (arXiv 2202.02794, section 4).
const AUTO_LABELS_PER_CLASS: usize = 10;
/// Places of the random orders in their stream.
const COMPARED: u64 = 0;
const RANDOM: u64 = 1;
/// The first of the choices by [`Draw::number`]; the radius of coverage is the one before.
const FIRST_ROUND: u64 = 1;

/// Chooses from one pool with one strategy, again and again. Every choice is a function of pool, strategy, seed, what is labelled, and
/// how often it was asked.
#[derive(Debug)]
pub struct Chooser<'a> {
    vectors: &'a Tensor,
    /// The mean of all, `[1, features]`: what is compared is without it ([`centred_by`]).
    mean: Tensor,
    /// Those that are compared, so.
    rows: Tensor,
    strategy: Strategy,
    classes: usize,
    seed: u64,
    /// The images that are compared with each other, sorted.
    compared: Vec<usize>,
    coverage: Option<Coverage>,
    /// All images in a random order.
    order: Vec<usize>,
    round: u64,
}

/// What is wanted of a [`Chooser`].
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Images whose labels the classifier learns from.
    pub labelled: &'a [usize],
    /// Images whose labels are set aside to measure: they are not chosen again, and teach nothing.
    pub set_aside: &'a [usize],
    /// The classifier that was fitted to the labels, for strategies that ask it.
    pub head: Option<&'a Head>,
    /// How many images.
    pub count: usize,
}

impl<'a> Chooser<'a> {
    /// # Shapes
    /// `vectors` is float32 `[images, features]` on the CPU.
    ///
    /// # Errors
    /// The pool has no image.
    pub fn new(vectors: &'a Tensor, strategy: Strategy, classes: usize, seed: u64) -> Result<Chooser<'a>, LabelError> {
        let images = vectors.size()[0] as usize;
        if images == 0 {
            return Err(LabelError::EmptyPool);
        }
        let order = shuffled(images, seed, RANDOM);
        let mut compared = shuffled(images, seed, COMPARED);
        compared.truncate(MOST_COMPARED);
        compared.sort_unstable();
        let mean = vectors.mean_dim([0i64].as_slice(), true, Kind::Float);
        let rows = centred_by(&rows_of(vectors, &compared), &mean);
        Ok(Chooser { vectors, mean, rows, strategy, classes, seed, compared, coverage: None, order, round: 0 })
    }

    /// Does beforehand what need not be done again for each choice: seconds, for coverage of a large pool. Without it, the first choice
    /// takes so much longer.
    pub fn prepare(&mut self) {
        if self.strategy == Strategy::Coverage {
            self.covering();
        }
    }

    /// The next images, most wanted first: `count` of them, or all that are left.
    ///
    /// # Errors
    /// The classifier cannot be asked.
    pub fn next(&mut self, asked: Asked<'_>) -> Result<Vec<usize>, LabelError> {
        let mut taken = vec![false; self.order.len()];
        asked.labelled.iter().chain(asked.set_aside).for_each(|&image| taken[image] = true);
        let left = taken.iter().filter(|taken| !**taken).count();
        let count = asked.count.min(left);
        let draw = Draw { seed: self.seed, number: FIRST_ROUND + self.round };
        self.round += 1;
        let mut chosen = match self.strategy_now(asked) {
            Strategy::Random => Vec::new(),
            Strategy::Auto | Strategy::Typical => self.typical(asked.labelled, &taken, count, draw),
            Strategy::Coverage => self.cover(asked.labelled, &taken, count),
            strategy @ (Strategy::Margin | Strategy::Badge) => {
                self.unsure(strategy, asked.head, &taken, count, draw)?
            }
        };
        chosen.iter().for_each(|&image| taken[image] = true);
        // What a strategy leaves open is filled at random.
        let rest = self.order.iter().copied().filter(|&image| !taken[image]).take(count - chosen.len());
        chosen.extend(rest);
        Ok(chosen)
    }

    /// There are so many classes by now.
    pub(crate) fn set_classes(&mut self, classes: usize) {
        self.classes = classes;
    }

    /// What chooses with so many labels.
    pub(crate) fn strategy_now(&self, asked: Asked<'_>) -> Strategy {
        let many = asked.labelled.len() >= AUTO_LABELS_PER_CLASS * self.classes;
        match self.strategy {
            Strategy::Auto if many => Strategy::Margin,
            Strategy::Auto => Strategy::Typical,
            Strategy::Margin | Strategy::Badge if asked.head.is_none() => Strategy::Random,
            other => other,
        }
    }

    fn typical(&self, labelled: &[usize], taken: &[bool], count: usize, draw: Draw) -> Vec<usize> {
        // Labelled images take part wherever they are, for their clusters have a label.
        let mut among: Vec<usize> = self.compared.iter().chain(labelled).copied().collect();
        among.sort_unstable();
        among.dedup();
        let places: Vec<usize> = labelled.iter().filter_map(|image| among.binary_search(image).ok()).collect();
        let barred: Vec<bool> = among.iter().map(|&image| taken[image]).collect();
        let rows = if among == self.compared { self.rows.shallow_clone() } else { self.centred(&among) };
        typical::typical(&rows, &places, &barred, count, draw).into_iter().map(|place| among[place]).collect()
    }

    /// Rows without the mean of all, of length 1.
    fn centred(&self, images: &[usize]) -> Tensor {
        centred_by(&rows_of(self.vectors, images), &self.mean)
    }

    fn covering(&mut self) -> &Coverage {
        let draw = Draw { seed: self.seed, number: 0 };
        self.coverage.get_or_insert_with(|| Coverage::of(&self.rows, self.classes, draw))
    }

    fn cover(&mut self, labelled: &[usize], taken: &[bool], count: usize) -> Vec<usize> {
        self.covering();
        let place = |image: &usize| self.compared.binary_search(image).ok();
        let (inside, outside): (Vec<usize>, Vec<usize>) = labelled.iter().partition(|image| place(image).is_some());
        let mut covering: Vec<usize> = inside.iter().filter_map(place).collect();
        let outside = self.centred(&outside);
        let Some(coverage) = &self.coverage else { return Vec::new() };
        covering.extend(labelled_outside(coverage, &self.rows, &outside));
        let barred: Vec<bool> = self.compared.iter().map(|&image| taken[image]).collect();
        coverage.choose(&covering, &barred, count).into_iter().map(|place| self.compared[place]).collect()
    }

    fn unsure(
        &self,
        strategy: Strategy,
        head: Option<&Head>,
        taken: &[bool],
        count: usize,
        draw: Draw,
    ) -> Result<Vec<usize>, LabelError> {
        let Some(head) = head else { return Ok(Vec::new()) };
        // Gradients are compared with each other, margins are not.
        let images: &mut dyn Iterator<Item = usize> = match strategy {
            Strategy::Badge => &mut self.compared.iter().copied(),
            _ => &mut (0..taken.len()),
        };
        let free: Vec<usize> = images.filter(|&image| !taken[image]).collect();
        if free.is_empty() {
            return Ok(Vec::new());
        }
        let chosen = match strategy {
            Strategy::Badge => {
                let asked = head.probabilities(&rows_of(self.vectors, &free))?;
                asked.map(|probabilities| uncertain::badge(&self.centred(&free), &probabilities, count, draw))
            }
            _ => head.probabilities(self.vectors)?.map(|probabilities| {
                let vectors =
                    |places: &[usize]| self.centred(&places.iter().map(|&place| free[place]).collect::<Vec<_>>());
                uncertain::margin(&vectors, &rows_of(&probabilities, &free), count, draw)
            }),
        };
        Ok(chosen.unwrap_or_default().into_iter().map(|place| free[place]).collect())
    }
}

/// The numbers below `count` in a random order.
pub(super) fn shuffled(count: usize, seed: u64, index: u64) -> Vec<usize> {
    let mut all: Vec<usize> = (0..count).collect();
    all.shuffle(&mut rng(seed, Stream::Choice, Coordinates { epoch: 1, index, view: 0 }));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Features;
    use crate::eval::linear::LinearOptions;

    /// Two classes of 40 images on two lines.
    fn pool() -> Features {
        let labels: Vec<u16> = (0..80).map(|row| row % 2).collect();
        let rows: Vec<[f32; 3]> = labels
            .iter()
            .enumerate()
            .map(|(row, &label)| [f32::from(label), 1.0 - f32::from(label), (row as f32 / 80.0).powi(2)])
            .collect();
        Features { vectors: Tensor::from_slice2(&rows), labels }
    }

    #[test]
    fn every_strategy_chooses_new_images_until_none_is_left() {
        let pool = pool();
        for strategy in Strategy::ALL {
            let mut chooser = Chooser::new(&pool.vectors, strategy, 2, 3).unwrap();
            let mut again = Chooser::new(&pool.vectors, strategy, 2, 3).unwrap();
            let mut head = Head::new(2, LinearOptions { l2: vec![1e-2], folds: 2, seed: 0 });
            let (mut labelled, set_aside) = (Vec::new(), [5, 6]);
            while labelled.len() < 78 {
                let asked = Asked { labelled: &labelled, set_aside: &set_aside, head: Some(&head), count: 10 };
                let next = chooser.next(asked).unwrap();
                assert_eq!(next, again.next(asked).unwrap(), "{strategy:?}");
                assert_eq!(next.len(), 10.min(78 - labelled.len()), "{strategy:?}");
                labelled.extend(next);
                let labels = labelled.iter().map(|&image| pool.labels[image]).collect();
                head.fit(&Features { vectors: rows_of(&pool.vectors, &labelled), labels }).unwrap();
            }
            let mut sorted = labelled.clone();
            sorted.extend(set_aside);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..80).collect::<Vec<_>>(), "{strategy:?}");
            let asked = Asked { labelled: &labelled, set_aside: &set_aside, head: None, count: 3 };
            assert!(chooser.next(asked).unwrap().is_empty());
        }
    }

    #[test]
    fn few_labels_are_typical_ones_and_many_are_of_unsure_images() {
        let pool = pool();
        let chooser = Chooser::new(&pool.vectors, Strategy::Auto, 2, 0).unwrap();
        let (few, many): (Vec<usize>, Vec<usize>) = ((0..19).collect(), (0..20).collect());
        let asked = |labelled| Asked { labelled, set_aside: &[], head: None, count: 1 };
        assert_eq!(chooser.strategy_now(asked(&few)), Strategy::Typical);
        assert_eq!(chooser.strategy_now(asked(&many)), Strategy::Margin);
        let badge = Chooser::new(&pool.vectors, Strategy::Badge, 2, 0).unwrap();
        assert_eq!(badge.strategy_now(asked(&few)), Strategy::Random, "nobody can be asked yet");
    }

    #[test]
    fn a_pool_without_images_is_refused() {
        let none = Tensor::zeros([0, 4], (tch::Kind::Float, tch::Device::Cpu));
        assert!(matches!(Chooser::new(&none, Strategy::Random, 2, 0), Err(LabelError::EmptyPool)));
    }
}
