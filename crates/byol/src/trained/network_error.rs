//! Why a network or classifier cannot be had from a run.

use std::path::PathBuf;

use super::checkpoint::CheckpointError;
use super::heads::HeadError;
use crate::config::ConfigError;
use crate::model::ModelError;
use crate::nearest::path_hint;
use crate::report::language::english::names::{head, training};
use crate::run::command::shell_word;
use crate::run::directory::RunError;
use crate::run::record::HeadKind;
use crate::run::record::{LabelBudget, Stage};

/// A network that cannot be had from a run.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(
        "{} keeps no {} classifier with {budget} labels per class{}; make it with `byol evaluate {} --keep --from {} --data DATA`",
        path.display(), head(*kind), heads_there(there), kind.name(), path.display()
    )]
    NoHead { path: PathBuf, kind: HeadKind, budget: LabelBudget, there: Vec<LabelBudget> },
    #[error(
        "the {} classifier in {} was fitted to another encoder than the newest of the run; make it anew with `byol evaluate {} \
         --keep --from {} --data DATA`", head(*kind), path.display(), kind.name(), path.display()
    )]
    OtherEncoder { path: PathBuf, kind: HeadKind },
    #[error("a {} classifier belongs to a run directory, and {} is one checkpoint of it; name the run", head(*kind), path.display())]
    HeadOfCheckpoint { path: PathBuf, kind: HeadKind },
    #[error(
        "pre-training leaves an encoder without a classifier, but {} has classifiers: leave --stage out, or ask for one with \
         --classifier {}", path.display(), there.join(", ")
    )]
    StageWithoutClassifier { path: PathBuf, there: Vec<String> },
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("{} does not fit its own configuration", path.display())]
    Model { path: PathBuf, source: ModelError },
    #[error("failed to read the configuration in {}", path.display())]
    Config { path: PathBuf, source: Box<ConfigError> },
    #[error("{} is neither a run directory nor a checkpoint{}", path.display(), path_hint(path))]
    NotFound { path: PathBuf },
    #[error("{} is not finished; {}; once nothing works on it, `byol {command} --resume {}` goes on", path.display(), ready_words(ready), shell_word(path))]
    UnfinishedRun {
        path: PathBuf,
        ready: Vec<Ready>,
        /// The command that continues it.
        command: &'static str,
    },
    #[error("{} of {} is not finished; continue it with --resume, or name one of its checkpoints", training(*stage), path.display())]
    UnfinishedStage { path: PathBuf, stage: Stage },
    #[error(
        "{} holds an encoder without a classifier; fine-tune it with labels first (byol finetune), or ask for the encoder \
         alone",
        path.display()
    )]
    NoClassifier { path: PathBuf },
    #[error("{} holds no result of {}; it has {}", path.display(), training(*stage), list(there))]
    NoSuchStage { path: PathBuf, stage: Stage, there: Vec<String> },
    #[error("{} holds no classifier with {budget} labels per class; it has {}", path.display(), list(there))]
    NoSuchBudget { path: PathBuf, budget: LabelBudget, there: Vec<String> },
}

/// What an unfinished run has ready.
#[derive(Clone, Debug, PartialEq, Eq)]
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
