//! What folders that are given for pre-training add to a data set, as a run would take them.

use std::path::{Path, PathBuf};

use super::{Damage, DataInfo, Pool, SeenByPretraining as Seen, Sizes, SplitInfo};
use crate::data::findings::LeftOut;
use crate::data::folder::OpenOptions;
use crate::data::note::DataNote;
use crate::data::{DataError, Dataset, Pools};

impl DataInfo {
    /// Counts an image's extension, if its name has one.
    pub(super) fn count_extension(&mut self, name: &str) {
        if let Some(extension) = Path::new(name).extension() {
            *self.extensions.entry(extension.to_string_lossy().to_ascii_lowercase()).or_default() += 1;
        }
    }

    /// Adds what `--unlabeled` would name to the data set, and looks for copies as a run does.
    pub(super) fn add_pools(
        &mut self,
        mut dataset: Dataset,
        paths: &[PathBuf],
        options: &OpenOptions,
    ) -> Result<(), DataError> {
        // Said of the data set before.
        dataset.notes.clear();
        dataset.warnings.clear();
        for path in paths {
            let pool = dataset.open_pool(path, options)?;
            self.damaged.extend(pool.skipped.iter().map(Damage::of));
            let images = pool.images.len();
            let sizes = match pool.sizes.is_empty() {
                true => SplitInfo::read("", pool.images.as_ref())?.sizes,
                false => Sizes::of(pool.sizes.iter().copied()),
            };
            if !pool.sizes.is_empty() {
                (0..images).for_each(|index| self.count_extension(&pool.images.name(index)));
            }
            // Damaged files are named by themselves.
            let mut pool = pool;
            dataset.unreadable.extend(pool.skipped.drain(..).map(|skip| skip.path));
            let test_files = dataset.add_pool(path, pool)?;
            let left_out = LeftOut { pool: path.display().to_string(), ..LeftOut::default() };
            self.pools.push(Pool { path: path.clone(), images, sizes, test_files, left_out });
        }
        self.warnings.append(&mut dataset.warnings);
        dataset.look_for_copies(Pools::LeaveCopiesOut)?;
        self.notes.append(&mut dataset.notes);
        for pool in &mut self.pools {
            let found = dataset.findings.left_out.iter().find(|found| found.pool == pool.left_out.pool);
            pool.left_out = found.cloned().unwrap_or_else(|| pool.left_out.clone());
        }
        let empty =
            self.pools.iter().filter(|pool| !dataset.unlabeled.iter().any(|left| left.name == pool.left_out.pool));
        self.warnings.extend(empty.map(|pool| DataNote::AddsNothing { pool: pool.left_out.pool.clone() }));
        let pools = dataset.pretraining_pool();
        self.pretraining =
            pools.iter().map(|pool| Seen { pool: pool.name.clone(), images: pool.images.len() }).collect();
        Ok(())
    }
}
