//! Where a run goes, and what one that goes on was begun with.

use std::path::{Path, PathBuf};

use anyhow::Context;
use byol::data::Decoding;
use byol::device::{DeviceChoice, PrecisionChoice, RecordedHardware};
use byol::run::RunDirectory;
use byol::run::command::{CommandRecord, TrainingCommand, shell_word};
use byol::run::directory::OpenMode;
use byol::run::record::Summary;

use super::beginning;
use super::seeds::Seeds;
use crate::args;
use crate::exit::Usage;

/// The run directory that the options name.
pub struct Place {
    pub out: PathBuf,
    pub mode: OpenMode,
    /// Whether `--resume RUN` named it, so that there must be a run.
    pub named: bool,
    /// Epochs by which its pre-training is to be extended.
    pub more_epochs: Option<usize>,
    /// The runs with several seeds that it is one of.
    pub seeds: Option<Seeds>,
}

impl Place {
    pub fn of(target: &args::Target) -> anyhow::Result<Place> {
        let args::Target { out, resume } = target;
        match (resume, out) {
            (Some(Some(run)), Some(out)) if run != out => Err(Usage(format!(
                "--resume {} and --out {} name two runs; --resume RUN needs no --out",
                run.display(),
                out.display()
            ))
            .into()),
            (Some(Some(run)), _) => {
                Ok(Place { out: run.clone(), mode: OpenMode::Resume, named: true, more_epochs: None, seeds: None })
            }
            (Some(None), Some(out)) => {
                Ok(Place { out: out.clone(), mode: OpenMode::Resume, named: false, more_epochs: None, seeds: None })
            }
            (None, Some(out)) => {
                Ok(Place { out: out.clone(), mode: OpenMode::Fresh, named: false, more_epochs: None, seeds: None })
            }
            (_, None) => Err(Usage("which run? name its directory, as in --resume runs/mine".to_owned()).into()),
        }
    }
}

impl Place {
    /// What was named: the run directory, or the folder of runs with several seeds.
    pub fn folder(&self) -> &Path {
        self.seeds.as_ref().map_or(&self.out, Seeds::folder)
    }

    /// Runs with the same settings that follow one plan.
    pub fn runs(&self) -> usize {
        self.seeds.as_ref().map_or(1, Seeds::count)
    }
}

/// What is known of a run that goes on.
pub struct Earlier {
    /// What it was begun with; nothing where an earlier version made it.
    pub command: Option<CommandRecord>,
    /// Digest of the weights that it was begun with; empty for none.
    pub initial_weights: String,
    /// What it has found so far, where something is left to do.
    pub goes_on: Option<Summary>,
    /// When it decoded the images for pre-training.
    pub decoding: Decoding,
}

impl Earlier {
    /// Nothing where a new run begins.
    pub fn of(place: &Place, command: TrainingCommand) -> anyhow::Result<Option<Earlier>> {
        let Place { out, mode, named, .. } = place;
        if *mode == OpenMode::Fresh || !(*named || out.join("config.toml").is_file()) {
            return Ok(None);
        }
        let run = RunDirectory::existing(out)?;
        let initial_weights = run.experiment()?.initial_weights;
        let summary = run.summary()?;
        let decoding = decoding_of(summary.as_ref());
        let goes_on = summary.filter(|summary| !summary.finished || place.more_epochs.is_some());
        let earlier = Earlier { command: run.command()?, initial_weights, goes_on, decoding };
        if let Some(record) = earlier.command.as_ref().filter(|record| !command.continues(record.command)) {
            let name = record.command.name();
            let text =
                format!("{0} was begun by `byol {name}`: byol {name} --resume {0} continues it", shell_word(out));
            return Err(Usage(text).into());
        }
        Ok(Some(earlier))
    }
}

/// When a run decodes images for pre-training: as it began, so that the same ones are left out of it.
pub fn decoding_of(run: Option<&Summary>) -> Decoding {
    let pools = run.map(|run| run.data.unlabeled.iter().map(|pool| pool.decoding));
    match pools.is_some_and(|mut pools| pools.all(|decoding| decoding == Decoding::AtOnce)) {
        true => Decoding::AtOnce,
        false => Decoding::AtFirstUse,
    }
}

/// Places as they were typed; what is missing is what a resumed run was begun with.
#[derive(Clone, Copy, Default)]
pub struct Typed<'a> {
    pub data: Option<&'a Path>,
    pub unlabeled: &'a [PathBuf],
    pub strictness: Option<&'a args::Strictness>,
    pub from: Option<&'a Path>,
    pub beginning: Option<&'a args::Beginning>,
}

/// What is meant: as typed, and for the rest as recorded.
pub struct Meant {
    pub data: PathBuf,
    pub unlabeled: Vec<PathBuf>,
    pub strictness: args::Strictness,
    pub from: Option<PathBuf>,
    pub hardware: args::Hardware,
    /// What the run directory is to keep.
    pub record: CommandRecord,
}

impl Meant {
    pub fn of(
        command: TrainingCommand,
        typed: &Typed<'_>,
        hardware: &args::Hardware,
        place: &Place,
        earlier: Option<Earlier>,
    ) -> anyhow::Result<Meant> {
        let (recorded, goes_on) = earlier.map_or((None, None), |earlier| (earlier.command, earlier.goes_on));
        // A run goes on as it was computed, unless something else is typed, which is refused.
        let computed = goes_on.and_then(|summary| RecordedHardware::read(&summary.hardware));
        let folder = std::env::current_dir().context("the current directory is not to be had")?;
        let new = CommandRecord {
            command,
            folder: folder.clone(),
            run: std::path::absolute(&place.out).unwrap_or_else(|_| place.out.clone()),
            data: typed.data.map(Path::to_owned).unwrap_or_default(),
            unlabeled: typed.unlabeled.to_vec(),
            split: typed.strictness.and_then(|strictness| strictness.kept.split.clone()),
            strict: typed.strictness.is_some_and(|strictness| strictness.strict),
            weights: typed.beginning.and_then(|beginning| beginning.weights.clone()),
            from: typed.from.map(Path::to_owned),
            settings: Vec::new(),
            device: (hardware.device != DeviceChoice::Auto).then(|| hardware.device.to_string()),
            precision: (hardware.precision != PrecisionChoice::Auto).then(|| hardware.precision.to_string()),
            threads: hardware.threads,
        };
        let record = match recorded {
            None => new,
            Some(then) => joined(new, then, &place.out)?,
        };
        if record.data.as_os_str().is_empty() {
            let run = shell_word(&place.out);
            let text =
                format!("{run} does not record what it was begun with (an earlier version made it); give --data");
            return Err(Usage(text).into());
        }
        Ok(Meant {
            data: record.data.clone(),
            unlabeled: record.unlabeled.clone(),
            strictness: args::Strictness {
                strict: record.strict,
                kept: args::KeptSplit { split: record.split.clone() },
            },
            from: record.from.clone(),
            hardware: args::Hardware {
                device: match &record.device {
                    Some(device) => device.parse()?,
                    None => computed.map_or(DeviceChoice::Auto, |computed| computed.device),
                },
                precision: match &record.precision {
                    Some(precision) => precision.parse()?,
                    None => computed.map_or(PrecisionChoice::Auto, |computed| computed.precision),
                },
                threads: record.threads.or(computed.and_then(|computed| computed.threads)),
            },
            record,
        })
    }
}

/// What was typed now, and what was not as it was recorded. Recorded paths become those that lead there from here.
fn joined(new: CommandRecord, then: CommandRecord, run: &Path) -> anyhow::Result<CommandRecord> {
    let find = |path: &Path, option| then.find(path, run, option);
    let of = |new: Option<PathBuf>, then: &Option<PathBuf>, option| match (new, then) {
        (None, Some(then)) => find(then, option).map(Some),
        (new, _) => Ok(new),
    };
    let data = match new.data.as_os_str().is_empty() {
        true => find(&then.data, "--data")?,
        false => new.data,
    };
    let unlabeled = match new.unlabeled.is_empty() {
        true => then.unlabeled.iter().map(|path| find(path, "--unlabeled")).collect::<Result<_, _>>()?,
        false => new.unlabeled,
    };
    // Trainings of one run begin with one encoder.
    if let (Some(now), Some(before)) = (&new.from, &then.from)
        && let Ok(before) = find(before, "--from")
        && std::fs::canonicalize(now).ok() != std::fs::canonicalize(&before).ok()
    {
        let text = format!(
            "{} was begun with --from {}; resume it without --from, or choose another --out",
            run.display(),
            before.display()
        );
        return Err(Usage(text).into());
    }
    Ok(CommandRecord {
        command: then.command,
        data,
        unlabeled,
        // A split that is drawn is kept there; it may not have been written yet.
        split: new.split.or_else(|| then.split.as_ref().map(|path| then.folder.join(path))),
        strict: new.strict || then.strict,
        // The run directory has them; they may be gone.
        weights: new.weights.or_else(|| then.weights.as_ref().map(|path| beginning::recorded(path, &then.folder))),
        from: of(new.from, &then.from, "--from")?,
        settings: then.settings.clone(),
        device: new.device.or(then.device.clone()),
        precision: new.precision.or(then.precision.clone()),
        threads: new.threads.or(then.threads),
        ..new
    })
}
