//! Launching the kernel that unfolds the windows of a convolution into rows (`kernels/unfold.cu`).

use crate::Argument::{Address as At, Integer};
use crate::{Address, CudaError, Grid, Kernels};

const NAME: &str = "byol_unfold_bf16";

/// Threads of a block, at most.
const THREADS: usize = 256;

/// The names of the kernels here.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    [NAME].into_iter()
}

/// Images, `[batch, height, width, channels]` in bfloat16, and the square windows over them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfold {
    /// Number of images.
    pub batch: usize,
    /// Rows of pixels of an image.
    pub height: usize,
    /// Columns of pixels of an image.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Side of the windows in pixels.
    pub side: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Zeros on each side of an image, in pixels.
    pub padding: usize,
}

impl Unfold {
    /// Height and width of the convolution's output.
    pub fn output(&self) -> [usize; 2] {
        [self.height, self.width].map(|length| (length + 2 * self.padding - self.side) / self.stride + 1)
    }

    /// Columns of the matrix: the values of a window, filled up to a multiple of 8.
    pub fn columns(&self) -> usize {
        (self.side * self.side * self.channels).next_multiple_of(8)
    }

    /// Writes the matrix, bfloat16 `[batch * output height * output width, columns]`.
    ///
    /// # Safety
    /// The addresses lead to memory of this device of these sizes.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn launch(&self, kernels: &Kernels, x: Address, unfolded: Address) -> Result<(), CudaError> {
        let [height, width] = self.output();
        let small = |length: usize| Integer(length as i32);
        let arguments = [
            At(x),
            small(self.height),
            small(self.width),
            small(self.channels),
            small(self.side),
            small(self.stride),
            small(self.padding),
            small(height),
            small(width),
            small(self.columns()),
            At(unfolded),
        ];
        // Vectors of 8 columns by as many rows as a block has threads for.
        let across = (self.columns() / 8).min(THREADS);
        let grid = Grid {
            blocks: [(self.batch * height) as u32, 1, 1],
            threads: [across, THREADS / across, 1].map(|length| length as u32),
        };
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(NAME, grid, &arguments) }
    }
}
