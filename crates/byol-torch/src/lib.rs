//! What `byol` needs of libtorch and `tch` does not give: operations whose gradient is written in Rust
//! ([`with_gradient`], [`with_gradients`]), some operations ([`convolution_backward`], [`copy_all`], [`fused_adam`],
//! [`send`], the convolutions in [`fused`]), libtorch's own threads ([`parallel`], [`set_own_threads`], [`dismiss_own_threads`]),
//! groups of processes that compute together ([`group`]), and what it says about itself ([`about`]). A small C++ shim does the
//! rest.
//!
//! Nothing numerical lives here.

#![warn(missing_docs)]

pub mod about;
pub mod fused;
pub mod group;

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use tch::{Device, Kind, Tensor};

/// A C++ `at::Tensor`, which a `tch::Tensor` points to.
type CTensor = c_void;

type Backward = unsafe extern "C" fn(*mut c_void, *const *const CTensor, *mut *mut CTensor) -> bool;

unsafe extern "C" {
    fn byol_needs_gradient(inputs: *const *const CTensor, count: usize) -> bool;
    fn byol_attach_gradient(
        outputs: *const *const CTensor,
        output_count: usize,
        inputs: *const *const CTensor,
        count: usize,
        context: *mut c_void,
        backward: Backward,
        release: unsafe extern "C" fn(*mut c_void),
    ) -> *mut c_char;
    fn byol_copy_all(targets: *const *const CTensor, sources: *const *const CTensor, count: usize) -> *mut c_char;
    fn byol_page_locked(count: i64, result: *mut *mut CTensor) -> *mut c_char;
    fn byol_convolution_backward(
        gradient: *const CTensor,
        input: *const CTensor,
        weight: *const CTensor,
        stride: i64,
        padding: i64,
        wants_input: bool,
        wants_weight: bool,
        input_gradient: *mut *mut CTensor,
        weight_gradient: *mut *mut CTensor,
    ) -> *mut c_char;
    fn byol_fused_adam(
        parameters: *mut CTensor,
        gradient: *mut CTensor,
        first: *mut CTensor,
        second: *mut CTensor,
        steps: *mut CTensor,
        rate: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        epsilon: f64,
    ) -> *mut c_char;
    fn byol_configuration() -> *mut c_char;
    fn byol_library() -> *mut c_char;
    fn byol_set_own_threads(threads: i32);
    fn byol_dismiss_own_threads();
    fn byol_parallel(tasks: usize, context: *const c_void, run: unsafe extern "C" fn(*const c_void, usize, usize));
}

fn pointers(inputs: &[&Tensor]) -> Vec<*const CTensor> {
    inputs.iter().map(|input| input.as_ptr().cast()).collect()
}

/// Whether autograd is on and one of `inputs` takes part in it.
pub fn needs_gradient(inputs: &[&Tensor]) -> bool {
    let inputs = pointers(inputs);
    // SAFETY: the pointers are those of living tensors.
    unsafe { byol_needs_gradient(inputs.as_ptr(), inputs.len()) }
}

/// The function that gives one gradient per input from one gradient per output; `None` is zero, which not all outputs'
/// are. It may be called on another thread.
type Gradient = Box<dyn FnMut(Vec<Option<Tensor>>) -> Vec<Option<Tensor>> + Send>;

struct Context {
    gradient: Gradient,
    outputs: usize,
    inputs: usize,
}

/// Makes `output` the result of an operation on `inputs` whose gradient `backward` computes, in the order of `inputs`,
/// `None` for zero.
///
/// `output` must have been computed without autograd. What `backward` keeps of it must be a detached tensor: one with
/// history would keep itself alive. It is dropped when the gradient has been computed.
///
/// # Panics
/// libtorch refuses, for example because `output` is of an integer type.
pub fn with_gradient(
    output: Tensor,
    inputs: &[&Tensor],
    mut backward: impl FnMut(Tensor) -> Vec<Option<Tensor>> + Send + 'static,
) -> Tensor {
    let [output] = with_gradients([output], inputs, move |[gradient]| {
        backward(gradient.expect("the gradient of one output is never zero"))
    });
    output
}

/// As [`with_gradient`], of an operation of several outputs. Some of their gradients are `None`, for zero, but not all.
///
/// Two outputs may share memory, but must not be handles of one tensor.
///
/// # Panics
/// As [`with_gradient`].
pub fn with_gradients<const OUTPUTS: usize>(
    outputs: [Tensor; OUTPUTS],
    inputs: &[&Tensor],
    mut backward: impl FnMut([Option<Tensor>; OUTPUTS]) -> Vec<Option<Tensor>> + Send + 'static,
) -> [Tensor; OUTPUTS] {
    let gradient = move |gradients: Vec<Option<Tensor>>| {
        backward(gradients.try_into().expect("there is a gradient, or none, for every output"))
    };
    let context = Box::new(Context { gradient: Box::new(gradient), outputs: OUTPUTS, inputs: inputs.len() });
    let (results, inputs) = (pointers(&outputs.each_ref()), pointers(inputs));
    // SAFETY: the pointers are those of living tensors; the node owns the context and releases it once.
    let message = unsafe {
        byol_attach_gradient(
            results.as_ptr(),
            results.len(),
            inputs.as_ptr(),
            inputs.len(),
            Box::into_raw(context).cast(),
            run_gradient,
            release,
        )
    };
    require_success(message);
    outputs
}

fn require_success(message: *mut c_char) {
    if !message.is_null() {
        // SAFETY: a message is a C string that is ours; the process ends with it.
        let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
        panic!("libtorch refuses an operation of byol: {text}");
    }
}

/// Copies each of `sources` into the target of the same place, converting its type: libtorch's `_foreach_copy_`, which
/// takes few launches for all of them on a GPU.
///
/// # Panics
/// There are more of one than of the other, or two differ in shape.
pub fn copy_all(targets: &[Tensor], sources: &[Tensor]) {
    assert_eq!(targets.len(), sources.len());
    let pointers = |tensors: &[Tensor]| tensors.iter().map(|tensor| tensor.as_ptr().cast()).collect::<Vec<_>>();
    let (to, from) = (pointers(targets), pointers(sources));
    // SAFETY: the pointers are those of living tensors.
    require_success(unsafe { byol_copy_all(to.as_ptr(), from.as_ptr(), to.len()) });
}

/// Copies bytes to a GPU, `[bytes]` as uint8, without waiting for what the GPU does: through page-locked memory. The copy
/// there is a plain one on this thread; libtorch's would wake all its threads. Where the CPU is the device, they are
/// copied into a tensor of its memory.
///
/// # Panics
/// There is no such device, or no memory.
pub fn send(bytes: &[u8], device: Device) -> Tensor {
    if device == Device::Cpu {
        return Tensor::from_slice(bytes);
    }
    let mut result: *mut CTensor = std::ptr::null_mut();
    // SAFETY: the pointer is that of a place for the result.
    require_success(unsafe { byol_page_locked(bytes.len() as i64, &mut result) });
    // SAFETY: the result is a new tensor that is ours.
    let locked = unsafe { Tensor::from_ptr(result.cast()) };
    // SAFETY: the tensor is contiguous, of so many bytes, and nobody else has it.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), locked.data_ptr().cast(), bytes.len()) };
    locked.to_device_(device, Kind::Uint8, true, false)
}

/// Which gradients of a convolution are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// That of the input.
    pub input: bool,
    /// That of the weight.
    pub weight: bool,
}

/// The gradients of input and weight of a square convolution without bias: libtorch's `convolution_backward`.
///
/// # Shapes
/// `gradient` is `[batch, outputs, height, width]` of the output, `input` `[batch, inputs, height, width]`, `weight`
/// `[outputs, inputs, side, side]`.
///
/// # Panics
/// The shapes do not fit together.
pub fn convolution_backward(
    gradient: &Tensor,
    [input, weight]: [&Tensor; 2],
    stride: i64,
    padding: i64,
    wanted: Wanted,
) -> [Option<Tensor>; 2] {
    let mut results: [*mut CTensor; 2] = [std::ptr::null_mut(); 2];
    let [for_input, for_weight] = &mut results;
    // SAFETY: the pointers are those of living tensors, and of places for the results.
    require_success(unsafe {
        byol_convolution_backward(
            gradient.as_ptr().cast(),
            input.as_ptr().cast(),
            weight.as_ptr().cast(),
            stride,
            padding,
            wanted.input,
            wanted.weight,
            for_input,
            for_weight,
        )
    });
    // SAFETY: a result is a new tensor that is ours.
    results.map(|result| (!result.is_null()).then(|| unsafe { Tensor::from_ptr(result.cast()) }))
}

/// The settings of one step of [`fused_adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Factor of the step, 0 or more.
    pub learning_rate: f64,
    /// Decay rates of the first and the second moment, each from 0 up to, not including, 1.
    pub betas: (f64, f64),
    /// Added to the gradient, times the parameters.
    pub weight_decay: f64,
    /// Added to the square root of the second moment, above 0.
    pub epsilon: f64,
}

/// One step of Adam in one sweep over memory, libtorch's `_fused_adam_`.
///
/// # Shapes
/// `parameters`, `gradient` and both moments are of one shape, type and device; `steps` is a float32 scalar there that
/// holds the number of this step, from 1.
///
/// # Panics
/// The tensors do not fit together.
pub fn fused_adam(
    parameters: &mut Tensor,
    gradient: &mut Tensor,
    [first, second]: [&mut Tensor; 2],
    steps: &mut Tensor,
    step: AdamStep,
) {
    let AdamStep { learning_rate, betas: (beta1, beta2), weight_decay, epsilon } = step;
    let pointer = |tensor: &mut Tensor| -> *mut CTensor { tensor.as_mut_ptr().cast() };
    // SAFETY: the pointers are those of living tensors that nobody else changes meanwhile.
    require_success(unsafe {
        byol_fused_adam(
            pointer(parameters),
            pointer(gradient),
            pointer(first),
            pointer(second),
            pointer(steps),
            learning_rate,
            beta1,
            beta2,
            weight_decay,
            epsilon,
        )
    });
}

unsafe extern "C" fn run_gradient(
    context: *mut c_void,
    gradients: *const *const CTensor,
    results: *mut *mut CTensor,
) -> bool {
    // SAFETY: the node passes the context it was made with, one call at a time.
    let context = unsafe { &mut *context.cast::<Context>() };
    let computed = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the node passes a pointer for each output.
        let gradients = unsafe { std::slice::from_raw_parts(gradients, context.outputs) };
        let of_output = |&gradient: &*const CTensor| {
            // SAFETY: what is not null is a living tensor, of which this makes a handle of its own.
            (!gradient.is_null()).then(|| unsafe { Tensor::clone_from_ptr(gradient.cast_mut().cast()) })
        };
        let gradients = gradients.iter().map(of_output).collect();
        tch::no_grad(|| (context.gradient)(gradients))
    }));
    match computed {
        Ok(gradients) if gradients.len() == context.inputs => {
            for (index, gradient) in gradients.into_iter().enumerate() {
                let Some(mut gradient) = gradient else { continue };
                // SAFETY: `results` has a place for every input; the node takes the handle over.
                unsafe { *results.add(index) = gradient.as_mut_ptr().cast() };
                std::mem::forget(gradient);
            }
            true
        }
        _ => false,
    }
}

unsafe extern "C" fn release(context: *mut c_void) {
    // SAFETY: the context came out of a box, and the node releases it once.
    drop(unsafe { Box::from_raw(context.cast::<Context>()) });
}

/// How many threads compute what the calling thread asks of libtorch, and its [`parallel`]: for good, whatever others set
/// before or after. `tch::set_num_threads` alone is undone when a new thread first computes, by what was set last anywhere.
///
/// Threads that have not computed yet will begin with this number; whoever divides the cores among threads sets his own again.
pub fn set_own_threads(threads: usize) {
    // SAFETY: the call changes settings of libtorch and OpenMP for this thread.
    unsafe { byol_set_own_threads(threads.clamp(1, i32::MAX as usize) as i32) };
}

/// Ends the threads that the calling one has computed with, where OpenMP's are used; the next operation begins others, in some
/// ten microseconds each. After an operation they would wait for the next one in a loop, for milliseconds, on cores that others
/// can use meanwhile.
pub fn dismiss_own_threads() {
    // SAFETY: the call ends idle threads; inside a parallel region it does nothing.
    unsafe { byol_dismiss_own_threads() };
}

/// Runs `task(0)` to `task(tasks - 1)` on the threads that libtorch computes with, and waits for all.
///
/// # Panics
/// A task panicked.
pub fn parallel<F: Fn(usize) + Sync>(tasks: usize, task: F) {
    struct Shared<F> {
        task: F,
        failed: AtomicBool,
    }
    unsafe extern "C" fn run<F: Fn(usize) + Sync>(context: *const c_void, begin: usize, end: usize) {
        // SAFETY: `parallel` passes this context and outlives the call.
        let shared = unsafe { &*context.cast::<Shared<F>>() };
        if catch_unwind(AssertUnwindSafe(|| (begin..end).for_each(&shared.task))).is_err() {
            shared.failed.store(true, Ordering::Relaxed);
        }
    }
    let shared = Shared { task, failed: AtomicBool::new(false) };
    // SAFETY: the context lives until all tasks have run.
    unsafe { byol_parallel(tasks, (&raw const shared).cast(), run::<F>) };
    assert!(!shared.failed.load(Ordering::Relaxed), "a task on libtorch's threads panicked");
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn square(input: &Tensor) -> Tensor {
        let output = tch::no_grad(|| input * input);
        if !needs_gradient(&[input]) {
            return output;
        }
        let saved = input.detach();
        with_gradient(output, &[input], move |gradient| vec![Some(2.0 * gradient * &saved)])
    }

    #[test]
    fn a_gradient_of_ours_in_the_graph() {
        let x = Tensor::from_slice(&[1.0, -2.0, 3.0]).set_requires_grad(true);
        let y = square(&(&x * 2.0)).sum(Kind::Double);
        y.backward();
        // d/dx sum (2x)^2 = 8x
        assert_eq!(Vec::<f64>::try_from(x.grad()).unwrap(), [8.0, -16.0, 24.0]);
    }

    #[test]
    fn two_outputs_have_gradients_of_their_own() {
        let x = Tensor::from_slice(&[1.0, 2.0]).set_requires_grad(true);
        let twice = || {
            let outputs = tch::no_grad(|| [x.detach().copy(), x.detach().copy()]);
            with_gradients(outputs, &[&x], |[first, second]| {
                let parts = [first.map(|gradient| gradient * 10.0), second];
                vec![parts.into_iter().flatten().reduce(|a, b| a + b)]
            })
        };
        let [first, second] = twice();
        (first * 3.0 + second * 2.0).sum(Kind::Double).backward();
        assert_eq!(Vec::<f64>::try_from(x.grad()).unwrap(), [32.0; 2]);
        let _ = x.grad().zero_();
        let [_, second] = twice();
        second.sum(Kind::Double).backward();
        assert_eq!(Vec::<f64>::try_from(x.grad()).unwrap(), [1.0; 2]);
    }

    /// What another thread sets does not reach a thread that has chosen, not even when that first computes.
    #[test]
    fn a_thread_has_its_own_number_of_threads() {
        let at_work = || {
            let threads = std::sync::Mutex::new(std::collections::HashSet::new());
            parallel(64, |_| {
                threads.lock().unwrap().insert(std::thread::current().id());
            });
            threads.into_inner().unwrap().len()
        };
        let alone = std::thread::spawn(move || {
            set_own_threads(1);
            std::thread::spawn(|| set_own_threads(3)).join().unwrap();
            [at_work(), tch::get_num_threads() as usize]
        });
        assert_eq!(alone.join().unwrap(), [1, 1]);
        let again = std::thread::spawn(move || {
            set_own_threads(3);
            [(); 3].map(|()| {
                dismiss_own_threads();
                at_work()
            })
        });
        assert_eq!(again.join().unwrap(), [3; 3]);
        let three = std::thread::spawn(move || {
            set_own_threads(3);
            std::thread::spawn(|| set_own_threads(1)).join().unwrap();
            [at_work(), tch::get_num_threads() as usize]
        });
        assert_eq!(three.join().unwrap(), [3, 3]);
    }

    #[test]
    fn no_gradient_where_none_is_wanted() {
        let x = Tensor::from_slice(&[1.0]).set_requires_grad(true);
        assert!(!tch::no_grad(|| square(&x)).requires_grad());
        assert!(!square(&x.detach()).requires_grad());
    }

    #[test]
    fn what_the_gradient_keeps_is_dropped_with_it() {
        struct Flag(std::sync::Arc<AtomicUsize>);
        impl Drop for Flag {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = std::sync::Arc::new(AtomicUsize::new(0));
        let x = Tensor::from_slice(&[1.0]).set_requires_grad(true);
        let flag = Flag(dropped.clone());
        let y = with_gradient(x.detach().copy(), &[&x], move |gradient| {
            let _ = &flag;
            vec![Some(gradient)]
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 0);
        y.sum(Kind::Double).backward();
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failing_gradient_is_an_error() {
        let x = Tensor::from_slice(&[1.0]).set_requires_grad(true);
        let y = with_gradient(x.detach().copy(), &[&x], |_| Vec::new());
        assert!(y.f_backward().is_err());
    }

    #[test]
    fn every_task_once() {
        let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
        parallel(counts.len(), |task| {
            counts[task].fetch_add(1, Ordering::SeqCst);
        });
        assert!(counts.iter().all(|count| count.load(Ordering::SeqCst) == 1));
    }
}
