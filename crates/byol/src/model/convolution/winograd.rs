//! Convolutions 3x3 with stride 1, in float32 on the CPU, in fewer multiplications than libtorch's: the arithmetic is in
//! `byol-kernels`, the threads are libtorch's. Twice the same bytes, on any number of threads.

mod filters;

use std::cell::RefCell;
use std::ops::Range;

use byol_kernels::winograd::{self, Direction, Filters, Finish, Grid, PointsPart, Scratch, Transform};
use byol_torch::Wanted;
use tch::{Device, Kind, Tensor};

pub(crate) use self::filters::{Together, transform_with};
use self::filters::{with_filters, with_memory};
use super::{Window, rows_of};
use crate::model::slices::{Shared, values, values_mut};

/// Channels of either side below which transforming costs more than it brings.
const LEAST_CHANNELS: i64 = 32;
/// Times fewer multiplications, at least: tiles that reach far beyond small images have few.
const LEAST_GAIN: f64 = 2.0;
/// Tiles that a task transforms and multiplies at a time: enough rows for a matrix product, and what fits a core's cache.
const TASK_TILES: usize = 96;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
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
        let grid = Grid::of(height as usize, width as usize);
        let gain = (9 * height * width) as f64 / grid.multiplications() as f64;
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
        with_filters(filters, Transform::new(self.grid.tile(), self.channels, direction), |filters| {
            let mut y = self.empty(x.size()[0], filters.channels()[1]);
            self.compute(filters, x, None, values_mut(&mut y));
            y.permute([0, 3, 1, 2])
        })
    }

    fn empty(self, batch: i64, channels: usize) -> Tensor {
        let [height, width] = [self.grid.height(), self.grid.width()].map(|length| length as i64);
        Tensor::empty([batch, height, width, channels as i64], (Kind::Float, Device::Cpu))
    }

    fn compute(self, filters: Filters, x: &Tensor, finish: Option<Finish>, y: &mut [f32]) {
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
            SCRATCH.with_borrow_mut(|scratch| winograd::convolve(self.grid, &filters, x, rows, scratch, finish, y));
        });
    }

    /// `[outputs, inputs, 3, 3]`, channels last in memory.
    fn filters_gradient(self, x: &Tensor, gradient: &Tensor) -> Tensor {
        let [inputs, outputs] = self.channels;
        let tile = self.grid.tile();
        let threads = tch::get_num_threads().max(1) as usize;
        let mut result = Tensor::empty([outputs as i64, 3, 3, inputs as i64], (Kind::Float, Device::Cpu));
        with_memory(tile.points() * outputs * inputs, |points| {
            self.points_gradient([values(x), values(gradient)], threads, points);
            let (of_output, shared) = (9 * inputs, Shared::new(values_mut(&mut result)));
            let per_task = outputs.div_ceil(threads);
            byol_torch::parallel(outputs.div_ceil(per_task), |task| {
                let outputs = part(outputs, per_task, task);
                // SAFETY: every output has a part of its own.
                let gradient = unsafe { shared.part(outputs.start * of_output, outputs.len() * of_output) };
                winograd::filters_gradient(tile, points, inputs, outputs, gradient);
            });
        });
        result.permute([0, 3, 1, 2])
    }

    /// `points` becomes `[points, outputs, inputs]`.
    fn points_gradient(self, [x, gradient]: [&[f32]; 2], threads: usize, points: &mut [f32]) {
        let [inputs, outputs] = self.channels;
        let (rows, edge) = (self.rows(x.len() / inputs), self.grid.tile().edge());
        let per_group = (TASK_TILES / self.grid.across()).max(1);
        let shared = Shared::new(points);
        byol_torch::parallel(threads, |task| {
            for of_task in parts_of_points(edge, outputs, threads, task) {
                let sums = |point: usize| {
                    let begin = ((of_task.vertical.start * edge + point) * outputs + of_task.outputs.start) * inputs;
                    // SAFETY: no outputs of a point are in two parts.
                    unsafe { shared.part(begin, of_task.outputs.len() * inputs) }
                };
                SCRATCH.with_borrow_mut(|scratch| {
                    // Of no images the gradient is 0.
                    for group in 0..rows.div_ceil(per_group).max(1) {
                        let (rows, add) = (part(rows, per_group, group), group > 0);
                        let of = [x, gradient];
                        winograd::points_gradient(self.grid, self.channels, of, rows, &of_task, scratch, add, sums);
                    }
                });
            }
        });
    }

    /// Rows of tiles in images of so many pixels together.
    fn rows(self, pixels: usize) -> usize {
        pixels / (self.grid.height() * self.grid.width()).max(1) * self.grid.down()
    }
}

/// One with a bias, whose filters are transformed once; no gradient goes through it.
#[derive(Debug)]
pub(crate) struct BiasedWinograd {
    winograd: Winograd,
    transform: Transform,
    points: Vec<f32>,
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
        let transform = Transform::new(winograd.grid.tile(), winograd.channels, Direction::Forward);
        let points = transform.all(values(&rows_of(weight)));
        Some(BiasedWinograd { winograd, transform, points, bias: values::<f32>(&bias.contiguous()).to_vec() })
    }

    /// The convolution of `input`, and ReLU if `relu`, channels last in memory.
    pub(crate) fn forward(&self, input: &Tensor, relu: bool) -> Tensor {
        let x = rows_of(input);
        let mut y = self.winograd.empty(x.size()[0], self.bias.len());
        let finish = Finish { bias: &self.bias, onto: false, relu };
        self.winograd.compute(self.filters(), &x, Some(finish), values_mut(&mut y));
        y.permute([0, 3, 1, 2])
    }

    /// `relu(convolution(input) + onto)`, in the memory of `onto`, which is channels last there.
    pub(crate) fn add_relu(&self, input: &Tensor, onto: Tensor) -> Tensor {
        let mut y = rows_of(&onto);
        let finish = Finish { bias: &self.bias, onto: true, relu: true };
        self.winograd.compute(self.filters(), &rows_of(input), Some(finish), values_mut(&mut y));
        y.permute([0, 3, 1, 2])
    }

    fn filters(&self) -> Filters<'_> {
        Filters::new(self.transform, &self.points)
    }
}

/// The `number`-th of parts of `size`, of so many.
fn part(count: usize, size: usize, number: usize) -> Range<usize> {
    number * size..((number + 1) * size).min(count)
}

/// The gradient of points, `edge` rows of them with so many outputs, divided among tasks evenly: whole rows, and where they do not come out
/// even, some outputs of rows.
fn parts_of_points(edge: usize, outputs: usize, tasks: usize, task: usize) -> Vec<PointsPart> {
    let pieces = (1..tasks).find(|pieces| (edge * pieces).is_multiple_of(tasks)).unwrap_or(tasks);
    let (per_task, of_piece) = (edge * pieces / tasks, |piece: usize| piece * outputs / pieces);
    let (mut at, end) = (task * per_task, (task + 1) * per_task);
    let mut parts = Vec::new();
    while at < end {
        let (row, piece) = (at / pieces, at % pieces);
        let whole = (end - at) / pieces;
        if piece == 0 && whole > 0 {
            parts.push(PointsPart { vertical: row..row + whole, outputs: 0..outputs });
            at += whole * pieces;
        } else {
            let stop = end.min((row + 1) * pieces);
            parts.push(PointsPart { vertical: row..row + 1, outputs: of_piece(piece)..of_piece(stop - row * pieces) });
            at = stop;
        }
    }
    parts.retain(|part| !part.outputs.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::convolution::{SharedRows, convolve};

    /// Every output of every point is in one part, and no task has more than another but by rounding.
    #[test]
    fn points_are_divided_evenly() {
        for (edge, outputs, tasks) in
            [(5, 64, 2), (6, 64, 2), (5, 33, 4), (6, 40, 16), (5, 3, 7), (6, 64, 1), (5, 64, 5)]
        {
            let mut seen = vec![0; edge * outputs];
            for task in 0..tasks {
                let mut count = 0;
                for part in parts_of_points(edge, outputs, tasks, task) {
                    for row in part.vertical {
                        part.outputs.clone().for_each(|output| seen[row * outputs + output] += 1);
                        count += part.outputs.len();
                    }
                }
                let even = edge * outputs / tasks;
                assert!(count.abs_diff(even) <= edge, "{edge}, {outputs}, {tasks}: {count} of {even}");
            }
            assert!(seen.iter().all(|&times| times == 1), "{edge}, {outputs}, {tasks}");
        }
    }

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
            ([7, 64, 6, 6], 96),
            ([130, 33, 5, 9], 40),
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
        assert!(of([32, 16], 32, 1) && of([64, 6], 64, 1) && of([64, 5], 64, 1) && of([64, 3], 64, 1));
        assert!(!of([16, 16], 32, 1) && !of([32, 16], 16, 1) && !of([32, 16], 32, 2));
        assert!(!of([64, 2], 64, 1) && !of([64, 1], 64, 1));
    }
}
