//! `byol report`.

use std::path::Path;

use byol::report;

use crate::args::{self, Output};
use crate::exit::Ending;
use crate::output;

pub fn report(options: &args::Report, output: Output) -> anyhow::Result<Ending> {
    let runs = options.runs.iter().map(|run| report::load(run)).collect::<Result<Vec<_>, _>>()?;
    let pages = match &options.out {
        Some(page) => {
            let runs: Vec<&Path> = options.runs.iter().map(AsRef::as_ref).collect();
            vec![report::write_comparison(&runs, page)?]
        }
        None => options.runs.iter().map(|run| report::write(run)).collect::<Result<_, _>>()?,
    };
    if output.json {
        let summaries: Vec<_> = runs.iter().map(|run| &run.summary).collect();
        output::json(&serde_json::json!({ "event": "ended", "pages": pages, "summaries": summaries }));
        return Ok(Ending::Done);
    }
    output::text(&report::table::markdown(&runs));
    for page in pages {
        output::text(&format!("report: {}", page.display()));
    }
    Ok(Ending::Done)
}
