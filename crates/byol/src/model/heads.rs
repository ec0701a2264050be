//! BYOL's projector and predictor: Linear, batch norm, ReLU, Linear (paper, section 3.3 and appendix J).

use tch::Tensor;

use super::layers::{BatchNorm, Linear, Pass};
use super::parameters::LayoutBuilder;

/// A perceptron with one hidden layer. Its parameters are named as in a PyTorch `Sequential`: `0`, `1` and `3`.
#[derive(Clone, Debug)]
pub struct Mlp {
    hidden: Linear,
    norm: BatchNorm,
    output: Linear,
}

/// The sizes of an [`Mlp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MlpConfig {
    pub inputs: i64,
    pub hidden: i64,
    pub outputs: i64,
}

impl Mlp {
    pub fn new(builder: &mut LayoutBuilder, name: &str, config: MlpConfig) -> Mlp {
        builder.scope(name, |builder| Mlp {
            hidden: Linear::new(builder, "0", [config.inputs, config.hidden]),
            norm: BatchNorm::new(builder, "1", config.hidden),
            output: Linear::new(builder, "3", [config.hidden, config.outputs]),
        })
    }

    /// `[batch, inputs]` to `[batch, outputs]`. In training mode the batch needs at least two rows.
    pub fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        let hidden = self.norm.forward(pass, &self.hidden.forward(pass, input)).relu_();
        self.output.forward(pass, &hidden)
    }
}
