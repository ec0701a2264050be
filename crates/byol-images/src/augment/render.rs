//! Making the pixels of a view from an image and [`ViewParams`], by the kernels of `byol-kernels`. Nothing random.

use byol_kernels::views::blur::Blurrer;
use byol_kernels::views::color::{self, ColorStep};
use byol_kernels::views::layout::Input;
use byol_kernels::views::planes::Planes;
use byol_kernels::views::resize::{Resizer, Window};

use super::view::{Adjustment, Blur, Crop, Jitter, ViewParams};
use crate::data::Image;

/// What is subtracted from a view and what it is divided by, last of all; red, green, blue, in 0-1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalization {
    /// Subtracted from levels in 0-1.
    pub mean: [f32; 3],
    /// What the difference is divided by, above 0.
    pub deviation: [f32; 3],
}

impl Normalization {
    /// The factors on levels 0-255 by channel, then what is added to them.
    pub fn factors(&self) -> [f32; 6] {
        let Normalization { mean, deviation } = *self;
        std::array::from_fn(|index| match index {
            0..3 => 1.0 / (255.0 * deviation[index]),
            _ => -mean[index - 3] / deviation[index - 3],
        })
    }
}

/// A view that cannot be rendered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The crop holds no pixel, or reaches out of the image.
    #[error(
        "crop of {}x{} pixels at left {}, top {} does not fit an image of {width}x{height}: \
         it must be inside and hold at least one pixel",
        .crop.width, .crop.height, .crop.left, .crop.top
    )]
    Crop {
        /// The crop that was asked for.
        crop: Crop,
        /// Width of the image in pixels.
        width: usize,
        /// Height of the image in pixels.
        height: usize,
    },
    /// The image's buffer has another length than its sides say.
    #[error("image of {width}x{height} holds {found} levels instead of 3 x {height} x {width}")]
    Image {
        /// Width of the image in pixels.
        width: usize,
        /// Height of the image in pixels.
        height: usize,
        /// Length of its buffer, which should be three times width times height.
        found: usize,
    },
    /// The output's buffer has another length than the view.
    #[error("output holds {found} values instead of 3 x {side} x {side}")]
    Output {
        /// The view's side in pixels.
        side: usize,
        /// Length of the buffer, which should be three times the side squared.
        found: usize,
    },
    /// A parameter of the view is out of its range.
    #[error("{key} = {value} cannot be applied: it must be {expected}")]
    Parameter {
        /// The field: `brightness`, `sigma`.
        key: &'static str,
        /// Its value.
        value: f64,
        /// The range, as a phrase.
        expected: &'static str,
    },
}

/// Renders views of one size.
///
/// It owns scratch memory that grows to the largest crop seen and is then reused: keep one per worker thread. What it
/// renders depends on its arguments alone.
///
/// ```
/// use byol_images::augment::{Renderer, ViewParams};
/// use byol_images::data::Image;
/// let image = Image { width: 3, height: 2, pixels: vec![200; 3 * 2 * 3] };
/// let mut view = vec![0; 3 * 8 * 8];
/// Renderer::new(8).render_levels(&image, &ViewParams::whole(3, 2), &mut view)?;
/// assert!(view.iter().all(|&level| level == 200));
/// # Ok::<(), byol_images::augment::RenderError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Renderer {
    side: usize,
    resizer: Resizer,
    blurrer: Blurrer,
    planes: Planes,
    spare: Planes,
    steps: Vec<ColorStep>,
}

impl Renderer {
    /// A renderer of views of `side` by `side` pixels.
    pub fn new(side: usize) -> Self {
        Renderer {
            side,
            resizer: Resizer::default(),
            blurrer: Blurrer::default(),
            planes: Planes::new(side),
            spare: Planes::new(side),
            steps: Vec::with_capacity(Adjustment::ALL.len() + 1),
        }
    }

    /// The views' side in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Renders a view as levels.
    ///
    /// Given the same parameters, every operation is within 2 levels of torchvision's v2 functional operation on a
    /// uint8 tensor.
    ///
    /// # Shapes
    /// `out`: uint8, `[3, side, side]`, 0-255.
    ///
    /// # Errors
    /// The crop reaches out of the image or is empty, a factor is out of range, or a length does not fit. `out` is
    /// then unchanged.
    pub fn render_levels(&mut self, image: &Image, params: &ViewParams, out: &mut [u8]) -> Result<(), RenderError> {
        self.check(image, params, out.len())?;
        self.make(image, params);
        for (channel, out) in out.chunks_exact_mut((self.side * self.side).max(1)).enumerate() {
            out.copy_from_slice(self.planes.plane(channel));
        }
        Ok(())
    }

    /// Renders a view as a network's input: `(level / 255 - mean) / deviation`.
    ///
    /// # Shapes
    /// `out`: float32 or bfloat16, `[side, side, 3]` (channels last), normalised.
    ///
    /// # Errors
    /// As [`Renderer::render_levels`].
    pub fn render<T: Input>(
        &mut self,
        image: &Image,
        params: &ViewParams,
        normalization: Normalization,
        out: &mut [T],
    ) -> Result<(), RenderError> {
        self.check(image, params, out.len())?;
        self.make(image, params);
        let [r, g, b, rest @ ..] = normalization.factors();
        T::channels_last(&self.planes, [r, g, b], rest, out);
        Ok(())
    }

    fn check(&self, image: &Image, params: &ViewParams, out: usize) -> Result<(), RenderError> {
        let &Image { width, height, .. } = image;
        if out != 3 * self.side * self.side {
            return Err(RenderError::Output { side: self.side, found: out });
        }
        if width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3)) != Some(image.pixels.len()) {
            return Err(RenderError::Image { width, height, found: image.pixels.len() });
        }
        check_parameters([width, height], params)
    }

    /// Leaves the view in `self.planes`.
    fn make(&mut self, image: &Image, params: &ViewParams) {
        if self.side == 0 {
            return;
        }
        let size = [image.height, image.width];
        let Crop { top, left, height, width } = params.crop;
        let window = Window { top, left, height, width };
        self.resizer.resized_crop(&image.pixels, size, window, params.flip, &mut self.planes);
        self.change_colors(params);
        if let Some(blur) = params.blur {
            // A mirrored edge has no more than side - 1 pixels; only views of 1 or 2 pixels are that small.
            let size = blur.kernel_size(self.side).min(2 * self.side - 1);
            let channels = if params.grayscale { 1 } else { 3 };
            if self.blurrer.blur(&self.planes, blur.sigma, size, channels, &mut self.spare) {
                std::mem::swap(&mut self.planes, &mut self.spare);
                if params.grayscale {
                    self.planes.repeat_first();
                }
            }
        }
        if let Some(threshold) = params.solarize {
            color::solarize(&mut self.planes, threshold);
        }
    }

    /// Jitter and grayscale, in as few sweeps over the pixels as the mean that contrast needs allows.
    fn change_colors(&mut self, params: &ViewParams) {
        self.steps.clear();
        if let Some(jitter) = &params.jitter {
            for adjustment in jitter.order {
                match adjustment {
                    Adjustment::Brightness if jitter.brightness != 1.0 => {
                        self.steps.push(ColorStep::Brightness(jitter.brightness));
                    }
                    Adjustment::Contrast if jitter.contrast != 1.0 => {
                        self.sweep();
                        let mean = color::mean_gray(&self.planes);
                        self.steps.push(ColorStep::Contrast { factor: jitter.contrast, mean });
                    }
                    Adjustment::Saturation if jitter.saturation != 1.0 => {
                        self.steps.push(ColorStep::Saturation(jitter.saturation));
                    }
                    Adjustment::Hue if jitter.hue != 0.0 => self.steps.push(ColorStep::Hue(jitter.hue)),
                    _ => {}
                }
            }
        }
        if params.grayscale {
            self.steps.push(ColorStep::Grayscale);
        }
        self.sweep();
    }

    fn sweep(&mut self) {
        if !self.steps.is_empty() {
            color::apply(&mut self.planes, &self.steps);
            self.steps.clear();
        }
    }
}

/// # Errors
/// The crop reaches out of an image of that width and height or is empty, or a factor is out of range.
#[doc(hidden)]
pub fn check_parameters([width, height]: [usize; 2], params: &ViewParams) -> Result<(), RenderError> {
    let crop = params.crop;
    let fits =
        |start: usize, length: usize, limit| length > 0 && start.checked_add(length).is_some_and(|end| end <= limit);
    if !fits(crop.left, crop.width, width) || !fits(crop.top, crop.height, height) {
        return Err(RenderError::Crop { crop, width, height });
    }
    if let Some(jitter) = &params.jitter {
        check_jitter(jitter)?;
    }
    if let Some(Blur { sigma, kernel }) = params.blur {
        check(sigma > 0.0 && sigma.is_finite(), "sigma", sigma.into(), "a positive number of pixels")?;
        check(kernel > 0.0 && kernel <= 1.0, "kernel", kernel, "a share above 0 and up to 1")?;
    }
    Ok(())
}

fn check_jitter(jitter: &Jitter) -> Result<(), RenderError> {
    for (key, factor) in
        [("brightness", jitter.brightness), ("contrast", jitter.contrast), ("saturation", jitter.saturation)]
    {
        check(factor >= 0.0 && factor.is_finite(), key, factor.into(), "a factor, 0 or more")?;
    }
    check((-0.5..=0.5).contains(&jitter.hue), "hue", jitter.hue.into(), "a share of the colour circle, -0.5 to 0.5")
}

fn check(holds: bool, key: &'static str, value: f64, expected: &'static str) -> Result<(), RenderError> {
    if holds { Ok(()) } else { Err(RenderError::Parameter { key, value, expected }) }
}
