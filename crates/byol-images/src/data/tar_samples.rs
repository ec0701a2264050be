//! Which members of a tar file belong together, and which of them are the image and its label.
//!
//! WebDataset ends a sample's name at the first dot, and takes what follows as the name of the member: `0001.jpg`, `0001.cls`, but
//! also `0001.image.jpg`, whose kind is after its last dot. Names such as `scan_2.5x_000.png` are against that rule, and all
//! scans of one magnification would be one sample; where this shows, each image is a sample with its own label.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::DataError;
use super::decode::EXTENSIONS;
use super::encoded::{Archive, Place};
use super::error::Unlabelled;
use super::listing::Listing;
use super::note::{DataNote, shown};
use super::webdataset::TarProblem;

/// Members that hold a label, in the order in which they count.
const LABEL_EXTENSIONS: [&str; 3] = ["cls", "json", "txt"];
/// Where a JSON object holds it.
const LABEL_KEYS: [&str; 3] = ["label", "cls", "class"];
/// What the image is called among several in a sample, in the order in which they count.
const IMAGE_NAMES: [&str; 3] = ["image", "img", "input"];

/// An image and its label.
#[derive(Default)]
pub(crate) struct Sample {
    /// What follows the sample's name, and place.
    pub image: Option<(String, Place)>,
    pub label: Option<String>,
}

/// What was met in shards that a person should know.
#[derive(Default)]
pub(crate) struct Counted {
    without_image: usize,
    with_several: usize,
    /// Images that are samples of their own against the rule, and the first one's name.
    dotted: usize,
    first_dotted: String,
    /// What follows the names of samples, with how often.
    extensions: BTreeMap<String, usize>,
    json_keys: BTreeSet<String>,
}

impl Counted {
    /// The most frequent endings of members.
    pub fn endings(&self) -> String {
        const SHOWN: usize = 4;
        let mut endings: Vec<(&String, &usize)> = self.extensions.iter().collect();
        endings.sort_by_key(|&(ending, count)| (std::cmp::Reverse(*count), ending));
        let more = if endings.len() > SHOWN { " and others" } else { "" };
        let shown: Vec<String> = endings.iter().take(SHOWN).map(|(ending, _)| format!(".{ending}")).collect();
        if shown.is_empty() { "nothing".into() } else { shown.join(", ") + more }
    }

    /// Adds notes and warnings to a listing.
    pub fn tell(&self, listing: &mut Listing) {
        let root = || shown(&listing.root);
        if self.without_image > 0 {
            listing.warnings.push(DataNote::SamplesWithoutImage { samples: self.without_image, root: root() });
        }
        if self.with_several > 0 {
            listing.warnings.push(DataNote::SamplesWithSeveral { samples: self.with_several, root: root() });
        }
        if self.dotted > 0 {
            let first = self.first_dotted.clone();
            listing.notes.push(DataNote::DottedNames { images: self.dotted, root: root(), first });
        }
    }

    /// Where labels would stand, and what stands there.
    pub fn where_labels_are_looked_for(&self, root: &Path) -> Unlabelled {
        let json_keys = self.json_keys.iter().cloned().collect();
        Unlabelled::NoSample { root: shown(root), endings: self.endings(), json_keys }
    }
}

type Extent = (usize, usize);

/// The samples of a shard, in the order of their names; `within` is where in an image's name that of its member begins.
///
/// # Errors
/// The shard is empty, damaged or cut off, or holds a member twice.
pub(crate) fn samples(
    shard: &Path,
    within: usize,
    counted: &mut Counted,
) -> Result<BTreeMap<String, Sample>, DataError> {
    let wrong = |problem| DataError::Tar { path: shard.to_path_buf(), problem };
    if fs::metadata(shard).map_err(DataError::io("read", shard))?.len() == 0 {
        return Err(wrong(TarProblem::Empty));
    }
    let archive = Archive::open(shard)?;
    let mut members: HashSet<(String, String)> = HashSet::new();
    let mut groups: BTreeMap<String, BTreeMap<String, Extent>> = BTreeMap::new();
    let mut tar = tar::Archive::new(Cursor::new(archive.bytes()));
    let unreadable =
        |members: usize, error: std::io::Error| wrong(TarProblem::Unreadable { members, problem: error.to_string() });
    let entries = tar.entries_with_seek().map_err(|error| unreadable(0, error))?;
    for (count, entry) in entries.enumerate() {
        let entry = entry.map_err(|error| unreadable(count, error))?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (start, len) = (entry.raw_file_position() as usize, entry.size() as usize);
        if start.checked_add(len).is_none_or(|end| end > archive.bytes().len()) {
            return Err(wrong(TarProblem::CutOff { member: path }));
        }
        if let Some((key, extension)) = split_name(&path) {
            if !members.insert((key.clone(), extension.clone())) {
                return Err(wrong(TarProblem::Repeated { member: path }));
            }
            *counted.extensions.entry(extension.clone()).or_default() += 1;
            groups.entry(key).or_default().insert(extension, (start, len));
        }
    }
    let mut samples = BTreeMap::new();
    for (key, members) in apart(groups, counted) {
        let image = image_of(&members, counted);
        let stem = image.map_or("", |extension| stem(extension));
        let content = |&(start, len): &Extent| String::from_utf8_lossy(&archive.bytes()[start..start + len]);
        let label = label_members(&members, stem).find_map(|(extension, place)| {
            let text = content(place);
            match kind(extension) {
                "json" => json_label(&text, counted),
                _ => Some(text.trim().to_owned()),
            }
        });
        let image = image.map(|extension| {
            let (start, len) = members[extension];
            (extension.to_owned(), Place::Part { archive: Arc::clone(&archive), start, len, within })
        });
        counted.without_image += usize::from(image.is_none());
        samples.insert(key, Sample { image, label: label.filter(|label| !label.is_empty()) });
    }
    Ok(samples)
}

/// Members by the names of samples: up to the first dot, but to the last one where several images share the former and are no
/// views of one thing.
fn apart(
    groups: BTreeMap<String, BTreeMap<String, Extent>>,
    counted: &mut Counted,
) -> BTreeMap<String, BTreeMap<String, Extent>> {
    let mut occurring: HashMap<String, usize> = HashMap::new();
    for extension in groups.values().flat_map(BTreeMap::keys) {
        *occurring.entry(extension.clone()).or_default() += 1;
    }
    let mut samples = BTreeMap::new();
    for (key, members) in groups {
        let images: Vec<&str> = members.keys().map(String::as_str).filter(|extension| is_image(extension)).collect();
        let are_dotted = images.iter().all(|extension| !stem(extension).is_empty());
        // `0001.cls` is of the whole sample, whose images then are views of one thing.
        let has_common_label = LABEL_EXTENSIONS.iter().any(|extension| members.contains_key(*extension));
        let have_own_labels = images.iter().any(|image| {
            LABEL_EXTENSIONS.iter().any(|extension| members.contains_key(&format!("{}.{extension}", stem(image))))
        });
        let recur = images.iter().all(|extension| occurring[*extension] > 1);
        if images.len() > 1 && are_dotted && !has_common_label && (have_own_labels || !recur) {
            counted.dotted += images.len();
            if counted.first_dotted.is_empty() {
                counted.first_dotted = format!("{key}.{}", images[0]);
            }
            for (extension, place) in members {
                let own = format!("{key}.{}", stem(&extension));
                samples.entry(own).or_insert_with(BTreeMap::new).insert(kind(&extension).to_owned(), place);
            }
        } else {
            samples.insert(key, members);
        }
    }
    samples
}

/// The image of a sample: a member that is named by its kind alone, or else the first with more of a name.
fn image_of<'a>(members: &'a BTreeMap<String, Extent>, counted: &mut Counted) -> Option<&'a str> {
    let by_kind = EXTENSIONS.iter().find_map(|known| members.get_key_value(*known));
    if let Some((extension, _)) = by_kind {
        return Some(extension);
    }
    let mut images: Vec<&str> = members.keys().map(String::as_str).filter(|extension| is_image(extension)).collect();
    counted.with_several += usize::from(images.len() > 1);
    let rank = |extension: &&str| IMAGE_NAMES.iter().position(|name| *name == stem(extension));
    images.sort_by_key(|extension| (rank(extension).unwrap_or(IMAGE_NAMES.len()), *extension));
    images.first().copied()
}

/// The members that may hold a sample's label: named by their kind alone, as the image is, or any other `.cls`.
fn label_members<'a>(
    members: &'a BTreeMap<String, Extent>,
    image_stem: &'a str,
) -> impl Iterator<Item = (&'a String, &'a Extent)> {
    let by_kind = LABEL_EXTENSIONS.iter().filter_map(|extension| members.get_key_value(*extension));
    let alike = LABEL_EXTENSIONS
        .iter()
        .filter_map(move |extension| members.get_key_value(&format!("{image_stem}.{extension}")));
    by_kind.chain(alike).chain(members.iter().filter(|(extension, _)| kind(extension) == "cls"))
}

fn is_image(extension: &str) -> bool {
    EXTENSIONS.contains(&kind(extension))
}

/// What follows the last dot of `image.jpg`, or the whole of `jpg`.
fn kind(extension: &str) -> &str {
    extension.rsplit_once('.').map_or(extension, |(_, kind)| kind)
}

/// What stands before the last dot of `image.jpg`; nothing of `jpg`.
fn stem(extension: &str) -> &str {
    extension.rsplit_once('.').map_or("", |(stem, _)| stem)
}

/// The name up to its first dot, and the rest in lower case; none for hidden members.
fn split_name(path: &str) -> Option<(String, String)> {
    let path = path.trim_start_matches("./");
    let (folder, file) = path.rsplit_once('/').map_or(("", path), |(folder, file)| (folder, file));
    let (stem, extension) = file.split_once('.').filter(|(stem, _)| !stem.is_empty())?;
    let key = if folder.is_empty() { stem.to_owned() } else { format!("{folder}/{stem}") };
    Some((key, extension.to_ascii_lowercase()))
}

/// A label that is the whole text, or a value of an object.
fn json_label(text: &str, counted: &mut Counted) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let label = match &value {
        Value::Object(object) => match LABEL_KEYS.iter().find_map(|key| object.get(*key)) {
            Some(label) => label,
            None => {
                // Keys may be data themselves, as many as there are samples.
                const KEPT: usize = 10;
                counted.json_keys.extend(object.keys().take(KEPT.saturating_sub(counted.json_keys.len())).cloned());
                return None;
            }
        },
        value => value,
    };
    match label {
        Value::String(name) => Some(name.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
