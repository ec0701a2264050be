//! What was typed: the commands and their options, as text, numbers and paths. Options of several commands are in `shared`; what all mean
//! together is in `request`.

mod shared;

use std::path::PathBuf;
use std::sync::LazyLock;

use byol::augment::FixedViews;
use byol::config::preset;
use byol::data::Levels;
use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub use shared::{
    Beginning, Config, Hardware, KeptSplit, Labels, Longer, Mode, Pool, Processes, Source, Strictness, Target,
    TrainingSource,
};

use crate::place::Force;
use crate::sweep::{MOST_IMAGES, Sweep};
use crate::{commands, examples, exit};

static VERSION: LazyLock<String> = LazyLock::new(byol::version);

/// Reads the command line.
pub fn parse() -> Result<Arguments, clap::Error> {
    Arguments::from_arg_matches(&command().try_get_matches()?)
}

/// All commands, with the examples of each in its help.
pub fn command() -> clap::Command {
    examples::attach(Arguments::command().after_help(exit::meanings()))
}

/// The presets, as values of an option.
pub fn preset_names() -> PossibleValuesParser {
    PossibleValuesParser::new(preset::NAMES)
}

/// Train the best image classifier that many images and few labels give, and show what the unlabelled images were
/// worth.
#[derive(Parser)]
#[command(name = "byol", version = VERSION.as_str(), disable_help_subcommand = true)]
pub struct Arguments {
    #[command(flatten)]
    pub output: Output,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Write one JSON object per line to standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing on the way: only results, warnings and errors
    #[arg(long, global = true)]
    pub quiet: bool,
}

#[derive(Subcommand)]
pub enum Command {
    /// Do everything on an embedded set of synthetic images, in minutes
    Demo(Demo),
    /// Fetch and look at image data
    #[command(subcommand)]
    Data(Data),
    /// Write images of t and t' views, with the sampled parameters as JSON
    Views(Views),
    /// Train the baseline: encoder and classifier on the labelled images alone
    #[command(
        override_usage = "byol supervised --data <DIR> --out <RUN> [OPTIONS]\n       byol supervised --resume <RUN>"
    )]
    Supervised(Supervised),
    /// Pre-train an encoder with BYOL on images without labels
    #[command(override_usage = "byol pretrain --data <DIR> --out <RUN> [OPTIONS]\n       byol pretrain --resume <RUN>")]
    Pretrain(Pretrain),
    /// Train a pre-trained encoder and a new classifier on the labelled images
    #[command(
        override_usage = "byol finetune --from <RUN> --data <DIR> --out <RUN> [OPTIONS]\n       byol finetune --resume <RUN>"
    )]
    Finetune(Finetune),
    /// Train fine-tuned classifiers further, on what they say of images without labels
    Selftrain(commands::selftrain::Selftrain),
    /// Evaluate a frozen pre-trained encoder
    Evaluate(Evaluate),
    /// Write a trained network for other programs: safetensors for PyTorch, ONNX
    Export(commands::export::Export),
    /// Compare: baseline, pre-training, fine-tuning, evaluations and report
    #[command(override_usage = "byol run --data <DIR> --out <RUN> [OPTIONS]\n       byol run --resume <RUN>")]
    Run(Run),
    /// Say which classes images show, and how likely
    Predict(commands::predict::Predict),
    /// Write the representations of images as a matrix
    Embed(commands::embed::Embed),
    /// Find the images that are most like one
    Neighbors(commands::neighbors::Neighbors),
    /// Label images on a page that chooses them and says what the labels are worth; or simulate that
    #[command(
        override_usage = "byol label --images <DIR> --from <RUN> [OPTIONS]\n       byol label --simulate --data <DIR> --from <RUN> [OPTIONS]"
    )]
    Label(commands::label::Label),
    /// Change one thing of BYOL at a time and compare; shows what each part is for
    Ablate(Ablate),
    /// Make the table and the report page of finished or interrupted runs
    Report(Report),
    /// Show runs on a live page on this machine while they train
    Watch(commands::watch::Options),
    /// Measure throughput on this machine
    Bench(Bench),
    /// Say what this machine has, what will be used of it, and what is wrong
    Doctor(commands::doctor::Doctor),
    /// Write a configuration file with every key, its meaning, its range and its default
    Init(commands::init::Init),
    /// Write what a shell needs to complete commands and options to standard output
    Completions(commands::completions::Completions),
    /// Write the manual pages
    Man(commands::man::Man),
}

#[derive(Args)]
pub struct Demo {
    /// Run directory
    #[arg(long, value_name = "RUN", default_value = "byol-demo")]
    pub out: PathBuf,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Subcommand)]
pub enum Data {
    /// Download, verify and unpack a data set; done once
    Fetch(Fetch),
    /// Say what data holds: splits, classes, sizes, what is damaged, and what is in training and test alike
    Info(Info),
    /// Find what is wrong with labelled data by a run's encoder: labels, copies, outliers, classes
    Check(commands::check::Check),
    /// Decode images once into one file, from which training reads them without decoding
    Pack(commands::pack::Pack),
}

#[derive(Args)]
pub struct Fetch {
    pub set: FetchSet,
    /// Where to put its folder, stl10_binary
    #[arg(long, value_name = "DIR", default_value = "data")]
    pub dir: PathBuf,
    /// A mirror of the archive
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum FetchSet {
    /// STL-10: 5,000 labelled, 8,000 test and 100,000 unlabelled images, 2.6 GB
    Stl10,
}

#[derive(Args)]
pub struct Info {
    /// Anything that --data or --unlabeled takes elsewhere
    #[arg(value_name = "DIR")]
    pub data: PathBuf,
    /// Stored values that become black to white in images of more than eight bits: full, 12bit, 0..4095
    #[arg(long, value_name = "LEVELS", default_value_t, allow_negative_numbers = true)]
    pub levels: Levels,
    #[command(flatten)]
    pub pool: Pool,
    #[command(flatten)]
    pub kept: KeptSplit,
}

#[derive(Args)]
pub struct Views {
    #[command(flatten)]
    pub source: Source,
    /// Folder for the images and views.html, which shows them
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    #[command(flatten)]
    pub force: Force,
    /// How many images to show views of
    #[arg(long, value_name = "N", default_value = "8", value_parser = at_least_one, allow_negative_numbers = true)]
    pub count: usize,
    #[command(flatten)]
    pub config: Config,
}

#[derive(Args)]
pub struct Supervised {
    #[command(flatten)]
    pub source: TrainingSource,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub beginning: Beginning,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Args)]
pub struct Pretrain {
    #[command(flatten)]
    pub source: TrainingSource,
    #[command(flatten)]
    pub pool: Pool,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub longer: Longer,
    #[command(flatten)]
    pub beginning: Beginning,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Args)]
pub struct Finetune {
    /// Run directory of the pre-training, or one of its checkpoints; its configuration is the default here
    #[arg(long, value_name = "RUN", required_unless_present = "resume")]
    pub from: Option<PathBuf>,
    #[command(flatten)]
    pub source: TrainingSource,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Args)]
pub struct Evaluate {
    pub protocol: ProtocolName,
    /// Run directory of the pre-training, or one of its checkpoints; its configuration is the default here
    #[arg(long, value_name = "RUN")]
    pub from: PathBuf,
    /// Keep the classifiers on the pre-trained encoder in the run directory, for predict and export; runs do that by themselves
    #[arg(long)]
    pub keep: bool,
    #[command(flatten)]
    pub source: Source,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum ProtocolName {
    /// A linear classifier: logistic regression, or SGD with evaluate.linear_solver=sgd
    Linear,
    /// Votes of the nearest labelled images
    Knn,
    /// STL-10's plan: both, with each of ten folds of 1,000 labels; mean and deviation
    Folds,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub source: TrainingSource,
    #[command(flatten)]
    pub pool: Pool,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub longer: Longer,
    /// Time that the whole run may take here: the program measures this machine and chooses network, image size, epochs
    /// and label draws that fit, or only the lengths where --preset, --config or --weights says the rest; what is typed
    /// with --set or another option stays [default: 1, or less where there is less to do; without --preset and --config]
    #[arg(long, value_name = "H", value_parser = hours, allow_negative_numbers = true)]
    pub hours: Option<f64>,
    /// Repeat the whole comparison with so many seeds, from --seed on, to see how much one pre-training differs from the next:
    /// run directories RUN/seed-0, RUN/seed-1 and so on with the same settings, and in RUN the table and the page over all of
    /// them; --hours is the time of all together [default: 1]
    #[arg(long, value_name = "N", value_parser = seeds, allow_negative_numbers = true)]
    pub seeds: Option<usize>,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub beginning: Beginning,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Args)]
pub struct Ablate {
    /// Data to train on and to test with
    #[arg(long, value_name = "DIR", default_value = "patterns")]
    pub data: PathBuf,
    #[command(flatten)]
    pub strictness: Strictness,
    /// Folder for a run directory of each variant and seed; with --resume further variants join those there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Continue in --out: finished runs are kept
    #[arg(long)]
    pub resume: bool,
    /// The faults of the university lab's program, one by one and together, with baseline and fine-tuning
    #[arg(long)]
    pub lab: bool,
    /// Only these variants, a list such as full,no-predictor
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub only: Vec<String>,
    /// How many seeds, beginning with --seed
    #[arg(long, value_name = "N", default_value = "1", value_parser = at_least_one, allow_negative_numbers = true)]
    pub seeds: usize,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub labels: Labels,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Args)]
pub struct Report {
    /// Run directories, or a folder of runs with several seeds; each one's report.html is written anew
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Write one page that compares them all, instead
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
pub struct Bench {
    pub what: BenchName,
    /// A folder, or `patterns` for the embedded set
    #[arg(long, value_name = "DIR", default_value = "patterns")]
    pub data: PathBuf,
    /// Steps to measure, after a few that are not counted; files, for decode
    #[arg(long, value_name = "N", default_value = "30", value_parser = at_least_one, allow_negative_numbers = true)]
    pub steps: usize,
    /// Repeat the images until there are N, or take the first N
    #[arg(long, value_name = "N", value_parser = set_size, allow_negative_numbers = true)]
    pub set_size: Option<usize>,
    /// Measure a second time beside N busy threads, and say what share of the rate is left: a machine is rarely ours alone
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with = "sweep", allow_negative_numbers = true)]
    pub beside: Option<usize>,
    /// Measure at several batch_size, image_size, threads or set_size, as in --sweep batch_size=16,64,256; several
    /// sweeps follow one another
    #[arg(long, value_name = "KEY=N,...")]
    pub sweep: Vec<Sweep>,
    #[command(flatten)]
    pub config: Config,
    #[command(flatten)]
    pub hardware: Hardware,
    #[command(flatten)]
    pub processes: Processes,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum BenchName {
    /// Opening image files, those of --data or a made photograph of 12 megapixels: as they are stored, for views, shrunk
    Decode,
    /// Rendering of views alone
    Augment,
    /// Steps of BYOL, data and views included; an image is two views
    Pretrain,
    /// Steps of the baseline, data and augmentation included
    Supervised,
    /// Choosing images to label and fitting to the labels, on 100,000 made representations of 512 numbers (--set-size)
    Label,
}

pub fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("must be a whole number, 1 or more")
}

/// Seeds of one comparison at most: each is a whole run.
const MOST_SEEDS: usize = 100;

fn seeds(text: &str) -> Result<usize, String> {
    let fits = |number: &usize| (1..=MOST_SEEDS).contains(number);
    text.parse().ok().filter(fits).ok_or_else(|| format!("must be a whole number from 1 to {MOST_SEEDS}"))
}

/// The fixed views that answers are averaged over, by their number.
pub fn fixed_views(text: &str) -> Result<FixedViews, &'static str> {
    let views = text.parse().ok().and_then(FixedViews::of_count);
    views.ok_or("must be 1 (the whole view), 2 (that and its mirror image) or 10 (four corners, the centre, and their mirror images)")
}

fn hours(text: &str) -> Result<f64, &'static str> {
    let fits = |hours: &f64| *hours > 0.0 && *hours <= 10_000.0;
    text.parse().ok().filter(fits).ok_or("must be a number of hours above 0 and up to 10000")
}

fn set_size(text: &str) -> Result<usize, String> {
    let fits = |number: &usize| (1..=MOST_IMAGES).contains(number);
    text.parse().ok().filter(fits).ok_or_else(|| format!("must be a whole number from 1 to {MOST_IMAGES}"))
}
