//! Batch norm over rows of channels: statistics, and the sweeps of both directions. Loops that the compiler turns into
//! vector code; who calls them on which thread is in the parent module.

use half::bf16;
use multiversion::multiversion;

use super::slices::Shared;
use crate::element::{Element, TensorElement};

/// Rows of channels, in memory order, in groups that are normalised separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rows {
    pub channels: usize,
    pub groups: usize,
    /// Rows in each group.
    pub per_group: usize,
}

/// Values that one task sweeps over: they fit a core's cache. It does not depend on the number of threads, so that sums
/// do not either.
const TASK_VALUES: usize = 1 << 16;

/// Part of a group that one task sweeps over.
#[derive(Clone, Copy)]
struct Task {
    group: usize,
    /// First value.
    begin: usize,
    rows: usize,
}

impl Rows {
    fn rows_per_task(&self) -> usize {
        (TASK_VALUES / self.channels.max(1)).clamp(16, self.per_group.max(16))
    }

    pub(super) fn tasks_per_group(&self) -> usize {
        self.per_group.div_ceil(self.rows_per_task())
    }

    fn task(&self, number: usize) -> Task {
        let (group, part) = (number / self.tasks_per_group(), number % self.tasks_per_group());
        let first = part * self.rows_per_task();
        let rows = self.rows_per_task().min(self.per_group - first);
        Task { group, begin: (group * self.per_group + first) * self.channels, rows }
    }

    /// Values of one figure per group and channel.
    pub(super) fn figures(&self) -> usize {
        self.groups * self.channels
    }

    fn of_group<'a>(&self, figures: &'a [f32], group: usize) -> &'a [f32] {
        &figures[group * self.channels..(group + 1) * self.channels]
    }
}

/// Which values of the output were cut to 0, so that no gradient passes.
#[derive(Clone, Copy)]
pub(super) enum Mask<'a, E> {
    None,
    /// Where `x * scale + shift` is not positive.
    Recomputed {
        scale: &'a [f32],
        shift: &'a [f32],
    },
    /// Where this output is not positive.
    Output(&'a [E]),
}

/// Mean and biased variance of every group and channel.
pub(super) fn statistics<E: Sweeps>(x: &[E], rows: Rows) -> (Vec<f64>, Vec<f64>) {
    let (channels, per_group) = (rows.channels, rows.tasks_per_group());
    let tasks = rows.groups * per_group;
    // Of each task: the value that is subtracted, the sum, and the sum of squares.
    let mut partial = vec![0f32; tasks * 3 * channels];
    let shared = Shared::new(&mut partial);
    byol_torch::parallel(tasks, |number| {
        let task = rows.task(number);
        // SAFETY: every task has a part of its own.
        let (shift, sums) = unsafe { shared.part(number * 3 * channels, 3 * channels) }.split_at_mut(channels);
        let (sums, squares) = sums.split_at_mut(channels);
        let x = &x[task.begin..][..task.rows * channels];
        x[..channels].iter().zip(shift.iter_mut()).for_each(|(value, shift)| *shift = value.load());
        E::sum(x, shift, sums, squares);
    });
    let (mut mean, mut variance) = (vec![0f64; rows.figures()], vec![0f64; rows.figures()]);
    for (group, (mean, variance)) in mean.chunks_mut(channels).zip(variance.chunks_mut(channels)).enumerate() {
        // Chan, Golub and LeVeque 1983: partial means and squared deviations are merged one after the other.
        let mut seen = 0.0;
        for number in group * per_group..(group + 1) * per_group {
            let count = rows.task(number).rows as f64;
            let partial = &partial[number * 3 * channels..][..3 * channels];
            for channel in 0..channels {
                let [shift, sum, square] = [0, 1, 2].map(|part| f64::from(partial[part * channels + channel]));
                let difference = shift + sum / count - mean[channel];
                mean[channel] += difference * count / (seen + count);
                variance[channel] +=
                    square - sum * sum / count + difference * difference * seen * count / (seen + count);
            }
            seen += count;
        }
        variance.iter_mut().for_each(|sum| *sum = (*sum / seen).max(0.0));
    }
    (mean, variance)
}

/// `y = x * scale + shift (+ residual)`, cut at 0 if `relu`. `scale` and `shift` are per group and channel.
pub(super) fn apply<E: Sweeps>(
    x: &[E],
    residual: Option<&[E]>,
    [scale, shift]: [&[f32]; 2],
    relu: bool,
    rows: Rows,
    y: &mut [E],
) {
    let shared = Shared::new(y);
    byol_torch::parallel(rows.groups * rows.tasks_per_group(), |number| {
        let task = rows.task(number);
        let count = task.rows * rows.channels;
        let affine = [scale, shift].map(|figures| rows.of_group(figures, task.group));
        // SAFETY: every task has rows of its own.
        let y = unsafe { shared.part(task.begin, count) };
        let x = &x[task.begin..][..count];
        match (residual, relu) {
            (Some(residual), true) => E::apply::<true, true>(x, &residual[task.begin..][..count], affine, y),
            (Some(residual), false) => E::apply::<true, false>(x, &residual[task.begin..][..count], affine, y),
            (None, true) => E::apply::<false, true>(x, x, affine, y),
            (None, false) => E::apply::<false, false>(x, x, affine, y),
        }
    });
}

/// Per group and channel: the sum of the masked gradient `g`, and of `g * (x - mean)`.
pub(super) fn gradient_sums<E: Sweeps>(
    x: &[E],
    gradient: &[E],
    mask: Mask<E>,
    mean: &[f32],
    rows: Rows,
) -> (Vec<f64>, Vec<f64>) {
    let channels = rows.channels;
    let tasks = rows.groups * rows.tasks_per_group();
    let mut partial = vec![0f32; tasks * 2 * channels];
    let shared = Shared::new(&mut partial);
    byol_torch::parallel(tasks, |number| {
        let task = rows.task(number);
        let count = task.rows * channels;
        // SAFETY: every task has a part of its own.
        let (sums, products) = unsafe { shared.part(number * 2 * channels, 2 * channels) }.split_at_mut(channels);
        let [x, gradient] = [x, gradient].map(|values| &values[task.begin..][..count]);
        let mean = rows.of_group(mean, task.group);
        match mask {
            Mask::None => E::gradient_sum::<0>(x, gradient, x, [mean, mean, mean], sums, products),
            Mask::Recomputed { scale, shift } => {
                let [scale, shift] = [scale, shift].map(|figures| rows.of_group(figures, task.group));
                E::gradient_sum::<1>(x, gradient, x, [mean, scale, shift], sums, products);
            }
            Mask::Output(y) => {
                E::gradient_sum::<2>(x, gradient, &y[task.begin..][..count], [mean, mean, mean], sums, products);
            }
        }
    });
    fold(&partial, rows)
}

/// Adds the two sums of all tasks of each group.
pub(super) fn fold(partial: &[f32], rows: Rows) -> (Vec<f64>, Vec<f64>) {
    let channels = rows.channels;
    let (mut sums, mut products) = (vec![0f64; rows.figures()], vec![0f64; rows.figures()]);
    let tasks = partial.len() / (2 * channels).max(1);
    for (number, partial) in partial.chunks(2 * channels).enumerate() {
        let begin = number / (tasks / rows.groups) * channels;
        for channel in 0..channels {
            sums[begin + channel] += f64::from(partial[channel]);
            products[begin + channel] += f64::from(partial[channels + channel]);
        }
    }
    (sums, products)
}

/// What the gradient of the input is made of, per group and channel: `dx = gain * g + slope * (x - mean) + offset`.
pub(super) struct GradientFigures {
    pub mean: Vec<f32>,
    pub gain: Vec<f32>,
    pub slope: Vec<f32>,
    pub offset: Vec<f32>,
}

/// The gradient of the input, and the masked gradient where `masked` is wanted.
pub(super) fn input_gradient<E: Sweeps>(
    x: &[E],
    gradient: &[E],
    mask: Mask<E>,
    figures: &GradientFigures,
    rows: Rows,
    dx: &mut [E],
    masked: Option<&mut [E]>,
) {
    let shared = Shared::new(dx);
    let masked = masked.map(Shared::new);
    byol_torch::parallel(rows.groups * rows.tasks_per_group(), |number| {
        let task = rows.task(number);
        let count = task.rows * rows.channels;
        let of_group = |values: &[f32]| -> *const [f32] { rows.of_group(values, task.group) };
        // SAFETY: the figures outlive the task.
        let [mean, gain, slope, offset] =
            [&figures.mean, &figures.gain, &figures.slope, &figures.offset].map(|v| unsafe { &*of_group(v) });
        let [x, gradient] = [x, gradient].map(|values| &values[task.begin..][..count]);
        // SAFETY: every task has rows of its own, in either output.
        let dx = unsafe { shared.part(task.begin, count) };
        let masked: &mut [E] = match &masked {
            // SAFETY: as above.
            Some(masked) => unsafe { masked.part(task.begin, count) },
            None => &mut [],
        };
        let linear = [mean, gain, slope, offset];
        match mask {
            Mask::None => E::input_gradient::<0>(x, gradient, x, linear, [mean, mean], dx, masked),
            Mask::Recomputed { scale, shift } => {
                let affine = [scale, shift].map(|figures| rows.of_group(figures, task.group));
                E::input_gradient::<1>(x, gradient, x, linear, affine, dx, masked);
            }
            Mask::Output(y) => {
                let y = &y[task.begin..][..count];
                E::input_gradient::<2>(x, gradient, y, linear, [mean, mean], dx, masked);
            }
        }
    });
}

/// The inner loops, compiled for each type and several widths of vector. Slices hold whole rows; `MASK` is 0 for none,
/// 1 to recompute the output from the affine figures, 2 to read it from `y`.
pub(super) trait Sweeps: TensorElement {
    fn sum(x: &[Self], shift: &[f32], sums: &mut [f32], squares: &mut [f32]);
    fn apply<const ADD: bool, const RELU: bool>(x: &[Self], residual: &[Self], affine: [&[f32]; 2], y: &mut [Self]);
    fn gradient_sum<const MASK: u8>(
        x: &[Self],
        gradient: &[Self],
        y: &[Self],
        figures: [&[f32]; 3],
        sums: &mut [f32],
        products: &mut [f32],
    );
    fn input_gradient<const MASK: u8>(
        x: &[Self],
        gradient: &[Self],
        y: &[Self],
        linear: [&[f32]; 4],
        affine: [&[f32]; 2],
        dx: &mut [Self],
        masked: &mut [Self],
    );
}

macro_rules! sweeps {
    ($element:ty) => {
        impl Sweeps for $element {
            fn sum(x: &[Self], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide(x: &[$element], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
                    sum_rows(x, shift, sums, squares);
                }
                wide(x, shift, sums, squares);
            }

            fn apply<const ADD: bool, const RELU: bool>(x: &[Self], r: &[Self], affine: [&[f32]; 2], y: &mut [Self]) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide<const ADD: bool, const RELU: bool>(
                    x: &[$element],
                    r: &[$element],
                    affine: [&[f32]; 2],
                    y: &mut [$element],
                ) {
                    apply_rows::<$element, ADD, RELU>(x, r, affine, y);
                }
                wide::<ADD, RELU>(x, r, affine, y);
            }

            fn gradient_sum<const MASK: u8>(
                x: &[Self],
                gradient: &[Self],
                y: &[Self],
                figures: [&[f32]; 3],
                sums: &mut [f32],
                products: &mut [f32],
            ) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide<const MASK: u8>(
                    x: &[$element],
                    gradient: &[$element],
                    y: &[$element],
                    figures: [&[f32]; 3],
                    sums: &mut [f32],
                    products: &mut [f32],
                ) {
                    gradient_sum_rows::<$element, MASK>(x, gradient, y, figures, sums, products);
                }
                wide::<MASK>(x, gradient, y, figures, sums, products);
            }

            fn input_gradient<const MASK: u8>(
                x: &[Self],
                gradient: &[Self],
                y: &[Self],
                linear: [&[f32]; 4],
                affine: [&[f32]; 2],
                dx: &mut [Self],
                masked: &mut [Self],
            ) {
                #[multiversion(targets("x86_64+avx512f+avx512bw+avx512vl", "x86_64+avx2"))]
                fn wide<const MASK: u8>(
                    x: &[$element],
                    gradient: &[$element],
                    y: &[$element],
                    linear: [&[f32]; 4],
                    affine: [&[f32]; 2],
                    dx: &mut [$element],
                    masked: &mut [$element],
                ) {
                    input_gradient_rows::<$element, MASK>(x, gradient, y, linear, affine, dx, masked);
                }
                wide::<MASK>(x, gradient, y, linear, affine, dx, masked);
            }
        }
    };
}

sweeps!(f32);
sweeps!(bf16);

// No closures in the loops below: the compiler does not always take them into the versions for wide vectors.

/// Rows that are added up before their sum goes to memory.
const UNROLL: usize = 4;

/// Splits whole blocks of rows into their rows.
#[inline(always)]
fn four_rows<E>(block: &[E], channels: usize) -> [&[E]; UNROLL] {
    let (first, rest) = block.split_at(channels);
    let (second, rest) = rest.split_at(channels);
    let (third, fourth) = rest.split_at(channels);
    [first, second, third, &fourth[..channels]]
}

#[inline(always)]
fn sum_rows<E: Element>(x: &[E], shift: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    let channels = shift.len();
    let (sums, squares) = (&mut sums[..channels], &mut squares[..channels]);
    let blocks = x.chunks_exact(UNROLL * channels);
    let rest = blocks.remainder();
    for block in blocks {
        let [first, second, third, fourth] = four_rows(block, channels);
        for channel in 0..channels {
            let a = first[channel].load() - shift[channel];
            let b = second[channel].load() - shift[channel];
            let c = third[channel].load() - shift[channel];
            let d = fourth[channel].load() - shift[channel];
            sums[channel] += (a + b) + (c + d);
            squares[channel] += (a * a + b * b) + (c * c + d * d);
        }
    }
    for row in rest.chunks_exact(channels) {
        for channel in 0..channels {
            let value = row[channel].load() - shift[channel];
            sums[channel] += value;
            squares[channel] += value * value;
        }
    }
}

/// A NaN stays one.
#[inline(always)]
fn cut(value: f32) -> f32 {
    if value < 0.0 { 0.0 } else { value }
}

#[inline(always)]
fn apply_rows<E: Element, const ADD: bool, const RELU: bool>(
    x: &[E],
    residual: &[E],
    [scale, shift]: [&[f32]; 2],
    y: &mut [E],
) {
    let channels = scale.len();
    let shift = &shift[..channels];
    let rows = x.chunks_exact(channels).zip(residual.chunks_exact(channels)).zip(y.chunks_exact_mut(channels));
    for ((x, residual), y) in rows {
        for channel in 0..channels {
            let mut value = x[channel].load() * scale[channel] + shift[channel];
            if ADD {
                value += residual[channel].load();
            }
            y[channel] = E::store(if RELU { cut(value) } else { value });
        }
    }
}

/// The gradient of one value, 0 where the output was cut.
#[inline(always)]
fn masked_gradient<const MASK: u8>(gradient: f32, x: f32, y: f32, scale: f32, shift: f32) -> f32 {
    let output = match MASK {
        0 => return gradient,
        1 => x * scale + shift,
        _ => y,
    };
    if output <= 0.0 { 0.0 } else { gradient }
}

#[inline(always)]
fn gradient_sum_rows<E: Element, const MASK: u8>(
    x: &[E],
    gradient: &[E],
    y: &[E],
    [mean, scale, shift]: [&[f32]; 3],
    sums: &mut [f32],
    products: &mut [f32],
) {
    let channels = mean.len();
    let (scale, shift) = (&scale[..channels], &shift[..channels]);
    let (sums, products) = (&mut sums[..channels], &mut products[..channels]);
    let blocks = UNROLL * channels;
    let whole = x.len() / blocks * blocks;
    for begin in (0..whole).step_by(blocks) {
        let x = four_rows(&x[begin..begin + blocks], channels);
        let gradient = four_rows(&gradient[begin..begin + blocks], channels);
        let y = four_rows(&y[begin..begin + blocks], channels);
        let ([x0, x1, x2, x3], [g0, g1, g2, g3], [y0, y1, y2, y3]) = (x, gradient, y);
        for channel in 0..channels {
            let (scale, shift, mean) = (scale[channel], shift[channel], mean[channel]);
            let x0 = x0[channel].load();
            let x1 = x1[channel].load();
            let x2 = x2[channel].load();
            let x3 = x3[channel].load();
            let g0 = masked_gradient::<MASK>(g0[channel].load(), x0, y0[channel].load(), scale, shift);
            let g1 = masked_gradient::<MASK>(g1[channel].load(), x1, y1[channel].load(), scale, shift);
            let g2 = masked_gradient::<MASK>(g2[channel].load(), x2, y2[channel].load(), scale, shift);
            let g3 = masked_gradient::<MASK>(g3[channel].load(), x3, y3[channel].load(), scale, shift);
            sums[channel] += (g0 + g1) + (g2 + g3);
            products[channel] += (g0 * (x0 - mean) + g1 * (x1 - mean)) + (g2 * (x2 - mean) + g3 * (x3 - mean));
        }
    }
    let (x, gradient, y) = (&x[whole..], &gradient[whole..], &y[whole..]);
    let rows = x.chunks_exact(channels).zip(gradient.chunks_exact(channels)).zip(y.chunks_exact(channels));
    for ((x, gradient), y) in rows {
        for channel in 0..channels {
            let x = x[channel].load();
            let g =
                masked_gradient::<MASK>(gradient[channel].load(), x, y[channel].load(), scale[channel], shift[channel]);
            sums[channel] += g;
            products[channel] += g * (x - mean[channel]);
        }
    }
}

#[inline(always)]
fn input_gradient_rows<E: Element, const MASK: u8>(
    x: &[E],
    gradient: &[E],
    y: &[E],
    [mean, gain, slope, offset]: [&[f32]; 4],
    [scale, shift]: [&[f32]; 2],
    dx: &mut [E],
    masked: &mut [E],
) {
    let channels = mean.len();
    let (gain, slope, offset) = (&gain[..channels], &slope[..channels], &offset[..channels]);
    let (scale, shift) = (&scale[..channels], &shift[..channels]);
    let wanted = !masked.is_empty();
    for begin in (0..x.len()).step_by(channels) {
        let (x, gradient) = (&x[begin..begin + channels], &gradient[begin..begin + channels]);
        let (y, dx) = (&y[begin..begin + channels], &mut dx[begin..begin + channels]);
        if wanted {
            let masked = &mut masked[begin..begin + channels];
            for channel in 0..channels {
                let x = x[channel].load();
                let (gradient, y) = (gradient[channel].load(), y[channel].load());
                let g = masked_gradient::<MASK>(gradient, x, y, scale[channel], shift[channel]);
                masked[channel] = E::store(g);
                dx[channel] = E::store(gain[channel] * g + slope[channel] * (x - mean[channel]) + offset[channel]);
            }
        } else {
            for channel in 0..channels {
                let x = x[channel].load();
                let (gradient, y) = (gradient[channel].load(), y[channel].load());
                let g = masked_gradient::<MASK>(gradient, x, y, scale[channel], shift[channel]);
                dx[channel] = E::store(gain[channel] * g + slope[channel] * (x - mean[channel]) + offset[channel]);
            }
        }
    }
}
