//! Labels that are given as texts, in tables, Parquet and tar files alike: which of them are one class, which are none, and the
//! number of each class.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::DataError;
use super::listing::Listing;
use super::names::composed;
use super::note::DataNote;

/// What programs write where there is no value. Each may be a class, too.
const MISSING: [&str; 8] = ["na", "n/a", "nan", "null", "none", "-1", "?", "unknown"];

/// Gives each image of a listing its class, and the listing the names of the classes in order: as numbers where all are whole
/// numbers, else as texts.
///
/// Composed and decomposed letters are the same, as are whole numbers that are written differently (`3`, `03`, `3.0`); `-1`
/// beside numbers from 0 on is no label. A class that is called `NA` or alike remains one, with a warning.
///
/// # Errors
/// There are more classes than labels can count.
pub(crate) fn assign(listing: &mut Listing, labels: Vec<Option<String>>) -> Result<(), DataError> {
    let labels: Vec<Option<String>> = labels
        .into_iter()
        .map(|label| label.map(|label| composed(label.trim())).filter(|label| !label.is_empty()))
        .collect();
    let distinct: BTreeSet<&str> = labels.iter().flatten().map(String::as_str).collect();
    let values: Option<BTreeMap<&str, i64>> =
        distinct.iter().map(|&label| whole_number(label).map(|value| (label, value))).collect();
    let mut numbers: HashMap<&str, u16> = HashMap::new();
    let mut names: Vec<String> = Vec::new();
    match &values {
        Some(values) => {
            let mut spellings: BTreeMap<i64, Vec<&str>> = BTreeMap::new();
            for (&label, &value) in values {
                spellings.entry(value).or_default().push(label);
            }
            let counts_from_zero = spellings.keys().all(|&value| value >= -1) && spellings.len() > 1;
            if counts_from_zero && let Some(none) = spellings.remove(&-1) {
                let count = labels.iter().flatten().filter(|label| none.contains(&label.as_str())).count();
                listing.notes.push(DataNote::MinusOne { images: count });
            }
            for (class, spellings) in spellings.values().enumerate() {
                let shortest = spellings.iter().min_by_key(|spelling| (spelling.len(), **spelling));
                names.extend(shortest.map(|&name| name.to_owned()));
                numbers.extend(spellings.iter().map(|&spelling| (spelling, class as u16)));
            }
        }
        None => {
            names.extend(distinct.iter().map(|&name| name.to_owned()));
            numbers.extend(distinct.iter().enumerate().map(|(class, &name)| (name, class as u16)));
        }
    }
    if u16::try_from(names.len()).is_err() {
        return Err(DataError::TooManyClasses { path: listing.root.clone(), classes: names.len() });
    }
    let suspicious: Vec<&String> =
        names.iter().filter(|name| MISSING.contains(&name.to_ascii_lowercase().as_str())).collect();
    for name in suspicious {
        let count = labels.iter().flatten().filter(|label| *label == name).count();
        listing.warnings.push(DataNote::PerhapsNoLabel { images: count, class: name.clone() });
    }
    for (listed, label) in listing.images.iter_mut().zip(&labels) {
        listed.label = label.as_deref().and_then(|label| numbers.get(label).copied());
    }
    listing.class_names = names;
    Ok(())
}

/// Gives the images of class folders their classes: names as they are, numbers sorted as numbers.
///
/// # Errors
/// As [`assign`].
pub(crate) fn assign_folders(listing: &mut Listing, classes: Vec<(String, Range<usize>)>) -> Result<(), DataError> {
    let distinct: BTreeSet<&str> = classes.iter().map(|(name, _)| name.as_str()).collect();
    let mut names: Vec<String> = distinct.into_iter().map(str::to_owned).collect();
    if let Ok(numbers) = names.iter().map(|name| name.parse::<i64>()).collect::<Result<Vec<_>, _>>() {
        let mut numbered: Vec<(i64, String)> = numbers.into_iter().zip(names).collect();
        numbered.sort();
        names = numbered.into_iter().map(|(_, name)| name).collect();
    }
    let count = u16::try_from(names.len())
        .map_err(|_| DataError::TooManyClasses { path: listing.root.clone(), classes: names.len() })?;
    let numbers: HashMap<&str, u16> = names.iter().map(String::as_str).zip(0..count).collect();
    for (class, images) in &classes {
        for listed in &mut listing.images[images.clone()] {
            listed.label = numbers.get(class.as_str()).copied();
        }
    }
    listing.class_names = names;
    Ok(())
}

/// A class of more images is no slip of the hand.
const FEW: usize = 5;
/// Of more classes than these, many have names that differ by a letter.
const MANY_CLASSES: usize = 1000;
/// So many times as many images has the class that was meant.
const TIMES: usize = 5;

/// The larger class that a class of few images, whose name differs from it by one letter or two that changed places, may have been
/// meant for.
pub(crate) fn misspelt<'a>(names: &'a [String], counts: &[usize], class: usize) -> Option<&'a str> {
    let (name, count) = (names.get(class)?.to_lowercase(), counts.get(class).copied()?);
    if count > FEW || names.len() > MANY_CLASSES {
        return None;
    }
    let common = names.iter().zip(counts).filter(|(_, other)| **other >= TIMES * count.max(1));
    let meant = common.filter(|(other, _)| is_slip(&name, &other.to_lowercase()));
    meant.max_by_key(|(_, count)| **count).map(|(other, _)| other.as_str())
}

/// Whether one name may be the other one, mistyped: words of three letters or fewer and numbers differ that much anyway.
fn is_slip(one: &str, other: &str) -> bool {
    let letters = |name: &str| name.chars().filter(|letter| !letter.is_ascii_digit()).collect::<String>();
    let words = |name: &str| -> Vec<String> {
        name.split(|letter: char| !letter.is_alphanumeric()).map(str::to_owned).collect()
    };
    let (first, second) = (words(one), words(other));
    let is_long = |word: &String| word.chars().count() > 3;
    let differing = first.iter().zip(&second).filter(|(first, second)| first != second);
    let are_long = first.len() != second.len() || differing.clone().any(|(a, b)| is_long(a) || is_long(b));
    are_long && letters(one) != letters(other) && strsim::damerau_levenshtein(one, other) == 1
}

/// The value of a whole number, which programs that know floats alone write as `3.0`.
fn whole_number(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|digit| digit == b'0').then(|| whole.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_class_that_is_a_letter_away_from_a_large_one_is_misspelt() {
        let names = ["car", "caar", "deer", "dear", "dere", "der", "deers", "reed"].map(str::to_owned);
        let of = |class| misspelt(&names, &[40, 1, 30, 3, 1, 6, 5, 1], class);
        assert_eq!((of(0), of(1), of(2)), (None, Some("car"), None));
        assert_eq!((of(3), of(4), of(6)), (Some("deer"), Some("deer"), Some("deer")));
        assert_eq!((of(5), of(7)), (None, None), "six images, and two letters");
        assert_eq!(misspelt(&names, &[40, 1, 14, 3, 0, 0, 0, 0], 3), None, "not so many more");
    }

    #[test]
    fn numbers_and_short_words_are_no_slips() {
        for (one, other) in [
            ("class1", "class2"),
            ("class 1", "class 11"),
            ("n01440764", "n01440765"),
            ("cat", "bat"),
            ("ox", "or"),
            ("type_a", "type_b"),
            ("grade I", "grade II"),
            ("deer", "deer"),
            ("deer", "bear"),
        ] {
            assert!(!is_slip(one, other), "{one} {other}");
        }
        for (one, other) in [("dear", "deer"), ("dere", "deer"), ("caar", "car"), ("polarbear", "polar bear")] {
            assert!(is_slip(one, other) && is_slip(other, one), "{one} {other}");
        }
    }

    #[test]
    fn whole_numbers_have_several_spellings() {
        for (text, value) in [
            ("3", Some(3)),
            ("03", Some(3)),
            ("3.0", Some(3)),
            ("-1.00", Some(-1)),
            ("+2", Some(2)),
            ("3.5", None),
            ("1e3", None),
            ("", None),
            ("nan", None),
        ] {
            assert_eq!(whole_number(text), value, "{text}");
        }
    }
}
