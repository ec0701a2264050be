//! Images from a place that this library does not know: a database, another file format, a simulation. Here they are
//! computed: stripes across or down, in random colours. The whole comparison then works as with any other data.
//!
//! ```sh
//! cargo run --release --example custom_dataset
//! ```

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use byol::config::Experiment;
use byol::data::{DataError, Dataset, Image, ImageSource};
use byol::device::Hardware;
use byol::experiment::{self, Context};
use byol::report::{self, table};
use byol::run::directory::OpenMode;
use byol::run::event::{Interrupt, Silent};
use byol::run::record::LabelBudget;

/// Images that are made when they are read. Any thread may read any of them at any time.
struct Stripes {
    /// Keeps the images of different splits apart.
    first: usize,
    count: usize,
}

const SIDE: usize = 16;

impl ImageSource for Stripes {
    fn len(&self) -> usize {
        self.count
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        if index >= self.count {
            return Err(DataError::IndexOutOfRange { source_name: "stripes".to_owned(), index, len: self.count });
        }
        // An image is a function of its index alone: what is random in training comes later.
        let number = self.first + index;
        let (width, shift) = (2 + number / 2 % 3, number / 6 % 4);
        image.width = SIDE;
        image.height = SIDE;
        // Planes of red, green and blue, row by row.
        image.pixels.clear();
        for plane in 0..3 {
            let color = (number * 97 + plane * 61) % 156;
            for at in 0..SIDE * SIDE {
                let along = if label(number) == 0 { at / SIDE } else { at % SIDE };
                image.pixels.push(if (along + shift) / width % 2 == 0 { 255 } else { color as u8 });
            }
        }
        Ok(())
    }

    fn name(&self, index: usize) -> String {
        format!("stripes-{}", self.first + index)
    }
}

fn label(number: usize) -> u16 {
    (number % 2) as u16
}

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("byol-custom-dataset"), PathBuf::from);
    println!("{}", custom_dataset(&out)?);
    Ok(())
}

/// Compares on the stripes and returns the table of results.
pub fn custom_dataset(out: &Path) -> Result<String, Box<dyn Error>> {
    let hardware = Hardware::auto();
    let labels = |source: &Stripes| (0..source.count).map(|index| label(source.first + index)).collect::<Vec<_>>();
    let (train, test) = (Stripes { first: 0, count: 40 }, Stripes { first: 1000, count: 100 });
    let (train_labels, test_labels) = (labels(&train), labels(&test));
    let data = Dataset::builder("stripes", ["across", "down"])
        .train(Arc::new(train), train_labels)?
        .test(Arc::new(test), test_labels)?
        .unlabeled("more stripes", Arc::new(Stripes { first: 2000, count: 600 }))
        .build();

    let mut experiment = Experiment::preset("demo")?;
    experiment.image_size = SIDE;
    experiment.labels_per_class = vec![LabelBudget::PerClass(2)];
    experiment.draws = 2;
    experiment.pretrain.epochs = 2;
    experiment.supervised.minimum_steps = 0;
    experiment.finetune.minimum_steps = 0;
    // Flipped, an image stays in its class; turned, it would not: no recipe turns images.
    experiment.validate()?;

    experiment::run(&mut Context {
        experiment: &experiment,
        data: &data,
        hardware: &hardware,
        out,
        mode: OpenMode::Resume,
        command: None,
        interrupt: &Interrupt::default(),
        reporter: &mut Silent,
    })?;
    Ok(table::markdown(&[report::load(out)?]))
}
