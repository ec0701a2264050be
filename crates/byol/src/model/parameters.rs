//! Flat storage of a network's parameters and buffers, their names and shapes, and their initial values.
//!
//! What layers compute does not live here.

mod apart;

pub(crate) use apart::Apart;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use crate::device::Precision;
use crate::random::{self, Coordinates, Stream};

/// What a layer says of one of its parameters. Initialisation, optimisers and precision ask here, and know no layers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterUse {
    /// How its values begin.
    pub initial: Initial,
    /// How its values lie in memory.
    pub order: MemoryOrder,
    /// Whether LARS adapts and decays it: not so for biases and the parameters of norms (paper, section 3.3).
    pub adapted: bool,
    /// Whether a bfloat16 pass reads it in bfloat16, and not in float32.
    pub narrow: bool,
}

/// How a parameter's values are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initial {
    /// All values are this one.
    Constant(f32),
    /// With mean 0.
    Normal {
        /// Standard deviation, 0 or more.
        deviation: f32,
    },
    /// Between `-bound` and `bound`.
    Uniform {
        /// Largest magnitude, 0 or more.
        bound: f32,
    },
}

/// How a parameter's values lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryOrder {
    /// In the order of its shape.
    OfShape,
    /// `[outputs, inputs, height, width]` as `[outputs, height, width, inputs]`, as the convolution of channels-last images
    /// wants them.
    ChannelsLast,
}

/// One parameter: its name in torchvision's manner, its shape, and where it begins in the flat tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name: `layer1.0.conv1.weight`.
    pub name: String,
    /// Its shape as PyTorch has it.
    pub shape: Vec<i64>,
    /// What its layer says of it.
    pub usage: ParameterUse,
    /// Its first value in the flat tensor.
    pub offset: i64,
}

impl Parameter {
    /// Number of values.
    pub fn count(&self) -> i64 {
        self.shape.iter().product()
    }

    /// This parameter's part of a flat tensor, in its shape.
    pub fn of(&self, flat: &Tensor) -> Tensor {
        let part = flat.narrow(0, self.offset, self.count());
        match (self.usage.order, self.shape.as_slice()) {
            (MemoryOrder::ChannelsLast, &[outputs, inputs, height, width]) => {
                part.view([outputs, height, width, inputs]).permute([0, 3, 1, 2])
            }
            (_, shape) => part.view(shape),
        }
    }

    /// The values of a tensor of this parameter's shape in the order that they have in a flat tensor, `[count]`.
    pub fn flatten(&self, tensor: &Tensor) -> Tensor {
        match self.usage.order {
            MemoryOrder::ChannelsLast => tensor.permute([0, 2, 3, 1]).contiguous().view(-1),
            MemoryOrder::OfShape => tensor.contiguous().view(-1),
        }
    }
}

/// What a batch-norm statistic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The running mean of a channel; it begins as 0.
    Mean,
    /// The running variance of a channel; it begins as 1.
    Variance,
}

/// One batch-norm statistic, `[size]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Its name: `bn1.running_mean`.
    pub name: String,
    /// Channels.
    pub size: i64,
    /// Which statistic it is.
    pub statistic: Statistic,
    /// Its first value in the flat tensor of statistics.
    pub offset: i64,
}

/// The names, shapes and places of all parameters and buffers of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// The parameters, in the order in which they lie.
    pub parameters: Vec<Parameter>,
    /// The batch-norm statistics, in the order in which they lie.
    pub buffers: Vec<Buffer>,
}

impl Layout {
    /// Number of values of all parameters.
    pub fn parameter_count(&self) -> i64 {
        self.parameters.last().map_or(0, |last| last.offset + last.count())
    }

    fn buffer_count(&self) -> i64 {
        self.buffers.last().map_or(0, |last| last.offset + last.size)
    }

    /// The layout of the parameters and buffers whose names begin with one of `prefixes`.
    ///
    /// They must come first: the target network is the beginning of the online network.
    pub(super) fn leading(&self, prefixes: &[&str]) -> Layout {
        let belongs = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let leading = Layout {
            parameters: self.parameters.iter().take_while(|p| belongs(&p.name)).cloned().collect(),
            buffers: self.buffers.iter().take_while(|b| belongs(&b.name)).cloned().collect(),
        };
        debug_assert_eq!(leading.parameters.len(), self.parameters.iter().filter(|p| belongs(&p.name)).count());
        leading
    }
}

/// Collects parameters and buffers while a network's structure is built.
#[derive(Debug, Default)]
pub struct LayoutBuilder {
    layout: Layout,
    prefix: Vec<String>,
}

/// Where a parameter stands in its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterId(pub(super) usize);

/// Where a buffer stands in its layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferId(pub(super) usize);

impl LayoutBuilder {
    /// Runs `build` with `name.` in front of every name it adds.
    pub fn scope<T>(&mut self, name: &str, build: impl FnOnce(&mut LayoutBuilder) -> T) -> T {
        self.prefix.push(name.to_owned());
        let built = build(self);
        self.prefix.pop();
        built
    }

    /// What stands before the names that are added now, without the full stop.
    pub(super) fn prefix(&self) -> String {
        self.prefix.join(".")
    }

    fn full_name(&self, name: &str) -> String {
        self.prefix.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }

    pub(crate) fn parameter(&mut self, name: &str, shape: &[i64], usage: ParameterUse) -> ParameterId {
        let offset = self.layout.parameter_count();
        self.layout.parameters.push(Parameter { name: self.full_name(name), shape: shape.to_vec(), usage, offset });
        ParameterId(self.layout.parameters.len() - 1)
    }

    pub(super) fn buffer(&mut self, name: &str, size: i64, statistic: Statistic) -> BufferId {
        let offset = self.layout.buffer_count();
        self.layout.buffers.push(Buffer { name: self.full_name(name), size, statistic, offset });
        BufferId(self.layout.buffers.len() - 1)
    }

    /// The layout of everything that was added.
    pub fn finish(self) -> Arc<Layout> {
        Arc::new(self.layout)
    }
}

/// Weights that do not fit the network they are meant for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A tensor is missing that the network needs.
    #[error("'{name}' is missing from the weights: they belong to another architecture than the configuration names")]
    Missing {
        /// The name that the network has for it.
        name: String,
    },
    /// A tensor has another shape than the network's.
    #[error(
        "'{name}' has shape {found:?} in the weights where the configured network has {expected:?}: they belong to \
         another architecture"
    )]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<i64>,
        /// The shape that the network has.
        expected: Vec<i64>,
    },
    /// A tensor is there that the network does not have.
    #[error("'{name}' in the weights is not part of the configured network: they belong to another architecture")]
    Unexpected {
        /// Its name.
        name: String,
    },
}

/// The numbers of a network.
///
/// # Shapes
/// `flat` holds every parameter one after the other, in the order of the layout, float32 (float64 in tests); see
/// [`Parameter::of`]. Buffers likewise.
#[derive(Debug)]
pub struct Weights {
    layout: Arc<Layout>,
    flat: Tensor,
    buffers: Tensor,
    buffer_views: Vec<Tensor>,
    /// How often the parameters may have been changed: leaves that are copies see by it that they are old.
    changes: u64,
}

impl Weights {
    /// Fresh weights, drawn as each layer says ([`ParameterUse::initial`]). `network` tells networks of one seed apart.
    pub fn initialize(layout: &Arc<Layout>, seed: u64, network: u64, device: Device) -> Weights {
        let mut values = vec![0f32; layout.parameter_count() as usize];
        for (index, parameter) in layout.parameters.iter().enumerate() {
            let at = Coordinates { epoch: network, index: index as u64, view: 0 };
            let mut rng = random::rng(seed, Stream::Weights, at);
            let begin = parameter.offset as usize;
            let slice = &mut values[begin..begin + parameter.count() as usize];
            match parameter.usage.initial {
                Initial::Constant(value) => slice.fill(value),
                Initial::Normal { deviation } => slice.iter_mut().for_each(|value| {
                    let normal: f32 = StandardNormal.sample(&mut rng);
                    *value = deviation * normal;
                }),
                Initial::Uniform { bound } => {
                    slice.iter_mut().for_each(|value| *value = rng.random_range(-bound..bound));
                }
            }
        }
        let buffers: Vec<f32> = layout
            .buffers
            .iter()
            .flat_map(|buffer| {
                let initial = match buffer.statistic {
                    Statistic::Mean => 0.0,
                    Statistic::Variance => 1.0,
                };
                std::iter::repeat_n(initial, buffer.size as usize)
            })
            .collect();
        let values = Tensor::from_slice(&values);
        // Numbers are drawn in the order of a parameter's shape, whatever its order in memory.
        let flattened: Vec<Tensor> = layout
            .parameters
            .iter()
            .map(|parameter| {
                let part = values.narrow(0, parameter.offset, parameter.count());
                parameter.flatten(&part.view(parameter.shape.as_slice()))
            })
            .collect();
        let flat = Tensor::cat(&flattened, 0).to_device(device);
        Weights::assemble(layout, flat, Tensor::from_slice(&buffers).to_device(device))
    }

    /// Given weights.
    ///
    /// # Errors
    /// As [`Weights::load`].
    pub fn of(layout: &Arc<Layout>, named: &BTreeMap<String, Tensor>, device: Device) -> Result<Weights, ModelError> {
        let zeros = |count| Tensor::zeros([count], (Kind::Float, device));
        let mut weights = Weights::assemble(layout, zeros(layout.parameter_count()), zeros(layout.buffer_count()));
        weights.load(named)?;
        Ok(weights)
    }

    fn assemble(layout: &Arc<Layout>, flat: Tensor, buffers: Tensor) -> Weights {
        let buffer_views = layout.buffers.iter().map(|buffer| buffers.narrow(0, buffer.offset, buffer.size)).collect();
        Weights { layout: Arc::clone(layout), flat, buffers, buffer_views, changes: 0 }
    }

    /// A copy of the beginning of these weights, as far as `layout` goes.
    pub(super) fn leading(&self, layout: &Arc<Layout>) -> Weights {
        Weights::assemble(
            layout,
            self.flat.narrow(0, 0, layout.parameter_count()).copy(),
            self.buffers.narrow(0, 0, layout.buffer_count()).copy(),
        )
    }

    /// The same weights in another type; float64 is for tests.
    pub fn to_kind(&self, kind: Kind) -> Weights {
        Weights::assemble(&self.layout, self.flat.to_kind(kind).copy(), self.buffers.to_kind(kind).copy())
    }

    /// A copy in the same type.
    pub(crate) fn copy(&self) -> Weights {
        self.to_kind(self.flat.kind())
    }

    /// Moves all numbers, running statistics included, a share of the way to those of `other`, which is of the same network.
    pub(crate) fn approach(&mut self, other: &Weights, share: f64) {
        self.changes += 1;
        tch::no_grad(|| {
            let _ = self.flat.lerp_(&other.flat, share);
            let _ = self.buffers.lerp_(&other.buffers, share);
        });
    }

    /// Names, shapes and places of the numbers.
    pub fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Every parameter, one after the other.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Every parameter, to be changed in place by an optimiser or a moving average.
    pub fn flat_mut(&mut self) -> &mut Tensor {
        self.changes += 1;
        &mut self.flat
    }

    /// Every batch-norm statistic, one after the other.
    pub fn buffers(&self) -> &Tensor {
        &self.buffers
    }

    /// Where the numbers lie.
    pub fn device(&self) -> Device {
        self.flat.device()
    }

    /// Copies of all parameters and buffers by name.
    pub fn named(&self) -> BTreeMap<String, Tensor> {
        let copy = |parameter: &Parameter| {
            let values = parameter.of(&self.flat);
            let mut copy = Tensor::empty(parameter.shape.as_slice(), (values.kind(), values.device()));
            copy.copy_(&values);
            copy
        };
        let parameters = self.layout.parameters.iter().map(|parameter| (parameter.name.clone(), copy(parameter)));
        let buffers =
            self.layout.buffers.iter().zip(&self.buffer_views).map(|(buffer, view)| (buffer.name.clone(), view.copy()));
        parameters.chain(buffers).collect()
    }

    /// Overwrites all parameters and buffers.
    ///
    /// # Errors
    /// A name is missing, has another shape, or is not part of this network. Nothing is changed then.
    pub fn load(&mut self, named: &BTreeMap<String, Tensor>) -> Result<(), ModelError> {
        let parameters = self.layout.parameters.iter().map(|p| (&p.name, p.shape.clone()));
        let buffers = self.layout.buffers.iter().map(|b| (&b.name, vec![b.size]));
        let expected: BTreeMap<&String, Vec<i64>> = parameters.chain(buffers).collect();
        for (name, shape) in &expected {
            let found = named.get(*name).ok_or_else(|| ModelError::Missing { name: (*name).clone() })?;
            if found.size() != *shape {
                return Err(ModelError::Shape { name: (*name).clone(), found: found.size(), expected: shape.clone() });
            }
        }
        // PyTorch counts batches in every batch norm; with a fixed momentum nothing depends on it.
        let known = |name: &String| expected.contains_key(name) || name.ends_with(".num_batches_tracked");
        if let Some(name) = named.keys().find(|name| !known(name)) {
            return Err(ModelError::Unexpected { name: name.clone() });
        }
        self.changes += 1;
        tch::no_grad(|| {
            for parameter in &self.layout.parameters {
                parameter.of(&self.flat).copy_(&named[&parameter.name]);
            }
            for (buffer, view) in self.layout.buffers.iter().zip(&mut self.buffer_views) {
                view.copy_(&named[&buffer.name]);
            }
        });
        Ok(())
    }

    /// The tensors that a forward pass reads, in the precision it computes in.
    pub fn leaves(&self, precision: Precision) -> Leaves {
        let narrow = match precision {
            Precision::Full => None,
            Precision::Bf16 => Some(self.flat.to_kind(Kind::BFloat16)),
        };
        let tensors = self.layout.parameters.iter().map(|parameter| {
            let from = narrow.as_ref().filter(|_| parameter.usage.narrow).unwrap_or(&self.flat);
            parameter.of(from).detach().set_requires_grad(true)
        });
        Leaves {
            tensors: tensors.collect(),
            layout: Arc::clone(&self.layout),
            narrow,
            changes: Cell::new(self.changes),
        }
    }

    pub(super) fn buffer(&self, id: BufferId) -> &Tensor {
        &self.buffer_views[id.0]
    }

    /// Copies the current weights into leaves that do not share their storage and were made or refreshed before the last
    /// change. A pass does this by itself; who calls it chooses the moment.
    pub fn refresh(&self, leaves: &mut Leaves) {
        self.renew(leaves);
    }

    pub(super) fn renew(&self, leaves: &Leaves) {
        if leaves.changes.get() == self.changes {
            return;
        }
        if let Some(narrow) = &leaves.narrow {
            tch::no_grad(|| narrow.shallow_clone().copy_(&self.flat));
        }
        leaves.changes.set(self.changes);
    }
}

/// A network's parameters as autograd sees them: one leaf for each, sharing the flat storage.
#[derive(Debug)]
pub struct Leaves {
    tensors: Vec<Tensor>,
    layout: Arc<Layout>,
    /// The flat bfloat16 copy that most leaves are views of; absent in full precision.
    narrow: Option<Tensor>,
    /// [`Weights::changes`] when the copy was made.
    changes: Cell<u64>,
}

impl Leaves {
    pub(super) fn get(&self, id: ParameterId) -> &Tensor {
        &self.tensors[id.0]
    }

    /// The gradient of a scalar loss, one after the other in the order of the layout, in `kind`.
    ///
    /// # Shapes
    /// `[parameters]`, on the device of the leaves.
    pub fn gradient(&self, loss: &Tensor, kind: Kind) -> Tensor {
        let gradients = Tensor::run_backward(&[loss], &self.tensors, false, false);
        let flat = Tensor::empty([self.layout.parameter_count()], (kind, loss.device()));
        let places: Vec<Tensor> = self.layout.parameters.iter().map(|parameter| parameter.of(&flat)).collect();
        byol_torch::copy_all(&places, &gradients);
        flat
    }
}
