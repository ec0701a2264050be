//! `byol completions`: what a shell needs to complete the program's commands and options.

use std::io::Write;

use clap::Args;
use clap_complete::Shell;

use crate::args;
use crate::exit::Ending;

#[derive(Args)]
pub struct Completions {
    pub shell: Shell,
}

pub fn completions(options: &Completions) -> anyhow::Result<Ending> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut args::command(), "byol", &mut script);
    // Whoever closed standard output does not want the rest.
    let _ = std::io::stdout().lock().write_all(&script);
    Ok(Ending::Done)
}
