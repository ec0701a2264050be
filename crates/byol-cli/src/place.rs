//! Where results go: files that are there whole or not at all, standard output that may be closed, and the one rule about what
//! is there already: it is not replaced unless `--force` says so.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, LineWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::Context;
use byol::nearest::nearest;
use clap::Args;

use crate::exit::Usage;

#[derive(Args, Clone, Copy, Default)]
pub struct Force {
    /// Replace what is there already
    #[arg(long)]
    pub force: bool,
}

impl Force {
    /// Refuses a file that is there already.
    pub fn file(self, path: &Path) -> Result<(), Usage> {
        let named_as_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        match path {
            _ if path.is_dir() || named_as_folder => {
                Err(Usage(format!("{} is a folder; name a file in it", path.display())))
            }
            _ if lies_in_a_file(path) => Err(Usage(format!(
                "{} cannot be made, because what leads there is a file and no folder; choose another place",
                path.display()
            ))),
            _ if path.exists() && !self.force => Err(Usage(format!(
                "{} is there already; choose another name, or replace it with --force",
                path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// As [`file`](Self::file), for a page that `option` names.
    pub fn page(self, option: &str, path: &Path) -> Result<(), Usage> {
        called_as_page(option, path)?;
        self.file(path)
    }

    /// Refuses a folder that holds something already.
    pub fn folder(self, path: &Path) -> Result<(), Usage> {
        let holds_something = || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        match path {
            _ if path.is_file() => Err(Usage(format!("{} is a file; name a folder with --out", path.display()))),
            _ if lies_in_a_file(path) => Err(Usage(format!(
                "{} cannot be made, because what leads there is a file and no folder; choose another place",
                path.display()
            ))),
            _ if !self.force && holds_something() => Err(Usage(format!(
                "{} is not empty; choose another --out, or write into it with --force",
                path.display()
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether one of the folders that lead to a place is a file.
fn lies_in_a_file(path: &Path) -> bool {
    path.ancestors().skip(1).any(Path::is_file)
}

/// Refuses a page whose name says that it is something else than HTML.
pub fn called_as_page(option: &str, path: &Path) -> Result<(), Usage> {
    let is_html = |end: &OsStr| ["html", "htm"].iter().any(|html| end.eq_ignore_ascii_case(html));
    match path.extension().is_some_and(is_html) {
        true => Ok(()),
        false => {
            let path = path.display();
            Err(Usage(format!("{option} {path}: a page is written as HTML; end its name with .html or .htm")))
        }
    }
}

/// Refuses a file whose name's ending names none of the formats; `otherwise` is what can be done instead.
pub fn unknown_extension(file: &Path, extensions: &[&str], otherwise: &str) -> Usage {
    let known: Vec<String> = extensions.iter().map(|extension| format!(".{extension}")).collect();
    let known = match known.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
        None => String::new(),
    };
    let typed = file.extension().and_then(|extension| extension.to_str());
    let meant = typed.and_then(|typed| nearest(typed, extensions.iter().copied()));
    let hint =
        meant.map_or_else(String::new, |meant| format!("; did you mean {}?", file.with_extension(meant).display()));
    let what = match typed {
        Some(typed) => format!(".{typed} names no format"),
        None => "the name has no extension that names a format".to_owned(),
    };
    Usage(format!("--out {}: {what}; end it with {known}{otherwise}{hint}", file.display()))
}

/// Files that are being written. An interrupted program removes them.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Says that the library writes `path` under a name with that ending first.
pub fn note_unfinished(path: &Path, ending: &str) {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(ending);
    unfinished().push(temporary.into());
}

/// Removes what has been begun, for a program that ends at once.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        let _ = std::fs::remove_file(path);
    }
}

/// A file that is there whole or not at all: written beside its place and moved there at the end.
pub struct Target {
    path: PathBuf,
    temporary: PathBuf,
}

impl Target {
    pub fn new(path: &Path) -> Target {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".partial");
        Target { path: path.to_owned(), temporary: temporary.into() }
    }

    pub fn create(&self) -> anyhow::Result<File> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("failed to make {}", folder.display()))?;
        }
        unfinished().push(self.temporary.clone());
        File::create(&self.temporary).with_context(|| format!("failed to write {}", self.path.display()))
    }

    /// Whether a file can be made there, before what is to stand in it is found. Folders that are not there yet are made.
    ///
    /// # Errors
    /// None can be made.
    pub fn try_place(&self) -> anyhow::Result<()> {
        drop(self.create()?);
        Ok(())
    }

    /// Writes all of it.
    pub fn write(self, bytes: &[u8]) -> anyhow::Result<()> {
        self.create()?.write_all(bytes).with_context(|| format!("failed to write {}", self.path.display()))?;
        self.finish()
    }

    pub fn finish(self) -> anyhow::Result<()> {
        std::fs::rename(&self.temporary, &self.path).with_context(|| format!("failed to write {}", self.path.display()))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // After `finish` there is nothing of that name.
        let _ = std::fs::remove_file(&self.temporary);
        unfinished().retain(|path| *path != self.temporary);
    }
}

/// Bytes of a line that go to standard output at once: the probabilities of some ten thousand classes.
const LONGEST_LINE: usize = 1 << 20;

/// Standard output or a file, for lines of data.
pub fn lines_to(target: Option<&Target>) -> anyhow::Result<Box<dyn Write + Send>> {
    Ok(match target {
        Some(target) => Box::new(BufWriter::new(target.create()?)),
        // Notes of `--json` come between lines, never into one.
        None => Box::new(LineWriter::with_capacity(LONGEST_LINE, StandardOutput)),
    })
}

/// Whoever read standard output wants no more of it. The program then ends without a word.
#[derive(Debug, thiserror::Error)]
#[error("standard output is closed")]
pub struct Closed;

/// Standard output, whose end is [`Closed`].
pub struct StandardOutput;

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write(bytes).map_err(closed)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush().map_err(closed)
    }
}

fn closed(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::BrokenPipe => io::Error::new(io::ErrorKind::BrokenPipe, Closed),
        _ => error,
    }
}

/// Whether an error is that nobody reads on.
pub fn is_closed(cause: &(dyn std::error::Error + 'static)) -> bool {
    let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<Closed>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let (file, inner) = (folder.path().join("a.csv"), folder.path().join("new"));
        let (not, asked) = (Force::default(), Force { force: true });
        assert!(not.file(&file).is_ok() && not.folder(&inner).is_ok() && not.folder(folder.path()).is_ok());
        std::fs::write(&file, "mine").unwrap();
        assert!(not.file(&file).is_err_and(|error| error.0.contains("--force")));
        assert!(not.folder(folder.path()).is_err_and(|error| error.0.contains("is not empty")));
        assert!(asked.file(&file).is_ok() && asked.folder(folder.path()).is_ok());
        assert!(asked.file(folder.path()).is_err() && asked.folder(&file).is_err());
        for below in [file.join("b.csv"), file.join("c/d.csv")] {
            assert!(asked.file(&below).is_err_and(|error| error.0.contains("is a file and no folder")));
            assert!(asked.folder(&below).is_err_and(|error| error.0.contains("is a file and no folder")));
        }
        assert!(asked.file(&folder.path().join("new/")).is_err_and(|error| error.0.contains("is a folder")));
    }

    #[test]
    fn a_page_is_called_as_html_is() {
        let folder = tempfile::tempdir().unwrap();
        let page = |name: &str| Force { force: true }.page("--page", &folder.path().join(name));
        assert!(page("a.html").is_ok() && page("a.HTM").is_ok());
        for name in ["a.pdf", "a.csv", "page", "a.html.png"] {
            let refused = page(name).unwrap_err().0;
            let expected = format!("--page {}: a page is written as HTML", folder.path().join(name).display());
            assert!(refused.starts_with(&expected) && refused.ends_with(".html or .htm"), "{refused}");
        }
        std::fs::write(folder.path().join("b.html"), "mine").unwrap();
        let kept = Force::default().page("--page", &folder.path().join("b.html"));
        assert!(kept.is_err_and(|error| error.0.contains("--force")));
    }

    #[test]
    fn mistyped_extensions_are_guessed() {
        let said = |name: &str| unknown_extension(Path::new(name), &["csv", "json", "jsonl", "parquet"], "").0;
        for (typed, meant) in
            [("a.cvs", "a.csv"), ("a.jsn", "a.json"), ("b/a.parqet", "b/a.parquet"), ("a.CSVV", "a.csv")]
        {
            assert!(said(typed).ends_with(&format!("; did you mean {meant}?")), "{}", said(typed));
        }
        let expected = "--out a.xyz: .xyz names no format; end it with .csv, .json, .jsonl or .parquet";
        assert_eq!(said("a.xyz"), expected);
        assert!(said("csv").contains("has no extension"), "{}", said("csv"));
    }

    #[test]
    fn what_is_not_finished_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        let entries = || std::fs::read_dir(folder.path()).unwrap().count();
        let target = Target::new(&file);
        target.create().unwrap();
        assert!(entries() == 1 && !file.exists());
        drop(target);
        assert_eq!(entries(), 0);
        Target::new(&file).write(b"whole").unwrap();
        assert_eq!((entries(), std::fs::read(&file).unwrap()), (1, b"whole".to_vec()));
        assert!(!unfinished().iter().any(|path| path.starts_with(folder.path())));
    }

    #[test]
    fn the_end_of_a_pipe_is_known_from_other_errors() {
        let pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
        let found = anyhow::Error::new(closed(pipe())).context("failed to write to standard output");
        assert!(found.chain().any(is_closed));
        assert!(!anyhow::Error::new(pipe()).chain().any(is_closed));
        assert!(!is_closed(&closed(io::Error::from(io::ErrorKind::NotFound))));
    }
}
