//! Evaluation: what a classifier or a frozen encoder is worth. Nothing here trains an encoder, and nothing here chooses
//! by test labels.

pub mod features;
pub mod health;
pub mod knn;
pub mod linear;
pub mod metrics;
pub mod plane;
pub mod temperature;

use tch::{Kind, Tensor};

use crate::data::DataError;
pub use crate::run::record::{ValidatedBy, Validation};
use crate::statistics::{StatisticsError, known_classes, same_count};

/// Representations of labelled images.
///
/// # Shapes
/// `vectors` is float32 `[images, features]` on any device; `labels` has one class index per row.
pub struct Features {
    /// A row for each image.
    pub vectors: Tensor,
    /// The class index of each row.
    pub labels: Vec<u16>,
}

/// An evaluation that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// Labels and answers do not belong together.
    #[error(transparent)]
    Statistics(#[from] StatisticsError),
    /// A tensor has not two dimensions.
    #[error("{what} must have the shape [images, columns], not {shape:?}")]
    NotAMatrix {
        /// What it should hold, in the plural.
        what: &'static str,
        /// Its shape.
        shape: Vec<i64>,
    },
    /// Two matrices have different widths.
    #[error("{what} have {found} columns but {against} have {expected}; both must come from the same encoder")]
    Width {
        /// What the first holds, in the plural.
        what: &'static str,
        /// Its columns.
        found: usize,
        /// What the second holds, in the plural.
        against: &'static str,
        /// Its columns.
        expected: usize,
    },
    /// A row holds NaN or infinity.
    #[error(
        "row {row} of the {what} holds NaN or infinity; the network that made it has diverged or its weights are \
             damaged"
    )]
    NotFinite {
        /// What the matrix holds, in the plural.
        what: &'static str,
        /// The row, from 0.
        row: usize,
    },
    /// There is nothing to tell apart.
    #[error("all {images} labelled images are of class {class}; a classifier needs at least two classes")]
    OneClass {
        /// Labelled images.
        images: usize,
        /// Their class index.
        class: u16,
    },
    /// Logistic regression found no minimum.
    #[error("logistic regression with l2={l2} does not converge: {reason}; use a larger l2")]
    NotConverged {
        /// Its penalty.
        l2: f64,
        /// What kept it from one.
        reason: String,
    },
    /// A class has too few images for the folds.
    #[error("the labelled images cannot be split into folds")]
    Folds(#[from] DataError),
    /// libtorch refuses an operation.
    #[error("a tensor operation failed")]
    Tensor(#[from] tch::TchError),
}

impl Features {
    /// Checks that there is one finite vector for each label and that labels are below `classes`.
    fn check(&self, classes: usize) -> Result<(), EvalError> {
        let (rows, _) = finite_matrix("training vectors", &self.vectors)?;
        same_count("training labels", self.labels.len(), "training vectors", rows)?;
        Ok(known_classes("training label", &self.labels, classes)?)
    }
}

/// The size of a matrix `[rows, columns]`.
fn matrix(what: &'static str, values: &Tensor) -> Result<(usize, usize), EvalError> {
    match values.size()[..] {
        [0, _] => Err(StatisticsError::Empty { what }.into()),
        [rows, columns] if columns > 0 => Ok((rows as usize, columns as usize)),
        _ => Err(EvalError::NotAMatrix { what, shape: values.size() }),
    }
}

/// The size of a matrix without NaN and infinities.
fn finite_matrix(what: &'static str, values: &Tensor) -> Result<(usize, usize), EvalError> {
    let size = matrix(what, values)?;
    // NaN and infinity stay in a sum, which is read off many times as fast as each value is looked at.
    if values.sum(Kind::Float).double_value(&[]).is_finite() {
        return Ok(size);
    }
    let finite = values.isfinite().all_dim(1, false);
    match finite.all().int64_value(&[]) {
        0 => {
            let row = finite.to_kind(Kind::Int64).argmin(0, false).int64_value(&[]) as usize;
            Err(EvalError::NotFinite { what, row })
        }
        _ => Ok(size),
    }
}
