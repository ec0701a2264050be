//! Pools for pre-training whose decoded images do not fit into memory: an image of such a pool is decoded when it is first needed, and
//! judged then. Whether one can be used depends on the image alone, and which image takes the place of one that cannot on its number
//! alone, so that neither order, nor threads, nor an interruption makes a difference.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::decode::header::Header;
use super::duplicates::Index;
use super::encoded::Encoded;
use super::error::{DataError, ImageProblem};
use super::findings::LeftOut;
use super::folder::OpenOptions;
use super::look::Look;
use super::note::DataNote;
use super::{Image, ImageSource, NAMED_SKIPS};
use crate::random::{self, Coordinates, Stream};

/// When images for pre-training are decoded for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoding {
    /// When the data is opened, to find those that cannot be used.
    #[default]
    AtOnce,
    /// When they are first used, where they do not fit into memory decoded. What cannot be used is found then.
    AtFirstUse,
}

/// What identifies an image that is decoded later, and nothing where they are decoded at once: those that fit into memory, and
/// those of more than eight bits, of whose levels a warning may have to be given.
pub(crate) fn stamped(images: &[&Encoded], options: &OpenOptions) -> Option<Vec<Result<(u64, Header), ImageProblem>>> {
    if options.strict || options.decoding == Decoding::AtOnce || images.is_empty() {
        return None;
    }
    let headers: Vec<Result<(u64, Header), ImageProblem>> = images.par_iter().map(|encoded| encoded.header()).collect();
    let told = || headers.iter().flatten().map(|(_, header)| header);
    let bytes: u64 = told().map(|header| 3 * header.pixels).sum();
    (bytes > options.memory_budget_bytes && !told().any(|header| header.deep)).then_some(headers)
}

/// Why an image is not used for pre-training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Why {
    /// It cannot be decoded.
    Unreadable {
        /// The reason, as the error says it.
        problem: String,
    },
    /// It has the pixels of a test image.
    TestExact,
    /// It looks like a test image.
    TestNear,
    /// It has the pixels of an image of another pool.
    Repeated,
}

/// An image that another one has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotUsed {
    /// Its place in its pool, from 0.
    pub index: usize,
    /// The file, or the place of the image in one; its name where it has none.
    pub image: String,
    /// Why it is not used.
    #[serde(flatten)]
    pub why: Why,
}

/// Notes of those that cannot be read: some by name, the rest counted.
pub(crate) fn describe(found: &[NotUsed], pool: &str) -> Vec<DataNote> {
    let problem = |found: &NotUsed| match &found.why {
        Why::Unreadable { problem } => Some(DataNote::Skipped { path: found.image.clone(), problem: problem.clone() }),
        Why::TestExact | Why::TestNear | Why::Repeated => None,
    };
    let mut notes: Vec<DataNote> = found.iter().filter_map(problem).collect();
    let more = notes.len().saturating_sub(NAMED_SKIPS);
    notes.truncate(NAMED_SKIPS);
    notes.extend((more > 0).then(|| DataNote::MoreSkipped { files: more, root: pool.to_owned() }));
    notes
}

/// Images that are not to be met in a pool.
#[derive(Default)]
pub(crate) struct Barred {
    /// Those of the test.
    pub tests: Vec<Look>,
    /// Digests of those that are in other pools.
    pub elsewhere: HashSet<[u8; 16]>,
}

/// A pool whose images are judged when they are first read.
pub struct FirstUse {
    images: Arc<dyn ImageSource>,
    /// What a person calls the pool.
    name: String,
    tests: Index<'static>,
    elsewhere: HashSet<[u8; 16]>,
    /// Of each image, one of [`UNKNOWN`], [`USED`] and [`NOT_USED`].
    states: Vec<AtomicU8>,
    not_used: Mutex<BTreeMap<usize, Why>>,
}

const UNKNOWN: u8 = 0;
const USED: u8 = 1;
const NOT_USED: u8 = 2;

/// So many images are drawn to take the place of one; after that, all others are tried in order.
const DRAWS: u64 = 32;

impl FirstUse {
    pub(crate) fn new(name: String, images: Arc<dyn ImageSource>, barred: Barred) -> Self {
        let states = (0..images.len()).map(|_| AtomicU8::new(UNKNOWN)).collect();
        let Barred { tests, elsewhere } = barred;
        FirstUse { images, name, tests: Index::new(tests), elsewhere, states, not_used: Mutex::default() }
    }

    /// All images, whether they can be used or not.
    pub(crate) fn all(&self) -> &Arc<dyn ImageSource> {
        &self.images
    }

    /// What has been found so far that is not used, in order.
    pub fn not_used(&self) -> Vec<NotUsed> {
        let found = self.not_used.lock().unwrap_or_else(PoisonError::into_inner);
        let image = |index: usize| match self.images.origin(index) {
            Some(path) => path.display().to_string(),
            None => self.images.name(index),
        };
        found.iter().map(|(&index, why)| NotUsed { index, image: image(index), why: why.clone() }).collect()
    }

    /// Counts of these for the record.
    pub(crate) fn left_out(&self, found: &[NotUsed]) -> LeftOut {
        let count = |why: &Why| found.iter().filter(|found| found.why == *why).count();
        LeftOut {
            pool: self.name.clone(),
            test_exact: count(&Why::TestExact),
            test_near: count(&Why::TestNear),
            repeated: count(&Why::Repeated),
        }
    }

    /// Takes over what was found before, so that nothing of it is decoded again.
    pub fn recall(&self, found: &[NotUsed]) {
        for NotUsed { index, why, .. } in found.iter().filter(|found| found.index < self.states.len()) {
            self.leave_out(*index, why.clone());
        }
    }

    fn leave_out(&self, index: usize, why: Why) {
        self.not_used.lock().unwrap_or_else(PoisonError::into_inner).insert(index, why);
        self.states[index].store(NOT_USED, Ordering::Relaxed);
    }

    /// Reads an image if it can be used, and says whether it can.
    fn read_if_used(&self, index: usize, image: &mut Image) -> Result<bool, DataError> {
        let state = self.states[index].load(Ordering::Relaxed);
        if state == NOT_USED {
            return Ok(false);
        }
        match self.images.read(index, image) {
            // What the system refuses now, it may give later: no reason to go on with another image.
            Err(DataError::Image { problem, .. }) if state == UNKNOWN && problem.is_of_content() => {
                self.leave_out(index, Why::Unreadable { problem: problem.to_string() });
                return Ok(false);
            }
            read => read?,
        }
        if state == UNKNOWN {
            if let Some(why) = self.bar(image) {
                self.leave_out(index, why);
                return Ok(false);
            }
            self.states[index].store(USED, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// Why an image that can be read is not used, if it is not.
    fn bar(&self, image: &Image) -> Option<Why> {
        if self.tests.is_empty() && self.elsewhere.is_empty() {
            return None;
        }
        let look = Look::of(image);
        match () {
            () if self.tests.equal(&look).is_some() => Some(Why::TestExact),
            () if self.tests.alike(&look).is_some() => Some(Why::TestNear),
            () if self.elsewhere.contains(&look.digest()) => Some(Why::Repeated),
            () => None,
        }
    }

    /// The images that are tried for one, in order: itself, others at random (so that a folder of images that are not used is
    /// replaced by the whole pool, and not by its neighbour), and then all.
    fn candidates(&self, index: usize) -> impl Iterator<Item = usize> {
        let count = self.images.len();
        let drawn = (0..DRAWS).map(move |draw| {
            let at = Coordinates { index: index as u64, view: draw, ..Coordinates::default() };
            random::rng(0, Stream::Replacement, at).random_range(0..count)
        });
        [index].into_iter().chain(drawn).chain((1..count).map(move |further| (index + further) % count))
    }
}

impl ImageSource for FirstUse {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        if index >= self.len() {
            return self.images.read(index, image);
        }
        for candidate in self.candidates(index) {
            if self.read_if_used(candidate, image)? {
                return Ok(());
            }
        }
        Err(DataError::NothingUsed { path: PathBuf::from(&self.name), images: self.len() })
    }

    fn name(&self, index: usize) -> String {
        self.images.name(index)
    }

    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.images.origin(index)
    }
}
