//! Bootstrap Your Own Latent (BYOL, arXiv 2006.07733) for people who have many images and few labels.
//!
//! The crate reads images ([`data`]), draws augmented views of them ([`augment`], [`loader`]), trains a supervised
//! baseline and a BYOL encoder ([`model`], [`loss`], [`optim`], [`train`]), evaluates both with the same labels
//! ([`eval`]) and writes a run directory ([`run`]) from which a report is made ([`report`]), live too ([`watch`]).
//!
//! The shortest useful program compares a network that was pre-trained with one that was not, and writes a page about it:
//!
//! ```
//! use byol::config::Experiment;
//! use byol::data::patterns::{PatternOptions, dataset_with};
//! use byol::device::Hardware;
//! use byol::experiment::{self, Context};
//! use byol::run::directory::OpenMode;
//! use byol::run::event::{Interrupt, Silent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let runs = folder.path();
//! let hardware = Hardware::auto();
//! let mut experiment = Experiment::preset("demo")?;
//! experiment.pretrain.epochs = 1;
//! # experiment.image_size = 16;
//! # experiment.supervised.minimum_steps = 0;
//! # experiment.finetune.minimum_steps = 0;
//! // Drawn images; `Dataset::open` reads those of a folder, `Dataset::builder` takes any others.
//! let data = dataset_with(PatternOptions { side: 32, train_per_class: 8, test_per_class: 8, unlabeled: 256 });
//! let outcome = experiment::run(&mut Context {
//!     experiment: &experiment,
//!     data: &data,
//!     hardware: &hardware,
//!     out: &runs.join("first"),
//!     mode: OpenMode::Fresh,
//!     command: None,
//!     interrupt: &Interrupt::default(),
//!     reporter: &mut Silent,
//! })?;
//! for result in &outcome.summary().results {
//!     println!("{:?}: {:.3}", result.name, result.test_accuracy.mean);
//! }
//! assert!(runs.join("first/report.html").is_file());
//! # Ok(())
//! # }
//! ```
//!
//! The folder `examples` of the crate has longer ones: a baseline, pre-training on a folder, views and data of one's own,
//! and searching by representations.
//!
//! It returns errors that name the file, the field, the value and the remedy; it never prints, exits, or panics on bad
//! input.

#![warn(missing_docs)]

#[doc(hidden)]
pub mod bench;
pub mod check;
pub mod device;
#[doc(hidden)]
pub mod doctor;
mod element;
pub mod eval;
pub mod experiment;
pub mod export;
pub mod inference;
pub mod label;
pub mod loader;
pub mod loss;
pub mod model;
pub mod optim;
mod processor_time;
pub mod ranks;
pub mod train;
pub mod trained;
pub mod weights;

use std::sync::OnceLock;

/// Tensors, kinds and devices in this crate's interface are those of this version.
pub use tch;

pub(crate) use byol_images::files;
#[doc(hidden)]
pub use byol_images::nearest;
pub use byol_images::{augment, data, random, statistics};
#[doc(hidden)]
pub use byol_report::local;
pub use byol_report::{gallery, report, review, watch};
pub use byol_runs::{config, plan, run, stage};

/// The commit that the program was built from.
static COMMIT: OnceLock<&str> = OnceLock::new();

/// Adds to [`version`] the commit that the program was built from; an empty one is unknown. Programs know it and the library does not, so that a
/// commit compiles no library anew.
#[doc(hidden)]
pub fn built_from(commit: &'static str) {
    if !commit.is_empty() {
        // The first program to say it is the only one.
        let _ = COMMIT.set(commit);
    }
}

/// The program's version, with the commit it was built from where that is known.
pub fn version() -> String {
    match COMMIT.get() {
        Some(commit) => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
