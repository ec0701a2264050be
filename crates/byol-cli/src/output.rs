//! What goes to standard output: results for people, or JSON lines for programs.

use std::io::Write;

use serde::Serialize;

/// Writes text for people. That nobody reads it any more stops nothing.
pub fn text(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}

/// Writes one JSON object as a line.
pub fn json(value: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}
