//! `byol data`.

use std::sync::Arc;

use anyhow::bail;
use byol::data::fetch::{FetchOptions, FetchOutcome, fetch_stl10};
use byol::data::info::DataInfo;
use byol::data::{DataNote, OpenOptions};
use byol::report::language::data::data_note;
use byol::report::language::inventory::inventory;
use byol::report::language::program;
use byol::run::event::{Event, Reporter};
use serde::Serialize;

use crate::args::{self, FetchSet, Output};
use crate::counting::counter;
use crate::exit::Ending;
use crate::transfer::Transfer;
use crate::{interrupt, output};

pub fn fetch(options: &args::Fetch, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let transfer = Transfer::new(output);
    let fetch = FetchOptions {
        url: options.url.clone(),
        on_progress: Some(Arc::new(move |progress| transfer.tell(&progress))),
        ..FetchOptions::new(&options.dir)
    };
    let outcome = match options.set {
        FetchSet::Stl10 => fetch_stl10(&fetch)?,
    };
    let (folder, fetched) = match outcome {
        FetchOutcome::AlreadyComplete { folder } => (folder, false),
        FetchOutcome::Fetched { folder, warnings } => {
            for note in warnings {
                reporter.event(&Event::Warning(note.into()));
            }
            (folder, true)
        }
    };
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "folder": folder, "fetched": fetched }));
    } else {
        output::text(&program::fetched(&folder, fetched));
    }
    Ok(Ending::Done)
}

/// An inventory with what its notes and warnings say.
#[derive(Serialize)]
struct Inventory<'a> {
    #[serde(flatten)]
    info: &'a DataInfo,
    notes: Vec<String>,
    warnings: Vec<String>,
}

pub fn info(options: &args::Info, output: Output) -> anyhow::Result<Ending> {
    let open = OpenOptions {
        levels: options.levels,
        split_file: options.kept.split.clone(),
        on_progress: counter(output, "looked at"),
        ..OpenOptions::default()
    };
    interrupt::end_at_once("interrupted")?;
    let info = DataInfo::inspect_with(&options.data, &options.pool.unlabeled, &open)?;
    if output.json {
        let said = |notes: &[DataNote]| notes.iter().map(data_note).collect();
        output::json(&Inventory { info: &info, notes: said(&info.notes), warnings: said(&info.warnings) });
    } else {
        output::text(&inventory(&info));
    }
    // Whatever has classes is meant for --data. Why that refuses it has been said.
    if info.is_refused_with_labels() {
        return Ok(Ending::Failed);
    }
    match info.damaged.as_slice() {
        [] => Ok(Ending::Done),
        [one] if one.missing => bail!("{}; `byol run` skips it, and this exit code reports it", one.problem),
        [one] if one.problem.contains(&one.path.display().to_string()) => bail!("{}", one.problem),
        [one] => bail!(
            "1 file cannot be read, {}: {}; `byol run` skips it, and this exit code reports it",
            one.path.display(),
            one.problem
        ),
        many if many.iter().all(|damage| damage.missing) => bail!(
            "{} files are not there and are named above; `byol run` skips them, and this exit code reports them",
            many.len()
        ),
        many => bail!(
            "{} files cannot be read and are named above; `byol run` skips them, and this exit code reports them",
            many.len()
        ),
    }
}
