//! Exit codes, and errors as one line on standard error.

use std::process::ExitCode;

use byol::config::ConfigError;

use crate::interrupt;

/// How a command ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Done,
    /// Stopped on request, with a checkpoint.
    Interrupted,
}

/// What is wrong with a command line that clap could read.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// The work failed.
const FAILURE: u8 = 1;
/// The command line or the configuration is wrong.
const USAGE: u8 = 2;
/// The exit code of a command; reports its error.
pub fn code(result: anyhow::Result<Ending>) -> ExitCode {
    match result {
        Ok(Ending::Done) => ExitCode::SUCCESS,
        Ok(Ending::Interrupted) => ExitCode::from(interrupt::exit_code()),
        Err(error) => {
            eprintln!("byol: {}", one_line(&error));
            let usage = error.chain().any(|cause| cause.is::<ConfigError>() || cause.is::<Usage>());
            ExitCode::from(if usage { USAGE } else { FAILURE })
        }
    }
}

/// The exit code of a command line that could not be read, or that asked for help or the version.
pub fn arguments(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Whoever closed standard output does not want the help.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
    } else {
        eprintln!("byol: {}", first_part(&error.render().to_string()));
    }
    ExitCode::from(USAGE)
}

/// An error with its causes, outermost first. Some messages already end with their cause.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !line.ends_with(&cause) {
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
    fn usage_errors_become_one_line() {
        let text = "error: the following required arguments were not provided:\n  --data <DIR>\n  --out <RUN>\n\n\
                    Usage: byol run\n\nFor more information, try '--help'.\n";
        let line = "the following required arguments were not provided: --data <DIR>, --out <RUN>";
        assert_eq!(first_part(text), line);
        let text = "error: unexpected argument '--ou' found\n\n  tip: a similar argument exists: '--out'\n\nUsage: x\n";
        assert_eq!(first_part(text), "unexpected argument '--ou' found; a similar argument exists: '--out'");
    }
}
