//! `byol label --simulate`: labels come from the data.

use std::path::Path;
use std::sync::Arc;

use anyhow::bail;
use byol::data::{ConcatSource, Decoding, ImageSource, Need};
use byol::eval::Features;
use byol::eval::linear::LinearOptions;
use byol::label::simulation::{self, SimulationOptions};
use byol::ranks::Ranks;
use byol::report::language::program;
use byol::report::simulation::{curves, markdown, render};
use byol::run::event::{Event, Reporter};
use byol::run::notice::ProgramNote;
use byol::run::simulation::{Outcome, Simulation, Strategy};
use byol::trained::model::TrainedEncoder;

use super::super::representations;
use super::{Label, StrategyName};
use crate::args::Output;
use crate::exit::Ending;
use crate::place::Target;
use crate::request::{self, Wanted};
use crate::{interrupt, output};

pub fn simulate(named: &Path, options: &Label, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    options.page.iter().try_for_each(|page| options.force.page("--page", page))?;
    request::there(named)?;
    interrupt::end_at_once(representations::INTERRUPTED)?;
    let hardware = request::quiet_hardware(&options.hardware)?;
    let trained = TrainedEncoder::open(&options.trained.from, options.trained.choice(), hardware.device)?;
    options.trained.tell(&trained.origin, reporter)?;
    let wanted = Wanted {
        corrections: true,
        data: named,
        unlabeled: &[],
        strictness: &options.strictness,
        need: Need::Labels,
        labels_per_class: 0,
        copies: None,
        decoding: Decoding::AtOnce,
        levels: trained.experiment.levels,
        ranks: Ranks::alone(),
    };
    let data = request::dataset(wanted, reporter)?;
    data.check_split_place()?;
    let (Some(train), Some(test)) = (&data.train, &data.test) else {
        bail!("{} has no labelled images to test with, or none to label", named.display());
    };
    let images: Arc<dyn ImageSource> =
        Arc::new(ConcatSource::new(vec![Arc::clone(&train.images), Arc::clone(&test.images)]));
    let vectors = representations::of(&options.trained, &trained, &hardware, &images, reporter)?.all();
    data.save_split()?;
    let (pooled, tested) = (train.labels.len(), test.labels.len());
    let pool = Features { vectors: vectors.narrow(0, 0, pooled as i64), labels: train.labels.clone() };
    let test = Features { vectors: vectors.narrow(0, pooled as i64, tested as i64), labels: test.labels.clone() };

    let test_share = options.test_share.unwrap_or_default();
    let evaluate = &trained.experiment.evaluate;
    let linear = LinearOptions { l2: evaluate.linear_l2.clone(), folds: evaluate.linear_folds, seed: options.seed };
    let settings = SimulationOptions {
        strategies: strategies(&options.strategies),
        budgets: rising(&options.budgets),
        seeds: (options.seed..options.seed.saturating_add(options.seeds)).collect(),
        batch: options.batch,
        test_share,
        linear,
    };
    let classes = data.class_names.len();
    let outcomes = simulation::simulate(&pool, &test, classes, &settings, &mut |outcome| {
        let Outcome { strategy, seed, labels, test_accuracy, .. } = *outcome;
        let strategy = strategy.name().to_owned();
        reporter.event(&Event::Note(ProgramNote::Simulated { strategy, seed, labels, test_accuracy }.into()));
    })?;
    let simulation = Simulation {
        data: request::called(named, &data),
        pool: pooled,
        test: tested,
        classes,
        batch: options.batch,
        test_share,
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
