//! Whether a JPEG file is whole.

/// Whether an end-of-image marker follows the first scan. The decoder fills up what is missing from a JPEG file that
/// was cut off with gray and says nothing. Entropy-coded data never holds `FF D9`; thumbnails that do lie in the
/// segments before the scan.
pub fn ends(bytes: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xda;
    let mut at = 2;
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        match marker {
            START_OF_SCAN => break,
            // Fill byte.
            0xff => at += 1,
            // Markers without a length.
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
    bytes.get(at..).is_some_and(|rest| rest.windows(2).rev().any(|pair| pair == [0xff, 0xd9]))
}
