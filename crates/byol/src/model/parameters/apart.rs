//! A network as one view of a batch passes it while other views do on other threads.

use std::cell::Cell;
use std::sync::Arc;

use tch::{Kind, Tensor};

use super::{Leaves, Weights};
use crate::model::norm::MOMENTUM;

/// The parameters of a network, shared with it, and statistics of batch norm apart from its own.
///
/// No tensor here is the same object as one of the network's; only the memory of parameters is. So another thread may read
/// it as long as nobody changes the parameters: between two steps of an optimiser.
#[derive(Debug)]
pub(crate) struct Apart {
    /// Its statistics, float64, begin as 0, so that a pass in training leaves in them the share of the view's statistics in
    /// the running ones.
    pub weights: Weights,
    /// Leaves of its own, for a gradient by this view alone.
    pub leaves: Leaves,
}

impl Apart {
    /// Of weights whose `leaves` are as new as they: whoever changes the weights refreshes those, and with them these.
    pub fn of(weights: &Weights, leaves: &Leaves) -> Apart {
        let layout = &weights.layout;
        let statistics = Tensor::zeros([layout.buffer_count()], (Kind::Double, weights.device()));
        let tensors = leaves.tensors.iter().map(|leaf| leaf.detach().set_requires_grad(true)).collect();
        let weights = Weights::assemble(layout, weights.flat.detach(), statistics);
        // There is no narrow copy to renew here: these leaves are views of the one that the network's leaves have.
        let leaves = Leaves { tensors, layout: Arc::clone(layout), narrow: None, changes: Cell::new(weights.changes) };
        Apart { weights, leaves }
    }

    /// What the passes since the last call have left in the statistics, float64 `[buffers]`; they are 0 again.
    pub fn take_statistics(&mut self) -> Tensor {
        let taken = self.weights.buffers.copy();
        let _ = self.weights.buffers.zero_();
        taken
    }
}

impl Weights {
    /// Moves the running statistics by the share of one view, [`Apart::take_statistics`]: to the same numbers, to the last bit,
    /// as a pass of that view through the network itself would.
    pub(crate) fn move_statistics(&mut self, share: &Tensor) {
        tch::no_grad(|| {
            let moved = self.buffers.to_kind(Kind::Double) * (1.0 - MOMENTUM) + share;
            self.buffers.copy_(&moved);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{EncoderKind, StemKind};
    use crate::device::Precision;
    use crate::model::layers::Pass;
    use crate::model::{Encoder, EncoderConfig, Mode};
    use crate::ranks::Ranks;

    /// Two views apart leave in the running statistics, to the last bit, what they leave one after the other, and their
    /// gradients add up to that of both.
    #[test]
    fn views_apart_move_the_statistics_as_one_after_the_other() {
        let config = EncoderConfig::new(EncoderKind::Resnet10, StemKind::Imagenet, 0.0625);
        let (encoder, layout) = Encoder::alone(config);
        tch::manual_seed(5);
        let cases = [
            (Kind::Double, Precision::Full, 1e-12),
            (Kind::Float, Precision::Full, 1e-4),
            (Kind::Float, Precision::Bf16, 5e-2),
        ];
        for (kind, precision, tolerance) in cases {
            let images = Tensor::randn([8, 3, 64, 64], (kind, tch::Device::Cpu));
            let view = |number: usize| images.narrow(0, 4 * number as i64, 4);
            let weights = Weights::initialize(&layout, 1, 0, tch::Device::Cpu).to_kind(kind);
            let mut separate = weights.copy();
            let (leaves, own) = (weights.leaves(precision), separate.leaves(precision));
            let mut apart = [(); 2].map(|()| Apart::of(&separate, &own));
            let represent = |weights: &Weights, leaves: &Leaves, images: &Tensor| {
                let pass = Pass { weights, leaves, mode: Mode::Train, precision, views: 1, ranks: Ranks::alone() };
                encoder.represent(&pass, images).square().sum(kind)
            };
            // The second time, the statistics begin where the first has moved them.
            for _ in 0..2 {
                let sum = represent(&weights, &leaves, &view(0)) + represent(&weights, &leaves, &view(1));
                let together = leaves.gradient(&sum, kind);
                // The second view is the first that passes.
                let [second, first] = [1, 0].map(|number| {
                    let Apart { weights, leaves } = &apart[number];
                    leaves.gradient(&represent(weights, leaves, &view(number)), kind)
                });
                apart.iter_mut().for_each(|view| separate.move_statistics(&view.take_statistics()));
                assert_eq!(weights.buffers(), separate.buffers(), "{kind:?}, {precision:?}");
                let difference = (first + second - &together).abs().max().double_value(&[]);
                assert!(difference <= tolerance * together.abs().max().double_value(&[]), "{kind:?}, {precision:?}");
            }
        }
    }
}
