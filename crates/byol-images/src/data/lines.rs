//! The line of a position in a text, whatever ends its lines: the reader of tables counts wrongly where these are of Windows.

/// Counts lines up to positions that are asked for in ascending order.
pub(crate) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Lines { text, at: 0, line: 1 }
    }

    /// The line (from 1) of what begins at a byte position, where line ends at this place are passed over.
    pub fn line_at(&mut self, position: u64) -> u64 {
        let mut end = usize::try_from(position).unwrap_or(usize::MAX).min(self.text.len());
        while matches!(self.text.get(end), Some(b'\r' | b'\n')) {
            end += 1;
        }
        while self.at < end {
            let ends = match self.text[self.at] {
                b'\n' => true,
                b'\r' => self.text.get(self.at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(ends);
            self.at += 1;
        }
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_line_end_counts_once() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["path,label", "a,b", "", "c,d"].join(end);
            let mut lines = Lines::new(text.as_bytes());
            let at = |part: &str| text.find(part).unwrap() as u64;
            assert_eq!(lines.line_at(0), 1);
            assert_eq!(lines.line_at(at("a,b") - 1), 2, "{end:?}");
            assert_eq!(lines.line_at(at("c,d")), 4, "{end:?}");
            assert_eq!(lines.line_at(u64::MAX), 4);
        }
    }
}
