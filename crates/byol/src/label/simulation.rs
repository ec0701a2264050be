//! Labelling, rehearsed on data whose labels are known: the labels are given as a person would give them, a batch at a time, and the
//! classifier is tested at each budget. No test image is chosen from, and none changes what is chosen.

use super::choice::{Asked, Chooser, shuffled};
use super::head::Head;
use super::{LabelError, rows_of};
use crate::eval::linear::LinearOptions;
use crate::eval::{EvalError, Features};
use crate::run::simulation::{Outcome, SetAside, Strategy};
use crate::statistics::{StatisticsError, accuracy, known_classes};

/// Place of the random order of images that are set aside; beside those of a [`Chooser`].
const SET_ASIDE: u64 = 2;

/// What is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct SimulationOptions {
    /// What chooses.
    pub strategies: Vec<Strategy>,
    /// Numbers of labels at which the classifier is tested, rising, each 1 or more.
    pub budgets: Vec<usize>,
    /// A simulation for each.
    pub seeds: Vec<u64>,
    /// Images that are chosen at a time, 1 or more: then the classifier is fitted again.
    pub batch: usize,
    /// Share of the labels that random images get, which are set aside to measure, 0 or more and below 1.
    pub test_share: f64,
    /// Penalties and folds of the classifier; its seed is that of each simulation.
    pub linear: LinearOptions,
}

/// Simulates labelling the images of `pool` with each strategy and seed, and tests the classifiers on `test`; `progress` is told after
/// each budget, from the calling thread.
///
/// # Errors
/// The pool is empty or smaller than the largest budget, an option is out of its range, or a classifier cannot be fitted.
pub fn simulate(
    pool: &Features,
    test: &Features,
    classes: usize,
    options: &SimulationOptions,
    progress: &mut dyn FnMut(&Outcome),
) -> Result<Vec<Outcome>, LabelError> {
    options.check(pool)?;
    for part in [pool, test] {
        known_classes("label", &part.labels, classes)?;
    }
    if test.labels.is_empty() {
        return Err(StatisticsError::Empty { what: "test images" }.into());
    }
    let mut outcomes = Vec::new();
    for &strategy in &options.strategies {
        for &seed in &options.seeds {
            let mut one = Labelling::new(pool, classes, options, strategy, seed)?;
            for &budget in &options.budgets {
                one.label_until(budget)?;
                let outcome = one.outcome(test, budget)?;
                progress(&outcome);
                outcomes.push(outcome);
            }
        }
    }
    Ok(outcomes)
}

impl SimulationOptions {
    fn check(&self, pool: &Features) -> Result<(), LabelError> {
        let setting = |name, value: String, expected| Err(StatisticsError::Setting { name, value, expected }.into());
        let images = pool.labels.len();
        if images == 0 {
            return Err(LabelError::EmptyPool);
        }
        if let Some(zero) = self.budgets.iter().find(|budget| **budget == 0) {
            return setting("number of labels", zero.to_string(), "at least 1");
        }
        if let Some(pair) = self.budgets.windows(2).find(|pair| pair[0] >= pair[1]) {
            return setting("number of labels", pair[1].to_string(), "more than the one before it");
        }
        if let Some(&labels) = self.budgets.last().filter(|labels| **labels > images) {
            return Err(LabelError::TooFewImages { labels, images });
        }
        if self.batch == 0 {
            return setting("number of images chosen at a time", "0".into(), "at least 1");
        }
        if !(0.0..1.0).contains(&self.test_share) {
            return setting("share of labels set aside", self.test_share.to_string(), "0 or more and below 1");
        }
        Ok(())
    }
}

/// One simulation on its way.
struct Labelling<'a> {
    pool: &'a Features,
    options: &'a SimulationOptions,
    strategy: Strategy,
    seed: u64,
    chooser: Chooser<'a>,
    head: Head,
    labelled: Vec<usize>,
    set_aside: Vec<usize>,
    /// All images in the order in which they are set aside.
    order: Vec<usize>,
}

impl<'a> Labelling<'a> {
    fn new(
        pool: &'a Features,
        classes: usize,
        options: &'a SimulationOptions,
        strategy: Strategy,
        seed: u64,
    ) -> Result<Labelling<'a>, LabelError> {
        let linear = LinearOptions { seed, ..options.linear.clone() };
        Ok(Labelling {
            pool,
            options,
            strategy,
            seed,
            chooser: Chooser::new(&pool.vectors, strategy, classes, seed)?,
            head: Head::new(classes, linear),
            labelled: Vec::new(),
            set_aside: Vec::new(),
            order: shuffled(pool.labels.len(), seed, SET_ASIDE),
        })
    }

    /// Goes on until there are so many labels, and fits to those that are not set aside.
    fn label_until(&mut self, budget: usize) -> Result<(), LabelError> {
        loop {
            let given = self.labelled.len() + self.set_aside.len();
            if given >= budget {
                return Ok(());
            }
            let count = self.options.batch.min(budget - given);
            // One label at least is learned from.
            let aside = (self.options.test_share * (given + count) as f64).floor() as usize;
            let aside = aside.saturating_sub(self.set_aside.len()).min(count - usize::from(self.labelled.is_empty()));
            for _ in 0..aside {
                let free = |image: &&usize| !self.labelled.contains(image) && !self.set_aside.contains(image);
                let next = self.order.iter().find(free).copied();
                self.set_aside.extend(next);
            }
            let head = (!self.labelled.is_empty()).then_some(&self.head);
            let (labelled, set_aside) = (&self.labelled, &self.set_aside);
            let next = self.chooser.next(Asked { labelled, set_aside, head, count: count - aside })?;
            self.labelled.extend(next);
            self.head.fit(&self.of_pool(&self.labelled))?;
        }
    }

    fn of_pool(&self, images: &[usize]) -> Features {
        let labels = images.iter().map(|&image| self.pool.labels[image]).collect();
        Features { vectors: rows_of(&self.pool.vectors, images), labels }
    }

    fn outcome(&self, test: &Features, budget: usize) -> Result<Outcome, EvalError> {
        let right = |of: &Features| -> Result<f64, EvalError> {
            let predicted = self.head.predict(&of.vectors)?.unwrap_or_default();
            Ok(accuracy(&of.labels, &predicted)?)
        };
        let set_aside = match self.set_aside.len() as u64 {
            0 => None,
            images => {
                let share = right(&self.of_pool(&self.set_aside))?;
                Some(SetAside { right: (share * images as f64).round() as u64, images })
            }
        };
        Ok(Outcome { strategy: self.strategy, seed: self.seed, labels: budget, test_accuracy: right(test)?, set_aside })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    /// Four classes at four corners: of the first 200 images, of the others 20 each.
    fn uneven(number: usize) -> Features {
        let labels: Vec<u16> = (0..260).map(|row| if row < 200 { 0 } else { 1 + (row % 3) as u16 }).collect();
        let rows = labels.iter().enumerate().map(|(row, &label)| {
            let jitter = |by: usize| ((row * by + number * 31) % 97) as f32 / 388.0 - 0.125;
            let mut at = [0.2f32; 4];
            at[usize::from(label)] = 2.0;
            [at[0] + jitter(17), at[1] + jitter(29), at[2] + jitter(41), at[3] + jitter(53)]
        });
        Features { vectors: Tensor::from_slice2(&rows.collect::<Vec<_>>()), labels }
    }

    fn options() -> SimulationOptions {
        SimulationOptions {
            strategies: Strategy::ALL.to_vec(),
            budgets: vec![4, 12, 40],
            seeds: vec![0, 1],
            batch: 4,
            test_share: 0.0,
            linear: LinearOptions { l2: vec![1e-2], folds: 3, seed: 0 },
        }
    }

    #[test]
    fn rare_classes_are_found_sooner_by_typical_images_than_at_random() {
        let (pool, test) = (uneven(0), uneven(1));
        let mut told = 0;
        let found = simulate(&pool, &test, 4, &options(), &mut |_| told += 1).unwrap();
        assert_eq!((found.len(), told), (6 * 2 * 3, 36));
        let of = |strategy: Strategy, labels: usize| -> f64 {
            let outcomes = found.iter().filter(|one| (one.strategy, one.labels) == (strategy, labels));
            outcomes.map(|one| one.test_accuracy).sum::<f64>() / 2.0
        };
        // Four images of four clusters are of all classes; three in four random ones are of the first.
        assert!(of(Strategy::Typical, 4) > 0.95, "{}", of(Strategy::Typical, 4));
        assert!(of(Strategy::Typical, 4) > of(Strategy::Random, 4) + 0.05, "{}", of(Strategy::Random, 4));
        assert_eq!(of(Strategy::Auto, 12), of(Strategy::Typical, 12));
        for strategy in [Strategy::Auto, Strategy::Typical, Strategy::Coverage] {
            assert!(of(strategy, 40) > 0.95, "{strategy:?}: {}", of(strategy, 40));
        }
        let again = SimulationOptions { strategies: vec![Strategy::Margin], ..options() };
        let again = simulate(&pool, &test, 4, &again, &mut |_| {}).unwrap();
        assert!(again.iter().all(|outcome| found.contains(outcome)), "a simulation is a function of its seed");
    }

    #[test]
    fn a_share_is_set_aside_and_measures() {
        let (pool, test) = (uneven(0), uneven(1));
        let options = SimulationOptions { strategies: vec![Strategy::Typical], test_share: 0.25, ..options() };
        let found = simulate(&pool, &test, 4, &options, &mut |_| {}).unwrap();
        let images: Vec<u64> = found[..3].iter().map(|one| one.set_aside.unwrap().images).collect();
        assert_eq!(images, [1, 3, 10]);
        let last = found[2].set_aside.unwrap();
        assert!(last.right >= 8, "{last:?}");
    }

    #[test]
    fn what_cannot_be_simulated_is_said() {
        let (pool, test) = (uneven(0), uneven(1));
        let said =
            |options: SimulationOptions| simulate(&pool, &test, 4, &options, &mut |_| {}).unwrap_err().to_string();
        assert!(
            said(SimulationOptions { budgets: vec![10, 261], ..options() })
                .starts_with("261 labels are more than the 260")
        );
        assert!(said(SimulationOptions { budgets: vec![10, 10], ..options() }).contains("more than the one before it"));
        assert!(said(SimulationOptions { budgets: vec![0], ..options() }).contains("at least 1"));
        assert!(said(SimulationOptions { batch: 0, ..options() }).contains("at least 1"));
        assert!(said(SimulationOptions { test_share: 1.0, ..options() }).contains("below 1"));
        let none = Features { vectors: pool.vectors.narrow(0, 0, 0), labels: Vec::new() };
        assert!(matches!(simulate(&none, &test, 4, &options(), &mut |_| {}), Err(LabelError::EmptyPool)));
    }
}
