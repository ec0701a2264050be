//! The supervised baseline: a network trained on labelled images alone, and how well it does on the test images.
//!
//! ```sh
//! cargo run --release --example baseline                         # synthetic images, in seconds
//! cargo run --release --example baseline -- data runs/baseline   # STL-10's files in the folder data
//! ```

use std::error::Error;
use std::path::PathBuf;

use byol::config::Experiment;
use byol::data::{Dataset, OpenOptions, PATTERNS};
use byol::device::Hardware;
use byol::experiment::{self, Context};
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Silent};
use byol::run::record::LabelBudget;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let data = arguments.next().unwrap_or_else(|| PATTERNS.to_owned());
    let out = arguments.next().map_or_else(|| std::env::temp_dir().join("byol-baseline"), PathBuf::from);
    let accuracy = baseline(&data, out)?;
    println!("test accuracy {accuracy:.3}");
    Ok(())
}

/// Trains on the data set in `data` and returns the accuracy on its test images.
pub fn baseline(data: &str, out: PathBuf) -> Result<f64, Box<dyn Error>> {
    // Ask for the hardware before anything else: libtorch takes a GPU up first or never.
    let hardware = Hardware::auto();

    // A preset is a whole configuration; every field of it can be changed.
    let mut experiment = Experiment::preset("demo")?;
    experiment.labels_per_class = vec![LabelBudget::PerClass(50)];
    experiment.draws = 1;
    experiment.supervised.epochs = 4;
    experiment.supervised.minimum_steps = 120;
    experiment.validate()?;

    let data = Dataset::open(data, &OpenOptions::default())?;
    let outcome = experiment::supervised(&mut Context {
        experiment: &experiment,
        data: &data,
        hardware: &hardware,
        out: &out,
        // A second call finds the finished run and returns what it found.
        mode: OpenMode::Resume,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Silent,
    })?;
    Ok(outcome.summary().results[0].test_accuracy.mean)
}
