//! Batches, rendered ahead of the training step by worker threads.
//!
//! Which images a batch holds and how they are augmented is a pure function of (seed, epoch, sample index, view), so it
//! does not matter which thread renders it. `schedule` says which images, `render` makes the batches.

mod divided;
pub mod gpu;
mod render;
mod schedule;

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use byol_cuda::Kernels;
use tch::Tensor;

pub(crate) use divided::{InOrder, computed};
pub use schedule::{BatchPlan, LastBatch, Pairing, Schedule, WHOLE};

use render::{Finish, Made, RenderTime, gpu_of, work};
use schedule::Orders;

use crate::augment::{Normalization, Recipe, RenderError, ViewParams};
use crate::config::{Experiment, Sides};
use crate::data::{DataError, ImageSource};
use crate::device::Hardware;
use crate::loader::gpu::{DeviceImages, GpuError};
use crate::random::{self, Coordinates, Stream, ViewNumber};

/// An image that cannot become part of a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// An image cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// An image cannot be rendered on the CPU.
    #[error("failed to render a view of {name}")]
    View {
        /// The image.
        name: String,
        /// Why not.
        source: RenderError,
    },
    /// Views cannot be rendered on the GPU.
    #[error("failed to render views on the GPU")]
    Gpu(#[from] GpuError),
    /// A thread that renders has panicked.
    #[error("a thread that renders views ended unexpectedly; the message above says why")]
    WorkerLost,
}

/// Batches that each worker may have ready and waiting.
const READY_PER_WORKER: usize = 1;

/// How images become batches.
#[derive(Clone)]
pub struct ImageSet {
    /// The images.
    pub source: Arc<dyn ImageSource>,
    /// What the networks' inputs are normalised with.
    pub normalization: Normalization,
    /// Share of the centre square that evaluation sees: [`Experiment::evaluation_crop`].
    pub evaluation_crop: f64,
    /// Seed of the views.
    pub seed: u64,
    /// What the network that reads the batches runs on: where they are rendered, and in which type.
    pub hardware: Hardware,
    /// All images in the memory of the GPU that renders them; without them those of each batch travel.
    pub resident: Option<Arc<DeviceImages>>,
}

impl ImageSet {
    /// The images of `source` as the networks of an experiment see them, for that hardware.
    pub fn of(experiment: &Experiment, source: Arc<dyn ImageSource>, hardware: &Hardware) -> ImageSet {
        ImageSet {
            source,
            normalization: experiment.normalization(),
            evaluation_crop: experiment.evaluation_crop,
            seed: experiment.seed,
            hardware: hardware.clone(),
            resident: None,
        }
    }

    /// Brings all images into the GPU's memory, where a GPU renders the views and they take no more than half of what
    /// is free.
    ///
    /// # Errors
    /// An image cannot be read.
    pub fn make_resident(&mut self) -> Result<(), LoadError> {
        if let Some(index) = gpu_of(&self.hardware) {
            let limit = Kernels::load(index).and_then(|kernels| kernels.free_memory()).map_err(GpuError::from)? / 2;
            let device = self.hardware.device;
            self.resident = DeviceImages::upload(self.source.as_ref(), device, limit)?.map(Arc::new);
        }
        Ok(())
    }
}

/// What one view of an image is drawn with.
#[derive(Clone, Debug)]
pub enum ViewKind {
    /// The centre square of the image, or the inner part of it that evaluations see, resized and nothing else.
    Plain,
    /// Drawn from a recipe; `view` keeps views of one image apart.
    Random {
        /// What may happen to the image.
        recipe: Recipe,
        /// Which of an image's views it is.
        view: ViewNumber,
    },
}

/// Views of one side, which stand in one tensor of a batch.
#[derive(Clone, Debug)]
pub struct ViewGroup {
    /// In pixels, by the epoch.
    pub sides: Sides,
    /// How each view is drawn, in the order in which they stand in the tensor.
    pub kinds: Vec<ViewKind>,
}

impl ViewGroup {
    /// One view of every image.
    pub fn one(kind: ViewKind, sides: impl Into<Sides>) -> Vec<ViewGroup> {
        vec![ViewGroup { sides: sides.into(), kinds: vec![kind] }]
    }
}

impl ViewKind {
    /// What happens to the view of image `index` of the set, of that width and height, in `epoch`.
    fn draw(&self, [width, height]: [usize; 2], set: &ImageSet, epoch: usize, index: usize) -> ViewParams {
        match self {
            ViewKind::Plain => ViewParams::inner(width, height, set.evaluation_crop),
            ViewKind::Random { recipe, view } => {
                let at = Coordinates { epoch: epoch as u64, index: index as u64, view: view.number() };
                recipe.sample(width, height, &mut random::rng(set.seed, Stream::View, at))
            }
        }
    }
}

/// A batch, rendered.
///
/// # Shapes
/// For each [`ViewGroup`] that was asked for, `images` has a tensor of float32, or bfloat16 in that precision, `[views * batch, 3, side, side]`,
/// channels-last in memory, normalised, on the device: the batch once for each of its views, one after the other.
#[derive(Debug)]
#[non_exhaustive]
pub struct Batch {
    /// The images of the rows, as indices into the source.
    pub indices: Vec<usize>,
    /// A tensor for each group of views, `[views * batch, 3, side, side]`, normalised, in the type and on the device of
    /// the hardware; all rows of one view stand together.
    pub images: Vec<Tensor>,
}

/// Batches in order, rendered ahead.
pub struct Batches {
    ready: Vec<Receiver<Result<Made, LoadError>>>,
    finish: Finish,
    workers: Vec<JoinHandle<()>>,
    /// Batches that are still to come, by number.
    left: Range<usize>,
    rendering: Arc<RenderTime>,
}

/// Renders the batches of the optimiser steps `steps` of a schedule on `workers` threads.
pub fn scheduled(
    image_set: ImageSet,
    views: Vec<ViewGroup>,
    schedule: Schedule,
    steps: Range<usize>,
    workers: usize,
) -> Batches {
    let batches = steps.start * schedule.parts..steps.end * schedule.parts;
    start(image_set, views, batches, workers, move || {
        let schedule = schedule.clone();
        let mut current: Option<Orders> = None;
        move |batch: usize| {
            let epoch = batch / (schedule.steps_per_epoch() * schedule.parts);
            let orders = match current.take() {
                Some(orders) if orders.epoch == epoch => orders,
                _ => schedule.orders_of(epoch),
            };
            let plan = schedule.plan(batch, &orders);
            current = Some(orders);
            plan
        }
    })
}

/// Renders views of the images `indices` once, in order, in batches of `batch_size`. Random views are those of epoch 0, and so
/// are sides.
pub fn in_order(
    image_set: ImageSet,
    views: Vec<ViewGroup>,
    indices: Vec<usize>,
    batch_size: usize,
    workers: usize,
) -> Batches {
    let batches = 0..indices.len().div_ceil(batch_size);
    let indices = Arc::new(indices);
    start(image_set, views, batches, workers, move || {
        let indices = Arc::clone(&indices);
        move |batch: usize| {
            let begin = batch * batch_size;
            let end = (begin + batch_size).min(indices.len());
            BatchPlan { epoch: 0, indices: indices[begin..end].to_vec(), unpaired: None }
        }
    })
}

/// Worker `w` of `n` renders every n-th batch, so that the batches come back in order without sorting.
fn start<P: FnMut(usize) -> BatchPlan + Send + 'static>(
    image_set: ImageSet,
    views: Vec<ViewGroup>,
    batches: Range<usize>,
    workers: usize,
    mut planner: impl FnMut() -> P,
) -> Batches {
    let workers = workers.clamp(1, batches.len().max(1));
    let finish = Finish::new(image_set.clone());
    let mut ready = Vec::new();
    let mut threads = Vec::new();
    let rendering = Arc::new(RenderTime::default());
    for worker in 0..workers {
        let (sender, receiver) = sync_channel(READY_PER_WORKER);
        let (image_set, views, plan) = (image_set.clone(), views.clone(), planner());
        let own = (batches.start + worker..batches.end).step_by(workers);
        let rendering = Arc::clone(&rendering);
        threads.push(std::thread::spawn(move || work(image_set, &views, own, plan, &sender, &rendering)));
        ready.push(receiver);
    }
    Batches { ready, finish, workers: threads, left: 0..batches.len(), rendering }
}

impl Batches {
    /// Mean processor time that one batch has cost so far.
    pub fn render_time(&self) -> Duration {
        self.rendering.mean()
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.left.next()?;
        // A worker ends after its last batch or an error, which ends this iterator too; before that only by a panic.
        let made = self.ready[number % self.ready.len()].recv().unwrap_or(Err(LoadError::WorkerLost));
        let batch = made.and_then(|made| self.finish.batch(made));
        if batch.is_err() {
            self.left = 0..0;
        }
        Some(batch)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.ready.clear();
        for worker in self.workers.drain(..) {
            // A worker that panicked has said so already.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::patterns::{PatternOptions, dataset_with};

    /// Groups of views of different sides come each in a tensor of its own, with the pixels that they have alone.
    #[test]
    fn views_of_several_sides_are_what_each_is_alone() {
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 1, test_per_class: 1, unlabeled: 12 });
        let experiment = Experiment::preset("demo").unwrap();
        let hardware = Hardware::auto().with_threads(1);
        let source = data.unlabeled[0].images.clone();
        let group = |side: usize, places: Range<usize>| ViewGroup {
            sides: side.into(),
            kinds: places
                .map(|place| ViewKind::Random { recipe: Recipe::paper_t(), view: ViewNumber::Pretraining(place) })
                .collect(),
        };
        let batch = |views: Vec<ViewGroup>| {
            let image_set = ImageSet::of(&experiment, source.clone(), &hardware);
            in_order(image_set, views, vec![5, 0, 7], 3, 1).next().unwrap().unwrap()
        };
        let groups = vec![group(24, 0..2), group(16, 2..5)];
        let together = batch(groups.clone()).images;
        assert_eq!(together.iter().map(Tensor::size).collect::<Vec<_>>(), [[6, 3, 24, 24], [9, 3, 16, 16]]);
        for (found, group) in together.iter().zip(groups) {
            assert_eq!(*found, batch(vec![group]).images[0]);
        }
        assert_ne!(together[0].narrow(0, 0, 3), together[0].narrow(0, 3, 3), "two draws");
    }

    /// A side that grows is that of the batch's epoch, and the crops are those of every other side.
    #[test]
    fn a_side_that_grows_is_that_of_the_epoch() {
        let data = dataset_with(PatternOptions { side: 32, train_per_class: 1, test_per_class: 1, unlabeled: 5 });
        let experiment = Experiment::preset("demo").unwrap();
        let hardware = Hardware::auto().with_threads(1);
        let batches = |sides: Sides, steps: Range<usize>| -> Vec<Tensor> {
            let image_set = ImageSet::of(&experiment, data.unlabeled[0].images.clone(), &hardware);
            let kind = ViewKind::Random { recipe: Recipe::paper_t(), view: ViewNumber::Pretraining(0) };
            let schedule = Schedule {
                indices: Arc::new((0..5).collect()),
                batch_size: 2,
                parts: 1,
                last: LastBatch::Drop,
                pairing: Pairing::SameImage,
                seed: 3,
                order: 0,
                share: WHOLE,
                led: false,
            };
            let batches = scheduled(image_set, ViewGroup::one(kind, sides), schedule, steps, 2);
            batches.map(|batch| batch.unwrap().images.remove(0)).collect()
        };
        let growing = batches(Sides::growing(16, 32, 4), 0..8);
        let sides: Vec<i64> = growing.iter().map(|images| images.size()[3]).collect();
        assert_eq!(sides, [16, 16, 16, 16, 24, 24, 32, 32], "two batches an epoch");
        for (side, steps) in [(16, 0..4), (24, 4..6), (32, 6..8)] {
            assert_eq!(growing[steps.clone()], batches(side.into(), steps));
        }
        assert_eq!(growing[5..], batches(Sides::growing(16, 32, 4), 5..8), "wherever it begins");
    }
}
