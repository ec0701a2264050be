//! The kernels compiled for the processor (`host/kernels.cpp`).

use std::collections::HashMap;
use std::ffi::{CString, c_char, c_void};

use crate::{Grid, names};

/// A kernel, which takes pointers to its arguments.
type Function = unsafe extern "C" fn(*mut *mut c_void);

pub(crate) type Functions = HashMap<&'static str, Function>;

unsafe extern "C" {
    fn byol_host_kernel(name: *const c_char) -> Option<Function>;
    fn byol_host_launch(kernel: Function, blocks: *const u32, threads: *const u32, arguments: *mut *mut c_void);
}

/// The kernels that are there, by their names.
pub(crate) fn functions() -> Functions {
    let function = |name| {
        let text = CString::new(name).expect("a name holds no zero byte");
        // SAFETY: the text ends with a zero byte, and is only read.
        Some((name, unsafe { byol_host_kernel(text.as_ptr()) }?))
    };
    names().filter_map(function).collect()
}

/// Runs a kernel, and returns when it is done.
///
/// # Safety
/// The arguments are those of the kernel, and addresses lead to memory of the size it expects.
pub(crate) unsafe fn launch(function: Function, grid: Grid, arguments: &mut [*mut c_void]) {
    // SAFETY: the caller's promise; the grid is read alone.
    unsafe { byol_host_launch(function, grid.blocks.as_ptr(), grid.threads.as_ptr(), arguments.as_mut_ptr()) }
}
