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
    /// The encoder's outputs.
    pub representation: Spread,
    /// The online projector's outputs.
    pub projection: Spread,
    /// How many images they are of; absent in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<usize>,
}

/// One sign that a representation has collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sign {
    /// Projections of different images are alike: their deviation, 1 where they are spread evenly.
    ProjectionsAlike {
        /// Mean standard deviation over the dimensions of normalised projections times the square root of their number,
        /// 0-1.
        deviation: f64,
    },
    /// Projections vary along hardly more than one direction.
    ProjectionsOnALine {
        /// Effective rank of the projections, from 1 to their number of dimensions.
        effective_rank: f64,
    },
    /// Representations vary along hardly more than one direction.
    RepresentationsOnALine {
        /// Effective rank of the representations, from 1 to their number of dimensions.
        effective_rank: f64,
    },
}

impl Health {
    /// Whether it is of images enough to be judged.
    pub fn tells(&self) -> bool {
        self.images.is_none_or(|images| images >= JUDGED)
    }

    /// What shows that the representation has collapsed; nothing where it has not, or where the images are too few to tell.
    pub fn collapse(&self) -> Vec<Sign> {
        if !self.tells() {
            return Vec::new();
        }
        let Spread { deviation, effective_rank: of_projections, .. } = self.projection;
        let of_representations = self.representation.effective_rank;
        let mut signs = Vec::new();
        if deviation < COLLAPSED_DEVIATION {
            signs.push(Sign::ProjectionsAlike { deviation });
        }
        if of_projections < COLLAPSED_RANK {
            signs.push(Sign::ProjectionsOnALine { effective_rank: of_projections });
        }
        if of_representations < COLLAPSED_RANK {
            signs.push(Sign::RepresentationsOnALine { effective_rank: of_representations });
        }
        signs
    }
}
