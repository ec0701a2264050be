//! How an image is turned and mirrored so that it is upright (EXIF 2.3, tag 0x0112).

use image::metadata::Orientation;

use crate::data::Image;

/// What is done to an image, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// Columns become rows, the first the first.
    pub swaps_sides: bool,
    /// The left becomes the right.
    mirrors_columns: bool,
    /// The top becomes the bottom.
    mirrors_rows: bool,
}

/// Columns of an image that are written as rows together, so that its lines are read while they are in the cache.
const TOGETHER: usize = 32;

impl Turn {
    pub fn of(orientation: Orientation) -> Self {
        let (swaps_sides, mirrors_columns, mirrors_rows) = match orientation {
            Orientation::NoTransforms => (false, false, false),
            Orientation::FlipHorizontal => (false, true, false),
            Orientation::Rotate180 => (false, true, true),
            Orientation::FlipVertical => (false, false, true),
            Orientation::Rotate90FlipH => (true, false, false),
            Orientation::Rotate90 => (true, true, false),
            Orientation::Rotate270FlipH => (true, true, true),
            Orientation::Rotate270 => (true, false, true),
        };
        Turn { swaps_sides, mirrors_columns, mirrors_rows }
    }

    pub fn apply(self, image: &mut Image) {
        let area = image.width * image.height;
        if area == 0 || self == Turn::default() {
            return;
        }
        if self.swaps_sides {
            let mut turned = vec![0; image.pixels.len()];
            for (plane, turned) in image.pixels.chunks_exact(area).zip(turned.chunks_exact_mut(area)) {
                swap_sides(plane, image.width, turned);
            }
            (image.width, image.height, image.pixels) = (image.height, image.width, turned);
        }
        for plane in image.pixels.chunks_exact_mut(area) {
            match (self.mirrors_columns, self.mirrors_rows) {
                (true, true) => plane.reverse(),
                (true, false) => plane.chunks_exact_mut(image.width).for_each(<[u8]>::reverse),
                (false, true) => mirror_rows(plane, image.width),
                (false, false) => {}
            }
        }
    }
}

fn swap_sides(plane: &[u8], width: usize, turned: &mut [u8]) {
    let height = plane.len() / width;
    for top in (0..height).step_by(TOGETHER) {
        let bottom = (top + TOGETHER).min(height);
        for (x, turned) in turned.chunks_exact_mut(height).enumerate() {
            for (turned, line) in turned[top..bottom].iter_mut().zip(plane[top * width..].chunks_exact(width)) {
                *turned = line[x];
            }
        }
    }
}

fn mirror_rows(plane: &mut [u8], width: usize) {
    let mut lines = plane.chunks_exact_mut(width);
    while let (Some(upper), Some(lower)) = (lines.next(), lines.next_back()) {
        upper.swap_with_slice(lower);
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, Rgb, RgbImage};

    use super::*;
    use crate::data::decode::to_planes;

    #[test]
    fn planes_are_turned_as_the_image_crate_turns_pixels() {
        for (width, height) in [(3, 2), (2, 5), (1, 1), (40, 70)] {
            let upright = RgbImage::from_fn(width, height, |x, y| Rgb([(3 * x + 7 * y) as u8, x as u8, y as u8]));
            for orientation in (1..=8).filter_map(Orientation::from_exif) {
                let mut expected = DynamicImage::from(upright.clone());
                let [mut found, mut planes] = [(); 2].map(|()| Image::default());
                to_planes(expected.clone(), &mut found);
                expected.apply_orientation(orientation);
                to_planes(expected, &mut planes);
                Turn::of(orientation).apply(&mut found);
                assert_eq!(found, planes, "{orientation:?}, {width} x {height}");
            }
        }
    }
}
