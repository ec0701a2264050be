//! English: a function, or where it has no values a constant, for each whole sentence, by subject.

pub mod ablation;
pub mod advice;
pub mod answers;
pub mod charts;
pub mod data;
pub mod explain;
pub mod glossary;
pub mod inventory;
pub mod method;
pub mod names;
pub mod notes;
pub mod notices;
pub mod numbers;
pub mod page;
pub mod program;
pub mod progress;
pub mod statements;
pub mod table;
pub mod watch;

/// As HTML names it.
pub const CODE: &str = "en";

/// What the page's scripts say.
pub(crate) const SCRIPT: &str = include_str!("script.js");
