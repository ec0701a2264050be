//! What can be wrong with a configuration, with the key, the value, where it stands and what is allowed.

use std::fmt;
use std::path::PathBuf;

use crate::nearest::{hint, path_hint};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "preset '{name}' does not exist; the presets are {}{}",
        super::preset::NAMES.join(", "), hint(name, super::preset::NAMES)
    )]
    UnknownPreset { name: String },
    #[error("configuration file {} cannot be read: {source}{}", path.display(), path_hint(path))]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{origin} is not valid TOML: {message}")]
    Syntax { origin: Origin, message: String },
    #[error("'{text}' is not of the form key=value, as in pretrain.epochs=3")]
    NotAnAssignment { text: String },
    /// `hint` is empty or begins with `; `.
    #[error("unknown key '{key}' ({origin}){hint}")]
    UnknownKey { key: String, origin: Origin, hint: String },
    #[error("key '{key}' cannot be {value} ({origin}): allowed is {allowed}")]
    WrongValue { key: String, value: String, origin: Origin, allowed: String },
    #[error(
        "the configuration has version {found} ({origin}), and this program reads up to version {known}: a newer byol wrote it, \
         and reads it"
    )]
    NewerVersion { found: u32, known: u32, origin: Origin },
    #[error("key '{key}' is missing ({origin})")]
    MissingKey { key: String, origin: Origin },
    #[error("the configuration cannot be written as TOML")]
    Write(#[from] toml::ser::Error),
}

/// Where a value was stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Preset(String),
    /// `line` counts from 1.
    File {
        path: PathBuf,
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
