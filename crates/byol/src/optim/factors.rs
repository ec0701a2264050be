//! Learning rates of single parameters, as factors on the optimiser's rate.

use tch::Tensor;

use super::Optimizer;
use crate::model::Weights;
use crate::model::parameters::Parameter;

/// Factors on the learning rate. Where all are 1, a step is the optimiser's own.
#[derive(Debug, Default)]
pub struct RateFactors(Option<Tensor>);

impl RateFactors {
    /// A factor for each parameter of `weights`, 0 or more.
    pub fn new(weights: &Weights, factor: impl Fn(&Parameter) -> f64) -> RateFactors {
        let parameters = &weights.layout().parameters;
        let factors: Vec<f64> = parameters.iter().map(factor).collect();
        if factors.iter().all(|&factor| factor == 1.0) {
            return RateFactors(None);
        }
        let values = parameters.iter().zip(&factors);
        let values: Vec<f64> =
            values.flat_map(|(parameter, &factor)| std::iter::repeat_n(factor, parameter.count() as usize)).collect();
        RateFactors(Some(Tensor::from_slice(&values).to_kind(weights.flat().kind()).to_device(weights.device())))
    }

    /// A step of `optimizer` ([`Optimizer::step`]), of which each parameter goes its factor's share. In every optimiser here a
    /// step is proportional to its rate, so that this is a step with another rate.
    pub fn step(&self, optimizer: &mut Optimizer, parameters: &mut Tensor, gradient: Tensor, learning_rate: f64) {
        let Some(factors) = &self.0 else { return optimizer.step(parameters, gradient, learning_rate) };
        let before = tch::no_grad(|| parameters.copy());
        optimizer.step(parameters, gradient, learning_rate);
        tch::no_grad(|| parameters.copy_(&before.lerp_tensor(parameters, factors)));
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::config::OptimizerKind;
    use crate::model::parameters::{Initial, Layout, LayoutBuilder, MemoryOrder, ParameterUse};

    /// Two matrices.
    fn layout() -> std::sync::Arc<Layout> {
        let usage = ParameterUse {
            initial: Initial::Normal { deviation: 1.0 },
            order: MemoryOrder::OfShape,
            adapted: true,
            narrow: true,
        };
        let mut builder = LayoutBuilder::default();
        builder.parameter("first", &[2, 3], usage);
        builder.parameter("second", &[4, 2], usage);
        builder.finish()
    }

    fn weights() -> Weights {
        Weights::initialize(&layout(), 7, 0, Device::Cpu).to_kind(Kind::Double)
    }

    /// The weights after three steps, by the factor of each parameter and the learning rate.
    fn trained(kind: OptimizerKind, factors: [f64; 2], learning_rate: f64) -> Tensor {
        let mut weights = weights();
        let factors = RateFactors::new(&weights, |parameter| factors[usize::from(parameter.name == "second")]);
        let mut optimizer = Optimizer::new(kind, 0.1, &weights);
        for step in 1..=3 {
            let gradient = Tensor::linspace(-1.0, f64::from(step), 14, (Kind::Double, Device::Cpu));
            factors.step(&mut optimizer, weights.flat_mut(), gradient, learning_rate);
        }
        weights.flat().copy()
    }

    #[test]
    fn a_factor_is_another_learning_rate() {
        use OptimizerKind::{Adam, Adamw, Lars, Nesterov, Sgd};
        for kind in [Adam, Adamw, Sgd, Nesterov, Lars] {
            let found = trained(kind, [1.0, 0.25], 0.01);
            let (whole, quarter) = (trained(kind, [1.0, 1.0], 0.01), trained(kind, [1.0, 1.0], 0.0025));
            let expected = Tensor::cat(&[whole.narrow(0, 0, 6), quarter.narrow(0, 6, 8)], 0);
            let deviation = (&found - &expected).abs().max().double_value(&[]);
            assert!(deviation < 1e-12, "{kind:?}: {deviation}");
            assert!((&found - &whole).abs().max().double_value(&[]) > 1e-6, "{kind:?}");
            let larger = trained(kind, [1.0, 4.0], 0.0025);
            assert!((larger.narrow(0, 6, 8) - whole.narrow(0, 6, 8)).abs().max().double_value(&[]) < 1e-12, "{kind:?}");
        }
    }

    #[test]
    fn factors_of_one_are_none_and_of_nought_keep_a_parameter() {
        assert!(RateFactors::new(&weights(), |_| 1.0).0.is_none());
        let found = trained(OptimizerKind::Sgd, [0.0, 1.0], 0.1);
        assert_eq!(found.narrow(0, 0, 6), weights().flat().narrow(0, 0, 6));
    }
}
