//! `byol data check`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use byol::check::table::write_csv;
use byol::check::{Labelled, check as look};
use byol::data::corrections::{self, Answer, Corrected, Corrections};
use byol::data::labelling::LabelFile;
use byol::data::look::Look;
use byol::data::{ConcatSource, DataNote, Dataset, Decoding, Image, ImageSource, LabeledImages, Need};
use byol::eval::linear::LinearOptions;
use byol::gallery::small_jpeg;
use byol::local::{LocalError, Port};
use byol::ranks::Ranks;
use byol::report::data_check::{lines, render};
use byol::report::language::program;
use byol::review::{Review, ReviewError, Subject, Watched};
use byol::run::data_check::{DataCheck, Finding};
use byol::run::event::{Event, Reporter};
use byol::run::notice::{Notice, ProgramNote};
use byol::tch::Tensor;
use byol::trained::model::TrainedEncoder;
use clap::Args;

use super::{images, representations};
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
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
    /// Show the images in the browser and take answers: keep the label, change it, drop the image. They are kept beside the data, which stays
    /// as it is, and apply wherever it is given to --data
    #[arg(long)]
    pub serve: bool,
    /// Port on 127.0.0.1; 0 takes any that is free [default: 8451, or the next that is free]
    #[arg(long, value_name = "N", requires = "serve")]
    pub port: Option<u16>,
    /// Open the page in the browser
    #[arg(long, requires = "serve")]
    pub open: bool,
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
    if options.csv.is_some() && options.csv == options.page {
        return Err(Usage("--csv and --page name the same file; give each its own".to_owned()).into());
    }
    request::there(&options.data)?;
    options.csv.iter().chain(&options.page).try_for_each(|file| Target::new(file).try_place())?;
    let place = place_of(&options.data, options.serve)?;
    interrupt::end_at_once(representations::INTERRUPTED)?;
    let hardware = request::quiet_hardware(&options.hardware)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    options.trained.tell(&trained.origin, reporter)?;
    let table = table_of(&options.data);
    let data = open_data(options, &trained, reporter)?;
    let parts: Vec<&LabeledImages> = data.train.iter().chain(&data.test).collect();
    let images: Arc<dyn ImageSource> =
        Arc::new(ConcatSource::new(parts.iter().map(|part| Arc::clone(&part.images)).collect()));
    let represented = representations::of(&options.trained, &trained, &hardware, &images, reporter)?;
    let evaluate = &trained.experiment.evaluate;
    let linear = LinearOptions { l2: evaluate.linear_l2.clone(), folds: evaluate.linear_folds, seed: options.seed };
    let answers = place.as_deref().map(Corrections::read).transpose()?.unwrap_or_default();
    let Corrected { data: corrected, kept } = answers.apply(data.clone())?;
    tell_of(&corrected, &data, reporter);
    let rows: Vec<i64> = kept.iter().map(|&row| row as i64).collect();
    let vectors = represented.all().index_select(0, &Tensor::from_slice(&rows));
    let looks: Vec<Look> = kept.iter().map(|&row| represented.looks()[row].clone()).collect();
    let mut found = look(Labelled { dataset: &corrected, vectors: &vectors, looks: &looks }, &linear)?;
    found.data = request::called(&options.data, &data);
    let found = open_ones(found, &kept, &answers);

    // What was found is said before anything is written, which may fail.
    match output.json {
        true => output::json(&serde_json::json!({ "event": "ended", "check": found })),
        false => output::text(&lines(&found)),
    }
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
    if let (Some(page), false) = (&options.page, output.quiet || output.json) {
        output::line(&program::page(page));
    }
    match place.filter(|_| options.serve) {
        Some(place) => {
            let classes = byol::check::labels_of(&data);
            let classes = classes.into_iter().map(|label| data.class_names[usize::from(label)].clone()).collect();
            let subject = Subject { check: found, images, classes, place, table };
            serve(subject, options, output, reporter)
        }
        None => Ok(Ending::Done),
    }
}

/// What the answers have changed.
fn tell_of(corrected: &Dataset, before: &Dataset, reporter: &mut dyn Reporter) {
    for note in corrected.notes.iter().skip(before.notes.len()) {
        reporter.event(&Event::Note(note.clone().into()));
    }
    for note in corrected.warnings.iter().skip(before.warnings.len()) {
        reporter.event(&Event::Warning(note.clone().into()));
    }
}

/// The findings, by the images' places in the data as it is; without suspicions of images whose label a person has judged.
fn open_ones(mut found: DataCheck, kept: &[usize], answers: &Corrections) -> DataCheck {
    let is_judged = |image: &str| answers.of(image).is_some_and(|given| given.answer != Answer::Drop);
    found.findings.retain(|finding| match finding {
        Finding::WrongLabel { image, .. } | Finding::Outlier { image, .. } => !is_judged(&image.image),
        _ => true,
    });
    let images = found.findings.iter_mut().flat_map(|finding| finding.images_mut());
    images.for_each(|image| image.index = kept[image.index]);
    found
}

/// The port where none was named.
const PORT: u16 = 8451;

fn serve(subject: Subject, options: &Check, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let interrupt = interrupt::ask_server()?;
    let place = subject.place.display().to_string();
    let review = Review::bind(subject, Port::named_or_from(options.port, PORT));
    let review = review.map_err(|error| match error {
        ReviewError::Local(LocalError::Listen { .. }) => anyhow::Error::new(Usage(error.to_string())),
        other => other.into(),
    })?;
    let address = format!("http://{}/", review.address());
    match output.json {
        true => output::json(&serde_json::json!({ "event": "asking", "address": address, "answers": place })),
        false => output::line(&program::asking(&place, &address)),
    }
    if options.open && open::that_detached(&address).is_err() {
        reporter.event(&Event::Warning(ProgramNote::NoBrowser { address }.into()));
    }
    review.serve(&interrupt)?;
    if !(output.json || output.quiet) {
        output::line(&program::answers_kept(review.answers(), &place));
    }
    Ok(Ending::Done)
}

/// Passes on all but that a split will be saved: this command saves none.
struct Unsaved<'a>(&'a mut dyn Reporter);

impl Reporter for Unsaved<'_> {
    fn event(&mut self, event: &Event<'_>) {
        if !matches!(event, Event::Note(Notice::Data(DataNote::SplitDrawn { .. }))) {
            self.0.event(event);
        }
    }
}

/// The table that the labels stand in, where they stand in one.
fn table_of(data: &Path) -> Option<Watched> {
    let table = if data.is_dir() { LabelFile::beside(data) } else { data.to_owned() };
    table.is_file().then(|| Watched::now(&table))
}

/// Where answers are kept.
fn place_of(data: &Path, serve: bool) -> anyhow::Result<Option<PathBuf>> {
    match corrections::place(data) {
        None if serve => Err(Usage("--serve: the embedded set has no place for answers".to_owned()).into()),
        place => Ok(place),
    }
}

/// The data, divided as training commands divide it. What these refuse for its labels (a class of one image, one class alone) is looked
/// at undivided: that is what is to be found.
fn open_data(options: &Check, trained: &TrainedEncoder, reporter: &mut dyn Reporter) -> anyhow::Result<Dataset> {
    let levels = trained.experiment.levels;
    let wanted = Wanted {
        corrections: false,
        data: &options.data,
        unlabeled: &[],
        strictness: &options.strictness,
        need: Need::Labels,
        labels_per_class: 0,
        copies: None,
        decoding: Decoding::AtOnce,
        levels,
        ranks: Ranks::alone(),
    };
    let refused = match request::dataset(wanted, &mut Unsaved(reporter)) {
        Ok(data) => return Ok(data),
        Err(refused) => refused,
    };
    let Ok(data) = request::labelled(&options.data, levels, false, reporter) else { return Err(refused) };
    let note = ProgramNote::RefusedForTraining { problem: refused.to_string() };
    reporter.event(&Event::Warning(note.into()));
    Ok(data)
}
