//! Checkpoints: safetensors files with a JSON header of ours, written whole or not at all.
//!
//! Format 3. Tensors are named `online.*`, `target.*` and `optimizer.*` (pre-training) or `classifier.*` and
//! `optimizer.*` (supervised; `average.*` where weights are being averaged, and once finished `classifier.*` alone). The metadata has the single key `byol`, a JSON object with `format`, `sha256` and
//! `header` ([`Header`]). The digest is that of the header's JSON text and of the name, type, shape and bytes of every
//! tensor in the order of their names, each preceded by its length as eight little-endian bytes: a flipped bit anywhere
//! is noticed. Random numbers are functions of seed, epoch and image, so the step is all there is to their state. There
//! are no times, paths or unordered maps in a checkpoint, so equal runs give equal bytes.
//!
//! Earlier formats are read: in format 2 the optimiser's state, which is flat, had the values of filters in another order, and
//! in format 1 the metadata was the header alone, without a digest. Their networks can be used, and their training not gone on
//! with.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use super::foreign::Foreign;
use crate::config::Experiment;
use crate::files::{PARTIAL, write_atomically};
use crate::run::RunError;
use crate::run::record::Stage;
use crate::run::tensors::METADATA_KEY;

/// Version of the format that is written. Those before it are read, a newer one is refused.
pub const FORMAT: u32 = 3;

/// The first format with a digest.
const WITH_DIGEST: u32 = 2;
/// The first format whose training this program can go on with.
const TO_GO_ON_WITH: u32 = 3;

/// What the metadata holds. The header stays the text that it was, because its digest is that of the text.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    format: u32,
    sha256: String,
    #[serde(borrow)]
    header: &'a RawValue,
}

/// Where training stands: everything that is not a tensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The stage that is trained.
    pub stage: Stage,
    /// Number of outputs of the classifier; 0 for pre-training.
    pub classes: usize,
    /// The resolved configuration, as in `config.toml`.
    pub config: String,
    /// How far it has come.
    pub progress: Progress,
}

impl Header {
    /// # Errors
    /// The configuration cannot be expressed in TOML.
    pub fn of(experiment: &Experiment, stage: Stage, classes: usize, progress: &Progress) -> Result<Header, RunError> {
        let config = experiment
            .to_toml()
            .map_err(|source| RunError::Config { path: "config.toml".into(), source: Box::new(source) })?;
        Ok(Header { stage, classes, config, progress: progress.clone() })
    }
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
    /// Best k-NN accuracy of held-out training images so far, and the step it was seen at (pre-training).
    pub best_knn: Option<f64>,
    /// The step of `best_knn`.
    pub best_step: Option<usize>,
    /// Mean training loss of the last finished epoch.
    pub last_loss: Option<f64>,
    /// Patience ended the stage.
    pub stopped: bool,
}

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// Everything that is not a tensor.
    pub header: Header,
    /// Networks and optimiser, by the names that the format has.
    pub tensors: BTreeMap<String, Tensor>,
    /// What it was read from.
    format: u32,
}

/// A checkpoint that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system refuses to read the file.
    #[error("failed to read checkpoint {}", path.display())]
    Read {
        /// The checkpoint.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
    /// The system refuses to write the file.
    #[error("failed to write checkpoint {}", path.display())]
    Write {
        /// The checkpoint.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
    /// The content is not what was written, or has another form.
    #[error("checkpoint {} is damaged: {reason}", path.display())]
    Damaged {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A later version of the program wrote it.
    #[error(
        "checkpoint {} has format {found}, and this program reads formats up to {FORMAT}: a newer byol wrote it, and reads it",
        path.display()
    )]
    Format {
        /// The checkpoint.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// An earlier version of the program wrote it, and its optimiser cannot go on.
    #[error(
        "the training of checkpoint {} cannot go on: it has format {found}, whose optimiser's state this program does not take \
         over; use the network that it holds (byol predict, finetune --from), or begin a run anew with another --out",
        path.display()
    )]
    Ended {
        /// The checkpoint.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// There is none.
    #[error("no checkpoint in {}; give the directory of a run that has trained", path.display())]
    None {
        /// The folder that was searched.
        path: PathBuf,
    },
    /// The file is no checkpoint of this program.
    #[error("{} is {what}{hint}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: Foreign,
        /// Which run may have been meant, as a part of the sentence.
        hint: String,
    },
}

impl CheckpointError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        use CheckpointError::{Ended, Foreign};
        matches!(self, Foreign { .. } | CheckpointError::None { .. } | Ended { .. })
    }
}

impl Checkpoint {
    /// A checkpoint without tensors.
    pub fn new(header: Header) -> Checkpoint {
        Checkpoint { header, tensors: BTreeMap::new(), format: FORMAT }
    }

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
        let bytes = self.bytes(path)?;
        write_atomically(path, &bytes).map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
    }

    /// What [`Checkpoint::write`] writes; errors name `path`.
    pub(crate) fn bytes(&self, path: &Path) -> Result<Vec<u8>, CheckpointError> {
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
        let header = RawValue::from_string(header).map_err(|error| damaged(error.to_string()))?;
        let envelope = Envelope { format: FORMAT, sha256: digest(header.get(), &views), header: &header };
        let envelope = serde_json::to_string(&envelope).map_err(|error| damaged(error.to_string()))?;
        // A map of one key has one order.
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), envelope)]);
        serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))
    }

    /// Reads what a person named as a checkpoint.
    ///
    /// # Errors
    /// As [`Checkpoint::read`]; what it is, where it is something else.
    pub fn named(path: &Path) -> Result<Checkpoint, CheckpointError> {
        Foreign::refuse(path)?;
        Checkpoint::read(path)
    }

    /// Reads a checkpoint; its tensors are on the CPU.
    ///
    /// # Errors
    /// The file is missing, torn, not a checkpoint of ours, or of a newer format.
    pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::Read { path: path.to_owned(), source })?;
        Checkpoint::of_bytes(&bytes, path)
    }

    /// As [`Checkpoint::read`], of the bytes of a file; errors name `path`.
    pub(crate) fn of_bytes(bytes: &[u8], path: &Path) -> Result<Checkpoint, CheckpointError> {
        let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(error.to_string()))?;
        let envelope = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get(METADATA_KEY))
            .ok_or_else(|| damaged("it has no 'byol' header, so it was not written by this program".to_owned()))?;
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version = serde_json::from_str(envelope).map_err(|error| damaged(error.to_string()))?;
        let format = version.format;
        if format > FORMAT {
            return Err(CheckpointError::Format { path: path.to_owned(), found: format });
        }
        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(error.to_string()))?;
        let mut views = file.tensors();
        views.sort_by(|a, b| a.0.cmp(&b.0));
        let views: Vec<(&str, TensorView)> = views.iter().map(|(name, view)| (name.as_str(), view.clone())).collect();
        let mut header = envelope.as_str();
        if format >= WITH_DIGEST {
            let envelope: Envelope = serde_json::from_str(envelope).map_err(|error| damaged(error.to_string()))?;
            header = envelope.header.get();
            if digest(header, &views) != envelope.sha256 {
                let reason = "its bytes are not those that were written (the SHA-256 digest differs)";
                return Err(damaged(reason.to_owned()));
            }
        }
        let header = serde_json::from_str(header).map_err(|error| damaged(error.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in &views {
            tensors.insert((*name).to_owned(), tensor_of(view).map_err(damaged)?);
        }
        Ok(Checkpoint { header, tensors, format })
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

/// Writes tensors as a plain safetensors file, whole or not at all.
///
/// # Errors
/// The file cannot be written, or a tensor has a type that checkpoints do not have.
pub fn write_weights(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), CheckpointError> {
    let damaged = |reason: String| CheckpointError::Damaged { path: path.to_owned(), reason };
    let mut blobs = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let shape: Vec<usize> = tensor.size().iter().map(|&side| side as usize).collect();
        blobs.push((name, bytes_of(tensor).map_err(damaged)?, shape));
    }
    let mut views = Vec::with_capacity(blobs.len());
    for (name, (dtype, bytes), shape) in &blobs {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(|error| damaged(error.to_string()))?;
        views.push((name.as_str(), view));
    }
    let bytes = serialize(views, None).map_err(|error| damaged(error.to_string()))?;
    write_atomically(path, &bytes).map_err(|source| CheckpointError::Write { path: path.to_owned(), source })
}

/// The digest of a header's text and of tensors, which come in the order of their names.
fn digest(header: &str, tensors: &[(&str, TensorView)]) -> String {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    add(header.as_bytes());
    for (name, view) in tensors {
        add(name.as_bytes());
        add(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        add(view.data());
    }
    format!("{:x}", digest.finalize())
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

pub(crate) fn tensor_of(view: &TensorView) -> Result<Tensor, String> {
    let kind = match view.dtype() {
        Dtype::F32 => Kind::Float,
        Dtype::F64 => Kind::Double,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::I32 => Kind::Int,
        Dtype::I16 => Kind::Int16,
        Dtype::I8 => Kind::Int8,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        other => return Err(format!("tensors of type {other:?} are not read")),
    };
    let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
    Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|error| error.to_string())
}

/// The checkpoints of one stage of a run, in one folder.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    path: PathBuf,
    /// Newest checkpoints that are kept.
    keep: usize,
}

impl CheckpointFolder {
    /// The checkpoints in `path`, of which the newest `keep` stay.
    pub fn new(path: impl Into<PathBuf>, keep: usize) -> CheckpointFolder {
        CheckpointFolder { path: path.into(), keep }
    }

    /// Writes a checkpoint as `step-NNNNNNNN.safetensors` and removes all but the newest ones and the best one.
    ///
    /// # Errors
    /// The folder or the file cannot be written; older checkpoints stay.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<PathBuf, CheckpointError> {
        let progress = &checkpoint.header.progress;
        let path = self.of_step(progress.step);
        std::fs::create_dir_all(&self.path).map_err(|source| CheckpointError::Write { path: path.clone(), source })?;
        checkpoint.write(&path)?;
        self.remove_torn();
        let best = progress.best_step.map(|step| self.of_step(step));
        for old in self.files().into_iter().rev().skip(self.keep).filter(|old| Some(old) != best.as_ref()) {
            // One file too many does no harm.
            let _ = std::fs::remove_file(old);
        }
        Ok(path)
    }

    fn of_step(&self, step: usize) -> PathBuf {
        self.path.join(format!("step-{step:08}.safetensors"))
    }

    /// Removes what a killed program had only half written.
    fn remove_torn(&self) {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == PARTIAL)) {
            // What stays behind does no harm.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Removes the folder with all its checkpoints.
    pub fn remove(&self) {
        // What stays behind does no harm.
        let _ = std::fs::remove_dir_all(&self.path);
    }

    /// The newest readable checkpoint to go on from, and the errors of damaged ones that were passed over.
    ///
    /// # Errors
    /// One is of a format whose training cannot go on here. Passed over, it would be replaced by a training from the beginning.
    pub fn latest(&self) -> Result<(Option<Checkpoint>, Vec<CheckpointError>), CheckpointError> {
        let (found, mut passed_over) = self.newest();
        if let Some(newer) = passed_over.iter().position(|error| matches!(error, CheckpointError::Format { .. })) {
            return Err(passed_over.swap_remove(newer));
        }
        match found {
            Some((path, checkpoint))
                if checkpoint.format < TO_GO_ON_WITH && !checkpoint.part("optimizer").is_empty() =>
            {
                Err(CheckpointError::Ended { path, found: checkpoint.format })
            }
            found => Ok((found.map(|(_, checkpoint)| checkpoint), passed_over)),
        }
    }

    fn newest(&self) -> (Option<(PathBuf, Checkpoint)>, Vec<CheckpointError>) {
        let mut passed_over = Vec::new();
        for path in self.files().into_iter().rev() {
            match Checkpoint::read(&path) {
                Ok(checkpoint) => return (Some((path, checkpoint)), passed_over),
                Err(error) => passed_over.push(error),
            }
        }
        (None, passed_over)
    }

    /// Whether there is any checkpoint, readable or not.
    pub fn is_there(&self) -> bool {
        !self.files().is_empty()
    }

    /// The newest readable checkpoint.
    ///
    /// # Errors
    /// There is none, or none of those there can be read.
    pub fn require(&self) -> Result<Checkpoint, CheckpointError> {
        match self.newest() {
            (Some((_, checkpoint)), _) => Ok(checkpoint),
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
mod tests;
