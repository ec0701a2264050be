//! The pair of networks of BYOL (paper, section 3.1): an online network of encoder, projector and predictor, and a target
//! network of encoder and projector that follows it as a moving average.

use std::collections::BTreeMap;
use std::sync::Arc;

use tch::{Device, Tensor};

use super::encoder::{Encoder, EncoderConfig, SharedImages};
use super::heads::{HeadKind, Mlp, MlpConfig};
use super::layers::{Linear, Pass};
use super::parameters::{Layout, LayoutBuilder, Weights};
use crate::config::SeenBy;

const ENCODER: &str = "encoder";
const LOGITS: &str = "logits";
const PROJECTOR: &str = "projector";
const PREDICTOR: &str = "predictor";

/// The sizes of the networks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ByolConfig {
    /// The encoder of both networks.
    pub encoder: EncoderConfig,
    /// Width of the hidden layer of projector and predictor.
    pub hidden: i64,
    /// Size of projections and predictions.
    pub projection: i64,
    /// Where projector and predictor stand, and the order of their layers.
    pub heads: Heads,
    /// Whether there is a predictor; without one, predictions are the projections.
    pub predictor: bool,
}

/// What stands on the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heads {
    /// The paper's, on the representation.
    Paper,
    /// The lab's, on [`LAB_LOGITS`] outputs of a linear layer on the representation.
    Lab,
}

/// What the target branch of a training step computes besides the online network's pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetPass {
    /// Projections by the target network.
    Projection,
    /// The same, and predictions of them.
    Prediction,
    /// Nothing: an ablation compares the online network with itself.
    None,
}

/// The class logits of ImageNet, which the lab's heads sat on.
pub const LAB_LOGITS: i64 = 1000;

/// The structure of both networks. The target's parameters are the beginning of the online network's.
#[derive(Clone, Debug)]
pub struct Byol {
    encoder: Encoder,
    logits: Option<Linear>,
    projector: Mlp,
    predictor: Option<Mlp>,
    online_layout: Arc<Layout>,
    target_layout: Arc<Layout>,
}

impl Byol {
    /// The structure, without numbers.
    pub fn new(config: ByolConfig) -> Byol {
        let mut builder = LayoutBuilder::default();
        let encoder = builder.scope(ENCODER, |builder| Encoder::new(builder, config.encoder));
        let features = encoder.features();
        let (logits, inputs, kinds) = match config.heads {
            Heads::Paper => (None, features, [HeadKind::Paper, HeadKind::Paper]),
            Heads::Lab => {
                let logits = Linear::new(&mut builder, LOGITS, [features, LAB_LOGITS]);
                (Some(logits), LAB_LOGITS, [HeadKind::LabProjector, HeadKind::LabPredictor])
            }
        };
        let head = |kind, inputs| MlpConfig { kind, inputs, hidden: config.hidden, outputs: config.projection };
        let projector = Mlp::new(&mut builder, PROJECTOR, head(kinds[0], inputs));
        let predictor = config.predictor.then(|| Mlp::new(&mut builder, PREDICTOR, head(kinds[1], config.projection)));
        let online_layout = builder.finish();
        let target_layout = Arc::new(online_layout.leading(&[ENCODER, LOGITS, PROJECTOR]));
        Byol { encoder, logits, projector, predictor, online_layout, target_layout }
    }

    /// Names, shapes and places of the online network's numbers.
    pub fn online_layout(&self) -> &Arc<Layout> {
        &self.online_layout
    }

    /// Names, shapes and places of the target network's numbers.
    pub fn target_layout(&self) -> &Arc<Layout> {
        &self.target_layout
    }

    /// Fresh weights of the online network; see [`Weights::initialize`].
    pub fn initialize(&self, seed: u64, device: Device) -> Weights {
        Weights::initialize(&self.online_layout, seed, 0, device)
    }

    /// A target network that equals the online network, running statistics included.
    pub fn target_of(&self, online: &Weights) -> Weights {
        online.leading(&self.target_layout)
    }

    /// `[batch, 3, height, width]` to representations, `[batch, features]`.
    pub fn represent(&self, pass: &Pass, images: &Tensor) -> Tensor {
        self.encoder.represent(pass, images)
    }

    /// `[batch, 3, height, width]` to projections, `[batch, projection]`, by either network.
    pub fn project(&self, pass: &Pass, images: &SharedImages) -> Tensor {
        self.project_representations(pass, &self.encoder.represent_shared(pass, images))
    }

    /// `[batch, features]` to projections, `[batch, projection]`, by either network.
    pub fn project_representations(&self, pass: &Pass, representations: &Tensor) -> Tensor {
        match &self.logits {
            Some(logits) => self.projector.forward(pass, &logits.forward(pass, representations)),
            None => self.projector.forward(pass, representations),
        }
    }

    /// Projections to predictions, `[batch, projection]`, by the online network.
    pub fn predict(&self, pass: &Pass, projections: &Tensor) -> Tensor {
        match &self.predictor {
            Some(predictor) => predictor.forward(pass, projections),
            None => projections.shallow_clone(),
        }
    }

    /// Floating-point operations of one training step per image, two for a multiply-add.
    ///
    /// Each view, with its side in pixels, passes the target branch as `target` says where that sees it, then the online
    /// network with its predictor: whole, or in `patches` by `patches` parts, whose pairs are projected. The gradient takes as much again for each layer's weights and for its input, which the
    /// layer that reads the images does not need.
    pub fn step_flops(&self, views: &[(usize, SeenBy)], target: TargetPass, patches: usize) -> u64 {
        let logits = self.logits.as_ref().map_or(0, Linear::multiply_adds);
        let of_view = |&(side, seen_by): &(usize, SeenBy)| {
            let projector = logits + self.projector.multiply_adds();
            let predictor = self.predictor.as_ref().map_or(0, Mlp::multiply_adds);
            let projection = self.encoder.multiply_adds(side).all + projector;
            let prediction = projection + predictor;
            let target = match (target, seen_by) {
                (TargetPass::Projection, SeenBy::Both) => projection,
                (TargetPass::Prediction, SeenBy::Both) => prediction,
                (TargetPass::None, _) | (_, SeenBy::Online) => 0,
            };
            let parts = (patches * patches) as u64;
            let pairs = if patches > 1 { parts * (parts - 1) / 2 } else { 1 };
            let patch = self.encoder.multiply_adds(side / patches);
            let online = 3 * (parts * patch.all + pairs * (projector + predictor)) - parts * patch.of_images;
            2 * (target + online)
        };
        views.iter().map(of_view).sum()
    }
}

/// Moves the target's parameters a share `1 - tau` towards the online network's: paper, equation 1,
/// `xi <- tau xi + (1 - tau) theta`.
///
/// Running statistics of batch norm are not averaged: the target's own forward passes keep them, so
/// that they describe the target's activations.
pub fn update_target(target: &mut Weights, online: &Weights, tau: f64) {
    let count = target.layout().parameter_count();
    let _ = tch::no_grad(|| target.flat_mut().lerp_(&online.flat().narrow(0, 0, count), 1.0 - tau));
}

/// The encoder's part of a network's tensors by name, without the `encoder.` in front: the encoder's own names.
pub fn encoder_part(named: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    named
        .iter()
        .filter_map(|(name, tensor)| {
            let name = name.strip_prefix(ENCODER)?.strip_prefix('.')?;
            Some((name.to_owned(), tensor.shallow_clone()))
        })
        .collect()
}

/// The inverse of [`encoder_part`]: an encoder's tensors under the names that they have in a network.
pub fn with_encoder(encoder: BTreeMap<String, Tensor>) -> impl Iterator<Item = (String, Tensor)> {
    encoder.into_iter().map(|(name, tensor)| (format!("{ENCODER}.{name}"), tensor))
}

/// Whether a parameter of the online network is one of the predictor's.
pub(crate) fn is_of_predictor(name: &str) -> bool {
    name.strip_prefix(PREDICTOR).is_some_and(|rest| rest.starts_with('.'))
}

/// What fine-tuning begins with: the encoder's part, and the lab's logits where there are any.
pub fn transferred_part(named: &BTreeMap<String, Tensor>) -> BTreeMap<String, Tensor> {
    let mut part = encoder_part(named);
    let logits = named.iter().filter(|(name, _)| name.starts_with("logits."));
    part.extend(logits.map(|(name, tensor)| (name.clone(), tensor.shallow_clone())));
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EncoderKind, StemKind};
    use crate::model::Classifier;
    use crate::model::classifier::ClassifierHead;

    fn encoder(kind: EncoderKind, stem: StemKind) -> EncoderConfig {
        EncoderConfig::new(kind, stem, 1.0)
    }

    /// torchvision states 1.814 (ResNet-18), 3.664 (34) and 4.089 (50) G at 224 px, with 1000 classes.
    #[test]
    fn classifiers_cost_what_torchvision_states() {
        let cases = [
            (EncoderKind::Resnet18, 1_814_073_344),
            (EncoderKind::Resnet34, 3_663_761_408),
            (EncoderKind::Resnet50, 4_089_184_256),
        ];
        for (kind, expected) in cases {
            let config = encoder(kind, StemKind::Imagenet);
            let classifier = Classifier::new(config, ClassifierHead::Representation, 1000);
            assert_eq!(classifier.multiply_adds(224), expected, "{kind:?}");
            let stem = 112 * 112 * 64 * 3 * 49;
            assert_eq!(classifier.step_flops(224), 2 * (3 * expected - stem));
        }
    }

    /// ResNet-10 at 8 px with the small stem, by hand: sides 8, 8, 4, 2 and 1.
    #[test]
    fn a_step_of_byol_by_hand() {
        let stem: u64 = 8 * 8 * 64 * 3 * 9;
        let first = 2 * 8 * 8 * 64 * 64 * 9;
        // Per stage: a 3x3 convolution that strides, one that does not, and the 1x1 shortcut.
        let stage = |side: u64, inner: u64| side * side * inner * (inner / 2 * 9 + inner * 9 + inner / 2);
        let encoder_cost = stem + first + stage(4, 128) + stage(2, 256) + stage(1, 512);
        let projection = encoder_cost + 512 * 32 + 32 * 16;
        let prediction = projection + 16 * 32 + 32 * 16;
        let model = Byol::new(ByolConfig {
            encoder: encoder(EncoderKind::Resnet10, StemKind::Small),
            hidden: 32,
            projection: 16,
            heads: Heads::Paper,
            predictor: true,
        });
        let online = 3 * prediction - stem;
        let two = [(8, SeenBy::Both), (8, SeenBy::Both)];
        assert_eq!(model.step_flops(&two, TargetPass::Projection, 1), 4 * (projection + online));
        assert_eq!(model.step_flops(&two, TargetPass::Prediction, 1), 4 * (prediction + online));
        assert_eq!(model.step_flops(&two, TargetPass::None, 1), 4 * online);
        // A third view, which the online network alone sees.
        let three = [two[0], two[1], (8, SeenBy::Online)];
        assert_eq!(model.step_flops(&three, TargetPass::Projection, 1), 4 * (projection + online) + 2 * online);
        // Four patches of a view, whose encoder is as large in all as that of a view of half the side four times; six pairs.
        let (of_patch, heads) = (model.encoder.multiply_adds(8), prediction - encoder_cost);
        let online = 3 * (4 * of_patch.all + 6 * heads) - 4 * of_patch.of_images;
        let whole = model.encoder.multiply_adds(16).all + projection - encoder_cost;
        let sixteen = [(16, SeenBy::Both), (16, SeenBy::Both)];
        assert_eq!(model.step_flops(&sixteen, TargetPass::Projection, 2), 4 * (whole + online));
    }
}
