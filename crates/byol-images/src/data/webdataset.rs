//! WebDataset: uncompressed tar files whose members belong together by name, `0001.jpg` and `0001.cls`. The images are
//! read where they lie in the mapped files; nothing is unpacked. Which members are a sample is found in `tar_samples`.

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::DataError;
use super::encoded::Encoded;
use super::folder::name_within;
use super::format::Format;
use super::labels;
use super::listing::{Labels, Listed, Listing};
use super::note::DataNote;
use super::split::Split;
use super::tar_samples::{Counted, samples};

pub(crate) const EXTENSION: &str = "tar";

/// Names of the classes that are given as numbers, one a line, beside the shards.
pub(crate) const CLASS_NAMES: &str = "classnames.txt";

/// What is wrong with a shard.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TarProblem {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,

    /// The file is no tar file, or is damaged.
    #[error("after {members} members the file cannot be read as tar: {problem}; it is cut off, compressed or damaged")]
    Unreadable {
        /// Members that could be read before.
        members: usize,
        /// What the reader says.
        problem: String,
    },

    /// The file ends within a member.
    #[error("the file is cut off within `{member}`; get it again")]
    CutOff {
        /// The member.
        member: String,
    },

    /// A sample has two members of one name.
    #[error("`{member}` occurs twice; members of a sample have different extensions")]
    Repeated {
        /// The name.
        member: String,
    },

    /// A label is a number that is no class of `classnames.txt`.
    #[error("the label of `{member}` is {label}, but {} names {classes} classes", CLASS_NAMES)]
    LabelRange {
        /// The member that holds the label.
        member: String,
        /// The label.
        label: String,
        /// Classes that are named.
        classes: usize,
    },
}

/// Lists the images of all `shards`; `root` is what was opened.
///
/// # Errors
/// A shard is damaged or cut off; a label is outside the class names.
pub(crate) fn list(root: &Path, shards: Vec<PathBuf>, wanted: Labels) -> Result<Listing, DataError> {
    let folder = folder_of(root);
    let mut listing = Listing::new(Format::WebDataset, root);
    let names = class_names_file(root).map(|file| class_names(&file)).transpose()?;
    let mut labels: Vec<Option<String>> = Vec::new();
    let mut counted = Counted::default();
    for shard in &shards {
        let shard_name = name_within(folder, shard);
        let split = Split::from_shard(shard.strip_prefix(folder).unwrap_or(shard));
        for (key, sample) in samples(shard, shard_name.len() + 1, &mut counted)? {
            let Some((extension, place)) = sample.image else { continue };
            let label = match (sample.label.filter(|_| wanted == Labels::Read), &names) {
                (Some(label), Some(_)) if label == "-1" => None,
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
            listing.images.push(Listed { encoded, label: None, split });
            labels.push(label);
        }
    }
    listing.read_files = shards;
    if listing.images.is_empty() {
        let what = format!("its members end in {}", counted.endings());
        return Err(DataError::NoRows { path: root.to_path_buf(), what });
    }
    counted.tell(&mut listing);
    if wanted == Labels::Read && labels.iter().all(Option::is_none) {
        let found = counted.where_labels_are_looked_for(root);
        listing.notes.push(DataNote::Unlabelled(found.clone()));
        listing.no_labels = Some(found);
    }
    labels::assign(&mut listing, labels)?;
    if let Some(names) = names {
        in_order(&mut listing, names);
    }
    Ok(listing)
}

/// Puts the classes into the order of the file of their names, as far as there are images.
fn in_order(listing: &mut Listing, names: Vec<String>) {
    let used: Vec<String> = names.into_iter().filter(|name| listing.class_names.contains(name)).collect();
    let place = |class: &String| used.iter().position(|name| name == class).and_then(|place| u16::try_from(place).ok());
    let moved: Vec<Option<u16>> = listing.class_names.iter().map(place).collect();
    for listed in &mut listing.images {
        listed.label = listed.label.and_then(|label| moved[usize::from(label)]);
    }
    listing.class_names = used;
}

/// The folder that images are named from: `root`, or the one that the shard `root` lies in.
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
