//! Fetching a small archive from a server in a thread: whole, cut, forged, hostile, refused.

pub(super) mod server;

use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::data::note::DataNote;
use server::{CUT, Conduct, Server};

/// Bytes that do not pack well.
pub(super) fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn md5_of(bytes: &[u8]) -> String {
    hexadecimal(Md5::new_with_prefix(bytes))
}

fn header(kind: tar::EntryType, path: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    // Past the checks of `set_path`, for hostile paths.
    header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header
}

fn packed(add: impl FnOnce(&mut tar::Builder<GzEncoder<Vec<u8>>>)) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    tar.append(&header(tar::EntryType::Directory, "small/", 0), io::empty()).unwrap();
    for (name, content) in contents() {
        let path = format!("small/{name}");
        tar.append(&header(tar::EntryType::Regular, &path, content.len() as u64), content.as_slice()).unwrap();
    }
    add(&mut tar);
    tar.into_inner().unwrap().finish().unwrap()
}

fn contents() -> [(&'static str, Vec<u8>); 2] {
    [("data.bin", noise(10_000)), ("names.txt", b"cat\ndog\n".to_vec())]
}

fn archive(body: &[u8], url: &str) -> Archive {
    let file = |((name, content), mismatch): ((&str, Vec<u8>), Mismatch)| ArchiveFile {
        name: name.into(),
        md5: md5_of(&content),
        mismatch,
        max_bytes: content.len() as u64,
    };
    Archive {
        url: url.into(),
        file_name: "small.tar.gz".into(),
        md5: md5_of(body),
        folder: "small".into(),
        files: contents().into_iter().zip([Mismatch::Error, Mismatch::Warning]).map(file).collect(),
    }
}

/// A served archive, and a folder inside a folder that must stay otherwise empty.
struct Scene {
    server: Server,
    archive: Archive,
    options: FetchOptions,
    root: tempfile::TempDir,
}

impl Scene {
    fn new(body: Vec<u8>, conduct: Conduct) -> Scene {
        let root = tempfile::tempdir().unwrap();
        let archive = archive(&body, "");
        let server = Server::start(body, conduct);
        let archive = Archive { url: server.url.clone(), ..archive };
        let options = FetchOptions { pause: Duration::from_millis(1), ..FetchOptions::new(root.path().join("in")) };
        Scene { server, archive, options, root }
    }

    fn fetch(&self) -> Result<FetchOutcome, FetchError> {
        let outcome = fetch(&self.archive, &self.options);
        let beside: Vec<_> = fs::read_dir(self.root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(beside.iter().all(|name| name == "in"), "written outside the folder: {beside:?}");
        outcome
    }

    /// Everything in the folder, sorted.
    fn files(&self) -> Vec<String> {
        let walk = walkdir::WalkDir::new(&self.options.dir).sort_by_file_name().into_iter().flatten();
        let files = walk.filter(|entry| !entry.file_type().is_dir());
        files.map(|entry| entry.path().strip_prefix(&self.options.dir).unwrap().display().to_string()).collect()
    }

    fn assert_complete(&self) {
        assert_eq!(self.files(), ["small/.fetched.json", "small/data.bin", "small/names.txt"]);
        for (name, content) in contents() {
            assert_eq!(fs::read(self.options.dir.join("small").join(name)).unwrap(), content);
        }
    }

    fn assert_fails_leaving(&self, expected: &str, left: &[&str]) {
        let message = self.fetch().unwrap_err().to_string();
        assert!(message.contains(expected), "`{message}` lacks `{expected}`");
        assert_eq!(self.files(), left);
    }
}

#[test]
fn fetches_once() {
    let mut scene = Scene::new(packed(|_| {}), Conduct::default());
    let progress = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&progress);
    scene.options.on_progress = Some(Arc::new(move |step| heard.lock().unwrap().push(step)));
    let folder = scene.options.dir.join("small");
    assert_eq!(scene.fetch().unwrap(), FetchOutcome::Fetched { folder: folder.clone(), warnings: vec![] });
    scene.assert_complete();
    let total = packed(|_| {}).len() as u64;
    for last in [
        FetchProgress::Downloading { done: total, total: Some(total) },
        FetchProgress::Verifying { done: total, total },
        FetchProgress::Unpacking { done: total, total },
    ] {
        assert!(progress.lock().unwrap().contains(&last), "{last:?}");
    }

    assert_eq!(scene.fetch().unwrap(), FetchOutcome::AlreadyComplete { folder: folder.clone() });
    // Files that another program fetched have no receipt.
    fs::remove_file(folder.join(Receipt::FILE)).unwrap();
    assert_eq!(scene.fetch().unwrap(), FetchOutcome::AlreadyComplete { folder: folder.clone() });
    assert_eq!(scene.server.ranges().len(), 1);

    fs::write(folder.join("data.bin"), b"cut").unwrap();
    assert!(matches!(scene.fetch().unwrap(), FetchOutcome::Fetched { .. }));
    scene.assert_complete();
}

#[test]
fn resumes_after_cuts() {
    let scene = Scene::new(packed(|_| {}), Conduct { cuts: 2, ..Conduct::default() });
    scene.fetch().unwrap();
    scene.assert_complete();
    let range = |start: usize| Some(format!("bytes={start}-"));
    assert_eq!(scene.server.ranges(), [None, range(CUT), range(2 * CUT)]);
}

#[test]
fn resumes_in_a_later_call() {
    let body = packed(|_| {});
    let scene = Scene::new(body.clone(), Conduct { cuts: 1, ..Conduct::default() });
    fs::create_dir_all(&scene.options.dir).unwrap();
    let part = scene.options.dir.join("small.tar.gz.part");
    for held in [100, body.len()] {
        fs::write(&part, &body[..held]).unwrap();
        scene.fetch().unwrap();
        scene.assert_complete();
        fs::remove_dir_all(scene.options.dir.join("small")).unwrap();
    }
    let ranges: Vec<_> = scene.server.ranges().into_iter().flatten().collect();
    assert_eq!(ranges, ["bytes=100-", "bytes=3100-", &format!("bytes={}-", body.len())]);
}

#[test]
fn starts_afresh_when_the_server_knows_no_ranges() {
    let scene = Scene::new(packed(|_| {}), Conduct { cuts: 1, knows_no_ranges: true, ..Conduct::default() });
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(scene.server.ranges().len(), 2);
}

#[test]
fn starts_afresh_when_the_beginning_was_of_something_else() {
    let scene = Scene::new(packed(|_| {}), Conduct::default());
    fs::create_dir_all(&scene.options.dir).unwrap();
    fs::write(scene.options.dir.join("small.tar.gz.part"), noise(50)).unwrap();
    scene.fetch().unwrap();
    scene.assert_complete();
    assert_eq!(scene.server.ranges(), [Some("bytes=50-".into()), None]);
}

#[test]
fn waits_for_a_busy_server() {
    let scene = Scene::new(packed(|_| {}), Conduct { busy: 3, ..Conduct::default() });
    scene.fetch().unwrap();
    scene.assert_complete();
}

#[test]
fn a_server_need_not_say_the_length() {
    let scene = Scene::new(packed(|_| {}), Conduct { says_no_length: true, ..Conduct::default() });
    scene.fetch().unwrap();
    scene.assert_complete();
}

#[test]
fn gives_up_after_many_cuts_and_keeps_what_came() {
    let body = packed(|tar| {
        let content = noise(100_000);
        tar.append(&header(tar::EntryType::Regular, "small/more.bin", 100_000), content.as_slice()).unwrap();
    });
    let scene = Scene::new(body, Conduct { cuts: 6, ..Conduct::default() });
    scene.assert_fails_leaving("was lost 6 times in a row", &["small.tar.gz.part"]);
    assert_eq!(fs::metadata(scene.options.dir.join("small.tar.gz.part")).unwrap().len(), 6 * CUT as u64);
    let FetchOutcome::Fetched { warnings, .. } = scene.fetch().unwrap() else { panic!("nothing was fetched") };
    assert_eq!(warnings[0], DataNote::NotUnpacked { entry: "small/more.bin".to_owned() });
    scene.assert_complete();
}

#[test]
fn a_forged_archive_is_deleted() {
    let mut scene = Scene::new(packed(|_| {}), Conduct::default());
    scene.archive.md5 = md5_of(b"another");
    scene.assert_fails_leaving(&format!("expected {}", md5_of(b"another")), &[]);
}

#[test]
fn a_forged_file_leaves_nothing() {
    let mut scene = Scene::new(packed(|_| {}), Conduct::default());
    scene.archive.files[0].md5 = md5_of(b"another");
    scene.assert_fails_leaving("data.bin in the archive has MD5", &[]);
}

#[test]
fn an_unverified_side_file_only_warns() {
    let mut scene = Scene::new(packed(|_| {}), Conduct::default());
    scene.archive.files[1].md5 = md5_of(b"another");
    let extra = ArchiveFile { name: "absent.txt".into(), ..scene.archive.files[1].clone() };
    scene.archive.files.push(extra);
    let FetchOutcome::Fetched { warnings, .. } = scene.fetch().unwrap() else { panic!("nothing was fetched") };
    let absent = DataNote::NotInArchive { file: "absent.txt".to_owned() };
    let [DataNote::OtherChecksum { file, found, expected }, other] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!((file.as_str(), expected, other), ("names.txt", &md5_of(b"another"), &absent));
    assert_ne!(found, expected);
    scene.assert_complete();
}

#[test]
fn an_archive_without_a_file_is_refused() {
    let mut scene = Scene::new(packed(|_| {}), Conduct::default());
    scene.archive.files[0].name = "other.bin".into();
    scene.assert_fails_leaving("holds no other.bin", &[]);
}

#[test]
fn hostile_entries_leave_nothing() {
    use tar::EntryType::{Fifo, Link, Regular, Symlink};
    for (kind, path, problem) in [
        (Regular, "../evil.txt", "`../evil.txt` leads out"),
        (Regular, "small/../../evil.txt", "leads out"),
        (Regular, "/tmp/evil.txt", "leads out"),
        (Symlink, "small/link", "is a link"),
        (Link, "small/link", "is a link"),
        (Fifo, "small/pipe", "neither a file nor a folder"),
        (Regular, "small/data.bin", "occurs twice"),
    ] {
        let body = packed(|tar| {
            let mut header = header(kind, path, 0);
            if matches!(kind, Symlink | Link) {
                header.set_link_name("../../target").unwrap();
                header.set_cksum();
            }
            tar.append(&header, io::empty()).unwrap();
        });
        Scene::new(body, Conduct::default()).assert_fails_leaving(problem, &[]);
    }
}

#[test]
fn an_oversized_entry_is_refused() {
    let mut scene = Scene::new(packed(|_| {}), Conduct::default());
    scene.archive.files[0].max_bytes = 9_999;
    scene.assert_fails_leaving("larger than that file can be", &[]);
}

#[test]
fn something_else_than_an_archive_is_refused() {
    Scene::new(noise(5_000), Conduct::default()).assert_fails_leaving("cannot be unpacked", &[]);
}

#[test]
fn a_refusal_is_told_at_once() {
    let scene = Scene::new(packed(|_| {}), Conduct { refuses: true, ..Conduct::default() });
    let message = scene.fetch().unwrap_err().to_string();
    assert!(message.contains("404 Not Found") && message.contains(&scene.server.url), "{message}");
    assert!(message.contains("--url"), "{message}");
    assert_eq!(scene.server.ranges().len(), 1);
    let mirror = FetchOptions { url: Some("http://127.0.0.1:1/x".into()), ..scene.options.clone() };
    let message = fetch(&scene.archive, &mirror).unwrap_err().to_string();
    assert!(message.contains("could not reach http://127.0.0.1:1/x"), "{message}");
    let (archive, folder) = (&scene.archive.file_name, scene.options.dir.display());
    assert!(
        message.contains(&format!("or get {archive} in another way and put it under this name into {folder}")),
        "{message}"
    );
}

#[test]
fn an_interrupted_unpacking_is_cleared_away() {
    let body = packed(|_| {});
    let scene = Scene::new(body.clone(), Conduct::default());
    fs::create_dir_all(scene.options.dir.join(".small.unpacking/deep")).unwrap();
    fs::write(scene.options.dir.join(".small.unpacking/data.bin"), b"half").unwrap();
    fs::write(scene.options.dir.join("small.tar.gz"), body).unwrap();
    scene.fetch().unwrap();
    scene.assert_complete();
    assert!(scene.server.ranges().is_empty(), "the verified archive is there already");
}

#[test]
fn the_official_archive_names_every_file() {
    let mut names: Vec<_> = Archive::stl10().files.into_iter().map(|file| file.name).collect();
    let mut known = super::super::stl10::FILES.map(String::from).to_vec();
    names.sort();
    known.sort();
    assert_eq!(names, known);
}
