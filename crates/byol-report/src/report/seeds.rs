//! What the same comparison found with several seeds: each classifier over them, and how much better it is than what it is held against,
//! with an interval that holds how much one pre-training differs from the next. Nothing here says it in words.

mod page;
mod table;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::load::{RunData, load as load_run};
use super::{ReportError, write_page};
use crate::run::RunError;
use crate::run::record::{Accuracy, LabelBudget, ResultName};
use crate::run::seeds::SeedsRecord;
use crate::statistics::significance::mean_difference;

pub use crate::run::seeds::is_of_seeds;
pub use table::markdown;

/// Below this many seeds an interval over them says little: it rests on one difference, or on two.
pub const FEW_SEEDS: usize = 3;

/// The runs of a folder with what they found together.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Seeds {
    /// The folder's own name, for people.
    pub name: String,
    /// Which seeds there are.
    pub record: SeedsRecord,
    /// The runs that have begun, in the order of the seeds.
    pub runs: Vec<RunData>,
    /// What those that have finished found together.
    pub found: OverSeeds,
}

/// What finished runs with several seeds found together: `summary` of `byol run --seeds N --json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OverSeeds {
    /// The seeds whose runs have finished; everything is over these.
    pub seeds: Vec<u64>,
    /// How many seeds there are to be.
    pub planned: usize,
    /// Each classifier at each label budget, in the order of tables.
    pub results: Vec<ResultOverSeeds>,
    /// Each classifier beside the one that it is held against.
    pub differences: Vec<DifferenceOverSeeds>,
    /// Whether all of them have finished.
    pub finished: bool,
}

/// A classifier at a label budget, over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ResultOverSeeds {
    /// Which classifier.
    pub name: ResultName,
    /// The labels that it had.
    pub labels_per_class: LabelBudget,
    /// Over seeds; each seed's accuracy is its mean over label draws.
    pub test_accuracy: Accuracy,
}

/// A classifier held against another at a label budget, over seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DifferenceOverSeeds {
    /// Which classifier.
    pub name: ResultName,
    /// What it is held against.
    pub against: ResultName,
    /// The labels that both had.
    pub labels_per_class: LabelBudget,
    /// Mean over seeds, -1 to 1.
    pub mean: f64,
    /// Ends of the 95% interval by Student's t distribution over the seeds' differences, cut at -1 and 1; absent with one seed. It holds what changes
    /// with the seed (pre-training, label draws, order), and not that there could be other test images.
    pub interval: Option<[f64; 2]>,
    /// Each seed's difference of means over label draws, -1 to 1.
    pub runs: Vec<f64>,
}

impl OverSeeds {
    /// The label budgets that there are results of, in rising order.
    pub(super) fn budgets(&self) -> Vec<LabelBudget> {
        let mut budgets: Vec<LabelBudget> = self.results.iter().map(|result| result.labels_per_class).collect();
        budgets.sort();
        budgets.dedup();
        budgets
    }

    pub(super) fn accuracy(&self, name: ResultName, budget: LabelBudget) -> Option<&Accuracy> {
        let of = |result: &&ResultOverSeeds| (result.name, result.labels_per_class) == (name, budget);
        Some(&self.results.iter().find(of)?.test_accuracy)
    }
}

/// What an interval over seeds says of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Ahead,
    Behind,
    Undecided,
}

impl DifferenceOverSeeds {
    /// Nothing where there is no interval.
    pub(super) fn told(&self) -> Option<Told> {
        let [low, high] = self.interval?;
        Some(match (low > 0.0, high < 0.0) {
            (true, _) => Told::Ahead,
            (_, true) => Told::Behind,
            _ => Told::Undecided,
        })
    }
}

/// Reads the runs of a folder. Those that have not begun are left out.
///
/// # Errors
/// The record is missing or damaged; or as [`load`](super::load()) of a run.
pub fn load(folder: &Path) -> Result<Seeds, ReportError> {
    let record = SeedsRecord::read(folder).map_err(|error| unread(folder, error))?;
    let record = record.ok_or_else(|| ReportError::NotARun(folder.to_owned()))?;
    let there = record.runs(folder).into_iter().filter(|run| run.join("summary.json").is_file());
    let runs = there.map(|run| load_run(&run)).collect::<Result<Vec<_>, _>>()?;
    let found = over_seeds(&runs, record.seeds.len());
    Ok(Seeds { name: super::name_of(folder), record, runs, found })
}

fn unread(folder: &Path, error: RunError) -> ReportError {
    match error {
        RunError::Read { path, source } => ReportError::Read { path, source },
        RunError::Malformed { path, reason } => ReportError::File { path, reason },
        other => ReportError::File { path: folder.to_owned(), reason: other.to_string() },
    }
}

/// What the finished ones among these runs found; `planned` is how many there are to be.
pub(super) fn over_seeds(runs: &[RunData], planned: usize) -> OverSeeds {
    let finished: Vec<&RunData> = runs.iter().filter(|run| run.finished()).collect();
    let mut budgets: Vec<LabelBudget> = finished.iter().flat_map(|run| run.budgets()).collect();
    budgets.sort();
    budgets.dedup();
    let mean = |run: &RunData, name, budget| Some(run.accuracy(name, budget)?.mean);
    let (mut results, mut differences) = (Vec::new(), Vec::new());
    for name in all_of(&finished, RunData::results) {
        for &budget in &budgets {
            let of_seeds = finished.iter().filter_map(|run| mean(run, name, budget)).collect();
            if let Some(test_accuracy) = Accuracy::over(of_seeds) {
                results.push(ResultOverSeeds { name, labels_per_class: budget, test_accuracy });
            }
        }
    }
    for (name, against) in all_of(&finished, RunData::pairs) {
        for &budget in &budgets {
            let of_seed = |run: &&RunData| Some(mean(run, name, budget)? - mean(run, against, budget)?);
            let runs: Vec<f64> = finished.iter().filter_map(of_seed).collect();
            if let Some(found) = mean_difference(&runs) {
                // No difference is larger, though Student's distribution would have it.
                let interval = found.low.is_finite().then_some([found.low.max(-1.0), found.high.min(1.0)]);
                differences.push(DifferenceOverSeeds {
                    name,
                    against,
                    labels_per_class: budget,
                    mean: found.mean,
                    interval,
                    runs,
                });
            }
        }
    }
    let seeds: Vec<u64> = finished.iter().filter_map(|run| Some(run.summary.as_ref()?.seed)).collect();
    OverSeeds { finished: seeds.len() == planned, seeds, planned, results, differences }
}

/// What any of the runs has, each once, in the order of the first that has it.
fn all_of<T: PartialEq>(runs: &[&RunData], of: impl Fn(&RunData) -> Vec<T>) -> Vec<T> {
    let mut all = Vec::new();
    for one in runs.iter().flat_map(|run| of(run)) {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// Reads the runs of a folder and writes its `report.html`, whole or not at all. Returns the page's path.
///
/// # Errors
/// As [`load`]; and [`ReportError::Write`].
pub fn write(folder: &Path) -> Result<PathBuf, ReportError> {
    write_to(folder, &folder.join("report.html"))
}

/// As [`write()`], to a place of one's own.
///
/// # Errors
/// As [`write()`].
pub fn write_to(folder: &Path, page: &Path) -> Result<PathBuf, ReportError> {
    write_page(page, &page::render(&load(folder)?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::testing::Run;
    use super::*;

    /// Runs with these accuracies of baseline and fine-tuned BYOL with 10 labels per class, one for each seed from 0.
    pub(in crate::report) fn runs(accuracies: &[(f64, f64)]) -> Vec<RunData> {
        let of_seed = |(seed, &(baseline, fine_tuned)): (u64, &(f64, f64))| {
            let mut run = Run::with_accuracies(&[
                (ResultName::SUPERVISED, baseline, 0.60),
                (ResultName::PRETRAINED_FINETUNED, fine_tuned, 0.70),
            ]);
            if let Some(summary) = &mut run.summary {
                (summary.seed, summary.finished) = (seed, true);
            }
            RunData { name: format!("seed-{seed}"), ..run.data() }
        };
        (0..).zip(accuracies).map(of_seed).collect()
    }

    const FEW: LabelBudget = LabelBudget::PerClass(10);

    fn fine_tuning(found: &OverSeeds) -> &DifferenceOverSeeds {
        let of =
            |one: &&DifferenceOverSeeds| one.name == ResultName::PRETRAINED_FINETUNED && one.labels_per_class == FEW;
        found.differences.iter().find(of).expect("fine-tuning is held against the baseline")
    }

    /// Each seed's three draws lie a point apart around the accuracy that is given, which is their mean.
    #[test]
    fn a_classifier_over_seeds_has_the_deviation_between_them() {
        let found = over_seeds(&runs(&[(0.40, 0.60), (0.40, 0.50), (0.40, 0.70)]), 3);
        let result = |name| {
            let of = |one: &&ResultOverSeeds| one.name == name && one.labels_per_class == FEW;
            found.results.iter().find(of).expect("it was judged").test_accuracy.clone()
        };
        let fine_tuned = result(ResultName::PRETRAINED_FINETUNED);
        // By hand: the mean of 60, 50 and 70 is 60, the squares of 0, -10 and 10 add up to 200, and 200 / 2 is 10 squared. The
        // deviation of a point between draws is none of it.
        assert!(
            (fine_tuned.mean - 0.60).abs() < 1e-9 && (fine_tuned.std.unwrap() - 0.10).abs() < 1e-9,
            "{fine_tuned:?}"
        );
        assert_eq!(fine_tuned.runs.len(), 3);
        assert!(result(ResultName::SUPERVISED).std.unwrap() < 1e-9);
        assert_eq!((found.seeds.as_slice(), found.finished), (&[0, 1, 2][..], true));
    }

    /// `scipy.stats.t.interval(0.95, df=n - 1, loc=mean, scale=std / sqrt(n))` gives these ends; its quantiles are
    /// `t.ppf(0.975, 2)` = 4.302653, `t.ppf(0.975, 1)` = 12.706205.
    #[test]
    fn a_difference_has_students_interval_over_seeds() {
        // Differences of 20, 10 and 30 points: 20 ± 4.302653 * 10 / sqrt(3).
        let found = over_seeds(&runs(&[(0.40, 0.60), (0.40, 0.50), (0.40, 0.70)]), 3);
        let three = fine_tuning(&found);
        let [low, high] = three.interval.expect("there are three seeds");
        assert!((three.mean - 0.20).abs() < 1e-9 && (low + 0.048_413_8).abs() < 1e-6, "{three:?}");
        assert!((high - 0.448_413_8).abs() < 1e-6 && three.told() == Some(Told::Undecided), "{three:?}");
        // It is the seeds' differences that count: where baselines go up and down with them, the interval is narrow.
        let found = over_seeds(&runs(&[(0.30, 0.49), (0.40, 0.60), (0.50, 0.71)]), 3);
        let paired = fine_tuning(&found);
        // 19, 20 and 21 points: 20 ± 4.302653 * 1 / sqrt(3).
        let [low, high] = paired.interval.expect("there are three seeds");
        assert!((low - 0.175_158_6).abs() < 1e-6 && (high - 0.224_841_4).abs() < 1e-6, "{paired:?}");
        assert_eq!(paired.told(), Some(Told::Ahead));
        // 20 and 22 points: 21 ± 12.706205 * 1.414214 / sqrt(2).
        let found = over_seeds(&runs(&[(0.40, 0.60), (0.40, 0.62)]), 2);
        let [low, high] = fine_tuning(&found).interval.expect("there are two seeds");
        assert!((low - 0.082_938).abs() < 1e-6 && (high - 0.337_062).abs() < 1e-6, "{low} {high}");
        // -10 and 30 points: 10 ± 254.1, which no difference of accuracies can be.
        let found = over_seeds(&runs(&[(0.40, 0.30), (0.40, 0.70)]), 2);
        assert_eq!(fine_tuning(&found).interval, Some([-1.0, 1.0]));
        let found = over_seeds(&runs(&[(0.40, 0.60)]), 2);
        assert_eq!((fine_tuning(&found).interval, fine_tuning(&found).told(), found.finished), (None, None, false));
    }

    #[test]
    fn runs_that_have_not_finished_do_not_count() {
        let mut three = runs(&[(0.40, 0.60), (0.40, 0.50), (0.40, 0.70)]);
        three[1].summary.as_mut().unwrap().finished = false;
        let found = over_seeds(&three, 3);
        assert_eq!((found.seeds.as_slice(), found.planned, found.finished), (&[0, 2][..], 3, false));
        assert_eq!(fine_tuning(&found).runs.len(), 2);
        assert!(over_seeds(&[], 3).results.is_empty());
    }

    #[test]
    fn a_folder_of_seeds_is_read_and_its_page_written() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(load(folder.path()), Err(ReportError::NotARun(_))));
        let record = SeedsRecord { seeds: vec![0, 1], hours: None, version: "1".to_owned() };
        record.write(folder.path()).unwrap();
        // Neither has begun.
        assert!(load(folder.path()).unwrap().runs.is_empty());
        let page = std::fs::read_to_string(write(folder.path()).unwrap()).unwrap();
        assert!(page.contains("0 of 2"), "{page}");
        std::fs::write(folder.path().join("seeds.json"), "{").unwrap();
        assert!(load(folder.path()).unwrap_err().to_string().contains("seeds.json is damaged"));
    }
}
