//! `byol label --simulate`.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use byol::data::{ConcatSource, Decoding, ImageSource, Need};
use byol::eval::Features;
use byol::eval::linear::LinearOptions;
use byol::label::simulation::{SimulationOptions, simulate};
use byol::report::language::program;
use byol::report::simulation::{curves, markdown, render};
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::run::simulation::{Outcome, Simulation, Strategy};
use byol::trained::model::TrainedEncoder;
use clap::{Args, ValueEnum};

use super::{images, representations};
use crate::args::{self, Output};
use crate::exit::Ending;
use crate::place::{Force, Target};
use crate::request::{self, Wanted};
use crate::{interrupt, output};

#[derive(Args)]
pub struct Label {
    /// Take the labels from the data, as if somebody gave them, and test what they are worth. It must be typed: labelling by hand is
    /// not there yet
    #[arg(long, required = true)]
    pub simulate: bool,
    #[command(flatten)]
    pub source: args::Source,
    #[command(flatten)]
    pub trained: images::TrainedEncoder,
    /// Numbers of labels at which the classifier is tested
    #[arg(
        long, value_name = "N,...", value_delimiter = ',', default_value = "40,100,250",
        value_parser = args::at_least_one, allow_negative_numbers = true
    )]
    pub budgets: Vec<usize>,
    /// What chooses the images; random ones are always simulated beside
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        value_enum,
        default_value = "auto,typical,coverage,margin,badge"
    )]
    pub strategies: Vec<StrategyName>,
    /// Repeat with so many seeds, from --seed on
    #[arg(long, value_name = "N", default_value = "5", value_parser = seeds, allow_negative_numbers = true)]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,
    /// Images that are chosen at a time, before the classifier is fitted again
    #[arg(long, value_name = "N", default_value = "10", value_parser = args::at_least_one, allow_negative_numbers = true)]
    pub batch: usize,
    /// Share of the labels that go to random images and are set aside to measure the classifier, not to train it
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share, allow_negative_numbers = true)]
    pub test_share: f64,
    /// Write a page with the curves
    #[arg(long, value_name = "FILE.html")]
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
    options.page.iter().try_for_each(|page| options.force.page("--page", page))?;
    request::there(&options.source.data)?;
    interrupt::end_at_once(representations::INTERRUPTED)?;
    let hardware = request::quiet_hardware(&options.hardware)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    options.trained.tell(&trained.origin, reporter)?;
    let wanted = Wanted {
        corrections: true,
        data: &options.source.data,
        unlabeled: &[],
        strictness: &options.source.strictness,
        need: Need::Labels,
        labels_per_class: 0,
        copies: None,
        decoding: Decoding::AtOnce,
        levels: trained.experiment.levels,
    };
    let data = request::dataset(wanted, reporter)?;
    data.check_split_place()?;
    let (Some(train), Some(test)) = (&data.train, &data.test) else {
        bail!("{} has no labelled images to test with, or none to label", options.source.data.display());
    };
    let images: Arc<dyn ImageSource> =
        Arc::new(ConcatSource::new(vec![Arc::clone(&train.images), Arc::clone(&test.images)]));
    let vectors = representations::of(&options.trained, &trained, &hardware, &images, reporter)?.all();
    data.save_split()?;
    let (pooled, tested) = (train.labels.len(), test.labels.len());
    let pool = Features { vectors: vectors.narrow(0, 0, pooled as i64), labels: train.labels.clone() };
    let test = Features { vectors: vectors.narrow(0, pooled as i64, tested as i64), labels: test.labels.clone() };

    let evaluate = &trained.experiment.evaluate;
    let linear = LinearOptions { l2: evaluate.linear_l2.clone(), folds: evaluate.linear_folds, seed: options.seed };
    let settings = SimulationOptions {
        strategies: strategies(&options.strategies),
        budgets: rising(&options.budgets),
        seeds: (options.seed..options.seed.saturating_add(options.seeds)).collect(),
        batch: options.batch,
        test_share: options.test_share,
        linear,
    };
    let classes = data.class_names.len();
    let outcomes = simulate(&pool, &test, classes, &settings, &mut |outcome| {
        let Outcome { strategy, seed, labels, test_accuracy, .. } = *outcome;
        let strategy = strategy.name().to_owned();
        reporter.event(&Event::Note(ProgramNote::Simulated { strategy, seed, labels, test_accuracy }.into()));
    })?;
    let simulation = Simulation {
        data: data.name.clone(),
        pool: pooled,
        test: tested,
        classes,
        batch: options.batch,
        test_share: options.test_share,
        budgets: settings.budgets,
        seeds: settings.seeds,
        outcomes,
        version: byol::version(),
    };
    if let Some(page) = &options.page {
        Target::new(page).write(render(&simulation).as_bytes())?;
    }
    if output.json {
        let curves = curves(&simulation);
        output::json(&serde_json::json!({ "event": "ended", "simulation": simulation, "curves": curves }));
    } else {
        output::text(&markdown(&simulation));
    }
    if let (Some(page), false) = (&options.page, output.quiet || output.json) {
        output::line(&program::page(page));
    }
    Ok(Ending::Done)
}

/// Each strategy once, random images last.
fn strategies(typed: &[StrategyName]) -> Vec<Strategy> {
    let mut strategies: Vec<Strategy> = Vec::new();
    for strategy in typed.iter().map(|name| name.strategy()).chain([Strategy::Random]) {
        strategies.retain(|one| *one != Strategy::Random);
        if !strategies.contains(&strategy) {
            strategies.push(strategy);
        }
    }
    strategies
}

/// Each number once, in rising order.
fn rising(typed: &[usize]) -> Vec<usize> {
    let mut budgets = typed.to_vec();
    budgets.sort_unstable();
    budgets.dedup();
    budgets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_images_are_simulated_last_and_nothing_twice() {
        use StrategyName::{Badge, Random, Typical};
        assert_eq!(
            strategies(&[Random, Typical, Badge, Typical]),
            [Strategy::Typical, Strategy::Badge, Strategy::Random]
        );
        assert_eq!(strategies(&[Random]), [Strategy::Random]);
        assert_eq!(rising(&[100, 40, 100]), [40, 100]);
    }
}
