//! The run directory: what it holds, how it is written and read back.

pub mod ablation;
pub mod classifier;
pub mod command;
pub mod data_check;
pub mod directory;
mod error;
pub mod event;
pub mod extend;
pub mod health;
#[doc(hidden)]
pub mod lock;
pub mod notice;
#[doc(hidden)]
pub mod place;
pub mod record;
mod result_name;
pub mod seeds;
mod self_training;
pub mod simulation;
#[doc(hidden)]
pub mod tensorboard;
#[doc(hidden)]
pub mod tensors;

pub use directory::RunDirectory;
pub use error::{OtherParts, RunError};
