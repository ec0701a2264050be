//! What is meant: from the options of a command to a resolved experiment, hardware and data.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use byol::config::resolve::{Request, Typed, resolve_typed};
use byol::config::{ConfigError, Experiment};
use byol::data::folder::FolderSource;
use byol::data::labelling::LabelFile;
use byol::data::{self, Dataset, Decoding, Levels, Need, OpenOptions, Pools, Saving};
use byol::device::{Hardware, Precision, PrecisionChoice};
use byol::ranks::Ranks;
use byol::run::RunDirectory;
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::run::record::{LabelBudget, Stage};
use byol::trained::foreign::Foreign;

use crate::args;

/// Notes about images that are being looked at are so far apart.
const BETWEEN_NOTES: Duration = Duration::from_secs(10);

/// What a configuration rests on where the options name no preset.
#[derive(Clone, Copy, Default)]
pub struct Basis<'a> {
    pub preset: Option<&'a str>,
    /// Pairs that the typed ones come after.
    pub set: &'a [&'a str],
    /// Pairs that come after the typed ones.
    pub swept: &'a [String],
    /// Pairs that the preset's give way to, and that a file's replace.
    pub over_preset: &'a [String],
    /// A run directory, or a checkpoint of one, whose saved configuration is continued with.
    pub run: Option<&'a Path>,
    /// The only stage there is.
    pub stage: Option<Stage>,
}

/// The experiment that the options mean.
pub fn experiment(
    options: &args::Config,
    labels: Option<&args::Labels>,
    basis: Basis<'_>,
) -> anyhow::Result<Experiment> {
    Ok(settings(options, labels, basis)?.0)
}

/// The experiment that the options mean, and which of its keys were typed.
pub fn settings(
    options: &args::Config,
    labels: Option<&args::Labels>,
    basis: Basis<'_>,
) -> anyhow::Result<(Experiment, Typed)> {
    let before: Vec<String> = basis.set.iter().map(|&pair| pair.to_owned()).collect();
    let saved = match basis.run {
        Some(run) if options.preset.is_none() && options.config.is_none() => Some(saved_configuration(run)?),
        _ => None,
    };
    let file = options.config.as_deref();
    // A file may name the preset that it changes.
    let preset = options.preset.as_deref().or(basis.preset.filter(|_| file.is_none() && saved.is_none()));
    let set = [before, typed_pairs(options, labels, basis.swept)].concat();
    let over_preset = basis.over_preset;
    let request = Request { preset, over_preset, file, saved: saved.as_deref(), set: &set, stage: basis.stage };
    Ok(resolve_typed(request)?)
}

/// As [`settings`], resting on pairs that were chosen for the data and the time.
pub fn settings_with(
    options: &args::Config,
    labels: Option<&args::Labels>,
    basis: Basis<'_>,
    chosen: &[String],
) -> Result<(Experiment, Typed), ConfigError> {
    let set = [chosen, &typed_pairs(options, labels, &[])].concat();
    let file = options.config.as_deref();
    let (preset, over_preset) = (options.preset.as_deref(), basis.over_preset);
    resolve_typed(Request { preset, over_preset, file, set: &set, ..Request::default() })
}

/// What was typed, as pairs.
fn typed_pairs(options: &args::Config, labels: Option<&args::Labels>, swept: &[String]) -> Vec<String> {
    let mut set = [&options.set[..], swept].concat();
    set.extend(options.seed.map(|seed| format!("seed={seed}")));
    if let Some(labels) = labels {
        set.extend(labels.draws.map(|draws| format!("draws={draws}")));
        set.extend(label_budgets(&labels.labels_per_class));
    }
    set
}

/// The options that set keys of the configuration, word by word.
pub fn as_typed(options: &args::Config, labels: Option<&args::Labels>) -> Vec<String> {
    let file = options.config.as_ref().map(|path| path.display().to_string());
    let mut typed = vec![("--preset", options.preset.clone()), ("--config", file)];
    typed.extend(options.set.iter().map(|pair| ("--set", Some(pair.clone()))));
    typed.push(("--seed", options.seed.map(|seed| seed.to_string())));
    if let Some(labels) = labels {
        let budgets: Vec<String> = labels.labels_per_class.iter().map(ToString::to_string).collect();
        typed.push(("--labels-per-class", (!budgets.is_empty()).then(|| budgets.join(","))));
        typed.push(("--draws", labels.draws.map(|draws| draws.to_string())));
    }
    typed.into_iter().filter_map(|(option, value)| Some([option.to_owned(), value?])).flatten().collect()
}

fn saved_configuration(run: &Path) -> anyhow::Result<PathBuf> {
    Foreign::refuse(run)?;
    Ok(RunDirectory::of(run)?.config_path())
}

/// The hardware that the options mean; reports it.
pub fn hardware(options: &args::Hardware, reporter: &mut dyn Reporter) -> anyhow::Result<Hardware> {
    let hardware = Hardware::choose(options.device, options.precision, options.threads)?;
    reporter.event(&Event::Note(ProgramNote::Hardware { hardware: hardware.to_string() }.into()));
    Ok(hardware)
}

/// As [`hardware`], for commands whose work is short: they say nothing of it.
pub fn quiet_hardware(options: &args::Hardware) -> anyhow::Result<Hardware> {
    Ok(Hardware::choose(options.device, options.precision, options.threads)?)
}

/// As [`quiet_hardware`], for answers that people keep: on a CPU in float32, as exported networks compute, unless another
/// precision was typed.
pub fn exact_hardware(options: &args::Hardware) -> anyhow::Result<Hardware> {
    let hardware = quiet_hardware(options)?;
    Ok(match options.precision {
        PrecisionChoice::Auto if !hardware.device.is_cuda() => Hardware { precision: Precision::Full, ..hardware },
        _ => hardware,
    })
}

/// Data that a command wants.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub data: &'a Path,
    pub unlabeled: &'a [PathBuf],
    pub strictness: &'a args::Strictness,
    pub need: Need,
    /// The largest label budget that was typed.
    pub labels_per_class: usize,
    /// What happens to copies where they are looked for.
    pub copies: Option<Pools>,
    /// Whether labels that people corrected are taken so.
    pub corrections: bool,
    /// When images for pre-training are decoded.
    pub decoding: Decoding,
    pub levels: Levels,
    /// The processes that open it together.
    pub ranks: &'a Ranks,
}

/// The data that the options mean, looked through for copies where that is asked for; reports what is odd about it.
pub fn dataset(wanted: Wanted<'_>, reporter: &mut dyn Reporter) -> anyhow::Result<Dataset> {
    let Wanted { data, unlabeled, strictness, need, labels_per_class, copies, corrections, decoding, levels, ranks } =
        wanted;
    let options = OpenOptions {
        strict: strictness.strict,
        need,
        labels_per_class,
        levels,
        decoding,
        corrections,
        split_file: strictness.kept.split.clone(),
        saving: Saving::Later,
        companions: ranks.companions(),
        ..OpenOptions::default()
    };
    let mut dataset = telling(reporter, &options, |options| Dataset::open(data, options))?;
    for folder in unlabeled {
        let note = ProgramNote::LookingThrough { folder: folder.display().to_string() };
        reporter.event(&Event::Note(note.into()));
        telling(reporter, &options, |options| dataset.add_unlabeled(folder, options))?;
    }
    if let Some(pools) = copies {
        dataset.look_for_copies(pools)?;
    }
    for note in &dataset.notes {
        reporter.event(&Event::Note(note.clone().into()));
    }
    for note in &dataset.warnings {
        reporter.event(&Event::Warning(note.clone().into()));
    }
    Ok(dataset)
}

/// All images of a folder, whatever stands beside them; reports what is odd about them.
pub fn folder(path: &Path, strict: bool, levels: Levels, reporter: &mut dyn Reporter) -> anyhow::Result<FolderSource> {
    let options = OpenOptions { strict, levels, ..OpenOptions::default() };
    let source = telling(reporter, &options, |options| FolderSource::open(path, options))?;
    for note in source.notes(path) {
        reporter.event(&Event::Warning(note.into()));
    }
    Ok(source)
}

/// The labelled images of data that nobody trains on, with their labels as they are where these are not to be corrected; reports what is
/// odd about it.
pub fn labelled(
    data: &Path,
    levels: Levels,
    corrections: bool,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Dataset> {
    let options = OpenOptions { levels, corrections, ..OpenOptions::default() };
    let dataset = telling(reporter, &options, |options| Dataset::open_labelled(data, options))?;
    for note in &dataset.warnings {
        reporter.event(&Event::Warning(note.clone().into()));
    }
    Ok(dataset)
}

/// What data is called: a folder whose labels stand in a table by the folder's name, all else as the library calls it.
pub fn called(data: &Path, dataset: &Dataset) -> String {
    let table = LabelFile::beside(data);
    match data.is_dir() && table.file_name().is_some_and(|name| *name == *dataset.name) {
        true => folder_name(data),
        false => dataset.name.clone(),
    }
}

/// What a folder is called.
pub fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// That data is where it was said to be, before anything is looked through.
pub fn there(path: &Path) -> anyhow::Result<()> {
    Ok(data::require(path)?)
}

/// Opens data on another thread, and tells now and then how far that is, and how long it will take: decoding every image takes
/// minutes in a large folder.
fn telling<T: Send>(
    reporter: &mut dyn Reporter,
    options: &OpenOptions,
    open: impl FnOnce(&OpenOptions) -> T + Send,
) -> T {
    let (sender, progress) = mpsc::channel();
    let on_progress = move |done: usize, of: usize| {
        // Nobody listens any more once this thread has failed.
        let _ = sender.send((done, of));
    };
    let options = OpenOptions { on_progress: Some(Arc::new(on_progress)), ..options.clone() };
    thread::scope(|scope| {
        let opening = scope.spawn(move || open(&options));
        let mut last = Instant::now();
        // Images are listed before the first of them is looked at.
        let mut begun = None;
        for (done, of) in progress {
            let begun = *begun.get_or_insert_with(Instant::now);
            if last.elapsed() >= BETWEEN_NOTES {
                last = Instant::now();
                let seconds_left = begun.elapsed().as_secs_f64() / done as f64 * of.saturating_sub(done) as f64;
                reporter.event(&Event::Note(ProgramNote::LookedAt { done, of, seconds_left }.into()));
            }
        }
        opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The pair that sets these label budgets, each of them once; none where none were typed.
fn label_budgets(typed: &[LabelBudget]) -> Option<String> {
    let mut listed: Vec<String> = Vec::with_capacity(typed.len());
    for budget in typed {
        let budget = match budget {
            LabelBudget::PerClass(labels) => labels.to_string(),
            LabelBudget::Folds | LabelBudget::DrawnFolds | LabelBudget::All => format!("\"{budget}\""),
        };
        if !listed.contains(&budget) {
            listed.push(budget);
        }
    }
    (!listed.is_empty()).then(|| format!("labels_per_class=[{}]", listed.join(", ")))
}
