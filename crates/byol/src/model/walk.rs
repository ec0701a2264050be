//! The operations of a residual network in order, named after its parameters, for whoever writes them down or computes them in
//! another way: the forward pass of [`ResNet`](super::ResNet) in evaluation mode, which tests hold this against.

use super::resnet::{BlockKind, ResNetConfig};
use crate::config::StemKind;

/// What a graph is made of.
pub(crate) trait Operations {
    type Value: Clone;

    /// Convolution with the filters `NAME.weight`, without bias; padding is half of the filters' side.
    fn convolution(&mut self, name: &str, input: &Self::Value, window: Window) -> Self::Value;
    /// Batch norm with running statistics.
    fn batch_norm(&mut self, name: &str, input: &Self::Value) -> Self::Value;
    fn relu(&mut self, name: &str, input: &Self::Value) -> Self::Value;
    fn add(&mut self, name: &str, left: &Self::Value, right: &Self::Value) -> Self::Value;
    fn max_pool(&mut self, name: &str, input: &Self::Value, window: Window) -> Self::Value;
    /// The mean over height and width, `[batch, channels]`.
    fn average(&mut self, name: &str, input: &Self::Value) -> Self::Value;
}

/// A square window; padding is half of its side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub side: i64,
    pub stride: i64,
}

/// Normalised images to representations.
pub(crate) fn encoder<O: Operations>(operations: &mut O, config: ResNetConfig, input: &O::Value) -> O::Value {
    let (side, stride) = match config.stem {
        StemKind::Imagenet => (7, 2),
        StemKind::Small => (3, 1),
        StemKind::SmallStride2 => (3, 2),
    };
    let mut value = operations.convolution("conv1", input, Window { side, stride });
    value = operations.batch_norm("bn1", &value);
    value = operations.relu("relu", &value);
    if config.stem == StemKind::Imagenet {
        value = operations.max_pool("maxpool", &value, Window { side: 3, stride: 2 });
    }
    let expansion = config.block().expansion();
    let mut channels = config.channels(0);
    for (stage, depth) in config.depths().into_iter().enumerate() {
        let outputs = config.channels(stage) * expansion;
        for index in 0..depth {
            let block = Block {
                name: format!("layer{}.{index}", stage + 1),
                kind: config.block(),
                stride: if stage > 0 && index == 0 { 2 } else { 1 },
                inputs: channels,
                outputs,
            };
            value = block.add(operations, &value);
            channels = outputs;
        }
    }
    operations.average("avgpool", &value)
}

struct Block {
    name: String,
    kind: BlockKind,
    stride: i64,
    inputs: i64,
    outputs: i64,
}

impl Block {
    fn add<O: Operations>(&self, operations: &mut O, input: &O::Value) -> O::Value {
        let Block { name, stride, .. } = self;
        let windows = match self.kind {
            BlockKind::Basic => vec![(3, *stride), (3, 1)],
            BlockKind::Bottleneck => vec![(1, 1), (3, *stride), (1, 1)],
        };
        let last = windows.len();
        let mut branch = input.clone();
        for (number, (side, stride)) in (1..).zip(windows) {
            branch = operations.convolution(&format!("{name}.conv{number}"), &branch, Window { side, stride });
            branch = operations.batch_norm(&format!("{name}.bn{number}"), &branch);
            if number < last {
                branch = operations.relu(&format!("{name}.relu{number}"), &branch);
            }
        }
        let mut shortcut = input.clone();
        if *stride != 1 || self.inputs != self.outputs {
            let window = Window { side: 1, stride: *stride };
            shortcut = operations.convolution(&format!("{name}.downsample.0"), input, window);
            shortcut = operations.batch_norm(&format!("{name}.downsample.1"), &shortcut);
        }
        let sum = operations.add(&format!("{name}.add"), &branch, &shortcut);
        operations.relu(&format!("{name}.relu"), &sum)
    }
}
