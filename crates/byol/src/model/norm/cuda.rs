//! Fused batch norm on a GPU, for float32 and bfloat16, by the kernels of `byol-cuda`.

use std::sync::Arc;

use byol_cuda::norm::{Element, Figures, GradientFigures, OutputGradient, Parameters, Rows, Size};
use byol_cuda::{Address, CudaError, Kernels};
use tch::{Device, Kind, Tensor};

use super::{Activation, BatchNormCall, EPSILON, MOMENTUM, empty_like, from_rows, rows_of};
use crate::model::Mode;

/// The kernels, where they compute what `input` asks for.
pub(super) fn serves(input: &Tensor) -> Option<Arc<Kernels>> {
    match (input.device(), input.kind()) {
        (Device::Cuda(index), Kind::Float | Kind::BFloat16) => Kernels::load(index).ok(),
        _ => None,
    }
}

fn address(tensor: &Tensor) -> Address {
    tensor.data_ptr() as Address
}

/// # Panics
/// The driver refused: as libtorch's own operations do.
fn require(launched: Result<(), CudaError>) {
    if let Err(error) = launched {
        panic!("a kernel of byol was not launched: {error}");
    }
}

fn rows_in(x: &Tensor, channels: i64, call: &BatchNormCall) -> Rows {
    let groups = if call.mode == Mode::Train { call.groups } else { 1 };
    let element = if x.kind() == Kind::Float { Element::F32 } else { Element::Bf16 };
    let per_group = x.numel() / channels as usize / groups;
    Rows { element, channels: channels as usize, groups, per_group }
}

/// Figures in the device's memory, float32 `[4, groups, channels]`: mean, 1 / deviation, scale, shift.
struct FigureTensor(Tensor);

impl FigureTensor {
    /// The batch's own in training, of which the running ones take their share; else the running ones.
    fn of(kernels: &Kernels, x: &Tensor, rows: Rows, call: &BatchNormCall) -> FigureTensor {
        let options = (Kind::Float, x.device());
        match call.mode {
            Mode::Train => {
                let figures = FigureTensor(Tensor::empty([4, rows.groups as i64, rows.channels as i64], options));
                let scratch = scratch(kernels, rows, x.device());
                let parameters = Parameters {
                    weight: address(call.weight),
                    bias: address(call.bias),
                    running_mean: address(call.mean),
                    running_variance: address(call.variance),
                    momentum: MOMENTUM as f32,
                    epsilon: EPSILON as f32,
                };
                // SAFETY: the tensors are contiguous, on this device, of the sizes that `rows` names, and outlive the
                // launch; libtorch's allocator keeps freed memory from others until the stream has passed this point.
                require(unsafe {
                    rows.statistics(kernels, address(x), parameters, address(&scratch), figures.addresses())
                });
                figures
            }
            Mode::Evaluate => {
                let inverse = (call.variance + EPSILON).rsqrt();
                let scale = call.weight * &inverse;
                let shift = call.bias - call.mean * &scale;
                FigureTensor(Tensor::stack(&[call.mean, &inverse, &scale, &shift], 0))
            }
        }
    }

    fn addresses(&self) -> Figures {
        let start = address(&self.0);
        let step = (self.0.numel() / 4 * size_of::<f32>()) as Address;
        Figures { mean: start, inverse: start + step, scale: start + 2 * step, shift: start + 3 * step }
    }
}

fn scratch(kernels: &Kernels, rows: Rows, device: Device) -> Tensor {
    Tensor::empty([rows.scratch(kernels) as i64], (Kind::Float, device))
}

/// Gradients of weight and bias, float32 `[2, channels]`, and the figures of the input's, `[2, groups, channels]`.
struct GradientTensors {
    parameters: Tensor,
    figures: Tensor,
}

impl GradientTensors {
    fn new(rows: Rows, device: Device) -> GradientTensors {
        let empty = |shape: &[i64]| Tensor::empty(shape, (Kind::Float, device));
        let (groups, channels) = (rows.groups as i64, rows.channels as i64);
        GradientTensors { parameters: empty(&[2, channels]), figures: empty(&[2, groups, channels]) }
    }

    fn addresses(&self) -> GradientFigures {
        let [parameters, figures] = [&self.parameters, &self.figures].map(|tensor| {
            let start = address(tensor);
            [start, start + (tensor.numel() / 2 * size_of::<f32>()) as Address]
        });
        GradientFigures { weight: parameters[0], bias: parameters[1], slope: figures[0], offset: figures[1] }
    }

    /// Gradients of weight and bias.
    fn of_parameters(&self) -> [Option<Tensor>; 2] {
        [0, 1].map(|row| Some(self.parameters.select(0, row)))
    }
}

/// See [`super::batch_norm`].
pub(super) fn batch_norm(
    kernels: Arc<Kernels>,
    input: &Tensor,
    residual: Option<&Tensor>,
    activation: Activation,
    call: &BatchNormCall,
) -> Tensor {
    let Forward { y, saved } = forward(kernels, input, residual, activation, call);
    let mut inputs = vec![input, call.weight, call.bias];
    inputs.extend(residual);
    match wants_gradient(&inputs, call) {
        true => byol_torch::with_gradient(from_rows(y), &inputs, move |gradient| saved.gradients(&gradient, None)),
        false => from_rows(y),
    }
}

/// See [`super::batch_norm_add_relu_forked`].
pub(super) fn batch_norm_add_relu_forked(
    kernels: Arc<Kernels>,
    input: &Tensor,
    residual: &Tensor,
    call: &BatchNormCall,
) -> [Tensor; 2] {
    let Forward { y, saved } = forward(kernels, input, Some(residual), Activation::Relu, call);
    let outputs = [from_rows(y.shallow_clone()), from_rows(y)];
    let inputs = [input, call.weight, call.bias, residual];
    if !wants_gradient(&inputs, call) {
        return outputs;
    }
    byol_torch::with_gradients(outputs, &inputs, move |gradients| {
        let mut given = gradients.iter().flatten();
        let first = given.next().expect("one of the gradients is not zero");
        saved.gradients(first, given.next())
    })
}

fn wants_gradient(inputs: &[&Tensor], call: &BatchNormCall) -> bool {
    let wanted = byol_torch::needs_gradient(inputs);
    debug_assert!(!wanted || call.mode == Mode::Train, "no gradient is wanted in evaluation mode");
    wanted
}

/// What a forward pass leaves.
struct Forward {
    /// The output, as rows.
    y: Tensor,
    saved: Saved,
}

/// What the gradients are computed from.
struct Saved {
    kernels: Arc<Kernels>,
    x: Tensor,
    rows: Rows,
    figures: FigureTensor,
    has_residual: bool,
    end: End,
}

/// What follows the norm, and a residual's addition.
enum End {
    Nothing,
    Relu,
    /// With the output, which says what was cut.
    AddRelu(Tensor),
}

fn forward(
    kernels: Arc<Kernels>,
    input: &Tensor,
    residual: Option<&Tensor>,
    activation: Activation,
    call: &BatchNormCall,
) -> Forward {
    let relu = activation == Activation::Relu;
    let (x, added) = tch::no_grad(|| (rows_of(&input.detach()), residual.map(|tensor| rows_of(&tensor.detach()))));
    let rows = rows_in(&x, input.size()[1], call);
    let figures = tch::no_grad(|| FigureTensor::of(&kernels, &x, rows, call));
    let y = empty_like(&x);
    let Figures { scale, shift, .. } = figures.addresses();
    // SAFETY: the tensors are contiguous, on this device, and of the sizes that `rows` names.
    require(unsafe { rows.apply(&kernels, address(&x), or_none(&added), [scale, shift], relu, address(&y)) });
    let end = match (activation, &added) {
        (Activation::None, _) => End::Nothing,
        (Activation::Relu, None) => End::Relu,
        (Activation::Relu, Some(_)) => End::AddRelu(y.shallow_clone()),
    };
    Forward { y, saved: Saved { kernels, x, rows, figures, has_residual: added.is_some(), end } }
}

fn or_none(tensor: &Option<Tensor>) -> Address {
    tensor.as_ref().map_or(0, address)
}

impl Saved {
    /// The gradients of input, weight, bias and residual, if there is one, from that of the output; where the end is the ReLU
    /// of a sum, from the sum of it and a second. The batch norm was one of training.
    fn gradients(&self, gradient: &Tensor, second: Option<&Tensor>) -> Vec<Option<Tensor>> {
        let Saved { kernels, x, rows, figures, .. } = self;
        let (gradient, second) = (rows_of(gradient), second.map(rows_of));
        // What the residual gets.
        let left = match self.end {
            End::AddRelu(_) => empty_like(x),
            End::Nothing | End::Relu => gradient.shallow_clone(),
        };
        let output = match &self.end {
            End::Nothing => OutputGradient::Whole(address(&gradient)),
            End::Relu => OutputGradient::Relu(address(&gradient)),
            End::AddRelu(y) => OutputGradient::AddRelu {
                gradient: address(&gradient),
                second: or_none(&second),
                output: address(y),
                masked: address(&left),
            },
        };
        let results = GradientTensors::new(*rows, x.device());
        let scratch = scratch(kernels, *rows, x.device());
        let (figures, found) = (figures.addresses(), results.addresses());
        // SAFETY: the tensors are contiguous, on this device, and of the sizes that `rows` names.
        require(unsafe { rows.gradient_figures(kernels, address(x), output, figures, address(&scratch), found) });
        let dx = empty_like(x);
        let (relu, both) = (matches!(self.end, End::Relu), [address(x), address(&left)]);
        // SAFETY: as above.
        require(unsafe { rows.input_gradient(kernels, both, relu, figures, found, address(&dx)) });
        let [weight, bias] = results.of_parameters();
        let mut gradients = vec![Some(from_rows(dx)), weight, bias];
        if self.has_residual {
            gradients.push(Some(from_rows(left)));
        }
        gradients
    }
}

/// See [`super::batch_norm_relu_pool`].
pub(super) fn batch_norm_relu_pool(kernels: Arc<Kernels>, input: &Tensor, call: &BatchNormCall) -> Tensor {
    let x = tch::no_grad(|| rows_of(&input.detach()));
    let (batch, channels, height, width) = input.size4().expect("images have four dimensions");
    let size = Size { height: height as usize, width: width as usize };
    let rows = rows_in(&x, channels, call);
    let figures = tch::no_grad(|| FigureTensor::of(&kernels, &x, rows, call));
    let pooled = size.pooled();
    let shape = [batch, pooled.height as i64, pooled.width as i64, channels];
    let y = Tensor::empty(shape, (x.kind(), x.device()));
    let positions = Tensor::empty(shape, (Kind::Uint8, x.device()));
    let inputs = [input, call.weight, call.bias];
    let wanted = wants_gradient(&inputs, call);
    // The inputs that the outputs are of.
    let maxima = wanted.then(|| y.empty_like());
    let Figures { scale, shift, .. } = figures.addresses();
    let written = [address(&y), or_none(&maxima), address(&positions)];
    // SAFETY: the tensors are contiguous, on this device, and of the sizes that `rows` and `size` name.
    require(unsafe { rows.pool(&kernels, size, address(&x), [scale, shift], written) });
    if !wanted {
        return from_rows(y);
    }
    byol_torch::with_gradient(from_rows(y), &inputs, move |gradient| {
        let gradient = rows_of(&gradient);
        let results = GradientTensors::new(rows, x.device());
        let scratch = scratch(&kernels, rows, x.device());
        let (figures, found) = (figures.addresses(), results.addresses());
        let dx = empty_like(&x);
        let read = [or_none(&maxima), address(&gradient)];
        // SAFETY: as above.
        require(unsafe { rows.pool_gradient_figures(&kernels, size, read, figures, address(&scratch), found) });
        let read = [address(&x), address(&gradient), address(&positions)];
        // SAFETY: as above.
        require(unsafe { rows.pool_input_gradient(&kernels, size, read, figures, found, address(&dx)) });
        let [weight, bias] = results.of_parameters();
        vec![Some(from_rows(dx)), weight, bias]
    })
}
