//! The commands that train and leave a run directory behind.

use std::path::Path;

use byol::config::Experiment;
use byol::data::{Dataset, Decoding, Need, PATTERNS, Pools};
use byol::device::Hardware;
use byol::experiment::planning::{self, Plan, Scope, Wish};
use byol::experiment::{self, Asked, Context, ExperimentError, Outcome};
use byol::ranks::Ranks;
use byol::report;
use byol::report::language::program;
use byol::run::RunDirectory;
use byol::run::command::{TrainingCommand, shell_word};
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Reporter};
use byol::run::extend::Extension;
use byol::run::lock::RunLock;
use byol::run::notice::ProgramNote;
use byol::run::record::{Control, LabelBudget, Stage, Summary};
use byol::train::pretrain as pretraining;
use byol::weights::{self, Beginning};
use serde::Serialize;

use super::beginning::Weights;
use super::resume::{Earlier, Meant, Place, Typed};
use super::seeds::{self, Seeds};
use super::{next, together};
use crate::args::{self, Output};
use crate::exit::{Ending, Usage};
use crate::request::{self, Basis, Wanted};
use crate::{interrupt, output};

/// What the training commands have in common, from their options.
#[derive(Clone)]
pub(super) struct Job<'a> {
    pub command: TrainingCommand,
    pub typed: Typed<'a>,
    pub labels: Option<&'a args::Labels>,
    /// Whether there is a classifier, which may take over the last layer of given weights.
    pub classifies: bool,
    pub config: &'a args::Config,
    pub basis: Basis<'a>,
    pub hardware: &'a args::Hardware,
    pub hours: Option<f64>,
    /// The processes that share the work.
    pub ranks: Ranks,
}

pub fn demo(demo: &args::Demo, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        command: TrainingCommand::Demo,
        typed: Typed { data: Some(Path::new(PATTERNS)), ..Typed::default() },
        labels: Some(&demo.labels),
        classifies: true,
        config: &demo.config,
        basis: Basis { preset: Some("demo"), ..Basis::default() },
        hardware: &demo.hardware,
        hours: None,
        ranks: Ranks::default(),
    };
    // A second demo shows the first one's result, or continues it.
    let place = Place { out: demo.out.clone(), mode: OpenMode::Resume, named: false, more_epochs: None, seeds: None };
    together::train(job, place, &demo.processes, (output, reporter), |job, place, output, reporter| {
        job.work(place, output, reporter, |context, _, _| experiment::run(context))
    })
}

pub fn run(run: &args::Run, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        command: TrainingCommand::Run,
        typed: Typed {
            data: run.source.data.as_deref(),
            unlabeled: &run.pool.unlabeled,
            strictness: Some(&run.source.strictness),
            beginning: Some(&run.beginning),
            ..Typed::default()
        },
        labels: Some(&run.labels),
        classifies: true,
        config: &run.config,
        basis: Basis::default(),
        hardware: &run.hardware,
        hours: run.hours,
        ranks: Ranks::default(),
    };
    let place = Place { more_epochs: run.longer.more_epochs, ..Place::of(&run.target)? };
    let place = Seeds::place(run, together::place(place, &run.processes)?)?;
    together::train(job, place, &run.processes, (output, reporter), |job, place, output, reporter| match &place.seeds {
        Some(of) => seeds::work(job, place, of, output, reporter),
        None => job.work(place, output, reporter, |context, _, plan| experiment::run_planned(context, plan)),
    })
}

pub fn supervised(
    supervised: &args::Supervised,
    output: Output,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Ending> {
    let stage = if supervised.beginning.weights.is_some() { Stage::Finetune } else { Stage::Supervised };
    let job = Job {
        command: TrainingCommand::Supervised,
        typed: Typed {
            data: supervised.source.data.as_deref(),
            strictness: Some(&supervised.source.strictness),
            beginning: Some(&supervised.beginning),
            ..Typed::default()
        },
        labels: Some(&supervised.labels),
        classifies: true,
        config: &supervised.config,
        // Given weights are fine-tuned: as in `byol run`, the settings are those of fine-tuning.
        basis: Basis { stage: Some(stage), ..Basis::default() },
        hardware: &supervised.hardware,
        hours: None,
        ranks: Ranks::default(),
    };
    let place = together::place(Place::of(&supervised.target)?, &supervised.processes)?;
    together::train(job, place, &supervised.processes, (output, reporter), |job, place, output, reporter| {
        job.work(place, output, reporter, |context, _, _| experiment::supervised(context))
    })
}

pub fn pretrain(pretrain: &args::Pretrain, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        command: TrainingCommand::Pretrain,
        typed: Typed {
            data: pretrain.source.data.as_deref(),
            unlabeled: &pretrain.pool.unlabeled,
            strictness: Some(&pretrain.source.strictness),
            beginning: Some(&pretrain.beginning),
            ..Typed::default()
        },
        labels: None,
        classifies: false,
        config: &pretrain.config,
        basis: Basis { stage: Some(Stage::Pretrain), ..Basis::default() },
        hardware: &pretrain.hardware,
        hours: None,
        ranks: Ranks::default(),
    };
    let place = Place { more_epochs: pretrain.longer.more_epochs, ..Place::of(&pretrain.target)? };
    let place = together::place(place, &pretrain.processes)?;
    together::train(job, place, &pretrain.processes, (output, reporter), |job, place, output, reporter| {
        job.work(place, output, reporter, |context, _, _| experiment::pretrain(context))
    })
}

pub fn finetune(finetune: &args::Finetune, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        command: TrainingCommand::Finetune,
        typed: Typed {
            data: finetune.source.data.as_deref(),
            strictness: Some(&finetune.source.strictness),
            from: finetune.from.as_deref(),
            ..Typed::default()
        },
        labels: Some(&finetune.labels),
        classifies: true,
        config: &finetune.config,
        basis: Basis { run: finetune.from.as_deref(), stage: Some(Stage::Finetune), ..Basis::default() },
        hardware: &finetune.hardware,
        hours: None,
        ranks: Ranks::default(),
    };
    let place = together::place(Place::of(&finetune.target)?, &finetune.processes)?;
    together::train(job, place, &finetune.processes, (output, reporter), |job, place, output, reporter| {
        job.work(place, output, reporter, |context, meant, _| {
            experiment::finetune(context, meant.from.as_deref().unwrap_or(Path::new("")))
        })
    })
}

impl<'a> Job<'a> {
    /// What the settings stand on: a run that goes on has its own, and what is typed beside them must agree.
    pub fn basis_of<'b>(&self, earlier: Option<&Earlier>, place: &'b Place) -> Basis<'b>
    where
        'a: 'b,
    {
        match earlier {
            Some(_) if self.command != TrainingCommand::Demo => Basis { run: Some(&place.out), ..self.basis },
            _ => self.basis,
        }
    }

    /// Does the work, and tells what it found.
    pub fn work(
        &self,
        place: &Place,
        output: Output,
        reporter: &mut dyn Reporter,
        work: impl FnOnce(&mut Context<'_>, &Meant, Option<&Plan>) -> Result<Outcome, ExperimentError>,
    ) -> anyhow::Result<Ending> {
        let outcome = self.train(place, output, reporter, work)?;
        self.tell(&outcome, place, output, reporter)
    }

    /// Resolves the options, the cheapest first, and does the work: everything that can be wrong without the data is
    /// found before it is looked through.
    pub fn train<T>(
        &self,
        place: &Place,
        output: Output,
        reporter: &mut dyn Reporter,
        work: impl FnOnce(&mut Context<'_>, &Meant, Option<&Plan>) -> Result<T, ExperimentError>,
    ) -> anyhow::Result<T> {
        let Place { out, mode, .. } = place;
        let earlier = Earlier::of(place, self.command)?;
        let begins = Weights::of(self.typed.beginning, earlier.as_ref(), place)?;
        let basis = Basis { over_preset: &begins.settings, ..self.basis_of(earlier.as_ref(), place) };
        let (mut experiment, mut typed) = request::settings(self.config, self.labels, basis)?;
        let is_new = earlier.is_none();
        // The run of another process is refused before anything else of it is looked at.
        let mut lock = if is_new { None } else { Some(RunLock::take(place.folder())?) };
        if !is_new {
            self.planned_for_these_hours(place)?;
        }
        let begun_with = earlier.as_ref().map_or(String::new(), |earlier| earlier.initial_weights.clone());
        RunDirectory::check(out, *mode, &Experiment { initial_weights: begun_with, ..experiment.clone() })?;
        let goes_on = earlier.as_ref().and_then(|earlier| earlier.goes_on.clone());
        let decoding = earlier.as_ref().map_or(Decoding::AtFirstUse, |earlier| earlier.decoding);
        let mut meant = Meant::of(self.command, &self.typed, self.hardware, place, earlier)?;
        meant.record.settings.extend(request::as_typed(self.config, self.labels));
        for path in [&meant.data].into_iter().chain(&meant.unlabeled) {
            request::there(path)?;
        }
        // Before signals are listened to: a download that is cut off is gone on with anyway.
        let weights = begins.path(output, reporter)?;
        begins.tell(&experiment, &typed, reporter);
        interrupt::end_at_once(match is_new {
            true => program::NOTHING_BEGUN.to_owned(),
            false => program::as_it_was(place.folder()),
        })?;
        let hardware = match self.ranks.is_alone() {
            true => request::hardware(&meant.hardware, reporter)?,
            false => self.hardware_of_first(&meant, decoding, reporter)?,
        };
        if let Some(earlier) = &goes_on {
            experiment::same_hardware(out, earlier, &hardware)?;
        }
        let need = if self.classifies { Need::Labels } else { Need::Images };
        let wanted = Wanted {
            corrections: true,
            data: &meant.data,
            unlabeled: &meant.unlabeled,
            strictness: &meant.strictness,
            need,
            labels_per_class: if typed.contains("labels_per_class") { most(&experiment.labels_per_class) } else { 0 },
            copies: Some(self.copies()),
            decoding,
            levels: experiment.levels,
            ranks: &self.ranks,
        };
        let data = request::dataset(wanted, reporter)?;
        data.check_split_place()?;
        if self.classifies {
            experiment::require_labels(&data)?;
        }
        if matches!(self.command, TrainingCommand::Run | TrainingCommand::Demo) {
            experiment::require_test(&data)?;
        }
        let mut extended = None;
        if let Some(more) = place.more_epochs {
            extended = extend(out, more, &data, reporter)?;
            experiment = request::experiment(self.config, self.labels, basis)?;
        }
        let mut plan = match is_new && self.chooses() {
            true => self.choose(&begins.settings, place.runs(), (&data, &hardware), reporter)?,
            false => None,
        };
        if let Some(plan) = &plan {
            (experiment, typed) = request::settings_with(self.config, self.labels, basis, &plan.settings())?;
        }
        for notice in experiment::fit(&mut experiment, &typed, &data) {
            reporter.event(&Event::Note(notice));
        }
        if self.copies() == Pools::LeaveCopiesOut {
            pretraining::require_shares(&experiment.pretrain, &self.ranks)?;
        }
        let beginning = Beginning {
            weights: weights.as_deref(),
            out,
            mode: *mode,
            classes: self.classifies.then_some(data.class_names.len()),
        };
        let (mode, notes) = weights::begin(&beginning, &mut experiment)?;
        if !self.ranks.is_alone() {
            experiment = together::settle(&hardware, &experiment, &data)?;
        }
        if lock.is_none() && weights.is_some() {
            lock = Some(RunLock::take(place.folder())?);
            RunDirectory::existing(out)?.write_command(&meant.record)?;
        }
        if lock.is_some() {
            interrupt::end_at_once(program::interrupted(&self.resume(place)))?;
        }
        for notice in notes {
            reporter.event(&Event::Note(notice));
        }
        if experiment.control() == Control::Given
            && let Some(pair) = self.config.set.iter().find(|pair| pair.trim_start().starts_with("supervised."))
        {
            reporter.event(&Event::Warning(ProgramNote::ChangesNothing { pair: pair.clone() }.into()));
        }
        if plan.is_none() && self.command == TrainingCommand::Run && (is_new || place.more_epochs.is_some()) {
            measuring(reporter);
            plan = planning::plan(&experiment, &data, &hardware)?;
            if let (Some(whole), Some(epochs)) = (&plan, extended) {
                let earlier = RunDirectory::existing(out)?.plan()?;
                plan = Some(whole.clone().extending(earlier.as_ref(), epochs));
            }
        }
        let interrupt = interrupt::ask_training()?;
        if let Some(plan) = &plan {
            reporter.event(&Event::Planned(plan));
            if let Some(notice) = experiment::expected(&experiment, plan) {
                reporter.event(&Event::Note(notice));
            }
        }
        if let Some(seeds) = place.seeds.as_ref().filter(|_| is_new) {
            reporter.event(&Event::Note(seeds.planned(plan.as_ref()).into()));
        }
        if place.mode == OpenMode::Fresh && matches!(self.command, TrainingCommand::Run | TrainingCommand::Pretrain) {
            let asked = Asked { hours: self.hours, runs: place.runs(), typed: &typed };
            for notice in experiment::warnings(&experiment, &data, plan.as_ref(), asked) {
                reporter.event(&Event::Warning(notice));
            }
        }
        if place.mode == OpenMode::Fresh
            && self.classifies
            && let Some(notice) = experiment::warn_of_test(&data)
        {
            reporter.event(&Event::Warning(notice));
        }
        let mut context = Context {
            experiment: &experiment,
            data: &data,
            hardware: &hardware,
            out: place.folder(),
            mode,
            command: Some(&meant.record),
            interrupt: &interrupt,
            reporter,
        };
        Ok(work(&mut context, &meant, plan.as_ref())?)
    }

    /// What becomes of images for pre-training that are in training or test too: where there is none, they are not looked at.
    pub(super) fn copies(&self) -> Pools {
        match self.command {
            TrainingCommand::Run | TrainingCommand::Demo | TrainingCommand::Pretrain | TrainingCommand::Selftrain => {
                Pools::LeaveCopiesOut
            }
            TrainingCommand::Supervised | TrainingCommand::Finetune => Pools::Unused,
        }
    }

    fn hardware_of_first(
        &self,
        meant: &Meant,
        decoding: Decoding,
        reporter: &mut dyn Reporter,
    ) -> anyhow::Result<Hardware> {
        let options = args::Hardware { threads: self.hardware.threads, ..meant.hardware };
        let asked = together::Asked {
            data: meant.data.clone(),
            unlabeled: meant.unlabeled.clone(),
            split: meant.strictness.kept.split.clone(),
            strict: meant.strictness.strict,
            decoding,
            bf16: false,
        };
        together::hardware_of_first(&options, asked, &self.ranks, reporter)
    }

    /// Whether settings are chosen for the time: where it was typed, or nobody has named settings to begin with.
    fn chooses(&self) -> bool {
        let named = self.config.preset.is_some() || self.config.config.is_some();
        self.command == TrainingCommand::Run && (self.hours.is_some() || !named)
    }

    fn choose(
        &self,
        over_preset: &[String],
        runs: usize,
        (data, hardware): (&Dataset, &Hardware),
        reporter: &mut dyn Reporter,
    ) -> anyhow::Result<Option<Plan>> {
        let basis = Basis { over_preset, ..self.basis };
        measuring(reporter);
        let given = self.typed.beginning.is_some_and(|beginning| beginning.weights.is_some());
        let named = self.config.preset.is_some() || self.config.config.is_some();
        let resolve = |chosen: &[String]| {
            let (mut experiment, typed) = request::settings_with(self.config, self.labels, basis, chosen)?;
            experiment::fit(&mut experiment, &typed, data);
            if given {
                // Which weights makes no difference to how long anything takes.
                experiment.initial_weights = "given".to_owned();
            }
            Ok(experiment)
        };
        let scope = if named || given { Scope::Lengths } else { Scope::Everything };
        Ok(planning::choose(Wish { hours: self.hours, runs, scope }, &resolve, data, hardware)?)
    }

    /// Refuses another time for a run whose lengths are settled.
    fn planned_for_these_hours(&self, place: &Place) -> anyhow::Result<()> {
        let Some(hours) = self.hours else { return Ok(()) };
        let planned = match &place.seeds {
            Some(seeds) => seeds.hours(),
            None => RunDirectory::existing(&place.out)?.plan()?.and_then(|plan| plan.hours),
        };
        if planned == Some(hours) {
            return Ok(());
        }
        let then = planned.map_or("without --hours".to_owned(), |then| format!("for --hours {then}"));
        let text = format!(
            "{} was planned {then}, and its lengths stay; resume it without --hours, make it longer with --more-epochs, \
             or choose another --out",
            place.folder().display()
        );
        Err(Usage(text).into())
    }

    /// Prints how the work ended and what it found.
    fn tell(
        &self,
        outcome: &Outcome,
        place: &Place,
        output: Output,
        reporter: &mut dyn Reporter,
    ) -> anyhow::Result<Ending> {
        let out = &place.out;
        let run = out.display().to_string();
        let (summary, note) = match outcome {
            Outcome::Finished(summary) => (summary, ProgramNote::Finished { run }),
            Outcome::AlreadyFinished(summary) => (summary, ProgramNote::FinishedBefore { run }),
            Outcome::Interrupted(summary) => (summary, ProgramNote::Interrupted { command: self.resume(place) }),
        };
        reporter.event(&Event::Note(note.into()));
        if output.json {
            output::json(&End { event: "ended", summary });
        } else {
            let run = (!summary.results.is_empty()).then(|| report::load(out)).transpose()?;
            if let Some(run) = &run {
                output::text(&report::table::markdown(std::slice::from_ref(run)));
                output::text(&format!("\n{}", report::table::closing(run)));
            }
            let page = out.join("report.html");
            if page.is_file() {
                output::text(&format!("\n{}", program::report(&page)));
            }
            if self.command == TrainingCommand::Pretrain && summary.finished {
                let next = next::after_pretraining(out, self.typed.data, summary);
                next.iter().for_each(|command| output::line(&program::next(command)));
            }
        }
        match outcome {
            Outcome::Interrupted(_) => Ok(Ending::Interrupted),
            Outcome::Finished(_) | Outcome::AlreadyFinished(_) => Ok(Ending::Done),
        }
    }
}

impl Job<'_> {
    /// The command line that continues the run.
    pub(super) fn resume(&self, place: &Place) -> String {
        let option = if self.command == TrainingCommand::Demo { "--out" } else { "--resume" };
        format!("byol {} {option} {}", self.command.name(), shell_word(place.folder()))
    }
}

/// The largest number of labels per class among these.
fn most(budgets: &[LabelBudget]) -> usize {
    let sizes = budgets.iter().map(|budget| match budget {
        LabelBudget::PerClass(labels) => *labels,
        LabelBudget::All | LabelBudget::Folds | LabelBudget::DrawnFolds => 0,
    });
    sizes.max().unwrap_or(0)
}

fn measuring(reporter: &mut dyn Reporter) {
    reporter.event(&Event::Note(ProgramNote::Measuring.into()));
}

/// Makes a finished pre-training longer, if the data are those that it was begun with. Its epochs of before and after.
fn extend(out: &Path, more: usize, data: &Dataset, reporter: &mut dyn Reporter) -> anyhow::Result<Option<[usize; 2]>> {
    let run = RunDirectory::existing(out)?;
    // Other data are refused where the run is opened.
    if run.summary()?.is_some_and(|summary| summary.data.fingerprint != data.fingerprint) {
        return Ok(None);
    }
    let Extension { epochs, earlier, .. } = run.extend(more)?;
    let [then, now] = epochs;
    let note = ProgramNote::Extended { then, now, earlier: earlier.display().to_string() };
    reporter.event(&Event::Note(note.into()));
    Ok(Some(epochs))
}

/// The last line of `--json`.
#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
}
