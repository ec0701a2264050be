//! What comes after a command, as a command line, where there is one thing to do. What page and report advise is not here.

use std::path::Path;

use byol::data::folder::{is_image, walk};
use byol::run::RunDirectory;
use byol::run::command::shell_word;
use byol::run::record::Summary;

/// After a pre-training on a folder of images that have no labels: labelling them. `data` is what was typed; where that is missing, the
/// run knows it.
pub fn after_pretraining(run: &Path, data: Option<&Path>, summary: &Summary) -> Option<String> {
    if !summary.data.class_names.is_empty() {
        return None;
    }
    let recorded = || {
        let record = RunDirectory::existing(run).ok()?.command().ok()??;
        Some(record.folder.join(record.data))
    };
    let data = data.map(Path::to_owned).or_else(recorded)?;
    let holds_images = data.is_dir() && walk(&data).flatten().any(|entry| is_image(entry.path()));
    holds_images.then(|| format!("byol label --images {} --from {} --open", shell_word(&data), shell_word(run)))
}
