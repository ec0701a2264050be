//! `byol watch`.

use std::path::PathBuf;

use byol::local::{LocalError, Port};
use byol::nearest::path_hint;
use byol::report::language::program;
use byol::run::RunDirectory;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::run::place::runs_hint;
use byol::run::seeds::each_run;
use byol::watch::{Watch, WatchError};
use clap::Args;

use crate::args::Output;
use crate::exit::{Ending, Usage};
use crate::{interrupt, output};

#[derive(Args)]
pub struct Options {
    /// Run directories; they need not be there yet
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Port on 127.0.0.1; 0 takes any that is free [default: 8449, or the next that is free]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// Open the page in the browser
    #[arg(long)]
    pub open: bool,
}

/// The port where none was named.
const PORT: u16 = 8449;

pub fn watch(options: &Options, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let interrupt = interrupt::ask_server()?;
    let runs = each_run(&options.runs)?;
    let watch = Watch::bind(&options.runs, Port::named_or_from(options.port, PORT)).map_err(|error| match error {
        WatchError::NotAFolder(_) | WatchError::NoRuns | WatchError::Local(LocalError::Listen { .. }) => {
            anyhow::Error::new(Usage(error.to_string()))
        }
        other => other.into(),
    })?;
    let address = format!("http://{}/", watch.address());
    if output.json {
        output::json(&serde_json::json!({ "event": "watching", "address": address, "runs": runs }));
    } else {
        if options.port.is_none() && watch.address().port() != PORT {
            output::line(&program::port_taken(PORT));
        }
        let named: Vec<String> = options.runs.iter().map(|run| run.display().to_string()).collect();
        output::text(&program::watching(&named, &address));
    }
    for run in runs.iter().filter(|run| RunDirectory::existing(run).is_err()) {
        let hint = if run.exists() { runs_hint(run) } else { path_hint(run) };
        let note = ProgramNote::WaitedFor { run: run.display().to_string(), exists: run.exists(), hint };
        reporter.event(&Event::Warning(note.into()));
    }
    // What the system says of it names programs that nobody asked for.
    if options.open && open::that_detached(&address).is_err() {
        reporter.event(&Event::Warning(ProgramNote::NoBrowser { address }.into()));
    }
    watch.serve(&interrupt)?;
    Ok(Ending::Done)
}
