//! Colour, by what a word means. Whether it reaches the reader is the stream's matter (`output`): there is none off a
//! terminal or with NO_COLOR, and there is some with CLICOLOR_FORCE.

use anstyle::{AnsiColor, Style};

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Heading,
    Good,
    Warning,
    Error,
}

/// The text in its tone.
pub fn paint(tone: Tone, text: &str) -> String {
    let style = match tone {
        Tone::Heading => Style::new().bold(),
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Warning => AnsiColor::Yellow.on_default().bold(),
        Tone::Error => AnsiColor::Red.on_default().bold(),
    };
    format!("{style}{text}{style:#}")
}
