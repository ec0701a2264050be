//! `byol bench decode`: the files that are opened.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use byol::bench::decode;
use byol::data::DataError;
use byol::inference::files;

use super::tables;
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::output;

/// What `--data` stands for where a photograph is made.
const MADE: &str = "patterns";

pub fn bench(options: &args::Bench, output: Output) -> anyhow::Result<Ending> {
    let config = &options.config;
    let is_configured = config.preset.is_some() || config.config.is_some() || config.seed.is_some();
    let others = [
        ("--sweep", !options.sweep.is_empty()),
        ("--beside", options.beside.is_some()),
        ("--set-size", options.set_size.is_some()),
        ("--preset, --config, --set and --seed", is_configured || !config.set.is_empty()),
    ];
    if let Some((option, _)) = others.into_iter().find(|(_, given)| *given) {
        return Err(Usage(format!("{option}: 'bench decode' opens files on one thread and trains nothing")).into());
    }
    let (paths, files) = if options.data.as_os_str() == MADE {
        (vec![PathBuf::from("the made photograph")], vec![decode::photograph().context("failed to make a photograph")?])
    } else {
        let given = [options.data.clone()];
        files::require(&given)?;
        let mut paths = files::find(&given)?;
        paths.truncate(options.steps);
        let read = |path: &PathBuf| fs::read(path).with_context(|| format!("failed to read {}", path.display()));
        let files = paths.iter().map(read).collect::<anyhow::Result<_>>()?;
        (paths, files)
    };
    let measured = decode::measure(&files, options.steps)
        .map_err(|(place, problem)| DataError::Image { path: paths[place].clone(), problem })?;
    match output.json {
        true => output::json(&measured),
        false => output::text(&tables::opened(&measured)),
    }
    Ok(Ending::Done)
}
