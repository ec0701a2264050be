//! `byol init`.

use std::path::PathBuf;

use byol::config::preset;
use byol::config::template::{self, Existing};
use clap::Args;

use crate::args::{Output, preset_names};
use crate::exit::Ending;
use crate::output;

#[derive(Args)]
pub struct Init {
    /// Where to write it
    #[arg(value_name = "FILE", default_value = "byol.toml")]
    pub file: PathBuf,
    /// Settings to begin with
    #[arg(long, value_name = "NAME", default_value = preset::DEFAULT, value_parser = preset_names())]
    pub preset: String,
    /// Replace the file where it is there already
    #[arg(long)]
    pub force: bool,
}

pub fn init(options: &Init, output: Output) -> anyhow::Result<Ending> {
    let existing = if options.force { Existing::Replace } else { Existing::Keep };
    template::write(&options.file, &options.preset, existing)?;
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "file": options.file, "preset": options.preset }));
    } else if !output.quiet {
        let file = options.file.display();
        output::text(&format!("{file}: every key, with the values of the preset {}", options.preset));
        output::text(&format!("use it with --config {file}, as in byol run --config {file} --data DIR --out RUN"));
    }
    Ok(Ending::Done)
}
