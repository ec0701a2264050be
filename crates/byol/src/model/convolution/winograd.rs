//! Convolutions 3x3 with stride 1, in float32 on the CPU, in fewer multiplications than libtorch's: the arithmetic is in
//! `byol-kernels`, the threads are libtorch's. Twice the same bytes, on any number of threads.

use std::cell::RefCell;
use std::ops::Range;

use byol_kernels::winograd::{self, Direction, Filters, Finish, Grid, POINTS, Scratch};
use byol_torch::Wanted;
use tch::{Device, Kind, Tensor};

use super::{Window, rows_of};
use crate::model::slices::{Shared, values, values_mut};

/// Channels of either side below which transforming costs more than it brings.
const LEAST_CHANNELS: i64 = 32;
/// Times fewer multiplications, at least: tiles that reach far beyond small images have few.
const LEAST_GAIN: f64 = 2.0;
/// Tiles that a task transforms and multiplies at a time: enough rows for a matrix product, and what fits a core's cache.
const TASK_TILES: usize = 96;
/// Rows of points: what filters' gradients are divided by among threads.
const POINT_ROWS: usize = 6;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    /// What transformed filters, or their gradient, are kept in: tens of megabytes, which the system would bring anew each time.
    static POINTS_OF_FILTERS: RefCell<Vec<f32>> = RefCell::default();
}

/// A convolution that is computed so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Winograd {
    grid: Grid,
    /// Of inputs and outputs.
    channels: [usize; 2],
}

impl Winograd {
    /// None where libtorch is faster, or elsewhere than in float32 on the CPU.
    pub(super) fn of(input: &Tensor, weight: &Tensor, window: Window) -> Option<Winograd> {
        if (input.device(), input.kind()) != (Device::Cpu, Kind::Float) {
            return None;
        }
        let (_, _, height, width) = input.size4().ok()?;
        Winograd::of_sizes([height, width], weight, window)
    }

    fn of_sizes([height, width]: [i64; 2], weight: &Tensor, window: Window) -> Option<Winograd> {
        let (outputs, inputs, rows, columns) = weight.size4().ok()?;
        if (window.stride, window.padding, rows, columns) != (1, 1, 3, 3) || inputs.min(outputs) < LEAST_CHANNELS {
            return None;
        }
        let grid = Grid { height: height as usize, width: width as usize };
        let direct = 9 * grid.height * grid.width;
        let gain = direct as f64 / (POINTS * grid.down() * grid.across()) as f64;
        (gain >= LEAST_GAIN).then_some(Winograd { grid, channels: [inputs as usize, outputs as usize] })
    }

    pub(super) fn convolve(self, input: &Tensor, weight: &Tensor) -> Tensor {
        let (x, filters) = tch::no_grad(|| (rows_of(&input.detach()), rows_of(&weight.detach())));
        let output = self.through(&filters, Direction::Forward, &x);
        if !byol_torch::needs_gradient(&[input, weight]) {
            return output;
        }
        let wanted = Wanted { input: input.requires_grad(), weight: weight.requires_grad() };
        byol_torch::with_gradient(output, &[input, weight], move |gradient| {
            let gradient = rows_of(&gradient);
            vec![
                wanted.input.then(|| self.through(&filters, Direction::Backward, &gradient)),
                wanted.weight.then(|| self.filters_gradient(&x, &gradient)),
            ]
        })
    }

    /// `[batch, height, width, from]` to `[batch, to, height, width]`, channels last in memory.
    fn through(self, filters: &Tensor, direction: Direction, x: &Tensor) -> Tensor {
        let memory = POINTS_OF_FILTERS.take();
        let each = |panels: usize, panel: &(dyn Fn(usize) + Sync)| byol_torch::parallel(panels, panel);
        let filters = Filters::with(values(filters), self.channels, direction, memory, each);
        let mut y = self.empty(x.size()[0], filters.channels()[1]);
        self.compute(&filters, x, None, values_mut(&mut y));
        POINTS_OF_FILTERS.set(filters.into_memory());
        y.permute([0, 3, 1, 2])
    }

    fn empty(self, batch: i64, channels: usize) -> Tensor {
        let Grid { height, width } = self.grid;
        Tensor::empty([batch, height as i64, width as i64, channels as i64], (Kind::Float, Device::Cpu))
    }

    fn compute(self, filters: &Filters, x: &Tensor, finish: Option<Finish>, y: &mut [f32]) {
        let [from, to] = filters.channels();
        let (x, shared) = (values::<f32>(x), Shared::new(y));
        let rows = self.rows(x.len() / from);
        // As many for every thread.
        let threads = tch::get_num_threads().max(1) as usize;
        let tasks = rows.div_ceil((TASK_TILES / self.grid.across()).max(1)).next_multiple_of(threads);
        let per_task = rows.div_ceil(tasks).max(1);
        byol_torch::parallel(rows.div_ceil(per_task), |task| {
            let rows = part(rows, per_task, task);
            let [begin, end] = [rows.start, rows.end].map(|row| self.grid.pixels_before(row) * to);
            // SAFETY: every row of tiles has pixels of its own.
            let y = unsafe { shared.part(begin, end - begin) };
            SCRATCH.with_borrow_mut(|scratch| winograd::convolve(self.grid, filters, x, rows, scratch, finish, y));
        });
    }

    /// `[outputs, inputs, 3, 3]`, channels last in memory.
    fn filters_gradient(self, x: &Tensor, gradient: &Tensor) -> Tensor {
        let [inputs, outputs] = self.channels;
        let (x, gradient) = (values::<f32>(x), values::<f32>(gradient));
        let rows = self.rows(x.len() / inputs);
        let per_group = (TASK_TILES / self.grid.across()).max(1);
        let mut points = POINTS_OF_FILTERS.take();
        let in_a_row = POINTS / POINT_ROWS * outputs * inputs;
        if points.len() < POINT_ROWS * in_a_row {
            points.resize(POINT_ROWS * in_a_row, 0.0);
        }
        let shared = Shared::new(&mut points);
        let threads = tch::get_num_threads().max(1) as usize;
        let tasks = threads.min(POINT_ROWS);
        byol_torch::parallel(tasks, |task| {
            let vertical = task * POINT_ROWS / tasks..(task + 1) * POINT_ROWS / tasks;
            // SAFETY: every row of points has a part of its own.
            let sums = unsafe { shared.part(vertical.start * in_a_row, vertical.len() * in_a_row) };
            SCRATCH.with_borrow_mut(|scratch| {
                // Of no images the gradient is 0.
                for group in 0..rows.div_ceil(per_group).max(1) {
                    let (rows, vertical, add) = (part(rows, per_group, group), vertical.clone(), group > 0);
                    let (channels, of) = (self.channels, [x, gradient]);
                    winograd::points_gradient(self.grid, channels, of, rows, vertical, scratch, add, sums);
                }
            });
        });
        let size = [outputs as i64, 3, 3, inputs as i64];
        let mut result = Tensor::empty(size, (Kind::Float, Device::Cpu));
        let (of_output, shared) = (9 * inputs, Shared::new(values_mut(&mut result)));
        let per_task = outputs.div_ceil(threads);
        byol_torch::parallel(outputs.div_ceil(per_task), |task| {
            let outputs = part(outputs, per_task, task);
            // SAFETY: every output has a part of its own.
            let gradient = unsafe { shared.part(outputs.start * of_output, outputs.len() * of_output) };
            winograd::filters_gradient(&points[..POINT_ROWS * in_a_row], inputs, outputs, gradient);
        });
        POINTS_OF_FILTERS.set(points);
        result.permute([0, 3, 1, 2])
    }

    /// Rows of tiles in images of so many pixels together.
    fn rows(self, pixels: usize) -> usize {
        pixels / (self.grid.height * self.grid.width).max(1) * self.grid.down()
    }
}

/// One with a bias, whose filters are transformed once; no gradient goes through it.
#[derive(Debug)]
pub(crate) struct BiasedWinograd {
    winograd: Winograd,
    filters: Filters,
    bias: Vec<f32>,
}

impl BiasedWinograd {
    /// None where libtorch is faster.
    ///
    /// # Shapes
    /// `weight` is `[outputs, inputs, side, side]`, `bias` `[outputs]`, both float32 on the CPU; inputs will be `[batch, inputs, image, image]`.
    pub(crate) fn new(
        weight: &Tensor,
        bias: &Tensor,
        [stride, padding]: [i64; 2],
        image: i64,
    ) -> Option<BiasedWinograd> {
        let winograd = Winograd::of_sizes([image; 2], weight, Window { stride, padding })?;
        let filters = Filters::new(values(&rows_of(weight)), winograd.channels, Direction::Forward);
        Some(BiasedWinograd { winograd, filters, bias: values::<f32>(&bias.contiguous()).to_vec() })
    }

    /// The convolution of `input`, and ReLU if `relu`, channels last in memory.
    pub(crate) fn forward(&self, input: &Tensor, relu: bool) -> Tensor {
        let x = rows_of(input);
        let mut y = self.winograd.empty(x.size()[0], self.bias.len());
        let finish = Finish { bias: &self.bias, onto: false, relu };
        self.winograd.compute(&self.filters, &x, Some(finish), values_mut(&mut y));
        y.permute([0, 3, 1, 2])
    }

    /// `relu(convolution(input) + onto)`, in the memory of `onto`, which is channels last there.
    pub(crate) fn add_relu(&self, input: &Tensor, onto: Tensor) -> Tensor {
        let mut y = rows_of(&onto);
        let finish = Finish { bias: &self.bias, onto: true, relu: true };
        self.winograd.compute(&self.filters, &rows_of(input), Some(finish), values_mut(&mut y));
        y.permute([0, 3, 1, 2])
    }
}

/// The `number`-th of parts of `size`, of so many.
fn part(count: usize, size: usize, number: usize) -> Range<usize> {
    number * size..((number + 1) * size).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::convolution::{SharedRows, convolve};

    fn leaf(shape: [i64; 4], seed: f64, kind: Kind) -> Tensor {
        let count: i64 = shape.iter().product();
        // As good as random: of slow waves, sums are small and errors are not.
        let values = ((Tensor::arange(count, (Kind::Double, Device::Cpu)) * seed).sin() * 43_758.5).frac();
        values.view(shape).to_kind(kind).set_requires_grad(true)
    }

    /// Output and both gradients.
    fn results(input: [i64; 4], outputs: i64, kind: Kind) -> [Tensor; 3] {
        let (x, weight) = (leaf(input, 0.7, kind), leaf([outputs, input[1], 3, 3], 0.3, kind));
        let window = Window { stride: 1, padding: 1 };
        assert_eq!(Winograd::of(&x, &weight, window).is_some(), kind == Kind::Float, "{input:?}");
        let output = convolve(&x, &weight, window, &SharedRows::new());
        (&output * leaf([input[0], outputs, input[2], input[3]], 0.9, kind).detach()).sum(Kind::Double).backward();
        [output.detach(), x.grad(), weight.grad()]
    }

    /// Against libtorch's convolution in float64: within 3e-5 of the largest value, of sums of up to 4,608 products, where libtorch's own in float32 have some 1e-6.
    #[test]
    fn equals_libtorchs_in_float64() {
        for (input, outputs) in [
            ([3, 32, 4, 4], 32),
            ([2, 40, 7, 8], 33),
            ([5, 64, 3, 3], 48),
            ([2, 32, 13, 24], 64),
            ([3, 512, 8, 8], 32),
            ([40, 32, 16, 16], 32),
        ] {
            for (found, expected) in
                results(input, outputs, Kind::Float).iter().zip(results(input, outputs, Kind::Double))
            {
                assert_eq!(found.size(), expected.size());
                let error = (found - &expected).abs().max().double_value(&[]);
                let largest = expected.abs().max().double_value(&[]);
                assert!(error < 3e-5 * largest, "{input:?}: {error} of {largest}");
            }
        }
    }

    #[test]
    fn any_number_of_threads_gives_the_same_bytes() {
        let whole = tch::get_num_threads();
        let on = |threads| {
            tch::set_num_threads(threads);
            results([9, 32, 16, 12], 48, Kind::Float)
        };
        let (one, four) = (on(1), on(4));
        tch::set_num_threads(whole);
        assert_eq!(one, four);
    }

    #[test]
    fn few_channels_and_tiles_that_reach_far_beyond_are_libtorchs() {
        let of = |[channels, side]: [i64; 2], outputs: i64, stride: i64| {
            let input = Tensor::zeros([2, channels, side, side], (Kind::Float, Device::Cpu));
            let weight = Tensor::zeros([outputs, channels, 3, 3], (Kind::Float, Device::Cpu));
            Winograd::of(&input, &weight, Window { stride, padding: 1 }).is_some()
        };
        assert!(of([32, 16], 32, 1) && of([64, 6], 64, 1) && of([64, 3], 64, 1));
        assert!(!of([16, 16], 32, 1) && !of([32, 16], 16, 1) && !of([32, 16], 32, 2));
        assert!(!of([64, 2], 64, 1) && !of([64, 5], 64, 1));
    }
}
