//! Networks: encoders, BYOL's heads, the pair of online and target network, and the classifier.
//!
//! A network is split in two. Its *structure* ([`encoder::Encoder`], [`heads::Mlp`], [`classifier::Classifier`],
//! [`byol::Byol`]) knows how to compute; its [`parameters::Weights`] hold the numbers, all parameters in one flat
//! tensor, so that an optimiser step or a moving average is a handful of large operations.

pub mod byol;
pub mod classifier;
pub(crate) mod convolution;
pub mod encoder;
pub mod heads;
pub mod layers;
mod norm;
pub mod parameters;
pub mod rescaling;
pub mod resnet;
mod slices;
pub(crate) mod walk;

pub use byol::Byol;
pub use classifier::Classifier;
pub use encoder::{Encoder, EncoderConfig, SharedImages};
pub use heads::Mlp;
pub(crate) use norm::EPSILON as NORM_EPSILON;
pub use parameters::{Layout, LayoutBuilder, Leaves, ModelError, Weights};
pub use walk::MultiplyAdds;

/// Whether batch norm uses the batch's statistics (and updates its running ones) or the running statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The batch's statistics, which move the running ones.
    Train,
    /// The running statistics, which stay as they are.
    Evaluate,
}
