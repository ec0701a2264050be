//! Whether a JPEG file is whole.

/// Whether the image ends where its last scan does. The decoder fills up what is missing from a JPEG file that was cut off
/// with gray and says nothing. Entropy-coded data holds no marker but restarts (ITU-T T.81, B.1.1.5); thumbnails lie within
/// segments, and are passed over with them. Whatever follows the end (the other images of an MPF file) does not count, so a
/// file that was cut off with a whole one behind it is not whole.
pub fn ends(bytes: &[u8]) -> bool {
    const START_OF_IMAGE: u8 = 0xd8;
    const END_OF_IMAGE: u8 = 0xd9;
    const START_OF_SCAN: u8 = 0xda;
    let (mut at, mut scanned) = (2, false);
    while let Some((marker, after)) = next_marker(bytes, at) {
        at = after;
        match marker {
            // Restarts, and a marker of no meaning; none of them has a length.
            0x01 | 0xd0..=0xd7 => {}
            END_OF_IMAGE => return scanned,
            START_OF_IMAGE => return false,
            _ => match bytes.get(at..at + 2) {
                Some(&[high, low]) => {
                    at += usize::from(u16::from_be_bytes([high, low]));
                    scanned |= marker == START_OF_SCAN;
                }
                _ => return false,
            },
        }
    }
    false
}

/// The next marker at or after a place, and where it ends. As other decoders, passes over what is neither a marker nor in a
/// segment: entropy-coded data, and bytes that programs left between segments.
fn next_marker(bytes: &[u8], from: usize) -> Option<(u8, usize)> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|&byte| byte == 0xff)?;
        match bytes.get(at + 1)? {
            // A byte of the value 255 in entropy-coded data.
            0x00 => at += 2,
            // A fill byte.
            0xff => at += 1,
            &marker => return Some((marker, at + 2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: [u8; 8] = [0xff, 0xda, 0, 4, 1, 2, 33, 44];
    const END: [u8; 2] = [0xff, 0xd9];

    fn file(parts: &[&[u8]]) -> Vec<u8> {
        [&[&[0xff, 0xd8][..]], parts].concat().concat()
    }

    #[test]
    fn the_end_follows_the_scan() {
        assert!(ends(&file(&[&SCAN, &END])));
        assert!(!ends(&file(&[&SCAN])));
        assert!(!ends(&file(&[&END])));
        assert!(!ends(&[0xff, 0xd8]));
        assert!(!ends(&[]));
    }

    #[test]
    fn stuffed_bytes_restarts_and_fill_bytes_are_no_end() {
        assert!(!ends(&file(&[&SCAN, &[0xff, 0x00, 0xd9, 0xff, 0xd0, 5]])));
        assert!(ends(&file(&[&SCAN, &[0xff, 0x00, 0xd9, 0xff, 0xd7, 5, 0xff, 0xff], &END[1..]])));
    }

    #[test]
    fn tables_and_scans_may_follow_a_scan() {
        let table = [0xff, 0xc4, 0, 6, 0xff, 0xd9, 0xff, 0xd8];
        assert!(ends(&file(&[&table, &SCAN, &table, &SCAN, &END])));
        assert!(!ends(&file(&[&table, &SCAN, &table, &SCAN])));
    }

    #[test]
    fn an_image_behind_a_cut_one_does_not_make_it_whole() {
        let whole = file(&[&SCAN, &END]);
        assert!(ends(&[whole.clone(), whole.clone()].concat()));
        assert!(!ends(&[&whole[..whole.len() - 2], &whole].concat()));
        assert!(!ends(&[&whole[..whole.len() - 1], &whole].concat()));
    }
}
