//! Numbers, plurals and lists as English writes them.

use crate::statistics::guess::Guess;
use crate::statistics::wilson;

/// `1,234,567`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 epoch`, `2,000 epochs`
pub fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// A share of 1 as `61.2%`.
pub fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}

/// `12 of 25 test images (48.0%; 95% interval 30.0% to 66.5%)`, after Wilson; nothing where there are none.
pub fn right_of(right: u64, images: u64) -> Option<String> {
    right_among(right, images, "test image")
}

/// The same of other images, of which `one` is what one is called.
pub fn right_among(right: u64, images: u64, one: &str) -> Option<String> {
    let (low, high) = wilson(right, images).ok()?;
    Some(format!(
        "{} of {} ({}; 95% interval {} to {})",
        count(right),
        plural(images, one),
        percent(right as f64 / images as f64),
        percent(low),
        percent(high)
    ))
}

/// What answers without looking are called: the same wherever an accuracy is held against them.
pub fn name_of_guess(guess: Guess) -> String {
    match guess {
        Guess::AnyOf { classes } => format!("guessing among {}", counted_classes(classes)),
        Guess::MostFrequent { .. } => "always answering with the most frequent class".to_owned(),
    }
}

fn counted_classes(classes: usize) -> String {
    if classes == 1 { "1 class".to_owned() } else { format!("{} classes", count(classes as u64)) }
}

/// That a classifier's answers are no better than guesses, or not clearly, after a subject; nothing where they are, or where
/// nothing is known.
pub fn guessing(right: u64, images: u64, guess: Guess) -> Option<String> {
    if guess.is_beaten_by(right, images)? {
        return None;
    }
    let how = if right as f64 / images as f64 > guess.accuracy() { "not clearly better" } else { "no better" };
    let (guessing, accuracy) = (name_of_guess(guess), percent(guess.accuracy()));
    Some(format!("is {how} than {guessing} ({accuracy}), so do not rely on its answers"))
}

/// An estimate, rounded up to two digits.
pub fn rounded(number: u64) -> u64 {
    let step = 10u64.pow(number.max(1).ilog10().saturating_sub(1));
    number.div_ceil(step) * step
}

/// A number that is an estimate: `300`, `1,300`. What is reckoned from it begins with the [`rounded`] one.
pub fn about(number: u64) -> String {
    count(rounded(number))
}

/// A number that need not be exact, to two digits: `54,000`, `1.2 million`, `12 million`.
pub fn nearly(number: u64) -> String {
    let step = 10u64.pow(number.max(1).ilog10().saturating_sub(1));
    let near = (number + step / 2) / step * step;
    match near {
        ..1_000_000 => count(near),
        1_000_000..10_000_000 => format!("{:.1} million", near as f64 / 1e6),
        _ => format!("{} million", count(near / 1_000_000)),
    }
}

/// A difference of shares in percentage points with its sign: `+7.3`, `−0.4`, `0.0`. A small one keeps a second digit,
/// so that an end of an interval does not seem to touch 0.
pub fn points(difference: f64) -> String {
    let size = 100.0 * difference.abs();
    let text = if size < 0.1 { format!("{size:.2}") } else { format!("{size:.1}") };
    match text.as_str() {
        "0.00" => "0.0".to_owned(),
        _ if difference < 0.0 => format!("\u{2212}{text}"),
        _ => format!("+{text}"),
    }
}

/// `−4.1 to +10.2`, in percentage points.
pub fn points_between(low: f64, high: f64) -> String {
    format!("{} to {}", points(low), points(high))
}

/// A difference of shares in percentage points without its sign: `7.3 points`, `1.0 point`.
pub fn size(difference: f64) -> String {
    match format!("{:.1}", 100.0 * difference.abs()).as_str() {
        "1.0" => "1.0 point".to_owned(),
        text => format!("{text} points"),
    }
}

/// `p = 0.031`, `p < 0.001`.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

/// `4.2 s`, `42 s`, `3 min 05 s`, `2 h 07 min`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 9.95 { format!("{seconds:.1} s") } else { whole_duration(seconds) }
}

/// The same without tenths, for what is counted down.
pub fn whole_duration(seconds: f64) -> String {
    // Saturates: not-a-number becomes 0.
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// What something is expected to take, or has taken: as [`whole_duration`], but less than a second is not none.
pub fn expected_duration(seconds: f64) -> String {
    if 0.0 < seconds && seconds < 1.0 { "under 1 s".to_owned() } else { whole_duration(seconds) }
}

/// Three significant figures, without an exponent where it can be avoided. `figure` in `script.js` does the same.
pub fn figure(number: f64) -> String {
    let size = number.abs();
    if number == 0.0 {
        "0".to_owned()
    } else if !(1e-4..1e6).contains(&size) {
        format!("{number:.2e}")
    } else {
        let decimals = (2 - size.log10().floor() as i32).max(0) as usize;
        format!("{number:.decimals$}")
    }
}

/// Throughput; below ten images a second the tenths matter.
pub fn rate(images_per_second: f64) -> String {
    let digits = usize::from(images_per_second < 10.0);
    format!("{images_per_second:.digits$} images/s")
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The same sentence with a capital first letter; `k-NN` and file names keep their own.
pub fn capital(sentence: &str) -> String {
    let first = sentence.split([' ', ':']).next().unwrap_or_default();
    if first == "k-NN" || first.contains('.') {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A sentence to stand within another: with a small first letter, unless its first word has others that are capital.
pub fn uncapital(sentence: &str) -> String {
    let first = sentence.split([' ', ':']).next().unwrap_or_default();
    if first.chars().skip(1).any(char::is_uppercase) {
        return sentence.to_owned();
    }
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accuracy_has_its_interval_and_is_held_against_guessing() {
        assert_eq!(right_of(12, 25).as_deref(), Some("12 of 25 test images (48.0%; 95% interval 30.0% to 66.5%)"));
        assert_eq!(right_of(1, 1).as_deref(), Some("1 of 1 test image (100.0%; 95% interval 20.7% to 100.0%)"));
        assert_eq!(right_of(0, 0), None);
        // 6 of 25: 11.5% to 43.4%, and five classes are guessed in 20%.
        let five = Guess::AnyOf { classes: 5 };
        let text = "is not clearly better than guessing among 5 classes (20.0%), so do not rely on its answers";
        assert_eq!(guessing(6, 25, five).as_deref(), Some(text));
        assert!(guessing(5, 25, five).is_some_and(|text| text.starts_with("is no better than guessing among 5")));
        assert_eq!([guessing(12, 25, five), guessing(0, 0, five)], [None, None]);
        // 88 of 100 would beat one of two classes.
        let text =
            "is no better than always answering with the most frequent class (90.0%), so do not rely on its answers";
        assert_eq!(guessing(88, 100, Guess::MostFrequent { own: 90, images: 100 }).as_deref(), Some(text));
    }

    #[test]
    fn large_numbers_are_said_to_two_digits() {
        let said = [0, 7, 449, 54_400, 995_000, 999_999, 1_249_999, 12_345_678, 250_000_000].map(nearly);
        let expected =
            ["0", "7", "450", "54,000", "1.0 million", "1.0 million", "1.2 million", "12 million", "250 million"];
        assert_eq!(said, expected);
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([count(0), count(999), count(1000), count(1_234_567)], ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([points(0.0731), points(-0.004), points(-0.00001)], ["+7.3", "\u{2212}0.4", "0.0"]);
        assert_eq!(points(0.0004), "+0.04");
        assert_eq!([size(-0.01), size(0.0), size(0.123)], ["1.0 point", "0.0 points", "12.3 points"]);
        assert_eq!([p_value(0.0004), p_value(1.0)], ["p < 0.001", "p = 1.000"]);
        assert_eq!([duration(0.42), duration(59.6), duration(3599.0)], ["0.4 s", "1 min 00 s", "59 min 59 s"]);
        assert_eq!([duration(42.0), duration(7650.0), duration(f64::NAN)], ["42 s", "2 h 07 min", "unknown"]);
        assert_eq!(
            [whole_duration(0.4), whole_duration(200.0), whole_duration(7500.0)],
            ["0 s", "3 min 20 s", "2 h 05 min"]
        );
        assert_eq!(whole_duration(f64::NAN), "0 s");
        assert_eq!([0.0, 0.3, 0.9, 1.0].map(expected_duration), ["0 s", "under 1 s", "under 1 s", "1 s"]);
        assert_eq!([figure(0.0), figure(0.001), figure(145.27), figure(20_000.0)], ["0", "0.00100", "145", "20000"]);
        assert_eq!([figure(1e-5), figure(-0.5)], ["1.00e-5", "-0.500"]);
        assert_eq!([rate(87.4), rate(6.66)], ["87 images/s", "6.7 images/s"]);
        assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "a, b and c");
        assert_eq!([plural(1, "epoch"), plural(2000, "epoch")], ["1 epoch", "2,000 epochs"]);
        assert_eq!([about(7), about(28), about(301), about(1234)], ["7", "28", "310", "1,300"]);
        assert_eq!([uncapital("No result"), uncapital("BYOL is")], ["no result", "BYOL is"]);
        assert_eq!(capital("fine-tuned BYOL"), "Fine-tuned BYOL");
        assert_eq!(capital("metrics.jsonl: torn"), "metrics.jsonl: torn");
    }
}
