//! `byol bench label`: the options that mean something there.

use byol::bench::label;

use super::tables;
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::{output, request};

/// Images of the pool where none are named.
const IMAGES: usize = 100_000;
/// What `--data` stands for where representations are made.
const MADE: &str = "patterns";

pub fn bench(options: &args::Bench, output: Output) -> anyhow::Result<Ending> {
    let config = &options.config;
    let is_configured = config.preset.is_some() || config.config.is_some() || config.seed.is_some();
    let others = [
        ("--data", options.data.as_os_str() != MADE),
        ("--sweep", !options.sweep.is_empty()),
        ("--beside", options.beside.is_some()),
        ("--preset, --config, --set and --seed", is_configured || !config.set.is_empty()),
    ];
    if let Some((option, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(Usage(format!("{option}: 'bench label' makes its representations and trains nothing")).into());
    }
    let hardware = request::quiet_hardware(&options.hardware)?;
    let images = options.set_size.unwrap_or(IMAGES);
    let measured = label::measure(images, hardware.threads).map_err(|error| Usage(format!("--set-size: {error}")))?;
    match output.json {
        true => output::json(&measured),
        false => output::text(&tables::labelling(&measured)),
    }
    Ok(Ending::Done)
}
