//! A training step of a tiny network, from drawing views to the moving average.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use crate::config::resolve::{Request, resolve};
use crate::data::ConcatSource;
use crate::data::patterns::{PatternOptions, dataset_with};
use crate::device::Hardware;
use crate::loader::{self, ImageSet, LoadError};
use crate::train::learner::Learner;
use crate::train::pretrain;

const STEPS: usize = 2;
const BATCH_SIZE: usize = 16;

/// Takes two steps of pre-training on synthetic images; the seconds of the second one, or why training fails.
pub(super) fn train(hardware: &Hardware) -> Result<f64, String> {
    // libtorch's bindings panic where a device fails.
    catch_unwind(AssertUnwindSafe(|| steps(hardware))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(text.unwrap_or("unknown reason").lines().next().unwrap_or_default().to_owned())
    })
}

fn steps(hardware: &Hardware) -> Result<f64, String> {
    let pairs = ["image_size=32", "width=0.125", &format!("pretrain.batch_size={BATCH_SIZE}")].map(ToOwned::to_owned);
    let request = Request { preset: Some("demo"), set: &pairs, ..Request::default() };
    let experiment = resolve(request).map_err(|error| error.to_string())?;
    let settings = &experiment.pretrain;
    let options = PatternOptions { side: 32, train_per_class: 1, test_per_class: 1, unlabeled: STEPS * BATCH_SIZE };
    let source = ConcatSource::from(dataset_with(options).unlabeled);
    let schedule = pretrain::schedule(&experiment, STEPS * BATCH_SIZE);
    let image_set = ImageSet::of(&experiment, Arc::new(source), hardware);
    let mut batches = loader::scheduled(image_set, pretrain::views(&experiment), schedule, 0..STEPS, 1);
    let mut learner = Learner::of(&experiment, hardware);
    let mut seconds = 0.0;
    for _ in 0..STEPS {
        let begun = Instant::now();
        let batch = batches.next().unwrap_or(Err(LoadError::WorkerLost)).map_err(|error| error.to_string())?;
        let output = learner.step(&batch.images, settings.learning_rate, settings.tau);
        let loss = output.loss.double_value(&[]);
        seconds = begun.elapsed().as_secs_f64();
        if !loss.is_finite() || !learner.is_finite() {
            return Err(format!("it gives a loss of {loss} and weights that are not all finite"));
        }
    }
    Ok(seconds)
}
