//! `byol predict`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use byol::augment::FixedViews;
use byol::device::Hardware;
use byol::eval::temperature::Labelled;
use byol::inference::calibration::{self, ENOUGH_IMAGES, Owner};
use byol::inference::labelled;
use byol::inference::network::Network;
use byol::inference::page::{Group, Page, Shown};
use byol::inference::predictions::{self, About, Answer, PredictionWriter};
use byol::inference::seen;
use byol::report::language::numbers::{capital, plural};
use byol::report::language::program::{self, pages, program_note};
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::trained::classifiers::AnyClassifier;
use clap::{Args, ValueEnum};

use super::images::{self, Images, Trained};
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::place::{self, Force, Target};
use crate::{interrupt, output, request};

/// Answers for each image, where nothing else is asked for.
const TOP: usize = 5;
/// An answer that is less likely is counted as unsure.
const SURE: f64 = 0.6;
/// Classes that the overview names.
const NAMED: usize = 8;

#[derive(Args)]
pub struct Predict {
    #[command(flatten)]
    pub trained: Trained,
    #[command(flatten)]
    pub images: Images,
    /// How the predictions are written [default: what the extension of --out names, else csv]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Write them there [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The order of the predictions
    #[arg(long, value_name = "ORDER", default_value = "given")]
    pub sort: Order,
    /// Write a page with the images, by class
    #[arg(long, value_name = "FILE.html")]
    pub page: Option<PathBuf>,
    #[command(flatten)]
    pub force: Force,
    /// Classes for each image, likeliest first [default: 5, or all if there are fewer]
    #[arg(long, value_name = "N", value_parser = args::at_least_one, allow_negative_numbers = true)]
    pub top: Option<usize>,
    /// Average the probabilities over so many views of each image: 1 is the whole view, 2 adds its mirror image; 10 are the four corners and
    /// the centre, each with 0.875 of its side, and their mirror images, and take ten times as long. Nothing that the run recorded changes
    #[arg(long, value_name = "N", default_value = "1", value_parser = args::fixed_views, allow_negative_numbers = true)]
    pub views: FixedViews,
    /// Choose the temperature of the probabilities first, on labelled images that trained nothing: whatever --data
    /// takes, with classes named as those of the run, and at least 100 images. It is chosen on single views, whatever --views is, and kept in the run directory, for this and later
    /// predictions [default: that of the run's test images, where they are at least 100; else the network's own probabilities]
    #[arg(long, value_name = "DIR")]
    pub calibrate_on: Option<PathBuf>,
    #[command(flatten)]
    pub hardware: args::Hardware,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table: path, whether the probabilities are calibrated, then classes and probabilities
    Csv,
    /// One list of objects
    Json,
    /// A JSON object a line
    Jsonl,
    /// The table for pandas and others; needs --out
    Parquet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As the images were given, those of a folder by their paths
    Given,
    /// Surest answer first
    Surest,
    /// Least sure answer first
    Unsure,
}

pub fn predict(options: &Predict, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    options.page.iter().try_for_each(|page| options.force.page("--page", page))?;
    options.out.iter().try_for_each(|out| options.force.file(out))?;
    let format = options.format(output)?;
    options.calibrate_on.iter().try_for_each(|data| request::there(data))?;
    interrupt::end_at_once(match &options.out {
        Some(out) => program::not_written(out),
        None => "interrupted".to_owned(),
    })?;
    let files = options.images.files(reporter)?;
    let hardware = request::exact_hardware(&options.hardware)?;
    let chosen = options.trained.open(&hardware)?;
    let trained = &chosen.classifier;
    let class_names = trained.class_names();
    let network = Network::of(trained, &hardware)?.seeing(options.views);
    let run = calibration::run_of(&options.trained.from);
    let (taken, doubtful) = (images::about(&chosen), images::no_better_than_guessing(&chosen));
    reporter.event(&Event::Note(taken.clone().into()));
    if let Some(note) = &doubtful {
        reporter.event(&Event::Warning(note.clone().into()));
    }
    if let Some(labelled) = &options.calibrate_on {
        let about = Calibrated { run: &run, trained, network: &network, hardware: &hardware };
        calibration::keep(&run, calibrate(labelled, about, reporter)?)?;
    }
    let calibration = calibration::of(&run, trained.origin())?;
    let temperature = calibration.temperature();
    let about = About {
        calibrated: calibration.holds_for(options.views),
        calibration_images: calibration.in_use().map(|in_use| in_use.images),
        top: options.top.unwrap_or(TOP).min(class_names.len()),
    };

    let target = options.out.as_deref().map(Target::new);
    let failed = || match &options.out {
        Some(out) => format!("failed to write {}", out.display()),
        None => "failed to write to standard output".to_owned(),
    };
    let lines = place::lines_to(target.as_ref())?;
    let mut writer = PredictionWriter::new(lines, format, about).with_context(failed)?;
    let at_once = options.sort == Order::Given;
    let seen = seen::in_training(&run, &files);
    let trained_on = (seen > 0).then_some(ProgramNote::PerhapsTrainedOn { seen, images: files.len() });
    if let Some(note) = &trained_on {
        reporter.event(&Event::Warning(note.clone().into()));
    }
    let labels = labelled::labels_of(&options.images.paths, class_names);
    let mut overview = Overview::new(class_names.len());
    let mut kept: Vec<(PathBuf, Vec<Answer>)> = Vec::new();
    let strict = options.images.strict;
    let timing = images::go_through(&network, &files, &hardware, strict, reporter, |path, logits| {
        let answers = predictions::likeliest(logits, class_names, temperature, about.top);
        overview.add(&answers, class_names, labels.get(path).map(|&label| usize::from(label)));
        if at_once {
            writer.write(path, &answers).with_context(failed)?;
        }
        if !at_once || options.page.is_some() {
            kept.push((path.to_owned(), answers));
        }
        Ok(())
    })?;
    options.sort.sort(&mut kept);
    if !at_once {
        kept.iter().try_for_each(|(path, answers)| writer.write(path, answers).with_context(failed))?;
    }
    writer.finish().with_context(failed)?;
    if let Some(target) = target {
        target.finish()?;
    }
    let found = overview.note(class_names);
    let closed = ProgramNote::ClosedSet { classes: class_names.len() };
    let about_probabilities = calibration.notes(options.views);
    let right = (overview.labelled > 0)
        .then_some(ProgramNote::RightOnLabelled { right: overview.right, images: overview.labelled });
    if let Some(page) = &options.page {
        let whole = |note: &ProgramNote| format!("{}.", capital(&program_note(note)));
        let shown = Page {
            title: pages::PREDICTIONS.to_owned(),
            warnings: [doubtful.as_ref(), trained_on.as_ref()].into_iter().flatten().map(whole).collect(),
            about: [Some(&taken), Some(&found), right.as_ref()]
                .into_iter()
                .flatten()
                .chain(&about_probabilities)
                .chain([&closed])
                .map(whole)
                .collect(),
            groups: groups(&kept, &overview, class_names),
            levels: network.levels(),
        };
        Target::new(page).write(shown.render().as_bytes())?;
    }

    let own_calibration = options.calibrate_on.is_some() && about.calibrated;
    // A calibration of now has been told.
    let about_probabilities = if own_calibration { Vec::new() } else { about_probabilities };
    let notes = [images::throughput(&timing, &network)].into_iter().chain(about_probabilities).chain([found]);
    for note in notes.chain(right).chain([closed]) {
        reporter.event(&Event::Note(note.into()));
    }
    if output.json {
        let mut ended = images::ended(&timing);
        ended["predicted"] = overview.counts(class_names).into();
        ended["unsure"] = overview.unsure.into();
        ended["views"] = options.views.count().into();
        ended["perhaps_trained_on"] = seen.into();
        if overview.labelled > 0 {
            ended["labelled"] = overview.labelled.into();
            ended["right"] = overview.right.into();
        }
        ended["classifier"] = images::about_json(&chosen)?;
        output::json(&ended);
        return Ok(Ending::Done);
    }
    if let Some(out) = &options.out {
        output::text(&program::predictions_are_in(timing.images, out));
    }
    if let (Some(page), false) = (&options.page, output.quiet) {
        output::line(&program::images_are_in(page));
    }
    Ok(Ending::Done)
}

impl Predict {
    /// How the predictions are written: as was said, else as the file is called.
    fn format(&self, output: Output) -> Result<predictions::Format, Usage> {
        if self.out.is_none() && output.json {
            return Ok(predictions::Format::Events);
        }
        match (self.format, &self.out) {
            (Some(Format::Parquet), None) => {
                Err(Usage("--format parquet needs a file: add --out FILE.parquet".to_owned()))
            }
            (Some(Format::Csv), _) | (None, None) => Ok(predictions::Format::Csv),
            (Some(Format::Json), _) => Ok(predictions::Format::Json),
            (Some(Format::Jsonl), _) => Ok(predictions::Format::JsonLines),
            (Some(Format::Parquet), _) => Ok(predictions::Format::Parquet),
            (None, Some(out)) => predictions::Format::of_extension(out)
                .ok_or_else(|| place::unknown_extension(out, &predictions::Format::EXTENSIONS, ", or add --format")),
        }
    }
}

impl Order {
    fn sort(self, predictions: &mut [(PathBuf, Vec<Answer>)]) {
        let sure = |(_, answers): &(PathBuf, Vec<Answer>)| answers.first().map_or(0.0, |answer| answer.probability);
        match self {
            Order::Given => {}
            Order::Surest => predictions.sort_by(|a, b| sure(b).total_cmp(&sure(a))),
            Order::Unsure => predictions.sort_by(|a, b| sure(a).total_cmp(&sure(b))),
        }
    }
}

/// How often each class was the answer.
struct Overview {
    /// Class and count.
    counts: Vec<(usize, usize)>,
    images: usize,
    unsure: usize,
    /// Images whose label is known, and those of them that were answered with it.
    labelled: usize,
    right: usize,
}

impl Overview {
    fn new(classes: usize) -> Overview {
        let counts = (0..classes).map(|class| (class, 0)).collect();
        Overview { counts, images: 0, unsure: 0, labelled: 0, right: 0 }
    }

    /// Counts the answers for an image, whose label may be known.
    fn add(&mut self, answers: &[Answer], class_names: &[String], label: Option<usize>) {
        let Some(best) = answers.first() else { return };
        self.images += 1;
        self.unsure += usize::from(best.probability < SURE);
        let class = class_names.iter().position(|name| name == best.class);
        if let Some(class) = class {
            self.counts[class].1 += 1;
        }
        self.labelled += usize::from(label.is_some());
        self.right += usize::from(label.is_some() && label == class);
    }

    /// The classes that were an answer, the most frequent first.
    fn most_first(&self) -> Vec<(usize, usize)> {
        let mut counts: Vec<(usize, usize)> = self.counts.iter().copied().filter(|(_, count)| *count > 0).collect();
        counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        counts
    }

    fn counts(&self, class_names: &[String]) -> serde_json::Map<String, serde_json::Value> {
        self.most_first().into_iter().map(|(class, count)| (class_names[class].clone(), count.into())).collect()
    }

    fn note(&self, class_names: &[String]) -> ProgramNote {
        let classes = self.most_first().into_iter().map(|(class, count)| (class_names[class].clone(), count)).collect();
        ProgramNote::Predicted { images: self.images, classes, named: NAMED, unsure: self.unsure, sure: SURE }
    }
}

/// The images by their likeliest class, the most frequent class first.
fn groups(kept: &[(PathBuf, Vec<Answer>)], overview: &Overview, class_names: &[String]) -> Vec<Group> {
    let percent = |answer: &Answer| pages::class_with_share(answer.class, answer.probability);
    let shown = |(path, answers): &(PathBuf, Vec<Answer>)| Shown {
        path: path.clone(),
        caption: answers.first().map_or_else(String::new, percent),
        detail: answers.iter().skip(1).take(2).map(percent).collect::<Vec<_>>().join(", "),
        share: answers.first().map(|answer| answer.probability),
    };
    let group = |(class, count): (usize, usize)| {
        let name = &class_names[class];
        let own = kept.iter().filter(|(_, answers)| answers.first().is_some_and(|answer| answer.class == name));
        Group { heading: pages::class(name, count), images: own.map(shown).collect() }
    };
    overview.most_first().into_iter().map(group).collect()
}

/// What is calibrated.
struct Calibrated<'a> {
    run: &'a Path,
    trained: &'a AnyClassifier,
    network: &'a Network,
    hardware: &'a Hardware,
}

/// Refuses to calibrate on a handful of images.
fn enough(folder: &Path, images: usize) -> Result<(), Usage> {
    match images >= ENOUGH_IMAGES {
        true => Ok(()),
        false => Err(Usage(format!(
            "--calibrate-on {}: {} {} too few; give at least {ENOUGH_IMAGES} labelled images that the run was not trained on, or leave \
             --calibrate-on out",
            folder.display(),
            plural(images as u64, "image"),
            if images == 1 { "is" } else { "are" },
        ))),
    }
}

/// Chooses a temperature on labelled images.
fn calibrate(data: &Path, about: Calibrated, reporter: &mut dyn Reporter) -> anyhow::Result<calibration::Record> {
    let class_names = about.trained.class_names();
    let held =
        labelled::of_classes(request::labelled(data, about.network.levels(), true, reporter)?, data, class_names)?;
    enough(data, held.labels.len())?;
    let places: Vec<PathBuf> = (0..held.images.len()).filter_map(|index| held.images.origin(index)).collect();
    let seen = seen::in_training(about.run, &places);
    if seen > 0 {
        let (images, folder) = (held.labels.len(), data.display().to_string());
        reporter.event(&Event::Warning(ProgramNote::SeenInTraining { seen, images, folder }.into()));
    }
    let logits = labelled::answers(about.network, &held.images, about.hardware)?;
    let judged = Labelled { logits: &logits, labels: &held.labels, classes: class_names.len() };
    let record = calibration::Record::fit(judged, Owner::of(about.trained.origin()), data.display().to_string())
        .with_context(|| format!("failed to calibrate on {}", data.display()))?;
    let note = ProgramNote::Calibrated {
        images: record.images,
        temperature: record.temperature.0,
        loss: [record.loss_before, record.loss_after],
        calibration_error: [record.calibration_error_before, record.calibration_error_after],
    };
    reporter.event(&Event::Note(note.into()));
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overview_counts_and_says_what_is_unsure() {
        let names: Vec<String> = (0..10).map(|class| format!("c{class}")).collect();
        let mut overview = Overview::new(10);
        for class in [3, 3, 3, 1, 1, 0, 2, 4, 5, 6, 7, 8] {
            let probability = if class == 3 { 0.9 } else { 0.5 };
            let label = [None, Some(1), Some(3)][class % 3];
            overview.add(&[Answer { class: &names[class], probability }], &names, label);
        }
        assert_eq!((overview.labelled, overview.right), (7, 2), "both of class 1");
        let expected =
            "12 images: 3 c3, 2 c1, 1 c0, 1 c2, 1 c4, 1 c5, 1 c6, 1 c7, 1 of another class; 9 are less than 60% sure";
        assert_eq!(program_note(&overview.note(&names)), expected);
        assert_eq!(overview.counts(&names)["c3"], 3);
    }

    #[test]
    fn the_least_sure_come_first_when_asked_for() {
        let sure = |probability| (PathBuf::from(format!("{probability}")), vec![Answer { class: "a", probability }]);
        let mut predictions = vec![sure(0.5), sure(0.9), sure(0.7)];
        let order = |predictions: &[(PathBuf, Vec<Answer>)]| -> Vec<String> {
            predictions.iter().map(|(path, _)| path.display().to_string()).collect()
        };
        Order::Given.sort(&mut predictions);
        assert_eq!(order(&predictions), ["0.5", "0.9", "0.7"]);
        Order::Surest.sort(&mut predictions);
        assert_eq!(order(&predictions), ["0.9", "0.7", "0.5"]);
        Order::Unsure.sort(&mut predictions);
        assert_eq!(order(&predictions), ["0.5", "0.7", "0.9"]);
    }
}
