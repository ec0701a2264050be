//! The trained networks that a run directory holds: checkpoints, classifiers on a frozen encoder, and how they are chosen and read.

pub mod checkpoint;
pub mod classifiers;
pub mod digest;
pub mod foreign;
mod found;
pub mod heads;
pub mod model;
mod network_error;
mod ready;
