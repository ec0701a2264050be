//! Why a network or classifier cannot be had from a run.

use std::path::{Path, PathBuf};

use super::checkpoint::CheckpointError;
use super::heads::HeadError;
use crate::config::ConfigError;
use crate::model::ModelError;
use crate::nearest::path_hint;
use crate::report::language::english::names::{head, training};
use crate::run::RunError;
use crate::run::command::shell_word;
use crate::run::lock::{self, Writing};
use crate::run::record::HeadKind;
use crate::run::record::{LabelBudget, Stage};

/// A network that cannot be had from a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A kept classifier cannot be read.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The run keeps no classifier of that kind with that label budget.
    #[error(
        "{} keeps no {} classifier with {budget} labels per class{}; make it with `byol evaluate {} --keep --from {} --data DATA`",
        path.display(), head(*kind), heads_there(there), kind.name(), path.display()
    )]
    NoHead {
        /// The run directory.
        path: PathBuf,
        /// The kind that was asked for.
        kind: HeadKind,
        /// The label budget that was asked for.
        budget: LabelBudget,
        /// The label budgets of the classifiers of that kind that it keeps.
        there: Vec<LabelBudget>,
    },
    /// A kept classifier was fitted to an encoder that the run no longer has.
    #[error(
        "the {} classifier in {} was fitted to another encoder than the newest of the run; make it anew with `byol evaluate {} \
         --keep --from {} --data DATA`", head(*kind), path.display(), kind.name(), path.display()
    )]
    OtherEncoder {
        /// The run directory.
        path: PathBuf,
        /// The classifier's kind.
        kind: HeadKind,
    },
    /// A classifier on the frozen encoder was asked for, and a checkpoint was named.
    #[error("a {} classifier belongs to a run directory, and {} is one checkpoint of it; name the run", head(*kind), path.display())]
    HeadOfCheckpoint {
        /// The checkpoint.
        path: PathBuf,
        /// The kind that was asked for.
        kind: HeadKind,
    },
    /// A classifier of pre-training was asked for.
    #[error(
        "pre-training leaves an encoder without a classifier, but {} has classifiers: leave --stage out, or ask for one with \
         --classifier {}", path.display(), there.join(", ")
    )]
    StageWithoutClassifier {
        /// The run directory.
        path: PathBuf,
        /// The kinds of classifiers that it has, as they are typed.
        there: Vec<String>,
    },
    /// The run directory cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The tensors of a checkpoint are not those of its network.
    #[error("{} does not fit its own configuration", path.display())]
    Model {
        /// The checkpoint.
        path: PathBuf,
        /// What does not fit.
        source: ModelError,
    },
    /// The configuration in a checkpoint cannot be used.
    #[error("failed to read the configuration in {}", path.display())]
    Config {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ConfigError>,
    },
    /// Nothing of a run is at the path.
    #[error("{} is neither a run directory nor a checkpoint{}", path.display(), path_hint(path))]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// The run goes on or was stopped, and it was not said which of its networks is meant.
    #[error("{} is not finished; {}; {}", path.display(), ready_words(ready), goes_on(path, command, holder.as_deref()))]
    UnfinishedRun {
        /// The run directory.
        path: PathBuf,
        /// What it has ready.
        ready: Vec<Ready>,
        /// The command that continues it.
        command: &'static str,
        /// The process that works on it, where one does.
        holder: Option<String>,
    },
    /// The stage that was asked for has not ended.
    #[error("{} of {} is not finished; continue it with --resume, or name one of its checkpoints", training(*stage), path.display())]
    UnfinishedStage {
        /// The run directory.
        path: PathBuf,
        /// The stage.
        stage: Stage,
    },
    /// Only an encoder is there.
    #[error(
        "{} holds an encoder without a classifier; fine-tune it with labels first (byol finetune), or ask for the encoder \
         alone",
        path.display()
    )]
    NoClassifier {
        /// The run directory or checkpoint.
        path: PathBuf,
    },
    /// The run has no network of the stage that was asked for.
    #[error("{} holds no result of {}; it has {}", path.display(), training(*stage), list(there))]
    NoSuchStage {
        /// The run directory.
        path: PathBuf,
        /// The stage.
        stage: Stage,
        /// The stages that it has results of, for people.
        there: Vec<String>,
    },
    /// The run has no classifier with the label budget that was asked for.
    #[error("{} holds no classifier with {budget} labels per class; it has {}", path.display(), list(there))]
    NoSuchBudget {
        /// The run directory.
        path: PathBuf,
        /// The label budget.
        budget: LabelBudget,
        /// The label budgets that it has.
        there: Vec<String>,
    },
}

/// What an unfinished run has ready.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ready {
    /// For people: `the baseline with 5 labels per class`.
    pub what: String,
    /// The options that ask for it.
    pub options: String,
}

/// Of very many, the first are named.
const NAMED_READY: usize = 4;

fn ready_words(ready: &[Ready]) -> String {
    if ready.is_empty() {
        return "nothing that is needed here is ready yet".to_owned();
    }
    let named = ready.iter().take(NAMED_READY).map(|Ready { what, options }| format!("{what} ({options})"));
    let more = if ready.len() > NAMED_READY { " and others" } else { "" };
    format!("ready: {}{more}", named.collect::<Vec<_>>().join(", "))
}

fn list(there: &[String]) -> String {
    if there.is_empty() { "none".to_owned() } else { there.join(", ") }
}

fn heads_there(there: &[LabelBudget]) -> String {
    match there {
        [] => String::new(),
        _ => format!(
            " (there are such with {})",
            there.iter().map(LabelBudget::to_string).collect::<Vec<_>>().join(", ")
        ),
    }
}

impl NetworkError {
    /// That the run is not finished, and what works on it now.
    pub(super) fn unfinished(path: &Path, ready: Vec<Ready>, command: &'static str) -> NetworkError {
        let holder = match lock::writing(path) {
            Writing::Now(holder) => Some(holder.to_string()),
            Writing::BrokenOff(_) | Writing::No => None,
        };
        NetworkError::UnfinishedRun { path: path.to_owned(), ready, command, holder }
    }

    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        match self {
            NetworkError::Checkpoint(error) => error.is_of_command_line(),
            NetworkError::Run(error) => error.is_of_command_line(),
            NetworkError::StageWithoutClassifier { .. }
            | NetworkError::HeadOfCheckpoint { .. }
            | NetworkError::NotFound { .. }
            | NetworkError::UnfinishedRun { .. }
            | NetworkError::UnfinishedStage { .. }
            | NetworkError::NoSuchStage { .. }
            | NetworkError::NoSuchBudget { .. } => true,
            // Another command has to be run first, or the files are what is wrong.
            NetworkError::Head(_)
            | NetworkError::NoHead { .. }
            | NetworkError::OtherEncoder { .. }
            | NetworkError::NoClassifier { .. }
            | NetworkError::Model { .. }
            | NetworkError::Config { .. } => false,
        }
    }
}

/// How an unfinished run comes to its end.
fn goes_on(path: &Path, command: &str, holder: Option<&str>) -> String {
    match holder {
        Some(holder) => format!("{holder} works on it, as `byol watch {}` shows", shell_word(path)),
        None => format!("`byol {command} --resume {}` goes on with it", shell_word(path)),
    }
}
