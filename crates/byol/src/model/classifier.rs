//! The supervised network: a residual encoder with one linear layer on its representation.

use std::sync::Arc;

use tch::{Device, Tensor};

use super::layers::{Linear, Pass};
use super::parameters::{Layout, LayoutBuilder, Weights};
use super::resnet::{ResNet, ResNetConfig};

/// The structure of a classifier; its parameters have the names of torchvision's `resnet18(num_classes=N)`.
#[derive(Clone, Debug)]
pub struct Classifier {
    encoder: ResNet,
    output: Linear,
    layout: Arc<Layout>,
}

impl Classifier {
    pub fn new(config: ResNetConfig, classes: usize) -> Classifier {
        let mut builder = LayoutBuilder::default();
        let encoder = ResNet::new(&mut builder, config);
        let output = Linear::new(&mut builder, "fc", [config.features(), classes as i64]);
        Classifier { encoder, output, layout: builder.finish() }
    }

    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Fresh weights; see [`Weights::initialize`].
    pub fn initialize(&self, seed: u64, network: u64, device: Device) -> Weights {
        Weights::initialize(&self.layout, seed, network, device)
    }

    /// `[batch, 3, height, width]` to representations, `[batch, features]`.
    pub fn represent(&self, pass: &Pass, images: &Tensor) -> Tensor {
        self.encoder.forward(pass, images)
    }

    /// `[batch, 3, height, width]` to logits, `[batch, classes]`, in the type of the pass.
    pub fn forward(&self, pass: &Pass, images: &Tensor) -> Tensor {
        self.output.forward(pass, &self.represent(pass, images))
    }
}
