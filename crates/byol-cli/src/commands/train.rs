//! The commands that train and leave a run directory behind.

use std::path::{Path, PathBuf};

use byol::data::PATTERNS;
use byol::experiment::{self, Context, ExperimentError, Outcome};
use byol::report;
use byol::run::directory::OpenMode;
use byol::run::event::{Event, Reporter};
use byol::run::record::{Control, Stage, Summary};
use byol::weights::{self, Beginning};
use serde::Serialize;

use crate::args::{self, Output};
use crate::exit::Ending;
use crate::request::{self, Basis};
use crate::{interrupt, output};

/// What the training commands have in common, from their options.
struct Job<'a> {
    data: &'a Path,
    unlabeled: &'a [PathBuf],
    strictness: &'a args::Strictness,
    out: &'a Path,
    mode: OpenMode,
    labels: Option<&'a args::Labels>,
    weights: Option<&'a Path>,
    /// Whether there is a classifier, which may take over the last layer of `weights`.
    classifies: bool,
    config: &'a args::Config,
    basis: Basis<'a>,
    hardware: &'a args::Hardware,
}

pub fn demo(demo: &args::Demo, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        data: Path::new(PATTERNS),
        unlabeled: &[],
        strictness: &args::Strictness::default(),
        out: &demo.out,
        // A second demo shows the first one's result, or continues it.
        mode: OpenMode::Resume,
        labels: Some(&demo.labels),
        weights: None,
        classifies: true,
        config: &demo.config,
        basis: Basis { preset: Some("demo"), ..Basis::default() },
        hardware: &demo.hardware,
    };
    job.work(output, reporter, experiment::run)
}

pub fn run(run: &args::Run, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        data: &run.source.data,
        unlabeled: &run.pool.unlabeled,
        strictness: &run.source.strictness,
        out: &run.target.out,
        mode: mode(&run.target),
        labels: Some(&run.labels),
        weights: run.beginning.weights.as_deref(),
        classifies: true,
        config: &run.config,
        basis: Basis::default(),
        hardware: &run.hardware,
    };
    job.work(output, reporter, experiment::run)
}

pub fn supervised(
    supervised: &args::Supervised,
    output: Output,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Ending> {
    let stage = if supervised.beginning.weights.is_some() { Stage::Finetune } else { Stage::Supervised };
    let job = Job {
        data: &supervised.source.data,
        unlabeled: &[],
        strictness: &supervised.source.strictness,
        out: &supervised.target.out,
        mode: mode(&supervised.target),
        labels: Some(&supervised.labels),
        weights: supervised.beginning.weights.as_deref(),
        classifies: true,
        config: &supervised.config,
        // Given weights are fine-tuned: as in `byol run`, the settings are those of fine-tuning.
        basis: Basis { stage: Some(stage), ..Basis::default() },
        hardware: &supervised.hardware,
    };
    job.work(output, reporter, experiment::supervised)
}

pub fn pretrain(pretrain: &args::Pretrain, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        data: &pretrain.source.data,
        unlabeled: &pretrain.pool.unlabeled,
        strictness: &pretrain.source.strictness,
        out: &pretrain.target.out,
        mode: mode(&pretrain.target),
        labels: None,
        weights: pretrain.beginning.weights.as_deref(),
        classifies: false,
        config: &pretrain.config,
        basis: Basis { stage: Some(Stage::Pretrain), ..Basis::default() },
        hardware: &pretrain.hardware,
    };
    job.work(output, reporter, experiment::pretrain)
}

pub fn finetune(finetune: &args::Finetune, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let job = Job {
        data: &finetune.source.data,
        unlabeled: &[],
        strictness: &finetune.source.strictness,
        out: &finetune.target.out,
        mode: mode(&finetune.target),
        labels: Some(&finetune.labels),
        weights: None,
        classifies: true,
        config: &finetune.config,
        basis: Basis { run: Some(&finetune.from), stage: Some(Stage::Finetune), ..Basis::default() },
        hardware: &finetune.hardware,
    };
    job.work(output, reporter, |context| experiment::finetune(context, &finetune.from))
}

fn mode(target: &args::Target) -> OpenMode {
    if target.resume { OpenMode::Resume } else { OpenMode::Fresh }
}

impl Job<'_> {
    /// Resolves the options, the cheapest first, and does the work.
    fn work(
        &self,
        output: Output,
        reporter: &mut dyn Reporter,
        work: impl FnOnce(&mut Context<'_>) -> Result<Outcome, ExperimentError>,
    ) -> anyhow::Result<Ending> {
        let mut experiment = request::experiment(self.config, self.labels, self.basis)?;
        let interrupt = interrupt::listen()?;
        let hardware = request::hardware(self.hardware, reporter)?;
        let data = request::dataset(self.data, self.unlabeled, self.strictness, reporter)?;
        let beginning = Beginning {
            weights: self.weights,
            out: self.out,
            mode: self.mode,
            classes: self.classifies.then_some(data.class_names.len()),
        };
        let (mode, notes) = weights::begin(&beginning, &mut experiment)?;
        for text in notes {
            reporter.event(&Event::Note { text });
        }
        if experiment.control() == Control::Given
            && let Some(pair) = self.config.set.iter().find(|pair| pair.trim_start().starts_with("supervised."))
        {
            let text = format!(
                "--set {pair} changes nothing: given weights are trained as fine-tuning is; set finetune.* instead"
            );
            reporter.event(&Event::Warning { text });
        }
        let outcome = work(&mut Context {
            experiment: &experiment,
            data: &data,
            hardware: &hardware,
            out: self.out,
            mode,
            interrupt: &interrupt,
            reporter,
        })?;
        self.tell(&outcome, output, reporter)
    }

    /// Prints how the work ended and what it found.
    fn tell(&self, outcome: &Outcome, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
        let (summary, note) = match outcome {
            Outcome::Finished(summary) => (summary, format!("finished: {}", self.out.display())),
            Outcome::AlreadyFinished(summary) => {
                (summary, format!("{} was finished before; nothing was left to do", self.out.display()))
            }
            Outcome::Interrupted(summary) => {
                let how =
                    if self.mode == OpenMode::Resume { "the same command" } else { "the same command with --resume" };
                (summary, format!("interrupted; {how} continues {}", self.out.display()))
            }
        };
        reporter.event(&Event::Note { text: note });
        if output.json {
            output::json(&End { event: "ended", summary });
        } else {
            let run = (!summary.results.is_empty()).then(|| report::load(self.out)).transpose()?;
            if let Some(run) = &run {
                output::text(&report::table::markdown(std::slice::from_ref(run)));
                output::text(&format!("\n{}", report::table::closing(run)));
            }
            let page = self.out.join("report.html");
            if page.is_file() {
                output::text(&format!("\nreport: {}", page.display()));
            }
        }
        match outcome {
            Outcome::Interrupted(_) => Ok(Ending::Interrupted),
            Outcome::Finished(_) | Outcome::AlreadyFinished(_) => Ok(Ending::Done),
        }
    }
}

/// The last line of `--json`.
#[derive(Serialize)]
struct End<'a> {
    event: &'static str,
    #[serde(flatten)]
    summary: &'a Summary,
}
