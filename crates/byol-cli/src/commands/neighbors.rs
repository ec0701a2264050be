//! `byol neighbors`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use byol::inference::neighbors::Neighbor;
use byol::inference::network::Network;
use byol::inference::npy::Matrix;
use byol::inference::page::{Group, Page, Shown};
use byol::inference::{InferenceError, embeddings, files, neighbors};
use byol::report::language::program::{self, pages};
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::trained::model::TrainedEncoder;
use clap::Args;

use super::images;
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::place::{Force, StandardOutput, Target};
use crate::{interrupt, output, request};

#[derive(Args)]
pub struct Neighbors {
    /// The image whose like is looked for
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Where to look: a file that `byol embed` wrote with the same network, or a folder of images
    #[arg(long = "in", value_name = "FILE|DIR")]
    pub among: PathBuf,
    #[command(flatten)]
    pub trained: images::TrainedEncoder,
    /// How many to show, nearest first
    #[arg(long, value_name = "N", default_value = "10", value_parser = args::at_least_one, allow_negative_numbers = true)]
    pub top: usize,
    /// Write a page with the images
    #[arg(long, value_name = "FILE.html")]
    pub page: Option<PathBuf>,
    #[command(flatten)]
    pub force: Force,
    #[command(flatten)]
    pub hardware: args::Hardware,
}

pub fn neighbors(options: &Neighbors, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    options.page.iter().try_for_each(|page| options.force.page("--page", page))?;
    files::require(&[options.image.clone(), options.among.clone()])?;
    if options.image.is_dir() {
        return Err(InferenceError::FolderAsImage { path: options.image.clone() }.into());
    }
    interrupt::end_at_once("interrupted")?;
    let hardware = request::quiet_hardware(&options.hardware)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    let network = Network::encoder(&trained, &hardware)?;
    options.trained.tell(&trained.origin, reporter)?;
    let mut query = Vec::new();
    images::go_through(&network, std::slice::from_ref(&options.image), &hardware, true, reporter, |_, row| {
        query.extend_from_slice(row);
        Ok(())
    })?;

    let (matrix, names) = if options.among.is_dir() {
        let found = files::find(std::slice::from_ref(&options.among))?;
        for note in files::passed_over(std::slice::from_ref(&options.among)).notes() {
            reporter.event(&Event::Warning(note.into()));
        }
        let (mut values, mut names) = (Vec::new(), Vec::new());
        images::go_through(&network, &found, &hardware, false, reporter, |path, row| {
            values.extend_from_slice(row);
            names.push(path.display().to_string());
            Ok(())
        })?;
        (Matrix { columns: network.columns(), values }, names)
    } else {
        let found = embeddings::read(&options.among)?;
        if found.matrix.columns == network.columns() && found.check(&trained.digest(), &options.among)?.is_none() {
            let note = ProgramNote::UnknownNetwork { file: options.among.display().to_string() };
            reporter.event(&Event::Warning(note.into()));
        }
        (found.matrix, found.names)
    };
    if matrix.columns != network.columns() {
        let (path, found, expected) = (options.among.display(), matrix.columns, network.columns());
        let text = format!(
            "{path} has rows of {found} values, the network's have {expected}: another network made it; embed again, or name the \
             run and --stage that made it"
        );
        return Err(Usage(text).into());
    }
    let nearest = neighbors::nearest(&matrix, &query, options.top);

    if let Some(page) = &options.page {
        let shown = |path: PathBuf, caption: String| Shown { path, caption, detail: String::new(), share: None };
        let similar = |found: &Neighbor| shown(names[found.row].clone().into(), pages::similarity(found.similarity));
        let groups = vec![
            Group { heading: pages::QUERY.to_owned(), images: vec![shown(options.image.clone(), String::new())] },
            Group { heading: pages::NEAREST.to_owned(), images: nearest.iter().map(similar).collect() },
        ];
        let about = vec![pages::searched_in(&options.among)];
        let (title, warnings, levels) = (pages::like(&options.image), Vec::new(), network.levels());
        Target::new(page).write(Page { title, warnings, about, groups, levels }.render().as_bytes())?;
    }

    if output.json {
        for neighbor in &nearest {
            let (path, similarity) = (&names[neighbor.row], neighbor.similarity);
            output::json(&serde_json::json!({ "event": "neighbor", "path": path, "similarity": similarity }));
        }
    } else {
        let mut lines = StandardOutput;
        for neighbor in &nearest {
            writeln!(lines, "{:.4}  {}", neighbor.similarity, names[neighbor.row])
                .context("failed to write to standard output")?;
        }
    }
    if let (Some(page), false) = (&options.page, output.quiet || output.json) {
        output::line(&program::images_are_in(page));
    }
    Ok(Ending::Done)
}
