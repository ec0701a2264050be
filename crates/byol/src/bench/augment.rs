//! Rendering all views of every image, on one thread.

use std::time::Instant;

use super::{BenchOptions, BenchResult, machine, pool};
use crate::augment::Renderer;
use crate::config::Experiment;
use crate::data::{Dataset, Image};
use crate::device::Hardware;
use crate::loader::LoadError;
use crate::random::{self, Coordinates, Stream};
use crate::train::TrainError;

pub fn measure(
    experiment: &Experiment,
    data: &Dataset,
    hardware: &Hardware,
    options: BenchOptions,
) -> Result<BenchResult, TrainError> {
    let pool = pool::unlabeled(data, options);
    let views = experiment.training_views();
    let mut rendering: Vec<(Renderer, Vec<f32>)> =
        views.iter().map(|view| (Renderer::new(view.side), vec![0.0; 3 * view.side * view.side])).collect();
    let batch_size = experiment.pretrain.batch_size;
    let mut image = Image::default();
    let mut begun = Instant::now();
    for step in 0..options.warmup_steps + options.steps {
        if step == options.warmup_steps {
            begun = Instant::now();
        }
        for row in 0..batch_size {
            let index = (step * batch_size + row) % pool.len();
            pool.read(index, &mut image).map_err(LoadError::from)?;
            for (view, (renderer, pixels)) in views.iter().zip(&mut rendering) {
                let at = Coordinates { epoch: step as u64, index: index as u64, view: view.number.number() };
                let params =
                    view.recipe.sample(image.width, image.height, &mut random::rng(experiment.seed, Stream::View, at));
                renderer
                    .render(&image, &params, experiment.normalization(), pixels)
                    .map_err(|source| LoadError::View { name: pool.name(index), source })?;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let step_ms = 1000.0 * seconds / options.steps as f64;
    Ok(BenchResult {
        images_per_second: (options.steps * batch_size) as f64 / seconds,
        batch_size,
        image_size: experiment.view_size(),
        set_size: pool.len(),
        threads: 1,
        steps: options.steps,
        hardware: hardware.to_string(),
        step_ms,
        waiting_ms: 0.0,
        computing_ms: step_ms,
        breakdown: None,
        arithmetic: None,
        evaluation_images_per_second: None,
        memory: machine::memory(),
        first_step_seconds: None,
        beside: None,
        together: None,
    })
}
