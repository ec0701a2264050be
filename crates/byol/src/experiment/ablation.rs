//! Ablations: BYOL with one thing changed at a time, the same evaluation of each, beside the paper's figures; and the
//! faults of the university lab's program, one by one and together.

use std::path::{Path, PathBuf};

use super::plan::plan;
use super::session::{Arm, Opened, Session};
use super::{Context, ExperimentError, Outcome, monitor, pool, split};
use crate::config::{Experiment, Fault, ScheduleKind, ViewSet};
use crate::files::write_atomically;
use crate::model::byol::{encoder_part, transferred_part};
pub use crate::run::ablation::{
    Ablation, Change, FULL_NAME, RecordedChange, ResultOfSeed, SeedRecord, TOGETHER_NAME, VariantRecord,
};
use crate::run::directory::{OpenMode, is_empty};
use crate::run::event::Event;
use crate::run::lock::RunLock;
use crate::run::notice::Notice;
use crate::run::record::Ended;
use crate::run::record::{EpochRecord, LabelBudget, ResultName, Stage, Summary, SupervisedStage};
use crate::run::{RunDirectory, RunError};

/// What an ablation changes in the preset that it begins with: short pre-trainings that are looked at after every epoch
/// and go on when they collapse, frozen encoders judged with all labels, and supervised stages with two per class.
/// Another seed draws other labels, so that one draw of each is enough.
pub const BASIS: [&str; 9] = [
    "pretrain.method=byol",
    "pretrain.patches=1",
    "pretrain.epochs=4",
    "pretrain.monitor_every=1",
    "pretrain.stop_on_collapse=false",
    "pretrain.checkpoint_every=4",
    "labels_per_class=[2, \"all\"]",
    "draws=1",
    "supervised.minimum_steps=3200",
];

/// Side of the lab's pre-training images by that of its other ones: 224 by 96.
const LAB_SIZES: [usize; 2] = [224, 96];

/// BYOL with something changed.
#[derive(Clone, Copy)]
pub struct Variant {
    /// The name of its folder.
    pub name: &'static str,
    /// What it changes, as it is recorded.
    pub change: Change,
    /// Top-1 accuracy on ImageNet in the paper, and where it stands.
    pub paper: Option<(f64, &'static str)>,
    /// Whether the fault is one of the lab's, which supervised stages are trained for too.
    pub of_lab: bool,
    apply: fn(&mut Experiment),
}

/// BYOL as it is; every set of variants begins with it.
const FULL: Variant = Variant {
    name: FULL_NAME,
    change: Change::Nothing,
    paper: Some((72.5, "Table 5a, 300 epochs")),
    of_lab: false,
    apply: |_| {},
};

/// Variants that show what each part of BYOL is for (paper, section 5, Table 5 and Figure 3). The paper
/// has no figure for a gradient through the target branch.
pub const MECHANISM: [Variant; 8] = [
    FULL,
    Variant {
        name: "no-predictor",
        change: Change::NoPredictor,
        paper: Some((0.2, "Table 5b")),
        apply: |experiment| experiment.pretrain.predictor = false,
        ..FULL
    },
    Variant {
        name: "no-stop-gradient",
        change: Change::NoStopGradient,
        paper: None,
        apply: |experiment| experiment.pretrain.stop_gradient = false,
        ..FULL
    },
    Variant {
        name: "tau-0",
        change: Change::TauZero,
        paper: Some((0.3, "Table 5a")),
        apply: |experiment| constant_tau(experiment, 0.0),
        ..FULL
    },
    Variant {
        name: "tau-1",
        change: Change::TauOne,
        paper: Some((18.8, "Table 5a")),
        apply: |experiment| constant_tau(experiment, 1.0),
        ..FULL
    },
    Variant {
        name: "crop-only",
        change: Change::CropOnly,
        paper: Some((60.1, "Table 17")),
        apply: |experiment| views(experiment, ViewSet::Crop),
        ..FULL
    },
    Variant {
        name: "no-color",
        change: Change::NoColor,
        paper: Some((63.4, "Table 17")),
        apply: |experiment| views(experiment, ViewSet::NoColor),
        ..FULL
    },
    Variant {
        name: "symmetric",
        change: Change::Symmetric,
        paper: Some((72.5, "Table 17")),
        apply: |experiment| views(experiment, ViewSet::Symmetric),
        ..FULL
    },
];

/// What the lab's program got wrong, one by one and together.
pub const LAB: [Variant; 8] = [
    Variant { of_lab: true, ..FULL },
    lab("lab-unpaired-views", Change::UnpairedViews, |experiment| {
        experiment.faults.push(Fault::UnpairedViews);
    }),
    lab("lab-online-target", Change::OnlineTarget, |experiment| {
        experiment.faults.push(Fault::OnlineTarget);
    }),
    lab("lab-unnormalized", Change::Unnormalized, |experiment| experiment.faults.push(Fault::Unnormalized)),
    lab("lab-heads", Change::LabHeads, |experiment| {
        experiment.faults.push(Fault::LabHeads);
    }),
    lab("lab-view-size", Change::ViewSize, |experiment| {
        experiment.pretrain.view_size = (experiment.image_size * LAB_SIZES[0]).div_ceil(LAB_SIZES[1]);
    }),
    lab("lab-evaluation-mode", Change::EvaluationMode, |experiment| {
        experiment.faults.push(Fault::EvaluationMode);
    }),
    lab(TOGETHER_NAME, Change::Together, |experiment| {
        experiment.faults = vec![
            Fault::UnpairedViews,
            Fault::OnlineTarget,
            Fault::Unnormalized,
            Fault::LabHeads,
            Fault::EvaluationMode,
        ];
        experiment.pretrain.view_size = (experiment.image_size * LAB_SIZES[0]).div_ceil(LAB_SIZES[1]);
    }),
];

const fn lab(name: &'static str, change: Change, apply: fn(&mut Experiment)) -> Variant {
    Variant { name, change, paper: None, of_lab: true, apply }
}

fn constant_tau(experiment: &mut Experiment, tau: f64) {
    (experiment.pretrain.tau, experiment.pretrain.tau_schedule) = (tau, ScheduleKind::Constant);
}

fn views(experiment: &mut Experiment, views: ViewSet) {
    experiment.pretrain.views = views;
    (experiment.pretrain.t, experiment.pretrain.t_prime) = views.recipes();
}

impl Variant {
    /// An experiment with this change, and another seed.
    pub fn of(&self, base: &Experiment, seed: u64) -> Experiment {
        let mut experiment = Experiment { seed, ..base.clone() };
        (self.apply)(&mut experiment);
        experiment
    }
}

/// How an ablation ended.
#[derive(Clone, Debug, PartialEq)]
pub enum AblationOutcome {
    /// Every variant was trained and judged.
    Finished(Ablation),
    /// It was asked to stop; `--resume` goes on.
    Interrupted,
}

/// Trains and evaluates every variant with every seed, each in a run directory of its own under `context.out`, and
/// writes `ablation.json` there. Runs that are finished already are not repeated; with [`OpenMode::Resume`] further
/// variants join those that are there.
///
/// # Errors
/// As [`run`](super::run).
pub fn ablate(context: &mut Context, variants: &[Variant], seeds: usize) -> Result<AblationOutcome, ExperimentError> {
    let out = context.out.to_owned();
    if context.mode == OpenMode::Fresh && !is_empty(&out) {
        return Err(RunError::Occupied { path: out }.into());
    }
    let _lock = RunLock::take(&out)?;
    let total = variants.len() * seeds;
    // Seed by seed, so that every variant has a first result soon.
    for seed in 0..seeds {
        for (number, variant) in variants.iter().enumerate() {
            let experiment = variant.of(context.experiment, context.experiment.seed + seed as u64);
            let notice = Notice::Variant {
                number: seed * variants.len() + number + 1,
                of: total,
                name: variant.name.to_owned(),
                change: variant.change,
                method: experiment.method(),
                seed: experiment.seed,
            };
            context.reporter.event(&Event::Note(notice));
            let directory = directory_of(&out, variant, experiment.seed);
            let mut inner = Context {
                experiment: &experiment,
                data: context.data,
                hardware: context.hardware,
                out: &directory,
                mode: OpenMode::Resume,
                command: None,
                interrupt: context.interrupt,
                reporter: &mut *context.reporter,
            };
            if let Outcome::Interrupted(_) = run_variant(&mut inner, variant)? {
                return Ok(AblationOutcome::Interrupted);
            }
        }
    }
    let ablation = Ablation {
        method: context.experiment.method(),
        variants: MECHANISM.iter().chain(&LAB[1..]).map(|variant| collect(&out, variant)).collect::<Result<_, _>>()?,
        version: crate::version(),
        hardware: context.hardware.to_string(),
    };
    let ablation = Ablation {
        variants: ablation.variants.into_iter().filter(|variant| !variant.seeds.is_empty()).collect(),
        ..ablation
    };
    let path = out.join("ablation.json");
    let text = serde_json::to_vec_pretty(&ablation)
        .map_err(|error| RunError::Malformed { path: path.clone(), reason: error.to_string() })?;
    write_atomically(&path, &text).map_err(|source| RunError::Write { path, source })?;
    Ok(AblationOutcome::Finished(ablation))
}

fn directory_of(out: &Path, variant: &Variant, seed: u64) -> PathBuf {
    out.join(variant.name).join(format!("seed-{seed}"))
}

/// Pre-training and the judgement of the frozen encoder; baseline and fine-tuning where the variant is one of the
/// lab's.
fn run_variant(context: &mut Context, variant: &Variant) -> Result<Outcome, ExperimentError> {
    let experiment = context.experiment;
    let labeled = split(context.data, context.data.train.as_ref(), "train")?;
    let test = split(context.data, context.data.test.as_ref(), "test")?;
    let plan = plan(experiment, context.data, &labeled)?;
    let pool = pool(context.data, experiment)?;
    let monitor = monitor(context.data, experiment)?;
    let mut session = match Session::open_unfinished(context, |earlier| {
        // The full variant is shared: what the lab's variants need beside it may still be missing.
        variant.of_lab && !earlier.results.iter().any(|result| result.name == ResultName::PRETRAINED_FINETUNED)
    })? {
        Opened::Finished(summary) => return Ok(Outcome::AlreadyFinished(*summary)),
        Opened::Session(session) => session,
    };
    let pretrained = session.pretrain(pool, monitor.as_ref())?;
    if pretrained.ended == Ended::Interrupted {
        return session.interrupted_without_report();
    }
    let names = [ResultName::PRETRAINED_LINEAR, ResultName::PRETRAINED_KNN];
    if session.judge_frozen(names, &encoder_part(&pretrained.network), &plan, &labeled, &test)?.is_none() {
        return session.interrupted_without_report();
    }
    if variant.of_lab {
        let transferred = transferred_part(&pretrained.network);
        for (stage, encoder) in [(SupervisedStage::Baseline, None), (SupervisedStage::Finetune, Some(&transferred))] {
            let parts = plan.iter().filter(|part| part.budget != LabelBudget::All);
            let arms: Vec<Arm> = parts.map(|part| Arm { stage, part, labeled: &labeled, encoder }).collect();
            if session.arms(&arms, Some(&test))? == Ended::Interrupted {
                return session.interrupted_without_report();
            }
        }
    }
    session.finish_without_report()
}

/// What the finished runs of a variant recorded.
fn collect(out: &Path, variant: &Variant) -> Result<VariantRecord, ExperimentError> {
    let mut seeds = Vec::new();
    let entries = out.join(variant.name).read_dir().into_iter().flatten().flatten();
    for entry in entries {
        let Ok(directory) = RunDirectory::existing(&entry.path()) else { continue };
        if let Some(summary) = directory.summary()?.filter(|summary| summary.finished) {
            let epochs = directory.metrics()?;
            let epochs: Vec<EpochRecord> = epochs.into_iter().filter(|epoch| epoch.stage == Stage::Pretrain).collect();
            seeds.push(seed_record(&summary, &epochs));
        }
    }
    seeds.sort_by_key(|seed| seed.seed);
    Ok(VariantRecord {
        name: variant.name.to_owned(),
        change: RecordedChange::Known(variant.change),
        paper: variant.paper.map(|(accuracy, place)| (accuracy, place.to_owned())),
        seeds,
    })
}

fn seed_record(summary: &Summary, epochs: &[EpochRecord]) -> SeedRecord {
    let health = epochs.iter().rev().find_map(|epoch| epoch.health);
    let collapsed = |epoch: &&EpochRecord| epoch.health.is_some_and(|health| !health.collapse().is_empty());
    SeedRecord {
        seed: summary.seed,
        results: summary
            .results
            .iter()
            .map(|result| ResultOfSeed {
                name: result.name,
                labels_per_class: result.labels_per_class,
                test_accuracy: result.test_accuracy.mean,
            })
            .collect(),
        collapsed_at: epochs.iter().find(collapsed).map(|epoch| epoch.epoch),
        effective_rank: health.map(|health| health.representation.effective_rank),
        projection_deviation: health.map(|health| health.projection.deviation),
        seconds: summary.seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::{Request, resolve};

    #[test]
    fn every_variant_is_a_valid_experiment_that_differs() {
        let set = BASIS.map(str::to_owned);
        let base = resolve(Request { preset: Some("demo"), set: &set, ..Request::default() }).unwrap();
        let mut seen = vec![];
        for variant in MECHANISM.iter().chain(&LAB[1..]) {
            let experiment = variant.of(&base, 7);
            experiment.validate().unwrap();
            assert_eq!(experiment.seed, 7);
            assert!(!seen.contains(&experiment), "{}", variant.name);
            seen.push(experiment);
        }
        assert_eq!(LAB[5].of(&base, 0).pretrain.view_size, 75);
    }
}
