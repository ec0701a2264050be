//! BYOL on a folder of images without labels. What it leaves behind is a run directory, with the encoder's weights in
//! its newest checkpoint.
//!
//! ```sh
//! cargo run --release --example pretrain_folder                        # synthetic images, in seconds
//! cargo run --release --example pretrain_folder -- photos runs/photos  # JPEG, PNG and WebP files in photos
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};

use byol::config::Experiment;
use byol::data::patterns::{self, PatternOptions};
use byol::data::{Dataset, OpenOptions};
use byol::device::Hardware;
use byol::experiment::{self, Context};
use byol::report::language::data::data_note;
use byol::run::RunDirectory;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Interrupt, Reporter};
use byol::train::pretrain::encoder_of;
use byol::trained::checkpoint::CheckpointFolder;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(PathBuf::from);
    let folder = arguments.next();
    let out = arguments.next().unwrap_or_else(|| std::env::temp_dir().join("byol-pretrain-folder"));
    let weights = pretrain_folder(folder.as_deref(), &out)?;
    println!("the encoder of {} has {weights} weights", out.display());
    Ok(())
}

/// Pre-trains on the images in `folder`, or on drawn ones, and returns how many weights the encoder has.
pub fn pretrain_folder(folder: Option<&Path>, out: &Path) -> Result<usize, Box<dyn Error>> {
    let hardware = Hardware::auto();
    let mut data = Dataset::builder("pictures", [""; 0]).build();
    match folder {
        // Images that cannot be read are skipped; `data.warnings` names them.
        Some(folder) => data.add_unlabeled(folder, &OpenOptions::default())?,
        None => data.unlabeled = few_drawn_images().unlabeled,
    }
    for warning in &data.warnings {
        eprintln!("{}", data_note(warning));
    }

    // The preset `hour` suits photographs, on two cores; these settings end in seconds instead.
    let mut experiment = Experiment::preset("demo")?;
    experiment.pretrain.epochs = 2;
    let images: usize = data.unlabeled.iter().map(|pool| pool.images.len()).sum();
    experiment.pretrain.batch_size = experiment.pretrain.batch_size.min(images);
    experiment.validate()?;

    experiment::pretrain(&mut Context {
        experiment: &experiment,
        data: &data,
        hardware: &hardware,
        out,
        mode: OpenMode::Resume,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Epochs,
    })?;

    // By torchvision's names, for a network of the kind that the configuration names.
    let checkpoint = CheckpointFolder::new(RunDirectory::existing(out)?.pretrain_checkpoints(), 1).require()?;
    Ok(encoder_of(&checkpoint).values().map(|tensor| tensor.numel()).sum())
}

fn few_drawn_images() -> Dataset {
    patterns::dataset_with(PatternOptions { unlabeled: 1024, ..PatternOptions::default() })
}

/// Prints a line per epoch. The library itself prints nothing.
struct Epochs;

impl Reporter for Epochs {
    fn event(&mut self, event: &Event<'_>) {
        if let Event::EpochEnded(record) = event {
            let rate = record.images_per_second;
            println!("epoch {}/{}: loss {:.3}, {rate:.0} images/s", record.epoch, record.epochs, record.loss);
        }
    }
}
