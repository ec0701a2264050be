//! The supervised network: an encoder with one linear layer on its representation.

use std::sync::Arc;

use tch::{Device, Tensor};

use super::byol::LAB_LOGITS;
use super::encoder::{Encoder, EncoderConfig};
use super::layers::{Linear, Pass};
use super::parameters::{Layout, LayoutBuilder, Weights};
use crate::config::{Experiment, Fault};
use crate::stage::Stage;

/// The structure of a classifier; the encoder's parameters have their own names, as in torchvision's
/// `resnet18(num_classes=N)`.
#[derive(Clone, Debug)]
pub struct Classifier {
    encoder: Encoder,
    bottleneck: Option<Linear>,
    output: Linear,
    layout: Arc<Layout>,
}

/// What the last linear layer of a classifier stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassifierHead {
    /// The representation.
    Representation,
    /// The lab's 1000 logits, a linear layer on the representation, named `logits`.
    LabLogits,
}

impl ClassifierHead {
    /// What the classifier of a stage stands on.
    pub fn of(experiment: &Experiment, stage: Stage) -> ClassifierHead {
        match stage {
            Stage::Finetune | Stage::Selftrain if experiment.faults.contains(&Fault::LabHeads) => {
                ClassifierHead::LabLogits
            }
            _ => ClassifierHead::Representation,
        }
    }
}

impl Classifier {
    /// The structure, without numbers, with an output for each class.
    pub fn new(config: EncoderConfig, head: ClassifierHead, classes: usize) -> Classifier {
        let mut builder = LayoutBuilder::default();
        let encoder = Encoder::new(&mut builder, config);
        let (bottleneck, inputs) = match head {
            ClassifierHead::Representation => (None, encoder.features()),
            ClassifierHead::LabLogits => {
                (Some(Linear::new(&mut builder, "logits", [encoder.features(), LAB_LOGITS])), LAB_LOGITS)
            }
        };
        let output = Linear::new(&mut builder, "fc", [inputs, classes as i64]);
        Classifier { encoder, bottleneck, output, layout: builder.finish() }
    }

    /// The encoder below the classifier.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// What the last layer stands on.
    pub fn head(&self) -> ClassifierHead {
        match self.bottleneck {
            None => ClassifierHead::Representation,
            Some(_) => ClassifierHead::LabLogits,
        }
    }

    /// Names, shapes and places of all numbers.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Fresh weights; see [`Weights::initialize`].
    pub fn initialize(&self, seed: u64, network: u64, device: Device) -> Weights {
        Weights::initialize(&self.layout, seed, network, device)
    }

    /// `[batch, 3, height, width]` to representations, `[batch, features]`.
    pub fn represent(&self, pass: &Pass, images: &Tensor) -> Tensor {
        self.encoder.represent(pass, images)
    }

    /// `[batch, 3, height, width]` to logits, `[batch, classes]`, in the type of the pass.
    pub fn forward(&self, pass: &Pass, images: &Tensor) -> Tensor {
        let representations = self.represent(pass, images);
        match &self.bottleneck {
            Some(bottleneck) => self.output.forward(pass, &bottleneck.forward(pass, &representations)),
            None => self.output.forward(pass, &representations),
        }
    }
    /// Multiply-adds of one forward pass of an image with sides of `side` pixels.
    pub fn multiply_adds(&self, side: usize) -> u64 {
        let bottleneck = self.bottleneck.as_ref().map_or(0, Linear::multiply_adds);
        self.encoder.multiply_adds(side).all + bottleneck + self.output.multiply_adds()
    }

    /// Floating-point operations of one training step per image with sides of `side` pixels, two for a multiply-add: the
    /// forward pass, and as much again for the gradient of each layer's weights and of its input, which the layer
    /// that reads the images does not need.
    pub fn step_flops(&self, side: usize) -> u64 {
        2 * (3 * self.multiply_adds(side) - self.encoder.multiply_adds(side).of_images)
    }
}
