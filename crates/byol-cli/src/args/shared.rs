//! Options that several commands have.

use std::path::PathBuf;

use byol::device::{DeviceChoice, PrecisionChoice};
use byol::run::record::LabelBudget;
use clap::{Args, ValueEnum};

use super::{at_least_one, preset_names};
use crate::sweep::MOST_THREADS;

#[derive(Args)]
pub struct Source {
    /// Labelled images: folders by class, with or without train/ and test/; a folder with a labels.csv; Parquet or tar
    /// files; a packed file; the binary files of STL-10 or CIFAR-10; or `patterns` for the embedded set
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    #[command(flatten)]
    pub strictness: Strictness,
}

#[derive(Args)]
pub struct TrainingSource {
    /// Labelled images: folders by class, with or without train/ and test/; a folder with a labels.csv; Parquet or tar
    /// files; a packed file; the binary files of STL-10 or CIFAR-10; or `patterns` for the embedded set
    #[arg(long, value_name = "DIR", required_unless_present = "resume")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub strictness: Strictness,
}

#[derive(Args, Default)]
pub struct Strictness {
    /// Refuse unreadable images instead of skipping them
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub kept: KeptSplit,
}

#[derive(Args, Default)]
pub struct KeptSplit {
    /// Where the train/test split is kept that is drawn for data without one [default: byol-split.csv in the data's
    /// folder]
    #[arg(long, value_name = "FILE")]
    pub split: Option<PathBuf>,
}

#[derive(Args)]
pub struct Pool {
    /// More images to pre-train on: a folder, or anything that --data takes, without its labels and its test images;
    /// may be given several times
    #[arg(long, value_name = "DIR")]
    pub unlabeled: Vec<PathBuf>,
}

#[derive(Args)]
pub struct Target {
    /// Run directory: a new one
    #[arg(long, value_name = "RUN", required_unless_present = "resume")]
    pub out: Option<PathBuf>,
    /// Continue a run from its last checkpoint; everything else is what it was begun with
    #[arg(long, value_name = "RUN", num_args = 0..=1)]
    pub resume: Option<Option<PathBuf>>,
}

#[derive(Args)]
pub struct Longer {
    /// With --resume RUN: pre-train a finished run so many epochs longer; baseline and control stay, and what rests on the
    /// pre-trained encoder is found anew
    #[arg(
        long, value_name = "N", requires = "resume", value_parser = at_least_one, allow_negative_numbers = true
    )]
    pub more_epochs: Option<usize>,
}

#[derive(Args)]
pub struct Beginning {
    /// Begin with an encoder's weights instead of random ones: `imagenet` or the name of one of torchvision's ResNets
    /// (resnet18, resnet34, resnet50), fetched once; a file of torchvision's or timm's (.safetensors, .pth, .pt; no code in it
    /// is run); a run directory, or a checkpoint. Network, normalisation and, where it is known, image size are then those of
    /// the weights, unless typed
    #[arg(long, value_name = "NAME|FILE")]
    pub weights: Option<PathBuf>,
    /// A mirror of the file that the name after --weights stands for
    #[arg(long, value_name = "URL", requires = "weights")]
    pub weights_url: Option<String>,
}

#[derive(Args)]
pub struct Labels {
    /// Labels per class to compare at, a list such as 10,100,all; `folds` stands for STL-10's ten folds
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub labels_per_class: Vec<LabelBudget>,
    /// Repeat each label budget with this many different draws of labels
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub draws: Option<usize>,
}

#[derive(Args)]
#[command(next_help_heading = "Configuration")]
pub struct Config {
    /// Settings to begin with
    #[arg(long, value_name = "NAME", value_parser = preset_names())]
    pub preset: Option<String>,
    /// TOML file whose keys replace the preset's
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Replace one key, as in --set pretrain.epochs=3; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of every random choice
    #[arg(long, value_name = "N", value_parser = seed, allow_negative_numbers = true)]
    pub seed: Option<u64>,
}

#[derive(Args)]
#[command(next_help_heading = "Hardware")]
pub struct Hardware {
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// auto, fp32 or bf16; auto is bf16 where the processor or GPU multiplies it faster than fp32, and fp32 in `predict` on a CPU
    #[arg(long, value_name = "PRECISION", default_value = "auto")]
    pub precision: PrecisionChoice,
    /// CPU threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    pub threads: Option<usize>,
}

#[derive(Args)]
#[command(next_help_heading = "Several processes")]
pub struct Processes {
    /// auto: processes that torchrun, srun or mpirun has started, or that have RANK and WORLD_SIZE, work together; off: each by
    /// itself
    #[arg(long, value_name = "WHETHER", default_value = "auto", hide_possible_values = true)]
    pub processes: Mode,
    /// Minutes that a process waits for the others, above 0
    #[arg(long, value_name = "MINUTES", default_value = "30", value_parser = minutes, allow_negative_numbers = true)]
    pub rank_timeout: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    Auto,
    Off,
}

fn minutes(text: &str) -> Result<f64, &'static str> {
    let most = 60.0 * 24.0 * 365.0;
    text.parse().ok().filter(|minutes| *minutes > 0.0 && *minutes <= most).ok_or("must be a number of minutes above 0")
}

fn threads(text: &str) -> Result<usize, String> {
    let fits = |number: &usize| (1..=MOST_THREADS).contains(number);
    text.parse().ok().filter(fits).ok_or_else(|| format!("must be a whole number from 1 to {MOST_THREADS}"))
}

/// TOML, in which the configuration is saved, has whole numbers up to this.
fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|seed| *seed <= i64::MAX as u64).ok_or("must be a whole number from 0 to 2^63 - 1")
}
