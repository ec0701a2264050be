//! Batch norm with the stem's max-pooling behind it.

use super::{Figures, GradientFigures, OutputGradient, Rows, THREADS};
use crate::Argument::{Address as At, Integer, Long};
use crate::{Address, CudaError, Grid, Kernels};

/// The images before the stem's pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl Size {
    /// Height and width after pooling.
    pub fn pooled(self) -> Size {
        Size { height: self.height.div_ceil(2), width: self.width.div_ceil(2) }
    }

    fn pixels(self) -> usize {
        self.height * self.width
    }
}

impl Rows {
    /// Rows in each group after pooling images of `size`.
    fn pooled_rows(&self, size: Size) -> usize {
        self.per_group / size.pixels() * size.pooled().pixels()
    }

    /// One thread for each vector of channels of `pixels` pixels, as far as the device has use for them.
    fn flat(&self, kernels: &Kernels, pixels: usize) -> Grid {
        let blocks = (pixels * self.vectors()).div_ceil(THREADS).clamp(1, kernels.multiprocessors as usize * 32);
        Grid { blocks: [blocks as u32, 1, 1], threads: [THREADS as u32, 1, 1] }
    }

    /// `y = max over 3x3 windows of relu(x * scale + shift)`, with stride 2 and padding 1, the `x` that each came from, and
    /// where in its window that lies. `maxima` may be 0.
    ///
    /// # Safety
    /// `x` has the rows of `self`, images of `size`; `y`, `maxima` and `positions` (uint8) a quarter of it.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn pool(
        &self,
        kernels: &Kernels,
        size: Size,
        x: Address,
        [scale, shift]: [Address; 2],
        [y, maxima, positions]: [Address; 3],
    ) -> Result<(), CudaError> {
        let per_group = self.pooled_rows(size);
        let arguments = [
            At(x),
            Integer(size.height as i32),
            Integer(size.width as i32),
            Integer(self.channels as i32),
            Long((self.groups * per_group) as i64),
            Long(per_group as i64),
            At(scale),
            At(shift),
            At(y),
            At(maxima),
            At(positions),
        ];
        let grid = self.flat(kernels, self.groups * per_group);
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(self.names().pool, grid, &arguments) }
    }

    /// As [`Rows::gradient_figures`], after [`Rows::pool`].
    ///
    /// # Safety
    /// `maxima` is what [`Rows::pool`] wrote; `gradient` is of the pooled size, `scratch` of [`Rows::scratch`].
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn pool_gradient_figures(
        &self,
        kernels: &Kernels,
        size: Size,
        [maxima, gradient]: [Address; 2],
        figures: Figures,
        scratch: Address,
        results: GradientFigures,
    ) -> Result<(), CudaError> {
        let outputs = Rows { per_group: self.pooled_rows(size), ..*self };
        let output = OutputGradient::Relu(gradient);
        // SAFETY: the caller's promise; fewer rows need no more scratch memory.
        let chunks = unsafe { outputs.gradient_sums(kernels, maxima, output, figures, scratch) }?;
        // SAFETY: as above.
        unsafe { self.finish_gradient(kernels, chunks, figures, scratch, results) }
    }

    /// The gradient of the input, after [`Rows::pool`].
    ///
    /// # Safety
    /// As [`Rows::pool`]; `gradient` is of the pooled size, and `dx` has the rows of `self`.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn pool_input_gradient(
        &self,
        kernels: &Kernels,
        size: Size,
        [x, gradient, positions]: [Address; 3],
        figures: Figures,
        gradient_figures: GradientFigures,
        dx: Address,
    ) -> Result<(), CudaError> {
        let outputs = self.pooled_rows(size);
        let arguments = [
            At(x),
            At(gradient),
            At(positions),
            Integer(size.height as i32),
            Integer(size.width as i32),
            Integer(self.channels as i32),
            Long((self.groups * outputs) as i64),
            Long(outputs as i64),
            At(figures.mean),
            At(figures.scale),
            At(gradient_figures.slope),
            At(gradient_figures.offset),
            At(dx),
        ];
        let grid = self.flat(kernels, self.groups * outputs);
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(self.names().pool_input_gradient, grid, &arguments) }
    }
}
