//! `byol report`.

use std::path::Path;

use byol::experiment::ablation::Ablation;
use byol::report;
use byol::report::language::program;
use byol::run::seeds::each_run;

use super::seeds;
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::{output, place};

pub fn report(options: &args::Report, output: Output) -> anyhow::Result<Ending> {
    options.out.iter().try_for_each(|out| place::called_as_page("--out", out))?;
    if options.runs.iter().any(|folder| report::ablation::is_ablation(folder)) {
        return of_ablation(options, output);
    }
    if let [folder] = options.runs.as_slice()
        && report::seeds::is_of_seeds(folder)
    {
        return of_seeds(folder, options.out.as_deref(), output);
    }
    let named = each_run(&options.runs)?;
    let runs = named.iter().map(|run| report::load(run)).collect::<Result<Vec<_>, _>>()?;
    let pages = match &options.out {
        Some(page) => {
            let runs: Vec<&Path> = named.iter().map(AsRef::as_ref).collect();
            vec![report::write_comparison(&runs, page)?]
        }
        None => named.iter().map(|run| report::write(run)).collect::<Result<_, _>>()?,
    };
    if output.json {
        let summaries: Vec<_> = runs.iter().map(|run| &run.summary).collect();
        output::json(&serde_json::json!({ "event": "ended", "pages": pages, "summaries": summaries }));
        return Ok(Ending::Done);
    }
    output::text(&report::table::markdown(&runs));
    if let [run] = runs.as_slice() {
        output::text(&format!("\n{}", report::table::closing(run)));
    }
    for page in pages {
        output::text(&program::report(&page));
    }
    Ok(Ending::Done)
}

/// Writes the page over several seeds, or to `out`, and says what they found.
fn of_seeds(folder: &Path, out: Option<&Path>, output: Output) -> anyhow::Result<Ending> {
    let page = match out {
        Some(page) => report::seeds::write_to(folder, page)?,
        None => report::seeds::write(folder)?,
    };
    seeds::tell(&report::seeds::load(folder)?, folder, &page, output);
    Ok(Ending::Done)
}

fn of_ablation(options: &args::Report, output: Output) -> anyhow::Result<Ending> {
    let [folder] = options.runs.as_slice() else {
        return Err(Usage("an ablation is reported by itself; name its folder alone".to_owned()).into());
    };
    if options.out.is_some() {
        return Err(Usage("--out is for runs: the page of an ablation stands in its own folder".to_owned()).into());
    }
    let found = report::ablation::load(folder)?;
    show_ablation(&found, folder, output)
}

/// Writes the page of an ablation and says what it found.
pub(super) fn show_ablation(found: &Ablation, folder: &Path, output: Output) -> anyhow::Result<Ending> {
    let page = report::ablation::write(found, folder)?;
    if output.json {
        output::json(&serde_json::json!({ "event": "ended", "pages": [page], "ablation": found }));
        return Ok(Ending::Done);
    }
    output::text(&report::ablation::markdown(found));
    output::text(&program::report(&page));
    Ok(Ending::Done)
}
