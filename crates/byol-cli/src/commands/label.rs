//! `byol label`: by hand on a page, or simulated.

mod page;
mod simulate;
mod tuning;

use std::path::PathBuf;

use byol::run::event::Reporter;
use byol::run::simulation::Strategy;
use clap::{Args, ValueEnum};

use super::images;
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::place::Force;

#[derive(Args)]
pub struct Label {
    /// A folder of images to label, on a page on this machine; no labels need exist
    #[arg(long, value_name = "DIR", required_unless_present = "simulate", conflicts_with_all = ["simulate", "data"])]
    pub images: Option<PathBuf>,
    /// Take the labels from --data instead, as if somebody gave them, and test what they are worth
    #[arg(long, requires = "data")]
    pub simulate: bool,
    #[command(flatten)]
    pub trained: images::TrainedEncoder,
    #[command(flatten)]
    pub strictness: args::Strictness,
    /// Share of the labels that go to random images and are set aside to measure the classifier, not to train it [default: 0.1; 0
    /// with --simulate]
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub test_share: Option<f64>,
    /// Images that are chosen at a time, before the classifier is fitted again
    #[arg(long, value_name = "N", default_value = "10", value_parser = args::at_least_one, allow_negative_numbers = true)]
    pub batch: usize,
    /// Seed of every choice; with --simulate, the first
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Where the answers go: a table in the form that --data reads, beside the images or in a folder above [default: labels.csv in the
    /// folder of images]
    #[arg(long, value_name = "FILE.csv", help_heading = "With --images", conflicts_with = "simulate")]
    pub labels: Option<PathBuf>,
    /// Names of classes to begin with; the page takes others
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        help_heading = "With --images",
        conflicts_with = "simulate"
    )]
    pub classes: Vec<String>,
    /// What chooses the images
    #[arg(
        long,
        value_name = "NAME",
        value_enum,
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "With --images",
        conflicts_with = "simulate"
    )]
    pub strategy: StrategyName,
    /// Port on 127.0.0.1; 0 takes any that is free [default: 8450, or the next that is free]
    #[arg(long, value_name = "N", help_heading = "With --images", conflicts_with = "simulate")]
    pub port: Option<u16>,
    /// Open the page in the browser
    #[arg(long, help_heading = "With --images", conflicts_with = "simulate")]
    pub open: bool,
    /// Labelled images: anything that --data takes elsewhere
    #[arg(long, value_name = "DIR", requires = "simulate", help_heading = "With --simulate")]
    pub data: Option<PathBuf>,
    /// Numbers of labels at which the classifier is tested
    #[arg(
        long, value_name = "N,...", value_delimiter = ',', default_value = "40,100,250",
        value_parser = args::at_least_one, allow_negative_numbers = true, help_heading = "With --simulate"
    )]
    pub budgets: Vec<usize>,
    /// What chooses the images; random ones are always simulated beside
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        value_enum,
        default_value = "auto,typical,coverage,margin,badge",
        help_heading = "With --simulate"
    )]
    pub strategies: Vec<StrategyName>,
    /// Repeat with so many seeds, from --seed on
    #[arg(
        long, value_name = "N", default_value = "5", value_parser = seeds, allow_negative_numbers = true,
        help_heading = "With --simulate"
    )]
    pub seeds: u64,
    /// Write a page with the curves
    #[arg(long, value_name = "FILE.html", help_heading = "With --simulate", conflicts_with = "images")]
    pub page: Option<PathBuf>,
    #[command(flatten)]
    pub force: Force,
    #[command(flatten)]
    pub hardware: args::Hardware,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyName {
    /// Typical images while there are few labels, then those of margin
    Auto,
    /// The most typical image of each of the largest clusters without a label (TypiClust)
    Typical,
    /// Images that lie near the most others that no label is near to (ProbCover)
    Coverage,
    /// Images between two classes, from different clusters
    Margin,
    /// Images whose labels would change the classifier most, in different directions (BADGE)
    Badge,
    /// Any images
    Random,
}

impl StrategyName {
    fn strategy(self) -> Strategy {
        match self {
            StrategyName::Auto => Strategy::Auto,
            StrategyName::Typical => Strategy::Typical,
            StrategyName::Coverage => Strategy::Coverage,
            StrategyName::Margin => Strategy::Margin,
            StrategyName::Badge => Strategy::Badge,
            StrategyName::Random => Strategy::Random,
        }
    }
}

/// Seeds at most, as of a comparison.
const MOST_SEEDS: u64 = 100;

fn seeds(text: &str) -> Result<u64, String> {
    let fits = |number: &u64| (1..=MOST_SEEDS).contains(number);
    text.parse().ok().filter(fits).ok_or_else(|| format!("must be a whole number from 1 to {MOST_SEEDS}"))
}

fn share(text: &str) -> Result<f64, &'static str> {
    text.parse()
        .ok()
        .filter(|share| (0.0..1.0).contains(share))
        .ok_or("must be a number from 0 up to, not including, 1")
}

pub fn label(options: &Label, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    match (&options.images, &options.data) {
        (Some(folder), _) => page::label(folder, options, output, reporter),
        (None, Some(data)) => simulate::simulate(data, options, output, reporter),
        // The parser asks for one of them.
        (None, None) => Ok(Ending::Done),
    }
}
