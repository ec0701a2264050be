//! The report of a simulation of labelling: what each strategy's labels were worth, over seeds, beside labels of random images. From the
//! record to a table, sentences and a page.

mod page;
mod table;

use serde::Serialize;

use crate::run::simulation::{Simulation, Strategy};
use crate::statistics::significance::mean_difference;

pub use page::render;
pub use table::markdown;

/// What a strategy's labels were worth.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Curve {
    /// What chose them.
    pub strategy: Strategy,
    /// One for each budget that every seed has reached, rising.
    pub points: Vec<AtBudget>,
}

/// Classifiers with so many labels, over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AtBudget {
    /// Labels.
    pub labels: usize,
    /// Mean test accuracy, 0-1.
    pub accuracy: f64,
    /// Ends of its 95% interval by Student's t distribution over the seeds, cut at 0 and 1; absent with one seed.
    pub interval: Option<[f64; 2]>,
    /// Each seed's accuracy.
    pub runs: Vec<f64>,
    /// Beside random images; absent for these themselves, and where none were simulated.
    pub beside_random: Option<BesideRandom>,
    /// How far the accuracy on labels that were set aside is from that on the test images, mean over seeds, -1 to 1; absent where none
    /// were.
    pub set_aside_off: Option<f64>,
}

/// A strategy beside random images, with the same number of labels.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BesideRandom {
    /// Mean of the seeds' differences of accuracy, -1 to 1.
    pub mean: f64,
    /// Ends of its 95% interval by Student's t distribution over these, cut at -1 and 1; absent with one seed.
    pub interval: Option<[f64; 2]>,
    /// Labels of random images that give the same accuracy, on the straight line between budgets; absent where random images never
    /// reach it.
    pub random_labels: Option<f64>,
}

/// Each strategy's curve, in the order in which they were simulated.
pub fn curves(simulation: &Simulation) -> Vec<Curve> {
    let mut strategies: Vec<Strategy> = Vec::new();
    for outcome in &simulation.outcomes {
        if !strategies.contains(&outcome.strategy) {
            strategies.push(outcome.strategy);
        }
    }
    let of = |&strategy: &Strategy| {
        let points = simulation.budgets.iter().filter_map(|&labels| at_budget(simulation, strategy, labels)).collect();
        Curve { strategy, points }
    };
    let mut curves: Vec<Curve> = strategies.iter().map(of).collect();
    let random: Vec<(f64, f64)> = curves
        .iter()
        .filter(|curve| curve.strategy == Strategy::Random)
        .flat_map(|curve| &curve.points)
        .map(|point| (point.labels as f64, point.accuracy))
        .collect();
    for point in curves.iter_mut().flat_map(|curve| &mut curve.points) {
        if let Some(beside) = &mut point.beside_random {
            beside.random_labels = reached(&random, point.accuracy);
        }
    }
    curves
}

/// Each seed's accuracy of a strategy with so many labels; nothing unless all seeds have one.
fn accuracies(simulation: &Simulation, strategy: Strategy, labels: usize) -> Option<Vec<f64>> {
    let of_seed = |&seed: &u64| {
        let mut outcomes = simulation.outcomes.iter();
        Some(outcomes.find(|one| (one.strategy, one.seed, one.labels) == (strategy, seed, labels))?.test_accuracy)
    };
    simulation.seeds.iter().map(of_seed).collect()
}

fn at_budget(simulation: &Simulation, strategy: Strategy, labels: usize) -> Option<AtBudget> {
    let runs = accuracies(simulation, strategy, labels)?;
    let found = mean_difference(&runs)?;
    let interval = found.low.is_finite().then_some([found.low.max(0.0), found.high.min(1.0)]);
    let random = accuracies(simulation, Strategy::Random, labels).filter(|_| strategy != Strategy::Random);
    let beside_random = random.and_then(|random| {
        let differences: Vec<f64> = runs.iter().zip(random).map(|(own, random)| own - random).collect();
        let found = mean_difference(&differences)?;
        let interval = found.low.is_finite().then_some([found.low.max(-1.0), found.high.min(1.0)]);
        Some(BesideRandom { mean: found.mean, interval, random_labels: None })
    });
    let here = simulation.outcomes.iter().filter(|one| (one.strategy, one.labels) == (strategy, labels));
    let off: Vec<f64> = here
        .filter_map(|one| one.set_aside.map(|aside| aside.right as f64 / aside.images as f64 - one.test_accuracy))
        .collect();
    let set_aside_off = (!off.is_empty()).then(|| off.iter().sum::<f64>() / off.len() as f64);
    Some(AtBudget { labels, accuracy: found.mean, interval, runs, beside_random, set_aside_off })
}

/// Where a curve first reaches a height, between its points; nothing where it begins above it or never does.
fn reached(curve: &[(f64, f64)], height: f64) -> Option<f64> {
    curve.windows(2).find_map(|pair| {
        let [(from, low), (to, high)] = pair else { return None };
        let within = *low <= height && height <= *high && high > low;
        within.then(|| from + (to - from) * (height - low) / (high - low))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::run::simulation::{Outcome, SetAside};

    /// Accuracies of typical and of random images with 10, 20 and 40 labels, three seeds each.
    pub fn simulation() -> Simulation {
        let of = |strategy, at: [[f64; 3]; 3]| {
            let by_seed = move |seed: usize| {
                [10, 20, 40].into_iter().enumerate().map(move |(place, labels)| Outcome {
                    strategy,
                    seed: seed as u64,
                    labels,
                    test_accuracy: at[place][seed],
                    set_aside: (labels == 40).then_some(SetAside { right: 3, images: 4 }),
                })
            };
            (0..3).flat_map(by_seed).collect::<Vec<_>>()
        };
        let typical = of(Strategy::Typical, [[0.40, 0.42, 0.44], [0.50, 0.50, 0.50], [0.60, 0.70, 0.80]]);
        let random = of(Strategy::Random, [[0.30, 0.30, 0.30], [0.40, 0.40, 0.40], [0.60, 0.60, 0.60]]);
        Simulation {
            data: "photos".to_owned(),
            pool: 500,
            test: 100,
            classes: 4,
            batch: 10,
            test_share: 0.1,
            budgets: vec![10, 20, 40],
            seeds: vec![0, 1, 2],
            outcomes: [typical, random].concat(),
            version: "0".to_owned(),
        }
    }

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    #[test]
    fn accuracies_have_students_intervals_and_are_held_against_random_seed_by_seed() {
        let curves = curves(&simulation());
        assert_eq!(
            curves.iter().map(|curve| curve.strategy).collect::<Vec<_>>(),
            [Strategy::Typical, Strategy::Random]
        );
        let points = &curves[0].points;
        // Deviation 0.02 of three, 4.303 of t with two degrees of freedom: 0.42 ± 0.0497.
        let [low, high] = points[0].interval.unwrap();
        assert!(near(points[0].accuracy, 0.42) && near(low, 0.3703) && near(high, 0.4697), "{low} {high}");
        let beside = points[0].beside_random.as_ref().unwrap();
        assert!(near(beside.mean, 0.12) && near(beside.interval.unwrap()[0], 0.0703));
        // Random images reach 0.42 between 20 labels (0.40) and 40 (0.60), and 0.70 never.
        assert!(near(beside.random_labels.unwrap(), 22.0), "{beside:?}");
        assert!(near(points[1].beside_random.as_ref().unwrap().random_labels.unwrap(), 30.0));
        assert_eq!(points[2].beside_random.as_ref().unwrap().random_labels, None);
        assert!(near(points[2].set_aside_off.unwrap(), 0.05) && points[0].set_aside_off.is_none());
        assert!(curves[1].points.iter().all(|point| point.beside_random.is_none()));
    }

    #[test]
    fn one_seed_has_no_interval_and_a_missing_one_no_point() {
        let mut one = simulation();
        one.seeds = vec![1];
        let found = curves(&one);
        assert!(found[0].points[0].interval.is_none() && near(found[0].points[0].accuracy, 0.42));
        let mut missing = simulation();
        missing.outcomes.remove(0);
        assert_eq!(curves(&missing)[0].points.len(), 2);
    }
}
