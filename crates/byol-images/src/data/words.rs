//! Numbers and what is counted, in errors.

/// `1 image`, `2 images`.
pub(crate) fn counted(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
