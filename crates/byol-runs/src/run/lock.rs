//! The lock of a run directory: one process writes into it at a time. It is the system's lock on a file in the directory, so that it
//! ends with its process however that ends. What the file says (which process, since when) is for people.

use std::collections::HashMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::RunError;

/// The file that is locked; it goes when its process ends in order.
pub const LOCK_FILE: &str = "writing.lock";

/// A reader that looks whether a directory is locked holds the lock for a moment itself.
const TRIES: usize = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Who writes into a run directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process's number in its system.
    pub process: u32,
    /// The machine's name, as far as it is known.
    #[serde(default)]
    pub host: String,
    /// Seconds since 1970.
    #[serde(default)]
    pub since: u64,
}

impl Holder {
    fn this_process() -> Holder {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Holder { process: std::process::id(), host: host(), since }
    }
}

/// When somebody began to write, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Days between then and today; 0 for today.
    pub days_ago: u64,
    /// Hour of the day, 0-23.
    pub hour: u64,
    /// Minute of the hour, 0-59.
    pub minute: u64,
}

impl Holder {
    /// The machine, where it is another one.
    pub fn elsewhere(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|on| !on.is_empty() && *on != host())
    }

    /// Absent where it is not known.
    pub fn since(&self) -> Option<Since> {
        let (days, minutes) = (self.since / 86_400, self.since / 60 % 1440);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400;
        let since = Since { days_ago: now.saturating_sub(days), hour: minutes / 60, minute: minutes % 60 };
        (self.since > 0).then_some(since)
    }
}

/// In errors.
impl fmt::Display for Holder {
    /// `process 4711 (since 09:41 UTC)`, with the machine where it is another one.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "process {}", self.process)?;
        if let Some(on) = self.elsewhere() {
            write!(out, " on {on}")?;
        }
        let Some(Since { days_ago, hour, minute }) = self.since() else { return Ok(()) };
        let ago = match days_ago {
            0 => String::new(),
            1 => " yesterday".to_owned(),
            days => format!(", {days} days ago"),
        };
        write!(out, " (since {hour:02}:{minute:02} UTC{ago})")
    }
}

/// The machine's name, as far as it is known.
#[doc(hidden)]
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    name.or_else(|| std::env::var("HOSTNAME").ok()).map_or_else(String::new, |name| name.trim().to_owned())
}

/// Whether somebody writes into a run directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writing {
    /// A living process does.
    Now(Holder),
    /// A process did, and ended without ending its work.
    BrokenOff(Holder),
    /// Nobody does, or it cannot be told.
    No,
}

/// A run directory that this process writes into, until it is dropped. Taking it again within the process is no second writer.
#[derive(Debug)]
#[must_use]
pub struct RunLock {
    key: PathBuf,
}

/// Locks by directory: the file, absent where the file system has no locks, and how often it was taken.
type Held = HashMap<PathBuf, (Option<File>, usize)>;

/// The locks of this process.
static HELD: LazyLock<Mutex<Held>> = LazyLock::new(Mutex::default);

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RunLock {
    /// Makes the directory where there is none, and locks it.
    ///
    /// # Errors
    /// Another process writes into it, or it cannot be written.
    pub fn take(run: &Path) -> Result<RunLock, RunError> {
        let failed = |source| RunError::Write { path: run.to_owned(), source };
        std::fs::create_dir_all(run).map_err(failed)?;
        let key = run.canonicalize().map_err(failed)?;
        let mut held = held();
        if let Some((_, times)) = held.get_mut(&key) {
            *times += 1;
            return Ok(RunLock { key });
        }
        let file = lock(&key.join(LOCK_FILE), run)?;
        held.insert(key.clone(), (file, 1));
        Ok(RunLock { key })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let mut held = held();
        if let Some((_, times)) = held.get_mut(&self.key) {
            *times -= 1;
            if *times == 0 {
                // The file goes first: whoever opens it from now on makes another.
                let _ = std::fs::remove_file(self.key.join(LOCK_FILE));
                held.remove(&self.key);
            }
        }
    }
}

/// Gives all locks of this process back, for a program that ends at once in the middle of nothing.
pub fn release_all() {
    // Whoever holds the table is taking or giving back a lock; the program does not wait for that.
    if let Ok(mut held) = HELD.try_lock() {
        for (run, _) in held.drain() {
            let _ = std::fs::remove_file(run.join(LOCK_FILE));
        }
    }
}

/// Locks the file at `path`; nothing where the file system has no locks.
fn lock(path: &Path, run: &Path) -> Result<Option<File>, RunError> {
    let failed = |source| RunError::Write { path: path.to_owned(), source };
    let mut tries = 0;
    loop {
        let open = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path);
        let mut file = open.map_err(failed)?;
        match file.try_lock() {
            // It may have been removed by its last holder between opening and locking.
            Ok(()) if !is_there(&file, path) => continue,
            Ok(()) => {
                let text = serde_json::to_string(&Holder::this_process())
                    .map_err(|error| RunError::Malformed { path: path.to_owned(), reason: error.to_string() })?;
                file.set_len(0).and_then(|()| writeln!(file, "{text}")).map_err(failed)?;
                return Ok(Some(file));
            }
            Err(TryLockError::WouldBlock) if tries < TRIES => {
                tries += 1;
                std::thread::sleep(BETWEEN_TRIES);
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder(path).map_or_else(|| "another process".to_owned(), |holder| holder.to_string());
                return Err(RunError::Locked { path: run.to_owned(), holder });
            }
            // A file system without locks refuses no run.
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
}

/// Whether the open file is still the one of that path.
#[cfg(unix)]
fn is_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |found: io::Result<std::fs::Metadata>| found.ok().map(|found| (found.dev(), found.ino()));
    identity(file.metadata()) == identity(std::fs::metadata(path))
}

/// An open file cannot be removed there.
#[cfg(not(unix))]
fn is_there(_: &File, path: &Path) -> bool {
    path.exists()
}

fn holder(path: &Path) -> Option<Holder> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether somebody writes into a run directory. Changes nothing.
pub fn writing(run: &Path) -> Writing {
    let path = run.join(LOCK_FILE);
    let (Ok(file), Some(holder)) = (File::open(&path), holder(&path)) else { return Writing::No };
    match file.try_lock_shared() {
        Ok(()) => Writing::BrokenOff(holder),
        Err(TryLockError::WouldBlock) => Writing::Now(holder),
        Err(TryLockError::Error(_)) => Writing::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_takes_a_lock_as_often_as_it_likes_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("runs/mine");
        let first = RunLock::take(&run).unwrap();
        let again = RunLock::take(&run.join("../mine")).unwrap();
        let this = std::process::id();
        let held_now = || matches!(writing(&run), Writing::Now(holder) if holder.process == this);
        assert!(held_now());
        drop(first);
        assert!(held_now(), "it was taken twice");
        drop(again);
        assert_eq!(writing(&run), Writing::No);
        assert_eq!(std::fs::read_dir(&run).unwrap().count(), 0);
    }

    #[test]
    fn the_lock_of_another_is_refused_and_that_of_a_dead_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        std::fs::write(&path, r#"{"process":4711,"host":"elsewhere","since":0}"#).unwrap();
        assert!(matches!(writing(folder.path()), Writing::BrokenOff(holder) if holder.process == 4711));
        // Another open file stands for another process.
        let other = File::open(&path).unwrap();
        other.lock().unwrap();
        assert!(matches!(writing(folder.path()), Writing::Now(_)));
        let refused = RunLock::take(folder.path()).unwrap_err().to_string();
        assert!(
            refused.contains("is being written by process 4711 on elsewhere; watch it with `byol watch"),
            "{refused}"
        );
        drop(other);
        let lock = RunLock::take(folder.path()).unwrap();
        assert_eq!(holder(&path).unwrap().process, std::process::id());
        drop(lock);
    }
}
