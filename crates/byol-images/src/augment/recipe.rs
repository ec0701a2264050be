//! What may happen to a view: probabilities and ranges (paper, appendix B and Table 6), and drawing the parameters of
//! one view from them. No pixels.

use documented::DocumentedFields;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::view::{Adjustment, Blur, Crop, Jitter, ViewParams};

/// The distribution that the parameters of a view are drawn from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Area of the crop as a share of the image, smallest and largest, in 0-1.
    pub crop_area: [f64; 2],
    /// Width by height of the crop, smallest and largest; drawn uniformly in the logarithm.
    pub crop_ratio: [f64; 2],
    /// Probability of mirroring left and right.
    pub flip_probability: f64,
    /// Probability that the four colour adjustments happen, in an order drawn anew.
    pub jitter_probability: f64,
    /// Largest change of brightness: the factor is drawn from `max(0, 1 - brightness)..1 + brightness`.
    pub brightness: f64,
    /// Largest change of contrast, likewise.
    pub contrast: f64,
    /// Largest change of saturation, likewise.
    pub saturation: f64,
    /// Largest shift of the hue, as a share of the colour circle, 0-0.5.
    pub hue: f64,
    /// Probability of losing all colour.
    pub grayscale_probability: f64,
    /// Probability of a Gaussian blur.
    pub blur_probability: f64,
    /// Standard deviation of the Gaussian blur in pixels of the view, smallest and largest.
    pub blur_sigma: [f64; 2],
    /// Side of the blur's kernel as a share of the view's side; rounded to an odd number of pixels, at least 3.
    pub blur_kernel: f64,
    /// Probability of inverting the brightest values.
    pub solarize_probability: f64,
    /// Values at or above it are inverted, 0-255.
    pub solarize_threshold: u8,
}

/// A value of a recipe that is out of range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value} is out of range: it must be {expected}")]
#[non_exhaustive]
pub struct RecipeError {
    /// The field's name, as in a configuration file.
    pub key: &'static str,
    /// The value as it was given.
    pub value: String,
    /// The range, as a phrase: `a share from 0 to 1`.
    pub expected: &'static str,
}

impl Recipe {
    /// The paper's t (Table 6): always blurred, never solarised.
    pub fn paper_t() -> Self {
        Recipe {
            crop_area: [0.08, 1.0],
            crop_ratio: [3.0 / 4.0, 4.0 / 3.0],
            flip_probability: 0.5,
            jitter_probability: 0.8,
            brightness: 0.4,
            contrast: 0.4,
            saturation: 0.2,
            hue: 0.1,
            grayscale_probability: 0.2,
            blur_probability: 1.0,
            blur_sigma: [0.1, 2.0],
            blur_kernel: 0.1,
            solarize_probability: 0.0,
            solarize_threshold: 128,
        }
    }

    /// The paper's t' (Table 6): seldom blurred, sometimes solarised.
    pub fn paper_t_prime() -> Self {
        Recipe { blur_probability: 0.1, solarize_probability: 0.2, ..Self::paper_t() }
    }

    /// One recipe for both views: Table 6 with blur on half of the views and solarization on a fifth (appendix F.3,
    /// Table 17, "symmetric blurring/solarization").
    pub fn paper_symmetric() -> Self {
        Recipe { blur_probability: 0.5, solarize_probability: 0.2, ..Self::paper_t() }
    }

    /// The lab's recipe, used for both views: larger crops, stronger saturation, blurred half the time.
    pub fn lab() -> Self {
        Recipe { crop_area: [0.2, 1.0], saturation: 0.4, blur_probability: 0.5, ..Self::paper_t() }
    }

    /// Random resized crop (area 0.3-1) and flip, nothing more: for labelled training images.
    pub fn crop() -> Self {
        Recipe { jitter_probability: 0.0, grayscale_probability: 0.0, ..Self::color() }
    }

    /// [`Recipe::crop`] with colour jitter and grayscale as in t: for labelled training images.
    pub fn color() -> Self {
        Recipe { crop_area: [0.3, 1.0], blur_probability: 0.0, ..Self::paper_t() }
    }

    /// The same crop and flip, and nothing that changes colours or sharpness.
    pub fn only_crop(self) -> Self {
        Recipe { blur_probability: 0.0, solarize_probability: 0.0, ..self.without_color() }
    }

    /// The same without colour jitter and grayscale.
    pub fn without_color(self) -> Self {
        Recipe { jitter_probability: 0.0, grayscale_probability: 0.0, ..self }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first key whose value is out of range, with the value and the range.
    pub fn validate(&self) -> Result<(), RecipeError> {
        let pair = |key, [low, high]: [f64; 2], limit: f64, expected| {
            check(low > 0.0 && low <= high && high <= limit, key, format!("[{low}, {high}]"), expected)
        };
        let number = |key, value: f64, limit: f64, expected| {
            check((0.0..=limit).contains(&value), key, value.to_string(), expected)
        };
        pair("crop_area", self.crop_area, 1.0, "two shares above 0 and up to 1, the smaller first")?;
        pair("crop_ratio", self.crop_ratio, f64::MAX, "two positive numbers, the smaller first")?;
        for (key, probability) in [
            ("flip_probability", self.flip_probability),
            ("jitter_probability", self.jitter_probability),
            ("grayscale_probability", self.grayscale_probability),
            ("blur_probability", self.blur_probability),
            ("solarize_probability", self.solarize_probability),
        ] {
            number(key, probability, 1.0, "a probability, 0 to 1")?;
        }
        for (key, strength) in
            [("brightness", self.brightness), ("contrast", self.contrast), ("saturation", self.saturation)]
        {
            number(key, strength, 100.0, "0 to 100")?;
        }
        number("hue", self.hue, 0.5, "a share of the colour circle, 0 to 0.5")?;
        pair("blur_sigma", self.blur_sigma, 1e4, "two positive numbers of pixels, the smaller first")?;
        let kernel = self.blur_kernel;
        check(kernel > 0.0 && kernel <= 1.0, "blur_kernel", kernel.to_string(), "a share above 0 and up to 1")
    }

    /// Draws the parameters of one view of an image of `width` by `height` pixels.
    ///
    /// The crop is drawn as torchvision's `RandomResizedCrop` does: ten tries at an area and a ratio, then the largest
    /// centre crop whose ratio is allowed. An image without pixels gives an empty crop, which a renderer refuses.
    pub fn sample(&self, width: usize, height: usize, rng: &mut impl Rng) -> ViewParams {
        let crop = self.sample_crop(width, height, rng);
        let flip = happens(self.flip_probability, rng);
        let jitter = happens(self.jitter_probability, rng).then(|| self.sample_jitter(rng));
        let grayscale = happens(self.grayscale_probability, rng);
        let blur = happens(self.blur_probability, rng)
            .then(|| Blur { sigma: uniform(self.blur_sigma, rng) as f32, kernel: self.blur_kernel });
        let solarize = happens(self.solarize_probability, rng).then_some(self.solarize_threshold);
        ViewParams { crop, flip, jitter, grayscale, blur, solarize }
    }

    fn sample_crop(&self, width: usize, height: usize, rng: &mut impl Rng) -> Crop {
        const TRIES: usize = 10;
        let area = width as f64 * height as f64;
        let log_ratio = self.crop_ratio.map(f64::ln);
        for _ in 0..TRIES {
            let target = area * uniform(self.crop_area, rng);
            let ratio = uniform(log_ratio, rng).exp();
            let w = (target * ratio).sqrt().round_ties_even() as usize;
            let h = (target / ratio).sqrt().round_ties_even() as usize;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = rng.random_range(0..=height - h);
                let left = rng.random_range(0..=width - w);
                return Crop { top, left, height: h, width: w };
            }
        }
        self.centre_crop(width, height)
    }

    fn centre_crop(&self, width: usize, height: usize) -> Crop {
        let ratio = width as f64 / height as f64;
        let [narrowest, widest] = self.crop_ratio;
        let (w, h) = if ratio < narrowest {
            (width, (width as f64 / narrowest).round_ties_even() as usize)
        } else if ratio > widest {
            ((height as f64 * widest).round_ties_even() as usize, height)
        } else {
            (width, height)
        };
        let (w, h) = (w.max(1).min(width), h.max(1).min(height));
        Crop { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
    }

    fn sample_jitter(&self, rng: &mut impl Rng) -> Jitter {
        let factor = |strength: f64, rng: &mut _| uniform([(1.0 - strength).max(0.0), 1.0 + strength], rng) as f32;
        let mut order = Adjustment::ALL;
        for last in (1..order.len()).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        Jitter {
            order,
            brightness: factor(self.brightness, rng),
            contrast: factor(self.contrast, rng),
            saturation: factor(self.saturation, rng),
            hue: uniform([-self.hue, self.hue], rng) as f32,
        }
    }
}

/// A number from `low..high`; unlike `random_range` it accepts an empty range, and never panics.
fn uniform<R: Rng>([low, high]: [f64; 2], rng: &mut R) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

fn happens(probability: f64, rng: &mut impl Rng) -> bool {
    rng.random::<f64>() < probability
}

fn check(holds: bool, key: &'static str, value: String, expected: &'static str) -> Result<(), RecipeError> {
    if holds { Ok(()) } else { Err(RecipeError { key, value, expected }) }
}
