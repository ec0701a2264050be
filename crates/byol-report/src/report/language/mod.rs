//! What people read: the page, the explanation, advice, tables, the live page, and what the program says of a run while it works.
//!
//! A language is a folder here with a function for each whole sentence. It takes values (the enums of
//! `explain`, `advice` and their like, notes about data, and [`values`]) and forms numbers, plurals, lists and percentages itself; nobody
//! outside puts words together. This file is the one place that chooses the language.
//!
//! What does not belong here: errors and the program's help, which stay English where they are made (crates below this one cannot ask
//! here, and whoever searches for an error finds it); names in files, keys and command lines; and the model card, which goes
//! to others with an exported network. Where an error counts or names something, it asks [`english`] by its name.

pub mod english;
pub mod values;

pub use english::*;
