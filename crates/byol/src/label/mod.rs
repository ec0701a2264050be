//! Which images are worth labelling, and what labels are worth. All of it works on representations of a frozen encoder
//! ([`representations`](crate::inference::representations)); nothing here looks at pixels, and no label is read that was not given.
//!
//! [`choice`] chooses the next images by a strategy: [`typical`] and [`coverage`] need no classifier and suit few labels, [`uncertain`]
//! asks the one that has been fitted so far ([`head`]). [`clusters`] is what they stand on, [`near`] finds what looks alike. [`simulation`] tries them on
//! data whose labels are known. [`session`] asks people, [`site`] in their browsers; [`prospect`] says what further labels are likely to bring.

pub mod choice;
pub mod clusters;
pub mod coverage;
pub mod head;
pub mod near;
pub mod prospect;
pub mod session;
pub mod simulation;
pub mod site;
#[cfg(test)]
mod testing;
pub mod typical;
pub mod uncertain;

use tch::{Kind, Tensor};

use crate::eval::EvalError;
pub(crate) use crate::eval::knn::centred_by;
use crate::statistics::StatisticsError;

/// Images of a pool that are compared with each other: of more, so many are drawn at random. All pairs of them are looked at in a
/// second or two on two cores. What no pairs need, such as margins, is looked at in all images, and so are labelled ones.
pub const MOST_COMPARED: usize = 10_000;

/// Choosing, or simulating it, fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabelError {
    /// The pool has no image.
    #[error("there are no images to label")]
    EmptyPool,
    /// More labels are asked for than there are images.
    #[error("{labels} labels are more than the {images} images that could be labelled; ask for fewer")]
    TooFewImages {
        /// The largest budget.
        labels: usize,
        /// Images of the pool.
        images: usize,
    },
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] StatisticsError),
    /// A classifier cannot be fitted or asked.
    #[error(transparent)]
    Eval(#[from] EvalError),
}

impl LabelError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        matches!(self, LabelError::TooFewImages { .. } | LabelError::Setting(_))
    }
}

/// Some rows of a matrix.
pub(crate) fn rows_of(matrix: &Tensor, rows: &[usize]) -> Tensor {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    matrix.index_select(0, &Tensor::from_slice(&rows).to_device(matrix.device()))
}

/// The values of a tensor of any shape, row by row.
pub(crate) fn values_of(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    let count = values.len();
    tensor.copy_data(&mut values, count);
    values
}

/// The place of the largest value; of equal ones the first. Nothing without values.
pub(crate) fn largest(values: impl Iterator<Item = f32>) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (place, value) in values.enumerate() {
        if best.is_none_or(|(_, largest)| value > largest) {
            best = Some((place, value));
        }
    }
    best.map(|(place, _)| place)
}
