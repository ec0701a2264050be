//! Images that occur twice. Exact ones have equal pixels; near ones (stored anew, scaled, slightly changed) look alike
//! when they are small ([`Look`]).
//!
//! Near ones are found without comparing all with all, and none is missed: two words of 64 steps that differ in at most
//! eight places, cut into ten parts, agree in at least two of the parts. So there is a table for each pair of parts, and
//! only images that have the same pair there, and about the same brightness, are compared.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;

use super::findings::{Straddling, Twins};
use super::look::{Look, MOST_STEPS, MOST_SUM};
use super::{DataError, Image, ImageSource};

/// Words that differ in at most [`MOST_STEPS`] places agree in two of so many parts.
const PARTS: u32 = MOST_STEPS + 2;

/// How many pairs are named.
pub(crate) const EXAMPLES: usize = 10;

/// (width, height).
type Size = (usize, usize);

/// Sizes and looks of all images of a source, on all threads.
///
/// # Errors
/// An image cannot be read any more.
pub(crate) fn look_at_all(images: &dyn ImageSource) -> Result<Vec<(Size, Look)>, DataError> {
    let look = |image: &mut Image, index| {
        images.read(index, image)?;
        Ok(((image.width, image.height), Look::of(image)))
    };
    (0..images.len()).into_par_iter().map_init(Image::default, look).collect()
}

/// The looks of all images of a source; those that it knows are not read again.
///
/// # Errors
/// An image cannot be read any more.
#[doc(hidden)]
pub fn looks_of(images: &dyn ImageSource) -> Result<Vec<Look>, DataError> {
    let look = |image: &mut Image, index| match images.look(index) {
        Some(look) => Ok(look.clone()),
        None => {
            images.read(index, image)?;
            Ok(Look::of(image))
        }
    };
    (0..images.len()).into_par_iter().map_init(Image::default, look).collect()
}

/// The pairs of parts that a look has, one for each table.
fn keys(steps: u64) -> impl Iterator<Item = u64> {
    let cut = |part: u32| part * u64::BITS / PARTS;
    let part = move |part: u32| (steps >> cut(part)) & ((1 << (cut(part + 1) - cut(part))) - 1);
    (0..PARTS).flat_map(move |a| (a + 1..PARTS).map(move |b| part(a) << 32 | part(b)))
}

/// An entry of a table: the pair of parts, the sum of levels, the image. Sorted in this order.
type Entry = (u64, u32, u32);

/// Images that others can be looked for among.
pub(crate) struct Index<'a> {
    looks: Cow<'a, [Look]>,
    /// The first image with each digest.
    exact: HashMap<[u8; 16], usize>,
    tables: Vec<Vec<Entry>>,
}

impl<'a> Index<'a> {
    pub fn new(looks: impl Into<Cow<'a, [Look]>>) -> Self {
        let looks = looks.into();
        let exact = looks.iter().enumerate().rev().map(|(index, look)| (look.digest(), index)).collect();
        let of_one = |look: &Look| keys(look.steps()).collect::<Vec<u64>>();
        let mut tables: Vec<Vec<Entry>> = vec![Vec::new(); (PARTS * (PARTS - 1) / 2) as usize];
        for (index, look) in looks.iter().enumerate().filter(|(_, look)| look.has_contrast()) {
            for (table, key) in tables.iter_mut().zip(of_one(look)) {
                table.push((key, look.sum(), index as u32));
            }
        }
        tables.par_iter_mut().for_each(|table| table.par_sort_unstable());
        Index { looks, exact, tables }
    }

    pub fn is_empty(&self) -> bool {
        self.looks.is_empty()
    }

    /// An image that has the same pixels as `look`.
    pub fn equal(&self, look: &Look) -> Option<usize> {
        self.exact.get(&look.digest()).copied()
    }

    /// An image that looks like `look`, whichever is found first: the same one every time.
    pub fn alike(&self, look: &Look) -> Option<usize> {
        self.candidates(look).find(|&index| look.distance(&self.looks[index]).is_some())
    }

    /// The image that looks most like `look`.
    fn most_alike(&self, look: &Look) -> Option<usize> {
        let alike = self.candidates(look).filter_map(|index| Some((look.distance(&self.looks[index])?, index)));
        alike.min().map(|(_, index)| index)
    }

    /// The images that may look like `look`; some of them several times.
    fn candidates(&self, look: &Look) -> impl Iterator<Item = usize> {
        let sum = look.sum();
        let keys = keys(look.steps()).take(if look.has_contrast() { usize::MAX } else { 0 });
        self.tables.iter().zip(keys).flat_map(move |(table, key)| {
            let start = table.partition_point(|entry| (entry.0, entry.1) < (key, sum.saturating_sub(MOST_SUM)));
            let within = move |entry: &&Entry| entry.0 == key && entry.1 <= sum + MOST_SUM;
            table[start..].iter().take_while(within).map(|entry| entry.2 as usize)
        })
    }
}

/// Images that are the same or look alike, put together: an image that looks like two others joins them. Groups of two
/// or more, each sorted, in the order of their first images.
#[doc(hidden)]
pub fn groups(looks: &[Look]) -> Vec<Vec<usize>> {
    let index = Index::new(looks);
    let mut together = Together((0..looks.len()).collect());
    for (place, look) in looks.iter().enumerate() {
        if let Some(first) = index.equal(look) {
            together.join(place, first);
        }
    }
    for table in &index.tables {
        for run in table.chunk_by(|a, b| a.0 == b.0 && b.1 - a.1 <= MOST_SUM) {
            join_run(run, looks, &mut together);
        }
    }
    together.groups()
}

/// Joins those of a run of candidates (sorted by the sum of their levels) that look alike.
fn join_run(run: &[Entry], looks: &[Look], together: &mut Together) {
    /// After so many images it is looked whether all are together: of a thousand images of a fixed camera, they are soon.
    const BETWEEN_CHECKS: usize = 16;
    for (place, &(_, sum, one)) in run.iter().enumerate() {
        if place % BETWEEN_CHECKS == 1 {
            let first = together.of(one as usize);
            if run.iter().all(|entry| together.of(entry.2 as usize) == first) {
                return;
            }
        }
        for &(_, _, other) in run[place + 1..].iter().take_while(|entry| entry.1 - sum <= MOST_SUM) {
            let (one, other) = (one as usize, other as usize);
            if together.of(one) != together.of(other) && looks[one].distance(&looks[other]).is_some() {
                together.join(one, other);
            }
        }
    }
}

/// Disjoint sets: each image's parent, the smallest of a set being its own.
struct Together(Vec<usize>);

impl Together {
    fn of(&mut self, mut one: usize) -> usize {
        while self.0[one] != one {
            self.0[one] = self.0[self.0[one]];
            one = self.0[one];
        }
        one
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        self.0[one.max(other)] = one.min(other);
    }

    fn groups(mut self) -> Vec<Vec<usize>> {
        let mut groups: HashMap<usize, Vec<usize>> = HashMap::new();
        for one in 0..self.0.len() {
            let root = self.of(one);
            if root != one {
                groups.entry(root).or_insert_with(|| vec![root]).push(one);
            }
        }
        let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
        groups.sort();
        groups
    }
}

/// A split's images: the name of each by its place, and their looks.
pub(crate) struct Seen<'a> {
    pub name: &'a (dyn Fn(usize) -> String + Sync),
    pub looks: &'a [Look],
}

/// Looks for every test image among those of another split; none if there is nothing to report.
pub(crate) fn straddling(split: &str, other: &Seen<'_>, test: &Seen<'_>) -> Option<Straddling> {
    let index = Index::new(other.looks);
    let twin = |(place, look): (usize, &Look)| match index.equal(look) {
        Some(_) => Some((place, true)),
        None => index.alike(look).map(|_| (place, false)),
    };
    let mut found: Vec<(usize, bool)> = test.looks.par_iter().enumerate().filter_map(twin).collect();
    if found.is_empty() {
        return None;
    }
    found.sort_by_key(|&(test, exact)| (!exact, test));
    let count = found.iter().filter(|&&(_, exact)| exact).count();
    let example = |&(place, exact): &(usize, bool)| {
        let look = &test.looks[place];
        let twin = if exact { index.equal(look) } else { index.most_alike(look) }?;
        Some(Twins { test: (test.name)(place), other: (other.name)(twin), exact })
    };
    let examples = found.iter().take(EXAMPLES).filter_map(example).collect();
    Some(Straddling { other: split.into(), exact: count, near: found.len() - count, examples })
}

#[cfg(test)]
mod tests;
