//! The run directory: what it holds, how it is written and read back.

pub mod ablation;
pub mod command;
pub mod directory;
pub mod event;
pub mod extend;
pub mod health;
pub mod lock;
pub mod notice;
pub mod place;
pub mod record;
mod result_name;
pub mod tensorboard;
pub mod tensors;

pub use directory::{RunDirectory, RunError};
