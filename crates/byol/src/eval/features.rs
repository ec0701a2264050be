//! Representations of a frozen encoder. Nothing is fitted here.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::Features;
use crate::config::Experiment;
use crate::data::{ImageSource, LabeledImages};
use crate::device::Hardware;
use crate::loader::{self, ImageSet, InOrder, LoadError, ViewGroup, ViewKind};
use crate::model::layers::Pass;
use crate::model::{Encoder, EncoderConfig, Mode, ModelError, Weights};
use crate::ranks::{Ranks, RanksError};

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
    /// Other processes that compute along are gone.
    #[error(transparent)]
    Ranks(#[from] RanksError),
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

/// Representations of the images `indices` as evaluations see them, with the running statistics of batch norm. Of several ranks all
/// must compute the same ones; rank 0 has them, the others none.
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
    let of = InOrder { image_set, views, indices, batch_size: experiment.evaluation_batch_size };
    let mut rows = loader::computed::<FeatureError>(of, |batch| {
        vec![tch::no_grad(|| network.represent(&pass, &batch.images[0]).to_kind(Kind::Float))]
    })?;
    Ok(rows.pop().unwrap_or_else(|| Tensor::zeros([0, network.features()], (Kind::Float, hardware.device))))
}

/// Gives the encoder of rank 0's request to the other ranks, which call [`encoder_of_first`].
///
/// # Errors
/// The weights do not fit the experiment's encoder, or a rank is gone.
pub(crate) fn give_encoder(request: &FeatureRequest) -> Result<(), FeatureError> {
    if !request.hardware.ranks.is_alone() {
        passed(network(request)?.1, &request.hardware.ranks)?;
    }
    Ok(())
}

/// The encoder that rank 0 gives, by name.
///
/// # Errors
/// A rank is gone.
pub(crate) fn encoder_of_first(
    experiment: &Experiment,
    hardware: &Hardware,
) -> Result<BTreeMap<String, Tensor>, FeatureError> {
    let (_, layout) = Encoder::alone(EncoderConfig::of(experiment));
    let weights = Weights::initialize(&layout, experiment.seed, 0, hardware.device);
    Ok(passed(weights, &hardware.ranks)?.named())
}

/// The weights of rank 0.
fn passed(mut weights: Weights, ranks: &Ranks) -> Result<Weights, RanksError> {
    ranks.take_of_first(weights.flat_mut());
    ranks.take_of_first(&mut weights.buffers().shallow_clone());
    ranks.check()?;
    Ok(weights)
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
