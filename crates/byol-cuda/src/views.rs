//! Launching the kernel that renders augmented views (`kernels/views.cu`).

use crate::Argument::{Address as At, Integer, Long};
use crate::norm::Element;
use crate::{Address, CudaError, Grid, Kernels};

/// One step on a view's colours, and its amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ColorStep {
    /// Multiplies by a factor.
    Brightness(f32),
    /// Multiplies the difference from the image's mean gray by a factor.
    Contrast(f32),
    /// Multiplies the difference from the pixel's gray by a factor.
    Saturation(f32),
    /// Turns the hue by a share of the colour circle, -0.5 to 0.5.
    Hue(f32),
    /// Replaces the colour by its gray.
    Grayscale,
}

/// Colour steps of a view at most.
pub const MOST_STEPS: usize = 5;

/// What happens to one view; `struct View` of the kernel. Lengths are in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct View {
    /// First byte of the image, uint8 `[3, height, width]`.
    pub image: i64,
    /// Columns of the image.
    pub width: i32,
    /// Rows of the image.
    pub height: i32,
    /// Columns left of the crop.
    pub left: i32,
    /// Rows above the crop.
    pub top: i32,
    /// Columns of the crop.
    pub crop_width: i32,
    /// Rows of the crop.
    pub crop_height: i32,
    /// 1 if left and right change places.
    pub flip: i32,
    step_count: i32,
    steps: [i32; MOST_STEPS],
    amounts: [f32; MOST_STEPS],
    /// Pixels of the kernel on each side of its centre, below the view's side; 0 for no blur.
    pub blur_radius: i32,
    /// Standard deviation of the blur in pixels of the view, above 0.
    pub blur_sigma: f32,
    /// Levels from here on are inverted; 256 for none.
    pub solarize: i32,
    /// Makes the size a multiple of the alignment.
    padding: i32,
}

impl View {
    /// The plain crop of an image that begins at byte `image`.
    pub fn crop(image: usize, [width, height]: [usize; 2], [left, top, crop_width, crop_height]: [usize; 4]) -> View {
        let small = |length: usize| length as i32;
        View {
            image: image as i64,
            width: small(width),
            height: small(height),
            left: small(left),
            top: small(top),
            crop_width: small(crop_width),
            crop_height: small(crop_height),
            flip: 0,
            step_count: 0,
            steps: [0; MOST_STEPS],
            amounts: [0.0; MOST_STEPS],
            blur_radius: 0,
            blur_sigma: 1.0,
            solarize: 256,
            padding: 0,
        }
    }

    /// Adds a colour step after those there are, of which there may be [`MOST_STEPS`].
    pub fn push(&mut self, step: ColorStep) {
        let (kind, amount) = match step {
            ColorStep::Brightness(factor) => (1, factor),
            ColorStep::Contrast(factor) => (2, factor),
            ColorStep::Saturation(factor) => (3, factor),
            ColorStep::Hue(turn) => (4, turn),
            ColorStep::Grayscale => (5, 0.0),
        };
        let place = self.step_count as usize;
        self.steps[place] = kind;
        self.amounts[place] = amount;
        self.step_count += 1;
    }

    /// The bytes that travel to the device.
    pub fn bytes(views: &[View]) -> &[u8] {
        // SAFETY: the struct is plain numbers without gaps: eight bytes, then twenty-one times four, and four of padding.
        unsafe { std::slice::from_raw_parts(views.as_ptr().cast(), size_of_val(views)) }
    }
}

/// Bytes of scratch memory for one view; the sum of the kernel's `scratch_of`.
pub fn scratch_bytes(side: usize, crop_width: usize, crop_height: usize) -> usize {
    let taps = |input: usize| {
        let scale = (input as f64 / side as f64).max(1.0);
        input.min((4.0 * scale).ceil() as usize)
    };
    let parts = [
        4 * side,
        4 * side,
        4 * side * taps(crop_width),
        4 * side * taps(crop_height),
        4 * side,
        3 * crop_height * side,
        3 * side * side,
        6 * side * side,
    ];
    parts.iter().map(|bytes| bytes.next_multiple_of(16)).sum()
}

/// The names of the kernels here.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ["byol_views_f32", "byol_views_bf16"].into_iter()
}

/// A batch of views.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Images in the device's memory.
    pub images: Address,
    /// So many [`View`]s in the device's memory.
    pub views: Address,
    /// Number of views.
    pub count: usize,
    /// Side of the views.
    pub side: usize,
    /// Factors on levels 0-255, then what is added, float32 `[2, 3]` in the device's memory.
    pub normalization: Address,
    /// `count` times `scratch_stride` bytes, which is at least [`scratch_bytes`] of every view and a multiple of 16.
    pub scratch: Address,
    /// Bytes from one view's scratch memory to the next's.
    pub scratch_stride: usize,
    /// The type of the output.
    pub element: Element,
    /// `[count, side, side, 3]` in the device's memory.
    pub output: Address,
}

impl Batch {
    /// Renders the views.
    ///
    /// # Safety
    /// The addresses lead to memory of this device of the sizes that are documented, and every view's crop lies in its
    /// image.
    ///
    /// # Errors
    /// The driver refuses.
    pub unsafe fn render(&self, kernels: &Kernels) -> Result<(), CudaError> {
        let name = match self.element {
            Element::F32 => "byol_views_f32",
            Element::Bf16 => "byol_views_bf16",
        };
        let grid = Grid { blocks: [self.count as u32, 1, 1], threads: [256, 1, 1] };
        let arguments = [
            At(self.images),
            At(self.views),
            Integer(self.side as i32),
            At(self.normalization),
            At(self.scratch),
            Long(self.scratch_stride as i64),
            At(self.output),
        ];
        // SAFETY: the caller's promise; the order of arguments is that of the kernel.
        unsafe { kernels.launch(name, grid, &arguments) }
    }
}

#[cfg(all(test, feature = "host"))]
mod tests {
    use super::scratch_bytes;

    unsafe extern "C" {
        fn byol_host_scratch(side: i32, crop_width: i32, crop_height: i32) -> i64;
    }

    #[test]
    fn scratch_memory_is_what_the_kernel_takes() {
        for (side, width, height) in [(96, 96, 96), (224, 500, 375), (32, 7, 301), (1, 1, 1)] {
            // SAFETY: plain arithmetic.
            let taken = unsafe { byol_host_scratch(side as i32, width as i32, height as i32) };
            assert_eq!(taken as usize, scratch_bytes(side, width, height));
        }
    }
}
