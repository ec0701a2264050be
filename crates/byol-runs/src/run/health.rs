//! How representations lie while they train, and the judgement whether they have collapsed.

use serde::{Deserialize, Serialize};

/// Images below which nothing is judged. The effective rank of n vectors is at most n, and that of a healthy
/// representation of few images that are alike is near 1: rank 1.5 of 4 vectors still allows that they differ by 6% of
/// their length, of 64 by less than 1%.
pub const JUDGED: usize = 64;
/// A spread of projections below this has collapsed; 1 is evenly spread.
const COLLAPSED_DEVIATION: f64 = 0.05;
/// An effective rank of representations or projections below this has collapsed to a line.
const COLLAPSED_RANK: f64 = 1.5;

/// How the vectors of one layer lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Deviation of the first views.
    pub deviation: f64,
    /// Effective rank of the first views.
    pub effective_rank: f64,
    /// Alignment of both views.
    pub alignment: f64,
    /// Uniformity of the first views.
    pub uniformity: f64,
}

/// How representations and projections of the watched images lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    pub representation: Spread,
    pub projection: Spread,
    /// How many images they are of; absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
}

impl Health {
    /// Whether it is of images enough to be judged.
    pub fn tells(&self) -> bool {
        self.images.is_none_or(|images| images >= JUDGED)
    }

    /// What shows that the representation has collapsed, for people; nothing where it has not, or where the images are
    /// too few to tell.
    pub fn collapse(&self) -> Option<String> {
        if !self.tells() {
            return None;
        }
        let mut signs = Vec::new();
        if self.projection.deviation < COLLAPSED_DEVIATION {
            let deviation = self.projection.deviation;
            signs.push(format!("projections of different images are alike (deviation {deviation:.4}; 1 is even)"));
        }
        for (name, spread) in [("projections", &self.projection), ("representations", &self.representation)] {
            if spread.effective_rank < COLLAPSED_RANK {
                signs.push(format!("{name} lie on a line (effective rank {:.2})", spread.effective_rank));
            }
        }
        (!signs.is_empty()).then(|| signs.join("; "))
    }
}
