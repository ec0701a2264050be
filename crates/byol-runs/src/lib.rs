//! The configuration of an experiment ([`config`]), its plan ([`plan`]), and the run directory that it leaves ([`run`]). Nothing here
//! needs libtorch. [`byol`](https://docs.rs/byol) re-exports what belongs to its surface.

#![warn(missing_docs)]

pub mod config;
pub mod plan;
pub mod run;
pub mod stage;

pub(crate) use byol_images::{augment, data, files, nearest, random, statistics};
