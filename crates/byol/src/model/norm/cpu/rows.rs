//! Batch norm over rows of channels, in tasks on libtorch's threads: statistics, and the sweeps of both directions, whose
//! loops are in `byol-kernels`.

use byol_kernels::norm::rows::{Linear, Mask, RowSweeps};

use crate::model::slices::Shared;

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

/// The part of a mask that belongs to a task of `count` values.
fn of_task<'a, E>(mask: Mask<'a, E>, rows: &Rows, task: Task, count: usize) -> Mask<'a, E> {
    match mask {
        Mask::None => Mask::None,
        Mask::Recomputed { scale, shift } => {
            Mask::Recomputed { scale: rows.of_group(scale, task.group), shift: rows.of_group(shift, task.group) }
        }
        Mask::Output(y) => Mask::Output(&y[task.begin..][..count]),
    }
}

/// Mean and biased variance of every group and channel.
pub(super) fn statistics<E: RowSweeps>(x: &[E], rows: Rows) -> (Vec<f64>, Vec<f64>) {
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
pub(super) fn apply<E: RowSweeps>(
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
        E::apply(x, residual.map(|residual| &residual[task.begin..][..count]), affine, relu, y);
    });
}

/// Per group and channel: the sum of the masked gradient `g`, and of `g * (x - mean)`.
pub(super) fn gradient_sums<E: RowSweeps>(
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
        E::gradient_sum(x, gradient, of_task(mask, &rows, task, count), mean, sums, products);
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

impl GradientFigures {
    pub(super) fn of_group(&self, rows: &Rows, group: usize) -> Linear<'_> {
        let [mean, gain, slope, offset] =
            [&self.mean, &self.gain, &self.slope, &self.offset].map(|figures| rows.of_group(figures, group));
        Linear { mean, gain, slope, offset }
    }
}

/// The gradient of the input, and the masked gradient where `masked` is wanted.
pub(super) fn input_gradient<E: RowSweeps>(
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
        let [x, gradient] = [x, gradient].map(|values| &values[task.begin..][..count]);
        // SAFETY: every task has rows of its own, in either output.
        let dx = unsafe { shared.part(task.begin, count) };
        let masked: &mut [E] = match &masked {
            // SAFETY: as above.
            Some(masked) => unsafe { masked.part(task.begin, count) },
            None => &mut [],
        };
        let linear = figures.of_group(&rows, task.group);
        E::input_gradient(x, gradient, of_task(mask, &rows, task, count), linear, dx, masked);
    });
}
