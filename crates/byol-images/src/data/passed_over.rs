//! Files in folders that look like images and are not read, and folders in which systems keep thumbnails and deleted
//! files: counted by kind, with the remedy.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;
use walkdir::{DirEntry, WalkDir};

use super::decode::signature::{Content, SIGNATURE_BYTES};
use super::encoded::Place;
use super::folder::{holds_images, is_aside, is_image};
use super::format::EncodedSet;
use super::listing::Listing;

/// What was passed over in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PassedOver {
    /// How many files there are of each kind: its extension with the dot, as the first of them is written, or nothing
    /// for files without one whose first bytes are those of an image.
    pub files: BTreeMap<String, usize>,
    /// Names of folders of thumbnails and deleted files that hold images, and how many there are of each.
    pub folders: BTreeMap<String, usize>,
}

/// What can be done with a kind of files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raw,
    Video,
    Other,
    Unnamed,
}

const RAW: [&str; 25] = [
    "3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef", "nrw",
    "orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srw", "x3f",
];
const VIDEO: [&str; 14] =
    ["3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "webm", "wmv"];
/// Images that are not read, those of microscopes and hospitals among them.
const OTHER: [&str; 46] = [
    "avifs", "bpg", "cur", "czi", "dcm", "dds", "dicom", "emf", "eps", "exr", "fits", "flif", "hdr", "heics", "heifs",
    "icns", "ico", "j2c", "j2k", "jls", "jp2", "jpf", "jpx", "jxl", "jxr", "lif", "mrxs", "nd2", "ndpi", "pam", "pbm",
    "pcx", "pgm", "pnm", "ppm", "psb", "psd", "qoi", "scn", "svg", "svs", "tga", "vsi", "wdp", "wmf", "xcf",
];

fn kind(extension: &str) -> Option<Kind> {
    let extension = extension.to_ascii_lowercase();
    let one_of = |known: &[&str]| known.contains(&extension.as_str());
    match () {
        () if one_of(&RAW) => Some(Kind::Raw),
        () if one_of(&VIDEO) => Some(Kind::Video),
        () if one_of(&OTHER) => Some(Kind::Other),
        () => None,
    }
}

/// Whether the file begins as an image does, read or not.
fn begins_as_image(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SIGNATURE_BYTES as u64).read_to_end(&mut bytes));
    read.is_ok() && matches!(Content::of(&bytes), Content::Image(_) | Content::Heif)
}

impl PassedOver {
    /// Searches a folder and the folders in it as images are searched for.
    pub fn within(folder: &Path) -> Self {
        let mut passed_over = PassedOver::default();
        passed_over.search(folder, &HashSet::new());
        passed_over
    }

    /// Searches where a listing's images were found. Files that the listing names are not passed over.
    pub(crate) fn beside(found: &EncodedSet, listing: &Listing) -> Self {
        let folder = match found {
            EncodedSet::Folder { folder } => Some(folder.as_path()),
            EncodedSet::Csv { table } => table.parent(),
            EncodedSet::Parquet { .. } | EncodedSet::WebDataset { .. } => None,
        };
        let places = listing.images.iter().map(|listed| &listed.encoded.place);
        let listed: HashSet<&Path> = places
            .filter_map(|place| match place {
                Place::File(path) => Some(path.as_path()),
                Place::Part { .. } | Place::Missing(_) => None,
            })
            .collect();
        let mut passed_over = PassedOver::default();
        if let Some(folder) = folder {
            passed_over.search(folder, &listed);
        }
        passed_over
    }

    fn search(&mut self, folder: &Path, listed: &HashSet<&Path>) {
        let aside = RefCell::new(Vec::new());
        let visible = |entry: &DirEntry| {
            let passed = entry.depth() > 0 && is_aside(entry.file_name());
            if passed && entry.file_type().is_dir() {
                aside.borrow_mut().push(entry.path().to_path_buf());
            }
            !passed
        };
        // The spelling of each extension that was met first.
        let mut spelled: BTreeMap<String, String> = BTreeMap::new();
        for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(visible).flatten() {
            let path = entry.path();
            if !entry.file_type().is_file() || is_image(path) || listed.contains(path) {
                continue;
            }
            let name = match path.extension().and_then(|extension| extension.to_str()) {
                Some(extension) if kind(extension).is_some() => {
                    spelled.entry(extension.to_ascii_lowercase()).or_insert_with(|| format!(".{extension}")).clone()
                }
                None if path.extension().is_none() && begins_as_image(path) => String::new(),
                _ => continue,
            };
            *self.files.entry(name).or_default() += 1;
        }
        let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        for path in aside.into_inner().iter().filter(|path| !hidden(path) && holds_images(path)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            *self.folders.entry(name).or_default() += 1;
        }
    }

    /// Adds what was passed over elsewhere.
    pub fn add(&mut self, other: PassedOver) {
        for (name, count) in other.files {
            *self.files.entry(name).or_default() += count;
        }
        for (name, count) in other.folders {
            *self.folders.entry(name).or_default() += count;
        }
    }

    /// One sentence about files and one about folders, where there are any.
    pub fn sentences(&self) -> Vec<String> {
        self.about_files().into_iter().chain(self.about_folders()).collect()
    }

    /// `12 files were not read: 8 .CR2, 3 .mp4, 1 .jxl; develop camera raw files into JPEG, ...`
    fn about_files(&self) -> Option<String> {
        let kind = |name: &str| match name.strip_prefix('.') {
            Some(extension) => kind(extension).unwrap_or(Kind::Other),
            None => Kind::Unnamed,
        };
        let mut counted: Vec<(&String, usize)> = self.files.iter().map(|(name, &count)| (name, count)).collect();
        counted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let parts: Vec<String> = counted
            .iter()
            .map(|(name, count)| match name.as_str() {
                "" => format!("{count} without an extension"),
                name => format!("{count} {name}"),
            })
            .collect();
        let total: usize = self.files.values().sum();
        let of = |wanted: Kind| counted.iter().map(|(name, _)| name.as_str()).filter(move |name| kind(name) == wanted);
        let mut remedies = Vec::new();
        if of(Kind::Raw).next().is_some() {
            remedies.push("develop camera raw files into JPEG or TIFF".to_owned());
        }
        let other: Vec<&str> = of(Kind::Other).collect();
        if !other.is_empty() {
            remedies.push(format!("convert {} to PNG or JPEG", other.join(", ")));
        }
        if of(Kind::Video).next().is_some() {
            remedies.push("take single frames out of videos".to_owned());
        }
        if of(Kind::Unnamed).next().is_some() {
            remedies.push("give files without an extension one, such as .jpg".to_owned());
        }
        let (were, them) = if total == 1 { ("file was", "it") } else { ("files were", "them") };
        (total > 0)
            .then(|| format!("{total} {were} not read: {}; to use {them}, {}", parts.join(", "), remedies.join("; ")))
    }

    fn about_folders(&self) -> Option<String> {
        let names: Vec<String> = self
            .folders
            .iter()
            .map(|(name, &count)| if count == 1 { format!("`{name}`") } else { format!("{count} `{name}`") })
            .collect();
        let total: usize = self.folders.values().sum();
        let were = if total == 1 { "folder was" } else { "folders were" };
        (!names.is_empty()).then(|| {
            format!(
                "{total} {were} not searched, because systems keep thumbnails or deleted files there: {}",
                names.join(", ")
            )
        })
    }
}

/// What a message adds that says that a folder holds no images.
pub(crate) fn hint(folder: &Path) -> String {
    let sentences = if folder.is_dir() { PassedOver::within(folder).sentences() } else { Vec::new() };
    sentences.iter().map(|sentence| format!("; {sentence}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder_of(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"\xff\xd8\xff\xe0").unwrap();
        }
        folder
    }

    #[test]
    fn files_are_counted_by_kind() {
        let names =
            ["a/1.CR2", "a/2.cr2", "b/3.CR2", "b/4.mp4", "5.jxl", "6", "7.jpg", "8.txt", ".9.psd", "labels.csv"];
        let folder = folder_of(&names);
        fs::write(folder.path().join("README"), "a text").unwrap();
        let passed_over = PassedOver::within(folder.path());
        assert_eq!(passed_over.files.values().sum::<usize>(), 6);
        let sentences = passed_over.sentences();
        let text = sentences[0].to_lowercase();
        assert!(text.starts_with("6 files were not read: 3 .cr2, 1 without an extension, 1 .jxl, 1 .mp4; to use"));
        for remedy in ["raw files into jpeg", "convert .jxl to png", "frames out of videos", "such as .jpg"] {
            assert!(text.contains(remedy), "{text}");
        }
        assert_eq!(sentences.len(), 1);
    }

    #[test]
    fn folders_of_systems_are_named_where_they_hold_images() {
        let names =
            ["a/@eaDir/1.jpg", "b/@EADIR/1.jpg", "__MACOSX/1.png", "#recycle/1.CR2", ".thumbnails/1.jpg", "a/2.jpg"];
        let folder = folder_of(&names);
        let passed_over = PassedOver::within(folder.path());
        assert!(passed_over.files.is_empty());
        let folders: Vec<&str> = passed_over.folders.keys().map(String::as_str).collect();
        assert_eq!(folders, ["@EADIR", "@eaDir", "__MACOSX"]);
        assert!(passed_over.sentences()[0].starts_with("3 folders were not searched, because systems"));
        // Named by the user, it is searched.
        assert!(PassedOver::within(&folder.path().join("#recycle")).files.contains_key(".CR2"));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let folder = folder_of(&["1.jpg", "notes.txt", "labels.csv", "model.onnx"]);
        assert!(PassedOver::within(folder.path()).sentences().is_empty());
        assert_eq!(hint(folder.path()), "");
        assert_eq!(hint(Path::new("none")), "");
    }

    #[test]
    fn lists_are_sorted_and_apart_from_what_is_read() {
        for list in [&RAW[..], &VIDEO, &OTHER] {
            assert!(list.is_sorted());
            assert!(list.iter().all(|extension| !is_image(Path::new(&format!("a.{extension}")))));
        }
    }
}
