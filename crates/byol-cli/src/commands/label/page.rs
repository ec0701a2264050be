//! `byol label --images`: labels are given by hand, on a page.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use byol::data::folder::name_within;
use byol::data::labelling::LabelFile;
use byol::data::{ImageSource, SubsetSource};
use byol::eval::linear::LinearOptions;
use byol::label::LabelError;
use byol::label::session::{LabelPool, Session, SessionOptions};
use byol::label::site::{FineTuning, Site, SiteOptions};
use byol::local::{Local, LocalError, Port};
use byol::report::language::program;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::trained::model::TrainedEncoder;

use super::super::representations;
use super::Label;
use super::tuning::Tuning;
use crate::args::Output;
use crate::exit::{Ending, Usage};
use crate::{interrupt, output, request};

/// The port where none was named.
const PORT: u16 = 8450;
/// Share of the labels that are set aside where none was named.
const TEST_SHARE: f64 = 0.1;

pub fn label(folder: &Path, options: &Label, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    request::there(folder)?;
    interrupt::end_at_once(representations::INTERRUPTED)?;
    let table = options.labels.clone().unwrap_or_else(|| LabelFile::beside(folder));
    let prefix = LabelFile::prefix(&table, folder)?;
    options.classes.iter().try_for_each(|class| LabelFile::check_class(class.trim()))?;
    // Whoever labels there already is found before anything takes long.
    let mut file = LabelFile::open(&table)?;
    let test_share = test_share(options, &file, reporter)?;
    let local = bind(options.port)?;
    let address = format!("http://{}/", local.address());
    file.serving(&address)?;

    let hardware = request::quiet_hardware(&options.hardware)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    options.trained.tell(&trained.origin, reporter)?;
    let levels = trained.experiment.levels;
    let source = request::folder(folder, options.strictness.strict, levels, reporter)?;
    let skipped = source.skipped().iter().map(|skipped| format!("{prefix}{}", name_within(folder, &skipped.path)));
    let mut left_out: Vec<String> = skipped.collect();
    let source: Arc<dyn ImageSource> = Arc::new(source);
    let mut named = |index: &usize| {
        let name = format!("{prefix}{}", source.name(*index));
        let can = file.can_name(&name);
        if !can {
            left_out.push(name.clone());
            reporter.event(&Event::Warning(ProgramNote::CannotBeNamed { image: name }.into()));
        }
        can
    };
    let kept: Vec<usize> = (0..source.len()).filter(|index| named(index)).collect();
    if kept.is_empty() {
        return Err(LabelError::EmptyPool.into());
    }
    let images: Arc<dyn ImageSource> = Arc::new(SubsetSource::new(source, kept));
    let vectors = representations::of(&options.trained, &trained, &hardware, &images, reporter)?.all();

    let names: Vec<String> = (0..images.len()).map(|index| format!("{prefix}{}", images.name(index))).collect();
    let path = |index: usize| images.origin(index).unwrap_or_else(|| folder.join(images.name(index)));
    let paths: Vec<PathBuf> = (0..images.len()).map(path).collect();
    let evaluate = &trained.experiment.evaluate;
    let linear = LinearOptions { l2: evaluate.linear_l2.clone(), folds: evaluate.linear_folds, seed: options.seed };
    let settings = SessionOptions { strategy: options.strategy.strategy(), batch: options.batch, test_share, linear };
    options.classes.iter().try_for_each(|class| file.add_class(class))?;
    let pool =
        LabelPool { names, paths, vectors: vectors.shallow_clone(), folder: folder.to_owned(), prefix, left_out };
    let session = Session::new(&pool, file, settings);
    let data = if options.labels.is_some() { &table } else { folder };
    let tuning = Tuning::new(&options.trained.from, data);
    let about = SiteOptions { name: request::folder_name(folder), levels };
    let site = Site::new(&local, &session, &tuning, about);
    let interrupt = interrupt::ask_server()?;
    tell(options, &local, &address, &table, output);
    // What the system says of it names programs that nobody asked for.
    if options.open && open::that_detached(&address).is_err() {
        reporter.event(&Event::Warning(ProgramNote::NoBrowser { address }.into()));
    }
    site.serve(&vectors, &interrupt)?;
    let labels = session.labels();
    if labels > 0 && !(output.json || output.quiet) {
        output::line(&program::labels_kept(labels, &table, &tuning.command()));
    }
    Ok(Ending::Done)
}

fn tell(options: &Label, local: &Local, address: &str, table: &Path, output: Output) {
    if output.json {
        output::json(&serde_json::json!({ "event": "labelling", "address": address, "labels": table }));
        return;
    }
    if options.port.is_none() && local.address().port() != PORT {
        output::line(&program::port_taken(PORT));
    }
    output::text(&program::labelling(address, table));
}

fn bind(port: Option<u16>) -> anyhow::Result<Local> {
    Local::bind(Port::named_or_from(port, PORT)).map_err(|error| match error {
        LocalError::Listen { .. } => Usage(error.to_string()).into(),
        other => other.into(),
    })
}

/// The share that is set aside: none where the table cannot say which images those are.
fn test_share(options: &Label, file: &LabelFile, reporter: &mut dyn Reporter) -> anyhow::Result<f64> {
    if file.has_splits() {
        return Ok(options.test_share.unwrap_or(TEST_SHARE));
    }
    let table = file.path().display().to_string();
    match options.test_share {
        Some(share) if share > 0.0 => {
            let text = format!(
                "{table} has no column `split`, which would say what is set aside: add `,split` to its first line and a comma to each \
                 other, or label with --test-share 0"
            );
            Err(Usage(text).into())
        }
        Some(_) => Ok(0.0),
        None => {
            reporter.event(&Event::Warning(ProgramNote::NothingSetAside { table }.into()));
            Ok(0.0)
        }
    }
}
