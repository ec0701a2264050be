//! Images of more than eight bits per sample: their levels, and how much of their range they use.

use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

use crate::data::levels::{Levels, SampleKind};

/// The values that an image of more than eight bits holds, but for one in a thousand at either end: a hot or dead pixel of a
/// camera says nothing of the others. Of its colours, not of its alpha.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stored {
    pub kind: SampleKind,
    pub low: f64,
    pub high: f64,
}

/// Values that are looked at in one image; of more, every so many-th one.
const LOOKED_AT: usize = 1 << 14;

impl Stored {
    /// Of so many values, given by their place; none where there is no number among them.
    pub fn of(kind: SampleKind, count: usize, value: impl Fn(usize) -> f64) -> Option<Self> {
        // An odd step comes upon all columns and bands of an image with an even number of them.
        let places = (0..count).step_by((count / LOOKED_AT) | 1);
        let mut seen: Vec<f64> = places.map(value).filter(|value| value.is_finite()).collect();
        let rank = seen.len() / 1000;
        let at_top = seen.len().checked_sub(1 + rank)?;
        let (_, &mut low, _) = seen.select_nth_unstable_by(rank, f64::total_cmp);
        let (_, &mut high, _) = seen.select_nth_unstable_by(at_top, f64::total_cmp);
        Some(Stored { kind, low, high })
    }
}

/// The image in eight bits, and what it held where these were more.
pub(super) fn in_eight_bits(image: DynamicImage, levels: Levels) -> (DynamicImage, Option<Stored>) {
    let (width, height) = (image.width(), image.height());
    let kind = SampleKind::Unsigned(16);
    let (bands, samples) = match &image {
        DynamicImage::ImageLuma16(image) => (1, image.as_raw()),
        DynamicImage::ImageLumaA16(image) => (2, image.as_raw()),
        DynamicImage::ImageRgb16(image) => (3, image.as_raw()),
        DynamicImage::ImageRgba16(image) => (4, image.as_raw()),
        _ => return (image, None),
    };
    let (colors, opacity) = (levels.scale(kind), Levels::Full.scale(kind));
    let has_alpha = bands % 2 == 0;
    let is_alpha = |place: usize| has_alpha && place % bands == bands - 1;
    let levels = samples.iter().enumerate().map(|(place, &value)| {
        let scale = if is_alpha(place) { opacity } else { colors };
        scale.level(value.into())
    });
    let levels: Vec<u8> = levels.collect();
    // Whole pixels, so that no alpha is among the values.
    let color_bands = bands - usize::from(has_alpha);
    let pixels = samples.len() / bands;
    let color = |place: usize| f64::from(samples[place / color_bands * bands + place % color_bands]);
    let stored = Stored::of(kind, pixels * color_bands, color);
    let shown = match bands {
        1 => GrayImage::from_raw(width, height, levels).map(DynamicImage::from),
        2 => GrayAlphaImage::from_raw(width, height, levels).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, levels).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, levels).map(DynamicImage::from),
    };
    // There is a level for every sample, so there is an image.
    (shown.unwrap_or_default(), stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousandth_at_either_end_does_not_count() {
        let kind = SampleKind::Unsigned(16);
        let values = |outliers: usize| {
            Stored::of(kind, 4000, |index| if index < outliers { 60_000.0 } else { 100.0 + (index % 10) as f64 })
        };
        assert_eq!(values(3), Some(Stored { kind, low: 100.0, high: 109.0 }));
        assert_eq!(values(40), Some(Stored { kind, low: 100.0, high: 60_000.0 }));
        assert_eq!(Stored::of(kind, 4, |_| f64::NAN), None);
        assert_eq!(Stored::of(kind, 1, |_| 7.0), Some(Stored { kind, low: 7.0, high: 7.0 }));
    }
}
