//! `byol data pack`.

use std::path::PathBuf;

use byol::data::pack::{self, DEFAULT_SIZE};
use byol::data::{Levels, OpenOptions};
use byol::report::language::program;
use byol::run::event::{Event, Reporter};
use clap::Args;

use crate::args::{Output, Strictness};
use crate::counting::counter;
use crate::exit::Ending;
use crate::{interrupt, output, place};

#[derive(Args)]
pub struct Pack {
    /// Folders by class, images with a labels.csv, Parquet or tar files, or images without labels
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    /// The packed file; its name should end in .byolpack
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Pixels that the shorter side has at most; smaller images stay as they are. About 1.15 times the image size of
    /// the training is enough
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SIZE, value_parser = size, allow_negative_numbers = true)]
    pub size: usize,
    /// Stored values that become black to white in images of more than eight bits: full, 12bit, 0..4095
    #[arg(long, value_name = "LEVELS", default_value_t, allow_negative_numbers = true)]
    pub levels: Levels,
    #[command(flatten)]
    pub strictness: Strictness,
}

fn size(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|size| (8..=4096).contains(size)).ok_or("must be a whole number from 8 to 4096")
}

pub fn pack(options: &Pack, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let open = OpenOptions {
        strict: options.strictness.strict,
        split_file: options.strictness.kept.split.clone(),
        levels: options.levels,
        on_progress: counter(output, "packed"),
        ..OpenOptions::default()
    };
    interrupt::end_at_once(program::not_written(&options.out))?;
    place::note_unfinished(&options.out, ".partial");
    let packed = pack::pack(&options.data, &options.out, options.size, &open)?;
    for note in packed.notes {
        reporter.event(&Event::Note(note.into()));
    }
    for note in packed.warnings {
        reporter.event(&Event::Warning(note.into()));
    }
    if output.json {
        output::json(&serde_json::json!({
            "event": "ended", "file": options.out, "pictures": packed.images, "bytes": packed.bytes,
            "skipped": packed.skipped,
        }));
    } else {
        output::text(&program::packed(packed.images, packed.bytes as f64 / 1e6, &options.out));
    }
    Ok(Ending::Done)
}
