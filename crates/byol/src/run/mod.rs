//! The run directory: what it holds, how it is written and read back.

pub mod checkpoint;
pub mod command;
pub mod directory;
pub mod event;
pub mod extend;
pub mod model;
pub mod record;
pub mod tensorboard;

pub use directory::{RunDirectory, RunError};
