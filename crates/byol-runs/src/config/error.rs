//! What can be wrong with a configuration, with the key, the value, where it stands and what is allowed.

use std::fmt;
use std::path::PathBuf;

use crate::nearest::{hint, path_hint};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no preset of that name.
    #[error(
        "preset '{name}' does not exist; the presets are {}{}",
        super::preset::NAMES.join(", "), hint(name, super::preset::NAMES)
    )]
    UnknownPreset {
        /// The name that was asked for.
        name: String,
    },
    /// A configuration file is not there or cannot be read.
    #[error("configuration file {} cannot be read: {source}{}", path.display(), path_hint(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        #[source]
        source: std::io::Error,
    },
    /// A file, a preset or a pair is not TOML.
    #[error("{origin} is not valid TOML: {message}")]
    Syntax {
        /// Where the text stands.
        origin: Origin,
        /// The parser's message, on one line.
        message: String,
    },
    /// A pair has no `=`.
    #[error("'{text}' is not of the form key=value, as in pretrain.epochs=3")]
    NotAnAssignment {
        /// What was typed.
        text: String,
    },
    /// `hint` is empty or begins with `; `.
    #[error("unknown key '{key}' ({origin}){hint}")]
    UnknownKey {
        /// The key as it was written, with the names of its tables: `pretrain.epoch`.
        key: String,
        /// Where it was stated.
        origin: Origin,
        /// A likely key, or where the key belongs: empty, or begins with `; `.
        hint: String,
    },
    /// A value is of another type than its key, or out of its range.
    #[error("key '{key}' cannot be {value} ({origin}): allowed is {allowed}")]
    WrongValue {
        /// The key, with the names of its tables.
        key: String,
        /// The value as TOML.
        value: String,
        /// Where it was stated.
        origin: Origin,
        /// The range, or the names to choose from, as a phrase.
        allowed: String,
    },
    /// A saved configuration comes from a later version of the program.
    #[error(
        "the configuration has version {found} ({origin}), and this program reads up to version {known}: a newer byol wrote it, \
         and reads it"
    )]
    NewerVersion {
        /// The version that the configuration states.
        found: u32,
        /// The newest version that this program reads.
        known: u32,
        /// Where it was stated.
        origin: Origin,
    },
    /// A complete configuration lacks a key.
    #[error("key '{key}' is missing ({origin})")]
    MissingKey {
        /// The key, with the names of its tables.
        key: String,
        /// The configuration that lacks it.
        origin: Origin,
    },
    /// A value has no form in TOML, such as a whole number of 2^63 or more.
    #[error("the configuration cannot be written as TOML")]
    Write(#[from] toml::ser::Error),
}

/// Where a value was stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An embedded preset, by its name.
    Preset(String),
    /// `line` counts from 1.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// What goes with the weights that were given.
    Weights,
    /// `--set`, or an option of the program that stands for it.
    Set,
    /// A complete configuration, as a run directory holds it.
    Complete,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Preset(name) => write!(f, "preset {name}"),
            Origin::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Origin::Weights => f.write_str("the given weights"),
            Origin::Set => f.write_str("command line"),
            Origin::Complete => f.write_str("complete configuration"),
        }
    }
}
