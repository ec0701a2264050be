//! [`pipeline`] by several processes: each takes its part of a block of files, and rank 0 gets the rows of all.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::InferenceError;
use super::network::Network;
use super::pipeline::{self, Division, Outcome, Timing};
use crate::data::error::ImageProblem;
use crate::ranks::{Ranks, RanksError};

/// Batches of a thread in its process's part of a block: enough that ranks seldom wait for one another, and few enough that
/// the rows of a block are small beside the images under way.
const BATCHES: usize = 8;

/// What a rank tells of its part.
#[derive(Serialize, Deserialize)]
struct Told {
    /// Of each file, why it cannot be used, where it cannot.
    problems: Vec<Option<String>>,
    timing: Timing,
}

/// As [`pipeline::run`], by all ranks, which have the same network and the same files in the same order: rows go to `deliver` at rank
/// 0 alone, and are those of one process. The timing is that of all ranks together, and at rank 0 alone.
///
/// # Errors
/// The first error of `deliver`; a rank is gone; another rank than the first does not have a file.
pub fn run<E: From<InferenceError> + From<RanksError>>(
    network: &Network,
    files: &[PathBuf],
    division: Division,
    ranks: &Ranks,
    mut deliver: impl FnMut(&Path, Outcome) -> Result<(), E>,
) -> Result<Timing, E> {
    if ranks.is_alone() {
        return pipeline::run(network, files, division, deliver);
    }
    let begun = Instant::now();
    // Hosts differ in cores and devices; how files are divided must not.
    let per_rank = ranks.value_of_first((BATCHES * division.threads.max(1) * division.batch_size).max(1))?;
    let columns = network.columns() * network.views().count();
    let mut timing = Timing::default();
    for block in files.chunks(per_rank * ranks.count()) {
        let own = block.chunks(per_rank).nth(ranks.place().rank).unwrap_or_default();
        let (told, rows) = part(network, own, division, ranks)?;
        let (all, rows) = exchanged(ranks, &told, rows, (per_rank, columns), network)?;
        if !ranks.is_first() {
            continue;
        }
        timing.threads = all.iter().map(|told| told.timing.threads).sum::<usize>().max(timing.threads);
        for ((told, rows), files) in all.into_iter().zip(&rows).zip(block.chunks(per_rank)) {
            timing.add(&told.timing);
            let mut rows = rows.chunks_exact(columns.max(1));
            for (path, problem) in files.iter().zip(told.problems) {
                let outcome = match problem {
                    Some(problem) => {
                        timing.unreadable += 1;
                        Outcome::Unreadable(ImageProblem::MetElsewhere(problem))
                    }
                    None => {
                        timing.images += 1;
                        Outcome::Row(rows.next().ok_or(InferenceError::WorkerLost)?)
                    }
                };
                deliver(path, outcome)?;
            }
        }
    }
    timing.elapsed = begun.elapsed();
    Ok(timing)
}

/// What became of a rank's own files, with the rows of those that can be used.
fn part(
    network: &Network,
    files: &[PathBuf],
    division: Division,
    ranks: &Ranks,
) -> Result<(Told, Vec<f32>), InferenceError> {
    let (mut problems, mut rows) = (Vec::with_capacity(files.len()), Vec::new());
    let timing = pipeline::run::<InferenceError>(network, files, division, |path, outcome| {
        problems.push(match outcome {
            Outcome::Row(row) => {
                rows.extend_from_slice(row);
                None
            }
            // Rank 0 has found it: this host has other files.
            Outcome::Unreadable(problem) if problem.is_missing() && !ranks.is_first() => {
                return Err(InferenceError::NotThere { path: path.to_owned(), others: 0 });
            }
            Outcome::Unreadable(problem) => Some(problem.to_string()),
        });
        Ok(())
    })?;
    Ok((Told { problems, timing }, rows))
}

/// What all ranks tell of their parts, and their rows; at a rank that is not the first, nothing.
fn exchanged(
    ranks: &Ranks,
    told: &Told,
    mut rows: Vec<f32>,
    (per_rank, columns): (usize, usize),
    network: &Network,
) -> Result<(Vec<Told>, Vec<Vec<f32>>), RanksError> {
    let own = serde_json::to_string(told).map_err(RanksError::untold)?;
    let texts = ranks.texts(&own)?;
    // Every rank sends as many rows.
    rows.resize(per_rank * columns, 0.0);
    let rows = Tensor::from_slice(&rows).view([per_rank as i64, columns as i64]).to_device(network.device());
    let gathered = ranks.gather(&rows);
    ranks.check()?;
    if !ranks.is_first() {
        return Ok((Vec::new(), Vec::new()));
    }
    let all: Vec<Told> =
        texts.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>().map_err(RanksError::untold)?;
    let rows = all.iter().enumerate().map(|(rank, told)| {
        let usable = told.problems.iter().filter(|problem| problem.is_none()).count();
        pipeline::values(&gathered.get(rank as i64).narrow(0, 0, usable as i64).to_kind(Kind::Float))
    });
    let rows = rows.collect();
    Ok((all, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::tiny;
    use crate::ranks::testing;

    #[derive(Debug, thiserror::Error)]
    enum Error {
        #[error(transparent)]
        Inference(#[from] InferenceError),
        #[error(transparent)]
        Ranks(#[from] RanksError),
        #[error("enough")]
        Enough,
    }

    fn network() -> Network {
        Network::encoder(&tiny::encoder(3), &tiny::hardware()).unwrap()
    }

    /// Images of 10 of 16 bits, which is worth a word, with one file in seven that is none.
    fn files(folder: &Path, count: usize) -> Vec<PathBuf> {
        let write = |number: usize| {
            let path = folder.join(format!("{number:03}.png"));
            if number % 7 == 3 {
                std::fs::write(&path, "no image").unwrap();
            } else {
                let level = |x: u32, y: u32| image::Luma([((x * 37 + y * 11 + number as u32 * 5) % 1024) as u16]);
                image::ImageBuffer::from_fn(20, 20, level).save(&path).unwrap();
            }
            path
        };
        (0..count).map(write).collect()
    }

    type Found = (Vec<(PathBuf, Result<Vec<u32>, String>)>, usize, usize);

    /// What rank 0 is handed, with what was counted.
    fn of(network: &Network, files: &[PathBuf], ranks: &Ranks) -> (Found, Timing) {
        let mut handed = Vec::new();
        // As on hosts with different numbers of cores.
        let division = Division { batch_size: 2, threads: 1 + ranks.place().rank };
        let timing = run::<Error>(network, files, division, ranks, |path, outcome| {
            handed.push((
                path.to_owned(),
                match outcome {
                    Outcome::Row(row) => Ok(row.iter().map(|value| value.to_bits()).collect()),
                    Outcome::Unreadable(problem) => Err(problem.to_string()),
                },
            ));
            Ok(())
        })
        .unwrap();
        ((handed, timing.images, timing.unreadable), timing)
    }

    /// The same rows to the last bit in the same order, the same problems and the same warnings, for any number of ranks,
    /// whether blocks divide or not.
    #[test]
    fn ranks_divide_files() {
        let folder = tempfile::tempdir().unwrap();
        let network = network();
        for count in [1, 16, 33, 70] {
            let files = files(folder.path(), count);
            let (expected, alone) = of(&network, &files, &Ranks::default());
            assert_eq!(expected.0.len(), count);
            for size in [2, 3] {
                let found = testing::threads(size, |ranks| of(&network, &files, &ranks));
                let (first, timing) = &found[0];
                assert!(*first == expected, "{count} files, {size} ranks");
                assert_eq!(timing.warnings(&network), alone.warnings(&network));
                assert!(!alone.warnings(&network).is_empty() && timing.forward > std::time::Duration::ZERO);
                assert!(found[1..].iter().all(|((handed, images, _), _)| handed.is_empty() && *images == 0));
            }
        }
    }

    /// A host without the files says which is not there, and nothing is left out for it.
    #[test]
    fn files_that_are_elsewhere_end_it() {
        let folder = tempfile::tempdir().unwrap();
        let (network, files) = (network(), files(folder.path(), 40));
        let elsewhere: Vec<PathBuf> = files.iter().map(|file| file.with_extension("gone")).collect();
        let division = Division { batch_size: 2, threads: 1 };
        let ended = testing::threads(2, |ranks| {
            let own = if ranks.is_first() { &files } else { &elsewhere };
            let error = run::<Error>(&network, own, division, &ranks, |_, _| Ok(())).unwrap_err();
            let said = error.to_string();
            ranks.fail(&said);
            said
        });
        assert!(ended[1].contains("016.gone does not exist"), "{ended:?}");
        assert!(ended[0].contains("016.gone does not exist") && ended[0].contains("rank 1"), "{ended:?}");
    }

    /// An error of whoever is handed the rows ends all.
    #[test]
    fn what_cannot_be_written_ends_all() {
        let folder = tempfile::tempdir().unwrap();
        let (network, files) = (network(), files(folder.path(), 60));
        let division = Division { batch_size: 2, threads: 1 };
        let ended = testing::threads(2, |ranks| {
            let error = run::<Error>(&network, &files, division, &ranks, |_, _| Err(Error::Enough)).unwrap_err();
            let said = error.to_string();
            ranks.fail(&said);
            said
        });
        assert!(ended[0] == "enough" && ended[1].contains("has failed: enough"), "{ended:?}");
    }
}
