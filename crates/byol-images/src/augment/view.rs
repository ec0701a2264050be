//! What happens to one view: the parameters that [`Recipe::sample`](super::Recipe::sample) draws and that a
//! [`Renderer`](super::Renderer) turns into pixels. Nothing random and no pixels.

use serde::{Deserialize, Serialize};

/// Everything that happens to one view, in the order of its fields. The same parameters give the same pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewParams {
    /// Resized to the view's side, bicubic and antialiased; the filter sees nothing outside the crop.
    pub crop: Crop,
    /// Left and right change places.
    pub flip: bool,
    /// Changes of colour; `None` leaves the colours as they are.
    pub jitter: Option<Jitter>,
    /// Every channel becomes the gray of its pixel.
    pub grayscale: bool,
    /// A blur after the changes of colour; `None` for none.
    pub blur: Option<Blur>,
    /// Values at or above it are inverted, 0-255.
    pub solarize: Option<u8>,
}

/// A rectangle of an image, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crop {
    /// Rows above the crop.
    pub top: usize,
    /// Columns left of the crop.
    pub left: usize,
    /// Rows of the crop, 1 or more.
    pub height: usize,
    /// Columns of the crop, 1 or more.
    pub width: usize,
}

/// The colour adjustments of a view. A factor of 1 (a hue of 0) changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// First to last.
    pub order: [Adjustment; 4],
    /// Factor on every value, 0 or more.
    pub brightness: f32,
    /// Factor on the difference from the image's mean gray, 0 or more.
    pub contrast: f32,
    /// Factor on the difference from the pixel's own gray, 0 or more.
    pub saturation: f32,
    /// Shift of the hue as a share of the colour circle, -0.5 to 0.5.
    pub hue: f32,
}

/// One of the four colour adjustments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adjustment {
    /// Every value times a factor.
    Brightness,
    /// The difference from the image's mean gray times a factor.
    Contrast,
    /// The difference from the pixel's own gray times a factor.
    Saturation,
    /// The hue moves along the colour circle.
    Hue,
}

/// A Gaussian blur.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blur {
    /// Standard deviation in pixels of the view, above 0.
    pub sigma: f32,
    /// Side of the kernel as a share of the view's side, 0-1.
    pub kernel: f64,
}

impl ViewParams {
    /// The plain view, for evaluation: the centre square of an image of `width` by `height` pixels (all of a square
    /// one), resized, nothing else.
    pub fn whole(width: usize, height: usize) -> Self {
        Self::inner(width, height, 1.0)
    }

    /// As [`whole`](Self::whole), of a square with the share `share` (0-1) of the shorter side. torchvision's evaluation, which resizes
    /// the shorter side to `resize` pixels and takes the inner `crop`, is this with `crop / resize`, but that the square's sides
    /// are whole pixels of the image here, and that its filter does not see beyond them.
    pub fn inner(width: usize, height: usize, share: f64) -> Self {
        // Exported networks compute this in the same way: export/onnx/mod.rs, export/python.rs.
        let side = ((width.min(height) as f64 * share + 0.5) as usize).max(1);
        let crop = Crop { top: (height - side) / 2, left: (width - side) / 2, height: side, width: side };
        ViewParams { crop, flip: false, jitter: None, grayscale: false, blur: None, solarize: None }
    }
}

impl Adjustment {
    /// All four, in torchvision's order.
    pub const ALL: [Adjustment; 4] =
        [Adjustment::Brightness, Adjustment::Contrast, Adjustment::Saturation, Adjustment::Hue];
}

impl Blur {
    /// Side of the kernel in pixels for a view of `side` pixels: the odd number nearest to the share, at least 3.
    pub fn kernel_size(&self, side: usize) -> usize {
        let half = (self.kernel * side as f64 / 2.0) as usize;
        2 * half.max(1) + 1
    }
}
