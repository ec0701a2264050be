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
use super::error::{FileRemedy, counted_kinds};
use super::folder::{holds_images, is_aside, is_image};
use super::format::EncodedSet;
use super::listing::Listing;
use super::note::DataNote;

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
            EncodedSet::Csv { table, .. } => table.parent(),
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

    /// A note about files and one about folders, where there are any.
    pub fn notes(&self) -> Vec<DataNote> {
        let files =
            (!self.files.is_empty()).then(|| DataNote::FilesNotRead { kinds: self.kinds(), remedies: self.remedies() });
        let folders = self.folders.iter().map(|(name, &count)| (name.clone(), count)).collect();
        let folders = (!self.folders.is_empty()).then_some(DataNote::FoldersNotSearched { folders });
        files.into_iter().chain(folders).collect()
    }

    /// The kinds of files with how many there are, the most frequent first.
    fn kinds(&self) -> Vec<(String, usize)> {
        let mut kinds: Vec<(String, usize)> = self.files.iter().map(|(name, &count)| (name.clone(), count)).collect();
        kinds.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        kinds
    }

    /// What can be done with files of these kinds.
    fn remedies(&self) -> Vec<FileRemedy> {
        let kind = |name: &str| match name.strip_prefix('.') {
            Some(extension) => kind(extension).unwrap_or(Kind::Other),
            None => Kind::Unnamed,
        };
        let of = |wanted: Kind| -> Vec<String> {
            self.kinds().into_iter().map(|(name, _)| name).filter(|name| kind(name) == wanted).collect()
        };
        [
            (of(Kind::Raw), FileRemedy::Develop),
            (of(Kind::Other), FileRemedy::Convert { kinds: of(Kind::Other) }),
            (of(Kind::Video), FileRemedy::TakeFrames),
            (of(Kind::Unnamed), FileRemedy::NameThem),
        ]
        .into_iter()
        .filter_map(|(found, remedy)| (!found.is_empty()).then_some(remedy))
        .collect()
    }
}

/// What an error adds that says that a folder holds no images.
pub(crate) fn hint(folder: &Path) -> String {
    let found = if folder.is_dir() { PassedOver::within(folder) } else { PassedOver::default() };
    let mut hint = String::new();
    if !found.files.is_empty() {
        let (kinds, remedies) = (counted_kinds(&found.kinds()), FileRemedy::all(&found.remedies()));
        hint.push_str(&format!("; files that are not read: {kinds}; {remedies}"));
    }
    if !found.folders.is_empty() {
        let names: Vec<&str> = found.folders.keys().map(String::as_str).collect();
        hint.push_str(&format!("; folders of thumbnails or deleted files are not searched: {}", names.join(", ")));
    }
    hint
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
        let [DataNote::FilesNotRead { kinds, remedies }] = &passed_over.notes()[..] else { panic!("of files alone") };
        let lower: Vec<(String, usize)> = kinds.iter().map(|(name, count)| (name.to_lowercase(), *count)).collect();
        assert_eq!(
            lower,
            [(".cr2", 3), ("", 1), (".jxl", 1), (".mp4", 1)].map(|(name, count)| (name.to_owned(), count))
        );
        let convert = FileRemedy::Convert { kinds: vec![".jxl".to_owned()] };
        assert_eq!(remedies[..], [FileRemedy::Develop, convert, FileRemedy::TakeFrames, FileRemedy::NameThem]);
        let text = hint(folder.path()).to_lowercase();
        assert!(text.starts_with("; files that are not read: 3 .cr2, 1 without an extension, 1 .jxl, 1 .mp4; develop"));
        for remedy in ["raw files into jpeg", "convert .jxl to png", "frames out of videos", "such as .jpg"] {
            assert!(text.contains(remedy), "{text}");
        }
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
        let expected = folders.iter().map(|&name| (name.to_owned(), 1)).collect();
        assert_eq!(passed_over.notes(), [DataNote::FoldersNotSearched { folders: expected }]);
        // Named by the user, it is searched.
        assert!(PassedOver::within(&folder.path().join("#recycle")).files.contains_key(".CR2"));
    }

    #[test]
    fn nothing_is_said_of_nothing() {
        let folder = folder_of(&["1.jpg", "notes.txt", "labels.csv", "model.onnx"]);
        assert!(PassedOver::within(folder.path()).notes().is_empty());
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
