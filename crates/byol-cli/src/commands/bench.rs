//! `byol bench`.

use byol::bench::{self, BenchOptions, BenchResult, Subject};
use byol::run::event::Reporter;
use byol::run::record::Stage;

use crate::args::{self, BenchName, Output};
use crate::exit::Ending;
use crate::output;
use crate::request::{self, Basis};

pub fn bench(options: &args::Bench, output: Output, reporter: &mut dyn Reporter) -> anyhow::Result<Ending> {
    let (subject, stage) = match options.what {
        BenchName::Augment => (Subject::Augment, Stage::Pretrain),
        BenchName::Pretrain => (Subject::Pretrain, Stage::Pretrain),
        BenchName::Supervised => (Subject::Supervised, Stage::Supervised),
    };
    let experiment = request::experiment(&options.config, None, Basis { stage: Some(stage), ..Basis::default() })?;
    let hardware = request::hardware(&options.hardware, reporter)?;
    let data = request::dataset(&options.data, &[], &args::Strictness { strict: false }, reporter)?;
    let length = BenchOptions { steps: options.steps, ..BenchOptions::default() };
    let measured = bench::measure(subject, &experiment, &data, &hardware, length)?;
    if output.json {
        output::json(&measured);
    } else {
        output::text(&breakdown(&measured));
    }
    Ok(Ending::Done)
}

fn breakdown(measured: &BenchResult) -> String {
    let BenchResult { images_per_second, batch_size, image_size, steps, hardware, waiting_ms, computing_ms } = measured;
    let per_step = waiting_ms + computing_ms;
    format!(
        "{images_per_second:.1} images/s: {steps} steps of {batch_size} images at {image_size} px on {hardware}\n\
         a step takes {per_step:.1} ms: {computing_ms:.1} ms computing, {waiting_ms:.1} ms waiting for images\n"
    )
}
