//! Copies in an opened data set: those of test images are kept out of pre-training, images that lie in two pools are seen
//! once, and what a person should know of the rest is noted. How copies are known is in [`super::duplicates`].

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use super::duplicates::{EXAMPLES, Index, Seen, groups, looks_of, straddling};
use super::findings::{Contradiction, LeftOut, NAMED_FILES, NamedLabel, Repeated};
use super::first_use::Barred;
use super::look::Look;
use super::note::DataNote;
use super::{DataError, Dataset, Fingerprints, ImageSource, LabeledImages, PATTERNS, TRAIN, UnlabeledImages, without};

/// What happens to the images that pre-training may draw from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pools {
    /// Copies are left out of them.
    LeaveCopiesOut,
    /// Nothing is pre-trained, so they are not looked at.
    Unused,
}

impl Dataset {
    /// Looks for copies, by content: equal pixels, or a like look (docs/data.md). What is found is noted in
    /// [`findings`](Self::findings) and said in [`notes`](Self::notes) and [`warnings`](Self::warnings).
    ///
    /// With [`Pools::LeaveCopiesOut`] pre-training sees no copy of a test image, and an image that is in several pools
    /// once: of the training images and the pools in their order the first one stays.
    ///
    /// Images that were decoded when the data was opened are not read again; all others (STL-10's files, CIFAR-10's, packs)
    /// are read once. Of a pool that waits, the same files are left out now, and what has equal pixels or looks alike when it is first used
    /// ([`FirstUse`](super::first_use::FirstUse)). The embedded set has no copies and is not looked at.
    ///
    /// # Errors
    /// An image cannot be read any more; a pool that was added holds nothing but copies of test images.
    pub fn look_for_copies(&mut self, pools: Pools) -> Result<(), DataError> {
        let drawn = self.name == PATTERNS;
        if drawn && (pools == Pools::Unused || self.unlabeled.len() < 2) {
            return Ok(());
        }
        let looks = |labeled: &Option<LabeledImages>| match labeled {
            Some(labeled) => looks_of(labeled.images.as_ref()),
            None => Ok(Vec::new()),
        };
        let (train, test) = (looks(&self.train)?, looks(&self.test)?);
        if !drawn {
            self.note_copies(&train, &test);
        }
        if pools == Pools::LeaveCopiesOut {
            self.leave_out(&train, &test)?;
        }
        Ok(())
    }

    /// Notes what labelled images have in common.
    fn note_copies(&mut self, train: &[Look], test: &[Look]) {
        let parts = [(&self.train, train), (&self.test, test)];
        let labelled = Labelled::of(&self.class_names, parts);
        if let (Some(train_images), Some(test_images)) = (&self.train, &self.test) {
            let train = Seen { name: &|index| train_images.images.name(index), looks: train };
            let test = Seen { name: &|index| test_images.images.name(index), looks: test };
            self.findings.test_in_train = straddling(TRAIN, &train, &test);
        }
        let (contradictions, repeated) = labelled.copies();
        self.findings.contradictions = contradictions;
        self.findings.repeated = repeated;
        self.warnings.extend(self.findings.test_in_train.iter().cloned().map(DataNote::TestInTrain));
        self.warnings.extend(Contradiction::notes(&self.findings.contradictions));
    }

    fn leave_out(&mut self, train: &[Look], test: &[Look]) -> Result<(), DataError> {
        let test_origins = self.test.as_ref().map(|test| origins(test.images.as_ref())).unwrap_or_default();
        let tests = Tests { index: Index::new(test), origins: test_origins };
        let mut seen = Known::default();
        let mut of_train = LeftOut { pool: TRAIN.into(), ..LeftOut::default() };
        if let Some(images) = self.train.as_ref().map(|train| Arc::clone(&train.images)) {
            for (index, look) in train.iter().enumerate() {
                match relation(look, &tests.index) {
                    Some(exact) => {
                        self.kept_from_pretraining.push(index);
                        *(if exact { &mut of_train.test_exact } else { &mut of_train.test_near }) += 1;
                    }
                    None => seen.add(images.origin(index), look),
                }
            }
        }
        // What one that waits has in common with the others is asked last, when these are known.
        let waits = |pool: &UnlabeledImages| pool.judged_later.is_some();
        let (waiting, others): (Vec<usize>, Vec<usize>) =
            (0..self.unlabeled.len()).partition(|&pool| waits(&self.unlabeled[pool]));
        let mut found = vec![of_train];
        found.resize_with(1 + self.unlabeled.len(), LeftOut::default);
        let mut empty: Vec<String> = Vec::new();
        for pool in others.into_iter().chain(waiting) {
            let given = self.unlabeled[pool].clone();
            let (left_out, of_pool) = match &given.judged_later {
                None => look_among(&given, &tests, &mut seen)?,
                Some(judged) => look_among_files(&given.name, judged.all().as_ref(), &tests, &seen),
            };
            // A pool whose images are all in others adds nothing, which is said; one of test images alone is a mistake.
            if left_out.len() == given.images.len() && !given.images.is_empty() {
                if of_pool.repeated == 0 {
                    return Err(DataError::OnlyTestImages { path: given.name.into() });
                }
                empty.push(given.name.clone());
            }
            self.unlabeled[pool] = match &given.judged_later {
                None => UnlabeledImages { images: without(&given.images, &left_out), ..given },
                Some(judged) => {
                    let barred = Barred { tests: test.to_vec(), elsewhere: std::mem::take(&mut seen.digests) };
                    UnlabeledImages::waiting(given.name, without(judged.all(), &left_out), barred)
                }
            };
            found[1 + pool] = of_pool;
        }
        found.retain(|pool| pool.total() > 0);
        self.unlabeled.retain(|pool| !pool.images.is_empty());
        self.warnings.extend(empty.iter().map(|pool| DataNote::AddsNothing { pool: pool.clone() }));
        let others = found.iter().filter(|pool| !empty.contains(&pool.pool));
        self.notes.extend(others.flat_map(LeftOut::notes));
        if !found.is_empty() {
            self.take_in(&found);
        }
        self.findings.left_out = found;
        Ok(())
    }

    /// What is left out changes what is trained on, so the fingerprint of a run knows it.
    fn take_in(&mut self, found: &[LeftOut]) {
        let mut fingerprint = super::Fingerprint::new("without copies");
        fingerprint.bytes(self.fingerprint.as_bytes());
        for pool in found {
            for count in [pool.test_exact, pool.test_near, pool.repeated] {
                fingerprint.number(count as u64);
            }
        }
        let whole = fingerprint.finish();
        let Fingerprints { unlabeled, .. } = &mut self.parts;
        if found.iter().any(|pool| pool.pool != TRAIN) {
            let mut fingerprint = super::Fingerprint::new("without copies");
            fingerprint.bytes(unlabeled.as_bytes());
            found.iter().filter(|pool| pool.pool != TRAIN).for_each(|pool| fingerprint.number(pool.total() as u64));
            *unlabeled = fingerprint.finish();
        }
        self.fingerprint = whole;
    }
}

/// The images of the test.
struct Tests<'a> {
    index: Index<'a>,
    origins: HashSet<PathBuf>,
}

impl Tests<'_> {
    fn holds_file(&self, origin: Option<&PathBuf>) -> bool {
        origin.is_some_and(|origin| self.origins.contains(origin))
    }
}

/// The images of a pool that are left out, by their looks and their files; the others are known from now on.
fn look_among(pool: &UnlabeledImages, tests: &Tests<'_>, seen: &mut Known) -> Result<(Vec<usize>, LeftOut), DataError> {
    let looks = looks_of(pool.images.as_ref())?;
    let mut of_pool = LeftOut { pool: pool.name.clone(), ..LeftOut::default() };
    let mut left_out = Vec::new();
    let mut here = Known::default();
    for (index, look) in looks.iter().enumerate() {
        let origin = pool.images.origin(index);
        let is_test = tests.holds_file(origin.as_ref());
        match if is_test { Some(true) } else { relation(look, &tests.index) } {
            Some(true) => of_pool.test_exact += 1,
            Some(false) => of_pool.test_near += 1,
            None if seen.holds(origin.as_ref(), look) => of_pool.repeated += 1,
            None => {
                here.add(origin, look);
                continue;
            }
        }
        left_out.push(index);
    }
    seen.join(here);
    Ok((left_out, of_pool))
}

/// As [`look_among`], of images that nobody has looked at: by their files alone.
fn look_among_files(name: &str, images: &dyn ImageSource, tests: &Tests<'_>, seen: &Known) -> (Vec<usize>, LeftOut) {
    let mut of_pool = LeftOut { pool: name.to_owned(), ..LeftOut::default() };
    let mut left_out = Vec::new();
    let origins: Vec<Option<PathBuf>> = (0..images.len()).into_par_iter().map(|index| images.origin(index)).collect();
    for (index, origin) in origins.iter().enumerate() {
        match origin.as_ref() {
            origin if tests.holds_file(origin) => of_pool.test_exact += 1,
            Some(origin) if seen.origins.contains(origin) => of_pool.repeated += 1,
            _ => continue,
        }
        left_out.push(index);
    }
    (left_out, of_pool)
}

/// Whether an image is a test image: with equal pixels, or by its look; nothing if it is none.
fn relation(look: &Look, tests: &Index<'_>) -> Option<bool> {
    match tests.equal(look) {
        Some(_) => Some(true),
        None => tests.alike(look).map(|_| false),
    }
}

fn origins(images: &dyn ImageSource) -> HashSet<PathBuf> {
    (0..images.len()).filter_map(|index| images.origin(index)).collect()
}

/// Images of the pools so far.
#[derive(Default)]
struct Known {
    origins: HashSet<PathBuf>,
    digests: HashSet<[u8; 16]>,
}

impl Known {
    fn add(&mut self, origin: Option<PathBuf>, look: &Look) {
        self.origins.extend(origin);
        self.digests.insert(look.digest());
    }

    fn holds(&self, origin: Option<&PathBuf>, look: &Look) -> bool {
        origin.is_some_and(|origin| self.origins.contains(origin)) || self.digests.contains(&look.digest())
    }

    fn join(&mut self, other: Known) {
        self.origins.extend(other.origins);
        self.digests.extend(other.digests);
    }
}

/// All labelled images, whatever they are for.
pub(crate) struct Labelled<'a> {
    class_names: &'a [String],
    pub looks: Vec<Look>,
    pub labels: Vec<u16>,
    pub names: Vec<String>,
}

impl<'a> Labelled<'a> {
    fn of(class_names: &'a [String], parts: [(&Option<LabeledImages>, &[Look]); 2]) -> Self {
        let mut labelled = Labelled::new(class_names);
        for (labeled, looks) in parts.into_iter().filter_map(|(part, looks)| Some((part.as_ref()?, looks))) {
            labelled.looks.extend_from_slice(looks);
            labelled.labels.extend_from_slice(&labeled.labels);
            labelled.names.extend((0..labeled.images.len()).map(|index| labeled.images.name(index)));
        }
        labelled
    }

    pub fn new(class_names: &'a [String]) -> Self {
        Labelled { class_names, looks: Vec::new(), labels: Vec::new(), names: Vec::new() }
    }

    fn class(&self, image: usize) -> String {
        self.class_names.get(usize::from(self.labels[image])).cloned().unwrap_or_default()
    }

    /// Images under several labels (the exact ones first), and what repeats within a class.
    pub fn copies(&self) -> (Vec<Contradiction>, Vec<Repeated>) {
        let mut contradictions = Vec::new();
        let mut repeated: BTreeMap<u16, Repeated> = BTreeMap::new();
        for group in groups(&self.looks) {
            let mut equal: BTreeMap<[u8; 16], Vec<usize>> = BTreeMap::new();
            for &image in &group {
                equal.entry(self.looks[image].digest()).or_default().push(image);
            }
            let exact: Vec<&Vec<usize>> = equal.values().filter(|images| self.is_contradictory(images)).collect();
            match exact.is_empty() {
                true if self.is_contradictory(&group) => contradictions.push(self.contradiction(&group, false)),
                _ => contradictions.extend(exact.into_iter().map(|images| self.contradiction(images, true))),
            }
            // The first image of each class in the group, and what repeats it.
            let mut first: BTreeMap<u16, usize> = BTreeMap::new();
            let mut digests = HashSet::new();
            for &image in &group {
                let label = self.labels[image];
                let is_new = digests.insert((label, self.looks[image].digest()));
                let Some(&before) = first.get(&label) else {
                    first.insert(label, image);
                    continue;
                };
                let of_class = repeated.entry(label).or_insert_with(|| Repeated {
                    class: self.class(image),
                    exact: 0,
                    near: 0,
                    examples: Vec::new(),
                });
                *(if is_new { &mut of_class.near } else { &mut of_class.exact }) += 1;
                if of_class.examples.len() < EXAMPLES {
                    of_class.examples.push([self.names[before].clone(), self.names[image].clone()]);
                }
            }
        }
        contradictions.sort_by_key(|found| !found.exact);
        contradictions.truncate(NAMED_FILES);
        (contradictions, repeated.into_values().collect())
    }

    fn is_contradictory(&self, images: &[usize]) -> bool {
        images.iter().any(|&image| self.labels[image] != self.labels[images[0]])
    }

    fn contradiction(&self, images: &[usize], exact: bool) -> Contradiction {
        let mut images: Vec<NamedLabel> = images
            .iter()
            .map(|&image| NamedLabel { image: self.names[image].clone(), class: self.class(image) })
            .collect();
        images.sort();
        Contradiction { exact, images }
    }
}
