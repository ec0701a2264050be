//! Batch norm, ReLU and the stem's max pool in one, an image a task, on libtorch's threads; the loops are in
//! `byol-kernels`.

use byol_kernels::norm::pool::{Pools, Size};

use super::rows::{GradientFigures, Rows, fold};
use crate::model::slices::Shared;

/// `y = max over the window of relu(x * scale + shift)`, and the position of the first maximum, or [`CUT`].
pub(super) fn forward<E: Pools>(
    x: &[E],
    size: Size,
    [scale, shift]: [&[f32]; 2],
    rows: Rows,
    y: &mut [E],
    positions: &mut [u8],
) {
    let images = x.len() / size.values();
    let (y, positions) = (Shared::new(y), Shared::new(positions));
    byol_torch::parallel(images, |image| {
        let group = image / (images / rows.groups) * size.channels;
        let affine = [scale, shift].map(|figures| &figures[group..][..size.channels]);
        let count = size.pooled_values();
        // SAFETY: every image has outputs of its own.
        let (y, positions) = unsafe { (y.part(image * count, count), positions.part(image * count, count)) };
        E::forward(&x[image * size.values()..][..size.values()], size, affine, y, positions);
    });
}

/// Per group and channel: the sum of the gradient `g` of what was not cut, and of `g * (x - mean)`.
pub(super) fn gradient_sums<E: Pools>(
    x: &[E],
    gradient: &[E],
    positions: &[u8],
    size: Size,
    mean: &[f32],
    rows: Rows,
) -> (Vec<f64>, Vec<f64>) {
    let (images, channels) = (x.len() / size.values(), size.channels);
    let mut partial = vec![0f32; images * 2 * channels];
    let shared = Shared::new(&mut partial);
    byol_torch::parallel(images, |image| {
        let group = image / (images / rows.groups) * channels;
        let count = size.pooled_values();
        // SAFETY: every image has a part of its own.
        let (sums, products) = unsafe { shared.part(image * 2 * channels, 2 * channels) }.split_at_mut(channels);
        let x = &x[image * size.values()..][..size.values()];
        let (gradient, positions) = (&gradient[image * count..][..count], &positions[image * count..][..count]);
        E::gradient_sum(x, gradient, positions, size, &mean[group..][..channels], sums, products);
    });
    fold(&partial, rows)
}

/// The gradient of the input.
pub(super) fn input_gradient<E: Pools>(
    x: &[E],
    gradient: &[E],
    positions: &[u8],
    size: Size,
    figures: &GradientFigures,
    rows: Rows,
    dx: &mut [E],
) {
    let images = x.len() / size.values();
    let shared = Shared::new(dx);
    byol_torch::parallel(images, |image| {
        let linear = figures.of_group(&rows, image / (images / rows.groups));
        let count = size.pooled_values();
        let x = &x[image * size.values()..][..size.values()];
        let (gradient, positions) = (&gradient[image * count..][..count], &positions[image * count..][..count]);
        // SAFETY: every image has inputs of its own.
        let dx = unsafe { shared.part(image * size.values(), size.values()) };
        E::input_gradient(x, gradient, positions, size, linear, dx);
    });
}
