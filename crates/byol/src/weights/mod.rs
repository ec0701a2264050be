//! Weights to begin with that were trained elsewhere: of torchvision, of timm, or of this program.
//!
//! What is meant by `--weights` is in `source`, the names that stand for files in `known`. Files are read without running
//! code from them ([`read`]); names are mapped and shapes compared with the configured encoder here. What a training does
//! with them is in [`train`](crate::train).

mod functions;
pub mod known;
mod pickle;
mod read;
mod residual;
mod source;
mod storage;

pub use read::{File, read};
pub use source::{Source, settings_of};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use crate::config::{ConfigError, Experiment, StemKind};
use crate::data::fetch::FetchError;
use crate::model::parameters::Parameter;
use crate::model::{Encoder, EncoderConfig};
use crate::run::directory::OpenMode;
use crate::run::lock::RunLock;
use crate::run::notice::Notice;
use crate::run::{RunDirectory, RunError};
use crate::trained::checkpoint::{CheckpointError, read_weights, write_weights};
use crate::trained::digest::digest;
use crate::trained::model::{Choice, NetworkError, TrainedEncoder};

const CLASSIFIER: [&str; 2] = ["fc.weight", "fc.bias"];
const COUNTS: &str = "num_batches_tracked";

/// How images are normalised for weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Normalized {
    mean: [f64; 3],
    deviation: [f64; 3],
}

/// What torchvision's and nearly all other weights of ImageNet were trained with (torchvision's `ImageClassification`).
const IMAGENET: Normalized = Normalized { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/// Weights for the encoder of an experiment.
#[derive(Debug)]
#[non_exhaustive]
pub struct InitialWeights {
    /// The encoder's parameters and statistics by name, and `fc.*` where it has as many classes: float32,
    /// on the CPU.
    pub tensors: BTreeMap<String, Tensor>,
    /// What was left out or renamed, a sentence each.
    pub notes: Vec<Notice>,
}

/// Weights that cannot be begun with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// What was given is no path that is there, and no name.
    #[error(
        "weights '{}' are neither a file or run that is there nor a name; the names are {}{hint}",
        typed.display(), known::names().join(", ")
    )]
    Nowhere {
        /// What was given.
        typed: PathBuf,
        /// Empty, or begins with `; `.
        hint: String,
    },
    /// Weights with a name cannot be downloaded.
    #[error("failed to fetch the weights {name}")]
    Fetch {
        /// The name in full.
        name: &'static str,
        /// Why not.
        source: Box<FetchError>,
    },
    /// There is no home folder, and `BYOL_CACHE` is not set.
    #[error("there is no folder to keep weights in: set BYOL_CACHE to one")]
    NoCache,
    /// The system refuses to read the file.
    #[error("failed to read weights {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
    /// The file has no form that is read.
    #[error("weights {} cannot be read: {reason}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The network of a run cannot be had.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The run directory cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The settings that go with the weights are not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file's tensors are those of no network that is known here.
    #[error(
        "weights {} hold no residual network by the names of torchvision ('layer1.0.conv1.weight') or Hugging Face; names \
         there are {names}",
        path.display()
    )]
    NoNetwork {
        /// The file.
        path: PathBuf,
        /// Some names of tensors in it, as a list.
        names: String,
    },
    /// The file holds more than one network.
    #[error(
        "weights {} hold several networks ({}); save one of them alone",
        path.display(), prefixes.join(", ")
    )]
    Several {
        /// The file.
        path: PathBuf,
        /// What the names of each begin with.
        prefixes: Vec<String>,
    },
    /// The network is another one than the configured encoder.
    #[error("weights {} do not fit: {what}; {remedy}", path.display())]
    Unfit {
        /// The file or run.
        path: PathBuf,
        /// The difference.
        what: String,
        /// What to do about it.
        remedy: String,
    },
    /// A tensor holds NaN or infinity.
    #[error("weights {}: '{name}' holds values that are no numbers", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// A run was to go on with other weights than it began with.
    #[error(
        "{} was begun with other weights (tensors {then}, now {now}); resume with the same, or choose another --out",
        path.display()
    )]
    Changed {
        /// The run directory.
        path: PathBuf,
        /// Digest of the weights that it began with.
        then: String,
        /// Digest of those that were given.
        now: String,
    },
    /// A run was to go on with weights that began with random ones.
    #[error("{} was begun without weights; resume without --weights, or choose another --out", path.display())]
    BegunWithout {
        /// The run directory.
        path: PathBuf,
    },
    /// The copy of the weights in a run is gone.
    #[error("{} has lost the weights that it began with; give them again with --weights", path.display())]
    Lost {
        /// The run directory.
        path: PathBuf,
    },
}

impl WeightsError {
    /// Whether another command line is the remedy.
    pub fn is_of_command_line(&self) -> bool {
        match self {
            WeightsError::Nowhere { .. }
            | WeightsError::Unfit { .. }
            | WeightsError::Changed { .. }
            | WeightsError::BegunWithout { .. }
            | WeightsError::Lost { .. }
            | WeightsError::Config(_) => true,
            WeightsError::Network(error) => error.is_of_command_line(),
            WeightsError::Run(error) => error.is_of_command_line(),
            WeightsError::Checkpoint(error) => error.is_of_command_line(),
            // The file, the network of computers or the place for files is what is wrong.
            WeightsError::Fetch { .. }
            | WeightsError::NoCache
            | WeightsError::Read { .. }
            | WeightsError::Content { .. }
            | WeightsError::NoNetwork { .. }
            | WeightsError::Several { .. }
            | WeightsError::NotFinite { .. } => false,
        }
    }
}

impl InitialWeights {
    /// Reads weights for the configured encoder and, if its last layer has as many outputs, a classifier of `classes`:
    /// from a run directory, a checkpoint of a run, or a file that another program wrote.
    ///
    /// # Errors
    /// The file cannot be read, or its tensors do not fit; the error names the tensor and the settings that would fit.
    pub fn open(path: &Path, experiment: &Experiment, classes: Option<usize>) -> Result<InitialWeights, WeightsError> {
        let (named, notes) = match own_encoder(path)? {
            Some(named) => (named, Vec::new()),
            None => foreign(path)?,
        };
        InitialWeights::fit(path, named, notes, Fit { config: EncoderConfig::of(experiment), classes })
    }

    fn fit(
        path: &Path,
        named: BTreeMap<String, Tensor>,
        mut notes: Vec<Notice>,
        Fit { config, classes }: Fit,
    ) -> Result<InitialWeights, WeightsError> {
        let (mut given, of_names) = match config {
            EncoderConfig::ResNet(_) => residual::network(path, named)?,
        };
        notes.extend(of_names);
        given.retain(|name, _| !name.ends_with(COUNTS));
        let (encoder, layout) = Encoder::alone(config);
        let parameters = layout.parameters.iter().map(|Parameter { name, shape, .. }| (name.clone(), shape.clone()));
        let buffers = layout.buffers.iter().map(|buffer| (buffer.name.clone(), vec![buffer.size]));
        let expected: BTreeMap<String, Vec<i64>> = parameters.chain(buffers).collect();
        let unfit = |what: String| {
            let remedy = match config {
                EncoderConfig::ResNet(config) => residual::remedy(&given, config),
            };
            WeightsError::Unfit { path: path.to_owned(), what, remedy }
        };
        for (name, shape) in &expected {
            match given.get(name) {
                None => return Err(unfit(format!("'{name}' is missing"))),
                Some(tensor) if tensor.size() != *shape => {
                    let found = tensor.size();
                    return Err(unfit(format!(
                        "'{name}' has shape {found:?} where the configured encoder has {shape:?}"
                    )));
                }
                Some(_) => {}
            }
        }
        let is_part = |name: &str| match config {
            EncoderConfig::ResNet(_) => residual::is_part(name),
        };
        if let Some(name) = given.keys().find(|name| !expected.contains_key(*name) && is_part(name)) {
            return Err(unfit(format!("'{name}' is not part of the configured encoder")));
        }
        let kept_classifier = keeps_classifier(&given, &encoder, classes, &mut notes);
        let mut tensors = BTreeMap::new();
        for (name, tensor) in given {
            let wanted = expected.contains_key(&name) || (kept_classifier && CLASSIFIER.contains(&name.as_str()));
            if wanted {
                if !tensor.is_floating_point() {
                    let what = format!("'{name}' holds {:?} instead of numbers with a point", tensor.kind());
                    let remedy = "save them as float32, without quantisation".to_owned();
                    return Err(WeightsError::Unfit { path: path.to_owned(), what, remedy });
                }
                let tensor = tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
                if tensor.isfinite().all().int64_value(&[]) == 0 {
                    return Err(WeightsError::NotFinite { path: path.to_owned(), name });
                }
                tensors.insert(name, tensor);
            }
        }
        Ok(InitialWeights { tensors, notes })
    }
}

/// What weights are to fit.
struct Fit {
    config: EncoderConfig,
    classes: Option<usize>,
}

/// Tensors of a file that another program wrote, with what was passed over.
fn foreign(path: &Path) -> Result<(BTreeMap<String, Tensor>, Vec<Notice>), WeightsError> {
    let File { tensors, passed_over, architecture, .. } = read(path)?;
    if let Some(what) = residual::another(architecture.as_deref(), path) {
        let remedy = format!("no encoder here has that form; {}", residual::INSTEAD);
        return Err(WeightsError::Unfit { path: path.to_owned(), what, remedy });
    }
    let mut notes = Vec::new();
    if !passed_over.is_empty() {
        notes.push(Notice::NotRun { path: path.display().to_string(), names: passed_over });
    }
    Ok((tensors, notes))
}

/// Whether the classifier's last layer is taken over; says so where there is one and it is not.
fn keeps_classifier(
    given: &BTreeMap<String, Tensor>,
    encoder: &Encoder,
    classes: Option<usize>,
    notes: &mut Vec<Notice>,
) -> bool {
    let [Some(weight), Some(bias)] = CLASSIFIER.map(|name| given.get(name)) else { return false };
    let outputs = bias.size().first().copied().unwrap_or(0);
    match classes {
        Some(classes) if weight.size() == [classes as i64, encoder.features()] && bias.size() == [classes as i64] => {
            true
        }
        Some(classes) => {
            notes.push(Notice::LastLayerLeftOut { outputs, classes });
            false
        }
        None => false,
    }
}

/// The encoder of a run directory or of a checkpoint of ours; nothing for other files.
fn own_encoder(path: &Path) -> Result<Option<BTreeMap<String, Tensor>>, WeightsError> {
    if path.is_file() && !is_checkpoint(path) {
        return Ok(None);
    }
    Ok(Some(TrainedEncoder::open(path, Choice::default(), Device::Cpu)?.weights.named()))
}

/// Whether a file's header says that it is a checkpoint of ours.
fn is_checkpoint(path: &Path) -> bool {
    let header = || {
        use std::io::Read;
        let mut file = std::fs::File::open(path).ok()?;
        let mut length = [0; 8];
        file.read_exact(&mut length).ok()?;
        let mut header = Vec::new();
        file.take(u64::from_le_bytes(length).min(64 << 20)).read_to_end(&mut header).ok()?;
        let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
        header.get("__metadata__")?.get("byol").map(|_| ())
    };
    header().is_some()
}

/// The form of the network in a file, whatever its names are; none where no encoder here has it.
fn form_of(path: &Path, named: BTreeMap<String, Tensor>) -> Result<Option<EncoderConfig>, WeightsError> {
    let (given, _) = residual::network(path, named)?;
    Ok(residual::form(&given, StemKind::Imagenet).map(EncoderConfig::ResNet))
}

/// A run that may begin with given weights.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The file or run that holds the weights; none for random ones.
    pub weights: Option<&'a Path>,
    /// The run directory.
    pub out: &'a Path,
    /// Whether a run may be there already.
    pub mode: OpenMode,
    /// Outputs of a classifier that may take the last layer over; none for pre-training alone.
    pub classes: Option<usize>,
}

/// Puts the weights into the run directory before anything else is there, and their digest into the configuration. A run
/// that goes on has them already and does not need the file again.
///
/// Returns the mode in which the run is then opened, and notes for people.
///
/// # Errors
/// The weights cannot be read or do not fit, the directory cannot be written, or the run began with other ones.
pub fn begin(beginning: &Beginning, experiment: &mut Experiment) -> Result<(OpenMode, Vec<Notice>), WeightsError> {
    let Beginning { weights, out, mode, classes } = *beginning;
    let open = |path: &Path, experiment: &Experiment| InitialWeights::open(path, experiment, classes);
    if mode == OpenMode::Resume && out.join("config.toml").is_file() {
        let directory = RunDirectory::existing(out)?;
        let then = directory.experiment()?.initial_weights;
        if then.is_empty() {
            return match weights {
                None => Ok((mode, Vec::new())),
                Some(_) => Err(WeightsError::BegunWithout { path: out.to_owned() }),
            };
        }
        // The file may be gone by now; where it is not, it must be the same.
        let given = weights.filter(|path| path.exists()).map(|path| open(path, experiment)).transpose()?;
        if let Some(given) = &given {
            let now = digest(&given.tensors);
            if now != then {
                return Err(WeightsError::Changed { path: out.to_owned(), then, now });
            }
        }
        match (directory.initial_weights().is_file(), given) {
            (true, _) => {}
            (false, Some(given)) => write_weights(&directory.initial_weights(), &given.tensors)?,
            (false, None) => return Err(WeightsError::Lost { path: out.to_owned() }),
        }
        experiment.initial_weights = then;
        return Ok((mode, Vec::new()));
    }
    let Some(path) = weights else { return Ok((mode, Vec::new())) };
    let given = open(path, experiment)?;
    experiment.initial_weights = digest(&given.tensors);
    RunDirectory::check(out, mode, experiment)?;
    let _lock = RunLock::take(out)?;
    let directory = RunDirectory::open(out, mode, experiment)?;
    write_weights(&directory.initial_weights(), &given.tensors)?;
    let mut notes = given.notes;
    let digest = experiment.initial_weights.clone();
    notes.insert(0, Notice::BeginsWith { path: path.display().to_string(), digest });
    Ok((OpenMode::Resume, notes))
}

/// The weights that a run begins with, by the encoder's names; none where it begins with random ones.
///
/// # Errors
/// They are not there any more, or not those that the configuration names.
pub fn initial(
    run: &RunDirectory,
    experiment: &Experiment,
) -> Result<Option<BTreeMap<String, Tensor>>, CheckpointError> {
    if experiment.initial_weights.is_empty() {
        return Ok(None);
    }
    let path = run.initial_weights();
    let tensors = read_weights(&path)?;
    match digest(&tensors) == experiment.initial_weights {
        true => Ok(Some(tensors)),
        false => {
            let reason = "its tensors are not those that the run began with (config.toml, initial_weights)".to_owned();
            Err(CheckpointError::Damaged { path, reason })
        }
    }
}

/// Of initial weights, those of the encoder.
pub(crate) fn encoder_of(mut tensors: BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    tensors.retain(|name, _| !CLASSIFIER.contains(&name.as_str()));
    tensors
}

#[cfg(test)]
mod tests;
