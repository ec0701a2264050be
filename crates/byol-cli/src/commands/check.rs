//! `byol data check`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use byol::check::table::write_csv;
use byol::check::{Labelled, check as look};
use byol::data::{ConcatSource, Dataset, Decoding, Image, ImageSource, LabeledImages, Need};
use byol::eval::linear::LinearOptions;
use byol::gallery::small_jpeg;
use byol::report::data_check::{lines, render};
use byol::report::language::program;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::trained::model::TrainedEncoder;
use clap::Args;

use super::{images, representations};
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::place::{Force, Target};
use crate::request::{self, Wanted};
use crate::{interrupt, output};

/// Longest side of an image on the page, in pixels.
const SIDE: u32 = 144;

#[derive(Args)]
pub struct Check {
    /// Labelled images: anything that --data takes elsewhere
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    #[command(flatten)]
    pub strictness: args::Strictness,
    #[command(flatten)]
    pub trained: images::TrainedEncoder,
    /// Write a row for each image of each finding
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Write a page with the images, most suspicious first
    #[arg(long, value_name = "FILE.html")]
    pub page: Option<PathBuf>,
    /// Seed of the folds
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    #[command(flatten)]
    pub force: Force,
    #[command(flatten)]
    pub hardware: args::Hardware,
}

pub fn check(options: &Check, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    options.page.iter().try_for_each(|page| options.force.page("--page", page))?;
    options.csv.iter().try_for_each(|csv| options.force.file(csv))?;
    request::there(&options.data)?;
    interrupt::end_at_once(representations::INTERRUPTED)?;
    let hardware = request::quiet_hardware(&options.hardware)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    options.trained.tell(&trained.origin, reporter)?;
    let data = open(options, &trained, reporter)?;
    let parts: Vec<&LabeledImages> = data.train.iter().chain(&data.test).collect();
    let images: Arc<dyn ImageSource> =
        Arc::new(ConcatSource::new(parts.iter().map(|part| Arc::clone(&part.images)).collect()));
    let represented = representations::of(&options.trained, &trained, &hardware, &images, reporter)?;
    let vectors = represented.all();
    let evaluate = &trained.experiment.evaluate;
    let linear = LinearOptions { l2: evaluate.linear_l2.clone(), folds: evaluate.linear_folds, seed: options.seed };
    let found = look(Labelled { dataset: &data, vectors: &vectors, looks: represented.looks() }, &linear)?;

    if let Some(csv) = &options.csv {
        let mut bytes = Vec::new();
        write_csv(&found, &mut bytes).with_context(|| format!("failed to write {}", csv.display()))?;
        Target::new(csv).write(&bytes)?;
    }
    if let Some(page) = &options.page {
        let small = |index: usize| {
            let mut image = Image::default();
            images.read(index, &mut image).ok()?;
            small_jpeg(&image, SIDE).ok()
        };
        Target::new(page).write(render(&found, &small).as_bytes())?;
    }
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "check": found }));
    } else {
        output::text(&lines(&found));
    }
    if let (Some(page), false) = (&options.page, output.quiet || output.json) {
        output::line(&program::page(page));
    }
    Ok(Ending::Done)
}

/// The data, divided as training commands divide it. What these refuse for its labels (a class of one image, one class alone) is looked
/// at undivided: that is what is to be found.
fn open(options: &Check, trained: &TrainedEncoder, reporter: &mut dyn Reporter) -> anyhow::Result<Dataset> {
    let levels = trained.experiment.levels;
    let wanted = Wanted {
        data: &options.data,
        unlabeled: &[],
        strictness: &options.strictness,
        need: Need::Labels,
        labels_per_class: 0,
        copies: None,
        decoding: Decoding::AtOnce,
        levels,
    };
    let refused = match request::dataset(wanted, reporter) {
        Ok(data) => return Ok(data),
        Err(refused) => refused,
    };
    let Ok(data) = request::labelled(&options.data, levels, reporter) else { return Err(refused) };
    let note = ProgramNote::RefusedForTraining { problem: refused.to_string() };
    reporter.event(&Event::Warning(note.into()));
    Ok(data)
}
