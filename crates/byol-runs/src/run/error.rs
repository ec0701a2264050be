//! What can be wrong with a run directory, with the file and the remedy.

use std::io;
use std::path::PathBuf;

use super::command::shell_word;
use super::place::runs_hint;
use crate::config::ConfigError;
use crate::config::resolve::Difference;
use crate::nearest::path_hint;

/// A run directory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A file or folder of the run cannot be written.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// A file of the run cannot be read.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// A new run was to begin where there is one.
    #[error(
        "{} holds another run already; continue it with --resume {}, or choose another --out",
        path.display(), shell_word(path)
    )]
    Occupied {
        /// The run directory that is there.
        path: PathBuf,
    },
    /// A new run was to begin in a folder with other content.
    #[error("{} is not empty and holds no run; choose another --out", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A run was to go on with settings that change its trained numbers.
    #[error(
        "{} was started with another configuration ({}); resume with the same settings, or choose another --out",
        path.display(), list(differences)
    )]
    Changed {
        /// The run directory.
        path: PathBuf,
        /// Every key that differs: its value in the run, and the one that was asked for.
        differences: Vec<Difference>,
    },
    /// A run was to go on with other data.
    #[error(
        "{} was started on other data ({parts}fingerprint {then}, now {now}); resume with the same data, or choose another \
         --out",
        path.display()
    )]
    OtherData {
        /// The run directory.
        path: PathBuf,
        /// The fingerprint of the data that it was started on.
        then: String,
        /// The fingerprint of the data that it was given.
        now: String,
        /// The parts of the data that differ.
        parts: OtherParts,
    },
    /// A run was to go on with a device, precision or number of threads that rounds otherwise.
    #[error(
        "{} was computed with {then}, and {now} rounds otherwise; resume it with {options}, or choose another --out",
        path.display()
    )]
    OtherHardware {
        /// The run directory.
        path: PathBuf,
        /// The hardware that the run was computed with, for people.
        then: String,
        /// The hardware that was to be used, for people.
        now: String,
        /// The options that ask for the run's hardware, as typed.
        options: String,
    },
    /// Something that the run began with is neither where it was nor beside the moved run.
    #[error(
        "what {} was begun with is no longer there: {}; name its new place with {option}",
        run.display(), path.display()
    )]
    Moved {
        /// The run directory.
        run: PathBuf,
        /// Where it was.
        path: PathBuf,
        /// The option that names its new place.
        option: &'static str,
    },
    /// Another process writes into the run directory.
    #[error(
        "{} is being written by {holder}; watch it with `byol watch {}`",
        path.display(), shell_word(path)
    )]
    Locked {
        /// The run directory.
        path: PathBuf,
        /// The process, and where it is known its machine and when it began.
        holder: String,
    },
    /// A pre-training cannot be made longer.
    #[error("{} cannot be extended: it {reason}", path.display())]
    NotExtended {
        /// The run directory.
        path: PathBuf,
        /// Why, as the end of a sentence that begins with "it".
        reason: &'static str,
    },
    /// A run directory was to be made where a file is.
    #[error("{} is a file, and a run needs a folder; choose another --out", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing at a path that was named as a run.
    #[error("{} does not exist; name the directory of a run{}", path.display(), path_hint(path))]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// A folder is there, and holds no run.
    #[error("{} is not a run directory: it holds no config.toml{}", path.display(), runs_hint(path))]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// A folder with a run for each of several seeds was named where one run is meant.
    #[error(
        "{} holds a run for each of {seeds} seeds; name one of them, as in {}",
        path.display(), shell_word(first)
    )]
    OfSeeds {
        /// The folder.
        path: PathBuf,
        /// How many seeds there are.
        seeds: usize,
        /// The run of the first.
        first: PathBuf,
    },
    /// Runs with several seeds were to go on with others.
    #[error(
        "{} was begun {}; resume it without --seeds, or choose another --out",
        path.display(), with_seeds(*then)
    )]
    OtherSeeds {
        /// The folder.
        path: PathBuf,
        /// How many seeds there are; 1 for a run by itself.
        then: usize,
    },
    /// A checkpoint was named that lies in no run directory.
    #[error(
        "{} lies in no run directory, so that its settings are not known; name the run, or settings with --config or --preset",
        path.display()
    )]
    Alone {
        /// The checkpoint.
        path: PathBuf,
    },
    /// A file of the run has another form than it should.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file, with the line where it has lines.
        path: PathBuf,
        /// What is wrong with it, on one line.
        reason: String,
    },
    /// The saved configuration cannot be used.
    #[error("failed to read {}", path.display())]
    Config {
        /// `config.toml` of the run.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ConfigError>,
    },
}

impl RunError {
    /// Whether another command line is the remedy: what was typed names no run, or does not agree with the one that it names.
    pub fn is_of_command_line(&self) -> bool {
        match self {
            RunError::Write { .. }
            | RunError::Read { .. }
            | RunError::Locked { .. }
            | RunError::Malformed { .. }
            | RunError::Config { .. } => false,
            RunError::Occupied { .. }
            | RunError::NotARun { .. }
            | RunError::Changed { .. }
            | RunError::OtherData { .. }
            | RunError::OtherHardware { .. }
            | RunError::Moved { .. }
            | RunError::NotExtended { .. }
            | RunError::NotAFolder { .. }
            | RunError::Missing { .. }
            | RunError::NoRun { .. }
            | RunError::OfSeeds { .. }
            | RunError::OtherSeeds { .. }
            | RunError::Alone { .. } => true,
        }
    }
}

/// The parts of the data that differ, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherParts(pub Vec<&'static str>);

impl std::fmt::Display for OtherParts {
    /// `the test images and the unlabelled images differ; `, or nothing.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named: Vec<String> = self.0.iter().map(|part| format!("the {part}")).collect();
        match named.as_slice() {
            [] => Ok(()),
            [before @ .., last] if !before.is_empty() => write!(formatter, "{} and {last} differ; ", before.join(", ")),
            [one, ..] => write!(formatter, "{one} differ; "),
        }
    }
}

fn list(differences: &[Difference]) -> String {
    let each = differences.iter().map(|change| format!("{} was {}, is {}", change.key, change.a, change.b));
    each.collect::<Vec<_>>().join("; ")
}

fn with_seeds(seeds: usize) -> String {
    if seeds == 1 { "with a single seed".to_owned() } else { format!("with --seeds {seeds}") }
}
