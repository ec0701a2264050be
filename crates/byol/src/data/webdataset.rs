//! WebDataset: uncompressed tar files whose members belong together by name, `0001.jpg` and `0001.cls`. The pictures are
//! read where they lie in the mapped files; nothing is unpacked.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use thiserror::Error;

use super::DataError;
use super::encoded::{Archive, Encoded, Place};
use super::folder::name_within;
use super::format::Format;
use super::labels;
use super::listing::{Labels, Listed, Listing};
use super::picture::EXTENSIONS;
use super::split::Split;

pub(crate) const EXTENSION: &str = "tar";

/// Names of the classes that are given as numbers, one a line, beside the shards.
pub(crate) const CLASS_NAMES: &str = "classnames.txt";

/// Members that hold a label, in the order in which they count.
const LABEL_EXTENSIONS: [&str; 3] = ["cls", "json", "txt"];
/// Where a JSON object holds it.
const LABEL_KEYS: [&str; 3] = ["label", "cls", "class"];

/// What is wrong with a shard.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarProblem {
    #[error("the file is empty")]
    Empty,

    #[error("after {members} members the file cannot be read as tar: {problem}; it is cut off, compressed or damaged")]
    Unreadable { members: usize, problem: String },

    #[error("the file is cut off within `{member}`; get it again")]
    CutOff { member: String },

    #[error("`{member}` occurs twice; members of a sample have different extensions")]
    Repeated { member: String },

    #[error("the label of `{member}` is {label}, but {} names {classes} classes", CLASS_NAMES)]
    LabelRange { member: String, label: String, classes: usize },
}

/// Lists the pictures of all `shards`; `root` is what was opened.
///
/// # Errors
/// A shard is damaged or cut off; a label is outside the class names.
pub(crate) fn list(root: &Path, shards: Vec<PathBuf>, wanted: Labels) -> Result<Listing, DataError> {
    let folder = folder_of(root);
    let mut listing = Listing::new(Format::WebDataset, root);
    listing.read_files = shards;
    let names = class_names_file(root).map(|file| class_names(&file)).transpose()?;
    let mut labels: Vec<Option<String>> = Vec::new();
    let mut without_picture = 0;
    for shard in &listing.read_files {
        let shard_name = name_within(folder, shard);
        let split = Split::from_shard(shard.strip_prefix(folder).unwrap_or(shard));
        for (key, sample) in samples(shard, shard_name.len() + 1)? {
            let Some((extension, place)) = sample.picture else {
                without_picture += 1;
                continue;
            };
            let label = match (sample.label.filter(|_| wanted == Labels::Read), &names) {
                (Some(label), Some(names)) => {
                    let name = label.parse::<usize>().ok().and_then(|number| names.get(number));
                    let name = name.or_else(|| names.iter().find(|name| **name == label));
                    Some(name.cloned().ok_or_else(|| DataError::Tar {
                        path: shard.clone(),
                        problem: TarProblem::LabelRange { member: key.clone(), label, classes: names.len() },
                    })?)
                }
                (label, _) => label,
            };
            let encoded = Encoded { name: format!("{shard_name}/{key}.{extension}"), place };
            listing.pictures.push(Listed { encoded, label: None, split });
            labels.push(label);
        }
    }
    if without_picture > 0 {
        let text = format!("{without_picture} samples of {} hold no picture and are left out", root.display());
        listing.warnings.push(text);
    }
    if listing.pictures.is_empty() {
        return Err(DataError::NoRows { path: root.to_path_buf() });
    }
    labels::assign(&mut listing, labels)?;
    if let Some(names) = names {
        in_order(&mut listing, names);
    }
    Ok(listing)
}

/// Puts the classes into the order of the file of their names, as far as there are pictures.
fn in_order(listing: &mut Listing, names: Vec<String>) {
    let used: Vec<String> = names.into_iter().filter(|name| listing.class_names.contains(name)).collect();
    let place = |class: &String| used.iter().position(|name| name == class).and_then(|place| u16::try_from(place).ok());
    let moved: Vec<Option<u16>> = listing.class_names.iter().map(place).collect();
    for listed in &mut listing.pictures {
        listed.label = listed.label.and_then(|label| moved[usize::from(label)]);
    }
    listing.class_names = used;
}

/// The folder that pictures are named from: `root`, or the one that the shard `root` lies in.
fn folder_of(root: &Path) -> &Path {
    if root.is_dir() { root } else { root.parent().unwrap_or(Path::new(".")) }
}

/// The file of class names beside the shards of `root`, if it is there.
pub(crate) fn class_names_file(root: &Path) -> Option<PathBuf> {
    let file = folder_of(root).join(CLASS_NAMES);
    file.is_file().then_some(file)
}

fn class_names(file: &Path) -> Result<Vec<String>, DataError> {
    let bytes = fs::read(file).map_err(DataError::io("read", file))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}

/// The members that share a name up to its first dot.
#[derive(Default)]
struct Sample {
    /// Extension and place.
    picture: Option<(String, Place)>,
    label: Option<String>,
}

/// The samples of a shard, in the order of their names; `within` is where in a picture's name that of its member begins.
fn samples(shard: &Path, within: usize) -> Result<BTreeMap<String, Sample>, DataError> {
    let wrong = |problem| DataError::Tar { path: shard.to_path_buf(), problem };
    if fs::metadata(shard).map_err(DataError::io("read", shard))?.len() == 0 {
        return Err(wrong(TarProblem::Empty));
    }
    let archive = Archive::open(shard)?;
    let mut members: HashMap<(String, String), (usize, usize)> = HashMap::new();
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
        if let Some((key, extension)) = split_name(&path)
            && members.insert((key, extension), (start, len)).is_some()
        {
            return Err(wrong(TarProblem::Repeated { member: path }));
        }
    }
    let mut by_key: BTreeMap<String, BTreeMap<String, (usize, usize)>> = BTreeMap::new();
    for ((key, extension), place) in members {
        by_key.entry(key).or_default().insert(extension, place);
    }
    let content = |&(start, len): &(usize, usize)| String::from_utf8_lossy(&archive.bytes()[start..start + len]);
    let sample = |members: BTreeMap<String, (usize, usize)>| {
        let picture = EXTENSIONS.iter().find_map(|extension| {
            let &(start, len) = members.get(*extension)?;
            Some(((*extension).to_owned(), Place::Part { archive: Arc::clone(&archive), start, len, within }))
        });
        let label = LABEL_EXTENSIONS.iter().find_map(|extension| {
            let text = content(members.get(*extension)?);
            if *extension == "json" { json_label(&text) } else { Some(text.trim().to_owned()) }
        });
        Sample { picture, label: label.filter(|label| !label.is_empty()) }
    };
    Ok(by_key.into_iter().map(|(key, members)| (key, sample(members))).collect())
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
fn json_label(text: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    let label = match &value {
        Value::Object(object) => LABEL_KEYS.iter().find_map(|key| object.get(*key))?,
        value => value,
    };
    match label {
        Value::String(name) => Some(name.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
