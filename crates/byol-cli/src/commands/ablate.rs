//! `byol ablate`.

use byol::data::{Decoding, Need};
use byol::experiment::Context;
use byol::experiment::ablation::{self, AblationOutcome, BASIS, LAB, MECHANISM, Variant};
use byol::nearest::hint;
use byol::ranks::Ranks;
use byol::report::language::program;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Reporter};
use byol::run::lock::RunLock;
use byol::run::notice::ProgramNote;

use super::{report, together};
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::interrupt;
use crate::request::{self, Basis, Wanted};

pub fn ablate(options: &args::Ablate, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    together::alone("an ablation", &options.processes)?;
    let variants = chosen(if options.lab { &LAB } else { &MECHANISM }, &options.only)?;
    let basis = Basis { preset: Some("demo"), set: &BASIS, ..Basis::default() };
    let experiment = request::experiment(&options.config, Some(&options.labels), basis)?;
    let _lock = options.resume.then(|| RunLock::take(&options.out)).transpose()?;
    interrupt::end_at_once(program::NOTHING_BEGUN)?;
    let hardware = request::hardware(&options.hardware, reporter)?;
    let data = request::dataset(
        Wanted {
            corrections: true,
            data: &options.data,
            unlabeled: &[],
            strictness: &options.strictness,
            need: Need::Labels,
            labels_per_class: 0,
            copies: None,
            decoding: Decoding::AtOnce,
            levels: experiment.levels,
            ranks: Ranks::alone(),
        },
        reporter,
    )?;
    data.check_split_place()?;
    let interrupt = interrupt::ask_training()?;
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
            let note = ProgramNote::AblationInterrupted { folder: options.out.display().to_string() };
            reporter.event(&Event::Note(note.into()));
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
