//! `byol ablate`.

use byol::experiment::Context;
use byol::experiment::ablation::{self, AblationOutcome, BASIS, LAB, MECHANISM, Variant};
use byol::nearest::hint;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Reporter};

use super::report;
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::interrupt;
use crate::request::{self, Basis};

pub fn ablate(options: &args::Ablate, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let variants = chosen(if options.lab { &LAB } else { &MECHANISM }, &options.only)?;
    let basis = Basis { preset: Some("demo"), set: &BASIS, ..Basis::default() };
    let experiment = request::experiment(&options.config, Some(&options.labels), basis)?;
    let interrupt = interrupt::listen()?;
    let hardware = request::hardware(&options.hardware, reporter)?;
    let data = request::dataset(&options.data, &[], &options.strictness, None, experiment.levels, reporter)?;
    let mut context = Context {
        experiment: &experiment,
        data: &data,
        hardware: &hardware,
        out: &options.out,
        mode: if options.resume { OpenMode::Resume } else { OpenMode::Fresh },
        command: None,
        interrupt: &interrupt,
        reporter,
    };
    match ablation::ablate(&mut context, &variants, options.seeds)? {
        AblationOutcome::Interrupted => {
            let text = format!("interrupted; the same command with --resume continues {}", options.out.display());
            reporter.event(&Event::Note { text });
            Ok(Ending::Interrupted)
        }
        AblationOutcome::Finished(found) => report::show_ablation(&found, &options.out, output),
    }
}

fn chosen(variants: &[Variant], only: &[String]) -> anyhow::Result<Vec<Variant>> {
    let known: Vec<&str> = variants.iter().map(|variant| variant.name).collect();
    if let Some(unknown) = only.iter().find(|name| !known.contains(&name.as_str())) {
        let meant = hint(unknown, known.iter().copied());
        let text = format!("--only: there is no variant '{unknown}'; there are {}{meant}", known.join(", "));
        return Err(Usage(text).into());
    }
    let wanted = |variant: &&Variant| only.is_empty() || only.iter().any(|name| name == variant.name);
    Ok(variants.iter().filter(wanted).copied().collect())
}
