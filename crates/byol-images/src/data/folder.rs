//! Folders of images, searched recursively. Labels, where the folders within stand for classes, are the subject of
//! `class_folders`.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::{DirEntry, WalkDir};

use super::decode::EXTENSIONS;
use super::encoded::{Encoded, EncodedImages, Given, Place, look_through};
use super::error::DataError;
use super::fingerprint::Fingerprint;
use super::first_use::Decoding;
use super::levels::Levels;
use super::listing::describe;
use super::look::Look;
use super::missing_files::Missing;
use super::names::composed;
use super::note::DataNote;
use super::spool::Companions;
use super::{Image, ImageSource};

pub use super::encoded::Skipped;

/// What data is opened for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Need {
    /// Images, with labels or without.
    #[default]
    Images,
    /// Images of two classes or more: what has none is refused before an image is decoded.
    Labels,
}

/// When a train/test split that was drawn is saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Saving {
    /// While the data is opened.
    #[default]
    AtOnce,
    /// When [`Dataset::save_split`](super::Dataset::save_split) asks for it; an experiment does before its first step. Whatever is refused
    /// before then leaves nothing behind.
    Later,
}

/// How data is opened.
#[derive(Clone)]
pub struct OpenOptions {
    /// An image that cannot be used is an error. Otherwise it is reported and skipped.
    pub strict: bool,
    /// What the data must have; other data is refused.
    pub need: Need,
    /// How many labelled training images of every class will be wanted: data that cannot have them is refused before an image
    /// is decoded.
    pub labels_per_class: usize,
    /// Decoded images stay in memory if all of them together take no more bytes than this; otherwise each read
    /// decodes its file again. STL-10's files, CIFAR-10's and packed ones are mapped, whatever this says.
    pub memory_budget_bytes: u64,
    /// Which stored values are black and white, where images hold more than eight bits.
    pub levels: Levels,
    /// When images for pre-training are decoded for the first time; with [`strict`](Self::strict), at once.
    pub decoding: Decoding,
    /// Where a train/test split that is drawn here is kept; by default, beside the data.
    pub split_file: Option<PathBuf>,
    /// When it is saved there.
    pub saving: Saving,
    /// Whether answers that people gave to suspicious labels, which are kept beside the data, change labels and leave images out
    /// ([`corrections`](super::corrections)).
    pub corrections: bool,
    /// Other processes of this host that open the same data now.
    #[doc(hidden)]
    pub companions: Option<Arc<dyn Companions>>,
    /// Called with (images looked at, images in all), from several threads and not always in order.
    pub on_progress: Option<Arc<dyn Fn(usize, usize) + Send + Sync>>,
}

impl Default for OpenOptions {
    /// Skips bad images, keeps up to 1 GiB per data set or folder, reports no progress.
    fn default() -> Self {
        OpenOptions {
            strict: false,
            need: Need::Images,
            labels_per_class: 0,
            memory_budget_bytes: 1 << 30,
            levels: Levels::Full,
            decoding: Decoding::AtOnce,
            split_file: None,
            saving: Saving::AtOnce,
            corrections: true,
            companions: None,
            on_progress: None,
        }
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("OpenOptions")
            .field("strict", &self.strict)
            .field("need", &self.need)
            .field("labels_per_class", &self.labels_per_class)
            .field("memory_budget_bytes", &self.memory_budget_bytes)
            .field("levels", &self.levels)
            .field("decoding", &self.decoding)
            .field("split_file", &self.split_file)
            .field("saving", &self.saving)
            .field("corrections", &self.corrections)
            .finish_non_exhaustive()
    }
}

/// The readable images of a folder and the folders in it, in the order of their paths, without labels.
///
/// Files count as images by their extension (in any case) and are decoded by their content. Links are followed, except
/// back into a folder that is being searched; names that begin with a dot and folders of systems (thumbnails, deleted files)
/// are passed over.
pub struct FolderSource {
    images: EncodedImages,
    skipped: Vec<Skipped>,
    fingerprint: String,
}

impl FolderSource {
    /// Searches `folder` and decodes every image once, on all threads, to find those that cannot be used.
    ///
    /// # Errors
    /// `folder` does not exist or is no folder; it holds no image, or none that can be read; with
    /// [`strict`](OpenOptions::strict), the first image that cannot.
    pub fn open(folder: &Path, options: &OpenOptions) -> Result<Self, DataError> {
        let found = search(folder)?.into_iter().map(Given::now).collect();
        let mut looked = look_through(found, options).refuse_bad(folder, options)?;
        let mut fingerprint = Fingerprint::new("folder");
        for (index, stamp) in looked.stamps.iter().enumerate() {
            fingerprint.bytes(looked.images.name(index).as_bytes());
            stamp.add_to(&mut fingerprint);
        }
        let skipped = std::mem::take(&mut looked.skipped);
        Ok(FolderSource { images: looked.images, skipped, fingerprint: fingerprint.finish() })
    }

    /// The files and folders that were left out, in the order of their paths.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What is odd about the folder, whose path this is: files that were left out.
    pub fn notes(&self, folder: &Path) -> Vec<DataNote> {
        describe(&self.skipped, folder)
    }

    /// (width, height) of every image, after turning it upright, as it is stored.
    pub fn sizes(&self) -> &[(usize, usize)] {
        self.images.sizes()
    }

    /// Whether the decoded images are kept in memory.
    pub fn in_memory(&self) -> bool {
        self.images.in_memory()
    }

    /// A hash of the readable images' sorted paths within the folder and their file sizes. A file rewritten with
    /// other content of the same size goes unseen.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

impl ImageSource for FolderSource {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn read(&self, index: usize, image: &mut Image) -> Result<(), DataError> {
        self.images.read(index, image)
    }

    fn name(&self, index: usize) -> String {
        self.images.name(index)
    }

    fn origin(&self, index: usize) -> Option<PathBuf> {
        self.images.origin(index)
    }

    fn look(&self, index: usize) -> Option<&Look> {
        self.images.look(index)
    }
}

/// Whether `folder` holds anything that looks like an image. Nothing is decoded.
pub(crate) fn holds_images(folder: &Path) -> bool {
    walk(folder).flatten().any(|entry| entry.file_type().is_file() && is_image(entry.path()))
}

/// The images of `folder` and the folders in it, in the order of their paths, named by their paths within it.
///
/// # Errors
/// It does not exist, is no folder, or holds no image.
pub(crate) fn search(folder: &Path) -> Result<Vec<Encoded>, DataError> {
    require_folder(folder)?;
    let mut found = Vec::new();
    for entry in walk(folder) {
        let path = match entry {
            Ok(entry) if entry.file_type().is_dir() || !is_image(entry.path()) => continue,
            Ok(entry) => entry.into_path(),
            Err(error) if error.loop_ancestor().is_some() => continue,
            // A folder that cannot be searched, or a broken link, is named like an image that cannot be read.
            Err(error) => {
                let path = error.path().unwrap_or(folder).to_path_buf();
                if path.is_symlink() && !is_image(&path) {
                    continue;
                }
                path
            }
        };
        found.push(Encoded { name: name_within(folder, &path), place: Place::File(path) });
    }
    if found.is_empty() {
        return Err(DataError::NoImages { path: folder.to_path_buf() });
    }
    found.sort_by(|a, b| place(a).cmp(place(b)));
    Ok(found)
}

fn place(encoded: &Encoded) -> &Path {
    match &encoded.place {
        Place::File(path) | Place::Missing(Missing { path, .. }) => path,
        Place::Part { .. } => Path::new(&encoded.name),
    }
}

pub(crate) fn require_folder(path: &Path) -> Result<(), DataError> {
    if !path.exists() {
        return Err(DataError::NotFound { path: path.to_path_buf() });
    }
    match path.is_dir() {
        true => Ok(()),
        false => Err(DataError::NotAFolder { path: path.to_path_buf() }),
    }
}

/// Everything in `folder` that may count, see `is_aside`.
#[doc(hidden)]
pub fn walk(folder: &Path) -> impl Iterator<Item = walkdir::Result<DirEntry>> {
    let visible = |entry: &DirEntry| entry.depth() == 0 || !is_aside(entry.file_name());
    WalkDir::new(folder).follow_links(true).into_iter().filter_entry(visible)
}

/// Names in which systems keep thumbnails, deleted files and snapshots of what lies beside them.
const SYSTEM_FOLDERS: [&str; 9] = [
    "@eaDir",
    "__MACOSX",
    "#recycle",
    "@Recycle",
    "@Recently-Snapshot",
    "#snapshot",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
];

/// Whether files and folders of this name are passed over: those that begin with a dot, and [`SYSTEM_FOLDERS`] in any
/// case. A folder that was named by the user is searched whatever it is called.
pub(crate) fn is_aside(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || SYSTEM_FOLDERS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a file's name ends as that of an image ([`EXTENSIONS`], in any case).
#[doc(hidden)]
pub fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// The path within the folder, with `/` between its parts and letters composed on every system.
#[doc(hidden)]
pub fn name_within(folder: &Path, path: &Path) -> String {
    let within = path.strip_prefix(folder).unwrap_or(path);
    composed(&within.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::sync::Mutex;

    fn write(path: &Path, value: u8) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(4, 3, image::Rgb([value; 3])).save(path).unwrap();
    }

    fn lenient() -> OpenOptions {
        OpenOptions::default()
    }

    #[test]
    fn images_are_found_in_the_order_of_their_paths() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (value, name) in ["z.jpeg", "b/c.png", "a.WEBP", "b.png", ".hidden/x.png", "b/.y.png"].iter().enumerate() {
            write(&at(name), value as u8 * 40);
        }
        fs::write(at("notes.txt"), "not an image").unwrap();
        for memory_budget_bytes in [0, 4 * 4 * 3 * 3 - 1, 4 * 4 * 3 * 3] {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let log = Arc::clone(&seen);
            let on_progress: Arc<dyn Fn(usize, usize) + Send + Sync> =
                Arc::new(move |done, all| log.lock().unwrap().push((done, all)));
            let options = OpenOptions { memory_budget_bytes, on_progress: Some(on_progress), ..lenient() };
            let source = FolderSource::open(folder.path(), &options).unwrap();
            let names: Vec<String> = (0..source.len()).map(|index| source.name(index)).collect();
            assert_eq!(names, ["a.WEBP", "b/c.png", "b.png", "z.jpeg"]);
            assert_eq!(source.in_memory(), memory_budget_bytes == 144);
            assert_eq!(source.sizes(), [(4, 3); 4]);
            let mut image = Image::default();
            source.read(1, &mut image).unwrap();
            assert_eq!(image, Image { width: 4, height: 3, pixels: vec![40; 36] });
            assert!(source.read(4, &mut image).is_err());
            let mut seen = seen.lock().unwrap().clone();
            seen.sort_unstable();
            assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4)]);
        }
    }

    /// Photographs from 12 megapixels on (4:4:4: those of 9, whose colour has as many pixels) lose what no view shows; their size is told
    /// as it is stored, and the fingerprint is another than an earlier version's, which was of names and bytes alone.
    #[test]
    fn large_photographs_are_decoded_at_a_part_of_their_size() {
        let folder = tempfile::tempdir().unwrap();
        for (name, [width, height]) in
            [("large.jpg", [3001, 3100]), ("less.jpg", [2998, 3100]), ("other.png", [3001, 40])]
        {
            let smooth =
                image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x / 12) as u8, (y / 13) as u8, 90]));
            smooth.save(folder.path().join(name)).unwrap();
        }
        for memory_budget_bytes in [0, 1 << 30] {
            let source = FolderSource::open(folder.path(), &OpenOptions { memory_budget_bytes, ..lenient() }).unwrap();
            assert_eq!(source.sizes(), [(3001, 3100), (2998, 3100), (3001, 40)]);
            let mut image = Image::default();
            let mut read = |index: usize| {
                source.read(index, &mut image).unwrap();
                let middle = image.pixels[image.height / 2 * image.width + image.width / 2];
                ([image.width, image.height], middle)
            };
            let (sides, middle) = read(0);
            assert_eq!(sides, [1501, 1550]);
            assert!(middle.abs_diff(125) <= 1, "{middle}");
            assert_eq!((read(1).0, read(2).0), ([2998, 3100], [3001, 40]));

            let mut earlier = Fingerprint::new("folder");
            for name in ["large.jpg", "less.jpg", "other.png"] {
                earlier.bytes(name.as_bytes());
                earlier.number(fs::metadata(folder.path().join(name)).unwrap().len());
            }
            assert_ne!(source.fingerprint(), earlier.finish());
        }
    }

    #[test]
    fn bad_images_are_skipped_and_named() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("good.png"), 1);
        fs::write(folder.path().join("empty.jpg"), "").unwrap();
        fs::write(folder.path().join("text.png"), "a text").unwrap();
        fs::create_dir(folder.path().join("folder.png")).unwrap();
        let source = FolderSource::open(folder.path(), &lenient()).unwrap();
        let skipped: Vec<String> = source.skipped().iter().map(|skip| skip.problem.to_string()).collect();
        assert_eq!(source.len(), 1);
        assert_eq!(
            skipped,
            ["the file is empty (0 bytes)", "the content is neither JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC nor AVIF"]
        );

        let strict = OpenOptions { strict: true, ..lenient() };
        let message = FolderSource::open(folder.path(), &strict).err().unwrap().to_string();
        assert!(message.contains("empty.jpg: the file is empty"), "{message}");

        fs::remove_file(folder.path().join("good.png")).unwrap();
        let message = FolderSource::open(folder.path(), &lenient()).err().unwrap().to_string();
        assert!(message.contains("none of the 2 images"), "{message}");
    }

    #[test]
    fn a_folder_without_images_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        let message = |path: &Path| FolderSource::open(path, &lenient()).err().unwrap().to_string();
        assert!(message(folder.path()).starts_with("no images in"));
        assert!(message(&folder.path().join("none")).contains("does not exist"));
        assert!(message(&folder.path().join("notes.txt")).contains("not a folder"));
    }

    #[test]
    fn a_image_that_vanishes_later_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("a.png"), 1);
        let options = OpenOptions { memory_budget_bytes: 0, ..lenient() };
        let source = FolderSource::open(folder.path(), &options).unwrap();
        fs::remove_file(folder.path().join("a.png")).unwrap();
        let message = source.read(0, &mut Image::default()).unwrap_err().to_string();
        assert!(message.contains("a.png"), "{message}");
    }

    #[test]
    fn the_fingerprint_is_of_paths_within_the_folder_and_sizes() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let fingerprint = |folder: &tempfile::TempDir| {
            FolderSource::open(folder.path(), &lenient()).unwrap().fingerprint().to_owned()
        };
        write(&one.path().join("a/b.png"), 1);
        write(&other.path().join("a/b.png"), 1);
        assert_eq!(fingerprint(&one), fingerprint(&other));
        write(&other.path().join("a/c.png"), 1);
        assert_ne!(fingerprint(&one), fingerprint(&other));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_but_not_in_circles() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        write(&folder.path().join("in/a.png"), 1);
        write(&elsewhere.path().join("b.png"), 2);
        symlink(folder.path(), folder.path().join("in/circle")).unwrap();
        symlink(elsewhere.path(), folder.path().join("in/linked")).unwrap();
        symlink("nowhere.png", folder.path().join("broken.png")).unwrap();
        symlink("nowhere", folder.path().join("broken")).unwrap();
        let source = FolderSource::open(folder.path(), &lenient()).unwrap();
        let names: Vec<String> = (0..source.len()).map(|index| source.name(index)).collect();
        assert_eq!(names, ["in/a.png", "in/linked/b.png"]);
        let skipped: Vec<_> = source.skipped().iter().map(|skip| skip.path.file_name().unwrap()).collect();
        assert_eq!(skipped, ["broken.png"]);
    }
}
