//! Exit codes, and errors as one line on standard error.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use byol::config::ConfigError;
use byol::config::template::TemplateError;
use byol::data::DataError;
use byol::data::labelling::LabelFileError;
use byol::experiment::ExperimentError;
use byol::experiment::planning::PlanError;
use byol::export::ExportError;
use byol::inference::InferenceError;
use byol::label::LabelError;
use byol::ranks::RanksError;
use byol::report::ReportError;
use byol::run::RunError;
use byol::run::command::shell_word;
use byol::train::TrainError;
use byol::trained::checkpoint::CheckpointError;
use byol::trained::model::NetworkError;
use byol::weights::WeightsError;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::paint::{Tone, paint};
use crate::{args, interrupt, output, place};

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    /// Stopped on request, with a checkpoint.
    Interrupted,
    /// Found what was asked for to be broken, and has said so.
    Failed,
}

/// What is wrong with a command line that clap could read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The work failed.
const FAILURE: u8 = 1;
/// The command line or the configuration is wrong: another one is the remedy.
const USAGE: u8 = 2;

/// What each exit code means.
pub const EXIT_CODES: [(u8, &str); 5] = [
    (0, "done"),
    (FAILURE, "the work failed"),
    (USAGE, "the command line or the configuration is wrong, or names what is not there"),
    (130, "interrupted (SIGINT, Ctrl-C); a run directory then holds a checkpoint to --resume from"),
    (143, "asked to terminate (SIGTERM), likewise"),
];

/// The exit codes, for the program's help.
pub fn meanings() -> String {
    let lines = EXIT_CODES.iter().map(|(code, meaning)| format!("\n  {code:<5}{meaning}"));
    format!("Exit codes:{}", lines.collect::<String>())
}

/// The exit code of a command; reports its error.
pub fn code(result: anyhow::Result<Ending>) -> ExitCode {
    match result {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(interrupt::exit_code()),
        Ok(Ending::Failed) => ExitCode::from(FAILURE),
        Err(error) if error.chain().any(place::is_closed) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&one_line(&error));
            let usage = error.chain().any(is_usage);
            ExitCode::from(if usage { USAGE } else { FAILURE })
        }
    }
}

/// Whether another command line or configuration is the remedy.
fn is_usage(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<ConfigError>()
        || cause.is::<Usage>()
        || says(cause, ExperimentError::is_of_configuration)
        || says(cause, PlanError::is_of_configuration)
        || says(cause, TrainError::is_of_configuration)
        || says(cause, RanksError::is_of_command_line)
        || says(cause, DataError::is_of_command_line)
        || says(cause, ExportError::is_of_command_line)
        || says(cause, InferenceError::is_of_command_line)
        || says(cause, LabelError::is_of_command_line)
        || says(cause, LabelFileError::is_of_command_line)
        || says(cause, NetworkError::is_of_command_line)
        || says(cause, WeightsError::is_of_command_line)
        || says(cause, CheckpointError::is_of_command_line)
        || says(cause, RunError::is_of_command_line)
        || says(cause, TemplateError::is_of_command_line)
        || says(cause, ReportError::is_of_command_line)
}

/// Whether an error of this type says it of itself.
fn says<E: Error + 'static>(cause: &(dyn Error + 'static), it_is: fn(&E) -> bool) -> bool {
    cause.downcast_ref::<E>().is_some_and(it_is)
}

/// The exit code of a command line that could not be read, or that asked for help or the version.
pub fn arguments(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Whoever closed standard output does not want the help.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
    } else {
        complain(&format!("{}{}", first_part(&error.render().to_string()), remedy(error)));
    }
    ExitCode::from(USAGE)
}

/// Writes an error to standard error.
fn complain(message: &str) {
    output::line(&format!("{} {message}", paint(Tone::Error, "byol:")));
}

/// Where to look, for what clap has no suggestion for.
fn remedy(error: &clap::Error) -> String {
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    if suggested.into_iter().any(|kind| error.get(kind).is_some()) {
        return String::new();
    }
    let command = typed_command();
    if let Some(guess) = guess(error, &command) {
        return guess;
    }
    match error.kind() {
        ErrorKind::UnknownArgument => format!("; `{} --help` lists the options", command.name),
        ErrorKind::InvalidSubcommand => format!("; the commands are {}", command.inner.join(", ")),
        _ => String::new(),
    }
}

/// The option that a place without one was probably meant for.
fn guess(error: &clap::Error, command: &Typed) -> Option<String> {
    let has = |option: &str| command.options.iter().any(|known| known == option);
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) if !word.starts_with('-') && has("data") => {
            Some(format!("; did you mean --data {}?", shell_word(Path::new(word))))
        }
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing)))
            if missing.iter().any(|option| option.starts_with("--from")) =>
        {
            let meant = with_from(&typed())?;
            let words: Vec<String> = meant.iter().map(|word| shell_word(Path::new(word))).collect();
            Some(format!("; did you mean `byol {}`?", words.join(" ")))
        }
        _ => None,
    }
}

/// The command line, as far as it is text.
fn typed() -> Vec<String> {
    std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect()
}

/// A command line in which the first run that stands by itself is given with `--from`.
fn with_from(typed: &[String]) -> Option<Vec<String>> {
    let is_run = |word: &String| Path::new(word).join("config.toml").is_file();
    let place = typed.iter().position(is_run)?;
    let mut meant = typed.to_vec();
    meant.insert(place, "--from".to_owned());
    Some(meant)
}

/// The command that the command line leads to, as far as there is one.
struct Typed {
    /// `byol data`.
    name: String,
    /// The names of its own commands.
    inner: Vec<String>,
    /// Its own options, without dashes.
    options: Vec<String>,
}

fn typed_command() -> Typed {
    let mut command = args::command();
    let mut name = "byol".to_owned();
    for word in typed() {
        if let Some(inner) = command.find_subcommand(&word) {
            command = inner.clone();
            name = format!("{name} {word}");
        }
    }
    let options = command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned).collect();
    Typed { name, inner: command.get_subcommands().map(|inner| inner.get_name().to_owned()).collect(), options }
}

/// An error with its causes, outermost first. Some messages hold their cause already.
pub fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !line.contains(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line.replace('\n', " ")
}

/// What clap says before it repeats the usage, as one line.
fn first_part(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let mut line = String::new();
    for part in message.lines().map(str::trim) {
        if part.starts_with("Usage:") || part.starts_with("For more information") {
            break;
        }
        match (part, line.as_bytes().last()) {
            ("", _) => {}
            (_, None) => line.push_str(part),
            (_, Some(b':')) => line = format!("{line} {part}"),
            (_, Some(_)) => line = format!("{line}{}", joined(part)),
        }
    }
    line
}

/// A further part of a message with what joins it to the parts before.
fn joined(part: &str) -> String {
    if let Some(tip) = part.strip_prefix("tip: ") {
        return format!("; {tip}");
    }
    match part.strip_prefix('[').and_then(|part| part.strip_suffix(']')) {
        Some(values) => format!("; {values}"),
        None => format!(", {part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_joined_and_not_repeated() {
        let inner = std::io::Error::other("disk full");
        let error = anyhow::Error::new(inner).context("failed to write a: disk full").context("saving failed");
        assert_eq!(one_line(&error), "saving failed: failed to write a: disk full");
    }

    #[test]
    fn a_run_among_the_paths_is_given_with_from() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        let run = run.to_str().unwrap();
        let typed = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
        let line = typed(&["predict", run, "photos", "--top", "1"]);
        assert_eq!(with_from(&line), None, "no run yet");
        std::fs::write(folder.path().join("run/config.toml"), "").unwrap();
        assert_eq!(with_from(&line), Some(typed(&["predict", "--from", run, "photos", "--top", "1"])));
    }

    #[test]
    fn usage_errors_become_one_line() {
        let text = "error: the following required arguments were not provided:\n  --data <DIR>\n  --out <RUN>\n\n\
                    Usage: byol run\n\nFor more information, try '--help'.\n";
        let line = "the following required arguments were not provided: --data <DIR>, --out <RUN>";
        assert_eq!(first_part(text), line);
        let text = "error: unexpected argument '--ou' found\n\n  tip: a similar argument exists: '--out'\n\nUsage: x\n";
        assert_eq!(first_part(text), "unexpected argument '--ou' found; a similar argument exists: '--out'");
    }
}
