//! What was found in a data set that a person should know before and after training on it, as figures and names: copies,
//! labels that contradict each other, files that cannot be read.

use serde::{Deserialize, Serialize};

use super::encoded::Skipped;
use super::first_use::{NotUsed, Why};
use super::note::DataNote;
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

    /// Adds images of a pool that were not used, which are counted in `of_pool` where they could be read; says how many could not.
    pub(crate) fn add_not_used(&mut self, found: &[NotUsed], of_pool: LeftOut) -> usize {
        let problem = |found: &NotUsed| match &found.why {
            Why::Unreadable { problem } => Some(Unreadable { path: found.image.clone(), problem: problem.clone() }),
            Why::TestExact | Why::TestNear | Why::Repeated => None,
        };
        let unreadable: Vec<Unreadable> = found.iter().filter_map(problem).collect();
        let count = unreadable.len();
        let room = NAMED_FILES.saturating_sub(self.unreadable.len());
        self.unreadable.extend(unreadable.into_iter().take(room));
        match self.left_out.iter_mut().find(|known| known.pool == of_pool.pool) {
            Some(known) => known.add(&of_pool),
            None if of_pool.total() > 0 => self.left_out.push(of_pool),
            None => {}
        }
        count
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

impl LeftOut {
    /// How many images are left out.
    #[must_use]
    pub fn total(&self) -> usize {
        self.test_exact + self.test_near + self.repeated
    }

    fn add(&mut self, other: &LeftOut) {
        self.test_exact += other.test_exact;
        self.test_near += other.test_near;
        self.repeated += other.repeated;
    }

    /// What is told of it, for each reason.
    pub(crate) fn notes(&self) -> Vec<DataNote> {
        let of_tests = (self.test_exact + self.test_near > 0).then(|| DataNote::CopiesLeftOut(self.clone()));
        let repeats = (self.repeated > 0).then(|| DataNote::RepeatsLeftOut(self.clone()));
        of_tests.into_iter().chain(repeats).collect()
    }
}

/// The warning about a test that is too small to tell much.
#[doc(hidden)]
pub fn few_test_images(test: usize) -> Option<DataNote> {
    /// A test of so many images is said nothing about.
    const ENOUGH: usize = 150;
    let points = |images: usize| Some((100.0 * uncertainty(images as u64)?).ceil());
    if test == 0 || test >= ENOUGH {
        return None;
    }
    Some(DataNote::FewTestImages {
        images: test,
        points: points(test)?,
        enough: ENOUGH,
        points_with_enough: points(ENOUGH)?,
    })
}

impl Contradiction {
    /// A warning about the exact ones, and one about those that look alike.
    pub fn notes(all: &[Contradiction]) -> Vec<DataNote> {
        /// So many labels of the first image are named.
        const NAMED: usize = 3;
        let of = |exact: bool| {
            let found: Vec<&Contradiction> = all.iter().filter(|found| found.exact == exact).collect();
            let first = found.first()?.images.iter().take(NAMED).cloned().collect();
            Some(DataNote::Contradictions { exact, images: found.len(), first })
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
        let of =
            |images, points| Some(DataNote::FewTestImages { images, points, enough: 150, points_with_enough: 8.0 });
        // Wilson's interval of 14 of 28 is 0.3264 to 0.6736, of 75 of 150 it is 0.4209 to 0.5791.
        assert_eq!(few_test_images(28), of(28, 18.0));
        // No answer of one right: 0 to 0.7935.
        assert_eq!(few_test_images(1), of(1, 40.0));
        assert_eq!(few_test_images(0), None);
        assert_eq!(few_test_images(150), None);
    }
}
