//! CUDA kernels, compiled by NVRTC for the GPU that is there when they are first needed, and launched on libtorch's
//! memory and its default stream. Building and starting the program needs no CUDA.
//!
//! Pointers are addresses in the device's memory; what is launched runs later, in the order of the stream.
//!
//! With the feature `host` the same kernels are compiled for the processor too, so that tests need no GPU
//! (`Kernels::on_host`).

#![warn(missing_docs)]

pub mod device;
#[cfg(feature = "host")]
mod host;
pub mod norm;
pub mod unfold;
pub mod views;

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, OnceLock};

use cudarc::driver::{result as driver, sys};
use cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};

/// An address in a device's memory.
pub type Address = u64;

/// Kernels that cannot be had, or not be launched.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// A library of NVIDIA's, by its name, is not on this machine.
    #[error("the library {0} is not there; run `make libtorch` on this machine")]
    NoLibrary(&'static str),
    /// The driver's answer to a call.
    #[error("the NVIDIA driver refuses: {0}")]
    Driver(String),
    /// What the compiler says.
    #[error("a kernel cannot be compiled: {0}")]
    Compile(String),
}

impl From<driver::DriverError> for CudaError {
    fn from(error: driver::DriverError) -> CudaError {
        CudaError::Driver(format!("{error:?}"))
    }
}

/// What each source file holds; all are compiled together.
const SOURCES: [&str; 4] = [
    include_str!("../kernels/element.cuh"),
    include_str!("../kernels/norm.cu"),
    include_str!("../kernels/unfold.cu"),
    include_str!("../kernels/views.cu"),
];

/// The names of all kernels.
fn names() -> impl Iterator<Item = &'static str> {
    norm::names().chain(unfold::names()).chain(views::names())
}

/// The kernels of one device.
pub struct Kernels {
    place: Place,
    multiprocessors: u32,
}

/// Where kernels run, and what they are there.
enum Place {
    Device {
        context: sys::CUcontext,
        functions: HashMap<&'static str, sys::CUfunction>,
    },
    #[cfg(feature = "host")]
    Host(host::Functions),
}

// SAFETY: the driver's handles may be used from any thread; every launch makes the context current first.
unsafe impl Send for Kernels {}
// SAFETY: as above; nothing is changed after loading.
unsafe impl Sync for Kernels {}

/// What a launch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub blocks: [u32; 3],
    pub threads: [u32; 3],
}

/// An argument of a kernel: numbers and addresses, by value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Argument {
    Address(Address),
    Integer(i32),
    Long(i64),
    Float(f32),
}

impl Argument {
    fn pointer(&self) -> *mut c_void {
        let pointer: *const c_void = match self {
            Argument::Address(value) => (&raw const *value).cast(),
            Argument::Integer(value) => (&raw const *value).cast(),
            Argument::Long(value) => (&raw const *value).cast(),
            Argument::Float(value) => (&raw const *value).cast(),
        };
        pointer.cast_mut()
    }
}

impl Kernels {
    /// The kernels for device `index`, compiled at the first call.
    ///
    /// # Errors
    /// Driver or compiler are not there, or refuse.
    pub fn load(index: usize) -> Result<Arc<Kernels>, CudaError> {
        type Compiled = Result<Arc<Kernels>, CudaError>;
        static OF_DEVICES: OnceLock<Mutex<HashMap<usize, Compiled>>> = OnceLock::new();
        let mut loaded = OF_DEVICES.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        loaded.entry(index).or_insert_with(|| Kernels::compile(index).map(Arc::new)).clone()
    }

    fn compile(index: usize) -> Result<Kernels, CudaError> {
        // SAFETY: looking for a library runs its initialisers alone.
        if !unsafe { sys::is_culib_present() } {
            return Err(CudaError::NoLibrary("libcuda"));
        }
        driver::init()?;
        let device = driver::device::get(index as i32)?;
        let attribute = |attribute| {
            // SAFETY: the device is there.
            unsafe { driver::device::get_attribute(device, attribute) }
        };
        let major = attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let multiprocessors = attribute(sys::CUdevice_attribute_enum::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        let code = intermediate(10 * major + minor)?;
        // SAFETY: the device is there; libtorch uses the same primary context.
        let context = unsafe { driver::primary_ctx::retain(device) }?;
        // SAFETY: the context was just retained, and is never released.
        unsafe { driver::ctx::set_current(context) }?;
        // SAFETY: the code ends with a zero byte.
        let module = unsafe { driver::module::load_data(code.as_ptr().cast()) }?;
        let mut functions = HashMap::new();
        for name in names() {
            let text = CString::new(name).expect("a name holds no zero byte");
            // SAFETY: the module is never unloaded.
            functions.insert(name, unsafe { driver::module::get_function(module, text) }?);
        }
        Ok(Kernels { place: Place::Device { context, functions }, multiprocessors: multiprocessors as u32 })
    }

    /// The kernels on the processor, where addresses are those of the program's own memory, and a launch returns when all
    /// is done: for tests.
    #[cfg(feature = "host")]
    pub fn on_host() -> Arc<Kernels> {
        // Some, so that work is divided as it is for a GPU.
        Arc::new(Kernels { place: Place::Host(host::functions()), multiprocessors: 3 })
    }

    /// Bytes of the device's memory that nothing uses; 0 on the processor, whose memory is not the kernels' own.
    ///
    /// # Errors
    /// The driver refuses.
    pub fn free_memory(&self) -> Result<usize, CudaError> {
        match self.place {
            Place::Device { context, .. } => {
                // SAFETY: the context is retained for good.
                unsafe { driver::ctx::set_current(context) }?;
                Ok(driver::mem_get_info()?.0)
            }
            #[cfg(feature = "host")]
            Place::Host(_) => Ok(0),
        }
    }

    /// Launches a kernel on the default stream.
    ///
    /// # Safety
    /// The arguments are those of the kernel, and addresses lead to memory of this device of the size it expects.
    pub(crate) unsafe fn launch(
        &self,
        name: &'static str,
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), CudaError> {
        let unknown = || CudaError::Compile(format!("there is no kernel '{name}'"));
        let mut pointers: Vec<*mut c_void> = arguments.iter().map(Argument::pointer).collect();
        match &self.place {
            Place::Device { context, functions } => {
                let function = *functions.get(name).ok_or_else(unknown)?;
                let triple = |[x, y, z]: [u32; 3]| (x, y, z);
                // SAFETY: the context is retained for good.
                unsafe { driver::ctx::set_current(*context) }?;
                // SAFETY: the caller promises what the kernel needs; the driver copies the arguments before it returns.
                unsafe {
                    driver::launch_kernel(
                        function,
                        triple(grid.blocks),
                        triple(grid.threads),
                        0,
                        std::ptr::null_mut(),
                        &mut pointers,
                    )
                }?;
            }
            #[cfg(feature = "host")]
            Place::Host(functions) => {
                let function = *functions.get(name).ok_or_else(unknown)?;
                // SAFETY: the caller promises what the kernel needs.
                unsafe { host::launch(function, grid, &mut pointers) };
            }
        }
        Ok(())
    }
}

/// The sources compiled to PTX for compute capability `capability` (90 for 9.0), with a zero byte at the end.
///
/// # Errors
/// The compiler is not there, or finds a mistake.
pub fn intermediate(capability: i32) -> Result<CString, CudaError> {
    require_compiler()?;
    // Products and sums are rounded one by one, as on the CPU, so that levels are cut to the same integers. The kernels
    // wait for memory, not for arithmetic.
    let options = CompileOptions {
        options: vec![
            format!("--gpu-architecture=compute_{capability}"),
            "--std=c++17".to_owned(),
            "--fmad=false".to_owned(),
        ],
        ..CompileOptions::default()
    };
    let compiled = compile_ptx_with_opts(SOURCES.concat(), options).map_err(|error| match error {
        CompileError::CompileError { log, .. } => CudaError::Compile(log.to_string_lossy().into_owned()),
        other => CudaError::Compile(format!("{other:?}")),
    })?;
    CString::new(compiled.to_src().trim_end_matches('\0')).map_err(|error| CudaError::Compile(error.to_string()))
}

/// Brings NVRTC into the process. libtorch's own library for it knows where it lies beside libtorch.
fn require_compiler() -> Result<(), CudaError> {
    static FOUND: OnceLock<bool> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        // SAFETY: loading libraries of libtorch and CUDA runs their initialisers alone. They stay loaded.
        unsafe {
            if let Ok(library) = libloading::Library::new("libcaffe2_nvrtc.so") {
                std::mem::forget(library);
            }
            cudarc::nvrtc::sys::is_culib_present()
        }
    });
    if found { Ok(()) } else { Err(CudaError::NoLibrary("libnvrtc")) }
}

/// The version of NVRTC, major and minor.
///
/// # Errors
/// It is not there, or does not say.
pub fn compiler_version() -> Result<(i32, i32), CudaError> {
    require_compiler()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is there; the call writes to both numbers alone.
    let result = unsafe { cudarc::nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    match result {
        cudarc::nvrtc::sys::nvrtcResult::NVRTC_SUCCESS => Ok((major, minor)),
        other => Err(CudaError::Compile(format!("{other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Loads the NVRTC of the tests' Python environment, which `make python` makes, and which needs no GPU.
    fn load_compiler_of_tests() {
        let pythons = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.python/lib");
        let Ok(pythons) = pythons.read_dir() else { return };
        for python in pythons {
            let libraries = python.unwrap().path().join("site-packages/nvidia/cu13/lib");
            // The first is what the second looks for by its name.
            for name in ["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"] {
                // SAFETY: loading CUDA's compiler runs its initialisers alone. It stays loaded, and is found by its name.
                match unsafe { libloading::Library::new(libraries.join(name)) } {
                    Ok(library) => std::mem::forget(library),
                    Err(error) if cfg!(target_os = "linux") => panic!("{error}; run `make python`"),
                    Err(_) => {}
                }
            }
        }
    }

    #[test]
    fn the_kernels_compile() {
        load_compiler_of_tests();
        for capability in [75, 80, 90] {
            match intermediate(capability) {
                Ok(code) => {
                    let code = code.to_string_lossy();
                    for name in names() {
                        assert!(code.contains(&format!(".entry {name}(")), "{name} is not in the compiled code");
                    }
                }
                Err(CudaError::NoLibrary(name)) => eprintln!("SKIPPED: {name} is not on this machine"),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[cfg(feature = "host")]
    #[test]
    fn the_host_has_all_kernels() {
        let Place::Host(functions) = &Kernels::on_host().place else { panic!("it is the host") };
        let missing: Vec<_> = names().filter(|&name| !functions.contains_key(name)).collect();
        assert!(missing.is_empty(), "{missing:?} are not named in host/kernels.cpp");
    }

    #[test]
    fn without_a_gpu_there_is_an_error() {
        if let Err(error) = Kernels::load(0) {
            assert!(!error.to_string().is_empty());
        }
    }
}
