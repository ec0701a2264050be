//! Checkpoints: safetensors files with a JSON header of ours, written whole or not at all.
//!
//! Format 1. Tensors are named `online.*`, `target.*` and `optimizer.*` (pre-training) or `classifier.*` and
//! `optimizer.*` (supervised); the metadata has the single key `byol`, a JSON object ([`Header`]). There are no times,
//! paths or unordered maps in it, so equal runs give equal bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::directory::write_atomically;
use super::record::Stage;

/// Version of the format; a file of another one is refused.
pub const FORMAT: u32 = 1;
const METADATA_KEY: &str = "byol";
/// Checkpoints of one stage that are kept.
const KEEP: usize = 2;

/// Where training stands: everything that is not a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub stage: Stage,
    /// Number of outputs of the classifier; 0 for pre-training.
    pub classes: usize,
    /// The resolved configuration, as in `config.toml`.
    pub config: String,
    pub progress: Progress,
}

/// How far a stage has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Optimiser steps finished.
    pub step: usize,
    /// Sum of the training losses over the images of the unfinished epoch.
    pub loss_sum: f64,
    /// Images right in the unfinished epoch (supervised stages).
    pub correct: u64,
    /// Images of the unfinished epoch.
    pub seen: u64,
    /// Best value of what patience watches; absent before the first look.
    pub best: Option<f64>,
    /// Looks since the best one.
    pub waited: usize,
    /// Mean training loss of the last finished epoch.
    pub last_loss: Option<f64>,
    /// Patience ended the stage.
    pub stopped: bool,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    pub header: Header,
    pub tensors: BTreeMap<String, Tensor>,
}

/// A checkpoint that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("failed to read checkpoint {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("failed to write checkpoint {}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("checkpoint {} is damaged: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("checkpoint {} has format {found}; this program reads format {FORMAT}", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error("no checkpoint in {}; give the directory of a run that has trained", path.display())]
    None { path: PathBuf },
}

impl Checkpoint {
    /// The tensors whose names begin with `prefix.`, without it.
    pub fn part(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| {
                let name = name.strip_prefix(prefix)?.strip_prefix('.')?;
                Some((name.to_owned(), tensor.shallow_clone()))
            })
            .collect()
    }

    /// Adds tensors under `prefix.`.
    pub fn insert_part(&mut self, prefix: &str, part: BTreeMap<String, Tensor>) {
        self.tensors.extend(part.into_iter().map(|(name, tensor)| (format!("{prefix}.{name}"), tensor)));
    }

    /// Writes the checkpoint to `path`, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written (full disk, read-only folder). An older file of that name stays.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let mut blobs = Vec::with_capacity(self.tensors.len());
        for (name, tensor) in &self.tensors {
            blobs.push((name, bytes_of(tensor).map_err(damaged)?, tensor.size()));
        }
        let mut views = Vec::with_capacity(blobs.len());
        for (name, (dtype, bytes), shape) in &blobs {
            let shape = shape.iter().map(|&side| side as usize).collect();
            let view = TensorView::new(*dtype, shape, bytes).map_err(|error| damaged(error.to_string()))?;
            views.push((name.as_str(), view));
        }
        let header = serde_json::to_string(&self.header).map_err(|error| damaged(error.to_string()))?;
        // A map of one key has one order.
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), header)]);
        let bytes = serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))?;
        write_atomically(path, &bytes).map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
    }

    /// Reads a checkpoint; its tensors are on the CPU.
    ///
    /// # Errors
    /// The file is missing, torn, not a checkpoint of ours, or of another format version.
    pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
        let header = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(METADATA_KEY))
            .ok_or_else(|| damaged("it has no 'byol' header, so it was not written by this program".to_owned()))?;
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_str(header).map_err(|error| damaged(error.to_string()))?;
        if version.format != FORMAT {
            return Err(CheckpointError::Format { path: path.to_owned(), found: version.format });
        }
        let header: Header = serde_json::from_str(header).map_err(|error| damaged(error.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            tensors.insert(name.to_owned(), tensor_of(&view).map_err(damaged)?);
        }
        Ok(Checkpoint { header, tensors })
    }
}

/// Tensors of a plain safetensors file by name, on the CPU: weights that another program wrote.
///
/// # Errors
/// The file is missing, torn, or holds a type that networks here do not use.
pub fn read_weights(path: &Path) -> Result<BTreeMap<String, Tensor>, CheckpointError> {
    let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
    let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(error.to_string()))?;
    file.iter().map(|(name, view)| Ok((name.to_owned(), tensor_of(&view).map_err(damaged)?))).collect()
}

fn bytes_of(tensor: &Tensor) -> Result<(Dtype, Vec<u8>), String> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let (dtype, size) = match tensor.kind() {
        Kind::Float => (Dtype::F32, 4),
        Kind::Double => (Dtype::F64, 8),
        Kind::Int64 => (Dtype::I64, 8),
        other => return Err(format!("tensors of type {other:?} are not written")),
    };
    let count = tensor.numel();
    let mut bytes = vec![0; count * size];
    tensor.f_copy_data_u8(&mut bytes, count).map_err(|error| error.to_string())?;
    Ok((dtype, bytes))
}

fn tensor_of(view: &TensorView) -> Result<Tensor, String> {
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        other => return Err(format!("tensors of type {other:?} are not read")),
    };
    let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| error.to_string())
}

/// The checkpoints of one stage of a run, in one folder.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
}

impl CheckpointFolder {
    pub fn new(path: impl Into<PathBuf>) -> CheckpointFolder {
        CheckpointFolder { path: path.into() }
    }

    /// Writes a checkpoint as `step-NNNNNNNN.safetensors` and removes all but the newest ones.
    ///
    /// # Errors
    /// The folder or the file cannot be written; older checkpoints stay.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        let path = self.path.join(format!("step-{:08}.safetensors", checkpoint.header.progress.step));
        std::fs::create_dir_all(&self.path).map_err(|source| CheckpointError::Write { path: path.clone(), source })?;
        checkpoint.write(&path)?;
        let mut files = self.files();
        files.reverse();
        for old in files.into_iter().skip(KEEP) {
            // One file too many does no harm.
            let _ = std::fs::remove_file(old);
        }
        Ok(path)
    }

    /// Removes the folder with all its checkpoints.
    pub fn remove(&self) {
        // What stays behind does no harm.
        let _ = std::fs::remove_dir_all(&self.path);
    }

    /// The newest readable checkpoint, and the errors of newer ones that were passed over.
    pub fn latest(&self) -> (Option<Checkpoint>, Vec<CheckpointError>) {
        let mut passed_over = Vec::new();
        for path in self.files().into_iter().rev() {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return (Some(checkpoint), passed_over),
                Err(error) => passed_over.push(error),
            }
        }
        (None, passed_over)
    }

    /// The newest readable checkpoint.
    ///
    /// # Errors
    /// There is none, or none of those there can be read.
    pub fn require(&self) -> Result<Checkpoint, CheckpointError> {
        match self.latest() {
            (Some(checkpoint), _) => Ok(checkpoint),
            (None, mut errors) if !errors.is_empty() => Err(errors.remove(0)),
            (None, _) => Err(CheckpointError::None { path: self.path.clone() }),
        }
    }

    /// Checkpoint files, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(&self.path)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with("step-") && name.ends_with(".safetensors")
            })
            .collect();
        files.sort();
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(step: usize) -> Checkpoint {
        Checkpoint {
            header: Header {
                format: FORMAT,
                stage: Stage::Pretrain,
                classes: 0,
                config: "seed = 0".to_owned(),
                progress: Progress { step, ..Progress::default() },
            },
            tensors: [("online.a".to_owned(), Tensor::from_slice(&[1f32, 2.0, step as f32]))].into(),
        }
    }

    #[test]
    fn equal_checkpoints_are_equal_bytes_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = CheckpointFolder::new(folder.path().join("checkpoints"));
        for step in 1..=4 {
            checkpoints.save(&checkpoint(step)).unwrap();
        }
        assert_eq!(checkpoints.files().len(), KEEP);
        let latest = checkpoints.require().unwrap();
        assert_eq!(latest.header, checkpoint(4).header);
        assert_eq!(latest.part("online")["a"], Tensor::from_slice(&[1f32, 2.0, 4.0]));
        let again = folder.path().join("again.safetensors");
        checkpoint(4).write(&again).unwrap();
        assert_eq!(std::fs::read(again).unwrap(), std::fs::read(&checkpoints.files()[1]).unwrap());
    }

    #[test]
    fn a_torn_checkpoint_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = CheckpointFolder::new(folder.path());
        checkpoints.save(&checkpoint(1)).unwrap();
        let newest = checkpoints.save(&checkpoint(2)).unwrap();
        let bytes = std::fs::read(&newest).unwrap();
        std::fs::write(&newest, &bytes[..bytes.len() - 3]).unwrap();
        let (found, passed_over) = checkpoints.latest();
        assert_eq!(found.unwrap().header.progress.step, 1);
        assert_eq!(passed_over.len(), 1);
    }
}
