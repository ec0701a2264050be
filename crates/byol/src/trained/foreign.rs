//! What a file is that was named as a run and is none: an export, weights of another program, a page. Only its beginning is
//! read, and nothing of it is used.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::checkpoint::CheckpointError;
use crate::run::place::runs_hint;
use crate::run::tensors::{METADATA_KEY, header, metadata};

/// Enough to tell a graph, an archive, a pickle and a page apart.
const BEGINNING: u64 = 64;

/// A file that is no checkpoint of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// What `byol export` wrote.
    Export,
    /// Another program's graph.
    Graph,
    /// Another program's weights.
    Weights,
    /// An HTML page, such as a report.
    Page,
    /// Something that none of the others is.
    Other,
}

impl Foreign {
    /// Refuses a file that is there and is no checkpoint, damaged or not; folders and what is not there pass.
    ///
    /// # Errors
    /// [`CheckpointError::Foreign`].
    pub fn refuse(path: &Path) -> Result<(), CheckpointError> {
        match path.is_file().then(|| Foreign::of(path)).flatten() {
            Some(what) => Err(CheckpointError::Foreign { path: path.to_owned(), what, hint: runs_hint(path) }),
            None => Ok(()),
        }
    }

    /// None where it is a checkpoint, or may have been one.
    fn of(path: &Path) -> Option<Foreign> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let mut begins = Vec::new();
        // What cannot be read is named by whoever reads it.
        File::open(path).ok()?.take(BEGINNING).read_to_end(&mut begins).ok()?;
        let text = String::from_utf8_lossy(&begins).trim_start().to_lowercase();
        match extension.as_deref() {
            _ if is_own_graph(&begins) => Some(Foreign::Export),
            Some("onnx") => Some(Foreign::Graph),
            Some("safetensors") => of_header(path),
            Some("pth" | "pt" | "ckpt" | "bin" | "pkl") => Some(Foreign::Weights),
            _ if text.starts_with("<!doctype") || text.starts_with("<html") => Some(Foreign::Page),
            _ => of_header(path).or_else(|| header(path).is_none().then_some(Foreign::Other)),
        }
    }
}

/// Whether a graph begins as ours do: the version of its form, a byte, then the producer's name.
fn is_own_graph(begins: &[u8]) -> bool {
    begins.first() == Some(&0x08) && begins.get(2..8) == Some(b"\x12\x04byol")
}

/// What the header of safetensors tells; none where there is no whole one, as of a file that was cut off.
fn of_header(path: &Path) -> Option<Foreign> {
    let header = header(path)?;
    match (metadata(&header, METADATA_KEY), metadata(&header, "producer")) {
        (Some(_), _) => None,
        (None, Some(producer)) if producer.starts_with("byol ") => Some(Foreign::Export),
        _ => Some(Foreign::Weights),
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Foreign::Export => "an export; name the run directory that it was made from",
            Foreign::Graph => "a graph of another program; name the directory of a run",
            Foreign::Weights => {
                "a file of weights of another program; a run can begin with it (--weights), and --from needs the directory of a run"
            }
            Foreign::Page => "a page; name the directory of a run",
            Foreign::Other => "neither a run directory nor a checkpoint; name the directory of a run",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Option<Foreign> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Foreign::of(&path)
    }

    fn safetensors(header: &str) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
    }

    #[test]
    fn what_is_no_checkpoint_is_told_by_its_beginning() {
        let export = safetensors(r#"{"__metadata__":{"producer":"byol 0.1.0"}}"#);
        let other = safetensors(r#"{"conv1.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#);
        let checkpoint = safetensors(r#"{"__metadata__":{"byol":"{}"}}"#);
        let cases: [(&str, &[u8], Option<Foreign>); 13] = [
            ("a.onnx", b"\x08\x0a\x12\x04byol\x1a\x050.1.0", Some(Foreign::Export)),
            ("renamed", b"\x08\x0a\x12\x04byol\x1a\x050.1.0", Some(Foreign::Export)),
            ("a.onnx", b"\x08\x0a\x12\x07pytorch", Some(Foreign::Graph)),
            ("a.safetensors", &export, Some(Foreign::Export)),
            ("a.safetensors", &other, Some(Foreign::Weights)),
            ("a.pth", b"PK\x03\x04", Some(Foreign::Weights)),
            ("report.html", b"\n<!DOCTYPE html>", Some(Foreign::Page)),
            ("cat.jpg", b"\xff\xd8\xff\xe0 JFIF and so on", Some(Foreign::Other)),
            ("empty.txt", b"", Some(Foreign::Other)),
            ("step-00000001.safetensors", &checkpoint, None),
            ("renamed", &checkpoint, None),
            ("step-00000001.safetensors", &checkpoint[..20], None),
            ("step-00000001.safetensors", b"", None),
        ];
        for (name, bytes, expected) in cases {
            assert_eq!(of(name, bytes), expected, "{name} {}", String::from_utf8_lossy(bytes));
        }
    }
}
