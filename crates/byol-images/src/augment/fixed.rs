//! Views of an image that are the same every time: what answers are averaged over. Nothing random and no pixels.

use super::view::{Crop, ViewParams};
use crate::data::decode::Detail;

/// Side of a corner, or of the centre, as a share of the side of the square that evaluations see: Krizhevsky et al. 2012 (section 4.1)
/// cut 224 pixels out of 256.
pub const SHARE: f64 = 0.875;

/// The fixed views of an image that an answer is averaged over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FixedViews {
    /// The plain view alone, as in every evaluation of a run.
    #[default]
    Plain,
    /// The plain view and its mirror image.
    Mirrored,
    /// The four corners and the centre of the plain view, each with [`SHARE`] of its side, and the mirror images of these five
    /// (Krizhevsky et al. 2012, section 4.1). The plain view itself is not among them.
    TenCrop,
}

impl FixedViews {
    /// All there are, by the number of views.
    pub const ALL: [FixedViews; 3] = [FixedViews::Plain, FixedViews::Mirrored, FixedViews::TenCrop];

    /// How many views of an image there are.
    pub fn count(self) -> usize {
        match self {
            FixedViews::Plain => 1,
            FixedViews::Mirrored => 2,
            FixedViews::TenCrop => 10,
        }
    }

    /// How an image is decoded whose views are shrunk to `side` pixels.
    pub fn detail(self, side: usize, evaluation_crop: f64) -> Detail {
        let share = if self == FixedViews::TenCrop { SHARE } else { 1.0 };
        Detail::to_shrink((side as f64 / (share * evaluation_crop)).ceil() as usize)
    }

    /// The views that are so many; none for other numbers than 1, 2 and 10.
    pub fn of_count(count: usize) -> Option<FixedViews> {
        FixedViews::ALL.into_iter().find(|views| views.count() == count)
    }

    /// What happens to each view of an image of `width` by `height` pixels whose evaluation sees the share `evaluation_crop` (0-1) of the
    /// centre square: [`count`](Self::count) of them, always in the same order. The corners are in the order top left, top right, bottom
    /// left, bottom right; the centre follows, then the mirror images of the five.
    pub fn of(self, width: usize, height: usize, evaluation_crop: f64) -> Vec<ViewParams> {
        let plain = ViewParams::inner(width, height, evaluation_crop);
        let upright = match self {
            FixedViews::Plain => return vec![plain],
            FixedViews::Mirrored => vec![plain],
            FixedViews::TenCrop => {
                let crops = corners_and_centre(plain.crop).into_iter();
                crops.map(|crop| ViewParams { crop, ..plain.clone() }).collect()
            }
        };
        let mirrored: Vec<ViewParams> = upright.iter().map(|view| ViewParams { flip: true, ..view.clone() }).collect();
        upright.into_iter().chain(mirrored).collect()
    }
}

/// Crops of a square.
fn corners_and_centre(square: Crop) -> [Crop; 5] {
    let side = ((square.height as f64 * SHARE + 0.5) as usize).max(1);
    let margin = square.height - side;
    let at = |down: usize, right: usize| Crop {
        top: square.top + down,
        left: square.left + right,
        height: side,
        width: side,
    };
    [at(0, 0), at(0, margin), at(margin, 0), at(margin, margin), at(margin / 2, margin / 2)]
}
