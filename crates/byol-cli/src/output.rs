//! What goes to standard output, results for people or JSON lines for programs, and to standard error.

use std::io::Write;

use serde::Serialize;

/// Writes text for people. That nobody reads it any more stops nothing.
pub fn text(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{}", text.trim_end());
}

/// Writes a line for people to standard error.
pub fn line(line: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

/// Writes one JSON object as a line.
pub fn json(value: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
