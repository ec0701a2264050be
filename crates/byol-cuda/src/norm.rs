//! Launching the kernels of batch norm (`kernels/norm.cu`). They see rows of channels, `[rows, channels]`, and groups of
//! rows that are normalised separately. With pooling behind them: `pooling`.

mod names;
mod pooling;

use names::FINISH_GRADIENT;
pub(crate) use names::names;
pub use pooling::Size;

use crate::Argument::{Address as At, Float, Integer, Long};
use crate::{Address, Argument, CudaError, Grid, Kernels};

/// The type of activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// float32.
    F32,
    /// bfloat16.
    Bf16,
}

/// The rows that a batch norm sees. Figures (means, scales, ...) are float32 `[groups, channels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The type of the rows.
    pub element: Element,
    /// Values in a row.
    pub channels: usize,
    /// Groups of rows, which are normalised separately.
    pub groups: usize,
    /// Rows in each group.
    pub per_group: usize,
}

/// A batch norm's numbers in the device's memory, float32 `[channels]`; the running ones are moved.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// Factor on normalised values.
    pub weight: Address,
    /// Added to them after that.
    pub bias: Address,
    /// Running mean of the input.
    pub running_mean: Address,
    /// Running variance of the input.
    pub running_variance: Address,
    /// Share of the batch's statistics in the running ones, 0-1.
    pub momentum: f32,
    /// Added to the variance, above 0.
    pub epsilon: f32,
}

/// What normalises a batch, float32 `[groups, channels]`: `y = x * scale + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    /// Mean of each group and channel.
    pub mean: Address,
    /// 1 / sqrt(variance + epsilon)
    pub inverse: Address,
    /// `weight * inverse`.
    pub scale: Address,
    /// `bias - mean * scale`.
    pub shift: Address,
}

/// The gradient of a batch norm's output, by what follows the norm.
#[derive(Clone, Copy, Debug)]
pub enum OutputGradient {
    /// Nothing that cuts.
    Whole(Address),
    /// ReLU: it is 0 where `x * scale + shift` is not positive.
    Relu(Address),
    /// ReLU of a sum: it is 0 where the output is not positive.
    AddRelu {
        /// The gradient of the output, as many values as the output.
        gradient: Address,
        /// What is added to it first; 0 for nothing.
        second: Address,
        /// The output, whose zeros cut the gradient.
        output: Address,
        /// Where the sum is written once it is cut.
        masked: Address,
    },
}

/// What the gradients of weight and bias are written to, float32 `[channels]`, and the figures of the input's gradient,
/// float32 `[groups, channels]`: `dx = scale * g + slope * (x - mean) + offset`.
#[derive(Clone, Copy, Debug)]
pub struct GradientFigures {
    /// The gradient of the weight.
    pub weight: Address,
    /// The gradient of the bias.
    pub bias: Address,
    /// Factor on the centred input.
    pub slope: Address,
    /// Added to every value.
    pub offset: Address,
}

/// Threads of a block.
const THREADS: usize = 256;
/// Blocks of the kernels that add that a multiprocessor runs at once, as `norm.cu` sees to.
const AT_ONCE: usize = 3;
/// Channel vectors that a block covers at most.
const TILE: usize = 32;

impl Rows {
    fn vectors(&self) -> usize {
        self.channels / self.names().width
    }

    /// Rows of channels by channel vectors; `rows` of each group in `chunks` chunks.
    fn grid(&self, chunks: usize) -> Grid {
        let across = self.vectors().next_power_of_two().min(TILE);
        let tiles = self.vectors().div_ceil(across);
        Grid {
            blocks: [chunks, self.groups, tiles].map(|length| length as u32),
            threads: [across, THREADS / across, 1].map(|length| length as u32),
        }
    }

    /// Chunks that `rows` rows of each group are swept in: enough blocks for the device, and some rows for each.
    fn chunks(&self, kernels: &Kernels, rows: usize, blocks_per_multiprocessor: usize) -> usize {
        let grid = self.grid(1);
        let [_, groups, tiles] = grid.blocks.map(|length| length as usize);
        let wanted = (kernels.multiprocessors as usize * blocks_per_multiprocessor).div_ceil(groups * tiles);
        let lines = rows.div_ceil(grid.threads[1] as usize);
        wanted.clamp(1, lines.max(1))
    }

    /// Chunks of the kernels that add: as many blocks as run at once, so that all end together.
    fn adding_chunks(&self, kernels: &Kernels, rows: usize) -> usize {
        self.chunks(kernels, rows, AT_ONCE)
    }

    /// Chunks of the kernels that write.
    fn writing_chunks(&self, kernels: &Kernels) -> usize {
        self.chunks(kernels, self.per_group, 16)
    }

    /// Float32 values of scratch memory that any of these operations needs.
    pub fn scratch(&self, kernels: &Kernels) -> usize {
        self.groups * self.adding_chunks(kernels, self.per_group) * 2 * self.channels
    }

    /// `FINISHED` channels by `LANES` chunks.
    fn finishing(&self) -> Grid {
        Grid { blocks: [self.channels.div_ceil(8) as u32, 1, 1], threads: [8, 128, 1] }
    }

    fn whole_numbers(&self) -> [Argument; 2] {
        [Long(self.per_group as i64), Integer(self.channels as i32)]
    }

    /// The figures of a batch from its own statistics, of which the running ones take their share.
    ///
    /// # Safety
    /// `x` has `groups * per_group` rows of channels, `scratch` is of [`Rows::scratch`], the rest as documented.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn statistics(
        &self,
        kernels: &Kernels,
        x: Address,
        parameters: Parameters,
        scratch: Address,
        figures: Figures,
    ) -> Result<(), CudaError> {
        let chunks = self.adding_chunks(kernels, self.per_group);
        let [rows, channels] = self.whole_numbers();
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(self.names().sums, self.grid(chunks), &[At(x), rows, channels, At(scratch)]) }?;
        let Parameters { weight, bias, running_mean, running_variance, momentum, epsilon } = parameters;
        let arguments = [
            At(scratch),
            At(x),
            rows,
            Integer(self.groups as i32),
            Integer(chunks as i32),
            channels,
            At(weight),
            At(bias),
            At(running_mean),
            At(running_variance),
            Float(momentum),
            Float(epsilon),
            At(figures.mean),
            At(figures.inverse),
            At(figures.scale),
            At(figures.shift),
        ];
        // SAFETY: as above.
        unsafe { kernels.launch(self.names().finish, self.finishing(), &arguments) }
    }

    /// `y = x * scale + shift (+ residual)`, cut at 0 if `relu`. A `residual` of 0 is none.
    ///
    /// # Safety
    /// `x`, `residual` and `y` have the rows of `self`.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn apply(
        &self,
        kernels: &Kernels,
        x: Address,
        residual: Address,
        [scale, shift]: [Address; 2],
        relu: bool,
        y: Address,
    ) -> Result<(), CudaError> {
        let [rows, channels] = self.whole_numbers();
        let arguments = [At(x), At(residual), rows, channels, At(scale), At(shift), Integer(i32::from(relu)), At(y)];
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(self.names().apply, self.grid(self.writing_chunks(kernels)), &arguments) }
    }

    /// The gradients of weight and bias and the figures of the input's.
    ///
    /// # Safety
    /// `x` and what `output` leads to have the rows of `self`; `scratch` is of [`Rows::scratch`].
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn gradient_figures(
        &self,
        kernels: &Kernels,
        x: Address,
        output: OutputGradient,
        figures: Figures,
        scratch: Address,
        results: GradientFigures,
    ) -> Result<(), CudaError> {
        // SAFETY: the caller's promise.
        let chunks = unsafe { self.gradient_sums(kernels, x, output, figures, scratch) }?;
        // SAFETY: as above.
        unsafe { self.finish_gradient(kernels, chunks, figures, scratch, results) }
    }

    /// Returns how many chunks the sums are of.
    unsafe fn gradient_sums(
        &self,
        kernels: &Kernels,
        x: Address,
        output: OutputGradient,
        figures: Figures,
        scratch: Address,
    ) -> Result<usize, CudaError> {
        let chunks = self.adding_chunks(kernels, self.per_group);
        let [rows, channels] = self.whole_numbers();
        let Figures { mean, scale, shift, .. } = figures;
        let (name, arguments) = match output {
            OutputGradient::Whole(gradient) => {
                let arguments = vec![At(x), At(gradient), rows, channels, At(mean), At(scratch)];
                (self.names().gradient_sums, arguments)
            }
            OutputGradient::Relu(gradient) => {
                let arguments = vec![At(x), At(gradient), rows, channels, At(mean), At(scale), At(shift), At(scratch)];
                (self.names().relu_gradient_sums, arguments)
            }
            OutputGradient::AddRelu { gradient, second, output, masked } => {
                let arguments = vec![
                    At(x),
                    At(gradient),
                    At(second),
                    At(output),
                    rows,
                    channels,
                    At(mean),
                    At(masked),
                    At(scratch),
                ];
                (self.names().add_relu_gradient_sums, arguments)
            }
        };
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(name, self.grid(chunks), &arguments) }?;
        Ok(chunks)
    }

    unsafe fn finish_gradient(
        &self,
        kernels: &Kernels,
        chunks: usize,
        figures: Figures,
        scratch: Address,
        results: GradientFigures,
    ) -> Result<(), CudaError> {
        let arguments = [
            At(scratch),
            Long(self.per_group as i64),
            Integer(self.groups as i32),
            Integer(chunks as i32),
            Integer(self.channels as i32),
            At(figures.inverse),
            At(figures.scale),
            At(results.weight),
            At(results.bias),
            At(results.slope),
            At(results.offset),
        ];
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(FINISH_GRADIENT, self.finishing(), &arguments) }
    }

    /// The gradient of the input from that of the output, which is still to be cut after a `relu` alone; after one of a sum
    /// it is what was written to `masked`.
    ///
    /// # Safety
    /// As [`Rows::gradient_figures`]; `dx` has the rows of `self`.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn input_gradient(
        &self,
        kernels: &Kernels,
        [x, gradient]: [Address; 2],
        relu: bool,
        figures: Figures,
        gradient_figures: GradientFigures,
        dx: Address,
    ) -> Result<(), CudaError> {
        let [rows, channels] = self.whole_numbers();
        let arguments = [
            At(x),
            At(gradient),
            rows,
            channels,
            At(figures.mean),
            At(figures.scale),
            At(figures.shift),
            At(gradient_figures.slope),
            At(gradient_figures.offset),
            At(dx),
        ];
        let name = if relu { self.names().relu_input_gradient } else { self.names().input_gradient };
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(name, self.grid(self.writing_chunks(kernels)), &arguments) }
    }
}
