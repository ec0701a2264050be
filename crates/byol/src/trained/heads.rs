//! The classifiers on the frozen pre-trained encoder that a run keeps, in `classifiers/`: one file of safetensors for each kind and
//! label budget, of the first draw of labels. How they are fitted is in [`eval`](crate::eval).
//!
//! The metadata has the single key `byol`, a JSON object ([`About`]). A head belongs to one encoder, whose digest it has.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use safetensors::tensor::{SafeTensors, TensorView};
use safetensors::{Dtype, serialize};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::checkpoint::read_weights;
use super::digest::digest;
use crate::eval::Validation;
use crate::eval::knn::Bank;
use crate::files::write_atomically;
use crate::run::record::HeadKind;
use crate::run::record::LabelBudget;
use crate::run::tensors::METADATA_KEY;

/// A classifier on representations.
#[derive(Debug)]
pub enum Head {
    /// Logits are `x W^T + b`, the standardisation of the features in it.
    ///
    /// # Shapes
    /// float32, `weight` `[classes, features]`, `bias` `[classes]`.
    Linear {
        /// A row for each class.
        weight: Tensor,
        /// A value for each class.
        bias: Tensor,
    },
    /// k-NN: labelled representations that vote.
    Knn(Bank),
}

/// What is known of a head beside its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Whether it is linear or k-NN.
    pub kind: HeadKind,
    /// The labels that it was fitted to.
    pub labels_per_class: LabelBudget,
    /// Number of classes.
    pub classes: usize,
    /// Labelled images used, over all classes.
    pub labels_used: usize,
    /// The digest of the encoder's tensors.
    pub encoder: String,
    /// How it did on labels that it was not fitted to, inside the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Validation>,
    /// Of k-NN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbors: Option<usize>,
    /// What its logits are divided by for probabilities; absent where none was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The digest of the tensors in the file.
    #[serde(default)]
    pub tensors: String,
}

/// A head as it is kept.
#[derive(Debug)]
pub struct KeptHead {
    /// What is known beside the numbers.
    pub about: About,
    /// The numbers.
    pub head: Head,
}

/// A head that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The system refuses to read the file.
    #[error("failed to read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
    /// The system refuses to write the file.
    #[error("failed to write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says of it.
        source: std::io::Error,
    },
    /// The content is not what was written, or has another form.
    #[error("{} is damaged: {reason}; remove it and make it anew with `byol evaluate --keep`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a run keeps its heads.
pub(crate) fn folder_in(run: &Path) -> PathBuf {
    run.join("classifiers")
}

/// Where the head of a kind and label budget is.
pub(crate) fn path_in(run: &Path, kind: HeadKind, budget: LabelBudget) -> PathBuf {
    folder_in(run).join(format!("{}-{budget}.safetensors", kind.name()))
}

/// The kinds and label budgets of the heads that a run keeps.
pub fn list(run: &Path) -> Vec<(HeadKind, LabelBudget)> {
    let entries = std::fs::read_dir(folder_in(run)).into_iter().flatten().flatten();
    let parsed = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let name = name.strip_suffix(".safetensors")?;
        HeadKind::ALL.into_iter().find_map(|kind| {
            let budget = name.strip_prefix(kind.name())?.strip_prefix('-')?;
            Some((kind, budget.parse().ok()?))
        })
    });
    parsed.collect()
}

impl KeptHead {
    /// Writes it to its place in `run`, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, run: &Path) -> Result<PathBuf, HeadError> {
        let path = path_in(run, self.about.kind, self.about.labels_per_class);
        let damaged = |reason: String| HeadError::Damaged { path: path.clone(), reason };
        let named = self.head.named();
        let about = About { tensors: digest(&named), ..self.about.clone() };
        let mut blobs = Vec::new();
        for (name, tensor) in &named {
            let mut bytes = vec![0; 4 * tensor.numel()];
            tensor.f_copy_data_u8(&mut bytes, tensor.numel()).map_err(|error| damaged(error.to_string()))?;
            blobs.push((name, tensor.size().iter().map(|&side| side as usize).collect::<Vec<_>>(), bytes));
        }
        let views = blobs
            .iter()
            .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
            .map_err(|error| damaged(error.to_string()))?;
        let text = serde_json::to_string(&about).map_err(|error| damaged(error.to_string()))?;
        // A map of one key has one order.
        let metadata = HashMap::from([(METADATA_KEY.to_owned(), text)]);
        let bytes = serialize(views, Some(metadata)).map_err(|error| damaged(error.to_string()))?;
        let write = || {
            std::fs::create_dir_all(folder_in(run))?;
            write_atomically(&path, &bytes)
        };
        write().map_err(|source| HeadError::Write { path: path.clone(), source })?;
        Ok(path)
    }

    /// Reads the head of a kind and label budget; nothing where `run` keeps none.
    ///
    /// # Errors
    /// The file is damaged or cannot be read.
    pub fn read(run: &Path, kind: HeadKind, budget: LabelBudget) -> Result<Option<KeptHead>, HeadError> {
        let path = path_in(run, kind, budget);
        let Some(about) = read_about(&path)? else { return Ok(None) };
        let damaged = |reason: String| HeadError::Damaged { path: path.clone(), reason };
        let mut named = read_weights(&path).map_err(|error| damaged(error.to_string()))?;
        if digest(&named) != about.tensors {
            return Err(damaged("its bytes are not those that were written (the SHA-256 digest differs)".to_owned()));
        }
        let mut take = |name: &str| named.remove(name).ok_or_else(|| damaged(format!("it holds no '{name}'")));
        let head = match kind {
            HeadKind::Linear => Head::Linear { weight: take("weight")?, bias: take("bias")? },
            HeadKind::Knn => Head::Knn(Bank {
                vectors: take("vectors")?,
                labels: take("labels")?.to_kind(Kind::Int64),
                neighbors: about.neighbors.ok_or_else(|| damaged("it does not say how many vote".to_owned()))?,
                temperature: about.temperature.ok_or_else(|| damaged("it does not say how votes weigh".to_owned()))?,
            }),
        };
        Ok(Some(KeptHead { about, head }))
    }
}

/// What the file says of a head; nothing where there is none.
fn read_about(path: &Path) -> Result<Option<About>, HeadError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(HeadError::Read { path: path.to_owned(), source }),
    };
    let damaged = |reason: String| HeadError::Damaged { path: path.to_owned(), reason };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(error.to_string()))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(METADATA_KEY));
    let text = text.ok_or_else(|| damaged("this program did not write it".to_owned()))?;
    serde_json::from_str(text).map(Some).map_err(|error| damaged(error.to_string()))
}

impl Head {
    /// As they are written: float32, on the CPU.
    fn named(&self) -> BTreeMap<String, Tensor> {
        let pairs = match self {
            Head::Linear { weight, bias } => [("weight", weight), ("bias", bias)],
            Head::Knn(bank) => [("vectors", &bank.vectors), ("labels", &bank.labels)],
        };
        let single = |tensor: &Tensor| tensor.to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
        pairs.into_iter().map(|(name, tensor)| (name.to_owned(), single(tensor))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::ValidatedBy;

    #[test]
    fn heads_come_back_and_damage_is_seen() {
        let run = tempfile::tempdir().unwrap();
        let about = |kind, neighbors, temperature| About {
            kind,
            labels_per_class: LabelBudget::PerClass(5),
            classes: 2,
            labels_used: 10,
            encoder: "sha256:ab".to_owned(),
            validation: Some(Validation { right: 7, images: 10, by: ValidatedBy::LeaveOneOut }),
            neighbors,
            temperature,
            tensors: String::new(),
        };
        let linear = Head::Linear {
            weight: Tensor::from_slice2(&[[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]),
            bias: Tensor::from_slice(&[0.5f32, f32::NEG_INFINITY]),
        };
        KeptHead { about: about(HeadKind::Linear, None, None), head: linear }.write(run.path()).unwrap();
        let bank = Bank {
            vectors: Tensor::from_slice2(&[[1.0f32, 0.0], [0.0, 1.0]]),
            labels: Tensor::from_slice(&[1i64, 0]),
            neighbors: 20,
            temperature: 0.07,
        };
        KeptHead { about: about(HeadKind::Knn, Some(20), Some(0.07)), head: Head::Knn(bank) }
            .write(run.path())
            .unwrap();
        let budget = LabelBudget::PerClass(5);
        let mut there = list(run.path());
        there.sort();
        assert_eq!(there, [(HeadKind::Linear, budget), (HeadKind::Knn, budget)]);
        let Head::Linear { weight, bias } = KeptHead::read(run.path(), HeadKind::Linear, budget).unwrap().unwrap().head
        else {
            panic!("a linear head")
        };
        assert_eq!((weight.double_value(&[1, 2]), bias.double_value(&[1])), (6.0, f64::NEG_INFINITY));
        let kept = KeptHead::read(run.path(), HeadKind::Knn, budget).unwrap().unwrap();
        assert_eq!((kept.about.labels_used, kept.about.validation.unwrap().right), (10, 7));
        let Head::Knn(bank) = kept.head else { panic!("a bank") };
        assert_eq!((bank.neighbors, bank.labels.int64_value(&[0])), (20, 1));
        assert!(KeptHead::read(run.path(), HeadKind::Knn, LabelBudget::All).unwrap().is_none());

        let path = path_in(run.path(), HeadKind::Linear, budget);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = KeptHead::read(run.path(), HeadKind::Linear, budget).unwrap_err().to_string();
        assert!(error.contains("damaged") && error.contains("byol evaluate --keep"), "{error}");
    }
}
