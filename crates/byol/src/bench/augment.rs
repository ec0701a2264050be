//! Rendering both views of every image, on one thread.

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
    let side = experiment.view_size();
    let batch_size = experiment.pretrain.batch_size;
    let mut renderer = Renderer::new(side);
    let mut image = Image::default();
    let mut pixels = vec![0f32; 3 * side * side];
    let mut begun = Instant::now();
    for step in 0..options.warmup_steps + options.steps {
        if step == options.warmup_steps {
            begun = Instant::now();
        }
        for row in 0..batch_size {
            let index = (step * batch_size + row) % pool.len();
            pool.read(index, &mut image).map_err(LoadError::from)?;
            for (view, recipe) in [&experiment.pretrain.t, &experiment.pretrain.t_prime].into_iter().enumerate() {
                let at = Coordinates { epoch: step as u64, index: index as u64, view: view as u64 };
                let params =
                    recipe.sample(image.width, image.height, &mut random::rng(experiment.seed, Stream::View, at));
                renderer
                    .render(&image, &params, experiment.normalization(), &mut pixels)
                    .map_err(|source| LoadError::View { name: pool.name(index), source })?;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let step_ms = 1000.0 * seconds / options.steps as f64;
    Ok(BenchResult {
        images_per_second: (options.steps * batch_size) as f64 / seconds,
        batch_size,
        image_size: side,
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
    })
}
