//! Convolutions 3x3 with stride 1 of images of at most 2x2 pixels, in float32 on the CPU: a matrix product for each pair of pixels
//! (`byol-kernels`), on libtorch's threads. Twice the same bytes, on any number of threads.

use byol_kernels::taps::{SmallImages, TAPS};
use byol_torch::Wanted;
use tch::{Device, Kind, Tensor};

use super::{Window, rows_of};
use crate::model::slices::{Shared, values, values_mut};

/// Below so many channels, libtorch's convolution takes no longer.
const LEAST_CHANNELS: i64 = 32;
/// Images of a task, and filters of one.
const TASK_IMAGES: usize = 32;
const TASK_FILTERS: usize = 64;

/// What is computed so, if it is one.
pub(super) fn images(input: &Tensor, weight: &Tensor, window: Window) -> Option<SmallImages> {
    if (input.device(), input.kind()) != (Device::Cpu, Kind::Float) || (window.stride, window.padding) != (1, 1) {
        return None;
    }
    let (_, _, height, width) = input.size4().ok()?;
    let (outputs, inputs, rows, columns) = weight.size4().ok()?;
    if (rows, columns) != (3, 3) || inputs.min(outputs) < LEAST_CHANNELS || height.max(width) > 2 {
        return None;
    }
    let [height, width, inputs, outputs] = [height, width, inputs, outputs].map(|length| length as usize);
    Some(SmallImages { height, width, inputs, outputs })
}

/// `[batch, inputs, height, width]` to `[batch, outputs, height, width]`, channels last in memory.
pub(super) fn convolve(images: SmallImages, input: &Tensor, weight: &Tensor) -> Tensor {
    let (x, filters) = tch::no_grad(|| (rows_of(&input.detach()), rows_of(&weight.detach())));
    let of_taps = values(&filters);
    let output = by_image(images, images.outputs, &x, |x, y| images.convolve(x, of_taps, y));
    if !byol_torch::needs_gradient(&[input, weight]) {
        return output;
    }
    let wanted = Wanted { input: input.requires_grad(), weight: weight.requires_grad() };
    byol_torch::with_gradient(output, &[input, weight], move |gradient| {
        let gradient = rows_of(&gradient);
        let for_input = || {
            let filters = values(&filters);
            by_image(images, images.inputs, &gradient, |gradient, dx| images.input_gradient(gradient, filters, dx))
        };
        vec![wanted.input.then(for_input), wanted.weight.then(|| filters_gradient(images, &x, &gradient))]
    })
}

/// `task` for some images each, from all of their values to the result's, of so many channels.
fn by_image(images: SmallImages, channels: usize, from: &Tensor, task: impl Fn(&[f32], &mut [f32]) + Sync) -> Tensor {
    let batch = from.size()[0] as usize;
    let size = [from.size()[0], images.height as i64, images.width as i64, channels as i64];
    let mut to = Tensor::empty(size, (Kind::Float, Device::Cpu));
    let (from, shared) = (values::<f32>(from), Shared::new(values_mut(&mut to)));
    let [in_image, of_image] = [from.len() / batch.max(1), images.pixels() * channels];
    byol_torch::parallel(batch.div_ceil(TASK_IMAGES), |number| {
        let begin = number * TASK_IMAGES;
        let count = TASK_IMAGES.min(batch - begin);
        // SAFETY: every image has values of its own.
        let to = unsafe { shared.part(begin * of_image, count * of_image) };
        task(&from[begin * in_image..][..count * in_image], to);
    });
    to.permute([0, 3, 1, 2])
}

/// `[outputs, inputs, 3, 3]`, channels last in memory.
fn filters_gradient(images: SmallImages, x: &Tensor, gradient: &Tensor) -> Tensor {
    let SmallImages { inputs, outputs, .. } = images;
    let mut result = Tensor::empty([outputs as i64, 3, 3, inputs as i64], (Kind::Float, Device::Cpu));
    let (x, gradient, shared) = (values::<f32>(x), values::<f32>(gradient), Shared::new(values_mut(&mut result)));
    byol_torch::parallel(outputs.div_ceil(TASK_FILTERS), |number| {
        let range = number * TASK_FILTERS..((number + 1) * TASK_FILTERS).min(outputs);
        let of_filter = TAPS * inputs;
        // SAFETY: every filter has values of its own.
        let dw = unsafe { shared.part(range.start * of_filter, range.len() * of_filter) };
        images.filters_gradient(x, gradient, range, dw);
    });
    result.permute([0, 3, 1, 2])
}
