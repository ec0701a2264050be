//! Files that a table names and that are not there: which line names them, and which file may have been meant.

use std::path::PathBuf;

use super::NAMED_SKIPS;
use super::encoded::Place;
use super::error::{ImageProblem, meant as meant_hint};
use super::listing::Listed;

/// Names that are further apart are no mistyped ones.
const MISTYPED: usize = 2;

/// A row whose file is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Where the file would be.
    pub path: PathBuf,
    pub table: PathBuf,
    pub line: u64,
    pub written: String,
    /// The image that may have been meant.
    pub near: Option<String>,
}

impl Missing {
    pub fn problem(&self) -> ImageProblem {
        let Missing { table, line, written, near, .. } = self;
        let hint = meant_hint(near);
        ImageProblem::NamedInTable(format!(
            "line {line} of {} names `{written}`, which is not there{hint}",
            table.display()
        ))
    }
}

/// Finds for the first of the missing files, which messages name, the images that may have been meant; `unlisted` are those
/// that no row names.
pub(crate) fn guess(images: &mut [Listed], unlisted: &[&str]) {
    let missing = images.iter_mut().filter_map(|listed| match &mut listed.encoded {
        super::encoded::Encoded { name, place: Place::Missing(missing) } => Some((name, missing)),
        _ => None,
    });
    for (name, missing) in missing.take(NAMED_SKIPS) {
        missing.near = meant(name, unlisted).map(str::to_owned);
    }
}

/// The only name that is nearly the same, or has another ending.
fn meant<'a>(name: &str, unlisted: &[&'a str]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
    let is_near = |other: &&&str| {
        let other = other.to_lowercase();
        let far = name.chars().count().abs_diff(other.chars().count()) > MISTYPED;
        stem(&other) == stem(&name) || !far && strsim::damerau_levenshtein(&name, &other) <= MISTYPED
    };
    let mut near = unlisted.iter().filter(is_near);
    near.next().filter(|_| near.next().is_none()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_near_name_is_meant_and_of_two_none() {
        let there = ["cat/one.png", "cat/two.jpg", "dog/img_01.png", "dog/img_02.png"];
        for (written, near) in [
            ("cat/noe.png", Some("cat/one.png")),
            ("cat/two.jpeg", Some("cat/two.jpg")),
            ("cat/two", Some("cat/two.jpg")),
            ("Cat/ONE.png", Some("cat/one.png")),
            ("dog/img_03.png", None),
            ("bad/zzz", None),
        ] {
            assert_eq!(meant(written, &there), near, "{written}");
        }
    }
}
