//! One file that is fetched once and kept, such as weights whose name holds the beginning of their SHA-256.

use std::fs::{self, File};
use std::path::PathBuf;

use super::{Checksum, FetchError, FetchOptions, verified};

/// A file on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// Its address.
    pub url: String,
    /// What it is called on disk.
    pub file_name: String,
    /// The first digits of its SHA-256, lower-case hexadecimal.
    pub sha256_begins: String,
}

/// The path of the file in the folder of the options, which is made if need be: downloaded unless it is there and is the
/// one that is meant. A download that was cut off is gone on with by the next call; of two programs that want the same
/// file, the second waits for the first.
///
/// # Errors
/// See [`FetchError`]. Of a file with another digest nothing stays.
pub fn fetch_file(file: &NamedFile, options: &FetchOptions) -> Result<PathBuf, FetchError> {
    fs::create_dir_all(&options.dir).map_err(FetchError::io("create the folder", &options.dir))?;
    let lock = options.dir.join(format!("{}.lock", file.file_name));
    let held = File::create(&lock).map_err(FetchError::io("write", &lock))?;
    // Not every file system has locks; without one, a file that two have written has another digest.
    let _ = held.lock();
    let path = verified(&file.file_name, &file.url, Checksum::Sha256Begins(&file.sha256_begins), options);
    // Whoever waits for it holds it open; what stays is a name.
    let _ = fs::remove_file(&lock);
    path
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sha2::{Digest, Sha256};

    use super::super::tests::noise;
    use super::super::tests::server::{CUT, Conduct, Server};
    use super::*;

    /// A served file, and the folder that it is fetched into.
    struct Scene {
        server: Server,
        file: NamedFile,
        body: Vec<u8>,
        options: FetchOptions,
        _root: tempfile::TempDir,
    }

    impl Scene {
        fn new(conduct: Conduct) -> Scene {
            let body = noise(10_000);
            let digest = format!("{:x}", Sha256::digest(&body));
            let server = Server::start(body.clone(), conduct);
            let root = tempfile::tempdir().unwrap();
            let options = FetchOptions {
                pause: Duration::from_millis(1),
                url_option: "--weights-url",
                ..FetchOptions::new(root.path().join("byol/weights"))
            };
            let file = NamedFile {
                url: server.url.clone(),
                file_name: format!("net-{}.pth", &digest[..8]),
                sha256_begins: digest[..8].to_owned(),
            };
            Scene { server, file, body, options, _root: root }
        }

        fn there(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.options.dir).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    #[test]
    fn a_file_is_fetched_once_and_anew_where_it_was_damaged() {
        let scene = Scene::new(Conduct::default());
        let path = fetch_file(&scene.file, &scene.options).unwrap();
        assert_eq!(fs::read(&path).unwrap(), scene.body);
        assert_eq!(scene.there(), std::slice::from_ref(&scene.file.file_name));
        assert_eq!(fetch_file(&scene.file, &scene.options).unwrap(), path);
        assert_eq!(scene.server.ranges().len(), 1);
        fs::write(&path, b"cut").unwrap();
        fetch_file(&scene.file, &scene.options).unwrap();
        assert_eq!(fs::read(&path).unwrap(), scene.body);
        assert_eq!(scene.server.ranges().len(), 2);
    }

    #[test]
    fn a_cut_download_goes_on_in_the_same_and_in_a_later_call() {
        let scene = Scene::new(Conduct { cuts: 2, ..Conduct::default() });
        fs::create_dir_all(&scene.options.dir).unwrap();
        fs::write(scene.options.dir.join(format!("{}.part", scene.file.file_name)), &scene.body[..100]).unwrap();
        let path = fetch_file(&scene.file, &scene.options).unwrap();
        assert_eq!(fs::read(path).unwrap(), scene.body);
        let ranges: Vec<String> = scene.server.ranges().into_iter().flatten().collect();
        assert_eq!(ranges, [100, 100 + CUT, 100 + 2 * CUT].map(|start| format!("bytes={start}-")));
    }

    #[test]
    fn another_file_is_refused_and_not_kept() {
        let mut scene = Scene::new(Conduct::default());
        scene.file.sha256_begins = "0badf11e".to_owned();
        let message = fetch_file(&scene.file, &scene.options).unwrap_err().to_string();
        assert!(message.contains("expected one that begins with 0badf11e"), "{message}");
        assert!(message.contains("--weights-url"), "{message}");
        assert_eq!(scene.there(), [""; 0]);
    }

    #[test]
    fn a_mirror_serves_the_same_file() {
        let scene = Scene::new(Conduct::default());
        let lost = NamedFile { url: "http://127.0.0.1:1/net.pth".to_owned(), ..scene.file.clone() };
        let message = fetch_file(&lost, &scene.options).unwrap_err().to_string();
        assert!(message.contains("could not reach http://127.0.0.1:1/net.pth"), "{message}");
        assert!(message.contains("name a mirror with --weights-url"), "{message}");
        let (name, folder) = (&scene.file.file_name, scene.options.dir.display());
        let advice = format!("; or get {name} in another way and put it under this name into {folder}");
        assert!(message.ends_with(&advice), "{message}");
        let mirrored = FetchOptions { url: Some(scene.server.url.clone()), ..scene.options.clone() };
        assert_eq!(fs::read(fetch_file(&lost, &mirrored).unwrap()).unwrap(), scene.body);
    }

    #[test]
    fn a_file_that_came_in_another_way_is_taken_and_a_full_disk_is_no_matter_of_the_network() {
        let scene = Scene::new(Conduct::default());
        fs::create_dir_all(&scene.options.dir).unwrap();
        let path = scene.options.dir.join(&scene.file.file_name);
        fs::write(&path, &scene.body).unwrap();
        assert_eq!(fetch_file(&scene.file, &scene.options).unwrap(), path);
        assert_eq!(scene.server.ranges().len(), 0);
        let no_folder = FetchOptions { dir: path, ..scene.options.clone() };
        let message = fetch_file(&scene.file, &no_folder).unwrap_err().to_string();
        assert!(!message.contains("in another way"), "{message}");
    }

    #[test]
    fn two_at_once_download_it_once() {
        let scene = Scene::new(Conduct::default());
        std::thread::scope(|scope| {
            let fetch = || fetch_file(&scene.file, &scene.options).unwrap();
            let both = [scope.spawn(fetch), scope.spawn(fetch)];
            for path in both.map(|thread| thread.join().unwrap()) {
                assert_eq!(fs::read(path).unwrap(), scene.body);
            }
        });
        assert_eq!(scene.server.ranges().len(), 1);
    }
}
