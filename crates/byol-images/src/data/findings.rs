//! What was found in a data set that a person should know before and after training on it, as figures and names: copies,
//! labels that contradict each other, files that cannot be read. Sentences about it are made where they are said.

use serde::{Deserialize, Serialize};

use super::encoded::Skipped;
use super::words::{counted, verb};
use crate::statistics::uncertainty;

/// What is odd about the data of a run. Names are those of the images in their data set ([`name`](super::ImageSource::name)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Findings {
    /// Test images that are training images also; absent where there are none, or where nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_in_train: Option<Straddling>,
    /// What was left out of pre-training, pool by pool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<LeftOut>,
    /// One image under two or more labels, the exact ones first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contradictions: Vec<Contradiction>,
    /// Labelled images of a class that repeat another one of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repeated: Vec<Repeated>,
    /// Files that could not be read, at most [`NAMED_FILES`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
}

impl Findings {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Findings::default()
    }

    /// Names files that were left out, as far as there is room.
    pub(crate) fn name_unreadable(&mut self, skipped: &[Skipped]) {
        let room = NAMED_FILES.saturating_sub(self.unreadable.len());
        self.unreadable.extend(
            skipped
                .iter()
                .take(room)
                .map(|skip| Unreadable { path: skip.path.display().to_string(), problem: skip.problem.to_string() }),
        );
    }
}

impl Straddling {
    /// What it means, and what to do about it.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Straddling { other, exact, near, examples } = self;
        let first = examples.first().map_or_else(String::new, |twins| {
            format!(" (the first: {} {} {})", twins.test, relation(twins.exact), twins.other)
        });
        format!(
            "{exact} of the test images {} in {other} also, {near} {} like one there{first}: accuracies come out too high; \
             remove these files from one of the two, or correct the split so that copies lie on one side",
            verb(*exact, "is", "are"),
            verb(*near, "looks", "look")
        )
    }
}

/// `equals` or `looks like`.
pub(crate) fn relation(exact: bool) -> &'static str {
    if exact { "equals" } else { "looks like" }
}

impl LeftOut {
    /// How many images are left out.
    #[must_use]
    pub fn total(&self) -> usize {
        self.test_exact + self.test_near + self.repeated
    }

    /// A sentence for each reason.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let LeftOut { pool, test_exact, test_near, repeated } = self;
        let mut sentences = Vec::new();
        if test_exact + test_near > 0 {
            sentences.push(format!(
                "{} of {pool} left out of pre-training as copies of test images: {test_exact} exact, {test_near} that {} like \
                 one",
                images(test_exact + test_near),
                verb(*test_near, "looks", "look")
            ));
        }
        if *repeated > 0 {
            sentences.push(format!(
                "{} of {pool} left out of pre-training: {} also among the other pre-training images, and each image is used \
                 only once",
                images(*repeated),
                verb(*repeated, "it is", "they are")
            ));
        }
        sentences
    }
}

/// A sentence about a test that is too small to tell much.
#[doc(hidden)]
pub fn few_test_images(test: usize) -> Option<String> {
    /// A test of so many images is said nothing about.
    const ENOUGH: usize = 150;
    let points = |images: usize| Some((100.0 * uncertainty(images as u64)?).ceil());
    if test == 0 || test >= ENOUGH {
        return None;
    }
    let (few, enough) = (points(test)?, points(ENOUGH)?);
    Some(format!(
        "with {} an accuracy is known to about ±{few} points; {ENOUGH} test images would give ±{enough}: label more images and put \
         them into the test",
        counted(test, "test image")
    ))
}

fn images(count: usize) -> String {
    counted(count, "image")
}

impl Contradiction {
    /// One sentence for the exact ones, one for those that look alike.
    pub(crate) fn sentences(all: &[Contradiction]) -> Vec<String> {
        let of = |exact: bool| {
            let found: Vec<&Contradiction> = all.iter().filter(|found| found.exact == exact).collect();
            let named = found.first()?.images.iter();
            let named: Vec<String> =
                named.take(3).map(|named| format!("{} is `{}`", named.image, named.class)).collect();
            let named = named.join(", ");
            let count = images(found.len());
            let is = verb(found.len(), "is", "are");
            Some(match exact {
                true => format!("{count} {is} there under several labels, so a label is wrong ({named}); correct it"),
                false => format!(
                    "{count} {is} there under several labels in versions that look alike ({named}); look at them"
                ),
            })
        };
        [true, false].into_iter().filter_map(of).collect()
    }
}

/// How many unreadable files, and contradictions, are named.
pub const NAMED_FILES: usize = 100;

/// Test images that are in another split also.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Straddling {
    /// The other split: `train`, `unlabeled`, or a pool's name.
    pub other: String,
    /// Test images that occur there with equal pixels.
    pub exact: usize,
    /// Test images that look like one there, without equal pixels.
    pub near: usize,
    /// Some of them, the exact ones first.
    pub examples: Vec<Twins>,
}

/// Two images that are the same or look alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Twins {
    /// Name of the test image.
    pub test: String,
    /// Name of the other image.
    pub other: String,
    /// Whether their pixels are equal; otherwise they look alike.
    pub exact: bool,
}

/// Images of one pool that pre-training does not see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The pool's name: `train`, `unlabeled`, a folder as it was given.
    pub pool: String,
    /// Images that are test images: the same file, or equal pixels.
    pub test_exact: usize,
    /// Images that look like a test image.
    pub test_near: usize,
    /// Images that are in another pool also, with equal pixels or as the same file: each counts once.
    pub repeated: usize,
}

/// One image under two or more labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contradiction {
    /// Whether the pixels are equal, so that a label is wrong for certain; otherwise the images look alike.
    pub exact: bool,
    /// The images, each with its class; two or more.
    pub images: Vec<NamedLabel>,
}

/// An image and its class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NamedLabel {
    /// The image's name: a path within the data.
    pub image: String,
    /// The class that it is given.
    pub class: String,
}

/// Labelled images of one class that repeat another one of that class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeated {
    /// The class.
    pub class: String,
    /// Images with the same pixels as an earlier one of the class.
    pub exact: usize,
    /// Images that look like an earlier one of the class.
    pub near: usize,
    /// Some pairs.
    pub examples: Vec<[String; 2]>,
}

/// A file that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The file as it is named in the data.
    pub path: String,
    /// Why it could not be read.
    pub problem: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_test_is_said_to_be_uncertain() {
        // Wilson's interval of 14 of 28 is 0.3264 to 0.6736, of 75 of 150 it is 0.4209 to 0.5791.
        let expected = "with 28 test images an accuracy is known to about ±18 points; 150 test images would give ±8: label more \
                        images and put them into the test";
        assert_eq!(few_test_images(28).as_deref(), Some(expected));
        // No answer of one right: 0 to 0.7935.
        assert!(
            few_test_images(1)
                .is_some_and(|text| text.contains("with 1 test image an accuracy is known to about ±40 points"))
        );
        assert_eq!(few_test_images(0), None);
        assert_eq!(few_test_images(150), None);
    }
}
