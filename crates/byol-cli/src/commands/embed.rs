//! `byol embed`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use byol::device::{Hardware, Precision};
use byol::inference::divided;
use byol::inference::embeddings::{self, EmbeddingWriter, Format, MadeBy};
use byol::inference::files::{self, Separator};
use byol::inference::network::Network;
use byol::inference::npy::NpyWriter;
use byol::inference::parquet::ParquetWriter;
use byol::inference::paths::{self, PathWriter};
use byol::inference::pipeline::Division;
use byol::ranks::{Ranks, Work};
use byol::report::language::program;
use byol::run::event::{Event, Reporter};
use byol::trained::model::TrainedEncoder;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::images::{self, Images};
use super::together::{self, Together};
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::place::{self, Force, Target};
use crate::{interrupt, output, request};

#[derive(Args)]
pub struct Embed {
    #[command(flatten)]
    pub trained: images::TrainedEncoder,
    #[command(flatten)]
    pub images: Images,
    /// FILE.npy, a float32 matrix with a row for each image, whose paths go to FILE.npy.paths.csv, and which network made
    /// it to FILE.npy.network.json; or FILE.parquet, a table of paths and lists of float32
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub force: Force,
    #[command(flatten)]
    pub hardware: args::Hardware,
    #[command(flatten)]
    pub processes: args::Processes,
}

/// What rank 0 asks of the others.
#[derive(Serialize, Deserialize)]
struct Asked {
    /// Of its network; another one would answer otherwise.
    network: String,
    bf16: bool,
}

pub fn embed(options: &Embed, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let Some(launch) = together::launched(&options.processes)? else {
        return write(options, &Ranks::default(), output, reporter);
    };
    let together = Together {
        launch: &launch,
        options: &options.processes,
        command: "embed",
        work: Work::Embedding,
        configuration: String::new(),
    };
    together.run(
        reporter,
        |ranks, reporter| write(options, &ranks, output, reporter),
        |ranks, _| compute_along(options, ranks),
    )
}

/// What a rank that is not the first does: its part of the files that rank 0 has found.
fn compute_along(options: &Embed, ranks: &Ranks) -> anyhow::Result<()> {
    let asked: Asked = serde_json::from_slice(&ranks.of_first(&[])?)?;
    let list = ranks.of_first(&[])?;
    let files = files::read_list(&list[..], Separator::Nul)?;
    interrupt::end_at_once(format!("rank {}: {}", ranks.place().rank, program::NOTHING_BEGUN))?;
    let hardware = together::hardware_along(&options.hardware, asked.bf16, ranks)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    if trained.digest() != asked.network {
        bail!("{} holds another network here than at rank 0", options.trained.from.display());
    }
    let network = Network::encoder(&trained, &hardware)?;
    let division = Division::fitting(&network, hardware.threads);
    divided::run::<anyhow::Error>(&network, &files, division, ranks, |_, _| Ok(()))?;
    Ok(())
}

/// Tells the other ranks, where there are any, what they are to compute; the hardware, as one of theirs.
fn ask(hardware: Hardware, trained: &TrainedEncoder, files: &[PathBuf], ranks: &Ranks) -> anyhow::Result<Hardware> {
    if ranks.is_alone() {
        return Ok(hardware);
    }
    let asked = Asked { network: trained.digest(), bf16: hardware.precision == Precision::Bf16 };
    ranks.of_first(&serde_json::to_vec(&asked)?)?;
    let mut list = Vec::new();
    for file in files {
        list.extend_from_slice(std::path::absolute(file)?.as_os_str().as_encoded_bytes());
        list.push(0);
    }
    ranks.of_first(&list)?;
    Ok(hardware.among(ranks)?)
}

fn write(options: &Embed, ranks: &Ranks, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    options.force.file(&options.out)?;
    let Some(format) = Format::of(&options.out) else {
        return Err(place::unknown_extension(&options.out, &["npy", "parquet"], "").into());
    };
    let (list, made_by) = (paths::beside(&options.out), embeddings::made_by_beside(&options.out));
    match format {
        Format::Npy => [&list, &made_by].into_iter().try_for_each(|file| options.force.file(file))?,
        Format::Parquet => {}
    }
    interrupt::end_at_once(program::not_written(&options.out))?;
    let files = options.images.files(reporter)?;
    let hardware = match ranks.is_alone() {
        true => request::quiet_hardware(&options.hardware)?,
        false => together::hardware(&options.hardware, ranks)?,
    };
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    let hardware = ask(hardware, &trained, &files, ranks)?;
    let network = Network::encoder(&trained, &hardware)?;
    options.trained.tell(&trained.origin, reporter)?;

    let failed = || format!("failed to write {}", options.out.display());
    let digest = trained.digest();
    let target = Target::new(&options.out);
    let (mut writer, list) = match format {
        Format::Npy => {
            let list = Target::new(&list);
            let rows = NpyWriter::new(target.create()?, network.columns()).with_context(failed)?;
            let paths = PathWriter::new(list.create()?).with_context(failed)?;
            let writer = EmbeddingWriter::Npy { rows, list: Box::new(paths) };
            (writer, Some(list))
        }
        Format::Parquet => {
            let table =
                ParquetWriter::new(target.create()?, network.columns(), Some(digest.clone())).with_context(failed)?;
            (EmbeddingWriter::Parquet(Box::new(table)), None)
        }
    };
    let strict = options.images.strict;
    let timing = images::go_through(&network, &files, &hardware, strict, reporter, |path, row| {
        writer.row(path, row).with_context(failed)
    })?;
    writer.finish().with_context(failed)?;
    if let Some(list) = list {
        list.finish()?;
        let made = MadeBy { network: digest, version: byol::version() };
        let text = serde_json::to_string(&made).with_context(failed)? + "\n";
        Target::new(&made_by).write(text.as_bytes())?;
    }
    target.finish()?;

    reporter.event(&Event::Note(images::throughput(&timing, &network).into()));
    if output.json {
        output::json(&images::ended(&timing));
    } else {
        output::text(&program::rows_are_in(timing.images, network.columns(), &options.out));
    }
    Ok(Ending::Done)
}
