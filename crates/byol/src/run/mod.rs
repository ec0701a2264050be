//! The run directory: what it holds, how it is written and read back.

pub mod checkpoint;
pub mod classifiers;
pub mod command;
pub mod directory;
pub mod event;
pub mod extend;
pub mod heads;
pub mod model;
mod network_error;
pub mod record;
pub mod tensorboard;

pub use directory::{RunDirectory, RunError};
