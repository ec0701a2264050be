//! A recipe of one's own for the two views: which changes of an image the encoder shall not see. Look at the views that
//! it gives before training with them.
//!
//! ```sh
//! cargo run --release --example custom_views                   # synthetic images, in seconds
//! cargo run --release --example custom_views -- data my-views  # STL-10's files in the folder data
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};

use byol::augment::Recipe;
use byol::config::Experiment;
use byol::data::{ConcatSource, Dataset, ImageSource, OpenOptions, PATTERNS};
use byol::device::Hardware;
use byol::gallery::{ViewSheet, write_views};
use byol::loader::{self, ImageSet};
use byol::train::learner::Learner;
use byol::train::pretrain;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap_or_else(|| PATTERNS.to_owned());
    let out = arguments.next().map_or_else(|| std::env::temp_dir().join("byol-custom-views"), PathBuf::from);
    let (first, last) = custom_views(&data, &out)?;
    println!("views are in {}; the loss went from {first:.2} to {last:.2}", out.display());
    Ok(())
}

/// Writes views of the images in `data` to `out`, and takes some training steps on such views.
pub fn custom_views(data: &str, out: &Path) -> Result<(f64, f64), Box<dyn Error>> {
    let hardware = Hardware::auto();
    let mut experiment = Experiment::preset("demo")?;

    // For images whose colour tells the classes apart and that have no upright side: large crops, no jitter of the
    // hue, seldom gray. The second view is besides blurred, half the time.
    let first = Recipe { crop_area: [0.25, 1.0], hue: 0.0, grayscale_probability: 0.05, ..Recipe::paper_t_prime() };
    let second = Recipe { blur_probability: 0.5, solarize_probability: 0.0, ..first.clone() };
    (experiment.pretrain.t, experiment.pretrain.t_prime) = (first, second);
    // Says which field of which recipe is out of range.
    experiment.validate()?;

    let data = Dataset::open(data, &OpenOptions::default())?;
    let pool = ConcatSource::from(data.pretraining_pool());
    let sheet = ViewSheet {
        source: &pool,
        indices: &[0, pool.len() / 2, pool.len() - 1],
        views: &experiment.training_views(),
        draws: 4,
        seed: experiment.seed,
    };
    write_views(&sheet, out)?;

    // `experiment::pretrain` would do all of this, and keep checkpoints. Here is the loop itself.
    let settings = &experiment.pretrain;
    let schedule = pretrain::schedule(&experiment, pool.len());
    let image_set = ImageSet::of(&experiment, std::sync::Arc::new(pool), &hardware);
    let mut learner = Learner::of(&experiment, &hardware);
    let mut losses = Vec::new();
    for batch in loader::scheduled(image_set, pretrain::views(&experiment), schedule, 0..30, hardware.threads) {
        let output = learner.step(&batch?.images, settings.learning_rate, settings.tau);
        losses.push(output.loss.double_value(&[]));
    }
    Ok((losses[0], losses[losses.len() - 1]))
}
