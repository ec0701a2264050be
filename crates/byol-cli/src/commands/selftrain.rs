//! `byol selftrain`.

use std::path::{Path, PathBuf};

use byol::experiment;
use byol::ranks::Ranks;
use byol::run::command::TrainingCommand;
use byol::run::event::Reporter;
use byol::run::record::Stage;
use clap::Args;

use super::resume::{Place, Typed};
use super::together;
use super::train::Job;
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::request::Basis;

#[derive(Args)]
#[command(
    override_usage = "byol selftrain --from <RUN> --data <DIR> --out <RUN> [OPTIONS]\n       byol selftrain --resume <RUN>"
)]
pub struct Selftrain {
    /// Run directory whose fine-tuned classifiers are the teachers; its configuration is the default here
    #[arg(long, value_name = "RUN", required_unless_present = "resume")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub source: args::TrainingSource,
    /// More images to learn from without labels: a folder, or anything that --data takes, without its labels and its test
    /// images; may be given several times
    #[arg(long, value_name = "DIR")]
    pub unlabeled: Vec<PathBuf>,
    #[command(flatten)]
    pub target: args::Target,
    /// Label budgets whose classifiers are self-trained, a list such as 10,100,all [default: those of the run]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub labels_per_class: Vec<byol::run::record::LabelBudget>,
    #[command(flatten)]
    pub config: args::Config,
    #[command(flatten)]
    pub hardware: args::Hardware,
    #[command(flatten)]
    pub processes: args::Processes,
}

impl Selftrain {
    /// The label draws are those that the run keeps.
    pub fn labels(&self) -> args::Labels {
        args::Labels { labels_per_class: self.labels_per_class.clone(), draws: None }
    }
}

pub fn selftrain(selftrain: &Selftrain, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    together::alone("self-training", &selftrain.processes)?;
    let labels = selftrain.labels();
    let job = Job {
        command: TrainingCommand::Selftrain,
        typed: Typed {
            data: selftrain.source.data.as_deref(),
            unlabeled: &selftrain.unlabeled,
            strictness: Some(&selftrain.source.strictness),
            from: selftrain.from.as_deref(),
            ..Typed::default()
        },
        labels: Some(&labels),
        classifies: true,
        config: &selftrain.config,
        basis: Basis { run: selftrain.from.as_deref(), stage: Some(Stage::Selftrain), ..Basis::default() },
        hardware: &selftrain.hardware,
        hours: None,
        ranks: Ranks::default(),
    };
    job.work(&Place::of(&selftrain.target)?, output, reporter, |context, meant, _| {
        experiment::selftrain(context, meant.from.as_deref().unwrap_or(Path::new("")))
    })
}
