//! Filters of the size that random ones have, with the function of the network left as it is.
//!
//! Batch norm takes away the size of the filters before it, so a network does not change when they are scaled together with
//! the running statistics. How far a step of the optimiser turns them does change: by SGD with the inverse square of their
//! norm, by Adam with its inverse (van Laarhoven 2017, arXiv 1706.05350).

use std::fmt::Arguments;

use super::encoder::Encoder;
use super::layers::{BatchNorm, Convolution};
use super::parameters::{Initial, Layout, ModelError, Weights};
use super::walk::Operations;

/// Scales every filter of the encoder that batch norm follows to the norm that is expected of its random initialisation,
/// and the running mean and variance with it. Filters of zeros stay.
///
/// In evaluation mode the outputs are the same but for batch norm's epsilon, which is not scaled with the variance.
/// `weights` may be those of a network around the encoder; the rest of it stays.
///
/// # Errors
/// The encoder is not part of the network that the weights are of.
pub fn to_initial_norms(encoder: &Encoder, weights: &mut Weights) -> Result<(), ModelError> {
    let mut named = weights.named();
    for Normalized { convolution, norm } in normalized(encoder) {
        let [filters, mean, variance] = ["weight", "running_mean", "running_var"].map(|part| match part {
            "weight" => format!("{convolution}.{part}"),
            _ => format!("{norm}.{part}"),
        });
        let Some(expected) = expected_norm(weights.layout(), &filters) else { continue };
        let tensor = |name: &String| named.get(name).ok_or_else(|| ModelError::Missing { name: name.clone() });
        let norms = tensor(&filters)?.norm_scalaropt_dim(2.0, [1i64, 2, 3].as_slice(), false);
        let factors = (norms.reciprocal() * expected).where_scalarother(&norms.gt(0.0), 1.0);
        let factors = factors.to_kind(norms.kind());
        let scaled = [
            (tensor(&filters)? * factors.view([-1, 1, 1, 1]), filters.clone()),
            (tensor(&mean)? * &factors, mean.clone()),
            (tensor(&variance)? * factors.square(), variance.clone()),
        ];
        named.extend(scaled.map(|(tensor, name)| (name, tensor)));
    }
    weights.load(&named)
}

/// The norm of a filter of random weights: the root of its mean square. None where they are not drawn with mean 0 and a
/// deviation.
fn expected_norm(layout: &Layout, filters: &str) -> Option<f64> {
    let parameter = layout.parameters.iter().find(|parameter| parameter.name == filters)?;
    match parameter.usage.initial {
        Initial::Normal { deviation } => {
            let of_filter: i64 = parameter.shape.iter().skip(1).product();
            Some(f64::from(deviation) * (of_filter as f64).sqrt())
        }
        Initial::Constant(_) | Initial::Uniform { .. } => None,
    }
}

/// A convolution whose result one batch norm reads, and nothing else; both by their names in the layout.
struct Normalized {
    convolution: String,
    norm: String,
}

fn normalized(encoder: &Encoder) -> Vec<Normalized> {
    let mut pairs = Pairs::default();
    encoder.walk(&mut pairs, &None);
    pairs.found
}

/// Notes which norm reads which convolution's result; a value is the name of the convolution that it comes from.
#[derive(Default)]
struct Pairs {
    found: Vec<Normalized>,
}

impl Pairs {
    fn read(&mut self, norm: &BatchNorm, input: &Option<String>) {
        self.found.extend(
            input
                .iter()
                .map(|convolution| Normalized { convolution: convolution.clone(), norm: norm.name().to_owned() }),
        );
    }
}

impl Operations for Pairs {
    type Value = Option<String>;

    fn convolution(&mut self, layer: &Convolution, _: &Option<String>) -> Option<String> {
        Some(layer.name().to_owned())
    }

    fn norm(&mut self, layer: &BatchNorm, input: &Option<String>) -> Option<String> {
        self.read(layer, input);
        None
    }

    fn norm_relu(&mut self, layer: &BatchNorm, input: &Option<String>, _: Arguments) -> Option<String> {
        self.norm(layer, input)
    }

    fn norm_relu_pool(&mut self, layer: &BatchNorm, input: &Option<String>, _: [Arguments; 2]) -> Option<String> {
        self.norm(layer, input)
    }

    fn norm_add_relu(
        &mut self,
        layer: &BatchNorm,
        [input, _]: [&Option<String>; 2],
        _: [Arguments; 2],
    ) -> [Option<String>; 2] {
        self.read(layer, input);
        [None, None]
    }

    // What two read is not scaled for the sake of one.
    fn fork(&mut self, _: Option<String>) -> [Option<String>; 2] {
        [None, None]
    }

    fn average(&mut self, _: &Option<String>, _: Arguments) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;
    use crate::config::{EncoderKind, StemKind};
    use crate::device::Precision;
    use crate::model::layers::Pass;
    use crate::model::{EncoderConfig, Mode};
    use crate::ranks::Ranks;

    fn represent(encoder: &Encoder, weights: &Weights, mode: Mode, images: &Tensor) -> Tensor {
        let leaves = weights.leaves(Precision::Full);
        let pass = Pass { weights, leaves: &leaves, mode, precision: Precision::Full, views: 1, ranks: Ranks::alone() };
        tch::no_grad(|| encoder.represent(&pass, images))
    }

    /// Filters of 3 to 10 times their first norm, each of its own, with statistics of what they answer.
    fn grown(encoder: &Encoder, weights: &mut Weights, images: &Tensor) {
        let mut named = weights.named();
        for (name, tensor) in &mut named {
            if tensor.dim() == 4 {
                let factors = Tensor::rand([tensor.size()[0], 1, 1, 1], (Kind::Double, Device::Cpu)) * 7.0 + 3.0;
                *tensor = &*tensor * factors;
            } else if name.ends_with("bn2.weight") {
                *tensor = &*tensor * 0.5;
            }
        }
        weights.load(&named).unwrap();
        for _ in 0..60 {
            let _ = represent(encoder, weights, Mode::Train, images);
        }
    }

    #[test]
    fn filters_have_their_first_norm_and_the_network_is_the_same() {
        for kind in [EncoderKind::Resnet18, EncoderKind::Resnet50] {
            let (encoder, layout) = Encoder::alone(EncoderConfig::new(kind, StemKind::Imagenet, 0.125));
            let mut weights = Weights::initialize(&layout, 4, 0, Device::Cpu).to_kind(Kind::Double);
            tch::manual_seed(5);
            let images = Tensor::randn([8, 3, 64, 64], (Kind::Double, Device::Cpu));
            grown(&encoder, &mut weights, &images);
            let answers = |weights: &Weights| {
                [Mode::Evaluate, Mode::Train]
                    .map(|mode| represent(&encoder, &weights.to_kind(Kind::Double), mode, &images))
            };
            let before = answers(&weights);
            assert_eq!(normalized(&encoder).len(), layout.parameters.iter().filter(|p| p.shape.len() == 4).count());
            to_initial_norms(&encoder, &mut weights).unwrap();
            for (found, expected) in answers(&weights).iter().zip(&before) {
                let deviation =
                    (found - expected).abs().max().double_value(&[]) / expected.abs().max().double_value(&[]);
                // Epsilon over the variances of some fifty layers; statistics left as they were would be off by far more than all of it.
                assert!(deviation < 5e-2, "{kind:?}: the outputs deviate by {deviation}");
            }
            for parameter in layout.parameters.iter().filter(|parameter| parameter.shape.len() == 4) {
                let [outputs, inputs, side, _] = parameter.shape[..] else { panic!("{parameter:?}") };
                // The variance of an initial value is 2 / fan-out.
                let expected = (2.0 * inputs as f64 / outputs as f64).sqrt();
                let norms = parameter.of(weights.flat()).norm_scalaropt_dim(2.0, [1i64, 2, 3].as_slice(), false);
                let deviation = (norms / expected - 1.0).abs().max().double_value(&[]);
                assert!(deviation < 1e-6, "{} of side {side}: {deviation}", parameter.name);
            }
        }
    }

    /// One layer by hand: a filter of norm 5 that is to have another, its statistics, and a filter of zeros.
    #[test]
    fn statistics_follow_by_hand() {
        let (encoder, layout) =
            Encoder::alone(EncoderConfig::new(EncoderKind::Resnet10, StemKind::SmallStride2, 0.0625));
        let mut weights = Weights::initialize(&layout, 4, 0, Device::Cpu).to_kind(Kind::Double);
        let mut named = weights.named();
        let filters = Tensor::zeros([4, 3, 3, 3], (Kind::Double, Device::Cpu));
        filters.get(0).get(0).get(1).narrow(0, 0, 2).copy_(&Tensor::from_slice(&[3.0, 4.0]));
        named.insert("conv1.weight".to_owned(), filters);
        named.insert("bn1.running_mean".to_owned(), Tensor::from_slice(&[2.0, 2.0, 0.0, 0.0]));
        named.insert("bn1.running_var".to_owned(), Tensor::from_slice(&[9.0, 9.0, 1.0, 1.0]));
        weights.load(&named).unwrap();
        to_initial_norms(&encoder, &mut weights).unwrap();
        let named = weights.named();
        let value = |name: &str, at: i64| named[name].double_value(&[at]);
        let factor = (2.0f64 * 3.0 / 4.0).sqrt() / 5.0;
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-7, "{found} and {expected}");
        close(named["conv1.weight"].double_value(&[0, 0, 1, 1]), 4.0 * factor);
        close(value("bn1.running_mean", 0), 2.0 * factor);
        close(value("bn1.running_var", 0), 9.0 * factor * factor);
        assert_eq!((value("bn1.running_mean", 1), value("bn1.running_var", 1)), (2.0, 9.0));
        assert_eq!(value("bn1.weight", 0), 1.0);
    }
}
