//! English: a function, or where it has no values a constant, for each whole sentence, by subject.

pub(crate) mod ablation;
pub mod advice;
pub(crate) mod answers;
pub(crate) mod charts;
pub mod data;
pub(crate) mod data_check;
pub(crate) mod explain;
pub(crate) mod glossary;
pub mod inventory;
pub(crate) mod labelling;
pub mod method;
pub mod names;
pub(crate) mod notes;
pub mod notices;
pub mod numbers;
pub(crate) mod page;
pub mod program;
pub mod progress;
pub(crate) mod seeds;
mod selftraining;
pub(crate) mod simulation;
pub(crate) mod statements;
pub(crate) mod table;
pub(crate) mod watch;

/// As HTML names it.
pub const CODE: &str = "en";

/// What the page's scripts say.
pub(crate) const SCRIPT: &str = include_str!("script.js");

/// What the script of the page says on which images are labelled.
pub(crate) const LABELLING_SCRIPT: &str = include_str!("labelling.js");
