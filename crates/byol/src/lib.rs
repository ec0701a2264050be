//! Bootstrap Your Own Latent (BYOL, arXiv 2006.07733) for people who have many images and few labels.
//!
//! The crate reads images ([`data`]), draws augmented views of them ([`augment`], [`loader`]), trains a supervised
//! baseline and a BYOL encoder ([`model`], [`loss`], [`optim`], [`train`]), evaluates both with the same labels
//! ([`eval`]) and writes a run directory ([`run`]) from which a report is made ([`report`]).
//!
//! It returns errors that name the file, the field, the value and the remedy; it never prints, exits, or panics on bad
//! input.

pub mod augment;
pub mod bench;
pub mod config;
pub mod data;
pub mod device;
pub mod eval;
pub mod experiment;
pub mod gallery;
pub mod loader;
pub mod loss;
pub mod model;
pub mod optim;
pub mod random;
pub mod report;
pub mod run;
pub mod train;

/// The program's version, with the commit it was built from where that is known.
pub fn version() -> String {
    match option_env!("BYOL_COMMIT") {
        Some(commit) if !commit.is_empty() => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
        _ => env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
