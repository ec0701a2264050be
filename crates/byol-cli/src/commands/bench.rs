//! `byol bench`: what is to be measured, one point after the other. Opening images is in `decode`, choosing them in `label`, how all is written for people in `tables`.

mod decode;
mod label;
mod tables;

use std::collections::BTreeMap;

use byol::bench::{self, BenchOptions, BenchResult, Subject};
use byol::config::Experiment;
use byol::data::{Decoding, Levels, Need};
use byol::device::Hardware;
use byol::ranks::{Ranks, Work};
use byol::run::event::{Reporter, Silent};
use byol::run::record::Stage;
use serde::Serialize;

use super::together::{self, Together};
use crate::args::{self, BenchName, Output};
use crate::exit::{Ending, Usage};
use crate::output;
use crate::request::{self, Basis, Wanted};
use crate::sweep::SweepKey;

/// One measurement.
struct Point {
    sweep: Option<(SweepKey, usize)>,
    experiment: Experiment,
    threads: usize,
    options: BenchOptions,
}

/// One measurement of a sweep, as a JSON line.
#[derive(Serialize)]
struct SweepLine<'a> {
    sweep: BTreeMap<&'static str, usize>,
    #[serde(flatten)]
    measured: &'a BenchResult,
}

pub fn bench(options: &args::Bench, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let alone = matches!(options.what, BenchName::Pretrain) && options.sweep.is_empty() && options.beside.is_none();
    if !alone {
        together::alone("what is swept, and all but `bench pretrain`,", &options.processes)?;
    }
    let Some(launch) = together::launched(&options.processes)? else {
        return measured(options, &Ranks::default(), output, reporter);
    };
    let basis = Basis { stage: Some(Stage::Pretrain), ..Basis::default() };
    let configuration = request::experiment(&options.config, None, basis)?.to_toml()?;
    let processes = &options.processes;
    let together =
        Together { launch: &launch, options: processes, command: "bench", work: Work::Measurement, configuration };
    together.run(
        reporter,
        |ranks, reporter| measured(options, &ranks, output, reporter),
        |ranks, _| measured(options, ranks, output, &mut Silent).map(|_| ()),
    )
}

/// Measures, and prints what rank 0 has measured.
fn measured(
    options: &args::Bench,
    ranks: &Ranks,
    output: Output,
    reporter: &mut dyn Reporter,
) -> anyhow::Result<Ending> {
    let subject = match options.what {
        BenchName::Decode => return decode::bench(options, output),
        BenchName::Label => return label::bench(options, output),
        BenchName::Augment => Subject::Augment,
        BenchName::Pretrain => Subject::Pretrain,
        BenchName::Supervised => Subject::Supervised,
    };
    let hardware = match ranks.is_alone() {
        true => request::hardware(&options.hardware, reporter)?,
        false => together::hardware(&options.hardware, ranks)?.among(ranks)?,
    };
    // Everything that can be wrong is found before minutes are spent on the first point.
    let points = points(options, subject, &hardware)?;
    let data = request::dataset(
        Wanted {
            corrections: true,
            data: &options.data,
            unlabeled: &[],
            strictness: &args::Strictness::default(),
            need: Need::Images,
            labels_per_class: 0,
            copies: None,
            decoding: Decoding::AtOnce,
            levels: Levels::default(),
            ranks,
        },
        reporter,
    )?;
    if let (false, [point]) = (ranks.is_alone(), &points[..]) {
        together::settle(&hardware, &point.experiment, &data)?;
    }
    for point in &points {
        bench::check(subject, &point.experiment, &data, point.options)?;
    }
    let mut table = None;
    for (number, point) in points.iter().enumerate() {
        let hardware = hardware.with_threads(point.threads);
        let mut measured = bench::measure(subject, &point.experiment, &data, &hardware, point.options)?;
        if number > 0 {
            // The start of the program is the first point's.
            measured.first_step_seconds = None;
        }
        if !ranks.is_first() {
            continue;
        }
        match point.sweep {
            None if output.json => output::json(&measured),
            None => output::text(&tables::measurement(subject, &measured)),
            Some((key, value)) if output.json => {
                output::json(&SweepLine { sweep: BTreeMap::from([(key.name(), value)]), measured: &measured });
            }
            Some((key, value)) => {
                if table != Some(key) {
                    output::text(&tables::sweep_heading(subject, key, &measured));
                    table = Some(key);
                }
                output::text(&tables::sweep_row(value, &measured));
            }
        }
    }
    Ok(Ending::Done)
}

/// The points of every sweep, one sweep after the other; the only one where nothing is swept.
fn points(options: &args::Bench, subject: Subject, hardware: &Hardware) -> anyhow::Result<Vec<Point>> {
    let point = |sweep: Option<(SweepKey, usize)>| {
        let mut threads = hardware.threads;
        let mut length = BenchOptions {
            steps: options.steps,
            set_size: options.set_size,
            beside: options.beside.unwrap_or_default(),
            ..BenchOptions::default()
        };
        let mut set = Vec::new();
        match sweep {
            None => {}
            Some((SweepKey::BatchSize, value)) => set.push(format!("batch_size={value}")),
            // Views follow the image size where they have no size of their own.
            Some((SweepKey::ImageSize, value)) if subject == Subject::Supervised => {
                set.push(format!("image_size={value}"));
            }
            Some((SweepKey::ImageSize, value)) => {
                set.extend([format!("image_size={value}"), "view_size=0".to_owned()]);
            }
            Some((SweepKey::Threads, _)) if subject == Subject::Augment => {
                return Err(Usage("--sweep threads: 'bench augment' renders on one thread".to_owned()).into());
            }
            Some((SweepKey::Threads, value)) => threads = value,
            Some((SweepKey::SetSize, value)) => length.set_size = Some(value),
        }
        let stage = if subject == Subject::Supervised { Stage::Supervised } else { Stage::Pretrain };
        let basis = Basis { swept: &set, stage: Some(stage), ..Basis::default() };
        let experiment = request::experiment(&options.config, None, basis)?;
        Ok(Point { sweep, experiment, threads, options: length })
    };
    if options.sweep.is_empty() {
        return Ok(vec![point(None)?]);
    }
    let swept = options.sweep.iter().flat_map(|sweep| sweep.values.iter().map(|&value| Some((sweep.key, value))));
    swept.map(point).collect()
}
