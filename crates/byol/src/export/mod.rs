//! Trained networks for other programs: safetensors for PyTorch, and ONNX, each with a model card beside it.
//! Where a network comes from is in [`run::model`](crate::trained::model).

mod card;
mod facts;
mod onnx;
mod python;
mod residual;
mod state_dict;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::config::Experiment;
use crate::eval::EvalError;
use crate::files::PARTIAL;
use crate::inference::calibration::Calibration;
use crate::model::classifier::ClassifierHead;
use crate::model::{Encoder, Weights};
use crate::trained::classifiers::{AnyClassifier, TrainedKnn};
use crate::trained::model::{Origin, TrainedClassifier, TrainedEncoder};

/// What an exported network is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A state dict that loads strictly into torchvision's network of that name, or into the one that the Python file
    /// beside it builds.
    Safetensors,
    /// A graph with its weights, for ONNX Runtime and others.
    Onnx,
}

impl Format {
    /// Both.
    pub const ALL: [Format; 2] = [Format::Safetensors, Format::Onnx];

    /// As it is typed, and a file's extension.
    pub fn name(self) -> &'static str {
        match self {
            Format::Safetensors => "safetensors",
            Format::Onnx => "onnx",
        }
    }

    /// The format that a file's extension names.
    pub fn of_extension(path: &Path) -> Option<Format> {
        let extension = path.extension()?.to_str()?;
        Format::ALL.into_iter().find(|format| format.name() == extension)
    }
}

/// What goes into an ONNX graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GraphInput {
    /// uint8 `[batch, 3, height, width]` of any size, red, green, blue: the centre square, or its inner part, is taken,
    /// resized and normalised in the graph.
    #[default]
    Images,
    /// float32 `[batch, 3, side, side]`, resized and normalised already.
    Normalized,
}

/// Whether files that are there already may be replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overwrite {
    /// They stay, and nothing is written.
    #[default]
    Refuse,
    /// They are replaced.
    Replace,
}

/// A network to export.
#[derive(Debug)]
pub enum ExportedNetwork {
    /// An encoder with linear layers.
    Classifier(TrainedClassifier),
    /// k-NN on an encoder.
    Knn(TrainedKnn),
    /// Images to representations.
    Encoder(TrainedEncoder),
}

impl From<AnyClassifier> for ExportedNetwork {
    fn from(classifier: AnyClassifier) -> ExportedNetwork {
        match classifier {
            AnyClassifier::Layers(classifier) => ExportedNetwork::Classifier(classifier),
            AnyClassifier::Knn(knn) => ExportedNetwork::Knn(knn),
        }
    }
}

impl ExportedNetwork {
    /// The resolved configuration that it was trained with.
    pub fn experiment(&self) -> &Experiment {
        match self {
            ExportedNetwork::Classifier(classifier) => &classifier.experiment,
            ExportedNetwork::Knn(knn) => &knn.experiment,
            ExportedNetwork::Encoder(encoder) => &encoder.experiment,
        }
    }

    /// The numbers of the encoder, and of the layers on it.
    pub fn weights(&self) -> &Weights {
        match self {
            ExportedNetwork::Classifier(classifier) => &classifier.weights,
            ExportedNetwork::Knn(knn) => &knn.weights,
            ExportedNetwork::Encoder(encoder) => &encoder.weights,
        }
    }

    /// Where it comes from.
    pub fn origin(&self) -> &Origin {
        match self {
            ExportedNetwork::Classifier(classifier) => &classifier.origin,
            ExportedNetwork::Knn(knn) => &knn.origin,
            ExportedNetwork::Encoder(encoder) => &encoder.origin,
        }
    }

    fn encoder(&self) -> &Encoder {
        match self {
            ExportedNetwork::Classifier(classifier) => classifier.classifier.encoder(),
            ExportedNetwork::Knn(knn) => &knn.encoder,
            ExportedNetwork::Encoder(encoder) => &encoder.encoder,
        }
    }

    /// Whether it says classes, and not representations.
    fn classifies(&self) -> bool {
        !matches!(self, ExportedNetwork::Encoder(_))
    }

    /// The names of the classes: one for each output of a classifier, those of the data for an encoder.
    fn class_names(&self) -> &[String] {
        match self {
            ExportedNetwork::Classifier(classifier) => &classifier.class_names,
            ExportedNetwork::Knn(knn) => &knn.class_names,
            ExportedNetwork::Encoder(encoder) => encoder.origin.data.as_ref().map_or(&[], |data| &data.class_names),
        }
    }
}

/// What is exported, and where to.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    /// What is exported.
    pub network: &'a ExportedNetwork,
    /// What it is written as.
    pub format: Format,
    /// The file; its card, and a Python file for safetensors, are written beside it.
    pub out: &'a Path,
    /// Of an ONNX graph.
    pub input: GraphInput,
    /// The temperature of a classifier's probabilities, where there is one.
    pub calibration: &'a Calibration,
    /// What happens to files that are there already.
    pub overwrite: Overwrite,
}

/// A network that cannot be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A file is there already.
    #[error("{} is there already; choose another --out, or replace it with --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A folder was named where a file is to be written.
    #[error("{} is a folder; name a file with --out", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
    },
    /// The name is one that the export gives to a file beside it.
    #[error("{} would be overwritten by the file that goes beside it; choose another --out", path.display())]
    OwnName {
        /// The name that was given.
        path: PathBuf,
    },
    /// The system refuses a file.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: io::Error,
    },
    /// The lab's heads have no form in torchvision.
    #[error(
        "a classifier that was trained with faults = [\"lab-heads\"] has a form that other programs do not know; export its \
         encoder alone"
    )]
    LabHeads,
    /// The graph is larger than a message of ONNX may be.
    #[error("the network has {bytes} bytes of weights, and an ONNX file holds 2 GiB at most; export it as safetensors")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The network cannot be written in that form.
    #[error("the network cannot be written as {format}: {reason}")]
    Form {
        /// The form.
        format: &'static str,
        /// Why not.
        reason: String,
    },
    /// The network's accuracy cannot be computed for its card.
    #[error(transparent)]
    Eval(#[from] EvalError),
}

impl ExportError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        matches!(self, ExportError::Exists { .. } | ExportError::Folder { .. } | ExportError::OwnName { .. })
    }
}

/// Writes a network with what goes beside it, all or nothing. Returns the files, the network first.
///
/// # Errors
/// One of the files is there already and may not be replaced, or cannot be written; or the format has no form for the
/// network.
pub fn export(export: &Export) -> Result<Vec<PathBuf>, ExportError> {
    let Export { network, format, out, .. } = *export;
    if let ExportedNetwork::Classifier(classifier) = network
        && classifier.classifier.head() == ClassifierHead::LabLogits
    {
        return Err(ExportError::LabHeads);
    }
    if out.is_dir() {
        return Err(ExportError::Folder { path: out.to_owned() });
    }
    let mut paths = vec![out.to_owned(), with_suffix(out, "md")];
    if format == Format::Safetensors {
        paths.push(out.with_extension("py"));
        if paths[2] == out {
            return Err(ExportError::OwnName { path: out.to_owned() });
        }
    }
    if export.overwrite == Overwrite::Refuse
        && let Some(path) = paths.iter().find(|path| path.exists())
    {
        return Err(ExportError::Exists { path: path.clone() });
    }
    let facts = facts::facts(export)?;
    let mut contents = vec![
        match format {
            Format::Safetensors => state_dict::write(network, &facts)?,
            Format::Onnx => onnx::write(export, &facts)?,
        },
        card::write(export)?.into_bytes(),
    ];
    if format == Format::Safetensors {
        contents.push(python::write(network, out).into_bytes());
    }
    write_all(paths.iter().zip(&contents))?;
    Ok(paths)
}

/// `model.onnx` to `model.onnx.md`.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}

/// Writes all files beside their places before any is put there.
fn write_all<'a>(files: impl Iterator<Item = (&'a PathBuf, &'a Vec<u8>)> + Clone) -> Result<(), ExportError> {
    let written = files.clone().try_for_each(|(path, bytes)| {
        let write = || {
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                std::fs::create_dir_all(folder)?;
            }
            let mut file = File::create(with_suffix(path, PARTIAL))?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|source| ExportError::Write { path: path.clone(), source })
    });
    let placed = written.and_then(|()| {
        files.clone().try_for_each(|(path, _)| {
            std::fs::rename(with_suffix(path, PARTIAL), path)
                .map_err(|source| ExportError::Write { path: path.clone(), source })
        })
    });
    if placed.is_err() {
        for (path, _) in files {
            let _ = std::fs::remove_file(with_suffix(path, PARTIAL));
        }
    }
    placed
}
