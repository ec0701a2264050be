//! BYOL's projector and predictor: Linear, batch norm, ReLU, Linear (paper, section 3.3 and appendix J), and the order
//! of layers that the university lab used instead.

use tch::Tensor;

use super::layers::{BatchNorm, Linear, Pass};
use super::parameters::LayoutBuilder;

/// The order of a head's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// Linear, batch norm, ReLU, Linear.
    Paper,
    /// Linear, ReLU, batch norm, Linear: the lab's predictor.
    LabPredictor,
    /// Linear, ReLU, batch norm, Linear, batch norm, ReLU: the lab's projector.
    LabProjector,
}

/// A perceptron with one hidden layer. Its parameters are named as in a PyTorch `Sequential`: `0`, `1` and `3`, in the
/// lab's order `0`, `2`, `3` and `4`.
#[derive(Clone, Debug)]
pub struct Mlp {
    kind: HeadKind,
    hidden: Linear,
    norm: BatchNorm,
    output: Linear,
    output_norm: Option<BatchNorm>,
}

/// The sizes of an [`Mlp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MlpConfig {
    /// The order of its layers.
    pub kind: HeadKind,
    /// Values of its input.
    pub inputs: i64,
    /// Width of the hidden layer.
    pub hidden: i64,
    /// Values of its output.
    pub outputs: i64,
}

impl Mlp {
    /// Adds its layers to a network's layout, under `name`.
    pub fn new(builder: &mut LayoutBuilder, name: &str, config: MlpConfig) -> Mlp {
        let norm = if config.kind == HeadKind::Paper { "1" } else { "2" };
        builder.scope(name, |builder| Mlp {
            kind: config.kind,
            hidden: Linear::new(builder, "0", [config.inputs, config.hidden]),
            norm: BatchNorm::new(builder, norm, config.hidden),
            output: Linear::new(builder, "3", [config.hidden, config.outputs]),
            output_norm: (config.kind == HeadKind::LabProjector).then(|| BatchNorm::new(builder, "4", config.outputs)),
        })
    }

    /// `[batch, inputs]` to `[batch, outputs]`. In training mode the batch needs at least two rows.
    pub fn forward(&self, pass: &Pass, input: &Tensor) -> Tensor {
        let hidden = self.hidden.forward(pass, input);
        let hidden = match self.kind {
            HeadKind::Paper => self.norm.forward_relu(pass, &hidden),
            HeadKind::LabPredictor | HeadKind::LabProjector => self.norm.forward(pass, &hidden.relu()),
        };
        let output = self.output.forward(pass, &hidden);
        match &self.output_norm {
            Some(norm) => norm.forward_relu(pass, &output),
            None => output,
        }
    }
    /// Multiply-adds of one row in the linear layers.
    pub fn multiply_adds(&self) -> u64 {
        self.hidden.multiply_adds() + self.output.multiply_adds()
    }
}
