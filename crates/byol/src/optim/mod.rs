//! Optimisers over flat parameters, and the schedules of learning rate and tau.

pub mod factors;
pub mod lars;
pub mod schedule;

use std::collections::BTreeMap;

use byol_torch::AdamStep;
use tch::{Kind, Tensor};

use crate::config::OptimizerKind;
use crate::model::Weights;
use lars::Layers;

/// Momentum of SGD and of LARS.
const MOMENTUM: f64 = 0.9;
/// Adam's decay rates of the first and second moment, and its epsilon: PyTorch's defaults, and the paper's
/// (Kingma and Ba 2014, arXiv 1412.6980, Algorithm 1).
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;

/// An optimiser with its state, as large as the parameters and on their device.
#[derive(Debug)]
pub enum Optimizer {
    /// `d = g + decay * p; m = 0.9 m + d; p -= rate * m` (PyTorch's SGD).
    Sgd {
        /// Share of the parameters that is added to the gradient, 0 or more.
        weight_decay: f64,
        /// Running sum of steps, `[parameters]`.
        momentum: Tensor,
    },
    /// SGD with Nesterov momentum: `p -= rate * (d + 0.9 m)` (PyTorch's `nesterov=True`).
    Nesterov {
        /// Share of the parameters that is added to the gradient, 0 or more.
        weight_decay: f64,
        /// Running sum of steps, `[parameters]`.
        momentum: Tensor,
    },
    /// Adam with PyTorch's coupled weight decay, `g + decay * p`.
    Adam {
        /// Share of the parameters that is added to the gradient, 0 or more.
        weight_decay: f64,
        /// Moving average of the gradient, `[parameters]`.
        first: Tensor,
        /// Moving average of its square, `[parameters]`.
        second: Tensor,
        /// Steps that were made.
        steps: i64,
    },
    /// Adam with decoupled weight decay: `p -= rate * decay * p` before a step of Adam without decay (PyTorch's AdamW).
    AdamW {
        /// Share of the parameters that is taken off them, times the learning rate; 0 or more.
        weight_decay: f64,
        /// Moving average of the gradient, `[parameters]`.
        first: Tensor,
        /// Moving average of its square, `[parameters]`.
        second: Tensor,
        /// Steps that were made.
        steps: i64,
    },
    /// `u = adapt(g + decay * p); m = 0.9 m + u; p -= rate * m` ([`Layers::adapt`]); `decay` is a factor for each
    /// parameter, 0 for those that are excluded, and absent where there is none.
    Lars {
        /// Which parameters are adapted, and where each lies.
        layers: Layers,
        /// Factor on each parameter, `[parameters]`.
        decay: Option<Tensor>,
        /// Running sum of adapted steps, `[parameters]`.
        momentum: Tensor,
    },
}

/// Optimiser state that does not fit.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint's optimiser state '{0}' is missing or does not fit the configured optimiser")]
pub struct StateError(String);

impl Optimizer {
    /// A fresh optimiser of `weights`, in float32 or float64.
    pub fn new(kind: OptimizerKind, weight_decay: f64, weights: &Weights) -> Optimizer {
        let zeros = || weights.flat().zeros_like();
        match kind {
            OptimizerKind::Sgd => Optimizer::Sgd { weight_decay, momentum: zeros() },
            OptimizerKind::Nesterov => Optimizer::Nesterov { weight_decay, momentum: zeros() },
            OptimizerKind::Adam => Optimizer::Adam { weight_decay, first: zeros(), second: zeros(), steps: 0 },
            OptimizerKind::Adamw => Optimizer::AdamW { weight_decay, first: zeros(), second: zeros(), steps: 0 },
            OptimizerKind::Lars => {
                let layers = Layers::new(weights.layout(), weights.device());
                let decay = (weight_decay != 0.0).then(|| layers.mask(weight_decay, weights.flat().kind()));
                Optimizer::Lars { layers, decay, momentum: zeros() }
            }
        }
    }

    /// Moves `parameters` in place along `gradient`, which is used up. Both `[parameters]`, of one type.
    pub fn step(&mut self, parameters: &mut Tensor, mut gradient: Tensor, learning_rate: f64) {
        let _guard = tch::no_grad_guard();
        // Made on the device: a copy to it would wait for everything before.
        let options = (parameters.kind(), parameters.device());
        let scalar = |value: f64| Tensor::full([] as [i64; 0], value, options);
        match self {
            Optimizer::Sgd { weight_decay, momentum } => {
                if *weight_decay != 0.0 {
                    let _ = gradient.addcmul_(parameters, &scalar(*weight_decay));
                }
                let _ = momentum.g_mul_scalar_(MOMENTUM).g_add_(&gradient);
                let _ = parameters.addcmul_(momentum, &scalar(-learning_rate));
            }
            Optimizer::Nesterov { weight_decay, momentum } => {
                if *weight_decay != 0.0 {
                    let _ = gradient.addcmul_(parameters, &scalar(*weight_decay));
                }
                let _ = momentum.g_mul_scalar_(MOMENTUM).g_add_(&gradient);
                let _ = gradient.addcmul_(momentum, &scalar(MOMENTUM));
                let _ = parameters.addcmul_(&gradient, &scalar(-learning_rate));
            }
            Optimizer::Adam { weight_decay, first, second, steps } => {
                let step = AdamStep { learning_rate, betas: BETAS, weight_decay: *weight_decay, epsilon: EPSILON };
                adam(parameters, &mut gradient, [first, second], steps, step);
            }
            Optimizer::AdamW { weight_decay, first, second, steps } => {
                if *weight_decay != 0.0 {
                    let _ = parameters.g_mul_(&scalar(1.0 - learning_rate * *weight_decay));
                }
                let step = AdamStep { learning_rate, betas: BETAS, weight_decay: 0.0, epsilon: EPSILON };
                adam(parameters, &mut gradient, [first, second], steps, step);
            }
            Optimizer::Lars { layers, decay, momentum } => {
                if let Some(decay) = decay {
                    let _ = gradient.addcmul_(parameters, decay);
                }
                layers.adapt(parameters, &mut gradient);
                let _ = momentum.g_mul_scalar_(MOMENTUM).g_add_(&gradient);
                let _ = parameters.addcmul_(momentum, &scalar(-learning_rate));
            }
        }
    }

    /// The state by name, for a checkpoint.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        match self {
            Optimizer::Sgd { momentum, .. }
            | Optimizer::Nesterov { momentum, .. }
            | Optimizer::Lars { momentum, .. } => [("momentum".to_owned(), momentum.copy())].into(),
            Optimizer::Adam { first, second, steps, .. } | Optimizer::AdamW { first, second, steps, .. } => [
                ("first".to_owned(), first.copy()),
                ("second".to_owned(), second.copy()),
                ("steps".to_owned(), Tensor::from_slice(&[*steps])),
            ]
            .into(),
        }
    }

    /// Takes over a state that [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// A tensor is missing or has another size.
    pub fn load(&mut self, state: &BTreeMap<String, Tensor>) -> Result<(), StateError> {
        let take = |name: &str, place: &mut Tensor| match state.get(name) {
            Some(tensor) if tensor.size() == place.size() => {
                place.copy_(tensor);
                Ok(())
            }
            _ => Err(StateError(name.to_owned())),
        };
        match self {
            Optimizer::Sgd { momentum, .. }
            | Optimizer::Nesterov { momentum, .. }
            | Optimizer::Lars { momentum, .. } => take("momentum", momentum),
            Optimizer::Adam { first, second, steps, .. } | Optimizer::AdamW { first, second, steps, .. } => {
                let mut count = Tensor::zeros([1], (Kind::Int64, tch::Device::Cpu));
                take("steps", &mut count)?;
                *steps = count.int64_value(&[0]);
                take("first", first)?;
                take("second", second)
            }
        }
    }
}

/// The next step of Adam.
fn adam(parameters: &mut Tensor, gradient: &mut Tensor, moments: [&mut Tensor; 2], steps: &mut i64, step: AdamStep) {
    *steps += 1;
    let mut number = Tensor::full([] as [i64; 0], *steps, (Kind::Float, parameters.device()));
    byol_torch::fused_adam(parameters, gradient, moments, &mut number, step);
}
