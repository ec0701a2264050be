//! Weights to begin with that were trained elsewhere: of torchvision, of timm, or of this program.
//!
//! Files are read without running code from them ([`read`]); names are mapped and shapes compared with the configured
//! encoder here. What a training does with them is in [`train`](crate::train).

mod pickle;
mod read;
mod storage;

pub use read::{File, read};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

use crate::config::{ConfigError, EncoderKind, Experiment, StemKind};
use crate::model::parameters::{LayoutBuilder, Parameter};
use crate::model::resnet::BlockKind;
use crate::model::{ResNet, ResNetConfig};
use crate::run::checkpoint::{CheckpointError, read_weights, write_weights};
use crate::run::directory::{OpenMode, RunDirectory, RunError};
use crate::run::model::{Choice, NetworkError, TrainedEncoder};
use crate::train::resnet_config;

/// The convolution that every residual network begins with: it tells what stands in front of the names.
const FIRST: &str = "conv1.weight";
const CLASSIFIER: [&str; 2] = ["fc.weight", "fc.bias"];
const COUNTS: &str = "num_batches_tracked";

/// Weights for the encoder of an experiment.
#[derive(Debug)]
pub struct InitialWeights {
    /// The encoder's parameters and statistics by torchvision's names, and `fc.*` where it has as many classes: float32,
    /// on the CPU.
    pub tensors: BTreeMap<String, Tensor>,
    /// What was left out or renamed, a sentence each.
    pub notes: Vec<String>,
}

/// Weights that cannot be begun with.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error("failed to read weights {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("weights {} cannot be read: {reason}", path.display())]
    Content { path: PathBuf, reason: String },
    #[error("failed to read weights")]
    Safetensors { source: CheckpointError },
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("weights {} hold no residual network: no name ends in '{FIRST}'", path.display())]
    NoNetwork { path: PathBuf },
    #[error(
        "weights {} hold several networks ({}); save one of them alone",
        path.display(), prefixes.join(", ")
    )]
    Several { path: PathBuf, prefixes: Vec<String> },
    #[error("weights {} do not fit: {what}; {remedy}", path.display())]
    Unfit { path: PathBuf, what: String, remedy: String },
    #[error("weights {}: '{name}' holds values that are no numbers", path.display())]
    NotFinite { path: PathBuf, name: String },
    #[error(
        "{} was begun with other weights (tensors {then}, now {now}); resume with the same, or choose another --out",
        path.display()
    )]
    Changed { path: PathBuf, then: String, now: String },
    #[error("{} was begun without weights; resume without --weights, or choose another --out", path.display())]
    BegunWithout { path: PathBuf },
    #[error("{} has lost the weights that it began with; give them again with --weights", path.display())]
    Lost { path: PathBuf },
}

impl InitialWeights {
    /// Reads weights for the configured encoder and, if its last layer has as many outputs, a classifier of `classes`:
    /// from a run directory, a checkpoint of a run, or a file that another program wrote.
    ///
    /// # Errors
    /// The file cannot be read, or its tensors do not fit; the error names the tensor and the settings that would fit.
    pub fn open(path: &Path, experiment: &Experiment, classes: Option<usize>) -> Result<InitialWeights, WeightsError> {
        let named = match own_encoder(path)? {
            Some(named) => named,
            None => read(path)?.tensors,
        };
        InitialWeights::fit(path, named, resnet_config(experiment), classes)
    }

    fn fit(
        path: &Path,
        named: BTreeMap<String, Tensor>,
        config: ResNetConfig,
        classes: Option<usize>,
    ) -> Result<InitialWeights, WeightsError> {
        let prefix = prefix(path, &named)?;
        let mut notes = Vec::new();
        if !prefix.is_empty() {
            notes.push(format!("names in {} begin with '{prefix}', which is left out", path.display()));
        }
        let mut given: BTreeMap<String, Tensor> = BTreeMap::new();
        let mut others = 0;
        for (name, tensor) in named {
            match name.strip_prefix(&prefix) {
                Some(name) if !name.ends_with(COUNTS) => {
                    given.insert(name.to_owned(), tensor);
                }
                Some(_) => {}
                None => others += 1,
            }
        }
        if others > 0 {
            notes.push(format!("{others} tensors outside '{prefix}' are left out"));
        }
        let mut builder = LayoutBuilder::default();
        ResNet::new(&mut builder, config);
        let layout = builder.finish();
        let parameters = layout.parameters.iter().map(|Parameter { name, shape, .. }| (name.clone(), shape.clone()));
        let buffers = layout.buffers.iter().map(|buffer| (buffer.name.clone(), vec![buffer.size]));
        let expected: BTreeMap<String, Vec<i64>> = parameters.chain(buffers).collect();
        let unfit = |what: String| WeightsError::Unfit { path: path.to_owned(), what, remedy: remedy(&given, config) };
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
        let strays: Vec<&String> = given
            .keys()
            .filter(|name| {
                !expected.contains_key(*name) && ["layer", "conv", "bn"].iter().any(|part| name.starts_with(part))
            })
            .collect();
        if let Some(name) = strays.first() {
            return Err(unfit(format!("'{name}' is not part of the configured encoder")));
        }
        let kept_classifier = keeps_classifier(&given, config, classes, &mut notes);
        let mut tensors = BTreeMap::new();
        for (name, tensor) in given {
            let wanted = expected.contains_key(&name) || (kept_classifier && CLASSIFIER.contains(&name.as_str()));
            if wanted {
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

/// Whether the classifier's last layer is taken over; says so where there is one and it is not.
fn keeps_classifier(
    given: &BTreeMap<String, Tensor>,
    config: ResNetConfig,
    classes: Option<usize>,
    notes: &mut Vec<String>,
) -> bool {
    let [Some(weight), Some(bias)] = CLASSIFIER.map(|name| given.get(name)) else { return false };
    let outputs = bias.size().first().copied().unwrap_or(0);
    match classes {
        Some(classes) if weight.size() == [classes as i64, config.features()] && bias.size() == [classes as i64] => {
            true
        }
        Some(classes) => {
            notes.push(format!(
                "the last layer of the weights is left out: it has {outputs} classes, the data {classes}"
            ));
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

/// What stands in front of the names of the one network in a file.
fn prefix(path: &Path, named: &BTreeMap<String, Tensor>) -> Result<String, WeightsError> {
    // `layer1.0.conv1.weight` ends so too, but after a digit.
    let before = |name: &String| {
        let prefix = name.strip_suffix(FIRST)?;
        let inside = prefix.split('.').any(|part| part.starts_with("layer"));
        ((prefix.is_empty() || prefix.ends_with('.')) && !inside).then(|| prefix.to_owned())
    };
    let prefixes: Vec<String> = named.keys().filter_map(before).collect();
    match prefixes.as_slice() {
        [] => Err(WeightsError::NoNetwork { path: path.to_owned() }),
        [prefix] => Ok(prefix.clone()),
        _ => Err(WeightsError::Several { path: path.to_owned(), prefixes }),
    }
}

/// What to set so that the encoder has the form of the weights.
fn remedy(given: &BTreeMap<String, Tensor>, config: ResNetConfig) -> String {
    let Some(found) = form(given, config) else {
        return "no encoder here has their form (resnet10, 18, 34 and 50 with stems imagenet, small and small-stride2)"
            .to_owned();
    };
    let mut set = Vec::new();
    if found.kind != config.kind {
        set.push(format!("--set encoder={}", plain(&found.kind)));
    }
    if found.stem != config.stem {
        set.push(format!("--set stem={}", plain(&found.stem)));
    }
    if found.width != config.width {
        set.push(format!("--set width={}", found.width));
    }
    match set.is_empty() {
        true => "they are of another form than their names say".to_owned(),
        false => format!("{} has their form", set.join(" ")),
    }
}

fn plain(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default().replace('"', "")
}

/// The configuration that weights by torchvision's names belong to.
fn form(given: &BTreeMap<String, Tensor>, config: ResNetConfig) -> Option<ResNetConfig> {
    let first = given.get(FIRST)?.size();
    let stem = match *first.as_slice() {
        [_, 3, 7, 7] => StemKind::Imagenet,
        // Weights do not tell their stride.
        [_, 3, 3, 3] if config.stem != StemKind::Imagenet => config.stem,
        [_, 3, 3, 3] => StemKind::Small,
        _ => return None,
    };
    let width = first[0] as f64 / 64.0;
    let block = match given.contains_key("layer1.0.conv3.weight") {
        true => BlockKind::Bottleneck,
        false => BlockKind::Basic,
    };
    let depths = [1, 2, 3, 4].map(|stage| {
        (0..).take_while(|index| given.contains_key(&format!("layer{stage}.{index}.conv1.weight"))).count()
    });
    let kinds = [EncoderKind::Resnet10, EncoderKind::Resnet18, EncoderKind::Resnet34, EncoderKind::Resnet50];
    let of = |kind| ResNetConfig { kind, stem, width };
    let found = kinds.into_iter().map(of).find(|config| config.block() == block && config.depths() == depths)?;
    let mut builder = LayoutBuilder::default();
    ResNet::new(&mut builder, found);
    let fits =
        |Parameter { name, shape, .. }: &Parameter| given.get(name).is_some_and(|tensor| tensor.size() == *shape);
    builder.finish().parameters.iter().all(fits).then_some(found)
}

/// The digest of tensors by name: what a configuration records of the weights that a run began with.
pub fn digest(tensors: &BTreeMap<String, Tensor>) -> String {
    let mut digest = Sha256::new();
    for (name, tensor) in tensors {
        let count = tensor.numel();
        let mut bytes = vec![0; 4 * count];
        tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous().copy_data_u8(&mut bytes, count);
        for part in [name.as_bytes(), format!("{:?}", tensor.size()).as_bytes(), &bytes] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    format!("sha256:{:x}", digest.finalize())
}

/// A run that may begin with given weights.
#[derive(Debug)]
pub struct Beginning<'a> {
    pub weights: Option<&'a Path>,
    pub out: &'a Path,
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
pub fn begin(beginning: &Beginning, experiment: &mut Experiment) -> Result<(OpenMode, Vec<String>), WeightsError> {
    let Beginning { weights, out, mode, classes } = *beginning;
    let open = |path: &Path, experiment: &Experiment| InitialWeights::open(path, experiment, classes);
    if mode == OpenMode::Resume && out.join("config.toml").is_file() {
        let directory = RunDirectory::existing(out)?;
        let then = directory.experiment()?.initial_weights;
        // The file may be gone by now; where it is not, it must be the same.
        let given =
            weights.filter(|path| path.exists() || then.is_empty()).map(|path| open(path, experiment)).transpose()?;
        if then.is_empty() {
            return match given {
                None => Ok((mode, Vec::new())),
                Some(_) => Err(WeightsError::BegunWithout { path: out.to_owned() }),
            };
        }
        if let Some(given) = &given {
            let now = digest(&given.tensors);
            if now != then {
                return Err(WeightsError::Changed { path: out.to_owned(), then, now });
            }
        }
        match (directory.initial_weights_path().is_file(), given) {
            (true, _) => {}
            (false, Some(given)) => write_weights(&directory.initial_weights_path(), &given.tensors)?,
            (false, None) => return Err(WeightsError::Lost { path: out.to_owned() }),
        }
        experiment.initial_weights = then;
        return Ok((mode, Vec::new()));
    }
    let Some(path) = weights else { return Ok((mode, Vec::new())) };
    let given = open(path, experiment)?;
    experiment.initial_weights = digest(&given.tensors);
    let directory = RunDirectory::open(out, mode, experiment)?;
    write_weights(&directory.initial_weights_path(), &given.tensors)?;
    let mut notes = given.notes;
    notes.insert(0, format!("beginning with the weights of {} ({})", path.display(), experiment.initial_weights));
    Ok((OpenMode::Resume, notes))
}

impl RunDirectory {
    fn initial_weights_path(&self) -> PathBuf {
        self.path().join("initial.safetensors")
    }

    /// The weights that a run begins with, by torchvision's names; none where it begins with random ones.
    ///
    /// # Errors
    /// They are not there any more, or not those that the configuration names.
    pub fn initial_weights(
        &self,
        experiment: &Experiment,
    ) -> Result<Option<BTreeMap<String, Tensor>>, CheckpointError> {
        if experiment.initial_weights.is_empty() {
            return Ok(None);
        }
        let path = self.initial_weights_path();
        let tensors = read_weights(&path)?;
        match digest(&tensors) == experiment.initial_weights {
            true => Ok(Some(tensors)),
            false => {
                let reason =
                    "its tensors are not those that the run began with (config.toml, initial_weights)".to_owned();
                Err(CheckpointError::Damaged { path, reason })
            }
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
