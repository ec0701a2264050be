//! Residual networks (He et al. 2015, arXiv 1512.03385) with torchvision's parameter names, shapes and strides. The
//! classifier on top is not here.

use super::layers::{BatchNorm, Convolution, SquareWindow};
use super::parameters::LayoutBuilder;
use super::walk::Operations;
use crate::config::StemKind;

/// Which residual network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResNetConfig {
    /// How many blocks there are, and of which kind.
    pub depth: ResNetDepth,
    /// What comes before the first block.
    pub stem: StemKind,
    /// Factor on the channels of every stage, 64, 128, 256 and 512 (rounded to whole channels, at least one).
    pub width: f64,
    /// What every block begins as.
    pub branches: FirstBranches,
}

/// What residual branches begin as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstBranches {
    /// They count as much as their shortcuts: all weights of batch norm begin as 1.
    Whole,
    /// They are 0, because the weights of their last batch norm are (Goyal et al. 2017, arXiv 1706.02677, section 5.1).
    Zero,
}

/// How many layers have weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResNetDepth {
    /// One basic block in each stage.
    Ten,
    /// Two basic blocks in each stage.
    Eighteen,
    /// Three, four, six and three basic blocks.
    ThirtyFour,
    /// Three, four, six and three bottleneck blocks.
    Fifty,
}

impl ResNetDepth {
    pub(crate) const ALL: [ResNetDepth; 4] =
        [ResNetDepth::Ten, ResNetDepth::Eighteen, ResNetDepth::ThirtyFour, ResNetDepth::Fifty];

    pub(crate) fn block(self) -> BlockKind {
        match self {
            ResNetDepth::Ten | ResNetDepth::Eighteen | ResNetDepth::ThirtyFour => BlockKind::Basic,
            ResNetDepth::Fifty => BlockKind::Bottleneck,
        }
    }

    /// Blocks of each stage.
    pub(crate) fn blocks(self) -> [usize; 4] {
        match self {
            ResNetDepth::Ten => [1, 1, 1, 1],
            ResNetDepth::Eighteen => [2, 2, 2, 2],
            ResNetDepth::ThirtyFour | ResNetDepth::Fifty => [3, 4, 6, 3],
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
    fn expansion(self) -> i64 {
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
    stem: Stem,
    stages: Vec<Stage>,
    features: i64,
}

/// What reads the images.
#[derive(Clone, Debug)]
pub(crate) struct Stem {
    pub convolution: Convolution,
    norm: BatchNorm,
    /// Whether it ends in a max-pool.
    pub pools: bool,
}

/// Blocks of one size of image.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Inner channels of its blocks.
    pub channels: i64,
    /// Of its first block.
    pub stride: i64,
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// As in `layer1.0`.
    name: String,
    /// The residual branch: convolutions with norm and ReLU, and the last, whose ReLU comes after the addition.
    before: Vec<(Convolution, BatchNorm)>,
    last: (Convolution, BatchNorm),
    /// 1x1 convolution where the shape changes.
    shortcut: Option<(Convolution, BatchNorm)>,
}

impl ResNet {
    /// Adds the network's parameters to `builder` under torchvision's names (`conv1.weight`, `layer1.0.bn1.bias`, ...).
    pub fn new(builder: &mut LayoutBuilder, config: ResNetConfig) -> ResNet {
        let channels = |stage: usize| (((64 << stage) as f64 * config.width).round() as i64).max(1);
        let stem = Stem::new(builder, config.stem, channels(0));
        let mut features = channels(0);
        let mut stages = Vec::new();
        for (stage, depth) in config.depth.blocks().into_iter().enumerate() {
            let (channels, stride) = (channels(stage), if stage == 0 { 1 } else { 2 });
            let mut blocks = Vec::new();
            for index in 0..depth {
                let stride = if index == 0 { stride } else { 1 };
                let block = builder.scope(&format!("layer{}.{index}", stage + 1), |builder| {
                    Block::new(builder, config, [features, channels], stride)
                });
                features = block.outputs();
                blocks.push(block);
            }
            stages.push(Stage { channels, stride, blocks });
        }
        ResNet { config, stem, stages, features }
    }

    /// What it was built from.
    pub fn config(&self) -> ResNetConfig {
        self.config
    }

    /// Size of the representation: 512 for ResNet-18, 2048 for ResNet-50, times the width.
    pub fn features(&self) -> i64 {
        self.features
    }

    /// How far below the representation a parameter stands: 1 in the last stage, one more in each before it, most in the stem.
    pub(crate) fn depth(&self, parameter: &str) -> usize {
        let stage = parameter.strip_prefix("layer").and_then(|rest| rest.split('.').next()?.parse().ok());
        (self.stages.len() + 1).saturating_sub(stage.unwrap_or(0))
    }

    pub(crate) fn stem(&self) -> &Stem {
        &self.stem
    }

    pub(crate) fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// See [`Encoder::walk`](super::Encoder::walk): the last stage averaged over the image.
    pub(crate) fn walk<O: Operations>(&self, operations: &mut O, images: &O::Value) -> O::Value {
        let first = self.stem.walk(operations, images);
        let mut activation = operations.fork(first);
        for block in self.stages.iter().flat_map(|stage| &stage.blocks) {
            activation = block.walk(operations, activation.each_ref());
        }
        let [last, _] = activation;
        operations.average(&last, format_args!("avgpool"))
    }
}

impl Stem {
    fn new(builder: &mut LayoutBuilder, kind: StemKind, channels: i64) -> Stem {
        let (side, stride, pools) = match kind {
            StemKind::Imagenet => (7, 2, true),
            StemKind::Small => (3, 1, false),
            StemKind::SmallStride2 => (3, 2, false),
        };
        let convolution = Convolution::new(builder, "conv1", [3, channels], SquareWindow { side, stride });
        Stem { convolution, norm: BatchNorm::new(builder, "bn1", channels), pools }
    }

    fn walk<O: Operations>(&self, operations: &mut O, images: &O::Value) -> O::Value {
        let value = operations.convolution_of_images(&self.convolution, images);
        let relu = format_args!("relu");
        match self.pools {
            true => operations.norm_relu_pool(&self.norm, &value, [relu, format_args!("maxpool")]),
            false => operations.norm_relu(&self.norm, &value, relu),
        }
    }
}

impl Block {
    fn new(builder: &mut LayoutBuilder, config: ResNetConfig, [inputs, inner]: [i64; 2], stride: i64) -> Block {
        let kind = config.depth.block();
        let outputs = inner * kind.expansion();
        // (side, channels, stride) of each convolution; in a bottleneck the 3x3 one strides (torchvision).
        let (before, last) = match kind {
            BlockKind::Basic => (vec![(3, [inputs, inner], stride)], (3, [inner, outputs], 1)),
            BlockKind::Bottleneck => {
                (vec![(1, [inputs, inner], 1), (3, [inner, inner], stride)], (1, [inner, outputs], 1))
            }
        };
        let mut number = 0;
        let mut layers = |(side, channels, stride): (i64, [i64; 2], i64), weight: f32| {
            number += 1;
            let window = SquareWindow { side, stride };
            let convolution = Convolution::new(builder, &format!("conv{number}"), channels, window);
            (convolution, BatchNorm::beginning(builder, &format!("bn{number}"), channels[1], weight))
        };
        let before = before.into_iter().map(|layer| layers(layer, 1.0)).collect();
        let last = match config.branches {
            FirstBranches::Whole => layers(last, 1.0),
            FirstBranches::Zero => layers(last, 0.0),
        };
        let shortcut = (stride != 1 || inputs != outputs).then(|| {
            builder.scope("downsample", |builder| {
                let convolution = Convolution::new(builder, "0", [inputs, outputs], SquareWindow { side: 1, stride });
                (convolution, BatchNorm::new(builder, "1", outputs))
            })
        });
        Block { name: builder.prefix(), before, last, shortcut }
    }

    /// The same activation twice to the same twice: for the residual branch, and for what it is added to.
    fn walk<O: Operations>(&self, operations: &mut O, [input, added]: [&O::Value; 2]) -> [O::Value; 2] {
        let Block { name, before, last, shortcut } = self;
        let mut branch = None;
        for (number, (convolution, norm)) in (1..).zip(before) {
            let value = operations.convolution(convolution, branch.as_ref().unwrap_or(input));
            branch = Some(operations.norm_relu(norm, &value, format_args!("{name}.relu{number}")));
        }
        let branch = operations.convolution(&last.0, branch.as_ref().unwrap_or(input));
        let shortcut = shortcut.as_ref().map(|(convolution, norm)| {
            let value = operations.convolution(convolution, added);
            operations.norm(norm, &value)
        });
        let both = [&branch, shortcut.as_ref().unwrap_or(added)];
        operations.norm_add_relu(&last.1, both, [format_args!("{name}.add"), format_args!("{name}.relu")])
    }

    fn outputs(&self) -> i64 {
        self.last.0.channels()[1]
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::model::{Encoder, EncoderConfig, Weights};

    /// The weights that torchvision's `zero_init_residual` sets to 0, and nothing else changes.
    #[test]
    fn branches_may_begin_as_nothing() {
        for (depth, last) in [(ResNetDepth::Eighteen, "bn2.weight"), (ResNetDepth::Fifty, "bn3.weight")] {
            let begun = |branches| {
                let config = ResNetConfig { depth, stem: StemKind::Imagenet, width: 0.0625, branches };
                let (_, layout) = Encoder::alone(EncoderConfig::ResNet(config));
                Weights::initialize(&layout, 1, 0, Device::Cpu).named()
            };
            let (whole, zero) = (begun(FirstBranches::Whole), begun(FirstBranches::Zero));
            let mut zeros = 0;
            for (name, tensor) in &whole {
                if name.starts_with("layer") && name.ends_with(last) {
                    assert_eq!(zero[name], tensor.zeros_like(), "{name}");
                    zeros += 1;
                } else {
                    assert_eq!(zero[name], *tensor, "{name}");
                }
            }
            assert_eq!(zeros, depth.blocks().iter().sum::<usize>());
        }
    }
}
