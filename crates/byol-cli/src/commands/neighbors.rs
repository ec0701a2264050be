//! `byol neighbors`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use byol::inference::network::Network;
use byol::inference::npy::Matrix;
use byol::inference::{embeddings, files, neighbors};
use byol::run::event::Reporter;
use byol::run::model::TrainedEncoder;
use clap::Args;

use super::pictures::{self, Trained};
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::{output, request};

#[derive(Args)]
pub struct Neighbors {
    /// The picture whose like is looked for
    #[arg(value_name = "IMAGE")]
    pub image: PathBuf,
    /// Where to look: a file that `byol embed` wrote with the same network, or a folder of pictures
    #[arg(long = "in", value_name = "FILE|DIR")]
    pub among: PathBuf,
    #[command(flatten)]
    pub trained: Trained,
    /// How many to show, nearest first
    #[arg(long, value_name = "N", default_value = "10", value_parser = args::at_least_one, allow_negative_numbers = true)]
    pub top: usize,
    #[command(flatten)]
    pub hardware: args::Hardware,
}

pub fn neighbors(options: &Neighbors, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let hardware = request::hardware(&options.hardware, reporter)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    let network = Network::encoder(&trained, &hardware)?;
    let mut query = Vec::new();
    pictures::go_through(&network, std::slice::from_ref(&options.image), &hardware, true, reporter, |_, row| {
        query.extend_from_slice(row);
        Ok(())
    })?;

    let (matrix, names) = if options.among.is_dir() {
        let found = files::find(std::slice::from_ref(&options.among))?;
        let (mut values, mut names) = (Vec::new(), Vec::new());
        pictures::go_through(&network, &found, &hardware, false, reporter, |path, row| {
            values.extend_from_slice(row);
            names.push(path.display().to_string());
            Ok(())
        })?;
        (Matrix { columns: network.columns(), values }, names)
    } else {
        embeddings::read(&options.among)?
    };
    if matrix.columns != network.columns() {
        let (path, found, expected) = (options.among.display(), matrix.columns, network.columns());
        bail!("{path} has rows of {found} values, the network's have {expected}: another network made it");
    }
    let nearest = neighbors::nearest(&matrix, &query, options.top);

    if output.json {
        for neighbor in &nearest {
            let (path, similarity) = (&names[neighbor.row], neighbor.similarity);
            output::json(&serde_json::json!({ "event": "neighbor", "path": path, "similarity": similarity }));
        }
    } else {
        let mut lines = std::io::stdout().lock();
        for neighbor in &nearest {
            writeln!(lines, "{:.4}  {}", neighbor.similarity, names[neighbor.row])
                .context("failed to write to standard output")?;
        }
    }
    Ok(Ending::Done)
}
