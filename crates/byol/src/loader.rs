//! Batches, rendered ahead of the training step by worker threads.
//!
//! Which images a batch holds and how they are augmented is a pure function of (seed, epoch, sample index, view), so it
//! does not matter which thread renders it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rand::seq::SliceRandom;
use tch::{Device, Kind, Tensor};

use crate::augment::{Normalization, Recipe, RenderError, Renderer, ViewParams};
use crate::data::{DataError, Image, ImageSource};
use crate::random::{self, Coordinates, Stream};

/// A picture that cannot become part of a batch.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("failed to render a view of {name}")]
    View { name: String, source: RenderError },
    #[error("a thread that renders views ended unexpectedly; the message above says why")]
    WorkerLost,
}

/// Batches that each worker may have ready and waiting.
const READY_PER_WORKER: usize = 1;

/// How pictures become batches.
#[derive(Clone)]
pub struct Pictures {
    pub source: Arc<dyn ImageSource>,
    /// Side of the views in pixels.
    pub side: usize,
    pub normalization: Normalization,
    pub seed: u64,
}

/// What one view of a picture is drawn with.
#[derive(Clone, Debug)]
pub enum ViewKind {
    /// The whole picture, resized: for evaluation.
    Whole,
    /// Drawn from a recipe; `view` keeps views of one picture apart.
    Random { recipe: Recipe, view: u64 },
}

/// Which pictures one batch holds, in order, and the epoch their views are drawn for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    pub epoch: usize,
    pub indices: Vec<usize>,
    /// The pictures of the second view, where they are not those of the first.
    pub unpaired: Option<Vec<usize>>,
}

/// Whether the views of a row show the same picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    SamePicture,
    /// The second view has an order of the pictures of its own: the lab's fault.
    Independent,
}

/// A training stage's batches: a fresh order of the pictures in each epoch.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Pictures that take part.
    pub indices: Arc<Vec<usize>>,
    /// Pictures per step.
    pub batch_size: usize,
    /// Batches that the pictures of a step are delivered in; divides `batch_size`.
    pub parts: usize,
    pub last: LastBatch,
    pub pairing: Pairing,
    pub seed: u64,
    /// Keeps the orders of different stages apart.
    pub order: u64,
}

/// What happens to pictures that do not fill a batch at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastBatch {
    /// They wait for another epoch's order.
    Drop,
    /// They are a smaller batch, unless only one picture is left, which batch norm cannot do with.
    Keep,
}

impl Schedule {
    pub fn steps_per_epoch(&self) -> usize {
        let pictures = self.indices.len();
        let full = pictures / self.batch_size;
        match self.last {
            LastBatch::Keep if pictures % self.batch_size > 1 => full + 1,
            _ => full,
        }
    }

    /// The pictures in the order of `epoch`.
    pub fn order_of(&self, epoch: usize) -> Vec<usize> {
        self.shuffled(epoch, 0)
    }

    fn shuffled(&self, epoch: usize, view: u64) -> Vec<usize> {
        let mut order = self.indices.as_ref().clone();
        let at = Coordinates { epoch: epoch as u64, index: self.order, view };
        order.shuffle(&mut random::rng(self.seed, Stream::Shuffle, at));
        order
    }

    fn orders_of(&self, epoch: usize) -> Orders {
        let unpaired = (self.pairing == Pairing::Independent).then(|| self.shuffled(epoch, 1));
        Orders { epoch, indices: self.order_of(epoch), unpaired }
    }

    /// Batch number `batch` of the whole stage, from 0; `orders` are those of its epoch.
    fn plan(&self, batch: usize, orders: &Orders) -> BatchPlan {
        let part_size = self.batch_size / self.parts;
        let begin = batch % (self.steps_per_epoch() * self.parts) * part_size;
        let end = (begin + part_size).min(orders.indices.len());
        BatchPlan {
            epoch: orders.epoch,
            indices: orders.indices[begin..end].to_vec(),
            unpaired: orders.unpaired.as_ref().map(|order| order[begin..end].to_vec()),
        }
    }
}

/// The pictures of one epoch in order, for the first view and, where it has its own, for the second.
struct Orders {
    epoch: usize,
    indices: Vec<usize>,
    unpaired: Option<Vec<usize>>,
}

/// A batch, rendered.
///
/// # Shapes
/// Each view is float32 `[batch, 3, side, side]`, channels-last in memory, normalised, on the CPU.
#[derive(Debug)]
pub struct Batch {
    pub indices: Vec<usize>,
    /// One tensor per [`ViewKind`] that was asked for.
    pub views: Vec<Tensor>,
}

/// Batches in order, rendered ahead.
pub struct Batches {
    ready: Vec<Receiver<Result<Batch, LoadError>>>,
    workers: Vec<JoinHandle<()>>,
    /// Batches that are still to come, by number.
    left: Range<usize>,
}

/// Renders the batches of the optimiser steps `steps` of a schedule on `workers` threads.
pub fn scheduled(
    pictures: Pictures,
    views: Vec<ViewKind>,
    schedule: Schedule,
    steps: Range<usize>,
    workers: usize,
) -> Batches {
    let batches = steps.start * schedule.parts..steps.end * schedule.parts;
    start(pictures, views, batches, workers, move || {
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

/// Renders the pictures `indices` once, whole and in order, in batches of `batch_size`.
pub fn whole(pictures: Pictures, indices: Vec<usize>, batch_size: usize, workers: usize) -> Batches {
    in_order(pictures, vec![ViewKind::Whole], indices, batch_size, workers)
}

/// Renders views of the pictures `indices` once, in order, in batches of `batch_size`. Random views are those of epoch 0.
pub fn in_order(
    pictures: Pictures,
    views: Vec<ViewKind>,
    indices: Vec<usize>,
    batch_size: usize,
    workers: usize,
) -> Batches {
    let batches = 0..indices.len().div_ceil(batch_size);
    let indices = Arc::new(indices);
    start(pictures, views, batches, workers, move || {
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
    pictures: Pictures,
    views: Vec<ViewKind>,
    batches: Range<usize>,
    workers: usize,
    mut planner: impl FnMut() -> P,
) -> Batches {
    let workers = workers.clamp(1, batches.len().max(1));
    let mut ready = Vec::new();
    let mut threads = Vec::new();
    for worker in 0..workers {
        let (sender, receiver) = sync_channel(READY_PER_WORKER);
        let (pictures, views, plan) = (pictures.clone(), views.clone(), planner());
        let own = (batches.start + worker..batches.end).step_by(workers);
        threads.push(std::thread::spawn(move || work(pictures, &views, own, plan, &sender)));
        ready.push(receiver);
    }
    Batches { ready, workers: threads, left: 0..batches.len() }
}

fn work(
    pictures: Pictures,
    views: &[ViewKind],
    batches: impl Iterator<Item = usize>,
    mut plan: impl FnMut(usize) -> BatchPlan,
    sender: &SyncSender<Result<Batch, LoadError>>,
) {
    let mut renderer = Renderer::new(pictures.side);
    let mut image = Image::default();
    for number in batches {
        let batch = render(&pictures, views, plan(number), &mut renderer, &mut image);
        let failed = batch.is_err();
        // A receiver that is gone means that training ended early.
        if sender.send(batch).is_err() || failed {
            return;
        }
    }
}

fn render(
    pictures: &Pictures,
    views: &[ViewKind],
    plan: BatchPlan,
    renderer: &mut Renderer,
    image: &mut Image,
) -> Result<Batch, LoadError> {
    let side = pictures.side as i64;
    let shape = [plan.indices.len() as i64, side, side, 3];
    let mut tensors: Vec<Tensor> = views.iter().map(|_| Tensor::empty(shape, (Kind::Float, Device::Cpu))).collect();
    let per_view = pictures.side * pictures.side * 3;
    for (row, &first) in plan.indices.iter().enumerate() {
        let mut shown = None;
        for (number, (tensor, kind)) in tensors.iter_mut().zip(views).enumerate() {
            let index = match &plan.unpaired {
                Some(unpaired) if number > 0 => unpaired[row],
                _ => first,
            };
            if shown != Some(index) {
                pictures.source.read(index, image)?;
                shown = Some(index);
            }
            let params = match kind {
                ViewKind::Whole => ViewParams::whole(image.width, image.height),
                ViewKind::Random { recipe, view } => {
                    let at = Coordinates { epoch: plan.epoch as u64, index: index as u64, view: *view };
                    recipe.sample(image.width, image.height, &mut random::rng(pictures.seed, Stream::View, at))
                }
            };
            // SAFETY: the tensor is contiguous float32 with `per_view` values a row, `row` is within it, and nobody
            // else holds it.
            let pixels = unsafe {
                std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<f32>().add(row * per_view), per_view)
            };
            renderer
                .render(image, &params, pictures.normalization, pixels)
                .map_err(|source| LoadError::View { name: pictures.source.name(index), source })?;
        }
    }
    let views = tensors.into_iter().map(|tensor| tensor.permute([0, 3, 1, 2])).collect();
    Ok(Batch { indices: plan.indices, views })
}

impl Iterator for Batches {
    type Item = Result<Batch, LoadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let number = self.left.next()?;
        // A worker ends after its last batch or an error, which ends this iterator too; before that only by a panic.
        let batch = self.ready[number % self.ready.len()].recv().unwrap_or(Err(LoadError::WorkerLost));
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

    fn schedule(pictures: usize, batch_size: usize, last: LastBatch) -> Schedule {
        let indices = Arc::new((0..pictures).collect());
        Schedule { indices, batch_size, parts: 1, last, pairing: Pairing::SamePicture, seed: 3, order: 0 }
    }

    #[test]
    fn every_picture_once_an_epoch_in_a_new_order() {
        let schedule = schedule(10, 4, LastBatch::Keep);
        assert_eq!(schedule.steps_per_epoch(), 3);
        let mut orders = Vec::new();
        for epoch in 0..2 {
            let order = schedule.orders_of(epoch);
            let seen: Vec<usize> = (0..3).flat_map(|step| schedule.plan(epoch * 3 + step, &order).indices).collect();
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
            orders.push(seen);
        }
        assert_ne!(orders[0], orders[1]);
    }

    #[test]
    fn parts_hold_the_pictures_of_their_step() {
        let whole = schedule(10, 4, LastBatch::Drop);
        let parted = Schedule { parts: 2, ..whole.clone() };
        assert_eq!(parted.steps_per_epoch(), 2);
        for step in 0..4 {
            let orders = whole.orders_of(step / 2);
            let parts: Vec<usize> = (0..2).flat_map(|part| parted.plan(2 * step + part, &orders).indices).collect();
            assert_eq!(parts, whole.plan(step, &orders).indices);
        }
    }

    #[test]
    fn unpaired_views_have_an_order_of_their_own() {
        let schedule = Schedule { pairing: Pairing::Independent, ..schedule(100, 10, LastBatch::Drop) };
        let orders = schedule.orders_of(0);
        let plan = schedule.plan(3, &orders);
        let unpaired = plan.unpaired.unwrap();
        assert_eq!(unpaired.len(), 10);
        assert_ne!(unpaired, plan.indices);
        let mut all = orders.unpaired.unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn last_batches() {
        assert_eq!(schedule(10, 4, LastBatch::Drop).steps_per_epoch(), 2);
        assert_eq!(schedule(9, 4, LastBatch::Keep).steps_per_epoch(), 2);
    }
}
