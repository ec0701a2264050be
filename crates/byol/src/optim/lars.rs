//! Layer-wise adaptive rate scaling (LARS) over a flat parameter tensor.
//!
//! A step is a dozen operations over the whole network, however many layers it has: norms of all layers come from one
//! segmented sum, and one gather spreads the layers' factors over their values.

use tch::{Device, Kind, Tensor};

use crate::model::parameters::Layout;

/// The share of a layer's norm that a step of learning rate 1 moves it by (paper, section 3.3).
pub const TRUST_COEFFICIENT: f64 = 1e-3;

/// Values that are summed in one go. Float32 sums of so few squares are exact to about 1e-6; the sums of the pieces are
/// added in float64.
const PIECE: i64 = 256;

/// The layers of a flat parameter tensor, as LARS sees them.
#[derive(Debug)]
pub struct Layers {
    /// Lengths of the pieces that layers are summed in, int64 `[pieces]`, and pieces of each layer, int64 `[layers]`.
    pieces: Tensor,
    pieces_of: Tensor,
    /// Values of each layer, int64 `[layers]`, and of all.
    counts: Tensor,
    total: i64,
    /// Whether a layer is adapted and decayed: bool `[layers]`.
    adapted: Tensor,
}

impl Layers {
    /// The parameters of `layout`, of which those are adapted and decayed that their layers say
    /// ([`ParameterUse::adapted`](crate::model::parameters::ParameterUse::adapted)).
    pub fn new(layout: &Layout, device: Device) -> Layers {
        let counts: Vec<i64> = layout.parameters.iter().map(|parameter| parameter.count()).collect();
        let adapted: Vec<bool> = layout.parameters.iter().map(|parameter| parameter.usage.adapted).collect();
        let pieces_of: Vec<i64> =
            counts.iter().map(|count| count.div_euclid(PIECE) + (count % PIECE).signum()).collect();
        let pieces: Vec<i64> = counts
            .iter()
            .zip(&pieces_of)
            .flat_map(|(&count, &pieces)| (0..pieces).map(move |piece| (count - piece * PIECE).min(PIECE)))
            .collect();
        let on_device = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        Layers {
            pieces: on_device(&pieces),
            pieces_of: on_device(&pieces_of),
            total: counts.iter().sum(),
            counts: on_device(&counts),
            adapted: Tensor::from_slice(&adapted).to_device(device),
        }
    }

    /// One factor for each value: `of_adapted` for values of adapted layers, 0 for others. `[parameters]` in `kind`.
    pub fn mask(&self, of_adapted: f64, kind: Kind) -> Tensor {
        self.spread(&(self.adapted.to_kind(kind) * of_adapted))
    }

    /// Scales the update of every adapted layer to a length of [`TRUST_COEFFICIENT`] times the length of its parameters.
    ///
    /// The factor is `0.001 * |parameters| / |update|`, or 1 where either length is 0 (You et al. 2017, arXiv 1708.03888,
    /// equation 6, in the form of DeepMind's BYOL: the update holds the weight decay already).
    ///
    /// # Shapes
    /// Both `[parameters]`, of one type; `update` is changed in place.
    pub fn adapt(&self, parameters: &Tensor, update: &mut Tensor) {
        let (parameter_norms, update_norms) = (self.norms(parameters), self.norms(update));
        let usable = self.adapted.logical_and(&parameter_norms.gt(0.0)).logical_and(&update_norms.gt(0.0));
        let ratio = parameter_norms / update_norms * TRUST_COEFFICIENT;
        let ratio = ratio.where_scalarother(&usable, 1.0).to_kind(update.kind());
        let _ = update.g_mul_(&self.spread(&ratio));
    }

    /// The Euclidean length of each layer's part of `values`, float64 `[layers]`.
    fn norms(&self, values: &Tensor) -> Tensor {
        let sum = |values: &Tensor, lengths: &Tensor| {
            Tensor::segment_reduce::<&Tensor, f64>(values, "sum", Some(lengths), None, None, 0, true, 0.0)
        };
        sum(&sum(&values.square(), &self.pieces).to_kind(Kind::Double), &self.pieces_of).sqrt()
    }

    /// One value per layer, repeated for each of its values.
    fn spread(&self, of_layers: &Tensor) -> Tensor {
        of_layers.repeat_interleave_self_tensor(&self.counts, 0, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::parameters::{Initial, LayoutBuilder, MemoryOrder, ParameterUse};

    fn usage(adapted: bool) -> ParameterUse {
        ParameterUse { initial: Initial::Constant(0.0), order: MemoryOrder::OfShape, adapted, narrow: true }
    }

    #[test]
    fn layers_are_scaled_by_hand() {
        // A matrix of norm 5 with an update of norm 10, a bias, and a matrix of zeros.
        let mut builder = LayoutBuilder::default();
        builder.parameter("weight", &[1, 2], usage(true));
        builder.parameter("bias", &[1], usage(false));
        builder.parameter("zeros", &[2, 1], usage(true));
        let layers = Layers::new(&builder.finish(), Device::Cpu);
        let parameters = Tensor::from_slice(&[3.0, 4.0, 7.0, 0.0, 0.0]);
        let mut update = Tensor::from_slice(&[6.0, 8.0, 2.0, 1.0, 1.0]);
        layers.adapt(&parameters, &mut update);
        let found = Vec::<f64>::try_from(&update).unwrap();
        for (found, expected) in found.iter().zip([3e-3, 4e-3, 2.0, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} and {expected}");
        }
        assert_eq!(Vec::<f64>::try_from(layers.mask(0.5, Kind::Double)).unwrap(), [0.5, 0.5, 0.0, 0.5, 0.5]);
    }

    #[test]
    fn norms_of_large_layers_are_exact() {
        let mut builder = LayoutBuilder::default();
        builder.parameter("weight", &[1000, 1003], usage(true));
        let layers = Layers::new(&builder.finish(), Device::Cpu);
        let values = Tensor::full([1_003_000], 0.1, (Kind::Float, Device::Cpu));
        let expected = f64::from(0.1f32) * 1_003_000f64.sqrt();
        let found = layers.norms(&values).double_value(&[0]);
        assert!((found / expected - 1.0).abs() < 1e-6, "{found} and {expected}");
    }
}
