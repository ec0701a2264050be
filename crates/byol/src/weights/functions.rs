//! What a pickle may name: the functions that put tensors together, what is passed over, and what is refused.

use super::pickle::Function;
use super::storage::Element;

/// Modules that no checkpoint has a reason to name: whoever loads such a file elsewhere runs what it asks for.
const HOSTILE: [&str; 16] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "importlib",
    "runpy",
    "socket",
    "shutil",
    "webbrowser",
    "pty",
    "ctypes",
    "code",
    "timeit",
    "pickle",
    "commands",
];
const HOSTILE_BUILTINS: [&str; 7] = ["eval", "exec", "compile", "open", "getattr", "__import__", "input"];

/// The function of that name. None is run; those that put tensors together are done here.
///
/// # Errors
/// No weights have a reason to name it; in words.
pub(super) fn find(module: &str, name: &str) -> Result<Function, String> {
    let top = module.split('.').next().unwrap_or_default();
    match (module, name) {
        ("collections", "OrderedDict" | "defaultdict") => Ok(Function::Dict),
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Ok(Function::RebuildTensor),
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Ok(Function::RebuildParameter),
        ("torch", storage) if Element::of_storage(storage).is_some() => {
            Ok(Function::StorageType(Element::of_storage(storage).unwrap_or(Element::Float)))
        }
        _ if HOSTILE.contains(&top) || is_builtin(top) && HOSTILE_BUILTINS.contains(&name) => Err(format!(
            "it asks to run {module}.{name}, which is not done and which no weights need; do not load it elsewhere"
        )),
        _ => Ok(Function::PassedOver),
    }
}

fn is_builtin(module: &str) -> bool {
    matches!(module, "builtins" | "__builtin__")
}

/// Whether what it holds needs no word where it is passed over: sets, sizes, devices, types of numbers.
pub(super) fn is_plain(module: &str) -> bool {
    is_builtin(module) || matches!(module, "torch" | "collections" | "_codecs")
}
