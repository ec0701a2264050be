//! The train/test split of data that comes without one: drawn once, a fifth of each class for the test, saved in a file,
//! and read from there ever after.
//!
//! The file has a line per labelled image, `path,split` (`saved_split` reads it). It is never rewritten: images that it does not name are
//! training images, ones that it names and that are gone are counted in a warning.
//!
//! Copies, exact and near ones, are drawn together: a test image that was trained on tells nothing. Exact ones are for training
//! where they can be: in the test, each would count.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;

use super::DataError;
use super::duplicates;
use super::error::SavedSplitProblem;
use super::folder::Saving;
use super::known_names::KnownNames;
use super::labels;
use super::listing::{Divided, Listing, Usable};
use super::names::composed;
use super::note::{DataNote, shown};
use super::saved_split::{Named, SavedSplit};
use super::split::{DataSplit, Split};
use crate::files::{try_place, write_atomically};
use crate::random::{Coordinates, Stream, rng};

/// The share of each class that is for the test; at least one image, and never all.
const TEST_SHARE: f64 = 0.2;

/// The split does not depend on a training's seed: it belongs to the data.
const SEED: u64 = 0;

/// Coordinate of this draw among those of [`Stream::Split`]; the others are in [`super::splits`].
const TRAIN_TEST: u64 = 3;

/// Warnings name this many images.
const NAMED: usize = 3;

/// Where a split is kept, and whether one that is drawn is saved there.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    pub path: &'a Path,
    pub saving: Saving,
}

/// Moves the test images out of `divided.train`, which holds all labelled ones.
///
/// # Errors
/// Two images have one name; a saved split cannot be used; a class is too small to draw one, or it cannot be saved.
pub(crate) fn divide(
    listing: &Listing,
    divided: &mut Divided,
    usable: Usable<'_>,
    kept: Kept<'_>,
) -> Result<(), DataError> {
    let Kept { path, saving } = kept;
    let labeled = std::mem::take(&mut divided.train);
    let mut by_name = HashMap::new();
    for &index in &labeled {
        let name = composed(&listing.images[index].encoded.name);
        if let Some(first) = by_name.insert(name, index) {
            let name = listing.images[first].encoded.name.clone();
            return Err(DataError::DuplicateName { path: listing.root.clone(), name });
        }
    }
    let test = match path.exists() {
        true => saved(listing, divided, &by_name, path)?,
        false => {
            let test = draw(listing, &labeled, &copies(&labeled, usable), divided)?;
            let unsaved = UnsavedSplit::of(listing, &labeled, &test, path)?;
            let saved = saving == Saving::AtOnce;
            if saved {
                unsaved.save()?;
            }
            divided.unsaved = (!saved).then_some(unsaved);
            let (train, tests) = (labeled.len() - test.len(), test.len());
            divided.notes.push(DataNote::SplitDrawn { train, test: tests, file: shown(path), saved });
            test
        }
    };
    divided.split = DataSplit::Drawn { file: path.to_owned() };
    (divided.test, divided.train) = labeled.into_iter().partition(|index| test.binary_search(index).is_ok());
    Ok(())
}

/// Labelled images that are copies of one another.
struct Copies {
    /// For each image that is in a group, its number.
    group_of: HashMap<usize, usize>,
    /// Groups in which images have equal pixels.
    exact: HashSet<usize>,
}

fn copies(labeled: &[usize], usable: Usable<'_>) -> Copies {
    let look = |index: &usize| usable.looks.get(usable.indices.binary_search(index).ok()?)?.clone();
    let looks: Vec<_> = labeled.iter().filter_map(look).collect();
    let mut copies = Copies { group_of: HashMap::new(), exact: HashSet::new() };
    for (number, group) in duplicates::groups(&looks).into_iter().enumerate() {
        let digests: HashSet<_> = group.iter().map(|&place| looks[place].digest()).collect();
        if digests.len() < group.len() {
            copies.exact.insert(number);
        }
        copies.group_of.extend(group.into_iter().map(|place| (labeled[place], number)));
    }
    copies
}

/// The test images, sorted: of every class, shuffled, as many of the first as are a fifth of it. A group of copies counts
/// where its first image stands, and is passed over where it is more than what is missing. Copies that lie in several
/// classes have a wrong label among them, so they are no test images; nor are exact ones, unless a class has nothing else.
fn draw(listing: &Listing, labeled: &[usize], copies: &Copies, divided: &mut Divided) -> Result<Vec<usize>, DataError> {
    let Copies { group_of, exact } = copies;
    let label = |index: usize| listing.images[index].label.map(usize::from);
    let mut by_class = vec![Vec::new(); listing.class_names.len()];
    let mut classes_of: HashMap<usize, Vec<usize>> = HashMap::new();
    for &index in labeled {
        if let Some(class) = label(index) {
            by_class[class].push(index);
            classes_of.entry(group_of.get(&index).copied().unwrap_or(usize::MAX)).or_default().push(class);
        }
    }
    classes_of.remove(&usize::MAX);
    let is_contradictory =
        |group: &usize| classes_of.get(group).is_some_and(|classes| classes.iter().any(|class| *class != classes[0]));
    let mut test = Vec::new();
    for (class, mut members) in by_class.into_iter().enumerate() {
        if members.len() < 2 {
            return Err(DataError::TooFewImages {
                path: listing.root.clone(),
                class: listing.class_names[class].clone(),
                images: members.len(),
                near: labels::misspelt(&listing.class_names, &listing.count(labeled), class).map(str::to_owned),
            });
        }
        // The order of the names, not of a file system, decides.
        members.sort_by(|&a, &b| listing.images[a].encoded.name.cmp(&listing.images[b].encoded.name));
        members.shuffle(&mut rng(SEED, Stream::Split, Coordinates { epoch: 0, index: class as u64, view: TRAIN_TEST }));
        let share = share(members.len());
        let mut units: Vec<Vec<usize>> = Vec::new();
        let mut unit_of: HashMap<usize, usize> = HashMap::new();
        for &index in &members {
            match group_of.get(&index) {
                Some(group) if is_contradictory(group) => {}
                Some(&group) => {
                    let unit = *unit_of.entry(group).or_insert_with(|| {
                        units.push(Vec::new());
                        units.len() - 1
                    });
                    units[unit].push(index);
                }
                None => units.push(vec![index]),
            }
        }
        let repeats = |unit: &Vec<usize>| group_of.get(&unit[0]).is_some_and(|group| exact.contains(group));
        let once: Vec<Vec<usize>> = units.iter().filter(|unit| !repeats(unit)).cloned().collect();
        let units = if once.is_empty() { units } else { once };
        match chosen(&units, share, members.len()) {
            Some(chosen) => test.extend(chosen),
            None => {
                divided.warnings.push(DataNote::OnlyCopies { class: listing.class_names[class].clone() });
                test.extend_from_slice(&members[..share]);
            }
        }
    }
    test.sort_unstable();
    let trained = exact.iter().filter(|group| !test.iter().any(|index| group_of.get(index) == Some(group))).count();
    if trained > 0 {
        divided.notes.push(DataNote::CopiesTrained { images: trained });
    }
    Ok(test)
}

/// Test images of a class of so many.
pub(crate) fn share(members: usize) -> usize {
    ((members as f64 * TEST_SHARE).round() as usize).clamp(1, members.saturating_sub(1).max(1))
}

/// The first units that together have at most `share` images; where none is so small, the smallest that leaves some of
/// the `members` for training.
fn chosen(units: &[Vec<usize>], share: usize, members: usize) -> Option<Vec<usize>> {
    let mut chosen = Vec::new();
    for unit in units {
        if chosen.len() + unit.len() <= share {
            chosen.extend_from_slice(unit);
        }
    }
    if chosen.is_empty() {
        let smallest = units.iter().min_by_key(|unit| unit.len())?;
        chosen.extend_from_slice(smallest);
    }
    (chosen.len() < members).then_some(chosen)
}

/// A split that was drawn and is not saved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsavedSplit {
    path: PathBuf,
    text: Vec<u8>,
}

impl UnsavedSplit {
    fn of(listing: &Listing, labeled: &[usize], test: &[usize], path: &Path) -> Result<UnsavedSplit, DataError> {
        let mut table = csv::Writer::from_writer(Vec::new());
        let rows = labeled.iter().map(|index| {
            let split = if test.binary_search(index).is_ok() { "test" } else { "train" };
            [listing.images[*index].encoded.name.as_str(), split]
        });
        let text = std::iter::once(["path", "split"])
            .chain(rows)
            .try_for_each(|row| table.write_record(row))
            .map_err(io::Error::from)
            .and_then(|()| table.into_inner().map_err(|error| error.into_error()));
        match text {
            Ok(text) => Ok(UnsavedSplit { path: path.to_path_buf(), text }),
            Err(source) => Err(SavedSplitProblem::NotSaved { path: path.to_path_buf(), source }.into()),
        }
    }

    fn failed(&self, source: io::Error) -> DataError {
        SavedSplitProblem::NotSaved { path: self.path.clone(), source }.into()
    }

    /// That there is a place for it; nothing stays of the trial.
    ///
    /// # Errors
    /// No file can be made there.
    pub(crate) fn check_place(&self) -> Result<(), DataError> {
        try_place(&self.path).map_err(|source| self.failed(source))
    }

    /// Writes it. One that somebody has saved there meanwhile stays.
    ///
    /// # Errors
    /// It cannot be written, or another one is there by now.
    pub(crate) fn save(&self) -> Result<(), DataError> {
        match std::fs::read(&self.path) {
            Ok(there) if there == self.text => Ok(()),
            Ok(_) => {
                let other = "another one was saved there meanwhile, which the same command uses from now on";
                Err(self.failed(io::Error::new(io::ErrorKind::AlreadyExists, other)))
            }
            Err(_) => write_atomically(&self.path, &self.text).map_err(|source| self.failed(source)),
        }
    }
}

/// The test images of the saved split, sorted.
fn saved(
    listing: &Listing,
    divided: &mut Divided,
    by_name: &HashMap<String, usize>,
    path: &Path,
) -> Result<Vec<usize>, DataError> {
    let saved = SavedSplit::read(path)?;
    let mut names: Vec<String> = by_name.keys().cloned().collect();
    names.sort();
    let known = KnownNames::of(names);
    let Named { splits, gone, gone_tests, shortened, note } = saved.among(&known, listing.folder())?;
    let splits: HashMap<usize, Split> =
        splits.into_iter().map(|(place, split)| (by_name[&known.names()[place]], split)).collect();
    if splits.is_empty() {
        let (name, names) = saved.sample();
        return Err(SavedSplitProblem::Foreign {
            path: path.to_path_buf(),
            data: listing.root.clone(),
            names,
            name: name.to_owned(),
            image: by_name.keys().min().cloned().unwrap_or_default(),
        }
        .into());
    }
    divided.notes.extend(note);
    let mut new: Vec<usize> = by_name.values().copied().filter(|index| !splits.contains_key(index)).collect();
    new.sort_unstable();
    let mut known = vec![false; listing.class_names.len()];
    for label in splits.keys().filter_map(|&index| listing.images[index].label) {
        known[usize::from(label)] = true;
    }
    let class_of = |index: usize| listing.images[index].label.map(usize::from).unwrap_or_default();
    if let Some(&index) = new.iter().find(|&&index| !known[class_of(index)]) {
        let class = listing.class_names[class_of(index)].clone();
        return Err(SavedSplitProblem::ClassMissing { path: path.to_path_buf(), class }.into());
    }
    if !gone.is_empty() {
        let first = gone.iter().take(NAMED).cloned().collect();
        let (images, tests) = (gone.len(), gone_tests);
        divided.warnings.push(DataNote::SplitImagesGone { images, tests, file: shown(path), first });
    }
    if let Some((written, image)) = shortened.first {
        let names = shortened.count;
        divided.warnings.push(DataNote::SplitNamesShort { names, file: shown(path), written, image });
    }
    if !new.is_empty() {
        let first = new.iter().take(NAMED).map(|&index| listing.images[index].encoded.name.clone()).collect();
        divided.warnings.push(DataNote::NotInSplit { images: new.len(), file: shown(path), first });
    }
    let mut test: Vec<usize> =
        splits.into_iter().filter_map(|(index, split)| (split == Split::Test).then_some(index)).collect();
    test.sort_unstable();
    Ok(test)
}
