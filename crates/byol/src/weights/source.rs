//! What `--weights` names, and the settings that go with it: the network's form, the normalisation, the size of images
//! and what is seen of them.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tch::Device;

use super::known::{self, Known};
use super::{File, IMAGENET, Normalized, WeightsError, form_of, is_checkpoint, read};
use crate::config::Experiment;
use crate::model::EncoderConfig;
use crate::nearest::{hint, path_hint};
use crate::trained::model::{Choice, TrainedEncoder};

/// Where weights come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, a run directory, or a checkpoint. A path that is there wins over a name.
    Path(PathBuf),
    /// Weights with a name, which are fetched.
    Known(&'static Known),
}

/// Settings that weights were trained with, as far as they tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    pub form: Option<EncoderConfig>,
    pub normalization: Option<Normalized>,
    pub image_size: Option<usize>,
    pub evaluation_crop: Option<f64>,
}

impl Settings {
    /// As `key=value`.
    fn pairs(&self) -> Vec<String> {
        let mut pairs = Vec::new();
        for (key, value) in self.form.iter().flat_map(|form| form.keys()) {
            // Texts need no quotation marks.
            pairs.push(format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
        }
        pairs.extend(self.image_size.map(|side| format!("image_size={side}")));
        pairs.extend(self.evaluation_crop.map(|share| format!("evaluation_crop={share:?}")));
        if let Some(Normalized { mean, deviation }) = &self.normalization {
            pairs.push(format!("mean={mean:?}"));
            pairs.push(format!("deviation={deviation:?}"));
        }
        pairs
    }
}

impl Source {
    /// What is meant by a path or a name.
    ///
    /// # Errors
    /// It is neither.
    pub fn find(typed: &Path) -> Result<Source, WeightsError> {
        if typed.exists() {
            return Ok(Source::Path(typed.to_owned()));
        }
        known::by_name(typed).map(Source::Known).ok_or_else(|| {
            let path = path_hint(typed);
            let name = || hint(&typed.to_string_lossy(), known::names());
            let hint = if path.is_empty() { name() } else { path };
            WeightsError::Nowhere { typed: typed.to_owned(), hint }
        })
    }

    /// Settings that go with the weights, as `key=value`: weaker than what somebody types, stronger than a preset.
    ///
    /// Weights of torchvision, timm and others are taken to want ImageNet's normalisation; a run, a checkpoint and an
    /// exported file tell theirs.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn settings(&self) -> Result<Vec<String>, WeightsError> {
        let settings = match self {
            Source::Known(known) => known.settings(),
            Source::Path(path) if path.is_dir() || is_checkpoint(path) => {
                return Ok(settings_of(&TrainedEncoder::open(path, Choice::default(), Device::Cpu)?.experiment));
            }
            Source::Path(path) => {
                let file = read(path)?;
                match exported(&file) {
                    Some(settings) => settings,
                    None => {
                        let form = form_of(path, file.tensors)?;
                        Settings { form, normalization: Some(IMAGENET), ..Settings::default() }
                    }
                }
            }
        };
        Ok(settings.pairs())
    }
}

/// Of an experiment, the settings that go with its weights, as `key=value`.
pub fn settings_of(experiment: &Experiment) -> Vec<String> {
    let settings = Settings {
        form: Some(EncoderConfig::of(experiment)),
        normalization: Some(Normalized { mean: experiment.mean, deviation: experiment.deviation }),
        image_size: Some(experiment.image_size),
        evaluation_crop: Some(experiment.evaluation_crop),
    };
    settings.pairs()
}

/// What `byol export` has written into the header of a safetensors file.
fn exported(file: &File) -> Option<Settings> {
    let fact = |name: &str| file.facts.get(name);
    fact("producer").filter(|producer| producer.starts_with("byol "))?;
    let named = |name: &str| Value::String(fact(name).cloned().unwrap_or_default());
    let list = |name: &str| serde_json::from_str(fact(name)?).ok();
    Some(Settings {
        form: Some(EncoderConfig::new(
            serde_json::from_value(named("encoder")).ok()?,
            serde_json::from_value(named("stem")).ok()?,
            fact("width")?.parse().ok()?,
        )),
        normalization: Some(Normalized { mean: list("mean")?, deviation: list("std")? }),
        image_size: Some(fact("image_size")?.parse().ok()?),
        evaluation_crop: Some(fact("evaluation_crop").map_or(Some(1.0), |share| share.parse().ok())?),
    })
}
