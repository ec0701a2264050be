//! Representations of a frozen encoder. Nothing is fitted here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::Features;
use crate::config::Experiment;
use crate::data::{ImageSource, LabeledImages};
use crate::device::Hardware;
use crate::loader::{self, ImageSet, LoadError, ViewGroup, ViewKind};
use crate::model::layers::Pass;
use crate::model::{Encoder, EncoderConfig, Mode, ModelError, Weights};
use crate::ranks::Ranks;

/// Representations that cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// An image cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The weights do not fit the encoder.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Whose representations are wanted.
#[derive(Clone, Copy)]
pub struct FeatureRequest<'a> {
    /// The configuration that the encoder was trained with.
    pub experiment: &'a Experiment,
    /// What it runs on.
    pub hardware: &'a Hardware,
    /// The encoder's parameters and statistics by name.
    pub encoder: &'a BTreeMap<String, Tensor>,
}

/// Representations of the images `indices` as evaluations see them, with the running statistics of batch norm.
///
/// # Errors
/// An image cannot be read, or the weights do not fit the experiment's encoder.
pub fn extract(request: &FeatureRequest, labeled: &LabeledImages, indices: &[usize]) -> Result<Features, FeatureError> {
    let vectors = extract_view(request, labeled, indices, ViewKind::Plain)?;
    Ok(Features { vectors, labels: indices.iter().map(|&index| labeled.labels[index]).collect() })
}

/// Representations of one view of each of the images `indices`.
///
/// # Shapes
/// float32 `[images, features]` on the hardware's device.
///
/// # Errors
/// As [`extract`].
pub fn extract_view(
    request: &FeatureRequest,
    labeled: &LabeledImages,
    indices: &[usize],
    view: ViewKind,
) -> Result<Tensor, FeatureError> {
    represent(request, &labeled.images, indices, view)
}

/// As [`extract_view`], of images without labels.
///
/// # Errors
/// As [`extract`].
pub fn represent(
    request: &FeatureRequest,
    images: &Arc<dyn ImageSource>,
    indices: &[usize],
    view: ViewKind,
) -> Result<Tensor, FeatureError> {
    let FeatureRequest { experiment, hardware, .. } = *request;
    let (network, weights) = network(request)?;
    let leaves = weights.leaves(hardware.precision);
    let pass = Pass {
        weights: &weights,
        leaves: &leaves,
        mode: Mode::Evaluate,
        precision: hardware.precision,
        views: 1,
        ranks: Ranks::alone(),
    };
    let image_set = ImageSet::of(experiment, Arc::clone(images), hardware);
    let views = ViewGroup::one(view, experiment.image_size);
    let size = experiment.evaluation_batch_size;
    let batches = loader::in_order(image_set, views, indices.to_vec(), size, hardware.threads);
    let mut rows = vec![Tensor::zeros([0, network.features()], (Kind::Float, hardware.device))];
    for batch in batches {
        let batch = batch?;
        rows.push(tch::no_grad(|| network.represent(&pass, &batch.images[0]).to_kind(Kind::Float)));
    }
    Ok(Tensor::cat(&rows, 0))
}

/// The encoder's structure with its weights.
///
/// # Errors
/// The weights do not fit the experiment's encoder.
pub(crate) fn network(request: &FeatureRequest) -> Result<(Encoder, Weights), ModelError> {
    let FeatureRequest { experiment, hardware, encoder } = *request;
    let (network, layout) = Encoder::alone(EncoderConfig::of(experiment));
    let mut weights = Weights::initialize(&layout, experiment.seed, 0, hardware.device);
    weights.load(encoder)?;
    Ok((network, weights))
}
