//! From a plan to a batch: views are drawn and rendered by worker threads, or drawn by them and rendered by a GPU on the
//! thread that asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use byol_cuda::Kernels;
use byol_kernels::views::layout::Input;
use half::bf16;
use tch::{Device, Tensor};

use super::{Batch, BatchPlan, ImageSet, LoadError, ViewGroup};
use crate::augment::{Renderer, ViewParams};
use crate::data::Image;
use crate::device::Hardware;
use crate::device::Precision;
use crate::element::TensorElement;
use crate::loader::gpu::{DeviceImages, GpuError, GpuRenderer};
use crate::processor_time;

/// The GPU that renders views; none on the CPU, and where the kernels cannot be had.
pub(super) fn gpu_of(hardware: &Hardware) -> Option<usize> {
    match hardware.device {
        Device::Cuda(index) => Kernels::load(index).is_ok().then_some(index),
        _ => None,
    }
}

/// What a worker makes of a plan.
pub(super) enum Made {
    /// Rendered, on the CPU.
    Batch(Batch),
    /// To be rendered by a GPU.
    Drawn(Drawn),
}

/// A batch whose views are drawn but not rendered.
pub(super) struct Drawn {
    indices: Vec<usize>,
    /// The images that the views name, where they are not in the GPU's memory already.
    images: Vec<Image>,
    /// Of each group of views: its side, images by number, and what happens to them.
    views: Vec<(usize, Vec<(usize, ViewParams)>)>,
}

/// What rendering has cost so far.
#[derive(Default)]
pub(super) struct RenderTime {
    /// Processor time, added up over workers.
    nanoseconds: AtomicU64,
    batches: AtomicU64,
}

impl RenderTime {
    fn add(&self, spent: Duration) {
        self.nanoseconds.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    /// Of one batch.
    pub fn mean(&self) -> Duration {
        let nanoseconds = self.nanoseconds.load(Ordering::Relaxed);
        Duration::from_nanos(nanoseconds / self.batches.load(Ordering::Relaxed).max(1))
    }
}

/// Makes the batches of these numbers, and sends each.
pub(super) fn work(
    image_set: ImageSet,
    views: &[ViewGroup],
    batches: impl Iterator<Item = usize>,
    mut plan: impl FnMut(usize) -> BatchPlan,
    sender: &SyncSender<Result<Made, LoadError>>,
    rendering: &RenderTime,
) {
    let on_gpu = gpu_of(&image_set.hardware).is_some();
    let mut renderers: Vec<Renderer> = views.iter().map(|group| Renderer::new(group.sides.full())).collect();
    let mut image = Image::default();
    for number in batches {
        let begun = processor_time::of_this_thread();
        let made = match (on_gpu, image_set.hardware.precision) {
            (true, _) => draw(&image_set, views, plan(number)).map(Made::Drawn),
            (false, Precision::Full) => {
                render::<f32>(&image_set, views, plan(number), &mut renderers, &mut image).map(Made::Batch)
            }
            (false, Precision::Bf16) => {
                render::<bf16>(&image_set, views, plan(number), &mut renderers, &mut image).map(Made::Batch)
            }
        };
        let spent = processor_time::of_this_thread().saturating_sub(begun);
        rendering.add(spent);
        let failed = made.is_err();
        // A receiver that is gone means that training ended early.
        if sender.send(made).is_err() || failed {
            return;
        }
    }
}

fn render<T: Input + TensorElement>(
    image_set: &ImageSet,
    views: &[ViewGroup],
    plan: BatchPlan,
    renderers: &mut [Renderer],
    image: &mut Image,
) -> Result<Batch, LoadError> {
    let batch = plan.indices.len();
    for (group, renderer) in views.iter().zip(renderers.iter_mut()) {
        let side = group.sides.at(plan.epoch);
        if renderer.side() != side {
            *renderer = Renderer::new(side);
        }
    }
    let images: Vec<Tensor> = views
        .iter()
        .zip(renderers.iter())
        .map(|(group, renderer)| {
            let side = renderer.side() as i64;
            Tensor::empty([(group.kinds.len() * batch) as i64, side, side, 3], (T::KIND, Device::Cpu))
        })
        .collect();
    for row in 0..batch {
        let mut shown = None;
        let mut number = 0;
        for ((group, images), renderer) in views.iter().zip(&images).zip(renderers.iter_mut()) {
            let per_view = renderer.side() * renderer.side() * 3;
            for (place, kind) in group.kinds.iter().enumerate() {
                let index = plan.image(row, number);
                number += 1;
                if shown != Some(index) {
                    image_set.source.read(index, image)?;
                    shown = Some(index);
                }
                let params = kind.draw([image.width, image.height], image_set, plan.epoch, index);
                let begin = (place * batch + row) * per_view;
                // SAFETY: the tensor is contiguous, of this type, with `per_view` values for each view of each row, `begin` is
                // where those of one begin, and nobody else holds it.
                let pixels =
                    unsafe { std::slice::from_raw_parts_mut(images.data_ptr().cast::<T>().add(begin), per_view) };
                renderer
                    .render(image, &params, image_set.normalization, pixels)
                    .map_err(|source| LoadError::View { name: image_set.source.name(index), source })?;
            }
        }
    }
    let images = images.into_iter().map(|images| images.permute([0, 3, 1, 2])).collect();
    Ok(Batch { indices: plan.indices, images })
}

/// Draws the views of a batch, view by view, for a GPU to render.
fn draw(image_set: &ImageSet, views: &[ViewGroup], plan: BatchPlan) -> Result<Drawn, LoadError> {
    let mut images = Vec::new();
    let mut drawn = Vec::with_capacity(views.len());
    let mut number = 0;
    for group in views {
        let mut of_group = Vec::with_capacity(group.kinds.len() * plan.indices.len());
        // Images of a later view are those of the first, in the same places, or others.
        for kind in &group.kinds {
            for row in 0..plan.indices.len() {
                let index = plan.image(row, number);
                let (image, size) = match &image_set.resident {
                    Some(resident) => {
                        let place = resident.places()[index];
                        (index, [place.width, place.height])
                    }
                    None => {
                        let known = if number > 0 && plan.unpaired.is_none() { row } else { images.len() };
                        if known == images.len() {
                            let mut image = Image::default();
                            image_set.source.read(index, &mut image)?;
                            images.push(image);
                        }
                        (known, [images[known].width, images[known].height])
                    }
                };
                of_group.push((image, kind.draw(size, image_set, plan.epoch, index)));
            }
            number += 1;
        }
        drawn.push((group.sides.at(plan.epoch), of_group));
    }
    Ok(Drawn { indices: plan.indices, images, views: drawn })
}

/// The last part of making a batch, on the thread that asks for it.
pub(super) struct Finish {
    image_set: ImageSet,
    /// One for each group, of the side that it has just now.
    renderers: Vec<GpuRenderer>,
}

impl Finish {
    pub fn new(image_set: ImageSet) -> Self {
        Finish { image_set, renderers: Vec::new() }
    }

    pub fn batch(&mut self, made: Made) -> Result<Batch, LoadError> {
        let ImageSet { normalization, ref hardware, ref resident, .. } = self.image_set;
        match made {
            Made::Batch(batch) => {
                let images = batch.images.iter().map(|images| images.to_device(hardware.device)).collect();
                Ok(Batch { images, ..batch })
            }
            Made::Drawn(drawn) => {
                let sides = drawn.views.iter().map(|&(side, _)| side);
                if !self.renderers.iter().map(GpuRenderer::side).eq(sides.clone()) {
                    let index = gpu_of(hardware).unwrap_or_default();
                    let renderer = |side| GpuRenderer::new(side, normalization, index, hardware.precision);
                    let renderers = sides.map(renderer).collect::<Result<_, _>>();
                    self.renderers = renderers.map_err(GpuError::from)?;
                }
                let images = match resident {
                    Some(resident) => Arc::clone(resident),
                    None => Arc::new(DeviceImages::of(&drawn.images, hardware.device)),
                };
                let groups = self.renderers.iter().zip(&drawn.views);
                let images =
                    groups.map(|(renderer, (_, views))| renderer.render(&images, views)).collect::<Result<_, _>>()?;
                Ok(Batch { indices: drawn.indices, images })
            }
        }
    }
}
