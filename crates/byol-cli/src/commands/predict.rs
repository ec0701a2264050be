//! `byol predict`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use byol::device::Hardware;
use byol::inference::calibration::{self, Labelled, Owner, Temperature};
use byol::inference::labelled;
use byol::inference::network::Network;
use byol::inference::predictions::{self, PredictionWriter};
use byol::run::event::{Event, Reporter};
use byol::run::model::TrainedClassifier;
use clap::{Args, ValueEnum};

use super::pictures::{self, Pictures, Target, Trained};
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::{output, request};

/// Answers for each picture, where nothing else is asked for.
const TOP: usize = 5;

#[derive(Args)]
pub struct Predict {
    #[command(flatten)]
    pub trained: Trained,
    #[command(flatten)]
    pub pictures: Pictures,
    /// How the predictions are written
    #[arg(long, value_name = "FORMAT", default_value = "csv")]
    pub format: Format,
    /// Write them there [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Classes for each picture, likeliest first [default: 5, or all if there are fewer]
    #[arg(long, value_name = "N", value_parser = args::at_least_one, allow_negative_numbers = true)]
    pub top: Option<usize>,
    /// Choose the temperature of the probabilities first, on labelled pictures that trained nothing: a folder with a
    /// folder for each class, named as the class. It is kept in the run directory, for this and later predictions
    /// [default: that of the run's test pictures]
    #[arg(long, value_name = "DIR")]
    pub calibrate_on: Option<PathBuf>,
    #[command(flatten)]
    pub hardware: args::Hardware,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table: path, whether the probabilities are calibrated, then classes and probabilities
    Csv,
    /// A JSON object a line
    Jsonl,
}

pub fn predict(options: &Predict, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let hardware = request::hardware(&options.hardware, reporter)?;
    let trained = TrainedClassifier::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    let network = Network::classifier(&trained, &hardware)?;
    let run = run_of(&options.trained.from);
    let owner = Owner::of(&trained.origin);
    // Looked for first: whoever mistyped a path need not wait for a calibration.
    let files = options.pictures.files()?;
    let kept = match &options.calibrate_on {
        Some(labelled) => {
            let about = About { trained: &trained, network: &network, hardware: &hardware };
            let record = calibrate(labelled, about, reporter)?;
            calibration::keep(&run, record.clone())?;
            Some(record)
        }
        None => calibration::read(&run)?.into_iter().find(|record| record.owner == owner),
    };
    // What the run itself found on its test images serves where nothing else was asked for.
    let own = trained.origin.test.filter(|_| kept.is_none());
    let own = own.and_then(|test| Some((test.temperature?, test.total)));
    let temperature = kept.as_ref().map(|record| record.temperature).or(own.map(|(temperature, _)| temperature));
    let is_calibrated = temperature.is_some();
    let temperature = temperature.unwrap_or_default();

    let top = options.top.unwrap_or(TOP).min(trained.class_names.len());
    let format = match (options.format, output.json && options.out.is_none()) {
        (_, true) => predictions::Format::Events,
        (Format::Csv, false) => predictions::Format::Csv,
        (Format::Jsonl, false) => predictions::Format::JsonLines,
    };
    let target = options.out.as_deref().map(Target::new);
    let failed = || match &options.out {
        Some(out) => format!("failed to write {}", out.display()),
        None => "failed to write to standard output".to_owned(),
    };
    let lines = pictures::lines_to(target.as_ref())?;
    let mut writer = PredictionWriter::new(lines, format, is_calibrated, top).with_context(failed)?;
    let strict = options.pictures.strict;
    let timing = pictures::go_through(&network, &files, &hardware, strict, reporter, |path, logits| {
        let answers = predictions::likeliest(logits, &trained.class_names, temperature, top);
        writer.write(path, &answers).with_context(failed)
    })?;
    writer.finish().with_context(failed)?;
    if let Some(target) = target {
        target.finish()?;
    }

    match own {
        Some((Temperature(own), images)) => {
            let text =
                format!("the probabilities are calibrated on the run's {images} test pictures: temperature {own:.3}");
            reporter.event(&Event::Note { text });
        }
        None if !is_calibrated => {
            let text = "the probabilities are not calibrated; --calibrate-on DIR does that with labelled pictures that \
                        trained nothing";
            reporter.event(&Event::Note { text: text.to_owned() });
        }
        None => {}
    }
    for text in pictures::sentences(&timing) {
        reporter.event(&Event::Note { text });
    }
    match (&options.out, output.json) {
        (_, true) => output::json(&pictures::ended(&timing)),
        (Some(out), false) => output::text(&format!("{} predictions are in {}", timing.pictures, out.display())),
        (None, false) => {}
    }
    Ok(Ending::Done)
}

/// What is calibrated.
struct About<'a> {
    trained: &'a TrainedClassifier,
    network: &'a Network,
    hardware: &'a Hardware,
}

/// Chooses a temperature on a folder with a folder for each class.
fn calibrate(folder: &Path, about: About, reporter: &mut dyn Reporter) -> anyhow::Result<calibration::Record> {
    let class_names = &about.trained.class_names;
    let held = labelled::find(folder, class_names)?;
    let mut logits = Vec::new();
    // A picture that cannot be read has a label too many.
    let mut labels = Vec::new();
    let mut places = held.files.iter().zip(&held.labels);
    pictures::go_through(about.network, &held.files, about.hardware, false, reporter, |path, row| {
        logits.extend_from_slice(row);
        labels.extend(places.by_ref().find(|(file, _)| *file == path).map(|(_, &label)| label));
        Ok(())
    })?;
    let data = Labelled { logits: &logits, labels: &labels, classes: class_names.len() };
    let record = calibration::Record::fit(data, Owner::of(&about.trained.origin), folder.display().to_string())
        .with_context(|| format!("failed to calibrate on {}", folder.display()))?;
    let text = format!(
        "calibrated on {} pictures: temperature {:.3}, loss {:.4} (was {:.4}), calibration error {:.4} (was {:.4})",
        record.images,
        record.temperature.0,
        record.loss_after,
        record.loss_before,
        record.calibration_error_after,
        record.calibration_error_before
    );
    reporter.event(&Event::Note { text });
    Ok(record)
}

/// The run directory that `from` names, or that a checkpoint lies in.
fn run_of(from: &Path) -> PathBuf {
    let holds_run = |folder: &&Path| folder.join("config.toml").is_file();
    match from.is_file() {
        true => from.ancestors().skip(2).take(2).find(holds_run).or(from.parent()).unwrap_or(from).to_owned(),
        false => from.to_owned(),
    }
}
