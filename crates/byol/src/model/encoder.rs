//! The encoder: images to representations. Which kinds there are stands here; what a kind is made of, in the file of its
//! name.

use std::sync::Arc;

use serde_json::{Value, json};
use tch::Tensor;

use super::convolution::SharedRows;
use super::layers::Pass;
use super::parameters::{Layout, LayoutBuilder};
use super::resnet::{FirstBranches, ResNet, ResNetConfig, ResNetDepth};
use super::walk::{Forward, MultiplyAdds, Operations};
use crate::config::{EncoderKind, Experiment, StemKind};

/// Which encoder: its kind, and what a kind must be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EncoderConfig {
    /// A residual network.
    ResNet(ResNetConfig),
}

impl EncoderConfig {
    /// The encoder of an experiment.
    pub fn of(experiment: &Experiment) -> EncoderConfig {
        let EncoderConfig::ResNet(config) = EncoderConfig::new(experiment.encoder, experiment.stem, experiment.width);
        let branches = if experiment.zero_init_residual { FirstBranches::Zero } else { FirstBranches::Whole };
        EncoderConfig::ResNet(ResNetConfig { branches, ..config })
    }

    /// The encoder of values of the keys `encoder`, `stem` and `width`.
    pub fn new(kind: EncoderKind, stem: StemKind, width: f64) -> EncoderConfig {
        let branches = FirstBranches::Whole;
        let residual = |depth| EncoderConfig::ResNet(ResNetConfig { depth, stem, width, branches });
        match kind {
            EncoderKind::Resnet10 => residual(ResNetDepth::Ten),
            EncoderKind::Resnet18 => residual(ResNetDepth::Eighteen),
            EncoderKind::Resnet34 => residual(ResNetDepth::ThirtyFour),
            EncoderKind::Resnet50 => residual(ResNetDepth::Fifty),
        }
    }

    /// The keys of the configuration that make this encoder, with their values: `encoder` first, then those that its kind
    /// reads. What only its beginning depends on is left out.
    pub fn keys(self) -> Vec<(&'static str, Value)> {
        match self {
            EncoderConfig::ResNet(ResNetConfig { depth, stem, width, .. }) => {
                let kind = match depth {
                    ResNetDepth::Ten => EncoderKind::Resnet10,
                    ResNetDepth::Eighteen => EncoderKind::Resnet18,
                    ResNetDepth::ThirtyFour => EncoderKind::Resnet34,
                    ResNetDepth::Fifty => EncoderKind::Resnet50,
                };
                vec![("encoder", json!(kind)), ("stem", json!(stem)), ("width", json!(width))]
            }
        }
    }
}

/// A value of a key as people write it: texts without quotation marks, whole numbers without a point.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        number => number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string()),
    }
}

/// The structure of an encoder.
#[derive(Clone, Debug)]
pub enum Encoder {
    /// A residual network.
    ResNet(ResNet),
}

/// Images that several encoders of one structure and precision see, such as online and target network: what all of them
/// compute alike is computed once.
pub struct SharedImages<'a> {
    images: &'a Tensor,
    rows: SharedRows,
}

impl<'a> SharedImages<'a> {
    /// `[batch, 3, height, width]`, normalised.
    pub fn new(images: &'a Tensor) -> SharedImages<'a> {
        SharedImages { images, rows: SharedRows::new() }
    }

    /// The images themselves.
    pub fn whole(&self) -> &'a Tensor {
        self.images
    }
}

impl Encoder {
    /// Adds the encoder's parameters to `builder`.
    pub fn new(builder: &mut LayoutBuilder, config: EncoderConfig) -> Encoder {
        match config {
            EncoderConfig::ResNet(config) => Encoder::ResNet(ResNet::new(builder, config)),
        }
    }

    /// An encoder by itself, with the layout of its parameters.
    pub fn alone(config: EncoderConfig) -> (Encoder, Arc<Layout>) {
        let mut builder = LayoutBuilder::default();
        let encoder = Encoder::new(&mut builder, config);
        (encoder, builder.finish())
    }

    /// What it was built from.
    pub fn config(&self) -> EncoderConfig {
        match self {
            Encoder::ResNet(resnet) => EncoderConfig::ResNet(resnet.config()),
        }
    }

    /// Size of the representation.
    pub fn features(&self) -> i64 {
        match self {
            Encoder::ResNet(resnet) => resnet.features(),
        }
    }

    /// How far below the representation one of the encoder's parameters stands, by its name without the encoder's: 1 in the
    /// last stage, one more in each before it.
    pub(crate) fn depth(&self, parameter: &str) -> usize {
        match self {
            Encoder::ResNet(resnet) => resnet.depth(parameter),
        }
    }

    /// The encoder's operations in order, from normalised images to representations: what computes, counts or writes them
    /// down is an [`Operations`].
    pub(crate) fn walk<O: Operations>(&self, operations: &mut O, images: &O::Value) -> O::Value {
        match self {
            Encoder::ResNet(resnet) => resnet.walk(operations, images),
        }
    }

    /// Representations.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` (normalised, any memory order) to `[batch, features]` in the type of the pass.
    pub fn represent(&self, pass: &Pass, images: &Tensor) -> Tensor {
        self.represent_shared(pass, &SharedImages::new(images))
    }

    /// As [`represent`](Self::represent), where several encoders see the same images.
    pub fn represent_shared(&self, pass: &Pass, images: &SharedImages) -> Tensor {
        let prepared = pass.prepare(images.images);
        self.walk(&mut Forward { pass, rows: &images.rows }, &prepared)
    }

    /// Multiply-adds of one forward pass of an image with sides of `side` pixels, in convolutions and linear layers; norms,
    /// activations and pooling are not counted.
    pub fn multiply_adds(&self, side: usize) -> MultiplyAdds {
        let mut count = MultiplyAdds::default();
        self.walk(&mut count, &(side as i64));
        count
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::device::Precision;
    use crate::model::{Mode, Weights};
    use crate::ranks::Ranks;

    const SMALL: StemKind = StemKind::SmallStride2;

    #[test]
    fn keys_make_the_encoder_that_has_them() {
        for kind in [EncoderKind::Resnet10, EncoderKind::Resnet18, EncoderKind::Resnet34, EncoderKind::Resnet50] {
            let config = EncoderConfig::new(kind, SMALL, 0.25);
            assert_eq!(config.keys(), [("encoder", json!(kind)), ("stem", json!(SMALL)), ("width", json!(0.25))]);
            assert_eq!(Encoder::alone(config).0.config(), config);
        }
        let values = [json!("small-stride2"), json!(1.0), json!(0.0625)];
        assert_eq!(values.each_ref().map(plain), ["small-stride2", "1", "0.0625"]);
    }

    /// In bfloat16 leaves are copies: weights that change past whoever holds both are seen all the same.
    #[test]
    fn a_pass_sees_weights_that_changed_after_its_leaves_were_made() {
        let (encoder, layout) = Encoder::alone(EncoderConfig::new(EncoderKind::Resnet10, SMALL, 1.0 / 16.0));
        let of_seed = |seed| Weights::initialize(&layout, seed, 0, Device::Cpu);
        let images = Tensor::ones([1, 3, 16, 16], (Kind::Float, Device::Cpu));
        for precision in [Precision::Full, Precision::Bf16] {
            let represent = |weights: &Weights, leaves: &crate::model::Leaves| {
                let pass = Pass { weights, leaves, mode: Mode::Evaluate, precision, views: 1, ranks: Ranks::alone() };
                tch::no_grad(|| encoder.represent(&pass, &images))
            };
            let (mut weights, other) = (of_seed(1), of_seed(2));
            let leaves = weights.leaves(precision);
            let first = represent(&weights, &leaves);
            weights.load(&other.named()).unwrap();
            let loaded = represent(&weights, &leaves);
            assert_eq!(loaded, represent(&other, &other.leaves(precision)), "{precision:?}");
            assert_ne!(loaded, first, "{precision:?}");
            tch::no_grad(|| weights.flat_mut().copy_(of_seed(1).flat()));
            assert_eq!(represent(&weights, &leaves), first, "{precision:?}");
        }
    }
}
