//! Run directory → table, page and explanation ([`report`]); the page live ([`watch`]); the page of suspicious labels, to be answered ([`review`]); and the images that it shows ([`gallery`]).
//! Nothing here needs libtorch. [`byol`](https://docs.rs/byol) re-exports what belongs to its surface.

#![warn(missing_docs)]

pub mod gallery;
#[doc(hidden)]
pub mod local;
pub mod report;
pub mod review;
pub mod watch;

pub(crate) use byol_images::{augment, data, files, nearest, random, statistics};
pub(crate) use byol_runs::{config, plan, run};
