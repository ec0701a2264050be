//! Representations of images by a pre-trained encoder, and the nearest images to some of them.
//!
//! ```sh
//! cargo run --release --example embed_and_search                        # pre-trains on synthetic images, in seconds
//! cargo run --release --example embed_and_search -- runs/photos photos  # with the encoder of a run, in a folder
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byol::config::Experiment;
use byol::data::folder::FolderSource;
use byol::data::patterns::{self, PatternOptions};
use byol::data::{ImageSource, OpenOptions};
use byol::device::Hardware;
use byol::eval::features::{FeatureRequest, represent};
use byol::eval::knn::nearest;
use byol::experiment::{self, Context};
use byol::loader::ViewKind;
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Silent};
use byol::train::pretrain::encoder_of;
use byol::trained::checkpoint::CheckpointFolder;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let hardware = Hardware::auto();
    let (run, images): (PathBuf, Arc<dyn ImageSource>) = match arguments.as_slice() {
        [run, folder] => (run.clone(), Arc::new(FolderSource::open(folder, &OpenOptions::default())?)),
        _ => {
            let run = std::env::temp_dir().join("byol-embed-and-search");
            (run.clone(), pretrain_on_patterns(&run, &hardware)?)
        }
    };
    for line in embed_and_search(&run, images, &hardware)? {
        println!("{line}");
    }
    Ok(())
}

/// The four nearest images to each of the first five, one line for each.
pub fn embed_and_search(
    run: &Path,
    images: Arc<dyn ImageSource>,
    hardware: &Hardware,
) -> Result<Vec<String>, Box<dyn Error>> {
    // A run directory has all that is needed: the configuration says how to build the encoder and how to prepare
    // images for it.
    let directory = RunDirectory::existing(run)?;
    let experiment = directory.experiment()?;
    let encoder = encoder_of(&CheckpointFolder::new(directory.pretrain_checkpoints(), 1).require()?);

    let request = FeatureRequest { experiment: &experiment, hardware, encoder: &encoder };
    let all: Vec<usize> = (0..images.len()).collect();
    // `[images, features]`, float32, on the hardware's device.
    let vectors = represent(&request, &images, &all, ViewKind::Plain)?;

    let queries = vectors.narrow(0, 0, 5.min(vectors.size()[0]));
    let found = nearest(&vectors, &queries, 5)?;
    let line = |(query, neighbors): (usize, &Vec<(usize, f64)>)| {
        // Every image is nearest to itself.
        let others = neighbors.iter().filter(|(index, _)| *index != query).take(4);
        let names: Vec<String> =
            others.map(|(index, similarity)| format!("{} ({similarity:.2})", images.name(*index))).collect();
        format!("{}: {}", images.name(query), names.join(", "))
    };
    Ok(found.iter().enumerate().map(line).collect())
}

/// A short pre-training into `run`, for want of a better encoder; returns images to search in.
pub fn pretrain_on_patterns(run: &Path, hardware: &Hardware) -> Result<Arc<dyn ImageSource>, Box<dyn Error>> {
    let options = PatternOptions { unlabeled: 1024, train_per_class: 20, ..PatternOptions::default() };
    let data = patterns::dataset_with(options);
    let mut experiment = Experiment::preset("demo")?;
    experiment.pretrain.epochs = 2;
    experiment::pretrain(&mut Context {
        experiment: &experiment,
        data: &data,
        hardware,
        out: run,
        mode: OpenMode::Resume,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Silent,
    })?;
    Ok(data.train.ok_or("the embedded set has training images")?.images)
}
