//! Numbers and what is counted, in sentences.

/// `1 image`, `2 images`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// The form of a verb that goes with a number: `is` or `are`, for instance.
pub(crate) fn verb(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}
