//! Names as they are compared: systems write the same letters composed (`ä`) or decomposed (`a` and two dots). Files are opened by
//! the name on disk; everything else has the composed form.

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// The composed form (NFC) of a name.
pub(crate) fn composed(name: &str) -> String {
    match is_nfc(name) {
        true => name.to_owned(),
        false => name.nfc().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_forms_of_a_letter_are_one() {
        assert_eq!(composed("Ka\u{308}fer"), "K\u{e4}fer");
        assert_eq!(composed("K\u{e4}fer"), "K\u{e4}fer");
    }
}
