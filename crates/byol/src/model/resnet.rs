//! Residual networks (He et al. 2015, arXiv 1512.03385) with torchvision's parameter names, shapes and strides: the
//! encoder. The classifier on top of it is not here.

use tch::Tensor;

use super::convolution::SharedRows;
use super::layers::{BatchNorm, Convolution, Pass};
use super::parameters::LayoutBuilder;
use crate::config::{EncoderKind, Experiment, StemKind};

/// Which residual network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNetConfig {
    pub kind: EncoderKind,
    pub stem: StemKind,
    /// Factor on the channels of every stage, 64, 128, 256 and 512 (rounded to whole channels, at least one).
    pub width: f64,
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
}

impl ResNetConfig {
    pub fn of(experiment: &Experiment) -> ResNetConfig {
        ResNetConfig { kind: experiment.encoder, stem: experiment.stem, width: experiment.width }
    }

    pub(crate) fn block(self) -> BlockKind {
        match self.kind {
            EncoderKind::Resnet10 | EncoderKind::Resnet18 | EncoderKind::Resnet34 => BlockKind::Basic,
            EncoderKind::Resnet50 => BlockKind::Bottleneck,
        }
    }

    /// Blocks of each stage.
    pub(crate) fn depths(self) -> [usize; 4] {
        match self.kind {
            EncoderKind::Resnet10 => [1, 1, 1, 1],
            EncoderKind::Resnet18 => [2, 2, 2, 2],
            EncoderKind::Resnet34 | EncoderKind::Resnet50 => [3, 4, 6, 3],
        }
    }

    /// Inner channels of the blocks of a stage, from 0.
    pub(crate) fn channels(self, stage: usize) -> i64 {
        let full = 64 << stage;
        ((full as f64 * self.width).round() as i64).max(1)
    }

    /// Size of the representation: 512 for ResNet-18, 2048 for ResNet-50, times the width.
    pub fn features(self) -> i64 {
        self.channels(3) * self.block().expansion()
    }

    /// How many pixels of the input one pixel of the last stage stands for, along one axis.
    pub fn reduction(self) -> usize {
        match self.stem {
            StemKind::Imagenet => 32,
            StemKind::SmallStride2 => 16,
            StemKind::Small => 8,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {
    Basic,
    Bottleneck,
}

impl BlockKind {
    /// Output channels by inner channels.
    pub(crate) fn expansion(self) -> i64 {
        match self {
            BlockKind::Basic => 1,
            BlockKind::Bottleneck => 4,
        }
    }
}

/// The structure of a residual network without its classifier.
#[derive(Clone, Debug)]
pub struct ResNet {
    config: ResNetConfig,
    stem: Convolution,
    stem_norm: BatchNorm,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    /// Convolutions of the residual branch, each followed by its norm.
    branch: Vec<(Convolution, BatchNorm)>,
    /// 1x1 convolution where the shape changes.
    shortcut: Option<(Convolution, BatchNorm)>,
}

impl ResNet {
    /// Adds the network's parameters to `builder` under torchvision's names (`conv1.weight`, `layer1.0.bn1.bias`, ...).
    pub fn new(builder: &mut LayoutBuilder, config: ResNetConfig) -> ResNet {
        let channels = config.channels(0);
        let (side, stride) = match config.stem {
            StemKind::Imagenet => (7, 2),
            StemKind::Small => (3, 1),
            StemKind::SmallStride2 => (3, 2),
        };
        let stem = Convolution::new(builder, "conv1", [3, channels], side, stride);
        let stem_norm = BatchNorm::new(builder, "bn1", channels);
        let mut blocks = Vec::new();
        let mut inputs = channels;
        for (stage, depth) in config.depths().into_iter().enumerate() {
            builder.scope(&format!("layer{}", stage + 1), |builder| {
                for index in 0..depth {
                    let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                    let inner = config.channels(stage);
                    let block = builder.scope(&index.to_string(), |builder| {
                        Block::new(builder, config.block(), [inputs, inner], stride)
                    });
                    blocks.push(block);
                    inputs = inner * config.block().expansion();
                }
            });
        }
        ResNet { config, stem, stem_norm, blocks }
    }

    pub fn config(&self) -> ResNetConfig {
        self.config
    }

    /// The representation: the last stage averaged over the image.
    ///
    /// # Shapes
    /// `[batch, 3, height, width]` (normalised, any memory order) to `[batch, features]` in the type of the pass.
    pub fn forward(&self, pass: &Pass, images: &Tensor) -> Tensor {
        self.forward_shared(pass, &SharedImages::new(images))
    }

    /// As [`forward`](Self::forward), where several networks see the same images.
    pub fn forward_shared(&self, pass: &Pass, images: &SharedImages) -> Tensor {
        let stem = self.stem.forward_shared(pass, &pass.prepare(images.images), &images.rows);
        let first = match self.config.stem {
            StemKind::Imagenet => self.stem_norm.forward_relu_pool(pass, &stem),
            StemKind::Small | StemKind::SmallStride2 => self.stem_norm.forward_relu(pass, &stem),
        };
        let mut activation = [first.shallow_clone(), first];
        for block in &self.blocks {
            activation = block.forward(pass, activation.each_ref());
        }
        let [last, _] = activation;
        last.mean_dim([2i64, 3].as_slice(), false, None)
    }

    /// Multiply-adds of one forward pass of an image with sides of `side` pixels, in the convolutions; norms, activations
    /// and pooling are not counted.
    pub fn multiply_adds(&self, side: usize) -> u64 {
        let mut count = self.stem_multiply_adds(side);
        let mut side = self.stem.output_side(side as i64);
        if self.config.stem == StemKind::Imagenet {
            // Max-pooling of stride 2.
            side = (side + 1) / 2;
        }
        for block in &self.blocks {
            count += block.multiply_adds(side);
            side = block.output_side(side);
        }
        count
    }

    /// Those of the first convolution, whose input needs no gradient.
    pub fn stem_multiply_adds(&self, side: usize) -> u64 {
        self.stem.multiply_adds(side as i64)
    }
}

impl Block {
    fn new(builder: &mut LayoutBuilder, kind: BlockKind, [inputs, inner]: [i64; 2], stride: i64) -> Block {
        let outputs = inner * kind.expansion();
        // (side, inputs, outputs, stride) of each convolution; in a bottleneck the 3x3 one strides (torchvision).
        let plan: Vec<(i64, i64, i64, i64)> = match kind {
            BlockKind::Basic => vec![(3, inputs, inner, stride), (3, inner, outputs, 1)],
            BlockKind::Bottleneck => {
                vec![(1, inputs, inner, 1), (3, inner, inner, stride), (1, inner, outputs, 1)]
            }
        };
        let branch = plan
            .into_iter()
            .enumerate()
            .map(|(index, (side, inputs, outputs, stride))| {
                let number = index + 1;
                let convolution = Convolution::new(builder, &format!("conv{number}"), [inputs, outputs], side, stride);
                (convolution, BatchNorm::new(builder, &format!("bn{number}"), outputs))
            })
            .collect();
        let shortcut = (stride != 1 || inputs != outputs).then(|| {
            builder.scope("downsample", |builder| {
                let convolution = Convolution::new(builder, "0", [inputs, outputs], 1, stride);
                (convolution, BatchNorm::new(builder, "1", outputs))
            })
        });
        Block { branch, shortcut }
    }

    /// The same activation twice to the same twice: for the residual branch, and for what it is added to.
    fn forward(&self, pass: &Pass, [input, added]: [&Tensor; 2]) -> [Tensor; 2] {
        let shortcut =
            self.shortcut.as_ref().map(|(convolution, norm)| norm.forward(pass, &convolution.forward(pass, added)));
        let (last, before) = self.branch.split_last().expect("a block has convolutions");
        let mut branch = input.shallow_clone();
        for (convolution, norm) in before {
            branch = norm.forward_relu(pass, &convolution.forward(pass, &branch));
        }
        let (convolution, norm) = last;
        norm.forward_add_relu_forked(pass, &convolution.forward(pass, &branch), shortcut.as_ref().unwrap_or(added))
    }

    fn output_side(&self, side: i64) -> i64 {
        self.branch.iter().fold(side, |side, (convolution, _)| convolution.output_side(side))
    }

    fn multiply_adds(&self, input_side: i64) -> u64 {
        let mut side = input_side;
        let mut count = self.shortcut.as_ref().map_or(0, |(convolution, _)| convolution.multiply_adds(side));
        for (convolution, _) in &self.branch {
            count += convolution.multiply_adds(side);
            side = convolution.output_side(side);
        }
        count
    }
}
